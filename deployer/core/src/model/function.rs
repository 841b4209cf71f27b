//! `type: function`.

use contract::EventKind;
use contract::settings::{
    ExtractSettings, FieldSettings, LoadSettings, OnConflict, Store, TransformSettings,
};

use super::access::{Access, Verb};
use super::code::{Architecture, FunctionCode, one_of_these};
use super::definition::{Definition, Drawing, Metrics};
use super::environment::{Environment, Variables};
use super::flow::{Flows, Role};
use super::pattern::{Pattern, PatternReader};
use super::properties::{
    AnyText, Boolean, Choice, Duration, Integer, List, Map, Object, Properties, Reference, Size, Str, Word,
    WordOrInteger, one_of,
};
use super::statement::Statement;
use super::worker::Worker;
use super::{Kind, ResourceRef, Text, network};
use crate::diagnostic::{Diagnostic, Span};

const MIB: u64 = 1 << 20;
const DAY: u64 = 86_400;

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// What it runs.
    pub code: FunctionCode,
    /// Processor that it runs on.
    pub architecture: Architecture,
    /// Reserved concurrency, if it has any.
    pub concurrency: Option<i64>,
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
    /// Variables of the file's own.
    pub environment: Environment,
    /// ARNs of layer versions.
    pub layers: Vec<Text>,
    /// The network that it runs in, if any.
    pub network: Option<ResourceRef>,
    /// TCP ports that it may connect to from there.
    pub outbound: Vec<i64>,
    /// What becomes of asynchronous invocations that fail.
    pub asynchronous: Option<Async>,
    /// Its HTTPS address.
    pub url: Option<Url>,
    /// Sources of the events and messages that start it.
    pub triggers: Vec<Trigger>,
    /// What it may do.
    pub access: Vec<Access>,
    /// Further permissions, as statements of IAM.
    pub statements: Vec<Statement>,
    /// The worker's own settings.
    pub settings: Option<Settings>,
}

/// `async` of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Async {
    /// Number of retries.
    pub retries: i64,
    /// Seconds after which an event is given up.
    pub max_age: u64,
    /// Queue that receives the events that were given up.
    pub on_failure: Option<ResourceRef>,
}

/// `url` of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Who may call it.
    pub auth: UrlAuth,
    /// Origins whose pages may call it.
    pub origins: Vec<String>,
}

/// Who may call a function's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlAuth {
    /// Who may by IAM, with signed requests.
    Iam,
    /// Everybody.
    None,
}

/// One `triggers` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Messages of a queue.
    Queue {
        /// The queue.
        queue: ResourceRef,
        /// Only messages that match.
        pattern: Option<Pattern>,
        /// Messages a call.
        batch: Batch,
        /// Executions at the same time for this queue.
        concurrency: Option<i64>,
    },
    /// Events of a bus.
    Bus {
        /// The bus.
        bus: ResourceRef,
        /// Which events.
        events: Events,
        /// Whether a queue with dead letters stands between rule and function.
        buffer: bool,
        /// Events a call, with a buffer.
        batch: Batch,
        /// Executions at the same time for the buffer.
        concurrency: Option<i64>,
    },
    /// Changes of a table.
    Table {
        /// The table.
        table: ResourceRef,
        /// Only changes that match.
        pattern: Option<Pattern>,
        /// Whether it begins with the oldest change that is still there, or with the next.
        from_oldest: bool,
        /// Changes a call.
        batch: Batch,
    },
}

/// Which events of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// Those of the contract with this name.
    Named(EventKind),
    /// Those that match.
    Matching {
        /// What they match.
        pattern: Pattern,
        /// Name of the trigger among those of its function, where the bus alone does not tell them apart.
        name: Option<String>,
    },
}

/// How many messages a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Messages at most.
    pub size: i64,
    /// Seconds that a call waits for them.
    pub window: u64,
}

/// Messages a call: one PutEvents call takes ten entries.
pub(super) const BATCH_SIZE: i64 = 10;

/// Words for the contract's events.
pub(super) const EVENTS: &[(&str, EventKind)] = &[
    (EventKind::TaskStarted.name(), EventKind::TaskStarted),
    (EventKind::RecordExtracted.name(), EventKind::RecordExtracted),
    (EventKind::ExtractionCompleted.name(), EventKind::ExtractionCompleted),
    (EventKind::RecordTransformed.name(), EventKind::RecordTransformed),
    (EventKind::RecordLoaded.name(), EventKind::RecordLoaded),
    (EventKind::Failed.name(), EventKind::Failed),
    (EventKind::Any.name(), EventKind::Any),
];

impl Function {
    /// The deployer's own worker that it runs, if it does.
    #[must_use]
    pub const fn worker(&self) -> Option<Worker> {
        self.code.code.worker()
    }
}

impl Definition for Function {
    const DESCRIPTION: &'static str = "A Lambda function with its triggers, its role and its log group.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[
        ("name", "function name"),
        ("arn", "ARN"),
        ("url", "its HTTPS address, if it has a `url`"),
        ("securityGroup", "id of its security group, if it is in a network"),
    ];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Invoke, "a function")];
    const DRAWING: Drawing = Drawing::Always(Role::Function);
    const METRICS: Option<Metrics> = Some(Metrics {
        namespace: "AWS/Lambda",
        dimension: "FunctionName",
        names: &[
            "Invocations",
            "Errors",
            "Throttles",
            "Duration",
            "ConcurrentExecutions",
            "DeadLetterErrors",
            "DestinationDeliveryFailures",
            "AsyncEventAge",
            "AsyncEventsDropped",
            "AsyncEventsReceived",
            "IteratorAge",
            "UrlRequestCount",
            "Url4xxCount",
            "Url5xxCount",
        ],
        graphs: [
            ("calls", "Sum", &["Invocations", "Errors", "Throttles"]),
            ("duration", "p95", &["Duration"]),
        ],
    });

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let worker = properties
            .field(
                "worker",
                "Worker of the deployer that it runs.",
                Choice(&[
                    ("extract", Worker::Extract),
                    ("transform", Worker::Transform),
                    ("load", Worker::Load),
                    ("observe", Worker::Observe),
                ]),
            )
            .optional();
        let code = properties
            .field("code", "Program that it runs, if it is not a worker.", Object(FunctionCode::read))
            .optional();
        one_of_these(properties, &["worker", "code"], "worker: extract");
        let architecture = Architecture::read(properties);
        let concurrency = properties
            .field(
                "concurrency",
                "Reserved concurrency: executions at the same time, which its queues share (each needs at least 2). \
                 `unreserved` uses the concurrency that the account has left.",
                WordOrInteger("unreserved", 1, 1_000),
            )
            .or(Some(2));
        let memory =
            properties.field("memory", "Memory, in whole MiB.", Size(128 * MIB, 10_240 * MIB)).or(256 * MIB);
        let timeout = properties.field("timeout", "Maximum time of one execution.", Duration(1, 900)).or(30);
        let log_retention = properties
            .field("logRetention", "Time for which log events are kept.", Duration(DAY, 3_653 * DAY))
            .or(30 * DAY);
        let tmp = properties
            .field("tmp", "Size of `/tmp`, in whole MiB.", Size(512 * MIB, 10_240 * MIB))
            .or(512 * MIB);
        let tracing = properties
            .field("tracing", "Record the executions with X-Ray, which charges for them.", Boolean)
            .or(false);
        let environment = properties
            .field("environment", "Environment variables for code of your own.", Variables::OfFunction)
            .or(Environment::default());
        let layers = properties
            .field("layers", "ARNs of layer versions, at most five, for code of your own.", List(AnyText))
            .or(Vec::new());
        let network = properties
            .field(
                "network",
                "Network that it runs in, to reach resources there.",
                Reference(&[Kind::Network]),
            )
            .optional();
        let outbound = network::outbound(properties);
        let asynchronous = properties
            .field(
                "async",
                "Retries and destination of failed asynchronous invocations: by schedules, topics, buckets, and by a bus \
                 without buffer.",
                Object(Async::read),
            )
            .optional();
        let url = properties.field("url", "HTTPS address of its own.", Object(Url::read)).optional();
        let triggers = properties
            .field(
                "triggers",
                "Sources of the events and messages that start it.",
                List(Object(Trigger::read)),
            )
            .or(Vec::new());
        let access = properties
            .field(
                "access",
                "Operations that it is allowed to perform, and on which resources.",
                List(Object(Access::read)),
            )
            .or(Vec::new());
        let statements = properties
            .field("statements", "Further permissions, as statements of IAM.", List(Object(Statement::read)))
            .or(Vec::new());
        let settings = properties
            .field(
                "settings",
                "Settings of the worker: `extract` has `shardSize` and `maxTasks`, `transform` has `fields`, `load` has `onConflict` and `store`.",
                Object(Settings::read),
            )
            .optional();
        for (name, size) in [("memory", memory), ("tmp", tmp)] {
            if !size.is_multiple_of(MIB) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0104", span, format!("`{name}` must be in whole MiB"))
                        .help("such as `512MiB`"),
                );
            }
        }
        check_log_retention(properties, log_retention);
        if layers.len() > MAX_LAYERS {
            let span = properties.span_of("layers");
            properties.report(
                Diagnostic::error("E0106", span, format!("{} layers", layers.len()))
                    .help(format!("Lambda accepts at most {MAX_LAYERS}")),
            );
        }
        for (name, with, other, help) in [
            ("environment", "code", "worker", "workers are configured by `access`; remove it"),
            ("layers", "code", "worker", "remove it"),
            ("settings", "worker", "code", "configure code of your own by `environment`"),
        ] {
            if properties.has(name) && properties.has(other) {
                let span = properties.span_of(name);
                let message = format!("`{name}` can only be used with `{with}`, not with `{other}`");
                properties.report(Diagnostic::error("E0107", span, message).help(help));
            }
        }
        let code = worker.map(FunctionCode::of_worker).or(code);
        Some(Self {
            code: code?,
            architecture,
            concurrency,
            memory,
            timeout,
            log_retention,
            tmp,
            tracing,
            environment,
            layers,
            network,
            outbound,
            asynchronous,
            url,
            triggers,
            access,
            statements,
            settings,
        })
    }

    fn unused(&self) -> Option<&'static str> {
        (self.triggers.is_empty() && self.url.is_none())
            .then_some("add `triggers`, name it in a `rule`, `schedule`, `topic` or `bucket`, or remove it")
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        for trigger in &self.triggers {
            let label = match trigger {
                Trigger::Queue { pattern: Some(_), .. } => "filtered",
                Trigger::Queue { .. } => "",
                Trigger::Bus { events: Events::Named(event), .. } => event.name(),
                Trigger::Bus { events: Events::Matching { name, .. }, .. } => {
                    name.as_deref().unwrap_or("pattern")
                }
                Trigger::Table { .. } => "changes",
            };
            flows.add(&trigger.source().name, name, label);
        }
        for to in self.dead_letter_queues() {
            flows.add_failure(name, to, "failed calls");
        }
        flows.add_access(name, &self.access);
    }

    fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
        self.asynchronous.iter().filter_map(|one| one.on_failure.as_ref()).collect()
    }
}

/// AWS Lambda Developer Guide, "Lambda quotas": layers of a function.
const MAX_LAYERS: usize = 5;

impl Async {
    /// Bounds: AWS Lambda API reference, `PutFunctionEventInvokeConfig`.
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let retries = properties.field("retries", "Number of retries.", Integer(0, 2)).or(2);
        let max_age = properties
            .field("maxAge", "Time after which an event is given up.", Duration(60, 6 * 3_600))
            .or(6 * 3_600);
        let on_failure = properties
            .field(
                "onFailure",
                "Queue that receives the events that were given up.",
                Reference(&[Kind::Queue]),
            )
            .optional();
        Some(Self { retries, max_age, on_failure })
    }
}

impl Url {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let auth = properties
            .field(
                "auth",
                "Authorization: `iam` for signed requests of callers that IAM allows, `none` for everybody.",
                Choice(&[("iam", UrlAuth::Iam), ("none", UrlAuth::None)]),
            )
            .or(UrlAuth::Iam);
        let origins = properties
            .field(
                "origins",
                "Origins whose pages are allowed to call it, such as `https://example.com`.",
                List(Str),
            )
            .or(Vec::new());
        Some(Self { auth, origins })
    }
}

impl Trigger {
    /// The resource that it names.
    #[must_use]
    pub const fn source(&self) -> &ResourceRef {
        match self {
            Self::Queue { queue: source, .. }
            | Self::Bus { bus: source, .. }
            | Self::Table { table: source, .. } => source,
        }
    }

    /// Messages a call.
    #[must_use]
    pub const fn batch(&self) -> Batch {
        match self {
            Self::Queue { batch, .. } | Self::Bus { batch, .. } | Self::Table { batch, .. } => *batch,
        }
    }

    /// Whether a queue of the function's own stands between the source and it.
    #[must_use]
    pub const fn is_buffered(&self) -> bool {
        matches!(self, Self::Bus { buffer: true, .. })
    }

    /// `concurrency` of the trigger, when it has a queue: `Some(None)` when the file leaves it open.
    #[must_use]
    pub const fn queue_concurrency(&self) -> Option<Option<i64>> {
        match self {
            Self::Queue { concurrency, .. } | Self::Bus { concurrency, buffer: true, .. } => {
                Some(*concurrency)
            }
            Self::Bus { .. } | Self::Table { .. } => None,
        }
    }

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let queue = properties
            .field("queue", "A queue whose messages start it.", Reference(&[Kind::Queue]))
            .optional();
        let bus = properties.field("bus", "A bus whose events start it.", Reference(&[Kind::Bus])).optional();
        let table = properties
            .field("table", "A table with a `stream`, whose changes start it.", Reference(&[Kind::Table]))
            .optional();
        let event = properties
            .field("event", "With `bus`: the events of the deployer's workers that start it.", Choice(EVENTS))
            .optional();
        let reader = match (properties.has("queue"), properties.has("table")) {
            (true, _) => PatternReader::OfMessage,
            (_, true) => PatternReader::OfChange,
            _ => PatternReader::OfEvent,
        };
        let pattern = properties
            .field(
                "pattern",
                "Only events that match this event pattern. With `bus`, instead of `event`; with `queue` and `table`, a filter \
                 of Lambda.",
                reader,
            )
            .optional();
        let name = properties
            .field("name", "With `pattern`: a name that distinguishes two patterns of the same bus.", Word)
            .optional();
        let buffer = properties
            .field(
                "buffer",
                "With `bus`: a queue with a dead-letter queue between rule and function, so that no event is lost.",
                Boolean,
            )
            .or(true);
        let size = properties
            .field(
                "batchSize",
                "Maximum number of messages per call; more than 10 need a `batchWindow`.",
                Integer(1, 10_000),
            )
            .or(BATCH_SIZE);
        let window = properties
            .field("batchWindow", "Time for which a call waits for more messages.", Duration(0, 300))
            .or(0);
        let concurrency = properties
            .field(
                "concurrency",
                "With a queue or a buffer: maximum executions at the same time for it; by default an equal share of those of \
                 the function.",
                Integer(2, 1_000),
            )
            .optional();
        let from_oldest = properties
            .field(
                "startFrom",
                "With `table`: begin with the next change, or with the oldest that is still available.",
                Choice(&[("latest", false), ("trim-horizon", true)]),
            )
            .or(false);
        let kinds: Vec<&str> =
            ["queue", "bus", "table"].into_iter().filter(|name| properties.has(name)).collect();
        let [kind] = kinds.as_slice() else {
            let span = properties.span_of(kinds.get(1).unwrap_or(&""));
            properties.report(
                Diagnostic::error("E0107", span, "a trigger must have a `queue`, a `bus` or a `table`")
                    .help("write `{ queue: \"${name}\" }`, `{ bus: \"${name}\", event: … }` or `{ table: \"${name}\" }`"),
            );
            return None;
        };
        let buffered = *kind == "queue" || (*kind == "bus" && buffer);
        let misplaced = [
            ("event", *kind != "bus", "with `bus`"),
            ("buffer", *kind != "bus", "with `bus`"),
            ("name", *kind != "bus" || !properties.has("pattern"), "with `bus` and `pattern`"),
            ("startFrom", *kind != "table", "with `table`"),
            ("concurrency", !buffered, "with a queue or a buffer"),
            ("batchSize", *kind == "bus" && !buffer, "with a queue, a buffer or a table"),
            ("batchWindow", *kind == "bus" && !buffer, "with a queue, a buffer or a table"),
        ];
        for (name, wrong, with) in misplaced {
            if wrong && properties.has(name) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0107", span, format!("`{name}` can only be used {with}"))
                        .help("remove it"),
                );
            }
        }
        if size > BATCH_SIZE && window == 0 && *kind != "table" {
            let span = properties.span_of("batchSize");
            properties.report(
                Diagnostic::error("E0107", span, "a `batchSize` above 10 needs a `batchWindow`")
                    .help("such as `batchWindow: 5s`"),
            );
        }
        let batch = Batch { size, window };
        match *kind {
            "queue" => Some(Self::Queue { queue: queue?, pattern, batch, concurrency }),
            "table" => Some(Self::Table { table: table?, pattern, from_oldest, batch }),
            _ => {
                let events = read_events(properties, event, pattern.map(|pattern| (pattern, name)));
                Some(Self::Bus { bus: bus?, events: events?, buffer, batch, concurrency })
            }
        }
    }
}

/// Which events: exactly one of `event` and `pattern`.
pub(super) fn read_events(
    properties: &mut Properties<'_>,
    event: Option<EventKind>,
    pattern: Option<(Pattern, Option<String>)>,
) -> Option<Events> {
    let span = properties.span_of(if properties.has("pattern") { "pattern" } else { "bus" });
    let words = one_of(EVENTS.iter().map(|(name, _)| *name));
    match (properties.has("event"), properties.has("pattern")) {
        (false, false) => properties.report(
            Diagnostic::error("E0102", span, "`event` is missing")
                .help(format!("name the events of the bus: {words}; or write a `pattern`")),
        ),
        (true, true) => properties.report(
            Diagnostic::error("E0107", span, "`event` and `pattern` cannot be used together")
                .help("keep one of them"),
        ),
        _ => {}
    }
    event.map(Events::Named).or(pattern.map(|(pattern, name)| Events::Matching { pattern, name }))
}

/// Settings of a worker. Which of them a worker has is a rule of [`crate::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Of `extract`.
    pub extract: ExtractSettings,
    /// Of `transform`.
    pub transform: TransformSettings,
    /// Where each of its fields stands.
    pub fields: Vec<Span>,
    /// Of `load`.
    pub load: LoadSettings,
    /// Names of those that are given, and where.
    pub given: Vec<(&'static str, Span)>,
}

/// Names of the settings of each worker.
pub const SETTINGS: [(Worker, &[&str]); 5] = [
    (Worker::Extract, &["shardSize", "maxTasks"]),
    (Worker::Transform, &["fields"]),
    (Worker::Load, &["onConflict", "store"]),
    (Worker::Observe, &[]),
    (Worker::Extraction, &[]),
];

impl Settings {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let defaults = ExtractSettings::default();
        let shard_size = properties
            .field(
                "shardSize",
                "For `extract`: size up to which one task reads an object; a larger object is divided among several tasks.",
                Size(MIB, 1 << 50),
            )
            .or(defaults.shard_size);
        let max_tasks = properties
            .field(
                "maxTasks",
                "For `extract`: maximum number of tasks that read one object.",
                Integer(1, 100),
            )
            .or(i64::from(defaults.max_tasks));
        let fields = properties
            .field(
                "fields",
                "For `transform`: attributes of the item, name → source of the value.",
                Map(Object(read_field)),
            )
            .or(Vec::new());
        let spans = fields.iter().map(|(_, (_, span))| *span).collect();
        let fields = fields.into_iter().map(|(name, (field, _))| FieldSettings { name, ..field }).collect();
        let on_conflict = properties
            .field(
                "onConflict",
                "For `load`: the item that is kept if two have the same key. `overwrite`: the one that is written last; \
                 `newest`: the one of the object that was uploaded last, and within one object the one of the last row.",
                Choice(&[("overwrite", OnConflict::Overwrite), ("newest", OnConflict::Newest)]),
            )
            .or(OnConflict::Overwrite);
        let store = properties
            .field(
                "store",
                "For `load`: form in which sensitive fields are written. `decrypted`: as they were in the file; `encrypted`: \
                 with everything that their decryption needs except the key.",
                Choice(&[("decrypted", Store::Decrypted), ("encrypted", Store::Encrypted)]),
            )
            .or(Store::Decrypted);
        let names = SETTINGS.iter().flat_map(|(_, names)| names.iter().copied());
        let given =
            names.filter(|name| properties.has(name)).map(|name| (name, properties.span_of(name))).collect();
        Some(Self {
            extract: ExtractSettings { shard_size, max_tasks: u32::try_from(max_tasks).unwrap_or(1) },
            transform: TransformSettings { fields },
            fields: spans,
            load: LoadSettings { on_conflict, store },
            given,
        })
    }

    /// Whether this setting is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The JSON that the worker reads.
    #[must_use]
    pub fn json(&self, worker: Worker) -> Option<String> {
        match worker {
            Worker::Extract => serde_json::to_string(&self.extract),
            Worker::Transform => serde_json::to_string(&self.transform),
            Worker::Load => serde_json::to_string(&self.load),
            Worker::Observe | Worker::Extraction => return None,
        }
        .ok()
    }
}

fn read_field(properties: &mut Properties<'_>) -> Option<(FieldSettings, Span)> {
    let from = properties.field("from", "Column of the CSV.", Str).required();
    let required = properties.field("required", "Fail rows without a value.", Boolean).or(false);
    let optional = properties
        .field(
            "optional",
            "Accept files without the column. By default, such a file fails as a whole.",
            Boolean,
        )
        .or(false);
    let default = properties
        .field("default", "Value to use if the row has none, or the file lacks the optional column.", Str)
        .optional();
    let sensitive = properties
        .field("sensitive", "Encrypt the value in the task so that only `load` can read it (KMS).", Boolean)
        .or(false);
    if sensitive && properties.has("default") {
        let span = properties.span_of("default");
        properties.report(
            Diagnostic::error("E0107", span, "a sensitive field has no `default`")
                .help("it would be in plain text, here and in the template; remove it"),
        );
    }
    for (with, message, help) in [
        (
            sensitive,
            "a sensitive field can't be optional",
            "in a file with another name for the column, its values would not be encrypted; remove `optional`",
        ),
        (
            required,
            "a field can't be both required and optional",
            "`optional` allows files without the column, and `required` would fail each of their rows; remove one of them",
        ),
    ] {
        if optional && with {
            let span = properties.span_of("optional");
            properties.report(Diagnostic::error("E0107", span, message).help(help));
        }
    }
    let field = FieldSettings { name: String::new(), from: from?, required, optional, default, sensitive };
    Some((field, properties.span_of("")))
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
