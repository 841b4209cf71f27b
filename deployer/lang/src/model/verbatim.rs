//! Parts of the file that become parts of the template as they are: mappings, rules, metadata, parameters, and the
//! functions of a file whose template is changed by macros.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::number;
use deployer_syntax::yaml::{Node, Value};
use serde_json::{Map, Value as Json};

use super::properties::{Read, Scope, Shape};

/// Returns the long name of a function from its short tag: all but two mean `Fn::…`.
/// Source: AWS CloudFormation Template Reference, "Intrinsic function reference".
pub(crate) fn long_name(tag: &str) -> String {
    match tag {
        "Ref" | "Condition" => tag.to_owned(),
        _ => format!("Fn::{tag}"),
    }
}

/// Returns a single value by YAML 1.2's JSON schema: a plain number or boolean keeps its type and digits, and all else
/// is a text.
pub(crate) fn scalar(text: &str, plain: bool) -> Json {
    match text {
        "true" if plain => Json::Bool(true),
        "false" if plain => Json::Bool(false),
        _ => number::value(text).filter(|_| plain).unwrap_or_else(|| Json::from(text)),
    }
}

/// Returns a value as CloudFormation's JSON, with short forms as the functions that they mean. `${…}` is not read.
/// A null is reported, because a template can't contain one.
pub(crate) fn verbatim(node: &Node, scope: &Scope) -> Option<Json> {
    if node.is_null() {
        scope.report(
            Diagnostic::error("E0103", node.span, "expected a value, found nothing").help(
                "CloudFormation does not accept null; remove the key, or write `\"\"` for an empty text",
            ),
        );
        return None;
    }
    match &node.value {
        Value::Scalar { text, plain, .. } => Some(scalar(text, *plain)),
        Value::Sequence(items) => {
            let read: Vec<_> = items.iter().map(|item| verbatim(item, scope)).collect();
            read.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
        }
        Value::Mapping(entries) => {
            let read: Vec<_> = entries
                .iter()
                .map(|entry| Some((entry.key.clone(), verbatim(&entry.value, scope)?)))
                .collect();
            read.into_iter().collect::<Option<Map<_, _>>>().map(Json::Object)
        }
        Value::Tagged { tag, node, .. } => {
            let argument = match (tag.as_str(), &node.value) {
                ("GetAtt", Value::Scalar { text, .. }) => match text.split_once('.') {
                    Some((name, attribute)) => Json::from(vec![name, attribute]),
                    None => Json::from(text.as_str()),
                },
                // A tag makes its value a text.
                (_, Value::Scalar { text, .. }) => Json::from(text.as_str()),
                _ => verbatim(node, scope)?,
            };
            Some(Json::Object(Map::from_iter([(long_name(tag), argument)])))
        }
    }
}

/// A mapping that becomes a part of the template as it is.
pub struct Verbatim;
impl Read for Verbatim {
    type Out = Map<String, Json>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::Any))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match (&node.value, verbatim(node, scope)?) {
            (Value::Mapping(_), Json::Object(map)) => Some(map),
            _ => {
                scope.report(
                    Diagnostic::error(
                        "E0103",
                        node.span,
                        format!("expected a mapping, found {}", node.describe()),
                    )
                    .help("write `name: …` on lines of their own, indented"),
                );
                None
            }
        }
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

/// Any value that becomes a part of the template as it is.
pub struct AnyVerbatim;
impl Read for AnyVerbatim {
    type Out = Json;
    fn shape(&self) -> Shape {
        Shape::Any
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Json> {
        verbatim(node, scope)
    }
    fn show(&self, _: &Json) -> Option<String> {
        None
    }
}
