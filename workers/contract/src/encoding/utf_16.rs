//! UTF-16 as UTF-8, in which every position keeps its place in the file.
//!
//! Half of a surrogate pair has no form in UTF-8. It becomes three bytes that are not UTF-8 (those of WTF-8), so that
//! its row fails alone. Each unit of two bytes is then found by the first byte of its character: [`length_in_utf_16`].

use super::Order;

/// The byte that stands for half a unit, at an odd end. It is never a part of UTF-8.
const HALF_UNIT: u8 = 0xff;

/// A decoder of a stream of UTF-16. A byte order mark is text.
#[derive(Debug, Clone)]
pub struct Utf16 {
    order: Order,
    /// The first byte of a unit whose second byte has not arrived.
    half: Option<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Utf16 {
    /// Creates a decoder.
    #[must_use]
    pub const fn new(order: Order) -> Self {
        Self { order, half: None, high: None }
    }

    /// Adds the text of `bytes` to `out`. A character of which a part is missing is added with the next bytes.
    pub fn decode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        if let Some(first) = self.half.take() {
            let Some((&second, rest)) = bytes.split_first() else {
                self.half = Some(first);
                return;
            };
            self.unit(self.of([first, second]), out);
            bytes = rest;
        }
        let (units, rest) = bytes.as_chunks::<2>();
        for unit in units {
            let unit = self.of(*unit);
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() && self.high.is_none() => out.push(byte),
                _ => self.unit(unit, out),
            }
        }
        self.half = rest.first().copied();
    }

    /// Marks the end of the bytes, and adds the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            push_half_of_pair(high, out);
        }
        if self.half.take().is_some() {
            out.push(HALF_UNIT);
        }
    }

    const fn of(&self, bytes: [u8; 2]) -> u16 {
        match self.order {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }

    fn unit(&mut self, unit: u16, out: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return;
            }
            push_half_of_pair(high, out);
        }
        match char::from_u32(u32::from(unit)) {
            Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None if unit < 0xdc00 => self.high = Some(unit),
            None => push_half_of_pair(unit, out),
        }
    }
}

fn push_half_of_pair(unit: u16, out: &mut Vec<u8>) {
    let [high, low] = unit.to_be_bytes();
    let middle = 0x80 | ((high & 0x0f) << 2) | (low >> 6);
    out.extend_from_slice(&[0xed, middle, 0x80 | (low & 0x3f)]);
}

/// Returns the number of bytes in UTF-16 of a text that [`Utf16`] has decoded, which may be cut anywhere: a character
/// counts where its first byte is.
#[must_use]
pub fn length_in_utf_16(text: &[u8]) -> u64 {
    let length = |byte: u8| match byte {
        HALF_UNIT => 1,
        0xf0.. => 4,
        // Further bytes of a character.
        0x80..0xc0 => 0,
        _ => 2,
    };
    text.iter().map(|byte| length(*byte)).sum()
}
