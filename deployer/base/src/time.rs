//! Moments, as seconds since 1970: the clock, RFC 3339 in UTC for files and tables, and "3 hours ago" for people.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns the current time.
#[must_use]
pub fn now() -> u64 {
    seconds(Timestamp::now()).unwrap_or_default()
}

/// Returns the current time to the millisecond, as [`rfc3339`] writes it: for records whose order counts.
#[must_use]
pub fn stamp() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Formats a moment as `2026-11-24T22:04:25Z`. RFC 3339 has four digits for a year; later moments become their last
/// second.
#[must_use]
pub fn rfc3339(moment: u64) -> String {
    let moment = i64::try_from(moment).ok().and_then(|moment| Timestamp::from_second(moment).ok());
    moment.unwrap_or_else(|| Timestamp::MAX.round(jiff::Unit::Second).unwrap_or(Timestamp::MAX)).to_string()
}

/// Parses a text in RFC 3339; `None` when it is another text, or before 1970.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    seconds(text.parse().ok()?)
}

/// Parses an HTTP `Date` header (RFC 9110, section 5.6.7).
#[must_use]
pub fn parse_http_date(text: &str) -> Option<u64> {
    seconds(rfc2822::parse(text).ok()?.timestamp())
}

fn seconds(moment: Timestamp) -> Option<u64> {
    u64::try_from(moment.as_second()).ok()
}

/// Formats the time since a moment in its largest unit.
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
        // The texts of GNU date.
        for (moment, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_557_865, "2026-11-24T22:04:25Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_207_200, "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(rfc3339(moment), text);
            assert_eq!(parse_rfc3339(text), Some(moment), "{text}");
        }
        assert!(rfc3339(u64::MAX).starts_with("9999-"));
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
        for text in ["", "Sun, 06 Nov 1994", "Sun, 06 Abc 1994 08:49:37 GMT"] {
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
