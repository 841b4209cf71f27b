//! Reading the tally: what has become of every row of an object.

use std::collections::BTreeMap;
use std::future::Future;

use contract::ObjectRef;
use contract::assignment::Replay;
use publisher::CallError;

use crate::item::{Attributes, Content, Damaged, Key, earlier, later};
use crate::row_set::RowSet;
use crate::summary::Summary;

/// An item of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Partition key.
    pub object: String,
    /// Sort key.
    pub part: String,
    /// The rest.
    pub attributes: Attributes,
}

/// The table, as a reader sees it. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Source: Send + Sync {
    /// All items of an object, or of all objects; in the order of the sort key within an object.
    fn items(&self, object: Option<&str>) -> impl Future<Output = Result<Vec<Stored>, CallError>> + Send;
}

/// Why the tally can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    /// What is in the table is none of the tally's.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The table gave no answer.
    #[error("the tally can't be read: {}: {}", .0.code, .0.message)]
    Call(CallError),
}

/// Rows that failed in one stage for one reason, and were not loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The stage: `extraction`, `transform` or `load`.
    pub stage: String,
    /// Stable code, as in `failed` events.
    pub reason: String,
    /// The rows.
    pub rows: RowSet,
}

/// What has become of the rows of an object version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// The object's digest.
    pub digest: String,
    /// The object as a whole.
    pub summary: Summary,
    /// Rows read from the object.
    pub extracted: RowSet,
    /// Rows that became an item.
    pub transformed: RowSet,
    /// Rows in the table.
    pub loaded: RowSet,
    /// Time of the first event.
    pub started_at: Option<String>,
    /// Time of the last event that brought something new.
    pub last_at: Option<String>,
    by_reason: BTreeMap<(String, String), RowSet>,
}

impl Tally {
    fn add(&mut self, key: &Key, attributes: &Attributes) -> Result<(), Damaged> {
        let (started_at, last_at) = match (Content::read(key, attributes)?, key.chunk) {
            (Content::Rows(rows), Some(chunk)) => {
                self.extracted.add_chunk(chunk, &rows.extracted);
                self.transformed.add_chunk(chunk, &rows.transformed);
                self.loaded.add_chunk(chunk, &rows.loaded);
                for (why, set) in rows.failed {
                    self.by_reason.entry(why).or_default().add_chunk(chunk, &set);
                }
                (rows.started_at, rows.last_at)
            }
            (Content::Summary(summary), _) => {
                let times = (summary.started_at.clone(), summary.last_at.clone());
                self.summary = summary;
                times
            }
            (Content::Rows(_), None) => (None, None),
        };
        earlier(&mut self.started_at, started_at.as_ref());
        later(&mut self.last_at, last_at.as_ref());
        Ok(())
    }

    /// Rows of the object, rejected ones included, once it has been read to its end.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.summary.total().map(|total| total.rows)
    }

    /// Rows that are known: all, once the object has been read to its end, else those that a stage has seen.
    #[must_use]
    pub fn known(&self) -> RowSet {
        let mut known = self.extracted.clone();
        known.add(&self.transformed);
        known.add(&self.loaded);
        for set in self.by_reason.values() {
            known.add(set);
        }
        if let Some(total) = self.total() {
            known.add(&RowSet::range(1..total.saturating_add(1)));
        }
        known
    }

    /// Rows that failed, and were not loaded.
    #[must_use]
    pub fn failed(&self) -> RowSet {
        let mut failed = RowSet::default();
        for set in self.by_reason.values() {
            failed.add(set);
        }
        failed.remove(&self.loaded);
        failed
    }

    /// Rows that were not loaded, and of which no stage says that they failed.
    #[must_use]
    pub fn missing(&self) -> RowSet {
        let mut missing = self.known();
        missing.remove(&self.loaded);
        missing.remove(&self.failed());
        missing
    }

    /// Rows that failed and were not loaded, by stage and reason.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.by_reason
            .iter()
            .filter_map(|((stage, reason), set)| {
                let mut rows = set.clone();
                rows.remove(&self.loaded);
                let failure = Failure { stage: stage.clone(), reason: reason.clone(), rows };
                (!failure.rows.is_empty()).then_some(failure)
            })
            .collect()
    }

    /// Whether the object was read to its end, and each of its rows is in the table or has failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total().is_some() && self.missing().is_empty()
    }

    /// Whether every row of the object is in the table.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.is_complete() && self.failed().is_empty()
    }

    /// Why the object as a whole could not be read: stage and reason. None if it was read all the same.
    #[must_use]
    pub fn object_failures(&self) -> Vec<(&str, &str)> {
        let failures = self.summary.failures.iter().map(|(stage, reason)| (stage.as_str(), reason.as_str()));
        if self.total().is_some() { Vec::new() } else { failures.collect() }
    }
}

/// The tally of an object version; `None` when no event of it has come yet.
///
/// # Errors
/// [`TallyError`].
pub async fn read(source: &impl Source, object: &ObjectRef) -> Result<Option<Tally>, TallyError> {
    let digest = object.digest();
    let items = source.items(Some(&digest)).await.map_err(TallyError::Call)?;
    Ok(tallies(items)?.remove(&digest))
}

/// The tallies of all objects.
///
/// # Errors
/// [`TallyError`].
pub async fn list(source: &impl Source) -> Result<Vec<Tally>, TallyError> {
    let items = source.items(None).await.map_err(TallyError::Call)?;
    Ok(tallies(items)?.into_values().collect())
}

fn tallies(items: Vec<Stored>) -> Result<BTreeMap<String, Tally>, Damaged> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for Stored { object, part, attributes } in items {
        let Some(key) = Key::parse(&object, &part) else { continue };
        let tally =
            tallies.entry(object.clone()).or_insert_with(|| Tally { digest: object, ..Tally::default() });
        tally.add(&key, &attributes)?;
    }
    Ok(tallies)
}

/// The rows of an object that a replay sends again, by what the tally knows at this moment.
///
/// # Errors
/// [`TallyError`].
pub async fn rows_to_replay(
    source: &impl Source,
    object: &ObjectRef,
    replay: Replay,
) -> Result<RowSet, TallyError> {
    let Some(tally) = read(source, object).await? else { return Ok(RowSet::default()) };
    Ok(match replay {
        Replay::Failed => tally.failed(),
        Replay::Missing => tally.missing(),
    })
}
