//! `alarm` → an Alarm, or one for each dead-letter queue of the stack.

use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::Lowering;
use crate::model::alarm::{Alarm, Comparison, Metric, Missing, Statistic, Watches};
use crate::model::{ResourceRef, Stack};

impl Lowering for Alarm {
    /// Order: after the dead-letter queues that an alarm watches.
    const LATE: bool = true;

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        match &self.watches {
            Watches::Metric(metric) => {
                let properties = of_metric(builder.stack, name, metric, &self.notify);
                builder.add(id, "AWS::CloudWatch::Alarm", properties);
            }
            Watches::DeadLetters => {
                for queue in dead_letter_queues(builder) {
                    let properties = of_dead_letters(&queue, &self.notify);
                    builder.add(format!("{id}On{queue}"), "AWS::CloudWatch::Alarm", properties);
                }
            }
        }
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            _ => json!(Ref(id)),
        }
    }

    /// Returns no sender: an alarm has no ARN before its name is known, and a policy that waits for it would be a
    /// circle.
    fn sender(&self, _: &Stack, _: &str, _: &str, to: &str) -> Option<(&'static str, Value)> {
        let sends = self.notify.iter().any(|topic| topic.name == to);
        sends.then_some(("cloudwatch.amazonaws.com", Value::Null))
    }
}

/// Returns the logical IDs of the dead-letter queues that the template has by now.
pub(super) fn dead_letter_queues(builder: &Builder<'_>) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for resource in &builder.stack.resources {
        named.extend(resource.is.dead_letter_queues().into_iter().map(|queue| logical_id(&queue.name)));
    }
    let queues = builder.template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::SQS::Queue");
    let mut out: Vec<String> = queues
        .map(|(id, _)| id)
        .filter(|id| id.ends_with("DeadLetters") || named.contains(id))
        .cloned()
        .collect();
    // By name, so that the order of the file changes nothing.
    out.sort();
    out
}

fn of_dead_letters(queue: &str, notify: &[ResourceRef]) -> Value {
    let mut out = json!({
        "AlarmDescription": format!("Something could not be processed: {queue} holds a message."),
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{ "Name": "QueueName", "Value": GetAtt(queue, "QueueName") }],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    });
    tell(&mut out, notify);
    out
}

fn tell(properties: &mut Value, notify: &[ResourceRef]) {
    if !notify.is_empty() {
        let topics: Vec<Value> = notify.iter().map(|topic| json!(Ref(logical_id(&topic.name)))).collect();
        properties["AlarmActions"] = json!(topics);
        properties["OKActions"] = json!(topics);
    }
}

fn of_metric(stack: &Stack, name: &str, metric: &Metric, notify: &[ResourceRef]) -> Value {
    let metrics = stack.resource(&metric.of.name).and_then(|resource| resource.is.kind().metrics());
    let mut out = json!({
        "AlarmDescription": format!("{name}: {} of {}.", metric.name, metric.of.name),
        "Namespace": metrics.map(|metrics| metrics.namespace),
        "MetricName": metric.name,
        "Dimensions": [{
            "Name": metrics.map(|metrics| metrics.dimension),
            "Value": super::attribute(stack, &metric.of.name, "name"),
        }],
        "Period": metric.period,
        "EvaluationPeriods": metric.periods,
        "Threshold": metric.threshold,
        "ComparisonOperator": match metric.comparison {
            Comparison::Greater => "GreaterThanThreshold",
            Comparison::GreaterOrEqual => "GreaterThanOrEqualToThreshold",
            Comparison::Less => "LessThanThreshold",
            Comparison::LessOrEqual => "LessThanOrEqualToThreshold",
        },
        "TreatMissingData": match metric.missing {
            Missing::NotBreaching => "notBreaching",
            Missing::Breaching => "breaching",
            Missing::Ignore => "ignore",
        },
    });
    match metric.statistic {
        Statistic::Sum => out["Statistic"] = json!("Sum"),
        Statistic::Average => out["Statistic"] = json!("Average"),
        Statistic::Minimum => out["Statistic"] = json!("Minimum"),
        Statistic::Maximum => out["Statistic"] = json!("Maximum"),
        Statistic::Percentile(percentile) => out["ExtendedStatistic"] = json!(percentile),
    }
    tell(&mut out, notify);
    out
}
