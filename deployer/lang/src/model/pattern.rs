//! Event patterns of EventBridge: read and checked with the place of every part. [`crate::matching`] compares them with
//! events.
//!
//! The syntax is that of the Amazon EventBridge User Guide, "Comparison operators for use in event patterns", as
//! EventBridge's matcher reads it (Event Ruler 2.0.1). Lambda's event filters take a part of it. [`crate::check`] asks
//! whether an event can match at all.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use deployer_syntax::json;
use deployer_syntax::yaml::{self, Node};
use serde_json::Value;

use self::reader::Reader;
use super::json::Json;
use super::properties::{Read, Scope, Shape};
use crate::matching::{Compiled, Event, is_too_complex};

mod reader;

/// Most characters of a pattern: Amazon EventBridge User Guide, "Amazon EventBridge quotas".
const MAX_LENGTH: usize = 2_048;
/// Bounds of a number in `numeric` for SNS: Amazon SNS Developer Guide, "Filter policy constraints". EventBridge's
/// matcher takes every number that a double holds.
const MAX_NOTIFICATION_NUMBER: f64 = 1e9;
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
const OPERATORS: [&str; 9] = [
    "prefix",
    "suffix",
    "equals-ignore-case",
    "anything-but",
    "numeric",
    "exists",
    "cidr",
    "wildcard",
    "exactly",
];
/// Names that no field in `$or` can have, beside [`OPERATORS`]: Event Ruler reserves them.
const RESERVED: [&str; 15] = [
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// A selection of events by their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern as EventBridge takes it.
    pub json: Json,
    /// The pattern, ready for events.
    pub compiled: Compiled,
    /// Its place in the file.
    pub span: Span,
}

/// Operators that Lambda takes: AWS Lambda Developer Guide, "Filter rule syntax".
const FILTER_OPERATORS: [&str; 6] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists"];
/// Most characters of a filter: the same guide, "Lambda quotas".
const MAX_FILTER_LENGTH: usize = 4_096;
/// Fields of a message: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
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
/// Fields of a change: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB".
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

/// Operators that SNS takes: Amazon SNS Developer Guide, "Amazon SNS subscription filter policies".
const NOTIFICATION_OPERATORS: [&str; 7] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr"];
/// Most bytes of a filter policy: the same guide, "Filter policy constraints".
const MAX_POLICY_LENGTH: usize = 262_144;

/// A reader of event patterns, by the values that they are matched against.
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
    /// Anything, as EventBridge's matcher does.
    OfAnything,
}

impl PatternReader {
    /// Returns the fields at the top.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent => &FIELDS,
            Self::OfMessage => &MESSAGE_FIELDS,
            Self::OfChange => &CHANGE_FIELDS,
            Self::OfNotification | Self::OfAnything => &[],
        }
    }

    /// Returns those fields at the top that have fields of their own.
    const fn open_fields(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent => &["detail"],
            Self::OfMessage => &["body", "attributes", "messageAttributes"],
            Self::OfChange => &["dynamodb", "userIdentity"],
            Self::OfNotification | Self::OfAnything => &[],
        }
    }

    const fn operators(self) -> &'static [&'static str] {
        match self {
            Self::OfEvent | Self::OfAnything => &OPERATORS,
            Self::OfMessage | Self::OfChange => &FILTER_OPERATORS,
            Self::OfNotification => &NOTIFICATION_OPERATORS,
        }
    }

    const fn max_length(self) -> usize {
        match self {
            Self::OfEvent => MAX_LENGTH,
            Self::OfMessage | Self::OfChange => MAX_FILTER_LENGTH,
            Self::OfNotification => MAX_POLICY_LENGTH,
            Self::OfAnything => usize::MAX,
        }
    }

    /// Returns the name of the values that are matched, for messages.
    const fn what(self) -> &'static str {
        match self {
            Self::OfEvent | Self::OfAnything => "events",
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
        let mut reader = Reader {
            scope,
            json: Json::default(),
            compiled: Compiled::default(),
            path: Vec::new(),
            in_or: false,
            of: *self,
        };
        reader.json.value = reader.fields(node, true)?;
        reader.compiled.sort();
        if matches!(self, Self::OfEvent | Self::OfAnything) && is_too_complex(&reader.compiled) {
            return reader.wrong(
                node.span,
                "the wildcards are too complex for EventBridge",
                "use fewer `*`, or repeat less after one; `prefix` and `suffix` cost nothing",
            );
        }
        let length = reader.json.length();
        if length > self.max_length() {
            let message = format!("the pattern has {length} characters as JSON");
            scope.report(Diagnostic::error("E0341", node.span, message).help(format!(
                "AWS accepts at most {}; match fewer values, or use several",
                self.max_length()
            )));
            return None;
        }
        Some(Pattern { json: reader.json, compiled: reader.compiled, span: node.span })
    }
    fn show(&self, _: &Pattern) -> Option<String> {
        None
    }
}

impl Pattern {
    /// Reads a pattern that is JSON, with any fields; a text is literal.
    ///
    /// # Errors
    /// The problems of the pattern, with places in `source`.
    pub fn from_json(source: &Source) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let scope = Scope::of_json();
        let pattern = match json::parse(&source.text) {
            Ok(node) if has_nul(&node) => {
                let message = "a pattern can't contain the character U+0000";
                scope.report(Diagnostic::error("E0340", node.span, message));
                None
            }
            Ok(node) => PatternReader::OfAnything.read(&node, &scope),
            Err(problem) => {
                let span = Span { start: problem.at, end: problem.at };
                let message = format!("not valid JSON: {problem}");
                scope.report(Diagnostic::error("E0340", span, message));
                None
            }
        };
        scope.finish(&mut diagnostics);
        pattern.ok_or(diagnostics)
    }

    /// Returns whether the event matches for EventBridge. A value that is not known before the deployment may be
    /// anything, in the pattern and in the event.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.compiled.matches(event)
    }

    /// Returns the texts that a top-level field must be one of, if the pattern lists nothing but texts for it.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<Vec<&str>> {
        self.json.value.get(field)?.as_array()?.iter().map(Value::as_str).collect()
    }
}
/// Returns whether a JSON text contains U+0000, which would be taken for a mark.
fn has_nul(node: &Node) -> bool {
    match &node.value {
        yaml::Value::Mapping(entries) => {
            entries.iter().any(|entry| entry.key.contains('\0') || has_nul(&entry.value))
        }
        yaml::Value::Sequence(items) => items.iter().any(has_nul),
        yaml::Value::Scalar { text, .. } => text.contains('\0'),
        yaml::Value::Tagged { node, .. } => has_nul(node),
    }
}
