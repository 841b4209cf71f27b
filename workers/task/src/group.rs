//! Rows that share an event.

use std::sync::Arc;

use contract::Location;

/// Bytes of an event beyond which no row is added. EventBridge bills an event for each 64 KiB that it has begun.
///
/// <https://aws.amazon.com/eventbridge/pricing/>
const MAX_BYTES: usize = 60 * 1024;
/// Bytes of the line end between two rows in JSON: `\\n`.
const LINE_END: usize = 2;

/// Good rows that follow each other.
#[derive(Debug)]
pub(crate) struct Group {
    /// Number of the first row.
    pub(crate) first: u64,
    /// Its location.
    pub(crate) location: Location,
    /// The number of rows.
    pub(crate) count: u64,
    /// The rows, one line each, without a line end after the last.
    pub(crate) text: String,
    /// The key that their sensitive values are sealed with, the same for all.
    pub(crate) data_key: Option<Arc<str>>,
    /// Bytes of the event.
    size: usize,
}

impl Group {
    /// Creates a group of one row, which makes an event of `size` bytes.
    pub(crate) const fn new(
        first: u64,
        location: Location,
        text: String,
        data_key: Option<Arc<str>>,
        size: usize,
    ) -> Self {
        Self { first, location, count: 1, text, data_key, size }
    }

    /// Returns the bytes of `line` in an event: JSON takes two or more for a quote and for a control character.
    pub(crate) fn weight(line: &str) -> usize {
        let escaped = |byte: u8| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
            0..0x20 => 6,
            _ => 1,
        };
        line.bytes().map(escaped).sum()
    }

    /// Returns whether a row of this weight can be added.
    pub(crate) const fn fits(&self, weight: usize) -> bool {
        self.size + LINE_END + weight <= MAX_BYTES
    }

    pub(crate) fn add(&mut self, line: &str, weight: usize) {
        self.text.push('\n');
        self.text.push_str(line);
        self.count += 1;
        self.size += LINE_END + weight;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_weight_is_what_json_makes_of_a_line(line in "[\\x00-\\x20\"\\\\a\u{e9}\u{7f}]{0,20}") {
            let json = serde_json::to_string(&line).expect("a text");
            prop_assert_eq!(Group::weight(&line) + 2, json.len());
        }
    }
}
