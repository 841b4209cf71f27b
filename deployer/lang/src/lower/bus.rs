//! `bus` → EventBus, its policy and its archive; or nothing, if it exists already.

use contract::environment;
use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use serde_json::{Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, queue};
use crate::model::Stack;
use crate::model::access::Verb;
use crate::model::bus::{Bus, Log, LogLevel};
use crate::names;

impl Lowering for Bus {
    const GRANTS: &'static [Grant] =
        &[Grant::new(Verb::Publish, "Publish", &["events:PutEvents"], On::Itself)];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        if self.existing.is_none() {
            // CloudFormation creates no name for a bus. Without a policy only this account may use it.
            let mut properties = json!({ "Name": Sub(names::own_bus(name)) });
            if let Some(key) = &self.encryption_key {
                properties["KmsKeyIdentifier"] = json!(GetAtt(logical_id(&key.name), "Arn"));
            }
            if self.encryption_key.is_some() {
                properties["DeadLetterConfig"] = json!({ "Arn": GetAtt(dead_letters(id), "Arn") });
            }
            if let Some(log) = self.log {
                properties["LogConfig"] = json!({
                    "Level": log.level.word().to_uppercase(),
                    // Rows are in the details.
                    "IncludeDetail": "NONE",
                });
            }
            builder.add(id, "AWS::Events::EventBus", properties);
            if let Some(log) = self.log {
                add_log(builder, id, name, log);
            }
            if self.encryption_key.is_some() {
                add_dead_letters(builder, id);
            }
        }
        if let Some(allow) = &self.allow {
            let mut add = |suffix: &str, principal: Value, condition: Option<Value>| {
                let sid = format!("{}{id}{suffix}", logical_id(&builder.stack.name));
                let mut statement = json!({
                    "Sid": sid,
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": "events:PutEvents",
                    "Resource": names::bus_arn(id, self),
                });
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                let policy = json!({
                    "EventBusName": names::bus(id, self),
                    "StatementId": sid,
                    "Statement": statement,
                });
                builder.add(format!("{id}Allow{suffix}"), "AWS::Events::EventBusPolicy", policy);
            };
            if !allow.accounts.is_empty() {
                let root =
                    |account: &String| json!(Sub(format!("arn:${{AWS::Partition}}:iam::{account}:root")));
                let accounts: Vec<Value> = allow.accounts.iter().map(root).collect();
                add("Accounts", json!({ "AWS": accounts }), None);
            }
            if let Some(organization) = &allow.organization {
                let condition = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
                add("Organization", json!("*"), Some(condition));
            }
        }
        if let Some(archive) = &self.archive {
            let mut properties = json!({
                "SourceArn": names::bus_arn(id, self),
                "Description": format!("Events of the bus {name}."),
            });
            if let Some(days) = archive.retention {
                properties["RetentionDays"] = json!(days);
            }
            if let Some(pattern) = &archive.pattern {
                properties["EventPattern"] = super::pattern(builder.stack, &pattern.json);
            }
            if let Some(key) = &self.encryption_key {
                properties["KmsKeyIdentifier"] = json!(GetAtt(logical_id(&key.name), "Arn"));
            }
            builder.add_data(format!("{id}Archive"), "AWS::Events::Archive", properties);
        }
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => names::bus_arn(id, self),
            _ => names::bus(id, self),
        }
    }

    fn arn(&self, id: &str, _: &str) -> Value {
        names::bus_arn(id, self)
    }

    fn variables(&self, _: &Stack, id: &str, _: &str, _: Verb) -> Vec<(&'static str, Value)> {
        vec![(environment::EVENT_BUS, names::bus(id, self)), (environment::EVENT_SOURCE, json!(self.source))]
    }
}

/// Adds the log group of a bus, and the deliveries to it, one for each level: Amazon EventBridge User Guide, "Logging
/// for EventBridge event buses".
fn add_log(builder: &mut Builder<'_>, id: &str, name: &str, log: Log) {
    let group = format!("{id}Logs");
    builder.add_log_group(&group, log.retention);
    let destination = format!("{id}LogDestination");
    let properties = json!({
        "Name": Sub(names::event_log("${AWS::StackName}", name, LogLevel::Error)),
        "DestinationResourceArn": GetAtt(&group, "Arn"),
    });
    builder.add(&destination, "AWS::Logs::DeliveryDestination", properties);
    for level in LogLevel::ALL.into_iter().filter(|level| *level <= log.level) {
        let word = logical_id(level.word());
        let source = format!("{id}Log{word}");
        let properties = json!({
            "Name": Sub(names::event_log("${AWS::StackName}", name, level)),
            "ResourceArn": GetAtt(id, "Arn"),
            "LogType": format!("{}_LOGS", level.word().to_uppercase()),
        });
        builder.add(&source, "AWS::Logs::DeliverySource", properties);
        let properties = json!({
            "DeliverySourceName": Ref(&source),
            "DeliveryDestinationArn": GetAtt(&destination, "Arn"),
        });
        builder.add(format!("{id}Log{word}Delivery"), "AWS::Logs::Delivery", properties);
    }
}

/// Returns the ID of the queue for events that can't be encrypted or decrypted, which AWS recommends for a bus with a
/// customer key: Amazon EventBridge User Guide, "Encrypting EventBridge event buses".
fn dead_letters(id: &str) -> String {
    format!("{id}DeadLetters")
}

/// Adds the queue, which has no customer key: it is used when that key fails.
fn add_dead_letters(builder: &mut Builder<'_>, id: &str) {
    let queue = dead_letters(id);
    let may_send = json!({
        "Sid": "SendFromBus",
        "Effect": "Allow",
        "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": GetAtt(&queue, "Arn"),
        "Condition": { "ArnEquals": { "aws:SourceArn": GetAtt(id, "Arn") } },
    });
    queue::add_dead_letters(builder, &queue, false, None, vec![may_send]);
}
