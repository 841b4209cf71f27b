//! Single-byte encodings: each byte is a character.

use encoding_rs::{DecoderResult, Encoding};

/// The characters of the bytes from 0x80 on; those below are the characters of ASCII.
#[derive(Debug, Clone)]
pub struct Table(Box<[Option<char>; 128]>);

impl Table {
    pub(super) fn new(encoding: &'static Encoding) -> Self {
        let mut table = Box::new([None; 128]);
        for (byte, slot) in (0x80..=0xff_u8).zip(table.iter_mut()) {
            let mut out = [0; 8];
            let (result, _, written) = encoding
                .new_decoder_without_bom_handling()
                .decode_to_utf8_without_replacement(&[byte], &mut out, true);
            *slot = match result {
                DecoderResult::InputEmpty => {
                    std::str::from_utf8(out.get(..written).unwrap_or_default()).unwrap_or_default()
                }
                _ => "",
            }
            .chars()
            .next();
        }
        Self(table)
    }

    /// Adds the text of `bytes` to `out`; returns `false` if a byte is not a character, and the text is incomplete.
    #[must_use]
    pub fn decode(&self, mut bytes: &[u8], out: &mut String) -> bool {
        while !bytes.is_empty() {
            let ascii = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
            let (plain, rest) = bytes.split_at_checked(ascii).unwrap_or((bytes, &[]));
            out.push_str(std::str::from_utf8(plain).unwrap_or_default());
            let Some((&byte, rest)) = rest.split_first() else { break };
            match self.0.get(usize::from(byte & 0x7f)) {
                Some(Some(character)) => out.push(*character),
                _ => return false,
            }
            bytes = rest;
        }
        true
    }
}
