//! Fakes and samples for the functions' tests.

use std::sync::{Arc, Mutex};

use contract::{Detail, ObjectRef};
use proptest::prelude::*;
use publisher::{Destination, Entry, Publisher, PutEvents, Rejection};
use runtime::{Backoff, CallError};
use serde_json::{Value, json};

use crate::messages::{Delivery, QueueOrigin};

type Refuse = dyn Fn(&Detail) -> bool + Send + Sync;

/// A bus that keeps what it accepts.
#[derive(Clone)]
pub(crate) struct Bus {
    refuse: Arc<Refuse>,
    published: Arc<Mutex<Vec<Detail>>>,
    calls: Arc<Mutex<usize>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::refusing(|_| false)
    }
}

impl Bus {
    /// Creates a bus that never accepts the events that `refuse` picks.
    pub(crate) fn refusing(refuse: impl Fn(&Detail) -> bool + Send + Sync + 'static) -> Self {
        Self { refuse: Arc::new(refuse), published: Arc::default(), calls: Arc::default() }
    }

    pub(crate) fn publisher(&self) -> Publisher<Self> {
        Publisher::new(self.clone(), Destination::new("bus", "source"), Backoff::immediate(2))
    }

    pub(crate) fn published(&self) -> Vec<Detail> {
        self.published.lock().expect("lock").clone()
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.lock().expect("lock")
    }
}

impl PutEvents for Bus {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        *self.calls.lock().expect("lock") += 1;
        Ok(entries
            .iter()
            .map(|entry| {
                let value = serde_json::from_str(&entry.detail).expect("JSON");
                let detail = Detail::from_value(entry.detail_type, value).expect("an event of the pipeline");
                if (self.refuse)(&detail) {
                    return Err(Rejection { code: "InternalFailure".into(), message: "m".into() });
                }
                self.published.lock().expect("lock").push(detail);
                Ok(())
            })
            .collect())
    }
}

pub(crate) fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: None,
        etag: Some("e".into()),
        uploaded: None,
        replay: None,
    }
}

/// Returns an event as it arrives from the bus.
pub(crate) fn event(detail: &Detail) -> Value {
    json!({ "source": "source", "detail-type": detail.detail_type(), "detail": detail.to_value() })
}

/// Returns a message as a handler receives it; the third attempt is the last.
pub(crate) fn delivery(body: Value, attempt: u32) -> Delivery {
    Delivery {
        id: "m".into(),
        body: Some(body),
        attempt,
        last_attempt: attempt >= 3,
        queue: Some(QueueOrigin { arn: "arn:aws:sqs:eu-west-1:1:q".into(), receipt_handle: "r".into() }),
    }
}

/// Returns an invocation by a queue: bodies with their receive counts; IDs are `m0`, `m1`, …
pub(crate) fn batch<const N: usize>(messages: [(Value, u32); N]) -> Value {
    let records = messages.into_iter().enumerate().map(|(index, (body, attempt))| {
        json!({
            "messageId": format!("m{index}"),
            "receiptHandle": format!("r{index}"),
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": attempt.to_string() },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Returns any JSON, with the names that the functions look for among its keys.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "aws:s[q3]s?|ObjectCreated:Put|%[0-9a-z+]{0,3}|.{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("Records".to_owned()),
        Just("eventSource".to_owned()),
        Just("eventName".to_owned()),
        Just("messageId".to_owned()),
        Just("body".to_owned()),
        Just("s3".to_owned()),
        Just("object".to_owned()),
        Just("bucket".to_owned()),
        Just("key".to_owned()),
        Just("name".to_owned()),
        Just("detail".to_owned()),
        Just("detail-type".to_owned()),
        "[a-z]{0,4}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
