//! Parts of timestamps and dates in texts, each read from the beginning of a text.

use super::fields::Fault;

/// Returns whether the character is a blank between two fields.
pub(super) const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

/// Returns the text without blanks around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_ascii_whitespace() || is_blank(character))
}

/// Reads from `least` to `most` digits at the beginning of a text, and returns their value and the rest.
#[inline]
pub(super) fn digits(text: &str, least: usize, most: usize) -> Result<(u32, &str), Fault> {
    let mut value = 0_u32;
    let mut length = 0;
    for byte in text.bytes().take(most) {
        if !byte.is_ascii_digit() {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
        length += 1;
    }
    if length < least {
        return Err(Fault::Syntax);
    }
    Ok((value, text.get(length..).ok_or(Fault::Syntax)?))
}

/// Reads one or two digits; exactly two if `fixed`.
#[inline]
pub(super) fn pair(text: &str, fixed: bool) -> Result<(u8, &str), Fault> {
    let (value, rest) = digits(text, if fixed { 2 } else { 1 }, 2)?;
    Ok((u8::try_from(value).unwrap_or(u8::MAX), rest))
}

/// Reads one or two digits, or a blank and a digit.
pub(super) fn padded_pair(text: &str, fixed: bool) -> Result<(u8, &str), Fault> {
    match text.strip_prefix(' ') {
        Some(rest) => {
            let (value, rest) = digits(rest, 1, 1)?;
            Ok((u8::try_from(value).unwrap_or(u8::MAX), rest))
        }
        None => pair(text, fixed),
    }
}

/// Reads a year of four digits.
#[inline]
pub(super) fn year(text: &str) -> Result<(u16, &str), Fault> {
    let (value, rest) = digits(text, 4, 4).map_err(|_| {
        let short = text.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_digit());
        if short { Fault::Year } else { Fault::Syntax }
    })?;
    Ok((u16::try_from(value).map_err(|_| Fault::Year)?, rest))
}

pub(super) fn after_stop(text: &str, stop: bool) -> &str {
    if stop { text.strip_prefix('.').unwrap_or(text) } else { text }
}

/// Reads `AM` or `PM`, in any case, with or without full stops. Returns whether it is after noon.
pub(super) fn half_day(text: &str) -> Result<(Option<bool>, &str), Fault> {
    for (written, afternoon) in [("am", false), ("pm", true), ("a.m.", false), ("p.m.", true)] {
        if let Some((beginning, rest)) = text.split_at_checked(written.len())
            && beginning.eq_ignore_ascii_case(written)
        {
            return Ok((Some(afternoon), rest));
        }
    }
    Err(Fault::Syntax)
}

/// Reads the digits of a fraction of a second, up to nine, and returns nanoseconds.
pub(super) fn fraction(text: &str, exactly: Option<u8>) -> Result<(u32, &str), Fault> {
    let (least, most) = exactly.map_or((1, 9), |digits| (usize::from(digits), usize::from(digits)));
    let (value, rest) = digits(text, least, most)?;
    if exactly.is_none() && rest.starts_with(|next: char| next.is_ascii_digit()) {
        return Err(Fault::Fraction);
    }
    let length = u32::try_from(text.len() - rest.len()).unwrap_or(9);
    Ok((value * 10_u32.pow(9_u32.saturating_sub(length)), rest))
}

/// Reads a whole number of seconds or milliseconds since 1970.
pub(super) fn epoch(text: &str) -> Result<(i64, &str), Fault> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = unsigned.find(|character: char| !character.is_ascii_digit()).unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at_checked(length).ok_or(Fault::Syntax)?;
    if digits.is_empty() {
        return Err(Fault::Syntax);
    }
    // The year 9999 in milliseconds has 15 digits.
    let value =
        digits.parse::<i64>().ok().filter(|value| *value < 1_000_000_000_000_000).ok_or(Fault::Year)?;
    Ok((if text.starts_with('-') { -value } else { value }, rest))
}

/// Reads an offset, and returns its seconds: `Z`, `+02`, `+0200`, `+02:00`, `+00:19:32`.
pub(super) fn offset(text: &str) -> Result<(i32, &str), Fault> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Ok((0, rest));
    }
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (1, text.get(1..).unwrap_or_default()),
        Some(b'-') => (-1, text.get(1..).unwrap_or_default()),
        _ => match text.strip_prefix('\u{2212}') {
            Some(rest) => (-1, rest),
            None => return Err(Fault::Syntax),
        },
    };
    let (hours, mut rest) = digits(rest, 2, 2)?;
    let mut parts = [0; 2];
    let colon = rest.starts_with(':');
    for part in &mut parts {
        let next = if colon { rest.strip_prefix(':') } else { Some(rest) };
        let Some(next) = next.filter(|next| next.starts_with(|digit: char| digit.is_ascii_digit())) else {
            break;
        };
        (*part, rest) = digits(next, 2, 2)?;
    }
    let [minutes, seconds] = parts;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(Fault::Offset);
    }
    let total = hours * 3600 + minutes * 60 + seconds;
    Ok((sign * i32::try_from(total).map_err(|_| Fault::Offset)?, rest))
}
