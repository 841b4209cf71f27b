//! The names of events in `stack.yaml`, and the patterns that match them.

use serde_json::{Value, json};

use super::ESCAPED;
use crate::{FailedStage, verification};

/// The fields of the events that `load` publishes about what it has written or deleted.
const WRITTEN: &[&str] = &[
    "object",
    "record",
    "table",
    "key",
    "overwritten",
    "replaced",
    "outdated",
    "overlapping",
    "leapSeconds",
    ESCAPED,
];

/// The fields of the outcome of an object. Its last is in `snapshot-completed` alone.
static OUTCOME: [&str; 17] = [
    "object",
    "id",
    "attempt",
    "rows",
    "loaded",
    "skipped",
    "failed",
    "reasons",
    "overwritten",
    "outdated",
    "overlapping",
    "bytes",
    "seconds",
    "failure",
    "files",
    ESCAPED,
    "snapshot",
];

/// The events that a trigger in `stack.yaml` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A task was started for an object.
    TaskStarted,
    /// The task read one row.
    RecordExtracted,
    /// The task read the whole object.
    ExtractionCompleted,
    /// A row became an item.
    RecordTransformed,
    /// A row became the request to delete an item.
    DeletionRequested,
    /// A row was left out on purpose.
    RecordSkipped,
    /// An item was written to the table.
    RecordLoaded,
    /// An item was deleted from the table.
    RecordDeleted,
    /// An item was not written, because the table had one of the same key.
    RecordExisting,
    /// Every row of an object is settled.
    ObjectCompleted,
    /// The items that the latest version of a file lacks are deleted, or left.
    SnapshotCompleted,
    /// An object or a row could not be processed.
    Failed,
    /// Every event of the pipeline.
    Any,
}

impl EventKind {
    /// Every kind, in the order in which they happen.
    pub const ALL: [Self; 13] = [
        Self::TaskStarted,
        Self::RecordExtracted,
        Self::ExtractionCompleted,
        Self::RecordTransformed,
        Self::DeletionRequested,
        Self::RecordSkipped,
        Self::RecordLoaded,
        Self::RecordDeleted,
        Self::RecordExisting,
        Self::ObjectCompleted,
        Self::SnapshotCompleted,
        Self::Failed,
        Self::Any,
    ];

    /// Returns the name in `stack.yaml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskStarted => "task-started",
            Self::RecordExtracted => "record-extracted",
            Self::ExtractionCompleted => "extraction-completed",
            Self::RecordTransformed => "record-transformed",
            Self::DeletionRequested => "deletion-requested",
            Self::RecordSkipped => "record-skipped",
            Self::RecordLoaded => "record-loaded",
            Self::RecordDeleted => "record-deleted",
            Self::RecordExisting => "record-existing",
            Self::ObjectCompleted => "object-completed",
            Self::SnapshotCompleted => "snapshot-completed",
            Self::Failed => "failed",
            Self::Any => "any",
        }
    }

    /// Returns the kind with this name in `stack.yaml`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the EventBridge event pattern that matches exactly these events of `source`.
    #[must_use]
    pub fn pattern(self, source: &str) -> Value {
        Self::pattern_of(&[self], source)
    }

    /// Returns the event pattern that matches exactly the events of these kinds.
    #[must_use]
    pub fn pattern_of(kinds: &[Self], source: &str) -> Value {
        Self::pattern_from(kinds, &[source])
    }

    /// Returns the event pattern for a worker: that of [`Self::pattern_of`], which also matches the marked events of
    /// [`crate::verification`].
    #[must_use]
    pub fn pattern_of_worker(kinds: &[Self], source: &str) -> Value {
        Self::pattern_from(kinds, &[source, &verification::source(source)])
    }

    fn pattern_from(kinds: &[Self], sources: &[&str]) -> Value {
        if kinds.contains(&Self::Any) {
            return json!({ "source": sources });
        }
        let (mut detail_types, mut statuses) = (Vec::new(), Vec::new());
        for (detail_type, status, _) in kinds.iter().flat_map(|kind| kind.details()) {
            detail_types.push(detail_type);
            // Each detail type has one status, so no event has the one of another kind.
            if !statuses.contains(&status) {
                statuses.push(status);
            }
        }
        json!({ "source": sources, "detail-type": detail_types, "detail": { "status": statuses } })
    }
}

impl EventKind {
    /// Returns the detail types of these events with the fields that `detail` may have, besides `status`.
    #[must_use]
    pub fn details(self) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
        match self {
            Self::TaskStarted => vec![("ecs-started", "success", &["object", "task", ESCAPED])],
            Self::RecordExtracted => {
                vec![(
                    "s3RecordExtraction",
                    "extracted",
                    &["object", "record", "headers", "data", "dataKey", "location", ESCAPED],
                )]
            }
            Self::ExtractionCompleted => {
                vec![(
                    "s3ExtractionCompleted",
                    "completed",
                    &["object", "rows", "bytes", "rejected", "skipped", "encoding", "shard", ESCAPED],
                )]
            }
            Self::RecordTransformed => {
                let fields = &["object", "record", "data", "dataKey", "leapSeconds", ESCAPED];
                vec![("transform", "transformed", fields)]
            }
            Self::DeletionRequested => {
                vec![("transformDeletion", "requested", &["object", "record", "key", ESCAPED])]
            }
            Self::RecordSkipped => {
                vec![("transformSkipped", "skipped", &["object", "record", ESCAPED])]
            }
            Self::RecordLoaded => {
                vec![("data-loaded", "success", WRITTEN)]
            }
            Self::RecordDeleted => vec![("data-deleted", "success", WRITTEN)],
            Self::RecordExisting => {
                vec![("loadSkipped", "skipped", &["object", "record", "reason", "table", "key", ESCAPED])]
            }
            Self::ObjectCompleted => {
                let fields = OUTCOME.split_last().map_or(&[][..], |(_, fields)| fields);
                vec![("s3ObjectCompleted", "completed", fields)]
            }
            Self::SnapshotCompleted => vec![("s3SnapshotCompleted", "completed", &OUTCOME)],
            Self::Failed => FailedStage::ALL
                .map(|stage| {
                    let fields: &[&str] =
                        &["object", "record", "reason", "message", "field", "column", ESCAPED];
                    (stage.detail_type(), "failed", fields)
                })
                .to_vec(),
            Self::Any => {
                Self::ALL.into_iter().filter(|kind| *kind != Self::Any).flat_map(Self::details).collect()
            }
        }
    }
}
