//! The reader of the tally, which unites the shares of all writers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;

use contract::assignment::Replay;
use contract::event::SnapshotOutcome;
use contract::{ObjectRef, verification};
use runtime::CallError;

use crate::attribute::{Attribute, Attributes};
use crate::described::{READING, Reading};
use crate::item::{COMPLETION, Content, Damaged, Key};
use crate::row_set::RowSet;
use crate::snapshot::SnapshotState;
use crate::summary::Summary;
use crate::time::{earlier, later};

/// The value of [`crate::summary::Replayed::what`] for rows that were missing. See also [`FAILED`].
pub const MISSING: &str = "missing";
/// The value of [`crate::summary::Replayed::what`] for rows that failed. See also [`MISSING`].
pub const FAILED: &str = "failed";

/// An item of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Partition key.
    pub object: String,
    /// Sort key.
    pub part: String,
    /// Its revision; 0 if it has none.
    pub revision: u64,
    /// The rest.
    pub attributes: Attributes,
}

/// A choice of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Those of all objects.
    All,
    /// Those of one object.
    Object(&'a str),
    /// Those of one object whose sort key has this prefix.
    Part(&'a str, &'a str),
}

/// The table, as a reader sees it. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Source: Send + Sync {
    /// Reads the items. Readers unite them, so their order in the result has no meaning; the order in which they are
    /// *read* matters, because a fold may happen between two of them.
    ///
    /// Of one object they are read downwards, each as it is at that moment: the shares of a chunk, which sort after its
    /// shared item, are read first. A share that is gone by then was folded, and the shared item, which is read later,
    /// has it. Upwards, the shared item would be read before the fold and the place of the share after it, and the rows
    /// would be in neither.
    ///
    /// All objects can only be read upwards, so for a moment they may lack rows that are just being folded.
    fn items(&self, scope: Scope<'_>) -> impl Future<Output = Result<Vec<Stored>, CallError>> + Send;
}

/// The reason why the tally can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    /// The table contains an item that the tally did not write.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The table did not answer.
    #[error("the tally can't be read: {}: {}", .0.code, .0.message)]
    Call(CallError),
}

/// Rows that failed in one stage for one reason, and were neither loaded nor skipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The stage: `extraction`, `transform` or `load`.
    pub stage: String,
    /// Stable code, as in `failed` events.
    pub reason: String,
    /// The rows.
    pub rows: RowSet,
    /// The message of one of their `failed` events.
    pub message: Option<String>,
}

/// A request to send rows of an object again that is not fulfilled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingReplay {
    /// Its ID, which is the time of the request.
    pub id: String,
    /// The kind of rows: `failed` or `missing`.
    pub what: String,
    /// The number of rows that were requested.
    pub rows: u64,
    /// The number of rows without an event since then.
    pub pending: u64,
}

/// The state of the rows of an object version.
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
    /// Rows that `transform` or `load` left out on purpose, and that were not loaded.
    pub skipped: RowSet,
    /// The skipped rows that `load` left out, because the table had an item of their key.
    pub existing: RowSet,
    /// Rows in the table, and rows that deleted the item of their key.
    pub loaded: RowSet,
    /// The loaded rows that deleted the item of their key.
    pub deleted: RowSet,
    /// Time of the first event.
    pub started_at: Option<String>,
    /// Time of the last event that brought something new.
    pub last_at: Option<String>,
    /// Rows that another row of the same file with the same key has replaced, as far as that is known.
    pub overwritten: RowSet,
    /// Rows whose item has replaced one that comes from no row of the file, as far as that is known.
    pub replaced: RowSet,
    /// Rows that have changed nothing, because the table has a newer item of another file.
    pub outdated: RowSet,
    /// Rows whose key had the item of another file, as far as that is known.
    pub overlapping: RowSet,
    /// Rows with a timestamp whose second 60 was taken as 59.
    pub leap_seconds: RowSet,
    /// How the object was read, in a stack that has a `report`.
    pub reading: Option<Reading>,
    /// The number of the last attempt whose `object-completed` is on the bus, and the last replay in it. `None`: none is.
    pub ended: Option<(u64, String)>,
    /// What `snapshot` did after the last attempt that it has seen.
    pub snapshot: Option<SnapshotState>,
    by_reason: BTreeMap<(String, String), RowSet>,
    asked: BTreeMap<String, RowSet>,
    replayed: BTreeMap<String, RowSet>,
}

impl Tally {
    fn add(&mut self, chunk: Option<u64>, content: Content) {
        let (started_at, last_at) = match (content, chunk) {
            (Content::Rows(rows), Some(chunk)) => {
                self.extracted.add_chunk(chunk, &rows.extracted);
                self.transformed.add_chunk(chunk, &rows.transformed);
                self.skipped.add_chunk(chunk, &(&rows.skipped - &rows.loaded));
                self.existing.add_chunk(chunk, &(&rows.existing - &rows.loaded));
                self.loaded.add_chunk(chunk, &rows.loaded);
                self.deleted.add_chunk(chunk, &rows.deleted);
                for (why, set) in rows.failed {
                    self.by_reason.entry(why).or_default().add_chunk(chunk, &set);
                }
                self.overwritten.add_chunk(chunk, &rows.overwritten);
                self.replaced.add_chunk(chunk, &rows.replaced);
                self.outdated.add_chunk(chunk, &rows.outdated);
                self.overlapping.add_chunk(chunk, &rows.overlapping);
                self.leap_seconds.add_chunk(chunk, &rows.leap_seconds);
                for (into, by_id) in [(&mut self.asked, rows.asked), (&mut self.replayed, rows.replayed)] {
                    for (id, set) in by_id {
                        into.entry(id).or_default().add_chunk(chunk, &set);
                    }
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
    }

    /// Returns the outcome of the search for items that the file lacks, if it is at its end and nothing follows: that of the
    /// last attempt, and no later replay was requested.
    #[must_use]
    pub fn cleaned(&self) -> Option<&SnapshotOutcome> {
        let (attempt, replay) = self.ended.as_ref()?;
        let is_last = self.summary.replays.keys().next_back().is_none_or(|last| last <= replay);
        let state = self.snapshot.as_ref().filter(|state| is_last && state.attempt == *attempt)?;
        state.outcome.as_ref()
    }

    /// Returns the number of rows of the object, rejected ones included, once it has been read completely.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.summary.total().map(|total| total.rows)
    }

    /// Returns the rows that are known: all, once the object has been read completely, else those that a stage has
    /// seen.
    #[must_use]
    pub fn known(&self) -> RowSet {
        let mut known = self.extracted.clone();
        known.add(&self.transformed);
        known.add(&self.skipped);
        known.add(&self.loaded);
        for set in self.by_reason.values() {
            known.add(set);
        }
        if let Some(total) = self.total() {
            known.add(&RowSet::range(1..total.saturating_add(1)));
        }
        known
    }

    /// Returns the rows that failed, and were neither loaded nor skipped: a replay after a change of the settings may
    /// leave out a row that had failed before.
    #[must_use]
    pub fn failed(&self) -> RowSet {
        let mut failed = RowSet::default();
        for set in self.by_reason.values() {
            failed.add(set);
        }
        failed.remove(&self.loaded);
        failed.remove(&self.skipped);
        failed
    }

    /// Returns the rows that were neither loaded nor skipped, and that no stage reports as failed.
    #[must_use]
    pub fn missing(&self) -> RowSet {
        let mut missing = self.known();
        missing.remove(&self.loaded);
        missing.remove(&self.skipped);
        missing.remove(&self.failed());
        missing
    }

    /// Returns the rows of [`failed`](Self::failed), by stage and reason.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.by_reason
            .iter()
            .filter_map(|((stage, reason), set)| {
                let mut rows = set.clone();
                rows.remove(&self.loaded);
                rows.remove(&self.skipped);
                let message = self.message(stage, reason);
                let failure = Failure { stage: stage.clone(), reason: reason.clone(), rows, message };
                (!failure.rows.is_empty()).then_some(failure)
            })
            .collect()
    }

    /// Returns whether the object was read completely, and each of its rows is in the table, was skipped or has
    /// failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total().is_some() && self.missing().is_empty()
    }

    /// Returns whether every row of the object is in the table or was skipped.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.is_complete() && self.failed().is_empty()
    }

    /// Returns the message of a `failed` event of that stage and reason.
    #[must_use]
    pub fn message(&self, stage: &str, reason: &str) -> Option<String> {
        self.summary.messages.get(&(stage.to_owned(), reason.to_owned())).cloned()
    }

    /// Returns the replays that were requested and are not done, the earliest first. A replay is done when each of its
    /// rows is in the table, was skipped, or has failed because of it, or when it failed as a whole; or when the same
    /// rows were requested again later.
    ///
    /// A row that had failed is no longer failed only if it is in the table or was skipped. So all failed rows that were
    /// requested are among those that the replay sends, or need not be sent. A row that was missing may have been late,
    /// and have failed meanwhile.
    #[must_use]
    pub fn pending_replays(&self) -> Vec<PendingReplay> {
        let mut latest: BTreeMap<&str, PendingReplay> = BTreeMap::new();
        for (id, replay) in &self.summary.replays {
            let pending = self.pending_rows(id).len();
            let pending =
                PendingReplay { id: id.clone(), what: replay.what.clone(), rows: replay.rows, pending };
            latest.insert(&replay.what, pending);
        }
        let mut found: Vec<_> = latest.into_values().filter(|replay| replay.pending > 0).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    /// Returns the rows that were requested by the replay with this ID, and have had no event since then.
    pub(crate) fn pending_rows(&self, id: &str) -> RowSet {
        let Some(replay) = self.summary.replays.get(id).filter(|replay| replay.failure.is_none()) else {
            return RowSet::default();
        };
        let mut rows = self.asked.get(id).cloned().unwrap_or_default();
        rows.remove(&self.loaded);
        rows.remove(&self.skipped);
        if let Some(replayed) = self.replayed.get(id) {
            rows.remove(replayed);
        }
        if replay.what == MISSING {
            rows.remove(&self.failed());
        }
        rows
    }

    /// Returns the stage and the reason of the latest replay, if it failed as a whole.
    #[must_use]
    pub fn replay_failure(&self) -> Option<(&str, &str)> {
        let (_, latest) = self.summary.replays.last_key_value()?;
        latest.failure.as_ref().map(|(stage, reason)| (stage.as_str(), reason.as_str()))
    }

    /// Returns the reasons why the object as a whole could not be read, each after its stage. Empty if it was read all
    /// the same.
    #[must_use]
    pub fn object_failures(&self) -> Vec<(&str, &str)> {
        let failures = self.summary.failures.iter().map(|(stage, reason)| (stage.as_str(), reason.as_str()));
        if self.total().is_some() { Vec::new() } else { failures.collect() }
    }
}

/// Reads the tally of an object version; returns `None` if no event of it has arrived yet.
///
/// # Errors
/// [`TallyError`].
pub async fn read(source: &impl Source, object: &ObjectRef) -> Result<Option<Tally>, TallyError> {
    read_digest(source, &object.digest()).await
}

/// Reads the tally of the object version with this digest; see [`read`].
pub(crate) async fn read_digest(source: &impl Source, digest: &str) -> Result<Option<Tally>, TallyError> {
    let items = source.items(Scope::Object(digest)).await.map_err(TallyError::Call)?;
    Ok(tallies(items)?.remove(digest))
}

/// Reads the tallies of all objects.
///
/// # Errors
/// [`TallyError`].
pub async fn list(source: &impl Source) -> Result<Vec<Tally>, TallyError> {
    let items = source.items(Scope::All).await.map_err(TallyError::Call)?;
    let marked = |tally: &Tally| tally.summary.object.as_ref().is_some_and(verification::is_marked);
    Ok(tallies(items)?.into_values().filter(|tally| !marked(tally)).collect())
}

fn tallies(items: Vec<Stored>) -> Result<BTreeMap<String, Tally>, Damaged> {
    // The shares of all writers of one chunk first, so that chunks follow each other.
    let mut contents: BTreeMap<(String, Option<u64>), Content> = BTreeMap::new();
    let mut readings = BTreeMap::new();
    let mut snapshots: BTreeMap<String, SnapshotState> = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for Stored { object, part, attributes, .. } in items {
        if part == READING {
            readings.extend(Reading::read(&attributes).map(|reading| (object, reading)));
            continue;
        }
        if part == COMPLETION {
            ends.extend(ended(&attributes).map(|ended| (object, ended)));
            continue;
        }
        if let Some(state) = SnapshotState::read(&part, &attributes) {
            let last = snapshots.entry(object).or_insert_with(|| state.clone());
            if last.attempt < state.attempt {
                *last = state;
            }
            continue;
        }
        let Some(key) = Key::parse(&object, &part) else { continue };
        let content = Content::read(&key, &attributes)?;
        match contents.entry((object, key.chunk)) {
            Entry::Occupied(mut known) => {
                known.get_mut().merge(&content);
            }
            Entry::Vacant(place) => {
                place.insert(content);
            }
        }
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for ((object, chunk), content) in contents {
        let tally =
            tallies.entry(object.clone()).or_insert_with(|| Tally { digest: object, ..Tally::default() });
        tally.add(chunk, content);
    }
    for (object, reading) in readings {
        if let Some(tally) = tallies.get_mut(&object) {
            tally.reading = Some(reading);
        }
    }
    for (object, ended) in ends {
        if let Some(tally) = tallies.get_mut(&object) {
            tally.ended = Some(ended);
        }
    }
    for (object, snapshot) in snapshots {
        if let Some(tally) = tallies.get_mut(&object) {
            tally.snapshot = Some(snapshot);
        }
    }
    Ok(tallies)
}

/// Reads the item about the end of an object.
fn ended(attributes: &Attributes) -> Option<(u64, String)> {
    let Some(Attribute::Number(attempt)) = attributes.get("attempt") else { return None };
    let replay = match attributes.get("replay") {
        Some(Attribute::Text(replay)) => replay.clone(),
        _ => String::new(),
    };
    Some((*attempt, replay))
}

/// Returns the rows of an object that a replay sends again, by the tally at this moment.
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
