//! The fields of a row, as texts.

use contract::Encoding;
use contract::dialect::Record;
use contract::encoding::{Form, Table, has_control};
use contract::row::Cell;

/// The way from the bytes of a field to its text.
#[derive(Debug)]
pub(super) struct Characters {
    pub(super) encoding: Encoding,
    /// The table of a single-byte encoding. Everything else is UTF-8 when it comes here.
    table: Option<Table>,
    /// `true` if control characters tell that the encoding is wrong: where it is known by a mark, they do not.
    suspicious: bool,
}

impl Characters {
    pub(super) const UTF_8: Self = Self { encoding: Encoding::UTF_8, table: None, suspicious: false };

    pub(super) fn of(encoding: Encoding) -> Self {
        let suspicious = matches!(encoding.form(), Form::SingleByte | Form::MultiByte);
        Self { encoding, table: encoding.table(), suspicious }
    }

    /// Returns whether the text was UTF-16.
    pub(super) fn is_utf_16(&self) -> bool {
        matches!(self.encoding.form(), Form::Utf16(_))
    }

    /// Returns a text for comparisons, in which bytes that are not text are replaced.
    pub(super) fn lossy(&self, bytes: &[u8]) -> String {
        let mut text = String::new();
        match &self.table {
            Some(table) if table.decode(bytes, &mut text) => text,
            _ => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// The text of a record that had to be decoded.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    text: String,
    ends: Vec<usize>,
}

/// The reason why the fields of a record are not texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Garbled {
    /// Bytes are not text in the encoding.
    NotText,
    /// There are control characters in the field at this position, from 0.
    Control(usize),
}

/// The fields of a good row.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
    /// Positions of empty fields that are an empty text, and not nothing.
    quoted: &'a [usize],
    /// The number of fields before the first one, and their end in the text.
    ignored: (usize, usize),
}

impl<'a> Fields<'a> {
    /// Returns fields that follow each other in `text`, each up to one of the `ends`; `quoted` are the positions of empty
    /// fields that are an empty text.
    pub(crate) const fn of_texts(text: &'a str, ends: &'a [usize], quoted: &'a [usize]) -> Self {
        Self { text, ends, quoted, ignored: (0, 0) }
    }

    /// Returns the fields of a record, which are decoded into `decoded` if they are not UTF-8.
    pub(super) fn new(
        record: &'a Record,
        characters: &Characters,
        decoded: &'a mut Decoded,
    ) -> Result<Self, Garbled> {
        let fields = match &characters.table {
            Some(table) if !record.text().is_ascii() => decode(record, table, decoded),
            _ => Self::of_utf_8(record),
        };
        let fields = fields.ok_or(Garbled::NotText)?;
        if characters.suspicious
            && has_control(fields.text)
            && let Some(position) = fields.iter().position(has_control)
        {
            return Err(Garbled::Control(position));
        }
        Ok(fields)
    }

    /// Returns the fields of a record in UTF-8; `None` if they are not texts.
    fn of_utf_8(record: &'a Record) -> Option<Self> {
        let text = std::str::from_utf8(record.text()).ok()?;
        // Two halves of one character in neighbouring fields are valid together, and neither is a text.
        let ends = record.ends();
        ends.iter().all(|&end| text.is_char_boundary(end)).then_some(Self {
            text,
            ends,
            quoted: record.quoted(),
            ignored: (0, 0),
        })
    }

    /// Returns the number of fields.
    pub(super) const fn count(self) -> usize {
        self.ends.len()
    }

    /// Returns the fields in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut start = self.ignored.1;
        self.ends.iter().map(move |&end| {
            // Both ends were found to be character boundaries when the row was read.
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }

    /// Returns the fields in their order, each with the fact whether it is empty and was in quotes.
    pub fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        let ignored = self.ignored.0;
        let mut quoted =
            self.quoted.iter().copied().skip_while(move |position| *position < ignored).peekable();
        (ignored..)
            .zip(self.iter())
            .map(move |(position, text)| Cell { text, quoted: quoted.next_if_eq(&position).is_some() })
    }

    /// Removes the first fields.
    pub(super) fn without_first(mut self, count: usize) -> Self {
        let (removed, rest) = self.ends.split_at(count.min(self.ends.len()));
        if let Some(end) = removed.last() {
            (self.ends, self.ignored) = (rest, (self.ignored.0 + removed.len(), *end));
        }
        self
    }

    /// Removes empty fields at the end for which there is no column.
    pub(super) fn without_trailing(mut self, columns: usize) -> Self {
        while let [rest @ .., before, last] = self.ends
            && rest.len() + 2 > columns
            && before == last
        {
            self.ends = self.ends.get(..rest.len() + 1).unwrap_or_default();
        }
        self
    }
}

/// Decodes a record of a single-byte encoding; returns `None` if a byte is not a character.
fn decode<'a>(record: &'a Record, table: &Table, decoded: &'a mut Decoded) -> Option<Fields<'a>> {
    decoded.text.clear();
    decoded.ends.clear();
    let mut start = 0;
    for &end in record.ends() {
        let field = record.text().get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
        if !table.decode(field, &mut decoded.text) {
            return None;
        }
        decoded.ends.push(decoded.text.len());
    }
    Some(Fields { text: &decoded.text, ends: &decoded.ends, quoted: record.quoted(), ignored: (0, 0) })
}
