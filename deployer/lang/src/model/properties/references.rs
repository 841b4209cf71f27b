//! Kinds of values that refer to resources and conditions.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::fix::Fix;
use deployer_syntax::reference::Part;
use deployer_syntax::yaml::{Node, Value};

use super::scope::unknown_resource;
use super::{Read, Scope, Shape, mismatch, with_article};
use crate::model::{Kind, ResourceRef, Text, TextPart};

/// `${name}` of a resource of one of these types.
pub struct Reference(pub &'static [Kind]);
impl Read for Reference {
    type Out = ResourceRef;
    fn shape(&self) -> Shape {
        Shape::Reference(self.0.to_vec())
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<ResourceRef> {
        let kinds = any_of(self.0);
        let wanted = format!("a reference to {}", with_article(&kinds));
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(
                    mismatch(node, &wanted).help(format!("write `\"${{{}}}\"`", scope.example(self.0, ""))),
                );
                return None;
            }
        };
        let parts = scope.parts(node, text)?;
        let [Part::Path { path, .. }] = parts.as_slice() else {
            let example = scope.example(self.0, text);
            scope.report(write_reference(mismatch(node, &wanted), text, example));
            return None;
        };
        let name = &path[0];
        match scope.resources.get(name) {
            Some(Some(kind)) if !self.0.contains(kind) => {
                scope.report(
                    Diagnostic::error(
                        "E0202",
                        node.span,
                        format!(
                            "`{name}` is {}, but {} is needed here",
                            with_article(kind.name()),
                            with_article(&kinds)
                        ),
                    )
                    .suggest("", scope.resources_of(self.0)),
                );
                None
            }
            Some(_) if path.len() > 1 => {
                let attribute = path[1..].join(".");
                scope.report(
                    Diagnostic::error(
                        "E0202",
                        node.span,
                        format!("expected the {kinds} itself, not its `{attribute}`"),
                    )
                    .help(format!("write `\"${{{name}}}\"`"))
                    .fix(Fix::Value(format!("\"${{{name}}}\""))),
                );
                None
            }
            Some(Some(_)) => Some(ResourceRef { name: name.clone(), span: node.span }),
            Some(None) => {
                scope.fail();
                None
            }
            None => {
                scope.report(unknown_resource(name, node.span, scope.resources_of(self.0)));
                None
            }
        }
    }
    fn show(&self, _: &ResourceRef) -> Option<String> {
        None
    }
}

/// `${name}` of any resource.
pub struct AnyResource;
impl Read for AnyResource {
    type Out = ResourceRef;
    fn shape(&self) -> Shape {
        Shape::AnyReference
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<ResourceRef> {
        let wanted = "a reference to a resource";
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(mismatch(node, wanted).help("write `\"${name}\"`"));
                return None;
            }
        };
        match scope.parts(node, text)?.as_slice() {
            [Part::Path { path, .. }] if path.len() == 1 => {
                let name = scope.target(&path[0], node.span)?;
                Some(ResourceRef { name, span: node.span })
            }
            _ => {
                let known = scope.resources.keys().find(|name| *name == text);
                let example = known.or(scope.resources.keys().next()).map_or("name", String::as_str);
                scope.report(write_reference(mismatch(node, wanted), text, example));
                None
            }
        }
    }
    fn show(&self, _: &ResourceRef) -> Option<String> {
        None
    }
}

/// The name of an entry under `conditions`, read as its logical ID.
pub struct ConditionName;
impl Read for ConditionName {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let (name, _) = scope.single(node, "the name of a condition")?;
        scope.use_condition(&name, node.span)
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}

/// Text that may contain `${resource}` and `${resource.attribute}`.
pub struct AnyText;
impl Read for AnyText {
    type Out = Text;
    fn shape(&self) -> Shape {
        Shape::Text
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Text> {
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(mismatch(node, "a text"));
                return None;
            }
        };
        let mut parts = Vec::new();
        let mut sound = true;
        for part in scope.parts(node, text)? {
            match part {
                Part::Literal(literal) => parts.push(TextPart::Literal(literal)),
                Part::Path { path, at } => match attribute(&path, node.part(at.0, at.1), scope) {
                    Some(part) => parts.push(part),
                    None => sound = false,
                },
                Part::Pseudo { name, .. } => parts.push(TextPart::Pseudo(name)),
            }
        }
        sound.then_some(Text { parts, span: node.span })
    }
    fn show(&self, _: &Text) -> Option<String> {
        None
    }
}

/// Returns the attribute of `${name}` or `${name.attribute}`.
pub(crate) fn attribute(path: &[String], span: Span, scope: &Scope) -> Option<TextPart> {
    let name = &path[0];
    let Some(kind) = scope.resources.get(name) else {
        scope.report(unknown_resource(name, span, scope.resources.keys().map(String::as_str)));
        return None;
    };
    let Some(kind) = kind else {
        scope.fail();
        return None;
    };
    if let Kind::Raw(_) = kind {
        let attribute = (path.len() > 1).then(|| path[1..].join("."));
        if let Some(attribute) = &attribute {
            scope.check_attribute(name, attribute, span)?;
        }
        return Some(TextPart::Raw { resource: name.clone(), attribute });
    }
    let wanted = match path {
        [_] => kind.attributes()[0].0.to_owned(),
        _ => path[1..].join("."),
    };
    match kind.attributes().iter().find(|(attribute, _)| *attribute == wanted) {
        Some((attribute, _)) => Some(TextPart::Attribute { resource: name.clone(), attribute }),
        None => {
            scope.report(
                Diagnostic::error(
                    "E0204",
                    span,
                    format!("{} has no attribute `{wanted}`", with_article(kind.name())),
                )
                .suggest(&wanted, kind.attributes().iter().map(|(attribute, _)| *attribute)),
            );
            None
        }
    }
}

/// Adds the form of a reference to the problem of a text that is not one; the change is certain if the text is the name
/// of the resource.
fn write_reference(problem: Diagnostic, text: &str, example: &str) -> Diagnostic {
    let reference = format!("\"${{{example}}}\"");
    let problem = problem.help(format!("write `{reference}`"));
    if text == example { problem.fix(Fix::Value(reference)) } else { problem }
}

/// Joins the words of types: `bucket`, `queue or topic`, `function, queue or topic`.
fn any_of(kinds: &[Kind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
