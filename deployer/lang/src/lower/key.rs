//! `key` → Key, Alias.
//!
//! The key's policy is made when all resources exist that the key encrypts: the policies of queues and topics name the
//! services that send to them. It names nothing that is created with the key, which would be a circle.

use std::collections::BTreeSet;

use deployer_cfn::template::{GetAtt, Ref, Resource, Sub, Template};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::{Grant, Lowering, On};
use crate::iam;
use crate::model::access::Verb;
use crate::model::bus::Bus;
use crate::model::key::Key;
use crate::model::{ResourceType, Stack};
use crate::names;

/// Actions that a service needs to send encrypted messages: Amazon SQS Developer Guide, "Configure KMS permissions
/// for AWS services". `Decrypt` proves the new data key.
const SEND: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];
/// The context of what SNS encrypts: Amazon SNS Developer Guide, "Securing Amazon SNS data with server-side
/// encryption".
const TOPIC: &str = "kms:EncryptionContext:aws:sns:topicArn";
/// The context of a bus and of its archive: Amazon EventBridge User Guide, "Encrypting EventBridge event buses with AWS
/// KMS keys".
const BUS: &str = "kms:EncryptionContext:aws:events:event-bus:arn";

impl Lowering for Key {
    /// Order: after all that a key encrypts.
    const LATE: bool = true;
    const GRANTS: &'static [Grant] = &[
        Grant::new(Verb::Encrypt, "Encrypt", &["kms:Encrypt", "kms:GenerateDataKey"], On::Itself),
        Grant::new(Verb::Decrypt, "Decrypt", &["kms:Decrypt"], On::Itself),
        // Through the service whose data a key of the stack encrypts.
        Grant::new(Verb::Read, "DecryptWith", &["kms:Decrypt"], On::Itself),
        Grant::new(
            Verb::Write,
            "EncryptWith",
            &["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
            On::Itself,
        ),
    ];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let arn = json!(GetAtt(id, "Arn"));
        let services = self.services(builder, name, &arn);
        if self.existing.is_some() {
            return builder.need(services);
        }
        // The account's own policies name the users: AWS KMS Developer Guide, "Default key policy".
        let mut statements = vec![json!({
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": { "AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root") },
            "Action": "kms:*",
            "Resource": "*",
        })];
        statements.extend(services);
        let description =
            self.description.clone().unwrap_or_else(|| format!("Key {name} of {}.", builder.stack.name));
        let properties = json!({
            "Description": description,
            "EnableKeyRotation": true,
            "RotationPeriodInDays": self.rotation,
            "PendingWindowInDays": self.deletion_window,
            "KeyPolicy": iam::document(&statements),
        });
        builder.add_data(id, "AWS::KMS::Key", properties);
        let alias = json!({ "AliasName": Sub(alias(name)), "TargetKeyId": Ref(id) });
        builder.add(format!("{id}Alias"), "AWS::KMS::Alias", alias);
    }

    fn attribute(&self, _: &Stack, id: &str, name: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            // That of an existing key is not known, so that the reference is refused.
            "alias" if self.existing.is_some() => json!(GetAtt(id, "AliasName")),
            "alias" => json!(Sub(alias(name))),
            _ => json!(Ref(id)),
        }
    }
}

impl Key {
    /// Returns the statements that let services use the key.
    fn services(&self, builder: &Builder<'_>, name: &str, arn: &Value) -> Vec<Value> {
        let mut out = Senders::of(builder, name, arn).statements();
        out.extend(buses(builder.stack, name));
        out.extend(logs(&builder.template, arn));
        out
    }
}

fn alias(name: &str) -> String {
    format!("alias/${{AWS::StackName}}-{name}")
}

/// Returns a statement that lets services use the key; in the policy of a key, `*` is that key.
fn allow(sid: &str, services: &Value, actions: &[&str], condition: &Value) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": { "Service": services },
        "Action": actions,
        "Resource": "*",
        "Condition": condition,
    })
}

fn this_account() -> Value {
    json!({ "aws:SourceAccount": Ref("AWS::AccountId") })
}

/// The AWS services that send on their own to queues and topics of one key.
#[derive(Default)]
struct Senders {
    /// Buckets, by their computed ARNs.
    buckets: Vec<Value>,
    /// Services that name the account for which they send.
    others: BTreeSet<String>,
    /// The topics that EventBridge sends to, as patterns of their ARNs.
    topics_of_events: Vec<Value>,
}

impl Senders {
    fn of(builder: &Builder<'_>, name: &str, key: &Value) -> Self {
        let template = &builder.template;
        let mut out = Self::default();
        for need in &builder.needs {
            let Some(resource) = builder.stack.resource(&need.resource) else { continue };
            if resource.is.encryption_key().is_some_and(|(own, _)| own.name == name) {
                let topic = matches!(resource.is, ResourceType::Topic(_));
                out.add(&need.statement, topic.then(|| need.statement["Resource"].clone()));
            }
        }
        // CloudFormation begins the name of a topic with that of the stack.
        let topics = "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*";
        for (id, resource) in &template.resources {
            if resource.properties["KmsMasterKeyId"] != *key {
                continue;
            }
            let policy = format!("{id}Policy");
            let policy = template.resources.iter().find(|(candidate, _)| *candidate == policy);
            let statements =
                policy.and_then(|(_, policy)| policy.properties["PolicyDocument"]["Statement"].as_array());
            for statement in statements.into_iter().flatten() {
                out.add(statement, (resource.kind == "AWS::SNS::Topic").then(|| json!(Sub(topics))));
            }
        }
        // By name, so that the order of the file changes no policy.
        out.buckets.sort_by_key(Value::to_string);
        out.buckets.dedup();
        out
    }

    /// Adds the sender of a statement, which is for a topic if there is a pattern of its ARN.
    fn add(&mut self, statement: &Value, topic: Option<Value>) {
        let Some(service) = statement["Principal"]["Service"].as_str() else { return };
        match (service, topic) {
            ("s3.amazonaws.com", _) => {
                self.buckets.push(statement["Condition"]["ArnEquals"]["aws:SourceArn"].clone());
            }
            ("events.amazonaws.com", Some(topic)) => {
                if !self.topics_of_events.contains(&topic) {
                    self.topics_of_events.push(topic);
                }
            }
            _ => {
                self.others.insert(service.to_owned());
            }
        }
    }

    fn statements(&self) -> Vec<Value> {
        let mut out = Vec::new();
        if !self.buckets.is_empty() {
            let condition =
                json!({ "ArnEquals": { "aws:SourceArn": self.buckets }, "StringEquals": this_account() });
            out.push(allow("SendFromBuckets", &json!("s3.amazonaws.com"), &SEND, &condition));
        }
        if !self.others.is_empty() {
            let condition = json!({ "StringEquals": this_account() });
            out.push(allow("SendFromServices", &json!(self.others), &SEND, &condition));
        }
        if !self.topics_of_events.is_empty() {
            // Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs": EventBridge names no source
            // to a key here; only the topic is known.
            let topics = match self.topics_of_events.as_slice() {
                [only] => only.clone(),
                several => json!(several),
            };
            let condition = json!({ "StringLike": { TOPIC: topics } });
            out.push(allow("SendFromEventsToTopics", &json!("events.amazonaws.com"), &SEND, &condition));
        }
        out
    }
}

/// Returns the statements that EventBridge needs for the events of a bus, for its rules, and for its archive. Sources:
/// Amazon EventBridge User Guide, "Authorizing EventBridge to use a customer managed key" and "Encrypting EventBridge
/// archives with AWS KMS keys".
fn buses(stack: &Stack, key: &str) -> Vec<Value> {
    let mut buses: Vec<(&str, &Bus)> = stack
        .resources
        .iter()
        .filter_map(|resource| match &resource.is {
            ResourceType::Bus(bus) => Some((resource.name.as_str(), bus)),
            _ => None,
        })
        .filter(|(_, bus)| bus.encryption_key.as_ref().is_some_and(|own| own.name == key))
        .collect();
    if buses.is_empty() {
        return Vec::new();
    }
    buses.sort_by_key(|(name, _)| *name);
    let arns = |archived: bool| -> Vec<Value> {
        let meant = buses.iter().filter(|(_, bus)| !archived || bus.archive.is_some());
        meant.map(|(name, bus)| names::computed_bus_arn(name, bus)).collect()
    };
    let service = json!("events.amazonaws.com");
    let condition = |arns: &[Value]| json!({ "StringEquals": { BUS: arns } });
    let mut out = vec![
        // EventBridge describes the key without a context, and AWS's own example has no condition here.
        json!({
            "Sid": "SeeForBuses",
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": ["kms:DescribeKey"],
            "Resource": "*",
        }),
        allow("EncryptBuses", &service, &SEND, &condition(&arns(false))),
    ];
    let archived = arns(true);
    if !archived.is_empty() {
        let actions = ["kms:ReEncryptFrom", "kms:ReEncryptTo"];
        out.push(allow("EncryptArchives", &service, &actions, &condition(&archived)));
    }
    if buses.iter().any(|(_, bus)| bus.log.is_some()) {
        out.extend(bus_logs());
    }
    out
}

/// Returns the statements for the logs of buses: EventBridge encrypts the records, and the delivery of CloudWatch Logs
/// decrypts them. Source: Amazon EventBridge User Guide, "Encrypting event bus logs with AWS KMS".
fn bus_logs() -> [Value; 2] {
    let logs = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*";
    let condition = json!({ "StringLike": { "kms:EncryptionContext:SourceArn": Sub(logs) } });
    [
        allow("EncryptBusLogs", &json!("events.amazonaws.com"), &["kms:GenerateDataKey"], &condition),
        allow("DeliverBusLogs", &json!("delivery.logs.amazonaws.com"), &SEND, &condition),
    ]
}

/// Returns the statement that CloudWatch Logs needs for log groups of the stack, whose names CloudFormation begins with
/// that of the stack. Source: Amazon CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS Key
/// Management Service", without `kms:Describe*`, which has no context, so that the guide's condition never allows it.
fn logs(template: &Template, key: &Value) -> Option<Value> {
    let encrypted = |resource: &Resource| {
        resource.kind == "AWS::Logs::LogGroup" && resource.properties["KmsKeyId"] == *key
    };
    template.resources.iter().find(|(_, resource)| encrypted(resource))?;
    let groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${AWS::StackName}-*";
    let condition = json!({ "StringLike": { "kms:EncryptionContext:aws:logs:arn": Sub(groups) } });
    let service = json!(Sub("logs.${AWS::Region}.${AWS::URLSuffix}"));
    let actions = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];
    Some(allow("EncryptLogs", &service, &actions, &condition))
}
