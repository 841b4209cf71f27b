//! Durations, sizes and whole numbers as people write them: `5m`, `7d`, `512MiB`, `20GiB`, `5`.

/// Seconds in each duration unit, smallest first.
const DURATIONS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
/// Bytes in each size unit, smallest first.
const SIZES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Returns the seconds of `90s`, `5m`, `12h`, `7d`; `None` if the text is not a duration or exceeds 64 bits.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    parse(text, &DURATIONS)
}

/// Returns the bytes of `512MiB`, `20GiB`; `None` if the text is not a size or exceeds 64 bits.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Returns the hundredths of a percent of `10%`, `0.5%`, `12.25%`; `None` if the text is not a percentage, has more than
/// two decimals or exceeds 64 bits.
#[must_use]
pub fn parse_percent(text: &str) -> Option<u64> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let hundredths: u64 = format!("{decimals:0<2}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

/// Returns hundredths of a percent as a percentage.
#[must_use]
pub fn show_percent(hundredths: u64) -> String {
    let (whole, decimals) = (hundredths / 100, hundredths % 100);
    match decimals {
        0 => format!("{whole}%"),
        _ => format!("{}%", format!("{whole}.{decimals:02}").trim_end_matches('0')),
    }
}

/// Returns a whole number if all readers of YAML read it alike: `012` is ten to some and twelve to others.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| canonical)
}

/// Returns whether a text has the form that a function of this module reads, and is too large for it, or negative.
#[must_use]
pub fn is_too_large<T>(text: &str, parse: fn(&str) -> Option<T>) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let rest = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let counts = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    counts && parse(text).is_none() && parse(&format!("1{rest}")).is_some()
}

/// Returns the size or duration that a text with another unit may mean: `1GB`, `512 M`, `5min`.
#[must_use]
pub fn meant(text: &str) -> Option<String> {
    const OTHERS: [(&str, &str); 16] = [
        ("k", "KiB"),
        ("kb", "KiB"),
        ("kib", "KiB"),
        ("m", "MiB"),
        ("mb", "MiB"),
        ("mib", "MiB"),
        ("g", "GiB"),
        ("gb", "GiB"),
        ("gib", "GiB"),
        ("t", "TiB"),
        ("tb", "TiB"),
        ("sec", "s"),
        ("min", "m"),
        ("minutes", "m"),
        ("hours", "h"),
        ("days", "d"),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, meant) = OTHERS.iter().find(|(other, _)| digits > 0 && *other == unit)?;
    Some(format!("{number}{meant}"))
}

/// Returns seconds in the largest unit in which they are a whole number.
#[must_use]
pub fn show_duration(seconds: u64) -> String {
    show(seconds, &DURATIONS)
}

/// Returns bytes in the largest unit in which they are a whole number.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

/// Returns a size for people, in decimal units as files are shown: `8.1 MB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    let count = bytes as f64;
    match count {
        0.0..1e3 => format!("{bytes} B"),
        1e3..1e6 => format!("{:.1} kB", count / 1e3),
        _ => format!("{:.1} MB", count / 1e6),
    }
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let (unit, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
        .unwrap_or(&units[0]);
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_too_many_digits_has_the_right_form() {
        let digits = "9".repeat(30);
        let with = |unit: &str| format!("{digits}{unit}");
        assert!(is_too_large(&digits, integer) && is_too_large(&format!("-{digits}"), integer));
        assert!(
            is_too_large("9223372036854775808", integer) && !is_too_large("9223372036854775807", integer)
        );
        assert!(
            is_too_large(&with("d"), parse_duration) && is_too_large("999999999999999999d", parse_duration)
        );
        assert!(is_too_large(&with("GiB"), parse_size) && is_too_large(&with(".5%"), parse_percent));
        for text in ["", "-", "x", "012", &format!("0{digits}"), &with("x"), "5m"] {
            assert!(!is_too_large(text, integer), "{text}");
        }
        assert!(!is_too_large(&with("min"), parse_duration) && !is_too_large("1.234%", parse_percent));
    }

    #[test]
    fn sizes_for_people_are_short() {
        assert_eq!([0, 999, 1500, 8_123_456].map(human), ["0 B", "999 B", "1.5 kB", "8.1 MB"]);
    }
    use proptest::prelude::*;

    #[test]
    fn units_are_exact() {
        assert_eq!(parse_duration("5m"), Some(300));
        assert_eq!(parse_size("512MiB"), Some(536_870_912));
        for wrong in ["", "5", "m", "5 m", "5M", "-5m", "1.5h", "99999999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(parse_size("512MB"), None);
        assert_eq!(["10%", "0.5%", "12.25%", "0%"].map(parse_percent), [1_000, 50, 1_225, 0].map(Some));
        for wrong in ["", "%", "10", "10 %", "-1%", ".5%", "1.%", "0.125%", "99999999999999999999%"] {
            assert_eq!(parse_percent(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(value in any::<u64>()) {
            prop_assert_eq!(parse_duration(&show_duration(value)), Some(value));
            prop_assert_eq!(parse_size(&show_size(value)), Some(value));
            prop_assert_eq!(parse_percent(&show_percent(value)), Some(value));
        }
    }
}
