//! The pipeline through everything that AWS may do to it: a proxy between the workers and the local cloud refuses,
//! loses, repeats and reorders, and the test kills workers in the middle of their work. Every good row must be in the
//! table as it is in the file, nothing else, and every bad row must be reported with its reason.
//!
//! `SEED` chooses the faults, but not the order of calls that meet them; `ROWS` is the size of the file, `LIMIT` its
//! seconds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::weather::{Befallen, Victim, Weather};
use crate::cloud::{Cloud, STACK, csv_line};
use crate::processes::{kill_function, kill_tasks};
use crate::proxy::Proxy;

mod weather;

/// Number of rows of the file, unless `ROWS` is set: as many as a test run has time for.
const ROWS: u64 = 1_000;
/// Queues that hold work, each with its dead letters.
const QUEUES: [(&str, &str); 4] = [
    ("Arrivals", "ArrivalsDeadLetters"),
    ("TransformOnRecordExtractedBuffer", "TransformOnRecordExtractedBufferDeadLetters"),
    ("LoadOnRecordTransformedBuffer", "LoadOnRecordTransformedBufferDeadLetters"),
    ("ObserveOnAnyBuffer", "ObserveOnAnyBufferDeadLetters"),
];

/// Returns a number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Returns the repository's stack, in which a message that was not dealt with comes back after half a minute: that is
/// six times a function's timeout.
fn stack() -> String {
    let mut stack = STACK.replace("visibilityTimeout: 5m", "visibilityTimeout: 36s");
    for worker in ["extract", "transform", "load", "observe"] {
        let line = format!("worker: {worker}\n");
        assert_eq!(stack.matches(&line).count(), 1, "stack.yaml is another one");
        stack = stack.replace(&line, &format!("{line}      timeout: 6s\n"));
    }
    assert!(stack.contains("visibilityTimeout: 36s"), "stack.yaml is another one");
    stack
}

/// A file of which one row in a hundred is bad, and the expected outcome.
struct File {
    text: Vec<u8>,
    rows: u64,
    /// Number of a good row → its item.
    good: BTreeMap<u64, BTreeMap<String, String>>,
    /// Number of a bad row → the reason.
    bad: BTreeMap<u64, &'static str>,
}

impl File {
    fn new(rows: u64) -> Self {
        let names = ["id", "house_number", "street_address", "town", "zip"];
        let mut file = Self {
            text: csv_line(&["ID", "HouseNum", "Street", "Town", "Zip"]).into_bytes(),
            rows,
            good: BTreeMap::new(),
            bad: BTreeMap::new(),
        };
        for row in 1..=rows {
            let bad: Option<(&[u8], _)> = match (row % 100, row / 100 % 4) {
                (50, 0) => Some((b"short,1,Street\r\n", "row-length")),
                (50, 1) => Some((b"long,1,Street,Town,Zip,more\r\n", "row-length")),
                (50, 2) => Some((b",1,Street,Town,Zip\r\n", "missing-value")),
                (50, _) => Some((b"bytes,1,\xff\xfe,Town,Zip\r\n", "invalid-encoding")),
                _ => None,
            };
            if let Some((text, reason)) = bad {
                file.text.extend_from_slice(text);
                file.bad.insert(row, reason);
                continue;
            }
            let street = match row % 4 {
                0 => format!("Road, with comma {row}"),
                1 => format!("The \"quoted\" lane {row}"),
                2 => format!("Line one\nline two {row}"),
                _ => format!("Größe 東京 🦀 {row}"),
            };
            let fields = [
                format!("r{row}"),
                (row % 97).to_string(),
                street,
                format!(" spaced {row} "),
                format!("0{row}"),
            ];
            file.text.extend_from_slice(csv_line(&fields.each_ref().map(String::as_str)).as_bytes());
            file.good.insert(row, names.iter().map(|name| (*name).to_owned()).zip(fields).collect());
        }
        file
    }

    /// Returns the number of rows that the task itself rejects; the others need the settings of `transform` to be seen
    /// as bad.
    fn rejected(&self) -> usize {
        self.bad.values().filter(|reason| **reason != "missing-value").count()
    }
}

/// The faults of one run besides the weather.
struct Plan {
    rows: u64,
    /// `true` if the notification of the upload comes a second time.
    twice_notified: bool,
    /// Number of times that ECS has no place for a task at first.
    no_capacity: u32,
    /// The processes that are killed, each with its call, counted from one.
    kills: Vec<(Victim, u32)>,
}

/// A run that has come to its end.
struct Run {
    cloud: Cloud,
    /// Proxy that is kept with the cloud, whose workers call it to the end.
    _proxy: Proxy,
    file: File,
    /// Seed and size, for a repetition.
    name: String,
    /// Number of messages that ended in dead letters and were sent again.
    redriven: usize,
    befallen: BTreeMap<&'static str, u32>,
}

impl Run {
    /// Sends a file through the pipeline, and waits until there is nothing left to do.
    async fn of(plan: Plan) -> Self {
        let seed = number("SEED", 20_261_128);
        let name = format!("SEED={seed} ROWS={}", plan.rows);
        let file = File::new(plan.rows);
        let proxy = Proxy::before_nothing();
        let cloud = Cloud::start_behind(&stack(), &proxy.url);
        proxy.pass_on_to(&cloud.endpoint);
        cloud.json(&["deploy", "local"]);
        let mut functions = HashMap::new();
        for (victim, logical_id) in [
            (Victim::Extract, "Extract"),
            (Victim::Transform, "Transform"),
            (Victim::Load, "Load"),
            (Victim::Observe, "Observe"),
        ] {
            functions.insert(victim, cloud.physical_id("eventbridge-etl-local", logical_id).await);
        }

        let befallen = Befallen::default();
        let (held, holding): (HashMap<_, _>, Vec<_>) = Victim::ALL
            .into_iter()
            .map(|victim| {
                let (held, holding) = mpsc::channel();
                ((victim, held), (victim, holding))
            })
            .unzip();
        let mut weather = Weather {
            random: fastrand::Rng::with_seed(seed),
            no_capacity: plan.no_capacity,
            kills: plan.kills.clone(),
            held,
            calls: HashMap::new(),
            revisions: HashMap::new(),
            refused: HashMap::new(),
            befallen: Arc::clone(&befallen),
        };
        proxy.decide(move |call, _| weather.decide(call));

        cloud.write("rows.csv", &file.text);
        let uploaded = cloud.json(&["upload", "rows.csv"]);
        if plan.twice_notified {
            notify_again(&cloud, &uploaded["object"], file.text.len()).await;
        }

        // The first half minute is the delay after there was no capacity, and each kill may cost another one. Restarts
        // of a task wait, each longer than the one before.
        let restarts = plan.kills.iter().filter(|(victim, _)| *victim == Victim::Task).count();
        let waits: u64 = [0, 60, 120, 240, 480].iter().take(restarts).sum();
        let limit = Duration::from_secs(number("LIMIT", 150 + plan.rows / 5 + waits));
        let start = Instant::now();
        let (mut killed, mut redriven, mut quiet) = (0, 0, 0);
        while quiet < 3 {
            for (victim, holding) in &holding {
                while holding.try_recv().is_ok() {
                    let victims = match functions.get(victim) {
                        Some(function) => kill_function(&cloud, function),
                        None => kill_tasks(&cloud),
                    };
                    assert!(victims > 0, "{name}: no process of {victim:?} to kill");
                    killed += 1;
                }
            }
            redriven += redrive(&cloud).await;
            let mut open = 0;
            for (queue, _) in QUEUES {
                open += cloud.messages(queue).await;
            }
            let tasks = cloud.json(&["local", "status"])["tasks"].as_array().map_or(0, Vec::len);
            quiet = if open + tasks == 0 && killed == plan.kills.len() { quiet + 1 } else { 0 };
            assert!(
                start.elapsed() < limit,
                "{name}: after {limit:?} (`LIMIT`), {open} messages are open, {tasks} tasks run, {killed} of {} kills are \
                 done, {redriven} messages were dead; {:?}, {:?}",
                plan.kills.len(),
                befallen.lock(),
                proxy.calls(),
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let befallen = befallen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        #[expect(
            clippy::print_stderr,
            reason = "figures of a large run, which the test harness shows if asked"
        )]
        {
            let took = start.elapsed();
            eprintln!("{name}: {took:.0?}, {redriven} messages were dead; {befallen:?}, {:?}", proxy.calls());
        }
        Self { cloud, _proxy: proxy, file, name, redriven, befallen }
    }

    /// Checks that each of these faults has happened: else the run proves nothing.
    fn met(&self, faults: &[&str]) {
        for fault in faults {
            assert!(self.befallen.contains_key(fault), "{}: no `{fault}` in {:?}", self.name, self.befallen);
        }
    }

    /// Checks that the table holds the good rows, each as it is in the file, and nothing else.
    async fn table_is_right(&self) {
        let items = self.cloud.items().await;
        let expected: BTreeMap<&str, _> =
            self.file.good.values().map(|item| (item["id"].as_str(), item)).collect();
        let missing: Vec<_> = expected.keys().filter(|id| !items.contains_key(**id)).collect();
        let foreign: Vec<_> = items.keys().filter(|id| !expected.contains_key(id.as_str())).collect();
        let other: Vec<_> = items
            .iter()
            .filter(|(id, item)| expected.get(id.as_str()).is_some_and(|expected| expected != item))
            .collect();
        assert!(
            missing.is_empty() && foreign.is_empty() && other.is_empty(),
            "{}: missing {missing:?}, foreign {foreign:?}, with another content {other:?}; {:?}",
            self.name,
            self.befallen
        );
    }

    /// Checks that every row has its event: the good ones `record-loaded`, the bad ones `failed` with the right reason.
    ///
    /// A good row may be reported with `retries-exhausted` as well, if its message really was among the dead letters;
    /// it was sent again from there, and must be loaded all the same.
    fn events_are_right(&self) {
        let (lines, _) = self.cloud.ok(&["logs", "observe", "--output", "json"]);
        let (mut loaded, mut failed, mut completed) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            let Ok(event) = serde_json::from_str::<Value>(line["message"].as_str().expect("a message"))
            else {
                continue;
            };
            match event["message"].as_str() {
                Some("record-loaded") => drop(loaded.insert(event["record"].as_u64().expect("a row"))),
                Some("extraction-completed") => {
                    completed.insert((event["rows"].as_u64(), event["rejected"].as_u64()));
                }
                Some("failed") => {
                    let reason = event["reason"].as_str().expect("a reason").to_owned();
                    let record = event["record"].as_u64();
                    let record = record.unwrap_or_else(|| panic!("{}: the file failed: {event}", self.name));
                    failed.entry(record).or_insert_with(BTreeSet::new).insert(reason);
                }
                _ => {}
            }
        }
        let name = &self.name;
        let good: BTreeSet<u64> = self.file.good.keys().copied().collect();
        assert!(loaded == good, "{name}: loaded and not good, or the other way: {:?}", &loaded ^ &good);
        for (row, reason) in &self.file.bad {
            let reasons = failed.remove(row).unwrap_or_default();
            assert!(
                reasons.contains(*reason),
                "{name}: row {row} is {reason}, and was reported as {reasons:?}"
            );
        }
        for (row, reasons) in &failed {
            assert!(
                self.redriven > 0 && reasons.iter().eq(["retries-exhausted"]),
                "{name}: the good row {row} was reported as {reasons:?}"
            );
        }
        let rejected = self.file.rejected() as u64;
        assert_eq!(completed, BTreeSet::from([(Some(self.file.rows), Some(rejected))]), "{name}");
    }

    /// Checks that the tally names each row with its outcome.
    fn tally_is_right(&self) {
        let name = &self.name;
        let (tally, _) = self.cloud.json_failing(&["tally", "rows.csv", "--wait", "--timeout", "60s"], 7);
        assert_eq!(crate::schema::judge("tally", &tally), [""; 0], "{tally}");
        let expected = [self.file.rows, self.file.good.len() as u64, self.file.bad.len() as u64, 0];
        let said = ["rows", "loaded", "failed", "missing"].map(|name| tally[name].as_u64());
        assert_eq!(said, expected.map(Some), "{name}: {tally}");
        let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
        for failure in tally["failures"].as_array().expect("failures") {
            let reason = failure["reason"].as_str().expect("a reason");
            *failed.entry(reason).or_default() += failure["rows"].as_u64().expect("rows");
            for range in failure["ranges"].as_array().expect("ranges") {
                let [from, to] = [0, 1].map(|end| range[end].as_u64().expect("a row"));
                assert!((from..=to).all(|row| self.file.bad.get(&row) == Some(&reason)), "{name}: {failure}");
            }
        }
        let mut bad: BTreeMap<&str, u64> = BTreeMap::new();
        self.file.bad.values().for_each(|reason| *bad.entry(reason).or_default() += 1);
        assert_eq!(failed, bad, "{name}: {tally}");
    }
}

/// Sends the notification of an upload once more. S3 would send the same sequencer, by which ECS would recognise the
/// task; the local cloud's ECS doesn't, so that this is the worst case: two tasks read the same file.
async fn notify_again(cloud: &Cloud, object: &Value, size: usize) {
    let body = json!({ "Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": object["bucket"] },
            "object": {
                "key": object["key"],
                "size": size,
                "eTag": object["etag"],
                "versionId": object["version"],
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    }] });
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let url = cloud.queue_url("Arrivals").await;
    sqs.send_message().queue_url(url).message_body(body.to_string()).send().await.expect("SendMessage");
}

/// Moves dead letters back to their queues; returns their number.
async fn redrive(cloud: &Cloud) -> usize {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let mut moved = 0;
    for (queue, dead_letters) in QUEUES {
        if cloud.messages(dead_letters).await == 0 {
            continue;
        }
        let (from, to) = (cloud.queue_url(dead_letters).await, cloud.queue_url(queue).await);
        let received = sqs.receive_message().queue_url(&from).max_number_of_messages(10).send().await;
        for message in received.expect("ReceiveMessage").messages() {
            let body = message.body().unwrap_or_default();
            sqs.send_message().queue_url(&to).message_body(body).send().await.expect("SendMessage");
            let handle = message.receipt_handle().unwrap_or_default();
            sqs.delete_message().queue_url(&from).receipt_handle(handle).send().await.expect("DeleteMessage");
            moved += 1;
        }
    }
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_through_every_fault() {
    let rows = number("ROWS", ROWS);
    let mut kills = vec![
        (Victim::Transform, 10),
        (Victim::Transform, 40),
        (Victim::Load, 5),
        (Victim::Load, 20),
        (Victim::Observe, 3),
        (Victim::Observe, 20),
    ];
    if rows > ROWS {
        kills.extend([
            (Victim::Extract, 1),
            (Victim::Transform, 400),
            (Victim::Load, 300),
            (Victim::Observe, 200),
        ]);
    }
    let run = Run::of(Plan { rows, twice_notified: true, no_capacity: 2, kills }).await;
    run.met(&[
        "no capacity",
        "killed",
        "throttle",
        "error 500",
        "lost before",
        "cut",
        "lost after",
        "late",
        "refused event",
        "unprocessed item",
        "event twice",
        "other order",
        "tally refused",
    ]);
    run.table_is_right().await;
    run.events_are_right();
    run.tally_is_right();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_killed_three_times_loses_no_row() {
    let rows = number("ROWS", ROWS);
    let mut kills = vec![(Victim::Task, 10), (Victim::Task, 40), (Victim::Task, 70)];
    if rows > ROWS {
        kills.extend([
            (Victim::Task, 700),
            (Victim::Transform, 40),
            (Victim::Transform, 400),
            (Victim::Load, 20),
            (Victim::Load, 300),
            (Victim::Observe, 20),
            (Victim::Observe, 200),
        ]);
    }
    let run = Run::of(Plan { rows, twice_notified: false, no_capacity: 0, kills }).await;
    run.met(&["killed", "refused event", "unprocessed item"]);
    run.table_is_right().await;
    run.events_are_right();
    run.tally_is_right();
}
