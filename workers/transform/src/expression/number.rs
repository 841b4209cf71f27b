//! Numbers in texts, and texts of numbers.

use super::fault::Fault;

/// Returns the number that a text is: digits, perhaps with a sign, a point and an exponent.
pub(super) fn double(text: &str) -> Result<f64, Fault> {
    // Rust also takes `inf` and `nan`, whose letters are not among these, but for the `e`.
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(value) if plain && value.is_finite() => Ok(value),
        Ok(_) if plain => Err(Fault::TooLargeForDouble),
        _ if text.is_empty() => Err(Fault::EmptyText),
        _ if text.contains(',') => Err(Fault::DecimalComma),
        _ => Err(Fault::NotANumber),
    }
}

/// Returns the whole number that a text is: digits, perhaps with a sign.
pub(super) fn integer(text: &str) -> Result<i64, Fault> {
    use std::num::IntErrorKind;
    text.parse::<i64>().map_err(|error| match error.kind() {
        IntErrorKind::Empty => Fault::EmptyText,
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Fault::TooLargeForInt,
        _ => Fault::NotAnInteger,
    })
}

/// Returns the whole number that is left of a double without its decimals.
pub(super) fn truncated(value: f64) -> Result<i64, Fault> {
    // 2⁶³: the first double above all ints. Its negative is the least int.
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the double is in the range of an int")]
    match (-END..END).contains(&value) {
        true => Ok(value as i64),
        false => Err(Fault::TooLargeForInt),
    }
}

/// Returns whether a text means true or false, by the texts that CEL's `bool` takes.
pub(super) fn boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "1" | "t" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "false" | "False" | "FALSE" => Ok(false),
        "" => Err(Fault::EmptyText),
        _ => Err(Fault::NotABoolean),
    }
}

/// Returns a result of arithmetic, unless it is infinite or NaN.
pub(super) fn finite(value: f64) -> Result<f64, Fault> {
    if value.is_finite() { Ok(value) } else { Err(Fault::TooLargeForDouble) }
}
