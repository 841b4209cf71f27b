//! What a batch of events adds to the tally, an entry for each item that it touches.

use std::collections::BTreeMap;

use contract::{Detail, FailedStage, ObjectRef, RecordRef};
use roaring::RoaringBitmap;

use crate::item::{Content, Key, MAX_CHUNKS, is_time};
use crate::rows::{ROWS_PER_CHUNK, Rows, stage_name};
use crate::summary::{Counts, MAX_ROWS, Summary};

/// Rows that one event can speak of: each takes a byte at least, and an event of EventBridge has a mebibyte at most.
pub const MAX_ROWS_PER_EVENT: u64 = 1 << 20;

/// An event whose row numbers no file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event speaks of rows that no file can have")]
pub struct Unusable;

/// What events add to the tally.
#[derive(Debug, Clone, Default)]
pub struct Batch(BTreeMap<Key, Content>);

impl Batch {
    /// Adds an event, with its time as EventBridge gives it. Gives back the items that it touches.
    ///
    /// # Errors
    /// [`Unusable`]; nothing was added then.
    pub fn add(&mut self, detail: &Detail, time: Option<&str>) -> Result<Vec<Key>, Unusable> {
        let Some(object) = detail.object() else { return Ok(Vec::new()) };
        if let Detail::ExtractionCompleted { rows, .. } = detail
            && *rows > MAX_ROWS
        {
            return Err(Unusable);
        }
        let time = time.filter(|time| is_time(time)).map(str::to_owned);
        let chunks = match detail.record() {
            Some(record) => chunks(record)?,
            None => Vec::new(),
        };
        let digest = object.digest();
        let mut touched = vec![Key { object: digest.clone(), chunk: None }];
        self.put(&touched[0], &Content::Summary(summary(object, detail, time.clone())));
        for (chunk, set) in chunks {
            let key = Key { object: digest.clone(), chunk: Some(chunk) };
            self.put(&key, &Content::Rows(rows(detail, set, time.clone())));
            touched.push(key);
        }
        Ok(touched)
    }

    /// The items, and what is added to each.
    #[must_use]
    pub fn into_parts(self) -> BTreeMap<Key, Content> {
        self.0
    }

    fn put(&mut self, key: &Key, content: &Content) {
        self.0.entry(key.clone()).or_insert_with(|| Content::empty(key)).merge(content);
    }
}

/// The rows of an event, by chunk.
fn chunks(record: &RecordRef) -> Result<Vec<(u64, RoaringBitmap)>, Unusable> {
    let rows = record.rows();
    if rows.start == 0
        || record.count == 0
        || record.count > MAX_ROWS_PER_EVENT
        || rows.end > MAX_CHUNKS * ROWS_PER_CHUNK
    {
        return Err(Unusable);
    }
    let (first, last) = (rows.start / ROWS_PER_CHUNK, (rows.end - 1) / ROWS_PER_CHUNK);
    let chunks = (first..=last).map(|chunk| {
        let base = chunk * ROWS_PER_CHUNK;
        let offset = |row: u64| u32::try_from(row.saturating_sub(base).min(ROWS_PER_CHUNK)).unwrap_or(0);
        let mut set = RoaringBitmap::new();
        set.insert_range(offset(rows.start)..offset(rows.end));
        (chunk, set)
    });
    Ok(chunks.collect())
}

fn why(stage: FailedStage, reason: contract::Reason) -> (String, String) {
    (stage_name(stage).to_owned(), reason.code())
}

fn rows(detail: &Detail, set: RoaringBitmap, time: Option<String>) -> Rows {
    let mut rows = Rows { started_at: time.clone(), last_at: time, ..Rows::default() };
    match detail {
        Detail::RecordExtracted { .. } => rows.extracted = set,
        Detail::RecordTransformed { .. } => rows.transformed = set,
        Detail::RecordLoaded { .. } => rows.loaded = set,
        Detail::Failed { stage, reason, .. } => {
            rows.failed.insert(why(*stage, *reason), set);
        }
        Detail::TaskStarted { .. } | Detail::ExtractionCompleted { .. } => {}
    }
    rows
}

fn summary(object: &ObjectRef, detail: &Detail, time: Option<String>) -> Summary {
    let mut summary = Summary {
        object: Some(object.clone()),
        started_at: time.clone(),
        last_at: time,
        ..Summary::default()
    };
    match detail {
        Detail::TaskStarted { task, .. } => {
            summary.tasks.insert(task.clone());
        }
        Detail::ExtractionCompleted { rows, bytes, rejected, shard, .. } => {
            let shard = shard.map_or((1, 1), |shard| (shard.of, shard.index));
            summary.shards.insert(shard, Counts { rows: *rows, rejected: *rejected, bytes: *bytes });
        }
        Detail::Failed { stage, reason, record: None, .. } => {
            summary.failures.insert(why(*stage, *reason));
        }
        _ => {}
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_four_billion_have_their_chunk() {
        let record = |index, count| RecordRef { index, id: String::new(), count };
        let row = (7 << 32) + 65_535;
        let found = chunks(&record(row, 2)).expect("rows");
        assert_eq!(
            found,
            [(row / 65_536, [65_535].into_iter().collect()), (row / 65_536 + 1, [0].into_iter().collect())]
        );
        for (index, count) in
            [(0, 1), (1, 0), (1, MAX_ROWS_PER_EVENT + 1), (u64::MAX, 1), (u64::MAX, u64::MAX)]
        {
            assert_eq!(chunks(&record(index, count)), Err(Unusable), "{index} {count}");
        }
    }
}
