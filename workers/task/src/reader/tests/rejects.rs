//! Files of rejected rows, as `report` writes them and people correct them.

use super::*;

fn fields(text: &str, settings: &str, expected: &[&str]) -> (Vec<Result<Vec<String>, Reason>>, Vec<String>) {
    let settings: CsvSettings = serde_json::from_str(settings).expect("settings");
    let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    let whole = read_expecting(&settings, &expected, 1_000, [text.as_bytes()]);
    let bytes = read_expecting(&settings, &expected, 1_000, text.as_bytes().chunks(1));
    assert_eq!((&whole.rows, &whole.columns), (&bytes.rows, &bytes.columns), "{text:?}");
    whole.end.expect("a file");
    let rows = whole.rows.into_iter().map(|(_, row)| row.map_err(|fault| fault.reason));
    (rows.collect(), whole.columns)
}

fn good<const N: usize>(row: [&str; N]) -> Result<Vec<String>, Reason> {
    Ok(row.map(str::to_owned).to_vec())
}

#[test]
fn the_columns_of_the_report_are_no_columns_of_the_file() {
    let head = "\u{feff}_row,_reason,_field,_message,";
    let text =
        format!("{head}ID,Town\n7,row-length,,\"row 7 has 3 fields, but\",1,\"Bristol, Avon\"\n9,,,,2,\n");
    for settings in [
        "{}",
        r#"{"delimiter":","}"#,
        r#"{"skip":3}"#,
        r##"{"comment":"#"}"##,
        r#"{"encoding":"windows-1252"}"#,
    ] {
        let (rows, columns) = fields(&text, settings, &["ID"]);
        assert_eq!(columns, ["ID", "Town"], "{settings}");
        assert_eq!(rows, [good(["1", "Bristol, Avon"]), good(["2", ""])], "{settings}");
    }
}

#[test]
fn other_names_and_no_names_stay_as_they_are_in_the_settings() {
    let text = "_row;_reason;_field;_message;A;B\n1;x;;;1;2\n";
    for settings in [
        r#"{"columns":["ID","Town"]}"#,
        r#"{"columns":["ID","Town"],"header":false,"delimiter":";"}"#,
        r#"{"columns":["ID","Town"],"header":false}"#,
    ] {
        let (rows, columns) = fields(text, settings, &["ID", "Town"]);
        assert_eq!(
            (rows, columns),
            (vec![good(["1", "2"])], vec!["ID".to_owned(), "Town".into()]),
            "{settings}"
        );
    }
    // One column, and a line without anything.
    let (rows, _) = fields("_row,_reason,_field,_message,ID\n1,,,,a\n\n2,,,,\"\"\n", "{}", &[]);
    assert_eq!(rows, [good(["a"]), good([""])]);
}

#[test]
fn a_row_that_is_still_wrong_is_rejected() {
    let text = "_row,_reason,_field,_message,ID,Town\n1,,,,1\n2,,,,1,2,3\n3,4\n4,,,,\"a\"b,c\n5,,,,x,y\n_row,_reason,_field,_message,ID,Town\n";
    let (rows, _) = fields(text, "{}", &[]);
    let wrong = Err(Reason::RowLength);
    assert_eq!(rows, [wrong.clone(), wrong.clone(), wrong, Err(Reason::InvalidQuoting), good(["x", "y"])]);
    let (rows, _) = fields(text, r#"{"short":"pad"}"#, &[]);
    assert_eq!(rows[0], good(["1", ""]));
}

#[test]
fn a_file_that_only_begins_like_one_is_as_it_was() {
    for text in [
        "_row,_reason,_field,ID\n1,2,3,4\n",
        "_row,_field,_reason,_message\n1,2,3,4\n",
        "_rows,_reason,_field,_message\n1,2,3,4\n",
    ] {
        let (rows, columns) = fields(text, "{}", &[]);
        assert_eq!((rows, columns.len()), (vec![good(["1", "2", "3", "4"])], 4), "{text}");
    }
    let (rows, columns) = fields("_row\n1\n", "{}", &[]);
    assert_eq!((rows, columns), (vec![good(["1"])], vec!["_row".to_owned()]));
}

#[test]
fn what_was_found_of_a_rejected_row_is_there() {
    let mut reader = Reader::new(1_000, &CsvSettings::default(), &[]);
    let mut input = &b"_row,_reason,_field,_message,ID,Town\n1,,,,a,b,c\n2,,,,\xff,b\n"[..];
    let row = reader.read(&mut input).expect("a file");
    assert!(row.is_none(), "the head may be longer");
    let row = reader.finish().expect("a file").expect("a row");
    assert!(row.fields.is_err());
    assert_eq!(row.found.expect("texts").iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    let row = reader.finish().expect("a file").expect("a row");
    assert!(row.fields.is_err() && row.found.is_none());
}
