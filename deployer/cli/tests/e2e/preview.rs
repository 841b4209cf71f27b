//! `preview` beside the pipeline: both give the same items, the same failures and the same skipped rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::cloud::{Cloud, STACK};

/// The fields of the rows that [`rows`] writes: a numeric key, and every type.
const FIELDS: &str = r##"          id: { from: ID, type: integer, required: true }
          order: "ORDER#${ID}"
          name: { from: Name, trim: true, case: lower, maxLength: 12 }
          amount: { from: Amount, type: number, decimal: ",", group: ".", maximum: 5000 }
          paid: { from: Paid, type: boolean, empty: "null" }
          placed: { from: Placed, type: timestamp, format: ["%d/%m/%Y %H:%M", "%s"], zone: Europe/Berlin }
          expires: { from: Placed, type: timestamp, format: ["%d/%m/%Y %H:%M", "%s"], zone: Europe/Berlin, plus: 90d, as: epoch }
          day: { from: Day, type: date }
          status: { from: Status, values: { N: new, P: paid }, otherwise: keep }
          tags: { from: Tags, type: set, separator: "|" }
          more: { from: Json, type: json }
          raw: { from: Raw, type: binary }
          address: { map: { street: { from: Street }, geo: { map: { lat: { from: Lat, type: number } } } } }
          double: { expression: "has(item.amount) ? item.amount * 2.0 : 0.0" }
        where: Status != "X"
"##;

/// Returns the stack with these fields in the place of its own.
fn stack() -> String {
    let start = STACK.find("          id: { from: ID").expect("the fields");
    let end = start + STACK[start..].find("  load:").expect("`load`");
    let stack = format!("{}{FIELDS}{}", &STACK[..start], &STACK[end..]);
    let stack = stack.replace("key: { id: string }", "key: { id: number }");
    let settings =
        "      access: [{ read: \"${landing}\" }, { publish: \"${events}\" }, { tally: \"${tally}\" }]\n";
    assert!(stack.contains(settings), "stack.yaml is another one");
    stack.replace(settings, &format!("{settings}      settings: {{ rowsPerEvent: 50 }}\n"))
}

/// Returns a file of 2,000 rows, of which some are left out, and some fail in each of several ways.
fn rows() -> String {
    let mut text = "ID,Name,Amount,Paid,Placed,Day,Status,Tags,Json,Raw,Street,Lat\n".to_owned();
    for row in 1..=2_000_u32 {
        let pick = |of: u32, values: &[&'static str]| {
            values[usize::try_from(row / of).expect("small") % values.len()]
        };
        let id = if row % 211 == 0 { "x".to_owned() } else { row.to_string() };
        let amount = match row % 97 {
            0 => "1,5,0".to_owned(),
            1 => "9.999,00".to_owned(),
            _ => format!("1.{:03},{:02}", row % 1_000, row % 100),
        };
        let placed = pick(
            1,
            &["31/01/2026 12:30", "29/03/2026 02:30", "1767225600", "25/10/2026 02:30", "01/07/2026 00:00"],
        );
        let name = pick(2, &["  Ann ", "\"O\"\"Neil, Ü\"", "Straße", "much too long a name"]);
        let json = pick(
            3,
            &[
                "\"{\"\"a\"\":[1.10,null,true],\"\"b\"\":{}}\"",
                "\"[1,2\"",
                "12345678901234567890123456789012345678",
                "",
            ],
        );
        let tags = pick(5, &["a|b|a", "", "c"]);
        let raw = pick(7, &["3q2+7w==", "\\xdead", "", "%%"]);
        let (paid, day) = (pick(4, &["t", "no", ""]), pick(6, &["2026-02-28", "", "2024-02-29"]));
        let (status, lat) = (pick(8, &["N", "X", "P", "Q"]), pick(9, &["1e-07", "-12.50", ""]));
        writeln!(
            text,
            "{id},{name},\"{amount}\",{paid},{placed},{day},{status},{tags},{json},{raw},High Street,{lat}"
        )
        .expect("a text");
    }
    text
}

/// Returns DynamoDB's JSON of a value, with sets in one order.
fn dynamodb_json(value: &AttributeValue) -> Value {
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts
    };
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes.as_ref()) }),
        AttributeValue::Ss(texts) => json!({ "SS": sorted(texts) }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(dynamodb_json).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: Map<String, Value> =
                map.iter().map(|(name, value)| (name.clone(), dynamodb_json(value))).collect();
            json!({ "M": map })
        }
        other => panic!("no field has this type: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_makes_the_items_that_the_preview_shows() {
    let cloud = Cloud::start(&stack());
    cloud.write("rows.csv", rows().as_bytes());
    let shown =
        cloud.command(&["preview", "rows.csv", "--all", "--output", "ndjson"]).output().expect("preview");
    assert_eq!(shown.status.code(), Some(7), "{}", String::from_utf8_lossy(&shown.stderr));
    let (mut expected, mut failed, mut skipped) = (BTreeMap::new(), BTreeMap::<String, u64>::new(), 0);
    for (index, line) in String::from_utf8(shown.stdout).expect("UTF-8").lines().enumerate() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["row"], index + 1, "{line}");
        if let Some(item) = line.get("item") {
            expected.insert(item["id"]["N"].as_str().expect("a number").to_owned(), item.clone());
        } else if let Some(failure) = line.get("failed") {
            let reason = failure["reason"].as_str().expect("a reason").to_owned();
            *failed.entry(reason).or_default() += 1;
        } else {
            assert_eq!(line["skipped"], "where", "{line}");
            skipped += 1;
        }
    }
    let rejected: u64 = failed.values().sum();
    assert_eq!(expected.len() as u64 + rejected + skipped, 2_000);
    for reason in ["invalid-number", "out-of-range", "invalid-timestamp", "invalid-json", "invalid-binary"] {
        assert!(failed.contains_key(reason), "{reason} is not among {failed:?}");
    }

    cloud.json(&["deploy", "local"]);
    let (uploaded, log) = cloud.json_failing(&["upload", "rows.csv", "--wait", "--timeout", "5m"], 7);
    assert_eq!(uploaded["loaded"], expected.len(), "{log}");
    let (tally, log) = cloud.json_failing(&["tally", "rows.csv"], 7);
    assert_eq!((&tally["failed"], &tally["skipped"]), (&rejected.into(), &skipped.into()), "{log}");
    let failures = tally["failures"].as_array().expect("failures").iter();
    let by_reason: BTreeMap<String, u64> = failures
        .map(|one| {
            (one["reason"].as_str().expect("a reason").to_owned(), one["rows"].as_u64().expect("rows"))
        })
        .collect();
    assert_eq!(by_reason, failed, "{tally}");

    let outputs = cloud.json(&["outputs"]);
    let table = outputs["outputs"]["table"].as_str().expect("the output `table`");
    let client = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut found = BTreeMap::new();
    while let Some(item) = pages.next().await {
        let item: Map<String, Value> =
            item.expect("Scan").iter().map(|(name, value)| (name.clone(), dynamodb_json(value))).collect();
        found.insert(item["id"]["N"].as_str().expect("a number").to_owned(), Value::Object(item));
    }
    assert_eq!(found.len(), expected.len());
    for (id, item) in &expected {
        assert_eq!(found.get(id), Some(item), "the item {id}");
    }
}
