//! The progress of the rows of one uploaded file: by the tally, or by the lines that the observer logs.

use std::collections::{BTreeMap, BTreeSet};

use contract::{ObjectRef, Reason};
use deployer_base::error::{Error, Message, Result};
use serde_json::Value;
use tally::{RowSet, Tally};

/// A line of the observer: one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the event, such as `record-loaded`.
    pub event: String,
    object: ObjectRef,
    record: Option<u64>,
    rows: Option<u64>,
    rejected: Option<u64>,
    failure: Option<Failure>,
}

/// The reason for the failure of a row or a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The stable code.
    pub reason: String,
    /// The message of the worker that reported the failure, if it is known.
    pub message: Option<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.message, Reason::from_code(&self.reason)) {
            (Some(message), _) => write!(out, "{}: {message}", self.reason),
            (None, Some(reason)) => write!(out, "{}: {}", self.reason, reason.about().trim_end_matches('.')),
            (None, None) => out.write_str(&self.reason),
        }
    }
}

/// Rows that failed for one reason, or the file as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The stage that failed, if the tally contains it.
    pub stage: Option<String>,
    /// The reason; the message is that of the first of the rows.
    pub failure: Failure,
    /// The rows; `None` for the file.
    pub rows: Option<RowSet>,
}

impl Group {
    /// Describes the failed rows in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.rows {
            None => format!("the file: {}", self.failure),
            Some(rows) => format!("{}: {}", rows_text(rows), self.failure),
        }
    }
}

/// Number of ranges of row numbers that are shown for one reason.
const SHOWN_RANGES: usize = 20;

/// Returns the first ranges of a set, and the number of rows in the others.
#[must_use]
pub fn ranges(rows: &RowSet) -> (Vec<(u64, u64)>, u64) {
    let shown: Vec<(u64, u64)> =
        rows.ranges().take(SHOWN_RANGES).map(|range| (*range.start(), *range.end())).collect();
    let counted: u64 = shown.iter().map(|(first, last)| last - first + 1).sum();
    (shown, rows.len().saturating_sub(counted))
}

/// Describes rows: `row 2`, `rows 1–3, 7 and 12 more`.
fn rows_text(rows: &RowSet) -> String {
    let (shown, more) = ranges(rows);
    let shown = shown.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    });
    let shown: Vec<String> = shown.collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    format!("{noun} {}{more}", shown.join(", "))
}

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
            record: line["record"].as_u64(),
            rows: line["rows"].as_u64(),
            rejected: line["rejected"].as_u64(),
            failure,
        })
    }

    /// Describes the event in a few words.
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
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The object.
    pub object: ObjectRef,
    rows: Option<u64>,
    extracted: BTreeSet<u64>,
    transformed: BTreeSet<u64>,
    /// Rows that were skipped, even if they were loaded later.
    skipped: RowSet,
    loaded: BTreeSet<u64>,
    failed: BTreeMap<u64, Failure>,
    file_failure: Option<Failure>,
    /// The counts and groups of a tally; without one, the sets above count.
    tally: Option<(Counts, Vec<Group>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    extracted: u64,
    transformed: u64,
    loaded: u64,
    skipped: u64,
    failed: u64,
}

impl Progress {
    /// Creates the progress from the tally; of the failed rows, the first `most` are named.
    #[must_use]
    pub fn of(object: ObjectRef, tally: &Tally, most: usize) -> Self {
        let counts = Counts {
            extracted: tally.extracted.len(),
            transformed: tally.transformed.len(),
            loaded: tally.loaded.len(),
            skipped: tally.skipped.len(),
            failed: tally.failed().len(),
        };
        let group = |stage: &str, reason: &str, rows| Group {
            stage: Some(stage.to_owned()),
            failure: Failure { reason: reason.to_owned(), message: None },
            rows,
        };
        let of_file = tally.object_failures();
        let of_file = of_file.iter().map(|(stage, reason)| group(stage, reason, None));
        let failures = tally.failures();
        let of_rows = failures.iter().map(|one| group(&one.stage, &one.reason, Some(one.rows.clone())));
        let groups = of_file.chain(of_rows).collect();
        let counted = Self::counted(object, tally.total(), counts, groups, most);
        Self { skipped: tally.skipped.clone(), ..counted }
    }

    fn counted(
        object: ObjectRef,
        rows: Option<u64>,
        counts: Counts,
        groups: Vec<Group>,
        most: usize,
    ) -> Self {
        let mut failed = BTreeMap::new();
        'all: for group in &groups {
            for row in group.rows.iter().flat_map(RowSet::ranges).flatten() {
                if failed.len() >= most {
                    break 'all;
                }
                failed.entry(row).or_insert_with(|| group.failure.clone());
            }
        }
        Self {
            rows,
            failed,
            file_failure: groups.iter().find(|group| group.rows.is_none()).map(|group| group.failure.clone()),
            tally: Some((counts, groups)),
            ..Self::new(object)
        }
    }

    /// Creates the progress of an object that was just uploaded.
    #[must_use]
    pub fn new(object: ObjectRef) -> Self {
        Self {
            object,
            rows: None,
            extracted: BTreeSet::new(),
            transformed: BTreeSet::new(),
            skipped: RowSet::default(),
            loaded: BTreeSet::new(),
            failed: BTreeMap::new(),
            file_failure: None,
            tally: None,
        }
    }

    /// Counts an event; `false` if it is about another object, or was counted before.
    pub fn add(&mut self, entry: &Entry) -> bool {
        if entry.object.digest() != self.object.digest() {
            return false;
        }
        match (entry.event.as_str(), entry.record) {
            ("record-extracted", Some(record)) => self.extracted.insert(record),
            ("record-transformed", Some(record)) => self.transformed.insert(record),
            ("record-skipped", Some(record)) => {
                let new = !self.skipped.contains(record);
                self.skipped.add(&RowSet::range(record..record.saturating_add(1)));
                new
            }
            ("record-loaded", Some(record)) => self.loaded.insert(record),
            ("extraction-completed", _) => self.rows.replace(entry.rows.unwrap_or_default()) != entry.rows,
            ("failed", Some(record)) => {
                let Some(failure) = &entry.failure else { return false };
                self.failed.insert(record, failure.clone()).is_none()
            }
            ("failed", None) => {
                let Some(failure) = &entry.failure else { return false };
                self.file_failure.replace(failure.clone()).is_none()
            }
            _ => true,
        }
    }

    /// Returns whether every row is in the table, was skipped or has failed, or the file as a whole has failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Counts { loaded, skipped, failed, .. } = self.counts();
        self.file_failure.is_some() || self.rows.is_some_and(|rows| loaded + skipped + failed >= rows)
    }

    /// Returns the number of rows in the file, once the task has read all of it.
    #[must_use]
    pub const fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Returns the number of rows in the table.
    #[must_use]
    pub fn loaded(&self) -> u64 {
        self.counts().loaded
    }

    /// Returns the number of rows that `transform` left out on purpose.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counts().skipped
    }

    /// Returns whether a row was left out on purpose.
    #[must_use]
    pub fn is_skipped(&self, row: u64) -> bool {
        self.skipped.contains(row) && !self.loaded.contains(&row)
    }

    /// Returns the number of rows that failed, and that no later attempt loaded or skipped.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.counts().failed
    }

    /// Returns the failures: the row (`None` for the file), and the reason.
    pub fn failures(&self) -> impl Iterator<Item = (Option<u64>, &Failure)> {
        let rows = self.failed.iter().filter(|(row, _)| self.is_failed(**row));
        let file = self.file_failure.iter().map(|failure| (None, failure));
        file.chain(rows.map(|(row, failure)| (Some(*row), failure)))
    }

    /// Groups the failures by reason, the file as a whole first.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        if let Some((_, groups)) = &self.tally {
            return groups.clone();
        }
        let mut groups: Vec<Group> = Vec::new();
        for (row, failure) in self.failures() {
            let known = groups.iter_mut().find(|group| {
                group.failure.reason == failure.reason && group.rows.is_some() == row.is_some()
            });
            match (known, row) {
                (Some(group), Some(row)) => {
                    if let Some(rows) = &mut group.rows {
                        rows.add(&RowSet::range(row..row.saturating_add(1)));
                    }
                }
                (Some(_), None) => {}
                (None, row) => groups.push(Group {
                    stage: None,
                    failure: failure.clone(),
                    rows: row.map(|row| RowSet::range(row..row.saturating_add(1))),
                }),
            }
        }
        groups
    }

    /// Adds the message of an event about a failure, of which the tally keeps only the reason; for a group, the message
    /// of the first row is kept.
    pub fn explain(&mut self, entry: &Entry) {
        let (Some(Failure { reason, message: Some(message) }), "failed") =
            (&entry.failure, entry.event.as_str())
        else {
            return;
        };
        if entry.object.digest() != self.object.digest() {
            return;
        }
        let named = match entry.record {
            Some(record) => self.failed.get_mut(&record),
            None => self.file_failure.as_mut(),
        };
        if let Some(failure) = named.filter(|failure| failure.reason == *reason) {
            failure.message = Some(message.clone());
        }
        for group in self.tally.iter_mut().flat_map(|(_, groups)| groups) {
            let first = group.rows.as_ref().and_then(|rows| rows.ranges().next()).map(|range| *range.start());
            let is_of_group = match (&group.rows, entry.record) {
                (Some(rows), Some(record)) => rows.contains(record),
                (None, None) => true,
                _ => false,
            };
            let is_better = group.failure.message.is_none() || entry.record == first;
            if group.failure.reason == *reason && is_of_group && is_better {
                group.failure.message = Some(message.clone());
            }
        }
    }

    /// Returns whether there is a failure without a message.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.groups().iter().any(|group| group.failure.message.is_none())
    }

    /// Returns `Ok` only if the file has rows, and each of them is in the table or was skipped.
    ///
    /// # Errors
    /// Returns [`Error::Incomplete`] otherwise.
    pub fn verdict(&self) -> Result<()> {
        let file = format!("s3://{}/{}", self.object.bucket, self.object.key);
        let text = match (&self.file_failure, self.failed(), self.rows) {
            (Some(failure), ..) => format!("no row of {file} was loaded: {failure}"),
            (None, 0, Some(0)) => format!("{file} has no rows"),
            (None, 0, _) => return Ok(()),
            (None, failed, rows) => format!("{failed} of {} rows failed", rows.unwrap_or(failed)),
        };
        let mut message = Message::new(text);
        if let Some(group) = self.groups().first() {
            let key = &self.object.key;
            let again = match group.rows {
                Some(_) => format!(
                    "correct the rows and upload the file again; if the file is right, `deployer replay {key} --failed` sends them again"
                ),
                None => "then upload the file again".to_owned(),
            };
            message = message.hint(format!("`deployer docs {}` explains it; {again}", group.failure.reason));
        }
        Err(Error::Incomplete(message))
    }

    /// Describes the counts in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let counts = self.counts();
        let rows = match (self.rows, &self.file_failure) {
            (Some(1), _) => "1 row".to_owned(),
            (Some(rows), _) => format!("{rows} rows"),
            // The rows were never read, or not all of them.
            (None, Some(_)) if counts.extracted == 0 => {
                return "the file was rejected before any row was read".to_owned();
            }
            (None, Some(_)) => "the file was not read completely".to_owned(),
            (None, None) => "still reading the file".to_owned(),
        };
        let skipped = match counts.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        format!(
            "{rows}: {} extracted, {} transformed, {} loaded, {} failed{skipped}",
            counts.extracted, counts.transformed, counts.loaded, counts.failed
        )
    }

    /// Returns whether a row failed, and no later attempt loaded or skipped it.
    fn is_failed(&self, row: u64) -> bool {
        self.failed.contains_key(&row) && !self.loaded.contains(&row) && !self.skipped.contains(row)
    }

    fn counts(&self) -> Counts {
        self.tally.as_ref().map(|(counts, _)| *counts).unwrap_or_else(|| Counts {
            extracted: self.extracted.len() as u64,
            transformed: self.transformed.len() as u64,
            loaded: self.loaded.len() as u64,
            skipped: self.skipped.len()
                - self.loaded.iter().filter(|row| self.skipped.contains(**row)).count() as u64,
            failed: self.failed.keys().filter(|row| self.is_failed(**row)).count() as u64,
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
            replay: None,
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
        let failure = Failure { reason: "row-length".into(), message: Some("too short".into()) };
        assert_eq!(progress.failures().collect::<Vec<_>>(), [(Some(2), &failure)]);
        assert_eq!(progress.groups()[0].describe(), "row 2: row-length: too short");
        assert_eq!(progress.verdict().expect_err("a row failed").exit_code(), 7);
        // A replay fixes the failure.
        progress.add(&entry("record-loaded", "1", &json!({ "record": 2 })));
        assert_eq!((progress.loaded(), progress.failed()), (2, 0));
        assert!(progress.verdict().is_ok());
    }

    #[test]
    fn a_skipped_row_is_neither_failed_nor_missing() {
        let mut progress = Progress::new(object("1"));
        progress.add(&entry("extraction-completed", "1", &json!({ "rows": 4, "rejected": 0 })));
        progress.add(&entry("record-loaded", "1", &json!({ "record": 1 })));
        assert!(!progress.describe().contains("skipped"), "{}", progress.describe());
        for record in 2..=3 {
            assert!(progress.add(&entry("record-skipped", "1", &json!({ "record": record }))));
        }
        assert!(!progress.add(&entry("record-skipped", "1", &json!({ "record": 3 }))), "delivered twice");
        assert!(!progress.is_complete());
        // It fails first, and a replay with other settings skips it.
        let failed = json!({ "record": 4, "reason": "missing-value", "cause": "the column `ID` is empty" });
        progress.add(&entry("failed", "1", &failed));
        assert!(progress.is_complete() && progress.verdict().is_err());
        progress.add(&entry("record-skipped", "1", &json!({ "record": 4 })));
        assert!(progress.is_complete() && progress.verdict().is_ok() && progress.groups().is_empty());
        assert_eq!((progress.loaded(), progress.skipped(), progress.failed()), (1, 3, 0));
        assert_eq!(progress.describe(), "4 rows: 0 extracted, 0 transformed, 1 loaded, 0 failed, 3 skipped");
        // Loaded after all.
        progress.add(&entry("record-loaded", "1", &json!({ "record": 2 })));
        assert_eq!((progress.loaded(), progress.skipped()), (2, 2));
        assert!(!progress.is_skipped(2) && progress.is_skipped(3) && progress.is_complete());
        let mut tally = Tally::default();
        tally.skipped = RowSet::range(1..3);
        let progress = Progress::of(object("1"), &tally, 10);
        assert!(progress.is_skipped(2) && progress.skipped() == 2);
    }

    #[test]
    fn failures_are_told_once_a_reason_with_the_words_of_the_first_row() {
        let group = |stage: &str, reason: &str, rows| Group {
            stage: Some(stage.to_owned()),
            failure: Failure { reason: reason.to_owned(), message: None },
            rows: Some(rows),
        };
        let groups = vec![
            group("load", "invalid-item", [2, 3, 4, 9].into_iter().collect()),
            group("transform", "missing-value", RowSet::range(1..301)),
        ];
        let counts = Counts { extracted: 300, transformed: 0, loaded: 0, skipped: 0, failed: 300 };
        let mut progress = Progress::counted(object("1"), Some(300), counts, groups, 10);
        assert_eq!(progress.failures().count(), 10);
        let told = |progress: &Progress| progress.groups().iter().map(Group::describe).collect::<Vec<_>>();
        // Without a message, the meaning of the code is shown.
        assert!(progress.is_unexplained());
        assert_eq!(told(&progress)[1], "rows 1–300: missing-value: A required value is empty");
        for (record, reason, cause) in [
            (7, "missing-value", "not the first"),
            (1, "missing-value", "the first"),
            (8, "missing-value", "late"),
        ] {
            progress.explain(&entry(
                "failed",
                "1",
                &json!({ "record": record, "reason": reason, "cause": cause }),
            ));
        }
        progress.explain(&entry(
            "failed",
            "2",
            &json!({ "record": 2, "reason": "invalid-item", "cause": "of another" }),
        ));
        assert!(progress.is_unexplained());
        progress.explain(&entry(
            "failed",
            "1",
            &json!({ "record": 3, "reason": "invalid-item", "cause": "too long" }),
        ));
        assert!(!progress.is_unexplained());
        assert_eq!(
            told(&progress),
            ["rows 2–4, 9: invalid-item: too long", "rows 1–300: missing-value: the first"]
        );
        let verdict = progress.verdict().expect_err("rows failed").message().expect("a message");
        assert!(verdict.text.starts_with("300 of 300 rows failed"), "{}", verdict.text);
        assert!(verdict.hint.is_some_and(|hint| hint.contains("deployer docs invalid-item")));
    }

    #[test]
    fn a_file_without_rows_is_no_success() {
        let mut tally = Tally::default();
        tally.summary.shards.insert((1, 1), tally::Counts { rows: 0, rejected: 0, bytes: 9 });
        let error = Progress::of(object("1"), &tally, 10).verdict().expect_err("no rows");
        assert_eq!(
            (error.exit_code(), error.message().expect("a message").text),
            (7, "s3://b/k.csv has no rows".into())
        );
    }

    #[test]
    fn a_file_that_fails_as_a_whole_is_complete() {
        let mut progress = Progress::new(object("1"));
        progress.add(&entry("failed", "1", &json!({ "reason": "object-unreadable" })));
        assert!(progress.is_complete());
        assert_eq!(progress.describe(), "the file was rejected before any row was read");
        assert_eq!(progress.verdict().expect_err("the file failed").exit_code(), 7);
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in ["START RequestId: x", "{}", "[1]", "{\"message\":\"foreign event\"}"] {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
    }
}
