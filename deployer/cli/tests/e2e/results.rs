//! The files that `report` writes about a file: the facts, and the rows that failed, which are corrected and uploaded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, STACK, csv_line};

/// Returns the repository's stack with fields that can fail.
fn stack() -> String {
    let edits = [
        ("house_number: { from: HouseNum }", "house_number: { from: HouseNum, type: integer, maximum: 999 }"),
        ("town: { from: Town }", "town: { from: Town, required: true }"),
        (
            "zip: { from: Zip }",
            "zip: { from: Zip, pattern: \"[0-9]{5}\" }\n          since: { from: Since, type: date }\n          paid: { from: Paid, type: boolean }",
        ),
    ];
    edits.iter().fold(STACK.to_owned(), |stack, (old, new)| {
        assert_eq!(stack.matches(old).count(), 1, "stack.yaml is another one: {old}");
        stack.replace(old, new)
    })
}

const ROWS: usize = 2_000;
const COLUMNS: [&str; 7] = ["ID", "HouseNum", "Street", "Town", "Zip", "Since", "Paid"];

fn right(row: usize) -> [String; 7] {
    let street = format!("Main Street {row}; \"left\", or ü");
    [
        format!("r{row}"),
        (row % 900).to_string(),
        street,
        "Town".into(),
        format!("{row:05}"),
        "2026-11-28".into(),
        "true".into(),
    ]
}

fn line(fields: &[String]) -> Vec<u8> {
    csv_line(&fields.iter().map(String::as_str).collect::<Vec<_>>()).into_bytes()
}

/// Returns the line of a row that is wrong in one of nine ways, and the reason.
fn wrong(row: usize, way: usize) -> (Vec<u8>, &'static str) {
    let mut fields = right(row).to_vec();
    let reason = match way {
        0 => {
            fields.pop();
            "row-length"
        }
        1 => {
            fields.push("more".into());
            "row-length"
        }
        2 => {
            fields[3].clear();
            "missing-value"
        }
        3 => {
            fields[1] = "many".into();
            "invalid-number"
        }
        4 => {
            fields[1] = "1000".into();
            "out-of-range"
        }
        5 => {
            fields[4] = "abc".into();
            "not-allowed"
        }
        6 => {
            fields[5] = "30 February".into();
            "invalid-timestamp"
        }
        7 => {
            fields[6] = "perhaps".into();
            "invalid-boolean"
        }
        _ => {
            let mut bytes = line(&fields);
            let place = bytes.iter().position(|byte| *byte == b'T').expect("the town");
            bytes[place] = 0xff;
            return (bytes, "invalid-encoding");
        }
    };
    (line(&fields), reason)
}

/// Waits for an object that a report writes, and returns it.
pub async fn object(cloud: &Cloud, key: &str, is_right: impl Fn(&str) -> bool) -> String {
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&cloud.sdk().await).force_path_style(true).build(),
    );
    let outputs = cloud.json(&["outputs"]);
    let bucket = outputs["outputs"]["bucket"].as_str().expect("the output `bucket`").to_owned();
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Ok(answer) = s3.get_object().bucket(&bucket).key(key).send().await {
            let bytes = answer.body.collect().await.expect("a body").into_bytes();
            let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            if is_right(&text) {
                return text;
            }
        }
        assert!(Instant::now() < end, "{key} was not written");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn results(cloud: &Cloud, key: &str, attempt: u64) -> Value {
    let is_right =
        |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|results| results["attempt"] == attempt);
    serde_json::from_str(&object(cloud, &format!("results/{key}.json"), is_right).await).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_failed_come_back_as_a_file_that_completes_the_account() {
    let cloud = Cloud::start(&stack());
    cloud.json(&["deploy", "local"]);
    let mut file = csv_line(&COLUMNS).into_bytes();
    let mut expected = Vec::new();
    for row in 1..=ROWS {
        // 37 rows: every 53rd, from the first to the last part of the file.
        match (row % 53 == 7, expected.len()) {
            (true, count) if count < 37 => {
                let (bytes, reason) = wrong(row, count % 9);
                file.extend(bytes);
                expected.push((row, reason));
            }
            _ => file.extend(line(&right(row))),
        }
    }
    assert_eq!(expected.len(), 37);
    let key = "in/käufer 1+2.csv";
    cloud.write("file.csv", &file);
    cloud.json(&["upload", "file.csv", "--key", key, "--no-check"]);
    let (tally, log) = cloud.json_failing(&["tally", key, "--wait", "--timeout", "5m"], 7);
    assert_eq!((&tally["loaded"], &tally["failed"]), (&(ROWS - 37).into(), &37.into()), "{log}");

    let found = results(&cloud, key, 1).await;
    assert_eq!(
        (&found["rows"], &found["loaded"], &found["skipped"], &found["failed"]),
        (&ROWS.into(), &(ROWS - 37).into(), &0.into(), &37.into()),
        "{found}"
    );
    assert_eq!(found["reasons"].as_object().map(serde_json::Map::len), Some(8), "{found}");
    assert_eq!(found["reasons"]["row-length"], 9);
    assert_eq!((&found["bytes"], &found["object"]["key"]), (&file.len().into(), &key.into()));
    assert!(found["seconds"].as_u64().is_some_and(|seconds| seconds < 300), "{found}");
    assert_eq!(found["files"]["rejects"], format!("rejects/{key}.csv"));

    let rejects = object(&cloud, &format!("rejects/{key}.csv"), |_| true).await;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(rejects.trim_start_matches('\u{feff}').as_bytes());
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    assert_eq!(header, [&["_row", "_reason", "_field", "_message"][..], &COLUMNS].concat());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    let reasons: Vec<(usize, &str)> =
        rows.iter().map(|row| (row[0].parse().expect("a number"), &row[1])).collect();
    assert_eq!(reasons, expected);
    assert_eq!((&rows[3][2], &rows[2][2]), ("house_number", "town"));
    assert_eq!(&rows[0][3], format!("row {} has 6 fields, but the header has 7 columns", &rows[0][0]));

    // A person corrects what is wrong, and leaves the rest as it is.
    let mut corrected = csv_line(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &rows {
        let own = right(row[0].parse().expect("a number"));
        let fields = row.iter().take(4).chain(own.iter().map(String::as_str));
        corrected.push_str(&csv_line(&fields.collect::<Vec<_>>()));
    }
    cloud.write("corrected.csv", corrected.as_bytes());
    // Nothing is wrong with it before it is uploaded, either.
    cloud.ok(&["preview", "corrected.csv", "--all"]);
    let uploaded = cloud.json(&["upload", "corrected.csv", "--wait", "--timeout", "3m"]);
    assert_eq!((&uploaded["loaded"], &uploaded["failed"]), (&37.into(), &0.into()), "{uploaded}");
    assert_eq!(results(&cloud, "corrected.csv", 1).await["loaded"], 37);

    // Results are no uploads: two files were uploaded, and the tally knows of two.
    let all = cloud.json(&["tally"]);
    assert_eq!(all["objects"].as_array().map(Vec::len), Some(2), "{all}");
    let client = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let outputs = cloud.json(&["outputs"]);
    let table = outputs["outputs"]["table"].as_str().expect("the output `table`");
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut items = 0;
    while let Some(item) = pages.next().await {
        let item = item.expect("Scan");
        assert_eq!(item.len(), 7, "{item:?}");
        items += 1;
    }
    assert_eq!(items, ROWS);
}

/// Returns the repository's stack with a town in every row, and a topic for people, whose messages a queue keeps.
fn required() -> String {
    let edits = [
        ("town: { from: Town }", "town: { from: Town, required: true }"),
        (
            "{ write: \"${landing}\" }, { tally: \"${tally}\" }]",
            "{ write: \"${landing}\" }, { tally: \"${tally}\" }, { publish: \"${people}\" }]",
        ),
        (
            "\nresources:\n",
            "\nresources:\n  mail: { type: queue }\n  people: { type: topic, properties: { subscriptions: [{ queue: \"${mail}\", raw: false }] } }\n",
        ),
    ];
    edits.iter().fold(STACK.to_owned(), |stack, (old, new)| {
        assert_eq!(stack.matches(old).count(), 1, "stack.yaml is another one: {old}");
        stack.replace(old, new)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_gives_a_result_of_its_own_and_a_file_that_fails_has_one() {
    let cloud = Cloud::start(&required());
    cloud.json(&["deploy", "local"]);
    cloud.write("file.csv", b"ID,HouseNum,Street,Town,Zip\n1,1,A,B,C\n2,2,A,,C\n3,3,A,B,C\n");
    cloud.json(&["upload", "file.csv"]);
    let first = results(&cloud, "file.csv", 1).await;
    assert_eq!(
        (&first["loaded"], &first["failed"], &first["reasons"]),
        (&2.into(), &1.into(), &json!({ "missing-value": 1 }))
    );
    let rejects = object(&cloud, "rejects/file.csv.csv", |_| true).await;
    assert_eq!(
        rejects.lines().nth(1),
        Some("2,missing-value,town,the column `Town` is empty,2,2,A,,C"),
        "{rejects}"
    );
    let stack = required().replace("town: { from: Town, required: true }", "town: { from: Town }");
    cloud.write("stack.yaml", stack.as_bytes());
    cloud.json(&["deploy", "local", "-y"]);
    cloud.json(&["replay", "file.csv", "--failed", "-y"]);
    let second = results(&cloud, "file.csv", 2).await;
    assert_eq!(
        (&second["loaded"], &second["failed"], &second["files"]["rejects"]),
        (&3.into(), &0.into(), &Value::Null)
    );

    cloud.write("double.csv", b"ID,ID\n1,2\n");
    cloud.json(&["upload", "double.csv", "--no-check"]);
    let failed = results(&cloud, "double.csv", 1).await;
    assert_eq!(
        (&failed["failure"]["reason"], &failed["rows"]),
        (&"duplicate-header".into(), &0.into()),
        "{failed}"
    );

    // People have got a message about each.
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let url = cloud.queue_url("Mail").await;
    let mut subjects = Vec::new();
    let end = Instant::now() + Duration::from_secs(60);
    while subjects.len() < 3 && Instant::now() < end {
        let call = sqs.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1);
        for message in call.send().await.expect("ReceiveMessage").messages() {
            let body: Value = serde_json::from_str(message.body().expect("a body")).expect("JSON");
            subjects.push(body["Subject"].as_str().expect("a subject").to_owned());
        }
    }
    subjects.sort();
    let expected = [
        "double.csv: the file failed: duplicate-header",
        "file.csv: 2 of 3 rows loaded, 1 failed",
        "file.csv: 3 of 3 rows loaded",
    ];
    assert_eq!(subjects, expected);
}
