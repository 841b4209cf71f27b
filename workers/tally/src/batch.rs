//! The change that a batch of events makes to the tally, with an entry for each item that it touches.

use std::collections::{BTreeMap, HashMap};

use contract::ObjectRef;
use contract::brief::{Brief, What};
use roaring::RoaringBitmap;

use crate::item::{Content, Key, MAX_CHUNKS};
use crate::row_set::RowSet;
use crate::rows::{ROWS_PER_CHUNK, Rows, is_replay_id, stage_name};
use crate::summary::{Counts, MAX_ROWS, Replayed, Summary, shortened};
use crate::time::{earlier, is_time, later};

/// Rows that one event can concern: each takes a byte at least, and an event of EventBridge has a mebibyte at most.
pub const MAX_ROWS_PER_EVENT: u64 = 1 << 20;

/// An event whose row numbers no file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event contains row numbers that no file can have")]
pub struct Unusable;

/// The change that events make to the tally.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    objects: Vec<Entry>,
    by_digest: HashMap<String, usize>,
    /// The object of the last event: most events concern the same object as the one before.
    last: Option<(ObjectRef, usize)>,
}

/// The change that events make to the tally of one object.
#[derive(Debug, Clone)]
struct Entry {
    digest: String,
    summary: Summary,
    chunks: BTreeMap<u64, Rows>,
}

/// The items that an event touches: the summary of an object, and chunks of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    pub(crate) object: usize,
    /// The first chunk and the last. Those between may be untouched: an event that is delivered again for nothing does no harm,
    /// one that is not delivered again is lost.
    pub(crate) chunks: Option<(u64, u64)>,
}

impl Touched {
    /// Returns whether an item of that object is touched.
    pub(crate) fn contains(&self, object: usize, chunk: Option<u64>) -> bool {
        self.object == object
            && chunk
                .is_none_or(|chunk| self.chunks.is_some_and(|(first, last)| (first..=last).contains(&chunk)))
    }
}

/// The change that a batch makes to one item.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// The object's place in the batch.
    pub object: usize,
    /// The item into which all shares are folded.
    pub key: Key,
    pub content: Content,
}

impl Batch {
    /// Adds an event, and returns the items that it touches, if it concerns an object.
    ///
    /// # Errors
    /// [`Unusable`]; nothing was added then.
    pub fn add(&mut self, event: &Brief<'_>) -> Result<Option<Touched>, Unusable> {
        let Some(about) = &event.object else { return Ok(None) };
        if matches!(event.what, What::Completed { rows, .. } if rows > MAX_ROWS) {
            return Err(Unusable);
        }
        let rows = event.record.as_ref().map(|record| rows(record.index, record.count)).transpose()?;
        let (index, new) = match &self.last {
            Some((object, index)) if about.is(object) => (*index, None),
            _ => {
                let object = about.to_ref();
                (self.find(&object), Some(object))
            }
        };
        let Some(entry) = self.objects.get_mut(index) else { return Ok(None) };
        let time = event.time.as_deref().filter(|time| is_time(time));
        if let Some(object) = &new {
            let known = Summary { object: Some(object.clone()), ..Summary::default() };
            entry.summary.merge(&known);
        }
        let replay = about.replay.as_deref().filter(|id| is_replay_id(id));
        entry.summarise(&event.what, rows.is_some(), replay);
        stamp(&mut entry.summary.started_at, &mut entry.summary.last_at, time);
        let chunks = rows.map(|(first, last)| {
            entry.add_rows(&event.what, first, last, replay, time);
            let first = entry.add_overwritten(&event.what, first, last).unwrap_or(first).min(first);
            (first / ROWS_PER_CHUNK, last / ROWS_PER_CHUNK)
        });
        if let Some(object) = new {
            self.last = Some((object, index));
        }
        Ok(Some(Touched { object: index, chunks }))
    }

    /// Adds a request to send rows of an object again.
    pub fn ask(&mut self, object: &ObjectRef, id: &str, what: &str, rows: &RowSet) {
        let index = self.find(object);
        let Some(entry) = self.objects.get_mut(index).filter(|_| is_replay_id(id)) else { return };
        let asked = Replayed { what: what.to_owned(), rows: rows.len(), failure: None };
        let known = Summary {
            object: Some(object.clone()),
            replays: BTreeMap::from([(id.to_owned(), asked)]),
            ..Summary::default()
        };
        entry.summary.merge(&known);
        for range in rows.ranges() {
            let (first, last) = range.into_inner();
            for (chunk, offsets) in chunks(first, last) {
                let rows = entry.chunks.entry(chunk).or_default();
                rows.asked.entry(id.to_owned()).or_default().insert_range(offsets);
            }
        }
    }

    /// Adds that the request with that ID was never sent.
    pub fn withdraw(&mut self, object: &ObjectRef, id: &str) {
        let index = self.find(object);
        let Some(entry) = self.objects.get_mut(index).filter(|_| is_replay_id(id)) else { return };
        let failure = Some(("extraction".to_owned(), "not-sent".to_owned()));
        entry.summary.object = Some(object.clone());
        entry.summary.replays.entry(id.to_owned()).or_default().failure = failure;
    }

    /// Returns the change to each item.
    pub(crate) fn into_shares(self) -> Vec<Share> {
        let mut shares = Vec::new();
        for (object, Entry { digest, summary, chunks }) in self.objects.into_iter().enumerate() {
            for (chunk, rows) in chunks {
                let key = Key::shared(&digest, Some(chunk));
                shares.push(Share { object, key, content: Content::Rows(rows) });
            }
            let key = Key::shared(digest, None);
            shares.push(Share { object, key, content: Content::Summary(summary) });
        }
        shares
    }

    fn find(&mut self, object: &ObjectRef) -> usize {
        let digest = object.digest();
        let Self { objects, by_digest, .. } = self;
        *by_digest.entry(digest).or_insert_with_key(|digest| {
            objects.push(Entry {
                digest: digest.clone(),
                summary: Summary::default(),
                chunks: BTreeMap::new(),
            });
            objects.len() - 1
        })
    }
}

impl Entry {
    fn summarise(&mut self, what: &What<'_>, of_rows: bool, replay: Option<&str>) {
        let summary = &mut self.summary;
        match what {
            What::TaskStarted { task } => {
                summary.tasks.insert(task.to_string());
            }
            What::Completed { rows, bytes, rejected, shard } => {
                let shard = shard.map_or((1, 1), |shard| (shard.of, shard.index));
                let counts = Counts { rows: *rows, rejected: *rejected, bytes: *bytes };
                summary.shards.entry(shard).or_default().raise(counts);
            }
            What::Failed { stage, code, message, .. } => {
                let why = (stage_name(*stage).to_owned(), code.to_string());
                if !of_rows {
                    match replay {
                        // The object was read before: this was a failure to send some of its rows again.
                        Some(id) => {
                            summary.replays.entry(id.to_owned()).or_default().failure = Some(why.clone());
                        }
                        None => {
                            summary.failures.insert(why.clone());
                        }
                    }
                }
                let message = shortened(message);
                let kept = summary.messages.entry(why).or_insert_with(|| message.clone());
                if message < *kept {
                    *kept = message;
                }
            }
            What::Extracted | What::Transformed | What::Skipped | What::Loaded { .. } => {}
        }
    }

    fn add_rows(&mut self, what: &What<'_>, first: u64, last: u64, replay: Option<&str>, time: Option<&str>) {
        for (chunk, offsets) in chunks(first, last) {
            let rows = self.chunks.entry(chunk).or_default();
            let settled = match what {
                What::Extracted => {
                    rows.extracted.insert_range(offsets.clone());
                    false
                }
                What::Transformed => {
                    rows.transformed.insert_range(offsets.clone());
                    false
                }
                What::Skipped => {
                    rows.skipped.insert_range(offsets.clone());
                    true
                }
                What::Loaded { .. } => {
                    rows.loaded.insert_range(offsets.clone());
                    true
                }
                What::Failed { stage, code, .. } => {
                    failed(rows, stage_name(*stage), code).insert_range(offsets.clone());
                    true
                }
                What::TaskStarted { .. } | What::Completed { .. } => false,
            };
            if let (true, Some(id)) = (settled, replay) {
                rows.replayed.entry(id.to_owned()).or_default().insert_range(offsets);
            }
            stamp(&mut rows.started_at, &mut rows.last_at, time);
        }
    }

    /// Adds the rows that those from `first` to `last` have replaced, and returns the first of them.
    ///
    /// `load` names for each row at most itself and the one it met, and of two the earlier. More is not from `load`,
    /// and must not make a write of each number.
    fn add_overwritten(&mut self, what: &What<'_>, first: u64, last: u64) -> Option<u64> {
        let What::Loaded { overwritten, .. } = what else { return None };
        let most = usize::try_from((last - first + 1).saturating_mul(2)).unwrap_or(usize::MAX);
        let valid = overwritten.iter().copied().filter(|row| (1..=last).contains(row)).take(most);
        for row in valid.clone() {
            for (chunk, offsets) in chunks(row, row) {
                self.chunks.entry(chunk).or_default().overwritten.insert_range(offsets);
            }
        }
        valid.min()
    }
}

/// Returns the rows that failed in that stage for that reason.
fn failed<'r>(rows: &'r mut Rows, stage: &str, reason: &str) -> &'r mut RoaringBitmap {
    rows.failed.entry((stage.to_owned(), reason.to_owned())).or_default()
}

fn stamp(started_at: &mut Option<String>, last_at: &mut Option<String>, time: Option<&str>) {
    let Some(time) = time else { return };
    if started_at.as_deref().is_none_or(|own| time < own) {
        earlier(started_at, Some(&time.to_owned()));
    }
    if last_at.as_deref().is_none_or(|own| time > own) {
        later(last_at, Some(&time.to_owned()));
    }
}

/// Returns the first and the last of `count` rows.
fn rows(index: u64, count: u64) -> Result<(u64, u64), Unusable> {
    let end = index.saturating_add(count);
    if index == 0 || count == 0 || count > MAX_ROWS_PER_EVENT || end > MAX_CHUNKS * ROWS_PER_CHUNK {
        return Err(Unusable);
    }
    Ok((index, end - 1))
}

/// Returns rows by chunk: its number, and their offsets in it.
fn chunks(first: u64, last: u64) -> impl Iterator<Item = (u64, std::ops::Range<u32>)> {
    (first / ROWS_PER_CHUNK..=last / ROWS_PER_CHUNK).map(move |chunk| {
        let base = chunk * ROWS_PER_CHUNK;
        let offset = |row: u64| u32::try_from(row.saturating_sub(base).min(ROWS_PER_CHUNK)).unwrap_or(0);
        (chunk, offset(first)..offset(last + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_four_billion_have_their_chunk() {
        let row = (7 << 32) + 65_535;
        let (first, last) = rows(row, 2).expect("rows");
        let found: Vec<_> = chunks(first, last).collect();
        assert_eq!(found, [(row / 65_536, 65_535..65_536), (row / 65_536 + 1, 0..1)]);
        for (index, count) in
            [(0, 1), (1, 0), (1, MAX_ROWS_PER_EVENT + 1), (u64::MAX, 1), (u64::MAX, u64::MAX)]
        {
            assert_eq!(rows(index, count), Err(Unusable), "{index} {count}");
        }
    }
}
