//! The AWS services that send to a queue or a topic of the stack: its policy and the policy of its key must allow them.

use deployer_cfn::template::{Ref, logical_id};
use serde_json::{Value, json};

use crate::iam::EVENTBRIDGE;
use crate::model::Stack;

/// A service that sends on behalf of a resource of the stack.
pub(super) struct Sender {
    /// Name of the resource.
    pub(super) name: String,
    /// The service's principal.
    pub(super) service: &'static str,
    /// ARN of the resource.
    pub(super) arn: Value,
}

/// Returns all senders to the queue or topic of this name, sorted, so that the order of the file changes no policy.
pub(super) fn senders(stack: &Stack, name: &str) -> Vec<Sender> {
    let mut out: Vec<Sender> = stack
        .resources
        .iter()
        .filter_map(|resource| {
            let id = logical_id(&resource.name);
            let (service, arn) = resource.is.sender(stack, &id, &resource.name, name)?;
            Some(Sender { name: resource.name.clone(), service, arn })
        })
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Returns a statement of a resource policy that allows an action to a sender.
///
/// EventBridge User Guide, "Using resource-based policies": no conditions in policies of SNS topics. The effect of a
/// condition there is not documented, so there are none, and no role is set, with which delivery to encrypted topics
/// may fail.
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
