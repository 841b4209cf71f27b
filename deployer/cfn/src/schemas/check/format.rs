//! Forms of texts that the schemas name: networks and dates.
//!
//! Only texts that are wrong in every reading are refused. AWS takes the address of a host for its network
//! (`10.0.0.1/16`) and reads dates in most ways that ISO 8601 has.

// Addresses only; sockets are in `std`.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns the correct form of a text that does not have this format.
pub(super) fn wanted(format: &str, text: &str) -> Option<&'static str> {
    let (fits, wanted): (fn(&str) -> bool, _) = match format {
        "ipv4-network" => (
            |text| network(text, 32, |address| address.parse::<Ipv4Addr>().is_ok()),
            "an IPv4 network such as 10.0.0.0/16; /32 is a single address",
        ),
        "ipv6-network" => (
            |text| network(text, 128, |address| address.parse::<Ipv6Addr>().is_ok()),
            "an IPv6 network such as 2001:db8::/64; /128 is a single address",
        ),
        // Of either family, or an address alone: services differ.
        "network" => (
            |text| {
                network(text, 32, |address| address.parse::<Ipv4Addr>().is_ok())
                    || network(text, 128, |address| address.parse::<Ipv6Addr>().is_ok())
                    || text.parse::<IpAddr>().is_ok()
            },
            "a network such as 10.0.0.0/16 or 2001:db8::/64",
        ),
        "date-time" => (
            |text| date_time(text).is_some() || text.parse::<f64>().is_ok_and(f64::is_finite),
            "a date and time such as 2027-01-31T09:00:00Z",
        ),
        _ => return None,
    };
    (!fits(text)).then_some(wanted)
}

fn network(text: &str, longest: u8, is_address: impl Fn(&str) -> bool) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        is_address(address)
            && prefix.bytes().all(|byte| byte.is_ascii_digit())
            && prefix.parse().is_ok_and(|prefix: u8| prefix <= longest)
    })
}

/// Reads a date, perhaps with a time and a zone: ISO 8601 with its usual liberties. `None` if the text is wrong.
fn date_time(text: &str) -> Option<()> {
    let (date, time) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    if time.is_empty() {
        return Some(());
    }
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let whole = numbers(clock, ':', &[2, 2, 2]).or_else(|| {
        let [hour, minute] = numbers(clock, ':', &[2, 2])?;
        Some([hour, minute, 0])
    });
    let [hour, minute, second] = whole?;
    // 24:00 is midnight, and second 60 a leap second.
    let right = hour <= 24 && minute <= 59 && second <= 60;
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (right && digits && is_zone(zone)).then_some(())
}

fn is_zone(zone: &str) -> bool {
    if matches!(zone, "" | "Z" | "z") {
        return true;
    }
    let Some(offset) = zone.strip_prefix(['+', '-']) else { return false };
    let digits = offset.replacen(':', "", 1);
    matches!(digits.len(), 2 | 4) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads numbers, each with the given count of digits.
fn numbers<const COUNT: usize>(text: &str, between: char, digits: &[usize; COUNT]) -> Option<[u32; COUNT]> {
    let mut out = [0; COUNT];
    let mut parts = text.split(between);
    for (number, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == *digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn only_what_no_service_could_read_is_refused() {
        for (format, right, wrong) in [
            (
                "ipv4-network",
                &["0.0.0.0/0", "10.0.0.0/16", "10.0.0.1/16", "1.2.3.4/32"][..],
                &[
                    "1.2.3.4",
                    "10.0.0.0/33",
                    "10.0.0/16",
                    "256.0.0.0/8",
                    "::/0",
                    "10.0.0.0/",
                    "all",
                    "",
                    "10.0.0.0/+8",
                ][..],
            ),
            (
                "ipv6-network",
                &["::/0", "2001:db8::/32", "2001:db8::1/64", "::ffff:1.2.3.4/128"],
                &["::1", "0.0.0.0/0", "2001:db8::/129", "2001:db8/32", "fe80::1%eth0/64"],
            ),
            (
                "network",
                &["10.0.0.0/8", "::/0", "10.0.0.1", "2001:db8::1"],
                &["10.0.0.0/40", "anywhere", "10.0.0"],
            ),
            (
                "date-time",
                &[
                    "2027-01-31T09:00:00Z",
                    "2027-01-31T09:00:00.123456Z",
                    "2027-01-31T09:00:00+05:30",
                    "2027-01-31T09:00:00-0800",
                    "2027-01-31t09:00z",
                    "2027-01-31 09:00:00",
                    "2028-02-29T23:59:60Z",
                    "2027-01-31",
                    "1785456000",
                    "1785456000.5",
                ],
                &[
                    "tomorrow",
                    "2027-02-29T09:00:00Z",
                    "2027-13-01T09:00:00Z",
                    "2027-00-01",
                    "2027-04-31",
                    "2027-01-31T9:00:00Z",
                    "2027-01-31T25:00:00Z",
                    "2027-01-31T09:61:00Z",
                    "2027-01-31T09:00:00Europe/Berlin",
                    "2027-01-31T",
                    "31.01.2027",
                    "2027-01-3é",
                    "nan",
                    "",
                ],
            ),
        ] {
            for text in right {
                assert_eq!(wanted(format, text), None, "{format} {text}");
            }
            for text in wrong {
                assert!(wanted(format, text).is_some(), "{format} {text}");
            }
        }
        assert_eq!(wanted("uri", "anything"), None);
    }
}
