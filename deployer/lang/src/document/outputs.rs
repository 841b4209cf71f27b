//! `outputs`: the values that are shown after a deployment.

use std::collections::BTreeMap;

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Entry, Node, Value, shorten};

use serde_json::{Map, Value as Json, json};

use super::conditions::is_of_macro;
use crate::model::expression;
use crate::model::properties::{
    AnyText, ConditionName, Properties, Property, Read, Scope, Shape, Str, describe,
};
use crate::model::verbatim::verbatim;
use crate::model::{Output, OutputKind, TextPart};

/// Returns the outputs by name; their names become CloudFormation's.
pub(super) fn read_outputs(node: &Node, scope: &Scope) -> Option<Vec<(String, Output)>> {
    let Value::Mapping(entries) = &node.value else { return None };
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for Entry { key, key_span, .. } in entries {
        if is_loop(key, scope) {
            // Its arguments are the macro's.
        } else if !scope.is_name(key) {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    *key_span,
                    format!("`{}` can't be the name of an output", shorten(key)),
                )
                .help(scope.form_of_names()),
            );
        } else if let Some(first) = seen.insert(scope.id(key), key) {
            scope.report(
                Diagnostic::error(
                    "E0302",
                    *key_span,
                    format!("the outputs `{first}` and `{key}` would get the same name in CloudFormation"),
                )
                .help(
                    "names that differ only in `-`, `_` and the capitals after them are the same; rename one",
                ),
            );
        }
    }
    let read: Vec<_> =
        entries.iter().map(|entry| Some((entry.key.clone(), read_output(entry, scope)?))).collect();
    for (entry, output) in entries.iter().zip(&read) {
        if output.as_ref().is_some_and(|(_, output)| shows_secret(output)) {
            scope.report(
                Diagnostic::error("E0311", entry.value.span, "an output would show a secret in plain text")
                    .help("whoever is allowed to read it can read it where it is stored; remove the output"),
            );
        }
    }
    read.into_iter().collect()
}

fn is_loop(key: &str, scope: &Scope) -> bool {
    scope.macros && is_of_macro(key)
}

/// Returns whether CloudFormation would put a secret into an output.
fn shows_secret(output: &Output) -> bool {
    fn in_json(value: &Json) -> bool {
        match value {
            Json::String(text) => text.contains("{{resolve:"),
            Json::Array(items) => items.iter().any(in_json),
            Json::Object(map) => map.values().any(in_json),
            _ => false,
        }
    }
    match &output.is {
        OutputKind::Text(text) => text
            .parts
            .iter()
            .any(|part| matches!(part, TextPart::Literal(text) if text.contains("{{resolve:"))),
        OutputKind::Long(members) => in_json(&members["Value"]),
        OutputKind::Loop(_) => false,
    }
}

fn read_output(entry: &Entry, scope: &Scope) -> Option<Output> {
    let node = &entry.value;
    let is = match &node.value {
        _ if is_loop(&entry.key, scope) => OutputKind::Loop(verbatim(node, scope)?),
        Value::Mapping(_) => OutputKind::Long(Properties::read(node, scope, read_long)?),
        _ => OutputKind::Text(AnyText.read(node, scope)?),
    };
    Some(Output { is, span: node.span })
}

/// A value with functions.
struct Expression;
impl Read for Expression {
    type Out = Json;
    fn shape(&self) -> Shape {
        Shape::Any
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Json> {
        expression::typed_json(&expression::property(node, scope)?, scope)
    }
    fn show(&self, _: &Json) -> Option<String> {
        None
    }
}

/// Reads the long form of an output, as the members of CloudFormation's.
fn read_long(properties: &mut Properties<'_>) -> Option<Json> {
    let description = properties.field("description", "Description of the output.", Str).optional();
    let value = properties
        .field("value", "The value: a text, or a function of CloudFormation.", Expression)
        .required();
    let export =
        properties.field("export", "Name by which other stacks import the value.", Expression).optional();
    let condition = properties
        .field(
            "condition",
            "Name under `conditions`: the output exists only if that condition is true.",
            ConditionName,
        )
        .optional();
    let mut members = Map::new();
    if let Some(description) = description {
        members.insert("Description".to_owned(), json!(description));
    }
    if let Some(condition) = condition {
        members.insert("Condition".to_owned(), json!(condition));
    }
    members.insert("Value".to_owned(), value?);
    if let Some(export) = export {
        members.insert("Export".to_owned(), json!({ "Name": export }));
    }
    Some(Json::Object(members))
}

/// Returns the properties of the long form.
pub(super) fn output_properties() -> Vec<Property> {
    describe(read_long)
}
