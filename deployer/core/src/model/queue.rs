//! `type: queue`.

use super::properties::{Duration, Integer, Object, Properties};

/// What the type is.
pub const DESCRIPTION: &str = "An SQS queue with a dead-letter queue.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "queue name"), ("arn", "ARN"), ("url", "queue URL")];

/// Defaults and bounds: Amazon SQS Developer Guide, "Quotas related to messages".
const DAY: u64 = 86_400;

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Seconds for which a received message is hidden from others.
    pub visibility_timeout: u64,
    /// Seconds for which a message is kept.
    pub retention: u64,
    /// When messages go to the dead-letter queue.
    pub dead_letter: DeadLetter,
}

/// `deadLetter` of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Receives after which a message is a dead letter.
    pub after: i64,
}

impl Default for DeadLetter {
    fn default() -> Self {
        Self { after: 5 }
    }
}

impl Queue {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let visibility_timeout = properties
            .field(
                "visibilityTimeout",
                "How long a received message is hidden; at least the timeout of the function that reads it, better six times that.",
                Duration(0, 43_200),
            )
            .or(30);
        let retention =
            properties.field("retention", "How long a message is kept.", Duration(60, 14 * DAY)).or(4 * DAY);
        let dead_letter = properties
            .field(
                "deadLetter",
                "When messages go to the dead-letter queue, which keeps them for 14 days.",
                Object(DeadLetter::read),
            )
            .or(DeadLetter::default());
        Some(Self { visibility_timeout, retention, dead_letter })
    }
}

impl DeadLetter {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let after = properties
            .field("after", "Receives after which a message is a dead letter.", Integer(1, 1_000))
            .or(Self::default().after);
        Some(Self { after })
    }
}
