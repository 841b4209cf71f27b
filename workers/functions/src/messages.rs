//! Invocations: the payload, one [`Delivery`] per message, and the answer that Lambda understands.
//!
//! A function is triggered either by a queue or directly by a rule. A queue sends batches, and the answer names the
//! messages to be delivered again (`ReportBatchItemFailures`); the others are deleted. A rule sends one event, and a
//! failure is an error of the whole invocation, which Lambda repeats.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use contract::brief::Text;
use contract::event::DetailError;
use contract::{Detail, EventKind, ObjectRef, RecordRef};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

/// One message to process.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message's ID in its queue; `direct` without a queue.
    pub id: String,
    /// The message's body, which should be JSON; `None` when there is none.
    pub body: Option<String>,
    /// The number of its deliveries, this one included.
    pub attempt: u32,
    /// `true` if the queue moves it to the dead-letter queue when it fails this time.
    pub last_attempt: bool,
    /// The queue that it came from.
    pub queue: Option<QueueOrigin>,
    /// The time at which Lambda ends the invocation, if it is known.
    pub deadline: Option<Instant>,
}

/// The data that calls to the queue about a message need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOrigin {
    /// ARN of the queue.
    pub arn: String,
    /// Handle of this delivery.
    pub receipt_handle: String,
}

/// The result for one message: done for good, or to be delivered again.
pub type Outcome = Result<(), NotDone>;

/// A message that must be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct NotDone {
    /// The failure, in a few words without content of the message.
    pub cause: String,
}

/// An invocation that fails as a whole.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// It looks like a batch from a queue, but cannot be read as one.
    #[error("the batch of messages cannot be read")]
    UnreadableBatch,
    /// It is not JSON.
    #[error("the payload is not JSON")]
    NotJson,
    /// The event that came directly from a rule was not processed.
    #[error("the event was not processed: {0}")]
    NotDone(#[from] NotDone),
}

/// A function's processing of messages.
pub trait Handler {
    /// Processes the messages of one invocation, and returns one outcome per message, in their order.
    fn handle(&self, deliveries: &[Delivery]) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// A batch of messages, as Lambda passes it.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Message<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    message_id: Option<String>,
    receipt_handle: Option<String>,
    body: Option<String>,
    #[serde(borrow, default)]
    attributes: Option<Attributes<'a>>,
    #[serde(rename = "eventSourceARN")]
    queue: Option<String>,
    #[serde(borrow)]
    event_source: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(rename = "ApproximateReceiveCount", borrow)]
    count: Option<Text<'a>>,
}

/// Takes an invocation apart, lets `handler` process it, and returns the answer.
///
/// # Errors
/// [`InvocationError`] when the whole invocation is to be repeated.
pub async fn serve<H: Handler>(
    handler: &H,
    payload: &str,
    max_receive_count: Option<u32>,
    deadline: Option<Instant>,
) -> Result<Option<SqsBatchResponse>, InvocationError> {
    let Some(batch) = batch(payload)? else {
        let event: &RawValue = serde_json::from_str(payload).map_err(|_| InvocationError::NotJson)?;
        let delivery = Delivery {
            id: "direct".into(),
            body: Some(event.get().to_owned()),
            attempt: 1,
            // Lambda repeats it twice, but doesn't name the attempt.
            last_attempt: false,
            queue: None,
            deadline,
        };
        let outcome = handler.handle(std::slice::from_ref(&delivery)).await.pop();
        outcome.unwrap_or_else(|| Err(no_outcome()))?;
        return Ok(None);
    };
    // Without an ID, a message cannot be named in the answer: only the whole batch can fail.
    let deliveries: Vec<Delivery> = batch
        .records
        .into_iter()
        .map(|message| delivery(message, max_receive_count, deadline))
        .collect::<Option<_>>()
        .ok_or(InvocationError::UnreadableBatch)?;

    let messages = deliveries.len();
    let mut outcomes = handler.handle(&deliveries).await.into_iter();
    let mut response = SqsBatchResponse::default();
    for Delivery { id, attempt, last_attempt, .. } in deliveries {
        if let Err(NotDone { cause }) = outcomes.next().unwrap_or_else(|| Err(no_outcome())) {
            tracing::warn!(message_id = id, attempt, last_attempt, cause, "message not processed");
            response.add_failure(id);
        }
    }
    // One line a batch: a function without logs can't be told from one that does nothing.
    tracing::info!(messages, failed = response.batch_item_failures.len(), "batch done");
    Ok(Some(response))
}

/// Returns the outcome of a message without one: the handler has not processed it.
fn no_outcome() -> NotDone {
    NotDone { cause: "no outcome".into() }
}

/// Reads the batch of a queue; `None` if the invocation is an event.
fn batch(payload: &str) -> Result<Option<Batch<'_>>, InvocationError> {
    let of_queue = |source: Option<&str>| source == Some("aws:sqs");
    if let Ok(batch) = serde_json::from_str::<Batch<'_>>(payload) {
        let is_batch = batch.records.first().is_none_or(|first| of_queue(first.event_source.as_deref()));
        return Ok(is_batch.then_some(batch));
    }
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    match payload["Records"].as_array() {
        Some(records) if records.first().is_none_or(|first| of_queue(first["eventSource"].as_str())) => {
            Err(InvocationError::UnreadableBatch)
        }
        _ => Ok(None),
    }
}

fn delivery(
    message: Message<'_>,
    max_receive_count: Option<u32>,
    deadline: Option<Instant>,
) -> Option<Delivery> {
    let id = message.message_id.filter(|id| !id.is_empty())?;
    let count = message.attributes.and_then(|attributes| attributes.count?.parse().ok());
    let attempt = count.unwrap_or(1);
    let queue = match (message.queue, message.receipt_handle) {
        (Some(arn), Some(receipt_handle)) => Some(QueueOrigin { arn, receipt_handle }),
        _ => None,
    };
    Some(Delivery {
        id,
        body: message.body,
        attempt,
        last_attempt: max_receive_count.is_some_and(|max| attempt >= max),
        queue,
        deadline,
    })
}

/// A message that is not an event of the pipeline, or not one for the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The object, if at least that can be read.
    pub object: Option<ObjectRef>,
    /// The row, if at least that can be read.
    pub record: Option<RecordRef>,
    /// The problem, without content of the message.
    pub message: String,
    /// `true` if it is an event of others: one with a source, and a detail type that the pipeline doesn't have.
    pub is_foreign: bool,
}

impl Malformed {
    /// Creates the error of a message of which nothing can be read.
    #[must_use]
    pub fn new(message: &str) -> Self {
        Self { object: None, record: None, message: message.to_owned(), is_foreign: false }
    }

    /// Creates the error of an event of the pipeline that `function` does not handle.
    #[must_use]
    pub fn unwanted(detail: &Detail, function: &str) -> Self {
        Self {
            object: detail.object().cloned(),
            record: detail.record().cloned(),
            message: format!("`{}` is not an event for `{function}`", detail.detail_type()),
            is_foreign: false,
        }
    }
}

/// The members of an event that tell what its detail is.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Event<'a> {
    #[serde(borrow)]
    detail_type: Cow<'a, str>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// The event of a row, read at once with the event around it; `None` if it has another form.
struct Usual(Option<Detail>);

/// The detail of an event of this type.
struct OfRow<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for OfRow<'_> {
    type Value = Option<Detail>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Detail::of_row(self.0, deserializer)
    }
}

impl<'de> Deserialize<'de> for Usual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Usual;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Usual, A::Error> {
                let other = || A::Error::custom("another form");
                let (mut detail_type, mut detail) = (None, None);
                while let Some(name) = members.next_key::<Text<'de>>()? {
                    match &*name {
                        "detail-type" if detail_type.is_none() => {
                            detail_type = Some(members.next_value::<Text<'de>>()?);
                        }
                        // EventBridge writes the detail last.
                        "detail" if detail.is_none() => {
                            let of = detail_type.as_deref().ok_or_else(other)?;
                            detail = Some(members.next_value_seed(OfRow(of))?.ok_or_else(other)?);
                        }
                        "detail-type" | "detail" => return Err(other()),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Usual(detail))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Delivery {
    /// Returns the message's body as a value; `None` when it is not JSON.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        serde_json::from_str(self.body.as_ref()?).ok()
    }

    /// Returns the pipeline's event in the message.
    ///
    /// # Errors
    /// [`Malformed`] when there is none.
    pub fn event(&self) -> Result<Detail, Box<Malformed>> {
        if let Some(Ok(Usual(Some(detail)))) = self.body.as_ref().map(|body| serde_json::from_str(body)) {
            return Ok(detail);
        }
        let event = self.body.as_ref().and_then(|body| serde_json::from_str::<Event<'_>>(body).ok());
        match event.map(|event| Detail::from_json(&event.detail_type, event.detail.get())) {
            Some(Ok(detail)) => Ok(detail),
            Some(Err(error)) => Err(self.malformed(Some(&error))),
            None => Err(self.malformed(None)),
        }
    }

    /// Returns the reason why the message has no event.
    fn malformed(&self, error: Option<&DetailError>) -> Box<Malformed> {
        let Some(body) = self.value() else {
            return Box::new(Malformed::new("the message is not JSON"));
        };
        let detail = &body["detail"];
        let malformed = |message: &str, is_foreign: bool| {
            Box::new(Malformed {
                object: serde_json::from_value(detail["object"].clone()).ok(),
                record: serde_json::from_value(detail["record"].clone()).ok(),
                message: message.to_owned(),
                is_foreign,
            })
        };
        let Some(detail_type) = body["detail-type"].as_str() else {
            return malformed("the message is not an event", false);
        };
        // serde's own explanation would quote the value at which it failed. A body that can't be read at all gives no
        // hint at the type.
        let ours = EventKind::Any.details().iter().any(|(of_pipeline, ..)| *of_pipeline == detail_type);
        match error {
            None | Some(DetailError::Malformed { .. }) if ours => {
                malformed("the detail of the event lacks a field, or has one of the wrong type", false)
            }
            _ => {
                let is_event = body["source"].is_string();
                malformed("the detail type of the event does not belong to the pipeline", is_event)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{batch, json_value, raw};

    /// A handler that fails the messages whose body says so, and keeps those that it received.
    #[derive(Default)]
    struct Scripted(std::sync::Mutex<Vec<Delivery>>);

    impl Handler for Scripted {
        async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
            self.0.lock().expect("lock").extend_from_slice(deliveries);
            let failing = |delivery: &Delivery| delivery.value().is_some_and(|body| body["fail"] == true);
            deliveries
                .iter()
                .map(|delivery| match failing(delivery) {
                    true => Err(NotDone { cause: "scripted".into() }),
                    false => Ok(()),
                })
                .collect()
        }
    }

    #[tokio::test]
    async fn only_the_failed_messages_of_a_batch_are_answered() {
        let handler = Scripted::default();
        let payload = batch([
            (json!({}), 1),
            (json!({ "fail": true }), 1),
            (json!("x"), 3),
            (json!({ "fail": true }), 2),
        ]);
        let answer =
            serve(&handler, &raw(&payload), Some(3), None).await.expect("an answer").expect("a batch");
        assert_eq!(
            serde_json::to_value(answer).expect("json"),
            json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }, { "itemIdentifier": "m3" }] })
        );
        let seen = handler.0.into_inner().expect("lock");
        let attempts: Vec<_> =
            seen.iter().map(|delivery| (delivery.attempt, delivery.last_attempt)).collect();
        assert_eq!(attempts, [(1, false), (1, false), (3, true), (2, false)]);
        assert_eq!(seen[0].queue.as_ref().map(|queue| queue.receipt_handle.as_str()), Some("r0"));
    }

    #[tokio::test]
    async fn a_failed_direct_event_fails_the_invocation() {
        let handler = Scripted::default();
        assert!(
            serve(&handler, &raw(&json!({ "detail-type": "x" })), Some(1), None)
                .await
                .expect("done")
                .is_none()
        );
        let error =
            serve(&handler, &raw(&json!({ "fail": true })), Some(1), None).await.expect_err("not processed");
        assert_eq!(error.to_string(), "the event was not processed: scripted");
        // Without a queue the number of the attempt is unknown.
        assert!(handler.0.into_inner().expect("lock").iter().all(|delivery| !delivery.last_attempt));
    }

    #[tokio::test]
    async fn a_direct_event_is_a_document() {
        let handler = Scripted::default();
        for payload in ["", "{", "{\"Records\":[", "{} {}", "\u{0}"] {
            let error = serve(&handler, payload, None, None).await.expect_err(payload);
            assert!(matches!(error, InvocationError::NotJson), "{payload}: {error}");
        }
        assert!(handler.0.lock().expect("lock").is_empty());
        assert!(
            serve(&handler, " {\"b\": 1,\"a\":\"\\u0041\"}\n", None, None).await.expect("done").is_none()
        );
        let body = handler.0.into_inner().expect("lock").remove(0).body;
        assert_eq!(body.as_deref(), Some("{\"b\": 1,\"a\":\"\\u0041\"}"), "as it was sent");
    }

    #[tokio::test]
    async fn an_s3_notification_is_a_direct_event_and_no_batch() {
        let handler = Scripted::default();
        let payload = json!({ "Records": [{ "eventSource": "aws:s3" }] });
        assert!(serve(&handler, &raw(&payload), None, None).await.expect("done").is_none());
        assert_eq!(handler.0.into_inner().expect("lock")[0].value(), Some(payload));
    }

    #[tokio::test]
    async fn a_batch_whose_messages_cannot_be_named_fails_as_a_whole() {
        for record in [
            json!({ "eventSource": "aws:sqs", "body": "{}" }),
            json!({ "eventSource": "aws:sqs", "messageId": "" }),
        ] {
            let payload = json!({ "Records": [record] });
            let error = serve(&Scripted::default(), &raw(&payload), None, None).await.expect_err("nameless");
            assert!(matches!(error, InvocationError::UnreadableBatch));
        }
        // No queue sends an empty batch; if one did, nothing would be lost.
        let empty = serve(&Scripted::default(), &raw(&json!({ "Records": [] })), None, None)
            .await
            .expect("nothing to do");
        assert!(empty.expect("a batch").batch_item_failures.is_empty());
    }

    proptest! {
        #[test]
        fn no_payload_and_no_body_panics(value in json_value()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            let _ = runtime.block_on(serve(&Scripted::default(), &raw(&value), Some(1), None));
            for body in [Some(value.clone()), Some(json!({ "detail-type": "transform", "detail": value })), None] {
                let body = body.as_ref().map(Value::to_string);
                let delivery =
                    Delivery { id: "m".into(), body, attempt: 1, last_attempt: false, queue: None, deadline: None };
                let _ = delivery.event();
            }
        }
    }

    /// The usual order of an event's members is read at once, and any other as well.
    #[test]
    fn an_event_is_the_same_in_any_order_of_its_members() {
        let of = |body: String| Delivery {
            id: "m".into(),
            body: Some(body),
            attempt: 1,
            last_attempt: false,
            queue: None,
            deadline: None,
        };
        let details = [
            (
                "s3RecordExtraction",
                r#"{"status":"extracted","object":{"bucket":"b","key":"k"},"record":{"index":3,"id":"i"},"headers":"a","data":"\"x\""}"#,
            ),
            (
                "s3RecordExtraction",
                r#"{"status":"extracted","object":{"bucket":"b","key":"k\\\\"},"record":{"index":3,"id":"i"},"headers":"a","data":"x","escaped":true}"#,
            ),
            (
                "transform",
                r#"{"status":"transformed","object":{"bucket":"b","key":"k"},"record":{"index":3,"id":"i"},"data":{"id":"7"},"leapSeconds":[3]}"#,
            ),
            (
                "data-loaded",
                r#"{"status":"success","object":{"bucket":"b","key":"k"},"record":{"index":3,"id":"i"},"table":"t","key":{"id":"7"}}"#,
            ),
            ("ecs-started", r#"{"status":"success","object":{"bucket":"b","key":"k"},"task":"arn"}"#),
        ];
        for (kind, detail) in details {
            let expected = Detail::from_json(kind, detail).expect("an event");
            let (kind, detail) = (format!("\"detail-type\":\"{kind}\""), format!("\"detail\":{detail}"));
            let source = r#""source":"s","resources":["detail"]"#;
            for members in
                [[&*kind, source, &*detail], [source, &*kind, &*detail], [&*detail, source, &*kind]]
            {
                let event = of(format!("{{{}}}", members.join(","))).event();
                assert_eq!(event.as_ref().ok(), Some(&expected), "{members:?}");
            }
            for members in [
                [&*kind, &*kind, &*detail],
                [&*kind, &*detail, &*detail],
                [source, source, &*detail],
                [source, source, &*kind],
            ] {
                assert!(of(format!("{{{}}}", members.join(","))).event().is_err(), "{members:?}");
            }
            for behind in ["x", "{}", ","] {
                assert!(of(format!("{{{kind},{detail}}}{behind}")).event().is_err(), "{behind}");
            }
        }
    }

    #[test]
    fn a_malformed_event_names_what_it_can_and_quotes_nothing() {
        let object = json!({ "bucket": "b", "key": "k" });
        let delivery = |body: Option<Value>| Delivery {
            id: "m".into(),
            body: body.as_ref().map(Value::to_string),
            attempt: 1,
            last_attempt: false,
            queue: None,
            deadline: None,
        };
        let error = delivery(Some(json!({
            "detail-type": "s3RecordExtraction",
            "detail": { "status": "extracted", "object": object, "record": { "index": 1, "id": "i" }, "headers": "a", "data": { "secret": 7 } }
        })))
        .event()
        .expect_err("data is no text");
        assert_eq!(error.object.as_ref().map(|object| object.key.as_str()), Some("k"));
        assert_eq!(error.record.as_ref().map(|record| record.index), Some(1));
        assert!(!error.message.contains("secret"), "{error:?}");
        for body in [None, Some(json!(7)), Some(json!({ "detail-type": "nope", "detail": {} }))] {
            assert!(delivery(body).event().is_err());
        }
    }
}
