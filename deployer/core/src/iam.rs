//! Least privilege: `access:` entries → IAM statements of exact actions on exact ARNs.

use contract::environment::DATA_KEY_CONTEXT;
use serde_json::{Value, json};

use crate::model::access::{Access, Verb};
use crate::model::worker::Worker;
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack};
use crate::names;
use crate::template::{GetAtt, Ref, Sub, logical_id};

/// `Version` of every policy document: IAM User Guide, "IAM JSON policy elements: Version".
const VERSION: &str = "2012-10-17";

/// A policy document. What two things need alike stands once: IAM takes no id twice.
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

/// An `Allow` statement.
#[must_use]
pub fn allow(sid: &str, actions: &[&str], resource: Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}

/// A statement of a queue's policy that lets a rule send to it.
#[must_use]
pub fn rule_may_send(rule: &str, queue: &str) -> Value {
    json!({
        "Sid": format!("SendFrom{rule}"),
        "Effect": "Allow",
        "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": GetAtt(queue, "Arn"),
        "Condition": {
            "ArnEquals": { "aws:SourceArn": GetAtt(rule, "Arn") },
            "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") },
        },
    })
}

/// Actions on `*`, and why: AWS allows no resource for them. Service Authorization Reference.
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

/// One of [`WITHOUT_RESOURCE`], by its id.
#[must_use]
pub fn without_resource(sid: &str) -> Value {
    let found = WITHOUT_RESOURCE.iter().find(|(known, ..)| *known == sid);
    allow(sid, found.map_or(&[], |(_, actions, _)| actions), json!("*"))
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
    allow(&format!("Consume{queue}"), &CONSUME, json!(GetAtt(queue, "Arn")))
}

/// What taking messages from a queue needs: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
const CONSUME: [&str; 4] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];

/// What one verb allows on a resource of one type, as data: [`statements`] makes policies of it, and
/// [`crate::docs::access_page`] a page.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The verb.
    pub verb: Verb,
    /// The type of the resource.
    pub kind: Kind,
    /// Begins the statement's id; the logical id follows.
    pub sid: &'static str,
    /// Exact actions.
    pub actions: &'static [&'static str],
    /// Exact resources.
    pub on: On,
}

/// What a [`Grant`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The resource itself.
    Itself,
    /// The objects of a bucket.
    Objects,
    /// The indexes of a table, if it has any.
    Indexes,
    /// Every revision of a task, in its cluster. Were it the present one alone, new code would change the policy, and the
    /// first tasks after a deployment could be refused until IAM has spread it.
    Revisions,
    /// Tasks of the cluster, as they are started.
    Tasks,
    /// The two roles of a task, for ECS.
    Roles,
    /// A key, for the data keys of objects.
    DataKeys,
}

/// Every verb on every type that it applies to. Actions and conditions are those of the Service Authorization
/// Reference.
pub const GRANTS: [Grant; 22] = {
    const fn grant(
        verb: Verb,
        kind: Kind,
        sid: &'static str,
        actions: &'static [&'static str],
        on: On,
    ) -> Grant {
        Grant { verb, kind, sid, actions, on }
    }
    [
        grant(Verb::Read, Kind::Bucket, "Read", &["s3:GetObject", "s3:GetObjectVersion"], On::Objects),
        grant(
            Verb::Read,
            Kind::Table,
            "Read",
            &["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"],
            On::Itself,
        ),
        // Items are got from the table alone; an index is queried and scanned.
        grant(Verb::Read, Kind::Table, "ReadIndexesOf", &["dynamodb:Query", "dynamodb:Scan"], On::Indexes),
        grant(Verb::Write, Kind::Bucket, "Write", &["s3:PutObject"], On::Objects),
        grant(
            Verb::Write,
            Kind::Table,
            "Write",
            &["dynamodb:PutItem", "dynamodb:BatchWriteItem"],
            On::Itself,
        ),
        grant(Verb::Update, Kind::Table, "Update", &["dynamodb:UpdateItem"], On::Itself),
        grant(
            Verb::Tally,
            Kind::Table,
            "Tally",
            &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            On::Itself,
        ),
        grant(Verb::Delete, Kind::Bucket, "Delete", &["s3:DeleteObject"], On::Objects),
        grant(Verb::Delete, Kind::Table, "Delete", &["dynamodb:DeleteItem"], On::Itself),
        grant(Verb::List, Kind::Bucket, "List", &["s3:ListBucket"], On::Itself),
        grant(Verb::Publish, Kind::Bus, "Publish", &["events:PutEvents"], On::Itself),
        grant(Verb::Publish, Kind::Topic, "Publish", &["sns:Publish"], On::Itself),
        grant(Verb::Send, Kind::Queue, "Send", &["sqs:SendMessage"], On::Itself),
        grant(Verb::Receive, Kind::Queue, "Receive", &CONSUME, On::Itself),
        grant(Verb::Run, Kind::Task, "Run", &["ecs:RunTask"], On::Revisions),
        // RunTask with `propagateTags` tags the new task.
        grant(Verb::Run, Kind::Task, "Tag", &["ecs:TagResource"], On::Tasks),
        grant(Verb::Run, Kind::Task, "PassRolesOf", &["iam:PassRole"], On::Roles),
        grant(Verb::Invoke, Kind::Function, "Invoke", &["lambda:InvokeFunction"], On::Itself),
        grant(Verb::Encrypt, Kind::Key, "Encrypt", &["kms:Encrypt", "kms:GenerateDataKey"], On::Itself),
        grant(Verb::Decrypt, Kind::Key, "Decrypt", &["kms:Decrypt"], On::Itself),
        // By way of the service whose data a key of the stack encrypts.
        grant(Verb::Read, Kind::Key, "DecryptWith", &["kms:Decrypt"], On::Itself),
        grant(
            Verb::Write,
            Kind::Key,
            "EncryptWith",
            &["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
            On::Itself,
        ),
    ]
};

/// What the deployer's own workers are allowed in the place of what their verb allows everybody. They need less of a key, and
/// name the object in each call; a task reads the tally and writes its checkpoints, and folds nothing.
pub const WORKER_GRANTS: [(Worker, Grant); 3] = [
    (
        Worker::Extraction,
        Grant {
            verb: Verb::Tally,
            kind: Kind::Table,
            sid: "Tally",
            actions: &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            on: On::Itself,
        },
    ),
    (
        Worker::Extraction,
        Grant {
            verb: Verb::Encrypt,
            kind: Kind::Key,
            sid: "MakeDataKeysOf",
            actions: &["kms:GenerateDataKey"],
            on: On::DataKeys,
        },
    ),
    (
        Worker::Load,
        Grant {
            verb: Verb::Decrypt,
            kind: Kind::Key,
            sid: "OpenDataKeysOf",
            actions: &["kms:Decrypt"],
            on: On::DataKeys,
        },
    ),
];

impl On {
    /// The ARNs; nothing when there are none.
    fn resource(self, resource: &Resource) -> Option<Value> {
        let id = logical_id(&resource.name);
        Some(match (self, &resource.is) {
            // Built from the name rather than taken from the bucket: the bucket waits for its queue, and a task or
            // function need not wait for the bucket.
            (Self::Itself, ResourceType::Bucket(_)) => names::bucket_arn(&resource.name, ""),
            (Self::Itself, ResourceType::Bus(bus)) => names::bus_arn(&id, bus),
            (Self::Itself, ResourceType::Topic(_)) => json!(Ref(id)),
            (Self::Itself | Self::DataKeys, _) => json!(GetAtt(id, "Arn")),
            (Self::Objects, _) => names::bucket_arn(&resource.name, "/*"),
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

    /// What it is, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Itself => "the resource itself",
            Self::Objects => "every object of the bucket",
            Self::Indexes => "the indexes of the table, if it has any",
            Self::Revisions => "every revision of the task, if `ecs:cluster` is its cluster",
            Self::Tasks => "tasks of its cluster, if `ecs:CreateAction` is RunTask",
            Self::Roles => "the task's two roles, if `iam:PassedToService` is ecs-tasks.amazonaws.com",
            Self::DataKeys => "the key, if `kms:EncryptionContextKeys` is `deployer:object` and nothing else",
        }
    }
}

/// What one `access` entry allows on a type, to a worker or to code of one's own.
fn grants(access: &Access, kind: Kind, worker: Option<Worker>) -> Vec<&'static Grant> {
    let fits = |grant: &Grant| grant.verb == access.verb && grant.kind == kind;
    let own: Vec<&Grant> = WORKER_GRANTS
        .iter()
        .filter(|(of, grant)| worker == Some(*of) && fits(grant))
        .map(|(_, grant)| grant)
        .collect();
    if own.is_empty() { GRANTS.iter().filter(|grant| fits(grant)).collect() } else { own }
}

/// The statements for one `access` entry of a function or task that runs `worker`, or code of one's own.
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
    out.extend(key_statement(stack, resource, access.verb));
    out
}

/// What a verb needs of the customer key that a resource is encrypted with: its use, by way of the resource's service.
#[must_use]
pub fn key_statement(stack: &Stack, resource: &Resource, verb: Verb) -> Option<Value> {
    let (key, service) = resource.is.encryption_key()?;
    use_key(stack, key, service, verb)
}

/// The same for a queue that is made for a trigger or for what failed: it is encrypted with the key of the stack.
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
    let grant = GRANTS.iter().find(|grant| grant.verb == direction && grant.kind == Kind::Key)?;
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
        for (verb, name, kinds, _) in Verb::ALL {
            for kind in kinds {
                let found = GRANTS.iter().any(|grant| grant.verb == verb && grant.kind == *kind);
                assert!(found, "{name} {}", kind.name());
            }
        }
        for grant in GRANTS.iter().filter(|grant| grant.kind != Kind::Key) {
            let (_, _, kinds, _) = Verb::ALL.iter().find(|(verb, ..)| *verb == grant.verb).expect("a verb");
            assert!(kinds.contains(&grant.kind), "{grant:?}");
            assert!(grant.actions.iter().all(|action| !action.contains('*')), "{grant:?}");
        }
    }

    #[test]
    fn a_worker_gets_less_than_code_of_ones_own_and_says_which_object() {
        for (worker, grant) in WORKER_GRANTS {
            let general: Vec<&str> = GRANTS
                .iter()
                .filter(|other| other.verb == grant.verb && other.kind == grant.kind)
                .flat_map(|other| other.actions)
                .copied()
                .collect();
            assert!(grant.actions.iter().all(|action| general.contains(action)), "{grant:?}");
            match grant.kind {
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
