//! Targets of rules and schedules: the resources that EventBridge and its Scheduler call, and the role for it.

use deployer_cfn::template::{GetAtt, logical_id};
use serde_json::{Value, json};

use super::{json_text, network};
use crate::iam;
use crate::model::access::{Access, Verb};
use crate::model::delivery::{Input, Target};
use crate::model::{Kind, ResourceType, Stack};

/// The caller of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// EventBridge: functions, queues and topics let it in by their own policies.
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
            (Kind::Function, Caller::Schedule) => Verb::Invoke,
            (Kind::Queue, Caller::Schedule) => Verb::Send,
            (Kind::Topic, Caller::Schedule) => Verb::Publish,
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
