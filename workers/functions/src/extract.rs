//! `extract`: for every uploaded object, a task that reads it.
//!
//! # One task per upload
//!
//! S3 may send a notification twice, SQS may deliver it twice, and a message whose second record failed comes again
//! with the first one done. ECS tells such repetitions apart by the client token, so the token is made of what is the
//! same in all of them: the object version and the notification's sequencer ([`Upload::token`]). The receive count must
//! not be in it: two deliveries of one upload have counts of their own and would start two tasks.
//!
//! Can a token get in the way of a retry? ECS documents that a token is bound by a request that *succeeded*, for as long
//! as the task exists plus one hour (at most a day); a call that answers with `failures[]` started nothing to bind it.
//! That such an answer is never remembered is not said in so many words, though. So on the very last attempt, and only
//! right after ECS has answered the usual token with `failures[]` (which it would not do if any delivery had started
//! the task under it), one more call is made with a token of its own. The worst case of both is harmless: a second task
//! makes the same rows with the same ids, and the table ends up the same.

use std::future::Future;

use contract::{Detail, FailedStage, ObjectRef, Reason};
use publisher::{Publisher, PutEvents};

use crate::messages::{Delivery, Handler, Outcome, QueueOrigin};
use crate::notification::{Notification, Record, Upload, parse};
use crate::settle::{Stage, Unfinished, Verdict};

/// Starts tasks. Implemented by [`crate::aws::Fargate`], and by fakes in tests.
pub trait Tasks: Send + Sync {
    /// Starts the task for `object`, or finds the one that was started under this token before. Answers its ARN.
    fn start(
        &self,
        object: &ObjectRef,
        token: &str,
    ) -> impl Future<Output = Result<String, StartError>> + Send;
}

/// Why no task was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// ECS took the request and started nothing (`failures[]`): no capacity, for example.
    #[error("{0}")]
    NotPlaced(String),
    /// The call failed.
    #[error("{0}")]
    Call(String),
}

/// Delays a message. Implemented by [`crate::aws::Queues`], and by fakes in tests.
pub trait Delay: Send + Sync {
    /// Hides the message for `seconds`. The error is a code for the log.
    fn delay(&self, message: &QueueOrigin, seconds: i32) -> impl Future<Output = Result<(), String>> + Send;
}

/// The function. See the module.
#[derive(Debug)]
pub struct Extract<T, D, P> {
    tasks: T,
    queues: D,
    stage: Stage<P>,
}

impl<T: Tasks, D: Delay, P: PutEvents> Extract<T, D, P> {
    /// Starts tasks with `tasks`, delays failed messages with `queues`, publishes through `publisher`.
    pub const fn new(tasks: T, queues: D, publisher: Publisher<P>) -> Self {
        Self { tasks, queues, stage: Stage::new(publisher, FailedStage::Extraction) }
    }

    async fn process(&self, delivery: &Delivery) -> Verdict {
        let message_id = &delivery.id;
        let mut verdict = Verdict::default();
        let records = match delivery.body.as_ref().map_or(Notification::Foreign, parse) {
            Notification::Records(records) => records,
            Notification::Test => {
                tracing::info!(message_id, "S3 tested the notification");
                return verdict;
            }
            Notification::Foreign => {
                tracing::warn!(message_id, "ignored: not an S3 notification");
                return verdict;
            }
        };
        for record in records {
            match record {
                Record::Upload(upload) => self.upload(delivery, upload, &mut verdict).await,
                Record::Ignored(why) => tracing::info!(message_id, why, "ignored a record of a notification"),
                Record::Bad { object, reason, message } => {
                    verdict.publish.push(self.stage.failed(object, None, reason, message));
                }
            }
        }
        verdict
    }

    async fn upload(&self, delivery: &Delivery, upload: Upload, verdict: &mut Verdict) {
        if upload.size == Some(0) {
            // Folders made in the console look like this, too.
            tracing::info!(message_id = delivery.id, key = upload.object.key, "the object is empty, no task");
            let object = upload.object;
            verdict.publish.push(Detail::ExtractionCompleted { object, rows: 0, bytes: 0, rejected: 0 });
            return;
        }
        match self.start(&upload, delivery.last_attempt).await {
            Ok(task) => {
                tracing::info!(message_id = delivery.id, key = upload.object.key, task, "task started");
                verdict.publish.push(Detail::TaskStarted { object: upload.object, task });
            }
            Err(error) => verdict.unfinished.push(Unfinished {
                object: Some(upload.object),
                record: None,
                reason: Reason::TaskNotStarted,
                cause: format!("ECS did not start the task: {error}"),
            }),
        }
    }

    async fn start(&self, upload: &Upload, last_attempt: bool) -> Result<String, StartError> {
        let token = upload.token();
        match self.tasks.start(&upload.object, &token).await {
            // See the module.
            Err(StartError::NotPlaced(_)) if last_attempt => {
                self.tasks.start(&upload.object, &format!("{token}-last")).await
            }
            result => result,
        }
    }
}

impl<T: Tasks, D: Delay, P: PutEvents> Handler for Extract<T, D, P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut verdicts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            verdicts.push(self.process(delivery).await);
        }
        let outcomes = self.stage.settle(deliveries, verdicts).await;
        for (delivery, outcome) in deliveries.iter().zip(&outcomes) {
            // After the last attempt there is nothing to wait for.
            let Some(queue) = delivery.queue.as_ref().filter(|_| outcome.is_err() && !delivery.last_attempt)
            else {
                continue;
            };
            if let Err(code) = self.queues.delay(queue, delay_seconds(delivery.attempt)).await {
                // The message comes back when its queue's visibility timeout ends: sooner or later than wished.
                tracing::warn!(message_id = delivery.id, code, "the message's delay could not be set");
            }
        }
        outcomes
    }
}

/// How long a message waits after its `attempt`th delivery: 30 seconds, doubled each time, at most 15 minutes. Capacity
/// that isn't there now may be in minutes, not in milliseconds.
fn delay_seconds(attempt: u32) -> i32 {
    30i32.saturating_mul(2i32.saturating_pow(attempt.saturating_sub(1))).min(900)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Bus, delivery};

    /// ECS as its documentation describes it: a token that started a task gives that task again.
    #[derive(Default)]
    struct Cluster {
        /// Answers to the next calls, for keys that start with the first part; then tasks start.
        refusals: Mutex<Vec<(&'static str, StartError)>>,
        started: Mutex<HashMap<String, String>>,
        tokens: Mutex<Vec<String>>,
    }

    impl Tasks for &Cluster {
        async fn start(&self, object: &ObjectRef, token: &str) -> Result<String, StartError> {
            self.tokens.lock().expect("lock").push(token.to_owned());
            let mut started = self.started.lock().expect("lock");
            if let Some(task) = started.get(token) {
                return Ok(task.clone());
            }
            let mut refusals = self.refusals.lock().expect("lock");
            if let Some(next) = refusals.iter().position(|(key, _)| object.key.starts_with(key)) {
                return Err(refusals.remove(next).1);
            }
            let task = format!("arn:task/{}", started.len() + 1);
            started.insert(token.to_owned(), task.clone());
            Ok(task)
        }
    }

    #[derive(Default)]
    struct Delays {
        fail: bool,
        set: Mutex<Vec<i32>>,
    }

    impl Delay for &Delays {
        async fn delay(&self, message: &QueueOrigin, seconds: i32) -> Result<(), String> {
            assert_eq!(message.receipt_handle, "r");
            self.set.lock().expect("lock").push(seconds);
            if self.fail { Err("AccessDenied".into()) } else { Ok(()) }
        }
    }

    fn record(key: &str, size: u64) -> Value {
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": size, "eTag": "e", "sequencer": "AB" } } })
    }

    fn object(key: &str) -> ObjectRef {
        ObjectRef { bucket: "b".into(), key: key.into(), version: None, etag: Some("e".into()) }
    }

    fn started(key: &str, task: u32) -> Detail {
        Detail::TaskStarted { object: object(key), task: format!("arn:task/{task}") }
    }

    fn no_capacity() -> StartError {
        StartError::NotPlaced("RESOURCE:FARGATE".into())
    }

    async fn run(cluster: &Cluster, delays: &Delays, bus: &Bus, records: Value, attempt: u32) -> Outcome {
        let function = Extract::new(cluster, delays, bus.publisher());
        let mut outcomes = function.handle(&[delivery(records, attempt)]).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.pop().expect("one")
    }

    #[tokio::test]
    async fn each_upload_starts_a_task() {
        let (cluster, delays, bus) = Default::default();
        let records = json!({ "Records": [record("a+b.csv", 3), record("c.csv", 3)] });
        assert_eq!(run(&cluster, &delays, &bus, records, 1).await, Ok(()));
        assert_eq!(bus.published(), [started("a b.csv", 1), started("c.csv", 2)]);
        assert!(delays.set.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_second_delivery_starts_no_second_task() {
        let (cluster, delays, bus) = Default::default();
        let records = json!({ "Records": [record("a", 3)] });
        for attempt in [1, 1, 2] {
            assert_eq!(run(&cluster, &delays, &bus, records.clone(), attempt).await, Ok(()));
        }
        assert_eq!(bus.published(), [started("a", 1), started("a", 1), started("a", 1)]);
        assert_eq!(cluster.started.lock().expect("lock").len(), 1);
    }

    #[tokio::test]
    async fn a_retry_starts_only_what_is_missing() {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        cluster.refusals.lock().expect("lock").push(("b", no_capacity()));
        let records = json!({ "Records": [record("a", 3), record("b", 3)] });
        let outcome = run(&cluster, &delays, &bus, records.clone(), 1).await;
        assert_eq!(outcome.expect_err("b").cause, "ECS did not start the task: RESOURCE:FARGATE");
        assert_eq!(run(&cluster, &delays, &bus, records, 2).await, Ok(()));
        assert_eq!(bus.published(), [started("a", 1), started("a", 1), started("b", 2)]);
        assert_eq!(*delays.set.lock().expect("lock"), [30]);
    }

    #[tokio::test]
    async fn a_delay_that_cannot_be_set_changes_nothing() {
        let (cluster, bus): (Cluster, Bus) = Default::default();
        let delays = Delays { fail: true, ..Delays::default() };
        cluster.refusals.lock().expect("lock").push(("", StartError::Call("ServerException".into())));
        assert!(run(&cluster, &delays, &bus, json!({ "Records": [record("a", 3)] }), 2).await.is_err());
        assert_eq!(*delays.set.lock().expect("lock"), [60]);
        assert!(bus.published().is_empty());
    }

    #[tokio::test]
    async fn the_last_attempt_tries_a_token_of_its_own_and_then_reports() {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        cluster.refusals.lock().expect("lock").extend([("", no_capacity()), ("", no_capacity())]);
        let records = json!({ "Records": [record("a", 3)] });
        assert!(run(&cluster, &delays, &bus, records.clone(), 3).await.is_err());
        let tokens = cluster.tokens.lock().expect("lock").clone();
        assert_eq!(tokens[1], format!("{}-last", tokens[0]));
        assert!(
            matches!(&bus.published()[..], [Detail::Failed { stage: FailedStage::Extraction, reason: Reason::TaskNotStarted, object: Some(failed), .. }] if *failed == object("a"))
        );
        assert!(delays.set.lock().expect("lock").is_empty());

        // A call that failed may have started a task under the usual token: no second one.
        let cluster = Cluster::default();
        cluster.refusals.lock().expect("lock").push(("", StartError::Call("Timeout".into())));
        assert!(run(&cluster, &delays, &bus, records, 3).await.is_err());
        assert_eq!(cluster.tokens.lock().expect("lock").len(), 1);
    }

    #[tokio::test]
    async fn an_empty_object_is_complete_without_a_task() {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        assert_eq!(run(&cluster, &delays, &bus, json!({ "Records": [record("a/", 0)] }), 1).await, Ok(()));
        let completed = Detail::ExtractionCompleted { object: object("a/"), rows: 0, bytes: 0, rejected: 0 };
        assert_eq!(bus.published(), [completed]);
        assert!(cluster.tokens.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_key_that_does_not_decode_is_reported_and_done() {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        assert_eq!(run(&cluster, &delays, &bus, json!({ "Records": [record("a%zz", 3)] }), 1).await, Ok(()));
        assert!(
            matches!(&bus.published()[..], [Detail::Failed { reason: Reason::ObjectUnreadable, object: Some(failed), .. }] if *failed == object("a%zz"))
        );
    }

    #[tokio::test]
    async fn what_is_no_upload_is_ignored() {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        let mut removed = record("a", 3);
        removed["eventName"] = json!("ObjectRemoved:Delete");
        for body in [
            json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }),
            json!({ "hello": "world" }),
            json!({ "Records": [removed, record("", 3)] }),
        ] {
            assert_eq!(run(&cluster, &delays, &bus, body, 1).await, Ok(()));
        }
        let function = Extract::new(&cluster, &delays, bus.publisher());
        assert_eq!(function.handle(&[Delivery { body: None, ..delivery(json!({}), 1) }]).await, [Ok(())]);
        assert!(bus.published().is_empty() && cluster.tokens.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_task_that_cannot_be_announced_is_announced_at_the_next_delivery() {
        let (cluster, delays): (Cluster, Delays) = Default::default();
        let records = json!({ "Records": [record("a", 3)] });
        let deaf = Bus::refusing(|_| true);
        assert!(run(&cluster, &delays, &deaf, records.clone(), 1).await.is_err());
        let bus = Bus::default();
        assert_eq!(run(&cluster, &delays, &bus, records, 2).await, Ok(()));
        assert_eq!(bus.published(), [started("a", 1)]);
    }

    #[test]
    fn delays_double_up_to_a_quarter_of_an_hour() {
        assert_eq!([0, 1, 2, 3, 5, 6, 7, u32::MAX].map(delay_seconds), [30, 30, 60, 120, 480, 900, 900, 900]);
    }
}
