//! CSV as it is read: bytes become records, by RFC 4180 and what a dialect adds to it.
//!
//! The extraction task feeds [`Parser`] with chunks of any size, and [`crate::Location`] with the bytes of one row: both give
//! the same fields. What the RFC forbids is not guessed at: text after a closing quote and a quote that is never closed are
//! flaws of the record. Blanks around a quoted field are no part of it, and a quote within an unquoted field is text.

mod parser;
mod record;

use crate::settings::{Character, CsvSettings};

pub use parser::Parser;
pub use record::Record;

/// The characters that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Stands between two fields.
    pub delimiter: Character,
    /// Stands around a field, and twice for one within it.
    pub quote: Character,
    /// Takes the meaning of the character after it.
    pub escape: Option<Character>,
    /// Begins a line that is no record.
    pub comment: Option<Character>,
}

impl Dialect {
    /// That of the settings, with this delimiter.
    #[must_use]
    pub const fn new(settings: &CsvSettings, delimiter: Character) -> Self {
        Self { delimiter, quote: settings.quote, escape: settings.escape, comment: settings.comment }
    }
}

/// What is wrong with the quotes of a record. Lines are counted from that at which the parser began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A quote is open at the end of the input.
    Unclosed {
        /// The line in which it was opened.
        opened: u64,
        /// How many lines after it were taken into the field.
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

/// What has ended.
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
