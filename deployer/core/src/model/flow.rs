//! What flows between the resources of a stack, as its drawing shows it.

use std::collections::BTreeMap;

use super::ResourceRef;
use super::access::{Access, Verb};

/// What a resource does in a pipeline: it decides the shape and the color in a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Stores data.
    Store,
    /// Holds messages until they are processed.
    Queue,
    /// Passes events or messages on to many.
    Hub,
    /// Computes for a short time.
    Function,
    /// Computes for as long as it takes.
    Task,
    /// Starts or notifies others.
    Caller,
    /// Anything else.
    Other,
}

/// A flow from one resource to another, by their names in the file, and whether it carries what failed.
pub type FlowKey = (String, String, bool);

/// The flows between resources, with the labels of each.
#[derive(Debug, Default)]
pub struct Flows(BTreeMap<FlowKey, Vec<String>>);

impl Flows {
    /// Adds a flow.
    pub fn add(&mut self, from: &str, to: &str, label: impl Into<String>) {
        self.0.entry((from.to_owned(), to.to_owned(), false)).or_default().push(label.into());
    }

    /// Adds the flow of what failed.
    pub fn add_failure(&mut self, from: &str, to: &ResourceRef, label: &str) {
        self.0.entry((from.to_owned(), to.name.clone(), true)).or_default().push(label.to_owned());
    }

    /// Adds the flows of `access`: what is read flows to the reader; all else from who acts.
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

    /// The flows in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&FlowKey, &[String])> {
        self.0.iter().map(|(key, labels)| (key, labels.as_slice()))
    }
}
