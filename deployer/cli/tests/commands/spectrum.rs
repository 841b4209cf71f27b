//! Files of every trait that CSV has, each with the rows that it means: line ends, quotes, delimiters, encodings, blanks.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{STACK, folder, json as parsed, run};

/// Returns the repository's stack with a field of texts for each column; the key is the number of the row.
fn stack(columns: &[&String]) -> String {
    let fields: Map<String, Value> = std::iter::once(("id".to_owned(), json!("${record.index}")))
        .chain((0..).zip(columns).map(|(number, column)| (format!("f{number}"), json!({ "from": column }))))
        .collect();
    let start = STACK.find("        fields: #").expect("the fields");
    let end = STACK.find("  load:\n").expect("the next function");
    let (before, after) = (&STACK[..start], &STACK[end..]);
    format!("{before}        fields: {}\n{after}", Value::Object(fields))
}

#[test]
fn every_file_has_the_rows_that_it_means() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/spectrum");
    let mut seen = 0;
    for entry in std::fs::read_dir(&files).expect("the files") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        seen += 1;
        let name = path.display().to_string();
        let expected = std::fs::read_to_string(path.with_extension("json")).expect(&name);
        let expected: Vec<Map<String, Value>> = serde_json::from_str(&expected).expect(&name);
        let columns: Vec<&String> = expected.first().expect("a row").keys().collect();
        let folder = folder(&stack(&columns));
        let (code, out, err) = run(&folder, &["preview", &name, "--all", "--output", "ndjson"]);
        assert_eq!(code, Some(0), "{name}: {err}");
        let found: Vec<Value> = out.lines().map(|line| parsed(line)["item"].clone()).collect();
        let item = |row: usize, values: &Map<String, Value>| {
            let key = ("id".to_owned(), json!({ "S": (row + 1).to_string() }));
            let fields =
                (0..).zip(values.values()).map(|(at, value)| (format!("f{at}"), json!({ "S": value })));
            Value::Object(std::iter::once(key).chain(fields).collect())
        };
        let expected: Vec<Value> =
            expected.iter().enumerate().map(|(row, values)| item(row, values)).collect();
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(
        seen,
        std::fs::read_dir(&files).expect("the files").count() / 2,
        "each has its rows beside it"
    );
    assert!(seen > 20, "{seen}");
}
