//! `extract`: for every uploaded object, a task that reads it.
//!
//! # One task per upload
//!
//! S3 may send a notification twice, SQS may deliver it twice, and a message whose second record failed is delivered
//! again with the first one done. ECS recognizes such repetitions by the client token, so the token is made of the
//! parts that are the same in all of them: the object version and the notification's sequencer ([`Upload::token`]). The
//! receive count must not be in it: two deliveries of one upload have counts of their own and would start two tasks.
//!
//! Can a token prevent a retry? ECS documents that a token is bound by a request that *succeeded*, for as long as the
//! task exists plus one hour (at most a day); a call that answers with `failures[]` started nothing to bind it. The
//! documentation does not say explicitly, though, that such an answer is never remembered. So on the very last attempt,
//! and only right after ECS has answered the usual token with `failures[]` (which it would not do if any delivery had
//! started the task under it), one more call is made with a token of its own. The worst case of both is harmless: a
//! second task makes the same rows with the same IDs, and the table ends up the same.
//!
//! # Parts
//!
//! A large object is divided among several tasks, by bytes. Each part has a token of its own, so that a delivery that
//! is repeated after one of them could not be started starts that one alone.
//!
//! # Small objects
//!
//! With the setting `inline`, an object up to that size needs no task: `extract` reads it itself ([`crate::inline`]). No
//! token tells a repetition then, but the checkpoint does, which says that the object is done; without a tally, the
//! same rows are published again, with the same IDs. If the object isn't read in time, or was tried in vain before, a
//! task is started under the usual token, and continues at the checkpoint.
//!
//! # Results
//!
//! In a stack with a `report`, the keys below `results/` and `rejects/` are those of its files. They start nothing: a
//! report about a report would have no end.
//!
//! # Restarts
//!
//! The queue also brings ECS's events about tasks that stopped. One that did not finish is started again with the same
//! work, and continues at its checkpoint; unless a person has stopped it, or it would end in the same way again. An
//! outage that keeps tasks from starting lasts minutes or hours, so restarts wait longer each time. They wait as
//! messages that `extract` sends to its own queue, with a delay: if the message of ECS were hidden for that time, each
//! wait would take one of the attempts after which it is a dead letter.

use std::future::Future;

use contract::event::is_result_file;
use contract::settings::ExtractSettings;
use contract::{
    Assignment, Detail, FailedStage, ObjectRef, Part, Reason, ReplayRequest, RestartRequest, Shard,
    verification,
};
use publisher::{Publisher, PutEvents};

use crate::inline::Inline;
use crate::messages::{Delivery, Handler, Malformed, Outcome, QueueOrigin};
use crate::notification::{Notification, Record, Upload, parse};
use crate::settle::{Stage, Unfinished, Verdict};
use crate::stopped::{Cause, Stopped};

/// The seconds that each restart of a task that never ran waits; there is no further one. SQS delays a message by 15
/// minutes at most: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
const WAITS: [i32; 5] = [60, 120, 240, 480, 900];
/// The same for a task that has run: the first time it most probably stopped by chance.
const WAITS_AFTER_A_RUN: [i32; 5] = [0, 60, 120, 240, 480];
/// The same for a task that has lost its capacity: that has no bearing on the next one.
const WAITS_FOR_CAPACITY: [i32; 5] = [0; 5];

/// A starter of tasks. Implemented by [`crate::aws::Fargate`], and by fakes in tests.
pub trait Tasks: Send + Sync {
    /// Starts the task for `object`, or finds the one that was started under this token before. Returns its ARN.
    fn start(
        &self,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
    ) -> impl Future<Output = Result<String, StartError>> + Send;
}

/// The reason why no task was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// ECS took the request and started nothing (`failures[]`): no capacity, for example.
    #[error("{0}")]
    NotPlaced(String),
    /// The call failed.
    #[error("{0}")]
    Call(String),
}

/// The number of tasks that are started at the same time.
const MAX_IN_FLIGHT: usize = 8;

/// A queue that delays messages. Implemented by [`crate::aws::Queues`], and by fakes in tests.
pub trait Delay: Send + Sync {
    /// Hides the message for `seconds`. The error is a code for the log.
    fn delay(&self, message: &QueueOrigin, seconds: i32) -> impl Future<Output = Result<(), String>> + Send;

    /// Sends another message to the queue of `message`, to arrive in `seconds`. The error is a code for the log.
    fn send_later(
        &self,
        message: &QueueOrigin,
        body: &str,
        seconds: i32,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// The function. See the module.
#[derive(Debug)]
pub struct Extract<T, D, P, I> {
    /// `true` if files about objects are in the bucket, which are not uploads.
    ignores_results: bool,
    settings: ExtractSettings,
    tasks: T,
    queues: D,
    stage: Stage<P>,
    inline: Option<I>,
}

/// The number of deliveries of a message in which `extract` reads its objects itself. If that ended the process twice,
/// a task has more memory and time.
const INLINE_ATTEMPTS: u32 = 2;

impl<T: Tasks, D: Delay, P: PutEvents, I: Inline> Extract<T, D, P, I> {
    /// Creates the function, which divides objects by `settings`, starts tasks with `tasks`, delays failed messages
    /// with `queues`, publishes through `publisher`, and reads small objects with `inline`.
    pub const fn new(
        settings: ExtractSettings,
        tasks: T,
        queues: D,
        publisher: Publisher<P>,
        inline: Option<I>,
    ) -> Self {
        let stage = Stage::new(publisher, FailedStage::Extraction);
        Self { ignores_results: false, settings, tasks, queues, stage, inline }
    }

    /// Returns the same function for a stack in which `report` writes files about objects beside them: with
    /// `ignores_results`, it starts no task for these.
    #[must_use]
    pub fn ignoring_results(self, ignores_results: bool) -> Self {
        Self { ignores_results, ..self }
    }

    async fn process(&self, delivery: &Delivery) -> Verdict {
        let message_id = &delivery.id;
        let mut verdict = Verdict::default();
        let foreign = Notification::Foreign("the message is not JSON");
        let records = match delivery.value().as_ref().map_or(foreign, parse) {
            Notification::Records(records) => records,
            Notification::Test => {
                tracing::info!(message_id, "S3 sent a test of the notification");
                return verdict;
            }
            Notification::Replay(request) => {
                self.replay(delivery, *request, &mut verdict).await;
                return verdict;
            }
            Notification::Restart(request) => {
                self.restart(delivery, *request, &mut verdict).await;
                return verdict;
            }
            Notification::Stopped(stopped) => {
                self.stopped(delivery, *stopped, &mut verdict).await;
                return verdict;
            }
            Notification::Settled => {
                tracing::info!(message_id, "a task has finished");
                return verdict;
            }
            Notification::Foreign(why) => return self.not_understood(delivery, why),
        };
        for record in records {
            match record {
                Record::Upload(upload) if self.ignores_results && is_result_file(&upload.object.key) => {
                    let key = &upload.object.key;
                    tracing::info!(message_id, key, "ignored an object that is the result of another one");
                }
                Record::Upload(upload) => self.upload(delivery, upload, &mut verdict).await,
                Record::Ignored(why) => tracing::info!(message_id, why, "ignored a record of a notification"),
                Record::Bad { object, reason, message } => {
                    verdict.publish.push(self.stage.failed(Some(object), None, reason, message));
                }
                Record::Nameless => {
                    let why = "an object was created, but the message does not name the bucket or the key";
                    let Verdict { publish, unfinished } = self.not_understood(delivery, why);
                    verdict.publish.extend(publish);
                    verdict.unfinished.extend(unfinished);
                }
            }
        }
        verdict
    }

    fn not_understood(&self, delivery: &Delivery, why: &str) -> Verdict {
        self.stage.not_understood(delivery, Malformed::new(why))
    }

    async fn upload(&self, delivery: &Delivery, upload: Upload, verdict: &mut Verdict) {
        if upload.size == Some(0) {
            // Folders made in the console look like this, too.
            tracing::info!(
                message_id = delivery.id,
                key = upload.object.key,
                "the object is empty, so no task is started"
            );
            let object = upload.object;
            verdict.publish.push(Detail::ExtractionCompleted {
                object,
                rows: 0,
                bytes: 0,
                rejected: 0,
                skipped: None,
                encoding: None,
                shard: None,
            });
            return;
        }
        if self.read(delivery, &upload).await {
            return;
        }
        let token = upload.token();
        let parts = parts(&self.settings, upload.size);
        // A task takes ECS about a second, and the function has seconds.
        for parts in parts.chunks(MAX_IN_FLIGHT) {
            let starts = parts.iter().copied().map(|part| {
                let token =
                    part.map_or_else(|| token.clone(), |part| format!("{token}-{}", part.shard.index));
                let (object, assignment) =
                    (upload.object.clone(), Assignment { part, ..Assignment::default() });
                async move {
                    let started = self.start(&object, &assignment, &token, delivery.last_attempt).await;
                    (assignment, started)
                }
            });
            for (assignment, started) in futures::future::join_all(starts.collect::<Vec<_>>()).await {
                note(delivery, &upload.object, &assignment, started, verdict);
            }
        }
    }

    /// Reads a small object, and returns whether nothing is left to do for a task.
    async fn read(&self, delivery: &Delivery, upload: &Upload) -> bool {
        let most = self.settings.inline.unwrap_or_default();
        let Some(inline) = self
            .inline
            .as_ref()
            .filter(|_| upload.size.is_some_and(|size| size <= most) && delivery.attempt <= INLINE_ATTEMPTS)
        else {
            return false;
        };
        let (message_id, key) = (&delivery.id, &upload.object.key);
        match inline.extract(&upload.object, delivery.deadline).await {
            task::Outcome::Completed(task::Totals { rows, rejected, bytes }) => {
                tracing::info!(message_id, key, rows, rejected, bytes, "extraction completed");
                true
            }
            task::Outcome::Failed(fault) => {
                tracing::error!(
                    message_id,
                    key,
                    reason = fault.reason.code(),
                    cause = fault.message,
                    "extraction failed"
                );
                true
            }
            task::Outcome::Interrupted(fault) => {
                tracing::warn!(
                    message_id,
                    key,
                    cause = fault.message,
                    "extraction interrupted, so a task continues"
                );
                false
            }
        }
    }

    /// Starts a task and publishes that, or adds it to the unfinished work.
    async fn begin(
        &self,
        delivery: &Delivery,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
        verdict: &mut Verdict,
    ) {
        let started = self.start(object, assignment, token, delivery.last_attempt).await;
        note(delivery, object, assignment, started, verdict);
    }

    /// Extracts some rows of an object again.
    async fn replay(&self, delivery: &Delivery, request: ReplayRequest, verdict: &mut Verdict) {
        let ReplayRequest { replay, object, id } = request;
        // The ID comes from outside, and may be any text.
        let token =
            ObjectRef { version: Some(format!("{}{id}", object.digest())), ..object.clone() }.digest();
        let assignment = Assignment { replay: Some(replay), ..Assignment::default() };
        self.begin(delivery, &object, &assignment, &format!("replay-{token}"), verdict).await;
    }

    /// Starts the work of a stopped task again, now or later, or gives it up.
    async fn stopped(&self, delivery: &Delivery, stopped: Stopped, verdict: &mut Verdict) {
        let message_id = &delivery.id;
        let Stopped { object, mut assignment, container, task, cause, said } = stopped;
        tracing::warn!(
            message_id,
            key = object.key,
            task,
            ?cause,
            said,
            restarts = assignment.restarts,
            "a task has stopped before it was finished"
        );
        let restarts = usize::try_from(assignment.restarts).unwrap_or(usize::MAX);
        let seconds = match may_restart(cause, restarts, &container, &said) {
            // Somebody waits to hear of it.
            Ok(_) if verification::is_marked(&object) && cause != Cause::CapacityLost => {
                let message = format!("the task of a verification has stopped: {said}");
                let reason = match cause {
                    Cause::NotStarted => Reason::TaskNotStarted,
                    _ => Reason::Interrupted,
                };
                verdict.publish.push(self.stage.failed(Some(object), None, reason, message));
                return;
            }
            Ok(seconds) => seconds,
            Err((reason, message)) => {
                verdict.publish.push(self.stage.failed(Some(object), None, reason, message));
                return;
            }
        };
        assignment.restarts += 1;
        let request = RestartRequest { restart: assignment, object, task };
        // Without a queue there is nothing to wait in.
        let Some(queue) = delivery.queue.as_ref().filter(|_| seconds > 0) else {
            return self.restart(delivery, request, verdict).await;
        };
        let sent = match serde_json::to_string(&request) {
            Ok(body) => self.queues.send_later(queue, &body, seconds).await,
            Err(_) => Err("ConstructionFailure".to_owned()),
        };
        match sent {
            Ok(()) => {
                tracing::info!(message_id, key = request.object.key, seconds, "another task will be started")
            }
            Err(code) => verdict.unfinished.push(Unfinished {
                object: Some(request.object),
                record: None,
                reason: Reason::TaskNotStarted,
                cause: format!("could not send the restart of the task to the queue: {code}"),
            }),
        }
    }

    /// Starts a task in the place of one that has stopped.
    async fn restart(&self, delivery: &Delivery, request: RestartRequest, verdict: &mut Verdict) {
        let RestartRequest { restart, object, task } = request;
        // ECS may report twice that a task stopped: the token is made of its ARN.
        let token = ObjectRef { version: Some(task), ..object.clone() }.digest();
        let token = format!("restart-{token}-{}", restart.restarts);
        self.begin(delivery, &object, &restart, &token, verdict).await;
    }

    async fn start(
        &self,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
        last_attempt: bool,
    ) -> Result<String, StartError> {
        match self.tasks.start(object, assignment, token).await {
            // See the module.
            Err(StartError::NotPlaced(_)) if last_attempt => {
                self.tasks.start(object, assignment, &format!("{token}-last")).await
            }
            result => result,
        }
    }
}

/// Returns the seconds after which a task is started in the place of one that stopped for this cause, after `restarts`
/// restarts; or the failure of the object, with its message.
fn may_restart(cause: Cause, restarts: usize, container: &str, said: &str) -> Result<i32, (Reason, String)> {
    let waits = match cause {
        Cause::Ended => WAITS_AFTER_A_RUN,
        Cause::CapacityLost => WAITS_FOR_CAPACITY,
        Cause::NotStarted => WAITS,
        Cause::NoImage => {
            let message = format!("ECS cannot start the task: {said}; deploy the stack again");
            return Err((Reason::TaskNotStarted, message));
        }
        Cause::OutOfMemory => {
            let message = format!(
                "the task ran out of memory: {said}; raise `memory` of `{container}` in the stack file"
            );
            return Err((Reason::OutOfMemory, message));
        }
        Cause::StoppedByUser => {
            let message = format!("somebody stopped the task, so it is not started again: {said}");
            return Err((Reason::Interrupted, message));
        }
    };
    waits.get(restarts).copied().ok_or_else(|| {
        let tasks = waits.len() + 1;
        match cause {
            Cause::NotStarted => (
                Reason::TaskNotStarted,
                format!("ECS could not start the task {tasks} times in a row: {said}"),
            ),
            _ => {
                let message = format!(
                    "{tasks} tasks in a row have stopped before they were finished, the last with {said}"
                );
                (Reason::Interrupted, message)
            }
        }
    })
}

/// Publishes that a task was started, or adds it to the unfinished work.
fn note(
    delivery: &Delivery,
    object: &ObjectRef,
    assignment: &Assignment,
    started: Result<String, StartError>,
    verdict: &mut Verdict,
) {
    let (message_id, key, restarts) = (&delivery.id, &object.key, assignment.restarts);
    match started {
        Ok(task) => {
            let part = assignment.part.map_or(1, |part| part.shard.index);
            tracing::info!(message_id, key, task, part, restarts, "task started");
            verdict.publish.push(Detail::TaskStarted { object: object.clone(), task });
        }
        Err(error) => verdict.unfinished.push(Unfinished {
            object: Some(object.clone()),
            record: None,
            reason: Reason::TaskNotStarted,
            cause: format!("ECS did not start the task: {error}"),
        }),
    }
}

/// Returns the parts of an object of this size: as many as are needed so that none is larger than the settings allow,
/// but no more than their number of tasks. One part is the whole.
fn parts(settings: &ExtractSettings, size: Option<u64>) -> Vec<Option<Part>> {
    let size = size.unwrap_or_default();
    let of = size.div_ceil(settings.shard_size.max(1)).min(u64::from(settings.max_tasks)).max(1);
    let Some(of) = u32::try_from(of).ok().filter(|of| *of > 1) else { return vec![None] };
    // In 128 bits no product of sizes is too large.
    let cut =
        |index: u32| u64::try_from(u128::from(size) * u128::from(index) / u128::from(of)).unwrap_or(size);
    let part = |index: u32| Part {
        shard: Shard { index, of },
        from: cut(index - 1),
        to: (index < of).then(|| cut(index)),
    };
    (1..=of).map(|index| Some(part(index))).collect()
}

impl<T: Tasks, D: Delay, P: PutEvents, I: Inline> Handler for Extract<T, D, P, I> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut verdicts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            verdicts.push(self.process(delivery).await);
        }
        let waits: Vec<bool> = verdicts.iter().map(waits).collect();
        let outcomes = self.stage.settle(deliveries, verdicts).await;
        for ((delivery, outcome), waits) in deliveries.iter().zip(&outcomes).zip(waits) {
            // After the last attempt there is nothing to wait for; but SQS makes a dead letter of a message only once
            // it could be received again, and a message that was not understood should be found soon.
            let goes_back = outcome.is_err() && !(delivery.last_attempt && waits);
            let Some(queue) = delivery.queue.as_ref().filter(|_| goes_back) else { continue };
            let seconds = if waits { delay_seconds(delivery.attempt) } else { NOT_UNDERSTOOD };
            if let Err(code) = self.queues.delay(queue, seconds).await {
                // The message is delivered again when its queue's visibility timeout ends: sooner or later than
                // intended.
                tracing::warn!(message_id = delivery.id, code, "could not set the delay of the message");
            }
        }
        outcomes
    }
}

/// Returns whether time helps the message. It doesn't if the only problem is that it was not understood.
fn waits(verdict: &Verdict) -> bool {
    verdict.unfinished.is_empty()
        || verdict.unfinished.iter().any(|unfinished| unfinished.reason != Reason::MalformedEvent)
}

/// The seconds that a message waits that was not understood: its sender should find it soon.
const NOT_UNDERSTOOD: i32 = 5;

/// Returns the seconds that a message waits after its `attempt`th delivery: 30, doubled each time, at most 15 minutes.
/// Capacity that isn't there now may be in minutes, not in milliseconds.
fn delay_seconds(attempt: u32) -> i32 {
    30i32.saturating_mul(2i32.saturating_pow(attempt.saturating_sub(1))).min(900)
}

#[cfg(test)]
mod tests;
