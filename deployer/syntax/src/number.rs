//! Numbers of JSON to the last digit.
//!
//! [`serde_json::Number`] holds 64 bits, and its feature for more would change every crate that is built with this one.
//! A number that it can't write as it was written is kept in a [`Value`] as a marked text, which [`Exact`] writes as
//! the number again.

use std::borrow::Cow;
use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Beginning of the text that represents a number. Texts of a stack file never contain its first character.
const MARK: &str = "\0number:";

/// Returns the number that a text is in JSON, with all its digits.
#[must_use]
pub fn value(text: &str) -> Option<Value> {
    if !is_json(text) {
        return None;
    }
    let number: Option<serde_json::Number> = serde_json::from_str(text).ok();
    Some(match number {
        Some(number) if number.to_string() == text => Value::Number(number),
        _ => Value::String(format!("{MARK}{text}")),
    })
}

/// Returns the digits of a value that is a number.
#[must_use]
pub fn digits(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::String(text) => text.strip_prefix(MARK).map(Cow::Borrowed),
        _ => None,
    }
}

/// Returns whether a text represents a number.
#[must_use]
pub fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Returns the nearest double of a value that is a number.
#[must_use]
pub fn nearest(value: &Value) -> Option<f64> {
    digits(value)?.parse().ok()
}

/// Returns whether two values are the same number, however they are written.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (digits(a), digits(b)) {
        (Some(a), Some(b)) => a == b || Decimal::parse(&a).is_some_and(|a| Decimal::parse(&b) == Some(a)),
        _ => false,
    }
}

/// Returns a number in the form that all numbers of its amount have; any other value as it is.
#[must_use]
pub fn canonical(written: &Value) -> Value {
    let number = digits(written).and_then(|digits| Decimal::parse(&digits));
    number.and_then(|number| value(&number.to_string())).unwrap_or_else(|| written.clone())
}

/// Returns whether a text consists of digits only.
#[must_use]
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a text is a number by JSON's grammar: RFC 8259, section 6.
fn is_json(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|text| is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// The amount of a number: `0.digits × 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// The digits, without zeros at either end; empty for zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Returns the amount of a number as JSON or Rust writes it; `None` if its exponent has more than 18 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 =
            exponent.parse().ok().filter(|power: &i64| power.unsigned_abs() < 1_000_000_000_000_000_000)?;
        let digits = format!("{whole}{fraction}");
        if !is_digits(&digits) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let leading =
            i64::try_from(whole.len()).ok()? - i64::try_from(digits.len() - significant.len()).ok()?;
        let exponent = exponent.checked_add(leading)?;
        Some(Self { negative, digits: significant.trim_end_matches('0').to_owned(), exponent })
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// Number of places beyond which a number is written with an exponent.
        const MOST_PLACES: usize = 40;
        if self.digits.is_empty() {
            return out.write_str("0");
        }
        if self.negative {
            out.write_str("-")?;
        }
        let digits = self.digits.as_str();
        match usize::try_from(self.exponent) {
            Ok(places) if places >= digits.len() && places <= MOST_PLACES => {
                write!(out, "{digits}{}", "0".repeat(places - digits.len()))
            }
            Ok(places) if places > 0 && places < digits.len() => {
                let (whole, fraction) = digits.split_at(places);
                write!(out, "{whole}.{fraction}")
            }
            Ok(0) => write!(out, "0.{digits}"),
            _ => {
                let (first, rest) = digits.split_at(1);
                let point = if rest.is_empty() { "" } else { "." };
                write!(out, "{first}{point}{rest}e{}", self.exponent - 1)
            }
        }
    }
}

/// Returns a value as compact JSON.
#[must_use]
pub fn to_json(value: &Value) -> String {
    written(value, CompactFormatter)
}

/// Returns a value as compact JSON with every character beyond ASCII escaped, as templates are sent.
#[must_use]
pub fn to_ascii_json(value: &Value) -> String {
    let json = to_json(value);
    let mut out = String::with_capacity(json.len());
    // Only texts contain characters beyond ASCII.
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Returns a value as indented JSON.
#[must_use]
pub fn to_pretty_json(value: &Value) -> String {
    written(value, PrettyFormatter::new())
}

fn written(value: &Value, formatter: impl Formatter) -> String {
    let mut out = Vec::new();
    // A value has texts as keys, and a vector takes every byte.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Exact::new(formatter)));
    String::from_utf8(out).unwrap_or_default()
}

/// A formatter that writes JSON as another one does, and marked texts as the numbers that they represent.
#[derive(Debug)]
pub struct Exact<F> {
    inner: F,
    text: Text,
}

/// The state of the text that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    /// A text that has begun, and whose quote is not written yet.
    Begun,
    /// A text whose first character is that of [`MARK`], and is not written yet.
    MaybeNumber,
    /// A number.
    Number,
    /// A text whose quote is written.
    Plain,
}

impl<F> Exact<F> {
    /// Creates a formatter that writes everything else as `inner` does.
    pub const fn new(inner: F) -> Self {
        Self { inner, text: Text::Plain }
    }
}

impl<F: Formatter> Exact<F> {
    /// Writes the text that was held back, now that it is known not to be a number.
    fn quote<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        if matches!(self.text, Text::Begun | Text::MaybeNumber) {
            self.inner.begin_string(out)?;
        }
        if self.text == Text::MaybeNumber {
            self.inner.write_char_escape(out, CharEscape::AsciiControl(0))?;
        }
        self.text = Text::Plain;
        Ok(())
    }
}

impl<F: Formatter> Formatter for Exact<F> {
    fn begin_string<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.text = Text::Begun;
        Ok(())
    }

    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        if self.text == Text::Begun && matches!(escape, CharEscape::AsciiControl(0)) {
            self.text = Text::MaybeNumber;
            return Ok(());
        }
        self.quote(out)?;
        self.inner.write_char_escape(out, escape)
    }

    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.text == Text::MaybeNumber
            && let Some(number) = fragment.strip_prefix(&MARK[1..])
            && is_json(number)
        {
            self.text = Text::Number;
            return out.write_all(number.as_bytes());
        }
        self.quote(out)?;
        self.inner.write_string_fragment(out, fragment)
    }

    fn end_string<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        if self.text == Text::Number {
            self.text = Text::Plain;
            return Ok(());
        }
        self.quote(out)?;
        self.inner.end_string(out)
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_array(out)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array(out)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_array_value(out, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array_value(out)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object(out)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object(out)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_object_key(out, first)
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object_key(out)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object_value(out)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exponent_of_any_size_is_read_or_refused() {
        for exponent in [i64::MIN.to_string(), i64::MAX.to_string(), "9".repeat(40)] {
            assert_eq!(Decimal::parse(&format!("0.1e{exponent}")), None, "{exponent}");
        }
        assert!(Decimal::parse("1e-999999999999999999").is_some());
    }

    #[test]
    fn numbers_are_written_as_they_stand() {
        for text in [
            "0",
            "-0",
            "5",
            "1.10",
            "1e3",
            "1E5",
            "12345678901234567890123",
            "18446744073709551616",
            "1e400",
            "0.1",
            "-2.50e-7",
        ] {
            let value = value(text).expect(text);
            assert_eq!(to_json(&json!([value, { "a": value }])), format!("[{text},{{\"a\":{text}}}]"));
        }
        for text in
            ["", "-", "01", "007", ".5", "5.", "+1", "1e", "0x1F", "nan", ".inf", "1_000", "true", "1 "]
        {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn texts_stay_texts() {
        for text in ["", "\0", "\0numb", "a\0number:5", "\0number:x", "\u{1}", "\"", "5"] {
            assert_eq!(to_json(&json!(text)), json!(text).to_string(), "{text:?}");
            assert_eq!(to_pretty_json(&json!([text])), format!("{:#}", json!([text])));
        }
    }

    #[test]
    fn what_is_beyond_ascii_is_escaped() {
        let number = value("1e3").expect("a number");
        let written = to_ascii_json(&json!({ "Größe": ["日😀\"\\", number, "\u{7f}"] }));
        assert_eq!(written, "{\"Gr\\u00f6\\u00dfe\":[\"\\u65e5\\ud83d\\ude00\\\"\\\\\",1e3,\"\u{7f}\"]}");
        assert_eq!(crate::json::value(&written), Some(json!({ "Größe": ["日😀\"\\", number, "\u{7f}"] })));
    }

    #[test]
    fn amounts_are_compared_without_loss() {
        let number = |text: &str| value(text).expect(text);
        for (a, b) in [("1", "1.0"), ("100e-2", "1"), ("0.001", "1e-3"), ("-0", "0.00"), ("1e400", "10e399")]
        {
            assert!(same(&number(a), &number(b)), "{a} {b}");
            assert_eq!(canonical(&number(a)), canonical(&number(b)));
        }
        for (a, b) in [("9007199254740993", "9007199254740992"), ("1", "-1"), ("0.1", "0.10000000000000001")]
        {
            assert!(!same(&number(a), &number(b)), "{a} {b}");
            assert_ne!(canonical(&number(a)), canonical(&number(b)));
        }
        assert_eq!(canonical(&number("30.0")), json!(30));
        assert_eq!(canonical(&json!("30")), json!("30"));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_the_same_amount(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?") {
            let number = value(&text).expect("a number");
            prop_assert!(same(&number, &canonical(&number)), "{text} {}", to_json(&canonical(&number)));
            prop_assert_eq!(canonical(&canonical(&number)), canonical(&number));
            prop_assert_eq!(to_json(&number), text);
        }
    }
}
