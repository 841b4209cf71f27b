//! Worker `extract` → the rule that tells it of tasks that stopped, so that it can start again what was not brought to its
//! end.

use serde_json::{Value, json};

use super::{Builder, names};
use crate::assets::Worker;
use crate::model::access::Verb;
use crate::model::function::{Function, Trigger};
use crate::model::{ResourceType, Stack};
use crate::template::{GetAtt, Sub, logical_id};

/// Logical id of the rule of the function `id`.
pub(super) fn rule_id(id: &str) -> String {
    format!("{id}OnTaskStopped")
}

/// Name of the queue in which the function hears of stopped tasks: that of the uploads, which no FIFO queue is.
pub(super) fn queue<'s>(stack: &Stack, function: &'s Function) -> Option<&'s str> {
    if function.worker() != Some(Worker::Extract) || tasks(stack, function).next().is_none() {
        return None;
    }
    function.triggers.iter().find_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => match stack.resource(&queue.name).map(|resource| &resource.is) {
            Some(ResourceType::Queue(model)) if model.fifo.is_none() => Some(queue.name.as_str()),
            _ => None,
        },
        _ => None,
    })
}

/// Names of the tasks that the function starts, and of their clusters.
fn tasks<'s>(stack: &'s Stack, function: &'s Function) -> impl Iterator<Item = (&'s str, &'s str)> {
    let runs = function.access.iter().filter(|access| access.verb == Verb::Run);
    runs.filter_map(|access| match stack.resource(&access.resource.name).map(|resource| &resource.is) {
        Some(ResourceType::Task(task)) => Some((access.resource.name.as_str(), task.cluster.name.as_str())),
        _ => None,
    })
}

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, function: &Function) {
    let stack = builder.stack;
    let Some(queue) = queue(stack, function).map(logical_id) else { return };
    let mut clusters: Vec<String> = tasks(stack, function).map(|(_, cluster)| logical_id(cluster)).collect();
    clusters.sort();
    clusters.dedup();
    let clusters: Vec<Value> = clusters.into_iter().map(|cluster| json!(GetAtt(cluster, "Arn"))).collect();
    // Every revision: the one that was stopped may be the one before a deployment.
    let definitions: Vec<Value> = tasks(stack, function)
        .map(|(task, _)| {
            let family = names::family(task);
            json!({ "prefix": Sub(format!(
                "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task-definition/{family}:"
            )) })
        })
        .collect();
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
        "Targets": [{ "Id": queue, "Arn": GetAtt(&queue, "Arn") }],
    });
    builder.add(rule_id(id), "AWS::Events::Rule", properties);
}
