//! The places where a file names its resources and config values: their definitions, and the references to them.

use deployer_lang::model::Kind;
use deployer_syntax::Span;
use deployer_syntax::reference::{Piece, pieces};
use deployer_syntax::yaml::{Entry, Node, Value};

use crate::forms::Forms;
use crate::outline::{Outline, entries, member, name_span, text};
use crate::place::touches;
use crate::text::Text;

/// Something with a name in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A resource.
    Resource(String),
    /// A config value.
    Config(String),
}

/// A place where a target is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Place of its name alone.
    pub span: Span,
    /// The target.
    pub target: Target,
    /// Place of the reference as a whole, such as `${name.attribute}`; of the name, for a definition.
    pub whole: Span,
    /// The attribute that is named with it.
    pub attribute: Option<(String, Span)>,
    /// `true` where it is defined.
    pub definition: bool,
}

/// Returns all places where a file names what it declares, in the order of the text.
#[must_use]
pub fn occurrences(source: &str, root: &Node, outline: &Outline) -> Vec<Occurrence> {
    let mut walk = Walk { source, outline, found: Vec::new() };
    for resource in &outline.resources {
        walk.definition(Target::Resource(resource.name.clone()), resource.span);
    }
    for value in &outline.config {
        walk.definition(Target::Config(value.name.clone()), value.span);
    }
    for stack in entries(member(root, "stacks")) {
        for entry in entries(member(&stack.value, "config")) {
            walk.config(&entry.key, name_span(entry), name_span(entry));
        }
    }
    for entry in entries(Some(root)) {
        match entry.key.as_str() {
            "resources" => {
                for entry in entries(Some(&entry.value)) {
                    let kind = outline.resource(&entry.key).and_then(|resource| resource.kind);
                    walk.node(&entry.value, &Forms::of_resource(kind), kind);
                }
            }
            key => walk.node(&entry.value, &Forms::of_file().key(key, None), None),
        }
    }
    // An alias repeats the places of its anchor.
    walk.found.sort();
    walk.found.dedup();
    walk.found
}

/// Returns the occurrence at a byte.
#[must_use]
pub fn at(occurrences: &[Occurrence], offset: usize) -> Option<&Occurrence> {
    occurrences
        .iter()
        .filter(|one| touches(one.whole, offset))
        .min_by_key(|one| one.whole.end - one.whole.start)
}

struct Walk<'o> {
    source: &'o str,
    outline: &'o Outline,
    found: Vec<Occurrence>,
}

impl Walk<'_> {
    fn definition(&mut self, target: Target, span: Span) {
        self.found.push(Occurrence { target, span, whole: span, attribute: None, definition: true });
    }

    fn config(&mut self, name: &str, span: Span, whole: Span) {
        if self.outline.config_value(name).is_some() {
            let target = Target::Config(name.to_owned());
            self.found.push(Occurrence { target, span, whole, attribute: None, definition: false });
        }
    }

    fn resource(&mut self, name: &str, span: Span, whole: Span, attribute: Option<(String, Span)>) {
        if let Some(resource) = self.outline.target(name) {
            let target = Target::Resource(resource.name.clone());
            self.found.push(Occurrence { target, span, whole, attribute, definition: false });
        }
    }

    fn node(&mut self, node: &Node, forms: &Forms, kind: Option<Kind>) {
        match &node.value {
            Value::Scalar { text, .. } => {
                let form = if forms.is_template() { Form::Template } else { Form::Text };
                self.text(node, text, form, &[]);
            }
            Value::Sequence(items) => {
                let forms = forms.item();
                items.iter().for_each(|item| self.node(item, &forms, kind));
            }
            Value::Mapping(entries) => {
                if let [entry] = entries.as_slice()
                    && (entry.key == "Ref" || entry.key.starts_with("Fn::"))
                {
                    return self.function(&entry.key, &entry.value, forms, kind);
                }
                for entry in entries {
                    self.node(&entry.value, &forms.key(&entry.key, kind), kind);
                }
            }
            Value::Tagged { tag, node, .. } => self.function(tag, node, forms, kind),
        }
    }

    /// Finds the names in a call of a function of CloudFormation.
    fn function(&mut self, name: &str, argument: &Node, forms: &Forms, kind: Option<Kind>) {
        match (name.strip_prefix("Fn::").unwrap_or(name), &argument.value) {
            ("Ref", Value::Scalar { text, .. }) => {
                let span = argument.part(0, text.len());
                if self.outline.config_value(text).is_some() {
                    self.config(text, span, argument.span);
                } else {
                    self.resource(text, span, argument.span, None);
                }
            }
            ("GetAtt", Value::Scalar { text, .. }) => {
                if let Some((name, attribute)) = text.split_once('.') {
                    let place = argument.part(name.len() + 1, text.len());
                    let attribute = Some((attribute.to_owned(), place));
                    self.resource(name, argument.part(0, name.len()), argument.span, attribute);
                }
            }
            ("GetAtt", Value::Sequence(items)) => {
                if let [name, attribute] = items.as_slice()
                    && let (Some(word), Some(attribute_name)) = (text(name), text(attribute))
                {
                    let attribute = Some((attribute_name.to_owned(), attribute.span));
                    self.resource(word, name.part(0, word.len()), name.span, attribute);
                }
            }
            ("Sub", Value::Scalar { text, .. }) => self.text(argument, text, Form::Sub, &[]),
            ("Sub", Value::Sequence(items)) => {
                if let [template, variables, ..] = items.as_slice()
                    && let Value::Scalar { text, .. } = &template.value
                {
                    self.text(template, text, Form::Sub, entries(Some(variables)));
                    self.node(variables, forms, kind);
                }
            }
            _ => self.node(argument, forms, kind),
        }
    }

    /// Returns what is between `${` and `}` in a text of a form, each with the place of the whole.
    fn references<'t>(&self, node: &Node, text: &'t str, form: Form) -> Vec<(&'t str, Span)> {
        let found = inner_texts(text, form);
        if found.is_empty() || !matches!(node.value, Value::Scalar { verbatim: None, .. }) {
            return found.into_iter().map(|(from, to, inner)| (inner, node.part(from, to))).collect();
        }
        // A text with escapes or on several lines: its references are the same in the file, and in the same order.
        let raw = self.source.get(node.span.start..node.span.end).unwrap_or_default();
        let places = inner_texts(raw, form);
        let same = places.len() == found.len() && places.iter().zip(&found).all(|(a, b)| a.2 == b.2);
        found
            .into_iter()
            .zip(places.into_iter().map(Some).chain(std::iter::repeat(None)))
            .map(|((.., inner), place)| match place.filter(|_| same) {
                Some((from, to, _)) => (inner, node.span.slice(from, to)),
                None => (inner, node.span),
            })
            .collect()
    }

    /// Finds the names in a text. In a template, `${…}` is a column unless it is a config value; in the text of `Sub`,
    /// it may be one of the `variables`.
    fn text(&mut self, node: &Node, text: &str, form: Form, variables: &[Entry]) {
        for (inner, whole) in self.references(node, text, form) {
            // A text that the file has in another form has no places of its parts.
            let exact = whole.end - whole.start == inner.len() + 3;
            let part = |at: usize, length: usize| match exact {
                true => Span { start: whole.start + 2 + at, end: whole.start + 2 + at + length },
                false => whole,
            };
            let (name, rest) = inner.split_once('.').map_or((inner, None), |(name, rest)| (name, Some(rest)));
            match rest {
                Some(value) if name == "config" => {
                    self.config(value, part(name.len() + 1, value.len()), whole)
                }
                _ if form == Form::Template || variables.iter().any(|variable| variable.key == inner) => {}
                None if self.outline.resource(name).is_none()
                    && self.outline.config_value(name).is_some() =>
                {
                    // A parameter in the text of `Sub`.
                    self.config(name, part(0, name.len()), whole);
                }
                _ => {
                    let attribute = rest.map(|rest| (rest.to_owned(), part(name.len() + 1, rest.len())));
                    self.resource(name, part(0, name.len()), whole, attribute);
                }
            }
        }
    }
}

/// The meaning of `${…}` in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A reference; `$${` is a literal `${`.
    Text,
    /// A column, unless it is a config value.
    Template,
    /// A name for CloudFormation's `Fn::Sub`, also after a `$`; `${!` is a literal `${`.
    Sub,
}

/// Returns the ranges of `${…}` in a text of a form, each with what is between the braces.
fn inner_texts(text: &str, form: Form) -> Vec<(usize, usize, &str)> {
    let with_inner = |(from, to): (usize, usize)| Some((from, to, text.get(from + 2..to - 1)?));
    let mut ranges = Vec::new();
    if form == Form::Sub {
        let mut at = 0;
        while let Some(start) = text.get(at..).and_then(|rest| rest.find("${")).map(|found| at + found) {
            let Some(length) = text.get(start..).and_then(|rest| rest.find('}')) else { break };
            at = start + length + 1;
            ranges.push((start, at));
        }
    } else {
        ranges.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Reference(from, to) => Some((from, to)),
            _ => None,
        }));
    }
    ranges
        .into_iter()
        .filter_map(with_inner)
        .filter(|(.., inner)| !(form == Form::Sub && inner.starts_with('!')))
        .collect()
}

/// Returns the reference `${…}` at a byte of a text that is not YAML, by the names of the file when it was.
#[must_use]
pub fn in_text(source: &Text, offset: usize, outline: &Outline) -> Option<Occurrence> {
    let line = source.line(offset);
    let all = source.as_str().get(line.start..line.end)?;
    inner_texts(all, Form::Text).into_iter().find_map(|(from, to, inner)| {
        let (start, end) = (line.start + from, line.start + to);
        let (name, rest) = inner.split_once('.').map_or((inner, None), |(name, rest)| (name, Some(rest)));
        let begin = start + 2;
        let after = Span { start: begin + name.len() + 1, end: end - 1 };
        let (target, span, attribute) = match rest {
            Some(value) if name == "config" => {
                (Target::Config(outline.config_value(value)?.name.clone()), after, None)
            }
            _ => {
                let target = Target::Resource(outline.resource(name)?.name.clone());
                let span = Span { start: begin, end: begin + name.len() };
                (target, span, rest.map(|rest| (rest.to_owned(), after)))
            }
        };
        let whole = Span { start, end };
        let found = Occurrence { span, target, whole, attribute, definition: false };
        touches(whole, offset).then_some(found)
    })
}

/// Returns the place where a text that is not YAML seems to define a target: its name as a key, indented, in the section.
#[must_use]
pub fn definition_in_text(source: &Text, target: &Target) -> Option<Span> {
    let (section, name) = match target {
        Target::Resource(name) => ("resources:", name),
        Target::Config(name) => ("config:", name),
    };
    let mut inside = false;
    let mut start = 0;
    for line in source.as_str().split_inclusive('\n') {
        let word = line.trim_start_matches(' ');
        let indent = line.len() - word.len();
        if indent == 0 && !word.trim().is_empty() && !word.starts_with('#') {
            inside = word.starts_with(section);
        } else if inside
            && word.strip_prefix(name.as_str()).is_some_and(|rest| rest.trim_start().starts_with(':'))
        {
            return Some(Span { start: start + indent, end: start + indent + name.len() });
        }
        start += line.len();
    }
    None
}
