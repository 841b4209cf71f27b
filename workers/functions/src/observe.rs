//! `observe`: one line in the log for every event, with names and counts and never a value of a row, and every row in
//! the tally, if there is one.
//!
//! Events of others on the same bus are logged as well, by type and source only. What is no event, or one of the pipeline
//! that cannot be read, goes back.

use contract::Detail;
use serde_json::Value;
use tally::{Batch, Key, Store, Writer};

use crate::messages::{Delivery, Handler, Malformed, NotDone, Outcome};

/// The function. See the module.
#[derive(Debug)]
pub struct Observe<S> {
    tally: Option<Writer<S>>,
}

impl<S> Observe<S> {
    /// Keeps the tally through a writer; without one it only logs.
    pub const fn new(tally: Option<Writer<S>>) -> Self {
        Self { tally }
    }
}

impl<S: Store> Handler for Observe<S> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let events: Vec<Event> = deliveries.iter().map(Delivery::event).collect();
        for (delivery, event) in deliveries.iter().zip(&events) {
            log(delivery, event);
        }
        let Some(tally) = &self.tally else { return events.iter().map(understood).collect() };
        let mut batch = Batch::default();
        let touched: Vec<Vec<Key>> = deliveries
            .iter()
            .zip(&events)
            .map(|(delivery, event)| add(&mut batch, delivery, event))
            .collect();
        let errors = tally.merge(batch).await;
        touched
            .iter()
            .zip(&events)
            .map(|(keys, event)| match keys.iter().find_map(|key| errors.get(key)) {
                Some(error) => Err(NotDone { cause: error.to_string() }),
                None => understood(event),
            })
            .collect()
    }
}

/// What a message holds.
type Event = Result<Detail, Box<Malformed>>;

/// Events of others are none of the tally's. What cannot be read at all is for a person to look at.
fn understood(event: &Event) -> Outcome {
    match event {
        Err(malformed) if !malformed.is_foreign => {
            Err(NotDone { cause: format!("not understood: {}", malformed.message) })
        }
        _ => Ok(()),
    }
}

/// Adds an event to what is merged; the items that it touches. What is no event of the pipeline touches none.
fn add(batch: &mut Batch, delivery: &Delivery, event: &Event) -> Vec<Key> {
    let Ok(detail) = event else { return Vec::new() };
    let time = delivery.body.as_ref().and_then(|body| body["time"].as_str());
    batch.add(detail, time).unwrap_or_else(|error| {
        // No attempt would make it better.
        tracing::warn!(message_id = delivery.id, %error, "event not in the tally");
        Vec::new()
    })
}

fn log(delivery: &Delivery, event: &Event) {
    let body = delivery.body.as_ref().unwrap_or(&Value::Null);
    let detail_type = body["detail-type"].as_str();
    let source = body["source"].as_str();
    let Ok(detail) = event else {
        tracing::warn!(message_id = delivery.id, detailType = detail_type, source, "foreign event");
        return;
    };
    let object = detail.object();
    let (bucket, key) = (object.map(|object| &object.bucket), object.map(|object| &object.key));
    let version = object.and_then(|object| object.version.as_ref());
    let etag = object.and_then(|object| object.etag.as_ref());
    let (index, id) = (detail.record().map(|record| record.index), detail.record().map(|record| &record.id));
    // Only where there are several.
    let rows = detail.record().map(|record| record.count).filter(|count| *count > 1);
    let status = body["detail"]["status"].as_str();
    macro_rules! line {
        ($level:ident, $name:literal $(, $field:ident = $value:expr)*) => {
            tracing::$level!(
                detailType = detail_type,
                source,
                status,
                bucket,
                key,
                version,
                etag,
                record = index,
                recordId = id,
                recordCount = rows,
                $($field = $value,)*
                $name
            )
        };
    }
    match detail {
        Detail::TaskStarted { task, .. } => line!(info, "task-started", task = task),
        Detail::RecordExtracted { .. } => line!(info, "record-extracted"),
        Detail::ExtractionCompleted { rows, bytes, rejected, .. } => {
            line!(info, "extraction-completed", rows = rows, bytes = bytes, rejected = rejected);
        }
        Detail::RecordTransformed { .. } => line!(info, "record-transformed"),
        Detail::RecordLoaded { table, .. } => line!(info, "record-loaded", table = table),
        Detail::Failed { reason, message, .. } => {
            line!(warn, "failed", reason = reason.code(), cause = message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use contract::{FailedStage, Reason};
    use serde_json::json;

    use publisher::{Backoff, CallError};
    use tally::{Change, Updated};

    use super::*;
    use crate::testing::{delivery, event, object};

    /// A table that takes every item but those of chunk 1, and keeps their keys.
    #[derive(Clone, Default)]
    struct Table(Arc<Mutex<Vec<String>>>);

    impl Store for Table {
        async fn update(&self, key: &Key, _: &Change) -> Result<Updated, CallError> {
            if key.chunk == Some(1) {
                return Err(CallError {
                    code: "AccessDenied".into(),
                    message: String::new(),
                    retryable: false,
                });
            }
            self.0.lock().expect("lock").push(key.part());
            Ok(Updated::Done)
        }
    }

    fn loaded(index: u64) -> Delivery {
        let record = object().record(index);
        let detail = Detail::RecordLoaded { object: object(), record, table: "t".into(), key: secret() };
        delivery(event(&detail), 1)
    }

    #[tokio::test]
    async fn only_messages_that_are_not_in_the_tally_are_given_back() {
        let table = Table::default();
        let observe = Observe::new(Some(Writer::new(table.clone(), Backoff::immediate(2))));
        let foreign = json!({ "source": "shop", "detail-type": "sold", "detail": {} });
        let broken = json!({ "source": "source", "detail-type": "data-loaded", "detail": {} });
        let deliveries = [
            loaded(1),
            loaded(70_000),
            delivery(foreign, 1),
            loaded(2),
            loaded(u64::MAX),
            delivery(broken, 1),
            delivery(json!("no event"), 1),
        ];
        let outcomes = observe.handle(&deliveries).await;
        let done = [true, false, true, true, true, false, false];
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), done);
        let mut written = table.0.lock().expect("lock").clone();
        written.sort();
        assert_eq!(written, ["rows#000000000000", "summary"], "one call an item");
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The one line that an event gives.
    async fn line(body: Value) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let observe = Observe::<Table>::new(None);
        observe.handle(&[delivery(body, 1)]).await;
        drop(guard);
        let text = String::from_utf8(lines.0.lock().expect("lock").clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("sEcReT"), "{text}");
        serde_json::from_str(&text).expect("one JSON document")
    }

    fn secret() -> Vec<serde_json::Map<String, Value>> {
        vec![serde_json::Map::from_iter([("id".to_owned(), json!("sEcReT"))])]
    }

    #[tokio::test]
    async fn every_event_has_its_line_and_no_row_values() {
        let record = object().record(7);
        for (detail, expected) in [
            (
                Detail::TaskStarted { object: object(), task: "arn:t".into() },
                json!({ "message": "task-started", "detailType": "ecs-started", "status": "success", "task": "arn:t" }),
            ),
            (
                Detail::RecordExtracted {
                    object: object(),
                    record: record.clone(),
                    headers: "h".into(),
                    data: "sEcReT".into(),
                    data_key: None,
                    location: None,
                },
                json!({ "message": "record-extracted", "status": "extracted", "record": 7, "recordId": record.id }),
            ),
            (
                Detail::ExtractionCompleted {
                    object: object(),
                    rows: 5,
                    bytes: 99,
                    rejected: 2,
                    skipped: None,
                    shard: None,
                },
                json!({ "message": "extraction-completed", "status": "completed", "rows": 5, "bytes": 99, "rejected": 2 }),
            ),
            (
                Detail::RecordTransformed {
                    object: object(),
                    record: record.clone(),
                    data: secret(),
                    data_key: None,
                },
                json!({ "message": "record-transformed", "status": "transformed", "record": 7 }),
            ),
            (
                Detail::RecordLoaded {
                    object: object(),
                    record: record.clone(),
                    table: "t".into(),
                    key: secret(),
                },
                json!({ "message": "record-loaded", "detailType": "data-loaded", "status": "success", "table": "t", "record": 7 }),
            ),
            (
                Detail::Failed {
                    stage: FailedStage::Load,
                    object: Some(object()),
                    record: Some(record.clone()),
                    reason: Reason::InvalidItem,
                    message: "why".into(),
                },
                json!({ "message": "failed", "level": "WARN", "detailType": "loadFailed", "status": "failed",
                    "reason": "invalid-item", "cause": "why", "record": 7 }),
            ),
        ] {
            let line = line(event(&detail)).await;
            for (name, value) in expected.as_object().expect("object") {
                assert_eq!(&line[name], value, "{name} in {line}");
            }
            assert_eq!(
                (&line["bucket"], &line["key"], &line["etag"]),
                (&json!("b"), &json!("k.csv"), &json!("e"))
            );
        }
    }

    #[tokio::test]
    async fn foreign_events_are_logged_by_type_and_source_only() {
        let foreign = line(json!({ "source": "s", "detail-type": "t", "detail": { "x": "sEcReT" } })).await;
        assert_eq!(
            (&foreign["message"], &foreign["source"], &foreign["detailType"]),
            (&json!("foreign event"), &json!("s"), &json!("t"))
        );
        assert_eq!(line(json!("sEcReT")).await["message"], "foreign event");
        let broken = json!({ "source": "s", "detail-type": "transform", "detail": { "status": "sEcReT" } });
        assert_eq!(line(broken).await["detailType"], "transform");
    }
}
