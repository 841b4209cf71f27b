//! Times of events, as texts that sort.

use crate::attribute::Attribute;

/// Keeps the earlier of two times.
pub(crate) fn earlier(into: &mut Option<String>, other: Option<&String>) {
    if let Some(other) = other
        && into.as_ref().is_none_or(|own| other < own)
    {
        *into = Some(other.clone());
    }
}

/// Keeps the later of two times.
pub(crate) fn later(into: &mut Option<String>, other: Option<&String>) {
    if into.as_ref() < other {
        *into = other.cloned();
    }
}

/// Returns a time in the table; `None` if the value is not a time.
pub(crate) fn time(value: &Attribute) -> Option<String> {
    match value {
        Attribute::Text(text) if is_time(text) => Some(text.clone()),
        _ => None,
    }
}

/// Returns whether a text is a time as EventBridge writes it, `2026-11-28T12:00:00Z`: such texts sort as times.
pub(crate) fn is_time(text: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00Z";
    text.len() == pattern.len()
        && text.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == *wanted,
        })
}

/// Returns the seconds since 1970 of a time that [`is_time`]; of another text, or of a day that no month has, a
/// meaningless number.
pub(crate) fn seconds(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| -> i64 {
        time.get(range).and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days since 1970 in a calendar whose years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("2024-02-29T23:59:59Z"), 1_709_251_199);
        assert_eq!(seconds("2026-11-28T12:00:01Z") - seconds("2026-11-28T11:59:59Z"), 2);
    }

    #[test]
    fn only_times_that_sort_are_times() {
        assert!(is_time("2026-11-28T12:00:00Z"));
        for other in ["", "2026-11-28T12:00:00.000Z", "2026-11-28 12:00:00Z", "9999999999999999999Z"] {
            assert!(!is_time(other), "{other}");
        }
    }
}
