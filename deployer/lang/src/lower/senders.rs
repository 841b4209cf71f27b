//! The AWS services that send to a queue or a topic of the stack: its policy and the policy of its key must allow them.

use deployer_cfn::template::{Ref, Sub, logical_id};
use serde_json::{Value, json};

use super::delivery::is_elsewhere;
use crate::iam::EVENTBRIDGE;
use crate::model::Stack;
use crate::model::existing::Existing;

/// A service that sends on behalf of a resource of the stack.
pub(super) struct Sender {
    /// Name of the resource.
    pub(super) name: String,
    /// The service's principal.
    pub(super) service: &'static str,
    /// ARN of the resource, or the ARNs of what is made for it.
    pub(super) arn: Value,
    /// Account of the resource if it is another than that of the stack.
    account: Option<String>,
    /// `true` if the service sends with a role of the account of the stack, since the receiver is in another.
    by_role: bool,
}

/// Returns all senders to the queue or topic of this name, sorted, so that the order of the file changes no policy.
pub(super) fn senders(stack: &Stack, name: &str) -> Vec<Sender> {
    let mut out: Vec<Sender> = stack
        .resources
        .iter()
        .filter_map(|resource| {
            let id = logical_id(&resource.name);
            let (service, arn) = resource.is.sender(stack, &id, &resource.name, name)?;
            let account = resource.is.existing().and_then(Existing::account).map(str::to_owned);
            let by_role = service == EVENTBRIDGE && is_elsewhere(stack, name);
            Some(Sender { name: resource.name.clone(), service, arn, account, by_role })
        })
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Returns whether rules of the stack send to a resource.
#[must_use]
pub fn gets_events(stack: &Stack, name: &str) -> bool {
    senders(stack, name).iter().any(|sender| sender.service == EVENTBRIDGE)
}

/// Returns a statement of a resource policy that allows an action to a sender.
///
/// EventBridge User Guide, "Using resource-based policies": no conditions in policies of SNS topics. The effect of a
/// condition there is not documented, so there are none, and no role is set, with which delivery to encrypted topics
/// may fail.
pub(super) fn allow(sender: &Sender, action: &str, resource: &Value) -> Value {
    if sender.by_role {
        // The name of the role is made by the deployment, so the account is what its owner can trust before.
        return json!({
            "Sid": format!("SendFrom{}", logical_id(&sender.name)),
            "Effect": "Allow",
            "Principal": { "AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root".to_owned()) },
            "Action": action,
            "Resource": resource,
        });
    }
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
    let account = sender.account.as_ref().map_or(json!(Ref("AWS::AccountId")), |account| json!(account));
    condition["StringEquals"] = json!({ "aws:SourceAccount": account });
    json!({
        "Sid": format!("SendFrom{}", logical_id(&sender.name)),
        "Effect": "Allow",
        "Principal": { "Service": sender.service },
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    })
}
