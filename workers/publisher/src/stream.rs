//! The stream: a publisher for a task that creates millions of events.

use std::collections::VecDeque;
use std::sync::Arc;

use contract::Detail;
use tokio::task::JoinSet;

use crate::batch::fits;
use crate::entry::Entry;
use crate::failure::Failure;
use crate::pace::Pace;
use crate::publisher::{MAX_IN_FLIGHT, Publisher, PutEvents};

/// The number of batches that may be sent after one that is not answered yet: their answers are remembered until then.
const MAX_AHEAD: usize = 1000;

/// A buffer that collects events into full batches and sends up to [`MAX_IN_FLIGHT`] of them at once.
///
/// Memory is bounded: one batch being filled and those in flight, each of at most [`crate::MAX_BYTES`] bytes. When all
/// are in flight, [`Stream::push`] waits, and so does the reader of the file.
///
/// Batches are answered in any order. [`Stream::acknowledged`] returns the number of the event up to which all are on
/// the bus.
#[derive(Debug)]
pub struct Stream<P> {
    publisher: Arc<Publisher<P>>,
    pace: Arc<Pace>,
    pub(crate) pending: Vec<Entry>,
    pending_bytes: usize,
    pub(crate) in_flight: JoinSet<(u64, Vec<Result<(), Failure>>)>,
    /// The number of events taken so far.
    pushed: u64,
    /// The number of events up to which all are on the bus.
    acknowledged: u64,
    /// The batches after those: number of events up to the batch's end, and whether all of it is on the bus.
    batches: VecDeque<(u64, bool)>,
    summary: Summary,
}

/// The fate of the events of a [`Stream`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events on the bus.
    pub accepted: u64,
    /// Events that are finally not on the bus.
    pub failed: u64,
    /// The first of those failures.
    pub first_failure: Option<Failure>,
}

impl Summary {
    fn add(&mut self, results: Vec<Result<(), Failure>>) {
        for result in results {
            match result {
                Ok(()) => self.accepted += 1,
                Err(failure) => {
                    self.failed += 1;
                    // Only the first is kept: a long outage must not fill the memory with its explanations.
                    self.first_failure.get_or_insert(failure);
                }
            }
        }
    }
}

impl<P: PutEvents> Publisher<P> {
    /// Creates a stream that publishes through this publisher.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Stream<P> {
        self.stream_at(None)
    }

    /// Creates a stream that publishes at most `events_per_second`, and slower where the bus takes less.
    #[must_use]
    pub fn stream_at(self: &Arc<Self>, events_per_second: Option<f64>) -> Stream<P> {
        Stream::new(Arc::clone(self), Pace::new(events_per_second))
    }
}

impl<P: PutEvents> Stream<P> {
    pub(crate) fn new(publisher: Arc<Publisher<P>>, pace: Pace) -> Self {
        Self {
            publisher,
            pace: Arc::new(pace),
            pending: Vec::new(),
            pending_bytes: 0,
            in_flight: JoinSet::new(),
            pushed: 0,
            acknowledged: 0,
            batches: VecDeque::new(),
            summary: Summary::default(),
        }
    }

    /// Returns the number of events that failed for good so far. A caller that must publish all of them can stop early.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.summary.failed
    }

    /// Returns the code of the first of those failures; empty if there is none.
    #[must_use]
    pub fn failure_code(&self) -> &str {
        self.summary.first_failure.as_ref().map_or("", Failure::code)
    }

    /// Returns the number of events that were taken so far.
    #[must_use]
    pub const fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Returns the number of events, counted from the first, that are on the bus without a gap.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the bytes of the entry that [`Self::push`] would send for `detail`.
    #[must_use]
    pub fn size(&self, detail: &Detail) -> usize {
        self.publisher.entry(detail).size()
    }
}

impl<P: PutEvents + 'static> Stream<P> {
    /// Takes one event. Waits while [`MAX_IN_FLIGHT`] batches are in flight.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when the event can never be sent; it is not counted, and the stream continues.
    pub async fn push(&mut self, detail: &Detail) -> Result<(), Failure> {
        let entry = self.publisher.entry(detail);
        let size = entry.size();
        let most = self.publisher.limit();
        // The caller can replace the event now, but not once the bus has refused it.
        if size > most {
            return Err(Failure::TooLarge { size, most });
        }
        if !fits(self.pending.len(), self.pending_bytes, size, most) {
            self.send_pending().await;
        }
        self.pending.push(entry);
        self.pushed += 1;
        self.pending_bytes += size;
        Ok(())
    }

    /// Sends what is left and waits for every answer.
    pub async fn finish(mut self) -> Summary {
        self.flush().await;
        self.summary
    }

    /// Sends what is there and waits for every answer.
    pub async fn flush(&mut self) {
        self.send_pending().await;
        while let Some(joined) = self.in_flight.join_next().await {
            self.collect(joined);
        }
    }

    async fn send_pending(&mut self) {
        // Also takes the answers that have arrived meanwhile, so that `failed` is known early.
        while let Some(joined) = self.in_flight.try_join_next() {
            self.collect(joined);
        }
        while self.in_flight.len() >= MAX_IN_FLIGHT || self.batches.len() >= MAX_AHEAD {
            match self.in_flight.join_next().await {
                Some(joined) => self.collect(joined),
                None => break,
            }
        }
        let entries = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if !entries.is_empty() {
            let (publisher, pace, end) = (Arc::clone(&self.publisher), Arc::clone(&self.pace), self.pushed);
            self.batches.push_back((end, false));
            self.in_flight.spawn(async move {
                let entries: Vec<&Entry> = entries.iter().collect();
                (end, publisher.send(&entries, Some(&pace)).await)
            });
        }
    }

    fn collect(&mut self, joined: Result<(u64, Vec<Result<(), Failure>>), tokio::task::JoinError>) {
        // A batch whose sending panicked has an unknown fate; one failure is enough to keep the file from being
        // reported as complete.
        let (end, results) = joined.unwrap_or_else(|_| {
            let (code, message) = ("Panicked".into(), "sending a batch panicked".into());
            (0, vec![Err(Failure::NotAccepted { code, message })])
        });
        if results.iter().all(Result::is_ok)
            && let Some((_, done)) = self.batches.iter_mut().find(|(batch, _)| *batch == end)
        {
            *done = true;
        }
        while let Some((end, true)) = self.batches.front() {
            self.acknowledged = *end;
            self.batches.pop_front();
        }
        self.summary.add(results);
    }
}
