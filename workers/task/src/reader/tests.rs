//! The reader on good files, bad files, and noise.

use proptest::prelude::*;

use super::*;
use crate::decompress::tests as decompress;

/// All that a reader says about an input.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    columns: Vec<String>,
    rows: Vec<(u64, Result<Vec<String>, Fault>)>,
    spans: Vec<Range<u64>>,
    locations: Vec<Location>,
    end: Result<(), Fault>,
}

fn keep(rows: &mut Report, row: Row<'_>) {
    rows.columns = row.columns.to_vec();
    rows.spans.push(row.span.clone());
    rows.locations.push(row.location());
    rows.rows.push((row.index, row.fields.map(|fields| fields.iter().map(str::to_owned).collect())));
}

/// Reads chunks and checks at every step that no buffer exceeds the limit.
fn read_chunks<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Report {
    read_as(&CsvSettings::default(), limit, chunks)
}

fn read_as<'a>(settings: &CsvSettings, limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Report {
    let mut reader = Reader::new(limit, settings, &[]);
    let mut report = Report {
        columns: Vec::new(),
        rows: Vec::new(),
        spans: Vec::new(),
        locations: Vec::new(),
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
    report
}

fn settings(delimiter: Option<char>, quote: char, header: bool, columns: &[&str]) -> CsvSettings {
    let character = |character| Character::try_from(character).expect("an ASCII character");
    CsvSettings {
        delimiter: delimiter.map(character),
        quote: character(quote),
        header,
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn read(text: impl AsRef<[u8]>) -> Report {
    read_chunks(10_000, [text.as_ref()])
}

/// The good rows, in a file that has no others.
fn rows(text: &str) -> Vec<Vec<String>> {
    let report = read(text);
    assert_eq!(report.end, Ok(()), "{text:?}");
    report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect()
}

/// What is said about each row: nothing, or why it is rejected.
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
}

#[test]
fn the_byte_order_mark_is_no_part_of_the_first_name() {
    for text in ["\u{feff}a,b\n1,2\n", "\u{feff}\"a\",b\n1,2\n", "\u{feff}\n\r\na,b\n1,2\n"] {
        let report = read(text);
        assert_eq!(report.columns, ["a", "b"], "{text:?}");
        assert_eq!(report.rows.len(), 1);
    }
    // Only the first one, and only at the start.
    assert_eq!(read("\u{feff}\u{feff}a\n1\n").columns, ["\u{feff}a"]);
    assert_eq!(read("\n\u{feff}a\n1\n").columns, ["\u{feff}a"]);
    assert_eq!(
        header_fault("\u{ff}\u{fe}a".chars().map(|c| c as u8).collect::<Vec<_>>()).reason,
        Reason::InvalidEncoding
    );
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
    assert_eq!(rows("a,b,\n1,2,\n3,4\n5,,\n"), [["1", "2"], ["3", "4"], ["5", ""]]);
    assert_eq!(rows("a;b; \n1;2;\n"), [["1", "2"]]);
    let report = read("a,b,\n1,2,3\n1\n1,2,,\n");
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
        Fault::new(Reason::DuplicateHeader, "columns 1 and 3 of the header have the same name, `a`")
    );
    assert_eq!(
        header_fault("a,,b\n1,2,3\n"),
        Fault::new(Reason::EmptyHeader, "column 2 has no name in the header")
    );
    assert_eq!(header_fault("a,,\n").reason, Reason::EmptyHeader);
    assert_eq!(header_fault("\"\"\n1\n").reason, Reason::EmptyHeader);
    assert_eq!(header_fault("  \n1\n").reason, Reason::EmptyHeader);
    assert_eq!(read("a,A\n1,2\n").end, Ok(()));
    let long = format!("{0},{0}\n", "n".repeat(500));
    assert!(header_fault(long).message.len() < 150, "a long name is cut");
}

#[test]
fn short_and_long_rows_are_rejected_with_counts() {
    let report = read("a,b,c\n1,2\n1,2,3\n1,2,3,4\n");
    assert_eq!(
        report.rows[0].1,
        Err(Fault::new(Reason::RowLength, "row 1 has 2 fields, the header has 3 columns"))
    );
    assert!(report.rows[1].1.is_ok());
    assert_eq!(
        report.rows[2].1,
        Err(Fault::new(Reason::RowLength, "row 3 has 4 fields, the header has 3 columns"))
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
    assert_eq!(report.rows[1].1, Err(Fault::new(Reason::UnclosedQuote, "a quote in row 2 is never closed")));
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
    // Two field ends count as well: they stand for the delimiter and the line end.
    let text = |length: usize| format!("a,b\n1,{}\n2,x\n", "x".repeat(length));
    let fits = read_chunks(limit, [text(limit - 3).as_bytes()]);
    assert_eq!(reasons(&fits), [(1, None), (2, None)]);
    let exceeds = read_chunks(limit, [text(limit - 2).as_bytes()]);
    assert_eq!(reasons(&exceeds), [(1, Some(Reason::RowTooLarge)), (2, None)]);
    let empty_fields = format!("a,b\n{}\n2,x\n", ",".repeat(500));
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
    let text = "\u{feff}\r\n1,\"a;b\"\r\n\r\n2,\r\n3,c,\r\n4,d,e\r\n5";
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
        Err(Fault::new(Reason::RowLength, "row 5 has 1 field, the settings name 2 columns"))
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
    for header in ["a;b", "a;a", ";", "a;b;", " ; ; ", "\u{feff}\"x\";y"] {
        let report = read_as(&renamed, 1000, [format!("{header}\n1;2\n3;4\n").as_bytes()]);
        assert_eq!((&report.end, report.rows.len()), (&Ok(()), 2), "{header:?}");
        assert_eq!(report.columns, ["id", "name"], "{header:?}");
    }
    assert_eq!(read_as(&renamed, 1000, [&b"\xff,b\n1,2\n"[..]]).end, Ok(()));
    // Settings for other files would give values the wrong names.
    for (header, message) in [
        ("a;b;c", "the header has 3 fields, the settings name 2 columns"),
        ("a", "the header has 1 field, the settings name 2 columns"),
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
    // What is a quote can't be found as delimiter.
    let report = read_as(&settings(None, '|', true, &[]), 1000, [&b"|a|,|b|\n|1,|,2\n"[..]]);
    assert_eq!(report.columns, ["a", "b"]);
    assert_eq!(report.rows[0].1, Ok(vec!["1,".to_owned(), "2".to_owned()]));
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
    assert_eq!(spans("\u{feff}\n\na\r\n1\r\n2"), [7..10, 10..12]);
    assert_eq!(spans("a\n\"1\n\n2\"\n3"), [2..9, 9..10]);
    let nameless = settings(None, '"', false, &["a"]);
    assert_eq!(read_as(&nameless, 100, [&b"\xef\xbb\xbf\n1\n2"[..]]).spans, [0..6, 6..7]);
}

/// Bytes that mean something to a CSV reader more often than chance would have it.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-c]{1,3}".prop_map(String::into_bytes),
        3 => Just(b",".to_vec()),
        1 => "[;\t|]".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"\"".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => "é|€|😀".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// A file as another program would write it: header, rows, delimiter, line end.
fn file() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>, u8, bool, bool)> {
    (2..6usize).prop_flat_map(|columns| {
        (
            proptest::collection::vec("[a-z]{1,4}( [,;\"\n]x)?", columns).prop_map(|names| {
                // Different from each other, and without a delimiter outside quotes.
                names.into_iter().enumerate().map(|(position, name)| format!("{position}{name}")).collect()
            }),
            proptest::collection::vec(
                proptest::collection::vec("[a-c ,;\t|\"\r\n\u{e9}]{0,6}", columns),
                0..12,
            ),
            proptest::sample::select(DELIMITERS.map(Character::byte).to_vec()),
            any::<bool>(),
            any::<bool>(),
        )
    })
}

fn write(header: &[String], rows: &[Vec<String>], delimiter: u8, crlf: bool, bom: bool) -> Vec<u8> {
    let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
    // All names quoted, so that a delimiter in a name isn't taken for the file's.
    let quoted: Vec<String> =
        header.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    for row in rows {
        writer.write_record(row).expect("in memory");
    }
    let mut text = if bom { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
    text.extend_from_slice(quoted.join(&char::from(delimiter).to_string()).as_bytes());
    text.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    text.extend_from_slice(&writer.into_inner().expect("in memory"));
    text
}

/// How many columns a file of these settings has; any number where they say nothing.
fn width(settings: &CsvSettings) -> usize {
    if settings.columns.is_empty() { 2 } else { settings.columns.len() }
}

/// Settings that the language allows.
fn dialect() -> impl Strategy<Value = CsvSettings> {
    let delimiter =
        proptest::option::of(proptest::sample::select(vec![',', ';', '\t', '|', '\u{1f}', ' ', 'x']));
    let columns = proptest::sample::select(vec![&["n", "m"][..], &["n", "m", "o"], &["n"]]);
    (delimiter, proptest::sample::select(vec!['"', '\'', '~']), any::<bool>(), columns, any::<bool>())
        .prop_map(|(delimiter, quote, header, columns, named)| {
            settings(delimiter, quote, header, if named || !header { columns } else { &[] })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn chunks_do_not_matter(bytes in noise(), cuts in proptest::collection::vec(0..200usize, 0..8), limit in 1..60usize) {
        let whole = read_chunks(limit, [&bytes[..]]);
        prop_assert_eq!(&read_chunks(limit, bytes.chunks(1)), &whole);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&read_chunks(limit, chunks), &whole);
    }

    #[test]
    fn no_settings_make_chunks_matter(bytes in noise(), settings in dialect(), limit in 1..60usize, size in 1..9usize) {
        let whole = read_as(&settings, limit, [&bytes[..]]);
        prop_assert_eq!(&read_as(&settings, limit, bytes.chunks(size)), &whole);
        prop_assert!(settings.header || whole.end.is_ok());
    }

    #[test]
    fn a_reader_goes_on_at_any_row_as_if_it_had_read_the_rows_before(
        bytes in noise(), settings in dialect(), limit in 1..60usize, at in any::<proptest::sample::Index>(), size in 1..9usize,
    ) {
        let whole = read_as(&settings, limit, [&bytes[..]]);
        // Spans follow each other without a gap, to the last byte that a row has.
        for pair in whole.spans.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        if whole.spans.is_empty() {
            return Ok(());
        }
        let at = at.index(whole.spans.len());
        let position = whole.spans[at].end;
        let mut reader = Reader::new(limit, &settings, &[]);
        let mut input = &bytes[..];
        while reader.rows() == 0 {
            if reader.read(&mut input).expect("a good header").is_none() {
                prop_assert!(reader.finish().expect("a good header").is_some());
            }
        }
        reader.resume(position, at as u64 + 1);
        let mut rest = Report { columns: whole.columns.clone(), rows: Vec::new(), spans: Vec::new(), locations: Vec::new(), end: Ok(()) };
        for mut chunk in bytes[usize::try_from(position).expect("small")..].chunks(size) {
            while let Some(row) = reader.read(&mut chunk).expect("a good header") {
                keep(&mut rest, row);
            }
        }
        while let Some(row) = reader.finish().expect("a good header") {
            keep(&mut rest, row);
        }
        prop_assert_eq!(&rest.rows[..], &whole.rows[at + 1..]);
        prop_assert_eq!(&rest.spans[..], &whole.spans[at + 1..]);
    }

    #[test]
    fn a_row_that_is_too_large_has_at_its_location_what_a_reader_with_room_finds(
        bytes in noise(), settings in dialect(), limit in 3..30usize,
    ) {
        let whole = read_as(&settings, 10_000, [&bytes[..]]);
        let report = read_as(&settings, limit, [&bytes[..]]);
        let at = |offset| usize::try_from(offset).expect("small");
        for ((row, location), (_, expected)) in report.rows.iter().zip(&report.locations).zip(&whole.rows) {
            if !matches!(row, (_, Err(fault)) if fault.reason == Reason::RowTooLarge) {
                continue;
            }
            let found = location.fields(&bytes[at(location.from)..at(location.to)], report.columns.len());
            match (found, expected) {
                (Ok(found), Ok(expected)) => prop_assert_eq!(&found, expected),
                // Of two things that are wrong, either may be said.
                (Err(error), Err(expected)) => prop_assert!(
                    error.reason() == expected.reason
                        || (error.reason(), expected.reason) == (Reason::RowLength, Reason::InvalidEncoding),
                    "{error} {expected:?}"
                ),
                (found, expected) => prop_assert!(false, "{found:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn any_dialect_reads_as_the_csv_crate_reads_it(
        (settings, rows) in dialect().prop_flat_map(|settings| {
            let columns = width(&settings);
            let row = proptest::collection::vec("[a-c ,;\t|'\"\r\n\u{e9}]{0,6}", columns);
            (Just(settings), proptest::collection::vec(row, 0..12))
        }),
        size in 1..40usize,
        crlf in any::<bool>(),
        compression in 0..3u8,
    ) {
        let (delimiter, quote) = (settings.delimiter.unwrap_or(Character::COMMA).byte(), settings.quote.byte());
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(delimiter).quote(quote).terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') });
        let mut writer = writer.from_writer(Vec::new());
        let columns = width(&settings);
        let header: Vec<String> = (0..columns).map(|position| format!("c{position}")).collect();
        if settings.header {
            writer.write_record(&header).expect("in memory");
        }
        for row in &rows {
            writer.write_record(row).expect("in memory");
        }
        let bytes = writer.into_inner().expect("in memory");
        let mut reference = csv::ReaderBuilder::new();
        reference.delimiter(delimiter).quote(quote).flexible(true).has_headers(settings.header);
        let expected: Vec<Vec<String>> = reference
            .from_reader(&bytes[..])
            .records()
            .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
            .collect();
        let stored = match compression {
            0 => bytes,
            1 => [decompress::gzip(&bytes, 6), decompress::gzip(b"", 1)].concat(),
            _ => decompress::zstd(&bytes, 3),
        };
        let (pieces, end) = decompress::decode(stored.chunks(size));
        prop_assert_eq!(end, Ok(()));
        let report = read_as(&settings, 10_000, pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(&report.end, &Ok(()));
        if !rows.is_empty() {
            prop_assert_eq!(&report.columns, if settings.columns.is_empty() { &header } else { &settings.columns });
        }
        let found: Vec<Vec<String>> =
            report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn any_bytes_are_read_within_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..400), limit in 0..80usize) {
        let report = read_chunks(limit.max(1), [&bytes[..]]);
        for (position, (index, _)) in (1..).zip(&report.rows) {
            prop_assert_eq!(*index, position);
        }
    }

    #[test]
    fn well_formed_files_read_as_the_csv_crate_reads_them((header, rows, delimiter, crlf, bom) in file()) {
        let bytes = write(&header, &rows, delimiter, crlf, bom);
        let mut reference = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&bytes[..]);
        let expected: Vec<Vec<String>> = reference
            .records()
            .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
            .collect();
        let report = read(&bytes);
        prop_assert_eq!(&report.end, &Ok(()));
        let found: Vec<Vec<String>> =
            report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found, rows);
    }
}
