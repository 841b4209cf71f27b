//! The publisher: batches, calls and attempts.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::Detail;
use futures::StreamExt as _;
use runtime::{Backoff, CallError};

use crate::batch::{MAX_BYTES, MAX_BYTES_ELSEWHERE, max_bytes_in, split};
use crate::entry::{Destination, Entry};
use crate::failure::{Failure, Rejection};
use crate::pace::Pace;

/// The number of PutEvents calls that one publisher keeps in flight.
pub const MAX_IN_FLIGHT: usize = 8;

/// A client for PutEvents calls. Implemented by [`crate::aws::EventBridge`], and by fakes in tests.
pub trait PutEvents: Send + Sync {
    /// Sends at most [`crate::MAX_ENTRIES`] entries of together at most [`MAX_BYTES`] bytes.
    ///
    /// Returns one result per entry, in the order of the entries; `Err` when the call as a whole failed.
    fn put_events(
        &self,
        entries: &[&Entry],
    ) -> impl Future<Output = Result<Vec<Result<(), Rejection>>, CallError>> + Send;
}

/// A call had more bytes than the bus takes.
struct TooLarge;

/// A publisher of events to one bus under one source.
#[derive(Debug)]
pub struct Publisher<P> {
    client: P,
    destination: Destination,
    backoff: Backoff,
    /// The greatest number of bytes of a call of several entries. A call that the bus finds too large reduces it.
    limit: AtomicUsize,
}

impl<P: PutEvents> Publisher<P> {
    /// Creates a publisher that sends through `client`.
    pub const fn new(client: P, destination: Destination, backoff: Backoff) -> Self {
        Self { client, destination, backoff, limit: AtomicUsize::new(MAX_BYTES) }
    }

    /// Returns the same publisher for a bus in `region`.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { limit: AtomicUsize::new(max_bytes_in(region)), ..self }
    }

    /// Returns the number of bytes that a call of several entries may have, as far as is known.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Remembers that this number of bytes is too large.
    fn too_many(&self, bytes: usize) {
        self.limit.fetch_min((bytes / 2).max(MAX_BYTES_ELSEWHERE), Ordering::Relaxed);
    }

    /// Returns the entry that [`Self::publish`] would send for `detail`.
    #[must_use]
    pub fn entry(&self, detail: &Detail) -> Entry {
        self.destination.entry(detail)
    }

    /// Publishes `details` in as few calls as possible, and returns one result per detail, in their order.
    pub async fn publish(&self, details: &[Detail]) -> Vec<Result<(), Failure>> {
        let entries: Vec<Entry> = details.iter().map(|detail| self.entry(detail)).collect();
        self.publish_entries(&entries).await
    }

    async fn publish_entries(&self, entries: &[Entry]) -> Vec<Result<(), Failure>> {
        let mut results: Vec<Result<(), Failure>> = entries
            .iter()
            .map(|entry| match entry.size() {
                size if size > MAX_BYTES => Err(Failure::TooLarge { size, most: self.limit() }),
                _ => Ok(()),
            })
            .collect();
        let sendable: Vec<usize> = (0..entries.len()).filter(|&index| results[index].is_ok()).collect();
        let sizes: Vec<usize> = sendable.iter().map(|&index| entries[index].size()).collect();
        // Owned, or the compiler cannot see that the future below is `Send`.
        let batches: Vec<Vec<usize>> =
            split(&sizes, self.limit()).into_iter().map(|range| sendable[range].to_vec()).collect();

        let mut answers = futures::stream::iter(batches)
            .map(|batch| async move {
                let entries: Vec<&Entry> = batch.iter().map(|&index| &entries[index]).collect();
                (batch, self.send(&entries, None).await)
            })
            .buffer_unordered(MAX_IN_FLIGHT);
        while let Some((batch, answer)) = answers.next().await {
            for (index, result) in batch.into_iter().zip(answer) {
                results[index] = result;
            }
        }
        results
    }

    /// Sends one batch until every entry is accepted, refused for good, or out of attempts. With a `pace`, an entry that
    /// is only throttled has no end of attempts before the pace has lost its patience.
    pub(crate) async fn send(&self, entries: &[&Entry], pace: Option<&Pace>) -> Vec<Result<(), Failure>> {
        let mut results: Vec<Result<(), Failure>> = vec![Ok(()); entries.len()];
        let mut batches = vec![(0..entries.len()).collect::<Vec<usize>>()];
        while let Some(batch) = batches.pop() {
            let bytes = batch.iter().map(|&index| entries[index].size()).sum();
            if let Err(TooLarge) = self.send_batch(entries, batch.clone(), &mut results, pace).await {
                self.too_many(bytes);
                let (first, second) = batch.split_at(batch.len() / 2);
                match first {
                    [] => {
                        let failure = Failure::TooLarge { size: bytes, most: self.limit() };
                        batch.iter().for_each(|&index| results[index] = Err(failure.clone()));
                    }
                    first => batches.extend([second.to_vec(), first.to_vec()]),
                }
            }
        }
        results
    }

    /// Sends the entries that are `open` in one call, and those that were not accepted again; writes the result of
    /// each.
    async fn send_batch(
        &self,
        entries: &[&Entry],
        mut open: Vec<usize>,
        results: &mut [Result<(), Failure>],
        pace: Option<&Pace>,
    ) -> Result<(), TooLarge> {
        // The number of all calls, and of those that failed by more than throttling.
        let (mut calls, mut attempts) = (0, 0);
        loop {
            if let Some(pace) = pace {
                pace.wait(open.len()).await;
            }
            calls += 1;
            let batch: Vec<&Entry> = open.iter().map(|&index| entries[index]).collect();
            let (answer, may_retry) = match self.client.put_events(&batch).await {
                Ok(answer) => (answer, true),
                Err(error) if is_too_large(&error) => return Err(TooLarge),
                Err(CallError { code, message, retryable }) => {
                    (vec![Err(Rejection { code, message }); batch.len()], retryable)
                }
            };
            // An answer with too few entries does not mention the rest: they count as not accepted.
            let silence =
                || Err(Rejection { code: "NoAnswer".into(), message: "no result for the entry".into() });
            let (sent, mut overloaded, mut failed, mut waits) = (open.len(), false, false, false);
            let patient = pace.is_some_and(|pace| !pace.out_of_patience());
            let mut answer = answer.into_iter();
            let mut accepted = 0;
            open.retain(|&index| match answer.next().unwrap_or_else(silence) {
                Ok(()) => {
                    results[index] = Ok(());
                    accepted += 1;
                    false
                }
                Err(rejection) => {
                    overloaded |= rejection.is_overload();
                    let waiting = patient && rejection.is_throttled();
                    waits |= waiting;
                    failed |= !waiting;
                    let last = attempts + 1 >= self.backoff.attempts();
                    let again = may_retry && rejection.is_retryable() && (waiting || !last);
                    let Rejection { code, message } = rejection;
                    results[index] = Err(Failure::NotAccepted { code, message });
                    again
                }
            });
            if let Some(pace) = pace {
                pace.answered(accepted, overloaded);
            }
            attempts += u32::from(failed);
            if open.is_empty() {
                return Ok(());
            }
            tracing::debug!(
                calls,
                sent,
                entries = open.len(),
                waits,
                "events not accepted, sending them again"
            );
            self.backoff.pause(calls).await;
        }
    }
}

/// Returns whether the entries of a call are too large together, or the only one is too large.
fn is_too_large(error: &CallError) -> bool {
    // "Total size of the entries in the request is over the limit."
    let says = error.message.to_ascii_lowercase();
    error.code == "ValidationException" && says.contains("size") && says.contains("over the limit")
}

#[cfg(test)]
mod tests;
