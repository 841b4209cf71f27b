//! Publishing without end: the front for a task that makes millions of events.

use std::sync::Arc;

use contract::Detail;
use tokio::task::JoinSet;

use crate::batch::fits;
use crate::{Entry, Failure, MAX_BYTES, MAX_IN_FLIGHT, Publisher, PutEvents};

/// Collects events into full batches and sends up to [`MAX_IN_FLIGHT`] of them at once.
///
/// Memory is bounded: one batch being filled and those in flight, each of at most [`MAX_BYTES`] bytes. When all are in
/// flight, [`Stream::push`] waits, and so does whoever reads the file behind it.
#[derive(Debug)]
pub struct Stream<P> {
    publisher: Arc<Publisher<P>>,
    pub(crate) pending: Vec<Entry>,
    pending_bytes: usize,
    pub(crate) in_flight: JoinSet<Vec<Result<(), Failure>>>,
    summary: Summary,
}

/// What became of the events of a [`Stream`].
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

impl<P: PutEvents> Stream<P> {
    pub(crate) fn new(publisher: Arc<Publisher<P>>) -> Self {
        Self {
            publisher,
            pending: Vec::new(),
            pending_bytes: 0,
            in_flight: JoinSet::new(),
            summary: Summary::default(),
        }
    }

    /// How many events failed finally so far. A caller that must publish all of them can stop early.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.summary.failed
    }
}

impl<P: PutEvents + 'static> Stream<P> {
    /// Takes one event. Waits when [`MAX_IN_FLIGHT`] batches are on their way already.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when the event can never be sent; it is not counted, and the stream goes on.
    pub async fn push(&mut self, detail: &Detail) -> Result<(), Failure> {
        let entry = self.publisher.entry(detail);
        let size = entry.size();
        if size > MAX_BYTES {
            return Err(Failure::TooLarge { size });
        }
        if !fits(self.pending.len(), self.pending_bytes, size) {
            self.send_pending().await;
        }
        self.pending.push(entry);
        self.pending_bytes += size;
        Ok(())
    }

    /// Sends what is left and waits for every answer.
    pub async fn finish(mut self) -> Summary {
        self.send_pending().await;
        while let Some(joined) = self.in_flight.join_next().await {
            self.collect(joined);
        }
        self.summary
    }

    async fn send_pending(&mut self) {
        // Also takes in the answers that have arrived meanwhile, so that `failed` is known early.
        while let Some(joined) = self.in_flight.try_join_next() {
            self.collect(joined);
        }
        while self.in_flight.len() >= MAX_IN_FLIGHT {
            match self.in_flight.join_next().await {
                Some(joined) => self.collect(joined),
                None => break,
            }
        }
        let entries = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if !entries.is_empty() {
            let publisher = Arc::clone(&self.publisher);
            self.in_flight.spawn(async move {
                let entries: Vec<&Entry> = entries.iter().collect();
                publisher.send(&entries).await
            });
        }
    }

    fn collect(&mut self, joined: Result<Vec<Result<(), Failure>>, tokio::task::JoinError>) {
        // A batch whose sending panicked has an unknown fate; one failure is enough to keep the file from being
        // reported as complete.
        self.summary.add(joined.unwrap_or_else(|_| {
            vec![Err(Failure::NotAccepted {
                code: "Panicked".into(),
                message: "sending a batch panicked".into(),
            })]
        }));
    }
}
