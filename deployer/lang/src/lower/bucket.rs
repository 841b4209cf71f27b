//! `bucket` → Bucket, BucketPolicy.

use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use serde_json::{Map, Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, bucket_events};
use crate::iam;
use crate::model::access::Verb;
use crate::model::bucket::{Bucket, BucketEvent, Cors, Notification, Notified, Rule};
use crate::model::{ResourceType, Stack};
use crate::names;

impl Lowering for Bucket {
    const GRANTS: &'static [Grant] = &[
        Grant::new(Verb::Read, "Read", &["s3:GetObject", "s3:GetObjectVersion"], On::Objects),
        Grant::new(Verb::Write, "Write", &["s3:PutObject"], On::Objects),
        Grant::new(Verb::Delete, "Delete", &["s3:DeleteObject"], On::Objects),
        Grant::new(Verb::List, "List", &["s3:ListBucket"], On::Itself),
    ];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        if self.existing.is_some() {
            builder.need(loggers(builder.stack, id, name));
            return bucket_events::lower(builder, id, name, self);
        }
        let encryption = match &self.encryption_key {
            Some(key) => {
                json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": GetAtt(logical_id(&key.name), "Arn") })
            }
            None => json!({ "SSEAlgorithm": "AES256" }),
        };
        let mut properties = json!({
            "BucketName": Sub(names::bucket(name)),
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    { "BucketKeyEnabled": true, "ServerSideEncryptionByDefault": encryption },
                ],
            },
            "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true,
                "BlockPublicPolicy": true,
                "IgnorePublicAcls": true,
                "RestrictPublicBuckets": true,
            },
            "VersioningConfiguration": { "Status": if self.versioning { "Enabled" } else { "Suspended" } },
            "LifecycleConfiguration": { "Rules": lifecycle(self) },
        });
        if !self.cors.is_empty() {
            let rules: Vec<Value> = self.cors.iter().map(cors).collect();
            properties["CorsConfiguration"] = json!({ "CorsRules": rules });
        }
        // A bucket that logs into itself is a problem of its own, and would also be a circle.
        if let Some(logging) = self.logging.as_ref().filter(|logging| logging.to.name != name) {
            properties["LoggingConfiguration"] = json!({
                "DestinationBucketName": Ref(logical_id(&logging.to.name)),
                "LogFilePrefix": logging.prefix,
            });
        }
        for notify in &self.notify {
            let (list, property, arn) = match &notify.to {
                Notified::Queue(queue) => {
                    ("QueueConfigurations", "Queue", json!(GetAtt(logical_id(&queue.name), "Arn")))
                }
                Notified::Function(function) => {
                    ("LambdaConfigurations", "Function", json!(GetAtt(logical_id(&function.name), "Arn")))
                }
                Notified::Topic(topic) => {
                    ("TopicConfigurations", "Topic", json!(Ref(logical_id(&topic.name))))
                }
            };
            let one = notification(notify, property, arn);
            match &mut properties["NotificationConfiguration"][list] {
                Value::Array(several) => several.push(one),
                none => *none = json!([one]),
            }
        }
        if self.event_bridge {
            properties["NotificationConfiguration"]["EventBridgeConfiguration"] =
                json!({ "EventBridgeEnabled": true });
        }
        // S3 sends a test message when the notification is created, so the permission must exist before.
        let mut allowed: Vec<String> = self
            .notify
            .iter()
            .map(|notify| match &notify.to {
                Notified::Queue(to) | Notified::Topic(to) => format!("{}Policy", logical_id(&to.name)),
                Notified::Function(function) => format!("{id}To{}Permission", logical_id(&function.name)),
            })
            .collect();
        allowed.sort();
        allowed.dedup();
        let mut functions: Vec<&str> = self
            .notify
            .iter()
            .filter_map(|notify| match &notify.to {
                Notified::Function(function) => Some(function.name.as_str()),
                Notified::Queue(_) | Notified::Topic(_) => None,
            })
            .collect();
        functions.sort_unstable();
        functions.dedup();
        for function in functions {
            let permission = json!({
                "Action": "lambda:InvokeFunction",
                "FunctionName": Ref(logical_id(function)),
                "Principal": "s3.amazonaws.com",
                "SourceAccount": Ref("AWS::AccountId"),
                "SourceArn": names::bucket_arn(name, ""),
            });
            let permission_id = format!("{id}To{}Permission", logical_id(function));
            builder.add(permission_id, "AWS::Lambda::Permission", permission);
        }
        builder.add_data(id, "AWS::S3::Bucket", properties).depends_on = allowed;

        let everything = json!([GetAtt(id, "Arn"), Sub(format!("${{{id}.Arn}}/*"))]);
        let mut statements = vec![iam::deny_without_tls("s3:*", everything)];
        statements.extend(loggers(builder.stack, id, name));
        let policy = json!({ "Bucket": Ref(id), "PolicyDocument": iam::document(&statements) });
        builder.add(format!("{id}Policy"), "AWS::S3::BucketPolicy", policy);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            _ => json!(Ref(id)),
        }
    }

    /// Returns the computed name, so that the bucket can wait for a function that refers to it.
    fn late_attribute(&self, stack: &Stack, id: &str, name: &str, attribute: &str) -> Value {
        match attribute {
            _ if self.existing.is_some() => self.attribute(stack, id, name, attribute),
            "arn" => names::bucket_arn(name, ""),
            _ => json!(Sub(names::bucket(name))),
        }
    }

    /// Returns the ARN built from the name rather than taken from the bucket: the bucket waits for its queue, and a
    /// task or function need not wait for the bucket.
    fn arn(&self, _: &str, name: &str) -> Value {
        names::bucket_arn_of(self, name, "")
    }

    fn sender(&self, _: &Stack, id: &str, name: &str, to: &str) -> Option<(&'static str, Value)> {
        if self.existing.is_some() {
            return Some((iam::EVENTBRIDGE, bucket_events::rules_to(self, id, to)?));
        }
        let sends = self
            .notify
            .iter()
            .any(|notify| !matches!(notify.to, Notified::Function(_)) && notify.to.resource().name == to);
        sends.then(|| ("s3.amazonaws.com", names::bucket_arn(name, "")))
    }
}

/// Returns the rules of the file, and our own where there are none: old versions and broken uploads cost money unseen.
fn lifecycle(bucket: &Bucket) -> Vec<Value> {
    let mut rules = Vec::new();
    let everywhere = |rule: &&Rule| rule.prefix.as_deref().unwrap_or_default().is_empty();
    if !bucket.lifecycle.iter().filter(everywhere).any(|rule| rule.old_versions_expire_after.is_some()) {
        rules.push(json!({
            "Id": "ExpireOldVersions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": { "NoncurrentDays": 90 },
            "ExpiredObjectDeleteMarker": true,
        }));
    }
    rules.push(json!({
        "Id": "AbortBrokenUploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 7 },
    }));
    for (index, rule) in bucket.lifecycle.iter().enumerate() {
        let mut out = json!({ "Id": format!("Rule{}", index + 1), "Status": "Enabled" });
        if let Some(prefix) = &rule.prefix {
            out["Prefix"] = json!(prefix);
        }
        if let Some(days) = rule.expire_after {
            out["ExpirationInDays"] = json!(days);
        }
        if let Some(days) = rule.old_versions_expire_after {
            out["NoncurrentVersionExpiration"] = json!({ "NoncurrentDays": days });
            // S3 doesn't take this beside an expiration in the same rule, which removes the markers by itself.
            if rule.expire_after.is_none() {
                out["ExpiredObjectDeleteMarker"] = json!(true);
            }
        }
        if !rule.transitions.is_empty() {
            let transitions: Vec<Value> = rule
                .transitions
                .iter()
                .map(|(class, days)| json!({ "StorageClass": class.name(), "TransitionInDays": days }))
                .collect();
            out["Transitions"] = json!(transitions);
        }
        rules.push(out);
    }
    rules
}

fn cors(cors: &Cors) -> Value {
    let methods: Vec<&str> = cors.methods.iter().map(|method| method.name()).collect();
    let mut out =
        json!({ "AllowedOrigins": cors.origins, "AllowedMethods": methods, "MaxAge": cors.max_age });
    if !cors.headers.is_empty() {
        out["AllowedHeaders"] = json!(cors.headers);
    }
    if !cors.expose_headers.is_empty() {
        out["ExposedHeaders"] = json!(cors.expose_headers);
    }
    out
}

/// Returns the statements that let S3 log the accesses to other buckets into this one.
/// Source: Amazon S3 User Guide, "Enabling Amazon S3 server access logging".
fn loggers(stack: &Stack, id: &str, name: &str) -> Vec<Value> {
    let mut logged: Vec<(&str, &str)> = stack
        .resources
        .iter()
        .filter_map(|resource| match &resource.is {
            ResourceType::Bucket(bucket) => Some((resource.name.as_str(), bucket.logging.as_ref()?)),
            _ => None,
        })
        .filter(|(_, logging)| logging.to.name == name)
        .map(|(source, logging)| (source, logging.prefix.as_str()))
        .collect();
    // By name, so that the order of the file changes no policy.
    logged.sort_unstable();
    logged
        .into_iter()
        .map(|(source, prefix)| {
            json!({
                "Sid": format!("LogsOf{}", logical_id(source)),
                "Effect": "Allow",
                "Principal": { "Service": "logging.s3.amazonaws.com" },
                "Action": "s3:PutObject",
                "Resource": Sub(format!("${{{id}.Arn}}/{}*", prefix.replace("${", "${!"))),
                "Condition": {
                    "ArnEquals": { "aws:SourceArn": names::bucket_arn(source, "") },
                    "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") },
                },
            })
        })
        .collect()
}

fn notification(notify: &Notification, property: &str, arn: Value) -> Value {
    let event = match notify.on {
        BucketEvent::Created => "s3:ObjectCreated:*",
        BucketEvent::Removed => "s3:ObjectRemoved:*",
    };
    let mut out = Map::new();
    out.insert("Event".to_owned(), json!(event));
    let rules: Vec<Value> = [("prefix", &notify.prefix), ("suffix", &notify.suffix)]
        .into_iter()
        .filter_map(|(name, value)| Some(json!({ "Name": name, "Value": value.as_ref()? })))
        .collect();
    if !rules.is_empty() {
        out.insert("Filter".to_owned(), json!({ "S3Key": { "Rules": rules } }));
    }
    out.insert(property.to_owned(), arn);
    Value::Object(out)
}
