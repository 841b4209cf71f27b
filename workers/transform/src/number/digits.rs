//! Digits of numbers: collected while a text is read, and written.

use super::{Fault, MAX_DIGITS};

/// The number of digits that every `u64` can hold.
const NARROW: usize = 19;

/// The size of a buffer that holds the digits of every `u128`.
pub(super) const BUFFER: usize = 40;

/// Powers of ten that fit into a `u64`.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Returns 10^`exponent`, if a `u128` holds it.
pub(super) fn power(exponent: u32) -> Option<u128> {
    match POWERS.get(exponent as usize) {
        Some(power) => Some(u128::from(*power)),
        None => 10_u128.checked_pow(exponent),
    }
}

/// Returns the number of digits; 1 for zero.
pub(super) fn count(mantissa: u128) -> u32 {
    match u64::try_from(mantissa) {
        Ok(narrow) => narrow.checked_ilog10().unwrap_or_default() + 1,
        Err(_) => mantissa.ilog10() + 1,
    }
}

/// Returns the digits without zeros at their end, and the number of these zeros.
pub(super) const fn without_zeros(mut mantissa: u128) -> (u128, u32) {
    let mut zeros = 0;
    while mantissa != 0 && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        zeros += 1;
    }
    (mantissa, zeros)
}

/// The digits of a number while its text is read. Zeros count only once another digit follows them, so that the digits
/// never end in zeros.
#[derive(Default)]
pub(super) struct Digits {
    // All digits, while there are at most `NARROW` of them.
    narrow: u64,
    // All digits from then on.
    wide: u128,
    count: usize,
    zeros: usize,
}

impl Digits {
    /// Adds a digit.
    #[inline]
    pub(super) fn push(&mut self, digit: u8) {
        if digit == 0 {
            // Zeros before the first digit don't count at all.
            self.zeros += usize::from(self.count > 0);
            return;
        }
        let added = self.zeros + 1;
        let count = self.count + added;
        if count <= NARROW {
            let scale = POWERS.get(added).copied().unwrap_or_default();
            self.narrow = self.narrow * scale + u64::from(digit);
        } else if count <= MAX_DIGITS as usize {
            if self.count <= NARROW {
                self.wide = u128::from(self.narrow);
            }
            let scale = u32::try_from(added).ok().and_then(power).unwrap_or_default();
            self.wide = self.wide * scale + u128::from(digit);
        }
        self.count = count;
        self.zeros = 0;
    }

    /// Returns the digits as a whole number, and the number of zeros after them.
    pub(super) fn finish(self) -> Result<(u128, usize), Fault> {
        match self.count {
            0..=NARROW => Ok((u128::from(self.narrow), self.zeros)),
            count if count <= MAX_DIGITS as usize => Ok((self.wide, self.zeros)),
            _ => Err(Fault::TooManyDigits),
        }
    }
}

/// The groups of digits before the decimals.
#[derive(Default)]
pub(super) struct Groups {
    // The length of the first group; 0 before it ended.
    first: usize,
    // The length of the groups between the first and the last; 0 while there are none.
    middle: usize,
}

impl Groups {
    /// Ends a group that another one follows.
    pub(super) fn next(&mut self, length: usize) -> Result<(), Fault> {
        let fits = match (self.first, self.middle) {
            (0, _) => {
                self.first = length;
                matches!(length, 1..=3)
            }
            (first, 0) => {
                self.middle = length;
                length == 3 || (length == 2 && first <= 2)
            }
            (_, middle) => length == middle,
        };
        if fits { Ok(()) } else { Err(Fault::Syntax) }
    }

    /// Ends the last group.
    pub(super) const fn end(&self, length: usize) -> Result<(), Fault> {
        if self.first == 0 || length == 3 { Ok(()) } else { Err(Fault::Syntax) }
    }
}

/// Reads an exponent, which is all of the bytes. Those beyond any number of DynamoDB are cut to a value that still is.
pub(super) fn exponent(bytes: &[u8]) -> Result<i64, Fault> {
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Syntax);
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        // More than the length of any text, whose digits may shift the exponent.
        (value * 10 + i64::from(digit - b'0')).min(1 << 50)
    });
    Ok(if negative { -value } else { value })
}

/// Writes the digits of a whole number to the end of the buffer, and returns them.
pub(super) fn write(mut value: u128, buffer: &mut [u8; BUFFER]) -> &[u8] {
    const LIMB: u128 = 10_u128.pow(19);
    let mut at = BUFFER;
    loop {
        let (rest, limb) = match u64::try_from(value) {
            Ok(narrow) => (0, narrow),
            Err(_) => (value / LIMB, u64::try_from(value % LIMB).unwrap_or_default()),
        };
        let mut limb = limb;
        let mut written = 0;
        // A limb with others before it has all of its 19 digits.
        while written == 0 || limb > 0 || (rest > 0 && written < 19) {
            at = at.saturating_sub(1);
            if let Some(byte) = buffer.get_mut(at) {
                *byte = b'0' + u8::try_from(limb % 10).unwrap_or_default();
            }
            limb /= 10;
            written += 1;
        }
        value = rest;
        if value == 0 {
            return buffer.get(at..).unwrap_or_default();
        }
    }
}
