//! `type: queue`.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use super::access::Verb;
use super::definition::{Definition, Drawing, Metrics, UNUSED};
use super::existing::{Existing, OWN_SETTINGS, Refused};
use super::flow::{Flows, Role};
use super::properties::{Boolean, Duration, Integer, Object, Properties, Reference, Size};
use super::{Kind, Resource, ResourceRef, Stack};

/// Defaults and bounds: Amazon SQS Developer Guide, "Quotas related to messages".
const DAY: u64 = 86_400;
/// Most bytes of a message: the same page.
pub const MAX_MESSAGE_SIZE: u64 = 1 << 20;

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The queue that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Seconds for which a received message is hidden from others.
    pub visibility_timeout: u64,
    /// Seconds for which a message is kept.
    pub retention: u64,
    /// Seconds for which a new message is hidden.
    pub delay: u64,
    /// Seconds that a receive waits for a message.
    pub receive_wait: u64,
    /// Largest message in bytes.
    pub max_message_size: u64,
    /// Settings of a FIFO queue, in order and without duplicates; a standard queue without them.
    pub fifo: Option<Fifo>,
    /// The dead-letter queue, and the number of receives before it.
    pub dead_letter: DeadLetter,
    /// The customer key that encrypts its messages.
    pub encryption_key: Option<ResourceRef>,
}

/// `fifo` of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fifo {
    /// `true` if messages with the same body are duplicates.
    pub content_based_deduplication: bool,
    /// `true` if each message group has a throughput of its own.
    pub high_throughput: bool,
}

/// `deadLetter` of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Number of receives after which a message is moved there.
    pub after: i64,
    /// Another queue of the stack that receives them; without one the queue has a dead-letter queue of its own.
    pub queue: Option<ResourceRef>,
}

impl Default for DeadLetter {
    fn default() -> Self {
        Self { after: 5, queue: None }
    }
}

impl Queue {
    /// Creates a queue without special settings.
    #[must_use]
    pub const fn standard(visibility_timeout: u64, retention: u64, dead_letter: DeadLetter) -> Self {
        Self {
            existing: None,
            visibility_timeout,
            retention,
            delay: 0,
            receive_wait: 0,
            max_message_size: MAX_MESSAGE_SIZE,
            fifo: None,
            dead_letter,
            encryption_key: None,
        }
    }
}

/// The properties that an existing queue can't have.
const REFUSED: [Refused; 6] = [
    ("visibilityTimeout", "a deployment compares that of the queue with the functions that read it"),
    ("retention", OWN_SETTINGS),
    ("delay", OWN_SETTINGS),
    ("receiveWait", OWN_SETTINGS),
    ("maxMessageSize", OWN_SETTINGS),
    ("fifo", "the name of a FIFO queue ends with `.fifo`"),
];

impl Definition for Queue {
    const DESCRIPTION: &'static str = "An SQS queue with a dead-letter queue; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] =
        &[("name", "queue name"), ("arn", "ARN"), ("url", "queue URL")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Send, "a queue"), (Verb::Receive, "a queue")];
    const DRAWING: Drawing = Drawing::Always(Role::Queue);
    const METRICS: Option<Metrics> = Some(Metrics {
        namespace: "AWS/SQS",
        dimension: "QueueName",
        names: &[
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateAgeOfOldestMessage",
            "NumberOfMessagesSent",
            "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted",
            "NumberOfEmptyReceives",
            "SentMessageSize",
        ],
        graphs: [
            (
                "messages",
                "Maximum",
                &["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"],
            ),
            ("oldest message", "Maximum", &["ApproximateAgeOfOldestMessage"]),
        ],
    });

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Queue,
            "Name or ARN of an existing queue in the region of the stack; the stack creates none, and does not change it.",
            &REFUSED,
        );
        let visibility_timeout = properties
            .field(
                "visibilityTimeout",
                "Time for which a received message is hidden; at least the timeout of the function that reads it, better six \
                 times that.",
                Duration(0, 43_200),
            )
            .or(30);
        let retention = properties
            .field("retention", "Time for which a message is kept.", Duration(60, 14 * DAY))
            .or(4 * DAY);
        let delay =
            properties.field("delay", "Time for which a new message is hidden.", Duration(0, 900)).or(0);
        let receive_wait = properties
            .field(
                "receiveWait",
                "Time for which a receive call waits for a message (long polling).",
                Duration(0, 20),
            )
            .or(0);
        let max_message_size = properties
            .field(
                "maxMessageSize",
                "Maximum size of a message, in whole bytes.",
                Size(1 << 10, MAX_MESSAGE_SIZE),
            )
            .or(MAX_MESSAGE_SIZE);
        let fifo = properties
            .field(
                "fifo",
                "FIFO queue: messages in order within a message group, and without duplicates; `{}` without further settings.",
                Object(Fifo::read),
            )
            .optional();
        let dead_letter = properties
            .field(
                "deadLetter",
                "Rules for moving messages to the dead-letter queue, which keeps them for 14 days unless it is one of yours.",
                Object(DeadLetter::read),
            )
            .or(DeadLetter::default());
        let encryption_key = properties
            .field(
                "encryptionKey",
                "Key that encrypts the messages; by default the stack's `key`, or SQS's own.",
                Reference(&[Kind::Key]),
            )
            .optional();
        if let Some(queue) = dead_letter.queue.as_ref().filter(|_| existing.is_some()) {
            let message = format!("`deadLetter.queue` can't be set for an existing queue: {OWN_SETTINGS}");
            properties.report(Diagnostic::error("E0363", queue.span, message).help(
                "remove it; `deadLetter: { after: 3 }` names the receives after which the queue gives a message up",
            ));
        }
        let fifo = match &existing {
            Some(existing) => existing.is_fifo().then_some(Fifo::default()),
            None => fifo,
        };
        Some(Self {
            existing,
            visibility_timeout,
            retention,
            delay,
            receive_wait,
            max_message_size,
            fifo,
            dead_letter,
            encryption_key,
        })
    }

    fn check(&self, stack: &Stack, _: &Resource, diagnostics: &mut Diagnostics) {
        if let Some(dead_letters) = &self.dead_letter.queue
            && stack.queue(dead_letters).is_some_and(|other| other.fifo.is_some() != self.fifo.is_some())
        {
            let message = "the dead-letter queue of a FIFO queue must be a FIFO queue, and that of a standard queue a \
                           standard queue";
            diagnostics.push(
                Diagnostic::error("E0107", dead_letters.span, message)
                    .help("set `fifo` for both, or for neither"),
            );
        }
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn unused(&self) -> Option<&'static str> {
        self.existing.is_none().then_some(UNUSED)
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        if let Some(to) = &self.dead_letter.queue {
            flows.add_failure(name, to, "dead letters");
        }
        flows.add_dead_letters(name, name, "dead letters");
    }

    fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
        self.dead_letter.queue.iter().collect()
    }

    fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
        Some((self.encryption_key.as_ref()?, "sqs"))
    }

    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        self.existing.is_none().then_some(&mut self.encryption_key)
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self { content_based_deduplication: true, high_throughput: true }
    }
}

impl Fifo {
    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let content_based_deduplication = properties
            .field(
                "contentBasedDeduplication",
                "Treat messages with the same body as duplicates; otherwise senders must give a deduplication id.",
                Boolean,
            )
            .or(true);
        let high_throughput = properties
            .field("highThroughput", "Give each message group a throughput of its own.", Boolean)
            .or(true);
        Some(Self { content_based_deduplication, high_throughput })
    }
}

impl DeadLetter {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let after = properties
            .field("after", "Number of receives after which a message is moved there.", Integer(1, 1_000))
            .or(Self::default().after);
        let queue = properties
            .field(
                "queue",
                "Another queue of the stack that receives them, instead of a dead-letter queue of its own.",
                Reference(&[Kind::Queue]),
            )
            .optional();
        Some(Self { after, queue })
    }
}
