//! The place of a row that is too large for an event, and the way in which its bytes become fields.
//!
//! The task finds the row's end and keeps nothing of it. [`Location::fields`] checks the row as the task checks other
//! rows, and returns the fields that the task would have found.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::dialect::{Dialect, Ended, Flaw, Parser, Record};
use crate::encoding::{Form, Utf16, has_control};
use crate::row::Cell;
use crate::settings::Character;
use crate::{Encoding, Reason};

/// The mark with which a file may begin; it does not belong to the first row.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes of an object that contain one row, and the dialect in which they are read. `record-extracted` carries it
/// in the place of the row itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The first byte. Line ends, blank lines and a byte order mark may precede the row.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// The character between two fields.
    pub delimiter: Character,
    /// The character around a quoted field.
    pub quote: Character,
    /// The character that takes the meaning of the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<Character>,
    /// `true` if the row may end with empty fields for which there is no column.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trailing: bool,
    /// `true` if the row may lack fields at its end, which are then empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pad: bool,
    /// The encoding of the object, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

/// One field of a row that was read at its location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The text, without the quotes around it.
    pub text: String,
    /// `true` if it is empty and there are quotes around it.
    pub quoted: bool,
}

impl Field {
    /// Returns the field as it is in rows that travel in events.
    #[must_use]
    pub const fn cell(&self) -> Cell<'_> {
        Cell { text: self.text.as_str(), quoted: self.quoted }
    }
}

/// The reason why the bytes of a location are not a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// They contain no row, several rows, or only a part of one: the location was not made from this object.
    #[error("the event's location does not contain exactly one row")]
    NotOneRow,
    /// There is text after a closing quote.
    #[error("the row has text after a closing quote; within quotes, a quote is written twice")]
    InvalidQuoting,
    /// There are more or fewer fields than columns.
    #[error("the row has {found} fields, but there are {columns} columns")]
    RowLength {
        /// The number of fields.
        found: usize,
        /// The number of columns.
        columns: usize,
    },
    /// A field is not text in the encoding of the object.
    #[error("the row is not {0}")]
    InvalidEncoding(Encoding),
    /// A field has control characters where letters are meant.
    #[error("the row has control characters when it is read as {0}, so the file has another encoding")]
    WrongEncoding(Encoding),
}

impl LocationError {
    /// Returns the reason for a `failed` event.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotOneRow => Reason::MalformedEvent,
            Self::InvalidQuoting => Reason::InvalidQuoting,
            Self::RowLength { .. } => Reason::RowLength,
            Self::InvalidEncoding(_) => Reason::InvalidEncoding,
            Self::WrongEncoding(_) => Reason::WrongEncoding,
        }
    }
}

impl Location {
    /// Bytes of the largest row that goes by reference. `transform` holds it up to four times, as bytes, as one record,
    /// as fields and as an item, and may have no more than 128 MiB.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// The same for an object that is not UTF-8: its text may have three times its bytes.
    const MAX_ENCODED_BYTES: u64 = 8 << 20;

    /// Returns whether the row is too large to go by reference.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.length() > self.max_bytes()
    }

    /// Returns the number of bytes of the largest row of this encoding that goes by reference.
    #[must_use]
    pub const fn max_bytes(&self) -> u64 {
        if self.encoding.is_some() { Self::MAX_ENCODED_BYTES } else { Self::MAX_BYTES }
    }

    /// Returns the number of bytes; zero if it ends before it begins.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns the fields of the row in `bytes`, which are all bytes of the location, as many as there are columns.
    ///
    /// # Errors
    /// [`LocationError`], which contains nothing of the bytes.
    pub fn fields(&self, bytes: &[u8], columns: usize) -> Result<Vec<Field>, LocationError> {
        let encoding = self.encoding.unwrap_or(Encoding::UTF_8);
        let text = match encoding.form() {
            Form::Utf16(order) => {
                let (mut utf_16, mut text) = (Utf16::new(order), Vec::new());
                utf_16.decode(bytes, &mut text);
                utf_16.finish(&mut text);
                Cow::Owned(text)
            }
            _ => Cow::Borrowed(bytes),
        };
        let bytes = match self.from {
            0 => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text),
            _ => &text,
        };
        let record = self.record(bytes, columns).ok_or(LocationError::NotOneRow)?;
        if record.flaw().is_some() {
            return Err(LocationError::InvalidQuoting);
        }
        let found = record.fields();
        let fits = found == columns
            || (found > columns && self.trailing && !record.has_text_beyond())
            || (found < columns && self.pad);
        if !fits {
            return Err(LocationError::RowLength { found, columns });
        }
        let table = encoding.table();
        let (mut start, mut quoted) = (0, record.quoted().iter().copied().peekable());
        let read = record.ends().iter().enumerate().map(|(position, &end)| {
            let field = record.text().get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
            let text = match &table {
                None => std::str::from_utf8(field).map(str::to_owned).ok(),
                Some(table) => {
                    let mut text = String::new();
                    table.decode(field, &mut text).then_some(text)
                }
            };
            Some(Field { text: text?, quoted: quoted.next_if_eq(&position).is_some() })
        });
        let mut fields: Vec<Field> =
            read.collect::<Option<_>>().ok_or(LocationError::InvalidEncoding(encoding))?;
        if table.is_some() && fields.iter().any(|field| has_control(&field.text)) {
            return Err(LocationError::WrongEncoding(encoding));
        }
        fields.resize_with(columns, Field::default);
        Ok(fields)
    }

    /// Returns the record, with as many fields as there are columns; `None` if the bytes aren't exactly one record,
    /// from its beginning to its end. A row of delimiters alone would take many times its bytes if all of its fields
    /// were kept.
    fn record(&self, bytes: &[u8], columns: usize) -> Option<Record> {
        let dialect =
            Dialect { delimiter: self.delimiter, quote: self.quote, escape: self.escape, comment: None };
        let mut parser = Parser::new(dialect, 0, 1);
        let (mut record, mut found) = (Record::of_fields(columns), None);
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            let ended = match bytes {
                [] => {
                    rest = None;
                    parser.finish(&mut record)
                }
                bytes => {
                    let (used, ended) = parser.read(bytes, &mut record);
                    rest = bytes.get(used..);
                    ended
                }
            };
            if ended == Some(Ended::Record) {
                if found.is_some() {
                    return None;
                }
                found = Some(std::mem::replace(&mut record, Record::of_fields(columns)));
            }
        }
        found.filter(|record| !matches!(record.flaw(), Some(Flaw::Unclosed { .. })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Location = Location {
        from: 0,
        to: 0,
        delimiter: Character::COMMA,
        quote: Character::QUOTE,
        escape: None,
        trailing: false,
        pad: false,
        encoding: None,
    };
    const LATER: Location = Location { from: 9, ..FIRST };

    fn fields(location: Location, text: &str, columns: usize) -> Result<Vec<String>, LocationError> {
        let fields = location.fields(text.as_bytes(), columns)?;
        Ok(fields.into_iter().map(|field| field.text).collect())
    }

    fn texts<const N: usize>(texts: [&str; N]) -> Result<Vec<String>, LocationError> {
        Ok(texts.map(str::to_owned).to_vec())
    }

    #[test]
    fn a_row_is_read_with_what_may_stand_before_it() {
        assert_eq!(fields(LATER, "\n\r\n\n1,\"a\nb\"\r\n", 2), texts(["1", "a\nb"]));
        assert_eq!(fields(FIRST, "\u{feff}\"1\",2", 2), texts(["1", "2"]));
        // Only at the start of the object it does not belong to the row.
        assert_eq!(fields(LATER, "\u{feff}1,2", 2), texts(["\u{feff}1", "2"]));
        assert_eq!(fields(FIRST, "\n\u{feff}1,2", 2), texts(["\u{feff}1", "2"]));
    }

    #[test]
    fn an_empty_text_in_quotes_is_told_from_nothing() {
        let quoted = |location: Location, text: &str, columns| -> Vec<bool> {
            let fields = location.fields(text.as_bytes(), columns).expect("a row");
            fields.iter().map(|field| field.cell().quoted).collect()
        };
        assert_eq!(quoted(LATER, "\"\",,\"a\", \"\" \n", 4), [true, false, false, true]);
        assert_eq!(quoted(Location { pad: true, ..LATER }, "\"\"\n", 3), [true, false, false]);
        assert_eq!(quoted(Location { trailing: true, ..LATER }, ",\"\",\"\"\n", 2), [false, true]);
    }

    #[test]
    fn a_delimiter_at_the_end_is_tolerated_where_the_header_has_one() {
        let tolerant = Location { trailing: true, ..LATER };
        assert_eq!(fields(tolerant, "1,2,\n", 2), texts(["1", "2"]));
        assert_eq!(fields(tolerant, "1,\n", 2), texts(["1", ""]));
        assert_eq!(fields(tolerant, "1,2,,,\n", 2), texts(["1", "2"]));
        for (location, text, found) in
            [(LATER, "1,2,\n", 3), (tolerant, "1,2,3\n", 3), (tolerant, "1,2,,3\n", 4), (tolerant, "1\n", 1)]
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
        assert_eq!(LATER.fields(b"1,\xff\n", 2), Err(LocationError::InvalidEncoding(Encoding::UTF_8)));
        // Two halves of one character, which would be valid together.
        assert_eq!(LATER.fields(b"\xc3,\xa9\n", 2), Err(LocationError::InvalidEncoding(Encoding::UTF_8)));
    }

    #[test]
    fn a_location_that_ends_before_it_begins_has_no_byte() {
        assert_eq!(Location { from: 5, to: 4, ..FIRST }.length(), 0);
        assert_eq!(Location { from: 0, to: u64::MAX, ..FIRST }.length(), u64::MAX);
    }

    #[test]
    fn the_dialect_is_that_of_the_file() {
        let escaped = Location { escape: Character::try_from('\\').ok(), ..LATER };
        assert_eq!(fields(escaped, "\"a\\\"b\",\\N\n", 2), texts(["a\"b", ""]));
        assert_eq!(fields(Location { pad: true, ..LATER }, "1\n", 3), texts(["1", "", ""]));
        assert_eq!(fields(LATER, "\"1\" , \"2\"\n", 2), texts(["1", "2"]));
        assert_eq!(fields(LATER, "1,\"2\"x\n", 2), Err(LocationError::InvalidQuoting));
        // The blank before a quoted field is not text beyond the columns.
        assert_eq!(fields(Location { trailing: true, ..LATER }, "abc,b, \"\"\n", 2), texts(["abc", "b"]));
        let old = serde_json::from_str::<Location>(r#"{"from":0,"to":4,"delimiter":",","quote":"\""}"#);
        assert_eq!(old.expect("an event of before"), Location { to: 4, ..FIRST });
    }

    #[test]
    fn a_row_of_delimiters_takes_no_memory_for_its_fields() {
        let bytes = vec![b','; 1 << 20];
        let error = LocationError::RowLength { found: (1 << 20) + 1, columns: 2 };
        assert_eq!(LATER.fields(&bytes, 2), Err(error));
        let tolerant = Location { trailing: true, ..LATER };
        assert_eq!(tolerant.fields(&bytes, 2), Ok(vec![Field::default(); 2]));
        assert!(tolerant.record(&bytes, 2).expect("one").capacity() < 100);
    }
}
