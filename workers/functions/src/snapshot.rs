//! `snapshot`: when a file is complete, the items that an earlier version of it loaded and that it lacks are deleted.
//!
//! `load` writes into each item which file it comes from, and which version and row of it. The latest version of a file
//! of which every row was loaded or skipped counts, whichever version has just ended: so rows of an older one that come
//! late are deleted again, and an older version never takes the place of a newer one. A version with failed rows deletes
//! nothing, because it is not known which items it lacks.
//!
//! The table is read twice, page by page. First the candidates are counted: items of the file that are older than the
//! version that counts. If there are more than `maximumDeleted` allows, none is deleted, and the event says so. Then each
//! candidate is deleted on condition that it is still the version that was read, so a row that arrives meanwhile keeps
//! its item. Before items are deleted, they are noted in the tally: a process that ends in between is continued there,
//! and never deletes more than the maximum.

mod latest;
mod run;

use std::future::Future;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use contract::event::{ObjectOutcome, SnapshotOutcome};
use contract::settings::SnapshotSettings;
use contract::{Detail, ObjectRef, verification};
use publisher::{Publisher, PutEvents};
use runtime::{Backoff, CallError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tally::snapshot::{Memory, Place, holder};
use tokio::time::Instant;

use crate::continued::{self, Continued, not_understood};
use crate::extract::Delay;
use crate::messages::{Delivery, InvocationError, Malformed, NotDone, Outcome};
use crate::start::Service;

use latest::{Decision, Latest, decide};
use run::Run;

/// The time before the end of an invocation in which the work is put aside: more than a page, with its deletions, takes.
const MARGIN: Duration = Duration::from_secs(5);

/// The items of a table. Implemented by [`crate::aws::Scanned`], and by fakes in tests.
pub trait Items: Send + Sync {
    /// Reads a page of the items of the file with this [`ObjectRef::source`], after the key `from`, as they are now. A page
    /// may be empty and have a next one.
    fn page(
        &self,
        source: &str,
        from: Option<&Map<String, Value>>,
    ) -> impl Future<Output = Result<Page, CallError>> + Send;

    /// Deletes an item if it has this version.
    fn delete(
        &self,
        key: &Map<String, Value>,
        version: &str,
    ) -> impl Future<Output = Result<Deletion, CallError>> + Send;
}

/// A page of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The items.
    pub items: Vec<Found>,
    /// The key after which the next page begins; `None` after the last.
    pub next: Option<Map<String, Value>>,
}

/// An item that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key, in DynamoDB's JSON.
    pub key: Map<String, Value>,
    /// Its [`contract::settings::VERSION_ATTRIBUTE`], if it has one.
    pub version: Option<String>,
}

/// The answer to a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The item is not in the table any more: it was deleted by this call, or by an earlier one whose answer was lost.
    Gone,
    /// The item has another version, and stays.
    Changed,
}

/// The function. See the module.
#[derive(Debug)]
pub struct Snapshot<I, M, Q, P> {
    settings: SnapshotSettings,
    items: I,
    memory: M,
    queues: Q,
    publisher: Publisher<P>,
    backoff: Backoff,
    max_receive_count: Option<u32>,
    margin: Duration,
}

/// The state of the work on an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Done,
    /// Put aside.
    Continues,
}

/// Something that is remembered, with all that writing it again needs.
#[derive(Debug, Clone)]
struct Kept<T> {
    place: Place,
    revision: u64,
    value: T,
}

impl<I: Items, M: Memory, Q: Delay, P: PutEvents> Snapshot<I, M, Q, P> {
    /// Creates the function, which deletes from `items` and remembers in `memory`; a message whose work takes longer than
    /// an invocation goes through `queues` once more.
    pub const fn new(
        settings: SnapshotSettings,
        items: I,
        memory: M,
        queues: Q,
        publisher: Publisher<P>,
        backoff: Backoff,
        max_receive_count: Option<u32>,
    ) -> Self {
        Self { settings, items, memory, queues, publisher, backoff, max_receive_count, margin: MARGIN }
    }

    /// Deletes what is to be deleted after an attempt. Returns the outcome, which is the same whenever the event comes again;
    /// `None` if the work was put aside.
    async fn clean(
        &self,
        object: &ObjectRef,
        outcome: &ObjectOutcome,
        end: Instant,
    ) -> Result<Option<SnapshotOutcome>, NotDone> {
        // A holder of its own for each message: two deliveries of one message are two processes.
        let holder = holder();
        let place = Place::of_attempt(&object.digest(), outcome.attempt);
        let mut run = match self.recall::<Run>(&place).await? {
            Some(run) => run,
            None => {
                let value = self.begin(object, outcome, &holder).await?;
                let mut run = Kept { place, revision: 0, value };
                self.save(&mut run, &holder).await?;
                run
            }
        };
        if run.value.outcome.is_none()
            && self.advance(object, &mut run, &holder, end).await? == State::Continues
        {
            return Ok(None);
        }
        Ok(run.value.outcome)
    }

    /// Finds the version that counts, which may be the one that has ended, and begins the search.
    async fn begin(&self, object: &ObjectRef, outcome: &ObjectOutcome, holder: &str) -> Result<Run, NotDone> {
        let place = Place::of_file(&object.source());
        for attempt in 1..=self.backoff.attempts() {
            let known = self.recall::<Latest>(&place).await?;
            let latest = match decide(known.as_ref().map(|known| &known.value), object, outcome) {
                Decision::Nothing(reason) => return Ok(Run::ended(reason)),
                Decision::Keep(latest) => return Ok(Run::new(latest)),
                Decision::Become(latest) => latest,
            };
            let revision = known.map_or(0, |known| known.revision);
            let mut next = Kept { place: place.clone(), revision, value: latest };
            if self.try_save(&mut next, holder).await? {
                return Ok(Run::new(next.value));
            }
            self.backoff.pause(attempt).await;
        }
        Err(busy())
    }

    async fn publish(&self, object: ObjectRef, outcome: ObjectOutcome, snapshot: SnapshotOutcome) -> Outcome {
        tracing::info!(
            key = object.key,
            attempt = outcome.attempt,
            deleted = snapshot.deleted,
            candidates = snapshot.candidates,
            items = snapshot.items,
            reason = snapshot.reason.map(contract::event::SnapshotReason::code),
            "the items that the latest version lacks were looked for"
        );
        let outcome = Box::new(ObjectOutcome { snapshot: Some(snapshot), ..outcome });
        let detail = Detail::SnapshotCompleted { object, outcome };
        match self.publisher.publish(std::slice::from_ref(&detail)).await.pop() {
            Some(Ok(())) => Ok(()),
            Some(Err(failure)) => {
                Err(NotDone { cause: format!("could not publish `snapshot-completed`: {}", failure.code()) })
            }
            None => Err(NotDone { cause: "could not publish `snapshot-completed`".to_owned() }),
        }
    }

    /// Reads what is remembered at a place.
    async fn recall<T: DeserializeOwned>(&self, place: &Place) -> Result<Option<Kept<T>>, NotDone> {
        let found = continued::retried(self.backoff, || self.memory.recall(place)).await?;
        let Some(found) = found else { return Ok(None) };
        let value = serde_json::from_str(&found.text).map_err(|_| NotDone {
            cause: format!(
                "the item `{}`, `{}` of the tally can't be read; if nothing else explains it, delete the item",
                place.object, place.part
            ),
        })?;
        Ok(Some(Kept { place: place.clone(), revision: found.revision, value }))
    }

    /// Writes what is to be remembered, unless another process has written there since; returns whether it did.
    async fn try_save<T: Serialize + Sync>(&self, kept: &mut Kept<T>, holder: &str) -> Result<bool, NotDone> {
        let text = serde_json::to_string(&kept.value).unwrap_or_default();
        let (place, revision) = (&kept.place, kept.revision);
        let save = || self.memory.remember(place, revision, holder, &text);
        let saved = continued::retried(self.backoff, save).await?;
        if saved {
            kept.revision += 1;
        }
        Ok(saved)
    }

    /// Writes what is to be remembered.
    ///
    /// Fails if another process works on the same: the message comes again, and finds what that process has done.
    async fn save<T: Serialize + Sync>(&self, kept: &mut Kept<T>, holder: &str) -> Result<(), NotDone> {
        if self.try_save(kept, holder).await? { Ok(()) } else { Err(busy()) }
    }
}

fn busy() -> NotDone {
    NotDone { cause: "another process looks for items to delete of the same file".to_owned() }
}

impl<I: Items, M: Memory, Q: Delay, P: PutEvents> Continued for Snapshot<I, M, Q, P> {
    fn margin(&self) -> Duration {
        self.margin
    }

    fn max_receive_count(&self) -> Option<u32> {
        self.max_receive_count
    }

    async fn process(&self, delivery: &Delivery, end: Instant) -> Outcome {
        let (object, outcome) = match delivery.event() {
            Ok(Detail::ObjectCompleted { object, outcome }) => (object, outcome),
            Ok(other) => return Err(not_understood(&Malformed::unwanted(&other, "snapshot"))),
            Err(malformed) => return Err(not_understood(&malformed)),
        };
        // No other version of a marked file exists, so it lacks nothing.
        let cleaned = match verification::is_marked(&object) {
            true => Some(SnapshotOutcome::default()),
            false => self.clean(&object, &outcome, end).await?,
        };
        match cleaned {
            Some(snapshot) => self.publish(object, *outcome, snapshot).await,
            None => continued::again(&self.queues, delivery, "the search for items to delete").await,
        }
    }
}

impl<I: Items, M: Memory, Q: Delay, P: PutEvents> Service for Snapshot<I, M, Q, P> {
    async fn invoke(
        &self,
        payload: &str,
        deadline: Instant,
    ) -> Result<Option<SqsBatchResponse>, InvocationError> {
        continued::invoke(self, payload, deadline).await
    }
}

#[cfg(test)]
mod tests;
