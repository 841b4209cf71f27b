//! The line that `observe` logs for an event.

use contract::brief::{Brief, What};
use contract::event::SnapshotReason;
use serde::Serialize;

/// The target of the lines: that of the function.
const TARGET: &str = "functions::observe";
const INFO: &str = "INFO";
pub(super) const WARN: &str = "WARN";

/// A line of the log, in the form in which `tracing` writes others.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    timestamp: &'a str,
    pub(super) level: &'static str,
    message: &'static str,
    #[serde(rename = "message_id", skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_id: Option<&'a str>,
    /// Only where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<u64>,
    /// The part of an object that several tasks read, and the number of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
    /// Items that `snapshot` has deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    target: &'static str,
}

impl<'a> Line<'a> {
    /// Returns the line of an event of the pipeline.
    pub(super) fn of(event: &'a Brief<'_>) -> Self {
        let (object, record) = (event.object.as_ref(), event.record.as_ref());
        let line = Self {
            level: INFO,
            detail_type: Some(&event.detail_type),
            source: event.source.as_deref(),
            status: Some(&event.status),
            bucket: object.map(|object| &*object.bucket),
            key: object.map(|object| &*object.key),
            version: object.and_then(|object| object.version.as_deref()),
            etag: object.and_then(|object| object.etag.as_deref()),
            record: record.map(|record| record.index),
            record_id: record.map(|record| &*record.id),
            record_count: record.map(|record| record.count).filter(|count| *count > 1),
            target: TARGET,
            ..Self::default()
        };
        match &event.what {
            What::TaskStarted { task } => Self { message: "task-started", task: Some(task), ..line },
            What::Extracted => Self { message: "record-extracted", ..line },
            What::Completed { rows, bytes, rejected, shard } => Self {
                message: "extraction-completed",
                rows: Some(*rows),
                bytes: Some(*bytes),
                rejected: Some(*rejected),
                shard: shard.map(|shard| shard.index),
                shards: shard.map(|shard| shard.of),
                ..line
            },
            What::Transformed { .. } => Self { message: "record-transformed", ..line },
            What::Deletion => Self { message: "deletion-requested", ..line },
            What::Loaded(written) => Self { message: "record-loaded", table: Some(&written.table), ..line },
            What::Deleted(written) => Self { message: "record-deleted", table: Some(&written.table), ..line },
            What::Existing(written) => {
                Self { message: "record-existing", table: Some(&written.table), ..line }
            }
            What::Skipped => Self { message: "record-skipped", ..line },
            What::ObjectCompleted { attempt, rows, loaded, failed } => Self {
                message: "object-completed",
                attempt: Some(*attempt),
                rows: Some(*rows),
                loaded: Some(*loaded),
                failed: Some(*failed),
                ..line
            },
            What::SnapshotCompleted { attempt, rows, snapshot } => Self {
                // Items that should go and stay are something to look at.
                level: if snapshot.reason.is_some() { WARN } else { INFO },
                message: "snapshot-completed",
                attempt: Some(*attempt),
                rows: Some(*rows),
                deleted: Some(snapshot.deleted),
                reason: snapshot.reason.map(SnapshotReason::code),
                ..line
            },
            What::Failed { code, message, field, column, .. } => Self {
                level: WARN,
                message: "failed",
                reason: Some(code),
                cause: Some(message),
                field: field.as_deref(),
                column: column.as_deref(),
                ..line
            },
        }
    }

    /// Returns the line of an event of others.
    pub(super) fn foreign(id: &'a str, detail_type: Option<&'a str>, source: Option<&'a str>) -> Self {
        Self {
            level: WARN,
            message: "foreign event",
            message_id: Some(id),
            detail_type,
            source,
            target: TARGET,
            ..Self::default()
        }
    }

    /// Returns the line with its time.
    pub(super) const fn at<'t: 'a>(self, timestamp: &'t str) -> Self {
        Self { timestamp, ..self }
    }
}
