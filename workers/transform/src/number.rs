//! DynamoDB's numbers: exact decimals of up to 38 digits.
//!
//! No value goes through a float, so that the digits of the file are the digits of the table. Numbers that are equal
//! have one form (`1.0` is `1`), since DynamoDB compares and stores them by value.

use std::cmp::Ordering;
use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use contract::Reason;

use crate::failure::Flaw;

mod digits;
#[cfg(test)]
mod tests;

use digits::{Digits, Groups, count, power, without_zeros};

/// The greatest number of significant digits (Amazon DynamoDB Developer Guide, "Data types", "Numbers").
pub const MAX_DIGITS: u32 = 38;

/// The power of ten of the first digit of the smallest magnitude, 1E-130 (same source).
const LEAST_POWER: i64 = -130;

/// The power of ten of the first digit of the greatest magnitude, 9.99…E+125 (same source).
const GREATEST_POWER: i64 = 125;

/// The greatest length of a number that is written without an exponent.
const MAX_PLAIN: i64 = 40;

/// The way in which numbers are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberFormat {
    /// The character before the decimals.
    pub decimal: char,
    /// The character between groups of digits. A blank stands for every kind of blank that is used for it, and an
    /// apostrophe for `’` as well.
    pub group: Option<char>,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: '.', group: None }
    }
}

impl NumberFormat {
    /// Creates a format from the settings of a field.
    ///
    /// # Errors
    /// The name of the property that is wrong, and what is wrong with it.
    pub fn new(decimal: Option<char>, group: Option<char>) -> Result<Self, (&'static str, String)> {
        let decimal = decimal.unwrap_or('.');
        let impossible = |character: char| {
            character.is_alphanumeric() || matches!(character, '+' | '-') || character.is_control()
        };
        if impossible(decimal) || is_blank(decimal) {
            return Err(("decimal", format!("`{decimal}` cannot be the character before decimals")));
        }
        if let Some(group) = group {
            if impossible(group) {
                return Err(("group", format!("`{group}` cannot be the character between groups of digits")));
            }
            if stands_for(group, decimal) {
                return Err(("group", format!("`{group}` is also the character before decimals")));
            }
        }
        Ok(Self { decimal, group })
    }

    /// Returns a number that is written in this format, for messages.
    fn sample(&self) -> String {
        let group = self.group.map(String::from).unwrap_or_default();
        format!("`1{group}234{}5`", self.decimal)
    }
}

/// Returns whether a character of the file separates groups where the settings say `group`.
fn stands_for(group: char, character: char) -> bool {
    group == character
        || (is_blank(group) && is_blank(character))
        || (matches!(group, '\'' | '\u{2019}') && matches!(character, '\'' | '\u{2019}'))
}

/// Returns whether the character is a blank between digits: the blank of ASCII, or one of those of Unicode that do not
/// break a line or are thin.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

/// A number of DynamoDB: zero, or a magnitude from 1E-130 to 9.99…E+125 with up to 38 significant digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    // The digits as a whole number without zeros at its end, in two halves, which need no alignment of 16 bytes.
    high: u64,
    low: u64,
    // The power of ten by which the digits are multiplied; 0 for zero.
    exponent: i16,
    // Never for zero.
    negative: bool,
}

/// The cause for which a text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Syntax,
    TooManyDigits,
    TooLarge,
    TooSmall,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { high: 0, low: 0, exponent: 0, negative: false };

    /// Parses a number: an optional sign, digits with the character of the format before decimals, and an optional
    /// exponent (`1e-07`). Blanks around it are ignored.
    ///
    /// Groups are accepted before the decimals only: of three digits each (`1,234,567`), or as in India
    /// (`12,34,567`), where the last has three digits and the others have two. In a number that has groups, all digits
    /// are grouped, so that `1,5` is never read as 15.
    ///
    /// # Errors
    /// [`Reason::InvalidNumber`] for any other text, for infinity and NaN, and for more than 38 significant digits
    /// (zeros at both ends are not significant); [`Reason::OutOfRange`] for a magnitude that DynamoDB does not take.
    pub fn parse(text: &str, format: &NumberFormat) -> Result<Self, Flaw> {
        let text = trim(text);
        read(text, format).map_err(|fault| flaw(fault, text, format))
    }

    /// Parses a number without decimals: `1.0` and `1e3` are such numbers, `1e-07` is not.
    ///
    /// # Errors
    /// Those of [`Number::parse`], and [`Reason::InvalidNumber`] for a number with decimals.
    pub fn parse_integer(text: &str, format: &NumberFormat) -> Result<Self, Flaw> {
        let number = Self::parse(text, format)?;
        match number.is_integer() {
            true => Ok(number),
            false => Err(Flaw::new(Reason::InvalidNumber, "is not a whole number")),
        }
    }

    /// Returns `mantissa` × 10^`exponent`, or its negative; `None` if DynamoDB has no such number.
    #[must_use]
    pub fn from_parts(negative: bool, mantissa: u128, exponent: i64) -> Option<Self> {
        let (mantissa, zeros) = without_zeros(mantissa);
        match count(mantissa) <= MAX_DIGITS {
            true => Self::new(negative, mantissa, exponent.saturating_add(i64::from(zeros))).ok(),
            false => None,
        }
    }

    /// Returns a number of digits without zeros at their end, of which there are at most 38.
    fn new(negative: bool, mantissa: u128, exponent: i64) -> Result<Self, Fault> {
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let power = exponent.saturating_add(i64::from(count(mantissa)) - 1);
        if power > GREATEST_POWER {
            return Err(Fault::TooLarge);
        }
        if power < LEAST_POWER {
            return Err(Fault::TooSmall);
        }
        let exponent = i16::try_from(exponent).map_err(|_| Fault::TooSmall)?;
        let (high, low) = halves(mantissa);
        Ok(Self { high, low, exponent, negative })
    }

    const fn mantissa(&self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }

    /// Returns the number without its sign, as digits without zeros at their end and the power of ten by which they are
    /// multiplied.
    #[must_use]
    pub const fn to_parts(&self) -> (u128, i16) {
        (self.mantissa(), self.exponent)
    }

    /// Returns whether the number is less than zero.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns whether the number is zero.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Returns whether the number has no decimals.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// Returns the number of an `i64`.
    #[must_use]
    pub fn from_i64(value: i64) -> Self {
        Self { negative: value < 0, ..Self::from_u64(value.unsigned_abs()) }
    }

    /// Returns the number of a `u64`.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        let (mut low, mut exponent) = (value, 0);
        while low != 0 && low % 10 == 0 {
            low /= 10;
            exponent += 1;
        }
        Self { high: 0, low, exponent, negative: false }
    }

    /// Returns the number with the fewest digits that is read as the same `f64`: 0.1 for `0.1`. `None` for infinity, NaN,
    /// and magnitudes that DynamoDB does not take.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        // A sign, 17 digits, a point and an exponent of three digits with its sign: 24 bytes.
        let mut buffer = [0; 32];
        let mut rest = buffer.as_mut_slice();
        write!(rest, "{value:e}").ok()?;
        let free = rest.len();
        let written = buffer.get(..buffer.len().checked_sub(free)?)?;
        read(std::str::from_utf8(written).ok()?, &NumberFormat::default()).ok()
    }

    /// Returns the `f64` that is nearest.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let mut text = Vec::with_capacity(64);
        self.write(&mut text);
        // Rust's parser rounds to the nearest, and takes every number that `write` writes.
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Returns the number as an `i64`; `None` if it has decimals or does not fit.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        let scale = power(u32::try_from(self.exponent).ok()?)?;
        let value = i128::try_from(self.mantissa().checked_mul(scale)?).ok()?;
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// Returns the bytes that DynamoDB counts for the number, at most: one for two significant digits, and two more.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
    #[must_use]
    pub fn size(&self) -> usize {
        let (digits, _) = self.to_parts();
        let count = digits.checked_ilog10().map_or(1, |power| power + 1);
        usize::try_from(count.div_ceil(2)).unwrap_or_default() + 2
    }

    /// Appends the number in its canonical form: plain digits (`-1234.56`) while they are at most 40 characters, else
    /// with an exponent (`1.5E+100`).
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut buffer = [0; digits::BUFFER];
        let digits = digits::write(self.mantissa(), &mut buffer);
        let exponent = i64::from(self.exponent);
        // The number of digits before the point; below 1 where zeros follow the point.
        let whole = i64::try_from(digits.len()).unwrap_or_default() + exponent;
        let decimals = if exponent < 0 { 1 - exponent } else { 0 };
        if self.negative {
            out.push(b'-');
        }
        let zeros = |count: i64| std::iter::repeat_n(b'0', usize::try_from(count).unwrap_or_default());
        let split = |at: i64| {
            let at = usize::try_from(at).unwrap_or_default();
            digits.split_at_checked(at).unwrap_or((digits, &[]))
        };
        if i64::from(self.negative) + whole.max(1) + decimals > MAX_PLAIN {
            let (first, rest) = split(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            let power = whole - 1;
            out.extend_from_slice(if power < 0 { b"E-" } else { b"E+" });
            let mut buffer = [0; digits::BUFFER];
            out.extend_from_slice(digits::write(u128::from(power.unsigned_abs()), &mut buffer));
        } else if exponent >= 0 {
            out.extend_from_slice(digits);
            out.extend(zeros(exponent));
        } else {
            let (before, after) = split(whole);
            out.extend_from_slice(if before.is_empty() { b"0" } else { before });
            out.push(b'.');
            out.extend(zeros(-whole));
            out.extend_from_slice(after);
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(48);
        self.write(&mut text);
        formatter.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Number({self})")
    }
}

impl FromStr for Number {
    type Err = Flaw;

    /// Parses a number with a point and without groups.
    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::parse(text, &NumberFormat::default())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::from_i64(value)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        if self.is_zero() || other.is_zero() {
            return other.is_zero().cmp(&self.is_zero());
        }
        let (one, two) = (self.mantissa(), other.mantissa());
        let (digits, others) = (count(one), count(two));
        let power_of = |number: &Self, digits: u32| i64::from(number.exponent) + i64::from(digits);
        power_of(self, digits).cmp(&power_of(other, others)).then_with(|| {
            // Both have at most 38 digits after this, which a u128 holds.
            let widened = |mantissa: u128, by: u32| mantissa.saturating_mul(power(by).unwrap_or(u128::MAX));
            widened(one, others.saturating_sub(digits)).cmp(&widened(two, digits.saturating_sub(others)))
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what remains")]
const fn halves(mantissa: u128) -> (u64, u64) {
    ((mantissa >> 64) as u64, mantissa as u64)
}

/// Returns the text without blanks of ASCII, and those that do not break a line, around it.
fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    if matches!((bytes.first(), bytes.last()), (Some(b'0'..=b'9' | b'-'), Some(b'0'..=b'9'))) {
        return text;
    }
    text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\u{a0}')
}

/// Reads a number that is all of the text.
fn read(text: &str, format: &NumberFormat) -> Result<Number, Fault> {
    let bytes = text.as_bytes();
    let (negative, mut at) = match bytes.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };

    let mut digits = Digits::default();
    let mut groups = Groups::default();
    let mut start = at;
    let mut seen = 0;
    // The position after the decimal character, once there was one.
    let mut decimals = None;
    loop {
        match bytes.get(at) {
            Some(byte @ b'0'..=b'9') => {
                digits.push(byte - b'0');
                at += 1;
            }
            Some(b'e' | b'E') | None => break,
            Some(_) => {
                let character = text.get(at..).and_then(|rest| rest.chars().next()).ok_or(Fault::Syntax)?;
                seen += at - start;
                if decimals.is_some() {
                    return Err(Fault::Syntax);
                }
                if character == format.decimal {
                    groups.end(at - start)?;
                    decimals = Some(at + character.len_utf8());
                } else if format.group.is_some_and(|group| stands_for(group, character)) {
                    groups.next(at - start)?;
                } else {
                    return Err(Fault::Syntax);
                }
                at += character.len_utf8();
                start = at;
            }
        }
    }
    if decimals.is_none() {
        groups.end(at - start)?;
    }
    if seen + (at - start) == 0 {
        return Err(Fault::Syntax);
    }
    let scale = decimals.map_or(0, |decimals| at.saturating_sub(decimals));
    let power = match bytes.get(at) {
        Some(_) => digits::exponent(bytes.get(at + 1..).unwrap_or_default())?,
        None => 0,
    };
    let (mantissa, zeros) = digits.finish()?;
    let shift = i64::try_from(zeros).unwrap_or(i64::MAX) - i64::try_from(scale).unwrap_or(i64::MAX);
    Number::new(negative, mantissa, power.saturating_add(shift))
}

/// Returns the flaw of a text that is not a number.
fn flaw(fault: Fault, text: &str, format: &NumberFormat) -> Flaw {
    match fault {
        Fault::TooManyDigits => Flaw::new(Reason::InvalidNumber, "has more than 38 significant digits"),
        Fault::TooLarge => {
            Flaw::new(Reason::OutOfRange, "is beyond the greatest number of DynamoDB, 9.99…E+125")
        }
        Fault::TooSmall => {
            Flaw::new(Reason::OutOfRange, "is nearer to zero than the least number of DynamoDB, 1E-130")
        }
        Fault::Syntax => {
            let word = text.trim_start_matches(['+', '-']);
            let infinite = ["nan", "inf", "infinity", "1.#inf", "1.#nan", "∞"];
            if infinite.iter().any(|name| word.eq_ignore_ascii_case(name)) {
                return Flaw::new(Reason::InvalidNumber, "is not a finite number");
            }
            match *format == NumberFormat::default() && !text.contains(',') {
                true => Flaw::new(Reason::InvalidNumber, "is not a number"),
                false => {
                    Flaw::new(Reason::InvalidNumber, format!("is not a number such as {}", format.sample()))
                }
            }
        }
    }
}
