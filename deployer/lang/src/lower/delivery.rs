//! Targets of rules and schedules: the resources that EventBridge and its Scheduler call, and the role for it.

use deployer_cfn::template::{GetAtt, logical_id};
use serde_json::{Value, json};

use super::{Builder, json_text, network};
use crate::iam;
use crate::model::access::{Access, Verb};
use crate::model::delivery::{Input, Target};
use crate::model::{Kind, ResourceRef, ResourceType, Stack};

/// The caller of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// EventBridge: functions, queues and topics of the account let it in by their own policies.
    Rule,
    /// The Scheduler, which uses a role for everything.
    Schedule,
}

/// Returns the statements for the role of a rule or schedule; none if it needs no role.
pub(super) fn role_statements<'t>(
    stack: &Stack,
    targets: impl IntoIterator<Item = &'t Target>,
    caller: Caller,
) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for target in targets {
        let verb = match (target.kind, caller) {
            (Kind::Task, _) => Verb::Run,
            (Kind::Bus, _) => Verb::Publish,
            (_, Caller::Rule) if !is_elsewhere(stack, &target.to.name) => continue,
            (Kind::Function, _) => Verb::Invoke,
            (Kind::Queue, _) => Verb::Send,
            (Kind::Topic, _) => Verb::Publish,
            _ => continue,
        };
        let access = Access { verb, resource: target.to.clone(), span: target.span };
        for statement in iam::statements(stack, &access, None) {
            // A target may be given twice, with another input.
            if !out.contains(&statement) {
                out.push(statement);
            }
        }
    }
    out
}

/// Returns the ARN of a target; of a task, that of its cluster.
pub(super) fn arn(stack: &Stack, target: &Target) -> Value {
    let id = logical_id(&target.to.name);
    match stack.resource(&target.to.name).map(|resource| &resource.is) {
        Some(ResourceType::Task(task)) => json!(GetAtt(logical_id(&task.cluster.name), "Arn")),
        Some(other) => other.arn(&id, &target.to.name),
        None => json!(GetAtt(id, "Arn")),
    }
}

/// Returns whether a resource is in another account than the stack, where EventBridge uses a role: Amazon EventBridge User Guide,
/// "Sending events to an AWS service in another account".
pub(super) fn is_elsewhere(stack: &Stack, name: &str) -> bool {
    let existing = stack.resource(name).and_then(|resource| resource.is.existing());
    existing.is_some_and(|existing| existing.other_account(&stack.target).is_some())
}

/// Adds the role of a rule that sends to a queue or topic of another account, and returns its ARN; `None` for one of the same account.
pub(super) fn add_role(builder: &mut Builder<'_>, rule: &str, verb: Verb, to: &ResourceRef) -> Option<Value> {
    if !is_elsewhere(builder.stack, &to.name) {
        return None;
    }
    let access = Access { verb, resource: to.clone(), span: to.span };
    let statements = iam::statements(builder.stack, &access, None);
    let role = format!("{rule}Role");
    let description = format!("What the rule {rule} may do.");
    builder.add(&role, "AWS::IAM::Role", iam::role(&description, "events.amazonaws.com", &statements, true));
    Some(json!(GetAtt(role, "Arn")))
}

/// Returns whether a target is a FIFO queue.
pub(super) fn is_fifo(stack: &Stack, target: &Target) -> bool {
    let resource = stack.resource(&target.to.name);
    matches!(resource.map(|resource| &resource.is), Some(ResourceType::Queue(queue)) if queue.fifo.is_some())
}

/// Returns the constant input of a target, as text.
pub(super) fn input(stack: &Stack, target: &Target) -> Option<Value> {
    match &target.input {
        Some(Input::Constant(json)) => Some(json_text(stack, json)),
        _ => None,
    }
}

/// Sets the capacity that a task runs on.
pub(super) fn runs_on(parameters: &mut Value, stack: &Stack, target: &Target) {
    let resource = stack.resource(&target.to.name);
    match resource.map(|resource| &resource.is) {
        Some(ResourceType::Task(task)) if task.spot => {
            parameters["CapacityProviderStrategy"] =
                json!([{ "CapacityProvider": "FARGATE_SPOT", "Weight": 1 }]);
        }
        _ => parameters["LaunchType"] = json!("FARGATE"),
    }
}

/// Returns the network of a task.
pub(super) fn ecs_network(stack: &Stack, target: &Target) -> Value {
    let Some(ResourceType::Task(task)) = stack.resource(&target.to.name).map(|resource| &resource.is) else {
        return Value::Null;
    };
    json!({
        "AssignPublicIp": network::public_ip(stack, &task.network),
        "SecurityGroups": [GetAtt(format!("{}SecurityGroup", logical_id(&target.to.name)), "GroupId")],
        "Subnets": network::subnet_list(stack, &task.network),
    })
}
