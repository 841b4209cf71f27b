//! Records of good files, flawed ones and noise; the `csv` crate is the judge of what the RFC allows.

use proptest::prelude::*;

use super::*;

const COMMAS: Dialect =
    Dialect { delimiter: Character::COMMA, quote: Character::QUOTE, escape: None, comment: None };

fn character(character: char) -> Character {
    Character::try_from(character).expect("ASCII")
}

type Found = (Ended, Vec<Vec<u8>>, Option<Flaw>, u64);

/// Returns everything that a parser finds in chunks.
fn parse<'a>(dialect: Dialect, skip: u64, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Found> {
    let mut parser = Parser::new(dialect, skip, 1);
    let mut record = Record::new(usize::MAX);
    let mut found = Vec::new();
    let mut keep = |ended: Option<Ended>, record: &Record| {
        let Some(ended) = ended else { return };
        let mut start = 0;
        let fields =
            record.ends().iter().map(|&end| record.text()[std::mem::replace(&mut start, end)..end].to_vec());
        let fields =
            if record.flaw().is_some() || ended != Ended::Record { Vec::new() } else { fields.collect() };
        found.push((ended, fields, record.flaw(), record.line()));
    };
    for chunk in chunks {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (used, ended) = parser.read(rest, &mut record);
            rest = &rest[used..];
            keep(ended, &record);
        }
    }
    keep(parser.finish(&mut record), &record);
    assert_eq!(parser.finish(&mut record), None, "nothing ends twice");
    found
}

fn records(dialect: Dialect, text: &str) -> Vec<Vec<String>> {
    let found = parse(dialect, 0, [text.as_bytes()]);
    let records = found.into_iter().filter(|(ended, ..)| *ended == Ended::Record);
    records
        .map(|(_, fields, flaw, _)| {
            assert_eq!(flaw, None, "{text:?}");
            fields.into_iter().map(|field| String::from_utf8(field).expect("UTF-8")).collect()
        })
        .collect()
}

fn flaws(text: &str) -> Vec<(u64, Option<Flaw>)> {
    parse(COMMAS, 0, [text.as_bytes()]).into_iter().map(|(_, _, flaw, line)| (line, flaw)).collect()
}

#[test]
fn blanks_around_a_quoted_field_are_no_part_of_it_and_all_others_are_text() {
    assert_eq!(records(COMMAS, "\"a\", \"b\",\t\"c\" ,  d ,\" e \"\n"), [["a", "b", "c", "  d ", " e "]]);
    assert_eq!(records(COMMAS, "5\" pipe, 6\" pipe,\"\" ,\n"), [["5\" pipe", " 6\" pipe", "", ""]]);
    // A tab that is the delimiter is not a blank.
    let tabs = Dialect { delimiter: Character::TAB, ..COMMAS };
    assert_eq!(records(tabs, "a\t\"b\"\t \"c\"\n"), [["a", "b", "c"]]);
}

#[test]
fn text_after_a_closing_quote_is_a_flaw_and_reading_goes_on_at_the_next_line() {
    let closed = |opened, closed| Some(Flaw::TextAfterQuote { opened, closed });
    assert_eq!(
        flaws("a,\"b\"c,d\n\"e\" f\ng\n\"h\r\ni\" \"j,\"k\nl\"\nm"),
        [(1, closed(1, 1)), (2, closed(2, 2)), (3, None), (4, closed(4, 5)), (6, None), (7, None)]
    );
}

#[test]
fn an_open_quote_says_where_it_began_and_what_it_swallowed() {
    let unclosed = |opened, swallowed| Some(Flaw::Unclosed { opened, swallowed });
    assert_eq!(flaws("a\nb,\"c"), [(1, None), (2, unclosed(2, 0))]);
    assert_eq!(flaws("a\nb,\"c\n"), [(1, None), (2, unclosed(2, 0))]);
    assert_eq!(flaws("\"a\r\nb\",\"c\r\nd\re\n\nf"), [(1, unclosed(2, 4))]);
}

#[test]
fn an_escape_character_takes_the_meaning_of_what_stands_after_it() {
    let mysql = Dialect { escape: Some(character('\\')), ..COMMAS };
    assert_eq!(
        records(mysql, "\"The \\\"Old\\\" Mill\",a\\,b,\\\\,\"x\\\ny\",\"\"\"\"\n"),
        [["The \"Old\" Mill", "a,b", "\\", "x\ny", "\""]]
    );
    assert_eq!(
        records(mysql, "a\\tb\\n,\\N,\\Nx,\"\\N\",\\0\\Z\\q\n"),
        [["a\tb\n", "", "Nx", "N", "\0\u{1a}q"]]
    );
    assert_eq!(records(mysql, "a\\\r\nb\nc\\"), [["a\r\nb"], ["c\\"]]);
    // With another character, letters mean themselves.
    let caret = Dialect { escape: Some(character('^')), ..COMMAS };
    assert_eq!(records(caret, "^n^,,\"^\"\"\n"), [["n,", "\""]]);
    // An escape character that is the quote is doubled like any quote.
    assert_eq!(records(Dialect { escape: Some(Character::QUOTE), ..COMMAS }, "\"a\"\"b\"\n"), [["a\"b"]]);
}

#[test]
fn comments_blank_lines_and_lines_to_skip_are_told_apart() {
    let comments = Dialect { comment: Some(character('#')), ..COMMAS };
    let ended = |skip, text: &str| -> Vec<(Ended, u64)> {
        parse(comments, skip, [text.as_bytes()])
            .into_iter()
            .map(|(ended, _, _, line)| (ended, line))
            .collect()
    };
    assert_eq!(
        ended(2, "\"x\r\n\r\n#a\"\nb,\"\n#c\"\r\n\n #d\n#"),
        [
            (Ended::Skipped, 1),
            (Ended::Skipped, 2),
            (Ended::Comment, 3),
            (Ended::Record, 4),
            (Ended::Blank, 6),
            (Ended::Record, 7),
            (Ended::Comment, 8)
        ]
    );
    assert_eq!(ended(3, "a"), [(Ended::Skipped, 1)]);
}

#[test]
fn what_has_no_room_is_counted_and_not_kept() {
    let read = |mut record: Record, text: &str| {
        let mut parser = Parser::new(COMMAS, 0, 1);
        parser.read(text.as_bytes(), &mut record);
        record
    };
    let large = read(Record::new(8), "abc,defg\n");
    assert!(large.is_too_large() && large.text().is_empty() && large.fields() == 2 && !large.is_bare());
    let fits = read(Record::new(8), "abc,def\n");
    assert!(!fits.is_too_large() && fits.ends() == [3, 6]);
    let bare = read(Record::new(4), ",,,,,,,\n");
    assert!(bare.is_too_large() && bare.is_bare() && bare.fields() == 8);
    let some = read(Record::of_fields(2), "a,b,,,\n");
    assert_eq!((some.ends(), some.fields(), some.has_text_beyond()), (&[1, 2][..], 5, false));
    assert!(read(Record::of_fields(2), "a,b,,c,\n").has_text_beyond());
    for text in ["\"\",\n", " ,\n", "a\n"] {
        assert!(!read(Record::new(8), text).is_bare(), "{text:?}");
    }
}

/// Returns bytes that have a meaning more often than by chance.
fn noise() -> impl Strategy<Value = String> {
    "[ab,;\"'\\\\# \t\r\nN]{0,40}"
}

proptest! {
    #[test]
    fn chunks_do_not_matter(text in noise(), size in 1..7usize, skip in 0..3u64, escape in any::<bool>()) {
        let dialect = Dialect { escape: escape.then(|| character('\\')), comment: Some(character('#')), ..COMMAS };
        let whole = parse(dialect, skip, [text.as_bytes()]);
        prop_assert_eq!(parse(dialect, skip, text.as_bytes().chunks(size)), whole);
    }

    #[test]
    fn what_the_rfc_allows_is_read_as_the_csv_crate_reads_it(
        rows in proptest::collection::vec(proptest::collection::vec("[ab,;'\" \r\n]{0,5}", 1..5), 0..8),
        delimiter in "[,;\t x]", quote in "[\"'~]", crlf in any::<bool>(), quoted in any::<bool>(),
    ) {
        let only = |text: &str| character(text.chars().next().expect("one"));
        let dialect = Dialect { delimiter: only(&delimiter), quote: only(&quote), ..COMMAS };
        let mut writer = csv::WriterBuilder::new();
        writer.flexible(true).delimiter(dialect.delimiter.byte()).quote(dialect.quote.byte());
        writer.terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') });
        writer.quote_style(if quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary });
        let mut writer = writer.from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).expect("in memory");
        }
        let text = String::from_utf8(writer.into_inner().expect("in memory")).expect("UTF-8");
        prop_assert_eq!(records(dialect, &text), rows);
    }
}

#[test]
fn escaped_line_ends_outside_of_quotes_are_lines_too() {
    let escaped = Dialect { escape: Some(character('\\')), ..COMMAS };
    for end in ["\n", "\r", "\r\n"] {
        let text = format!("1,x\\{end}y{end}\"u,2");
        let found = parse(escaped, 0, [text.as_bytes()]);
        assert_eq!(
            found.last().expect("a record").2,
            Some(Flaw::Unclosed { opened: 3, swallowed: 0 }),
            "{text:?}"
        );
    }
}

proptest! {
    /// What is written in a dialect is read back in it, and is one record.
    #[test]
    fn what_is_written_is_read_back(
        fields in proptest::collection::vec(("[ab,;'\"\\\\# \t\r\n\u{feff}é]{0,6}", any::<bool>()), 1..5),
        delimiter in proptest::sample::select(vec![',', ';', '\t', '|']),
        quote in proptest::sample::select(vec!['"', '\'']),
        escape in proptest::sample::select(vec![None, Some('\\')]),
        comment in proptest::sample::select(vec![None, Some('#')]),
    ) {
        let dialect = Dialect {
            delimiter: character(delimiter),
            quote: character(quote),
            escape: escape.map(character),
            comment: comment.map(character),
        };
        let cell = |(text, quoted): &'_ (String, bool)| (text.clone(), *quoted && text.is_empty());
        let cells: Vec<(String, bool)> = fields.iter().map(cell).collect();
        let mut text = String::new();
        dialect.write(cells.iter().map(|(text, quoted)| crate::row::Cell { text, quoted: *quoted }), &mut text);
        let mut parser = Parser::new(dialect, 0, 1);
        let mut record = Record::new(usize::MAX);
        let (used, ended) = parser.read(text.as_bytes(), &mut record);
        prop_assert_eq!((used, ended, record.flaw()), (text.len(), Some(Ended::Record), None), "{:?}", text);
        let mut start = 0;
        let read: Vec<(String, bool)> = record.ends().iter().enumerate().map(|(position, &end)| {
            let field = record.text()[std::mem::replace(&mut start, end)..end].to_vec();
            (String::from_utf8(field).expect("UTF-8"), record.quoted().contains(&position))
        }).collect();
        let alone = cells.len() == 1;
        for ((written, quoted), (found, was)) in cells.iter().zip(&read) {
            prop_assert_eq!(written, found, "{:?}", text);
            prop_assert!(quoted == was || (alone && *was), "{:?}", text);
        }
        prop_assert_eq!(read.len(), cells.len());
    }
}
