//! Rows of every shape, keys of every kind.

use std::collections::BTreeMap;

use crate::cloud::{Cloud, STACK, csv_line};

/// 1,000 rows with quoted commas, quotes, newlines and unicode.
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

    // BOM, CRLF, a blank line, a short row, a long one, one without its key, one that is not UTF-8, no final newline.
    let bad = b"\xef\xbb\xbfID,HouseNum,Street,Town,Zip\r\ng1,1,A,B,C\r\n\r\nshort,2\r\nlong,3,A,B,C,D\r\n,4,A,B,C\r\nbytes,5,\xff\xfe,B,C\r\ng2,6,A,B,C";
    cloud.write("bad.csv", bad);
    let (outcome, log) = cloud.json_failing(&["upload", "bad.csv", "--wait", "--timeout", "2m"], 1);
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

    // A header alone, and nothing at all, are files with no rows.
    for (name, content) in [("header.csv", header), ("empty.csv", "")] {
        cloud.write(name, content.as_bytes());
        let uploaded = cloud.json(&["upload", name, "--wait", "--timeout", "2m"]);
        assert_eq!((&uploaded["rows"], &uploaded["failed"]), (&0.into(), &0.into()), "{name}");
    }

    // A header that can't be used fails the file.
    cloud.write("double.csv", b"ID,ID\n1,2\n");
    let (outcome, log) = cloud.json_failing(&["upload", "double.csv", "--wait", "--timeout", "2m"], 1);
    assert!(
        outcome["failures"][0]["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("duplicate-header")),
        "{log}"
    );
}
