//! Deliveries of EventBridge and its Scheduler: targets of rules and schedules, their input, retries, dead letters.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::shorten;

use super::json::{Json, JsonMapping};
use super::properties::{Boolean, Duration, Integer, Map, Object, Properties, Reference, Str, one_of};
use super::{Kind, ResourceRef};

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The resource that takes the event.
    pub to: ResourceRef,
    /// Its type.
    pub kind: Kind,
    /// The input that it gets; by default, the event itself.
    pub input: Option<Input>,
    /// Number and time of the retries of a delivery.
    pub retry: Retry,
    /// `true` if events that can't be delivered are sent to a dead-letter queue.
    pub dead_letter: bool,
    /// Place of the entry.
    pub span: Span,
}

/// The input of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A constant.
    Constant(Json),
    /// A part of the event.
    Path(String),
    /// A text with parts of the event.
    Transformer {
        /// Names that the user chose → JSON paths.
        paths: Vec<(String, String)>,
        /// The text, with `<name>` for each.
        template: String,
    },
}

/// `retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Number of retries.
    pub attempts: i64,
    /// Seconds after which an event is given up.
    pub max_age: u64,
}

/// Most retries: Amazon EventBridge API reference, `RetryPolicy`; the Scheduler's has the same bounds.
const MAX_ATTEMPTS: i64 = 185;
const MAX_AGE: u64 = 86_400;

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: MAX_ATTEMPTS, max_age: MAX_AGE }
    }
}

impl Retry {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let default = Self::default();
        let attempts =
            properties.field("attempts", "Number of retries.", Integer(0, MAX_ATTEMPTS)).or(default.attempts);
        let max_age = properties
            .field("maxAge", "Time after which an event is given up.", Duration(60, MAX_AGE))
            .or(default.max_age);
        Some(Self { attempts, max_age })
    }
}

const FUNCTION: (Kind, &str, &[Kind]) = (Kind::Function, "A function to invoke.", &[Kind::Function]);
const QUEUE: (Kind, &str, &[Kind]) = (Kind::Queue, "A queue to send to.", &[Kind::Queue]);
const TOPIC: (Kind, &str, &[Kind]) = (Kind::Topic, "A topic to publish to.", &[Kind::Topic]);
const BUS: (Kind, &str, &[Kind]) = (Kind::Bus, "Another bus to put it on.", &[Kind::Bus]);
const TASK: (Kind, &str, &[Kind]) = (Kind::Task, "A task to run in its cluster.", &[Kind::Task]);

impl Target {
    /// Reads a target of a rule.
    pub(crate) fn of_rule(properties: &mut Properties<'_>) -> Option<Self> {
        Self::read(properties, &[FUNCTION, QUEUE, TOPIC, BUS, TASK], true)
    }

    /// Reads the target of a schedule.
    pub(crate) fn of_schedule(properties: &mut Properties<'_>) -> Option<Self> {
        Self::read(properties, &[FUNCTION, QUEUE, TOPIC, TASK], false)
    }

    fn read(
        properties: &mut Properties<'_>,
        takers: &[(Kind, &'static str, &'static [Kind])],
        of_event: bool,
    ) -> Option<Self> {
        let mut found = Vec::new();
        for (kind, description, kinds) in takers {
            if let Some(to) = properties.field(kind.name(), description, Reference(kinds)).optional() {
                found.push((*kind, to));
            }
        }
        let constant = properties
            .field("input", "JSON that the target receives each time.", JsonMapping::Document)
            .optional();
        let (path, transformer) = match of_event {
            true => (
                properties
                    .field("inputPath", "JSON path of the part of the event that the target receives.", Str)
                    .optional(),
                properties
                    .field(
                        "inputTransformer",
                        "Text with parts of the event that the target receives.",
                        Object(read_transformer),
                    )
                    .optional(),
            ),
            false => (None, None),
        };
        let retry = properties
            .field("retry", "Number and time of the retries of a delivery.", Object(Retry::read))
            .or(Retry::default());
        let dead_letter = properties
            .field("deadLetter", "Send events that can't be delivered to a dead-letter queue.", Boolean)
            .or(true);
        let named: Vec<&str> =
            takers.iter().map(|(kind, ..)| kind.name()).filter(|name| properties.has(name)).collect();
        let words = one_of(takers.iter().map(|(kind, ..)| kind.name()));
        match named.as_slice() {
            [_] => {}
            [] => {
                let span = properties.span_of("");
                properties.report(
                    Diagnostic::error("E0102", span, "the target is missing").help(format!("one of {words}")),
                );
            }
            [_, second, ..] => {
                let span = properties.span_of(second);
                properties.report(
                    Diagnostic::error("E0107", span, "a target can have only one destination")
                        .help(format!("one of {words}; write the others as targets of their own")),
                );
            }
        }
        let inputs: Vec<&str> = ["input", "inputPath", "inputTransformer"]
            .into_iter()
            .filter(|name| properties.has(name))
            .collect();
        if let [_, second, ..] = inputs.as_slice() {
            let span = properties.span_of(second);
            properties.report(
                Diagnostic::error("E0107", span, "a target can have only one kind of input")
                    .help("one of `input`, `inputPath` or `inputTransformer`"),
            );
        }
        if let Some(path) = &path {
            let span = properties.span_of("inputPath");
            check_path(properties, path, span);
        }
        let input = constant
            .map(Input::Constant)
            .or(path.map(Input::Path))
            .or(transformer.map(|(paths, template)| Input::Transformer { paths, template }));
        let (kind, to) = found.into_iter().next()?;
        let span = to.span;
        Some(Self { to, kind, input, retry, dead_letter, span })
    }
}

/// Predefined variables: Amazon EventBridge User Guide, "Amazon EventBridge input transformation".
const PREDEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];
const MAX_PATHS: usize = 100;

fn read_transformer(properties: &mut Properties<'_>) -> Option<(Vec<(String, String)>, String)> {
    let paths =
        properties.field("paths", "Names of your own → JSON paths in the event.", Map(Str)).or(Vec::new());
    let template =
        properties.field("template", "The text, with `<name>` for each of `paths`.", Str).required();
    if paths.len() > MAX_PATHS {
        let span = properties.span_of("paths");
        properties.report(
            Diagnostic::error("E0106", span, format!("{} paths", paths.len()))
                .help(format!("EventBridge accepts at most {MAX_PATHS}")),
        );
    }
    let span = properties.span_of("paths");
    for (_, path) in &paths {
        check_path(properties, path, span);
    }
    let template = template?;
    let span = properties.span_of("template");
    for piece in template.split('<').skip(1) {
        let Some((name, _)) = piece.split_once('>') else { continue };
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(word) {
            continue;
        }
        if !PREDEFINED.contains(&name) && !paths.iter().any(|(known, _)| known == name) {
            let known = paths.iter().map(|(known, _)| known.as_str()).chain(PREDEFINED);
            properties.report(
                Diagnostic::error("E0342", span, format!("`<{name}>` is not one of `paths`"))
                    .suggest(name, known),
            );
        }
    }
    Some((paths, template))
}

/// Checks a path such as `$.detail.key` or `$.items[0].name`: the part of JSON path that EventBridge takes.
fn check_path(properties: &mut Properties<'_>, path: &str, span: Span) {
    let word = |part: &str| {
        let (name, index) = part.split_once('[').unwrap_or((part, "0]"));
        let name_fits =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        name_fits && index.strip_suffix(']').is_some_and(|index| index == "*" || index.parse::<u32>().is_ok())
    };
    let fits = path.strip_prefix('$').is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('.').is_some_and(|rest| rest.split('.').all(word))
    });
    if !fits {
        properties.report(
            Diagnostic::error("E0342", span, format!("`{}` is not a path in an event", shorten(path)))
                .help("such as `$.detail.object.key` or `$.resources[0]`"),
        );
    }
}
