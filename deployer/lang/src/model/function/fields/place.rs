//! The places of fields in the file, for problems that are found after they were read.

use deployer_syntax::diagnostic::Span;
use deployer_syntax::yaml::{Node, Value};

use crate::model::properties::{Read, Scope, Shape};

/// The place of a value of a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// All of it.
    pub span: Span,
    /// Bytes from its start to the text, if the file contains the text letter by letter.
    verbatim: Option<usize>,
    /// Places of its elements, if it is a list or a mapping.
    elements: Vec<Span>,
}

impl Place {
    /// Returns the place of a node, whose text is replaced if it contains config values.
    pub(super) fn of(node: &Node) -> Self {
        let elements = match &node.value {
            Value::Sequence(items) => items.iter().map(|item| item.span).collect(),
            Value::Mapping(entries) => entries
                .iter()
                .map(|entry| Span { start: entry.key_span.start, end: entry.value.span.end })
                .collect(),
            Value::Scalar { .. } | Value::Tagged { .. } => Vec::new(),
        };
        let verbatim = match &node.value {
            // What follows is at another place in the text that is read: `$${` becomes `${` in an expression.
            Value::Scalar { text, verbatim, .. } if !text.contains("${config") && !text.contains("$${") => {
                *verbatim
            }
            _ => None,
        };
        Self { span: node.span, verbatim, elements }
    }

    /// Returns the place of an element, or of a range of bytes of the text, as far as the file shows it.
    #[must_use]
    pub fn part(&self, element: Option<usize>, range: Option<(usize, usize)>) -> Span {
        if let Some(element) = element.and_then(|element| self.elements.get(element)) {
            return *element;
        }
        match (self.verbatim, range) {
            (Some(offset), Some((from, to))) => self.span.slice(offset + from, offset + to),
            _ => self.span,
        }
    }
}

/// The places of a field and of its properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPlace {
    /// Name of the field.
    pub name: String,
    /// The beginning of its mapping, or its text.
    pub span: Span,
    /// The properties that are given. A text alone is its `template`.
    pub properties: Vec<(&'static str, Place)>,
    /// The fields in its `map`.
    pub map: Vec<FieldPlace>,
    /// `true` if it is a text alone.
    pub bare: bool,
}

impl FieldPlace {
    /// Returns the place of a property, or that of the field if it is not given.
    #[must_use]
    pub fn property(&self, name: &str) -> Span {
        self.place(name).map_or(self.span, |place| place.span)
    }

    /// Returns whether a property is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Returns the place of a property, if it is given.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, place)| place)
    }

    /// Returns the field with this path, from the outside, among fields.
    #[must_use]
    pub fn find<'p>(fields: &'p [Self], path: &[String]) -> Option<&'p Self> {
        let (name, rest) = path.split_first()?;
        let field = fields.iter().find(|field| field.name == *name)?;
        if rest.is_empty() { Some(field) } else { Self::find(&field.map, rest) }
    }
}

/// A reader whose values come with their places.
pub(in crate::model::function) struct Placed<R>(pub R);
impl<R: Read> Read for Placed<R> {
    type Out = (R::Out, Place);
    fn shape(&self) -> Shape {
        self.0.shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        Some((self.0.read(node, scope)?, Place::of(node)))
    }
    fn show(&self, (value, _): &Self::Out) -> Option<String> {
        self.0.show(value)
    }
}
