//! Places in the tree of a file: the keys and items that lead to a byte of its text.

use deployer_syntax::Span;
use deployer_syntax::yaml::{Entry, Node, Value};

/// One step from a node to a node in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list.
    Item,
}

/// The smallest part of the tree that contains a byte.
#[derive(Debug, Clone)]
pub struct Place<'n> {
    /// The steps to the node, or to the mapping that has the key.
    pub path: Vec<Step>,
    /// The part.
    pub at: At<'n>,
}

/// A part of the tree without parts of its own.
#[derive(Debug, Clone, Copy)]
pub enum At<'n> {
    /// A key.
    Key {
        /// The key with its value.
        entry: &'n Entry,
        /// All entries of its mapping.
        siblings: &'n [Entry],
    },
    /// A single value.
    Value {
        /// The value.
        node: &'n Node,
        /// The short tag before it, such as `Ref`.
        tag: Option<&'n str>,
    },
}

/// Returns whether a byte is in a span, or next to it.
#[must_use]
pub fn touches(span: Span, offset: usize) -> bool {
    span.start <= offset && offset <= span.end
}

/// Returns the smallest part of a tree that contains a byte, or ends there.
#[must_use]
pub fn find(root: &Node, offset: usize) -> Option<Place<'_>> {
    let mut path = Vec::new();
    let mut node = root;
    let mut tag = None;
    loop {
        if !touches(node.span, offset) {
            return None;
        }
        node = match &node.value {
            Value::Scalar { .. } => return Some(Place { path, at: At::Value { node, tag } }),
            Value::Tagged { tag: name, node: inner, .. } => {
                tag = Some(name.as_str());
                inner
            }
            Value::Sequence(items) => {
                path.push(Step::Item);
                items.iter().find(|item| touches(item.span, offset))?
            }
            Value::Mapping(entries) => {
                if let Some(entry) = entries.iter().find(|entry| touches(entry.key_span, offset)) {
                    return Some(Place { path, at: At::Key { entry, siblings: entries } });
                }
                tag = None;
                let entry = entries.iter().find(|entry| touches(entry.value.span, offset))?;
                path.push(Step::Key(entry.key.clone()));
                &entry.value
            }
        };
    }
}

/// Returns the name of the resource that a path leads into.
#[must_use]
pub fn resource_of(path: &[Step]) -> Option<&str> {
    match path {
        [Step::Key(section), Step::Key(name), ..] if section == "resources" => Some(name),
        _ => None,
    }
}
