//! The progress of the rows of one uploaded file: by the tally, or by the lines that the observer logs.

use std::collections::BTreeMap;
use std::ops::Range;

use contract::event::SnapshotOutcome;
use contract::{ObjectRef, Reason};
use deployer_base::error::{Error, Message, Result};
use tally::{RowSet, Tally};

mod entry;

pub use entry::Entry;
use entry::Part;

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

/// The rows of one object version.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The object.
    pub object: ObjectRef,
    rows: Option<u64>,
    /// The rows of each part, while some are missing.
    parts: BTreeMap<u64, u64>,
    extracted: RowSet,
    transformed: RowSet,
    /// Rows that were skipped, even if they were loaded later.
    skipped: RowSet,
    loaded: RowSet,
    /// The loaded rows that have deleted an item.
    deleted: RowSet,
    /// The skipped rows whose item `load` left out.
    existing: RowSet,
    failed: BTreeMap<u64, Failure>,
    file_failure: Option<Failure>,
    /// What `snapshot` did after the file was complete.
    pub snapshot: Option<SnapshotOutcome>,
    /// The counts and groups of a tally; without one, the sets above count.
    tally: Option<(Counts, Vec<Group>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    extracted: u64,
    transformed: u64,
    loaded: u64,
    /// Those of the loaded.
    deleted: u64,
    skipped: u64,
    /// Those of the skipped.
    existing: u64,
    failed: u64,
}

/// Returns a count, with that of a part of it if there is any: `5 loaded (2 deleted)`.
#[must_use]
pub fn counted(count: u64, what: &str, part: u64, of_these: &str) -> String {
    match part {
        0 => format!("{count} {what}"),
        part => format!("{count} {what} ({part} {of_these})"),
    }
}

impl Progress {
    /// Creates the progress from the tally; of the failed rows, the first `most` are named.
    #[must_use]
    pub fn of(object: ObjectRef, tally: &Tally, most: usize) -> Self {
        let counts = Counts {
            extracted: tally.extracted.len(),
            transformed: tally.transformed.len(),
            loaded: tally.loaded.len(),
            deleted: tally.deleted.len(),
            skipped: tally.skipped.len(),
            existing: tally.existing.len(),
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
        let snapshot = tally.snapshot.as_ref().and_then(|state| state.outcome.clone());
        Self { skipped: tally.skipped.clone(), snapshot, ..counted }
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
            parts: BTreeMap::new(),
            extracted: RowSet::default(),
            transformed: RowSet::default(),
            skipped: RowSet::default(),
            loaded: RowSet::default(),
            deleted: RowSet::default(),
            existing: RowSet::default(),
            failed: BTreeMap::new(),
            file_failure: None,
            snapshot: None,
            tally: None,
        }
    }

    /// Counts an event; `false` if it is about another object, or was counted before.
    pub fn add(&mut self, entry: &Entry) -> bool {
        if entry.object.digest() != self.object.digest() {
            return false;
        }
        match (entry.event.as_str(), &entry.records) {
            ("record-extracted", Some(rows)) => insert(&mut self.extracted, rows),
            ("record-transformed" | "deletion-requested", Some(rows)) => insert(&mut self.transformed, rows),
            ("record-skipped", Some(rows)) => insert(&mut self.skipped, rows),
            ("record-existing", Some(rows)) => {
                insert(&mut self.existing, rows);
                insert(&mut self.skipped, rows)
            }
            ("record-loaded", Some(rows)) => insert(&mut self.loaded, rows),
            ("record-deleted", Some(rows)) => {
                insert(&mut self.deleted, rows);
                insert(&mut self.loaded, rows)
            }
            ("extraction-completed", _) => self.complete(entry.rows.unwrap_or_default(), entry.part),
            ("failed", Some(rows)) => {
                let Some(failure) = &entry.failure else { return false };
                let before = self.failed.len();
                self.failed.extend(rows.clone().map(|row| (row, failure.clone())));
                self.failed.len() > before
            }
            ("failed", None) => {
                let Some(failure) = &entry.failure else { return false };
                self.file_failure.replace(failure.clone()).is_none()
            }
            _ => true,
        }
    }

    /// Counts the rows of the object, or of a part of it; `false` if they were counted before.
    fn complete(&mut self, rows: u64, part: Option<Part>) -> bool {
        let Some(Part { index, of }) = part else { return self.rows.replace(rows) != Some(rows) };
        let is_new = self.parts.insert(index, rows) != Some(rows);
        if self.parts.len() as u64 >= of {
            self.rows = Some(self.parts.values().sum());
        }
        is_new
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

    /// Returns the number of rows that are in the table, or have deleted an item.
    #[must_use]
    pub fn loaded(&self) -> u64 {
        self.counts().loaded
    }

    /// Returns the number of the loaded rows that have deleted an item.
    #[must_use]
    pub fn deleted(&self) -> u64 {
        self.counts().deleted
    }

    /// Returns the number of rows that were left out on purpose.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counts().skipped
    }

    /// Returns the number of the skipped rows that `load` left out, because the table had an item of their key.
    #[must_use]
    pub fn existing(&self) -> u64 {
        self.counts().existing
    }

    /// Returns whether a row was left out on purpose.
    #[must_use]
    pub fn is_skipped(&self, row: u64) -> bool {
        self.skipped.contains(row) && !self.loaded.contains(row)
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
        let named: Vec<&mut Failure> = match &entry.records {
            Some(rows) => self.failed.range_mut(rows.clone()).map(|(_, failure)| failure).collect(),
            None => self.file_failure.iter_mut().collect(),
        };
        for failure in named.into_iter().filter(|failure| failure.reason == *reason) {
            failure.message = Some(message.clone());
        }
        for group in self.tally.iter_mut().flat_map(|(_, groups)| groups) {
            let first = group.rows.as_ref().and_then(|rows| rows.ranges().next()).map(|range| *range.start());
            let is_of_group = match (&group.rows, &entry.records) {
                (Some(rows), Some(records)) => rows.len_with(&RowSet::range(records.clone())) > 0,
                (None, None) => true,
                _ => false,
            };
            let has_first =
                entry.records.as_ref().zip(first).is_some_and(|(rows, first)| rows.contains(&first));
            let is_better = group.failure.message.is_none() || has_first;
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
        let loaded = counted(counts.loaded, "loaded", counts.deleted, "deleted");
        let skipped = match counts.skipped {
            0 => String::new(),
            skipped => format!(", {}", counted(skipped, "skipped", counts.existing, "existing")),
        };
        format!(
            "{rows}: {} extracted, {} transformed, {loaded}, {} failed{skipped}",
            counts.extracted, counts.transformed, counts.failed
        )
    }

    /// Returns whether a row failed, and no later attempt loaded or skipped it.
    fn is_failed(&self, row: u64) -> bool {
        self.failed.contains_key(&row) && !self.loaded.contains(row) && !self.skipped.contains(row)
    }

    fn counts(&self) -> Counts {
        // A row that is loaded, too, counts as that.
        let without_loaded = |rows: &RowSet| rows.len() - rows.len_with(&self.loaded);
        self.tally.as_ref().map(|(counts, _)| *counts).unwrap_or_else(|| Counts {
            extracted: self.extracted.len(),
            transformed: self.transformed.len(),
            loaded: self.loaded.len(),
            deleted: self.deleted.len(),
            skipped: without_loaded(&self.skipped),
            existing: without_loaded(&self.existing),
            failed: self.failed.keys().filter(|row| self.is_failed(**row)).count() as u64,
        })
    }
}

/// Adds rows to a set, and returns whether one of them was not in it.
fn insert(set: &mut RowSet, rows: &Range<u64>) -> bool {
    let before = set.len();
    set.add(&RowSet::range(rows.clone()));
    set.len() > before
}

#[cfg(test)]
mod tests;
