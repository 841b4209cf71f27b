//! `dashboard` → Dashboard: a row of two graphs for each function, queue, table and topic.

use deployer_cfn::template::{Ref, Sub};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::Lowering;
use crate::model::dashboard::Dashboard;
use crate::model::{Resource, Stack};

/// Columns of a dashboard: CloudWatch API reference, "Dashboard body structure and syntax".
const WIDTH: usize = 24;
const HEIGHT: usize = 6;

impl Lowering for Dashboard {
    /// Order: after the dead-letter queues that a dashboard shows.
    const LATE: bool = true;

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let shown =
            |resource: &&Resource| self.of.is_empty() || self.of.iter().any(|of| of.name == resource.name);
        let mut resources: Vec<&Resource> = builder.stack.resources.iter().filter(shown).collect();
        // By name, so that the order of the file changes nothing.
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        let mut widgets: Vec<Value> = Vec::new();
        for resource in resources {
            let Some(metrics) = resource.is.kind().metrics() else { continue };
            let (namespace, dimension) = (metrics.namespace, metrics.dimension);
            let value = super::in_sub(&super::attribute(builder.stack, &resource.name, "name"));
            let graphs = metrics.graphs;
            for (column, (title, statistic, metrics)) in graphs.iter().enumerate() {
                let title = format!("{}: {title}", resource.name);
                let lines = metrics.iter().map(|metric| json!([namespace, metric, dimension, value]));
                let y = widgets.len() / graphs.len() * HEIGHT;
                widgets.push(widget((column * WIDTH / 2, y), &title, statistic, lines.collect()));
            }
        }
        let dead_letters: Vec<Value> = super::alarm::dead_letter_queues(builder)
            .iter()
            .map(|queue| {
                json!([
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    "QueueName",
                    format!("${{{queue}.QueueName}}")
                ])
            })
            .collect();
        if self.of.is_empty() && !dead_letters.is_empty() {
            let y = widgets.len() / 2 * HEIGHT;
            widgets.push(widget((0, y), "dead letters", "Maximum", dead_letters));
        }
        let body = json!({ "widgets": widgets }).to_string();
        let properties = json!({ "DashboardName": Sub(format!("${{AWS::StackName}}-{name}")), "DashboardBody": Sub(body) });
        builder.add(id, "AWS::CloudWatch::Dashboard", properties);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, _: &str) -> Value {
        json!(Ref(id))
    }
}

fn widget((x, y): (usize, usize), title: &str, statistic: &str, metrics: Vec<Value>) -> Value {
    json!({
        "type": "metric",
        "x": x,
        "y": y,
        "width": WIDTH / 2,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "stat": statistic,
            "period": 60,
            "metrics": metrics,
        },
    })
}
