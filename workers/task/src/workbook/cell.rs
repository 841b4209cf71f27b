//! The text of a cell.
//!
//! Spreadsheets store numbers alone: a date is a number with the format of a date. The number counts days, from one of
//! two epochs. Both are described in ECMA-376 part 1, section 18.17.4.

use calamine::{DataRef, ExcelDateTime};
use contract::Reason;

use crate::reader::Fault;

/// Milliseconds of a day. Spreadsheets count no smaller ones.
const DAY: i64 = 86_400_000;
/// The day that never was: 1900-02-29, which Lotus 1-2-3 counted.
const NO_DAY: i64 = 60;
/// The day after 9999-12-31, the last one.
const END: i64 = 2_958_466;
/// 1904-01-01, the first day of the other epoch, in days of the first.
const EPOCH_1904: i64 = 1_462;
/// 1899-12-30 in days since 1970: the day 0 of dates after [`NO_DAY`].
const DAY_0: i64 = -25_569;
/// Whole numbers from here on have more digits than a spreadsheet keeps.
const MAX_DIGITS: f64 = 1e15;

/// The text that stands for the name of a cell in a message.
pub(super) const CELL: &str = "{cell}";

/// The content of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub(super) text: String,
    /// `true` if it is a number of which digits were lost.
    pub(super) digits_lost: bool,
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self { text, digits_lost: false }
    }
}

/// The part of a date and time that a format shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The day, month or year, perhaps with the time.
    Date,
    /// The time alone.
    Time,
}

/// Returns whether a number is a time of day, if its format shows no more: it is less than a day.
pub(super) fn may_be_time(value: ExcelDateTime) -> bool {
    !value.is_duration() && (0.0..1.0).contains(&value.as_f64())
}

/// Returns the content of a cell; `None` if it is empty. The message of a fault is a clause about the row, in which
/// [`CELL`] stands for the name of the cell.
pub(super) fn content(
    value: DataRef<'_>,
    has_formula: bool,
    is_1904: bool,
    shown: Shown,
) -> Result<Option<Content>, Fault> {
    Ok(Some(match value {
        DataRef::Empty if has_formula => {
            return Err(Fault::new(
                Reason::NoStoredResult,
                "has a formula without a stored result in the cell {cell}: open the file in a spreadsheet program and save it",
            ));
        }
        DataRef::Empty => return Ok(None),
        DataRef::Error(error) => {
            let message = format!("has the error {error} in the cell {CELL}");
            return Err(Fault::new(Reason::NoStoredResult, message));
        }
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.into(),
        DataRef::SharedString(text) => text.to_owned().into(),
        DataRef::Bool(value) => value.to_string().into(),
        DataRef::Int(value) => value.to_string().into(),
        DataRef::Float(value) => {
            let digits_lost = value.fract() == 0.0 && value.abs() >= MAX_DIGITS;
            Content { text: number(value), digits_lost }
        }
        DataRef::DateTime(value) => date_time(value, is_1904, shown)?.into(),
    }))
}

/// Returns a number as it would be typed: a whole one without a point.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    match value.abs() {
        1e-7..1e21 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

/// Returns a date, a time of day, both, or a duration: `2026-03-29`, `06:30:00`, `2026-03-29T06:30:00`, `30:00:00`.
fn date_time(value: ExcelDateTime, is_1904: bool, shown: Shown) -> Result<String, Fault> {
    let days = value.as_f64();
    let none = |why: &str| Fault::new(Reason::InvalidTimestamp, format!("has {why} in the cell {CELL}"));
    if value.is_duration() {
        if days.abs() >= END as f64 {
            return Err(none("a duration that is too long"));
        }
        let milliseconds = (days * DAY as f64).round() as i64;
        let sign = if milliseconds < 0 { "-" } else { "" };
        return Ok(format!("{sign}{}", time(milliseconds.abs())));
    }
    if days.is_nan() || days < 0.0 {
        return Err(none("a date before the first one of its workbook"));
    }
    if days >= END as f64 {
        return Err(none("a date after 9999-12-31"));
    }
    // A time that is noon by a hair is noon.
    let milliseconds = (days * DAY as f64).round() as i64;
    if shown == Shown::Time && may_be_time(value) {
        // There is no day after it.
        return Ok(time(milliseconds.min(DAY - 1)));
    }
    let (day, milliseconds) = (milliseconds.div_euclid(DAY), milliseconds.rem_euclid(DAY));
    // Of the other epoch, 0 is the first day.
    if days < 1.0 && !is_1904 {
        return Err(none("a date before the first one of its workbook"));
    }
    let day = if is_1904 { day + EPOCH_1904 } else { day };
    let since_1970 = match day {
        NO_DAY => return Err(none("the date 1900-02-29, a day that never was,")),
        ..NO_DAY => day + 1 + DAY_0,
        END.. => return Err(none("a date after 9999-12-31")),
        _ => day + DAY_0,
    };
    let (year, month, day) = civil(since_1970);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Ok(if milliseconds == 0 { date } else { format!("{date}T{}", time(milliseconds)) })
}

/// Returns hours, minutes and seconds.
fn time(milliseconds: i64) -> String {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if milliseconds == 0 { text } else { format!("{text}.{milliseconds:03}") }
}

/// Returns the year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar: four
/// hundred years have 146,097 days, and years that begin in March have their leap day at their end.
const fn civil(days: i64) -> (i64, i64, i64) {
    // Days since 0000-03-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 153 days in every five.
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, ExcelDateTimeType};

    use super::*;

    fn text(value: DataRef<'_>) -> String {
        content(value, false, false, Shown::Date).expect("a value").expect("a text").text
    }

    fn serial(value: f64, is_1904: bool) -> Result<String, Reason> {
        shown(value, is_1904, Shown::Date)
    }

    fn shown(value: f64, is_1904: bool, shown: Shown) -> Result<String, Reason> {
        let value = ExcelDateTime::new(value, ExcelDateTimeType::DateTime, is_1904);
        date_time(value, is_1904, shown).map_err(|fault| fault.reason)
    }

    #[test]
    fn numbers_are_as_they_would_be_typed() {
        for (value, expected) in [
            (5.0, "5"),
            (-5.0, "-5"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (999_999_999_999_999.0, "999999999999999"),
            (1.234_567_890_123_457e16, "12345678901234570"),
            (1e20, "100000000000000000000"),
            (1e21, "1e21"),
            (1e-6, "0.000001"),
            (1.5e-9, "1.5e-9"),
        ] {
            assert_eq!(text(DataRef::Float(value)), expected);
        }
        let lost = |value| {
            let content = content(DataRef::Float(value), false, false, Shown::Date);
            content.expect("a value").expect("a text").digits_lost
        };
        assert_eq!((lost(999_999_999_999_999.0), lost(1e15), lost(1.5e-9)), (false, true, false));
    }

    #[test]
    fn dates_are_those_of_their_epoch_or_none() {
        for (value, is_1904, expected) in [
            (1.0, false, Ok("1900-01-01")),
            (59.0, false, Ok("1900-02-28")),
            (60.0, false, Err(Reason::InvalidTimestamp)),
            (60.5, false, Err(Reason::InvalidTimestamp)),
            (61.0, false, Ok("1900-03-01")),
            (25_569.0, false, Ok("1970-01-01")),
            (46_110.0, false, Ok("2026-03-29")),
            (46_110.270_833_333_336, false, Ok("2026-03-29T06:30:00")),
            (46_110.5 + 0.001 / 86_400.0, false, Ok("2026-03-29T12:00:00.001")),
            (46_110.999_999_999_9, false, Ok("2026-03-30")),
            (2_958_465.0, false, Ok("9999-12-31")),
            (2_958_465.999_999_999_9, false, Err(Reason::InvalidTimestamp)),
            (2_958_466.0, false, Err(Reason::InvalidTimestamp)),
            (99_999_999.0, false, Err(Reason::InvalidTimestamp)),
            (f64::NAN, false, Err(Reason::InvalidTimestamp)),
            (-1.0, false, Err(Reason::InvalidTimestamp)),
            // A time of day has no date.
            (0.0, false, Err(Reason::InvalidTimestamp)),
            (0.270_833_333_333_333_3, false, Err(Reason::InvalidTimestamp)),
            (0.0, true, Ok("1904-01-01")),
            (0.5, true, Ok("1904-01-01T12:00:00")),
            (1.0, true, Ok("1904-01-02")),
            (60.0, true, Ok("1904-03-01")),
            (44_648.0, true, Ok("2026-03-29")),
            (2_957_003.0, true, Ok("9999-12-31")),
            (2_957_004.0, true, Err(Reason::InvalidTimestamp)),
        ] {
            assert_eq!(serial(value, is_1904), expected.map(str::to_owned), "{value} {is_1904}");
        }
    }

    #[test]
    fn times_of_day_end_with_the_day() {
        for (value, expected) in [
            (0.0, "00:00:00"),
            (0.270_833_333_333_333_3, "06:30:00"),
            (0.5 - 1e-12, "12:00:00"),
            (0.999_999_999_988_426, "23:59:59.999"),
        ] {
            assert_eq!(shown(value, false, Shown::Time), Ok(expected.to_owned()), "{value}");
            assert_eq!(shown(value, true, Shown::Time), Ok(expected.to_owned()), "{value}");
        }
        // The format shows a part of it only.
        assert_eq!(shown(1.25, false, Shown::Time), Ok("1900-01-01T06:00:00".to_owned()));
    }

    #[test]
    fn every_day_has_the_day_after_it() {
        let mut expected = (1899, 12, 31);
        for day in -25_568..2_932_897 {
            let (year, month, day_of_month) = civil(day);
            assert_eq!((year, month, day_of_month), expected, "{day}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day_of_month) {
                (12, 31) => (year + 1, 1, 1),
                _ if day_of_month == length => (year, month + 1, 1),
                _ => (year, month, day_of_month + 1),
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn durations_are_hours() {
        let duration = |days| {
            let value = ExcelDateTime::new(days, ExcelDateTimeType::TimeDelta, false);
            date_time(value, false, Shown::Time).map_err(|fault| fault.reason)
        };
        assert_eq!(duration(1.25), Ok("30:00:00".to_owned()));
        assert_eq!(duration(0.0), Ok("00:00:00".to_owned()));
        assert_eq!(duration(-0.0625), Ok("-01:30:00".to_owned()));
        assert_eq!(duration(60.0), Ok("1440:00:00".to_owned()));
        assert_eq!(duration(1e9), Err(Reason::InvalidTimestamp));
    }

    #[test]
    fn other_values_are_their_texts_and_errors_are_named() {
        assert_eq!(text(DataRef::SharedString(" a\r\nb ")), " a\r\nb ");
        assert_eq!(text(DataRef::String(String::new())), "");
        assert_eq!(text(DataRef::Bool(true)), "true");
        assert_eq!(text(DataRef::DateTimeIso("2026-03-29".into())), "2026-03-29");
        assert_eq!(content(DataRef::Empty, false, false, Shown::Date), Ok(None));
        let fault = content(DataRef::Empty, true, false, Shown::Date).expect_err("no result");
        assert_eq!(fault.reason, Reason::NoStoredResult);
        let fault =
            content(DataRef::Error(CellErrorType::NA), true, false, Shown::Date).expect_err("an error");
        assert_eq!(
            (fault.reason, &*fault.message),
            (Reason::NoStoredResult, "has the error #N/A in the cell {cell}")
        );
    }
}
