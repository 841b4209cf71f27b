//! `access:` entries: the permissions of a function or task, each as one verb and one resource.

use std::sync::LazyLock;

use deployer_syntax::diagnostic::{Diagnostic, Span};

use super::properties::{Properties, Reference};
use super::{Kind, ResourceRef};

/// One `access` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The verb.
    pub verb: Verb,
    /// The resource.
    pub resource: ResourceRef,
    /// Place of the entry.
    pub span: Span,
}

/// An action that an `access` entry allows.
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
    /// Every verb: its word, and the beginning of its description, which [`super::definition::Definition::ACCESS`] ends
    /// for each type.
    pub const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::Read, "read", "Read"),
        (Self::Write, "write", "Write"),
        (Self::Update, "update", "Change attributes of"),
        (Self::Tally, "tally", "Record the state of every row in"),
        (Self::Delete, "delete", "Remove"),
        (Self::List, "list", "List"),
        (Self::Publish, "publish", "Put"),
        (Self::Send, "send", "Send messages to"),
        (Self::Receive, "receive", "Receive messages from"),
        (Self::Run, "run", "Start"),
        (Self::Invoke, "invoke", "Call"),
        (Self::Encrypt, "encrypt", "Encrypt with"),
        (Self::Decrypt, "decrypt", "Decrypt with"),
    ];

    /// Returns the types that it applies to, by their words.
    #[must_use]
    pub fn kinds(self) -> &'static [Kind] {
        VERBS.iter().find(|verb| verb.verb == self).map_or(&[], |verb| &verb.kinds)
    }

    /// Returns the word in `stack.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(verb, ..)| *verb == self).map_or("", |(_, name, ..)| name)
    }

    /// Returns the word as it is before a resource in a sentence.
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

/// A verb with all that the types define for it.
struct Described {
    verb: Verb,
    name: &'static str,
    kinds: Vec<Kind>,
    description: String,
}

/// The verbs in the order of [`Verb::ALL`].
static VERBS: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let describe = |(verb, name, beginning): (Verb, &'static str, &str)| {
        let mut objects: Vec<(Kind, &str)> = Kind::ALL
            .into_iter()
            .flat_map(|kind| kind.access().iter().map(move |(of, object)| (kind, *of, *object)))
            .filter(|(_, of, _)| *of == verb)
            .map(|(kind, _, object)| (kind, object))
            .collect();
        objects.sort_by_key(|(kind, _)| kind.name());
        let description = match objects.as_slice() {
            [rest @ .., (_, last)] if !rest.is_empty() => {
                let rest: Vec<&str> = rest.iter().map(|(_, object)| *object).collect();
                format!("{beginning} {} or {last}.", rest.join(", "))
            }
            [(_, only)] => format!("{beginning} {only}."),
            _ => String::new(),
        };
        Described { verb, name, kinds: objects.into_iter().map(|(kind, _)| kind).collect(), description }
    };
    Verb::ALL.into_iter().map(describe).collect()
});

impl Access {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let mut given = Vec::new();
        for Described { verb, name, kinds, description } in VERBS.iter() {
            if let Some(resource) = properties.field(name, description, Reference(kinds)).optional() {
                given.push(Self { verb: *verb, resource, span: properties.span_of(name) });
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
