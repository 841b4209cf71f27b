//! Short forms of the answers that most conversations hold: a stack, its events, its resources, the changes of a change
//! set.
//!
//! `tools/conversations.py` reads these forms in the same way.

use serde_json::{Value, json};

/// Name of the one stack of most cases.
const NAME: &str = "orders-dev";
const STACK_ID: &str =
    "arn:aws:cloudformation:eu-west-1:111122223333:stack/orders-dev/0a1b2c3d-1111-4222-8333-444455556666";
const MOMENT: &str = "2026-11-24T10:00:00Z";

/// Expands an answer. Other members beside a short form are added, to the stack itself if the form is of one.
pub fn expand(answer: &Value) -> Value {
    let Some(members) = answer.as_object() else { return answer.clone() };
    let others = |mut value: Value| {
        for (name, other) in members.iter().filter(|(name, _)| !name.starts_with('$')) {
            value[name] = other.clone();
        }
        value
    };
    let lines = |name: &str| {
        let lines = members.get(name)?.as_array().expect("lines");
        Some(lines.iter().map(|line| line.as_str().expect("a line")))
    };
    if let Some(status) = members.get("$stack") {
        let stack = json!({
            "StackId": STACK_ID,
            "StackName": NAME,
            "CreationTime": MOMENT,
            "StackStatus": status,
            "Tags": [{ "Key": "deployer:stack", "Value": "dev" }],
        });
        return json!({ "Stacks": [others(stack)] });
    }
    if let Some(lines) = lines("$events") {
        let token = members.get("$token");
        let events: Vec<Value> = lines.map(|line| event(line, token)).collect();
        return others(json!({ "StackEvents": events }));
    }
    if let Some(lines) = lines("$changes") {
        let changes: Vec<Value> = lines.map(change).collect();
        return others(json!({
            "StackName": NAME,
            "StackId": STACK_ID,
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "AVAILABLE",
            "Changes": changes,
        }));
    }
    if let Some(lines) = lines("$resources") {
        let resources: Vec<Value> = lines.map(resource).collect();
        return others(json!({ "StackResourceSummaries": resources }));
    }
    answer.clone()
}

/// Parses `LOGICAL-ID PHYSICAL-ID TYPE`.
fn resource(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let [logical_id, physical_id, kind] = words.as_slice() else { panic!("no resource: {line}") };
    json!({
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "LastUpdatedTimestamp": MOMENT,
        "ResourceStatus": "CREATE_COMPLETE",
    })
}

/// Parses `ID STATUS`, of a resource followed by `LOGICAL-ID TYPE`, and then perhaps `: REASON`.
fn event(line: &str, token: Option<&Value>) -> Value {
    let (head, reason) = line.split_once(": ").map_or((line, None), |(head, reason)| (head, Some(reason)));
    let words: Vec<&str> = head.split(' ').collect();
    let (id, status, logical_id, physical_id, kind) = match words.as_slice() {
        [id, status] => (id, status, NAME, STACK_ID.to_owned(), "AWS::CloudFormation::Stack"),
        [id, status, logical_id, kind] => (id, status, *logical_id, format!("{NAME}-{logical_id}"), *kind),
        _ => panic!("no event: {line}"),
    };
    let mut event = json!({
        "StackId": STACK_ID,
        "EventId": id,
        "StackName": NAME,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "Timestamp": MOMENT,
        "ResourceStatus": status,
    });
    if let Some(reason) = reason {
        event["ResourceStatusReason"] = json!(reason);
    }
    if let Some(token) = token {
        event["ClientRequestToken"] = token.clone();
    }
    event
}

/// Parses `ACTION LOGICAL-ID TYPE`, and then perhaps the replacement (`True`, `False` or `Conditional`) and the scope.
fn change(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let [action, logical_id, kind, rest @ ..] = words.as_slice() else { panic!("no change: {line}") };
    let mut change = json!({ "Action": action, "LogicalResourceId": logical_id, "ResourceType": kind });
    if *action != "Add" {
        change["PhysicalResourceId"] = json!(format!("{NAME}-{logical_id}"));
    }
    if let [replacement, scope @ ..] = rest {
        change["Replacement"] = json!(replacement);
        if !scope.is_empty() {
            change["Scope"] = json!(scope);
        }
    }
    json!({ "Type": "Resource", "ResourceChange": change })
}
