//! Puts events on the bus: in as few calls as possible, and without losing any.
//!
//! Every worker that publishes goes through [`Publisher`]. PutEvents answers per entry, so a call that "succeeded" may
//! have failed for some of its entries; those alone are sent again, with growing pauses, and what fails in the end is
//! given back to the caller, who decides what becomes of the message or the file that it came from.
//!
//! The functions use [`Publisher::publish`], which answers in the order of its input. The extraction task uses
//! [`Stream`], which holds a few calls in flight and a fixed amount of memory however long the file is.

pub mod aws;
mod backoff;
mod batch;
mod entry;
mod pace;
mod stream;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::Detail;
use futures::StreamExt as _;

pub use backoff::Backoff;
pub use batch::{MAX_BYTES, MAX_BYTES_ELSEWHERE, MAX_ENTRIES, max_bytes_in, split};
pub use entry::{Destination, Entry};
pub use stream::{Stream, Summary};

use crate::pace::Pace;

/// How many PutEvents calls one publisher keeps in flight.
pub const MAX_IN_FLIGHT: usize = 8;

/// One PutEvents call. Implemented by [`aws::EventBridge`], and by fakes in tests.
pub trait PutEvents: Send + Sync {
    /// Sends at most [`MAX_ENTRIES`] entries of together at most [`MAX_BYTES`] bytes.
    ///
    /// Answers one result per entry, in the order of the entries; `Err` when the call as a whole failed.
    fn put_events(
        &self,
        entries: &[&Entry],
    ) -> impl Future<Output = Result<Vec<Result<(), Rejection>>, CallError>> + Send;
}

/// An entry that EventBridge did not take, though the call went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// EventBridge's error code.
    pub code: String,
    /// EventBridge's explanation.
    pub message: String,
}

impl Rejection {
    /// Whether sending the entry again may help: anything but the codes that EventBridge documents as final.
    fn is_retryable(&self) -> bool {
        // https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
        !matches!(
            self.code.as_str(),
            "AccessDeniedException"
                | "InvalidAccountIdException"
                | "InvalidArgument"
                | "MalformedDetail"
                | "RedactionFailure"
                | "NotAuthorizedForSourceException"
                | "NotAuthorizedForDetailTypeException"
        )
    }

    /// Whether EventBridge asks for a slower pace: the event itself is as good as any, and waiting helps.
    fn is_throttled(&self) -> bool {
        self.code.contains("Throttl")
            || matches!(
                self.code.as_str(),
                "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "ServiceUnavailable"
            )
    }

    /// Whether the bus has more to do than it can. An internal failure is often that, too, but need not be.
    fn is_overload(&self) -> bool {
        self.is_throttled() || matches!(self.code.as_str(), "InternalFailure" | "InternalException")
    }
}

/// A call to AWS that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// The service's error code, or the kind of failure when no answer came.
    pub code: String,
    /// The service's explanation. May quote the request: not for logs or events about rows.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl CallError {
    /// Whether the entries of a call are too large together, or the only one is too large.
    fn is_too_large(&self) -> bool {
        // "Total size of the entries in the request is over the limit."
        let says = self.message.to_ascii_lowercase();
        self.code == "ValidationException" && says.contains("size") && says.contains("over the limit")
    }
}

/// Why an event is not on the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The entry is larger than a request may be.
    #[error("the event has {size} bytes, but can have at most {most}")]
    TooLarge {
        /// Size of the entry, as EventBridge counts it.
        size: usize,
        /// Bytes that are certainly possible.
        most: usize,
    },
    /// EventBridge rejected it for good, or in every attempt.
    #[error("the event was not accepted: {code}: {message}")]
    NotAccepted {
        /// Error code of the last attempt.
        code: String,
        /// Explanation of the last attempt.
        message: String,
    },
}

impl Failure {
    /// A short stable word for logs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::NotAccepted { code, .. } => code,
        }
    }
}

/// A call had more bytes than the bus takes.
struct TooLarge;

/// Publishes events to one bus under one source.
#[derive(Debug)]
pub struct Publisher<P> {
    client: P,
    destination: Destination,
    backoff: Backoff,
    /// Bytes of a call of several entries. A call that the bus finds too large makes it smaller.
    limit: AtomicUsize,
}

impl<P: PutEvents> Publisher<P> {
    /// A publisher that sends through `client`.
    pub const fn new(client: P, destination: Destination, backoff: Backoff) -> Self {
        Self { client, destination, backoff, limit: AtomicUsize::new(MAX_BYTES) }
    }

    /// The same for a bus in `region`.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { limit: AtomicUsize::new(max_bytes_in(region)), ..self }
    }

    /// Bytes that a call of several entries may have, as far as is known.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Remembers that so many bytes are too many.
    fn too_many(&self, bytes: usize) {
        self.limit.fetch_min((bytes / 2).max(MAX_BYTES_ELSEWHERE), Ordering::Relaxed);
    }

    /// The entry that [`Self::publish`] would send for `detail`.
    #[must_use]
    pub fn entry(&self, detail: &Detail) -> Entry {
        self.destination.entry(detail)
    }

    /// Publishes `details` in as few calls as possible; one result per detail, in their order.
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
    async fn send(&self, entries: &[&Entry], pace: Option<&Pace>) -> Vec<Result<(), Failure>> {
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

    /// Sends the entries that are `open` in one call, and again those that were not accepted; writes what became of each.
    async fn send_batch(
        &self,
        entries: &[&Entry],
        mut open: Vec<usize>,
        results: &mut [Result<(), Failure>],
        pace: Option<&Pace>,
    ) -> Result<(), TooLarge> {
        // Calls in all, and those that failed by more than throttling.
        let (mut calls, mut attempts) = (0, 0);
        loop {
            if let Some(pace) = pace {
                pace.wait(open.len()).await;
            }
            calls += 1;
            let batch: Vec<&Entry> = open.iter().map(|&index| entries[index]).collect();
            let (answer, may_retry) = match self.client.put_events(&batch).await {
                Ok(answer) => (answer, true),
                Err(error) if error.is_too_large() => return Err(TooLarge),
                Err(CallError { code, message, retryable }) => {
                    (vec![Err(Rejection { code, message }); batch.len()], retryable)
                }
            };
            // An answer with too few entries says nothing about the rest: they count as not accepted.
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

    /// A buffered front that publishes through this publisher.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Stream<P> {
        self.stream_at(None)
    }

    /// A buffered front that publishes at most `events_per_second`, and slower where the bus takes less.
    #[must_use]
    pub fn stream_at(self: &Arc<Self>, events_per_second: Option<f64>) -> Stream<P> {
        Stream::new(Arc::clone(self), Pace::new(events_per_second))
    }
}

#[cfg(test)]
mod tests;
