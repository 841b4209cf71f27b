//! The change that a batch of events makes to the tally, with an entry for each item that it touches.

use std::collections::{BTreeMap, HashMap};

use contract::brief::{Brief, What, Written};
use contract::{Notes, ObjectRef};
use roaring::RoaringBitmap;

use crate::described::{Details, RowFailure};
use crate::item::{Content, Key, MAX_CHUNKS};
use crate::row_set::RowSet;
use crate::rows::{ROWS_PER_CHUNK, Rows, chunks, is_replay_id, stage_name};
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
    /// `true` if details of failed rows are kept.
    detailed: bool,
    /// The object of the last event: most events concern the same object as the one before.
    last: Option<(ObjectRef, usize)>,
}

/// The change that events make to the tally of one object.
#[derive(Debug, Clone)]
struct Entry {
    digest: String,
    summary: Summary,
    chunks: BTreeMap<u64, Rows>,
    details: Details,
}

/// The items that an event touches: the summary of an object, and chunks of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub(crate) object: usize,
    /// The first chunk and the last. Those between may be untouched: an event that is delivered again for nothing does no harm,
    /// one that is not delivered again is lost.
    pub(crate) chunks: Option<(u64, u64)>,
    /// `true` if it can be the last event of the object.
    may_end: bool,
    /// The replay that it belongs to.
    replay: Option<String>,
}

/// The part of a batch that concerns the end of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The object's place in the batch.
    pub(crate) object: usize,
    /// Its digest.
    pub(crate) digest: String,
    /// Rows that the batch settles, and that were not settled as far as the writer knew.
    pub(crate) new: u64,
    /// All rows that the batch settles.
    pub(crate) settled: u64,
    /// `true` if the batch contains the end of the object, or of a part of it, or its failure as a whole.
    pub(crate) ends: bool,
    /// The last replay that something of the batch belongs to.
    pub(crate) replay: Option<String>,
}

impl Progress {
    /// Returns whether an event could be the one that all others of the object have waited for, as far as the batch
    /// tells.
    pub(crate) fn is_decided_by(&self, touched: &Touched) -> bool {
        touched.may_end(self.object) && touched.replay == self.replay
    }
}

impl Touched {
    /// Returns whether this can be the last event of that object.
    pub(crate) const fn may_end(&self, object: usize) -> bool {
        self.may_end && self.object == object
    }

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

impl Share {
    /// Adds the part of it that concerns the end of its object, of which `new` rows were not settled before. Most
    /// changes have no such part.
    pub(crate) fn add_to(&self, progress: &mut BTreeMap<usize, Progress>, new: u64) {
        let (settled, ends, replay) = match &self.content {
            Content::Rows(rows) => (rows.settled().len(), false, rows.replayed.keys().next_back()),
            Content::Summary(summary) => {
                let failed = summary.replays.iter().filter(|(_, replay)| replay.failure.is_some());
                let ends = !summary.shards.is_empty() || !summary.failures.is_empty();
                (0, ends, failed.map(|(id, _)| id).next_back())
            }
        };
        if settled == 0 && !ends && replay.is_none() {
            return;
        }
        let own = progress.entry(self.object).or_insert_with(|| Progress {
            object: self.object,
            digest: self.key.object.clone(),
            new: 0,
            settled: 0,
            ends: false,
            replay: None,
        });
        own.new += new;
        own.settled += settled;
        own.ends |= ends;
        if own.replay.as_ref() < replay {
            own.replay = replay.cloned();
        }
    }
}

impl Batch {
    /// Creates a batch that also has details of failed rows, for [`crate::details::Keeper`].
    #[must_use]
    pub fn detailed(detailed: bool) -> Self {
        Self { detailed, ..Self::default() }
    }

    /// Returns the details of failed rows, each with the digest of its object.
    pub(crate) fn details(&self) -> impl Iterator<Item = (&str, &Details)> {
        let entries = self.objects.iter().filter(|entry| !entry.details.is_empty());
        entries.map(|entry| (entry.digest.as_str(), &entry.details))
    }

    /// Adds an event, and returns the items that it touches, if it concerns an object.
    ///
    /// # Errors
    /// [`Unusable`]; nothing was added then.
    pub fn add(&mut self, event: &Brief<'_>) -> Result<Option<Touched>, Unusable> {
        let Some(about) = &event.object else { return Ok(None) };
        // Made of the tally, in which there is nothing new then.
        if matches!(event.what, What::ObjectCompleted { .. } | What::SnapshotCompleted { .. }) {
            return Ok(None);
        }
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
            if self.detailed
                && let What::Failed { stage, code, message, field, column, .. } = &event.what
            {
                let message = shortened(message);
                let (field, column) = (field.as_deref(), column.as_deref());
                let failure = RowFailure::new(first, stage_name(*stage), code, &message, field, column);
                entry.details.add(&failure, time, first, last);
            }
            let first = entry.add_notes(&event.what, first, last).unwrap_or(first).min(first);
            (first / ROWS_PER_CHUNK, last / ROWS_PER_CHUNK)
        });
        if let Some(object) = new {
            self.last = Some((object, index));
        }
        let may_end = match event.what {
            What::Completed { .. }
            | What::Skipped
            | What::Loaded(_)
            | What::Deleted(_)
            | What::Existing(_)
            | What::Failed { .. } => true,
            What::TaskStarted { .. }
            | What::Extracted
            | What::Transformed { .. }
            | What::Deletion
            | What::ObjectCompleted { .. }
            | What::SnapshotCompleted { .. } => false,
        };
        let replay = replay.filter(|_| may_end).map(str::to_owned);
        Ok(Some(Touched { object: index, chunks, may_end, replay }))
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
        for (object, Entry { digest, summary, chunks, .. }) in self.objects.into_iter().enumerate() {
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
                details: Details::default(),
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
            What::Extracted
            | What::Transformed { .. }
            | What::Deletion
            | What::Skipped
            | What::Loaded(_)
            | What::Deleted(_)
            | What::Existing(_)
            | What::ObjectCompleted { .. }
            | What::SnapshotCompleted { .. } => {}
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
                What::Transformed { .. } | What::Deletion => {
                    rows.transformed.insert_range(offsets.clone());
                    false
                }
                What::Skipped => {
                    rows.skipped.insert_range(offsets.clone());
                    true
                }
                What::Existing(_) => {
                    rows.skipped.insert_range(offsets.clone());
                    rows.existing.insert_range(offsets.clone());
                    true
                }
                What::Loaded(_) => {
                    rows.loaded.insert_range(offsets.clone());
                    true
                }
                What::Deleted(_) => {
                    rows.loaded.insert_range(offsets.clone());
                    rows.deleted.insert_range(offsets.clone());
                    true
                }
                What::Failed { stage, code, .. } => {
                    failed(rows, stage_name(*stage), code).insert_range(offsets.clone());
                    true
                }
                What::TaskStarted { .. }
                | What::Completed { .. }
                | What::ObjectCompleted { .. }
                | What::SnapshotCompleted { .. } => false,
            };
            if let (true, Some(id)) = (settled, replay) {
                rows.replayed.entry(id.to_owned()).or_default().insert_range(offsets);
            }
            stamp(&mut rows.started_at, &mut rows.last_at, time);
        }
    }

    /// Adds the notes of an event about the rows from `first` to `last`, and returns the first row that they name.
    ///
    /// `load` names for each row at most itself and the one that it met, and of two the earlier; the other notes name rows
    /// of the event. More is not from the workers, and must not make a write of each number.
    fn add_notes(&mut self, what: &What<'_>, first: u64, last: u64) -> Option<u64> {
        let (What::Transformed { notes }
        | What::Loaded(Written { notes, .. })
        | What::Deleted(Written { notes, .. })) = what
        else {
            return None;
        };
        let Notes { overwritten, replaced, outdated, overlapping, leap_seconds } = notes;
        let lists: [(&Vec<u64>, u64, SetOf); 5] = [
            (overwritten, 1, |rows| &mut rows.overwritten),
            (replaced, first, |rows| &mut rows.replaced),
            (outdated, first, |rows| &mut rows.outdated),
            (overlapping, first, |rows| &mut rows.overlapping),
            (leap_seconds, first, |rows| &mut rows.leap_seconds),
        ];
        let most = usize::try_from((last - first + 1).saturating_mul(2)).unwrap_or(usize::MAX);
        let mut named: Option<u64> = None;
        for (list, least, set) in lists {
            for row in list.iter().copied().filter(|row| (least..=last).contains(row)).take(most) {
                for (chunk, offsets) in chunks(row, row) {
                    set(self.chunks.entry(chunk).or_default()).insert_range(offsets);
                }
                named = Some(named.map_or(row, |other| other.min(row)));
            }
        }
        named
    }
}

/// Returns a set of a chunk.
type SetOf = fn(&mut Rows) -> &mut RoaringBitmap;

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
