//! The failure policy of all functions: the end of each message after a function has looked at it.
//!
//! - Bad data is not tried again: the function publishes a `failed` event, and the message is done.
//! - A fault of AWS is: the message goes back to its queue, alone.
//! - So does a message that the function does not understand: its sender must find it again.
//! - On its last attempt it goes back too, to end in the dead-letter queue, and a `failed` event says so.
//!
//! A message is only done when everything that it should put on the bus is there.

use contract::{Detail, FailedStage, ObjectRef, Reason, RecordRef};
use publisher::{Failure, Publisher, PutEvents};

use crate::messages::{Delivery, Malformed, NotDone, Outcome};

/// A function's verdict on one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Events that this message should put on the bus; bad data is a `failed` event among them.
    pub publish: Vec<Detail>,
    /// Work that could not be done and is to be tried again.
    pub unfinished: Vec<Unfinished>,
}

/// Work that failed for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The object that it concerns.
    pub object: Option<ObjectRef>,
    /// The row that it concerns.
    pub record: Option<RecordRef>,
    /// The reason in the `failed` event, if there is no further attempt.
    pub reason: Reason,
    /// The failure, in a few words without content of the message.
    pub cause: String,
}

impl From<Detail> for Verdict {
    fn from(detail: Detail) -> Self {
        Self { publish: vec![detail], unfinished: Vec::new() }
    }
}

/// A function's access to the bus, and the name under which its failures appear there.
#[derive(Debug)]
pub struct Stage<P> {
    publisher: Publisher<P>,
    stage: FailedStage,
}

impl<P: PutEvents> Stage<P> {
    /// Creates the stage that reports as `stage`.
    pub const fn new(publisher: Publisher<P>, stage: FailedStage) -> Self {
        Self { publisher, stage }
    }

    /// Returns a `failed` event of this stage. [`Detail::failed_by`] adds the names of a field and a column.
    pub fn failed(
        &self,
        object: Option<ObjectRef>,
        record: Option<RecordRef>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Detail {
        let (stage, message) = (self.stage, message.into());
        Detail::Failed { stage, object, record, reason, message, field: None, column: None }
    }

    /// Returns the verdict on a message that the function does not understand.
    pub fn not_understood(&self, delivery: &Delivery, malformed: Malformed) -> Verdict {
        let Malformed { object, record, message, .. } = malformed;
        let reason = Reason::MalformedEvent;
        // Without a queue the number of the attempt is unknown, and there may be no dead-letter queue.
        let publish = match delivery.queue {
            Some(_) => Vec::new(),
            None => vec![self.failed(object.clone(), record.clone(), reason, message.clone())],
        };
        let cause = format!("cannot process the message: {message}");
        Verdict { publish, unfinished: vec![Unfinished { object, record, reason, cause }] }
    }

    /// Publishes the events of the verdicts, for all messages in as few calls as possible, and decides about each
    /// message.
    pub async fn settle(&self, deliveries: &[Delivery], verdicts: Vec<Verdict>) -> Vec<Outcome> {
        let mut unfinished: Vec<Vec<Unfinished>> = Vec::with_capacity(verdicts.len());
        let (mut owners, mut details) = (Vec::new(), Vec::new());
        for (index, verdict) in verdicts.into_iter().enumerate() {
            unfinished.push(verdict.unfinished);
            owners.extend(std::iter::repeat_n(index, verdict.publish.len()));
            details.extend(verdict.publish);
        }
        let too_large = self.publish(&owners, &details, &mut unfinished).await;
        if !too_large.is_empty() {
            let (owners, details): (Vec<usize>, Vec<Detail>) = too_large.into_iter().unzip();
            // A `failed` event has no content that could be too large as well, unless the names are: then it is lost
            // for now, and the message stays.
            for (owner, detail) in self.publish(&owners, &details, &mut unfinished).await {
                if let Some(unfinished) = unfinished.get_mut(owner) {
                    unfinished.push(not_published(&detail, "TooLarge"));
                }
            }
        }
        self.report_last_attempts(deliveries, &unfinished).await;
        unfinished
            .into_iter()
            .map(|unfinished| match unfinished.into_iter().next() {
                Some(Unfinished { cause, .. }) => Err(NotDone { cause }),
                None => Ok(()),
            })
            .collect()
    }

    /// Publishes each detail for its owner. Returns `failed` events for those that are too large for the bus.
    async fn publish(
        &self,
        owners: &[usize],
        details: &[Detail],
        unfinished: &mut [Vec<Unfinished>],
    ) -> Vec<(usize, Detail)> {
        let mut too_large = Vec::new();
        for ((&owner, detail), result) in
            owners.iter().zip(details).zip(self.publisher.publish(details).await)
        {
            match result {
                Ok(()) => {}
                Err(failure @ Failure::TooLarge { .. }) => {
                    let (object, record) = (detail.object().cloned(), detail.record().cloned());
                    let message = format!("`{}`: {failure}", detail.detail_type());
                    too_large.push((owner, self.failed(object, record, Reason::RowTooLarge, message)));
                }
                Err(failure) => {
                    if let Some(unfinished) = unfinished.get_mut(owner) {
                        unfinished.push(not_published(detail, failure.code()));
                    }
                }
            }
        }
        too_large
    }

    /// Publishes `failed` events for last attempts, so that nothing ends in the dead-letter queue without one, as long
    /// as the bus is there at all.
    async fn report_last_attempts(&self, deliveries: &[Delivery], unfinished: &[Vec<Unfinished>]) {
        let (mut ids, mut details) = (Vec::new(), Vec::new());
        for (delivery, unfinished) in deliveries.iter().zip(unfinished) {
            if delivery.last_attempt {
                for Unfinished { object, record, reason, cause } in unfinished.iter().cloned() {
                    ids.push(&delivery.id);
                    let mut message = format!("{cause}; this was the last attempt");
                    if object.is_none() {
                        // Nothing else identifies the dead letter.
                        message = format!("message {}: {message}", delivery.id);
                    }
                    details.push(self.failed(object, record, reason, message));
                }
            }
        }
        if details.is_empty() {
            return;
        }
        for (message_id, result) in ids.into_iter().zip(self.publisher.publish(&details).await) {
            if let Err(failure) = result {
                tracing::error!(message_id, code = failure.code(), "could not publish the last failure");
            }
        }
    }
}

fn not_published(detail: &Detail, code: &str) -> Unfinished {
    Unfinished {
        object: detail.object().cloned(),
        record: detail.record().cloned(),
        reason: Reason::RetriesExhausted,
        cause: format!("could not publish `{}`: {code}", detail.detail_type()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Bus, delivery, object};

    fn loaded(index: u64, filler: usize) -> Detail {
        let key = vec![serde_json::Map::from_iter([("id".to_owned(), json!("x".repeat(filler)))])];
        Detail::RecordLoaded {
            object: object(),
            record: object().record(index),
            table: "t".into(),
            key,
            notes: contract::Notes::default(),
        }
    }

    fn unfinished() -> Unfinished {
        Unfinished {
            object: Some(object()),
            record: Some(object().record(1)),
            reason: Reason::RetriesExhausted,
            cause: "why".into(),
        }
    }

    #[tokio::test]
    async fn a_message_is_done_when_all_its_events_are_on_the_bus() {
        let bus = Bus::refusing(|detail| detail.record().is_some_and(|record| record.index == 2));
        let stage = Stage::new(bus.publisher(), FailedStage::Load);
        let verdicts = vec![
            Verdict { publish: vec![loaded(1, 0), loaded(2, 0)], unfinished: vec![] },
            Verdict::default(),
            loaded(3, 0).into(),
            Verdict { publish: vec![loaded(4, 0)], unfinished: vec![unfinished()] },
        ];
        let deliveries =
            [delivery(json!({}), 1), delivery(json!({}), 1), delivery(json!({}), 1), delivery(json!({}), 1)];
        let outcomes = stage.settle(&deliveries, verdicts).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(bus.published(), [loaded(1, 0), loaded(3, 0), loaded(4, 0)]);
    }

    #[tokio::test]
    async fn the_last_attempt_is_reported_and_still_fails() {
        let bus = Bus::default();
        let stage = Stage::new(bus.publisher(), FailedStage::Load);
        let last = Delivery { last_attempt: true, ..delivery(json!({}), 3) };
        let verdict = Verdict { publish: vec![], unfinished: vec![unfinished()] };
        let outcomes = stage.settle(&[last, delivery(json!({}), 1)], vec![verdict.clone(), verdict]).await;
        assert!(outcomes.iter().all(Result::is_err));
        assert_eq!(
            bus.published(),
            [stage.failed(
                Some(object()),
                Some(object().record(1)),
                Reason::RetriesExhausted,
                "why; this was the last attempt"
            )]
        );
    }

    #[tokio::test]
    async fn a_message_that_is_not_understood_goes_back_and_is_reported_with_its_id() {
        let bus = Bus::default();
        let stage = Stage::new(bus.publisher(), FailedStage::Transform);
        let malformed = || Malformed::new("why");
        let first = delivery(json!({}), 1);
        let verdict = stage.not_understood(&first, malformed());
        assert!(stage.settle(&[first], vec![verdict]).await[0].is_err());
        assert_eq!(bus.published(), [], "not before the last attempt");
        let last = delivery(json!({}), 3);
        let verdict = stage.not_understood(&last, malformed());
        assert!(stage.settle(&[last], vec![verdict]).await[0].is_err());
        let message = "message m: cannot process the message: why; this was the last attempt";
        assert_eq!(bus.published(), [stage.failed(None, None, Reason::MalformedEvent, message)]);

        // Directly from a rule: every attempt may be the last.
        let bus = Bus::default();
        let stage = Stage::new(bus.publisher(), FailedStage::Transform);
        let direct = Delivery { queue: None, ..delivery(json!({}), 1) };
        let verdict = stage.not_understood(&direct, malformed());
        assert!(stage.settle(&[direct], vec![verdict]).await[0].is_err());
        assert_eq!(bus.published(), [stage.failed(None, None, Reason::MalformedEvent, "why")]);
    }

    #[tokio::test]
    async fn an_event_too_large_for_the_bus_becomes_a_failure() {
        let bus = Bus::default();
        let stage = Stage::new(bus.publisher(), FailedStage::Transform);
        let large = loaded(1, publisher::MAX_BYTES);
        assert_eq!(stage.settle(&[delivery(json!({}), 1)], vec![large.into()]).await, [Ok(())]);
        let published = bus.published();
        assert!(
            matches!(&published[..], [Detail::Failed { reason: Reason::RowTooLarge, record: Some(record), .. }] if record.index == 1),
            "{published:?}"
        );
    }

    #[tokio::test]
    async fn a_message_stays_when_its_failure_cannot_be_published() {
        let bus = Bus::refusing(|detail| matches!(detail, Detail::Failed { .. }));
        let stage = Stage::new(bus.publisher(), FailedStage::Transform);
        let failed = stage.failed(None, None, Reason::MalformedEvent, "m");
        let large = loaded(1, publisher::MAX_BYTES);
        let deliveries = [delivery(json!({}), 1), delivery(json!({}), 1)];
        let outcomes = stage.settle(&deliveries, vec![failed.into(), large.into()]).await;
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    }
}
