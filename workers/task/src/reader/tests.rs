//! The reader on good files, bad files, and noise.

use proptest::prelude::*;

use contract::location::BYTE_ORDER_MARK;

use super::*;
use crate::decompress::tests as decompress;

mod cases;
mod lines;
mod properties;
mod rejects;

impl Reader {
    /// Reads up to the end of the next row; returns `None` if the input is used up.
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Row<'_>>, Fault> {
        Ok(if self.advance(input)? { Some(self.row()) } else { None })
    }

    /// Returns the rows that end with the input. To be called until it returns `None`.
    fn finish(&mut self) -> Result<Option<Row<'_>>, Fault> {
        Ok(if self.advance_at_end()? { Some(self.row()) } else { None })
    }
}

/// The results of a reader for an input.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    columns: Vec<String>,
    rows: Vec<(u64, Result<Vec<String>, Fault>)>,
    spans: Vec<Range<u64>>,
    locations: Vec<Location>,
    /// For each row, the positions of its fields that are empty and in quotes.
    quoted: Vec<Vec<usize>>,
    skipped: Skipped,
    end: Result<(), Fault>,
}

fn keep(rows: &mut Report, row: Row<'_>) {
    rows.columns = row.columns.to_vec();
    rows.spans.push(row.span.clone());
    rows.locations.push(row.location());
    rows.skipped += row.skipped;
    let cells = row.fields.iter().flat_map(|fields| fields.cells().enumerate());
    rows.quoted.push(cells.filter(|(_, cell)| cell.quoted).map(|(position, _)| position).collect());
    rows.rows.push((row.index, row.fields.map(|fields| fields.iter().map(str::to_owned).collect())));
}

/// Reads chunks and checks at every step that no buffer exceeds the limit.
fn read_chunks<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Report {
    read_as(&CsvSettings::default(), limit, chunks)
}

fn read_as<'a>(settings: &CsvSettings, limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Report {
    read_expecting(settings, &[], limit, chunks)
}

fn read_expecting<'a>(
    settings: &CsvSettings,
    expected: &[String],
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Report {
    let mut reader = Reader::new(limit, settings, expected);
    let mut report = Report {
        columns: Vec::new(),
        rows: Vec::new(),
        spans: Vec::new(),
        locations: Vec::new(),
        quoted: Vec::new(),
        skipped: Skipped::default(),
        end: Ok(()),
    };
    for mut chunk in chunks {
        loop {
            match reader.read(&mut chunk) {
                Ok(Some(row)) => keep(&mut report, row),
                Ok(None) => break,
                Err(fault) => return Report { end: Err(fault), ..report },
            }
            assert!(reader.buffered() <= limit + 1, "{} bytes buffered", reader.buffered());
        }
        assert!(chunk.is_empty(), "the reader stopped before the end of the chunk");
        assert!(reader.buffered() <= limit + 1, "{} bytes buffered", reader.buffered());
    }
    loop {
        match reader.finish() {
            Ok(Some(row)) => keep(&mut report, row),
            Ok(None) => break,
            Err(fault) => return Report { end: Err(fault), ..report },
        }
    }
    assert!(matches!(reader.finish(), Ok(None)), "rows after the end");
    assert_eq!(reader.rows(), report.rows.len() as u64);
    report.skipped += reader.skipped();
    report
}

fn settings(delimiter: Option<char>, quote: char, header: bool, columns: &[&str]) -> CsvSettings {
    let character = |character| Character::try_from(character).expect("an ASCII character");
    CsvSettings {
        delimiter: delimiter.map(character),
        quote: character(quote),
        header,
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        ..CsvSettings::default()
    }
}

/// Reads with settings as they are in `stack.yaml`, and with columns that are expected.
fn read_with(settings: &str, expected: &[&str], text: impl AsRef<[u8]>) -> Report {
    let settings = serde_json::from_str(settings).expect("settings");
    let expected: Vec<String> = expected.iter().map(|&name| name.to_owned()).collect();
    read_expecting(&settings, &expected, 10_000, [text.as_ref()])
}

fn read(text: impl AsRef<[u8]>) -> Report {
    read_chunks(10_000, [text.as_ref()])
}

/// Returns the good rows, in a file that has no others.
fn rows(text: &str) -> Vec<Vec<String>> {
    let report = read(text);
    assert_eq!(report.end, Ok(()), "{text:?}");
    report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect()
}

/// Returns the verdict on each row: none, or the reason why it is rejected.
fn reasons(report: &Report) -> Vec<(u64, Option<Reason>)> {
    report.rows.iter().map(|(index, row)| (*index, row.as_ref().err().map(|fault| fault.reason))).collect()
}

fn header_fault(text: impl AsRef<[u8]>) -> Fault {
    let report = read(text);
    assert!(report.rows.is_empty());
    report.end.expect_err("a bad header")
}

#[test]
fn quotes_follow_rfc_4180() {
    assert_eq!(
        rows("a,b\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\r\nlines\",\"\"\r\n"),
        [["x,y", "say \"hi\""], ["two\r\nlines", ""]]
    );
}

#[test]
fn every_line_end_and_none_ends_a_row() {
    for text in ["a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4", "a,b\r1,2\r3,4\r", "a,b\r\n1,2\n3,4"] {
        assert_eq!(rows(text), [["1", "2"], ["3", "4"]], "{text:?}");
    }
    // An empty last field at the end of a file without a line end is a field.
    assert_eq!(rows("a,b\n1,"), [["1", ""]]);
    assert_eq!(rows("a\n\"\""), [[""]]);
}

#[test]
fn blank_lines_are_no_rows_and_not_counted() {
    let report = read("\n\r\n\na,b\n\n1,2\n\r\n\n3\n\n");
    assert_eq!(report.columns, ["a", "b"]);
    assert_eq!(reasons(&report), [(1, None), (2, Some(Reason::RowLength))]);
    assert_eq!(report.skipped, Skipped { blank: 7, ..Skipped::default() });
}

#[test]
fn the_byte_order_mark_is_no_part_of_the_first_name() {
    for text in ["\u{feff}a,b\n1,2\n", "\u{feff}\"a\",b\n1,2\n", "\u{feff}\n\r\na,b\n1,2\n"] {
        let report = read(text);
        assert_eq!(report.columns, ["a", "b"], "{text:?}");
        assert_eq!(report.rows.len(), 1);
    }
    // It is invisible elsewhere in the name.
    assert_eq!(read("\u{feff}\u{feff}a\n1\n").columns, ["a"]);
    assert_eq!(read("\n\u{feff}a\n1\n").columns, ["a"]);
}

#[test]
fn the_delimiter_is_the_most_frequent_in_the_header() {
    for (text, columns) in [
        ("a,b\n", vec!["a", "b"]),
        ("a;b\n", vec!["a", "b"]),
        ("a\tb\n", vec!["a", "b"]),
        ("a|b\n", vec!["a", "b"]),
        ("a,b;c\n", vec!["a", "b;c"]),
        ("a|b;c\n", vec!["a|b", "c"]),
        ("a,b;c;d\n", vec!["a,b", "c", "d"]),
        ("\"a,b,c\";d\n", vec!["a,b,c", "d"]),
        ("\"a\n,,,\";d\n", vec!["a\n,,,", "d"]),
        ("\"a \"\",\"\" b\";d\n", vec!["a \",\" b", "d"]),
        ("single\n", vec!["single"]),
    ] {
        let report = read(format!("{text}{}\n", "x|x".repeat(5)));
        assert_eq!(report.end, Ok(()), "{text:?}");
        assert_eq!(report.columns, columns, "{text:?}");
    }
    assert_eq!(rows("a;b\n1,5;2\n"), [["1,5", "2"]]);
    // A quote within a field is a character like any other.
    assert_eq!(read("5\" disk;b\n1;2\n").columns, ["5\" disk", "b"]);
}

#[test]
fn a_stray_quote_in_the_header_does_not_confuse_sniffer_and_reader_about_rows() {
    // For the sniffer a quoted field starts after `|`; with the comma as delimiter it is text.
    let report = read("a,b|\"c,d\n1,2,3\n4,5,6\"\n7,8,9\n");
    assert_eq!(report.columns, ["a", "b|\"c", "d"]);
    assert_eq!(reasons(&report), [(1, None), (2, None), (3, None)]);
}

#[test]
fn names_are_trimmed() {
    assert_eq!(read(" ID , House Num\t,\"  Zip \"\n1,2,3\n").columns, ["ID", "House Num", "Zip"]);
}

#[test]
fn a_trailing_delimiter_is_tolerated() {
    assert_eq!(rows("a,b,\n1,2,\n3,4\n5,,\n1,2,,,\n"), [["1", "2"], ["3", "4"], ["5", ""], ["1", "2"]]);
    assert_eq!(rows("a;b; \n1;2;\n"), [["1", "2"]]);
    let report = read("a,b,\n1,2,3\n1\n1,2,,3\n");
    assert_eq!(
        reasons(&report),
        [(1, Some(Reason::RowLength)), (2, Some(Reason::RowLength)), (3, Some(Reason::RowLength))]
    );
    // Not when the header has none.
    assert_eq!(reasons(&read("a,b\n1,2,\n")), [(1, Some(Reason::RowLength))]);
}

#[test]
fn headers_that_name_nothing_or_twice_make_the_object_useless() {
    assert_eq!(
        header_fault("a,b, a\n1,2,3\n"),
        Fault::new(Reason::DuplicateHeader, "columns 1 and 3 of the header have the same name")
    );
    assert_eq!(
        header_fault("\"\", \n1,2\n"),
        Fault::new(Reason::EmptyHeader, "no column has a name in the header")
    );
    assert_eq!(header_fault("\"\"\n1\n").reason, Reason::EmptyHeader);
    assert_eq!(header_fault("  \n1\n").reason, Reason::EmptyHeader);
    assert_eq!(read("a,A\n1,2\n").end, Ok(()));
    // Columns without a name cannot be used.
    let report = read(",a,,b,,\n0,1,2,3\n");
    assert_eq!(
        (report.columns, reasons(&read(",a,,b,,\n0,1,2,3\n"))),
        (vec![String::new(), "a".into(), String::new(), "b".into()], vec![(1, None)])
    );
    let long = format!("{0},{0}\n", "n".repeat(500));
    assert!(header_fault(long).message.len() < 150, "a long name is cut");
}

#[test]
fn short_and_long_rows_are_rejected_with_counts() {
    let report = read("a,b,c\n1,2\n1,2,3\n1,2,3,4\n");
    assert_eq!(
        report.rows[0].1,
        Err(Fault::new(Reason::RowLength, "row 1 has 2 fields, but the header has 3 columns"))
    );
    assert!(report.rows[1].1.is_ok());
    assert_eq!(
        report.rows[2].1,
        Err(Fault::new(Reason::RowLength, "row 3 has 4 fields, but the header has 3 columns"))
    );
}

#[test]
fn bytes_that_are_no_text_reject_the_row_alone() {
    let report = read(b"a,b\n1,\xff\n2,2\n\xc3,\xa9\n3,\xc3\xa9\n");
    // The third row: two halves of one character, which would be valid together.
    assert_eq!(
        reasons(&report),
        [(1, Some(Reason::InvalidEncoding)), (2, None), (3, Some(Reason::InvalidEncoding)), (4, None)]
    );
    assert_eq!(header_fault(b"a,\xff\n1,2\n").reason, Reason::InvalidEncoding);
}

#[test]
fn a_quote_left_open_swallows_the_rest_and_is_reported() {
    let report = read("a,b\n1,2\n3,\"4\n5,6\n7,8\n");
    assert_eq!(reasons(&report), [(1, None), (2, Some(Reason::UnclosedQuote))]);
    assert_eq!(
        report.rows[1].1,
        Err(Fault::new(
            Reason::UnclosedQuote,
            "a quote in row 2 is never closed, which opens in line 3; its field includes the 2 lines after it"
        ))
    );
    // Closed at the very end, without a line end: complete.
    assert_eq!(rows("a,b\n1,\"2\""), [["1", "2"]]);
    assert_eq!(rows("a,b\n1,\"2\"\"\""), [["1", "2\""]]);
    assert_eq!(reasons(&read("a,b\n1,\"2\"\"")), [(1, Some(Reason::UnclosedQuote))]);
    assert_eq!(header_fault("a,\"b\n1,2\n").reason, Reason::UnclosedQuote);
    assert_eq!(header_fault("\"").reason, Reason::UnclosedQuote);
}

#[test]
fn a_file_without_rows_has_none() {
    for text in ["", "\n", "\r\n\r\n", "\u{feff}", "a,b", "a,b\n", "a,b\r\n\r\n"] {
        let report = read(text);
        assert_eq!((report.rows.len(), report.end), (0, Ok(())), "{text:?}");
    }
}

#[test]
fn rows_up_to_the_limit_pass_and_larger_ones_do_not() {
    let limit = 100;
    // Two field ends count as well: those of the delimiter and the line end.
    let text = |length: usize| format!("a,b\n1,{}\n2,x\n", "x".repeat(length));
    let fits = read_chunks(limit, [text(limit - 3).as_bytes()]);
    assert_eq!(reasons(&fits), [(1, None), (2, None)]);
    let exceeds = read_chunks(limit, [text(limit - 2).as_bytes()]);
    assert_eq!(reasons(&exceeds), [(1, Some(Reason::RowTooLarge)), (2, None)]);
    let empty_fields = format!("a,b\n\"\"{}\n2,x\n", ",".repeat(500));
    assert_eq!(
        reasons(&read_chunks(limit, [empty_fields.as_bytes()])),
        [(1, Some(Reason::RowTooLarge)), (2, None)]
    );
    let header = format!("{},b\n1,2\n", "a".repeat(200));
    assert_eq!(
        read_chunks(limit, [header.as_bytes()]).end.expect_err("too large").reason,
        Reason::RowTooLarge
    );
    let header_fields = format!("{}b\n1,2\n", "a,".repeat(60));
    assert!(read_chunks(limit, [header_fields.as_bytes()]).end.is_err());
}

#[test]
fn a_huge_row_takes_no_memory() {
    let mut reader = Reader::new(1000, &CsvSettings::default(), &[]);
    let row =
        std::iter::repeat_n(&b"xxxxxxxxxxxxxxxx,\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\","[..], 200_000);
    let (mut rows, mut rejected) = (0, 0);
    for mut chunk in [&b"a,b\n1,2\n"[..]].into_iter().chain(row).chain([&b"\n3,4\n"[..]]) {
        while let Some(row) = reader.read(&mut chunk).expect("a good header") {
            rows += 1;
            rejected += u64::from(row.fields.is_err());
        }
        assert!(reader.buffered() <= 1001);
    }
    assert_eq!((rows, rejected), (3, 1));
}

#[test]
fn a_file_without_a_header_has_the_columns_of_the_settings() {
    let nameless = settings(None, '"', false, &["id", "name"]);
    let text = "\u{feff}\r\n1,\"a;b\"\r\n\r\n2,\r\n3,c,,\r\n4,d,e\r\n5";
    let report = read_as(&nameless, 1000, [text.as_bytes()]);
    assert_eq!(report.columns, ["id", "name"]);
    assert_eq!(
        reasons(&report),
        [(1, None), (2, None), (3, None), (4, Some(Reason::RowLength)), (5, Some(Reason::RowLength))]
    );
    assert_eq!(report.rows[0].1, Ok(vec!["1".to_owned(), "a;b".to_owned()]));
    // A delimiter at the end of a row, which no header could announce.
    assert_eq!(report.rows[2].1, Ok(vec!["3".to_owned(), "c".to_owned()]));
    assert_eq!(
        report.rows[4].1,
        Err(Fault::new(Reason::RowLength, "row 5 has 1 field, but the settings have 2 columns"))
    );
    assert_eq!(read_as(&nameless, 1000, [&b""[..]]).rows.len(), 0);
    // Nothing is guessed from values: here, a semicolon would fit as well.
    assert_eq!(
        read_as(&nameless, 1000, [&b"1;2,5"[..]]).rows[0].1,
        Ok(vec!["1;2".to_owned(), "5".to_owned()])
    );
}

#[test]
fn a_first_row_that_is_too_large_is_a_row_like_any_other() {
    let nameless = settings(None, '"', false, &["a", "b"]);
    let text = format!("1,{}\n2,x\n3,\"{}\"\n4,y", "x".repeat(300), "\n".repeat(300));
    let report = read_as(&nameless, 100, [text.as_bytes()]);
    assert_eq!(
        reasons(&report),
        [(1, Some(Reason::RowTooLarge)), (2, None), (3, Some(Reason::RowTooLarge)), (4, None)]
    );
}

#[test]
fn the_settings_name_the_columns_in_the_place_of_the_header() {
    let renamed = settings(None, '"', true, &["id", "name"]);
    for header in ["a;b", "a;a", ";", "a;b;;", " ; ; ", "\u{feff}\"x\";y"] {
        let report = read_as(&renamed, 1000, [format!("{header}\n1;2\n3;4\n").as_bytes()]);
        assert_eq!((&report.end, report.rows.len()), (&Ok(()), 2), "{header:?}");
        assert_eq!(report.columns, ["id", "name"], "{header:?}");
    }
    assert_eq!(read_as(&renamed, 1000, [&b"\xff,b\n1,2\n"[..]]).end, Ok(()));
    // Settings for other files would give values the wrong names.
    for (header, message) in [
        ("a;b;c", "the header has 3 fields, but the settings have 2 columns"),
        ("a", "the header has 1 field, but the settings have 2 columns"),
    ] {
        let report = read_as(&renamed, 1000, [format!("{header}\n1;2\n").as_bytes()]);
        assert_eq!(report.end, Err(Fault::new(Reason::RowLength, message)));
    }
    assert_eq!(
        read_as(&renamed, 1000, [&b"a,\"b\n1,2\n"[..]]).end.expect_err("an open quote").reason,
        Reason::UnclosedQuote
    );
}

#[test]
fn delimiter_and_quote_are_those_of_the_settings() {
    let report = read_as(&settings(Some(';'), '\'', true, &[]), 1000, [&b"a,b,c;d\n'1;''2';\"x\n"[..]]);
    assert_eq!(report.columns, ["a,b,c", "d"]);
    assert_eq!(report.rows[0].1, Ok(vec!["1;'2".to_owned(), "\"x".to_owned()]));
    // The quote can't be found as delimiter.
    let report = read_as(&settings(None, '|', true, &[]), 1000, [&b"|a|,|b|\n|1,|,2\n"[..]]);
    assert_eq!(report.columns, ["a", "b"]);
    assert_eq!(report.rows[0].1, Ok(vec!["1,".to_owned(), "2".to_owned()]));
}

#[test]
fn lines_that_are_no_rows_are_skipped_and_counted() {
    let report = read("ID,b\n1,2\n,\nID,b\n\u{feff}ID,b\n\u{feff}\"ID\",b\nID,c\n\n3,4\n,");
    let ids: Vec<_> = report.rows.iter().map(|(_, row)| row.as_ref().expect("good")[0].clone()).collect();
    assert_eq!((ids, reasons(&report).len()), (vec!["1".to_owned(), "ID".into(), "3".into()], 3));
    assert_eq!(report.skipped, Skipped { blank: 3, headers: 3, comments: 0 });
    // Empty values in quotes are values, and blanks are.
    assert_eq!(read("a,b\n\"\",\n ,\n").rows.len(), 2);
    // Without a header no line can repeat it.
    assert_eq!(read_with(r#"{"header":false,"columns":["a","b"]}"#, &[], "a,b\na,b\n").rows.len(), 2);
    let report = read_with(r##"{"comment":"#"}"##, &[], "# x, y\na,b\n#\n1,#\n \"#\",2\n#");
    assert_eq!((report.rows.len(), report.skipped), (2, Skipped { comments: 3, ..Skipped::default() }));
}

#[test]
fn the_first_line_may_name_the_delimiter() {
    for text in ["sep=;\nID;b\n1;2,3\n", "\u{feff}\"SEP=;\"\r\nID;b\r\n1;2,3\r\n"] {
        assert_eq!(rows(text), [["1", "2,3"]], "{text:?}");
    }
    assert_eq!(rows("sep=\t\na\tb\n1\t2\n"), [["1", "2"]]);
    // The settings have priority, and a line that is skipped is skipped once.
    assert_eq!(read_with(r#"{"delimiter":"|"}"#, &[], "sep=;\na|b\n1|2;\n").columns, ["a", "b"]);
    assert_eq!(read_with(r#"{"skip":2}"#, &[], "sep=|\nx\na|b,c,d\n1|2\n").columns, ["a", "b,c,d"]);
    assert_eq!(read_with(r#"{"header":false,"columns":["a","b"]}"#, &[], "sep=;\n1;2\n").rows.len(), 1);
    // A column may have such a name.
    assert_eq!(read("sep=x,b\n1,2\n").columns, ["sep=x", "b"]);
}

#[test]
fn the_delimiter_gives_the_header_and_the_rows_one_width() {
    let report = read("ID;Num, if any, or none;Town, or city;Zip\n1;2;x;y\n");
    assert_eq!((report.columns.len(), reasons(&report)), (4, vec![(1, None)]));
    // Of two that do, the one whose header has the columns.
    let text = "Name;Price, EUR\nx;1,5\ny;2,0\n";
    assert_eq!(read_with("{}", &["Name", "Price, EUR"], text).columns, ["Name", "Price, EUR"]);
    assert_eq!(
        read_with(r#"{"columns":["a","b","c"]}"#, &[], "a,b;c;d\n1,2;3;4\n").rows[0].1,
        Ok(vec!["1,2".into(), "3".into(), "4".into()])
    );
}

#[test]
fn a_line_that_looks_like_the_header_is_named() {
    let expected = ["ID", "Town"];
    for (text, settings, hint) in [
        (
            "Data,Source\n\nid;TOWN\n1;2\n",
            "{}",
            Some("; line 3 looks like the header: write `csv: { skip: 2 }`"),
        ),
        ("# a\n#b\nID,Town\n", "{}", Some("; line 3 looks like the header: write `csv: { comment: \"#\" }`")),
        ("sep=;\nx\nID;Town\n", "{}", Some("; line 3 looks like the header: write `csv: { skip: 2 }`")),
        (
            "x\ny\nID,Town\n",
            r#"{"skip":1}"#,
            Some("; line 3 looks like the header: write `csv: { skip: 2 }`"),
        ),
        ("x\nID,Twn\n", "{}", None),
    ] {
        let report = read_with(settings, &expected, text);
        let fault = report.end.expect_err("no such column");
        assert_eq!((fault.reason, report.rows.len()), (Reason::MissingColumn, 0));
        let expected = format!("the file has no columns `ID` and `Town`{}", hint.unwrap_or_default());
        assert_eq!(fault.message, expected, "{text:?}");
    }
    assert_eq!(read_with(r#"{"skip":2}"#, &expected, "Data,Source\n\nid;TOWN\n1;2\n").rows.len(), 1);
}

#[test]
fn short_rows_are_filled_where_the_settings_say_so() {
    let report = read_with(r#"{"short":"pad"}"#, &[], "a,b,c\n1\n1,2,\n1,2,3,4\n\n");
    assert_eq!(reasons(&report), [(1, None), (2, None), (3, Some(Reason::RowLength))]);
    assert_eq!(report.rows[0].1, Ok(vec!["1".to_owned(), String::new(), String::new()]));
}

#[test]
fn text_after_a_closing_quote_rejects_the_row_alone() {
    let report = read("a,b\n1,\"x\"y,\n2,5\" pipe\n3,\"x\n,\" y\"\n4,\"z\" \n");
    assert_eq!(
        reasons(&report),
        [(1, Some(Reason::InvalidQuoting)), (2, None), (3, Some(Reason::InvalidQuoting)), (4, None)]
    );
    let message = |row: usize| report.rows[row].1.as_ref().expect_err("flawed").message.clone();
    assert_eq!(
        message(0),
        "row 1 has text after a closing quote in line 2; within quotes, a quote is written twice"
    );
    assert_eq!(
        message(2),
        "row 3 has text after a closing quote in line 5, of a quote that opens in line 4; 2 lines belong to it; within quotes, a quote is written twice"
    );
    assert_eq!(header_fault("a,\"b\"c\n1,2\n").reason, Reason::InvalidQuoting);
}

#[test]
fn other_formats_fail_by_name() {
    let mut tar = vec![b'a'; 257];
    tar[100] = 0;
    tar.extend_from_slice(b"ustar\x0000");
    for (bytes, reason, says) in [
        (b"PK\x03\x04\x14\x00".to_vec(), Reason::UnsupportedFormat, "a zip archive"),
        (b"\xfd7zXZ\x00\x00".to_vec(), Reason::UnsupportedFormat, "xz"),
        (b"BZh91AY&SY\x00\x01".to_vec(), Reason::UnsupportedFormat, "bzip2"),
        (b"PAR1\x15\x04".to_vec(), Reason::UnsupportedFormat, "Parquet"),
        (b"%PDF-1.7\n".to_vec(), Reason::UnsupportedFormat, "PDF"),
        (b"\xef\xbb\xbf <!DOCTYPE html>\n".to_vec(), Reason::UnsupportedFormat, "HTML"),
        (tar, Reason::UnsupportedFormat, "a tar archive"),
        (b"a,\x00b\n1,2\n".to_vec(), Reason::UnsupportedFormat, "NUL"),
        (b"\xff\xfe\0\0a\0\0\0\n\0\0\0".to_vec(), Reason::InvalidEncoding, "UTF-32"),
        (b"\0\0\xfe\xff\0\0\0a\0\0\0\n".to_vec(), Reason::InvalidEncoding, "UTF-32"),
    ] {
        for settings in ["{}", r#"{"header":false,"columns":["a","b"]}"#] {
            let report = read_with(settings, &[], &bytes);
            let fault = report.end.expect_err(says);
            assert_eq!((fault.reason, report.rows.len()), (reason, 0), "{says}");
            assert!(fault.message.contains(says), "{}", fault.message);
        }
    }
    for text in ["PAR1,PAR2\n1,2\n", "ORC\n1\n", "BZh,b\n1,2\n", "<html,b\n"] {
        assert_eq!(read(text).end.is_ok(), !text.starts_with('<'), "{text:?}");
    }
}

#[test]
fn the_originals_example_reads() {
    let text = "ID,HouseNum,Street,Town,Zip\n1,12,A Street,Town,07030\n";
    assert_eq!(rows(text), [["1", "12", "A Street", "Town", "07030"]]);
}

#[test]
fn rows_know_where_they_are() {
    let spans = |text: &str| read(text).spans;
    assert_eq!(spans("a,b\n1,2\n\n3\n"), [4..8, 8..11]);
    assert_eq!(spans("\u{feff}\n\na\r\n1\r\n2"), [8..11, 11..12]);
    assert_eq!(spans("a\n\"1\n\n2\"\n3"), [2..9, 9..10]);
    let nameless = settings(None, '"', false, &["a", "b"]);
    let report = read_as(&nameless, 100, [&b"\xef\xbb\xbf\n1\n,\n2"[..]]);
    assert_eq!(report.spans, [0..6, 6..9]);
    // A location contains the row alone.
    let locations: Vec<_> = report.locations.iter().map(|location| location.from..location.to).collect();
    assert_eq!(locations, [4..6, 8..9]);
}
