//! `bucket` → Bucket, BucketPolicy.

use serde_json::{Map, Value, json};

use super::{Builder, names};
use crate::iam;
use crate::model::bucket::{Bucket, BucketEvent, Notification};
use crate::template::{GetAtt, Ref, Sub, logical_id};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, bucket: &Bucket) {
    let mut properties = json!({
        "BucketName": Sub(names::bucket(name)),
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                { "BucketKeyEnabled": true, "ServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } },
            ],
        },
        "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true,
            "BlockPublicPolicy": true,
            "IgnorePublicAcls": true,
            "RestrictPublicBuckets": true,
        },
        "VersioningConfiguration": { "Status": "Enabled" },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "ExpireOldVersions",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": { "NoncurrentDays": 90 },
                    "ExpiredObjectDeleteMarker": true,
                },
                {
                    "Id": "AbortBrokenUploads",
                    "Status": "Enabled",
                    "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 7 },
                },
            ],
        },
    });
    if !bucket.notify.is_empty() {
        let queues: Vec<Value> = bucket.notify.iter().map(notification).collect();
        properties["NotificationConfiguration"] = json!({ "QueueConfigurations": queues });
    }
    // S3 sends a test message when the notification is made, so the policies of the queues must stand before.
    let mut policies: Vec<String> =
        bucket.notify.iter().map(|notify| format!("{}Policy", logical_id(&notify.queue.name))).collect();
    policies.sort();
    policies.dedup();
    builder.add_data(id, "AWS::S3::Bucket", properties).depends_on = policies;

    let everything = json!([GetAtt(id, "Arn"), Sub(format!("${{{id}.Arn}}/*"))]);
    let policy = json!({
        "Bucket": Ref(id),
        "PolicyDocument": iam::document(&[iam::deny_without_tls("s3:*", everything)]),
    });
    builder.add(format!("{id}Policy"), "AWS::S3::BucketPolicy", policy);
}

fn notification(notify: &Notification) -> Value {
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
    out.insert("Queue".to_owned(), json!(GetAtt(logical_id(&notify.queue.name), "Arn")));
    Value::Object(out)
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
