//! Records that are passed over end where the parser says that they end.

use proptest::prelude::*;

use super::super::{Dialect, Ended, Record, Search};
use super::*;
use crate::settings::Character;

const COMMAS: Dialect =
    Dialect { delimiter: Character::COMMA, quote: Character::QUOTE, escape: None, comment: None };

fn character(character: char) -> Character {
    Character::try_from(character).expect("ASCII")
}

/// Returns the end of each record in the text and the number of its first line; and how many records were passed over.
fn ends(
    dialect: Dialect,
    skip: u64,
    text: &[u8],
    size: usize,
    passing: bool,
) -> (Vec<(usize, Ended, u64)>, usize) {
    let mut parser = Parser::new(dialect, skip, 1);
    let mut record = Record::new(usize::MAX);
    let (mut at, mut passed, mut found) = (0, 0, Vec::new());
    for chunk in text.chunks(size) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let line = parser.line;
            if passing && let Some(length) = parser.pass(rest) {
                (at, rest, passed) = (at + length, &rest[length..], passed + 1);
                found.push((at, Ended::Record, line));
                continue;
            }
            let (used, ended) = parser.read(rest, &mut record);
            (at, rest) = (at + used, &rest[used..]);
            found.extend(ended.map(|ended| (at, ended, record.line())));
        }
    }
    let last = parser.finish(&mut record);
    found.extend(last.map(|ended| (at, ended, record.line())));
    (found, passed)
}

#[test]
fn what_most_programs_write_is_passed_over() {
    let plain = "a,b\r\n1,\"x, \"\"y\"\" \r\nz\"\n,\"\",\n5' 6\",\"\n\"\r\n";
    let (_, passed) = ends(COMMAS, 0, plain.as_bytes(), 1_000, true);
    assert_eq!(passed, 4);
}

#[test]
fn what_may_be_something_else_is_left_to_the_parser() {
    let comments = Dialect { comment: Some(character('#')), escape: Some(character('\\')), ..COMMAS };
    for text in [
        "\n",
        "\r\n",
        "a\r",
        "a\rb\n",
        ",,\n",
        "#a\n",
        "a\\\nb\n",
        "\"a\\\"b\"\n",
        "\"a\"b\n",
        "\"a\" ,b\n",
        " \"a\"\n",
        "a",
        "\"a\n",
        "\"a\"",
        "a\"b \"c\n",
    ] {
        assert_eq!(Parser::new(comments, 0, 1).pass(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(Parser::new(comments, 1, 1).pass(b"a\n"), None, "a line that is skipped");
}

#[test]
fn a_search_finds_the_first_of_its_bytes_wherever_it_is() {
    let search = Search::new(*b"\"\n\r\\");
    for length in 0..40 {
        for other in [0, b'a', b'\x0b', b'!', 0x80, 0x8a, 0xff] {
            let mut text = vec![other; length];
            assert_eq!(search.find(&text), None);
            for (position, byte) in (0..length).rev().zip(b"\"\n\r\\".iter().cycle()) {
                text[position] = *byte;
                assert_eq!(search.find(&text), Some(position));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn records_end_where_the_parser_ends_them(
        lines in proptest::collection::vec("([ab,;'x]{0,3}|\"[ab, \r\n]{0,4}\"|[ab,;\"'x\\\\# \t\r\n\u{e9}N]{0,6}){1,3}(\n|\r\n|\r|,)", 0..12),
        size in 1..60_usize, skip in 0..3_u64, delimiter in "[,;\t x]", quote in "[\"']",
        escape in proptest::option::of("[\\\\\"]"), comment in any::<bool>(),
    ) {
        let only = |text: &str| character(text.chars().next().expect("one"));
        let dialect = Dialect {
            delimiter: only(&delimiter),
            quote: only(&quote),
            escape: escape.as_deref().map(only),
            comment: comment.then(|| character('#')),
        };
        let text = lines.concat();
        let (expected, _) = ends(dialect, skip, text.as_bytes(), size, false);
        let (found, _) = ends(dialect, skip, text.as_bytes(), size, true);
        prop_assert_eq!(found, expected, "{:?}", text);
    }
}
