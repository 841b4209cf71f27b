//! Timestamps and durations. Everything that expressions need of a calendar is in this file.

pub(super) use jiff::{SignedDuration, Timestamp};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::fault::Fault;
use super::functions::Part;

/// 0001-01-01T00:00:00Z, the first instant of CEL, in seconds since 1970. The last one is that of the
/// calendar's library, on 9999-12-30.
const FIRST_SECOND: i64 = -62_135_596_800;
/// The longest duration of CEL, about 10,000 years, in seconds (`google.protobuf.Duration`).
const LONGEST_SECONDS: i128 = 315_576_000_000;
const NANOSECONDS: i128 = 1_000_000_000;

/// Returns the instant that a text is by RFC 3339: `2026-03-29T03:30:00+02:00`, or with `Z`.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, Fault> {
    if text.is_empty() {
        return Err(Fault::EmptyText);
    }
    parse(text).ok_or(Fault::NotATimestamp).and_then(in_range)
}

fn in_range(timestamp: Timestamp) -> Result<Timestamp, Fault> {
    match seconds(timestamp) >= FIRST_SECOND {
        true => Ok(timestamp),
        false => Err(Fault::TimestampOutOfRange),
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let mut digits = Digits(text);
    let year = i16::try_from(digits.number(4)?).ok()?;
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
            let hours = i32::try_from(digits.number(2)?).ok()?;
            digits.sign(b":")?;
            let minutes = i32::try_from(digits.number(2)?).ok()?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            if sign == b'-' { -seconds } else { seconds }
        }
    };
    if !digits.0.is_empty() {
        return None;
    }
    let date = Date::new(year, month, day).ok()?;
    let time = Time::new(hour, minute, second, i32::try_from(nanosecond).ok()?).ok()?;
    Offset::from_seconds(offset).ok()?.to_timestamp(DateTime::from_parts(date, time)).ok()
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

    fn small(&mut self, length: usize) -> Option<i8> {
        i8::try_from(self.number(length)?).ok()
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
    Timestamp::from_second(seconds).map_err(|_| Fault::TimestampOutOfRange).and_then(in_range)
}

/// Returns the seconds since 1970, without a fraction: those of the second in which the instant is.
pub(super) fn seconds(timestamp: Timestamp) -> i64 {
    // The library's seconds and nanoseconds have one sign: half a second before 1970 is in second -1.
    timestamp.as_second() - i64::from(timestamp.subsec_nanosecond() < 0)
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
    Timestamp::from_nanosecond(timestamp.as_nanosecond() + i128::from(sign) * duration.as_nanos())
        .map_err(|_| Fault::TimestampOutOfRange)
        .and_then(in_range)
}

/// Returns the time from one instant to another.
pub(super) fn between(end: Timestamp, start: Timestamp) -> Result<SignedDuration, Fault> {
    of_nanoseconds(end.as_nanosecond() - start.as_nanosecond())
}

/// Returns a part of a timestamp in UTC.
pub(super) fn part(timestamp: Timestamp, part: Part) -> i64 {
    let at = Offset::UTC.to_datetime(timestamp);
    match part {
        Part::FullYear => i64::from(at.year()),
        Part::Month => i64::from(at.month()) - 1,
        Part::Date => i64::from(at.day()),
        Part::DayOfMonth => i64::from(at.day()) - 1,
        Part::DayOfWeek => i64::from(at.weekday().to_sunday_zero_offset()),
        Part::DayOfYear => i64::from(at.day_of_year()) - 1,
        Part::Hours => i64::from(at.hour()),
        Part::Minutes => i64::from(at.minute()),
        Part::Seconds => i64::from(at.second()),
        Part::Milliseconds => i64::from(at.subsec_nanosecond()) / 1_000_000,
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
    let at = Offset::UTC.to_datetime(timestamp);
    let seconds = decimals(at.second(), at.subsec_nanosecond().into(), 2);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{seconds}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute()
    )
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
