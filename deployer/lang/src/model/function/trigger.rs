//! `triggers` of a function.

use contract::EventKind;
use deployer_syntax::diagnostic::Diagnostic;

use crate::model::pattern::{Pattern, PatternReader};
use crate::model::properties::{Boolean, Choice, Duration, Integer, Properties, Reference, Word, one_of};
use crate::model::{Kind, ResourceRef};

/// One `triggers` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Messages of a queue.
    Queue {
        /// The queue.
        queue: ResourceRef,
        /// Pattern of the messages that are taken.
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
        /// The selection of its events.
        events: Events,
        /// `true` if a queue with dead letters is between rule and function.
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
        /// Pattern of the changes that are taken.
        pattern: Option<Pattern>,
        /// `true` if it begins with the oldest change that is still available, and not with the next one.
        from_oldest: bool,
        /// Changes a call.
        batch: Batch,
    },
}

/// A selection of the events of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// Events of the contract with this name.
    Named(EventKind),
    /// Events that match.
    Matching {
        /// The pattern that they match.
        pattern: Pattern,
        /// Name of the trigger among those of its function, if the bus alone does not tell them apart.
        name: Option<String>,
    },
}

/// The number of messages of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Most messages of a call.
    pub size: i64,
    /// Seconds that a call waits for them.
    pub window: u64,
}

/// Messages a call: one PutEvents call takes ten entries.
const BATCH_SIZE: i64 = 10;

/// Words for the contract's events.
pub(in crate::model) const EVENTS: &[(&str, EventKind)] = &[
    (EventKind::TaskStarted.name(), EventKind::TaskStarted),
    (EventKind::RecordExtracted.name(), EventKind::RecordExtracted),
    (EventKind::ExtractionCompleted.name(), EventKind::ExtractionCompleted),
    (EventKind::RecordTransformed.name(), EventKind::RecordTransformed),
    (EventKind::DeletionRequested.name(), EventKind::DeletionRequested),
    (EventKind::RecordSkipped.name(), EventKind::RecordSkipped),
    (EventKind::RecordLoaded.name(), EventKind::RecordLoaded),
    (EventKind::RecordDeleted.name(), EventKind::RecordDeleted),
    (EventKind::RecordExisting.name(), EventKind::RecordExisting),
    (EventKind::ObjectCompleted.name(), EventKind::ObjectCompleted),
    (EventKind::SnapshotCompleted.name(), EventKind::SnapshotCompleted),
    (EventKind::Failed.name(), EventKind::Failed),
    (EventKind::Any.name(), EventKind::Any),
];

impl Trigger {
    /// Returns the resource that it names.
    #[must_use]
    pub const fn source(&self) -> &ResourceRef {
        match self {
            Self::Queue { queue: source, .. }
            | Self::Bus { bus: source, .. }
            | Self::Table { table: source, .. } => source,
        }
    }

    /// Returns the number of messages of a call.
    #[must_use]
    pub const fn batch(&self) -> Batch {
        match self {
            Self::Queue { batch, .. } | Self::Bus { batch, .. } | Self::Table { batch, .. } => *batch,
        }
    }

    /// Returns whether a queue of the function's own is between the source and the function.
    #[must_use]
    pub const fn is_buffered(&self) -> bool {
        matches!(self, Self::Bus { buffer: true, .. })
    }

    /// Returns `concurrency` of the trigger, if it has a queue: `Some(None)` if the file leaves it open.
    #[must_use]
    pub const fn queue_concurrency(&self) -> Option<Option<i64>> {
        match self {
            Self::Queue { concurrency, .. } | Self::Bus { concurrency, buffer: true, .. } => {
                Some(*concurrency)
            }
            Self::Bus { .. } | Self::Table { .. } => None,
        }
    }

    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
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

/// Reads the selection of events: exactly one of `event` and `pattern`.
pub(in crate::model) fn read_events(
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
