//! `dashboard` → Dashboard: a row of two graphs for each function, queue, table and topic.

use serde_json::{Value, json};

use super::Builder;
use crate::model::dashboard::Dashboard;
use crate::model::{Kind, Resource};
use crate::template::{Ref, Sub, logical_id};

/// Columns of a dashboard: CloudWatch API reference, "Dashboard body structure and syntax".
const WIDTH: usize = 24;
const HEIGHT: usize = 6;

/// A graph: its title, its statistic, its metrics.
type Graph = (&'static str, &'static str, &'static [&'static str]);

/// Two graphs for each resource of a type, with namespace, dimension, and the value of the dimension behind its id.
const GRAPHS: [(Kind, &str, &str, &str, [Graph; 2]); 4] = [
    (
        Kind::Function,
        "AWS/Lambda",
        "FunctionName",
        "",
        [("calls", "Sum", &["Invocations", "Errors", "Throttles"]), ("duration", "p95", &["Duration"])],
    ),
    (
        Kind::Queue,
        "AWS/SQS",
        "QueueName",
        ".QueueName",
        [
            (
                "messages",
                "Maximum",
                &["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"],
            ),
            ("oldest message", "Maximum", &["ApproximateAgeOfOldestMessage"]),
        ],
    ),
    (
        Kind::Table,
        "AWS/DynamoDB",
        "TableName",
        "",
        [
            ("capacity", "Sum", &["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"]),
            ("throttles", "Sum", &["ReadThrottleEvents", "WriteThrottleEvents"]),
        ],
    ),
    (
        Kind::Topic,
        "AWS/SNS",
        "TopicName",
        ".TopicName",
        [
            ("messages", "Sum", &["NumberOfMessagesPublished"]),
            ("deliveries", "Sum", &["NumberOfNotificationsDelivered", "NumberOfNotificationsFailed"]),
        ],
    ),
];

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, dashboard: &Dashboard) {
    let shown = |resource: &&Resource| {
        dashboard.of.is_empty() || dashboard.of.iter().any(|of| of.name == resource.name)
    };
    let mut resources: Vec<&Resource> = builder.stack.resources.iter().filter(shown).collect();
    // By name, so that the order of the file changes nothing.
    resources.sort_by(|a, b| a.name.cmp(&b.name));
    let mut widgets: Vec<Value> = Vec::new();
    for resource in resources {
        let Some(graphs) = GRAPHS.iter().find(|(kind, ..)| *kind == resource.is.kind()) else { continue };
        let (_, namespace, dimension, suffix, graphs) = graphs;
        let value = format!("${{{}{suffix}}}", logical_id(&resource.name));
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
    if dashboard.of.is_empty() && !dead_letters.is_empty() {
        let y = widgets.len() / 2 * HEIGHT;
        widgets.push(widget((0, y), "dead letters", "Maximum", dead_letters));
    }
    let body = json!({ "widgets": widgets }).to_string();
    let properties =
        json!({ "DashboardName": Sub(format!("${{AWS::StackName}}-{name}")), "DashboardBody": Sub(body) });
    builder.add(id, "AWS::CloudWatch::Dashboard", properties);
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

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str) -> Value {
    json!(Ref(id))
}
