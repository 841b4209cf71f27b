//! The flows between the resources of a stack, as its drawing shows them.

use super::ResourceRef;
use super::access::{Access, Verb};

/// The part of a resource in a pipeline: it decides the shape and the color in a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A store of data.
    Store,
    /// A queue of messages until they are processed.
    Queue,
    /// A hub that passes events or messages on to many.
    Hub,
    /// A computation for a short time.
    Function,
    /// A computation for as long as it takes.
    Task,
    /// A resource that starts or notifies others.
    Caller,
    /// Anything else.
    Other,
}

/// A flow that begins at a resource; resources are named as in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// A flow to another resource.
    Between {
        /// The resource that it begins at.
        from: String,
        /// The resource that it ends at.
        to: String,
        /// The name of the flow; empty if it has none.
        label: String,
        /// `true` if it carries failed events or messages.
        failure: bool,
        /// `true` if the lowering puts a queue between the two.
        buffered: bool,
    },
    /// The flow to the dead-letter queues that the lowering adds for a resource.
    DeadLetters {
        /// The resource that they are added for.
        origin: String,
        /// The resource that sends to them.
        from: String,
        /// The name of the flow.
        label: &'static str,
    },
}

/// The flows between resources. The flows of one resource are in the order of the queues that the lowering adds for it.
#[derive(Debug, Default)]
pub struct Flows(Vec<Flow>);

impl Flows {
    /// Adds a flow.
    pub fn add(&mut self, from: &str, to: &str, label: impl Into<String>) {
        self.between(from, to, label.into(), false, false);
    }

    /// Adds a flow that goes through a queue which the lowering adds.
    pub fn add_buffered(&mut self, from: &str, to: &str, label: impl Into<String>) {
        self.between(from, to, label.into(), false, true);
    }

    /// Adds the flow of failed events or messages.
    pub fn add_failure(&mut self, from: &str, to: &ResourceRef, label: &str) {
        self.between(from, &to.name, label.to_owned(), true, false);
    }

    /// Adds the flow to the dead-letter queues that the lowering adds for a resource, if it adds any.
    pub fn add_dead_letters(&mut self, origin: &str, from: &str, label: &'static str) {
        self.0.push(Flow::DeadLetters { origin: origin.to_owned(), from: from.to_owned(), label });
    }

    /// Adds the flows of `access`: data that is read flows to its reader; all else begins at the one that acts.
    pub fn add_access(&mut self, name: &str, access: &[Access]) {
        for entry in access {
            let other = &entry.resource.name;
            match entry.verb {
                Verb::Read | Verb::List | Verb::Receive => self.add(other, name, entry.verb.name()),
                Verb::Write
                | Verb::Update
                | Verb::Tally
                | Verb::Delete
                | Verb::Publish
                | Verb::Send
                | Verb::Run
                | Verb::Invoke => self.add(name, other, entry.verb.name()),
                // A key is not drawn.
                Verb::Encrypt | Verb::Decrypt => {}
            }
        }
    }

    /// Returns the flows in the order in which they were added.
    #[must_use]
    pub fn into_vec(self) -> Vec<Flow> {
        self.0
    }

    fn between(&mut self, from: &str, to: &str, label: String, failure: bool, buffered: bool) {
        self.0.push(Flow::Between { from: from.to_owned(), to: to.to_owned(), label, failure, buffered });
    }
}
