//! The state of a stack and of a file, as `deployer status` shows it on the local cloud.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::cloud::{Cloud, STACK};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_followed_to_its_end_and_beyond() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);
    let idle = cloud.json(&["status"]);
    assert_eq!((&idle["files"], &idle["deadLetters"], &idle["unread"]), (&json!([]), &json!(0), &json!([])));
    let names: Vec<&Value> =
        idle["queues"].as_array().expect("queues").iter().map(|one| &one["name"]).collect();
    for name in ["arrivals", "transform", "load", "observe", "errors", "failures"] {
        assert!(names.contains(&&json!(name)), "{name} in {names:?}");
    }

    // A batch without messages does nothing.
    let answered = cloud.json(&["invoke", "transform", "--event", r#"{"Records":[]}"#]);
    assert_eq!(answered["answer"], json!({ "batchItemFailures": [] }), "{answered}");

    // One row lacks its key.
    cloud.write("bad.csv", b"ID,HouseNum,Street,Town,Zip\n1,1,A,B,C\n,2,A,B,C\n");
    cloud.json(&["upload", "bad.csv"]);
    cloud.json_failing(&["tally", "bad.csv", "--wait", "--timeout", "3m"], 7);
    // `report` writes its files after the last row.
    let mut file = Value::Null;
    for _ in 0..60 {
        (file, _) = cloud.json_failing(&["status", "bad.csv"], 7);
        if file["results"].is_object() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!((&file["tally"]["loaded"], &file["tally"]["failed"]), (&json!(1), &json!(1)), "{file}");
    assert_eq!(file["results"]["rejects"], "rejects/bad.csv.csv", "{file}");
    let commands: Vec<&str> =
        file["next"].as_array().expect("steps").iter().filter_map(|one| one["command"].as_str()).collect();
    assert_eq!(commands[0], "deployer docs missing-value");
    assert!(commands[1].ends_with("/rejects/bad.csv.csv ."), "{commands:?}");
    assert_eq!(commands[2], "deployer replay bad.csv --failed", "`local` is the default stack");

    // Its `failed` event waits in `errors`; a dead letter is counted once, and belongs to its queue.
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let dead = cloud.queue_url("ErrorsDeadLetters").await;
    sqs.send_message().queue_url(&dead).message_body("one").send().await.expect("SendMessage");
    let all = cloud.json(&["status"]);
    assert_eq!((&all["files"][0]["state"], &all["deadLetters"]), (&json!("rows-failed"), &json!(1)));
    let queue = |name: &str| {
        let mut queues = all["queues"].as_array().expect("queues").iter();
        queues.find(|one| one["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!((&queue("errors")["waiting"], &queue("errors")["deadLetters"]), (&json!(1), &json!(1)));
    assert_eq!(queue("arrivals")["functions"], json!([{ "name": "extract", "throttle": 2 }]));
    let (text, _) = cloud.ok(&["status", "--color", "never"]);
    assert!(text.contains("1 dead letter:") && text.contains("bad.csv  rows failed"), "{text}");

    let failed = cloud.json(&["errors"]);
    assert_eq!(failed["files"][0]["failures"][0]["reason"], "missing-value", "{failed}");
    assert_eq!(failed["deadLetters"], json!([{ "queue": "errors", "messages": 1 }]), "{failed}");

    // A look again and again ends when the file is settled.
    cloud.write("good.csv", b"ID,HouseNum,Street,Town,Zip\n7,1,A,B,C\n");
    cloud.json(&["upload", "good.csv"]);
    let watched = cloud.run(&["status", "good.csv", "--watch", "--interval", "1s", "--output", "json"]);
    let out = String::from_utf8_lossy(&watched.stdout).into_owned();
    let last = out.lines().last().expect("a document");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(crate::schema::judge("status", &last), [""; 0], "{last}");
    assert_eq!((watched.status.code(), &last["tally"]["state"]), (Some(0), &json!("loaded")), "{out}");
    assert_eq!(last["next"], json!([]));

    items_are_compared_with_the_file(&cloud).await;
}

/// `deployer items`, with the files of the test above.
async fn items_are_compared_with_the_file(cloud: &Cloud) {
    let all = cloud.json(&["items"]);
    let ids: BTreeSet<&str> =
        all["items"].as_array().expect("items").iter().filter_map(|item| item["id"]["S"].as_str()).collect();
    assert_eq!((ids, &all["more"]), (BTreeSet::from(["1", "7"]), &json!(false)), "{all}");
    let (few, log) = cloud.ok(&["items", "local", "--rows", "1"]);
    assert!(few.starts_with("id ") && log.contains("has more items"), "{few}\n{log}");

    let bad = cloud.json(&["items", "bad.csv"]);
    let states: Vec<&Value> = bad["rows"].as_array().expect("rows").iter().map(|row| &row["state"]).collect();
    assert_eq!(states, [&json!("same"), &json!("failed")], "{bad}");
    assert_eq!(bad["rows"][1]["reason"], "missing-value", "{bad}");

    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let table = all["table"].as_str().expect("a table");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = dynamodb.update_item().table_name(table).key("id", text("7"));
    let update = update.update_expression("SET town = :town").expression_attribute_values(":town", text("Z"));
    update.send().await.expect("UpdateItem");
    let (changed, log) = cloud.json_failing(&["items", "good.csv"], 7);
    let town = json!([{ "name": "town", "table": { "S": "Z" }, "file": { "S": "B" } }]);
    assert_eq!(
        (&changed["rows"][0]["state"], &changed["rows"][0]["different"]),
        (&json!("different"), &town),
        "{log}"
    );

    dynamodb.delete_item().table_name(table).key("id", text("7")).send().await.expect("DeleteItem");
    let missing = cloud.run(&["items", "good.csv", "--color", "never"]);
    let (shown, log) = (String::from_utf8_lossy(&missing.stdout), String::from_utf8_lossy(&missing.stderr));
    assert!(shown.contains("missing") && log.contains("of 1 row, 1 is missing in table"), "{shown}\n{log}");
    assert_eq!(missing.status.code(), Some(7));
    let (_, log) = cloud.ok(&["items", "good.csv", "--from", "2"]);
    assert!(log.contains("the object has no row 2"), "{log}");
    let (_, log) = cloud.json_failing(&["items", "none.csv"], 1);
    assert!(log.contains("there is no object s3://"), "{log}");
}
