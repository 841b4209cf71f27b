//! Files as people have them, each made after a report of the same kind, and the right result for them.

use super::*;

/// The columns of the fields that all these files are for.
const COLUMNS: [&str; 5] = ["ID", "HouseNum", "Street", "Town", "Zip"];

/// The verdict on a file: for each row its fields or the reason why it fails, and the end of the reading.
struct Case {
    file: &'static str,
    settings: &'static str,
    rows: &'static [Result<&'static [&'static str], (Reason, &'static str)>],
    skipped: Skipped,
    end: Result<(), (Reason, &'static str)>,
}

const NONE: Skipped = Skipped { blank: 0, headers: 0, comments: 0 };
const WHOLE: Case = Case { file: "", settings: "{}", rows: &[], skipped: NONE, end: Ok(()) };
const QUOTING: &str = "text after a closing quote in line ";

const CASES: &[Case] = &[
    Case {
        file: "good_before.csv",
        rows: &[
            Ok(&["rn1", "1", "Birch Row", "Lund", "221"]),
            Ok(&["rn2", "2", "Elm Court", "Oslo", "0150"]),
        ],
        ..WHOLE
    },
    Case {
        file: "renamed.csv",
        end: Err((Reason::MissingColumn, "the file has no columns `HouseNum`, `Street`, `Town` and `Zip`")),
        ..WHOLE
    },
    Case { file: "spacequote2.csv", rows: &[Ok(&["t1", "1", "Birch Row", "Lund", "221"])], ..WHOLE },
    Case { file: "nbsp.csv", rows: &[Ok(&["nb1", "1", "Birch Row", "Lund", "221"])], ..WHOLE },
    Case {
        file: "mysql.csv",
        rows: &[
            Err((Reason::InvalidQuoting, "text after a closing quote in line 2;")),
            Ok(&["my2", "2", "a \"good\" one", "Lund", "221"]),
            Err((Reason::InvalidQuoting, "text after a closing quote in line 4;")),
            Err((Reason::InvalidQuoting, "text after a closing quote in line 5;")),
        ],
        ..WHOLE
    },
    Case {
        file: "mysql.csv",
        settings: r#"{"escape":"\\"}"#,
        rows: &[
            Ok(&["my1", "1", "The \"Old\" Mill", "Lund", "221"]),
            Ok(&["my2", "2", "a \"good\" one", "Lund", "221"]),
            Err((Reason::InvalidQuoting, QUOTING)),
            Err((Reason::InvalidQuoting, QUOTING)),
        ],
        ..WHOLE
    },
    Case {
        file: "strayquote.csv",
        rows: &[
            Ok(&["q1", "1", "5\" pipe lane", "Lund", "221"]),
            Ok(&["q2", "2", "Elm \"Court\"", "Oslo", "0150"]),
            Err((Reason::InvalidQuoting, QUOTING)),
            Err((Reason::UnclosedQuote, "which opens in line 5; its field includes the 2 lines after it")),
        ],
        ..WHOLE
    },
    Case {
        file: "merge2.csv",
        rows: &[Err((
            Reason::InvalidQuoting,
            "text after a closing quote in line 3, of a quote that opens in line 2; 2 lines belong to it",
        ))],
        ..WHOLE
    },
    Case {
        file: "commas.csv",
        rows: &[Ok(&["c1", "1", "Birch Row", "Lund", "221"]), Ok(&["c2", "2", "Elm Court", "Oslo", "0150"])],
        skipped: Skipped { blank: 201, ..NONE },
        ..WHOLE
    },
    Case {
        file: "repeated.csv",
        rows: &[Ok(&["h1", "1", "Birch Row", "Lund", "221"]), Ok(&["h2", "2", "Elm Court", "Oslo", "0150"])],
        skipped: Skipped { headers: 1, ..NONE },
        ..WHOLE
    },
    Case {
        file: "sep.csv",
        rows: &[Ok(&["a1", "1", "Birch Row", "Lund", "221"]), Ok(&["a2", "2", "Elm, Court", "Oslo", "0150"])],
        ..WHOLE
    },
    Case {
        file: "worldbank.csv",
        end: Err((Reason::MissingColumn, "; line 5 looks like the header: write `csv: { skip: 4 }`")),
        ..WHOLE
    },
    Case {
        file: "worldbank.csv",
        settings: r#"{"skip":4}"#,
        rows: &[Ok(&["w1", "1", "Birch Row", "Lund", "221"]), Ok(&["w2", "2", "Elm Court", "Oslo", "0150"])],
        ..WHOLE
    },
    Case {
        file: "comment.csv",
        end: Err((Reason::MissingColumn, "; line 3 looks like the header: write `csv: { comment: \"#\" }`")),
        ..WHOLE
    },
    Case {
        file: "comment.csv",
        settings: r##"{"comment":"#"}"##,
        rows: &[
            Ok(&["cm1", "1", "a", "b", "c"]),
            Err((Reason::RowLength, "row 2 has 1 field, but the header has 5 columns")),
        ],
        skipped: Skipped { comments: 3, ..NONE },
        ..WHOLE
    },
    Case {
        file: "trail3.csv",
        rows: &[Ok(&["tr1", "1", "Birch Row", "Lund", "221"])],
        skipped: Skipped { blank: 1, ..NONE },
        ..WHOLE
    },
    Case {
        file: "ragged.csv",
        rows: &[
            Err((Reason::RowLength, "row 1 has 4 fields")),
            Err((Reason::RowLength, "row 2 has 6 fields")),
            Err((Reason::RowLength, "row 3 has 6 fields")),
            Ok(&["rg4", "4", "x", "y", "z"]),
        ],
        ..WHOLE
    },
    Case {
        file: "ragged.csv",
        settings: r#"{"short":"pad"}"#,
        rows: &[
            Ok(&["rg1", "1", "Birch Row", "Lund", ""]),
            Err((Reason::RowLength, "row 2 has 6 fields")),
            Err((Reason::RowLength, "row 3 has 6 fields")),
            Ok(&["rg4", "4", "x", "y", "z"]),
        ],
        ..WHOLE
    },
    Case {
        file: "pandas_index.csv",
        rows: &[
            Ok(&["0", "p1", "1", "Birch Row", "Lund", "221"]),
            Ok(&["1", "p2", "2", "Elm Court", "Oslo", "0150"]),
        ],
        ..WHOLE
    },
    Case {
        file: "headcommas.csv",
        // Its columns have other names.
        end: Err((Reason::MissingColumn, "the file has no columns `HouseNum`, `Street` and `Town`")),
        ..WHOLE
    },
    Case {
        file: "headcommas.csv",
        settings: r#"{"columns":["ID","HouseNum","Street","Town","Zip"]}"#,
        rows: &[Ok(&["hc1", "1", "Birch Row", "Lund", "221"])],
        ..WHOLE
    },
    Case { file: "really_a_zip.csv", end: Err((Reason::UnsupportedFormat, "a zip archive")), ..WHOLE },
    Case { file: "xz.csv", end: Err((Reason::UnsupportedFormat, "compressed with xz")), ..WHOLE },
    // `load` decides about an empty key of an index.
    Case {
        file: "gsi.csv",
        rows: &[
            Ok(&["gk1", "1", "Birch", "", "221"]),
            Ok(&["gk2", "2", "Birch", "Lund", "221"]),
            Ok(&["gk3", "3", "Birch", "   ", "221"]),
        ],
        ..WHOLE
    },
];

#[test]
fn each_file_is_read_or_refused_as_is_right() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reader/tests/cases");
    for case in CASES {
        let bytes = std::fs::read(folder.join(case.file)).expect("a file of the folder");
        let report = read_with(case.settings, &COLUMNS, &bytes);
        let name = (case.file, case.settings);
        let said = |fault: &Fault, (reason, says): (Reason, &str)| {
            assert_eq!(fault.reason, reason, "{name:?}: {}", fault.message);
            assert!(fault.message.contains(says), "{name:?}: {}", fault.message);
        };
        match (&report.end, case.end) {
            (Ok(()), Ok(())) => {}
            (Err(fault), Err(expected)) => said(fault, expected),
            (end, _) => panic!("{name:?}: {end:?}"),
        }
        assert_eq!(report.rows.len(), case.rows.len(), "{name:?}: {:?}", report.rows);
        for ((_, row), expected) in report.rows.iter().zip(case.rows) {
            match (row, expected) {
                (Ok(fields), Ok(expected)) => assert_eq!(fields, expected, "{name:?}"),
                (Err(fault), Err(expected)) => said(fault, *expected),
                (row, _) => panic!("{name:?}: {row:?}"),
            }
        }
        assert_eq!(report.skipped, case.skipped, "{name:?}");
        let settings: CsvSettings = serde_json::from_str(case.settings).expect("settings");
        let expected = COLUMNS.map(str::to_owned);
        let divided = read_expecting(&settings, &expected, 10_000, bytes.chunks(3));
        assert_eq!(divided, report, "{name:?}: in pieces");
    }
}

/// The kinds of files that people test readers of CSV with, each with its header and rows.
#[test]
fn files_of_every_common_kind_are_read() {
    const KINDS: &[(&str, &[&[&str]])] = &[
        ("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]),
        ("a,b\r\n1,2\r\n3,4\r\n", &[&["a", "b"], &["1", "2"], &["3", "4"]]),
        ("name,place\nAda,\"Turin, Italy\"\n", &[&["name", "place"], &["Ada", "Turin, Italy"]]),
        ("a,b,c\n1,\"\",\"\"\n2,3,4\n", &[&["a", "b", "c"], &["1", "", ""], &["2", "3", "4"]]),
        ("a,b,c\r\n1,\"\",\"\"\r\n,3,\r\n", &[&["a", "b", "c"], &["1", "", ""], &["", "3", ""]]),
        (
            "a,b\n1,\"she said \"\"no\"\"\"\n2,\"\"\"\"\n",
            &[&["a", "b"], &["1", "she said \"no\""], &["2", "\""]],
        ),
        (
            "key,value\n1,\"{\"\"x\"\": [1.5, \"\"y\"\"]}\"\n",
            &[&["key", "value"], &["1", "{\"x\": [1.5, \"y\"]}"]],
        ),
        ("a,b\n\"once\nupon\",\"a\n\ntime\"\n", &[&["a", "b"], &["once\nupon", "a\n\ntime"]]),
        ("a,b\r\n\"once\r\nupon\",5\r\n", &[&["a", "b"], &["once\r\nupon", "5"]]),
        ("a,b\n1,\"\"\"so\"\"\nhe said\"\n", &[&["a", "b"], &["1", "\"so\"\nhe said"]]),
        ("a,b\n1,ʤ\nß,日本\n", &[&["a", "b"], &["1", "ʤ"], &["ß", "日本"]]),
        ("lat,lon\n\"45°28′N\",\"9°11′E\"\n", &[&["lat", "lon"], &["45°28′N", "9°11′E"]]),
    ];
    for (text, expected) in KINDS {
        let report = read(text);
        let fields = report.rows.iter().map(|(_, row)| row.clone().expect("a good row"));
        let found: Vec<Vec<String>> = std::iter::once(report.columns.clone()).chain(fields).collect();
        assert_eq!(found, *expected, "{text:?}");
    }
}
