//! Scans of files in every encoding: the rows are those of UTF-8, and places are those of the file.

use std::ops::Range;

use contract::location::{Field, LocationError};
use contract::settings::EncodingSetting;
use contract::{Location, Reason};
use proptest::prelude::*;

use super::*;

type Rows = Vec<(u64, Result<Vec<String>, Reason>)>;

/// The rows of a file and their places.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Rows,
    pub(crate) messages: Vec<String>,
    pub(crate) spans: Vec<Range<u64>>,
    pub(crate) locations: Vec<Location>,
}

impl Found {
    fn keep(&mut self, row: &Row<'_>) {
        self.columns = row.columns.to_vec();
        self.spans.push(row.span.clone());
        self.locations.push(row.location());
        if let Err(fault) = &row.fields {
            self.messages.push(fault.message.clone());
        }
        let fields = row.fields.as_ref().map(|fields| fields.iter().map(str::to_owned).collect());
        self.rows.push((row.index, fields.map_err(|fault| fault.reason)));
    }
}

fn go_on<'a>(scan: &mut Scan, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut chunks = chunks.into_iter();
    loop {
        match scan.step()? {
            Step::Row => found.keep(&scan.row()),
            Step::Piece => {}
            Step::Starved => match chunks.next() {
                Some(chunk) => scan.feed(chunk),
                None => scan.end(),
            },
            Step::End => {
                assert_eq!(scan.step(), Ok(Step::End));
                return Ok(found);
            }
        }
    }
}

pub(crate) fn scan<'a>(
    settings: &ExtractionSettings,
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Found, Fault> {
    go_on(&mut Scan::new(limit, settings, &[], &[]), chunks)
}

pub(crate) fn settings(csv: &str) -> ExtractionSettings {
    serde_json::from_str(&format!(r#"{{"csv":{csv}}}"#)).expect(csv)
}

/// An encoding for tests: its setting, and the function that writes it.
#[derive(Debug, Clone, Copy)]
struct Written {
    setting: &'static str,
    encode: fn(&str) -> Vec<u8>,
}

fn single(label: &'static str, text: &str) -> Vec<u8> {
    encoding_rs::Encoding::for_label(label.as_bytes()).expect(label).encode(text).0.into_owned()
}

const WRITTEN: [Written; 7] = [
    Written { setting: "{}", encode: |text| text.as_bytes().to_vec() },
    Written { setting: "{}", encode: |text| little(&format!("\u{feff}{text}")) },
    Written { setting: r#"{"encoding":"utf-16le"}"#, encode: little },
    Written { setting: r#"{"encoding":"utf-16be"}"#, encode: big },
    Written { setting: r#"{"encoding":"windows-1252"}"#, encode: |text| single("windows-1252", text) },
    Written { setting: r#"{"encoding":{"auto":"de"}}"#, encode: |text| single("windows-1252", text) },
    Written { setting: r#"{"encoding":"iso-8859-15"}"#, encode: |text| single("iso-8859-15", text) },
];

fn little(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn big(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Returns a file of characters that all these encodings have.
fn text() -> impl Strategy<Value = String> {
    let row = proptest::collection::vec("[a-c\u{e9}\u{fc}€ ,\"\r\n]{0,6}", 3);
    (proptest::collection::vec(row, 1..12), any::<bool>()).prop_map(|(rows, crlf)| {
        let end = if crlf { "\r\n" } else { "\n" };
        let quoted = |value: &String| match value.contains([',', '"', '\r', '\n']) {
            true => format!("\"{}\"", value.replace('"', "\"\"")),
            false => value.clone(),
        };
        let lines = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + end);
        format!("id,näme,x{end}{}", lines.collect::<String>())
    })
}

fn texts(fields: Result<Vec<Field>, LocationError>) -> Result<Vec<String>, Reason> {
    let texts = fields.map(|fields| fields.into_iter().map(|field| field.text).collect());
    texts.map_err(|error| error.reason())
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("small")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_encoding_has_the_rows_of_utf_8_at_places_of_its_own(
        text in text(), which in 0..WRITTEN.len(), limit in 12..60usize, size in 1..9usize,
        go_on_after in any::<proptest::sample::Index>(),
    ) {
        let written = WRITTEN[which];
        let settings = settings(written.setting);
        let bytes = (written.encode)(&text);
        let roomy = scan(&settings, 10_000, bytes.chunks(size)).expect("a header");
        let utf_8 = scan(&self::settings("{}"), 10_000, [text.as_bytes()]).expect("a header");
        prop_assert_eq!(&roomy.columns, &utf_8.columns);
        prop_assert_eq!(&roomy.rows, &utf_8.rows);
        // Spans follow each other, and every location has the fields of its row, also where there is no room for it.
        for pair in roomy.spans.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        let tight = scan(&settings, limit, [&bytes[..]]).expect("a header");
        for (((_, fields), location), (_, shown)) in roomy.rows.iter().zip(&tight.locations).zip(&tight.rows) {
            let row = &bytes[at(location.from)..at(location.to)];
            let found = texts(location.fields(row, 3));
            prop_assert_eq!(&found, fields);
            prop_assert!(shown == fields || *shown == Err(Reason::RowTooLarge));
        }
        // A scan continues after any row, in any task.
        if roomy.rows.is_empty() {
            return Ok(());
        }
        let after = go_on_after.index(roomy.rows.len());
        let mut later = Scan::new(10_000, &settings, &[], &[]);
        let mut pieces = bytes.chunks(size);
        loop {
            match later.step().expect("a header") {
                Step::Row if later.may_resume() => break,
                Step::Row => {
                    // With `auto`, as long as there was only ASCII.
                    later.row();
                }
                Step::Starved => match pieces.next() {
                    Some(piece) => later.feed(piece),
                    None => later.end(),
                },
                Step::Piece => {}
                Step::End => return Ok(()),
            }
        }
        let position = roomy.spans[after].end;
        later.resume(position, after as u64 + 1);
        let rest = go_on(&mut later, bytes[at(position)..].chunks(size)).expect("a header");
        prop_assert_eq!(&rest.rows[..], &roomy.rows[after + 1..]);
        prop_assert_eq!(&rest.spans[..], &roomy.spans[after + 1..]);
        prop_assert_eq!(&rest.locations[..], &roomy.locations[after + 1..]);
    }

    #[test]
    fn any_bytes_in_any_encoding_have_the_same_rows_in_any_pieces(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(b','), Just(b'\n')], 0..200),
        setting in proptest::sample::select(vec![
            "{}", r#"{"encoding":"utf-16"}"#, r#"{"encoding":"windows-1253"}"#, r#"{"encoding":"big5"}"#,
            r#"{"encoding":"auto"}"#, r#"{"encoding":{"auto":"ja"}}"#,
        ]),
        marked in any::<bool>(), size in 1..9usize,
    ) {
        let settings = settings(setting);
        let bytes = if marked { [b"\xff\xfe", &bytes[..]].concat() } else { bytes };
        let whole = scan(&settings, 50, [&bytes[..]]);
        prop_assert_eq!(&scan(&settings, 50, bytes.chunks(size)), &whole);
        let Ok(found) = whole else { return Ok(()) };
        // Every location has what a reader with room finds; but text that can't be divided has none.
        if settings.csv.encoding.is_some_and(|encoding| !encoding.is_divisible()) {
            return Ok(());
        }
        let columns = found.columns.len();
        for ((_, fields), location) in found.rows.iter().zip(&found.locations) {
            let fields = match fields {
                Err(Reason::RowTooLarge | Reason::UnclosedQuote) => continue,
                // A blank line, which is never too large for an event.
                Ok(fields) if *fields == [""] => continue,
                fields => fields,
            };
            let row = &bytes[at(location.from)..at(location.to)];
            let read = texts(location.fields(row, columns));
            match (&read, fields) {
                (Err(Reason::RowLength), Err(_)) => {}
                _ => prop_assert_eq!(&read, fields),
            }
        }
    }
}

#[test]
fn half_a_pair_and_an_odd_end_fail_their_rows_alone() {
    let mut bytes = little("\u{feff}a,b\n1,2\n3,");
    bytes.extend_from_slice(&[0x00, 0xd8]);
    bytes.extend_from_slice(&little("\n5,6\n7,8"));
    bytes.push(b'x');
    let found = scan(&settings("{}"), 100, bytes.chunks(3)).expect("a header");
    let reasons: Vec<Option<Reason>> =
        found.rows.iter().map(|(_, row)| row.as_ref().err().copied()).collect();
    assert_eq!(reasons, [None, Some(Reason::InvalidEncoding), None, Some(Reason::InvalidEncoding)]);
    assert_eq!(found.messages[0], "row 2 is not UTF-16LE");
    assert_eq!(found.spans.last().map(|span| span.end), Some(bytes.len() as u64));
}

#[test]
fn control_characters_name_the_row_the_column_and_the_likely_encoding() {
    let read = |csv: &str, bytes: &[u8]| {
        let expected = ["id".to_owned(), "Straße".to_owned()];
        let settings = settings(csv);
        go_on(&mut Scan::new(1000, &settings, &expected, &[]), [bytes])
    };
    let header = &b"id,Stra\xdfe\n1,G\xfcrtel\n2,"[..];
    let windows = r#"{"encoding":"windows-1252"}"#;
    for (row, probably) in [
        (&b"G\x81rtel"[..], "a code page of DOS, such as cp850, which must be converted"),
        (b"for\x90t", "macintosh"),
        (b"\xc3\x81rea", "UTF-8"),
    ] {
        let found = read(windows, &[header, row].concat()).expect("a header");
        assert_eq!(found.rows[0].1, Ok(vec!["1".to_owned(), "Gürtel".to_owned()]));
        assert_eq!(found.rows[1].1, Err(Reason::WrongEncoding));
        assert_eq!(
            found.messages,
            [format!(
                "row 2 has control characters in column `Straße` when it is read as windows-1252; the encoding is probably \
                 {probably}"
            )]
        );
    }
    let fault = read(r#"{"encoding":"iso-8859-2"}"#, b"id,\x8aref\n1,2\n").expect_err("a wrong encoding");
    assert_eq!(fault.reason, Reason::WrongEncoding);
    assert_eq!(
        fault.message,
        "the header has control characters in column 2 when it is read as ISO-8859-2; the encoding is probably windows-1250"
    );
    // A byte that is no character at all.
    let found = scan(&settings(r#"{"encoding":"windows-1253"}"#), 99, [&b"a\n\xaa\n"[..]]).expect("a header");
    assert_eq!(
        (found.rows[0].1.clone(), &*found.messages[0]),
        (Err(Reason::InvalidEncoding), "row 1 is not windows-1253")
    );
    // A name that nobody has checked may be a value.
    let found = scan(&settings(windows), 99, [&b"secret\n\x81\n"[..]]).expect("a header");
    assert!(found.messages[0].contains("in column 1 "), "{}", found.messages[0]);
    // Shift_JIS has one such byte, too.
    let found = scan(&settings(r#"{"encoding":"shift_jis"}"#), 99, [&b"a\n\x80\n"[..]]).expect("a header");
    assert_eq!(found.messages, ["row 1 has control characters in column 1 when it is read as Shift_JIS"]);
    // In UTF-8 and UTF-16 they are what the file says.
    for bytes in ["a\nx\u{85}\n".as_bytes(), &little("\u{feff}a\nx\u{85}\n")] {
        assert!(scan(&settings("{}"), 99, [bytes]).expect("a header").rows[0].1.is_ok());
    }
}

#[test]
fn fields_of_two_bytes_are_found_by_their_header() {
    // `表` ends with `\` and `能` with `|` in Shift_JIS, which have a meaning on their own.
    let settings = settings(r#"{"encoding":"shift_jis","delimiter":"|","escape":"\\"}"#);
    let bytes = encoding_rs::SHIFT_JIS.encode("表|能\nソ表|予能\n").0.into_owned();
    for size in [1, 2, 3, 100] {
        let found = scan(&settings, 1000, bytes.chunks(size)).expect("a header");
        assert_eq!(found.columns, ["表", "能"]);
        assert_eq!(found.rows, [(1, Ok(vec!["ソ表".to_owned(), "予能".to_owned()]))]);
    }
    let setting: EncodingSetting = serde_json::from_str(r#""shift_jis""#).expect("a setting");
    assert!(!setting.is_divisible());
}
