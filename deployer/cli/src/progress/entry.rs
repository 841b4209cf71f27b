//! Lines of the observer's log, each of which is one event.

use std::ops::Range;

use contract::ObjectRef;
use serde_json::Value;
use tally::RowSet;

use super::{Failure, rows_text};

/// A line of the observer: one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the event, such as `record-loaded`.
    pub event: String,
    pub(super) object: ObjectRef,
    /// The rows that it is about: one, or as many as were in one event.
    pub(super) records: Option<Range<u64>>,
    pub(super) rows: Option<u64>,
    rejected: Option<u64>,
    /// The part of the object that a task has read.
    pub(super) part: Option<Part>,
    pub(super) failure: Option<Failure>,
}

/// A part of an object that several tasks read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its number, from 1.
    pub(super) index: u64,
    /// The number of parts.
    pub(super) of: u64,
}

/// The greatest number of rows of an event that is believed: that of `rowsPerEvent`.
const MAX_RECORDS: u64 = 1_000;

impl Entry {
    /// Parses a line; `None` if it is not about an object.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let failure = text("reason").map(|reason| Failure { reason, message: text("cause") });
        Some(Self {
            event: text("message")?,
            object: ObjectRef {
                bucket: text("bucket")?,
                key: text("key")?,
                version: text("version"),
                etag: text("etag"),
                uploaded: None,
                replay: None,
            },
            records: line["record"].as_u64().map(|first| {
                let count = line["recordCount"].as_u64().unwrap_or(1).clamp(1, MAX_RECORDS);
                first..first.saturating_add(count)
            }),
            rows: line["rows"].as_u64(),
            rejected: line["rejected"].as_u64(),
            part: line["shard"].as_u64().zip(line["shards"].as_u64()).map(|(index, of)| Part { index, of }),
            failure,
        })
    }

    /// Describes the event in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut out = format!("{:<20} {}", self.event, self.object.key);
        if let Some(records) = &self.records {
            out.push(' ');
            out.push_str(&rows_text(&RowSet::range(records.clone())));
        }
        if let Some(rows) = self.rows {
            let part =
                self.part.map(|Part { index, of }| format!(" in part {index} of {of}")).unwrap_or_default();
            out.push_str(&format!(": {rows} rows{part}, {} rejected", self.rejected.unwrap_or_default()));
        }
        if let Some(failure) = &self.failure {
            out.push_str(&format!(": {failure}"));
        }
        out
    }
}
