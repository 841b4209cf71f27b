//! The reader of JSON Lines: each line is an object, and its members are the columns of a row.
//!
//! A member that is an object is a column with its JSON, and each of its own members is a column by its path: `a.b`.
//! Rows may have different members, so each row has columns of its own, in the order of the first lines where they
//! have them. An expected column is always there; it is empty in a row without such a member. Where the settings name
//! the columns, they are the columns of every row.
//!
//! A line that is not an object fails alone. A file of which the first lines have no object at all is useless, and so
//! is one of which none of them has an expected column.

mod layout;
mod line;

use contract::dialect::Search;
use contract::encoding::{Form, length_in_utf_16};
use contract::event::Skipped;
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, JsonSettings};
use contract::{Encoding, Location, Reason};

use crate::reader::{Fault, Passed, Row, RowReader, not_text};
use layout::Layouts;
use line::{Flaw, Line};

/// The greatest number of bytes that are examined before the first row.
const HEAD_BYTES: usize = 64 * 1024;
/// The greatest number of lines that are examined, without blank ones.
const HEAD_LINES: usize = 20;
/// The end of a line.
const LINE_FEED: Search = Search::new([b'\n'; 4]);

/// A reader. See the module.
#[derive(Debug)]
pub struct JsonReader {
    /// The greatest number of bytes of a row.
    limit: usize,
    layouts: Layouts,
    expected: Vec<String>,
    strict: bool,
    encoding: Option<Encoding>,
    /// The first bytes, until there are enough of them, and the number of their lines that are not blank.
    head: Option<(Vec<u8>, usize)>,
    /// The first bytes again, until they have been read as rows.
    opening: Vec<u8>,
    opening_read: usize,
    /// The line that is read, without its end.
    bytes: Vec<u8>,
    too_large: bool,
    blank: bool,
    /// `true` if the next byte begins a line.
    ended: bool,
    /// The content of the line, when it has ended.
    line: Line,
    rows: u64,
    skipped: Skipped,
    position: u64,
    span_start: u64,
    record_start: u64,
    passed: Passed,
}

impl JsonReader {
    /// Creates a reader of files with these settings, which rejects rows larger than `limit` bytes, and files that lack
    /// one of the `expected` columns. `sensitive` columns must be in every row, and nothing that contains them, or a
    /// part of them, becomes another column.
    #[must_use]
    pub fn new(limit: usize, settings: &JsonSettings, expected: &[String], sensitive: &[String]) -> Self {
        Self {
            limit: limit.max(1),
            layouts: Layouts::new(&settings.columns, expected, sensitive),
            expected: expected.to_vec(),
            strict: true,
            encoding: None,
            head: Some((Vec::new(), 0)),
            opening: Vec::new(),
            opening_read: 0,
            bytes: Vec::new(),
            too_large: false,
            blank: true,
            ended: true,
            line: Line::default(),
            rows: 0,
            skipped: Skipped::default(),
            position: 0,
            span_start: 0,
            record_start: 0,
            passed: Passed::default(),
        }
    }

    /// Takes bytes for the head from the front of `input`; returns whether there are enough of them.
    fn feed_head(&mut self, input: &mut &[u8]) -> bool {
        let Some((head, lines)) = &mut self.head else { return true };
        while *lines < HEAD_LINES && head.len() < HEAD_BYTES {
            let room = input.get(..HEAD_BYTES - head.len()).unwrap_or(input);
            if room.is_empty() {
                return false;
            }
            let end = room.iter().position(|byte| *byte == b'\n').map_or(room.len(), |end| end + 1);
            let (taken, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
            head.extend_from_slice(taken);
            *input = rest;
            if head.ends_with(b"\n") {
                let line = head.get(..head.len() - 1).unwrap_or_default();
                let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                *lines += usize::from(!line.trim_ascii().is_empty());
            }
        }
        true
    }

    /// Reads the head of the file, which may be all of it.
    fn open(&mut self, complete: bool) -> Result<(), Fault> {
        let Some((mut head, _)) = self.head.take() else { return Ok(()) };
        if let Some(fault) = not_text(&head, "JSON Lines") {
            return Err(fault);
        }
        let mark = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        self.position = self.length(head.get(..mark).unwrap_or_default());
        head.drain(..mark);
        let (mut objects, mut lines) = (0, 0);
        for bytes in head.split_inclusive(|byte| *byte == b'\n') {
            // The last line may continue after the head.
            let whole = complete || bytes.ends_with(b"\n");
            if bytes.trim_ascii().is_empty() || !whole {
                continue;
            }
            lines += 1;
            if self.line.read(bytes).is_ok() {
                objects += 1;
                self.layouts.learn(&self.line);
            }
        }
        let first = head.trim_ascii_start().first().copied();
        let is_array = first == Some(b'[');
        if is_array || (objects == 0 && (lines > 0 || first.is_some_and(|first| first != b'{'))) {
            let found = match first {
                Some(b'[') => {
                    "an array of JSON, but must be JSON Lines, one object a line: `jq -c '.[]' FILE` writes them"
                }
                Some(b'{') => {
                    "not JSON Lines: no line of its beginning is a whole object; `jq -c . FILE` writes each on one line"
                }
                _ => "not JSON Lines: its first line is not an object",
            };
            return Err(Fault::new(Reason::UnsupportedFormat, format!("the file is {found}")));
        }
        if self.strict && objects > 0 {
            self.layouts.check(&self.expected)?;
        }
        self.opening = head;
        Ok(())
    }

    /// Returns the number of bytes that a part of the text has in the file.
    fn length(&self, text: &[u8]) -> u64 {
        match self.encoding.map(Encoding::form) {
            Some(Form::Utf16(_)) => length_in_utf_16(text),
            _ => text.len() as u64,
        }
    }

    /// Reads up to the end of the next line that is not blank; returns the number of bytes, and whether there is one.
    fn next_in(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            self.begin_line();
            let end = LINE_FEED.find(rest);
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let read = part.len() + usize::from(end.is_some());
            self.position += self.length(rest.get(..read).unwrap_or_default());
            used += read;
            self.blank = self.blank && part.trim_ascii().is_empty();
            if !self.passed.has(self.rows + 1, self.span_start) {
                self.too_large = self.too_large || self.bytes.len() + part.len() > self.limit;
                match self.too_large {
                    true => self.bytes.clear(),
                    false => self.bytes.extend_from_slice(part),
                }
            }
            if end.is_some() && self.end_line() {
                return (used, true);
            }
        }
        (used, false)
    }

    fn begin_line(&mut self) {
        if std::mem::take(&mut self.ended) {
            self.record_start = self.position;
            self.bytes.clear();
            (self.blank, self.too_large) = (true, false);
        }
    }

    /// Ends a line, and returns whether it is a row that is not passed over.
    fn end_line(&mut self) -> bool {
        self.ended = true;
        if self.blank {
            self.skipped.blank += 1;
            return false;
        }
        self.rows += 1;
        let passed = self.passed.has(self.rows, self.span_start);
        if passed {
            (self.span_start, self.skipped) = (self.position, Skipped::default());
        }
        !passed
    }

    fn next_in_opening(&mut self) -> bool {
        let opening = std::mem::take(&mut self.opening);
        let (used, found) = self.next_in(opening.get(self.opening_read..).unwrap_or_default());
        self.opening_read += used;
        // Rows don't need its memory.
        match found {
            true => self.opening = opening,
            false => self.opening_read = 0,
        }
        found
    }

    /// Reads the content of the line that has ended, and returns its layout.
    fn content(&mut self) -> Result<u64, Fault> {
        let index = self.rows;
        if self.too_large {
            let message =
                format!("row {index} has more than {} bytes, which is too large for an event", self.limit);
            return Err(Fault::new(Reason::RowTooLarge, message));
        }
        self.line.read(&self.bytes).map_err(|flaw| match flaw {
            Flaw::NotText => {
                let encoding = self.encoding.unwrap_or(Encoding::UTF_8);
                Fault::new(Reason::InvalidEncoding, format!("row {index} is not {encoding}"))
            }
            flaw => Fault::new(Reason::InvalidJson, format!("row {index} {flaw}")),
        })?;
        self.layouts
            .arrange(&mut self.line)
            .map_err(|Fault { reason, message }| Fault::new(reason, format!("row {index} {message}")))
    }
}

impl RowReader for JsonReader {
    fn lenient(&mut self) {
        self.strict = false;
    }

    fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.encoding = encoding;
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if self.head.is_some() {
            if !self.feed_head(input) {
                return Ok(false);
            }
            self.open(false)?;
        }
        if self.next_in_opening() {
            return Ok(true);
        }
        let (used, found) = self.next_in(input);
        *input = input.get(used..).unwrap_or_default();
        Ok(found)
    }

    fn advance_at_end(&mut self) -> Result<bool, Fault> {
        self.open(true)?;
        if self.next_in_opening() {
            return Ok(true);
        }
        // A line without an end.
        Ok(!self.ended && self.end_line())
    }

    fn row(&mut self) -> Row<'_> {
        let index = self.rows;
        let span = std::mem::replace(&mut self.span_start, self.position)..self.position;
        let skipped = std::mem::take(&mut self.skipped);
        let location = Location {
            from: self.record_start,
            to: span.end,
            delimiter: Character::COMMA,
            quote: Character::QUOTE,
            escape: None,
            trailing: false,
            pad: false,
            encoding: self.encoding,
        };
        let (layout, columns, fields) = match self.content() {
            Ok(layout) => (layout, self.layouts.columns(layout), Ok(self.line.fields())),
            Err(fault) => (0, &[][..], Err(fault)),
        };
        let line = (!self.too_large).then_some(&self.bytes[..]);
        Row { index, span, layout, columns, fields, found: None, line, skipped, location }
    }

    fn resume(&mut self, position: u64, rows: u64) {
        (self.opening, self.opening_read) = (Vec::new(), 0);
        (self.position, self.span_start, self.record_start, self.rows) = (position, position, position, rows);
        (self.skipped, self.ended) = (Skipped::default(), true);
    }

    fn pass_over(&mut self, rows: u64, before: u64) {
        self.passed = Passed { rows, before };
    }

    fn passed(&self) -> (u64, u64) {
        (self.rows, self.span_start)
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn columns(&self) -> Option<&[String]> {
        self.head.is_none().then(|| self.layouts.known())
    }
}

#[cfg(test)]
mod tests;
