//! A section that is kept as the file contains it, and read later.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Entry, Node, Value};

use crate::model::properties::{Read, Scope, Shape};
use crate::model::verbatim::long_name;

/// A section that is read later, when the stack is known.
pub(super) struct Section(pub(super) Shape);
impl Read for Section {
    type Out = Node;
    fn shape(&self) -> Shape {
        self.0.clone()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Node> {
        match &node.value {
            Value::Mapping(_) => return Some(node.clone()),
            // All of the section is what a macro makes.
            Value::Tagged { tag, tag_span, node: inner } if tag == "Transform" => {
                let entry = Entry { key: long_name(tag), key_span: *tag_span, value: (**inner).clone() };
                return Some(Node { value: Value::Mapping(vec![entry]), span: node.span });
            }
            _ => {}
        }
        scope.report(
            Diagnostic::error("E0103", node.span, format!("expected a mapping, found {}", node.describe()))
                .help("write `name: …` on lines of their own, indented"),
        );
        None
    }
    fn show(&self, _: &Node) -> Option<String> {
        None
    }
}

/// A value that is read later, when the stack is known.
pub(super) struct Later<R>(pub(super) R);
impl<R: Read> Read for Later<R> {
    type Out = Node;
    fn shape(&self) -> Shape {
        self.0.shape()
    }
    fn read(&self, node: &Node, _: &Scope) -> Option<Node> {
        Some(node.clone())
    }
    fn show(&self, _: &Node) -> Option<String> {
        None
    }
}

/// Returns the entries of a section; none if it is not a mapping.
pub(super) fn entries_of<'n>(node: &'n Node, section: &str) -> &'n [Entry] {
    let Value::Mapping(entries) = &node.value else { return &[] };
    match entries.iter().find(|entry| entry.key == section).map(|entry| &entry.value.value) {
        Some(Value::Mapping(entries)) => entries,
        _ => &[],
    }
}
