//! `queue` → Queue, its dead-letter queue, QueuePolicy of each. Also the buffers of event-driven functions.

use serde_json::{Value, json};

use super::{Builder, names};
use crate::iam;
use crate::model::queue::Queue;
use crate::model::{ResourceType, bucket::Bucket};
use crate::template::{GetAtt, Ref};

/// Dead letters are kept as long as SQS can: 14 days.
const DEAD_LETTER_RETENTION: u64 = 14 * 86_400;

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, queue: &Queue) {
    let mut buckets: Vec<_> = builder
        .stack
        .resources
        .iter()
        .filter(|resource| matches!(&resource.is, ResourceType::Bucket(bucket) if notifies(bucket, name)))
        .collect();
    // By name, so that the order of the file changes no policy.
    buckets.sort_by(|a, b| a.name.cmp(&b.name));
    let senders: Vec<Value> = buckets
        .into_iter()
        .map(|resource| {
            json!({
                "Sid": format!("SendFrom{}", crate::template::logical_id(&resource.name)),
                "Effect": "Allow",
                "Principal": { "Service": "s3.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": GetAtt(id, "Arn"),
                "Condition": {
                    "ArnEquals": { "aws:SourceArn": names::bucket_arn(&resource.name, "") },
                    "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") },
                },
            })
        })
        .collect();
    add_pair(
        builder,
        id,
        queue.visibility_timeout,
        queue.retention,
        queue.dead_letter.after,
        senders,
        Vec::new(),
    );
}

fn notifies(bucket: &Bucket, queue: &str) -> bool {
    bucket.notify.iter().any(|notify| notify.queue.name == queue)
}

/// Adds a queue, its dead-letter queue, and the policies that say who may send to each.
pub(super) fn add_pair(
    builder: &mut Builder<'_>,
    id: &str,
    visibility_timeout: u64,
    retention: u64,
    max_receive_count: i64,
    senders: Vec<Value>,
    dead_letter_senders: Vec<Value>,
) {
    let dead_letters = format!("{id}DeadLetters");
    let properties = json!({
        "VisibilityTimeout": visibility_timeout,
        "MessageRetentionPeriod": retention,
        "SqsManagedSseEnabled": true,
        "RedrivePolicy": { "deadLetterTargetArn": GetAtt(&dead_letters, "Arn"), "maxReceiveCount": max_receive_count },
    });
    add_with_policy(builder, id, properties, senders);
    let properties = json!({ "MessageRetentionPeriod": DEAD_LETTER_RETENTION, "SqsManagedSseEnabled": true });
    add_with_policy(builder, &dead_letters, properties, dead_letter_senders);
}

fn add_with_policy(builder: &mut Builder<'_>, id: &str, properties: Value, mut statements: Vec<Value>) {
    builder.add(id, "AWS::SQS::Queue", properties).policy = Some(crate::template::Policy::Delete);
    statements.push(iam::deny_without_tls("sqs:*", json!(GetAtt(id, "Arn"))));
    let policy = json!({ "Queues": [Ref(id)], "PolicyDocument": iam::document(&statements) });
    builder.add(format!("{id}Policy"), "AWS::SQS::QueuePolicy", policy);
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        "name" => json!(GetAtt(id, "QueueName")),
        "url" => json!(Ref(id)),
        _ => json!(Ref(id)),
    }
}
