//! Merging into the table without reading it first.
//!
//! Each item has a `revision` that every write raises. A writer writes on the condition that the revision is the one that
//! it knows; a refusal brings the item as it is now. So an undisturbed merge is one call, and a disturbed one two.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use publisher::{Backoff, CallError};

use crate::batch::Batch;
use crate::item::{Attributes, Content, Damaged, Key};

/// Items that a writer remembers. Each is some kilobytes at worst.
const MAX_KNOWN: usize = 256;
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
pub trait Store: Send + Sync {
    /// Writes to one item, if it has the expected revision.
    fn update(&self, key: &Key, change: &Change) -> impl Future<Output = Result<Updated, CallError>> + Send;
}

/// Why something is not in the tally.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// What is in the table is none of the tally's.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The table did not take it.
    #[error("the tally was not written: {0}")]
    Call(String),
    /// Other writers were always quicker.
    #[error("the tally was not written: other writers were quicker each time")]
    Crowded,
}

/// Merges batches into the table.
#[derive(Debug)]
pub struct Writer<S> {
    store: S,
    backoff: Backoff,
    known: Mutex<Known>,
}

/// An item as it was when this writer saw it last.
#[derive(Debug, Clone)]
struct Seen {
    revision: Option<u64>,
    content: Content,
}

#[derive(Debug, Default)]
struct Known {
    items: HashMap<Key, (u64, Seen)>,
    clock: u64,
}

impl Known {
    fn get(&mut self, key: &Key) -> Option<Seen> {
        self.clock += 1;
        let (used, seen) = self.items.get_mut(key)?;
        *used = self.clock;
        Some(seen.clone())
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

/// Pauses of a writer: short, because a conflict is over as soon as the other has written, and many, because of several
/// writers that write at once one gets through.
#[must_use]
pub const fn backoff() -> Backoff {
    Backoff::new(12, Duration::from_millis(20), Duration::from_millis(800))
}

impl<S: Store> Writer<S> {
    /// Writes through `store`.
    pub fn new(store: S, backoff: Backoff) -> Self {
        Self { store, backoff, known: Mutex::default() }
    }

    /// Merges a batch. Gives back the items that could not be written, and why.
    pub async fn merge(&self, batch: Batch) -> BTreeMap<Key, MergeError> {
        futures::stream::iter(batch.into_parts())
            .map(|(key, content)| async move {
                let merged = self.merge_item(&key, &content).await;
                Some((key, merged.err()?))
            })
            .buffer_unordered(MAX_IN_FLIGHT)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn merge_item(&self, key: &Key, content: &Content) -> Result<(), MergeError> {
        let unseen = || Seen { revision: None, content: Content::empty(key) };
        let mut seen = self.known().get(key).unwrap_or_else(unseen);
        let mut error = MergeError::Crowded;
        for attempt in 1..=self.backoff.attempts() {
            let mut merged = seen.content.clone();
            if !merged.merge(content) {
                return Ok(());
            }
            let before = seen.content.attributes();
            let mut set = merged.attributes();
            set.retain(|name, value| before.get(name) != Some(value));
            let revision = seen.revision.map_or(1, |revision| revision.saturating_add(1));
            let change = Change { expected: seen.revision, revision, set };
            match self.store.update(key, &change).await {
                Ok(Updated::Done) => {
                    self.known().put(key, Seen { revision: Some(revision), content: merged });
                    return Ok(());
                }
                Ok(Updated::Conflict(revision, attributes)) => {
                    let content = Content::read(key, &attributes)?;
                    seen = Seen { revision: Some(revision), content };
                    self.known().put(key, seen.clone());
                    error = MergeError::Crowded;
                    // What the answer has brought is fresh now, and old after a pause: each pause is followed by two
                    // attempts, and the second of them needs nobody to have been quiet for longer than a call.
                    if attempt % 2 == 1 {
                        continue;
                    }
                }
                Ok(Updated::Gone) => seen = unseen(),
                Err(failed) if failed.retryable => error = MergeError::Call(failed.code),
                Err(failed) => return Err(MergeError::Call(failed.code)),
            }
            if attempt < self.backoff.attempts() {
                self.backoff.pause(attempt).await;
            }
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests;
