//! Folds: the shares of all writers become one item.
//!
//! After a merge that settled rows, a writer looks at their chunk, and folds the shares into the shared item if all its
//! rows are settled. The writer that is the last to write sees the shares of all others, so the last share of a chunk
//! finds it done. A writer that was not to look just then owes the look, and pays with a later batch, of whatever
//! object. If it gets none, the shares stay. Readers don't mind. Of a chunk that is not done, the shares of writers
//! that have been quiet for long are folded, so that the number of items is bounded by the number of writers at work;
//! and shares that have grown large, so that writes stay small.
//!
//! 1. The union is written to the shared item, if that has the revision that was read. Otherwise another writer folds.
//! 2. Each share is deleted, if it has the revision that was read.
//!
//! An end between the two leaves shares whose content is in the shared item too, which changes no union. A share that
//! its writer changed after it was read stays. An event that arrives late finds no share, and its writer begins a new
//! one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use runtime::CallError;
use tokio::time::Instant;

use super::{Change, Known, MAX_IN_FLIGHT, MAX_KNOWN, Share, Store, Updated, Writer};
use crate::attribute::{Attribute, Attributes};
use crate::item::{Content, Key};
use crate::reader::Scope;
use crate::rows::{ROWS_PER_CHUNK, Rows, is_of_replay};
use crate::time::seconds;

/// The pause for each item that a look has read, before its writer looks there again. With it, all writers together
/// read some ten items a second for each of them, however many they are: a few percent of the cost of their writes.
const PAUSE_PER_ITEM: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(600);
/// The number of seconds after which a writer without anything new counts as gone, while others have had something new.
const QUIET: i64 = 900;
/// The size in bytes from which a share is folded while rows are still arriving: each write of an item is paid for by
/// its size, and the union, whose rows follow each other, is the smaller one. Its writer, which finds it gone, begins a
/// new one at once.
const LARGE: usize = 5 << 10;
/// The greatest number of shares that one look folds: an invocation has seconds.
const MAX_FOLDED: usize = 200;
/// The time after a merge in which looks begin: the batch is written, and must not be delivered again because the
/// function had no time left to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// The greatest number of owed looks that a batch pays.
const MAX_PAID: usize = 8;

/// The times at which this writer looks at an item again.
#[derive(Debug, Default)]
pub(super) struct Looks {
    next: HashMap<Key, Instant>,
    /// Looks for which there was a reason and no time.
    owed: HashSet<Key>,
    /// `true` if the table does not allow it: an older stack. No further calls are made.
    refused: bool,
}

impl Looks {
    fn is_due(&self, key: &Key) -> bool {
        !self.refused && self.next.get(key).is_none_or(|next| *next <= Instant::now())
    }

    fn owe(&mut self, key: &Key) {
        if self.owed.len() < MAX_KNOWN && !self.refused {
            self.owed.insert(key.clone());
        }
    }

    /// Returns some of the looks that are owed and due.
    fn payable(&self) -> Vec<Key> {
        self.owed.iter().filter(|key| self.is_due(key)).take(MAX_PAID).cloned().collect()
    }

    fn put(&mut self, key: &Key, items: usize) {
        let now = Instant::now();
        if self.next.len() >= MAX_KNOWN {
            self.next.retain(|_, next| *next > now);
        }
        if self.next.len() >= MAX_KNOWN {
            self.next.clear();
        }
        let pause = PAUSE_PER_ITEM.saturating_mul(u32::try_from(items).unwrap_or(u32::MAX)).min(MAX_PAUSE);
        self.next.insert(key.clone(), now + pause);
    }
}

/// An item as it was read.
struct Found {
    key: Key,
    revision: u64,
    content: Content,
    /// Bytes of its sets, approximately.
    bytes: usize,
}

/// The items of one chunk, or those of the summary.
struct Items {
    shared: Option<(Found, Attributes)>,
    shares: Vec<Found>,
    union: Content,
}

impl<S: Store> Writer<S> {
    /// Folds the items that a batch has touched and that are done. A fold that fails here is done by another look.
    pub(super) async fn tidy(&self, shares: &[Share]) {
        let end = Instant::now() + self.patience;
        let mut busy = false;
        let worth = |share: &&Share| match &share.content {
            Content::Rows(rows) => rows.settles(),
            Content::Summary(summary) => !summary.shards.is_empty() || !summary.failures.is_empty(),
        };
        for share in shares.iter().filter(worth) {
            let due = !busy && Instant::now() < end && self.looks().is_due(&share.key);
            match due {
                true => busy = self.look_at(&share.key).await,
                false => self.looks().owe(&share.key),
            }
        }
        let payable = self.looks().payable();
        for key in &payable {
            if busy || Instant::now() >= end {
                return;
            }
            busy = self.look_at(key).await;
        }
    }

    /// Looks at an item, or owes the look. Returns whether the table is busy, so that others are better left for later
    /// as well.
    async fn look_at(&self, key: &Key) -> bool {
        self.looks().owed.remove(key);
        let looked = match key.chunk {
            Some(_) => self.look_at_rows(key, None).await,
            None => self.look_at_object(key).await,
        };
        let Err(error) = looked else { return false };
        let mut looks = self.looks();
        if error.code.starts_with("AccessDenied") {
            looks.refused = true;
            looks.owed.clear();
        } else if error.retryable {
            looks.owe(key);
        }
        // The reason for which this item is refused does not apply to others.
        error.retryable || looks.refused
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Looks at the summary and the last chunk of an object: its end may be its last event, and its last rows are done
    /// then.
    async fn look_at_object(&self, key: &Key) -> Result<(), CallError> {
        match self.look_at_summary(key).await? {
            Some(total @ 1..) => {
                let last = Key::shared(&key.object, Some(total / ROWS_PER_CHUNK));
                self.look_at_rows(&last, Some(total)).await
            }
            _ => Ok(()),
        }
    }

    async fn look_at_rows(&self, key: &Key, total: Option<u64>) -> Result<(), CallError> {
        let Some(items) = self.items_of(key).await? else { return Ok(()) };
        let (Content::Rows(rows), Some(chunk)) = (&items.union, key.chunk) else { return Ok(()) };
        let done = is_full(rows, chunk)
            || (rows.known() == rows.settled() && {
                let total = match total {
                    Some(total) => Some(total),
                    None => self.look_at_summary(&Key::shared(&key.object, None)).await?,
                };
                total.is_some_and(|total| is_done(rows, chunk, total))
            });
        let folded = self.fold(key, items, done).await?;
        if folded && !done {
            // A writer that is gone has left a share of the summary too.
            self.look_at_summary(&Key::shared(&key.object, None)).await?;
        }
        Ok(())
    }

    /// Folds the summary once the object was read completely, or has failed, and returns the number of rows.
    async fn look_at_summary(&self, key: &Key) -> Result<Option<u64>, CallError> {
        let Some(items) = self.items_of(key).await? else { return Ok(None) };
        let Content::Summary(summary) = &items.union else { return Ok(None) };
        let total = summary.total().map(|total| total.rows);
        let done = total.is_some() || !summary.failures.is_empty();
        self.fold(key, items, done).await?;
        Ok(total)
    }

    /// Returns the items beside `key`; `None` if one can't be read, which readers report.
    async fn items_of(&self, key: &Key) -> Result<Option<Items>, CallError> {
        let stored = self.store.items(Scope::Part(&key.object, &key.part())).await?;
        self.looks().put(key, stored.len());
        let mut items = Items { shared: None, shares: Vec::new(), union: Content::empty(key) };
        for stored in stored {
            let Some(found) =
                Key::parse(&stored.object, &stored.part).filter(|found| found.chunk == key.chunk)
            else {
                continue;
            };
            let Ok(content) = Content::read(&found, &stored.attributes) else { return Ok(None) };
            items.union.merge(&content);
            let shared = found.writer.is_none();
            if !shared && !Content::is_whole(&found, &stored.attributes) {
                // A newer version wrote it. If this version folded it, attributes that it doesn't read would be lost.
                continue;
            }
            let sets = stored.attributes.values().map(|value| match value {
                Attribute::Bytes(bytes) => bytes.len(),
                _ => 0,
            });
            let found = Found { key: found, revision: stored.revision, content, bytes: sets.sum() };
            match shared {
                true => items.shared = Some((found, stored.attributes)),
                false => items.shares.push(found),
            }
        }
        Ok(Some(items))
    }

    /// Folds all shares, or, while rows are still arriving, those of writers that are gone. Returns whether there were
    /// any.
    async fn fold(&self, key: &Key, items: Items, done: bool) -> Result<bool, CallError> {
        let Items { shared, mut shares, union } = items;
        if !done {
            let last = union.last_at().map(|last| seconds(last));
            shares.retain(|share| {
                let own = share.content.last_at().map(|last| seconds(last));
                let quiet = last.zip(own).is_some_and(|(last, own)| last.saturating_sub(own) > QUIET);
                quiet || share.bytes > LARGE
            });
        }
        if shares.len() > MAX_FOLDED {
            shares.truncate(MAX_FOLDED);
            self.looks().owe(key);
        }
        if shares.is_empty() {
            return Ok(false);
        }
        let (expected, mut content, before) = match shared {
            Some((found, attributes)) => (Some(found.revision), found.content, attributes),
            None => (None, Content::empty(key), Attributes::new()),
        };
        let mut new = false;
        for share in &shares {
            new |= content.merge(&share.content);
        }
        if new {
            let mut set = content.attributes();
            let remove = before.keys().filter(|name| is_of_replay(name) && !set.contains_key(*name));
            let remove = remove.cloned().collect();
            set.retain(|name, value| before.get(name) != Some(value));
            let revision = expected.unwrap_or_default().saturating_add(1);
            let change = Change { expected, revision, set, remove };
            if self.store.update(key, &change).await? != Updated::Done {
                return Ok(false);
            }
        }
        let own = key.of(&self.id);
        if shares.iter().any(|share| share.key == own) {
            self.known().forget(&own);
        }
        let mut deleted = futures::stream::iter(shares)
            .map(|share| async move { self.store.delete(&share.key, share.revision).await })
            .buffer_unordered(MAX_IN_FLIGHT);
        while let Some(deleted) = deleted.next().await {
            deleted?;
        }
        Ok(true)
    }
}

#[cfg(test)]
impl<S: Store> Writer<S> {
    /// Folds as if all rows were done, whatever is there.
    pub(super) async fn fold_all(&self, key: &Key) -> Result<(), CallError> {
        match self.items_of(key).await? {
            Some(items) => self.fold(key, items, true).await.map(drop),
            None => Ok(()),
        }
    }

    /// Lets the pauses between looks end, as time does.
    pub(super) fn end_pauses(&self) {
        self.looks().next.clear();
    }
}

impl Known {
    fn forget(&mut self, key: &Key) {
        self.items.remove(key);
    }
}

/// Returns the rows of a chunk, from the first to the one before the last, by their offsets. There is no row 0.
fn offsets(chunk: u64, end: u64) -> std::ops::Range<u32> {
    let base = chunk.saturating_mul(ROWS_PER_CHUNK);
    let offset = |row: u64| u32::try_from(row.saturating_sub(base).min(ROWS_PER_CHUNK)).unwrap_or(0);
    offset(base.max(1))..offset(end)
}

fn has_all(rows: &Rows, offsets: &std::ops::Range<u32>) -> bool {
    rows.settled().range_cardinality(offsets.clone()) == u64::from(offsets.end.saturating_sub(offsets.start))
}

/// Returns whether each row that the chunk can have is settled.
fn is_full(rows: &Rows, chunk: u64) -> bool {
    has_all(rows, &offsets(chunk, u64::MAX))
}

/// Returns whether each row that the chunk has is settled, of an object with `total` rows.
fn is_done(rows: &Rows, chunk: u64, total: u64) -> bool {
    has_all(rows, &offsets(chunk, total.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_done_when_each_of_its_rows_is_settled() {
        let rows = |range: std::ops::Range<u32>| {
            let mut rows = Rows::default();
            rows.loaded.insert_range(range);
            rows
        };
        assert!(is_full(&rows(1..65_536), 0), "there is no row 0");
        assert!(!is_full(&rows(1..65_536), 1));
        assert!(is_full(&rows(0..65_536), 1));
        assert!(is_done(&rows(1..4), 0, 3));
        assert!(!is_done(&rows(1..3), 0, 3));
        assert!(is_done(&rows(0..1), 2, 2 * 65_536), "one row in the third chunk");
        assert!(!is_done(&rows(1..2), 2, 2 * 65_536 + 1));
        let mut failed = rows(1..3);
        failed.failed.entry(("load".into(), "invalid-item".into())).or_default().insert(3);
        assert!(is_done(&failed, 0, 3));
        let mut skipped = rows(1..3);
        assert!(!is_done(&skipped, 0, 3));
        skipped.skipped.insert(3);
        assert!(is_done(&skipped, 0, 3));
    }
}
