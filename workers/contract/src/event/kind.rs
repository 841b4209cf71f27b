//! The names of events in `stack.yaml`, and the patterns that match them.

use serde_json::{Value, json};

use super::ESCAPED;
use crate::FailedStage;

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
    /// A row was left out on purpose.
    RecordSkipped,
    /// An item was written to the table.
    RecordLoaded,
    /// An object or a row could not be processed.
    Failed,
    /// Every event of the pipeline.
    Any,
}

impl EventKind {
    /// Every kind, in the order in which they happen.
    pub const ALL: [Self; 8] = [
        Self::TaskStarted,
        Self::RecordExtracted,
        Self::ExtractionCompleted,
        Self::RecordTransformed,
        Self::RecordSkipped,
        Self::RecordLoaded,
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
            Self::RecordSkipped => "record-skipped",
            Self::RecordLoaded => "record-loaded",
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
        let of = |detail_types: &[&str], status: &str| json!({ "source": [source], "detail-type": detail_types, "detail": { "status": [status] } });
        match self {
            Self::TaskStarted => of(&["ecs-started"], "success"),
            Self::RecordExtracted => of(&["s3RecordExtraction"], "extracted"),
            Self::ExtractionCompleted => of(&["s3ExtractionCompleted"], "completed"),
            Self::RecordTransformed => of(&["transform"], "transformed"),
            Self::RecordSkipped => of(&["transformSkipped"], "skipped"),
            Self::RecordLoaded => of(&["data-loaded"], "success"),
            Self::Failed => of(&FailedStage::ALL.map(FailedStage::detail_type), "failed"),
            Self::Any => json!({ "source": [source] }),
        }
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
                vec![("transform", "transformed", &["object", "record", "data", "dataKey", ESCAPED])]
            }
            Self::RecordSkipped => {
                vec![("transformSkipped", "skipped", &["object", "record", ESCAPED])]
            }
            Self::RecordLoaded => {
                vec![(
                    "data-loaded",
                    "success",
                    &["object", "record", "table", "key", "overwritten", ESCAPED],
                )]
            }
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
