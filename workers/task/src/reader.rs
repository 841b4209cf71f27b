//! The CSV reader, which is fed chunks of any size and never holds more than one row.
//!
//! [`contract::dialect`] divides bytes into records. The reader adds the things that a file of unknown origin needs:
//! its `head` tells the format of the file and its delimiter; other names for the columns, trailing delimiters, lines
//! that are not rows, a limit on a row's size, and a verdict for every row that doesn't fit, so that none is dropped
//! silently. Text in a single-byte encoding is divided as it is in the file, and decoded field by field; any other text
//! is UTF-8 when it comes here, see [`crate::encoding`].
//!
//! Every row knows its place in the text, so that the work on one file can be divided, and continue after a break: see
//! [`Row::span`] and [`RowReader::resume`].
//!
//! No I/O: [`RowReader::advance`] consumes from a slice, [`RowReader::advance_at_end`] marks the end.

use std::ops::Range;

use contract::dialect::{Dialect, Ended, Flaw, Parser, Record};
use contract::encoding::{Form, Suspect, length_in_utf_16};
use contract::event::Skipped;
use contract::settings::{Character, CsvSettings, Short};
use contract::{Encoding, Location, Reason};

mod fields;
mod foreign;
mod head;
mod header;
mod pass;
mod row_reader;

pub use fields::Fields;
use fields::{Characters, Decoded, Garbled};
pub(crate) use foreign::not_text;
use head::{Head, Opening};
use header::Header;
pub(crate) use header::check_columns;
pub(crate) use pass::Passed;
pub use row_reader::RowReader;

/// The reason why an object or one row of it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable code.
    pub reason: Reason,
    /// One sentence, without any value.
    pub message: String,
}

impl Fault {
    /// Creates the fault of this reason, with a message for a person.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// One row, good or bad.
#[derive(Debug)]
pub struct Row<'a> {
    /// Position in the file from 1, without the header and the lines that are skipped.
    pub index: u64,
    /// The bytes of the file for this row (of the text, if it was compressed or is not [`Encoding::is_divisible`]): from the end of the row before it to its own end. Lines that are skipped and
    /// a byte order mark may precede the row.
    pub span: Range<u64>,
    /// A number that rows share if they have the same columns.
    pub layout: u64,
    /// Names of the columns, trimmed. A row that is rejected may have none.
    pub columns: &'a [String],
    /// Its fields, as many as there are columns; or the reason why it is rejected.
    pub fields: Result<Fields<'a>, Fault>,
    /// The fields that were found, as far as they are texts, also in a row that is rejected.
    pub found: Option<Fields<'a>>,
    /// The line, of a format in which a row is one line and has no fields of its own.
    pub line: Option<&'a [u8]>,
    /// The lines that were skipped between the row before it and this one.
    pub skipped: Skipped,
    pub(crate) location: Location,
}

impl Row<'_> {
    /// Returns the row's location in the object, if the text is that of the object.
    #[must_use]
    pub const fn location(&self) -> Location {
        self.location
    }
}

/// A reader of CSV. See the module.
#[derive(Debug)]
pub struct Reader {
    /// The greatest number of bytes of a row or a header; larger ones are rejected. Also the bound of every buffer.
    limit: usize,
    settings: CsvSettings,
    /// Columns that the header must have.
    expected: Vec<String>,
    /// Columns that it may lack, but not have twice.
    optional: Vec<String>,
    /// `true` if a file without an expected column is rejected.
    strict: bool,
    /// The delimiter of the settings, until the head contains another.
    delimiter: Character,
    /// The first bytes, until there are enough of them.
    head: Option<Head>,
    /// The first bytes again, until they have been read as rows.
    opening: Vec<u8>,
    opening_read: usize,
    /// The number of their first line.
    opening_line: u64,
    parser: Parser,
    record: Record,
    header: Option<Header>,
    rows: u64,
    skipped: Skipped,
    /// The number of lines that `skip` has left out.
    left_out: u64,
    /// `true` if the last line is a blank one that is a row where anything follows it.
    held: bool,
    notes: Vec<String>,
    /// Bytes of text that the parser has read, including those before them that do not belong to it.
    position: u64,
    /// The end of the last row.
    span_start: u64,
    /// The beginning of the current record.
    record_start: u64,
    /// `true` if lines are counted from the beginning of the text.
    lines_known: bool,
    characters: Characters,
    decoded: Decoded,
    /// The number of columns before those of the file.
    ignored: usize,
    /// `true` if the next record is a header that the settings don't expect.
    has_names: bool,
    passed: Passed,
}

impl Reader {
    /// Creates a reader of files with these settings, which rejects rows larger than `limit` bytes, and files that lack
    /// one of the `expected` columns.
    #[must_use]
    pub fn new(limit: usize, settings: &CsvSettings, expected: &[String]) -> Self {
        let delimiter = settings.delimiter.unwrap_or(Character::COMMA);
        Self {
            limit: limit.max(1),
            settings: settings.clone(),
            expected: expected.to_vec(),
            optional: Vec::new(),
            strict: true,
            delimiter,
            head: Some(Head::new(settings)),
            opening: Vec::new(),
            opening_read: 0,
            opening_line: 1,
            parser: Parser::new(Dialect::new(settings, delimiter), 0, 1),
            record: Record::new(limit.max(1)),
            header: (!settings.header).then(|| Header::of_settings(settings.columns.clone())),
            rows: 0,
            skipped: Skipped::default(),
            left_out: 0,
            held: false,
            notes: Vec::new(),
            position: 0,
            span_start: 0,
            record_start: 0,
            lines_known: true,
            characters: Characters::UTF_8,
            decoded: Decoded::default(),
            ignored: 0,
            has_names: false,
            passed: Passed::default(),
        }
    }

    /// Reads the head of the file, which may be all of it.
    fn open(&mut self, complete: bool) -> Result<(), Fault> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let Opening { before, bytes, delimiter, found, skip, line, ignored } =
            head.open(&self.settings, &self.characters, &self.expected, complete)?;
        self.delimiter = delimiter;
        (self.ignored, self.has_names) = (ignored, ignored > 0 && !self.settings.header);
        self.parser = Parser::new(Dialect::new(&self.settings, delimiter), skip, line);
        (self.position, self.opening, self.opening_line) = (self.length(&before), bytes, line);
        // A line `sep=;` is one of those to skip.
        self.left_out = u64::from(self.settings.skip) - skip;
        // Without a header, the settings name the columns: they are known now.
        let Some(header) = &mut self.header else { return Ok(()) };
        // Nothing says that `a,` is anything but a text.
        header.trailing = found || header.columns.len() > 1;
        if self.strict { header.check(&self.expected, &self.optional) } else { Ok(()) }
    }

    fn next_in_opening(&mut self) -> Result<bool, Fault> {
        while self.opening_read < self.opening.len() {
            if self.take_held() {
                if self.is_passed() {
                    continue;
                }
                return Ok(true);
            }
            self.begin_record();
            let rest = self.opening.get(self.opening_read..).unwrap_or_default();
            let (used, ended) = self.parser.read(rest, &mut self.record);
            self.position += self.length(rest.get(..used).unwrap_or_default());
            self.opening_read += used;
            if self.end(ended)? && !self.is_passed() {
                return Ok(true);
            }
        }
        // Rows don't need its memory.
        (self.opening, self.opening_read) = (Vec::new(), 0);
        Ok(false)
    }

    /// Reads up to the end of the next data row; returns `false` if the input is used up before.
    fn next_in(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        loop {
            self.pass(input);
            if input.is_empty() {
                return Ok(false);
            }
            if self.take_held() {
                if self.is_passed() {
                    continue;
                }
                return Ok(true);
            }
            self.begin_record();
            let (used, ended) = self.parser.read(input, &mut self.record);
            let (read, rest) = input.split_at_checked(used).unwrap_or((input, &[]));
            self.position += self.length(read);
            *input = rest;
            if self.end(ended)? && !self.is_passed() {
                return Ok(true);
            }
        }
    }

    /// Returns the number of bytes that a part of the text has in the file.
    fn length(&self, text: &[u8]) -> u64 {
        if self.characters.is_utf_16() { length_in_utf_16(text) } else { text.len() as u64 }
    }

    fn begin_record(&mut self) {
        if self.parser.is_at_start() {
            self.record_start = self.position;
        }
    }

    /// Takes the text that has ended, and returns whether it is a data row.
    fn end(&mut self, ended: Option<Ended>) -> Result<bool, Fault> {
        let one_column = self.ignored == 0 && self.header.as_ref().is_some_and(Header::is_one_column);
        match ended {
            None => return Ok(false),
            Some(Ended::Skipped) => {
                self.left_out += 1;
                return Ok(false);
            }
            Some(Ended::Comment) => {
                self.skipped.comments += 1;
                return Ok(false);
            }
            // If there is one column, it is a row whose value is empty, unless it is the end of the file.
            Some(Ended::Blank) if one_column => {
                self.held = true;
                return Ok(false);
            }
            Some(Ended::Blank) => {
                self.skipped.blank += 1;
                return Ok(false);
            }
            Some(Ended::Record) => {}
        }
        let bare = self.record.is_bare() && self.record.flaw().is_none();
        if std::mem::take(&mut self.has_names) {
            self.span_start = self.position;
            return Ok(false);
        }
        match &self.header {
            Some(header) if header.is_repeated_by(&self.record) => self.skipped.headers += 1,
            Some(_) if bare && !one_column => self.skipped.blank += 1,
            Some(_) => {
                self.rows += 1;
                return Ok(true);
            }
            // Names of the settings may replace missing ones in the file.
            None if bare && self.settings.columns.is_empty() => self.skipped.blank += 1,
            None => {
                self.header = Some(self.read_header()?);
                self.span_start = self.position;
            }
        }
        Ok(false)
    }

    /// Takes the blank line that was held as a row.
    fn take_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        if held {
            self.record.set_empty();
            self.rows += 1;
        }
        held
    }

    /// Adds a note if the file has come to its end without a header, and lines were left out.
    fn note_left_out(&mut self) {
        let Skipped { blank, comments, .. } = self.skipped;
        let (left_out, skip) = (self.left_out, self.settings.skip);
        if left_out == 0 || self.rows > 0 || (self.settings.header && self.header.is_some()) {
            return;
        }
        let lines = counted(left_out + blank + comments, "line");
        let note = match blank + comments {
            0 => format!("the file has {lines}, and all of them are left out by `skip: {skip}`"),
            _ => format!(
                "the file has {lines}: after those that are left out by `skip: {skip}`, the others are blank or comments"
            ),
        };
        if !self.notes.contains(&note) {
            tracing::warn!(left_out, skip, "no line of the file is a header or a row");
            self.notes.push(note);
        }
    }

    fn read_header(&mut self) -> Result<Header, Fault> {
        let limit = self.limit;
        let header = match self.record.flaw() {
            Some(flaw) => return Err(self.flawed("the header", flaw)),
            None if self.record.is_too_large() => {
                let message =
                    format!("the header has more than {limit} bytes, which is too large for an event");
                return Err(Fault::new(Reason::RowTooLarge, message));
            }
            None => Header::new(
                &self.record,
                &self.characters,
                &mut self.decoded,
                &self.settings.columns,
                self.ignored,
            )?,
        };
        if !self.strict {
            return Ok(header);
        }
        header.check(&self.expected, &self.optional).map_err(|fault| match fault.reason {
            Reason::MissingColumn => {
                let hint = head::header_below(
                    &self.opening,
                    self.opening_line,
                    &self.settings,
                    &self.characters,
                    &self.expected,
                    self.record.line(),
                );
                Fault::new(fault.reason, fault.message + &hint.unwrap_or_default())
            }
            _ => fault,
        })?;
        Ok(header)
    }

    fn flawed(&self, what: &str, flaw: Flaw) -> Fault {
        let place = |words: &str, line: u64| match self.lines_known {
            true => format!("{words} in line {line}"),
            false => String::new(),
        };
        match flaw {
            Flaw::Unclosed { opened, swallowed } => {
                let took = match swallowed {
                    0 => String::new(),
                    1 => "; its field includes the line after it".to_owned(),
                    lines => format!("; its field includes the {lines} lines after it"),
                };
                let message =
                    format!("a quote in {what} is never closed{}{took}", place(", which opens", opened));
                Fault::new(Reason::UnclosedQuote, message)
            }
            Flaw::TextAfterQuote { opened, closed } => {
                let whose = match opened == closed {
                    true => String::new(),
                    false => format!(
                        "{}; {} belong to it",
                        place(", of a quote that opens", opened),
                        counted(closed - opened + 1, "line")
                    ),
                };
                let message = format!(
                    "{what} has text after a closing quote{}{whose}; within quotes, a quote is written twice",
                    place("", closed)
                );
                Fault::new(Reason::InvalidQuoting, message)
            }
        }
    }

    /// Returns the bytes of its buffers, without the head of the file, which has a bound of its own.
    #[cfg(test)]
    fn buffered(&self) -> usize {
        assert!(self.opening.len() <= head::MAX_BYTES + 1);
        self.record.capacity()
    }
}

impl RowReader for Reader {
    fn lenient(&mut self) {
        self.strict = false;
    }

    fn set_optional(&mut self, columns: &[String]) {
        self.optional = columns.to_vec();
    }

    fn set_encoding(&mut self, encoding: Option<Encoding>) {
        let encoding = encoding.unwrap_or(Encoding::UTF_8);
        if self.characters.encoding != encoding {
            self.characters = Characters::of(encoding);
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if let Some(head) = &mut self.head {
            if !head.feed(input) {
                return Ok(false);
            }
            self.open(false)?;
        }
        Ok(self.next_in_opening()? || self.next_in(input)?)
    }

    fn advance_at_end(&mut self) -> Result<bool, Fault> {
        self.open(true)?;
        if self.next_in_opening()? {
            return Ok(true);
        }
        let ended = self.parser.finish(&mut self.record);
        let is_row = self.end(ended)? && !self.is_passed();
        // The last line of the file is the end of the one before it.
        self.skipped.blank += u64::from(std::mem::take(&mut self.held));
        if !is_row {
            self.note_left_out();
        }
        Ok(is_row)
    }

    fn row(&mut self) -> Row<'_> {
        let index = self.rows;
        let span = std::mem::replace(&mut self.span_start, self.position)..self.position;
        let skipped = std::mem::take(&mut self.skipped);
        let flaw = self.record.flaw().map(|flaw| self.flawed(&format!("row {index}"), flaw));
        // Always present: without a header, `end` counts no rows.
        let (columns, trailing, says) = self
            .header
            .as_ref()
            .map_or((&[][..], false, ""), |header| (&header.columns, header.trailing, header.says));
        let expected = columns.len();
        let pad = self.settings.short == Short::Pad;
        let encoding = self.characters.encoding;
        let location = Location {
            from: self.record_start,
            to: span.end,
            delimiter: self.delimiter,
            quote: self.settings.quote,
            escape: self.settings.escape,
            trailing,
            pad,
            encoding: (encoding != Encoding::UTF_8).then_some(encoding),
        };
        if pad && flaw.is_none() {
            self.record.pad(expected + self.ignored);
        }
        let read = Fields::new(&self.record, &self.characters, &mut self.decoded);
        let read = read.map(|fields| fields.without_first(self.ignored));
        let found = read.ok().filter(|_| !self.record.is_too_large());
        let fields = match (flaw, read) {
            (Some(flaw), _) => Err(flaw),
            _ if self.record.is_too_large() => Err(Fault::new(
                Reason::RowTooLarge,
                format!("row {index} has more than {} bytes, which is too large for an event", self.limit),
            )),
            (None, Err(Garbled::NotText)) => {
                Err(Fault::new(Reason::InvalidEncoding, format!("row {index} is not {encoding}")))
            }
            (None, Err(Garbled::Control(position))) => {
                let name = position.checked_sub(self.ignored).and_then(|column| columns.get(column));
                let name = name.filter(|name| !name.is_empty());
                // A name that nobody has checked may be a value.
                let name = name.filter(|_| !self.settings.header || !self.expected.is_empty());
                let column = match name {
                    Some(name) => format!("in column `{name}`"),
                    None => format!("in column {}", position + 1),
                };
                Err(wrong_encoding(&format!("row {index}"), &column, &self.record, encoding))
            }
            (None, Ok(fields)) => {
                let fields = if trailing { fields.without_trailing(expected) } else { fields };
                let found = fields.count();
                (found == expected).then_some(fields).ok_or_else(|| {
                    let (found, expected) =
                        (counted(found as u64, "field"), counted(expected as u64, "column"));
                    Fault::new(Reason::RowLength, format!("row {index} has {found}, but {says} {expected}"))
                })
            }
        };
        Row { index, span, layout: 0, columns, fields, found, line: None, skipped, location }
    }

    fn refusal(&self) -> Option<&'static str> {
        (self.ignored > 0).then_some("a row of a file of rejected rows can't be read by itself")
    }

    fn resume(&mut self, position: u64, rows: u64) {
        self.parser.reset();
        (self.opening, self.opening_read) = (Vec::new(), 0);
        (self.position, self.span_start, self.rows) = (position, position, rows);
        (self.skipped, self.held) = (Skipped::default(), false);
        self.lines_known = false;
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
        self.header.as_ref().map(|header| &header.columns[..])
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Returns the fault of a row, or of the header, that has control characters in a column.
fn wrong_encoding(what: &str, column: &str, record: &Record, encoding: Encoding) -> Fault {
    // The bytes of other encodings are not known any more.
    let suspect = match encoding.form() {
        Form::SingleByte => {
            format!("; the encoding is probably {}", Suspect::of(record.text(), encoding))
        }
        _ => String::new(),
    };
    let message = format!("{what} has control characters {column} when it is read as {encoding}{suspect}");
    Fault::new(Reason::WrongEncoding, message)
}

/// Returns `1 field`, `2 fields`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
