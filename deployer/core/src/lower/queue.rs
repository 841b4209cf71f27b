//! `queue` → Queue, its dead-letter queue, QueuePolicy of each. Also the buffers of event-driven functions.

use serde_json::{Value, json};

use super::{Builder, names};
use crate::iam;
use crate::model::queue::{MAX_MESSAGE_SIZE, Queue};
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
    add_pair(builder, id, queue, senders, Vec::new());
}

fn notifies(bucket: &Bucket, queue: &str) -> bool {
    bucket.notify.iter().any(|notify| notify.queue.name == queue)
}

/// Adds a queue, its dead-letter queue, and the policies that say who may send to each.
pub(super) fn add_pair(
    builder: &mut Builder<'_>,
    id: &str,
    queue: &Queue,
    senders: Vec<Value>,
    dead_letter_senders: Vec<Value>,
) {
    let dead_letters = format!("{id}DeadLetters");
    let mut properties = json!({
        "VisibilityTimeout": queue.visibility_timeout,
        "MessageRetentionPeriod": queue.retention,
        "SqsManagedSseEnabled": true,
        "RedrivePolicy": {
            "deadLetterTargetArn": GetAtt(&dead_letters, "Arn"),
            "maxReceiveCount": queue.dead_letter.after,
        },
    });
    let mut dead_letter_properties =
        json!({ "MessageRetentionPeriod": DEAD_LETTER_RETENTION, "SqsManagedSseEnabled": true });
    if queue.delay > 0 {
        properties["DelaySeconds"] = json!(queue.delay);
    }
    if queue.receive_wait > 0 {
        properties["ReceiveMessageWaitTimeSeconds"] = json!(queue.receive_wait);
    }
    if queue.max_message_size < MAX_MESSAGE_SIZE {
        properties["MaximumMessageSize"] = json!(queue.max_message_size);
    }
    if let Some(fifo) = queue.fifo {
        // The dead letters of a FIFO queue go to a FIFO queue.
        dead_letter_properties["FifoQueue"] = json!(true);
        properties["FifoQueue"] = json!(true);
        properties["ContentBasedDeduplication"] = json!(fifo.content_based_deduplication);
        if fifo.high_throughput {
            properties["DeduplicationScope"] = json!("messageGroup");
            properties["FifoThroughputLimit"] = json!("perMessageGroupId");
        }
    }
    add_with_policy(builder, id, properties, senders);
    add_with_policy(builder, &dead_letters, dead_letter_properties, dead_letter_senders);
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
        _ => json!(Ref(id)),
    }
}
