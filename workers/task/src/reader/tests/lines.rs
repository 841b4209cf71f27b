//! Files whose lines are whole values, or are left out.

use super::*;

#[test]
fn in_a_file_of_one_column_a_blank_line_is_an_empty_value() {
    for text in ["\na\n1\n\n\"\"\n\n2", "a\r\n1\r\n\r\n\r\n\r\n2\r\n", "a\r1\r\r\r\r2\r"] {
        assert_eq!(rows(text), [["1"], [""], [""], [""], ["2"]], "{text:?}");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read_chunks(100, bytes), read(text));
    }
    assert_eq!(read("a,\n1,\n\n,\n").rows.len(), 1, "two columns, one of which has no name");
    assert_eq!(read_with(r#"{"header":false,"columns":["a"]}"#, &[], "1\n\n2\n").rows.len(), 3);
}

#[test]
fn in_a_file_of_one_column_the_last_line_is_no_row_if_it_is_blank() {
    for (text, expected) in [
        ("a\n1\n\n", &["1"][..]),
        ("a\n1\n\n\n", &["1", ""]),
        ("a\r\n1\r\n\r\n", &["1"]),
        ("a\r1\r\r", &["1"]),
        ("a\n1\n\n\"\"\n", &["1", "", ""]),
        ("a\n\n", &[]),
    ] {
        let report = read(text);
        let found: Vec<&str> =
            report.rows.iter().map(|(_, row)| row.as_ref().expect("good")[0].as_str()).collect();
        assert_eq!(found, expected, "{text:?}");
        let blank = u64::from(!text.ends_with("\"\n"));
        assert_eq!((report.skipped.blank, report.spans.len()), (blank, expected.len()), "{text:?}");
        assert_eq!(read_chunks(10_000, text.as_bytes().chunks(1)), report);
    }
}

#[test]
fn a_setting_of_one_column_takes_no_row_of_several_for_a_value() {
    let length = |settings: &str, text: &str| {
        let report = read_with(settings, &[], text);
        let of_rows = report.rows.iter().filter_map(|(_, row)| row.as_ref().err());
        report.end.as_ref().err().into_iter().chain(of_rows).map(|fault| fault.reason).collect::<Vec<_>>()
    };
    let (with, without) = (r#"{"columns":["a"]}"#, r#"{"header":false,"columns":["a"]}"#);
    for delimiter in [",", ";", "\t", "|"] {
        let text = "x;y\n1;A\n2;B\n".replace(';', delimiter);
        assert_eq!(length(with, &text), [Reason::RowLength], "{text:?}");
        assert_eq!(length(without, &text), [Reason::RowLength; 3], "{text:?}");
        // A delimiter that is named has a say.
        let named = without.replace('}', r#","delimiter":"~"}"#);
        assert_eq!(length(&named, &text), [], "{text:?}");
    }
}

#[test]
fn a_file_of_one_column_has_the_texts_of_its_lines() {
    let without = r#"{"header":false,"columns":["a"]}"#;
    let fields = |settings: &str, text: &str| -> Vec<Option<String>> {
        let report = read_with(settings, &[], text);
        assert_eq!(report.end, Ok(()), "{text:?}");
        report.rows.into_iter().map(|(_, row)| row.ok().map(|fields| fields.concat())).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    // Now and then, a text has a delimiter.
    assert_eq!(fields(without, "a;b\nc\nd|e\nf\n"), [some("a;b"), some("c"), some("d|e"), some("f")]);
    // A comma is the delimiter, and so no text loses it.
    assert_eq!(fields(without, "Dear all,\nhello\n"), [None, some("hello")]);
    // Unless every line ends so.
    assert_eq!(fields(without, "a;\nb;\n;\n"), [some("a"), some("b"), some("")]);
    assert_eq!(fields(r#"{"columns":["a"]}"#, "x;\nb;\n"), [some("b")]);
    assert_eq!(fields(r#"{"columns":["a"]}"#, "x\na;b\nc;d\n"), [some("a;b"), some("c;d")]);
}

#[test]
fn a_file_of_fewer_lines_than_are_skipped_says_so() {
    let notes = |settings: &str, text: &str| -> Vec<String> {
        let settings: CsvSettings = serde_json::from_str(settings).expect("settings");
        let mut reader = Reader::new(1000, &settings, &[]);
        let mut input = text.as_bytes();
        while reader.read(&mut input).expect("a file").is_some() {}
        while reader.finish().expect("a file").is_some() {}
        assert!(reader.finish().expect("a file").is_none());
        reader.notes().to_vec()
    };
    let all = "the file has 2 lines, and all of them are left out by `skip: 9`";
    let without = r#"{"skip":9,"header":false,"columns":["a"]}"#;
    for text in ["a\nb\n", "a\r\nb", "sep=;\nb"] {
        assert_eq!(notes(r#"{"skip":9}"#, text), [all], "{text:?}");
        assert_eq!(notes(without, text), [all], "{text:?}");
    }
    assert_eq!(
        notes(r##"{"skip":1,"comment":"#"}"##, "a\n\n#b\n"),
        [
            "the file has 3 lines: after those that are left out by `skip: 1`, the others are blank or comments"
        ]
    );
    for (settings, text) in [(r#"{"skip":9}"#, ""), (r#"{"skip":1}"#, "a\nb\n"), ("{}", "\n\n")] {
        assert_eq!(notes(settings, text), [""; 0], "{text:?}");
    }
}
