//! Rows of every shape, keys of every kind.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::cloud::{Cloud, STACK, csv_line};

/// Returns 1,000 rows with quoted commas, quotes, newlines and unicode.
fn thousand() -> (String, BTreeMap<String, BTreeMap<String, String>>) {
    let names = ["id", "house_number", "street_address", "town", "zip"];
    let mut text = csv_line(&["ID", "HouseNum", "Street", "Town", "Zip"]);
    let mut expected = BTreeMap::new();
    for row in 0..1_000 {
        let street = match row % 5 {
            0 => format!("Main Street {row}"),
            1 => format!("Road, with comma {row}"),
            2 => format!("The \"quoted\" lane {row}"),
            3 => format!("Line one\nline two {row}"),
            _ => format!("Größe 東京 🦀 {row}"),
        };
        let fields =
            [row.to_string(), (row % 97).to_string(), street, format!(" spaced {row} "), format!("0{row}")];
        text.push_str(&csv_line(&fields.each_ref().map(String::as_str)));
        let item =
            names.iter().zip(&fields).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        expected.insert(row.to_string(), item);
    }
    (text, expected)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rows_arrive_exactly() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);
    let (text, expected) = thousand();
    cloud.write("thousand.csv", text.as_bytes());
    let uploaded = cloud.json(&["upload", "thousand.csv", "--wait", "--timeout", "5m"]);
    assert_eq!(
        (&uploaded["rows"], &uploaded["loaded"], &uploaded["failed"]),
        (&1_000.into(), &1_000.into(), &0.into())
    );
    let items = cloud.items().await;
    assert_eq!(items.len(), 1_000);
    for (id, item) in &expected {
        assert_eq!(items.get(id), Some(item));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_keys_and_bad_rows() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);

    let header = "ID,HouseNum,Street,Town,Zip\n";
    cloud.write("file.csv", format!("{header}k1,1,A,B,C\n").as_bytes());
    for key in ["my file+1.csv", "50%41 ü 東.csv", "a/b//c=d&e?.csv", "%2B%20.csv"] {
        let uploaded = cloud.json(&["upload", "file.csv", "--key", key, "--wait", "--timeout", "2m"]);
        assert_eq!((&uploaded["object"]["key"], &uploaded["loaded"]), (&key.into(), &1.into()));
    }

    // The rows have a BOM, CRLF, a blank line, a short row, a long one, one without its key, one that is not UTF-8, and
    // no final newline.
    let bad = b"\xef\xbb\xbfID,HouseNum,Street,Town,Zip\r\ng1,1,A,B,C\r\n\r\nshort,2\r\nlong,3,A,B,C,D\r\n,4,A,B,C\r\nbytes,5,\xff\xfe,B,C\r\ng2,6,A,B,C";
    cloud.write("bad.csv", bad);
    let (outcome, log) = cloud.json_failing(&["upload", "bad.csv", "--wait", "--timeout", "2m"], 7);
    assert_eq!(
        (&outcome["rows"], &outcome["loaded"], &outcome["failed"]),
        (&6.into(), &2.into(), &4.into()),
        "{log}"
    );
    let reasons: Vec<(u64, &str)> = outcome["failures"]
        .as_array()
        .expect("failures")
        .iter()
        .map(|one| {
            let reason = one["reason"].as_str().expect("a reason");
            (one["record"].as_u64().expect("a row"), reason.split(':').next().expect("a code"))
        })
        .collect();
    assert_eq!(
        reasons,
        [(2, "row-length"), (3, "row-length"), (4, "missing-value"), (5, "invalid-encoding")]
    );
    let items = cloud.items().await;
    assert_eq!(items.keys().collect::<Vec<_>>(), ["g1", "g2", "k1"]);
    assert_eq!(items["g1"]["house_number"], "1");

    let words: Vec<&str> = outcome["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|one| one["message"].as_str().unwrap_or_default())
        .collect();
    assert!(words.contains(&"row 2 has 2 fields, but the header has 5 columns"), "{outcome}");

    // A header alone, and nothing at all, are files with no rows: nothing failed, and nothing was loaded.
    for (name, content) in [("header.csv", header), ("empty.csv", "")] {
        cloud.write(name, content.as_bytes());
        let (uploaded, log) = cloud.json_failing(&["upload", name, "--wait", "--timeout", "2m"], 7);
        assert_eq!((&uploaded["rows"], &uploaded["failed"]), (&0.into(), &0.into()), "{name}");
        assert!(log.contains("has no rows"), "{log}");
    }

    // A header that can't be used fails the file.
    cloud.write("double.csv", b"ID,ID\n1,2\n");
    let (refused, _) = cloud.json_failing(&["upload", "double.csv"], 2);
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("duplicate-header")), "{refused}");
    let unchecked = ["upload", "double.csv", "--no-check", "--wait", "--timeout", "2m"];
    let (outcome, log) = cloud.json_failing(&unchecked, 7);
    assert!(
        outcome["failures"][0]["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("duplicate-header")),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_no_event_can_carry_arrive_without_what_is_not_used() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);
    let scan = "a scan, \"quoted\"\nand ü\n".repeat(51_000);
    assert!(scan.len() > 1_200_000);
    let text = [
        csv_line(&["ID", "HouseNum", "Street", "Town", "Zip", "Scan"]),
        csv_line(&["before", "1", "A", "B", "C", "small"]),
        csv_line(&["large", "2", "Road, \"x\"\ny", "東京", "07030", &scan]),
        csv_line(&["between", "3", "A", "B", "C", ""]),
        csv_line(&["long", "4", "A", "B", "C", &scan, "D"]),
        csv_line(&["after", "5", "A", "B", "C", "small"]),
    ];
    cloud.write("large.csv", text.concat().as_bytes());
    let (outcome, log) = cloud.json_failing(&["upload", "large.csv", "--wait", "--timeout", "3m"], 7);
    assert_eq!(
        (&outcome["rows"], &outcome["loaded"], &outcome["failed"]),
        (&5.into(), &4.into(), &1.into()),
        "{log}"
    );
    let failure = &outcome["failures"][0];
    assert_eq!(failure["record"], 4, "{log}");
    assert!(failure["reason"].as_str().is_some_and(|reason| reason.starts_with("row-length")), "{log}");
    let items = cloud.items().await;
    assert_eq!(items.keys().collect::<Vec<_>>(), ["after", "before", "between", "large"]);
    let large = [
        ("house_number", "2"),
        ("id", "large"),
        ("street_address", "Road, \"x\"\ny"),
        ("town", "東京"),
        ("zip", "07030"),
    ];
    assert_eq!(items["large"], large.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

/// Returns the repository's stack, for compressed files of another dialect.
fn dialect() -> String {
    let notify = "notify: [{ on: created, queue: \"${arrivals}\", suffix: .csv }]";
    let notify_all = "notify: [{ on: created, queue: \"${arrivals}\" }]";
    let access = "access: [{ read: \"${landing}\" }, { publish: \"${events}\" }, { tally: \"${tally}\" }]";
    let settings = "settings: { csv: { delimiter: ;, quote: \"'\", header: false, columns: [ID, HouseNum, Street, Town, Zip] } }";
    assert!(STACK.contains(notify) && STACK.matches(access).count() == 1, "stack.yaml is another one");
    STACK.replace(notify, notify_all).replace(access, &format!("{access}\n      {settings}"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_of_another_dialect() {
    let cloud = Cloud::start(&dialect());
    cloud.json(&["deploy", "local"]);

    let lines = |rows: std::ops::Range<u32>| -> String {
        rows.map(|row| format!("{row};{row};'Road; no ''{row}''\n2, left';a,b;\"07030\n")).collect()
    };
    // No row ends where a member does, and one member holds nothing.
    let text = lines(0..100);
    let (first, second) = text.split_at(text.len() / 2);
    let members = [gzip(first), gzip(""), gzip(second)].concat();
    let frame = zstd::encode_all(lines(100..150).as_bytes(), 3).expect("in memory");
    for (name, content, rows) in [
        ("members.csv.gz", &members[..], 100),
        ("frame", &frame, 50),
        ("plain.csv", lines(150..160).as_bytes(), 10),
    ] {
        cloud.write(name, content);
        let uploaded = cloud.json(&["upload", name, "--wait", "--timeout", "3m"]);
        assert_eq!(
            (&uploaded["rows"], &uploaded["loaded"], &uploaded["failed"]),
            (&rows.into(), &rows.into(), &0.into()),
            "{name}"
        );
    }
    let items = cloud.items().await;
    assert_eq!(items.len(), 160);
    for row in 0..160 {
        let item = &items[&row.to_string()];
        assert_eq!(item["street_address"], format!("Road; no '{row}'\n2, left"));
        assert_eq!((item["town"].as_str(), item["zip"].as_str()), ("a,b", "\"07030"));
    }

    // The rows in front of the damage are in the table; the file is not complete, and its record contains the reason.
    let whole = gzip(&lines(160..170));
    cloud.write("cut.csv.gz", &[gzip(&lines(200..203)), whole[..whole.len() - 4].to_vec()].concat());
    let (outcome, log) =
        cloud.json_failing(&["upload", "cut.csv.gz", "--no-check", "--wait", "--timeout", "2m"], 7);
    let reason = outcome["failures"][0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("invalid-compression"), "{reason} {log}");
    assert_eq!(outcome["failures"][0]["record"], serde_json::Value::Null);
}
