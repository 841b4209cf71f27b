//! IP addresses in patterns: a text that is an address is compared as one, and ranges contain several.
//!
//! The matcher writes addresses as hexadecimal digits and ends as soon as digits decide, so addresses of one version
//! are compared with ranges of the other by their first digits.

use deployer_syntax::number::is_digits;

/// A range of addresses, both ends within, as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    low: Vec<u8>,
    high: Vec<u8>,
}

impl Range {
    /// Returns whether the first digits of a text decide that it is within the range.
    pub fn holds(&self, text: &str) -> bool {
        let (mut on_low, mut on_high) = (true, true);
        for (at, digit) in text.bytes().enumerate() {
            let (Some(low), Some(high)) = (self.low.get(at), self.high.get(at)) else { return false };
            let is_digit = digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
            if !is_digit || (on_low && digit < *low) || (on_high && digit > *high) {
                return false;
            }
            on_low &= digit == *low;
            on_high &= digit == *high;
            if (!on_low && !on_high) || at + 1 == self.low.len() {
                return true;
            }
        }
        false
    }
}

/// Returns the range of the one address that a text is.
pub fn single(text: &str) -> Option<Range> {
    let digits = hexadecimal(&bytes(text)?).into_bytes();
    Some(Range { low: digits.clone(), high: digits })
}

/// Returns the hexadecimal digits of the address that a text is.
pub fn digits(text: &str) -> Option<String> {
    bytes(text).map(|bytes| hexadecimal(&bytes))
}

/// Parses a range in CIDR notation. An error is its problem.
pub fn parse_range(text: &str) -> Result<Range, String> {
    let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
    let [address, mask] = parts.as_slice() else {
        return Err("expected an address and a mask with one `/` between them".to_owned());
    };
    let digits = mask.strip_prefix('+').unwrap_or(mask);
    let mask: usize = match digits.parse() {
        Ok(mask) if is_digits(digits) => mask,
        _ => return Err(format!("`{mask}` is not a number of bits")),
    };
    let Some(mut low) = bytes(address) else { return Err(format!("`{address}` is not an IP address")) };
    if mask >= low.len() * 8 {
        return Err(format!("the mask must be less than {} bits", low.len() * 8));
    }
    let mut high = low.clone();
    for (index, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
        let fixed = mask.saturating_sub(index * 8).min(8);
        let free = u8::try_from(0xff_u16 >> fixed).unwrap_or(u8::MAX);
        *low &= !free;
        *high |= free;
    }
    Ok(Range { low: hexadecimal(&low).into_bytes(), high: hexadecimal(&high).into_bytes() })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns the 4 or 16 bytes of an address. Groups may begin with zeros, and an IPv4 address in an IPv6 one counts as
/// IPv4.
fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.contains(':') { version_6(text) } else { version_4(text) }
}

fn version_4(text: &str) -> Option<Vec<u8>> {
    /// Length beyond which the matcher's library takes texts for names.
    const MAX_LENGTH: usize = 15;
    let parts: Vec<&str> = text.split('.').collect();
    let octet = |part: &&str| part.parse::<u8>().ok().filter(|_| is_digits(part));
    (parts.len() == 4 && text.len() <= MAX_LENGTH).then(|| parts.iter().map(octet).collect()).flatten()
}

fn version_6(text: &str) -> Option<Vec<u8>> {
    let group = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(text, 16).ok().filter(|_| digits)
    };
    let groups = |text: &str| -> Option<Vec<u16>> {
        if text.is_empty() { Some(Vec::new()) } else { text.split(':').map(group).collect() }
    };
    let all: Vec<u16> = match text.split_once("::") {
        Some((before, after)) => {
            let (before, after) = (groups(before)?, groups(after)?);
            let gap = 8_usize.checked_sub(before.len() + after.len()).filter(|gap| *gap > 0)?;
            before.into_iter().chain(std::iter::repeat_n(0, gap)).chain(after).collect()
        }
        None => groups(text)?,
    };
    if all.len() != 8 {
        return None;
    }
    let bytes: Vec<u8> = all.iter().flat_map(|group| group.to_be_bytes()).collect();
    match bytes.as_slice() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, inner @ ..] => Some(inner.to_vec()),
        _ => Some(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_are_written_otherwise_too() {
        for (a, b) in [
            ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
            ("1.2.3.04", "1.2.3.4"),
            ("::ffff:0102:0304", "1.2.3.4"),
            ("00001::", "1::"),
        ] {
            assert_eq!(digits(a), digits(b), "{a}");
            assert!(digits(a).is_some());
        }
        for text in [
            "1.2.3",
            "1.2.3.256",
            "001.002.003.0004",
            "",
            ":",
            ":::",
            "1:2",
            "1::2::3",
            "1:2:3:4:5:6:7:8:",
            "a.b.c.d",
            "+1.2.3.4",
        ] {
            assert_eq!(digits(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_hold_their_addresses() {
        let holds = |range: &str, address: &str| {
            parse_range(range).expect(range).holds(&digits(address).expect(address))
        };
        assert!(holds("10.0.0.7/24", "10.0.0.255") && !holds("10.0.0.0/24", "10.0.1.0"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && holds("::/0", "ffff::"));
        assert!(holds("2001:db8::/33", "2001:db8:7fff::") && !holds("2001:db8::/33", "2001:db8:8000::"));
        for wrong in [
            "10.0.0.0/32",
            "::/128",
            "10.0.0.0",
            "10.0.0.0/x",
            "10.0.0/8",
            "10.0.0.0/-1",
            "/8",
            "1.2.3.4/5/6",
        ] {
            assert!(parse_range(wrong).is_err(), "{wrong}");
        }
    }
}
