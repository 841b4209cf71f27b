//! `report`: for every object at its end, files about it in its bucket.
//!
//! In a stack with a `snapshot`, that end is `snapshot-completed`; the two events differ by what `snapshot` adds.
//!
//! `results/<key>.json` has the facts of `object-completed`. If rows have failed, `rejects/<key>.csv` has the header and
//! these rows, as they are in the file, each with its number and what was wrong before it, and without the values of
//! sensitive columns; it can be corrected and uploaded as it is. It is written first: who sees the results, finds the
//! rejects.
//!
//! The tally says which rows failed, and how the object was read; the task's own reader reads it again, up to the last of
//! these rows, and passes over the others. Nothing depends on the size of the file but time. Before the time of the
//! function ends, the work is put beside the files (`….partial`), and the message goes to the queue once more. If the
//! time is too short to go on, again and again, the rows that are left are written without their values, and the results
//! have the reason.
//!
//! The files are made of the tally and the object alone, so a message that is delivered twice writes them twice, and
//! nothing else. Of two events about one key, the later upload counts, and of one upload the last attempt.

mod notice;
mod output;
mod rejects;

use std::future::Future;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use client::Bytes;
use contract::event::{ObjectOutcome, ResultFiles};
use contract::{Detail, ObjectRef, verification};
use runtime::{Backoff, CallError};
use serde::{Deserialize, Serialize};
use tally::verification::is_permitted;
use task::download::Source;
use tokio::time::Instant;

use crate::continued::{self, Continued, not_understood};
use crate::extract::Delay;
use crate::messages::{Delivery, InvocationError, Malformed, NotDone, Outcome};
use crate::start::Service;

pub use notice::Topic;
use rejects::Written;

/// Bytes of the first parts of an upload in parts; a file of less is written at once. S3 takes 5 MiB at least: Amazon S3
/// User Guide, "Amazon S3 multipart upload limits".
const PART: usize = 8 << 20;
/// The time before the end of an invocation in which the work is put aside.
const MARGIN: Duration = Duration::from_secs(5);

/// The objects in a bucket. Implemented by [`crate::aws::S3`], and by fakes in tests.
pub trait Files: Send + Sync {
    /// An object that is open for reading.
    type Object: Source + 'static;

    /// Opens an object, of which nothing is read yet.
    fn open(&self, object: &ObjectRef) -> Self::Object;

    /// Reads a small object; returns `None` if there is none, or if there may be none: without permission to list a
    /// bucket, S3 does not tell.
    fn read(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>> + Send;

    /// Writes an object.
    fn put(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Deletes an object, if it is there.
    fn delete(&self, bucket: &str, key: &str) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Begins an upload in parts, and returns its ID.
    fn begin(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
    ) -> impl Future<Output = Result<String, CallError>> + Send;

    /// Uploads a part, by its number from 1, and returns its tag.
    fn part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> impl Future<Output = Result<String, CallError>> + Send;

    /// Makes an object of the parts with these tags.
    fn complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        tags: &[String],
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// The content of `results/<key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The object.
    pub object: ObjectRef,
    /// The facts of the event.
    #[serde(flatten)]
    pub outcome: ObjectOutcome,
    /// The reason why there is no file of rejected rows, or why it lacks some, if there should be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// `true` if a message about it was sent to people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notified: bool,
}

/// The function. See the module.
#[derive(Debug)]
pub struct Report<T, F, Q, N> {
    tally: T,
    files: F,
    queues: Q,
    topic: Option<N>,
    backoff: Backoff,
    max_receive_count: Option<u32>,
    part: usize,
    margin: Duration,
}

/// The state of a report.
enum State {
    Done,
    /// Put aside; the next invocation goes on.
    Continues,
    /// Put aside, and nothing was done.
    Stuck,
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Report<T, F, Q, N> {
    /// Creates the function, which reads the tally and writes files; a message whose work takes longer than an
    /// invocation goes through `queues` once more.
    pub const fn new(
        tally: T,
        files: F,
        queues: Q,
        backoff: Backoff,
        max_receive_count: Option<u32>,
    ) -> Self {
        Self { tally, files, queues, topic: None, backoff, max_receive_count, part: PART, margin: MARGIN }
    }

    /// Returns the same function, which also sends a message for people about each file, if there is a topic.
    #[must_use]
    pub fn with_topic(self, topic: Option<N>) -> Self {
        Self { topic, ..self }
    }

    async fn report(
        &self,
        object: ObjectRef,
        outcome: ObjectOutcome,
        end: Instant,
        last: bool,
    ) -> Result<State, NotDone> {
        if verification::is_marked(&object) {
            let permitted = self.retried(|| is_permitted(&self.tally, &object.key)).await?;
            if !permitted {
                tracing::info!(key = object.key, "the verification is over, so no result is written");
                return Ok(State::Done);
            }
        }
        let mut files = outcome.files.clone().unwrap_or_else(|| ResultFiles::of(&object.key, None));
        let before = self.results(&object.bucket, &files.results).await?;
        if before.as_ref().is_some_and(|before| is_later(before, &object, &outcome)) {
            tracing::info!(key = object.key, attempt = outcome.attempt, "a later result is there already");
            return Ok(State::Done);
        }
        let mut problem = None;
        if let Some(key) = files.rejects.clone() {
            match self.write_rejects(&object, &outcome, &key, end, last).await? {
                Written::All => {}
                Written::Not { problem: why, .. } => {
                    tracing::error!(key = object.key, why, "the rejected rows could not be written");
                    (problem, files.rejects) = (Some(why), None);
                }
                Written::Some { problem: why } => {
                    tracing::error!(key = object.key, why, "some rejected rows could not be read");
                    problem = Some(why);
                }
                Written::Part => return Ok(State::Continues),
                Written::Nothing => return Ok(State::Stuck),
            }
        }
        // Those of an earlier attempt have been corrected.
        let old = before.as_ref().and_then(|before| before.outcome.files.as_ref()?.rejects.clone());
        if let Some(old) = old.filter(|_| files.rejects.is_none()) {
            self.retried(|| self.files.delete(&object.bucket, &old)).await?;
        }
        let notified = before.is_some_and(|before| before.outcome.id == outcome.id && before.notified);
        let outcome = ObjectOutcome { files: Some(files), ..outcome };
        let is_marked = verification::is_marked(&object);
        let mut results = Results { object, outcome, problem, notified };
        self.write_results(&results).await?;
        if let Some(topic) = self.topic.as_ref().filter(|_| !notified && !is_marked) {
            let (subject, message) = (notice::subject(&results), notice::message(&results));
            self.retried(|| topic.publish(&subject, &message)).await?;
            // If the process ends here, the message is sent twice.
            results.notified = true;
            self.write_results(&results).await?;
        }
        let files = results.outcome.files.unwrap_or_else(|| ResultFiles::of(&results.object.key, None));
        tracing::info!(
            key = results.object.key,
            results = files.results,
            rejects = files.rejects,
            attempt = results.outcome.attempt,
            "the result of a file was written"
        );
        Ok(State::Done)
    }

    async fn write_results(&self, results: &Results) -> Result<(), NotDone> {
        let json = serde_json::to_string_pretty(results).unwrap_or_default() + "\n";
        let files = results.outcome.files.as_ref();
        let key = files.map(|files| files.results.clone()).unwrap_or_default();
        let put =
            || self.files.put(&results.object.bucket, &key, "application/json", json.clone().into_bytes());
        self.retried(put).await
    }

    /// Reads the results that are there. What is not a result is written over.
    async fn results(&self, bucket: &str, key: &str) -> Result<Option<Results>, NotDone> {
        let bytes = self.retried(|| self.files.read(bucket, key)).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Makes a call until it has an answer, or there are no attempts left.
    async fn retried<O, C: Future<Output = Result<O, CallError>>>(
        &self,
        call: impl Fn() -> C,
    ) -> Result<O, NotDone> {
        continued::retried(self.backoff, call).await
    }
}

/// Returns whether there is no further attempt, or may be none: Lambda does not name the attempt of an event that comes
/// directly from a rule.
const fn is_last(delivery: &Delivery) -> bool {
    delivery.last_attempt || delivery.queue.is_none()
}

/// Returns whether results are those of a later upload of the same key, or of a later attempt.
fn is_later(before: &Results, object: &ObjectRef, outcome: &ObjectOutcome) -> bool {
    if before.object.digest() == object.digest() {
        // Of one attempt, the event of `snapshot` says more.
        let place = |outcome: &ObjectOutcome| (outcome.attempt, outcome.snapshot.is_some());
        return place(&before.outcome) > place(outcome);
    }
    before.object.key == object.key && before.object.uploaded > object.uploaded
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Continued for Report<T, F, Q, N> {
    fn margin(&self) -> Duration {
        self.margin
    }

    fn max_receive_count(&self) -> Option<u32> {
        self.max_receive_count
    }

    async fn process(&self, delivery: &Delivery, end: Instant) -> Outcome {
        let (object, outcome) = match delivery.event() {
            Ok(
                Detail::ObjectCompleted { object, outcome } | Detail::SnapshotCompleted { object, outcome },
            ) => (object, outcome),
            Ok(other) => return Err(not_understood(&Malformed::unwanted(&other, "report"))),
            Err(malformed) => return Err(not_understood(&malformed)),
        };
        match self.report(object, *outcome, end, is_last(delivery)).await? {
            State::Done => Ok(()),
            State::Continues => continued::again(&self.queues, delivery, "the report").await,
            State::Stuck => {
                let cause =
                    "the time of the function is too short to reach a row; raise `timeout` of the function";
                Err(NotDone { cause: cause.to_owned() })
            }
        }
    }
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Service for Report<T, F, Q, N> {
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
