//! What has become of the rows of one uploaded file: by the tally, or by the lines that the observer logs.

use std::collections::{BTreeMap, BTreeSet};

use contract::ObjectRef;
use serde_json::Value;
use tally::Tally;

/// A line of the observer: one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the event, such as `record-loaded`.
    pub event: String,
    object: ObjectRef,
    record: Option<u64>,
    rows: Option<u64>,
    rejected: Option<u64>,
    failure: Option<String>,
}

impl Entry {
    /// Reads a line; `None` when it is not about an object.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let failure = text("reason").map(|reason| match text("cause") {
            Some(cause) => format!("{reason}: {cause}"),
            None => reason,
        });
        Some(Self {
            event: text("message")?,
            object: ObjectRef {
                bucket: text("bucket")?,
                key: text("key")?,
                version: text("version"),
                etag: text("etag"),
                uploaded: None,
            },
            record: line["record"].as_u64(),
            rows: line["rows"].as_u64(),
            rejected: line["rejected"].as_u64(),
            failure,
        })
    }

    /// The event in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut out = format!("{:<20} {}", self.event, self.object.key);
        if let Some(record) = self.record {
            out.push_str(&format!(" row {record}"));
        }
        if let Some(rows) = self.rows {
            out.push_str(&format!(": {rows} rows, {} rejected", self.rejected.unwrap_or_default()));
        }
        if let Some(failure) = &self.failure {
            out.push_str(&format!(": {failure}"));
        }
        out
    }
}

/// The rows of one object version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The object.
    pub object: ObjectRef,
    rows: Option<u64>,
    extracted: BTreeSet<u64>,
    transformed: BTreeSet<u64>,
    loaded: BTreeSet<u64>,
    failed: BTreeMap<u64, String>,
    file_failure: Option<String>,
    /// The counts of a tally; without one, those of the sets above.
    counts: Option<Counts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    extracted: u64,
    transformed: u64,
    loaded: u64,
    failed: u64,
}

impl Progress {
    /// By the tally; of the failed rows, the first `most` are named.
    #[must_use]
    pub fn of(object: ObjectRef, tally: &Tally, most: usize) -> Self {
        let failures = tally.failures();
        let rows = failures
            .iter()
            .flat_map(|failure| failure.rows.ranges().flatten().map(|row| (row, failure.reason.clone())));
        Self {
            rows: tally.total(),
            failed: rows.take(most).collect(),
            file_failure: tally.object_failures().first().map(|(_, reason)| (*reason).to_owned()),
            counts: Some(Counts {
                extracted: tally.extracted.len(),
                transformed: tally.transformed.len(),
                loaded: tally.loaded.len(),
                failed: tally.failed().len(),
            }),
            ..Self::new(object)
        }
    }

    /// Of an object that was just uploaded.
    #[must_use]
    pub fn new(object: ObjectRef) -> Self {
        Self {
            object,
            rows: None,
            extracted: BTreeSet::new(),
            transformed: BTreeSet::new(),
            loaded: BTreeSet::new(),
            failed: BTreeMap::new(),
            file_failure: None,
            counts: None,
        }
    }

    /// Counts an event; `false` when it is of another object, or was counted before.
    pub fn add(&mut self, entry: &Entry) -> bool {
        if entry.object.digest() != self.object.digest() {
            return false;
        }
        match (entry.event.as_str(), entry.record) {
            ("record-extracted", Some(record)) => self.extracted.insert(record),
            ("record-transformed", Some(record)) => self.transformed.insert(record),
            ("record-loaded", Some(record)) => self.loaded.insert(record),
            ("extraction-completed", _) => self.rows.replace(entry.rows.unwrap_or_default()) != entry.rows,
            ("failed", Some(record)) => {
                self.failed.insert(record, entry.failure.clone().unwrap_or_default()).is_none()
            }
            ("failed", None) => {
                self.file_failure.replace(entry.failure.clone().unwrap_or_default()).is_none()
            }
            _ => true,
        }
    }

    /// Every row is in the table or has failed, or the file as a whole has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let settled = self.loaded.len() + self.failed.keys().filter(|row| !self.loaded.contains(row)).count();
        self.file_failure.is_some() || self.rows.is_some_and(|rows| settled as u64 >= rows)
    }

    /// Rows in the file, once the task has read it all.
    #[must_use]
    pub const fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Rows in the table.
    #[must_use]
    pub fn loaded(&self) -> u64 {
        self.counts().loaded
    }

    /// Rows that failed and were not loaded by a later attempt.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.counts().failed
    }

    /// Whether the file as a whole failed.
    #[must_use]
    pub const fn file_failed(&self) -> bool {
        self.file_failure.is_some()
    }

    /// What failed: the row (`None` for the file), and why.
    pub fn failures(&self) -> impl Iterator<Item = (Option<u64>, &str)> {
        let rows = self.failed.iter().filter(|(row, _)| !self.loaded.contains(row));
        let file = self.file_failure.iter().map(|reason| (None, reason.as_str()));
        file.chain(rows.map(|(row, reason)| (Some(*row), reason.as_str())))
    }

    /// The counts in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let counts = self.counts();
        let rows =
            self.rows.map_or_else(|| "not all rows read yet".to_owned(), |rows| format!("{rows} rows"));
        format!(
            "{rows}: {} extracted, {} transformed, {} loaded, {} failed",
            counts.extracted, counts.transformed, counts.loaded, counts.failed
        )
    }

    fn counts(&self) -> Counts {
        self.counts.unwrap_or_else(|| Counts {
            extracted: self.extracted.len() as u64,
            transformed: self.transformed.len() as u64,
            loaded: self.loaded.len() as u64,
            failed: self.failed.keys().filter(|row| !self.loaded.contains(row)).count() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str) -> ObjectRef {
        ObjectRef {
            bucket: "b".into(),
            key: "k.csv".into(),
            version: Some(version.into()),
            etag: None,
            uploaded: None,
        }
    }

    fn entry(event: &str, version: &str, extra: &Value) -> Entry {
        let mut line = json!({ "message": event, "bucket": "b", "key": "k.csv", "version": version });
        for (name, value) in extra.as_object().expect("object") {
            line[name] = value.clone();
        }
        Entry::parse(&line.to_string()).expect("a line of the observer")
    }

    #[test]
    fn a_file_is_complete_when_each_row_is_loaded_or_failed() {
        let mut progress = Progress::new(object("1"));
        assert!(progress.add(&entry("record-loaded", "1", &json!({ "record": 1 }))));
        assert!(!progress.add(&entry("record-loaded", "1", &json!({ "record": 1 }))), "delivered twice");
        assert!(!progress.add(&entry("record-loaded", "2", &json!({ "record": 2 }))), "of another version");
        assert!(!progress.is_complete());
        progress.add(&entry("extraction-completed", "1", &json!({ "rows": 2, "rejected": 1 })));
        assert!(!progress.is_complete());
        progress.add(&entry(
            "failed",
            "1",
            &json!({ "record": 2, "reason": "row-length", "cause": "too short" }),
        ));
        assert!(progress.is_complete());
        assert_eq!(progress.failures().collect::<Vec<_>>(), [(Some(2), "row-length: too short")]);
        // A replay mends it.
        progress.add(&entry("record-loaded", "1", &json!({ "record": 2 })));
        assert_eq!((progress.loaded(), progress.failed()), (2, 0));
    }

    #[test]
    fn a_file_that_fails_as_a_whole_is_complete() {
        let mut progress = Progress::new(object("1"));
        progress.add(&entry("failed", "1", &json!({ "reason": "object-unreadable" })));
        assert!(progress.is_complete() && progress.file_failed());
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in ["START RequestId: x", "{}", "[1]", "{\"message\":\"foreign event\"}"] {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
    }
}
