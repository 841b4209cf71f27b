//! `queue` → Queue, its dead-letter queue, QueuePolicy of each. Also the buffers of event-driven functions.

use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, restart, senders};
use crate::iam;
use crate::model::access::Verb;
use crate::model::queue::{MAX_MESSAGE_SIZE, Queue};
use crate::model::{ResourceRef, Stack};

/// Seconds for which dead letters are kept: as long as SQS can, 14 days.
const DEAD_LETTER_RETENTION: u64 = 14 * 86_400;

impl Lowering for Queue {
    const GRANTS: &'static [Grant] = &[
        Grant::new(Verb::Send, "Send", &["sqs:SendMessage"], On::Itself),
        Grant::new(Verb::Receive, "Receive", &iam::CONSUME, On::Itself),
    ];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let arn = json!(GetAtt(id, "Arn"));
        let senders = senders::senders(builder.stack, name);
        let statements =
            senders.iter().map(|sender| senders::allow(sender, "sqs:SendMessage", &arn)).collect();
        if self.existing.is_some() {
            return builder.need(statements);
        }
        let dead_letters = restart::may_send_dead_letters(builder.stack, name, &format!("{id}DeadLetters"));
        add_pair(builder, id, self, statements, dead_letters);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            "name" => json!(GetAtt(id, "QueueName")),
            _ => json!(Ref(id)),
        }
    }
}

/// Adds a queue, its dead-letter queue, and the policies of both, which name their senders.
pub(super) fn add_pair(
    builder: &mut Builder<'_>,
    id: &str,
    queue: &Queue,
    senders: Vec<Value>,
    dead_letter_senders: Vec<Value>,
) {
    let own = format!("{id}DeadLetters");
    let dead_letters = queue.dead_letter.queue.as_ref().map_or(own.clone(), |queue| logical_id(&queue.name));
    let mut properties = json!({
        "VisibilityTimeout": queue.visibility_timeout,
        "MessageRetentionPeriod": queue.retention,
    });
    encrypt(&mut properties, queue.encryption_key.as_ref());
    properties["RedrivePolicy"] = json!({
        "deadLetterTargetArn": GetAtt(&dead_letters, "Arn"),
        "maxReceiveCount": queue.dead_letter.after,
    });
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
        properties["FifoQueue"] = json!(true);
        properties["ContentBasedDeduplication"] = json!(fifo.content_based_deduplication);
        if fifo.high_throughput {
            properties["DeduplicationScope"] = json!("messageGroup");
            properties["FifoThroughputLimit"] = json!("perMessageGroupId");
        }
    }
    add_with_policy(builder, id, properties, senders);
    if queue.dead_letter.queue.is_none() {
        // The dead letters of a FIFO queue go to a FIFO queue.
        add_dead_letters(
            builder,
            &own,
            queue.fifo.is_some(),
            queue.encryption_key.as_ref(),
            dead_letter_senders,
        );
    }
}

/// Adds a queue for events or messages that could not be processed or delivered.
pub(super) fn add_dead_letters(
    builder: &mut Builder<'_>,
    id: &str,
    fifo: bool,
    key: Option<&ResourceRef>,
    senders: Vec<Value>,
) {
    let mut properties = json!({ "MessageRetentionPeriod": DEAD_LETTER_RETENTION });
    encrypt(&mut properties, key);
    if fifo {
        properties["FifoQueue"] = json!(true);
    }
    add_with_policy(builder, id, properties, senders);
}

fn encrypt(properties: &mut Value, key: Option<&ResourceRef>) {
    match key {
        Some(key) => properties["KmsMasterKeyId"] = json!(GetAtt(logical_id(&key.name), "Arn")),
        None => properties["SqsManagedSseEnabled"] = json!(true),
    }
}

fn add_with_policy(builder: &mut Builder<'_>, id: &str, properties: Value, mut statements: Vec<Value>) {
    builder.add(id, "AWS::SQS::Queue", properties).policy = Some(deployer_cfn::template::Policy::Delete);
    statements.push(iam::deny_without_tls("sqs:*", json!(GetAtt(id, "Arn"))));
    let policy = json!({ "Queues": [Ref(id)], "PolicyDocument": iam::document(&statements) });
    builder.add(format!("{id}Policy"), "AWS::SQS::QueuePolicy", policy);
}
