//! `access:` entries: what a function or task may do, in one verb and one resource.

use super::properties::{Properties, Reference};
use super::{Kind, ResourceRef};
use crate::diagnostic::{Diagnostic, Span};

/// One `access` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What may be done.
    pub verb: Verb,
    /// To which resource.
    pub resource: ResourceRef,
    /// Where the entry stands.
    pub span: Span,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read objects or items.
    Read,
    /// Write objects or items.
    Write,
    /// Change attributes of items.
    Update,
    /// Keep account of every row in a table.
    Tally,
    /// Remove objects or items.
    Delete,
    /// List the objects of a bucket.
    List,
    /// Put events on a bus, or messages on a topic.
    Publish,
    /// Send messages to a queue.
    Send,
    /// Receive messages from a queue.
    Receive,
    /// Start a task.
    Run,
    /// Call a function.
    Invoke,
    /// Encrypt with a key.
    Encrypt,
    /// Decrypt with a key.
    Decrypt,
}

impl Verb {
    /// Every verb: its word, the types it applies to, what it allows. [`crate::iam::GRANTS`] has the actions.
    pub const ALL: [(Self, &'static str, &'static [Kind], &'static str); 13] = [
        (
            Self::Read,
            "read",
            &[Kind::Bucket, Kind::Table],
            "Read the objects of a bucket or the items of a table.",
        ),
        (
            Self::Write,
            "write",
            &[Kind::Bucket, Kind::Table],
            "Write the objects of a bucket or the items of a table.",
        ),
        (Self::Update, "update", &[Kind::Table], "Change attributes of the items of a table."),
        (
            Self::Tally,
            "tally",
            &[Kind::Table],
            "Record the state of every row in a table whose key is `{ object: string, part: string }`.",
        ),
        (
            Self::Delete,
            "delete",
            &[Kind::Bucket, Kind::Table],
            "Remove the objects of a bucket or the items of a table.",
        ),
        (Self::List, "list", &[Kind::Bucket], "List the objects of a bucket."),
        (Self::Publish, "publish", &[Kind::Bus, Kind::Topic], "Put events on a bus or messages on a topic."),
        (Self::Send, "send", &[Kind::Queue], "Send messages to a queue."),
        (Self::Receive, "receive", &[Kind::Queue], "Receive messages from a queue."),
        (Self::Run, "run", &[Kind::Task], "Start a task in its cluster."),
        (Self::Invoke, "invoke", &[Kind::Function], "Call a function."),
        (Self::Encrypt, "encrypt", &[Kind::Key], "Encrypt with a key."),
        (Self::Decrypt, "decrypt", &[Kind::Key], "Decrypt with a key."),
    ];

    /// The word in `stack.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(verb, ..)| *verb == self).map_or("", |(_, name, ..)| name)
    }

    /// The word as it stands before a resource in a sentence.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Write => "write to",
            Self::Delete => "delete from",
            Self::Publish => "publish on",
            Self::Send => "send to",
            Self::Receive => "receive from",
            Self::Tally => "keep the tally in",
            Self::Encrypt => "encrypt with",
            Self::Decrypt => "decrypt with",
            Self::Read | Self::Update | Self::List | Self::Run | Self::Invoke => self.name(),
        }
    }
}

impl Access {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let mut given = Vec::new();
        for (verb, name, kinds, description) in Verb::ALL {
            if let Some(resource) = properties.field(name, description, Reference(kinds)).optional() {
                given.push(Self { verb, resource, span: properties.span_of(name) });
            }
        }
        let named: Vec<&str> =
            Verb::ALL.iter().map(|(_, name, ..)| *name).filter(|name| properties.has(name)).collect();
        // Other keys are reported as unknown.
        if properties.is_empty() {
            let span = properties.span_of("");
            properties.report(
                Diagnostic::error("E0102", span, "the entry allows nothing")
                    .help("write what is allowed, and on which resource: `{ publish: \"${name}\" }`"),
            );
        }
        if let [_, second, ..] = named.as_slice() {
            let span = properties.span_of(second);
            properties.report(
                Diagnostic::error("E0107", span, "an entry can have only one verb")
                    .help("write an entry for each: `[{ read: … }, { publish: … }]`"),
            );
        }
        given.into_iter().next()
    }
}
