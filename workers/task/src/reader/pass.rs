//! Rows that are passed over: they are counted, and nothing else of them is wanted.

use contract::location::BYTE_ORDER_MARK;

use super::header::Header;
use super::{Reader, Skipped};

/// The rows to pass over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    /// The number of the last of them.
    pub(crate) rows: u64,
    /// The byte before which they begin: the row before them ends there.
    pub(crate) before: u64,
}

impl Passed {
    /// Returns whether the row of this number is one of them, if the row before it ends at byte `from`.
    pub(crate) const fn has(&self, row: u64, from: u64) -> bool {
        row <= self.rows || from < self.before
    }
}

impl Reader {
    /// Passes over the row that was read last, if it is one to pass over.
    pub(super) fn is_passed(&mut self) -> bool {
        let passed = self.passed.has(self.rows, self.span_start);
        if passed {
            (self.span_start, self.skipped) = (self.position, Skipped::default());
        }
        passed
    }

    /// Passes over rows at the front of `input`, as long as the end of each is plain to see.
    pub(super) fn pass(&mut self, input: &mut &[u8]) {
        let Some(header) = self.header.as_ref().filter(|_| !self.has_names && !self.held) else { return };
        while self.passed.has(self.rows + 1, self.span_start)
            && !header.may_be_repeated_by(input, self.settings.quote.byte(), self.delimiter.byte())
        {
            let Some(length) = self.parser.pass(input) else { return };
            let (read, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
            self.rows += 1;
            self.position += self.length(read);
            (self.span_start, self.skipped) = (self.position, Skipped::default());
            *input = rest;
        }
    }
}

impl Header {
    /// Returns whether the line at the front of `input` may be the header line again.
    fn may_be_repeated_by(&self, input: &[u8], quote: u8, delimiter: u8) -> bool {
        let Some((text, ends)) = &self.line else { return false };
        let first = ends.first().and_then(|end| text.get(..*end)).unwrap_or_default();
        let open = input.strip_prefix(&[quote]);
        if input.starts_with(BYTE_ORDER_MARK) {
            return true;
        }
        match first {
            // An empty field is nothing, or two quotes.
            [] => open.is_some() || input.first() == Some(&delimiter),
            first => {
                // A quote in it is doubled within quotes.
                let plain = first.split(|byte| *byte == quote).next().unwrap_or_default();
                input.starts_with(plain) || open.is_some_and(|rest| rest.starts_with(plain))
            }
        }
    }
}
