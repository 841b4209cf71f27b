//! Batches of events, with a tally and a bus that fail in scripted ways.

use std::io;
use std::sync::{Arc, Mutex};

use contract::{FailedStage, Reason};
use serde_json::json;

use contract::Detail;
use runtime::{Backoff, CallError};
use tally::completion::{State, Step};
use tally::{Change, Key, Scope, Source, Stored, Updated};

use super::*;
use crate::testing::{Bus, TallyTable, batch, event, json_value, object};

/// A table that takes every item but those of chunk 1, and keeps their keys.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Vec<String>>>);

impl Store for Table {
    async fn update(&self, key: &Key, _: &Change) -> Result<Updated, CallError> {
        if key.chunk == Some(1) {
            return Err(CallError { code: "AccessDenied".into(), message: String::new(), retryable: false });
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

impl Completions for Table {
    async fn step(&self, _: &str, _: &Step) -> Result<Option<State>, CallError> {
        Ok(None)
    }
}

impl Notes for Table {
    async fn note(&self, _: &str, _: &str, _: &tally::Attributes) -> Result<(), CallError> {
        Ok(())
    }
}

fn load_event(index: u64) -> Detail {
    let record = object().record(index);
    Detail::RecordLoaded {
        object: object(),
        record,
        table: "t".into(),
        key: secret(),
        notes: contract::Notes::default(),
    }
}

fn loaded(index: u64) -> Value {
    event(&load_event(index))
}

fn completed_event(rows: u64) -> Detail {
    Detail::ExtractionCompleted {
        object: object(),
        rows,
        bytes: 99,
        rejected: 0,
        skipped: None,
        encoding: None,
        shard: None,
    }
}

/// Returns an observer that publishes the ends of objects.
fn publishing(table: &TallyTable, bus: &Bus) -> Observe<TallyTable, Bus> {
    let backoff = Backoff::immediate(2);
    let ends = Ends::new(Completer::new(table.clone(), backoff), bus.publisher());
    Observe::new(Some(Writer::new(table.clone(), backoff)), io::sink()).with_ends(Some(ends))
}

/// Returns the messages that are to be delivered again.
async fn again<const N: usize>(observe: &Observe<TallyTable, Bus>, details: [Detail; N]) -> Vec<String> {
    let messages = details.map(|detail| (event(&detail), 1));
    let answer = observe
        .invoke(&batch(messages).to_string(), Instant::now())
        .await
        .expect("an answer")
        .expect("a batch");
    answer.batch_item_failures.into_iter().map(|one| one.item_identifier).collect()
}

#[tokio::test]
async fn the_end_of_an_object_is_published_when_its_last_row_is_settled() {
    let (table, bus) = (TallyTable::default(), Bus::default());
    let observe = publishing(&table, &bus);
    assert!(again(&observe, [load_event(1), completed_event(3)]).await.is_empty());
    assert!(bus.published().is_empty(), "two rows are on their way");
    let failed = Detail::Failed {
        stage: FailedStage::Transform,
        object: Some(object()),
        record: Some(object().record(2)),
        reason: Reason::MissingValue,
        message: "why".into(),
        field: None,
        column: None,
    };
    // Each of two observers has one of the last rows.
    assert!(again(&publishing(&table, &bus), [failed, load_event(1)]).await.is_empty());
    assert!(again(&observe, [load_event(3)]).await.is_empty());
    let published = bus.published();
    let [Detail::ObjectCompleted { object: of, outcome }] = &published[..] else { panic!("{published:?}") };
    assert_eq!(*of, object());
    assert_eq!(
        (outcome.attempt, outcome.rows, outcome.loaded, outcome.failed, outcome.bytes),
        (1, 3, 2, 1, Some(99))
    );
    assert_eq!(outcome.reasons, [("missing-value".to_owned(), 1)].into());
    // The event comes back to the observer, which logs it.
    assert!(again(&observe, [published[0].clone(), load_event(3)]).await.is_empty());
    assert_eq!(bus.published().len(), 1);
}

#[tokio::test]
async fn a_file_at_its_end_has_metrics_if_they_are_wanted() {
    for (function, expected) in [(Some("f".to_owned()), 1), (None, 0)] {
        let (table, bus, lines) = (TallyTable::default(), Bus::default(), Lines::default());
        let observe = publishing(&table, &bus).with_metrics(function);
        let observe = Observe { log: Mutex::new(Box::new(lines.clone())), ..observe };
        assert!(again(&observe, [load_event(1), completed_event(1), load_event(1)]).await.is_empty());
        let text = String::from_utf8(lines.0.lock().expect("lock").clone()).expect("UTF-8");
        assert_eq!(
            text.lines().filter(|line| line.contains("\"CloudWatchMetrics\"")).count(),
            expected,
            "{text}"
        );
    }
}

/// With the permit, a marked file has a tally and an end, in the name of the verification; without it, nothing.
#[tokio::test]
async fn a_marked_file_is_recorded_only_while_it_is_permitted() {
    let id = "0123456789abcdef0123456789abcdef";
    let marked = contract::ObjectRef { key: format!("{}{id}.csv", verification::MARK), ..object() };
    let details = || {
        let loaded = Detail::RecordLoaded {
            object: marked.clone(),
            record: marked.record(1),
            table: "t".into(),
            key: secret(),
            notes: contract::Notes::default(),
        };
        let Detail::ExtractionCompleted { rows, bytes, rejected, skipped, encoding, shard, .. } =
            completed_event(1)
        else {
            panic!("an end");
        };
        let object = marked.clone();
        [
            loaded,
            Detail::ExtractionCompleted { object, rows, bytes, rejected, skipped, encoding, shard },
            load_event(1),
        ]
    };
    for permitted in [false, true] {
        let (table, bus, lines) = (TallyTable::default(), Bus::default(), Lines::default());
        if permitted {
            let (partition, sort) = verification::permit(id);
            table.note(&partition, sort, &tally::Attributes::default()).await.expect("noted");
        }
        let observe = publishing(&table, &bus).with_metrics(Some("f".to_owned()));
        let observe = Observe { log: Mutex::new(Box::new(lines.clone())), ..observe };
        assert!(again(&observe, details()).await.is_empty());
        let found = tally::read(&table, &marked).await.expect("a tally");
        assert_eq!(found.is_some_and(|tally| tally.is_loaded()), permitted);
        assert_eq!(
            bus.published().iter().filter_map(Detail::object).filter(|of| **of == marked).count(),
            usize::from(permitted)
        );
        let listed = tally::list(&table).await.expect("tallies");
        assert_eq!(listed.len(), 1, "the user's alone: {listed:?}");
        let text = String::from_utf8(lines.0.lock().expect("lock").clone()).expect("UTF-8");
        assert!(!text.contains("\"CloudWatchMetrics\""), "{text}");
    }
}

#[tokio::test]
async fn an_end_that_the_bus_refuses_brings_one_message_back() {
    let table = TallyTable::default();
    let refusing = Bus::refusing(|detail| matches!(detail, Detail::ObjectCompleted { .. }));
    let details = [load_event(1), completed_event(2), load_event(2), load_event(1)];
    let observe = publishing(&table, &refusing);
    assert_eq!(again(&observe, details).await, ["m3"]);
    // The same process holds the lease.
    let bus = Bus::default();
    let observe =
        Observe { ends: Some(Ends { publisher: bus.publisher(), ..observe.ends.expect("ends") }), ..observe };
    assert!(again(&observe, [load_event(1)]).await.is_empty());
    assert_eq!(bus.published().len(), 1);
}

/// In a stack with a `report`: a row counts as failed only when its details are there.
#[tokio::test]
async fn what_was_said_of_a_failed_row_is_kept_before_it_counts() {
    let (table, bus) = (TallyTable::default(), Bus::default());
    let keeper = || Some(Keeper::new(table.clone(), Backoff::immediate(2)));
    let observe = publishing(&table, &bus).with_details(keeper());
    let failed = Detail::Failed {
        stage: FailedStage::Transform,
        object: Some(object()),
        record: Some(object().record(2)),
        reason: Reason::MissingValue,
        message: "the column `Town` is empty".into(),
        field: Some("town".into()),
        column: Some("Town".into()),
    };
    let digest = object().digest();
    let reading = tally::details::Reading::default();
    tally::details::note_reading(&table, Backoff::immediate(1), &digest, &reading).await.expect("noted");
    table.refuse_notes(2);
    let details = [load_event(1), failed, completed_event(2)];
    assert_eq!(again(&observe, details.clone()).await, ["m0", "m1", "m2"]);
    let tally = || async { tally::read(&table, &object()).await.expect("a tally") };
    assert!(tally().await.is_none_or(|tally| tally.failed().is_empty()), "nothing was merged");
    assert!(again(&observe, details).await.is_empty());
    let failures = tally::details::ChunkFailures::read(&table, &digest, 2).await.expect("details");
    let failure = failures.of(2).expect("row 2");
    assert_eq!(
        (failure.field.as_deref(), failure.message(2).as_str()),
        (Some("town"), "the column `Town` is empty")
    );
    let published = bus.published();
    let [Detail::ObjectCompleted { outcome, .. }] = &published[..] else { panic!("{published:?}") };
    assert_eq!(outcome.files, Some(ResultFiles::of("k.csv", Some("csv"))));
}

#[tokio::test]
async fn an_observer_that_may_not_publish_makes_no_call_for_it() {
    let table = TallyTable::default();
    let observe = Observe::<_, Bus>::new(Some(Writer::new(table.clone(), Backoff::immediate(2))), io::sink());
    assert!(again(&observe, [load_event(1), completed_event(1)]).await.is_empty());
    assert_eq!(table.steps(), 0);
}

#[tokio::test]
async fn only_messages_that_are_not_in_the_tally_are_given_back() {
    let table = Table::default();
    let writer = Writer::new(table.clone(), Backoff::immediate(2));
    let observe = Observe::<_, Bus>::new(Some(writer), io::sink());
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
    let answer = observe
        .invoke(&batch(messages).to_string(), Instant::now())
        .await
        .expect("an answer")
        .expect("a batch");
    let mut failed: Vec<_> =
        answer.batch_item_failures.iter().map(|one| one.item_identifier.as_str()).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["m1", "m5", "m6"]);
    let mut written = table.0.lock().expect("lock").clone();
    written.sort();
    assert_eq!(written, ["rows#000000000000", "summary"], "one call an item");
    let error = observe.invoke(&loaded(70_000).to_string(), Instant::now()).await.expect_err("not processed");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert!(
        observe.invoke(&loaded(7).to_string(), Instant::now()).await.expect("done").is_none(),
        "straight from a rule"
    );
}

#[tokio::test]
async fn a_batch_whose_messages_cannot_be_named_fails_as_a_whole() {
    let observe = Observe::<Table, Bus>::new(None, io::sink());
    for record in [
        json!({ "eventSource": "aws:sqs", "body": "{}" }),
        json!({ "eventSource": "aws:sqs", "messageId": "" }),
        json!({ "eventSource": "aws:sqs", "messageId": 7 }),
    ] {
        let payload = json!({ "Records": [record] }).to_string();
        let error = observe.invoke(&payload, Instant::now()).await.expect_err("nameless");
        assert!(matches!(error, InvocationError::UnreadableBatch));
    }
    let empty =
        observe.invoke(&json!({ "Records": [] }).to_string(), Instant::now()).await.expect("nothing to do");
    assert!(empty.expect("a batch").batch_item_failures.is_empty());
    let notification = json!({ "Records": [{ "eventSource": "aws:s3" }] }).to_string();
    assert!(observe.invoke(&notification, Instant::now()).await.is_err(), "not an event");
}

proptest::proptest! {
    #[test]
    fn no_payload_panics(value in json_value()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let observe = Observe::<Table, Bus>::new(None, io::sink());
        let _ = runtime.block_on(observe.invoke(&value.to_string(), Instant::now()));
        let detail = json!({ "detail-type": "transform", "detail": value });
        let _ = runtime.block_on(observe.invoke(&batch([(detail, 1), (value, 2)]).to_string(), Instant::now()));
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
    let observe = Observe::<Table, Bus>::new(None, lines.clone());
    let _ = observe.invoke(&body.to_string(), Instant::now()).await;
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
                shard: Some(contract::Shard { index: 2, of: 3 }),
            },
            json!({ "message": "extraction-completed", "status": "completed", "rows": 5, "bytes": 99, "rejected": 2,
                "shard": 2, "shards": 3 }),
        ),
        (
            Detail::RecordTransformed {
                object: object(),
                record: record.clone(),
                data: secret(),
                data_key: None,
                notes: contract::Notes::default(),
            },
            json!({ "message": "record-transformed", "status": "transformed", "record": 7 }),
        ),
        (
            Detail::RecordLoaded {
                object: object(),
                record: record.clone(),
                table: "t".into(),
                key: secret(),
                notes: contract::Notes::default(),
            },
            json!({ "message": "record-loaded", "detailType": "data-loaded", "status": "success", "table": "t", "record": 7 }),
        ),
        (
            Detail::DeletionRequested {
                object: object(),
                record: object().records(7, 2),
                key: [secret(), secret()].concat(),
            },
            json!({ "message": "deletion-requested", "detailType": "transformDeletion", "status": "requested",
                "record": 7, "recordCount": 2 }),
        ),
        (
            Detail::RecordDeleted {
                object: object(),
                record: record.clone(),
                table: "t".into(),
                key: secret(),
                notes: contract::Notes::default(),
            },
            json!({ "message": "record-deleted", "detailType": "data-deleted", "status": "success", "table": "t", "record": 7 }),
        ),
        (
            Detail::RecordExisting {
                object: object(),
                record: record.clone(),
                table: "t".into(),
                key: secret(),
            },
            json!({ "message": "record-existing", "level": "INFO", "detailType": "loadSkipped", "status": "skipped",
                "table": "t", "record": 7 }),
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
            Detail::ObjectCompleted {
                object: object(),
                outcome: Box::new(contract::event::ObjectOutcome {
                    attempt: 2,
                    rows: 5,
                    loaded: 3,
                    failed: 2,
                    ..Default::default()
                }),
            },
            json!({ "message": "object-completed", "detailType": "s3ObjectCompleted", "status": "completed",
                "attempt": 2, "rows": 5, "loaded": 3, "failed": 2 }),
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
