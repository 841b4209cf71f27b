//! `init --from`: a stack file that deploys as it is, and of whose file no row fails.

use std::io::Write as _;
use std::path::Path;

use contract::settings::TransformSettings;
use deployer_lang::model::worker::Worker;
use deployer_lang::{Compiled, Document, compile};
use deployer_syntax::{Diagnostics, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::{command, json, run};

/// Creates a folder with a file.
pub(crate) fn folder(name: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(name), bytes).expect("the file");
    folder
}

/// Reads a file that was written for these tests.
pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/from").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Makes a project of a file; returns its stack file, and the messages.
pub(crate) fn init(folder: &TempDir, name: &str, args: &[&str]) -> (String, String) {
    let (code, out, err) = run(folder, &[&["init", "project", "--from", name], args].concat());
    assert_eq!((code, out.as_str()), (Some(0), ""), "{name}: {err}");
    let stack = std::fs::read_to_string(folder.path().join("project/stack.yaml")).expect("stack.yaml");
    (stack, err)
}

/// Returns the settings of `transform`.
fn settings(stack: &str) -> TransformSettings {
    let source = Source::new("stack.yaml", stack.to_owned());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a document");
    let target = document.select(Some("dev")).expect("a stack");
    let compiled = compile(&document, target, &[], &mut diagnostics);
    let Compiled { stack, .. } = compiled.unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source)));
    let mut transforms =
        stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Transform));
    let (_, function) = transforms.next().expect("transform");
    function.settings.clone().expect("settings").transform
}

/// Checks that the project of a file passes `synth`, and that `preview` makes so many items of its rows. Returns the stack
/// file, and the messages.
pub(crate) fn check(name: &str, bytes: &[u8], items: u64, failed: u64) -> (String, String) {
    let folder = folder(name, bytes);
    let (stack, err) = init(&folder, name, &[]);
    let project = folder.path().join("project");
    for target in ["local", "dev"] {
        let synth = command(&project, &["synth", target]).output().expect("it starts");
        let said = String::from_utf8_lossy(&synth.stderr).into_owned();
        assert_eq!(synth.status.code(), Some(0), "{name}: {said}\n{stack}");
        assert!(said.is_empty() || said.contains("W0401"), "{name}: {said}\n{stack}");
    }
    let path = folder.path().join(name);
    let args = ["preview", path.to_str().expect("UTF-8"), "dev", "--output", "json"];
    let preview = command(&project, &args).output().expect("it starts");
    let document = json(&String::from_utf8_lossy(&preview.stdout));
    let found = (document["items"].as_u64(), document["failed"].as_u64());
    assert_eq!(found, (Some(items), Some(failed)), "{name}: {:#}\n{stack}", document["failures"]);
    assert_eq!(document["repeatedKeys"]["rows"], 0, "{name}\n{stack}");
    assert_eq!(preview.status.code(), Some(if failed == 0 { 0 } else { 7 }), "{name}");
    (stack, err)
}

/// Checks that a stack file has lines.
pub(crate) fn has(name: &str, stack: &str, parts: &[&str]) {
    for part in parts {
        assert!(stack.contains(part), "{name}: no `{part}` in\n{stack}");
    }
}

#[test]
fn a_german_file_has_its_delimiter_numbers_dates_and_words() {
    let (stack, _) = check("umsatz.csv", &file("umsatz.csv"), 4, 0);
    has(
        "umsatz",
        &stack,
        &[
            "delimiter: \";\"",
            "key: { rechnungsnummer: string }",
            "rechnungsnummer: { from: Rechnungsnummer, required: true }",
            "datum: { from: Datum, type: date, format: \"%d.%m.%Y\" }",
            "plz: { from: PLZ } # digits that are not taken for numbers: leading zeros",
            "betrag: { from: Betrag, type: number, decimal: \",\", group: \".\" }",
            "mw_st: { from: MwSt, type: number, decimal: \",\" }",
            "bezahlt: { from: Bezahlt, type: boolean, true: [\"ja\"], false: [\"nein\"] }",
            "iban: { from: IBAN } # bank accounts?",
        ],
    );
}

#[test]
fn a_file_without_a_unique_column_has_a_pair_as_its_key() {
    let (stack, _) = check("measurements.csv", &file("measurements.csv"), 6, 0);
    has(
        "measurements",
        &stack,
        &[
            "key: { station_id: string, measured_at: string }",
            "measured_at: { from: measured_at, type: timestamp, required: true }",
            "temperature: { from: temperature, type: number }",
            "humidity: { from: humidity, type: integer }",
            "battery_ok: { from: battery_ok, type: boolean }",
        ],
    );
}

#[test]
fn an_american_file_has_months_first() {
    let (stack, _) = check("orders-us.csv", &file("orders-us.csv"), 4, 0);
    has(
        "orders-us",
        &stack,
        &[
            "key: { order_id: number }",
            "order_id: { from: Order ID, type: integer, required: true }",
            "order_date: { from: Order Date, type: date, format: \"%m/%d/%Y\" }",
            "ship_date: { from: Ship Date, type: timestamp, format: \"%m/%d/%Y %I:%M %p\" }",
            "total: { from: Total, type: number, group: \",\" }",
            "customer_email: { from: Customer Email }",
            "e-mail addresses?",
            "phone numbers?",
        ],
    );
}

#[test]
fn codes_and_ambiguous_dates_stay_text() {
    let (stack, _) = check("stops.tsv", &file("stops.tsv"), 3, 0);
    has(
        "stops",
        &stack,
        &[
            "delimiter: \"\\t\"",
            "suffix: .tsv",
            "stop_code: { from: stop_code, required: true }",
            "lat: { from: lat, type: number }",
            "wheelchair: { from: wheelchair, type: boolean }",
            "ambiguous dates",
            "opened: { from: opened }",
        ],
    );
}

#[test]
fn an_index_of_pandas_is_no_key() {
    let (stack, _) = check("frame.csv", &file("frame.csv"), 5, 0);
    has(
        "frame",
        &stack,
        &[
            "Written by pandas",
            "1 column without a usable name",
            "id: \"${object.key}#${record.index}\"",
            "score: { from: score, type: number }",
            "active: { from: active, type: boolean }",
            "joined: { from: joined, type: timestamp }",
        ],
    );
}

#[test]
fn lines_before_the_header_are_skipped() {
    let (stack, _) = check("indicators.csv", &file("indicators.csv"), 3, 0);
    has(
        "indicators",
        &stack,
        &[
            "skip: 4",
            "key: { country_code: string }",
            "\"1960\": { from: \"1960\", type: integer }",
            "The header is in line 5",
        ],
    );
}

#[test]
fn json_and_uuids_are_recognised() {
    let (stack, _) = check("events.csv", &file("events.csv"), 3, 0);
    has(
        "events",
        &stack,
        &[
            "key: { event_id: string }",
            "at: { from: at, type: timestamp }",
            "payload: { from: payload, type: json }",
            "Written by PostgreSQL or DuckDB",
        ],
    );
}

#[test]
fn a_file_without_a_header_gets_names() {
    let (stack, _) = check("headerless.csv", &file("headerless.csv"), 3, 0);
    has("headerless", &stack, &["header: false", "- column_1", "column_3: { from: column_3, type: date }"]);
}

#[test]
fn a_mark_line_ends_in_values_and_accents_are_read() {
    let (stack, _) = check("eleves.csv", &file("eleves.csv"), 3, 0);
    has(
        "eleves",
        &stack,
        &[
            "\"numéro\": { from: \"Numéro\"",
            "\"né_le\": { from: \"Né le\", type: date, format: \"%d/%m/%Y\" }",
            "notes: { from: Notes, type: number, decimal: \",\" }",
        ],
    );
}

#[test]
fn any_name_of_a_column_can_be_written() {
    let (stack, _) = check("odd-names.csv", &file("odd-names.csv"), 2, 0);
    let from: Vec<String> = settings(&stack).fields.into_iter().filter_map(|field| field.from).collect();
    assert_eq!(
        from,
        [
            "a: b # c",
            "\"quoted\"",
            "two\nlines",
            "${column}",
            "true",
            "yes",
            "1960",
            "Größe (cm)",
            "x,y",
            "name",
            "Name",
            "password",
            "spaced"
        ]
    );
}

#[test]
fn ragged_rows_and_columns_of_one_name_are_said() {
    let (stack, err) = check("ragged.csv", &file("ragged.csv"), 3, 1);
    has(
        "ragged",
        &stack,
        &[
            "short: pad",
            "1 row has fewer fields than there are columns",
            "- name 2\n",
            "name_2: { from: name 2 }",
            "The header names a column twice",
            "1 row will fail (row-length)",
        ],
    );
    assert!(err.contains("1 row will fail (row-length): row 4; row 4 has 6 fields"), "{err}");
    assert!(err.contains("\n  the header names a column twice"), "{err}");
}

#[test]
fn a_file_of_excel_is_recognised() {
    let (stack, _) = check("sep.csv", &file("sep.csv"), 2, 0);
    has("sep", &stack, &["Written by Excel", "the digits are lost"]);
}

#[test]
fn a_small_file_needs_no_task_and_a_large_one_does() {
    let (stack, _) = check("small.csv", b"ID,Name\n1,Ann\n2,Bob\n", 2, 0);
    has(
        "small",
        &stack,
        &["{ read: \"${landing}\" }, { tally: \"${tally}\" }, { publish:", "settings: { inline: 5MiB }"],
    );
    let rows: String = (0..60_000).map(|row| format!("{row},{}\n", "x".repeat(90))).collect();
    let (stack, _) = check("large.csv", format!("ID,Name\n{rows}").as_bytes(), 60_000, 0);
    assert!(!stack.contains("inline"), "{stack}");
    // The names of the columns would not fit into the variables of the function.
    let names: Vec<String> = (1..=100).map(|column| format!("Measurement {column}")).collect();
    let values = vec!["1"; 100].join(",");
    let (stack, _) = check("wide.csv", format!("ID,{}\n7,{values}\n", names.join(",")).as_bytes(), 1, 0);
    assert!(!stack.contains("inline"), "{stack}");
}

#[test]
fn compressed_files_are_read() {
    let rows: String = (0..6000).map(|row| format!("{row},name {row},{}.5\n", row % 7)).collect();
    let text = format!("Order Number,Name,Amount\n{rows}");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).expect("in memory");
    let (stack, _) = check("orders.csv.gz", &gzip.finish().expect("in memory"), 6000, 0);
    has(
        "gzip",
        &stack,
        &["suffix: .csv.gz", "key: { order_number: number }", "rowsPerEvent: 100", "(6,000 rows, 3 columns)"],
    );
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("in memory");
    check("orders.csv.zst", &zstd, 6000, 0);
}

#[test]
fn of_many_columns_those_are_used_that_fit_into_the_environment() {
    let names: Vec<String> = (1..=200).map(|column| format!("Measurement {column}")).collect();
    let row = |row: u32| (1..=200).map(|column| format!("{}.5", row + column)).collect::<Vec<_>>().join(",");
    let text = format!("Sample ID,{}\nA1,{}\nA2,{}\n", names.join(","), row(1), row(2));
    let (stack, err) = check("wide.csv", text.as_bytes(), 2, 0);
    let used = stack.lines().filter(|line| line.trim_start().starts_with("measurement_")).count();
    assert!((30..200).contains(&used), "{used}");
    assert!(
        err.contains(&format!("warning: {} of 201 columns are not used: Lambda holds 4 KB", 200 - used)),
        "{err}"
    );
    has(
        "wide",
        &stack,
        &["are not used: Lambda holds 4 KB of settings", "# measurement_200: { from: Measurement 200"],
    );
}

#[test]
fn a_file_in_utf_16_is_read() {
    let text: Vec<u8> =
        "\u{feff}id;Größe\n1;1,75\n2;1,8\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (stack, _) = check("sizes.csv", &text, 2, 0);
    has(
        "utf-16",
        &stack,
        &["delimiter: \";\"", "\"größe\": { from: \"Größe\", type: number, decimal: \",\" }"],
    );
}

#[test]
fn a_file_that_the_task_would_fail_is_refused_with_its_reason() {
    for (bytes, part) in [
        (&b"PK\x03\x04\x00\x00"[..], "nothing was written"),
        (b"\x1f\x8bno gzip", "(invalid-compression); nothing was written"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"", "is empty; nothing was written"),
        (b"<!doctype html><html>", "an HTML page"),
    ] {
        let folder = folder("x.csv", bytes);
        let (code, _, err) = run(&folder, &["init", "project", "--from", "x.csv"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(part), "no `{part}` in {err}");
        assert!(!folder.path().join("project").exists());
    }
}

#[test]
fn the_user_chooses_key_and_name() {
    let folder = folder("orders-us.csv", &file("orders-us.csv"));
    let (stack, err) =
        init(&folder, "orders-us.csv", &["--key", "status", "--key", "ORDER ID", "--name", "shop"]);
    has("key", &stack, &["\nname: shop\n", "key: { status: string, order_id: number }", "as `--key` says"]);
    assert!(err.contains("deployer preview ../orders-us.csv"), "{err}");
    for (args, part) in [
        (&["--key", "stats"][..], "did you mean `Status`?"),
        (&["--key", "Ship Date"], "it is empty in 2 rows, first in row 3"),
        (&["--key", "status", "--key", "Status"], "is twice in `--key`"),
        (&["--key", "a", "--key", "b", "--key", "c"], "a key has two at most"),
        (&["--template", "etl"], "cannot be used with"),
        (&["--name", "My Shop"], "lower case letters"),
    ] {
        let (code, _, err) = run(&folder, &[&["init", "other", "--from", "orders-us.csv"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
    let (code, _, err) = run(&folder, &["init", "project", "--from", "orders-us.csv"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(
        err.contains("already has .gitignore, README.md") && err.contains("nothing was written"),
        "{err}"
    );
    let (code, _, err) = run(&folder, &["init", "other", "--from", "gone.csv"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no file gone.csv"), "{err}");
    let (code, _, err) = run(&folder, &["init", "other", "--from", "."]);
    assert_eq!(code, Some(2));
    assert!(err.contains(". is not a file"), "{err}");
}

#[test]
fn the_document_says_what_was_guessed() {
    let folder = folder("ragged.csv", &file("ragged.csv"));
    let args = ["init", "project", "--from", "ragged.csv", "--output", "json"];
    let (code, out, err) = run(&folder, &args);
    assert_eq!(code, Some(0), "{err}");
    let document = json(&out);
    assert_eq!(crate::schema::judge("init", &document), [""; 0]);
    assert_eq!(document["from"]["rows"], 3);
    assert_eq!(document["from"]["rejected"], 1);
    assert_eq!(document["from"]["key"], serde_json::json!(["id"]));
    let files: Vec<&str> =
        document["files"].as_array().expect("files").iter().filter_map(|file| file.as_str()).collect();
    assert_eq!(files, [".gitignore", "README.md", "stack.schema.json", "stack.yaml"]);
}
