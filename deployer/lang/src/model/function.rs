//! `type: function`.

use deployer_syntax::diagnostic::Diagnostic;

use super::access::{Access, Verb};
use super::code::{Architecture, FunctionCode, one_of_these};
use super::definition::{Definition, Drawing, Metrics};
use super::environment::{Environment, Variables};
use super::flow::{Flows, Role};
use super::properties::{
    AnyText, Boolean, Choice, Duration, Integer, List, Object, Properties, Reference, Size, Str,
    WordOrInteger,
};
use super::statement::Statement;
use super::worker::Worker;
use super::{Kind, ResourceRef, Text, network};

mod fields;
mod settings;
mod trigger;

pub use self::fields::{Conditions, Expressions, FieldPlace, Place, ReadColumn, is_constant};
pub use self::settings::{SETTINGS, Settings};
pub use self::trigger::{Batch, Events, Trigger};
pub(super) use self::trigger::{EVENTS, read_events};

const MIB: u64 = 1 << 20;
const DAY: u64 = 86_400;

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its code.
    pub code: FunctionCode,
    /// Processor that it runs on.
    pub architecture: Architecture,
    /// Reserved concurrency, if it has any.
    pub concurrency: Option<i64>,
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds until it is stopped.
    pub timeout: u64,
    /// Seconds for which log events are kept.
    pub log_retention: u64,
    /// Bytes of `/tmp`.
    pub tmp: u64,
    /// `true` if X-Ray records its executions.
    pub tracing: bool,
    /// Variables from the file.
    pub environment: Environment,
    /// ARNs of layer versions.
    pub layers: Vec<Text>,
    /// The network that it runs in, if any.
    pub network: Option<ResourceRef>,
    /// TCP ports that it may connect to from there.
    pub outbound: Vec<i64>,
    /// Settings for asynchronous invocations that fail.
    pub asynchronous: Option<Async>,
    /// Its HTTPS address.
    pub url: Option<Url>,
    /// Sources of the events and messages that start it.
    pub triggers: Vec<Trigger>,
    /// Its permissions.
    pub access: Vec<Access>,
    /// Further permissions, as statements of IAM.
    pub statements: Vec<Statement>,
    /// The worker's own settings.
    pub settings: Option<Box<Settings>>,
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
    /// The authorization of its callers.
    pub auth: UrlAuth,
    /// Origins whose pages may call it.
    pub origins: Vec<String>,
}

/// The authorization of the callers of a function's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlAuth {
    /// Callers that IAM allows, with signed requests.
    Iam,
    /// Everybody.
    None,
}

impl Function {
    /// Returns the deployer's own worker that it runs, if it does.
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
                    ("report", Worker::Report),
                    ("snapshot", Worker::Snapshot),
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
                "Settings of the worker: `extract` has `shardSize`, `maxTasks` and `inline`, `transform` has `fields`, `where` and `delete`, `load` has `onConflict` and `store`, `observe` has `metrics`.",
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
            settings: settings.map(Box::new),
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
            let source = &trigger.source().name;
            if trigger.is_buffered() {
                flows.add_buffered(source, name, label);
            } else {
                flows.add(source, name, label);
            }
        }
        flows.add_dead_letters(name, name, "failed changes");
        for to in self.dead_letter_queues() {
            flows.add_failure(name, to, "failed calls");
        }
        flows.add_access(name, &self.access);
    }

    fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
        self.asynchronous.iter().filter_map(|one| one.on_failure.as_ref()).collect()
    }
}

/// Most layers of a function: AWS Lambda Developer Guide, "Lambda quotas".
const MAX_LAYERS: usize = 5;

impl Async {
    /// Reads it. Bounds: AWS Lambda API reference, `PutFunctionEventInvokeConfig`.
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
