//! The reader of a pattern, field by field, and operator by operator.

use std::sync::Arc;

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::mark::is_mark;
use deployer_syntax::number;
use deployer_syntax::yaml::{self, Entry, Node, shorten};
use serde_json::{Map, Value};

use super::{MAX_NOTIFICATION_NUMBER, OPERATORS, PatternReader, RESERVED};
use crate::matching::{Compiled, MAX_ALTERNATIVES, Matcher, amount, parse_range, wildcard};
use crate::model::json::Json;
use crate::model::properties::{Scope, mismatch, one_of};

/// A reader of a pattern.
pub(super) struct Reader<'s> {
    pub(super) scope: &'s Scope,
    pub(super) json: Json,
    pub(super) compiled: Compiled,
    /// The names of the fields around.
    pub(super) path: Vec<String>,
    /// `true` within `$or`.
    pub(super) in_or: bool,
    pub(super) of: PatternReader,
}

impl Reader<'_> {
    pub(super) fn wrong<T>(
        &self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.scope.report(Diagnostic::error("E0340", span, message).help(help));
        None
    }

    /// Reads a mapping of fields.
    pub(super) fn fields(&mut self, node: &Node, top: bool) -> Option<Value> {
        let entries = match &node.value {
            yaml::Value::Mapping(entries) if !entries.is_empty() => entries,
            yaml::Value::Mapping(_) => {
                return self.wrong(
                    node.span,
                    "the pattern names no field here",
                    "such as `source: [com.example]`",
                );
            }
            _ => {
                return self.wrong(
                    node.span,
                    format!("expected a mapping of fields, found {}", node.describe()),
                    "such as `{ source: [com.example] }`",
                );
            }
        };
        let read: Vec<Option<(String, Value)>> =
            entries.iter().map(|entry| Some((entry.key.clone(), self.field(entry, top)?))).collect();
        read.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
    }

    fn field(&mut self, entry: &Entry, top: bool) -> Option<Value> {
        let key = entry.key.as_str();
        let node = &entry.value;
        if key == "$or" {
            return self.either(node, top);
        }
        if self.in_or && (OPERATORS.contains(&key) || RESERVED.contains(&key)) {
            return self.wrong(
                entry.key_span,
                format!("a field in `$or` can't be named `{key}`"),
                "EventBridge reserves the names of operators there",
            );
        }
        let fields = self.of.fields();
        // A name may join fields with dots.
        let first = key.split_once('.').map_or(key, |(first, _)| first);
        let open = first != key && self.of.open_fields().contains(&first);
        if top && !fields.is_empty() && !fields.contains(&key) && !open {
            let message = format!("{} have no field `{}`", self.of.what(), shorten(key));
            let diagnostic = Diagnostic::error("E0340", entry.key_span, message);
            self.scope.report(diagnostic.suggest(key, fields.iter().copied()));
            return None;
        }
        match &node.value {
            yaml::Value::Sequence(items) if items.is_empty() => self.wrong(
                node.span,
                "an empty list matches nothing",
                "such as `[value]` or `[{ exists: true }]`",
            ),
            yaml::Value::Sequence(items) => {
                let read: Vec<Option<Value>> = items.iter().map(|item| self.matcher(item)).collect();
                let values = read.into_iter().collect::<Option<Vec<Value>>>()?;
                let matchers: Arc<[Matcher]> = values.iter().map(Matcher::of).collect();
                let mut name = self.path.join(".");
                if !name.is_empty() {
                    name.push('.');
                }
                self.compiled.put(&format!("{name}{key}"), &matchers);
                Some(Value::Array(values))
            }
            yaml::Value::Mapping(entries)
                if top && !open && !fields.is_empty() && !self.of.open_fields().contains(&key) =>
            {
                let help = match entries.first() {
                    Some(first) if OPERATORS.contains(&first.key.as_str()) => {
                        format!("an operator must be in a list: `{key}: [{{ {}: … }}]`", first.key)
                    }
                    _ => format!("such as `{key}: [value]`"),
                };
                self.wrong(node.span, format!("`{key}` is a single value and has no fields"), help)
            }
            yaml::Value::Mapping(entries) => match entries.as_slice() {
                // A field could have the name of an operator; one whose value is neither a list nor a mapping can't.
                [one]
                    if OPERATORS.contains(&one.key.as_str())
                        && matches!(one.value.value, yaml::Value::Scalar { .. }) =>
                {
                    let help = format!("an operator must be in a list: `{key}: [{{ {}: … }}]`", one.key);
                    self.wrong(one.key_span, format!("`{}` is outside a list", one.key), help)
                }
                _ => {
                    self.path.push(key.to_owned());
                    let read = self.fields(node, false);
                    self.path.pop();
                    read
                }
            },
            yaml::Value::Scalar { .. } => self.wrong(
                node.span,
                format!("expected a list of values of `{}`, found {}", shorten(key), node.describe()),
                "write the value in brackets: `[value]`",
            ),
            yaml::Value::Tagged { .. } => self.tagged(node),
        }
    }

    fn tagged<T>(&self, node: &Node) -> Option<T> {
        self.scope.report(mismatch(node, "a value"));
        None
    }

    /// Reads `$or`: a list of mappings of fields.
    fn either(&mut self, node: &Node, top: bool) -> Option<Value> {
        match &node.value {
            yaml::Value::Sequence(items) if items.len() > 1 => {
                let around = std::mem::replace(&mut self.in_or, true);
                let before = std::mem::take(&mut self.compiled);
                let mut all = Compiled::default();
                let mut read = Vec::new();
                for item in items {
                    self.compiled = before.clone();
                    read.push(self.fields(item, top));
                    if !all.add(std::mem::take(&mut self.compiled)) {
                        self.in_or = around;
                        return self.wrong(
                            node.span,
                            format!("the pattern has more than {MAX_ALTERNATIVES} combinations of `$or`"),
                            "write several patterns",
                        );
                    }
                }
                self.compiled = all;
                self.in_or = around;
                read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            _ => self.wrong(
                node.span,
                "`$or` expects a list of two or more patterns",
                "such as `$or: [{ source: [a] }, { detail-type: [b] }]`",
            ),
        }
    }

    /// Reads a thing that a field may be.
    fn matcher(&mut self, node: &Node) -> Option<Value> {
        match &node.value {
            yaml::Value::Scalar { .. } => self.json.single(node, self.scope),
            yaml::Value::Sequence(_) => {
                self.wrong(node.span, "a list in a list matches nothing", "write the values side by side")
            }
            yaml::Value::Mapping(entries) => {
                let [entry] = entries.as_slice() else {
                    return self.wrong(
                        node.span,
                        format!("expected one operator, found {}", entries.len()),
                        "write each in braces of its own: `[{ prefix: a }, { suffix: b }]`",
                    );
                };
                let value = self.operator(entry, self.of.operators())?;
                Some(Value::Object(Map::from_iter([(entry.key.clone(), value)])))
            }
            yaml::Value::Tagged { .. } => self.tagged(node),
        }
    }

    /// Reads the operand of an operator.
    fn operator(&mut self, entry: &Entry, known: &[&'static str]) -> Option<Value> {
        let (key, node) = (entry.key.as_str(), &entry.value);
        if !known.contains(&key) {
            let message = match OPERATORS.contains(&key) {
                true => format!("the operator `{key}` can't be used here"),
                false => format!("no operator is named `{}`", shorten(key)),
            };
            let diagnostic = Diagnostic::error("E0340", entry.key_span, message);
            self.scope.report(match OPERATORS.contains(&key) {
                true => diagnostic.help(format!("one of {}", one_of(known.iter().copied()))),
                false => diagnostic.suggest(key, known.iter().copied()),
            });
            return None;
        }
        match (key, &node.value) {
            ("prefix" | "suffix", yaml::Value::Mapping(_)) => self.nested(node, &["equals-ignore-case"]),
            ("prefix" | "suffix" | "equals-ignore-case" | "exactly", _) => self.text(node),
            ("exists", _) => match self.single(node, "`true` or `false`")? {
                value @ Value::Bool(_) => Some(value),
                _ => self.wrong(
                    node.span,
                    "expected `true` or `false`",
                    "`{ exists: true }` or `{ exists: false }`",
                ),
            },
            ("wildcard", _) => {
                let value = self.text(node)?;
                self.check_wildcard(node, &value)?;
                Some(value)
            }
            ("cidr", _) => {
                let value = self.text(node)?;
                let text = value.as_str().filter(|text| !is_mark(text));
                match text.map(parse_range) {
                    Some(Err(problem)) => self.wrong(
                        node.span,
                        format!(
                            "`{}` is not a range of addresses: {problem}",
                            shorten(text.unwrap_or_default())
                        ),
                        "such as `10.0.0.0/24` or `2001:db8::/32`; a single address needs no operator",
                    ),
                    _ => Some(value),
                }
            }
            ("numeric", _) => self.numeric(node),
            (_, yaml::Value::Mapping(_)) => {
                let known: &[_] = match self.of {
                    PatternReader::OfEvent | PatternReader::OfAnything => {
                        &["prefix", "suffix", "equals-ignore-case", "wildcard"]
                    }
                    _ => &["prefix"],
                };
                self.nested(node, known)
            }
            _ => self.anything_but(node, None),
        }
    }

    /// Reads an operator in an operator.
    fn nested(&mut self, node: &Node, known: &[&'static str]) -> Option<Value> {
        let yaml::Value::Mapping(entries) = &node.value else { return None };
        let [entry] = entries.as_slice() else {
            let message = format!("expected one operator, found {}", entries.len());
            return self.wrong(node.span, message, format!("one of {}", one_of(known.iter().copied())));
        };
        let value = match known {
            ["equals-ignore-case"] => self.operator(entry, known)?,
            // `anything-but` takes a list after its operators, which take one text elsewhere.
            _ if known.contains(&entry.key.as_str()) => self.anything_but(&entry.value, Some(&entry.key))?,
            _ => self.operator(entry, known)?,
        };
        Some(Value::Object(Map::from_iter([(entry.key.clone(), value)])))
    }

    /// Reads the operand of `anything-but`: one value or a list of values of one type; after an operator, texts.
    fn anything_but(&mut self, node: &Node, operator: Option<&str>) -> Option<Value> {
        let one = |reader: &mut Self, node: &Node| {
            let value = match operator {
                Some(_) => reader.text(node)?,
                None => reader.single(node, "a text or a number")?,
            };
            match &value {
                Value::String(text) if matches!(operator, Some("prefix" | "suffix")) && text.is_empty() => {
                    reader.wrong(
                        node.span,
                        "an empty text excludes everything",
                        "write at least one character",
                    )
                }
                Value::String(_) if operator == Some("wildcard") => {
                    reader.check_wildcard(node, &value)?;
                    Some(value)
                }
                number if number::digits(number).is_some_and(|digits| amount(&digits).is_none()) => {
                    reader.inexact(node)
                }
                Value::String(_) | Value::Number(_) => Some(value),
                _ => reader.wrong(
                    node.span,
                    format!("expected a text or a number, found {}", node.describe()),
                    "for a boolean write the other one: `[false]`; for null, `[{ exists: true }]`",
                ),
            }
        };
        let yaml::Value::Sequence(items) = &node.value else { return one(self, node) };
        if items.is_empty() {
            return self.wrong(
                node.span,
                "an empty list excludes nothing",
                "such as `{ anything-but: [a, b] }`",
            );
        }
        let read: Vec<Option<Value>> = items.iter().map(|item| one(self, item)).collect();
        let values = read.into_iter().collect::<Option<Vec<Value>>>()?;
        let is_number = |value: &Value| number::digits(value).is_some();
        if values.iter().any(is_number) && !values.iter().all(is_number) {
            return self.wrong(
                node.span,
                "the list contains both texts and numbers",
                "`anything-but` accepts only texts, or only numbers; a number in quotes is a text",
            );
        }
        Some(Value::Array(values))
    }

    /// Reads a single value.
    fn single(&mut self, node: &Node, wanted: &str) -> Option<Value> {
        match &node.value {
            yaml::Value::Scalar { .. } => self.json.single(node, self.scope),
            _ => self.wrong(
                node.span,
                format!("expected {wanted}, found {}", node.describe()),
                "write one value",
            ),
        }
    }

    fn text(&mut self, node: &Node) -> Option<Value> {
        match self.single(node, "a text")? {
            value @ Value::String(_) if number::digits(&value).is_none() => Some(value),
            _ => self.wrong(
                node.span,
                format!("expected a text, found {}", node.describe()),
                "write a number in quotes, so that it is a text",
            ),
        }
    }

    fn inexact<T>(&self, node: &Node) -> Option<T> {
        self.wrong(
            node.span,
            format!(
                "AWS can't compare the number {}: it has more digits than a double can hold",
                node.describe()
            ),
            "write fewer digits; as a plain value, it matches the same digits",
        )
    }

    fn check_wildcard(&self, node: &Node, value: &Value) -> Option<()> {
        let text = value.as_str().unwrap_or_default();
        let Err(message) = wildcard(text) else { return Some(()) };
        if is_mark(text) {
            return Some(());
        }
        self.wrong(
            node.span,
            message,
            "`*` matches any characters; `\\*` and `\\\\` match a literal `*` and `\\`",
        )
    }

    /// Reads `["=", 5]`, `[">", 0]` or `[">=", 0, "<", 10]`.
    fn numeric(&mut self, node: &Node) -> Option<Value> {
        const HELP: &str = "such as `[\">\", 0]`, or `[\">=\", 0, \"<\", 10]` with the lower bound first";
        let yaml::Value::Sequence(items) = &node.value else {
            return self.wrong(node.span, format!("expected a comparison, found {}", node.describe()), HELP);
        };
        let read: Vec<Option<Value>> =
            items.iter().map(|item| self.single(item, "a comparison or a number")).collect();
        let values = read.into_iter().collect::<Option<Vec<Value>>>()?;
        let mut bounds = Vec::new();
        for (item, value) in items.iter().zip(&values).skip(1).step_by(2) {
            let is_notification = self.of == PatternReader::OfNotification;
            match number::digits(value).map(|digits| (amount(&digits), number::nearest(value))) {
                Some((None, _)) => return self.inexact(item),
                Some((_, Some(number))) if is_notification && number.abs() > MAX_NOTIFICATION_NUMBER => {
                    return self.wrong(
                        item.span,
                        "the number is out of range",
                        "between -1000000000 and 1000000000",
                    );
                }
                Some((Some(amount), _)) => bounds.push(amount),
                None => {
                    return self.wrong(
                        item.span,
                        format!("expected a number, found {}", item.describe()),
                        HELP,
                    );
                }
            }
        }
        let signs: Vec<&str> =
            values.iter().step_by(2).map(|value| value.as_str().unwrap_or_default()).collect();
        let fits = match (signs.as_slice(), bounds.as_slice()) {
            (["=" | "<" | "<=" | ">" | ">="], [_]) => true,
            ([">" | ">=", "<" | "<="], [low, high]) => low < high,
            _ => false,
        };
        if !fits {
            return self.wrong(
                node.span,
                "this is not a comparison of numbers, or no number satisfies it",
                HELP,
            );
        }
        Some(Value::Array(values))
    }
}
