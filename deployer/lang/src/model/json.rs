//! Free JSON in a stack file, as EventBridge takes it: constant inputs, event patterns, widgets.
//!
//! Texts in it may refer to resources. They are in the value as marks, so that it stays plain JSON until the lowering
//! puts CloudFormation's expressions in their places.

use deployer_syntax::mark::MARK;
use deployer_syntax::number;
use deployer_syntax::yaml::{self, Node};
use serde_json::Value;

use super::Text;
use super::TextPart;
use super::properties::{AnyText, Read, Scope, Shape, mismatch};

/// JSON with texts that are known once CloudFormation has created the resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Json {
    /// The value; a text that names resources is in it as a mark.
    pub value: Value,
    /// The texts of the marks.
    pub texts: Vec<Text>,
}

impl Json {
    /// Replaces each text that names resources by `place(text)`.
    #[must_use]
    pub fn filled(&self, place: &impl Fn(&Text) -> Value) -> Value {
        self.fill(&self.value, place)
    }

    fn fill(&self, value: &Value, place: &impl Fn(&Text) -> Value) -> Value {
        match value {
            Value::String(text) => match self.marked(text) {
                Some(text) => place(text),
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.fill(item, place)).collect(),
            Value::Object(map) => {
                let filled = map.iter().map(|(key, inner)| (key.clone(), self.fill(inner, place)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }

    /// Returns whether it contains a null, which CloudFormation refuses in templates.
    #[must_use]
    pub fn has_null(&self) -> bool {
        fn has_null(value: &Value) -> bool {
            match value {
                Value::Null => true,
                Value::Array(items) => items.iter().any(has_null),
                Value::Object(map) => map.values().any(has_null),
                _ => false,
            }
        }
        has_null(&self.value)
    }

    /// Returns the text of a mark.
    #[must_use]
    pub fn marked(&self, text: &str) -> Option<&Text> {
        self.texts.get(text.strip_prefix(MARK)?.parse::<usize>().ok()?)
    }

    /// Returns compact JSON in pieces, so that a text with references can be made of it. Texts that name resources are
    /// between quotes that are there already.
    #[must_use]
    pub fn pieces(&self) -> Vec<TextPart> {
        let mut parts = Vec::new();
        let mut rest = number::to_json(&self.value);
        // Serialised, a mark is `\u0000` and its number.
        while let Some(at) = rest.find("\"\\u0000") {
            let after = rest.split_off(at + 1);
            push(&mut parts, &rest);
            let mark = after.trim_start_matches("\\u0000");
            let digits = mark.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = mark.split_at(digits);
            let text = number.parse::<usize>().ok().and_then(|number| self.texts.get(number));
            for part in text.into_iter().flat_map(|text| &text.parts) {
                match part {
                    TextPart::Literal(literal) => {
                        let quoted = Value::from(literal.as_str()).to_string();
                        push(
                            &mut parts,
                            quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default(),
                        );
                    }
                    attribute => parts.push(attribute.clone()),
                }
            }
            rest = behind.to_owned();
        }
        push(&mut parts, &rest);
        parts
    }

    /// Counts the characters of the compact JSON, without the texts that are not known yet.
    #[must_use]
    pub fn length(&self) -> usize {
        number::to_json(&self.filled(&|_| Value::from(""))).chars().count()
    }

    /// Reads a single value: a plain one by YAML 1.2's JSON schema, else a text.
    pub(crate) fn single(&mut self, node: &Node, scope: &Scope) -> Option<Value> {
        let yaml::Value::Scalar { text: written, plain, .. } = &node.value else { return None };
        if node.is_null() {
            return Some(Value::Null);
        }
        let text = AnyText.read(node, scope)?;
        let only_config = written.starts_with("${config.") && written.find('}') == Some(written.len() - 1);
        match text.parts.as_slice() {
            [] => Some(Value::from("")),
            [TextPart::Literal(literal)] if *plain || only_config => Some(typed(literal)),
            [TextPart::Literal(literal)] => Some(Value::from(literal.as_str())),
            _ => {
                self.texts.push(text);
                Some(Value::from(format!("{MARK}{}", self.texts.len() - 1)))
            }
        }
    }

    /// Reads any value.
    fn any(&mut self, node: &Node, scope: &Scope) -> Option<Value> {
        match &node.value {
            yaml::Value::Scalar { .. } => self.single(node, scope),
            yaml::Value::Sequence(items) => {
                let read: Vec<Option<Value>> = items.iter().map(|item| self.any(item, scope)).collect();
                read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            yaml::Value::Mapping(entries) => {
                let read: Vec<Option<(String, Value)>> = entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), self.any(&entry.value, scope)?)))
                    .collect();
                read.into_iter().collect::<Option<_>>().map(Value::Object)
            }
            yaml::Value::Tagged { .. } => {
                scope.report(mismatch(node, "a value"));
                None
            }
        }
    }
}

/// Adds text to the last piece, if that is text.
fn push(parts: &mut Vec<TextPart>, text: &str) {
    match parts.last_mut() {
        Some(TextPart::Literal(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(TextPart::Literal(text.to_owned())),
    }
}

/// Returns a plain scalar by YAML 1.2's JSON schema: `true`, `12`, `1.50` and `1e3` keep their types, with all digits;
/// `012`, `yes` and all else is text.
fn typed(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number::value(text).unwrap_or_else(|| Value::from(text)),
    }
}

/// A mapping of any shape.
pub enum JsonMapping {
    /// A mapping that is sent as a text, which may contain a null.
    Document,
    /// A part of the template, which takes no null.
    Part,
}
impl Read for JsonMapping {
    type Out = Json;
    fn shape(&self) -> Shape {
        Shape::Any
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Json> {
        if !matches!(node.value, yaml::Value::Mapping(_)) {
            scope.report(mismatch(node, "a mapping").help("write `name: value`"));
            return None;
        }
        let mut json = Json::default();
        json.value = json.any(node, scope)?;
        if let Some(null) = first_null(node).filter(|_| matches!(self, Self::Part)) {
            scope.report(mismatch(null, "a value").help("CloudFormation does not accept null; remove it"));
            return None;
        }
        Some(json)
    }
    fn show(&self, _: &Json) -> Option<String> {
        None
    }
}

fn first_null(node: &Node) -> Option<&Node> {
    match &node.value {
        yaml::Value::Sequence(items) => items.iter().find_map(first_null),
        yaml::Value::Mapping(entries) => entries.iter().find_map(|entry| first_null(&entry.value)),
        _ => node.is_null().then_some(node),
    }
}
