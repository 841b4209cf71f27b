//! Steps of a format: literal characters, blanks, and fields.

use crate::time::fields::{Fault, Fields, WeekStart};
use crate::time::names::Names;
use crate::time::parts::{after_stop, digits, epoch, fraction, half_day, offset, padded_pair, pair, year};

/// One part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// These very bytes.
    Literal(Box<str>),
    /// One or more blanks.
    Blank,
    /// A field, of which the directive is kept for messages.
    Field(Field, char),
}

impl Step {
    /// Returns whether the step begins and ends with digits.
    pub(super) fn is_digits(&self) -> bool {
        match self {
            Self::Literal(text) => text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Blank => false,
            Self::Field(field, _) => !matches!(
                field,
                Field::MonthName { .. }
                    | Field::WeekdayName { .. }
                    | Field::HalfDay
                    | Field::Offset
                    | Field::PointFraction
            ),
        }
    }

    /// Returns whether the step begins with a full stop.
    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Literal(text) if text.starts_with('.'))
    }
}

/// A field that a directive reads. A number with `fixed` has all of its digits, since other digits are
/// beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    ShortYear,
    Month {
        fixed: bool,
    },
    MonthName {
        stop: bool,
    },
    Day {
        fixed: bool,
        padded: bool,
    },
    DayOfYear {
        fixed: bool,
    },
    Hour {
        fixed: bool,
        padded: bool,
    },
    HalfHour {
        fixed: bool,
        padded: bool,
    },
    HalfDay,
    Minute {
        fixed: bool,
    },
    Second {
        fixed: bool,
    },
    /// The digits of a fraction; exactly so many if their number is known.
    Fraction {
        digits: Option<u8>,
    },
    /// A point or comma with the digits of a fraction, or nothing.
    PointFraction,
    Offset,
    Seconds,
    Milliseconds,
    WeekdayName {
        stop: bool,
    },
    /// From 1, Monday, to 7.
    WeekdayFromMonday,
    /// From 0, Sunday, to 6.
    WeekdayFromSunday,
    WeekYear,
    WeekOfYear {
        fixed: bool,
        start: WeekStart,
    },
}

impl Field {
    /// Reads the field at the beginning of a text, and returns the rest.
    pub(super) fn read<'t>(
        self,
        text: &'t str,
        fields: &mut Fields,
        names: &Names,
    ) -> Result<&'t str, Fault> {
        let rest;
        match self {
            Self::Year => {
                (fields.year, rest) = year(text)?;
            }
            Self::WeekYear => {
                (fields.week_year, rest) = year(text)?;
            }
            Self::ShortYear => {
                let (value, behind) = digits(text, 2, 2)?;
                // POSIX, strptime: 69 to 99 are of the twentieth century.
                let century = if value >= 69 { 1900 } else { 2000 };
                fields.year = u16::try_from(century + value).unwrap_or_default();
                rest = behind;
            }
            Self::Month { fixed } => (fields.month, rest) = pair(text, fixed)?,
            Self::MonthName { stop } => {
                let (month, behind) = names.month(text).ok_or(Fault::Syntax)?;
                fields.month = month;
                rest = after_stop(behind, stop);
            }
            Self::Day { fixed, padded: false } => (fields.day, rest) = pair(text, fixed)?,
            Self::Day { fixed, padded: true } => (fields.day, rest) = padded_pair(text, fixed)?,
            Self::DayOfYear { fixed } => {
                let (value, behind) = digits(text, if fixed { 3 } else { 1 }, 3)?;
                fields.day_of_year = Some(u16::try_from(value).unwrap_or(u16::MAX));
                rest = behind;
            }
            Self::Hour { fixed, padded: false } => (fields.hour, rest) = pair(text, fixed)?,
            Self::Hour { fixed, padded: true } => (fields.hour, rest) = padded_pair(text, fixed)?,
            Self::HalfHour { fixed, padded } => {
                let (hour, behind) = if padded { padded_pair(text, fixed)? } else { pair(text, fixed)? };
                if !(1..=12).contains(&hour) {
                    return Err(Fault::Time);
                }
                fields.hour = hour % 12;
                rest = behind;
            }
            Self::HalfDay => (fields.afternoon, rest) = half_day(text)?,
            Self::Minute { fixed } => (fields.minute, rest) = pair(text, fixed)?,
            Self::Second { fixed } => (fields.second, rest) = pair(text, fixed)?,
            Self::Fraction { digits } => (fields.nanosecond, rest) = fraction(text, digits)?,
            Self::PointFraction => {
                rest = match text.strip_prefix(['.', ',']) {
                    Some(behind) => {
                        let (nanosecond, behind) = fraction(behind, None)?;
                        fields.nanosecond = nanosecond;
                        behind
                    }
                    None => text,
                };
            }
            Self::Offset => {
                let (offset, behind) = offset(text)?;
                fields.offset = Some(offset);
                rest = behind;
            }
            Self::Seconds => {
                let (seconds, behind) = epoch(text)?;
                let (negative, nanosecond, behind) = match behind.strip_prefix('.') {
                    Some(behind) => {
                        let (nanosecond, behind) = fraction(behind, None)?;
                        (text.starts_with('-'), nanosecond, behind)
                    }
                    None => (false, 0, behind),
                };
                // Counted from the second before: -1.25 is 0.75 s after -2.
                let before = negative && nanosecond > 0;
                fields.epoch = Some((
                    if before { seconds - 1 } else { seconds },
                    if before { 1_000_000_000 - nanosecond } else { nanosecond },
                ));
                rest = behind;
            }
            Self::Milliseconds => {
                let (milliseconds, behind) = epoch(text)?;
                let nanosecond = u32::try_from(milliseconds.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
                fields.epoch = Some((milliseconds.div_euclid(1000), nanosecond));
                rest = behind;
            }
            Self::WeekdayName { stop } => {
                let (weekday, behind) = names.weekday(text).ok_or(Fault::Syntax)?;
                fields.weekday = Some(weekday);
                rest = after_stop(behind, stop);
            }
            Self::WeekdayFromMonday | Self::WeekdayFromSunday => {
                let (value, behind) = digits(text, 1, 1)?;
                fields.weekday = match (self, value) {
                    (Self::WeekdayFromSunday, 0) => Some(7),
                    (Self::WeekdayFromSunday, 7) | (_, 0 | 8 | 9) => return Err(Fault::Syntax),
                    (_, value) => u8::try_from(value).ok(),
                };
                rest = behind;
            }
            Self::WeekOfYear { fixed, start } => {
                let (week, behind) = pair(text, fixed)?;
                fields.week = Some((start, week));
                rest = behind;
            }
        }
        Ok(rest)
    }
}
