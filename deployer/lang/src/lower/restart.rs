//! Worker `extract` → the rule that reports stopped tasks to it, so that it can start again those that were not
//! finished, and the permission to send itself a message that is to wait.

use deployer_cfn::template::{GetAtt, Sub, logical_id};
use serde_json::{Value, json};

use super::Builder;
use super::delivery::add_role;
use crate::iam;
use crate::model::access::{Access, Verb};
use crate::model::function::{Function, Trigger};
use crate::model::queue::Queue;
use crate::model::worker::Worker;
use crate::model::{ResourceRef, ResourceType, Stack};
use crate::names;

/// Returns the logical ID of the rule of the function `id`.
pub(super) fn rule_id(id: &str) -> String {
    format!("{id}OnTaskStopped")
}

/// Returns the queue in which the function learns of stopped tasks: that of the uploads, which is never a FIFO queue.
fn hears_in<'s>(stack: &'s Stack, function: &'s Function) -> Option<(&'s ResourceRef, &'s Queue)> {
    if function.worker() != Some(Worker::Extract) || tasks(stack, function).next().is_none() {
        return None;
    }
    function.triggers.iter().find_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => match stack.resource(&queue.name).map(|resource| &resource.is) {
            Some(ResourceType::Queue(model)) if model.fifo.is_none() => Some((queue, model)),
            _ => None,
        },
        _ => None,
    })
}

/// Returns whether the function's rule sends to the queue `to`, either its events or those that could not be delivered.
pub(super) fn sends(stack: &Stack, function: &Function, to: &str) -> bool {
    hears_in(stack, function).is_some_and(|(queue, model)| {
        queue.name == to
            || model.dead_letter.queue.as_ref().is_some_and(|dead_letters| dead_letters.name == to)
    })
}

/// Returns the statements of the policy of the dead-letter queue that is created for the queue `name`: events that
/// can't be delivered to the queue go there at once.
pub(super) fn may_send_dead_letters(stack: &Stack, name: &str, dead_letters: &str) -> Vec<Value> {
    let mut rules: Vec<String> = stack
        .functions()
        .filter(|(_, function)| hears_in(stack, function).is_some_and(|(queue, _)| queue.name == name))
        .map(|(resource, _)| rule_id(&logical_id(&resource.name)))
        .collect();
    rules.sort();
    rules.iter().map(|id| iam::rule_may_send(id, dead_letters)).collect()
}

/// Returns the statements that let a restart wait in the function's queue.
pub(super) fn statements(stack: &Stack, function: &Function) -> Vec<Value> {
    let Some((queue, _)) = hears_in(stack, function) else { return Vec::new() };
    let access = Access { verb: Verb::Send, resource: queue.clone(), span: queue.span };
    iam::statements(stack, &access, function.worker())
}

/// Returns the names of the tasks that the function starts, and of their clusters.
fn tasks<'s>(stack: &'s Stack, function: &'s Function) -> impl Iterator<Item = (&'s str, &'s str)> {
    let runs = function.access.iter().filter(|access| access.verb == Verb::Run);
    runs.filter_map(|access| match stack.resource(&access.resource.name).map(|resource| &resource.is) {
        Some(ResourceType::Task(task)) => Some((access.resource.name.as_str(), task.cluster.name.as_str())),
        _ => None,
    })
}

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, function: &Function) {
    let stack = builder.stack;
    let Some((queue, model)) = hears_in(stack, function) else { return };
    let (hears, queue) = (queue.clone(), logical_id(&queue.name));
    let own = model.existing.is_none().then(|| format!("{queue}DeadLetters"));
    let dead_letters = model.dead_letter.queue.as_ref().map_or(own, |queue| Some(logical_id(&queue.name)));
    let mut clusters: Vec<String> = tasks(stack, function).map(|(_, cluster)| logical_id(cluster)).collect();
    clusters.sort();
    clusters.dedup();
    let clusters: Vec<Value> = clusters.into_iter().map(|cluster| json!(GetAtt(cluster, "Arn"))).collect();
    // Every revision: the stopped one may be the one before a deployment.
    let definitions: Vec<Value> = tasks(stack, function)
        .map(|(task, _)| {
            let family = names::family(task);
            json!({ "prefix": Sub(format!(
                "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task-definition/{family}:"
            )) })
        })
        .collect();
    let mut target = json!({ "Id": queue, "Arn": GetAtt(&queue, "Arn") });
    // Those of an existing queue are not known.
    if let Some(dead_letters) = dead_letters {
        target["DeadLetterConfig"] = json!({ "Arn": GetAtt(dead_letters, "Arn") });
    }
    let rule = rule_id(id);
    if let Some(role) = add_role(builder, &rule, Verb::Send, &hears) {
        target["RoleArn"] = role;
    }
    // Events of AWS are on the default bus alone.
    let properties = json!({
        "Description": format!("Tasks of the function {name} that have stopped."),
        "EventPattern": {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {
                "clusterArn": clusters,
                "taskDefinitionArn": definitions,
                "lastStatus": ["STOPPED"],
                "startedBy": [contract::environment::STARTED_BY],
            },
        },
        "State": "ENABLED",
        "Targets": [target],
    });
    builder.add(rule, "AWS::Events::Rule", properties);
}
