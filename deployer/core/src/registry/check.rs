//! Raw properties against a type's schema: gives single values their types, and says what CloudFormation would refuse.
//!
//! What can't be known before a deployment (functions, dynamic references) is taken to be right.

use serde_json::{Map, Value};

use super::{TypeSchema, pointers, texts};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::expression::{Expression, ExpressionEntry, ExpressionKind, Gives};
use crate::number;
use crate::yaml::shorten;

/// Schemas refer to each other; deeper than this nobody writes.
const MAX_REFERENCES: usize = 32;

/// Where in a resource a value stands: the names from the top, `*` for the items of a list.
type Path<'p> = Vec<&'p str>;
type Report<'r> = &'r mut dyn FnMut(Diagnostic);

impl TypeSchema {
    /// Judges the properties of a resource and gives them as CloudFormation takes them.
    pub fn check(&self, properties: &Expression, report: &mut dyn FnMut(Diagnostic)) -> Value {
        let read_only: Vec<&str> = pointers(&self.root["readOnlyProperties"])
            .filter(|path| {
                // What can be given at creation and read later stands in both lists.
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
    /// What a schema says, behind its `$ref`s.
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
                    report(mismatch(expression.span, &types, &format!("a function that gives {given}")));
                }
                return value.clone();
            }
            _ => {}
        }
        let given = self.own(schema, expression, path, report);
        self.alternatives(schema, expression, path, report).unwrap_or(given)
    }

    /// The types that a schema takes, with those of its alternatives; none when it takes any.
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

    /// What the schema says itself, without its alternatives.
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
                self.limits_of_list(schema, items, expression.span, report);
                path.push("*");
                let item = schema.get("items").unwrap_or(&Value::Null);
                let values = items.iter().map(|one| self.value(item, one, path, report)).collect();
                path.pop();
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
        // A mapping without a word on its properties takes any.
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
                        .help("only AWS sets it; remove it, and read it with `!GetAtt` where it is wanted"),
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
        self.presence(schema, entries, span, report);
        Value::Object(out)
    }

    fn is_read_only(&self, path: &[&str]) -> bool {
        self.read_only.iter().any(|known| known.split('/').eq(path.iter().copied()))
    }

    /// Which properties must, and which can't, stand together.
    fn presence(&self, schema: &'s Value, entries: &[ExpressionEntry], span: Span, report: Report<'_>) {
        let head = match entries.first() {
            Some(first) if first.key_span.start == span.start => first.key_span,
            _ => span,
        };
        let has = |name: &str| {
            entries.iter().any(|entry| entry.key == name && entry.value.is != ExpressionKind::NoValue)
        };
        for name in texts(&schema["required"]).filter(|name| !has(name)) {
            report(
                Diagnostic::error("E0102", head, format!("`{name}` is missing"))
                    .help("CloudFormation wants it here"),
            );
        }
        let listed =
            |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let groups = |key: &str| -> Vec<Vec<&'s str>> {
            match schema[key].as_array() {
                Some(groups) if groups.iter().all(Value::is_array) => {
                    groups.iter().map(|group| texts(group).collect()).collect()
                }
                Some(_) => vec![texts(&schema[key]).collect()],
                None => Vec::new(),
            }
        };
        for (key, exactly) in [("requiredXor", true), ("requiredOr", false)] {
            for names in groups(key) {
                let given: Vec<&str> = names.iter().copied().filter(|name| has(name)).collect();
                if given.is_empty() {
                    let message = format!("one of {} is missing", listed(&names));
                    report(Diagnostic::error("E0102", head, message).help("CloudFormation wants it here"));
                } else if exactly && given.len() > 1 {
                    let message = format!("{} can't stand together", listed(&given));
                    report(Diagnostic::error("E0107", head, message).help("keep one of them"));
                }
            }
        }
        for (key, wanted) in [("dependentRequired", true), ("dependentExcluded", false)] {
            for (name, others) in schema[key].as_object().into_iter().flatten().filter(|(name, _)| has(name))
            {
                for other in texts(others).filter(|other| has(other) != wanted) {
                    let (message, help) = match wanted {
                        true => (format!("`{name}` needs `{other}` beside it"), format!("add `{other}`")),
                        false => (
                            format!("`{name}` and `{other}` can't stand together"),
                            "keep one of them".to_owned(),
                        ),
                    };
                    let place =
                        entries.iter().find(|entry| entry.key == *name).map_or(head, |entry| entry.key_span);
                    report(Diagnostic::error("E0107", place, message).help(help));
                }
            }
        }
    }

    fn limits_of_scalar(&self, schema: &'s Value, text: &str, value: &Value, span: Span, report: Report<'_>) {
        if text.contains("{{resolve:") {
            return;
        }
        if let Some(words) = schema["enum"].as_array().or(schema["enumCaseInsensitive"].as_array()) {
            let any_case = schema["enumCaseInsensitive"].is_array();
            let known: Vec<String> = words.iter().map(shown).collect();
            let fits = |word: &Value| match any_case {
                true => shown(word).eq_ignore_ascii_case(text),
                false => shown(word) == shown(value) || number::same(word, value),
            };
            if !words.iter().any(fits) {
                report(
                    Diagnostic::error("E0105", span, format!("`{}` is not allowed here", shorten(text)))
                        .suggest(text, known.iter().map(String::as_str)),
                );
            }
            return;
        }
        if let Some(only) = schema.get("const")
            && shown(only) != shown(value)
            && !number::same(only, value)
        {
            report(
                Diagnostic::error("E0105", span, format!("`{}` is not allowed here", shorten(text)))
                    .help(format!("only `{}` is", shown(only))),
            );
        }
        if let Some(number) = number::nearest(value) {
            range(schema, ["minimum", "maximum"], number, "", span, report);
            return;
        }
        if let Value::String(text) = value {
            let length = text.chars().count() as f64;
            range(schema, ["minLength", "maxLength"], length, "characters", span, report);
            if let Some(pattern) = schema["pattern"].as_str()
                && !self.schema.fits(pattern, text)
            {
                report(
                    Diagnostic::error(
                        "E0104",
                        span,
                        format!("`{}` does not have the right form", shorten(text)),
                    )
                    .help(format!("CloudFormation wants what fits the pattern {pattern}")),
                );
            }
        }
    }

    fn limits_of_list(&self, schema: &'s Value, items: &[Expression], span: Span, report: Report<'_>) {
        let certain = |item: &Expression| {
            !matches!(
                item.is,
                ExpressionKind::NoValue | ExpressionKind::If { .. } | ExpressionKind::Function { .. }
            )
        };
        if items.iter().all(certain) {
            range(schema, ["minItems", "maxItems"], items.len() as f64, "entries", span, report);
        }
        if schema["uniqueItems"] == Value::Bool(true) {
            for (index, item) in items.iter().enumerate() {
                let ExpressionKind::Scalar { text, .. } = &item.is else { continue };
                let same = |other: &Expression| matches!(&other.is, ExpressionKind::Scalar { text: other, .. } if other == text);
                if items[..index].iter().any(same) {
                    report(
                        Diagnostic::error(
                            "E0303",
                            item.span,
                            format!("`{}` stands twice in the list", shorten(text)),
                        )
                        .help("remove one of them"),
                    );
                }
            }
        }
    }

    /// `allOf`, `anyOf` and `oneOf`. The value as the alternative that fits types it, when the schema has no type of
    /// its own.
    fn alternatives<'p>(
        &self,
        schema: &'s Value,
        expression: &'p Expression,
        path: &mut Path<'p>,
        report: Report<'_>,
    ) -> Option<Value> {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.value(part, expression, path, report);
        }
        let mut typed = None;
        for key in ["anyOf", "oneOf"] {
            let Some(alternatives) = schema[key].as_array().filter(|alternatives| !alternatives.is_empty())
            else {
                continue;
            };
            let mut nearest: Option<Vec<Diagnostic>> = None;
            for alternative in alternatives {
                let mut problems = Vec::new();
                let value = self.value(alternative, expression, path, &mut |problem| problems.push(problem));
                if problems.is_empty() {
                    typed = typed.or(Some(value));
                    nearest = None;
                    break;
                }
                if nearest.as_ref().is_none_or(|nearest| problems.len() < nearest.len()) {
                    nearest = Some(problems);
                }
            }
            nearest.into_iter().flatten().for_each(&mut *report);
        }
        typed.filter(|_| schema.get("type").is_none() && schema.get("properties").is_none())
    }
}

/// The value of a single value by the types that may stand there, and whether it is of one of them.
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
        // A text in quotes is a text where one may stand.
        Some(value) if plain || !takes("string") => (value, true),
        _ => (text.into(), takes("string")),
    }
}

/// A value on which no schema says anything: numbers, `true` and `false` of YAML 1.2's JSON schema are what they are
/// there, and every other single value is its text.
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

/// A JSON value without the quotes of a text.
fn shown(value: &Value) -> String {
    match (number::digits(value), value) {
        (Some(digits), _) => digits.into_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    }
}

/// A template holds no null anywhere: "'null' values are not allowed in templates".
fn null(span: Span, types: &[&str]) -> Diagnostic {
    mismatch(span, types, "nothing").help(
        "CloudFormation takes no null; remove the property, or give a document with a null in it as a text of JSON",
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

fn range(schema: &Value, [low, high]: [&str; 2], amount: f64, unit: &str, span: Span, report: Report<'_>) {
    let (low, high) = (schema[low].as_f64(), schema[high].as_f64());
    if low.is_some_and(|low| amount < low) || high.is_some_and(|high| amount > high) {
        let bounds = match (low, high) {
            (Some(low), Some(high)) => format!("between {low} and {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => String::new(),
        };
        let message = match unit {
            "" => format!("{amount} is out of range"),
            unit => format!("{amount} {unit} are out of range"),
        };
        report(Diagnostic::error("E0104", span, message).help(bounds));
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;
    use serde_json::json;

    /// A value of a template as it would have been read.
    fn expression(value: &Value) -> Expression {
        let is = match value {
            Value::Null => ExpressionKind::Null,
            Value::Array(items) => ExpressionKind::List(items.iter().map(expression).collect()),
            Value::Object(map) => match map.iter().next() {
                Some((key, _)) if map.len() == 1 && (key == "Ref" || key.starts_with("Fn::")) => {
                    let gives = if key == "Fn::Sub" { Gives::Single } else { Gives::Any };
                    ExpressionKind::Function { value: value.clone(), gives }
                }
                _ => ExpressionKind::Map(
                    map.iter()
                        .map(|(key, inner)| ExpressionEntry {
                            key: key.clone(),
                            key_span: Span::default(),
                            value: expression(inner),
                        })
                        .collect(),
                ),
            },
            Value::String(text) => ExpressionKind::Scalar { text: text.clone(), plain: false },
            other => ExpressionKind::Scalar { text: other.to_string(), plain: true },
        };
        Expression { is, span: Span::default() }
    }

    fn check(kind: &str, properties: &Value) -> (Value, Vec<String>) {
        let mut problems = Vec::new();
        let schema = find(kind).expect(kind).schema();
        let value = schema.check(&expression(properties), &mut |problem| problems.push(problem.to_string()));
        (value, problems)
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (kind, properties, wanted) in [
            (
                "AWS::SQS::Queue",
                json!({ "VisibilityTimout": 5 }),
                "error[E0101]: unknown property `VisibilityTimout`; help: did you mean `VisibilityTimeout`?",
            ),
            (
                "AWS::SQS::Queue",
                json!({ "VisibilityTimeout": "soon" }),
                "error[E0103]: expected a whole number, found `soon`",
            ),
            (
                "AWS::SQS::Queue",
                json!({ "Arn": "a" }),
                "error[E0501]: `Arn` can't be set; help: only AWS sets it; remove it, and read it with `!GetAtt` where it is wanted",
            ),
            ("AWS::SQS::Queue", json!({ "Tags": "a" }), "error[E0103]: expected a list, found `a`"),
            (
                "AWS::IAM::Role",
                json!({ "Path": "/" }),
                "error[E0102]: `AssumeRolePolicyDocument` is missing; help: CloudFormation wants it here",
            ),
            (
                "AWS::Lambda::Function",
                json!({ "Code": {}, "Role": "x" }),
                "error[E0104]: `x` does not have the right form; help: CloudFormation wants what fits the pattern ",
            ),
            (
                "AWS::Lambda::Function",
                json!({ "Code": {}, "Role": { "Ref": "R" }, "MemorySize": 1 }),
                "error[E0104]: 1 is out of range; help: ",
            ),
            (
                "AWS::S3::Bucket",
                json!({ "VersioningConfiguration": { "Status": "On" } }),
                "error[E0105]: `On` is not allowed here; help: known here: `Enabled`, `Suspended`",
            ),
            (
                "AWS::SQS::Queue",
                json!({ "Tags": [{ "Key": "a" }] }),
                "error[E0102]: `Value` is missing; help: CloudFormation wants it here",
            ),
        ] {
            let (_, problems) = check(kind, &properties);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(wanted), "{}\n{wanted}", problems[0]);
        }
    }

    #[test]
    fn single_values_get_the_type_of_their_place() {
        let properties = json!({ "VisibilityTimeout": "5", "SqsManagedSseEnabled": "true", "QueueName": 12, "Tags": [{ "Key": "a", "Value": true }] });
        let (value, problems) = check("AWS::SQS::Queue", &properties);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            value,
            json!({ "VisibilityTimeout": 5, "SqsManagedSseEnabled": true, "QueueName": "12", "Tags": [{ "Key": "a", "Value": "true" }] })
        );
    }

    #[test]
    fn free_json_keeps_every_scalar() {
        let plain = |text: &str| Expression {
            is: ExpressionKind::Scalar { text: text.to_owned(), plain: true },
            span: Span::default(),
        };
        let texts =
            ["012345678901", "0755", "-01", "1_000", ".5", "5.", "0o17", "0x1F", "nan", ".inf", "True", "no"];
        let numbers = ["1e3", "1.10", "12345678901234567890123", "18446744073709551616", "-0", "0", "7"];
        let items = texts.iter().chain(&numbers).map(|text| plain(text)).collect();
        let list = Expression { is: ExpressionKind::List(items), span: Span::default() };
        let document = |value: Expression| Expression {
            is: ExpressionKind::Map(vec![ExpressionEntry {
                key: "ServiceToken".to_owned(),
                key_span: Span::default(),
                value,
            }]),
            span: Span::default(),
        };
        let mut problems = Vec::new();
        let written = free(&document(list), &mut |problem| problems.push(problem));
        let texts = texts.map(|text| format!("{text:?}")).join(",");
        assert_eq!(
            number::to_json(&written),
            format!("{{\"ServiceToken\":[{texts},{}]}}", numbers.join(","))
        );
        assert_eq!(problems, []);
        let null = Expression { is: ExpressionKind::Null, span: Span::default() };
        free(&document(null), &mut |problem| problems.push(problem));
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_place_for_numbers_takes_numbers_as_json_has_them() {
        for (text, wrong) in [("012", true), ("1_0", true), ("5", false), ("1e1", true), ("+5", true)] {
            let properties = Expression {
                is: ExpressionKind::Map(vec![ExpressionEntry {
                    key: "DelaySeconds".to_owned(),
                    key_span: Span::default(),
                    value: Expression {
                        is: ExpressionKind::Scalar { text: text.to_owned(), plain: true },
                        span: Span::default(),
                    },
                }]),
                span: Span::default(),
            };
            let mut count = 0;
            find("AWS::SQS::Queue").expect("a type").schema().check(&properties, &mut |_| count += 1);
            assert_eq!(count, usize::from(wrong), "{text}");
        }
    }

    fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = "[A-Z][a-z]{1,4}|Tags|Key|Value|Code|Rules|Status|Ref";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..4)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_judged_without_a_panic(value in any_value(), kind in 0..1_500_u16) {
            let mut count = 0;
            super::super::TypeId(kind).schema().check(&expression(&value), &mut |_| count += 1);
        }
    }
}
