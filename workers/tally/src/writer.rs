//! The writer, which merges into the table without reading it first, and without a race.
//!
//! A set union needs no winner. Each writer has items of its own, beside those of others: `rows#…#<writer>`. No other
//! writer writes to them, so a merge is one call that is never refused, however many writers there are; readers unite
//! all shares. A writer is a process: its ID is random, and a cold start is a new writer. IDs from a fixed number of
//! slots would bound the number of items, and two writers of one slot would race again; the number of items is bounded
//! by [`fold`] instead.
//!
//! Each item has a `revision`. A writer's revisions come from one counter and are never used twice, whatever happens to
//! its items meanwhile. So a writer that deletes an item at the revision that it read deletes what it read, and nothing
//! newer.

mod fold;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use runtime::{Backoff, CallError};

use crate::attribute::Attributes;
use crate::batch::{Batch, Progress, Share, Touched};
use crate::item::{Content, Damaged, Key, writer_id};
use crate::reader::Source;

/// The number of items that a writer remembers. Each is some kilobytes at worst.
const MAX_KNOWN: usize = 256;
/// The greatest number of calls for one item, whatever the table answers.
const MAX_ROUNDS: u32 = 32;
/// The number of items that are merged at the same time.
const MAX_IN_FLIGHT: usize = 8;

/// A change to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision that the item must have; `None`: it must not exist.
    pub expected: Option<u64>,
    /// Its new revision.
    pub revision: u64,
    /// The attributes that change.
    pub set: Attributes,
    /// Names of attributes to remove.
    pub remove: Vec<String>,
}

/// The answer to a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// It is written.
    Done,
    /// The item has another revision: this, with these attributes.
    Conflict(u64, Attributes),
    /// The item does not exist.
    Gone,
}

/// The table, as a writer sees it. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Store: Source {
    /// Writes to one item, if it has the expected revision.
    fn update(&self, key: &Key, change: &Change) -> impl Future<Output = Result<Updated, CallError>> + Send;

    /// Deletes one item if it has this revision, and returns whether it had.
    fn delete(&self, key: &Key, revision: u64) -> impl Future<Output = Result<bool, CallError>> + Send;
}

/// The reason why a change is not in the tally.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The table contains an item that the tally did not write.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The table did not accept it.
    #[error(
        "could not write the tally: {0}; the message is delivered again after the visibility timeout of its queue"
    )]
    Call(String),
}

/// The parts of a batch that could not be written, with the reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(BTreeMap<(usize, Option<u64>), MergeError>);

impl Errors {
    /// Returns whether everything was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the reason why one of the items that an event touches was not written.
    #[must_use]
    pub fn of(&self, touched: &Touched) -> Option<&MergeError> {
        self.0.iter().find(|((object, chunk), _)| touched.contains(*object, *chunk)).map(|(_, error)| error)
    }

    /// Returns all reasons.
    pub fn iter(&self) -> impl Iterator<Item = &MergeError> {
        self.0.values()
    }
}

/// The writer that merges batches into the table.
#[derive(Debug)]
pub struct Writer<S> {
    store: S,
    backoff: Backoff,
    id: String,
    revisions: AtomicU64,
    known: Mutex<Known>,
    looks: Mutex<fold::Looks>,
    /// The time after a merge in which looks are begun.
    patience: Duration,
}

/// An item of this writer as it was when it last wrote it.
#[derive(Debug, Clone)]
struct Seen {
    revision: Option<u64>,
    content: Content,
}

impl Seen {
    fn nothing(key: &Key) -> Self {
        Self { revision: None, content: Content::empty(key) }
    }
}

#[derive(Debug, Default)]
struct Known {
    items: HashMap<Key, (u64, Seen)>,
    clock: u64,
}

impl Known {
    /// Takes an item out, until it is written and put back.
    fn take(&mut self, key: &Key) -> Option<Seen> {
        self.items.remove(key).map(|(_, seen)| seen)
    }

    fn put(&mut self, key: &Key, seen: Seen) {
        self.clock += 1;
        self.items.insert(key.clone(), (self.clock, seen));
        if self.items.len() > MAX_KNOWN {
            let oldest = self.items.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            if let Some(key) = oldest {
                self.items.remove(&key);
            }
        }
    }
}

/// Returns the pauses of a writer while the table does not answer, or reports that it is busy.
#[must_use]
pub const fn backoff() -> Backoff {
    Backoff::new(8, Duration::from_millis(50), Duration::from_secs(2))
}

impl<S: Store> Writer<S> {
    /// Creates a writer that writes through `store`.
    pub fn new(store: S, backoff: Backoff) -> Self {
        Self {
            store,
            backoff,
            id: writer_id(),
            revisions: AtomicU64::new(0),
            known: Mutex::default(),
            looks: Mutex::default(),
            patience: fold::PATIENCE,
        }
    }

    /// Merges a batch, and returns the parts that could not be written, with the reasons.
    pub async fn merge(&self, batch: Batch) -> Errors {
        self.merge_for(batch).await.0
    }

    /// Merges a batch; see [`Self::merge`]. Returns besides the part of it that concerns the end of each object, for
    /// [`crate::completion::Completer::check`].
    pub async fn merge_for(&self, batch: Batch) -> (Errors, Vec<Progress>) {
        let shares = batch.into_shares();
        let all = &shares;
        // By position, or the compiler cannot see that the future is `Send`.
        let merged: Vec<(usize, Result<u64, MergeError>)> = futures::stream::iter(0..all.len())
            .map(|position| async move { Some((position, self.merge_share(all.get(position)?).await)) })
            .buffer_unordered(MAX_IN_FLIGHT)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let mut errors = BTreeMap::new();
        let mut progress: BTreeMap<usize, Progress> = BTreeMap::new();
        for (position, merged) in merged {
            let Some(share) = shares.get(position) else { continue };
            match merged {
                Ok(new) => share.add_to(&mut progress, new),
                Err(error) => {
                    errors.insert((share.object, share.key.chunk), error);
                }
            }
        }
        if errors.is_empty() {
            self.tidy(&shares).await;
        }
        (Errors(errors), progress.into_values().collect())
    }

    /// Returns whether the object of this key may have a tally: see [`crate::verification::is_permitted`].
    ///
    /// # Errors
    /// If the table does not answer.
    pub async fn is_permitted(&self, key: &str) -> Result<bool, CallError> {
        crate::verification::is_permitted(&self.store, key).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a revision that this writer has not used yet, and that is greater than `than`.
    fn revision(&self, than: Option<u64>) -> u64 {
        let than = than.unwrap_or_default();
        let last = self.revisions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(last.max(than).saturating_add(1))
        });
        last.unwrap_or_else(|last| last).max(than).saturating_add(1)
    }

    /// Merges the change to one item, and returns the number of its settled rows that were not, as far as this writer
    /// remembers.
    async fn merge_share(&self, share: &Share) -> Result<u64, MergeError> {
        let key = share.key.of(&self.id);
        let mut seen = self.known().take(&key).unwrap_or_else(|| Seen::nothing(&key));
        // Before the first attempt, which may arrive without an answer.
        let settled = share.content.settles_beyond(&seen.content);
        let mut cause = String::new();
        // Set when a change was sent whose answer is unknown: it is sent again unchanged.
        let mut unsure = false;
        let mut attempt = 1;
        for _ in 0..MAX_ROUNDS {
            let new = seen.content.merge(&share.content);
            if !new && !unsure && seen.revision.is_some() {
                self.known().put(&key, seen);
                return Ok(settled);
            }
            let revision = self.revision(seen.revision);
            let set = seen.content.attributes_of(&share.content);
            let change = Change { expected: seen.revision, revision, set, remove: Vec::new() };
            match self.store.update(&key, &change).await {
                Ok(Updated::Done) => {
                    seen.revision = Some(revision);
                    self.known().put(&key, seen);
                    return Ok(settled);
                }
                // An earlier attempt arrived and its answer did not; or this writer has forgotten the item.
                Ok(Updated::Conflict(revision, attributes)) => {
                    seen = Seen { revision: Some(revision), content: Content::read(&key, &attributes)? };
                    unsure = false;
                    cause = "ConditionalCheckFailedException".to_owned();
                    continue;
                }
                // Folded into the shared item, so nothing of it is lost; only this batch is new.
                Ok(Updated::Gone) => {
                    seen = Seen::nothing(&key);
                    unsure = false;
                    continue;
                }
                Err(failed) if failed.retryable && attempt < self.backoff.attempts() => cause = failed.code,
                Err(failed) => return Err(MergeError::Call(failed.code)),
            }
            unsure = true;
            self.backoff.pause(attempt).await;
            attempt += 1;
        }
        Err(MergeError::Call(cause))
    }
}

#[cfg(test)]
mod tests;
