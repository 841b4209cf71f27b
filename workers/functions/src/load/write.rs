//! Writes: by the setting `onConflict`, in as few calls as it allows, and again as far as they failed.

use std::future::Future;
use std::ops::Range;

use contract::settings::OnConflict;
use contract::verification;
use futures::StreamExt as _;
use publisher::PutEvents;
use sealing::Kms;

use super::version::{row_of, version};
use super::{Answer, Load, MAX_ITEMS, Row, Table, WriteError};
use crate::item::Change;

/// The number of calls for single items at the same time: DynamoDB takes conditions and updates with single items only.
const MAX_IN_FLIGHT: usize = 8;

/// The end of a row that is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The table had an item of the key, which stays: that of another row.
    pub(super) existing: bool,
    /// The table has a newer item of another object.
    pub(super) outdated: bool,
    /// The item has replaced one that comes from no row of the object.
    pub(super) replaced: bool,
    /// The table has or had an item of another file.
    pub(super) overlapping: bool,
    /// The earlier of two rows of the object with the same key, the item of one of which was in the table.
    pub(super) overwritten: Option<u64>,
}

/// The result of a write.
pub(super) type Written = Result<Done, WriteError>;

impl<T: Table, K: Kms, P: PutEvents> Load<T, K, P> {
    /// Writes the changes of all rows, and returns one result each. Those of one key are written in the order of their
    /// uploads and of the file: so the last one stays, and with `keep` the first.
    pub(super) async fn write_all(&self, rows: &[&Row]) -> Vec<Written> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        fn place<'r>(row: &&'r Row) -> (&'r str, &'r str, u64) {
            (row.object.uploaded.as_deref().unwrap_or_default(), &row.digest, row.record.index)
        }
        order.sort_by(|a, b| rows.get(*a).map(place).cmp(&rows.get(*b).map(place)));
        let (marked, order): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|position| {
            rows.get(*position).is_some_and(|row| verification::is_marked(&row.object))
        });
        let ordered: Vec<&Row> = order.iter().filter_map(|position| rows.get(*position).copied()).collect();
        let mut results: Vec<Option<Written>> = vec![None; rows.len()];
        let written = match self.settings.on_conflict {
            OnConflict::Overwrite => self.write_together(&ordered).await,
            OnConflict::Newest | OnConflict::Keep | OnConflict::Merge => self.write_singly(&ordered).await,
        };
        for (position, written) in order.into_iter().zip(written) {
            if let Some(result) = results.get_mut(position) {
                *result = Some(written);
            }
        }
        for position in marked {
            // Owned, or the compiler cannot see that the future is `Send`.
            let Some(row) = rows.get(position).map(|row| Row::clone(row)) else { continue };
            let written = self.write_marked(&row).await;
            if let Some(result) = results.get_mut(position) {
                *result = Some(written);
            }
        }
        let unwritten = || Err(WriteError::Call { code: "NoResult".into(), retryable: true });
        results.into_iter().map(|result| result.unwrap_or_else(unwritten)).collect()
    }

    /// Writes rows in requests for several items.
    async fn write_together(&self, rows: &[&Row]) -> Vec<Written> {
        let changes: Vec<&Change> = rows.iter().map(|row| &row.change).collect();
        let mut results = Vec::with_capacity(changes.len());
        for range in requests(&changes) {
            let request = changes.get(range).unwrap_or_default();
            match self.write_request(request).await {
                Ok(written) => results.extend(written),
                // One bad item fails the request of all: find it.
                Err(WriteError::Invalid) if request.len() > 1 => {
                    for change in request {
                        results.extend(match self.write_request(&[*change]).await {
                            Ok(written) => written,
                            Err(error) => vec![Err(error)],
                        });
                    }
                }
                Err(error) => results.extend(std::iter::repeat_n(Err(error), request.len())),
            }
        }
        results.into_iter().map(|written| written.map(|()| Done::default())).collect()
    }

    /// Writes one request, and again the items that were not processed.
    async fn write_request(&self, changes: &[&Change]) -> Result<Vec<Result<(), WriteError>>, WriteError> {
        let unprocessed = || WriteError::Call { code: "UnprocessedItems".into(), retryable: true };
        let mut results = vec![Ok(()); changes.len()];
        let mut open: Vec<usize> = (0..changes.len()).collect();
        for attempt in 1..=self.backoff.attempts() {
            let request: Vec<&Change> =
                open.iter().filter_map(|&index| changes.get(index).copied()).collect();
            let error = match self.table.write(&request).await {
                Ok(left) => {
                    open = left.into_iter().filter_map(|position| open.get(position).copied()).collect();
                    unprocessed()
                }
                Err(error @ WriteError::Call { retryable: true, .. }) => error,
                // Items that an earlier attempt has written are written again with the rest, item by item or at the
                // next delivery: the same item under the same key.
                Err(error) => return Err(error),
            };
            if open.is_empty() {
                break;
            }
            if attempt == self.backoff.attempts() {
                for &index in &open {
                    if let Some(result) = results.get_mut(index) {
                        *result = Err(error.clone());
                    }
                }
                break;
            }
            self.backoff.pause(attempt).await;
        }
        Ok(results)
    }

    /// Writes rows item by item, several at the same time, but never two of one key.
    async fn write_singly(&self, rows: &[&Row]) -> Vec<Written> {
        let changes: Vec<&Change> = rows.iter().map(|row| &row.change).collect();
        let mut results = Vec::with_capacity(rows.len());
        for range in requests(&changes) {
            // Owned, or the compiler cannot see that the future is `Send`.
            let rows: Vec<Row> =
                rows.get(range).unwrap_or_default().iter().map(|row| (*row).clone()).collect();
            let writes = rows.into_iter().map(|row| async move { self.write_one(&row).await });
            let written: Vec<Written> = futures::stream::iter(writes).buffered(MAX_IN_FLIGHT).collect().await;
            results.extend(written);
        }
        results
    }

    /// Writes a row of `deployer verify`. It neither replaces nor deletes an item of others, whatever the settings are.
    async fn write_marked(&self, row: &Row) -> Written {
        let skipped = Done { existing: true, ..Done::default() };
        let (Some(id), Change::Put(item)) = (verification::id_of(&row.object.key), &row.change) else {
            return Ok(skipped);
        };
        let merge = self.settings.on_conflict == OnConflict::Merge;
        let answer = self.repeat(|| self.table.write_marked(item, id, merge)).await?;
        if !answer.written {
            tracing::info!(
                key = row.object.key,
                "the table has no place for the marked row, so it is left out"
            );
        }
        Ok(if answer.written { Done::default() } else { skipped })
    }

    async fn write_one(&self, row: &Row) -> Written {
        let table = &self.table;
        match (self.settings.on_conflict, &row.change) {
            (OnConflict::Newest, Change::Put(item)) => {
                let answer = self.repeat(|| table.put_newest(item)).await?;
                Ok(newest(row, &answer))
            }
            (OnConflict::Newest, Change::Delete(deletion)) => {
                let version = version(&row.object, row.record.index);
                let answer = self.repeat(|| table.delete(deletion, Some(&version))).await?;
                Ok(newest(row, &answer))
            }
            (OnConflict::Keep, Change::Put(item)) => {
                let answer = self.repeat(|| table.put_new(item)).await?;
                Ok(Done { existing: !answer.written && !is_own(row, &answer), ..Done::default() })
            }
            (_, Change::Put(item)) => {
                self.repeat(|| table.merge(item)).await?;
                Ok(Done::default())
            }
            (_, Change::Delete(deletion)) => {
                self.repeat(|| table.delete(deletion, None)).await?;
                Ok(Done::default())
            }
        }
    }

    /// Makes a call again as long as that may help.
    async fn repeat<A, F: Future<Output = Result<A, WriteError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<A, WriteError> {
        let mut attempt = 1;
        loop {
            match call().await {
                Err(WriteError::Call { retryable: true, .. }) if attempt < self.backoff.attempts() => {
                    self.backoff.pause(attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

/// Returns whether the item that was in the table is that of this row: it was delivered twice, or the answer to an earlier
/// attempt was lost.
fn is_own(row: &Row, answer: &Answer) -> bool {
    let version = answer.other.as_ref().and_then(|other| other.version.as_deref());
    version.and_then(|version| row_of(version, &row.digest)) == Some(row.record.index)
}

/// Returns the end of a row that was written, unless there was a newer item.
fn newest(row: &Row, answer: &Answer) -> Done {
    let Some(other) = &answer.other else { return Done::default() };
    let index = row.record.index;
    let is_put = matches!(row.change, Change::Put(_));
    let overlapping = other.source.as_ref().is_some_and(|source| *source != row.object.source());
    let done = match other.version.as_deref().and_then(|version| row_of(version, &row.digest)) {
        // A row that meets itself was delivered twice. Of two, it is the earlier one that is replaced, in whatever order
        // they were written; a row that deletes has no item that could be.
        Some(other) if other < index => Done { overwritten: Some(other), ..Done::default() },
        Some(other) if other > index && is_put => Done { overwritten: Some(index), ..Done::default() },
        Some(_) => Done::default(),
        None if answer.written => Done { replaced: is_put, ..Done::default() },
        None => Done { outdated: true, ..Done::default() },
    };
    Done { overlapping, ..done }
}

/// Divides changes into consecutive requests of at most [`MAX_ITEMS`], none of which has the same key twice.
pub(super) fn requests(changes: &[&Change]) -> Vec<Range<usize>> {
    let mut requests = Vec::new();
    let mut start = 0;
    for (index, change) in changes.iter().enumerate() {
        let current = changes.get(start..index).unwrap_or_default();
        if current.len() == MAX_ITEMS || current.iter().any(|other| other.key() == change.key()) {
            requests.push(start..index);
            start = index;
        }
    }
    if start < changes.len() {
        requests.push(start..changes.len());
    }
    requests
}
