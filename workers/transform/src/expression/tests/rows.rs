//! Rows without a value.

use super::*;
use crate::expression::Fault;

#[test]
fn a_row_without_a_value_says_which_part_and_why() {
    for (text, fault, message) in [
        (
            "double(Comma)",
            Fault::DecimalComma,
            "the text, which has a comma, is not a number in `double(Comma)`",
        ),
        ("1.0 + double(Name) * 2.0", Fault::NotANumber, "the text is not a number in `double(Name)`"),
        ("double(Empty)", Fault::EmptyText, "the text is empty in `double(Empty)`"),
        ("double(' ' + Amount)", Fault::NotANumber, "the text is not a number in `double(' ' + Amount)`"),
        ("double(Empty + 'inf')", Fault::NotANumber, "the text is not a number in `double(Empty + 'inf')`"),
        ("double(Empty + 'nan')", Fault::NotANumber, "the text is not a number in `double(Empty + 'nan')`"),
        (
            "double('1e400' + Empty)",
            Fault::TooLargeForDouble,
            "the number is too large for a double in `double('1e400' + Empty)`",
        ),
        (
            "total * 1e308",
            Fault::TooLargeForDouble,
            "the number is too large for a double in `total * 1e308`",
        ),
        (
            "total / (total - total)",
            Fault::DivisionByZero,
            "the divisor is zero in `total / (total - total)`",
        ),
        (
            "count % (count - count)",
            Fault::DivisionByZero,
            "the divisor is zero in `count % (count - count)`",
        ),
        (
            "count * 9223372036854775807",
            Fault::TooLargeForInt,
            "the number is too large for an int in `count * 9223372036854775807`",
        ),
        (
            "-(-9223372036854775808 + count - count)",
            Fault::TooLargeForInt,
            "the number is too large for an int in `-(-9223372036854775808 + count - count)`",
        ),
        ("int(Amount)", Fault::NotAnInteger, "the text is not a whole number in `int(Amount)`"),
        (
            "int(total * 1e300)",
            Fault::TooLargeForInt,
            "the number is too large for an int in `int(total * 1e300)`",
        ),
        ("bool(Name)", Fault::NotABoolean, "the text is not a boolean in `bool(Name)`"),
        ("timestamp(day)", Fault::NotATimestamp, "the text is not an RFC 3339 timestamp in `timestamp(day)`"),
        ("duration(Name)", Fault::NotADuration, "the text is not a duration in `duration(Name)`"),
        (
            "timestamp(count * 1000000000000)",
            Fault::TimestampOutOfRange,
            "the timestamp is not in the years 1 to 9999 in `timestamp(count * 1000000000000)`",
        ),
        (
            "timestamp(253402300796 + count)",
            Fault::TimestampOutOfRange,
            "the timestamp is not in the years 1 to 9999 in `timestamp(253402300796 + count)`",
        ),
        ("tags[count]", Fault::IndexOutOfRange, "the list has no element of this position in `tags[count]`"),
        (
            "tags[0 - count]",
            Fault::IndexOutOfRange,
            "the list has no element of this position in `tags[0 - count]`",
        ),
        (
            "Name.substring(count)",
            Fault::PositionOutOfRange,
            "the text has no such position in `Name.substring(count)`",
        ),
        (
            "Name.substring(2, count - 3)",
            Fault::PositionOutOfRange,
            "the text has no such position in `Name.substring(2, count - 3)`",
        ),
        ("missing", Fault::NoValue, "the field has no value in `missing`"),
        (
            "math.least(scores.filter(x, x > 9))",
            Fault::EmptyList,
            "the list is empty in `math.least(scores.filter(x, x > 9))`",
        ),
        ("Name == 'Bob' || bool(Name)", Fault::NotABoolean, "the text is not a boolean in `bool(Name)`"),
        (
            "scores.all(x, x / (x - x) == 1 || x > 0)",
            Fault::DivisionByZero,
            "the divisor is zero in `x / (x - x)`",
        ),
    ] {
        let error = evaluate(text).expect_err(text);
        assert_eq!((error.fault, error.message.as_str()), (fault, message), "{text}");
    }
}

#[test]
fn texts_that_are_nearly_timestamps_or_durations_are_refused() {
    for text in [
        "2026-01-31",
        "2026-01-31T00:00:00",
        "2026-01-31 00:00:00Z",
        "2026-01-31t00:00:00z",
        "2026-1-31T00:00:00Z",
        "2026-01-31T23:59:60Z",
        "2026-01-31T24:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-31T00:00:00+0200",
        "2026-01-31T00:00:00+02",
        "2026-01-31T00:00:00.Z",
        "2026-01-31T00:00:00.1234567890Z",
        "2026-01-31T00:00:00Zx",
        "+026-01-31T00:00:00Z",
        "2026-01-31T00:00:00+24:00",
    ] {
        assert_eq!(
            super::super::time::timestamp(text),
            Err(crate::expression::Fault::NotATimestamp),
            "{text}"
        );
    }
    for text in [
        "1h 30m", "1h30", "1hour", "2h 1d", "2h1d", "1m1m", "90", "d", "1.d", ".5s", "1e3s", "1us", "--1s",
        "- 1s", " 1s", "1s ",
    ] {
        assert_eq!(super::super::time::duration(text), Err(crate::expression::Fault::NotADuration), "{text}");
    }
}

#[test]
fn the_work_of_an_evaluation_is_bounded() {
    let list = format!("[{}]", ["1"; 100].join(","));
    let loops = format!("{list}.map(a, {list}.map(b, {list}.map(c, {list}.map(d, a * count))))");
    assert_eq!(evaluate(&loops).expect_err("too many").fault, Fault::TooManySteps);
    // A text that doubles: 2²⁰ times its letters.
    let mut text = "Name".to_owned();
    for _ in 0..20 {
        text = format!("{text}.replace('a', 'aaaaaaaa')");
    }
    assert_eq!(evaluate(&text).expect_err("too long").fault, Fault::TextTooLong);
    // A bound is not hidden by a part that would decide.
    assert_eq!(
        evaluate(&format!("{text} == '' || true || paid")).expect_err("too long").fault,
        Fault::TextTooLong
    );
}

#[test]
fn a_column_that_the_file_lacks_fails_where_it_is_read() {
    let scope = Scope { columns: None, fields: &[] };
    for (text, value) in [("Price", None), ("has(row.Price) ? Price : 'none'", Some("none"))] {
        let expression = Expression::compile(text, &scope).expect("compiles");
        let row = row();
        let seen = Seen { row: &row, scope: &[], expression: &expression };
        match (expression.evaluate(&seen), value) {
            (Ok(found), Some(value)) => assert_eq!(found, Datum::text(value)),
            (Err(error), None) => assert_eq!(error.message, "the file has no such column in `Price`"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}
