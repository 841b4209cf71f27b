//! The CSV reader, which is fed chunks of any size and never holds more than one row.
//!
//! [`contract::dialect`] divides bytes into records. The reader adds the things that a file of unknown origin needs:
//! its `head` tells the format of the file and its delimiter; other names for the columns, trailing delimiters, lines
//! that are not rows, a limit on a row's size, and a verdict for every row that doesn't fit, so that none is dropped
//! silently.
//!
//! Every row knows its place in the text, so that the work on one file can be divided, and continue after a break: see
//! [`Row::span`] and [`Reader::resume`].
//!
//! No I/O: [`Reader::read`] consumes from a slice, [`Reader::finish`] marks the end.

use std::ops::Range;

use contract::dialect::{Dialect, Ended, Flaw, Parser, Record};
use contract::event::Skipped;
use contract::settings::{Character, CsvSettings, Short};
use contract::{Location, Reason};

mod head;
mod header;

use head::{Head, Opening};
use header::Header;

/// The reason why an object or one row of it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable code.
    pub reason: Reason,
    /// One sentence, without any value.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// One row, good or bad.
#[derive(Debug)]
pub struct Row<'a> {
    /// Position in the file from 1, without the header and the lines that are skipped.
    pub index: u64,
    /// The bytes of the text for this row: from the end of the row before it to its own end. Lines that are skipped and
    /// a byte order mark may precede the row.
    pub span: Range<u64>,
    /// Names of the columns, trimmed.
    pub columns: &'a [String],
    /// Its fields, as many as there are columns; or the reason why it is rejected.
    pub fields: Result<Fields<'a>, Fault>,
    /// The lines that were skipped between the row before it and this one.
    pub skipped: Skipped,
    location: Location,
}

impl Row<'_> {
    /// Returns the row's location in the object, if the text is that of the object.
    #[must_use]
    pub const fn location(&self) -> Location {
        self.location
    }
}

/// The fields of a good row.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// Returns the fields of a record; `None` if they are not texts.
    fn new(record: &'a Record) -> Option<Self> {
        let text = std::str::from_utf8(record.text()).ok()?;
        // Two halves of one character in neighbouring fields are valid together, and neither is a text.
        let ends = record.ends();
        ends.iter().all(|&end| text.is_char_boundary(end)).then_some(Self { text, ends })
    }

    /// Returns the fields in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            // Both ends were found to be character boundaries when the row was read.
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }

    /// Removes empty fields at the end for which there is no column.
    fn without_trailing(mut self, columns: usize) -> Self {
        while let [rest @ .., before, last] = self.ends
            && rest.len() + 2 > columns
            && before == last
        {
            self.ends = self.ends.get(..rest.len() + 1).unwrap_or_default();
        }
        self
    }
}

/// A reader. See the module.
#[derive(Debug)]
pub struct Reader {
    /// The greatest number of bytes of a row or a header; larger ones are rejected. Also the bound of every buffer.
    limit: usize,
    settings: CsvSettings,
    /// Columns that the header must have.
    expected: Vec<String>,
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
    /// Bytes of text that the parser has read, including those before them that do not belong to it.
    position: u64,
    /// The end of the last row.
    span_start: u64,
    /// The beginning of the current record.
    record_start: u64,
    /// `true` if lines are counted from the beginning of the text.
    lines_known: bool,
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
            position: 0,
            span_start: 0,
            record_start: 0,
            lines_known: true,
        }
    }

    /// Accepts files that lack an expected column, for a caller that reports it by itself.
    #[must_use]
    pub const fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Returns the number of data rows that have been read, rejected ones included.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the number of lines that were skipped since the last row.
    #[must_use]
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Returns the names of the columns, once they are known.
    #[must_use]
    pub fn columns(&self) -> Option<&[String]> {
        self.header.as_ref().map(|header| &header.columns[..])
    }

    /// Continues after row number `rows`, at the byte of the text where that row's span ends; all input from now on is
    /// the text from there. To be called when a row has been read: the header must be known.
    pub fn resume(&mut self, position: u64, rows: u64) {
        self.parser.reset();
        (self.opening, self.opening_read) = (Vec::new(), 0);
        (self.position, self.span_start, self.rows) = (position, position, rows);
        self.skipped = Skipped::default();
        self.lines_known = false;
    }

    /// Reads from the front of `input` up to the end of the next row; returns `None` if the input is used up.
    ///
    /// # Errors
    /// A [`Fault`] in the header, which makes the whole object useless.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Row<'_>>, Fault> {
        if let Some(head) = &mut self.head {
            if !head.feed(input) {
                return Ok(None);
            }
            self.open(false)?;
        }
        Ok(if self.next_in_opening()? || self.next_in(input)? { Some(self.row()) } else { None })
    }

    /// Marks the end of the input, and returns the rows that end with it. To be called until it returns `None`.
    ///
    /// # Errors
    /// A [`Fault`] in the header.
    pub fn finish(&mut self) -> Result<Option<Row<'_>>, Fault> {
        self.open(true)?;
        if self.next_in_opening()? {
            return Ok(Some(self.row()));
        }
        let ended = self.parser.finish(&mut self.record);
        Ok(if self.end(ended)? { Some(self.row()) } else { None })
    }

    /// Reads the head of the file, which may be all of it.
    fn open(&mut self, complete: bool) -> Result<(), Fault> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let Opening { bytes, position, delimiter, skip, line } =
            head.open(&self.settings, &self.expected, complete)?;
        self.delimiter = delimiter;
        self.parser = Parser::new(Dialect::new(&self.settings, delimiter), skip, line);
        (self.position, self.opening, self.opening_line) = (position, bytes, line);
        // Without a header, the settings name the columns: they are known now.
        match &self.header {
            Some(header) if self.strict => header.check(&self.expected),
            _ => Ok(()),
        }
    }

    fn next_in_opening(&mut self) -> Result<bool, Fault> {
        while self.opening_read < self.opening.len() {
            self.begin_record();
            let rest = self.opening.get(self.opening_read..).unwrap_or_default();
            let (used, ended) = self.parser.read(rest, &mut self.record);
            self.opening_read += used;
            self.position += used as u64;
            if self.end(ended)? {
                return Ok(true);
            }
        }
        // Rows don't need its memory.
        (self.opening, self.opening_read) = (Vec::new(), 0);
        Ok(false)
    }

    /// Reads up to the end of the next data row; returns `false` if the input is used up before.
    fn next_in(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        while !input.is_empty() {
            self.begin_record();
            let (used, ended) = self.parser.read(input, &mut self.record);
            *input = input.get(used..).unwrap_or_default();
            self.position += used as u64;
            if self.end(ended)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn begin_record(&mut self) {
        if self.parser.is_at_start() {
            self.record_start = self.position;
        }
    }

    /// Takes the text that has ended, and returns whether it is a data row.
    fn end(&mut self, ended: Option<Ended>) -> Result<bool, Fault> {
        let one_column = self.header.as_ref().is_some_and(Header::is_one_column);
        match ended {
            None | Some(Ended::Skipped) => return Ok(false),
            Some(Ended::Comment) => {
                self.skipped.comments += 1;
                return Ok(false);
            }
            // If there is one column, it is a row whose value is empty.
            Some(Ended::Blank) if one_column => self.record.set_empty(),
            Some(Ended::Blank) => {
                self.skipped.blank += 1;
                return Ok(false);
            }
            Some(Ended::Record) => {}
        }
        let bare = self.record.is_bare() && self.record.flaw().is_none();
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

    fn read_header(&self) -> Result<Header, Fault> {
        let limit = self.limit;
        let header = match self.record.flaw() {
            Some(flaw) => return Err(self.flawed("the header", flaw)),
            None if self.record.is_too_large() => {
                let message =
                    format!("the header has more than {limit} bytes, which is too large for an event");
                return Err(Fault::new(Reason::RowTooLarge, message));
            }
            None => Header::new(&self.record, &self.settings.columns)?,
        };
        if !self.strict {
            return Ok(header);
        }
        header.check(&self.expected).map_err(|fault| match fault.reason {
            Reason::MissingColumn => {
                let hint = head::header_below(
                    &self.opening,
                    self.opening_line,
                    &self.settings,
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

    /// Returns the data row that [`Self::end`] has just counted.
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
        let location = Location {
            from: self.record_start,
            to: span.end,
            delimiter: self.delimiter,
            quote: self.settings.quote,
            escape: self.settings.escape,
            trailing,
            pad,
        };
        if pad && flaw.is_none() {
            self.record.pad(expected);
        }
        let fields = match (flaw, Fields::new(&self.record)) {
            (Some(flaw), _) => Err(flaw),
            _ if self.record.is_too_large() => Err(Fault::new(
                Reason::RowTooLarge,
                format!("row {index} has more than {} bytes, which is too large for an event", self.limit),
            )),
            (None, None) => Err(Fault::new(Reason::InvalidEncoding, format!("row {index} is not UTF-8"))),
            (None, Some(fields)) => {
                let fields = if trailing { fields.without_trailing(expected) } else { fields };
                let found = fields.ends.len();
                (found == expected).then_some(fields).ok_or_else(|| {
                    let (found, expected) =
                        (counted(found as u64, "field"), counted(expected as u64, "column"));
                    Fault::new(Reason::RowLength, format!("row {index} has {found}, but {says} {expected}"))
                })
            }
        };
        Row { index, span, columns, fields, skipped, location }
    }

    /// Returns the bytes of its buffers, without the head of the file, which has a bound of its own.
    #[cfg(test)]
    fn buffered(&self) -> usize {
        assert!(self.opening.len() <= head::MAX_BYTES + 1);
        self.record.capacity()
    }
}

/// Returns `1 field`, `2 fields`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
