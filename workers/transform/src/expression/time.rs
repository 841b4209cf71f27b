//! Timestamps and durations. Everything that expressions need of a calendar is in this file.

pub(super) use jiff::SignedDuration;

use super::fault::Fault;
use super::functions::Part;
use crate::time::{DAY, date, days, days_of_month, weekday_of};

/// The first second of the year 1, and that after the year 9999: the instants of CEL (`google.protobuf.Timestamp`).
const RANGE: std::ops::Range<i64> = days(1, 1, 1) * DAY..days(10_000, 1, 1) * DAY;
/// The longest duration of CEL, about 10,000 years, in seconds (`google.protobuf.Duration`).
const LONGEST_SECONDS: i128 = 315_576_000_000;
const NANOSECONDS: i128 = 1_000_000_000;

/// An instant from the year 1 to 9999, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanosecond: u32,
}

impl Timestamp {
    /// Returns the instant of seconds since 1970 and nanoseconds after them; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn new(seconds: i64, nanosecond: u32) -> Option<Self> {
        (RANGE.contains(&seconds) && nanosecond < 1_000_000_000).then_some(Self { seconds, nanosecond })
    }

    /// Returns the seconds since 1970; of an instant between two seconds, the first.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after [`Timestamp::seconds`].
    #[must_use]
    pub const fn nanosecond(self) -> u32 {
        self.nanosecond
    }

    /// Returns the nanoseconds since 1970.
    fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * NANOSECONDS + i128::from(self.nanosecond)
    }

    fn from_nanoseconds(nanoseconds: i128) -> Option<Self> {
        let seconds = i64::try_from(nanoseconds.div_euclid(NANOSECONDS)).ok()?;
        Self::new(seconds, u32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).ok()?)
    }
}

/// Returns the instant that a text is by RFC 3339: `2026-03-29T03:30:00+02:00`, or with `Z`.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, Fault> {
    if text.is_empty() {
        return Err(Fault::EmptyText);
    }
    let (seconds, nanosecond) = parse(text).ok_or(Fault::NotATimestamp)?;
    Timestamp::new(seconds, nanosecond).ok_or(Fault::TimestampOutOfRange)
}

/// Returns the seconds since 1970 and the nanoseconds after them.
fn parse(text: &str) -> Option<(i64, u32)> {
    let mut digits = Digits(text);
    let year = i64::from(digits.number(4)?);
    digits.sign(b"-")?;
    let month = digits.small(2)?;
    digits.sign(b"-")?;
    let day = digits.small(2)?;
    digits.sign(b"T")?;
    let hour = digits.small(2)?;
    digits.sign(b":")?;
    let minute = digits.small(2)?;
    digits.sign(b":")?;
    let second = digits.small(2)?;
    let mut nanosecond = 0;
    if digits.sign(b".").is_some() {
        let length = digits.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        nanosecond = digits.number(length)?;
        for _ in length..9 {
            nanosecond *= 10;
        }
    }
    let offset = match digits.sign(b"Z+-")? {
        b'Z' => 0,
        sign => {
            let hours = i64::from(digits.small(2)?);
            digits.sign(b":")?;
            let minutes = i64::from(digits.small(2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            if sign == b'-' { -seconds } else { seconds }
        }
    };
    let exists = (1..=days_of_month(year, month)?).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !digits.0.is_empty() || !exists {
        return None;
    }
    let time = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    Some((days(year, month, day) * DAY + time - offset, nanosecond))
}

/// The rest of a text of digits and signs.
struct Digits<'t>(&'t str);

impl Digits<'_> {
    fn number(&mut self, length: usize) -> Option<u32> {
        let digits = self.0.get(..length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = self.0.get(length..)?;
        digits.parse().ok()
    }

    fn small(&mut self, length: usize) -> Option<u8> {
        u8::try_from(self.number(length)?).ok()
    }

    /// Takes one of the signs.
    fn sign(&mut self, signs: &[u8]) -> Option<u8> {
        let sign = self.0.bytes().next().filter(|byte| signs.contains(byte))?;
        self.0 = self.0.get(1..)?;
        Some(sign)
    }
}

/// Returns the instant that is so many seconds after 1970.
pub(super) fn of_seconds(seconds: i64) -> Result<Timestamp, Fault> {
    Timestamp::new(seconds, 0).ok_or(Fault::TimestampOutOfRange)
}

/// Returns the duration that a text is: `90d`, `1h30m` or `1.5s`, the larger units before the smaller ones.
pub(super) fn duration(text: &str) -> Result<SignedDuration, Fault> {
    if text.is_empty() {
        return Err(Fault::EmptyText);
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut nanoseconds: i128 = 0;
    let mut last = i128::MAX;
    loop {
        let (amount, after) = amount(rest).ok_or(Fault::NotADuration)?;
        let (unit, after) = unit(after).filter(|(unit, _)| *unit < last).ok_or(Fault::NotADuration)?;
        nanoseconds += amount.times(unit).ok_or(Fault::DurationOutOfRange)?;
        (rest, last) = (after, unit);
        if rest.is_empty() {
            break;
        }
    }
    of_nanoseconds(if negative { -nanoseconds } else { nanoseconds })
}

/// A number with up to nine decimals.
struct Amount {
    whole: i128,
    /// In billionths.
    fraction: i128,
}

impl Amount {
    /// Returns the product, unless it is longer than any duration.
    fn times(&self, unit: i128) -> Option<i128> {
        let product =
            self.whole.checked_mul(unit)?.checked_add(self.fraction.checked_mul(unit)? / NANOSECONDS)?;
        (product <= LONGEST_SECONDS * NANOSECONDS).then_some(product)
    }
}

fn amount(text: &str) -> Option<(Amount, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    // 18 digits are more than the longest duration has nanoseconds in any of the units.
    let whole: i128 = text.get(..end).filter(|digits| (1..=18).contains(&digits.len()))?.parse().ok()?;
    let rest = text.get(end..)?;
    let Some(decimals) = rest.strip_prefix('.') else {
        return Some((Amount { whole, fraction: 0 }, rest));
    };
    let end = decimals.bytes().take_while(u8::is_ascii_digit).count();
    let mut fraction: i128 =
        decimals.get(..end).filter(|digits| (1..=9).contains(&digits.len()))?.parse().ok()?;
    for _ in end..9 {
        fraction *= 10;
    }
    Some((Amount { whole, fraction }, decimals.get(end..)?))
}

/// Returns the nanoseconds of the unit that the text begins with.
fn unit(text: &str) -> Option<(i128, &str)> {
    const MINUTE: i128 = 60 * NANOSECONDS;
    let units = [
        ("ms", NANOSECONDS / 1000),
        ("s", NANOSECONDS),
        ("m", MINUTE),
        ("h", 60 * MINUTE),
        ("d", 24 * 60 * MINUTE),
    ];
    units.into_iter().find_map(|(name, unit)| Some((unit, text.strip_prefix(name)?)))
}

fn of_nanoseconds(nanoseconds: i128) -> Result<SignedDuration, Fault> {
    if nanoseconds.abs() > LONGEST_SECONDS * NANOSECONDS {
        return Err(Fault::DurationOutOfRange);
    }
    let seconds = i64::try_from(nanoseconds / NANOSECONDS).map_err(|_| Fault::DurationOutOfRange)?;
    let rest = i32::try_from(nanoseconds % NANOSECONDS).map_err(|_| Fault::DurationOutOfRange)?;
    Ok(SignedDuration::new(seconds, rest))
}

/// Returns the sum or the difference of two durations.
pub(super) fn add_durations(
    one: SignedDuration,
    other: SignedDuration,
    sign: i8,
) -> Result<SignedDuration, Fault> {
    of_nanoseconds(one.as_nanos() + i128::from(sign) * other.as_nanos())
}

/// Returns the instant that is a duration later, or earlier.
pub(super) fn add(timestamp: Timestamp, duration: SignedDuration, sign: i8) -> Result<Timestamp, Fault> {
    let moved = timestamp.nanoseconds() + i128::from(sign) * duration.as_nanos();
    Timestamp::from_nanoseconds(moved).ok_or(Fault::TimestampOutOfRange)
}

/// Returns the time from one instant to another.
pub(super) fn between(end: Timestamp, start: Timestamp) -> Result<SignedDuration, Fault> {
    of_nanoseconds(end.nanoseconds() - start.nanoseconds())
}

/// Returns a part of a timestamp in UTC.
pub(super) fn part(timestamp: Timestamp, part: Part) -> i64 {
    let (day, second) = (timestamp.seconds.div_euclid(DAY), timestamp.seconds.rem_euclid(DAY));
    let (year, month, of_month) = date(day);
    match part {
        Part::FullYear => year,
        Part::Month => i64::from(month) - 1,
        Part::Date => i64::from(of_month),
        Part::DayOfMonth => i64::from(of_month) - 1,
        // Weekdays are counted from 1, Monday, to 7 there, and from 0, Sunday, here.
        Part::DayOfWeek => i64::from(weekday_of(day)) % 7,
        Part::DayOfYear => day - days(year, 1, 1),
        Part::Hours => second / 3600,
        Part::Minutes => second / 60 % 60,
        Part::Seconds => second % 60,
        Part::Milliseconds => i64::from(timestamp.nanosecond) / 1_000_000,
    }
}

/// Returns all of a duration in whole units.
pub(super) const fn whole(duration: SignedDuration, part: Part) -> Option<i64> {
    Some(match part {
        Part::Hours => duration.as_secs() / 3600,
        Part::Minutes => duration.as_secs() / 60,
        Part::Seconds => duration.as_secs(),
        _ => return None,
    })
}

/// Returns the text of an instant by RFC 3339 in UTC, with as many decimals as it needs.
pub(super) fn timestamp_text(timestamp: Timestamp) -> String {
    let (year, month, day) = date(timestamp.seconds.div_euclid(DAY));
    let second = timestamp.seconds.rem_euclid(DAY);
    let seconds = decimals(second % 60, timestamp.nanosecond.into(), 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{seconds}Z")
}

/// Returns the text of a duration in seconds, with as many decimals as it needs: `5400s`.
pub(super) fn duration_text(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let seconds =
        decimals(duration.as_secs().unsigned_abs(), duration.subsec_nanos().unsigned_abs().into(), 1);
    format!("{sign}{seconds}s")
}

fn decimals(whole: impl std::fmt::Display, nanoseconds: i64, width: usize) -> String {
    let text = format!("{whole:0width$}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
