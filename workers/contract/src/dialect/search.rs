//! The search for the bytes that have a meaning, in a word at a time.

/// The bytes that are compared at a time.
const WORD: usize = size_of::<u64>();

/// A word each of whose bytes is 1.
const ONES: u64 = u64::MAX / 255;
/// A word of which the highest bit of each byte is set.
const HIGH: u64 = ONES << 7;

/// A search for the first of four bytes, in a word at a time.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    bytes: [u8; 4],
    words: [u64; 4],
}

impl Search {
    /// Creates a search for these bytes, which may repeat.
    #[must_use]
    pub const fn new(bytes: [u8; 4]) -> Self {
        let [a, b, c, d] = bytes;
        Self { bytes, words: [ONES * a as u64, ONES * b as u64, ONES * c as u64, ONES * d as u64] }
    }

    /// Returns the position of the first of the bytes.
    #[inline]
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        let (words, rest) = text.as_chunks::<WORD>();
        let [a, b, c, d] = self.words;
        for (position, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            // The lowest bit that is set belongs to a byte that is equal; those above it may not.
            let equal = |other: u64| (word ^ other).wrapping_sub(ONES) & !(word ^ other) & HIGH;
            let found = equal(a) | equal(b) | equal(c) | equal(d);
            if found != 0 {
                return Some(position * WORD + found.trailing_zeros() as usize / 8);
            }
        }
        let before = text.len() - rest.len();
        rest.iter().position(|byte| self.bytes.contains(byte)).map(|position| before + position)
    }
}
