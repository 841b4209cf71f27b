//! `type: function`.

use contract::EventKind;
use contract::settings::{FieldSettings, TransformSettings};

use super::access::Access;
use super::properties::{
    Boolean, Choice, Duration, Integer, List, Map, Object, Properties, Reference, Size, Str, one_of,
};
use super::{Kind, ResourceRef};
use crate::assets::Worker;
use crate::diagnostic::Diagnostic;

/// What the type is.
pub const DESCRIPTION: &str = "A Lambda function with its triggers, its role and its log group.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "function name"), ("arn", "ARN")];

const MIB: u64 = 1 << 20;
const DAY: u64 = 86_400;

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The worker that it runs.
    pub worker: Worker,
    /// Reserved concurrency, and the concurrency of each of its queues.
    pub concurrency: i64,
    /// Bytes.
    pub memory: u64,
    /// Seconds.
    pub timeout: u64,
    /// Seconds for which log events are kept.
    pub log_retention: u64,
    /// Bytes of `/tmp`.
    pub tmp: u64,
    /// Whether X-Ray records its executions.
    pub tracing: bool,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// What it may do.
    pub access: Vec<Access>,
    /// The worker's own settings.
    pub settings: Option<TransformSettings>,
}

/// One `triggers` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Messages of a queue.
    Queue(ResourceRef),
    /// Events of a bus.
    Bus {
        /// The bus.
        bus: ResourceRef,
        /// Which events.
        event: EventKind,
        /// Whether a queue with dead letters stands between rule and function.
        buffer: bool,
    },
}

const EVENTS: &[(&str, EventKind)] = &[
    (EventKind::TaskStarted.name(), EventKind::TaskStarted),
    (EventKind::RecordExtracted.name(), EventKind::RecordExtracted),
    (EventKind::ExtractionCompleted.name(), EventKind::ExtractionCompleted),
    (EventKind::RecordTransformed.name(), EventKind::RecordTransformed),
    (EventKind::RecordLoaded.name(), EventKind::RecordLoaded),
    (EventKind::Failed.name(), EventKind::Failed),
    (EventKind::Any.name(), EventKind::Any),
];

impl Function {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let worker = properties
            .field(
                "worker",
                "Which of the workers it runs.",
                Choice(&[
                    ("extract", Worker::Extract),
                    ("transform", Worker::Transform),
                    ("load", Worker::Load),
                    ("observe", Worker::Observe),
                ]),
            )
            .required();
        let concurrency = properties
            .field(
                "concurrency",
                "Executions at the same time: reserved concurrency, and maximum concurrency of its queues (which AWS wants to be 2 at least).",
                Integer(2, 1_000),
            )
            .or(2);
        let memory =
            properties.field("memory", "Memory, in whole MiB.", Size(128 * MIB, 10_240 * MIB)).or(256 * MIB);
        let timeout =
            properties.field("timeout", "How long one execution may take.", Duration(1, 900)).or(30);
        let log_retention = properties
            .field("logRetention", "How long log events are kept.", Duration(DAY, 3_653 * DAY))
            .or(30 * DAY);
        let tmp = properties
            .field("tmp", "Room in `/tmp`, in whole MiB.", Size(512 * MIB, 10_240 * MIB))
            .or(512 * MIB);
        let tracing = properties
            .field("tracing", "Whether X-Ray records its executions, which it bills.", Boolean)
            .or(false);
        let triggers =
            properties.field("triggers", "What starts it.", List(Object(Trigger::read))).or(Vec::new());
        let access = properties
            .field("access", "What it may do, and to what.", List(Object(Access::read)))
            .or(Vec::new());
        let settings = properties
            .field(
                "settings",
                "Settings of the worker; `transform` has `fields`.",
                Object(read_transform_settings),
            )
            .optional();
        for (name, size) in [("memory", memory), ("tmp", tmp)] {
            if !size.is_multiple_of(MIB) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0104", span, format!("`{name}` comes in whole MiB"))
                        .help("such as `512MiB`"),
                );
            }
        }
        check_log_retention(properties, log_retention);
        Some(Self {
            worker: worker?,
            concurrency,
            memory,
            timeout,
            log_retention,
            tmp,
            tracing,
            triggers,
            access,
            settings,
        })
    }
}

impl Trigger {
    /// The queue or bus that it names.
    #[must_use]
    pub const fn source(&self) -> &ResourceRef {
        match self {
            Self::Queue(queue) => queue,
            Self::Bus { bus, .. } => bus,
        }
    }

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let queue = properties
            .field("queue", "A queue whose messages start it.", Reference(&[Kind::Queue]))
            .optional();
        let bus = properties.field("bus", "A bus whose events start it.", Reference(&[Kind::Bus])).optional();
        let event = properties.field("event", "Which events of the bus.", Choice(EVENTS)).optional();
        let buffer = properties
            .field(
                "buffer",
                "A queue with dead letters between rule and function, so that no event is lost.",
                Boolean,
            )
            .or(true);
        match (properties.has("queue"), properties.has("bus")) {
            (true, false) => {
                for name in ["event", "buffer"] {
                    if properties.has(name) {
                        let span = properties.span_of(name);
                        properties.report(
                            Diagnostic::error(
                                "E0107",
                                span,
                                format!("`{name}` goes with `bus`, not with `queue`"),
                            )
                            .help("remove it"),
                        );
                    }
                }
                queue.map(Self::Queue)
            }
            (false, true) => {
                if !properties.has("event") {
                    let span = properties.span_of("bus");
                    let words = one_of(EVENTS.iter().map(|(name, _)| *name));
                    properties.report(
                        Diagnostic::error("E0102", span, "`event` is missing")
                            .help(format!("which events of the bus: {words}")),
                    );
                }
                Some(Self::Bus { bus: bus?, event: event?, buffer })
            }
            (queue, _) => {
                let span = properties.span_of(if queue { "bus" } else { "" });
                properties.report(
                    Diagnostic::error("E0107", span, "a trigger is either a `queue` or a `bus`")
                        .help("write `{ queue: \"${name}\" }` or `{ bus: \"${name}\", event: … }`"),
                );
                None
            }
        }
    }
}

fn read_transform_settings(properties: &mut Properties<'_>) -> Option<TransformSettings> {
    let fields = properties
        .field("fields", "The item's attributes: name → where its value comes from.", Map(Object(read_field)))
        .required();
    let fields = fields?.into_iter().map(|(name, field)| FieldSettings { name, ..field }).collect();
    Some(TransformSettings { fields })
}

fn read_field(properties: &mut Properties<'_>) -> Option<FieldSettings> {
    let from = properties.field("from", "The column of the CSV.", Str).required();
    let required = properties.field("required", "Whether a row without a value fails.", Boolean).or(false);
    let default = properties.field("default", "The value when the row has none.", Str).optional();
    Some(FieldSettings { name: String::new(), from: from?, required, default })
}

/// Days that CloudWatch Logs can keep events for: API reference, `PutRetentionPolicy`.
const RETENTION_DAYS: [u64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288,
    3_653,
];

pub(super) fn check_log_retention(properties: &mut Properties<'_>, seconds: u64) {
    if !(seconds.is_multiple_of(DAY) && RETENTION_DAYS.contains(&(seconds / DAY))) {
        let span = properties.span_of("logRetention");
        let days = RETENTION_DAYS.map(|days| format!("{days}d")).join(", ");
        properties.report(
            Diagnostic::error("E0104", span, "CloudWatch Logs can't keep events for that long")
                .help(format!("one of {days}")),
        );
    }
}
