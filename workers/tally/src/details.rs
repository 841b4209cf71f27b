//! Beside the tally of an object: how it was read, and what events said of each row that failed. The tally itself has row
//! numbers and reasons only; `report` needs the rest, so these items are there only in a stack that has a `report`.
//!
//! The details of a batch are one item for each chunk, under a key of its own, so that no write meets another. Rows of
//! which an event said the same share an entry. A batch that is delivered again makes the same item again, under another
//! key, which changes nothing for readers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use runtime::{Backoff, CallError};

use crate::attribute::{Attribute, Attributes};
use crate::batch::Batch;
use crate::described::{Alike, READING};
use crate::item::writer_id;
use crate::reader::{Scope, Source, TallyError};
use crate::rows::ROWS_PER_CHUNK;
use crate::writer::MergeError;
use crate::{Damaged, MAX_ROWS_PER_EVENT};

pub use crate::described::{Reading, RowFailure};

/// The end of the partition keys of items with details, after the digest of the object.
const DETAILS: &str = "#details";
/// The beginning of the sort keys of items with details, and the name of their attribute.
const FAILURES: &str = "failures";

/// A table whose items can be written without a condition. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Notes: Source {
    /// Sets attributes of an item, which is created if it is not there.
    fn note(
        &self,
        object: &str,
        part: &str,
        attributes: &Attributes,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// The part of a writer that keeps details. See the module.
#[derive(Debug)]
pub struct Keeper<S> {
    store: S,
    backoff: Backoff,
    id: String,
    next: AtomicU64,
}

impl<S: Notes> Keeper<S> {
    /// Creates a keeper that writes to `store`.
    pub fn new(store: S, backoff: Backoff) -> Self {
        Self { store, backoff, id: writer_id(), next: AtomicU64::new(0) }
    }

    /// Keeps the details of a batch, which is to be merged afterwards: a row that has failed has its details.
    ///
    /// # Errors
    /// [`MergeError`]: the batch must not be merged, and come again.
    pub async fn keep(&self, batch: &Batch) -> Result<(), MergeError> {
        for (object, details) in batch.details() {
            for (chunk, json) in details.items() {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let part = format!("{}#{}{number:08x}", part_of(chunk), self.id);
                let attributes = Attributes::from([(FAILURES.to_owned(), Attribute::Bytes(json))]);
                note(&self.store, self.backoff, &beside(object), &part, &attributes).await?;
            }
        }
        Ok(())
    }
}

/// Notes how an object is read.
///
/// # Errors
/// [`MergeError`] when the table does not take it.
pub async fn note_reading(
    store: &impl Notes,
    backoff: Backoff,
    object: &str,
    reading: &Reading,
) -> Result<(), MergeError> {
    let json = serde_json::to_string(reading).unwrap_or_default();
    note(store, backoff, object, READING, &[(READING.to_owned(), Attribute::Text(json))].into()).await
}

async fn note(
    store: &impl Notes,
    backoff: Backoff,
    object: &str,
    part: &str,
    attributes: &Attributes,
) -> Result<(), MergeError> {
    let mut attempt = 1;
    loop {
        match store.note(object, part, attributes).await {
            Ok(()) => return Ok(()),
            Err(error) if error.retryable && attempt < backoff.attempts() => {}
            Err(error) => return Err(MergeError::Call(error.code)),
        }
        backoff.pause(attempt).await;
        attempt += 1;
    }
}

/// Returns the partition key of the details of an object: readers of its tally, who need none, don't read them.
#[must_use]
pub fn beside(object: &str) -> String {
    format!("{object}{DETAILS}")
}

/// Returns whether an item with this partition key has details.
pub fn is_detail(object: &str) -> bool {
    object.ends_with(DETAILS)
}

fn part_of(chunk: u64) -> String {
    format!("{FAILURES}#{chunk:012}")
}

/// What is known of the failed rows of a chunk: of each, the last event.
#[derive(Debug, Default)]
pub struct ChunkFailures {
    alike: Vec<RowFailure>,
    /// For each row, the time of the event and the position of its description.
    rows: BTreeMap<u64, (Option<String>, usize)>,
}

impl ChunkFailures {
    /// Reads the details of the chunk that contains a row.
    ///
    /// # Errors
    /// [`TallyError`].
    pub async fn read(source: &impl Source, object: &str, row: u64) -> Result<Self, TallyError> {
        let prefix = part_of(row / ROWS_PER_CHUNK);
        let items = source.items(Scope::Part(&beside(object), &prefix)).await.map_err(TallyError::Call)?;
        let mut out = Self::default();
        for item in items {
            let damaged = || Damaged {
                object: item.object.clone(),
                part: item.part.clone(),
                attribute: FAILURES.to_owned(),
            };
            let Some(Attribute::Bytes(json)) = item.attributes.get(FAILURES) else {
                return Err(damaged().into());
            };
            for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let alike: Alike = serde_json::from_slice(line).map_err(|_| damaged())?;
                out.add(alike);
            }
        }
        Ok(out)
    }

    fn add(&mut self, Alike { failure, time, rows }: Alike) {
        let position = self.alike.len();
        self.alike.push(failure);
        for (first, last) in rows {
            for row in (first..=last).take(usize::try_from(MAX_ROWS_PER_EVENT).unwrap_or(usize::MAX)) {
                let known = self.rows.entry(row).or_insert_with(|| (time.clone(), position));
                if known.0 < time {
                    *known = (time.clone(), position);
                }
            }
        }
    }

    /// Returns what the last event said of a row.
    #[must_use]
    pub fn of(&self, row: u64) -> Option<&RowFailure> {
        self.alike.get(self.rows.get(&row)?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described::Details;

    fn failure(row: u64, message: &str) -> RowFailure {
        RowFailure::new(row, "transform", "invalid-number", message, Some("price"), Some("Price"))
    }

    /// Returns what a reader finds in the items of a chunk.
    fn read(items: &[(u64, Vec<u8>)], chunk: u64) -> ChunkFailures {
        let mut out = ChunkFailures::default();
        for (_, json) in items.iter().filter(|(of, _)| *of == chunk) {
            for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                out.add(serde_json::from_slice(line).expect("JSON"));
            }
        }
        out
    }

    #[test]
    fn rows_that_failed_alike_share_an_entry_and_have_their_own_numbers() {
        let mut details = Details::default();
        for row in [2, 5, 9] {
            details.add(&failure(row, &format!("row {row} has 3 fields")), None, row, row);
        }
        details.add(&failure(7, "the column `Price` is not a number"), None, 7, 7);
        let items = details.items();
        assert_eq!((items.len(), items[0].1.split(|byte| *byte == b'\n').count()), (1, 3), "two lines");
        let found = read(&items, 0);
        assert_eq!(found.of(5).expect("known").message(5), "row 5 has 3 fields");
        let other = found.of(7).expect("known");
        assert_eq!(
            (other.message(7).as_str(), other.field.as_deref()),
            ("the column `Price` is not a number", Some("price"))
        );
        assert_eq!(found.of(3), None);
        // A file of which each row fails in the same way takes no room for each row.
        let mut details = Details::default();
        for row in (1..=60_000).rev() {
            details.add(&failure(row, &format!("row {row} has 3 fields")), None, row, row);
        }
        let items = details.items();
        assert!(items.len() == 1 && items[0].1.len() < 300, "{}", items[0].1.len());
        assert_eq!(read(&items, 0).of(60_000).expect("known").message(60_000), "row 60000 has 3 fields");
    }

    #[test]
    fn the_last_event_counts_and_rows_are_in_their_chunks() {
        let mut details = Details::default();
        details.add(&failure(1, "new"), Some("2026-11-28T13:00:00Z"), 65_530, 65_540);
        details.add(&failure(1, "old"), Some("2026-11-28T12:00:00Z"), 65_530, 65_540);
        let items = details.items();
        for (chunk, row) in [(0, 65_535), (1, 65_536), (1, 65_540)] {
            assert_eq!(read(&items, chunk).of(row).expect("known").message(row), "new", "{row}");
        }
        assert_eq!(read(&items, 0).of(65_536), None);
    }

    #[test]
    fn an_item_is_never_larger_than_the_table_takes() {
        let mut details = Details::default();
        for row in 1..=3_000 {
            details.add(&failure(row, &format!("{row}{}", "x".repeat(590))), None, row, row);
        }
        let items = details.items();
        assert!(items.len() > 5 && items.iter().all(|(_, json)| json.len() < 300 << 10), "{}", items.len());
        let found = read(&items, 0);
        assert!(
            (1..=3_000)
                .all(|row| found.of(row).is_some_and(|one| one.message(row).starts_with(&row.to_string())))
        );
    }
}
