//! The CSV parser: bytes become records, by RFC 4180 and the extensions of a dialect.
//!
//! The extraction task feeds [`Parser`] with chunks of any size, and [`crate::Location`] with the bytes of one row:
//! both give the same fields. What the RFC forbids is not guessed at: text after a closing quote and a quote that is
//! never closed are flaws of the record. Blanks around a quoted field do not belong to it, and a quote within an
//! unquoted field is text.

mod parser;
mod pass;
mod record;
mod search;
mod writer;

use crate::settings::{Character, CsvSettings};

pub use parser::Parser;
pub use record::Record;
pub use search::Search;

/// The characters that have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The character between two fields.
    pub delimiter: Character,
    /// The character around a field; within the field, it is doubled.
    pub quote: Character,
    /// The character that takes the meaning of the next one.
    pub escape: Option<Character>,
    /// The character that begins a line that is not a record.
    pub comment: Option<Character>,
}

impl Dialect {
    /// Returns the dialect of the settings, with this delimiter.
    #[must_use]
    pub const fn new(settings: &CsvSettings, delimiter: Character) -> Self {
        Self { delimiter, quote: settings.quote, escape: settings.escape, comment: settings.comment }
    }
}

/// A flaw in the quotes of a record. Lines are counted from the one at which the parser began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A quote is open at the end of the input.
    Unclosed {
        /// The line in which it was opened.
        opened: u64,
        /// The number of lines after it that were taken into the field.
        swallowed: u64,
    },
    /// There is text after a closing quote.
    TextAfterQuote {
        /// The line in which the quoted field begins.
        opened: u64,
        /// The line in which it ends.
        closed: u64,
    },
}

/// The kind of text that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A record, good or flawed.
    Record,
    /// A line without a byte.
    Blank,
    /// A line that begins with the comment character.
    Comment,
    /// A line that was to be skipped.
    Skipped,
}

#[cfg(test)]
mod tests;
