//! Timestamps and dates in ISO 8601, as databases and libraries write them (PostgreSQL, DuckDB, pandas, polars): a blank
//! or `T` before the time, up to nine decimals of a second, and any offset.

use super::fields::{Fault, Fields};
use super::parts::{digits, fraction, offset, year};

/// The fields of a text, and whether it has a time.
pub(super) struct Iso {
    pub(super) fields: Fields,
    pub(super) has_time: bool,
}

/// Reads a text, all of which must be a date, or a date and a time.
pub(super) fn read(text: &str) -> Result<Iso, Fault> {
    parse(text).map_err(|fault| if fault == Fault::Syntax { name(text) } else { fault })
}

fn parse(text: &str) -> Result<Iso, Fault> {
    let mut fields = Fields::default();
    let rest;
    (fields.year, rest) = year(text)?;
    // Five digits are a later year; eight are a date without hyphens, which would need a format.
    let rest = rest.strip_prefix('-').ok_or(Fault::Syntax)?;
    let (month, rest) = digits(rest, 2, 2)?;
    let rest = rest.strip_prefix('-').ok_or(Fault::Syntax)?;
    let (day, rest) = digits(rest, 2, 2)?;
    fields.month = byte(month);
    fields.day = byte(day);
    if rest.is_empty() {
        return Ok(Iso { fields, has_time: false });
    }
    let rest = rest.strip_prefix(['T', ' ', 't']).ok_or(Fault::Syntax)?;
    let (hour, rest) = digits(rest, 2, 2)?;
    let (minute, mut rest) = digits(rest.strip_prefix(':').ok_or(Fault::Syntax)?, 2, 2)?;
    fields.hour = byte(hour);
    fields.minute = byte(minute);
    if let Some(behind) = rest.strip_prefix(':') {
        let second;
        (second, rest) = digits(behind, 2, 2)?;
        fields.second = byte(second);
        if let Some(behind) = rest.strip_prefix(['.', ',']) {
            (fields.nanosecond, rest) = fraction(behind, None)?;
        }
    }
    if !rest.is_empty() {
        let zone = rest.strip_prefix(' ').unwrap_or(rest);
        let (seconds, rest) = match zone {
            "UTC" => (0, ""),
            _ => offset(zone)?,
        };
        fields.offset = Some(seconds);
        if !rest.is_empty() {
            return Err(Fault::Syntax);
        }
    }
    Ok(Iso { fields, has_time: true })
}

fn byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// Returns the name of what a text is that is no timestamp, where it has one.
pub(super) fn name(text: &str) -> Fault {
    let word = text.trim_start_matches(['+', '-']);
    if word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf") {
        return Fault::Infinite;
    }
    let ends = |end: &str| {
        let at = text.len().checked_sub(end.len());
        at.and_then(|at| text.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
    };
    let dated = text.starts_with(|first: char| first.is_ascii_digit());
    if dated && (ends(" BC") || ends(" BCE") || ends(" (BC)")) { Fault::Era } else { Fault::Syntax }
}
