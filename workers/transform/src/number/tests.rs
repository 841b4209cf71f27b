use proptest::prelude::*;

use super::*;

const GERMAN: NumberFormat = NumberFormat { decimal: ',', group: Some('.') };
const ENGLISH: NumberFormat = NumberFormat { decimal: '.', group: Some(',') };
const FRENCH: NumberFormat = NumberFormat { decimal: ',', group: Some('\u{202f}') };
const SWISS: NumberFormat = NumberFormat { decimal: '.', group: Some('\'') };

fn plain(text: &str) -> Result<String, Flaw> {
    text.parse::<Number>().map(|number| number.to_string())
}

fn read_as(text: &str, format: NumberFormat) -> Result<String, Reason> {
    Number::parse(text, &format).map(|number| number.to_string()).map_err(|flaw| flaw.reason)
}

#[test]
fn numbers_of_databases_and_libraries_are_read_exactly() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("0e999999999999999999999999", "0"),
        ("007", "7"),
        ("+5", "5"),
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("-1234.56", "-1234.56"),
        (".5", "0.5"),
        ("5.", "5"),
        // PostgreSQL, DuckDB, polars and SQLite.
        ("1e-07", "0.0000001"),
        ("1e-7", "0.0000001"),
        ("1.0e-07", "0.0000001"),
        ("1e+15", "1000000000000000"),
        ("1e+16", "10000000000000000"),
        ("1000000000000000.0", "1000000000000000"),
        ("0.10000000149011612", "0.10000000149011612"),
        ("0.10000000000000000555", "0.10000000000000000555"),
        ("1E3", "1000"),
        (" 12 ", "12"),
        ("\u{a0}12\t\r\n", "12"),
        ("12345678901234567890", "12345678901234567890"),
        ("123456789012345678.90123456789012345678", "123456789012345678.90123456789012345678"),
        ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ("1e125", "1E+125"),
        ("9.9999999999999999999999999999999999999E+125", "9.9999999999999999999999999999999999999E+125"),
        ("1e-130", "1E-130"),
        ("-1.5e100", "-1.5E+100"),
    ] {
        assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn other_texts_are_not_numbers() {
    for text in [
        "", " ", "-", "+", ".", "-.", "e5", "1e", "1e+", "1e5.0", "1 2", "- 1", "--1", "+-1", "1-", "0x10",
        "1_000", "$1", "1,5", "1,234", "1.2.3", "12a", "a12", "١٢", "1e5e5", "1.e", "(1)", "1%", "½", "−1",
    ] {
        let flaw = plain(text).expect_err(text);
        assert_eq!(flaw.reason, Reason::InvalidNumber, "{text}");
        assert!(flaw.rule.starts_with("is not a number"), "{text}: {}", flaw.rule);
    }
}

#[test]
fn infinity_and_nan_are_named() {
    for text in ["NaN", "nan", "inf", "Inf", "-inf", "+Infinity", "Infinity", "-∞"] {
        let flaw = plain(text).expect_err(text);
        assert_eq!(
            (flaw.reason, flaw.rule.as_str()),
            (Reason::InvalidNumber, "is not a finite number"),
            "{text}"
        );
    }
}

#[test]
fn a_number_beyond_dynamodb_is_out_of_range() {
    for text in
        ["1e126", "1e400", "1e999", "-1e126", "9.9e-131", "1e-400", "10e125", "1e99999999999999999999"]
    {
        assert_eq!(plain(text).expect_err(text).reason, Reason::OutOfRange, "{text}");
    }
}

#[test]
fn zeros_at_the_ends_are_no_significant_digits() {
    let digits = "1234567890123456789012345678901234567";
    assert_eq!(plain(&format!("000{digits}8.000")), Ok(format!("{digits}8")));
    assert_eq!(plain(&format!("{digits}8{}", "0".repeat(80))), Ok(format!("1.{}8E+117", &digits[1..])));
    for text in [format!("{digits}89"), format!("0.{digits}89"), format!("{digits}.009")] {
        let flaw = plain(&text).expect_err("39 digits");
        assert_eq!(flaw.reason, Reason::InvalidNumber);
        assert_eq!(flaw.rule, "has more than 38 significant digits");
    }
    assert_eq!(plain(&format!("{}1", "0".repeat(1000))), Ok("1".into()));
    assert_eq!(plain(&format!("0.{}1e1001", "0".repeat(1000))), Ok("1".into()));
}

#[test]
fn groups_are_read_only_where_they_belong() {
    for (text, format, expected) in [
        ("1.234,56", GERMAN, "1234.56"),
        ("1234,56", GERMAN, "1234.56"),
        ("-1.234.567", GERMAN, "-1234567"),
        ("1,5E+03", GERMAN, "1500"),
        ("1,234,567.5", ENGLISH, "1234567.5"),
        ("12,34,567", ENGLISH, "1234567"),
        ("1,23,45,678.5", ENGLISH, "12345678.5"),
        ("1,234e3", ENGLISH, "1234000"),
        ("1\u{202f}234,5", FRENCH, "1234.5"),
        ("1\u{a0}234,5", FRENCH, "1234.5"),
        ("1 234,5", FRENCH, "1234.5"),
        ("1'234.5", SWISS, "1234.5"),
        ("1’234.5", SWISS, "1234.5"),
    ] {
        assert_eq!(read_as(text, format).as_deref(), Ok(expected), "{text}");
    }
    for (text, format) in [
        ("1,5", ENGLISH),
        ("1,50", ENGLISH),
        ("1,2345", ENGLISH),
        ("1234,567", ENGLISH),
        ("1,234,56", ENGLISH),
        ("123,45,678", ENGLISH),
        ("1,23,456,789", ENGLISH),
        ("1,234,56,789", ENGLISH),
        (",234", ENGLISH),
        ("1,,234", ENGLISH),
        ("1,234,", ENGLISH),
        ("0.123,456", ENGLISH),
        ("1.5", GERMAN),
        ("1.234.56", GERMAN),
        ("1 234", GERMAN),
        ("1  234", FRENCH),
    ] {
        assert_eq!(read_as(text, format), Err(Reason::InvalidNumber), "{text}");
    }
    assert_eq!(
        Number::parse("1,5", &NumberFormat::default()).expect_err("comma").rule,
        "is not a number such as `1234.5`"
    );
    assert_eq!(Number::parse("x", &GERMAN).expect_err("a letter").rule, "is not a number such as `1.234,5`");
}

#[test]
fn formats_that_cannot_be_are_refused() {
    assert_eq!(NumberFormat::new(None, None), Ok(NumberFormat::default()));
    assert_eq!(NumberFormat::new(Some(','), Some('.')), Ok(GERMAN));
    for (decimal, group, property) in [
        (Some('5'), None, "decimal"),
        (Some('e'), None, "decimal"),
        (Some('-'), None, "decimal"),
        (Some(' '), None, "decimal"),
        (None, Some('.'), "group"),
        (None, Some('0'), "group"),
        (Some('\''), Some('’'), "group"),
    ] {
        assert_eq!(NumberFormat::new(decimal, group).expect_err("impossible").0, property);
    }
}

#[test]
fn whole_numbers_are_told_by_their_value() {
    for text in ["1", "1.0", "1e3", "-0.0", "1.5e1", "1e125"] {
        assert!(Number::parse_integer(text, &NumberFormat::default()).is_ok(), "{text}");
    }
    for text in ["1e-07", "1.5", "0.1"] {
        let flaw = Number::parse_integer(text, &NumberFormat::default()).expect_err(text);
        assert_eq!((flaw.reason, flaw.rule.as_str()), (Reason::InvalidNumber, "is not a whole number"));
    }
}

#[test]
fn integers_and_floats_become_numbers_and_return() {
    for value in [0, 1, -1, 10, 1_000_000, i64::MAX, i64::MIN] {
        assert_eq!(Number::from_i64(value).to_i64(), Some(value));
        assert_eq!(Number::from_i64(value).to_string(), value.to_string());
    }
    assert_eq!(Number::from_u64(u64::MAX).to_string(), u64::MAX.to_string());
    for (text, value) in [
        ("1.5", None),
        ("1e19", None),
        ("9223372036854775808", None),
        ("1e125", None),
        ("-9223372036854775808", Some(i64::MIN)),
        ("1e3", Some(1000)),
    ] {
        assert_eq!(text.parse::<Number>().expect("a number").to_i64(), value, "{text}");
    }
    for (value, text) in
        [(0.1, "0.1"), (0.1 + 0.2, "0.30000000000000004"), (-1e21, "-1000000000000000000000"), (-0.0, "0")]
    {
        assert_eq!(Number::from_f64(value).expect("finite").to_string(), text);
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE] {
        assert_eq!(Number::from_f64(value), None);
    }
}

#[test]
fn parts_become_numbers() {
    assert_eq!(Number::from_parts(true, 1500, -2), Some("-15".parse().expect("a number")));
    assert_eq!(Number::from_parts(false, 0, i64::MAX), Some(Number::ZERO));
    assert_eq!(Number::from_parts(false, u128::MAX, 0), None);
    assert_eq!(Number::from_parts(false, 10_u128.pow(38), 0).map(|number| number.to_parts()), Some((1, 38)));
    assert_eq!(Number::from_parts(false, 1, 126), None);
    assert_eq!(Number::from_parts(false, 1, i64::MIN), None);
}

/// Digits without zeros at both ends, and an exponent, of a number that DynamoDB takes.
fn parts() -> impl Strategy<Value = (bool, String, i64)> {
    (any::<bool>(), "[1-9]([0-9]{0,36}[1-9])?", -130_i64..=125).prop_map(|(negative, digits, power)| {
        let exponent = power - digits.len() as i64 + 1;
        (negative, digits, exponent)
    })
}

/// Returns the digits of a magnitude with 200 places before the point and 200 after it, which sort as the numbers do.
fn sortable(digits: &str, exponent: i64) -> String {
    let whole = usize::try_from(200 - (digits.len() as i64 + exponent)).expect("in range");
    format!("{:0<400}", format!("{}{digits}", "0".repeat(whole)))
}

proptest! {
    #[test]
    fn digits_are_kept((negative, digits, exponent) in parts()) {
        let sign = if negative { "-" } else { "" };
        let number: Number = format!("{sign}{digits}e{exponent}").parse().expect("in range");
        prop_assert_eq!(number.to_parts(), (digits.parse().expect("38 digits"), exponent as i16));
        prop_assert_eq!(number.is_negative(), negative);
        // The point anywhere, and zeros at both ends, are the same number.
        for point in 0..=digits.len() {
            let (before, after) = digits.split_at(point);
            let moved = exponent + after.len() as i64;
            let text = format!("{sign}00{before}.{after}00E{moved:+}");
            prop_assert_eq!(text.parse::<Number>(), Ok(number), "{}", text);
        }
    }

    #[test]
    fn a_number_is_read_as_it_is_written((negative, digits, exponent) in parts()) {
        let sign = if negative { "-" } else { "" };
        let number: Number = format!("{sign}{digits}e{exponent}").parse().expect("in range");
        let text = number.to_string();
        prop_assert_eq!(text.parse::<Number>(), Ok(number));
        // Plain digits are as long as the number needs, which is known by its first and last digit.
        let (first, last) = (digits.len() as i64 + exponent, -exponent);
        let length = i64::from(negative) + first.max(1) + if last > 0 { last + 1 } else { 0 };
        prop_assert_eq!(text.contains('E'), length > 40, "{}", text);
    }

    #[test]
    fn numbers_are_ordered_by_value(one in parts(), other in parts()) {
        let number = |(negative, digits, exponent): &(bool, String, i64)| -> Number {
            let sign = if *negative { "-" } else { "" };
            format!("{sign}{digits}e{exponent}").parse().expect("in range")
        };
        let magnitudes = sortable(&one.1, one.2).cmp(&sortable(&other.1, other.2));
        let expected = match (one.0, other.0) {
            (false, false) => magnitudes,
            (true, true) => magnitudes.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        };
        prop_assert_eq!(number(&one).cmp(&number(&other)), expected);
        prop_assert_eq!(number(&one).cmp(&Number::ZERO), if one.0 { Ordering::Less } else { Ordering::Greater });
    }

    #[test]
    fn numbers_close_together_are_ordered(mantissa in 1_u128..10_u128.pow(36), by in 0_u128..2) {
        let one = Number::from_parts(false, mantissa, 0).expect("in range");
        let other = Number::from_parts(false, mantissa * 100 + by, -2).expect("in range");
        prop_assert_eq!(one.cmp(&other), if by == 0 { Ordering::Equal } else { Ordering::Less });
        prop_assert_eq!(one == other, by == 0);
    }

    #[test]
    fn a_float_returns(value in any::<f64>()) {
        if let Some(number) = Number::from_f64(value) {
            prop_assert_eq!(number.to_f64(), value);
        } else {
            prop_assert!(!value.is_finite() || value.abs() < 1e-129 || value.abs() > 1e125);
        }
    }

    #[test]
    fn an_integer_returns(value in any::<i64>()) {
        prop_assert_eq!(Number::from_i64(value).to_i64(), Some(value));
        prop_assert_eq!(value.to_string().parse(), Ok(Number::from_i64(value)));
    }

    #[test]
    fn any_text_is_read_or_refused_without_its_value(text in "[0-9+\\-eE., '\u{a0}\u{202f}x]{0,50}|\\PC*") {
        for format in [NumberFormat::default(), GERMAN, ENGLISH, FRENCH, SWISS] {
            match Number::parse(&text, &format) {
                Ok(number) => prop_assert_eq!(number.to_string().parse(), Ok(number)),
                Err(flaw) => prop_assert!(text.len() < 8 || !flaw.rule.contains(&text), "{}", flaw.rule),
            }
        }
    }

    #[test]
    fn groups_never_change_the_digits(value in any::<u64>()) {
        let digits = value.to_string();
        let mut grouped = String::new();
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        prop_assert_eq!(Number::parse(&grouped, &ENGLISH), Ok(Number::from_u64(value)));
        // One group that is moved makes it no number.
        if let Some(comma) = grouped.rfind(',') {
            let mut moved = grouped.clone();
            moved.remove(comma);
            moved.insert(comma + 1, ',');
            prop_assert!(Number::parse(&moved, &ENGLISH).is_err(), "{}", moved);
        }
    }
}

#[test]
fn the_size_is_that_of_the_significant_digits() {
    for (text, size) in [("0", 3), ("7", 3), ("-10", 3), ("12.5", 4), ("1e100", 3)] {
        assert_eq!(text.parse::<Number>().expect("a number").size(), size, "{text}");
    }
    assert_eq!("9".repeat(38).parse::<Number>().expect("a number").size(), 21);
}
