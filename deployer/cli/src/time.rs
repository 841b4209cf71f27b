//! Moments, as seconds since 1970: the clock, RFC 3339 in UTC for files and tables, and "3 hours ago" for people.

use std::time::{SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Days in 400 years of the Gregorian calendar, after which it repeats itself.
const CYCLE: u64 = 146_097;
/// Days from the first of March of the year 0 to the first of January 1970.
const TO_1970: u64 = 719_468;
/// The last second of the year 9999: RFC 3339 has four digits for a year.
const LAST: u64 = 253_402_300_799;

/// This moment.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2026-11-24T22:04:25Z`.
#[must_use]
pub fn rfc3339(moment: u64) -> String {
    let moment = moment.min(LAST);
    let (days, seconds) = (moment / DAY, moment % DAY);
    // Years that begin in March have their leap day at the end.
    let day = days + TO_1970;
    let (cycle, day) = (day / CYCLE, day % CYCLE);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * cycle + year + next;
    let (hour, minute, second) = (seconds / HOUR, seconds / MINUTE % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The moment that [`rfc3339`] wrote; `None` when it is another text.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let moment = moment(year, month, day)? + hour * HOUR + minute * MINUTE + second;
    (rfc3339(moment) == text).then_some(moment)
}

/// The moment of an HTTP header `Date`: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
#[must_use]
pub fn parse_http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? as u64 + 1;
    let [hour, minute, second] = numbers(time, ':')?;
    Some(moment(year.parse().ok()?, month, day.parse().ok()?)? + hour * HOUR + minute * MINUTE + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    // Far more than any part of a date, and small enough to be added up.
    let number = |part: &str| part.parse().ok().filter(|number| *number < 10_000);
    let numbers: Vec<u64> = text.split(separator).map(number).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// The first second of a day; `None` before 1970 and after 9999.
fn moment(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - TO_1970) * DAY)
}

/// How long ago a moment was, in its largest unit.
#[must_use]
pub fn ago(moment: u64, now: u64) -> String {
    let passed = now.saturating_sub(moment);
    let (count, unit) = match passed {
        0..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (passed / MINUTE, "minute"),
        HOUR..DAY => (passed / HOUR, "hour"),
        _ => (passed / DAY, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read() {
        // As GNU date gives them.
        for (moment, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_557_865, "2026-11-24T22:04:25Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(moment), text);
            assert_eq!(parse_rfc3339(text), Some(moment), "{text}");
        }
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
        for (day, month) in (0..200_000).step_by(7).zip((1..=12).cycle()) {
            let moment = day * DAY + month;
            assert_eq!(parse_rfc3339(&rfc3339(moment)), Some(moment));
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T22:04:25",
            "2026-13-24T22:04:25Z",
            "2026-02-30T00:00:00Z",
            "1960-01-01T00:00:00Z",
            "2026-11-24T22:04:61Z",
            "2026-11-24T18446744073709551615:00:00Z",
            "T Z",
            "ü-ü-üTü:ü:üZ",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        for text in ["", "Sun, 06 Nov 1994", "Sun, 06 Abc 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"]
        {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    }

    #[test]
    fn what_is_past_is_told_in_its_largest_unit() {
        for (passed, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3 * HOUR + 59, "3 hours ago"),
            (DAY, "1 day ago"),
            (400 * DAY, "400 days ago"),
        ] {
            assert_eq!(ago(1_000, 1_000 + passed), text);
        }
        assert_eq!(ago(2_000, 1_000), "just now");
    }
}
