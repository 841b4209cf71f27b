//! `dashboard` → Dashboard: a row of two graphs for each function, queue, table and topic, and one more for an `observe`
//! that writes metrics about files.

use contract::metrics;
use deployer_cfn::template::{Ref, Sub};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::Lowering;
use crate::model::dashboard::Dashboard;
use crate::model::existing::Existing;
use crate::model::worker::Worker;
use crate::model::{Resource, ResourceType, Stack};

/// Columns of a dashboard: CloudWatch API reference, "Dashboard body structure and syntax".
const WIDTH: usize = 24;
const HEIGHT: usize = 6;

impl Lowering for Dashboard {
    /// Order: after the dead-letter queues that a dashboard shows.
    const LATE: bool = true;

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let stack = builder.stack;
        // The metrics of another account are there.
        let own = |resource: &Resource| {
            let account = resource.is.existing().and_then(Existing::account);
            account.is_none() || account == stack.target.account.as_deref()
        };
        let shown = |resource: &&Resource| match self.of.is_empty() {
            true => own(resource),
            false => self.of.iter().any(|of| of.name == resource.name),
        };
        let mut resources: Vec<&Resource> = stack.resources.iter().filter(shown).collect();
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
            if writes_metrics(resource) {
                let line = |metric: &str| json!([metrics::NAMESPACE, metric, metrics::DIMENSION, value]);
                let y = widgets.len() / 2 * HEIGHT;
                let rows = vec![line(metrics::ROWS), line(metrics::FAILED_ROWS)];
                widgets.push(widget((0, y), &format!("{}: rows of files", resource.name), "Sum", rows));
                // Seconds and files have nothing in common but the time, so each has an axis.
                let mut seconds = line(metrics::SECONDS);
                if let Some(line) = seconds.as_array_mut() {
                    line.push(json!({ "stat": "Maximum", "yAxis": "right" }));
                }
                let files = vec![line(metrics::FILES), seconds];
                let title = format!("{}: files, and seconds of the slowest", resource.name);
                widgets.push(widget((WIDTH / 2, y), &title, "Sum", files));
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

/// Returns whether a resource is an `observe` that writes metrics about files.
fn writes_metrics(resource: &Resource) -> bool {
    let ResourceType::Function(function) = &resource.is else { return false };
    function.worker() == Some(Worker::Observe)
        && function.settings.as_ref().is_some_and(|settings| settings.observe.metrics)
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
