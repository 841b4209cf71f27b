use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::testing::{Bus, delivery};

/// A cluster that behaves as ECS's documentation describes: a token that started a task returns that task again.
#[derive(Default)]
struct Cluster {
    /// Answers to the next calls, for keys that start with the first part; then tasks start.
    refusals: Mutex<Vec<(&'static str, StartError)>>,
    started: Mutex<HashMap<String, String>>,
    tokens: Mutex<Vec<String>>,
    assignments: Mutex<Vec<Assignment>>,
}

impl Tasks for &Cluster {
    async fn start(
        &self,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
    ) -> Result<String, StartError> {
        assert!(token.len() <= 64 && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{token}");
        self.assignments.lock().expect("lock").push(assignment.clone());
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

/// The reader of a function that reads no object itself.
struct NoReader;

impl Inline for NoReader {
    async fn extract(&self, object: &ObjectRef, _: Option<Instant>) -> task::Outcome {
        panic!("{} is read", object.key)
    }
}

#[derive(Default)]
struct Delays {
    fail: bool,
    set: Mutex<Vec<i32>>,
    sent: Mutex<Vec<(Value, i32)>>,
}

impl Delay for &Delays {
    async fn delay(&self, message: &QueueOrigin, seconds: i32) -> Result<(), String> {
        assert_eq!(message.receipt_handle, "r");
        self.set.lock().expect("lock").push(seconds);
        if self.fail { Err("AccessDenied".into()) } else { Ok(()) }
    }

    async fn send_later(&self, message: &QueueOrigin, body: &str, seconds: i32) -> Result<(), String> {
        assert_eq!(message.receipt_handle, "r");
        if self.fail {
            return Err("AccessDenied".into());
        }
        self.sent.lock().expect("lock").push((serde_json::from_str(body).expect("JSON"), seconds));
        Ok(())
    }
}

fn record(key: &str, size: u64) -> Value {
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": size, "eTag": "e", "sequencer": "AB" } } })
}

fn object(key: &str) -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: key.into(),
        version: None,
        etag: Some("e".into()),
        uploaded: None,
        replay: None,
    }
}

fn started(key: &str, task: u32) -> Detail {
    Detail::TaskStarted { object: object(key), task: format!("arn:task/{task}") }
}

fn no_capacity() -> StartError {
    StartError::NotPlaced("RESOURCE:FARGATE".into())
}

async fn run(cluster: &Cluster, delays: &Delays, bus: &Bus, records: Value, attempt: u32) -> Outcome {
    let settings = ExtractSettings { shard_size: 100, max_tasks: 4, inline: None };
    let function = Extract::new(settings, cluster, delays, bus.publisher(), None::<NoReader>);
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
    let completed = Detail::ExtractionCompleted {
        object: object("a/"),
        rows: 0,
        bytes: 0,
        rejected: 0,
        skipped: None,
        encoding: None,
        shard: None,
    };
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
async fn what_asks_for_nothing_is_done() {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let mut removed = record("a", 3);
    removed["eventName"] = json!("ObjectRemoved:Delete");
    for body in [
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }),
        json!({ "source": "aws.s3", "detail-type": "Object Deleted", "detail": {} }),
        json!({ "Records": [removed, record("", 3)] }),
    ] {
        assert_eq!(run(&cluster, &delays, &bus, body, 1).await, Ok(()));
    }
    assert!(bus.published().is_empty() && cluster.tokens.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn an_upload_that_is_announced_by_way_of_a_topic_starts_a_task() {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let inner = json!({ "Records": [record("a+b.csv", 3)] });
    let body = json!({ "Type": "Notification", "MessageId": "1", "Message": inner.to_string() });
    // The second time raw, as another subscription of the topic would have it.
    for body in [body, inner] {
        assert_eq!(run(&cluster, &delays, &bus, body, 1).await, Ok(()));
    }
    assert_eq!(bus.published(), [started("a b.csv", 1), started("a b.csv", 1)]);
}

#[tokio::test]
async fn what_is_not_understood_goes_back_soon_and_is_reported_in_the_end() {
    let (cluster, bus): (Cluster, Bus) = Default::default();
    let mut nameless = record("a", 3);
    nameless["s3"]["bucket"] = json!({});
    for body in [Some(json!({ "hello": "world" })), Some(json!({ "Records": [nameless] })), None] {
        let delays = Delays::default();
        let function =
            Extract::new(ExtractSettings::default(), &cluster, &delays, bus.publisher(), None::<NoReader>);
        for (attempt, reported) in [(1, 0), (2, 0), (3, 1)] {
            let before = bus.published().len();
            let message =
                Delivery { body: body.as_ref().map(Value::to_string), ..delivery(json!({}), attempt) };
            assert!(function.handle(&[message]).await[0].is_err(), "{body:?}");
            assert_eq!(bus.published().len(), before + reported, "{body:?}");
        }
        assert_eq!(*delays.set.lock().expect("lock"), [5, 5, 5]);
    }
    assert!(bus.published().iter().all(
        |detail| matches!(detail, Detail::Failed { reason: Reason::MalformedEvent, object: None, message, .. }
        if message.starts_with("message m: cannot process the message: "))
    ));
    assert!(cluster.tokens.lock().expect("lock").is_empty());
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

#[test]
fn parts_are_even_and_leave_nothing_out() {
    let settings = ExtractSettings { shard_size: 100, max_tasks: 4, inline: None };
    for whole in [None, Some(0), Some(100)] {
        assert_eq!(parts(&settings, whole), [None]);
    }
    let of = |size: u64| -> Vec<(u32, u64, Option<u64>)> {
        let part = |part: Option<Part>| part.map(|part| (part.shard.index, part.from, part.to));
        parts(&settings, Some(size)).into_iter().map(|it| part(it).expect("a part")).collect()
    };
    assert_eq!(of(101), [(1, 0, Some(50)), (2, 50, None)]);
    assert_eq!(of(1000), [(1, 0, Some(250)), (2, 250, Some(500)), (3, 500, Some(750)), (4, 750, None)]);
    assert_eq!(of(u64::MAX).len(), 4);
    let one = ExtractSettings { max_tasks: 0, shard_size: 0, inline: None };
    assert_eq!(parts(&one, Some(1000)), [None]);
}

#[tokio::test]
async fn the_parts_of_a_large_object_are_started_once_each() {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let records = json!({ "Records": [record("a", 250)] });
    cluster.refusals.lock().expect("lock").push(("a", no_capacity()));
    assert!(run(&cluster, &delays, &bus, records.clone(), 1).await.is_err());
    assert_eq!(cluster.started.lock().expect("lock").len(), 2, "all but the first");
    assert_eq!(run(&cluster, &delays, &bus, records, 2).await, Ok(()));
    assert_eq!(cluster.started.lock().expect("lock").len(), 3);
    let assignments = cluster.assignments.lock().expect("lock").clone();
    assert_eq!(assignments[..3], assignments[3..], "the same parts again");
    let shards: Vec<_> = assignments[..3].iter().map(|one| one.part.expect("a part").shard).collect();
    assert_eq!(shards, [1, 2, 3].map(|index| Shard { index, of: 3 }));
}

#[tokio::test]
async fn a_request_starts_one_task_for_the_rows_that_it_names() {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let request = |id: &str| json!({ "replay": "failed", "object": object("a"), "id": id });
    for id in ["1", "1", "2/é"] {
        assert_eq!(run(&cluster, &delays, &bus, request(id), 1).await, Ok(()));
    }
    assert_eq!(bus.published(), [started("a", 1), started("a", 1), started("a", 2)]);
    let replay = Some(contract::Replay::Failed);
    assert!(cluster.assignments.lock().expect("lock").iter().all(|one| one.replay == replay));
}

fn task_stopped(code: &str, exit: Option<i64>, assignment: &Assignment, task: &str) -> Value {
    let variable = |name: &str, value: String| json!({ "name": name, "value": value });
    let mut container = json!({ "name": "extraction", "lastStatus": "STOPPED" });
    if let Some(code) = exit {
        container["exitCode"] = json!(code);
    }
    json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {
        "taskArn": task, "lastStatus": "STOPPED", "startedBy": "deployer", "stopCode": code,
        "stoppedReason": "why", "containers": [container],
        "overrides": { "containerOverrides": [{ "name": "extraction", "environment": [
            variable("OBJECT", json!(object("a")).to_string()),
            variable("ASSIGNMENT", json!(assignment).to_string()),
        ] }] },
    } })
}

/// Lets tasks stop in this way, each in the place of the one before, until the object is given up. Returns the wait
/// before each restart, and the failure.
async fn restarts(code: &str, exit: Option<i64>) -> (Vec<i32>, Reason, String) {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let part = Part { shard: Shard { index: 2, of: 2 }, from: 50, to: None };
    let mut assignment = Assignment { part: Some(part), ..Assignment::default() };
    let mut waited = Vec::new();
    loop {
        let event = task_stopped(code, exit, &assignment, &format!("arn:{}", waited.len()));
        // ECS reports it twice.
        for _ in 0..2 {
            assert_eq!(run(&cluster, &delays, &bus, event.clone(), 1).await, Ok(()));
        }
        if let Some(Detail::Failed { reason, message, object: failed, .. }) = bus.published().last() {
            assert_eq!(failed.as_ref(), Some(&object("a")));
            return (waited, *reason, message.clone());
        }
        let sent = std::mem::take(&mut *delays.sent.lock().expect("lock"));
        for (message, _) in &sent {
            assert_eq!(run(&cluster, &delays, &bus, message.clone(), 1).await, Ok(()));
        }
        waited.push(sent.first().map_or(0, |(_, seconds)| *seconds));
        assignment.restarts += 1;
        assert_eq!(cluster.assignments.lock().expect("lock").last(), Some(&assignment));
        assert_eq!(
            cluster.started.lock().expect("lock").len(),
            waited.len(),
            "one task for each that stopped"
        );
    }
}

#[tokio::test]
async fn restarts_wait_by_stop_code_and_count() {
    for (code, exit, waits, reason) in [
        ("EssentialContainerExited", Some(1), [0, 60, 120, 240, 480], Reason::Interrupted),
        ("EssentialContainerExited", Some(137), [0, 60, 120, 240, 480], Reason::Interrupted),
        ("TaskFailedToStart", None, [60, 120, 240, 480, 900], Reason::TaskNotStarted),
        ("SpotInterruption", Some(137), [0; 5], Reason::Interrupted),
        ("TerminationNotice", Some(1), [0; 5], Reason::Interrupted),
    ] {
        let (waited, given, message) = restarts(code, exit).await;
        assert_eq!((&waited[..], given), (&waits[..], reason), "{code}");
        assert!(message.contains("why"), "{message}");
    }
}

/// Somebody waits for a verification: only a task whose capacity was taken away is started again.
#[tokio::test]
async fn a_task_of_a_verification_is_given_up_at_once() {
    for (code, exit, reason) in [
        ("EssentialContainerExited", Some(1), Some(Reason::Interrupted)),
        ("TaskFailedToStart", None, Some(Reason::TaskNotStarted)),
        ("SpotInterruption", Some(137), None),
    ] {
        let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
        let mut event = task_stopped(code, exit, &Assignment::default(), "arn");
        let key = format!("{}0123456789abcdef0123456789abcdef.csv", verification::MARK);
        event["detail"]["overrides"]["containerOverrides"][0]["environment"][0]["value"] =
            json!(json!(object(&key)).to_string());
        assert_eq!(run(&cluster, &delays, &bus, event, 1).await, Ok(()));
        let found = bus.published().iter().find_map(|detail| match detail {
            Detail::Failed { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(found, reason, "{code}");
        let started = cluster.started.lock().expect("lock").len();
        assert_eq!(
            (started, delays.sent.lock().expect("lock").len()),
            (usize::from(reason.is_none()), 0),
            "{code}"
        );
    }
}

#[tokio::test]
async fn what_would_end_in_the_same_way_is_not_started_again() {
    let (waited, reason, _) = restarts("UserInitiated", Some(1)).await;
    assert_eq!((waited, reason), (vec![], Reason::Interrupted));

    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    let mut event = task_stopped("EssentialContainerExited", Some(137), &Assignment::default(), "arn");
    event["detail"]["containers"][0]["reason"] =
        json!("OutOfMemoryError: Container killed due to memory usage");
    assert_eq!(run(&cluster, &delays, &bus, event, 1).await, Ok(()));
    assert!(matches!(
        &bus.published()[..],
        [Detail::Failed { reason: Reason::OutOfMemory, message, .. }] if message.contains("`memory` of `extraction`")
    ));

    let bus = Bus::default();
    let mut event = task_stopped("TaskFailedToStart", None, &Assignment::default(), "arn");
    event["detail"]["stoppedReason"] =
        json!("CannotPullContainerError: pull image manifest has been retried 1 time(s): not found");
    assert_eq!(run(&cluster, &delays, &bus, event, 1).await, Ok(()));
    assert!(matches!(
        &bus.published()[..],
        [Detail::Failed { reason: Reason::TaskNotStarted, message, .. }] if message.contains("CannotPullContainerError")
    ));
    assert!(cluster.tokens.lock().expect("lock").is_empty() && delays.sent.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_restart_that_cannot_be_sent_comes_again() {
    let (cluster, bus): (Cluster, Bus) = Default::default();
    let delays = Delays { fail: true, ..Delays::default() };
    let event = task_stopped("TaskFailedToStart", None, &Assignment::default(), "arn");
    let outcome = run(&cluster, &delays, &bus, event.clone(), 1).await;
    assert!(outcome.expect_err("not sent").cause.ends_with("AccessDenied"));
    assert!(run(&cluster, &delays, &bus, event, 3).await.is_err());
    assert!(matches!(&bus.published()[..], [Detail::Failed { reason: Reason::TaskNotStarted, .. }]));
}

#[tokio::test]
async fn a_task_that_came_to_its_end_is_not_started_again() {
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    for exit in [0, 2] {
        let event = task_stopped("EssentialContainerExited", Some(exit), &Assignment::default(), "arn");
        assert_eq!(run(&cluster, &delays, &bus, event, 1).await, Ok(()));
    }
    assert!(bus.published().is_empty() && cluster.tokens.lock().expect("lock").is_empty());
}

/// A report about a report would have no end.
#[tokio::test]
async fn files_about_objects_start_nothing() {
    let keys = ["results%2Fa.csv.json", "rejects/a+b.csv.csv", "results/", "rejects/x.csv.partial"];
    let (cluster, delays, bus): (Cluster, Delays, Bus) = Default::default();
    for size in [0, 3, 1_000] {
        let records: Vec<Value> = keys.iter().map(|key| record(key, size)).collect();
        let function =
            Extract::new(ExtractSettings::default(), &cluster, &delays, bus.publisher(), None::<NoReader>);
        let function = function.ignoring_results(true);
        let outcomes = function.handle(&[delivery(json!({ "Records": records }), 1)]).await;
        assert_eq!(outcomes, [Ok(())]);
    }
    assert_eq!(bus.published(), []);
    assert!(cluster.started.lock().expect("lock").is_empty());
    // Others do, also where there is no report.
    let records = json!({ "Records": [record("in/results/a.csv", 3), record("result.csv", 3)] });
    let function =
        Extract::new(ExtractSettings::default(), &cluster, &delays, bus.publisher(), None::<NoReader>);
    assert_eq!(function.ignoring_results(true).handle(&[delivery(records, 1)]).await, [Ok(())]);
    assert_eq!(run(&cluster, &delays, &bus, json!({ "Records": [record("results/a", 3)] }), 1).await, Ok(()));
    assert_eq!(cluster.started.lock().expect("lock").len(), 3);
}
