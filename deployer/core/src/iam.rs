//! Least privilege: `access:` entries → IAM statements of exact actions on exact ARNs.

use serde_json::{Value, json};

use crate::lower::names;
use crate::model::access::{Access, Verb};
use crate::model::{Resource, ResourceType, Stack};
use crate::template::{GetAtt, Ref, Sub, logical_id};

/// `Version` of every policy document: IAM User Guide, "IAM JSON policy elements: Version".
const VERSION: &str = "2012-10-17";

/// A policy document.
#[must_use]
pub fn document(statements: &[Value]) -> Value {
    json!({ "Version": VERSION, "Statement": statements })
}

/// An `Allow` statement.
#[must_use]
pub fn allow(sid: &str, actions: &[&str], resource: Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}

/// A statement that refuses every call without TLS, for resource policies.
#[must_use]
pub fn deny_without_tls(action: &str, resource: Value) -> Value {
    json!({
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

/// Properties of a role that one AWS service assumes, with one inline policy.
///
/// `source` limits the assumption to calls on behalf of this account, against the confused deputy.
#[must_use]
pub fn role(description: &str, service: &str, statements: &[Value], source_account: bool) -> Value {
    let mut trust =
        json!({ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" });
    if source_account {
        trust["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") } });
    }
    json!({
        "Description": description,
        "AssumeRolePolicyDocument": { "Version": VERSION, "Statement": [trust] },
        "Policies": [{ "PolicyName": "access", "PolicyDocument": document(statements) }],
    })
}

/// May write to one log group, which the template makes.
#[must_use]
pub fn write_logs(log_group: &str) -> Value {
    // A verb and the name of a resource make the other ids; this one has neither, so that it is no table named `logs`.
    allow("Logs", &["logs:CreateLogStream", "logs:PutLogEvents"], json!(GetAtt(log_group, "Arn")))
}

/// May take messages from one queue, as Lambda's poller does, and set the back-off of a failed one.
#[must_use]
pub fn consume(queue: &str) -> Value {
    let actions =
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];
    allow(&format!("Consume{queue}"), &actions, json!(GetAtt(queue, "Arn")))
}

/// The statements for one `access` entry.
#[must_use]
pub fn statements(stack: &Stack, access: &Access) -> Vec<Value> {
    let Some(resource) = stack.resource(&access.resource.name) else { return Vec::new() };
    let id = logical_id(&resource.name);
    let arn = || json!(GetAtt(&id, "Arn"));
    let sid = |verb: &str| format!("{verb}{id}");
    match (&resource.is, access.verb) {
        // Built from the name rather than taken from the bucket: the bucket waits for its queue, and a task or function
        // need not wait for the bucket.
        (ResourceType::Bucket(_), Verb::Read) => vec![allow(
            &sid("Read"),
            &["s3:GetObject", "s3:GetObjectVersion"],
            names::bucket_arn(&resource.name, "/*"),
        )],
        (ResourceType::Bucket(_), _) => {
            vec![allow(&sid("Write"), &["s3:PutObject"], names::bucket_arn(&resource.name, "/*"))]
        }
        (ResourceType::Table(table), Verb::Read) => {
            let read = allow(
                &sid("Read"),
                &["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"],
                arn(),
            );
            // Items are got from the table alone; an index is queried and scanned.
            let indexes = (!table.indexes.is_empty()).then(|| {
                let indexes = json!(Sub(format!("${{{id}.Arn}}/index/*")));
                allow(&sid("ReadIndexesOf"), &["dynamodb:Query", "dynamodb:Scan"], indexes)
            });
            [Some(read), indexes].into_iter().flatten().collect()
        }
        (ResourceType::Table(_), _) => {
            vec![allow(&sid("Write"), &["dynamodb:PutItem", "dynamodb:BatchWriteItem"], arn())]
        }
        (ResourceType::Bus(_), _) => vec![allow(&sid("Publish"), &["events:PutEvents"], arn())],
        (ResourceType::Queue(_), _) => vec![allow(&sid("Send"), &["sqs:SendMessage"], arn())],
        (ResourceType::Task(task), _) => run_task(resource, &logical_id(&task.cluster.name)),
        _ => Vec::new(),
    }
}

/// May start this revision of a task in its cluster, hand it its two roles, and nothing else.
fn run_task(task: &Resource, cluster: &str) -> Vec<Value> {
    let id = logical_id(&task.name);
    let mut run = allow(&format!("Run{id}"), &["ecs:RunTask"], json!(Ref(&id)));
    run["Condition"] = json!({ "ArnEquals": { "ecs:cluster": GetAtt(cluster, "Arn") } });
    // RunTask with `propagateTags` tags the new task.
    let tasks = Sub(format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task/${{{cluster}}}/*"
    ));
    let mut tag = allow(&format!("Tag{id}"), &["ecs:TagResource"], json!(tasks));
    tag["Condition"] = json!({ "StringEquals": { "ecs:CreateAction": "RunTask" } });
    let roles = [GetAtt(format!("{id}Role"), "Arn"), GetAtt(format!("{id}ExecutionRole"), "Arn")];
    let mut pass = allow(&format!("PassRolesOf{id}"), &["iam:PassRole"], json!(roles));
    pass["Condition"] = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
    vec![run, tag, pass]
}
