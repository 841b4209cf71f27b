//! `observe`: one line in the log for every event, with names and counts and never a value of a row, and every row in
//! the tally, if there is one.
//!
//! Events of others on the same bus are logged as well, by type and source only. A message that is not an event, or an
//! event of the pipeline that cannot be read, is delivered again.
//!
//! Each event of the pipeline arrives here, so this function has the most messages of all. It reads each once, without
//! the values of its rows ([`contract::brief`]), and writes the lines of a batch at once.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use contract::EventKind;
use contract::brief::{self, Brief, Text, What};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tally::{Batch, Store, Touched, Writer};
use tracing::Level;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::messages::{InvocationError, NotDone};
use crate::start::Service;

/// The approximate number of bytes in a line of the log.
const LINE: usize = 600;

/// The function. See the module.
pub struct Observe<S> {
    tally: Option<Writer<S>>,
    log: Mutex<Box<dyn Write + Send>>,
}

impl<S> std::fmt::Debug for Observe<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Observe").field("tally", &self.tally.is_some()).finish_non_exhaustive()
    }
}

/// The payload for a function that a queue triggers. A rule sends the event itself.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "messageId", borrow, default)]
    id: Option<Text<'a>>,
    #[serde(rename = "eventSource", borrow, default)]
    event_source: Option<Text<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
}

/// A message with its meaning.
struct Seen<'a> {
    id: &'a str,
    /// `None`: it is not an event of the pipeline.
    event: Option<Brief<'a>>,
    /// The names of another event.
    other: Names<'a>,
}

/// An event of others: its type and its source, if it has them.
#[derive(Default, Deserialize)]
struct Names<'a> {
    #[serde(rename = "detail-type", borrow, default)]
    detail_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
}

impl<'a> Seen<'a> {
    fn new(id: &'a str, text: &'a str) -> Self {
        let event = Brief::parse(text);
        let other = match event {
            Some(_) => Names::default(),
            None => serde_json::from_str(text).unwrap_or_default(),
        };
        Self { id, event, other }
    }

    /// Fails if the message cannot be understood, so that a person looks at it. Events of others do not concern the
    /// tally.
    fn understood(&self) -> Result<(), NotDone> {
        let ours = |name: &str| EventKind::Any.details().iter().any(|(of_pipeline, ..)| *of_pipeline == name);
        let message = match (&self.event, &self.other) {
            (Some(_), _) => return Ok(()),
            (None, Names { detail_type: None, .. }) => "the message is not an event",
            (None, Names { detail_type: Some(name), .. }) if ours(name) => {
                "the detail of the event lacks a field, or has one of the wrong type"
            }
            (None, Names { source: Some(_), .. }) => return Ok(()),
            (None, _) => "the detail type of the event does not belong to the pipeline",
        };
        Err(NotDone { cause: format!("cannot process the message: {message}") })
    }
}

impl<S> Observe<S> {
    /// Creates the function, which keeps the tally through a writer, and without one only logs; its lines go to `log`.
    pub fn new(tally: Option<Writer<S>>, log: impl Write + Send + 'static) -> Self {
        Self { tally, log: Mutex::new(Box::new(log)) }
    }

    /// Writes a line for each message.
    fn write_log(&self, seen: &[Seen<'_>]) {
        let (info, warn) = (tracing::enabled!(Level::INFO), tracing::enabled!(Level::WARN));
        let mut timestamp = String::new();
        // A text takes everything that is written to it.
        let _ = SystemTime.format_time(&mut format::Writer::new(&mut timestamp));
        let mut lines = Vec::with_capacity(LINE * seen.len());
        for seen in seen {
            let line = match &seen.event {
                Some(event) => Line::of(event),
                None => Line::foreign(seen),
            };
            let wanted = if line.level == WARN { warn } else { info };
            // Texts and numbers can always be serialised, and memory takes them.
            if wanted && serde_json::to_writer(&mut lines, &Line { timestamp: &timestamp, ..line }).is_ok() {
                lines.push(b'\n');
            }
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.write_all(&lines).and_then(|()| log.flush()) {
            tracing::warn!(%error, "could not write the log");
        }
    }
}

impl<S: Store> Observe<S> {
    /// Processes messages, and returns the positions of those that are to be delivered again, with the reasons.
    async fn process(&self, seen: Vec<Seen<'_>>) -> Vec<(usize, NotDone)> {
        self.write_log(&seen);
        let mut failed: Vec<(usize, NotDone)> = (0..)
            .zip(&seen)
            .filter_map(|(position, seen)| Some((position, seen.understood().err()?)))
            .collect();
        let Some(tally) = &self.tally else { return failed };
        let mut batch = Batch::default();
        let touched: Vec<Option<Touched>> = seen.iter().map(|seen| add(&mut batch, seen)).collect();
        // The events are not needed any more, and the calls may take a while.
        drop(seen);
        let errors = tally.merge(batch).await;
        if !errors.is_empty() {
            failed.extend((0..).zip(&touched).filter_map(|(position, touched)| {
                let error = errors.of(touched.as_ref()?)?;
                Some((position, NotDone { cause: error.to_string() }))
            }));
        }
        failed
    }
}

impl<S: Store> Service for Observe<S> {
    async fn invoke(&self, payload: &str) -> Result<Option<SqsBatchResponse>, InvocationError> {
        let Ok(Payload { records }) = serde_json::from_str(payload) else {
            return if is_batch(payload) {
                Err(InvocationError::UnreadableBatch)
            } else {
                self.one(payload).await
            };
        };
        if records.first().is_some_and(|first| first.event_source.as_deref() != Some("aws:sqs")) {
            return self.one(payload).await;
        }
        // Without an ID, a message cannot be named in the answer: only the whole batch can fail.
        let named = |message: &Message<'_>| message.id.as_deref().is_some_and(|id| !id.is_empty());
        if !records.iter().all(named) {
            return Err(InvocationError::UnreadableBatch);
        }
        let id = |message: &Message<'_>| message.id.as_deref().unwrap_or_default().to_owned();
        let bodies: Vec<Cow<'_, str>> = records
            .iter()
            .map(|message| brief::unescaped(message.body.as_deref().unwrap_or_default()))
            .collect();
        let seen = records
            .iter()
            .zip(&bodies)
            .map(|(message, body)| Seen::new(message.id.as_deref().unwrap_or_default(), body));
        let failed = self.process(seen.collect()).await;
        let mut response = SqsBatchResponse::default();
        for (position, NotDone { cause }) in failed {
            if let Some(message_id) = records.get(position).map(id) {
                tracing::warn!(message_id, cause, "message not processed");
                response.add_failure(message_id);
            }
        }
        // One line a batch: a function without logs can't be told from one that does nothing.
        tracing::info!(messages = records.len(), failed = response.batch_item_failures.len(), "batch done");
        Ok(Some(response))
    }
}

impl<S: Store> Observe<S> {
    /// Processes the event that came directly from a rule.
    async fn one(&self, event: &str) -> Result<Option<SqsBatchResponse>, InvocationError> {
        let event = brief::unescaped(event);
        match self.process(vec![Seen::new("direct", &event)]).await.pop() {
            Some((_, not_done)) => Err(InvocationError::NotDone(not_done)),
            None => Ok(None),
        }
    }
}

/// Returns whether a payload that can't be read came from a queue.
fn is_batch(payload: &str) -> bool {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    payload["Records"]
        .as_array()
        .is_some_and(|records| records.first().is_some_and(|record| record["eventSource"] == "aws:sqs"))
}

/// Adds an event to the batch, and returns the items that it touches. A message that is not an event of the pipeline
/// touches none.
fn add(batch: &mut Batch, seen: &Seen<'_>) -> Option<Touched> {
    batch.add(seen.event.as_ref()?).unwrap_or_else(|error| {
        // No further attempt would succeed.
        tracing::warn!(message_id = seen.id, %error, "event not recorded in the tally");
        None
    })
}

const INFO: &str = "INFO";
const WARN: &str = "WARN";

/// A line of the log, in the form in which `tracing` writes others.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: &'a str,
    level: &'static str,
    message: &'static str,
    #[serde(rename = "message_id", skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_id: Option<&'a str>,
    /// Only where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    target: &'static str,
}

impl<'a> Line<'a> {
    fn of(event: &'a Brief<'_>) -> Self {
        let (object, record) = (event.object.as_ref(), event.record.as_ref());
        let line = Self {
            level: INFO,
            detail_type: Some(&event.detail_type),
            source: event.source.as_deref(),
            status: Some(&event.status),
            bucket: object.map(|object| &*object.bucket),
            key: object.map(|object| &*object.key),
            version: object.and_then(|object| object.version.as_deref()),
            etag: object.and_then(|object| object.etag.as_deref()),
            record: record.map(|record| record.index),
            record_id: record.map(|record| &*record.id),
            record_count: record.map(|record| record.count).filter(|count| *count > 1),
            target: module_path!(),
            ..Self::default()
        };
        match &event.what {
            What::TaskStarted { task } => Self { message: "task-started", task: Some(task), ..line },
            What::Extracted => Self { message: "record-extracted", ..line },
            What::Completed { rows, bytes, rejected, .. } => Self {
                message: "extraction-completed",
                rows: Some(*rows),
                bytes: Some(*bytes),
                rejected: Some(*rejected),
                ..line
            },
            What::Transformed => Self { message: "record-transformed", ..line },
            What::Loaded { table, .. } => Self { message: "record-loaded", table: Some(table), ..line },
            What::Skipped => Self { message: "record-skipped", ..line },
            What::Failed { code, message, field, column, .. } => Self {
                level: WARN,
                message: "failed",
                reason: Some(code),
                cause: Some(message),
                field: field.as_deref(),
                column: column.as_deref(),
                ..line
            },
        }
    }

    fn foreign(seen: &'a Seen<'_>) -> Self {
        Self {
            level: WARN,
            message: "foreign event",
            message_id: Some(seen.id),
            detail_type: seen.other.detail_type.as_deref(),
            source: seen.other.source.as_deref(),
            target: module_path!(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use contract::{FailedStage, Reason};
    use serde_json::json;

    use contract::Detail;
    use runtime::{Backoff, CallError};
    use tally::{Change, Key, Scope, Source, Stored, Updated};

    use super::*;
    use crate::testing::{batch, event, json_value, object};

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
            self.0.lock().expect("lock").push(Key::shared("", key.chunk).part());
            Ok(Updated::Done)
        }

        async fn delete(&self, _: &Key, _: u64) -> Result<bool, CallError> {
            Ok(true)
        }
    }

    impl Source for Table {
        async fn items(&self, _: Scope<'_>) -> Result<Vec<Stored>, CallError> {
            Ok(Vec::new())
        }
    }

    fn loaded(index: u64) -> Value {
        let record = object().record(index);
        event(&Detail::RecordLoaded {
            object: object(),
            record,
            table: "t".into(),
            key: secret(),
            overwritten: Vec::new(),
        })
    }

    #[tokio::test]
    async fn only_messages_that_are_not_in_the_tally_are_given_back() {
        let table = Table::default();
        let writer = Writer::new(table.clone(), Backoff::immediate(2));
        let observe = Observe::new(Some(writer), io::sink());
        let foreign = json!({ "source": "shop", "detail-type": "sold", "detail": {} });
        let broken = json!({ "source": "source", "detail-type": "data-loaded", "detail": {} });
        let messages = [
            (loaded(1), 1),
            (loaded(70_000), 1),
            (foreign, 1),
            (loaded(2), 1),
            (loaded(u64::MAX), 1),
            (broken, 1),
            (json!("no event"), 1),
        ];
        let answer = observe.invoke(&batch(messages).to_string()).await.expect("an answer").expect("a batch");
        let mut failed: Vec<_> =
            answer.batch_item_failures.iter().map(|one| one.item_identifier.as_str()).collect();
        failed.sort_unstable();
        assert_eq!(failed, ["m1", "m5", "m6"]);
        let mut written = table.0.lock().expect("lock").clone();
        written.sort();
        assert_eq!(written, ["rows#000000000000", "summary"], "one call an item");
        let error = observe.invoke(&loaded(70_000).to_string()).await.expect_err("not processed");
        assert!(error.to_string().contains("AccessDenied"), "{error}");
        assert!(
            observe.invoke(&loaded(7).to_string()).await.expect("done").is_none(),
            "straight from a rule"
        );
    }

    #[tokio::test]
    async fn a_batch_whose_messages_cannot_be_named_fails_as_a_whole() {
        let observe = Observe::<Table>::new(None, io::sink());
        for record in [
            json!({ "eventSource": "aws:sqs", "body": "{}" }),
            json!({ "eventSource": "aws:sqs", "messageId": "" }),
            json!({ "eventSource": "aws:sqs", "messageId": 7 }),
        ] {
            let payload = json!({ "Records": [record] }).to_string();
            let error = observe.invoke(&payload).await.expect_err("nameless");
            assert!(matches!(error, InvocationError::UnreadableBatch));
        }
        let empty = observe.invoke(&json!({ "Records": [] }).to_string()).await.expect("nothing to do");
        assert!(empty.expect("a batch").batch_item_failures.is_empty());
        let notification = json!({ "Records": [{ "eventSource": "aws:s3" }] }).to_string();
        assert!(observe.invoke(&notification).await.is_err(), "not an event");
    }

    proptest::proptest! {
        #[test]
        fn no_payload_panics(value in json_value()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            let observe = Observe::<Table>::new(None, io::sink());
            let _ = runtime.block_on(observe.invoke(&value.to_string()));
            let detail = json!({ "detail-type": "transform", "detail": value });
            let _ = runtime.block_on(observe.invoke(&batch([(detail, 1), (value, 2)]).to_string()));
        }
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

    /// Returns the one line for an event.
    async fn line(body: Value) -> Value {
        let lines = Lines::default();
        // The level is checked like that of any line.
        let subscriber = tracing_subscriber::fmt().with_writer(io::sink).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let observe = Observe::<Table>::new(None, lines.clone());
        let _ = observe.invoke(&body.to_string()).await;
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
                    encoding: None,
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
                    overwritten: Vec::new(),
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
                    field: Some("address.street".into()),
                    column: Some("Street".into()),
                },
                json!({ "message": "failed", "level": "WARN", "detailType": "loadFailed", "status": "failed",
                    "reason": "invalid-item", "cause": "why", "field": "address.street", "column": "Street",
                    "record": 7 }),
            ),
            (
                Detail::RecordSkipped { object: object(), record: object().records(7, 3) },
                json!({ "message": "record-skipped", "level": "INFO", "detailType": "transformSkipped",
                    "status": "skipped", "record": 7, "recordId": record.id, "recordCount": 3 }),
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
