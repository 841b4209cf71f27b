//! Rows out of bytes: a CSV reader that is fed chunks of any size and never holds more than one row.
//!
//! The grammar is csv-core's (RFC 4180, and lenient where the RFC says nothing). Around it stands what a file from
//! somewhere needs: the byte order mark, the delimiter found in the header, other names for the columns, trailing
//! delimiters, a limit on a row's size, and a verdict for every row that doesn't fit, so that none is dropped silently.
//!
//! Every row knows its place in the text, so that the work on one file can be divided, and go on after a break: see
//! [`Row::span`] and [`Reader::resume`].
//!
//! No I/O: [`Reader::read`] consumes from a slice, [`Reader::finish`] says that there is no more.

use std::ops::Range;

use contract::columns;
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, CsvSettings};
use contract::{Location, Reason};
use csv_core::{ReadRecordResult, ReaderBuilder};

/// Candidates for the delimiter, most preferred first.
const DELIMITERS: [Character; 4] = [Character::COMMA, Character::SEMICOLON, Character::TAB, Character::BAR];
/// Column names are quoted in messages up to this many characters: a file without a header has values there.
const SHOWN_NAME: usize = 60;

/// Why an object or one row of it cannot be used.
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
    /// Position in the file from 1, without the header and blank lines.
    pub index: u64,
    /// Bytes of the text in which it lies: from the end of the record before it to its own end. Line ends, blank lines and
    /// a byte order mark may stand before it.
    pub span: Range<u64>,
    /// Names of the columns, trimmed.
    pub columns: &'a [String],
    /// Its fields, as many as there are columns; or why it is rejected.
    pub fields: Result<Fields<'a>, Fault>,
    dialect: Dialect,
}

impl Row<'_> {
    /// Where somebody else finds it, if the text is that of the object.
    #[must_use]
    pub const fn location(&self) -> Location {
        let Dialect { delimiter, quote, trailing } = self.dialect;
        Location { from: self.span.start, to: self.span.end, delimiter, quote, trailing }
    }
}

/// How a row is to be read.
#[derive(Debug, Clone, Copy)]
struct Dialect {
    delimiter: Character,
    quote: Character,
    trailing: bool,
}

/// The fields of a good row.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// The fields in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            // Both ends were found to be character boundaries when the row was read.
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }
}

/// What the header said, or the settings in its place.
#[derive(Debug)]
struct Header {
    columns: Vec<String>,
    /// Rows may end with a delimiter: the header line did, or there is none that would say so.
    trailing: bool,
    /// Who says how many columns there are, for messages.
    says: &'static str,
}

const HEADER_HAS: &str = "the header has";
const SETTINGS_NAME: &str = "the settings name";

/// How far the end of the input has been told to csv-core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotReached,
    /// A line end was added. If the last row ends there, it was complete.
    LineEnded,
    /// csv-core knows. If a row ended only now, its last quote was open.
    Told,
}

/// The reader. See the module.
#[derive(Debug)]
pub struct Reader {
    /// Rows and headers of more bytes than this are rejected; also the bound of every buffer.
    limit: usize,
    /// That of the settings, until the sniffer has found another.
    delimiter: Character,
    quote: Character,
    /// Names of the columns by the settings, for the header that is to come.
    names: Vec<String>,
    /// Columns that the header must have.
    expected: Vec<String>,
    sniffer: Option<Sniffer>,
    /// The first line as the sniffer collected it, until csv-core has read it.
    head: Vec<u8>,
    head_read: usize,
    core: csv_core::Reader,
    text: Vec<u8>,
    text_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    /// The current row is too large: its bytes are thrown away up to its end.
    discarding: bool,
    header: Option<Header>,
    rows: u64,
    /// Bytes of text that csv-core has read, with those that the sniffer has removed before them.
    position: u64,
    /// Where the current record begins.
    record_start: u64,
    end: End,
}

impl Reader {
    /// A reader of files as the settings say that they are, which rejects rows larger than `limit` bytes, and files that lack
    /// one of the `expected` columns.
    #[must_use]
    pub fn new(limit: usize, settings: &CsvSettings, expected: &[String]) -> Self {
        let limit = limit.max(1);
        let columns = settings.columns.clone();
        let (header, names) = match settings.header {
            true => (None, columns),
            false => (Some(Header { columns, trailing: true, says: SETTINGS_NAME }), Vec::new()),
        };
        Self {
            limit,
            delimiter: settings.delimiter.unwrap_or(Character::COMMA),
            quote: settings.quote,
            names,
            expected: expected.to_vec(),
            sniffer: Some(Sniffer::new(settings)),
            head: Vec::new(),
            head_read: 0,
            core: csv_core::Reader::new(),
            text: vec![0; limit.min(4096)],
            text_len: 0,
            ends: vec![0; limit.min(64)],
            ends_len: 0,
            discarding: false,
            header,
            rows: 0,
            position: 0,
            record_start: 0,
            end: End::NotReached,
        }
    }

    /// How many data rows have been read, rejected ones included.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Goes on behind row number `rows`, at the byte of the text where that row's span ends; all input from now on is what
    /// stands there. To be called when a row has been read: what the header says must be known.
    pub fn resume(&mut self, position: u64, rows: u64) {
        self.core.reset();
        self.skip_byte_order_mark();
        (self.head, self.head_read) = (Vec::new(), 0);
        self.next_record();
        (self.position, self.record_start, self.rows) = (position, position, rows);
        self.end = End::NotReached;
    }

    /// Reads from the front of `input` up to the end of the next row. `None`: the input is used up.
    ///
    /// # Errors
    /// A [`Fault`] in the header, which makes the whole object useless.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Row<'_>>, Fault> {
        Ok(if self.step(input)? { Some(self.row(false)) } else { None })
    }

    /// Says that there is no more input, and gives the rows that end with it. To be called until it answers `None`.
    ///
    /// # Errors
    /// A [`Fault`] in the header.
    pub fn finish(&mut self) -> Result<Option<Row<'_>>, Fault> {
        if let Some(mut sniffer) = self.sniffer.take() {
            self.start(sniffer.finish())?;
        }
        if self.step(&mut &b""[..])? {
            return Ok(Some(self.row(false)));
        }
        if self.end == End::NotReached {
            self.end = End::LineEnded;
            let (_, complete) = self.advance(b"\n");
            if complete && self.end_record(false)? {
                return Ok(Some(self.row(false)));
            }
        }
        if self.end == End::LineEnded {
            self.end = End::Told;
            let (_, complete) = self.advance(b"");
            if complete && self.end_record(true)? {
                return Ok(Some(self.row(true)));
            }
        }
        Ok(None)
    }

    /// Reads up to the end of the next data row; `false` when the input is used up before.
    fn step(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if let Some(sniffer) = &mut self.sniffer {
            match sniffer.feed(input, self.limit) {
                Sniffing::Done(sniffed) => self.start(sniffed)?,
                Sniffing::GoesOn => return Ok(false),
                Sniffing::TooLong if self.header.is_none() => return Err(header_too_large(self.limit)),
                // A row like any other; csv-core finds its end.
                Sniffing::TooLong => {
                    let sniffed = sniffer.finish();
                    self.start(sniffed)?;
                }
            }
        }
        // The head can hold more than one line when sniffer and csv-core disagree about a stray quote.
        while self.head_read < self.head.len() {
            let head = std::mem::take(&mut self.head);
            let (used, complete) = self.advance(head.get(self.head_read..).unwrap_or_default());
            self.head = head;
            self.head_read += used;
            self.position += used as u64;
            if complete && self.end_record(false)? {
                return Ok(true);
            }
        }
        // Rows don't need its memory.
        (self.head, self.head_read) = (Vec::new(), 0);
        while !input.is_empty() {
            let (used, complete) = self.advance(input);
            *input = input.get(used..).unwrap_or_default();
            self.position += used as u64;
            if complete && self.end_record(false)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn start(&mut self, sniffed: Sniffed) -> Result<(), Fault> {
        self.sniffer = None;
        self.delimiter = sniffed.delimiter;
        self.core = ReaderBuilder::new().delimiter(self.delimiter.byte()).quote(self.quote.byte()).build();
        self.skip_byte_order_mark();
        self.position = sniffed.position;
        self.head = sniffed.head;
        // Without a header, the settings name the columns: they are known now.
        match self.header {
            Some(_) => self.check_columns(),
            None => Ok(()),
        }
    }

    /// A blank line, so that csv-core doesn't look for a byte order mark: the sniffer has removed the only one.
    fn skip_byte_order_mark(&mut self) {
        self.core.read_record(b"\n", &mut self.text, &mut self.ends);
    }

    /// Gives `input` to csv-core up to the end of a record. Answers the bytes used and whether a record ended.
    fn advance(&mut self, input: &[u8]) -> (usize, bool) {
        let at_end = input.is_empty();
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            // An empty slice would tell csv-core that the input ended.
            if rest.is_empty() && !at_end {
                return (used, false);
            }
            if self.discarding {
                (self.text_len, self.ends_len) = (0, 0);
            }
            let (result, read, text, ends) = self.core.read_record(
                rest,
                self.text.get_mut(self.text_len..).unwrap_or_default(),
                self.ends.get_mut(self.ends_len..).unwrap_or_default(),
            );
            used += read;
            self.text_len += text;
            self.ends_len += ends;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return (used, false),
                ReadRecordResult::Record => return (used, true),
                ReadRecordResult::OutputFull => self.discarding |= !grow(&mut self.text, self.limit),
                ReadRecordResult::OutputEndsFull => self.discarding |= !grow(&mut self.ends, self.limit),
            }
        }
    }

    /// Takes a complete record for the header, if there is none yet. Answers whether it is a data row.
    fn end_record(&mut self, unclosed: bool) -> Result<bool, Fault> {
        if self.header.is_some() {
            self.rows += 1;
            return Ok(true);
        }
        if unclosed {
            return Err(Fault::new(Reason::UnclosedQuote, "a quote in the header is never closed"));
        }
        if self.too_large() {
            return Err(header_too_large(self.limit));
        }
        self.header = Some(if self.names.is_empty() {
            let Some(fields) = decode(&self.text, self.text_len, &self.ends, self.ends_len) else {
                return Err(Fault::new(Reason::InvalidEncoding, "the header is not UTF-8"));
            };
            Header::new(fields)?
        } else {
            let text = self.text.get(..self.text_len).unwrap_or_default();
            let ends = self.ends.get(..self.ends_len).unwrap_or_default();
            Header::renamed(std::mem::take(&mut self.names), text, ends)?
        });
        self.next_record();
        self.record_start = self.position;
        self.check_columns()?;
        Ok(false)
    }

    /// Whether the columns are there that are expected, each once.
    fn check_columns(&self) -> Result<(), Fault> {
        let headers = self.header.as_ref().map_or(&[][..], |header| &header.columns);
        if let Some(missing) = columns::missing(headers, self.expected.iter().map(String::as_str)) {
            return Err(Fault::new(Reason::MissingColumn, missing.to_string()));
        }
        for name in &self.expected {
            columns::find(headers, name)
                .map_err(|ambiguous| Fault::new(Reason::DuplicateHeader, ambiguous.to_string()))?;
        }
        Ok(())
    }

    /// The data row that [`Self::end_record`] has just counted.
    fn row(&mut self, unclosed: bool) -> Row<'_> {
        let (too_large, text_len, ends_len) = (self.too_large(), self.text_len, self.ends_len);
        self.next_record();
        let index = self.rows;
        let span = std::mem::replace(&mut self.record_start, self.position)..self.position;
        // Always there: without a header, `end_record` counts no rows.
        let (columns, trailing, says) = self
            .header
            .as_ref()
            .map_or((&[][..], false, HEADER_HAS), |header| (&header.columns, header.trailing, header.says));
        let dialect = Dialect { delimiter: self.delimiter, quote: self.quote, trailing };
        let reject = |reason, message: String| Row {
            index,
            span: span.clone(),
            columns,
            fields: Err(Fault::new(reason, message)),
            dialect,
        };
        if unclosed {
            return reject(Reason::UnclosedQuote, format!("a quote in row {index} is never closed"));
        }
        if too_large {
            return reject(
                Reason::RowTooLarge,
                format!("row {index} has more than {} bytes, an event cannot carry it", self.limit),
            );
        }
        let Some(fields) = decode(&self.text, text_len, &self.ends, ends_len) else {
            return reject(Reason::InvalidEncoding, format!("row {index} is not UTF-8"));
        };
        let expected = columns.len();
        let fields =
            if trailing && fields.ends.len() == expected + 1 { drop_empty_last(fields) } else { fields };
        let found = fields.ends.len();
        if found != expected {
            return reject(
                Reason::RowLength,
                format!(
                    "row {index} has {}, {says} {}",
                    counted(found, "field"),
                    counted(expected, "column")
                ),
            );
        }
        Row { index, span, columns, fields: Ok(fields), dialect }
    }

    const fn too_large(&self) -> bool {
        self.discarding || self.text_len + self.ends_len > self.limit
    }

    /// Makes room for the next record; the bytes of the last one stay where they are until it is read.
    const fn next_record(&mut self) {
        (self.text_len, self.ends_len, self.discarding) = (0, 0, false);
    }

    #[cfg(test)]
    fn buffered(&self) -> usize {
        let sniffed = self.sniffer.as_ref().map_or(0, |sniffer| sniffer.head.len());
        sniffed.max(self.head.len()).max(self.text.len()).max(self.ends.len())
    }
}

/// Doubles a buffer up to the limit; `false` when it is there already.
fn grow<T: Clone + Default>(buffer: &mut Vec<T>, limit: usize) -> bool {
    let length = buffer.len().saturating_mul(2).min(limit);
    let grows = length > buffer.len();
    buffer.resize(length.max(buffer.len()), T::default());
    grows
}

fn decode<'a>(text: &'a [u8], text_len: usize, ends: &'a [usize], ends_len: usize) -> Option<Fields<'a>> {
    let text = std::str::from_utf8(text.get(..text_len)?).ok()?;
    let ends = ends.get(..ends_len)?;
    // Two halves of one character in neighbouring fields are valid together, and neither is a text.
    ends.iter().all(|&end| text.is_char_boundary(end)).then_some(Fields { text, ends })
}

/// Without the last field, if that is empty.
fn drop_empty_last(fields: Fields<'_>) -> Fields<'_> {
    match fields.ends {
        [.., before, last] if before == last => {
            Fields { ends: fields.ends.split_last().map_or(&[], |(_, rest)| rest), ..fields }
        }
        _ => fields,
    }
}

/// `1 field`, `2 fields`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn header_too_large(limit: usize) -> Fault {
    Fault::new(
        Reason::RowTooLarge,
        format!("the header has more than {limit} bytes, an event cannot carry it"),
    )
}

impl Header {
    fn new(fields: Fields<'_>) -> Result<Self, Fault> {
        let mut columns: Vec<String> = fields.iter().map(|name| columns::trim(name).to_owned()).collect();
        let trailing = columns.len() > 1 && columns.last().is_some_and(String::is_empty);
        if trailing {
            columns.pop();
        }
        let mut seen = std::collections::HashMap::new();
        for (position, name) in (1..).zip(&columns) {
            if name.is_empty() {
                return Err(Fault::new(
                    Reason::EmptyHeader,
                    format!("column {position} has no name in the header"),
                ));
            }
            if let Some(first) = seen.insert(name.as_str(), position) {
                let shown: String = name.chars().take(SHOWN_NAME).collect();
                return Err(Fault::new(
                    Reason::DuplicateHeader,
                    format!("columns {first} and {position} of the header have the same name, `{shown}`"),
                ));
            }
        }
        Ok(Self { columns, trailing, says: HEADER_HAS })
    }

    /// Other names for the columns of this header line. Its own say nothing: they may be none, twice, or no text.
    fn renamed(columns: Vec<String>, text: &[u8], ends: &[usize]) -> Result<Self, Fault> {
        let last = match ends {
            [.., before, last] => text.get(*before..*last),
            _ => None,
        };
        let trailing =
            last.is_some_and(|last| last.trim_ascii().is_empty()) && ends.len() == columns.len() + 1;
        let found = ends.len() - usize::from(trailing);
        if found != columns.len() {
            return Err(Fault::new(
                Reason::RowLength,
                format!(
                    "{HEADER_HAS} {}, {SETTINGS_NAME} {}",
                    counted(found, "field"),
                    counted(columns.len(), "column")
                ),
            ));
        }
        Ok(Self { columns, trailing, says: HEADER_HAS })
    }
}

/// Collects the first line to find the delimiter in it, before csv-core (which must be told) reads it, and to remove
/// the byte order mark, which may come in pieces.
#[derive(Debug)]
struct Sniffer {
    quote: Character,
    /// Delimiters that it may be, most preferred first, and how often each stands in the line.
    candidates: Vec<(Character, usize)>,
    head: Vec<u8>,
    /// Bytes seen, blank lines at the front included, which are not collected.
    seen: u64,
    state: Quoting,
}

/// How far the sniffer came.
enum Sniffing {
    /// The line goes on after the input.
    GoesOn,
    /// It is larger than the limit.
    TooLong,
    Done(Sniffed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// A quote here opens a quoted field.
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two that mean one.
    QuoteInQuoted,
}

struct Sniffed {
    head: Vec<u8>,
    /// Where the head stands in the text.
    position: u64,
    delimiter: Character,
}

impl Sniffer {
    fn new(settings: &CsvSettings) -> Self {
        let quote = settings.quote;
        let candidates = match (settings.delimiter, settings.header) {
            (Some(delimiter), _) => vec![delimiter],
            (None, true) => DELIMITERS.into_iter().filter(|candidate| *candidate != quote).collect(),
            // Values hold other delimiters as often as not: nothing is to be learned from them.
            (None, false) => vec![Character::COMMA],
        };
        let candidates = candidates.into_iter().map(|candidate| (candidate, 0)).collect();
        Self { quote, candidates, head: Vec::new(), seen: 0, state: Quoting::FieldStart }
    }

    /// Takes the rest of the first line from the front of `input`.
    fn feed(&mut self, input: &mut &[u8], limit: usize) -> Sniffing {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if self.take(byte) {
                return Sniffing::Done(self.finish());
            }
            if self.head.len() > limit {
                return Sniffing::TooLong;
            }
        }
        Sniffing::GoesOn
    }

    /// Hands over what was collected.
    fn finish(&mut self) -> Sniffed {
        let most = self.candidates.iter().map(|(_, count)| *count).max().unwrap_or_default();
        // The first of those that occur most often: the comma wins every tie, and where there is no delimiter at all.
        let found = self.candidates.iter().find(|(_, count)| *count == most);
        Sniffed {
            position: self.seen - self.head.len() as u64,
            head: std::mem::take(&mut self.head),
            delimiter: found.map_or(Character::COMMA, |(candidate, _)| *candidate),
        }
    }

    /// Takes one byte; `true` when it ends the first line.
    fn take(&mut self, byte: u8) -> bool {
        self.seen += 1;
        let line_end = matches!(byte, b'\r' | b'\n');
        if line_end && self.head.is_empty() {
            return false;
        }
        self.head.push(byte);
        if self.seen == 3 && self.head == BYTE_ORDER_MARK {
            (self.head, self.state) = (Vec::new(), Quoting::FieldStart);
            self.candidates.iter_mut().for_each(|(_, count)| *count = 0);
            return false;
        }
        let quote = byte == self.quote.byte();
        self.state = match self.state {
            Quoting::Quoted if quote => Quoting::QuoteInQuoted,
            Quoting::Quoted => Quoting::Quoted,
            Quoting::QuoteInQuoted | Quoting::FieldStart if quote => Quoting::Quoted,
            _ if line_end => return true,
            _ => match self.candidates.iter_mut().find(|(candidate, _)| candidate.byte() == byte) {
                Some((_, count)) => {
                    *count += 1;
                    Quoting::FieldStart
                }
                None => Quoting::Plain,
            },
        };
        false
    }
}

#[cfg(test)]
mod tests;
