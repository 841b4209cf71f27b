//! The check of raw properties against a type's schema, which gives single values their types and reports what
//! CloudFormation would refuse.
//!
//! Values that can't be known before a deployment (functions, dynamic references) are taken to be right.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::number;
use deployer_syntax::yaml::shorten;
use serde_json::{Map, Value};

use super::{TypeSchema, pointers, texts};
use crate::expression::{Expression, ExpressionEntry, ExpressionKind, Gives};

mod certain;
mod format;
mod limits;
mod together;

use certain::{Presence, certain};

/// Depth to which references between schemas are followed; nobody writes deeper values.
const MAX_REFERENCES: usize = 32;

/// The place of a value in a resource: the names from the top, `*` for the items of a list.
type Path<'p> = Vec<&'p str>;
type Report<'r> = &'r mut dyn FnMut(Diagnostic);

impl TypeSchema {
    /// Checks the properties of a resource and returns them as CloudFormation takes them.
    pub fn check(&self, properties: &Expression, report: &mut dyn FnMut(Diagnostic)) -> Value {
        let read_only: Vec<&str> = pointers(&self.root["readOnlyProperties"])
            .filter(|path| {
                // A property that can be given at creation and read later is in both lists.
                !pointers(&self.root["createOnlyProperties"]).any(|create_only| create_only == *path)
            })
            .collect();
        Check { schema: self, read_only }.value(&self.root, properties, &mut Vec::new(), report)
    }
}

struct Check<'s> {
    schema: &'s TypeSchema,
    read_only: Vec<&'s str>,
}

impl<'s> Check<'s> {
    /// Returns the schema that a schema refers to by its `$ref`s.
    fn target(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..MAX_REFERENCES {
            let Some(pointer) = schema.get("$ref").and_then(Value::as_str) else { break };
            let found = pointer.strip_prefix('#').and_then(|pointer| self.schema.root.pointer(pointer));
            schema = found.unwrap_or(&Value::Null);
        }
        schema
    }

    fn value<'p>(
        &self,
        schema: &'s Value,
        expression: &'p Expression,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) -> Value {
        let schema = self.target(schema);
        match &expression.is {
            ExpressionKind::NoValue => return serde_json::json!({ "Ref": "AWS::NoValue" }),
            ExpressionKind::If { condition, then, otherwise } => {
                let then = self.value(schema, then, path, report);
                let otherwise = self.value(schema, otherwise, path, report);
                return serde_json::json!({ "Fn::If": [condition, then, otherwise] });
            }
            ExpressionKind::Function { value, gives } => {
                let types = self.types(schema);
                let wrong = match gives {
                    Gives::Any => false,
                    Gives::List => !types.is_empty() && !types.contains(&"array"),
                    Gives::Single => {
                        !types.is_empty() && types.iter().all(|kind| matches!(*kind, "array" | "object"))
                    }
                };
                if wrong {
                    let given = if *gives == Gives::List { "a list" } else { "a single value" };
                    report(mismatch(expression.span, &types, &format!("a function that returns {given}")));
                }
                return value.clone();
            }
            _ => {}
        }
        let given = self.own(schema, expression, path, report);
        self.refused(schema, expression, report);
        self.parts(schema, expression, path, report);
        self.alternatives(schema, expression, path, report).unwrap_or(given)
    }

    /// Returns the types that a schema takes, with those of its alternatives; none when it takes any.
    fn types(&self, schema: &'s Value) -> Vec<&'s str> {
        let schema = self.target(schema);
        match &schema["type"] {
            Value::String(only) => vec![only],
            Value::Array(_) => texts(&schema["type"]).collect(),
            _ if schema["properties"].is_object() => vec!["object"],
            _ => {
                let alternatives = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
                let each: Vec<_> = alternatives.into_iter().flatten().map(|one| self.types(one)).collect();
                if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
            }
        }
    }

    /// Returns whether a schema takes values of this kind: a list, a mapping or a single value.
    fn takes_kind_of(&self, schema: &'s Value, expression: &Expression) -> bool {
        let types = self.types(schema);
        let kind = |kind: &str| match expression.is {
            ExpressionKind::List(_) => kind == "array",
            ExpressionKind::Map(_) => kind == "object",
            _ => !matches!(kind, "array" | "object"),
        };
        types.is_empty() || types.into_iter().any(kind)
    }

    /// Checks the rules of the schema itself, without its alternatives.
    fn own<'p>(
        &self,
        schema: &'s Value,
        expression: &'p Expression,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) -> Value {
        let types = self.types(schema);
        let takes = |kind: &str| types.is_empty() || types.contains(&kind);
        match &expression.is {
            ExpressionKind::Null => {
                report(null(expression.span, &types));
                Value::Null
            }
            ExpressionKind::Scalar { text, plain } => {
                let (value, fits) = scalar(text, *plain, &types);
                if fits {
                    self.limits_of_scalar(schema, text, &value, expression.span, report);
                } else {
                    report(mismatch(expression.span, &types, &format!("`{}`", shorten(text))));
                }
                value
            }
            ExpressionKind::List(items) => {
                if !takes("array") {
                    report(mismatch(expression.span, &types, "a list"));
                    return free(expression, report);
                }
                path.push("*");
                let item = schema.get("items").unwrap_or(&Value::Null);
                let values: Vec<Value> =
                    items.iter().map(|one| self.value(item, one, path, report)).collect();
                // Further rules for the first items, as far as it is known which items are the first.
                let first = schema["prefixItems"].as_array().into_iter().flatten();
                for (one, schema) in items.iter().take_while(|one| certain(one)).zip(first) {
                    self.value(schema, one, path, report);
                }
                path.pop();
                self.limits_of_list(schema, items, &values, expression.span, report);
                Value::Array(values)
            }
            ExpressionKind::Map(entries) => {
                if !takes("object") {
                    report(mismatch(expression.span, &types, "a mapping"));
                    return free(expression, report);
                }
                self.mapping(schema, entries, expression.span, path, report)
            }
            ExpressionKind::Function { .. } | ExpressionKind::If { .. } | ExpressionKind::NoValue => {
                Value::Null
            }
        }
    }

    fn mapping<'p>(
        &self,
        schema: &'s Value,
        entries: &'p [ExpressionEntry],
        span: Span,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) -> Value {
        let properties = schema["properties"].as_object();
        let patterns = schema["patternProperties"].as_object();
        // A schema of a mapping that says nothing about its properties takes any.
        let closed = schema["additionalProperties"] == Value::Bool(false)
            && (properties.is_some() || patterns.is_some());
        let mut out = Map::new();
        for ExpressionEntry { key, key_span, value } in entries {
            path.push(key);
            let named = properties.and_then(|properties| properties.get(key));
            let patterned = || {
                let mut fitting = patterns.into_iter().flatten();
                fitting.find(|(pattern, _)| self.schema.fits(pattern, key)).map(|(_, schema)| schema)
            };
            if named.is_some() && self.is_read_only(path) {
                report(
                    Diagnostic::error("E0501", *key_span, format!("`{key}` can't be set"))
                        .help("only AWS sets it; remove it, and read it with `!GetAtt` where it is needed"),
                );
            }
            let read = match named.or_else(patterned) {
                Some(schema) => self.value(schema, value, path, report),
                None if closed => {
                    let known = properties.into_iter().flatten().map(|(name, _)| name.as_str());
                    report(
                        Diagnostic::error("E0101", *key_span, format!("unknown property `{}`", shorten(key)))
                            .suggest(key, known),
                    );
                    free(value, report)
                }
                None if schema["additionalProperties"].is_object() => {
                    self.value(&schema["additionalProperties"], value, path, report)
                }
                None => free(value, report),
            };
            path.pop();
            out.insert(key.clone(), read);
        }
        self.together(schema, entries, span, report);
        Value::Object(out)
    }

    fn is_read_only(&self, path: &[&str]) -> bool {
        self.read_only.iter().any(|known| known.split('/').eq(path.iter().copied()))
    }

    /// Checks `not`; a value of which only a part is known always passes.
    fn refused(&self, schema: &'s Value, expression: &Expression, report: Report<'_>) {
        let Some(not) = schema.get("not").filter(|not| self.holds(not, expression) == Some(true)) else {
            return;
        };
        let found = match &expression.is {
            ExpressionKind::Scalar { text, .. } => format!("`{}` is not allowed here", shorten(text)),
            _ => "this is not allowed here".to_owned(),
        };
        let words = not["enum"].as_array().into_iter().flatten();
        let words: Vec<String> = words.map(|word| format!("`{}`", shown(word))).collect();
        let problem = Diagnostic::error("E0105", expression.span, found);
        report(match words.is_empty() {
            true => problem,
            false => problem.help(format!("anything but {}", words.join(", "))),
        });
    }

    /// Checks the further parts: `allOf`, `then` if its `if` certainly holds, and the demands that a property that is
    /// certainly given makes of the others.
    fn parts<'p>(
        &self,
        schema: &'s Value,
        expression: &'p Expression,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.value(part, expression, path, &mut |problem| {
                if !is_said(expression, &problem) {
                    report(problem);
                }
            });
        }
        let mut because = |part: &'s Value, reason: &str| {
            self.value(part, expression, path, &mut |problem| {
                if !is_said(expression, &problem) {
                    let help = problem.help.as_deref().map(|help| format!("{help}, {reason}"));
                    report(problem.help(help.unwrap_or_else(|| reason.to_owned())));
                }
            });
        };
        if let (Some(condition), Some(then)) = (schema.get("if"), schema.get("then"))
            && self.holds(condition, expression) == Some(true)
        {
            because(then, &reason(condition));
        }
        if let ExpressionKind::Map(entries) = &expression.is {
            for (name, part) in schema["dependentSchemas"].as_object().into_iter().flatten() {
                if certain::presence(entries, name) == Presence::Surely {
                    because(part, &format!("because of `{name}`"));
                }
            }
        }
    }

    /// Checks `anyOf` and `oneOf`. Returns the value with the types of the alternative that fits, if the schema has no
    /// type of its own.
    fn alternatives<'p>(
        &self,
        schema: &'s Value,
        expression: &'p Expression,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) -> Option<Value> {
        let mut typed = None;
        for key in ["anyOf", "oneOf"] {
            let Some(alternatives) = schema[key].as_array().filter(|alternatives| !alternatives.is_empty())
            else {
                continue;
            };
            // An alternative that takes another kind of value is farther than one with many problems.
            let mut nearest: Option<(bool, Vec<Diagnostic>)> = None;
            for alternative in alternatives {
                let mut problems = Vec::new();
                let value = self.value(alternative, expression, path, &mut |problem| {
                    if !is_said(expression, &problem) {
                        problems.push(problem);
                    }
                });
                if problems.is_empty() {
                    typed = typed.or(Some(value));
                    nearest = None;
                    break;
                }
                let other = !self.takes_kind_of(alternative, expression);
                if nearest.as_ref().is_none_or(|(kind, least)| (other, problems.len()) < (*kind, least.len()))
                {
                    nearest = Some((other, problems));
                }
            }
            nearest.into_iter().flat_map(|(_, problems)| problems).for_each(&mut *report);
        }
        typed.filter(|_| schema.get("type").is_none() && schema.get("properties").is_none())
    }
}

/// Returns a single value with a type that the place takes, and whether it has one of these types.
fn scalar(text: &str, plain: bool, types: &[&str]) -> (Value, bool) {
    let takes = |kind: &str| types.contains(&kind);
    let number = number::value(text);
    let whole = number.clone().filter(|_| !text.contains(['.', 'e', 'E']));
    let boolean = match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    if types.is_empty() || (takes("object") && !takes("string") && types.len() > 1) {
        let resolved = if plain { number.or(boolean) } else { None };
        return (resolved.unwrap_or_else(|| text.into()), true);
    }
    let typed = (takes("integer") || takes("number"))
        .then_some(whole)
        .flatten()
        .or_else(|| takes("number").then_some(number).flatten())
        .or_else(|| takes("boolean").then_some(boolean).flatten());
    match typed {
        // A text in quotes is a text if the place takes one.
        Some(value) if plain || !takes("string") => (value, true),
        _ => (text.into(), takes("string")),
    }
}

/// Returns a value on which no schema says anything: numbers, `true` and `false` of YAML 1.2's JSON schema keep their
/// types, and every other single value is its text.
fn free(expression: &Expression, report: Report<'_>) -> Value {
    match &expression.is {
        ExpressionKind::Null => {
            report(null(expression.span, &[]));
            Value::Null
        }
        ExpressionKind::Scalar { text, plain } => scalar(text, *plain, &[]).0,
        ExpressionKind::List(items) => items.iter().map(|item| free(item, report)).collect(),
        ExpressionKind::Map(entries) => Value::Object(
            entries.iter().map(|entry| (entry.key.clone(), free(&entry.value, report))).collect(),
        ),
        ExpressionKind::Function { value, .. } => value.clone(),
        ExpressionKind::If { condition, then, otherwise } => {
            let (then, otherwise) = (free(then, report), free(otherwise, report));
            serde_json::json!({ "Fn::If": [condition, then, otherwise] })
        }
        ExpressionKind::NoValue => serde_json::json!({ "Ref": "AWS::NoValue" }),
    }
}

/// Returns whether a problem of a value is independent of its schema, and was reported when the schema itself was read.
/// A part of a schema is read like one of its own, and knows nothing of most properties.
fn is_said(expression: &Expression, problem: &Diagnostic) -> bool {
    let mut said = false;
    free(expression, &mut |other| said |= other == *problem);
    said
}

/// Returns the reason why the consequence of a condition is required.
fn reason(condition: &Value) -> String {
    let names = |schema: &Value| {
        texts(&schema["required"]).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
    };
    match condition.get("not") {
        Some(not) => format!("because {} is not given", names(not)),
        None => format!("because of {}", names(condition)),
    }
}

/// Returns a JSON value without the quotes of a text.
fn shown(value: &Value) -> String {
    match (number::digits(value), value) {
        (Some(digits), _) => digits.into_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    }
}

/// Returns the error about a null, which a template can't contain: "'null' values are not allowed in templates".
fn null(span: Span, types: &[&str]) -> Diagnostic {
    mismatch(span, types, "nothing").help(
        "CloudFormation does not accept null; remove the property, or write a document that contains null as a text of JSON",
    )
}

fn mismatch(span: Span, types: &[&str], found: &str) -> Diagnostic {
    let words: Vec<&str> = types
        .iter()
        .map(|kind| match *kind {
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            _ => "a mapping",
        })
        .collect();
    let wanted = if words.is_empty() { "a value".to_owned() } else { words.join(" or ") };
    Diagnostic::error("E0103", span, format!("expected {wanted}, found {found}"))
}

#[cfg(test)]
mod tests;
