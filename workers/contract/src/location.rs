//! Where a row lies that is too large for an event, and how its bytes become fields.
//!
//! The task finds the row's end and keeps nothing of it; what it checks of other rows, [`Location::fields`] checks of this
//! one, and gives the fields that the task would have given.

use std::io::Read as _;

use csv::{ByteRecord, ReaderBuilder};
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::settings::Character;

/// A file may begin with it; it is no part of the first row.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes of an object that hold one row, and how they are to be read. `record-extracted` carries it in the place of the
/// row itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The first byte. Line ends, blank lines and a byte order mark may stand before the row.
    pub from: u64,
    /// The byte behind the last.
    pub to: u64,
    /// What stands between two fields.
    pub delimiter: Character,
    /// What stands around a quoted field.
    pub quote: Character,
    /// Whether the row may end with a delimiter, behind which there is no field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trailing: bool,
}

/// Why the bytes of a location are no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// They are none, or several, or only a part of one: whoever made the location did not read the object.
    #[error("the event's location does not hold exactly one row")]
    NotOneRow,
    /// There are more or fewer fields than columns.
    #[error("the row has {found} fields, and there are {columns} columns")]
    RowLength {
        /// How many fields there are.
        found: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// A field is not UTF-8.
    #[error("the row is not UTF-8")]
    InvalidEncoding,
}

impl LocationError {
    /// The reason in a `failed` event.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotOneRow => Reason::MalformedEvent,
            Self::RowLength { .. } => Reason::RowLength,
            Self::InvalidEncoding => Reason::InvalidEncoding,
        }
    }
}

impl Location {
    /// Bytes of the largest row that goes by reference. `transform` holds it up to four times, as bytes, as one record, as
    /// fields and as an item, and may have no more than 128 MiB.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// How many bytes it has; none when it ends before it begins.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The fields of the row in `bytes`, all that lie there, as many as there are columns.
    ///
    /// # Errors
    /// [`LocationError`], which holds nothing of the bytes.
    pub fn fields(&self, bytes: &[u8], columns: usize) -> Result<Vec<String>, LocationError> {
        let bytes = match self.from {
            0 => bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes),
            _ => bytes,
        };
        // A row of delimiters alone would take many times its bytes if all of its fields were made.
        let found = self.count(bytes).ok_or(LocationError::NotOneRow)?;
        if found > columns.saturating_add(self.trailing.into()) {
            return Err(LocationError::RowLength { found, columns });
        }
        // Behind a blank line the reader doesn't look for a byte order mark.
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter.byte())
            .quote(self.quote.byte())
            .from_reader((&b"\n"[..]).chain(bytes));
        // With all the room that it can need: it would double it otherwise.
        let mut record = ByteRecord::with_capacity(bytes.len(), found);
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            return Err(LocationError::NotOneRow);
        }
        if self.trailing && record.len() == columns + 1 && record.iter().next_back() == Some(b"") {
            record.truncate(columns);
        }
        if record.len() != columns {
            return Err(LocationError::RowLength { found: record.len(), columns });
        }
        let texts = record.iter().map(|field| std::str::from_utf8(field).map(str::to_owned));
        texts.collect::<Result<_, _>>().map_err(|_| LocationError::InvalidEncoding)
    }

    /// How many fields the row has; `None` when the bytes aren't exactly one row.
    fn count(&self, bytes: &[u8]) -> Option<usize> {
        let (delimiter, quote) = (self.delimiter.byte(), self.quote.byte());
        let (mut fields, mut state) = (1, State::Before);
        for &byte in bytes {
            let line_end = matches!(byte, b'\r' | b'\n');
            state = match state {
                State::Before | State::Behind if line_end => state,
                State::Behind => return None,
                State::Quoted if byte == quote => State::QuoteInQuoted,
                State::Quoted => State::Quoted,
                State::Before | State::FieldStart | State::QuoteInQuoted if byte == quote => State::Quoted,
                _ if byte == delimiter => {
                    fields += 1;
                    State::FieldStart
                }
                _ if line_end => State::Behind,
                _ => State::Plain,
            };
        }
        (!matches!(state, State::Before | State::Quoted)).then_some(fields)
    }
}

/// Where in a row a byte stands, as the `csv` crate sees it.
#[derive(Debug, Clone, Copy)]
enum State {
    Before,
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two that mean one.
    QuoteInQuoted,
    Behind,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Location =
        Location { from: 0, to: 0, delimiter: Character::COMMA, quote: Character::QUOTE, trailing: false };
    const LATER: Location = Location { from: 9, ..FIRST };

    fn fields(location: Location, text: &str, columns: usize) -> Result<Vec<String>, LocationError> {
        location.fields(text.as_bytes(), columns)
    }

    fn texts<const N: usize>(texts: [&str; N]) -> Result<Vec<String>, LocationError> {
        Ok(texts.map(str::to_owned).to_vec())
    }

    #[test]
    fn a_row_is_read_with_what_may_stand_before_it() {
        assert_eq!(fields(LATER, "\n\r\n\n1,\"a\nb\"\r\n", 2), texts(["1", "a\nb"]));
        assert_eq!(fields(FIRST, "\u{feff}\"1\",2", 2), texts(["1", "2"]));
        // Only at the start of the object it is no part of the row.
        assert_eq!(fields(LATER, "\u{feff}1,2", 2), texts(["\u{feff}1", "2"]));
        assert_eq!(fields(FIRST, "\n\u{feff}1,2", 2), texts(["\u{feff}1", "2"]));
    }

    #[test]
    fn a_delimiter_at_the_end_is_tolerated_where_the_header_has_one() {
        let tolerant = Location { trailing: true, ..LATER };
        assert_eq!(fields(tolerant, "1,2,\n", 2), texts(["1", "2"]));
        assert_eq!(fields(tolerant, "1,\n", 2), texts(["1", ""]));
        for (location, text, found) in
            [(LATER, "1,2,\n", 3), (tolerant, "1,2,3\n", 3), (tolerant, "1,2,,\n", 4)]
        {
            let error = LocationError::RowLength { found, columns: 2 };
            assert_eq!(fields(location, text, 2), Err(error), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_row_are_errors() {
        for text in ["", "\n\r\n", "1,2\n3,4\n", "1,2\n\n3", "1,\"2", "\"1,2\n", "\u{feff}"] {
            assert_eq!(fields(FIRST, text, 2), Err(LocationError::NotOneRow), "{text:?}");
        }
        assert_eq!(LATER.fields(b"1,\xff\n", 2), Err(LocationError::InvalidEncoding));
        // Two halves of one character, which would be valid together.
        assert_eq!(LATER.fields(b"\xc3,\xa9\n", 2), Err(LocationError::InvalidEncoding));
    }

    #[test]
    fn a_location_that_ends_before_it_begins_has_no_byte() {
        assert_eq!(Location { from: 5, to: 4, ..FIRST }.length(), 0);
        assert_eq!(Location { from: 0, to: u64::MAX, ..FIRST }.length(), u64::MAX);
    }

    proptest! {
        #[test]
        fn fields_are_counted_as_the_csv_crate_counts_them(
            text in "[ab,;'\"\r\n]{0,24}", delimiter in "[,;'\"]", quote in "[,;'\"]", trailing in any::<bool>(),
        ) {
            let character = |text: &str| Character::try_from(text.chars().next().expect("one")).expect("ASCII");
            let location = Location { delimiter: character(&delimiter), quote: character(&quote), trailing, ..LATER };
            let mut reader = ReaderBuilder::new();
            reader.has_headers(false).flexible(true);
            reader.delimiter(location.delimiter.byte()).quote(location.quote.byte());
            let records: Vec<ByteRecord> =
                reader.from_reader(text.as_bytes()).byte_records().map(|record| record.expect("in memory")).collect();
            match (location.count(text.as_bytes()), &records[..]) {
                (Some(found), [record]) => prop_assert_eq!(found, record.len()),
                (Some(_), _) => prop_assert!(false, "{:?}", records),
                // The crate closes a quote that is open at the end.
                (None, [_]) => {
                    let closed = format!("{text}{quote}");
                    prop_assert!(location.count(closed.as_bytes()).is_some());
                }
                (None, _) => {}
            }
        }
    }
}
