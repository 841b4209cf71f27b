//! Reports on a bucket and a tally in memory, whose calls fail in scripted ways.

mod fakes;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use contract::brief::Brief;
use contract::settings::ExtractionSettings;
use contract::{FailedStage, Reason};
use serde_json::{Value, json};
use tally::details::{Keeper, Reading, note_reading};
use tally::{Batch, Writer};

use self::fakes::{Bucket, People, Queue};

use super::*;
use crate::testing::{TallyTable, batch, delivery, event, object};

/// A file, and the events that the pipeline has made of it.
struct World {
    table: TallyTable,
    bucket: Bucket,
    queue: Queue,
}

fn failed(row: u64, stage: FailedStage, reason: Reason, message: &str, field: Option<&str>) -> Detail {
    Detail::Failed {
        stage,
        object: Some(object()),
        record: Some(object().record(row)),
        reason,
        message: message.into(),
        field: field.map(str::to_owned),
        column: None,
    }
}

fn loaded(row: u64, count: u64) -> Detail {
    let record = object().records(row, count);
    Detail::RecordLoaded {
        object: object(),
        record,
        table: "t".into(),
        key: Vec::new(),
        notes: contract::Notes::default(),
    }
}

impl World {
    async fn new(file: &[u8], reading: &Reading, details: &[Detail]) -> Self {
        let world = Self { table: TallyTable::default(), bucket: Bucket::default(), queue: Queue::default() };
        world.bucket.content().objects.insert(object().key, file.to_vec());
        note_reading(&world.table, Backoff::immediate(1), &object().digest(), reading).await.expect("noted");
        world.happens(details).await;
        world
    }

    /// Takes events as `observe` does.
    async fn happens(&self, details: &[Detail]) {
        let events: Vec<String> = details
            .iter()
            .map(|detail| {
                let mut event = event(detail);
                event["time"] = json!("2026-11-28T12:00:07Z");
                event.to_string()
            })
            .collect();
        let mut batch = Batch::detailed(true);
        for event in &events {
            batch.add(&Brief::parse(event).expect("an event")).expect("rows");
        }
        Keeper::new(self.table.clone(), Backoff::immediate(1)).keep(&batch).await.expect("kept");
        assert!(Writer::new(self.table.clone(), Backoff::immediate(1)).merge(batch).await.is_empty());
    }

    /// Returns the event about the object, as `observe` would publish it now.
    async fn ended(&self, attempt: u64) -> Detail {
        let tally = tally::read(&self.table, &object()).await.expect("a tally").expect("known");
        let outcome = tally.outcome(attempt);
        let extension = tally.reading.as_ref().map(Reading::extension).filter(|_| outcome.failed > 0);
        let files = Some(ResultFiles::of(&object().key, extension));
        Detail::ObjectCompleted { object: object(), outcome: Box::new(ObjectOutcome { files, ..outcome }) }
    }

    fn report(&self) -> Report<TallyTable, Bucket, Queue, People> {
        Report::new(
            self.table.clone(),
            self.bucket.clone(),
            self.queue.clone(),
            Backoff::immediate(3),
            Some(3),
        )
    }

    async fn process(&self, detail: &Detail) -> Outcome {
        self.report().process(&delivery(event(detail), 1), later()).await
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn completed(rows: u64) -> Detail {
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

fn reading(settings: &str, sensitive: &[&str]) -> Reading {
    Reading {
        settings: serde_json::from_str(settings).expect("settings"),
        columns: Vec::new(),
        sensitive: sensitive.iter().map(|name| (*name).to_owned()).collect(),
    }
}

const FILE: &str = "ID;Town;Price\n1;Lund;5\n2;\"Bristol; Avon\";x\n3;Oslo\n4;\"\";7\n5;a \"b\";8\n";

fn file_events() -> Vec<Detail> {
    vec![
        completed(5),
        loaded(1, 1),
        failed(
            2,
            FailedStage::Transform,
            Reason::InvalidNumber,
            "the value of `Price` is not a number",
            Some("price"),
        ),
        failed(
            3,
            FailedStage::Extraction,
            Reason::RowLength,
            "row 3 has 2 fields, but the header has 3 columns",
            None,
        ),
        failed(
            4,
            FailedStage::Transform,
            Reason::MissingValue,
            "the column `Town` is empty; \"x\"",
            Some("town"),
        ),
        loaded(5, 1),
    ]
}

#[tokio::test]
async fn rows_that_failed_are_a_file_that_can_be_corrected() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let ended = world.ended(1).await;
    assert_eq!(world.process(&ended).await, Ok(()));
    assert_eq!(
        world.bucket.text("rejects/k.csv.csv"),
        "\u{feff}_row;_reason;_field;_message;ID;Town;Price\n\
         2;invalid-number;price;the value of `Price` is not a number;2;\"Bristol; Avon\";x\n\
         3;row-length;;row 3 has 2 fields, but the header has 3 columns;3;Oslo\n\
         4;missing-value;town;\"the column `Town` is empty; \"\"x\"\"\";4;\"\";7\n"
    );
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!(
        (&results["rows"], &results["loaded"], &results["failed"], &results["attempt"]),
        (&json!(5), &json!(2), &json!(3), &json!(1))
    );
    assert_eq!(results["reasons"], json!({ "invalid-number": 1, "missing-value": 1, "row-length": 1 }));
    assert_eq!(results["files"], json!({ "results": "results/k.csv.json", "rejects": "rejects/k.csv.csv" }));
    assert_eq!((&results["object"]["key"], &results["problem"]), (&json!("k.csv"), &Value::Null));
    // Once more: the same objects, and no other.
    let before = world.bucket.content().objects.clone();
    assert_eq!(world.process(&ended).await, Ok(()));
    assert_eq!(world.bucket.content().objects, before);
    // The task's reader reads the file without the columns of the report.
    let file = before.get("rejects/k.csv.csv").expect("the file").clone();
    let mut rows = Vec::new();
    let end = task::file::read(&file[..], &ExtractionSettings::default(), &[], &[], 1_000, |row| {
        rows.push(row.fields.map(|fields| fields.iter().map(str::to_owned).collect::<Vec<_>>()).ok());
        Ok::<_, task::sample::SampleError>(())
    });
    assert_eq!(end.expect("a file").columns, ["ID", "Town", "Price"]);
    let row = |fields: [&str; 3]| Some(fields.map(str::to_owned).to_vec());
    assert_eq!(rows, [row(["2", "Bristol; Avon", "x"]), None, row(["4", "", "7"])]);
}

#[tokio::test]
async fn the_event_of_a_snapshot_counts_more_than_the_one_before() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let ended = world.ended(1).await;
    let Detail::ObjectCompleted { object, outcome } = ended.clone() else { panic!("an end") };
    let snapshot = Some(contract::event::SnapshotOutcome { deleted: 2, ..Default::default() });
    let outcome = Box::new(ObjectOutcome { snapshot, ..*outcome });
    let cleaned = Detail::SnapshotCompleted { object, outcome };
    for detail in [&ended, &cleaned, &ended] {
        assert_eq!(world.process(detail).await, Ok(()));
    }
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!((&results["snapshot"]["deleted"], &results["failed"]), (&json!(2), &json!(3)));
    // The event of a replay counts, also before its snapshot.
    assert_eq!(world.process(&world.ended(2).await).await, Ok(()));
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!((&results["snapshot"], &results["attempt"]), (&Value::Null, &json!(2)));
}

#[tokio::test]
async fn sensitive_values_are_in_no_file() {
    let file = b"ID,Name,Town\n1,sEcReT,Lund\n2,sEcReT,Oslo,sEcReT\n3,\"sEcReT\"x,Oslo\n4,sEcReT,\xff\n";
    let reading = reading("{}", &["name"]);
    let events: Vec<Detail> = std::iter::once(completed(4))
        .chain((1..=4).map(|row| failed(row, FailedStage::Transform, Reason::MissingValue, "m", None)))
        .collect();
    let world = World::new(file, &reading, &events).await;
    assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
    let text = world.bucket.text("rejects/k.csv.csv");
    assert!(!text.contains("sEcReT"), "{text}");
    assert!(
        text.contains("\n1,missing-value,,m,1,,Lund\n") && text.contains("\n2,missing-value,,m,,,\n"),
        "{text}"
    );
    // Lines of JSON, whatever is in them.
    let lines = [
        r#"{"id":1,"person":{"name":"sEcReT"},"town":"Lund","n":1.50}"#,
        r#"{"id":2,"person.name":"sEcReT"}"#,
        r#"sEcReT"#,
        r#"{"id":4,"PERSON":{"NAME":{"first":"sEcReT"}},"_row":7}"#,
    ];
    let reading = self::reading(r#"{"format":"json-lines"}"#, &["person.name"]);
    let world = World::new(lines.join("\n").as_bytes(), &reading, &events).await;
    assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
    let text = world.bucket.text("rejects/k.csv.jsonl");
    assert!(!text.contains("sEcReT"), "{text}");
    assert_eq!(
        text.lines().next(),
        Some(
            r#"{"_row":1,"_reason":"missing-value","_field":"","_message":"m","id":1,"town":"Lund","n":1.50}"#
        )
    );
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[tokio::test]
async fn a_line_that_is_no_object_is_kept_where_nothing_is_sensitive() {
    let lines = "{\"id\":1}\nnot json\n";
    let events = [
        completed(2),
        loaded(1, 1),
        failed(2, FailedStage::Extraction, Reason::InvalidJson, "row 2 is not an object of JSON", None),
    ];
    let world = World::new(lines.as_bytes(), &reading(r#"{"format":"json-lines"}"#, &[]), &events).await;
    assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
    let expected = "{\"_row\":2,\"_reason\":\"invalid-json\",\"_field\":\"\",\"_message\":\"row 2 is not an object of JSON\",\"_line\":\"not json\"}\n";
    assert_eq!(world.bucket.text("rejects/k.csv.jsonl"), expected);
}

#[tokio::test]
async fn files_without_failed_rows_and_files_that_failed_have_results() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &[completed(5), loaded(1, 5)]).await;
    assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
    assert_eq!(world.bucket.keys(), ["k.csv", "results/k.csv.json"]);
    let whole = Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::MissingColumn,
        message: "the file has no column `ID`".into(),
        field: None,
        column: None,
    };
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &[whole]).await;
    assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!(results["failure"]["message"], "the file has no column `ID`");
}

#[tokio::test]
async fn a_later_result_is_not_written_over_and_rejects_that_are_loaded_go() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let first = world.ended(1).await;
    assert_eq!(world.process(&first).await, Ok(()));
    world.happens(&[loaded(2, 3)]).await;
    let second = world.ended(2).await;
    assert_eq!(world.process(&second).await, Ok(()));
    assert_eq!(world.bucket.keys(), ["k.csv", "results/k.csv.json"], "nothing is rejected any more");
    // The first comes again.
    assert_eq!(world.process(&first).await, Ok(()));
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!((&results["attempt"], &results["failed"]), (&json!(2), &json!(0)));
    assert_eq!(world.bucket.keys(), ["k.csv", "results/k.csv.json"]);
    // Another upload of the same key, and an older one.
    let mut other = second.clone();
    let Detail::ObjectCompleted { object, outcome } = &mut other else { panic!("{other:?}") };
    (object.etag, object.uploaded, outcome.attempt) =
        (Some("f".into()), Some("2026-11-28T13:00:00.000Z".into()), 1);
    assert_eq!(world.process(&other).await, Ok(()));
    assert_eq!(world.process(&second).await, Ok(()));
    let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
    assert_eq!(results["object"]["etag"], "f");
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let world = World::new(b"", &reading("{}", &[]), &file_events()).await;
    let ended = world.ended(1).await;
    // It ends before its rows, as a damaged one does.
    assert_eq!(world.process(&ended).await, Ok(()));
    let text = world.bucket.text("rejects/k.csv.csv");
    assert_eq!(text.lines().count(), 4, "{text}");
    let problem = |world: &World| {
        let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
        (results["problem"].as_str().unwrap_or_default().to_owned(), results["files"]["rejects"].clone())
    };
    assert!(problem(&world).0.starts_with("3 rows are there without their values"), "{:?}", problem(&world));
    // It is gone.
    world.bucket.content().objects.remove("k.csv");
    assert_eq!(world.process(&ended).await, Ok(()));
    assert_eq!(problem(&world), ("the object no longer exists".to_owned(), Value::Null));
}

/// Returns a file of many rows, of which every third fails, and its events.
fn large(rows: u64) -> (String, Vec<Detail>) {
    wide(rows, 3)
}

/// The same with rows of five times as many bytes as `words`.
fn wide(rows: u64, words: usize) -> (String, Vec<Detail>) {
    let mut file = "ID,Town\n".to_owned();
    let mut details = vec![completed(rows)];
    for row in 1..=rows {
        file.push_str(&format!("{row},{}\n", "Town ".repeat(words)));
        if row % 3 == 0 {
            details.push(failed(row, FailedStage::Transform, Reason::MissingValue, "m", Some("x")));
        } else {
            details.push(loaded(row, 1));
        }
    }
    (file, details)
}

#[tokio::test]
async fn a_large_file_is_written_in_parts() {
    let (file, details) = large(2_000);
    let world = World::new(file.as_bytes(), &reading("{}", &[]), &details).await;
    let ended = world.ended(1).await;
    assert_eq!(world.process(&ended).await, Ok(()));
    let at_once = world.bucket.text("rejects/k.csv.csv");
    assert_eq!(at_once.lines().count(), 667);
    let mut report = world.report();
    report.part = 1_000;
    assert_eq!(report.process(&delivery(event(&ended), 1), later()).await, Ok(()));
    assert!(world.bucket.content().uploads["u0"].len() > 20);
    assert_eq!(world.bucket.text("rejects/k.csv.csv"), at_once);
}

/// Each call of a report fails once, before it was executed or after it, and the message comes again; or the process ends
/// there. The files are the same in the end.
#[tokio::test]
async fn a_report_that_ends_at_any_call_is_made_again() {
    let (file, details) = large(300);
    let expected = {
        let world = World::new(file.as_bytes(), &reading("{}", &[]), &details).await;
        assert_eq!(world.process(&world.ended(1).await).await, Ok(()));
        let content = world.bucket.content();
        (content.objects.clone(), content.calls)
    };
    assert!(expected.1 >= 4, "{} calls", expected.1);
    for call in 1..=30 {
        for (code, executed) in
            [("InternalError", false), ("InternalError", true), ("SlowDown", true), ("NoSuchUpload", false)]
        {
            let world = World::new(file.as_bytes(), &reading("{}", &[]), &details).await;
            world.bucket.content().fails = Some((call, code, executed));
            let ended = world.ended(1).await;
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                let mut report = world.report();
                report.part = 1_000;
                outcomes.push(report.process(&delivery(event(&ended), 1), later()).await);
                if outcomes.last().is_some_and(Result::is_ok) {
                    break;
                }
            }
            assert_eq!(outcomes.last(), Some(&Ok(())), "{call} {code} {outcomes:?}");
            assert_eq!(world.bucket.content().objects, expected.0, "{call} {code}");
        }
    }
    for steps in 0..80 {
        let world = World::new(file.as_bytes(), &reading("{}", &[]), &details).await;
        let ended = world.ended(1).await;
        {
            let report = world.report();
            let delivery = delivery(event(&ended), 1);
            let mut process = pin!(report.process(&delivery, later()));
            for _ in 0..steps {
                if poll_fn(|context| Poll::Ready(process.as_mut().poll(context))).await.is_ready() {
                    break;
                }
                // Tasks that wait side by side are woken by the runtime alone.
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(world.process(&ended).await, Ok(()));
        assert_eq!(world.bucket.content().objects, expected.0, "after {steps} steps");
    }
}

/// The time of the function is over after some rows, again and again: each invocation takes up the work of the last.
#[tokio::test]
async fn a_report_continues_where_it_stopped() {
    let (file, details) = large(6_000);
    // Of an encoding of several bytes, the rows before are read again.
    for settings in ["{}", r#"{"csv":{"encoding":"shift_jis"}}"#] {
        let world = World::new(file.as_bytes(), &reading(settings, &[]), &details).await;
        let delivery = delivery(event(&world.ended(1).await), 1);
        assert_eq!(world.report().process(&delivery, later()).await, Ok(()));
        let expected = world.bucket.content().objects.clone();
        world.bucket.content().objects.retain(|key, _| key == "k.csv");
        let (mut continued, mut time) = (0, Duration::from_millis(2));
        loop {
            let mut report = world.report();
            report.part = 9_000;
            match report.process(&delivery, Instant::now() + time).await {
                // Nothing was done: the time is too short for this machine.
                Err(error) => {
                    assert!(error.cause.contains("raise `timeout`"), "{error}");
                    time *= 2;
                }
                Ok(()) if sent(&world).is_empty() => break,
                Ok(()) => {
                    continued += 1;
                    assert!(world.bucket.keys().contains(&"rejects/k.csv.csv.partial".to_owned()));
                    assert!(!world.bucket.keys().contains(&"results/k.csv.json".to_owned()));
                }
            }
        }
        assert!(continued > 0, "{settings}: {time:?}");
        assert_eq!(world.bucket.content().objects, expected, "{settings}");
    }
}

/// An object whose bytes come too late for any invocation: of a compressed file, each of them begins at the first byte.
#[tokio::test]
async fn a_file_that_no_invocation_can_read_has_results_that_say_so() {
    let (file, details) = wide(300, 4_000);
    let settings = reading(r#"{"csv":{"encoding":"shift_jis"}}"#, &[]);
    // All of the file comes too late, or all after the first bytes that are requested.
    for (from, time) in [(0, 20), (task::download::PART, 1_000)] {
        let world = World::new(file.as_bytes(), &settings, &details).await;
        let ended = world.ended(1).await;
        world.bucket.content().never_from = Some(from);
        let (mut attempt, mut invocations) = (1, 0);
        loop {
            invocations += 1;
            assert!(invocations < 20, "it takes any number of invocations");
            let end = Instant::now() + Duration::from_millis(time);
            match world.report().process(&delivery(event(&ended), attempt), end).await {
                Err(error) => {
                    assert!(error.cause.contains("raise `timeout`"), "{error}");
                    attempt += 1;
                    assert!(attempt <= 3, "{error}");
                }
                Ok(()) if sent(&world).is_empty() => break,
                Ok(()) => attempt = 1,
            }
        }
        let results: Value = serde_json::from_str(&world.bucket.text("results/k.csv.json")).expect("JSON");
        let problem = results["problem"].as_str().expect("a problem");
        assert!(problem.contains("too short to read the file up to them; raise its `timeout`"), "{problem}");
        let text = world.bucket.text("rejects/k.csv.csv");
        // The header, and each row that has failed.
        assert_eq!(text.lines().count(), 101);
        let with_values = text.lines().filter(|line| line.contains("Town Town")).count();
        assert_eq!(with_values > 0, from > 0, "{with_values}");
        let without = 100 - with_values;
        assert!(problem.starts_with(&format!("{without} rows are there without their values")), "{problem}");
        // In the dialect of the file, whichever invocation writes them.
        let columns = if from > 0 { 6 } else { 4 };
        assert!(text.lines().all(|line| line.split(',').count() == columns), "{problem}");
        assert!(!world.bucket.keys().contains(&"rejects/k.csv.csv.partial".to_owned()));
    }
}

/// Rows without values are written in parts, and continued, as others are.
#[tokio::test]
async fn rows_without_values_are_continued_too() {
    let (file, details) = large(3_000);
    let damaged = &file.as_bytes()[..file.len() / 3];
    let world = World::new(damaged, &reading("{}", &[]), &details).await;
    let delivery = delivery(event(&world.ended(1).await), 1);
    assert_eq!(world.report().process(&delivery, later()).await, Ok(()));
    let expected = world.bucket.content().objects.clone();
    let problem = world.bucket.text("results/k.csv.json");
    assert!(problem.contains("rows are there without their values: the file ends before them"), "{problem}");
    world.bucket.content().objects.retain(|key, _| key == "k.csv");
    let (mut continued, mut time) = (0, Duration::from_millis(1));
    loop {
        let mut report = world.report();
        report.part = 9_000;
        match report.process(&delivery, Instant::now() + time).await {
            Err(_) => time *= 2,
            Ok(()) if sent(&world).is_empty() => break,
            Ok(()) => continued += 1,
        }
    }
    assert!(continued > 0, "{time:?}");
    assert_eq!(world.bucket.content().objects, expected);
}

/// S3 gives up an upload after some days: the work that was put aside with it can't be continued.
#[tokio::test]
async fn work_whose_upload_is_gone_begins_anew() {
    let (file, details) = large(300);
    let world = World::new(file.as_bytes(), &reading("{}", &[]), &details).await;
    let ended = world.ended(1).await;
    assert_eq!(world.process(&ended).await, Ok(()));
    let expected = world.bucket.content().objects.clone();
    let Detail::ObjectCompleted { outcome, .. } = &ended else { panic!("{ended:?}") };
    let aside = json!({ "id": outcome.id, "upload": "gone", "tags": ["1:5"], "row": 3, "offset": 60, "has_header": true });
    let aside = format!("{aside}\n{}", "x".repeat(1_000));
    world.bucket.content().objects.insert("rejects/k.csv.csv.partial".into(), aside.into_bytes());
    let mut report = world.report();
    report.part = 1_000;
    let delivery = delivery(event(&ended), 1);
    assert!(
        report.process(&delivery, later()).await.is_err_and(|error| error.cause.starts_with("NoSuchUpload"))
    );
    assert_eq!(report.process(&delivery, later()).await, Ok(()));
    assert_eq!(world.bucket.content().objects, expected);
}

fn sent(world: &World) -> Vec<String> {
    std::mem::take(&mut *world.queue.0.lock().expect("lock"))
}

#[tokio::test]
async fn people_get_one_message_about_a_file() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let delivery = delivery(event(&world.ended(1).await), 1);
    let refusing = People { refuse: true, ..People::default() };
    let outcome = world.report().with_topic(Some(refusing)).process(&delivery, later()).await;
    assert!(outcome.is_err_and(|error| error.cause.starts_with("AuthorizationError")));
    let people = People::default();
    for _ in 0..3 {
        let report = world.report().with_topic(Some(people.clone()));
        assert_eq!(report.process(&delivery, later()).await, Ok(()));
    }
    let messages = people.messages.lock().expect("lock").clone();
    let [(subject, message)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(subject, "k.csv: 2 of 5 rows loaded, 3 failed");
    assert!(message.contains("To correct and upload: s3://b/rejects/k.csv.csv\n"), "{message}");
    assert!(world.bucket.text("results/k.csv.json").contains("\"notified\": true"));
}

#[tokio::test]
async fn a_marked_file_has_results_while_it_is_permitted_and_nobody_is_told() {
    let id = "0123456789abcdef0123456789abcdef";
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let Detail::ObjectCompleted { object: of, outcome } = world.ended(1).await else { panic!("an end") };
    let object = ObjectRef { key: format!("{}{id}.csv", verification::MARK), ..of };
    let results = ResultFiles::of(&object.key, None).results;
    let outcome = ObjectOutcome { failed: 0, files: None, ..*outcome };
    let delivery = delivery(event(&Detail::ObjectCompleted { object, outcome: Box::new(outcome) }), 1);
    let people = People::default();
    for permitted in [false, true] {
        if permitted {
            let (partition, sort) = verification::permit(id);
            tally::details::Notes::note(&world.table, &partition, sort, &tally::Attributes::default())
                .await
                .expect("noted");
        }
        let report = world.report().with_topic(Some(people.clone()));
        assert_eq!(report.process(&delivery, later()).await, Ok(()));
        assert_eq!(world.bucket.content().objects.contains_key(&results), permitted);
    }
    assert_eq!(people.messages.lock().expect("lock").len(), 0);
}

#[tokio::test]
async fn messages_of_others_go_back() {
    let world = World::new(FILE.as_bytes(), &reading("{}", &[]), &file_events()).await;
    let outcome = world.process(&loaded(1, 1)).await;
    assert!(outcome.is_err_and(|error| error.cause.contains("`data-loaded` is not an event for `report`")));
    let answer = world.report().invoke(&batch([(json!("no event"), 1)]).to_string(), later()).await;
    assert_eq!(answer.expect("an answer").expect("a batch").batch_item_failures.len(), 1);
    assert!(world.report().invoke("no json", later()).await.is_err());
}
