//! Times as AWS writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// A time in the form of signatures: `20150830T123600Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; 16]);

impl Stamp {
    /// Creates the stamp of a time. One before 1970 or after 9999 is no time of a clock that signs, and becomes 1970.
    pub(crate) fn new(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (year, month, day) = date(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        let mut stamp = *b"19700101T000000Z";
        if year <= 9999 {
            let parts =
                [(0, 4, year), (4, 2, month), (6, 2, day), (9, 2, hour), (11, 2, minute), (13, 2, second)];
            for (from, digits, mut value) in parts {
                for place in stamp.iter_mut().skip(from).take(digits).rev() {
                    *place = b'0' + u8::try_from(value % 10).unwrap_or_default();
                    value /= 10;
                }
            }
        }
        Self(stamp)
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the day: `20150830`.
    pub(crate) fn day(&self) -> &str {
        self.text().get(..8).unwrap_or_default()
    }
}

/// Returns year, month and day of a number of days after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have the leap day at their end; 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// Returns the number of days from 1 January 1970 to a date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = if month > 2 { month - 3 } else { month + 9 };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469)
}

/// Reads the `Date` of an answer: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). Servers write no other form.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
    };
    if text.len() != 29 || !text.ends_with(" GMT") {
        return None;
    }
    let month = text.get(8..11)?;
    let month = MONTHS.iter().zip(1..).find_map(|(name, number)| (*name == month).then_some(number))?;
    let days = days(number(12..16)?, month, number(5..7)?)?;
    let seconds = days * DAY + number(17..19)? * 3600 + number(20..22)? * 60 + number(23..25)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Reads the time at which credentials end: `2015-08-30T12:36:00Z`, perhaps with a fraction.
pub(crate) fn timestamp(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let mut time = time.split('.').next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1..=12).contains(&month)
        || !(1970..=9999).contains(&year)
        || day > 31
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_written_and_read() {
        assert_eq!(Stamp::new(at(1_440_938_160)).text(), "20150830T123600Z");
        assert_eq!(Stamp::new(at(0)).text(), "19700101T000000Z");
        assert_eq!(Stamp::new(at(951_782_399)).day(), "20000228");
        assert_eq!(Stamp::new(at(951_782_400)).day(), "20000229");
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at(784_111_777)));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(at(0)));
        for bad in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:+9:37 GMT",
        ] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
        assert_eq!(timestamp("2015-08-30T12:36:00Z"), Some(at(1_440_938_160)));
        assert_eq!(timestamp("2015-08-30T12:36:00.250Z"), Some(at(1_440_938_160)));
        for bad in
            ["", "2015-08-30", "2015-13-30T12:36:00Z", "2015-08-30T12:36:00+01:00", "x-08-30T12:36:00Z"]
        {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_second_is_read_as_it_was_written(seconds in 0..253_402_300_800_u64) {
            let stamp = Stamp::new(at(seconds));
            let text = stamp.text();
            let parts = [&text[..4], &text[4..6], &text[6..8], &text[9..11], &text[11..13], &text[13..15]];
            let [year, month, day, hour, minute, second] = parts;
            let written = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
            prop_assert_eq!(timestamp(&written), Some(at(seconds)));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".*|[A-Z0-9:, T-]{20,30}") {
            let _ = (http_date(&text), timestamp(&text));
        }
    }
}
