//! Least privilege: `access:` entries → IAM statements of exact actions on exact ARNs.

use contract::environment::DATA_KEY_CONTEXT;
use contract::event::RESULT_PREFIXES;
use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use serde_json::{Value, json};

pub use crate::lower::lowering::{Grant, On};
use crate::model::access::{Access, Verb};
use crate::model::worker::Worker;
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack};
use crate::names;

/// The principal of EventBridge.
pub const EVENTBRIDGE: &str = "events.amazonaws.com";

/// `Version` of every policy document: IAM User Guide, "IAM JSON policy elements: Version".
const VERSION: &str = "2012-10-17";

/// Returns a policy document. Equal statements are in it once: IAM accepts no ID twice.
#[must_use]
pub fn document(statements: &[Value]) -> Value {
    let mut once: Vec<&Value> = Vec::with_capacity(statements.len());
    for statement in statements {
        if !once.contains(&statement) {
            once.push(statement);
        }
    }
    json!({ "Version": VERSION, "Statement": once })
}

/// Returns an `Allow` statement.
#[must_use]
pub fn allow(sid: &str, actions: &[&str], resource: Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}

/// Returns a statement of a queue's policy that lets a rule send to it.
#[must_use]
pub fn rule_may_send(rule: &str, queue: &str) -> Value {
    json!({
        "Sid": format!("SendFrom{rule}"),
        "Effect": "Allow",
        "Principal": { "Service": EVENTBRIDGE },
        "Action": "sqs:SendMessage",
        "Resource": GetAtt(queue, "Arn"),
        "Condition": {
            "ArnEquals": { "aws:SourceArn": GetAtt(rule, "Arn") },
            "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") },
        },
    })
}

/// Actions on `*`, with the reason: AWS allows no resource for them. Service Authorization Reference.
pub const WITHOUT_RESOURCE: [(&str, &[&str], &str); 4] = [
    (
        "LogInToRegistry",
        &["ecr:GetAuthorizationToken"],
        "ECS logs in to the registry before it pulls the image of a task; the token is for all of the account's repositories.",
    ),
    (
        "Trace",
        &["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        "A function with `tracing` sends its traces; X-Ray has no resource for them.",
    ),
    (
        "ListStreams",
        &["dynamodb:ListStreams"],
        "Lambda lists the streams of a table that starts a function; the list has no resource.",
    ),
    (
        "DescribeNetwork",
        &["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
        "Lambda looks for the network of a function; EC2's lists have no resource.",
    ),
];

/// Returns the entry of [`WITHOUT_RESOURCE`] with this ID.
#[must_use]
pub fn without_resource(sid: &str) -> Value {
    let found = WITHOUT_RESOURCE.iter().find(|(known, ..)| *known == sid);
    allow(sid, found.map_or(&[], |(_, actions, _)| actions), json!("*"))
}

/// Returns a statement that refuses every call without TLS, for resource policies.
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

/// Returns the properties of a role that one AWS service assumes, with one inline policy.
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

/// Returns the statement that allows writing to one log group, which the template creates.
#[must_use]
pub fn write_logs(log_group: &str) -> Value {
    // A verb and the name of a resource make the other IDs; this ID has neither, so that it is not that of a table
    // named `logs`.
    allow("Logs", &["logs:CreateLogStream", "logs:PutLogEvents"], json!(GetAtt(log_group, "Arn")))
}

/// Returns the statement that allows taking messages from one queue, as Lambda's poller does, and setting the back-off
/// of a failed one.
#[must_use]
pub fn consume(queue: &str) -> Value {
    allow(&format!("Consume{queue}"), &CONSUME, json!(GetAtt(queue, "Arn")))
}

/// Actions that are needed to take messages from a queue: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
pub(crate) const CONSUME: [&str; 4] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];

/// What a reader of objects does with the tally.
const CHECKPOINTS: Grant = Grant {
    verb: Verb::Tally,
    sid: "Tally",
    actions: &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
    on: On::Itself,
};
/// What a reader of objects does with the key of sensitive fields.
const DATA_KEYS: Grant =
    Grant { verb: Verb::Encrypt, sid: "MakeDataKeysOf", actions: &["kms:GenerateDataKey"], on: On::DataKeys };

/// Permissions of the deployer's own workers in the place of those that their verb gives to others. They need less of a
/// key, and name the object in each call; a task, like an `extract` that does its work, reads the tally and writes its
/// checkpoints, and folds nothing; `report` reads the tally, and writes its own files alone; `snapshot` reads the table as a
/// whole, and of the tally what it has noted itself.
pub const WORKER_GRANTS: [(Worker, Kind, Grant); 9] = [
    (Worker::Extract, Kind::Table, CHECKPOINTS),
    (Worker::Extract, Kind::Key, DATA_KEYS),
    (Worker::Extraction, Kind::Table, CHECKPOINTS),
    (Worker::Extraction, Kind::Key, DATA_KEYS),
    (
        Worker::Report,
        Kind::Table,
        Grant { verb: Verb::Tally, sid: "Tally", actions: &["dynamodb:Query"], on: On::Itself },
    ),
    (
        Worker::Report,
        Kind::Bucket,
        Grant {
            verb: Verb::Write,
            sid: "WriteResultsTo",
            actions: &["s3:DeleteObject", "s3:PutObject"],
            on: On::ResultFiles,
        },
    ),
    (
        Worker::Snapshot,
        Kind::Table,
        Grant { verb: Verb::Read, sid: "Read", actions: &["dynamodb:Scan"], on: On::Itself },
    ),
    (
        Worker::Snapshot,
        Kind::Table,
        Grant {
            verb: Verb::Tally,
            sid: "Tally",
            actions: &["dynamodb:GetItem", "dynamodb:UpdateItem"],
            on: On::Itself,
        },
    ),
    (
        Worker::Load,
        Kind::Key,
        Grant { verb: Verb::Decrypt, sid: "OpenDataKeysOf", actions: &["kms:Decrypt"], on: On::DataKeys },
    ),
];

impl On {
    /// Returns the ARNs; `None` if there are none.
    fn resource(self, resource: &Resource) -> Option<Value> {
        let id = logical_id(&resource.name);
        Some(match (self, &resource.is) {
            (Self::Itself | Self::DataKeys, itself) => itself.arn(&id, &resource.name),
            (Self::Objects, ResourceType::Bucket(bucket)) => {
                names::bucket_arn_of(bucket, &resource.name, "/*")
            }
            (Self::ResultFiles, ResourceType::Bucket(bucket)) => {
                json!(
                    RESULT_PREFIXES.map(|prefix| {
                        names::bucket_arn_of(bucket, &resource.name, &format!("/{prefix}*"))
                    })
                )
            }
            (Self::Indexes, ResourceType::Table(table)) if !table.indexes.is_empty() => {
                json!(Sub(format!("${{{id}.Arn}}/index/*")))
            }
            (Self::Revisions, _) => json!(Sub(format!(
                "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task-definition/{}:*",
                names::family(&resource.name)
            ))),
            (Self::Tasks, ResourceType::Task(task)) => json!(Sub(format!(
                "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task/${{{}}}/*",
                logical_id(&task.cluster.name)
            ))),
            (Self::Roles, _) => {
                json!([GetAtt(format!("{id}Role"), "Arn"), GetAtt(format!("{id}ExecutionRole"), "Arn")])
            }
            _ => return None,
        })
    }

    fn condition(self, resource: &Resource) -> Option<Value> {
        match (self, &resource.is) {
            (Self::Revisions, ResourceType::Task(task)) => Some(json!({
                "ArnEquals": { "ecs:cluster": GetAtt(logical_id(&task.cluster.name), "Arn") },
            })),
            (Self::Tasks, _) => Some(json!({ "StringEquals": { "ecs:CreateAction": "RunTask" } })),
            (Self::Roles, _) => {
                Some(json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } }))
            }
            // `ForAllValues` alone is true without a context: AWS KMS Developer Guide, "kms:EncryptionContextKeys".
            (Self::DataKeys, _) => Some(json!({
                "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": DATA_KEY_CONTEXT },
                "Null": { "kms:EncryptionContextKeys": "false" },
            })),
            _ => None,
        }
    }
}

/// Returns the grants of one `access` entry on a type, for a worker or for other code.
fn grants(access: &Access, kind: Kind, worker: Option<Worker>) -> Vec<&'static Grant> {
    let own: Vec<&Grant> = WORKER_GRANTS
        .iter()
        .filter(|(of, on, grant)| worker == Some(*of) && *on == kind && grant.verb == access.verb)
        .map(|(.., grant)| grant)
        .collect();
    if !own.is_empty() {
        return own;
    }
    kind.grants().iter().filter(|grant| grant.verb == access.verb).collect()
}

/// Returns the statements for one `access` entry of a function or task that runs `worker`, or code of one's own.
#[must_use]
pub fn statements(stack: &Stack, access: &Access, worker: Option<Worker>) -> Vec<Value> {
    let Some(resource) = stack.resource(&access.resource.name) else { return Vec::new() };
    let id = logical_id(&resource.name);
    let mut out: Vec<Value> = grants(access, resource.is.kind(), worker)
        .into_iter()
        .filter_map(|grant| {
            let mut out = allow(&format!("{}{id}", grant.sid), grant.actions, grant.on.resource(resource)?);
            if let Some(condition) = grant.on.condition(resource) {
                out["Condition"] = condition;
            }
            Some(out)
        })
        .collect();
    out.extend(resource.is.statements(stack, &id, &resource.name, access.verb));
    out.extend(key_statement(stack, resource, access.verb));
    out
}

/// Returns the statement for the customer key that a resource is encrypted with: its use through the resource's
/// service.
#[must_use]
pub fn key_statement(stack: &Stack, resource: &Resource, verb: Verb) -> Option<Value> {
    let (key, service) = resource.is.encryption_key()?;
    use_key(stack, key, service, verb)
}

/// Returns the same statement for a queue that is created for a trigger or for dead letters: it is encrypted with the
/// key of the stack.
#[must_use]
pub fn made_queue_key_statement(stack: &Stack, verb: Verb) -> Option<Value> {
    use_key(stack, stack.key.as_ref()?, "sqs", verb)
}

fn use_key(stack: &Stack, key: &ResourceRef, service: &str, verb: Verb) -> Option<Value> {
    let key = stack.resource(&key.name)?;
    let direction = match verb {
        Verb::Read | Verb::Receive => Verb::Read,
        Verb::Write | Verb::Update | Verb::Tally | Verb::Delete | Verb::Send | Verb::Publish => Verb::Write,
        _ => return None,
    };
    let grant = Kind::Key.grants().iter().find(|grant| grant.verb == direction)?;
    let sid = format!("{}{}Via{}", grant.sid, logical_id(&key.name), logical_id(service));
    let mut out = allow(&sid, grant.actions, grant.on.resource(key)?);
    let via = Sub(format!("{service}.${{AWS::Region}}.amazonaws.com"));
    out["Condition"] = json!({ "StringEquals": { "kms:ViaService": via } });
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_allows_something_on_every_type_that_it_takes() {
        for (verb, name, _) in Verb::ALL {
            assert!(!verb.kinds().is_empty(), "{name}");
            for kind in verb.kinds() {
                let found = kind.grants().iter().any(|grant| grant.verb == verb);
                assert!(found, "{name} {}", kind.name());
            }
        }
        for kind in Kind::ALL {
            for grant in kind.grants() {
                // Reading and writing with a key go through the service whose data it encrypts.
                assert!(kind == Kind::Key || grant.verb.kinds().contains(&kind), "{grant:?}");
                assert!(grant.actions.iter().all(|action| !action.contains('*')), "{grant:?}");
            }
        }
    }

    #[test]
    fn a_worker_gets_less_than_code_of_ones_own_and_says_which_object() {
        for (worker, kind, grant) in WORKER_GRANTS {
            let of = |other: &&Grant| other.verb == grant.verb || grant.on == On::ResultFiles;
            let general: Vec<&str> =
                kind.grants().iter().filter(of).flat_map(|other| other.actions).copied().collect();
            assert!(grant.actions.iter().all(|action| general.contains(action)), "{grant:?}");
            match kind {
                Kind::Key => {
                    assert_eq!(crate::sensitive::verb(worker), Some(grant.verb));
                    assert_eq!(grant.on, On::DataKeys);
                }
                _ => assert!(grant.actions.len() < general.len(), "{grant:?}"),
            }
        }
        assert!(On::DataKeys.words().contains(&format!("`{DATA_KEY_CONTEXT}`")));
    }
}
