//! `type: bucket`.

use super::properties::{Choice, List, Object, Properties, Reference, Str};
use super::{Kind, ResourceRef};

/// What the type is.
pub const DESCRIPTION: &str = "An S3 bucket: private, encrypted, versioned, TLS only.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "bucket name"), ("arn", "ARN")];

/// An S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Who is told of new objects.
    pub notify: Vec<Notification>,
}

/// One `notify` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Which events.
    pub on: BucketEvent,
    /// The queue that gets a message for each.
    pub queue: ResourceRef,
    /// Only keys that begin with this.
    pub prefix: Option<String>,
    /// Only keys that end with this.
    pub suffix: Option<String>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketEvent {
    /// It was created or overwritten.
    Created,
    /// It was removed.
    Removed,
}

impl Bucket {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let notify = properties
            .field(
                "notify",
                "Queues that get a message when an object is created or removed.",
                List(Object(Notification::read)),
            )
            .or(Vec::new());
        Some(Self { notify })
    }
}

impl Notification {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let on = properties
            .field(
                "on",
                "Which events.",
                Choice(&[("created", BucketEvent::Created), ("removed", BucketEvent::Removed)]),
            )
            .or(BucketEvent::Created);
        let queue = properties
            .field("queue", "The queue that gets the messages.", Reference(&[Kind::Queue]))
            .required();
        let prefix = properties.field("prefix", "Only keys that begin with this.", Str).optional();
        let suffix =
            properties.field("suffix", "Only keys that end with this, such as `.csv`.", Str).optional();
        Some(Self { on, queue: queue?, prefix, suffix })
    }
}
