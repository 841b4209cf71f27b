//! `deployer preview`: each form of output, exit codes, and files that fail as a whole.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schema::judge;
use crate::{STACK, command, folder, json as parsed, run};

/// The fields of a stack that uses types, a template, `where` and a sensitive column.
const FIELDS: &str = r##"        where: "Status != 'X'"
        fields:
          pk: "ORDER#${ID}"
          placed: { from: Date, type: date, format: "%d/%m/%Y", required: true }
          amount: { from: Amount, type: number, decimal: ",", group: ".", minimum: 0 }
          email: { from: Email, sensitive: true }
          note: { from: Note }
"##;

/// Returns the repository's stack with other fields, a key of two attributes, and an index.
fn stack() -> String {
    let mut stack = STACK.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(stack.contains(from), "{from}");
        stack = stack.replace(from, to);
    };
    replace("{ key: { id: string } }", "{ key: { pk: string, placed: string } }");
    replace("  events: { type: bus }\n", "  events: { type: bus }\n  secrets: { type: key }\n");
    replace(
        "{ publish: \"${events}\" }, { tally: \"${tally}\" }]\n  extract:",
        "{ publish: \"${events}\" }, { tally: \"${tally}\" }, { encrypt: \"${secrets}\" }]\n  extract:",
    );
    replace(
        "access: [{ write: \"${records}\" }",
        "access: [{ decrypt: \"${secrets}\" }, { write: \"${records}\" }",
    );
    let start = stack.find("        fields: #").expect("the fields");
    let end = stack.find("  load:\n").expect("the next function");
    stack.replace_range(start..end, FIELDS);
    stack
}

const HEADER: &str = "ID,Date,Amount,Email,Note,Status\n";

/// Returns rows of every kind, of which row 2 and 5 fail.
fn rows() -> String {
    let rows = "\
        1,01/02/2026,\"1.234,50\",a@b.example,\"x,y\",N\n\
        \n\
        2,31/02/2026,1,c@d.example,,N\n\
        3,02/02/2026,1,e@f.example,,X\n\
        1,01/02/2026,7,g@h.example,again,N\n\
        ID,Date,Amount,Email,Note,Status\n\
        5,03/02/2026,-1,i@j.example,,N\n\
        6,04/02/2026,2\n";
    format!("{HEADER}{rows}")
}

/// Returns a folder with the stack and a file.
fn with(file: &str, bytes: &[u8]) -> TempDir {
    let folder = folder(&stack());
    std::fs::write(folder.path().join(file), bytes).expect("a file");
    folder
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(parsed).collect()
}

#[test]
fn each_row_is_a_document_in_the_order_of_the_file() {
    let folder = with("orders.csv", rows().as_bytes());
    let args = ["preview", "orders.csv", "--all", "--output", "ndjson"];
    let (code, out, err) = run(&folder, &args);
    assert_eq!(code, Some(7), "{err}");
    let found = lines(&out);
    let item = |pk: &str, placed: &str, amount: &str, note: &str| {
        json!({
            "pk": { "S": pk }, "placed": { "S": placed }, "amount": { "N": amount }, "email": { "S": "(sensitive)" },
            "note": { "S": note },
        })
    };
    assert_eq!(found.len(), 6, "{out}");
    assert_eq!(found[0], json!({ "row": 1, "item": item("ORDER#1", "2026-02-01", "1234.5", "x,y") }));
    assert_eq!(found[2], json!({ "row": 3, "skipped": "where" }));
    assert_eq!(found[3], json!({ "row": 4, "item": item("ORDER#1", "2026-02-01", "7", "again") }));
    for (position, row, reason, field, column) in [
        (1, 2, "invalid-timestamp", Some("placed"), Some("Date")),
        (4, 5, "out-of-range", Some("amount"), Some("Amount")),
        (5, 6, "row-length", None, None),
    ] {
        let failed = &found[position]["failed"];
        assert_eq!((&found[position]["row"], &failed["reason"]), (&json!(row), &json!(reason)), "{out}");
        assert_eq!((failed["field"].as_str(), failed["column"].as_str()), (field, column), "{out}");
        let expected = if field.is_some() { 4 } else { 2 };
        assert_eq!(failed.as_object().map(serde_json::Map::len), Some(expected), "{out}");
        assert!(failed["message"].as_str().is_some_and(|message| !message.contains("31/02")), "{out}");
    }
    assert!(err.contains("3 of 6 rows would fail"), "{err}");
    assert!(err.contains("`deployer docs invalid-timestamp`"), "{err}");
    assert!(!out.contains("example") && !err.contains("example"), "a sensitive value is shown\n{out}");

    let (_, out, _) = run(&folder, &[&args[..], &["--show-sensitive"]].concat());
    assert_eq!(lines(&out)[0]["item"]["email"], json!({ "S": "a@b.example" }));
    // The exit code is about the whole file, however few rows are shown.
    let (code, out, _) = run(&folder, &["preview", "orders.csv", "--rows", "1", "--output", "ndjson"]);
    assert_eq!((code, out.lines().count()), (Some(7), 1));
}

/// Returns a folder with a stack whose rows may delete, and a file.
fn with_deletions(file: &str, bytes: &[u8], on_conflict: &str) -> TempDir {
    let with = |from: &str, to: &str, stack: String| {
        assert!(stack.contains(from), "{from}");
        stack.replace(from, to)
    };
    let fields = "        where: \"Status != 'X'\"\n";
    let stack = with(fields, &format!("{fields}        delete: \"Status == 'D'\"\n"), stack());
    let date = "format: \"%d/%m/%Y\", required: true }\n";
    let at =
        format!("{date}          at: {{ from: At, type: timestamp, leapSeconds: true, optional: true }}\n");
    let stack = with(date, &at, stack);
    let settings = format!("worker: load\n      settings: {{ onConflict: {on_conflict} }}\n");
    let stack = with("worker: load\n", &settings, stack);
    let access = "{ write: \"${records}\" }, { publish";
    let stack = with(access, "{ write: \"${records}\" }, { delete: \"${records}\" }, { publish", stack);
    let folder = folder(&stack);
    std::fs::write(folder.path().join(file), bytes).expect("a file");
    folder
}

#[test]
fn rows_that_delete_have_a_line_and_a_count_of_their_own() {
    let rows = "ID,Date,Amount,Email,Note,Status,At\n\
                1,01/02/2026,1,a@b.example,x,N,2016-12-31T23:59:60Z\n\
                1,01/02/2026,no number,,,D,\n\
                2,02/02/2026,,,,X,\n\
                3,03/02/2026,,,,D,\n";
    let folder = with_deletions("orders.csv", rows.as_bytes(), "newest");
    let (code, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", "ndjson"]);
    assert_eq!(code, Some(0), "{err}");
    let found = lines(&out);
    let deleted = |row: u64, pk: &str, placed: &str| json!({ "row": row, "deleted": { "pk": { "S": pk }, "placed": { "S": placed } } });
    assert_eq!(found[1], deleted(2, "ORDER#1", "2026-02-01"));
    assert_eq!(found[2], json!({ "row": 3, "skipped": "where" }));
    assert_eq!(found[3], deleted(4, "ORDER#3", "2026-02-03"));
    assert!(err.contains("orders.csv: 4 rows, 1 item, 2 deletions, 1 skipped by `where`, 0 failed"), "{err}");

    let (code, out, _) = run(&folder, &["preview", "orders.csv"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("4 rows, 1 item, 2 deletions, 1 skipped by `where`, 0 failed"), "{out}");
    assert!(
        out.contains("leap seconds: 1 row has a timestamp with the second 60, which is stored as 59"),
        "{out}"
    );
    let (_, out, _) = run(&folder, &["preview", "orders.csv", "--output", "json"]);
    let document = parsed(&out);
    assert_eq!(judge("preview", &document), [""; 0]);
    assert_eq!((&document["deletions"], &document["leapSeconds"]), (&json!(2), &json!(1)));
    assert_eq!(document["results"][3], deleted(4, "ORDER#3", "2026-02-03"));
    // Only items are imported.
    let (code, out, _) = run(&folder, &["preview", "orders.csv", "--output", "dynamodb-json"]);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{out}");
}

#[test]
fn a_deletion_without_its_key_fails() {
    let rows = "ID,Date,Amount,Email,Note,Status\n1,,1,a@b.example,x,D\n";
    let folder = with_deletions("orders.csv", rows.as_bytes(), "newest");
    let (code, out, err) = run(&folder, &["preview", "orders.csv", "--output", "ndjson"]);
    assert_eq!(code, Some(7), "{err}");
    assert_eq!(lines(&out)[0]["failed"]["field"], "placed", "{out}");
}

#[test]
fn items_are_written_as_dynamodb_imports_them() {
    let folder = with("orders.csv", rows().as_bytes());
    let (code, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", "dynamodb-json"]);
    assert_eq!(code, Some(7), "{err}");
    let found = lines(&out);
    assert_eq!(found.len(), 2, "{out}");
    assert_eq!(found[1]["Item"]["amount"], json!({ "N": "7" }));
    assert!(out.starts_with("{\"Item\":{\"pk\":{\"S\":\"ORDER#1\"},\"placed\":"), "{out}");
    assert!(err.contains("orders.csv: 6 rows, 2 items, 1 skipped by `where`, 3 failed"), "{err}");
}

#[test]
fn items_are_written_as_csv() {
    let folder = with("orders.csv", rows().as_bytes());
    let (code, out, err) = run(&folder, &["preview", "orders.csv", "--output", "csv", "--show-sensitive"]);
    assert_eq!(code, Some(7), "{err}");
    let expected = "pk,placed,amount,email,note\r\n\
                    ORDER#1,2026-02-01,1234.5,a@b.example,\"x,y\"\r\n\
                    ORDER#1,2026-02-01,7,g@h.example,again\r\n";
    assert_eq!(out, expected);
}

#[test]
fn repeated_keys_are_told_beside_every_form_of_output() {
    let folder = with("orders.csv", rows().as_bytes());
    for form in ["ndjson", "csv", "dynamodb-json"] {
        let (_, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", form]);
        assert!(
            err.contains("warning: repeated keys: 1 row has the key of an earlier row, and the item that is written last stays: rows 4 (as 1)"),
            "{form}: {err}"
        );
        assert!(!out.contains("repeated"), "{form}: {out}");
    }
}

#[test]
fn a_check_whose_output_is_cut_off_is_no_success() {
    let many: String = (1..=40_000).map(|id| format!("{id},01/02/2026,1,,{},N\n", "x".repeat(60))).collect();
    let folder = with("orders.csv", format!("{HEADER}{many}").as_bytes());
    for args in [
        &["--all", "--output", "ndjson"][..],
        &["--all", "--output", "csv"],
        &["--all", "--output", "dynamodb-json"],
        &["--all"],
        &["--all", "--output", "json"],
    ] {
        let mut child = command(folder.path(), &[&["preview", "orders.csv"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the deployer starts");
        let mut first = [0; 1];
        child.stdout.take().expect("stdout").read_exact(&mut first).expect("some output");
        let output = child.wait_with_output().expect("the deployer ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(141), ""), "{args:?}");
    }
}

#[test]
fn people_see_the_first_items_and_the_results_of_the_file() {
    let folder = with("orders.csv", rows().as_bytes());
    let (code, out, err) = run(&folder, &["preview", "orders.csv"]);
    assert_eq!(code, Some(7), "{err}");
    let squeezed: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "row pk (S) placed (S) amount (N) email (S) note (S)",
        "1 ORDER#1 2026-02-01 1234.5 (sensitive) x,y",
        "4 ORDER#1 2026-02-01 7 (sensitive) again",
        "orders.csv: 6 rows, 2 items, 1 skipped by `where`, 3 failed",
        "lines that are not rows: 1 blank, 1 repeated header",
        "failed reason field column first rows message of the first",
        "repeated keys: 1 row has the key of an earlier row, and the item that is written last stays: rows 4 (as 1)",
    ] {
        assert!(squeezed.iter().any(|found| found == line), "{line}\n{out}");
    }
    for part in [
        "invalid-timestamp",
        "largest item: row 1, ",
        "cost: ",
        "deployer cost --rows 6 --bytes-per-row ",
        " --skipped 1 --skipped-runs 1` explains",
        "time: about ",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    assert!(err.contains("(sensitive): `--show-sensitive` shows the value"), "{err}");
    assert!(!out.contains("example"), "{out}");
    let (_, out, _) = run(&folder, &["preview", "orders.csv", "--rows", "0"]);
    assert!(out.starts_with("orders.csv: 6 rows"), "{out}");
    // Too many columns for the width are listed one below the other.
    let narrow = command(folder.path(), &["preview", "orders.csv"]).env("COLUMNS", "50").output();
    let narrow = String::from_utf8(narrow.expect("the deployer starts").stdout).expect("UTF-8");
    let first: Vec<String> =
        narrow.lines().take(2).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(first, ["row 1", "pk S ORDER#1"], "{narrow}");
}

#[test]
fn the_document_has_the_results_and_the_first_rows() {
    let folder = with("orders.csv", rows().as_bytes());
    let (code, out, err) = run(&folder, &["preview", "orders.csv", "--rows", "3", "--output", "json"]);
    assert_eq!(code, Some(7), "{err}");
    let document = parsed(&out);
    assert_eq!(judge("preview", &document), [""; 0]);
    for (name, expected) in [
        ("function", json!("transform")),
        ("table", json!("records")),
        ("failure", Value::Null),
        ("rows", json!(6)),
        ("items", json!(2)),
        ("skipped", json!(1)),
        ("failed", json!(3)),
        ("compressed", json!(false)),
        ("lines", json!({ "blank": 1, "headers": 1, "comments": 0 })),
        ("repeatedKeys", json!({ "rows": 1, "first": [[1, 4]], "notCompared": 0 })),
        ("textBytes", json!(rows().len())),
    ] {
        assert_eq!(document[name], expected, "{name}");
    }
    let failures = document["failures"].as_array().expect("failures");
    let failures: Vec<_> = failures.iter().map(|one| (one["reason"].clone(), one["first"].clone())).collect();
    let expected = [
        (json!("invalid-timestamp"), json!([2])),
        (json!("out-of-range"), json!([5])),
        (json!("row-length"), json!([6])),
    ];
    assert_eq!(failures, expected);
    assert_eq!(document["largestItem"]["row"], 1);
    assert_eq!(document["results"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["results"][0]["item"]["email"], json!({ "S": "(sensitive)" }));
    assert!(document["cost"]["dollars"].as_f64().is_some_and(|dollars| dollars > 0.0), "{document}");
    assert!(document["time"]["limit"].is_string(), "{document}");
}

#[test]
fn a_good_file_is_exit_0_also_compressed() {
    let text = format!("{HEADER}1,01/02/2026,1,,,N\n");
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("in memory");
    let mut outputs = Vec::new();
    for bytes in [text.as_bytes(), &gzip, &zstd] {
        let folder = with("orders.csv", bytes);
        for (form, expected) in [
            ("text", "orders.csv: 1 row, 1 item, 0 failed"),
            ("ndjson", "\"row\":1"),
            ("json", "\"items\": 1"),
        ] {
            let (code, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", form]);
            assert_eq!(code, Some(0), "{form}: {err}");
            assert!(out.contains(expected), "{form}: {out}");
            if form == "ndjson" {
                outputs.push(out);
            }
        }
    }
    assert!(outputs.iter().all(|out| *out == outputs[0]), "{outputs:?}");
}

#[test]
fn a_file_that_fails_as_a_whole_names_its_columns() {
    let without = rows().replace(",Amount,", ",Sum,").replace(",Note,", ",Notes,");
    for (bytes, reason, columns) in [
        (without.as_bytes(), "missing-column", json!(["Amount", "Note"])),
        (b"ID,ID\n1,2\n", "duplicate-header", json!([])),
        (b"\x1f\x8bno gzip", "invalid-compression", json!([])),
        (b"%PDF-1.7\n\x00", "unsupported-format", json!([])),
    ] {
        let folder = with("orders.csv", bytes);
        let (code, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", "ndjson"]);
        assert_eq!(code, Some(7), "{err}");
        let found = lines(&out);
        assert_eq!(found.len(), 1, "{out}");
        let file = &found[0]["file"];
        assert_eq!((&file["reason"], &file["columns"]), (&json!(reason), &columns));
        assert!(file["message"].as_str().is_some_and(|message| err.contains(message)), "{out}{err}");
        assert!(err.contains(&format!("`deployer docs {reason}` explains it")), "{err}");
        let (code, out, _) = run(&folder, &["preview", "orders.csv", "--output", "json"]);
        let document = parsed(&out);
        assert_eq!((code, judge("preview", &document)), (Some(7), Vec::<String>::new()));
        assert_eq!(document["failure"]["columns"], columns);
        for form in ["text", "dynamodb-json"] {
            let (code, out, err) = run(&folder, &["preview", "orders.csv", "--output", form]);
            assert_eq!((code, out.as_str()), (Some(7), ""), "{form}: {err}");
        }
    }
}

#[test]
fn a_file_without_rows_says_so() {
    for (bytes, said) in [("", "orders.csv is empty"), (HEADER, "orders.csv has a header and no rows")] {
        let folder = with("orders.csv", bytes.as_bytes());
        let (code, out, err) = run(&folder, &["preview", "orders.csv"]);
        assert_eq!((code, out.trim_end()), (Some(0), said), "{err}");
        let (code, out, err) = run(&folder, &["preview", "orders.csv", "--all", "--output", "ndjson"]);
        assert_eq!((code, out.as_str(), err.contains(said)), (Some(0), "", true), "{err}");
    }
}

#[test]
fn items_keep_the_rules_of_the_table() {
    let folder = with("orders.csv", format!("{HEADER}{},01/02/2026,1,,,N\n", "9".repeat(2_050)).as_bytes());
    let (code, out, _) = run(&folder, &["preview", "orders.csv", "--all", "--output", "ndjson"]);
    assert_eq!(code, Some(7));
    assert_eq!(lines(&out)[0]["failed"]["reason"], "invalid-item", "{out}");
}

#[test]
fn the_key_of_the_object_and_the_number_of_the_row_are_known() {
    let stack =
        stack().replace("note: { from: Note }", "note: \"${object.bucket}/${object.key}#${record.index}\"");
    let folder = folder(&stack);
    std::fs::write(folder.path().join("orders.csv"), format!("{HEADER}1,01/02/2026,1,,,N\n"))
        .expect("a file");
    for (more, note) in [(&[][..], "landing/orders.csv#1"), (&["--key", "in/a.csv"], "landing/in/a.csv#1")] {
        let args = [&["preview", "orders.csv", "--output", "ndjson"], more].concat();
        let (code, out, err) = run(&folder, &args);
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(lines(&out)[0]["item"]["note"], json!({ "S": note }));
    }
}

#[test]
fn what_cannot_be_previewed_is_a_usage_error() {
    let folder = with("orders.csv", HEADER.as_bytes());
    for (args, part) in [
        (&["preview", "gone.csv"][..], "there is no file gone.csv"),
        (&["preview", "."], "is a folder"),
        (&["preview", "orders.csv", "nosuch"], "no stack is named `nosuch`"),
        (
            &["preview", "orders.csv", "--function", "load"],
            "no function with `worker: transform` is named `load`",
        ),
        (&["preview", "orders.csv", "--task", "x"], "is named `x`"),
        (&["preview", "orders.csv", "--rows", "2", "--all"], "cannot be used with"),
        (&["preview", "orders.csv", "--output", "env"], "only `deployer outputs` supports `--output env`"),
        (&["ls", "--output", "ndjson"], "only `deployer preview` supports `--output ndjson`"),
        (&["ls", "--output", "csv"], "only `deployer preview` supports `--output csv`"),
        (&["preview"], "required arguments were not provided"),
    ] {
        let (code, out, err) = run(&folder, args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
    let queue = self::folder("name: w\nstacks: { dev: {} }\nresources: { jobs: { type: queue } }\n");
    std::fs::write(queue.path().join("orders.csv"), HEADER).expect("a file");
    let (code, _, err) = run(&queue, &["preview", "orders.csv"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("the stack has no function with `worker: transform`"), "{err}");
}

#[test]
fn one_of_several_functions_is_chosen() {
    let start = stack().find("  transform:\n").expect("the function");
    let end = stack().find("  load:\n").expect("the next function");
    let mut stack = stack();
    let other = stack[start..end].replace("  transform:", "  other:").replace("ORDER#", "OTHER#");
    stack.insert_str(end, &other);
    let folder = folder(&stack);
    std::fs::write(folder.path().join("orders.csv"), format!("{HEADER}1,01/02/2026,1,,,N\n"))
        .expect("a file");
    let (code, _, err) = run(&folder, &["preview", "orders.csv"]);
    assert_eq!(code, Some(2), "{err}");
    for part in ["more than one function with `worker: transform`: `transform`, `other`", "--function NAME"] {
        assert!(err.contains(part), "{err}");
    }
    let args = ["preview", "orders.csv", "--function", "other", "--output", "ndjson"];
    let (code, out, err) = run(&folder, &args);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(lines(&out)[0]["item"]["pk"], json!({ "S": "OTHER#1" }));
}

#[test]
fn a_file_of_json_is_named_and_what_reads_it() {
    for (text, named) in [
        ("{\"ID\": 1, \"Note\": \"x\"}\n{\"ID\": 2}\n", "the file is JSON Lines, "),
        ("[{\"ID\": 1, \"Note\": \"x\"},\n{\"ID\": 2}]\n", "the file is an array of JSON, "),
    ] {
        let folder = with("orders.json", text.as_bytes());
        let (code, out, err) = run(&folder, &["preview", "orders.json", "--output", "ndjson"]);
        assert_eq!(code, Some(7), "{err}");
        let file = &parsed(out.trim())["file"];
        assert_eq!(file["reason"], json!("unsupported-format"), "{out}");
        let message = file["message"].as_str().expect("a message");
        assert!(message.starts_with(named) && message.contains("`format: json-lines`"), "{message}");
        assert!(err.contains("`deployer docs unsupported-format` explains it"), "{err}");
    }
}

#[test]
fn what_is_to_be_known_of_a_file_is_said_in_every_form() {
    let settings = "      disk: 21GiB\n";
    let stack = stack().replace(settings, &format!("{settings}      settings: {{ csv: {{ skip: 9 }} }}\n"));
    let folder = folder(&stack);
    std::fs::write(folder.path().join("orders.csv"), rows()).expect("a file");
    std::fs::write(folder.path().join("short.csv"), "Orders\n2026\n").expect("a file");
    let note = "the file has 2 lines, and all of them are left out by `skip: 9`";
    let (code, out, err) = run(&folder, &["preview", "short.csv"]);
    assert_eq!((code, out.as_str()), (Some(0), &*format!("short.csv has no rows\nnote: {note}\n")), "{err}");
    for form in ["ndjson", "csv", "dynamodb-json"] {
        let (code, _, err) = run(&folder, &["preview", "short.csv", "--output", form]);
        assert_eq!(code, Some(0), "{err}");
        assert!(err.contains(&format!("short.csv has no rows\nnote: {note}\n")), "{err}");
    }
    let (_, out, _) = run(&folder, &["preview", "short.csv", "--output", "json"]);
    let document = parsed(&out);
    assert_eq!(judge("preview", &document), [""; 0]);
    assert_eq!((&document["notes"], &document["rows"]), (&json!([note]), &json!(0)));
}
