//! Merging into the table without reading it first, and without a race.
//!
//! A set union needs no winner. Each writer has items of its own, beside those of others: `rows#…#<writer>`. Nobody else
//! writes to them, so a merge is one call that is never refused, however many writers there are; readers unite all
//! shares. A writer is a process: its id is random, and a cold start is a new writer. Ids out of a fixed number of slots
//! would bound the number of items, and two writers of one slot would race again; the number of items is bounded by
//! [`fold`] instead.
//!
//! Each item has a `revision`. A writer's revisions come out of one counter and never come twice, whatever becomes of its
//! items meanwhile. So who deletes an item at the revision that it read deletes what it read, and nothing newer.

mod fold;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use runtime::{Backoff, CallError};

use crate::attribute::Attributes;
use crate::batch::{Batch, Share, Touched};
use crate::item::{Content, Damaged, Key, writer_id};
use crate::reader::Source;

/// Items that a writer remembers. Each is some kilobytes at worst.
const MAX_KNOWN: usize = 256;
/// Calls for one item at most, whatever the table answers.
const MAX_ROUNDS: u32 = 32;
/// Items that are merged at the same time.
const MAX_IN_FLIGHT: usize = 8;

/// What is written to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Revision that the item must have; `None`: it must not be there.
    pub expected: Option<u64>,
    /// Its revision from then on.
    pub revision: u64,
    /// The attributes that change.
    pub set: Attributes,
    /// Names of attributes that go.
    pub remove: Vec<String>,
}

/// The answer to a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// It is written.
    Done,
    /// The item has another revision: this, with these attributes.
    Conflict(u64, Attributes),
    /// The item is not there.
    Gone,
}

/// The table, as a writer sees it. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Store: Source {
    /// Writes to one item, if it has the expected revision.
    fn update(&self, key: &Key, change: &Change) -> impl Future<Output = Result<Updated, CallError>> + Send;

    /// Deletes one item, if it has this revision; whether it had.
    fn delete(&self, key: &Key, revision: u64) -> impl Future<Output = Result<bool, CallError>> + Send;
}

/// Why something is not in the tally.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The table contains an item that the tally did not write.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The table did not take it.
    #[error(
        "could not write the tally: {0}; the message is delivered again after the visibility timeout of its queue"
    )]
    Call(String),
}

/// What could not be written of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(BTreeMap<(usize, Option<u64>), MergeError>);

impl Errors {
    /// Whether all was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why one of the items that an event touches was not written.
    #[must_use]
    pub fn of(&self, touched: &Touched) -> Option<&MergeError> {
        self.0.iter().find(|((object, chunk), _)| touched.contains(*object, *chunk)).map(|(_, error)| error)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &MergeError> {
        self.0.values()
    }
}

/// Merges batches into the table.
#[derive(Debug)]
pub struct Writer<S> {
    store: S,
    backoff: Backoff,
    id: String,
    revisions: AtomicU64,
    known: Mutex<Known>,
    looks: Mutex<fold::Looks>,
    /// How long after a merge looks are begun.
    patience: Duration,
}

/// An item of this writer's own as it was when it wrote it last.
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
    /// Takes an item out: it is put back once it is written.
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

/// Pauses of a writer while the table does not answer, or says that it is busy.
#[must_use]
pub const fn backoff() -> Backoff {
    Backoff::new(8, Duration::from_millis(50), Duration::from_secs(2))
}

impl<S: Store> Writer<S> {
    /// Writes through `store`.
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

    /// Merges a batch. Gives back what could not be written, and why.
    pub async fn merge(&self, batch: Batch) -> Errors {
        let shares = batch.into_shares();
        let all = &shares;
        // By position, or the compiler cannot see that the future is `Send`.
        let errors: BTreeMap<_, _> = futures::stream::iter(0..all.len())
            .map(|position| async move {
                let share = all.get(position)?;
                let merged = self.merge_share(share).await;
                Some(((share.object, share.key.chunk), merged.err()?))
            })
            .buffer_unordered(MAX_IN_FLIGHT)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if errors.is_empty() {
            self.tidy(&shares).await;
        }
        Errors(errors)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A revision that this writer has given to nothing yet, and that is greater than `than`.
    fn revision(&self, than: Option<u64>) -> u64 {
        let than = than.unwrap_or_default();
        let last = self.revisions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(last.max(than).saturating_add(1))
        });
        last.unwrap_or_else(|last| last).max(than).saturating_add(1)
    }

    async fn merge_share(&self, share: &Share) -> Result<(), MergeError> {
        let key = share.key.of(&self.id);
        let mut seen = self.known().take(&key).unwrap_or_else(|| Seen::nothing(&key));
        let mut cause = String::new();
        // Sent, and nobody knows whether it was written: sent again as it was.
        let mut unsure = false;
        let mut attempt = 1;
        for _ in 0..MAX_ROUNDS {
            let new = seen.content.merge(&share.content);
            if !new && !unsure && seen.revision.is_some() {
                self.known().put(&key, seen);
                return Ok(());
            }
            let revision = self.revision(seen.revision);
            let set = seen.content.attributes_of(&share.content);
            let change = Change { expected: seen.revision, revision, set, remove: Vec::new() };
            match self.store.update(&key, &change).await {
                Ok(Updated::Done) => {
                    seen.revision = Some(revision);
                    self.known().put(&key, seen);
                    return Ok(());
                }
                // An earlier attempt arrived and its answer did not; or this writer has forgotten the item.
                Ok(Updated::Conflict(revision, attributes)) => {
                    seen = Seen { revision: Some(revision), content: Content::read(&key, &attributes)? };
                    unsure = false;
                    cause = "ConditionalCheckFailedException".to_owned();
                    continue;
                }
                // Folded into the shared item, so nothing of it is lost; this batch alone is new.
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
