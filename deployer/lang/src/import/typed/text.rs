//! Values of a template as the language writes them: texts with `${…}`, patterns, and references to resources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::scalar::escaped;
use crate::model::Kind;
use crate::names;

/// The names that the file has for the resources of a template.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Logical IDs → names and types, for resources that may have a type of the language.
    typed: BTreeMap<String, (String, Kind)>,
    /// Texts of `Fn::Sub` that the language computes from a name → the reference to it, the longest first.
    computed: Vec<(String, String)>,
}

impl Names {
    /// Adds a resource.
    pub(super) fn insert(&mut self, id: &str, name: &str, kind: Kind) {
        if kind == Kind::Bucket {
            let own = names::bucket(name);
            self.computed.push((format!("arn:${{AWS::Partition}}:s3:::{own}"), format!("{name}.arn")));
            self.computed.push((own, name.to_owned()));
        }
        self.typed.insert(id.to_owned(), (name.to_owned(), kind));
    }

    /// Returns the name and the type that a resource may have.
    pub(super) fn get(&self, id: &str) -> Option<(&str, Kind)> {
        self.typed.get(id).map(|(name, kind)| (name.as_str(), *kind))
    }

    /// Returns the name of a resource in the file: a resource that stays as it is has its logical ID.
    pub(super) fn name<'n>(&'n self, id: &'n str) -> &'n str {
        self.get(id).map_or(id, |(name, _)| name)
    }

    /// Returns `${name}` of the resource that a `Ref` or an `Fn::GetAtt` is about.
    pub(super) fn reference(&self, value: &Value) -> Option<Value> {
        Some(json!(format!("${{{}}}", self.name(target(value)?))))
    }

    /// Returns a value as a text of the language; `None` if it is a function that texts can't have.
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(escaped(text)),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => {
                if let Some(text) = value["Fn::Sub"].as_str() {
                    return Some(self.sub(text));
                }
                let id = target(value)?;
                match value["Fn::GetAtt"].get(1) {
                    Some(attribute) => Some(format!("${{{}}}", self.path(id, attribute.as_str()))),
                    None => Some(format!("${{{}}}", self.path(id, None))),
                }
            }
        }
    }

    /// Returns the text of an `Fn::Sub` as a text of the language.
    fn sub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Characters that no template has, around the references that are made here.
        for (computed, reference) in &self.computed {
            text = text.replace(computed, &format!("\u{1}{reference}\u{2}"));
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match (after.strip_prefix('!'), after.split_once('}')) {
                (Some(literal), _) => {
                    out.push_str("$${");
                    rest = literal;
                }
                (None, Some((inner, behind))) => {
                    let path = match inner.split_once('.') {
                        Some((id, attribute)) => self.path(id, Some(attribute)),
                        None => self.path(inner, None),
                    };
                    out.push_str(&format!("${{{path}}}"));
                    rest = behind;
                }
                (None, None) => {
                    out.push_str("$${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out.replace('\u{1}', "${").replace('\u{2}', "}")
    }

    /// Returns the reference to a resource, or to an attribute of it, without `${` and `}`.
    fn path(&self, id: &str, attribute: Option<&str>) -> String {
        let Some((name, kind)) = self.get(id) else {
            return attribute.map_or_else(|| id.to_owned(), |attribute| format!("{id}.{attribute}"));
        };
        let word = match (attribute, kind) {
            (None, Kind::Queue) => "url",
            (None, Kind::Key) => "id",
            (None, _) => return name.to_owned(),
            (Some("Arn"), _) => "arn",
            (Some("StreamArn"), _) => "streamArn",
            (Some("QueueName" | "TopicName"), _) => "name",
            (Some(other), _) => other,
        };
        format!("{name}.{word}")
    }

    /// Returns a value whose texts may have references, such as a pattern; `None` if it has other functions.
    pub(super) fn tree(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(_) => self.text(value).map(Value::from),
            Value::Array(items) => items.iter().map(|item| self.tree(item)).collect(),
            Value::Object(map) if is_function(map) => self.text(value).map(Value::from),
            Value::Object(map) => {
                let entries = map.iter().map(|(key, inner)| Some((key.clone(), self.tree(inner)?)));
                entries.collect::<Option<Map<_, _>>>().map(Value::from)
            }
            other => Some(other.clone()),
        }
    }

    /// Returns a document that a template has as JSON, or as a text of JSON.
    pub(super) fn document(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) => self.tree(&serde_json::from_str(text).ok()?),
            other => self.tree(other),
        }
    }
}

fn is_function(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// Returns the logical ID that a `Ref` or an `Fn::GetAtt` names.
pub(super) fn target(value: &Value) -> Option<&str> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get("Ref").or_else(|| map.get("Fn::GetAtt")?.get(0))?.as_str()
}
