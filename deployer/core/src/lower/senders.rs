//! Which AWS services send to a queue or a topic of the stack: what its policy and the policy of its key must allow.

use serde_json::{Value, json};

use super::restart;
use crate::model::bucket::Notified;
use crate::model::topic::Subscriber;
use crate::model::{ResourceType, Stack};
use crate::names;
use crate::template::{GetAtt, Ref, logical_id};

/// The principal of EventBridge.
const EVENTBRIDGE: &str = "events.amazonaws.com";

/// A service that sends on behalf of a resource of the stack.
pub(super) struct Sender {
    /// Name of the resource.
    pub(super) name: String,
    /// The service's principal.
    pub(super) service: &'static str,
    /// ARN of the resource.
    pub(super) arn: Value,
}

/// All that sends to the queue or topic of this name, by name, so that the order of the file changes no policy.
pub(super) fn senders(stack: &Stack, name: &str) -> Vec<Sender> {
    let mut out: Vec<Sender> = stack
        .resources
        .iter()
        .filter_map(|resource| sender(stack, &resource.name, &resource.is, name))
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// The resource as a sender, when it sends to the queue or topic `to`.
fn sender(stack: &Stack, name: &str, resource: &ResourceType, to: &str) -> Option<Sender> {
    let (service, arn) = match resource {
        ResourceType::Bucket(bucket) => {
            let sends = bucket
                .notify
                .iter()
                .any(|notify| !matches!(notify.to, Notified::Function(_)) && notify.to.resource().name == to);
            ("s3.amazonaws.com", sends.then(|| names::bucket_arn(name, "")))
        }
        ResourceType::Rule(rule) => {
            let sends = rule.targets.iter().any(|target| target.to.name == to);
            (EVENTBRIDGE, sends.then(|| json!(GetAtt(logical_id(name), "Arn"))))
        }
        ResourceType::Function(function) => {
            let rule = restart::rule_id(&logical_id(name));
            let sends = restart::sends(stack, function, to);
            (EVENTBRIDGE, sends.then(|| json!(GetAtt(rule, "Arn"))))
        }
        ResourceType::Topic(topic) => {
            let sends = topic.subscriptions.iter().any(|subscription| {
                let own = matches!(&subscription.to, Subscriber::Queue(queue) if queue.name == to);
                own || subscription.dead_letter.as_ref().is_some_and(|queue| queue.name == to)
            });
            ("sns.amazonaws.com", sends.then(|| json!(Ref(logical_id(name)))))
        }
        // An alarm has no ARN before its name is known, and a policy that waits for it would be a circle.
        ResourceType::Alarm(alarm) => {
            let sends = alarm.notify.iter().any(|topic| topic.name == to);
            ("cloudwatch.amazonaws.com", sends.then_some(Value::Null))
        }
        _ => return None,
    };
    arn.map(|arn| Sender { name: name.to_owned(), service, arn })
}

/// A statement of a resource policy that lets a sender do this.
///
/// EventBridge User Guide, "Using resource-based policies": no conditions in policies of SNS topics. What one with them does is
/// not said, so they are left out, and no role is set, with which delivery to encrypted topics may fail.
pub(super) fn allow(sender: &Sender, action: &str, resource: &Value) -> Value {
    if sender.service == EVENTBRIDGE && action == "sns:Publish" {
        return json!({
            "Sid": format!("SendFrom{}", logical_id(&sender.name)),
            "Effect": "Allow",
            "Principal": { "Service": sender.service },
            "Action": action,
            "Resource": resource,
        });
    }
    let mut condition = json!({});
    if !sender.arn.is_null() {
        condition["ArnEquals"] = json!({ "aws:SourceArn": sender.arn });
    }
    condition["StringEquals"] = json!({ "aws:SourceAccount": Ref("AWS::AccountId") });
    json!({
        "Sid": format!("SendFrom{}", logical_id(&sender.name)),
        "Effect": "Allow",
        "Principal": { "Service": sender.service },
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    })
}
