//! `key` → Key, Alias.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Builder, queue, topic};
use crate::iam;
use crate::model::key::Key;
use crate::model::{ResourceType, Stack};
use crate::template::{GetAtt, Ref, Sub};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, key: &Key) {
    // The account's own policies decide who may use it: AWS KMS Developer Guide, "Default key policy".
    let mut statements = vec![json!({
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": { "AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root") },
        "Action": "kms:*",
        "Resource": "*",
    })];
    let services = services(builder.stack, name);
    if !services.is_empty() {
        statements.push(json!({
            "Sid": "Services",
            "Effect": "Allow",
            "Principal": { "Service": services },
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": { "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") } },
        }));
    }
    let description =
        key.description.clone().unwrap_or_else(|| format!("Key {name} of {}.", builder.stack.name));
    let properties = json!({
        "Description": description,
        "EnableKeyRotation": true,
        "RotationPeriodInDays": key.rotation,
        "PendingWindowInDays": key.deletion_window,
        "KeyPolicy": iam::document(&statements),
    });
    builder.add_data(id, "AWS::KMS::Key", properties);
    let alias = json!({ "AliasName": Sub(alias(name)), "TargetKeyId": Ref(id) });
    builder.add(format!("{id}Alias"), "AWS::KMS::Alias", alias);
}

fn alias(name: &str) -> String {
    format!("alias/${{AWS::StackName}}-{name}")
}

/// The AWS services that use the key on their own: those that send to what it encrypts, and EventBridge for a bus.
fn services(stack: &Stack, name: &str) -> BTreeSet<&'static str> {
    let mut out = BTreeSet::new();
    for resource in &stack.resources {
        if let ResourceType::Bus(bus) = &resource.is
            && bus.encryption_key.as_ref().is_some_and(|key| key.name == name)
        {
            out.insert("events.amazonaws.com");
        }
        if resource.is.encryption_key().is_none_or(|(key, _)| key.name != name) {
            continue;
        }
        match &resource.is {
            ResourceType::Queue(_) => out.extend(queue::sending_services(stack, &resource.name)),
            ResourceType::Topic(_) => out.extend(topic::publishing_services(stack, &resource.name)),
            _ => {}
        }
    }
    out
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, key: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        "alias" => json!(Sub(alias(key))),
        _ => json!(Ref(id)),
    }
}
