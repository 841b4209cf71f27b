//! The tally: the account that `observe` keeps, as `deployer tally` shows it and `deployer replay` uses it.

use serde_json::{Value, json};

use crate::cloud::{Cloud, STACK};

const GOOD: &[u8] = b"ID,HouseNum,Street,Town,Zip\n1,1,A,B,C\n2,2,A,B,C\n3,3,A,B,C\n";
/// A file with a short row, and one without its key.
const BAD: &[u8] = b"ID,HouseNum,Street,Town,Zip\n1,1,A,B,C\nshort,2\n,4,A,B,C\n5,5,A,B,C\n";

fn reasons(tally: &Value) -> Vec<(&str, &str, &Value)> {
    let failures = tally["failures"].as_array().expect("failures");
    failures
        .iter()
        .map(|one| {
            (
                one["stage"].as_str().expect("a stage"),
                one["reason"].as_str().expect("a reason"),
                &one["ranges"],
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_accounted_for() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);
    assert_eq!(cloud.json(&["tally"])["objects"], json!([]));

    cloud.write("good.csv", GOOD);
    cloud.json(&["upload", "good.csv"]);
    let good = cloud.json(&["tally", "good.csv", "--wait", "--timeout", "3m"]);
    for stage in ["rows", "extracted", "transformed", "loaded"] {
        assert_eq!(good[stage], 3, "{stage} in {good}");
    }
    assert_eq!((&good["complete"], &good["percent"]), (&true.into(), &100.0.into()));
    assert_eq!(good["tasks"].as_array().map(Vec::len), Some(1));
    let (text, _) = cloud.ok(&["tally", "good.csv"]);
    assert!(text.contains("3 of 3, 100 %"), "{text}");

    cloud.write("bad.csv", BAD);
    let (uploaded, log) = cloud.json_failing(&["upload", "bad.csv", "--wait", "--timeout", "3m"], 7);
    assert_eq!((&uploaded["loaded"], &uploaded["failed"]), (&2.into(), &2.into()), "{log}");
    let (bad, log) = cloud.json_failing(&["tally", "bad.csv"], 7);
    assert_eq!(
        (&bad["failed"], &bad["missing"], &bad["complete"]),
        (&2.into(), &0.into(), &true.into()),
        "{log}"
    );
    let expected =
        [("extraction", "row-length", &json!([[2, 2]])), ("transform", "missing-value", &json!([[3, 3]]))];
    assert_eq!(reasons(&bad), expected, "{bad}");
    assert!(log.contains("of 4 rows, 2 failed and 0 are missing"), "{log}");

    // Nothing is missing, so nothing is sent; the other command cannot ask for confirmation.
    let nothing = cloud.json(&["replay", "bad.csv", "--missing", "-y"]);
    assert_eq!((&nothing["rows"], &nothing["id"]), (&0.into(), &Value::Null));
    assert_eq!(cloud.run(&["replay", "bad.csv", "--failed"]).status.code(), Some(5));

    // The newest come first.
    let all = cloud.json(&["tally"]);
    let keys: Vec<&Value> =
        all["objects"].as_array().expect("objects").iter().map(|one| &one["object"]["key"]).collect();
    assert_eq!(keys, ["bad.csv", "good.csv"]);
    let unknown = cloud.run(&["tally", "none.csv"]);
    let log = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1), "{log}");
    assert!(log.contains("there is no object"), "{log}");

    // The `failed` events wait in their queue, and the dead letters go back.
    assert_eq!(cloud.messages("Errors").await, 2);
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let dead = cloud.queue_url("ErrorsDeadLetters").await;
    for body in ["one", "two"] {
        sqs.send_message().queue_url(&dead).message_body(body).send().await.expect("SendMessage");
    }
    let moved = cloud.json(&["replay", "--dead-letters", "errors", "-y"]);
    assert_eq!((&moved["messages"], &moved["queues"][0]["queue"]), (&2.into(), &"errors".into()));
    assert_eq!((cloud.messages("Errors").await, cloud.messages("ErrorsDeadLetters").await), (4, 0));
}

/// Returns the repository's stack, with objects in parts of a mebibyte, several rows in an event, and a town in every
/// row.
fn divided() -> String {
    let edits = [
        ("worker: extract\n", "worker: extract\n      settings: { shardSize: 1MiB, maxTasks: 3 }\n"),
        ("disk: 21GiB\n", "disk: 21GiB\n      settings: { rowsPerEvent: 10 }\n"),
        ("worker: load\n", "worker: load\n      settings: { onConflict: newest }\n"),
        ("town: { from: Town }", "town: { from: Town, required: true }"),
    ];
    edits.iter().fold(STACK.to_owned(), |stack, (old, new)| {
        assert_eq!(stack.matches(old).count(), 1, "stack.yaml is another one: {old}");
        stack.replace(old, new)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_parts_arrives_whole_and_what_failed_is_sent_again() {
    let cloud = Cloud::start(&divided());
    cloud.json(&["deploy", "local"]);
    let rows = 1_200;
    let street = "a street, \"quoted\"\nin two lines ".repeat(70).replace('"', "\"\"");
    let mut text = "ID,HouseNum,Street,Town,Zip\n".to_owned();
    for row in 1..=rows {
        let town = if row % 500 == 0 { "" } else { "Town" };
        text.push_str(&format!("r{row},{row},\"{street}\",{town},Z\n"));
    }
    assert!(text.len() > 2 << 20, "three parts");
    cloud.write("large.csv", text.as_bytes());
    cloud.json(&["upload", "large.csv"]);
    let (tally, log) = cloud.json_failing(&["tally", "large.csv", "--wait", "--timeout", "3m"], 7);
    assert_eq!(
        (&tally["rows"], &tally["loaded"], &tally["failed"], &tally["missing"]),
        (&rows.into(), &1_198.into(), &2.into(), &0.into()),
        "{tally} {log}"
    );
    let shards = tally["shards"].as_array().expect("parts");
    assert_eq!(shards.len(), 3, "{tally}");
    let sum: u64 = shards.iter().filter_map(|shard| shard["rows"].as_u64()).sum();
    assert_eq!(sum, rows, "{tally}");
    assert!(shards.iter().all(|shard| shard["rows"].as_u64() > Some(100)), "{tally}");
    assert_eq!(reasons(&tally), [("transform", "missing-value", &json!([[500, 500], [1000, 1000]]))]);
    let items = cloud.items().await;
    assert_eq!(items.len(), 1_198);
    assert!(items["r7"]["street_address"].starts_with("a street, \"quoted\"\nin"), "{:?}", items["r7"]);
    assert!(items["r7"]["_version"].ends_with("#00000000000000000007"), "{:?}", items["r7"]);

    // The file is right after all: its rows are sent again, and no others.
    let stack = divided().replace("town: { from: Town, required: true }", "town: { from: Town }");
    cloud.write("stack.yaml", stack.as_bytes());
    cloud.json(&["deploy", "local", "-y"]);
    let replayed = cloud.json(&["replay", "large.csv", "--failed", "-y"]);
    assert_eq!(replayed["rows"], 2, "{replayed}");
    // The object was complete before: waiting is for the rows that were asked for.
    let again = cloud.json(&["tally", "large.csv", "--wait", "--timeout", "3m"]);
    assert_eq!((&again["loaded"], &again["pendingReplays"]), (&1_200.into(), &json!([])), "{again}");
    let items = cloud.items().await;
    assert_eq!((items.len(), items["r500"]["town"].as_str()), (1_200, ""));
}
