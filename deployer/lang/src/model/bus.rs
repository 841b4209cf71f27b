//! `type: bus`.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::access::Verb;
use super::definition::{Definition, Drawing, UNUSED};
use super::flow::{Flows, Role};
use super::function::check_log_retention;
use super::pattern::{Pattern, PatternReader};
use super::properties::{Choice, Duration, List, Object, Properties, Reference, Str};
use super::{Kind, ResourceRef};

/// An EventBridge event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// `source` of the events that the stack's workers publish on it.
    pub source: String,
    /// Name of a bus that the account has already; nothing is created then.
    pub existing: Option<String>,
    /// Other accounts that may put events on it.
    pub allow: Option<Allow>,
    /// The archive of its events, from which they can be replayed.
    pub archive: Option<Archive>,
    /// What EventBridge logs of its events, and how long the log is kept, in seconds; nothing without it.
    pub log: Option<Log>,
    /// The customer key that encrypts its events.
    pub encryption_key: Option<ResourceRef>,
}

/// `log` and `logRetention` of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least important step that is logged.
    pub level: LogLevel,
    /// Seconds for which a record is kept.
    pub retention: u64,
}

/// The steps of an event that EventBridge logs, each level with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Events that reached no target, and the reason.
    Error,
    /// Events that were received, matched and delivered.
    Info,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Every level, from the fewest steps to the most.
    pub const ALL: [Self; 3] = [Self::Error, Self::Info, Self::Trace];

    /// Returns the word for it, which is CloudFormation's in small letters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Info => "info",
            Self::Trace => "trace",
        }
    }
}

/// `allow` of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Accounts, by their 12 digits.
    pub accounts: Vec<String>,
    /// All accounts of an organization, by its ID.
    pub organization: Option<String>,
}

/// `archive` of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Days for which an event is kept; for ever without it.
    pub retention: Option<u64>,
    /// A pattern of the events that are kept.
    pub pattern: Option<Pattern>,
}

const DAY: u64 = 86_400;

impl Definition for Bus {
    const DESCRIPTION: &'static str = "An EventBridge event bus: one of the stack's own, or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "event bus name"), ("arn", "ARN")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Publish, "events on a bus")];
    const DRAWING: Drawing = Drawing::Always(Role::Hub);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let source = properties
            .field("source", "The `source` of the events that this stack's workers publish.", Str)
            .or(contract::SOURCE.to_owned());
        let existing = properties
            .field(
                "existing",
                "Name of an existing bus of the account, such as `default`. Delete that bus only after the \
                    stack: EventBridge accepts events for a deleted bus, and drops them.",
                Str,
            )
            .optional();
        let allow = properties
            .field("allow", "Other accounts that are allowed to put events on it.", Object(Allow::read))
            .optional();
        let archive = properties
            .field(
                "archive",
                "Archive of its events, so that they can be replayed; `{}` keeps them forever.",
                Object(Archive::read),
            )
            .optional();
        let level = properties
            .field(
                "log",
                "Log the events that reached no target (`error`), also those that were delivered (`info`), or every step \
                    (`trace`): their IDs and targets, without their contents.",
                Choice(&[
                    ("error", LogLevel::Error),
                    ("info", LogLevel::Info),
                    ("trace", LogLevel::Trace),
                ]),
            )
            .optional();
        let retention = properties
            .field(
                "logRetention",
                "Time for which the log is kept, in days that CloudWatch Logs supports.",
                Duration(DAY, 3_653 * DAY),
            )
            .or(30 * DAY);
        check_log_retention(properties, retention);
        let encryption_key = properties
            .field(
                "encryptionKey",
                "Key that encrypts the events; by default the stack's `key`, or EventBridge's own.",
                Reference(&[Kind::Key]),
            )
            .optional();
        // Amazon EventBridge API reference, `PutEventsRequestEntry`; sources that begin with `aws.` are AWS's own.
        if source.is_empty() || source.len() > 256 || source.starts_with("aws.") {
            let span = properties.span_of("source");
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` can't be the source of events", shorten(&source)),
                )
                .help("1 to 256 bytes, and not `aws.…`"),
            );
        }
        // Amazon EventBridge API reference, `CreateEventBus`.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        if let Some(name) = &existing
            && !((1..=256).contains(&name.len()) && name.bytes().all(letter))
        {
            let span = properties.span_of("existing");
            properties.report(
                Diagnostic::error("E0108", span, format!("`{}` can't be the name of a bus", shorten(name)))
                    .help("1 to 256 letters, digits, `/`, `.`, `_` and `-`, such as `default`"),
            );
        }
        if existing.is_some() && properties.has("encryptionKey") {
            let span = properties.span_of("encryptionKey");
            properties.report(
                Diagnostic::error("E0107", span, "an existing bus has its own key")
                    .help("remove `encryptionKey`, or `existing`"),
            );
        }
        if existing.is_some() && level.is_some() {
            let span = properties.span_of("log");
            properties.report(
                Diagnostic::error("E0107", span, "an existing bus has its own log")
                    .help("remove `log`, or `existing`"),
            );
        }
        if !properties.has("log") && properties.has("logRetention") {
            let span = properties.span_of("logRetention");
            properties.report(
                Diagnostic::error("E0107", span, "the bus has no log")
                    .help("set `log`, such as `log: error`, or remove `logRetention`"),
            );
        }
        let log = level.map(|level| Log { level, retention });
        Some(Self { source, existing, allow, archive, log, encryption_key })
    }

    fn unused(&self) -> Option<&'static str> {
        (self.existing.is_none() && self.allow.is_none()).then_some(UNUSED)
    }

    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        // An existing bus keeps its own key; an archive of it is the stack's.
        (self.existing.is_none() || self.archive.is_some()).then_some(&mut self.encryption_key)
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        flows.add_dead_letters(name, name, "not encrypted");
    }
}

impl Allow {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let accounts =
            properties.field("accounts", "Account ids: 12 digits, quoted.", List(Str)).or(Vec::new());
        let organization =
            properties.field("organization", "Id of an organization: all of its accounts.", Str).optional();
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        for account in accounts.iter().filter(|account| !is_account(account)) {
            let span = properties.span_of("accounts");
            properties.report(
                Diagnostic::error("E0108", span, format!("`{}` is not an account id", shorten(account)))
                    .help("12 digits in quotes, such as \"111122223333\""),
            );
        }
        // AWS Organizations API reference, `Organization`.
        let is_organization = |text: &str| {
            text.strip_prefix("o-").is_some_and(|id| {
                (10..=32).contains(&id.len())
                    && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            })
        };
        if let Some(id) = organization.as_ref().filter(|id| !is_organization(id)) {
            let span = properties.span_of("organization");
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` is not the id of an organization", shorten(id)),
                )
                .help("such as `o-a1b2c3d4e5`"),
            );
        }
        if !properties.has("accounts") && !properties.has("organization") {
            let span = properties.span_of("");
            properties.report(
                Diagnostic::error("E0102", span, "the entry allows no account")
                    .help("set `accounts` or `organization`"),
            );
        }
        Some(Self { accounts, organization })
    }
}

impl Archive {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let retention = properties
            .field(
                "retention",
                "Time for which an event is kept, in whole days; forever by default.",
                Duration(DAY, 10_000 * DAY),
            )
            .optional();
        let pattern = properties
            .field("pattern", "Only events that match this event pattern.", PatternReader::OfEvent)
            .optional();
        if retention.is_some_and(|seconds| !seconds.is_multiple_of(DAY)) {
            let span = properties.span_of("retention");
            properties.report(
                Diagnostic::error("E0104", span, "EventBridge counts whole days").help("such as `30d`"),
            );
        }
        Some(Self { retention: retention.map(|seconds| seconds / DAY), pattern })
    }
}
