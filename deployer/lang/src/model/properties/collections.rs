//! Kinds of values that contain others: lists and mappings.

use deployer_syntax::fix::Fix;
use deployer_syntax::yaml::{Node, Value, shorten};

use super::{Properties, Read, Scope, Shape, describe, mismatch};

/// Items of one kind.
pub struct List<R>(pub R);
impl<R: Read> Read for List<R> {
    type Out = Vec<R::Out>;
    fn shape(&self) -> Shape {
        Shape::List(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Sequence(items) => {
                // All are read before a wrong one ends the reading, so that every problem is reported.
                let read: Vec<Option<R::Out>> = items.iter().map(|item| self.0.read(item, scope)).collect();
                read.into_iter().collect()
            }
            _ => {
                let problem = mismatch(node, "a list").help("write `[a, b]`, or one `- item` per line");
                scope.report(match node.value {
                    Value::Scalar { .. } if !node.is_null() => problem.fix(Fix::List),
                    Value::Mapping(ref entries) if !entries.is_empty() => problem.fix(Fix::List),
                    _ => problem,
                });
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "[]".to_owned())
    }
}

/// Names that the user chose → values of one kind, in the order of the file.
pub struct Map<R>(pub R);
impl<R: Read> Read for Map<R> {
    type Out = Vec<(String, R::Out)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Mapping(entries) => {
                let read: Vec<Option<_>> = entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), self.0.read(&entry.value, scope)?)))
                    .collect();
                read.into_iter().collect()
            }
            _ => {
                scope.report(mismatch(node, "a mapping").help(match node.value {
                    Value::Sequence(_) => "write `name: value` on each line, without `-`",
                    _ => "write `name: value`",
                }));
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "{}".to_owned())
    }
}

/// Names that the user chose → values of one kind, and `None` for a wrong one: the others are read all the same.
pub struct Each<R>(pub R);
impl<R: Read> Read for Each<R> {
    type Out = Vec<(String, Option<R::Out>)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Mapping(entries) => Some(
                entries.iter().map(|entry| (entry.key.clone(), self.0.read(&entry.value, scope))).collect(),
            ),
            _ => {
                scope.report(mismatch(node, "a mapping").help("write `name: value`"));
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "{}".to_owned())
    }
}

/// A mapping with properties of its own, whose right values are read even if something else is wrong.
pub struct Lenient<T>(pub fn(&mut Properties<'_>) -> Option<T>);
impl<T> Read for Lenient<T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Object(describe(self.0))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<T> {
        if !matches!(node.value, Value::Mapping(_)) {
            scope.report(mismatch(node, "a mapping").help("`{}` is one without properties"));
            return None;
        }
        Properties::read_leniently(node, scope, self.0)
    }
    fn show(&self, _: &T) -> Option<String> {
        None
    }
}

/// A mapping with properties of its own.
pub struct Object<T>(pub fn(&mut Properties<'_>) -> Option<T>);
impl<T> Read for Object<T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Object(describe(self.0))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<T> {
        if !matches!(node.value, Value::Mapping(_)) {
            let properties = describe(self.0);
            let mut required = properties.iter().filter(|property| property.required);
            let help = match (required.next(), required.next(), &node.value) {
                // The one property that must be given is the one that was written.
                (Some(only), None, Value::Scalar { text, .. }) if !node.is_null() => {
                    format!("write `{{ {}: {} }}`", only.name, shorten(text))
                }
                _ => "`{}` is one without properties".to_owned(),
            };
            scope.report(mismatch(node, "a mapping").help(help));
            return None;
        }
        Properties::read(node, scope, self.0)
    }
    fn show(&self, _: &T) -> Option<String> {
        None
    }
}
