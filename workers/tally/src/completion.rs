//! The end of an object: every row of it is settled, and exactly one writer reports that.
//!
//! Beside the tally of an object is an item with the number of its settled rows. A writer that has merged a batch adds
//! the rows that were new to it, in one call, whose answer is the number of all writers. Rows that two writers have
//! merged count twice, and none is left out: so no object is at its end before its number of settled rows is that of
//! its rows, and the writer that is the last to count sees it there. Only from then on is the tally itself read, which
//! decides; and as long as a row is missing, that row is looked up first.
//!
//! The writer that finds the end takes a lease, publishes, and notes that it did. If it is gone before that, its
//! messages are delivered again, and another writer takes over when the lease has ended. If it is gone between the
//! event and the note, the event is published twice, with the same ID: EventBridge has no way to prevent that.

mod outcome;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::ObjectRef;
use contract::event::ObjectOutcome;
use runtime::{Backoff, CallError};

use crate::batch::{Progress, Touched};
use crate::item::{COMPLETION, Content, Key, writer_id};
use crate::reader::{self, MISSING, Scope, Source, Tally, TallyError};
use crate::rows::ROWS_PER_CHUNK;
use crate::writer::MergeError;

/// The sort key of the item.
pub const PART: &str = COMPLETION;
/// Seconds for which a writer may take to publish: several attempts of a call, and less than a message is hidden for.
const LEASE: u64 = 60;
/// The number of objects of which something is remembered.
const MAX_KNOWN: usize = 256;
/// The number of objects whose count may have failed, before every object is counted as if its count had.
const MAX_UNCOUNTED: usize = 4_096;

/// The item, after a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Rows that were settled, as the writers have counted them: never less than there are.
    pub settled: u64,
    /// Rows of the object, once it has been read completely.
    pub rows: Option<u64>,
    /// `true` if the object as a whole has failed.
    pub failed: bool,
    /// The number of the last attempt whose event is on the bus. 0: none is.
    pub attempt: u64,
    /// The last replay that that event contains. Empty: none.
    pub replay: String,
    /// `true` if that event was about an object that had failed as a whole.
    pub partial: bool,
}

/// A change to the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Adds settled rows, and the facts about the object that are known by now.
    Count {
        /// The number of rows.
        settled: u64,
        /// Rows of the object, if it was read completely.
        rows: Option<u64>,
        /// `true` if the object as a whole has failed.
        failed: bool,
    },
    /// Takes the lease, unless the event of that attempt is on the bus, or another holder has the lease.
    Claim {
        /// The attempt.
        attempt: u64,
        /// The ID of the one who publishes.
        holder: String,
        /// Seconds since 1970.
        now: u64,
        /// The same, for the end of the lease.
        until: u64,
    },
    /// Notes that the event is on the bus, unless that is noted.
    Finish {
        /// The attempt.
        attempt: u64,
        /// The last replay that it contains.
        replay: String,
        /// `true` if the object had failed as a whole.
        partial: bool,
    },
}

/// The items about the ends of objects. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Completions: Source {
    /// Takes a step in the item of an object, in one call; returns `None` if the condition of the step refuses it.
    fn step(
        &self,
        object: &str,
        step: &Step,
    ) -> impl Future<Output = Result<Option<State>, CallError>> + Send;
}

/// An object at its end, whose event is to be published by whoever has this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    digest: String,
    attempt: u64,
    replay: String,
    partial: bool,
    /// The object; its `replay` is the last replay that the outcome contains.
    pub object: ObjectRef,
    /// The outcome, without the keys of files.
    pub outcome: ObjectOutcome,
    /// What the name of a file of its rejected rows ends with, if there are any, and it is known how it was read.
    pub rejects: Option<&'static str>,
}

/// The reason why it could not be found out, or not noted, that an object is at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompletionError {
    /// Settled rows were not counted: all messages about rows of the object must come again.
    NotCounted(MergeError),
    /// They were counted: one message that may have been the last must come again.
    NotReported(MergeError),
}

impl CompletionError {
    /// Returns the positions of the messages that must come again, of those that touch these items.
    #[must_use]
    pub fn again(&self, progress: &Progress, touched: &[Option<Touched>]) -> Vec<usize> {
        let may_end = |touched: &Touched| touched.may_end(progress.object);
        let decides = |touched: &Touched| progress.is_decided_by(touched);
        match self {
            Self::NotCounted(_) => {
                let all = touched.iter().enumerate();
                all.filter(|(_, one)| one.as_ref().is_some_and(may_end))
                    .map(|(position, _)| position)
                    .collect()
            }
            Self::NotReported(_) => {
                touched.iter().rposition(|one| one.as_ref().is_some_and(decides)).into_iter().collect()
            }
        }
    }

    /// Returns the cause.
    #[must_use]
    pub const fn cause(&self) -> &MergeError {
        match self {
            Self::NotCounted(error) | Self::NotReported(error) => error,
        }
    }
}

/// A row that was not settled when the tally of its object was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    row: u64,
    /// The replay whose rows are waited for, if one is, and it is not of missing rows.
    replay: Option<String>,
}

/// The part of a writer that finds the ends of objects. See the module.
#[derive(Debug)]
pub struct Completer<S> {
    store: S,
    backoff: Backoff,
    holder: String,
    /// A row that was missing, for each object that was not at its end.
    missing: Mutex<HashMap<String, Missing>>,
    /// Objects of which a count has failed, perhaps after the rows were merged: what is new of them is not known.
    uncounted: Mutex<HashSet<String>>,
    clock: Clock,
}

/// A source of the time that all machines agree on.
#[derive(Debug)]
pub(crate) enum Clock {
    /// That of the machine.
    System,
    /// One that tests move.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::atomic::AtomicU64>),
}

impl Clock {
    /// Returns the seconds since 1970.
    fn now(&self) -> u64 {
        match self {
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
            }
            #[cfg(test)]
            Self::Set(time) => time.load(std::sync::atomic::Ordering::Relaxed),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Completions> Completer<S> {
    /// Creates a completer that works on `store`, beside a [`crate::Writer`] that does.
    pub fn new(store: S, backoff: Backoff) -> Self {
        Self {
            store,
            backoff,
            holder: writer_id(),
            missing: Mutex::default(),
            uncounted: Mutex::default(),
            clock: Clock::System,
        }
    }

    #[cfg(test)]
    pub(crate) fn at(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Counts the rows that a batch has settled of an object, after they were merged. Returns the object if it is at
    /// its end, and this is the one to publish that; [`Self::finish`] must be called when it is on the bus.
    ///
    /// # Errors
    /// [`CompletionError`], which says what must come again.
    pub async fn check(&self, progress: &Progress) -> Result<Option<Ended>, CompletionError> {
        let state = self.count(progress).await.map_err(CompletionError::NotCounted)?;
        if !may_be_at_its_end(&state, progress) {
            return Ok(None);
        }
        self.end(progress, &state).await.map_err(CompletionError::NotReported)
    }

    /// Notes that the event about an object is on the bus.
    ///
    /// # Errors
    /// [`CompletionError`]: the event will be published again.
    pub async fn finish(&self, ended: &Ended) -> Result<(), CompletionError> {
        let Ended { digest, attempt, replay, partial, .. } = ended;
        let step = Step::Finish { attempt: *attempt, replay: replay.clone(), partial: *partial };
        // Refused: another one has noted it, or an earlier call has, whose answer was lost.
        self.step(digest, &step).await.map(drop).map_err(CompletionError::NotReported)
    }

    async fn count(&self, progress: &Progress) -> Result<State, MergeError> {
        let Progress { digest, new, settled, ends, .. } = progress;
        let counted = async {
            let (mut rows, mut failed) = (None, false);
            if *ends {
                // After the merge: of several that merge parts of the end, the last sees all.
                let summary = self.summary(digest).await?;
                rows = summary.total().map(|total| total.rows);
                failed = rows.is_none() && !summary.failures.is_empty();
            }
            let settled = if self.is_uncounted(digest) { *settled } else { *new };
            let state = self.step(digest, &Step::Count { settled, rows, failed }).await?;
            // There is no condition that could refuse it.
            state.ok_or_else(|| MergeError::Call("ConditionalCheckFailedException".to_owned()))
        };
        let counted = counted.await;
        if counted.is_err() {
            let mut uncounted = locked(&self.uncounted);
            if uncounted.len() < MAX_UNCOUNTED {
                uncounted.insert(digest.clone());
            }
        }
        counted
    }

    fn is_uncounted(&self, digest: &str) -> bool {
        let uncounted = locked(&self.uncounted);
        uncounted.len() >= MAX_UNCOUNTED || uncounted.contains(digest)
    }

    /// Returns the object if the tally says that it is at its end, and the lease is taken.
    async fn end(&self, progress: &Progress, state: &State) -> Result<Option<Ended>, MergeError> {
        let digest = &progress.digest;
        if self.still_misses(digest).await? {
            return Ok(None);
        }
        let Some(tally) = self.tally(digest).await? else { return Ok(None) };
        let Some(object) = tally.summary.object.clone() else { return Ok(None) };
        if let Some(missing) = first_missing(&tally) {
            let mut known = locked(&self.missing);
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(digest.clone(), missing);
            return Ok(None);
        }
        let partial = tally.total().is_none();
        if partial && tally.object_failures().is_empty() {
            return Ok(None);
        }
        let replay = tally.summary.replays.last_key_value().map(|(id, _)| id.clone()).unwrap_or_default();
        // An event says so already, and this one would say nothing else.
        let newer = replay > state.replay || (state.partial && !partial);
        if state.attempt > 0 && !newer {
            return Ok(None);
        }
        let attempt = state.attempt.saturating_add(1);
        let now = self.clock.now();
        let claim =
            Step::Claim { attempt, holder: self.holder.clone(), now, until: now.saturating_add(LEASE) };
        if self.step(digest, &claim).await?.is_none() {
            // Its event is on the bus, or somebody is about to publish it, and may not succeed.
            let nothing = Step::Count { settled: 0, rows: None, failed: false };
            return match self.step(digest, &nothing).await? {
                Some(state) if state.attempt >= attempt => Ok(None),
                _ => {
                    Err(MergeError::Call("another process is about to publish `object-completed`".to_owned()))
                }
            };
        }
        let outcome = tally.outcome(attempt);
        let object = ObjectRef { replay: Some(replay.clone()).filter(|id| !id.is_empty()), ..object };
        let reading = tally.reading.as_ref().filter(|_| outcome.failed > 0);
        let rejects = reading.map(crate::described::Reading::extension);
        Ok(Some(Ended { digest: digest.clone(), attempt, replay, partial, object, outcome, rejects }))
    }

    /// Returns whether the row that was missing when the tally was read last is missing still.
    async fn still_misses(&self, digest: &str) -> Result<bool, MergeError> {
        let Some(Missing { row, replay }) = locked(&self.missing).get(digest).cloned() else {
            return Ok(false);
        };
        let key = Key::shared(digest, Some(row / ROWS_PER_CHUNK));
        let Content::Rows(rows) = self.united(&key).await? else { return Ok(false) };
        let offset = u32::try_from(row % ROWS_PER_CHUNK).unwrap_or_default();
        let settled = match replay {
            None => rows.settled().contains(offset),
            Some(id) => {
                let replayed = rows.replayed.get(&id).is_some_and(|set| set.contains(offset));
                replayed || rows.loaded.contains(offset) || rows.skipped.contains(offset)
            }
        };
        if settled {
            locked(&self.missing).remove(digest);
        }
        Ok(!settled)
    }

    async fn summary(&self, digest: &str) -> Result<crate::Summary, MergeError> {
        match self.united(&Key::shared(digest, None)).await? {
            Content::Summary(summary) => Ok(summary),
            Content::Rows(_) => Ok(crate::Summary::default()),
        }
    }

    /// Returns what all writers have merged into the items of a key.
    async fn united(&self, key: &Key) -> Result<Content, MergeError> {
        let part = key.part();
        let items = self.retried(|| self.store.items(Scope::Part(&key.object, &part))).await?;
        let mut union = Content::empty(key);
        for item in items {
            if let Some(found) = Key::parse(&item.object, &item.part).filter(|found| found.chunk == key.chunk)
            {
                union.merge(&Content::read(&found, &item.attributes)?);
            }
        }
        Ok(union)
    }

    async fn tally(&self, digest: &str) -> Result<Option<Tally>, MergeError> {
        let read = self.retried(|| async {
            match reader::read_digest(&self.store, digest).await {
                Ok(tally) => Ok(Ok(tally)),
                Err(TallyError::Damaged(damaged)) => Ok(Err(damaged)),
                Err(TallyError::Call(error)) => Err(error),
            }
        });
        Ok(read.await??)
    }

    async fn step(&self, digest: &str, step: &Step) -> Result<Option<State>, MergeError> {
        self.retried(|| self.store.step(digest, step)).await
    }

    /// Makes a call until it has an answer, or there are no attempts left.
    async fn retried<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, MergeError> {
        let mut attempt = 1;
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.retryable && attempt < self.backoff.attempts() => {}
                Err(error) => return Err(MergeError::Call(error.code)),
            }
            self.backoff.pause(attempt).await;
            attempt += 1;
        }
    }
}

/// Returns whether it is worth reading the tally after these rows.
fn may_be_at_its_end(state: &State, progress: &Progress) -> bool {
    let all_counted = state.rows.is_some_and(|rows| state.settled >= rows);
    match state.attempt {
        0 => all_counted || state.failed,
        _ => {
            let replayed = progress.replay.as_ref().is_some_and(|replay| *replay > state.replay);
            replayed || (state.partial && all_counted)
        }
    }
}

/// Returns a row that is not settled, or that a replay has still to send: the last of them, which is probably the last
/// to come.
fn first_missing(tally: &Tally) -> Option<Missing> {
    if let Some(row) = tally.missing().last() {
        return Some(Missing { row, replay: None });
    }
    let pending = tally.pending_replays().into_iter().next()?;
    let row = tally.pending_rows(&pending.id).last()?;
    let replay = (pending.what != MISSING).then_some(pending.id);
    Some(Missing { row, replay })
}
