//! JSON Lines: good lines, bad lines, and files that are something else.

use contract::settings::ExtractionSettings;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scan::{Scan, Step};

/// A good row: its number, and for each column the value and whether it is an empty text.
type Cells = Vec<(String, String, bool)>;

#[derive(Debug, Default, PartialEq)]
struct Found {
    columns: Vec<String>,
    rows: Vec<Result<Cells, Fault>>,
    spans: Vec<std::ops::Range<u64>>,
    skipped: Skipped,
}

impl Found {
    fn reasons(&self) -> Vec<Option<Reason>> {
        self.rows.iter().map(|row| row.as_ref().err().map(|fault| fault.reason)).collect()
    }

    /// Returns the cells of a good row as text: `column=value`, with quotes for an empty text.
    fn row(&self, index: usize) -> Vec<String> {
        let cells = self.rows[index].as_ref().expect("a good row");
        cells
            .iter()
            .map(|(column, value, quoted)| format!("{column}={}", if *quoted { "\"\"" } else { value }))
            .collect()
    }

    fn message(&self, index: usize) -> &str {
        &self.rows[index].as_ref().expect_err("a bad row").message
    }
}

fn scan<'a>(
    limit: usize,
    columns: &[&str],
    expected: &[&str],
    sensitive: &[&str],
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Found, Fault> {
    let own = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let settings = json!({ "format": "json-lines", "json": { "columns": columns } });
    let settings: ExtractionSettings = serde_json::from_value(settings).expect("settings");
    let mut scan = Scan::new(limit, &settings, &own(expected), &own(sensitive));
    let mut chunks = chunks.into_iter();
    let mut found = Found::default();
    loop {
        match scan.step()? {
            Step::Row => {
                let row = scan.row();
                found.spans.push(row.span.clone());
                found.skipped += row.skipped;
                let columns = row.columns.to_vec();
                found.rows.push(row.fields.map(|fields| {
                    let cells: Vec<_> = fields.cells().collect();
                    assert_eq!(cells.len(), columns.len());
                    columns
                        .into_iter()
                        .zip(cells)
                        .map(|(column, cell)| (column, cell.text.to_owned(), cell.quoted))
                        .collect()
                }));
            }
            Step::Piece => {}
            Step::Starved => match chunks.next() {
                Some(chunk) => scan.feed(chunk),
                None => scan.end(),
            },
            Step::End => {
                found.skipped += scan.skipped();
                found.columns = scan.columns().unwrap_or_default().to_vec();
                return Ok(found);
            }
        }
    }
}

fn read(text: &str) -> Found {
    scan(1000, &[], &[], &[], [text.as_bytes()]).expect("objects")
}

#[test]
fn members_are_columns_and_values_are_as_they_are_written() {
    let found = read(concat!(
        "\u{feff}{\"id\": 1, \"n\": 1.50, \"big\": 12345678901234567890.10, \"e\": 1e-7}\r\n",
        "\n  \n",
        "{\"id\":\"é\\u00e9\\n\\\"\",\"t\":true,\"f\":false,\"z\":null,\"empty\":\"\"}\n",
        "{\"id\":-0,\"list\":[1, \"x\", null],\"a\":{\"b\":{\"c\":2},\"d\":\"x\"}}",
    ));
    assert_eq!(found.row(0), ["id=1", "n=1.50", "big=12345678901234567890.10", "e=1e-7"]);
    assert_eq!(found.row(1), ["id=éé\n\"", "t=true", "f=false", "z=", "empty=\"\""]);
    assert_eq!(
        found.row(2),
        [
            "id=-0",
            "list=[1, \"x\", null]",
            "a={\"b\":{\"c\":2},\"d\":\"x\"}",
            "a.b={\"c\":2}",
            "a.b.c=2",
            "a.d=x"
        ]
    );
    assert_eq!((found.skipped.blank, found.spans[0].clone(), found.spans.len()), (2, 0..68, 3));
}

#[test]
fn rows_with_the_same_members_have_the_same_columns_in_the_order_of_the_first() {
    let found =
        read("{\"a\":1,\"b\":2}\n{\"b\":3,\"a\":4}\n{\"c\":5,\"b\":6}\n{\"new\":1,\"c\":2,\"a\":3}\n");
    assert_eq!(found.row(1), ["a=4", "b=3"]);
    assert_eq!(found.row(2), ["b=6", "c=5"]);
    assert_eq!(found.row(3), ["a=3", "c=2", "new=1"]);
    assert_eq!(found.columns, ["a", "b", "c", "new"]);
}

#[test]
fn an_expected_column_is_in_every_row_and_must_be_in_one_of_the_first() {
    let text = "{\"ID\":1}\n{\"id\":2,\"address\":{\"street\":\"x\"}}\n{}\n";
    let found = scan(99, &[], &["Id", "address.street"], &[], [text.as_bytes()]).expect("objects");
    assert_eq!(found.row(0), ["ID=1", "address.street="]);
    assert_eq!(found.row(1), ["id=2", "address={\"street\":\"x\"}", "address.street=x"]);
    assert_eq!(found.row(2), ["Id=", "address.street="]);
    let fault = scan(99, &[], &["Id", "town"], &[], [text.as_bytes()]).expect_err("no such member");
    assert_eq!((fault.reason, &*fault.message), (Reason::MissingColumn, "the file has no column `town`"));
    // Two members that fit are two values.
    let found = scan(99, &[], &["Id"], &[], [&b"{\"ID\":1,\"id\":2}\n{\"id\":3}\n"[..]]).expect("objects");
    assert_eq!(found.reasons(), [Some(Reason::DuplicateHeader), None]);
    // Nothing is known of an empty file.
    assert_eq!(scan(99, &[], &["Id"], &[], []).expect("nothing"), Found::default());
}

#[test]
fn the_settings_may_name_the_columns() {
    let text = "{\"x\":1,\"a\":{\"b\":\"\",\"secret\":2}}\n{\"A.B\":3}\n{\"y\":4}\n";
    let found = scan(99, &["a.b", "x"], &[], &[], [text.as_bytes()]).expect("objects");
    assert_eq!(found.columns, ["a.b", "x"]);
    assert_eq!(found.row(0), ["a.b=\"\"", "x=1"]);
    assert_eq!(found.row(1), ["a.b=3", "x="]);
    assert_eq!(found.row(2), ["a.b=", "x="]);
}

#[test]
fn a_line_that_is_no_object_fails_alone() {
    let deep = format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(200), "}".repeat(200));
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (line, says) in [
        ("[1]", "is not an object of JSON"),
        ("1", "is not an object of JSON"),
        ("x", "is not an object of JSON"),
        ("{\"a\":1", "is not JSON: it ends too early"),
        ("{\"a\":1}}", "is not JSON at byte 8"),
        ("{\"a\":1} {}", "is not JSON at byte 9"),
        ("{\"a\":1,}", "is not JSON at byte 8"),
        ("{a:1}", "is not JSON at byte 2"),
        ("{\"a\":NaN}", "is not JSON at byte 6"),
        ("{\"a\":[NaN]}", "is not JSON at byte 7"),
        ("{\"a\":Infinity}", "is not JSON at byte 6"),
        ("{\"a\":01}", "is not JSON at byte 7"),
        ("{\"a\":.5}", "is not JSON at byte 6"),
        ("{\"a\":\"\t\"}", "is not JSON at byte 6"),
        ("{\"a\":\"\\x\"}", "is not JSON at byte 8"),
        ("{\"a\":1e999}", "has a number that is too large"),
        ("{\"a\":-1e999}", "has a number that is too large"),
        ("{\"a\":[1e999]}", "has a number that is too large"),
        ("{\"a\":1,\"b\":2,\"a\":3}", "has a member twice"),
        ("{\"a\":{\"x\":1,\"x\":1}}", "has a member twice"),
        ("{\"a\":[{\"x\":1,\"x\":1}]}", "has a member twice"),
        ("{\"a\":{\"b\":1},\"a.b\":2}", "has a member twice: one by its name, one by its path"),
        ("{\"a\":\"\\ud800\"}", "has half of a character"),
        ("{\"a\":\"\\udc00x\"}", "has half of a character"),
        ("{\"a\":[\"\\ud800\"]}", "has half of a character"),
        ("{\"\\ud800\":1}", "has half of a character"),
        (&*deep, "has more than 128"),
        (&*nested, "has more than 128"),
    ] {
        let found = scan(9999, &[], &[], &[], [format!("{{\"id\":1}}\n{line}\n{{\"id\":2}}\n").as_bytes()])
            .expect("objects");
        assert_eq!(found.reasons(), [None, Some(Reason::InvalidJson), None], "{line}");
        assert!(found.message(1).starts_with(&format!("row 2 {says}")), "{line}: {}", found.message(1));
    }
    let many = (0..40).map(|n| format!("\"m{n}\":{n}")).collect::<Vec<_>>().join(",");
    assert!(read(&format!("{{{many}}}")).rows[0].is_ok());
    assert_eq!(
        read(&format!("{{\"id\":1}}\n{{{many},\"m39\":1}}")).reasons(),
        [None, Some(Reason::InvalidJson)]
    );
    let found = scan(99, &[], &[], &[], [&b"{\"a\":1}\n{\"a\":\"\xff\"}\n"[..]]).expect("objects");
    assert_eq!((found.reasons()[1], found.message(1)), (Some(Reason::InvalidEncoding), "row 2 is not UTF-8"));
}

#[test]
fn a_file_of_something_else_is_named() {
    for (text, says) in [
        ("[\n{\"a\":1},\n{\"a\":2}\n]\n", "an array of JSON"),
        ("{\n  \"a\": 1\n}\n", "no line of its beginning is a whole object"),
        ("a,b\n1,2\n", "its first line is not an object"),
        ("PK\x03\x04\x14\0", "a zip archive"),
        ("<html>", "an HTML page"),
        ("x", "its first line is not an object"),
    ] {
        let fault = scan(99, &[], &[], &[], [text.as_bytes()]).expect_err(says);
        assert_eq!(fault.reason, Reason::UnsupportedFormat, "{says}");
        assert!(fault.message.contains(says), "{}", fault.message);
    }
    // UTF-16 is read here as well.
    let utf_16: Vec<u8> = "{\"id\":\"é\"}\n{\"id\":2}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = scan(99, &[], &[], &[], utf_16.chunks(3)).expect("objects");
    assert_eq!((found.row(0), found.spans), (vec!["id=é".to_owned()], vec![0..22, 22..38]));
}

#[test]
fn a_line_that_is_too_large_takes_no_memory_and_fails_alone() {
    let text = format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n{}\n{{\"a\":3}}\n", "x".repeat(300), " ".repeat(300));
    let found = scan(100, &[], &[], &[], text.as_bytes().chunks(7)).expect("objects");
    assert_eq!(found.reasons(), [None, Some(Reason::RowTooLarge), None]);
    assert_eq!(found.skipped.blank, 1);
    // Longer than the head as well.
    let text = format!("{{\"a\":\"{}\"}}\n{{\"b\":3}}", "x".repeat(100_000));
    let found = scan(100, &[], &["a"], &[], [text.as_bytes()]).expect("objects");
    assert_eq!(found.reasons(), [Some(Reason::RowTooLarge), None]);
}

#[test]
fn nothing_reveals_a_sensitive_column() {
    let text = "{\"id\":1,\"a\":{\"Secret\":\"s\",\"x\":2},\"b\":{\"y\":3}}\n{\"id\":2}\n{\"id\":3,\"a\":{\"secret\":1,\"SECRET\":2}}\n";
    let found = scan(999, &[], &["a.secret"], &["a.secret"], [text.as_bytes()]).expect("objects");
    assert_eq!(found.row(0), ["id=1", "a.Secret=s", "a.x=2", "b={\"y\":3}", "b.y=3"]);
    assert_eq!(found.message(1), "row 2 has no member `a.secret`, which is sensitive");
    assert_eq!(found.message(2), "row 3 has several members `a.secret`, which is sensitive");
    // What is in a sensitive object is no column of its own.
    let found = scan(999, &[], &[], &["a"], [&b"{\"id\":1,\"a\":{\"b\":{\"c\":1}}}"[..]]).expect("objects");
    assert_eq!(found.row(0), ["id=1", "a={\"b\":{\"c\":1}}"]);
    let found =
        scan(999, &["a", "a.b", "id"], &[], &["a.b"], [&b"{\"id\":1,\"a\":{\"b\":2}}"[..]]).expect("objects");
    assert_eq!(found.row(0), ["a.b=2", "id=1"]);
}

#[test]
fn more_layouts_than_are_remembered_are_no_problem() {
    let text: String = (0..1000).map(|n| format!("{{\"a\":{n},\"m{}\":1}}\n", n % 600)).collect();
    let found = read(&text);
    for n in [0, 255, 256, 599, 600, 999] {
        assert_eq!(found.row(n), [format!("a={n}"), format!("m{}=1", n % 600)]);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,2}", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_has_its_members(
        rows in proptest::collection::vec(proptest::collection::hash_map("[a-z]{1,2}", value(), 0..4), 1..8),
        size in 1..20usize,
    ) {
        let text: String = rows.iter().map(|row| json!(row).to_string() + "\n").collect();
        let found = scan(10_000, &[], &[], &[], text.as_bytes().chunks(size)).expect("objects");
        for (row, found) in rows.iter().zip(&found.rows) {
            let found = found.as_ref().expect("a good row");
            for (name, value) in row {
                let (_, text, quoted) = found.iter().find(|(column, ..)| column == name).expect("a column");
                let expected = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    value => value.to_string(),
                };
                prop_assert_eq!(text, &expected);
                prop_assert_eq!(*quoted, *value == "");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_in_any_pieces(
        pieces in proptest::collection::vec(
            prop_oneof![
                3 => Just(b"{\"a\":1}\n".to_vec()),
                1 => Just(b"{\"b\":{\"c\":[1,\"x\"]},\"a\":\"\\ud83d\\ude00\"}\n".to_vec()),
                1 => Just(b"\r\n".to_vec()),
                1 => Just(b"{\"a\":".to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 1..4),
            ],
            0..30,
        ),
        limit in 1..60usize, size in 1..9usize,
    ) {
        let bytes = [b"{\"a\":0}\n", &pieces.concat()[..]].concat();
        let whole = scan(limit, &[], &[], &[], [&bytes[..]]);
        prop_assert_eq!(&scan(limit, &[], &[], &[], bytes.chunks(size)), &whole);
        for pair in whole.expect("an object").spans.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
    }
}
