//! Event patterns of EventBridge: read and checked with the place of every part, and matched against events.
//!
//! The syntax is that of the Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
//! Lambda's event filters take a part of it. [`crate::check`] asks whether an event can match at all.

use core::net::IpAddr;

use serde_json::{Map, Value};

use super::json::{Json, is_mark};
use super::properties::{Read, Scope, Shape, mismatch, one_of};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{self, Entry, Node, shorten};

/// Characters of a pattern: Amazon EventBridge User Guide, "Amazon EventBridge quotas".
const MAX_LENGTH: usize = 2_048;
/// Bounds of a number in `numeric`: Amazon EventBridge User Guide, "Numeric matching".
const MAX_NUMBER: f64 = 5e9;
/// The fields that every event has: Amazon EventBridge User Guide, "Event structure"; a replayed one has the last.
const FIELDS: [&str; 10] = [
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
    "replay-name",
];
const OPERATORS: [&str; 8] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr", "wildcard"];

/// Which events a rule takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern as EventBridge takes it.
    pub json: Json,
    /// Where it stands.
    pub span: Span,
}

/// Lambda takes these of the operators: AWS Lambda Developer Guide, "Filter rule syntax".
const FILTER_OPERATORS: [&str; 6] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists"];
/// Characters of a filter: the same guide, "Lambda quotas".
const MAX_FILTER_LENGTH: usize = 4_096;
/// AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": fields of a message.
const MESSAGE_FIELDS: [&str; 9] = [
    "messageId",
    "receiptHandle",
    "body",
    "attributes",
    "messageAttributes",
    "md5OfBody",
    "eventSource",
    "eventSourceARN",
    "awsRegion",
];
/// AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB": fields of a change.
const CHANGE_FIELDS: [&str; 8] = [
    "eventID",
    "eventName",
    "eventVersion",
    "eventSource",
    "awsRegion",
    "dynamodb",
    "eventSourceARN",
    "userIdentity",
];

/// SNS takes these: Amazon SNS Developer Guide, "Amazon SNS subscription filter policies".
const NOTIFICATION_OPERATORS: [&str; 7] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr"];
/// Bytes of a filter policy: the same guide, "Filter policy constraints".
const MAX_POLICY_LENGTH: usize = 262_144;

/// Reads an event pattern, by what it is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternReader {
    /// Events of EventBridge.
    OfEvent,
    /// Messages of a queue, by Lambda.
    OfMessage,
    /// Changes of a table, by Lambda.
    OfChange,
    /// Messages of a topic: a filter policy of SNS, whose fields are the sender's own.
    OfNotification,
}

impl PatternReader {
    /// Fields at the top.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent => &FIELDS,
            Self::OfMessage => &MESSAGE_FIELDS,
            Self::OfChange => &CHANGE_FIELDS,
            Self::OfNotification => &[],
        }
    }

    /// Those of them that have fields of their own.
    const fn open_fields(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent => &["detail"],
            Self::OfMessage => &["body", "attributes", "messageAttributes"],
            Self::OfChange => &["dynamodb", "userIdentity"],
            Self::OfNotification => &[],
        }
    }

    const fn operators(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent => &OPERATORS,
            Self::OfMessage | Self::OfChange => &FILTER_OPERATORS,
            Self::OfNotification => &NOTIFICATION_OPERATORS,
        }
    }

    const fn max_length(self) -> usize {
        match self {
            Self::OfEvent => MAX_LENGTH,
            Self::OfMessage | Self::OfChange => MAX_FILTER_LENGTH,
            Self::OfNotification => MAX_POLICY_LENGTH,
        }
    }

    /// What is matched, in messages.
    const fn what(self) -> &'static str {
        match self {
            Self::OfEvent => "events",
            Self::OfMessage | Self::OfNotification => "messages",
            Self::OfChange => "changes",
        }
    }
}

impl Read for PatternReader {
    type Out = Pattern;
    fn shape(&self) -> Shape {
        Shape::Any
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Pattern> {
        let mut reader = Reader { scope, json: Json::default(), of: *self };
        reader.json.value = reader.fields(node, true)?;
        let length = reader.json.length();
        if length > self.max_length() {
            let message = format!("the pattern has {length} characters as JSON");
            scope.report(Diagnostic::error("E0341", node.span, message).help(format!(
                "AWS takes at most {}; match fewer values, or use several",
                self.max_length()
            )));
            return None;
        }
        Some(Pattern { json: reader.json, span: node.span })
    }
    fn show(&self, _: &Pattern) -> Option<String> {
        None
    }
}

struct Reader<'s> {
    scope: &'s Scope,
    json: Json,
    of: PatternReader,
}

impl Reader<'_> {
    fn wrong<T>(&self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.scope.report(Diagnostic::error("E0340", span, message).help(help));
        None
    }

    /// A mapping of fields.
    fn fields(&mut self, node: &Node, top: bool) -> Option<Value> {
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
        let fields = self.of.fields();
        if top && !fields.is_empty() && !fields.contains(&key) {
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
                read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            yaml::Value::Mapping(entries)
                if top && !fields.is_empty() && !self.of.open_fields().contains(&key) =>
            {
                let help = match entries.first() {
                    Some(first) if OPERATORS.contains(&first.key.as_str()) => {
                        format!("an operator stands in a list: `{key}: [{{ {}: … }}]`", first.key)
                    }
                    _ => format!("such as `{key}: [value]`"),
                };
                self.wrong(node.span, format!("`{key}` is a single value and has no fields"), help)
            }
            yaml::Value::Mapping(entries) => match entries.as_slice() {
                // A field could have the name of an operator; one whose value is no list and no mapping can't.
                [one]
                    if OPERATORS.contains(&one.key.as_str())
                        && matches!(one.value.value, yaml::Value::Scalar { .. }) =>
                {
                    let help = format!("an operator stands in a list: `{key}: [{{ {}: … }}]`", one.key);
                    self.wrong(one.key_span, format!("`{}` stands outside a list", one.key), help)
                }
                _ => self.fields(node, false),
            },
            yaml::Value::Scalar { .. } => self.wrong(
                node.span,
                format!("expected a list of what `{}` may be, found {}", shorten(key), node.describe()),
                "write the value in brackets: `[value]`",
            ),
            yaml::Value::Tagged { .. } => self.tagged(node),
        }
    }

    fn tagged<T>(&self, node: &Node) -> Option<T> {
        self.scope.report(mismatch(node, "a value"));
        None
    }

    /// `$or`: a list of mappings of fields.
    fn either(&mut self, node: &Node, top: bool) -> Option<Value> {
        match &node.value {
            yaml::Value::Sequence(items) if items.len() > 1 => {
                let read: Vec<Option<Value>> = items.iter().map(|item| self.fields(item, top)).collect();
                read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            _ => self.wrong(
                node.span,
                "`$or` takes a list of two or more patterns",
                "such as `$or: [{ source: [a] }, { detail-type: [b] }]`",
            ),
        }
    }

    /// One thing that a field may be.
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

    /// What stands behind an operator.
    fn operator(&mut self, entry: &Entry, known: &[&'static str]) -> Option<Value> {
        let (key, node) = (entry.key.as_str(), &entry.value);
        if !known.contains(&key) {
            let message = match OPERATORS.contains(&key) {
                true => format!("the operator `{key}` can't stand here"),
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
            ("prefix" | "suffix" | "equals-ignore-case", _) => self.text(node),
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
                match value.as_str() {
                    Some(text) if !is_mark(text) && parse_cidr(text).is_none() => self.wrong(
                        node.span,
                        format!("`{}` is no range of addresses", shorten(text)),
                        "such as `10.0.0.0/24` or `2001:db8::/32`",
                    ),
                    _ => Some(value),
                }
            }
            ("numeric", _) => self.numeric(node),
            (_, yaml::Value::Mapping(_)) => {
                let known: &[_] = match self.of {
                    PatternReader::OfEvent => &["prefix", "suffix", "equals-ignore-case", "wildcard"],
                    _ => &["prefix"],
                };
                self.nested(node, known)
            }
            _ => self.anything_but(node, None),
        }
    }

    /// An operator in an operator.
    fn nested(&mut self, node: &Node, known: &[&'static str]) -> Option<Value> {
        let yaml::Value::Mapping(entries) = &node.value else { return None };
        let [entry] = entries.as_slice() else {
            let message = format!("expected one operator, found {}", entries.len());
            return self.wrong(node.span, message, format!("one of {}", one_of(known.iter().copied())));
        };
        let value = match known {
            ["equals-ignore-case"] => self.operator(entry, known)?,
            // `anything-but` takes a list behind its operators, which take one text elsewhere.
            _ if known.contains(&entry.key.as_str()) => self.anything_but(&entry.value, Some(&entry.key))?,
            _ => self.operator(entry, known)?,
        };
        Some(Value::Object(Map::from_iter([(entry.key.clone(), value)])))
    }

    /// What `anything-but` takes: one value or a list of values of one type; behind an operator, texts.
    fn anything_but(&mut self, node: &Node, operator: Option<&str>) -> Option<Value> {
        let one = |reader: &mut Self, node: &Node| {
            let value = match operator {
                Some(_) => reader.text(node)?,
                None => reader.single(node, "a text or a number")?,
            };
            match &value {
                Value::String(text) if operator.is_some() && text.is_empty() => reader.wrong(
                    node.span,
                    "an empty text excludes everything",
                    "write at least one character",
                ),
                Value::String(_) if operator == Some("wildcard") => {
                    reader.check_wildcard(node, &value)?;
                    Some(value)
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
        if values.iter().any(Value::is_string) && values.iter().any(Value::is_number) {
            return self.wrong(
                node.span,
                "texts and numbers stand in one list",
                "`anything-but` takes texts only, or numbers only; a number in quotes is a text",
            );
        }
        Some(Value::Array(values))
    }

    /// A single value.
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
            value @ Value::String(_) => Some(value),
            _ => self.wrong(
                node.span,
                format!("expected a text, found {}", node.describe()),
                "write a number in quotes, so that it is a text",
            ),
        }
    }

    fn check_wildcard(&self, node: &Node, value: &Value) -> Option<()> {
        let text = value.as_str().unwrap_or_default();
        let Err(message) = wildcard(text) else { return Some(()) };
        if is_mark(text) {
            return Some(());
        }
        self.wrong(node.span, message, "`*` stands for any letters; `\\*` and `\\\\` stand for themselves")
    }

    /// `["=", 5]`, `[">", 0]`, `[">=", 0, "<", 10]`.
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
            match value.as_f64() {
                Some(number) if number.abs() <= MAX_NUMBER => bounds.push(number),
                Some(_) => {
                    return self.wrong(
                        item.span,
                        "the number is out of range",
                        "between -5000000000 and 5000000000",
                    );
                }
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
            return self.wrong(node.span, "that is no comparison of numbers, or no number fits it", HELP);
        }
        Some(Value::Array(values))
    }
}

impl Pattern {
    /// Whether EventBridge takes this event to match. A text that is not known before the deployment may be anything,
    /// in the pattern and in the event.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        matches_fields(&self.json.value, event, event, &mut Vec::new())
    }

    /// The texts that a top-level field must be one of, if the pattern lists nothing but texts for it.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<Vec<&str>> {
        self.json.value.get(field)?.as_array()?.iter().map(Value::as_str).collect()
    }
}

/// Whether an event that has this value may have any other.
fn open(value: &Value) -> bool {
    value.as_str().is_some_and(is_mark)
}

/// Fields against one value of the event at `path`. Elements of a list in the event are tried one by one, so that two
/// fields of the pattern match in the same element.
fn matches_fields<'p>(pattern: &'p Value, value: &Value, event: &Value, path: &mut Vec<&'p str>) -> bool {
    let Value::Object(fields) = pattern else { return false };
    if open(value) {
        return true;
    }
    if let Value::Array(elements) = value
        && !elements.is_empty()
    {
        return elements.iter().any(|element| matches_fields(pattern, element, event, path));
    }
    fields.iter().all(|(key, wanted)| {
        if key == "$or" {
            let alternatives = wanted.as_array().map_or(&[][..], Vec::as_slice);
            return alternatives.iter().any(|alternative| matches_fields(alternative, value, event, path));
        }
        path.push(key);
        let inner = value.get(key);
        let found = match wanted {
            Value::Array(matchers) => matchers.iter().any(|matcher| match matcher.get("exists") {
                // Absent means absent from the whole event, not from one element of a list.
                Some(Value::Bool(false)) => !present(event, path) || inner.is_some_and(open),
                Some(_) => inner.is_some_and(is_leaf),
                None => inner.is_some_and(|inner| matches_leaf(matcher, inner)),
            }),
            _ => match inner {
                Some(inner) => matches_fields(wanted, inner, event, path),
                // What is missing has no fields: only patterns of absent fields can match.
                None => matches_fields(wanted, &Value::Null, event, path),
            },
        };
        path.pop();
        found
    })
}

/// Whether a value is a field for `exists`: a mapping is not, nor is an empty list.
fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(elements) => elements.iter().any(is_leaf),
        _ => true,
    }
}

fn present(value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Array(elements), _) => elements.iter().any(|element| present(element, path)),
        (_, []) => is_leaf(value),
        (_, [key, rest @ ..]) => value.get(key).is_some_and(|inner| present(inner, rest)),
    }
}

/// One matcher against one value, or any of a list.
fn matches_leaf(matcher: &Value, value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(|element| matches_leaf(matcher, element)),
        Value::Object(_) => false,
        _ if open(value) => true,
        _ => match matcher {
            Value::Object(operator) => {
                operator.iter().all(|(name, argument)| matches_operator(name, argument, value))
            }
            exact => open(exact) || exact == value,
        },
    }
}

fn matches_operator(name: &str, argument: &Value, value: &Value) -> bool {
    if open(argument) {
        return true;
    }
    let texts = || Some((argument.as_str()?, value.as_str()?));
    let folded = || Some((argument.get("equals-ignore-case")?.as_str()?, value.as_str()?));
    let fold = str::to_lowercase;
    match name {
        "prefix" => match folded() {
            Some((wanted, text)) => is_mark(wanted) || fold(text).starts_with(&fold(wanted)),
            None => texts().is_some_and(|(wanted, text)| text.starts_with(wanted)),
        },
        "suffix" => match folded() {
            Some((wanted, text)) => is_mark(wanted) || fold(text).ends_with(&fold(wanted)),
            None => texts().is_some_and(|(wanted, text)| text.ends_with(wanted)),
        },
        "equals-ignore-case" => texts().is_some_and(|(wanted, text)| fold(text) == fold(wanted)),
        "wildcard" => texts().is_some_and(|(wanted, text)| {
            wildcard(wanted).is_ok_and(|pieces| matches_wildcard(&pieces, &text.chars().collect::<Vec<_>>()))
        }),
        "cidr" => texts().is_some_and(|(range, address)| in_range(range, address)),
        "numeric" => in_bounds(argument, value),
        "anything-but" => anything_but(argument, value),
        _ => false,
    }
}

/// What `anything-but` excludes is no value of another kind: a text is anything but a number.
fn anything_but(argument: &Value, value: &Value) -> bool {
    match argument {
        Value::Array(excluded) => excluded.iter().all(|excluded| open(excluded) || excluded != value),
        Value::Object(operator) => operator.iter().all(|(name, argument)| {
            let several = argument.as_array().map_or(std::slice::from_ref(argument), Vec::as_slice);
            several.iter().all(|one| open(one) || !matches_operator(name, one, value))
        }),
        excluded => excluded != value,
    }
}

fn in_bounds(argument: &Value, value: &Value) -> bool {
    let (Some(pairs), Some(number)) = (argument.as_array(), value.as_f64()) else { return false };
    pairs.chunks(2).all(|pair| match pair {
        [sign, bound] => bound.as_f64().is_some_and(|bound| match sign.as_str() {
            Some("=") => number == bound,
            Some("<") => number < bound,
            Some("<=") => number <= bound,
            Some(">") => number > bound,
            Some(">=") => number >= bound,
            _ => false,
        }),
        _ => false,
    })
}

/// The address and the number of bits that count.
fn parse_cidr(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|_| bits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

fn in_range(range: &str, address: &str) -> bool {
    let (Some((network, bits)), Ok(address)) = (parse_cidr(range), address.parse::<IpAddr>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits() ^ address.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (network.to_bits() ^ address.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The letters of a wildcard; `None` stands for any number of letters.
fn wildcard(text: &str) -> Result<Vec<Option<char>>, String> {
    let mut pieces = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if pieces.last() == Some(&None) => return Err("two `*` stand side by side".to_owned()),
            '*' => pieces.push(None),
            '\\' => match letters.next() {
                Some(escaped @ ('*' | '\\')) => pieces.push(Some(escaped)),
                _ => return Err("`\\` stands before neither `*` nor `\\`".to_owned()),
            },
            letter => pieces.push(Some(letter)),
        }
    }
    Ok(pieces)
}

/// Whether a text fits: on a difference, the last `*` takes one letter more.
fn matches_wildcard(pieces: &[Option<char>], text: &[char]) -> bool {
    let (mut piece, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(None) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Some(letter)) if text.get(at) == Some(letter) => {
                piece += 1;
                at += 1;
            }
            _ => match star {
                Some((before, taken)) => {
                    star = Some((before, taken + 1));
                    piece = before + 1;
                    at = taken + 1;
                }
                None => return false,
            },
        }
    }
    pieces.get(piece..).is_some_and(|rest| rest.iter().all(Option::is_none))
}
