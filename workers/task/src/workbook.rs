//! The reader of workbooks (`.xlsx`): the rows of one sheet, as rows of text.
//!
//! A workbook can't be read from its front, since the list of its parts is at its end. So its bytes are held, up to
//! [`MAX_BYTES`]; its sheet is then read row by row on a thread of its own, which is never far ahead.
//!
//! The first row with a value is the header, wherever it is; blank rows are skipped. What a cell is worth is decided
//! by the cell alone: see `cell.rs`.

mod cell;
mod raw;
mod sheet;

use std::sync::mpsc::{Receiver, sync_channel};

use contract::event::Skipped;
use contract::settings::{Character, CsvSettings, ExtractionSettings, XlsxSettings};
use contract::{Encoding, Location, Reason, columns};

use crate::reader::{Fault, Fields, Row, RowReader, check_columns};
pub use sheet::Start;
use sheet::{Cells, Message};

/// The greatest number of bytes of a workbook.
pub const MAX_BYTES: usize = 50 << 20;
/// Rows that the thread is ahead at most.
const AHEAD: usize = 64;
/// The first bytes of a zip archive, before the header of its first part: PKWARE's APPNOTE, section 4.3.7.
const ZIP: &[u8] = b"PK\x03\x04";
/// Names of first parts, by which office documents of this kind are told from other archives.
const PARTS: [&[u8]; 5] = [b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/", b"customXml/"];

/// Returns whether a file that begins with these bytes is a zip archive.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP)
}

/// Returns the first rows, at most this number, of each visible sheet of a workbook.
///
/// # Errors
/// A [`Fault`] when it is not a workbook that can be read.
pub fn starts(bytes: &[u8], most: usize) -> Result<Vec<Start>, Fault> {
    sheet::starts(bytes, most)
}

/// Returns whether a file that begins with these bytes may be a workbook.
#[must_use]
pub fn may_be_workbook(bytes: &[u8]) -> bool {
    // The name of the part follows 30 bytes.
    let name = bytes.get(30..).unwrap_or_default();
    is_archive(bytes) && PARTS.iter().any(|part| name.starts_with(part))
}

/// A reader of a workbook. See the module.
#[derive(Debug)]
pub struct WorkbookReader {
    limit: usize,
    csv: CsvSettings,
    xlsx: XlsxSettings,
    expected: Vec<String>,
    optional: Vec<String>,
    strict: bool,
    bytes: Vec<u8>,
    /// The rows of the sheet, once all bytes are there.
    sheet: Option<Receiver<Message>>,
    header: Option<Header>,
    /// The cells of the row that was read last.
    cells: Cells,
    text: String,
    ends: Vec<usize>,
    quoted: Vec<usize>,
    rows: u64,
    skipped: Skipped,
    notes: Vec<String>,
    digits_lost: u64,
    /// The number of cells with a control character that is written as an escape, and the name of the first.
    escapes: Option<(u64, String)>,
}

/// The columns of a sheet.
#[derive(Debug)]
struct Header {
    columns: Vec<String>,
    /// The number of the first one in the sheet, from 0.
    first: u32,
    /// The texts of the header row, to know it again.
    texts: Option<Vec<String>>,
}

impl WorkbookReader {
    /// Creates a reader of a workbook, which rejects rows larger than `limit` bytes, and workbooks that lack one of the
    /// `expected` columns.
    #[must_use]
    pub fn new(limit: usize, settings: &ExtractionSettings, expected: &[String]) -> Self {
        Self {
            limit,
            csv: settings.csv.clone(),
            xlsx: settings.xlsx.clone(),
            expected: expected.to_vec(),
            optional: Vec::new(),
            strict: true,
            bytes: Vec::new(),
            sheet: None,
            header: None,
            cells: Cells::default(),
            text: String::new(),
            ends: Vec::new(),
            quoted: Vec::new(),
            rows: 0,
            skipped: Skipped::default(),
            notes: Vec::new(),
            digits_lost: 0,
            escapes: None,
        }
    }

    /// Begins to read the sheet.
    fn open(&mut self) -> Result<&Receiver<Message>, Fault> {
        if self.sheet.is_none() {
            let (send, receive) = sync_channel(AHEAD);
            let (bytes, xlsx, skip) = (std::mem::take(&mut self.bytes), self.xlsx.clone(), self.csv.skip);
            let thread = std::thread::Builder::new().name("workbook".to_owned());
            let started = thread.spawn(move || {
                let end = sheet::read(&bytes, &xlsx, skip, &send).map_or_else(Message::Failed, Message::End);
                // Nobody is left to read it if the task has stopped.
                let _ = send.send(end);
            });
            if started.is_err() {
                return Err(Fault::new(Reason::Interrupted, "could not start a thread to read the workbook"));
            }
            self.sheet = Some(receive);
        }
        self.sheet.as_ref().ok_or_else(damaged)
    }

    /// Takes a row of the sheet, and returns whether it is a row of data.
    fn take(&mut self, cells: Cells) -> Result<bool, Fault> {
        self.skipped.blank += cells.blank_before;
        let Some(header) = &self.header else {
            let header = self.read_header(&cells)?;
            if self.strict {
                check_columns(&header.columns, &self.expected, &self.optional)?;
            }
            let is_row = header.texts.is_none();
            self.header = Some(header);
            self.cells = cells;
            self.rows += u64::from(is_row);
            return Ok(is_row);
        };
        if header
            .texts
            .as_ref()
            .is_some_and(|texts| cells.texts(header.first, texts.len()).as_ref() == Some(texts))
        {
            self.skipped.headers += 1;
            return Ok(false);
        }
        self.cells = cells;
        self.rows += 1;
        Ok(true)
    }

    /// Reads the header from the first row with a value, or takes the columns of the settings.
    fn read_header(&self, cells: &Cells) -> Result<Header, Fault> {
        let first = cells.first();
        if !self.csv.header {
            return Ok(Header { columns: self.csv.columns.clone(), first, texts: None });
        }
        let width = (cells.last() - first + 1) as usize;
        let Some(texts) = cells.texts(first, width) else {
            let fault = cells.fault().unwrap_or_else(damaged);
            return Err(Fault::new(fault.reason, format!("the header {}", fault.message)));
        };
        let named: Vec<String> = texts.iter().map(|name| columns::trim(name).to_owned()).collect();
        let columns = if self.csv.columns.is_empty() {
            for (position, name) in named.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                if let Some(before) = named.iter().take(position).position(|other| other == name) {
                    let (one, other) =
                        (sheet::column(first + before as u32), sheet::column(first + position as u32));
                    let message = format!("columns {one} and {other} of the header have the same name");
                    return Err(Fault::new(Reason::DuplicateHeader, message));
                }
            }
            named
        } else if self.csv.columns.len() == width {
            self.csv.columns.clone()
        } else {
            let columns = self.csv.columns.len();
            let message = format!("the header has {width} fields, but the settings have {columns} columns");
            return Err(Fault::new(Reason::RowLength, message));
        };
        Ok(Header { columns, first, texts: Some(texts) })
    }

    /// Adds notes about the cells that were read, when the sheet has come to its end after this number of rows.
    fn note_cells(&mut self, rows: u64) {
        let digits_lost = std::mem::take(&mut self.digits_lost);
        if digits_lost > 0 {
            tracing::warn!(numbers = digits_lost, "numbers of the workbook have lost digits");
            let has = if digits_lost == 1 { "number has" } else { "numbers have" };
            self.notes.push(format!(
                "{digits_lost} {has} more than 15 digits, and the workbook has lost the others (digits-lost)"
            ));
        }
        if let Some((count, first)) = self.escapes.take() {
            let cells = match count {
                1 => format!("the cell {first}"),
                count => format!("{count} cells, of which {first} is the first"),
            };
            tracing::info!(cells = count, first, "escapes in texts of the workbook are control characters");
            self.notes.push(format!(
                "an escape such as `_x000D_` is read as the control character that spreadsheet programs write so, in {cells}"
            ));
        }
        let skip = self.csv.skip;
        let left_out = self.header.is_none() && skip > 0 && rows > 0;
        let note =
            format!("the last row of the sheet is {rows}, and all rows are left out by `skip: {skip}`");
        if left_out && !self.notes.contains(&note) {
            tracing::warn!(rows, skip, "no row of the sheet is a header or a row");
            self.notes.push(note);
        }
    }

    /// Puts the cells of the row into the order of the columns.
    fn arrange(&mut self) -> Result<(), Fault> {
        let index = self.rows;
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
        let (first, count) =
            self.header.as_ref().map_or((0, 0), |header| (header.first, header.columns.len()));
        if let Some(Fault { reason, message }) = self.cells.fault() {
            return Err(Fault::new(reason, format!("row {index} {message}")));
        }
        if let Some(outside) = self.cells.outside(first, count) {
            let message =
                format!("row {index} has a value in the cell {outside}, where the header has no column");
            return Err(Fault::new(Reason::RowLength, message));
        }
        for position in 0..count {
            let text = self.cells.text(first + position as u32);
            if text == Some("") {
                self.quoted.push(position);
            }
            self.text.push_str(text.unwrap_or_default());
            self.ends.push(self.text.len());
        }
        if self.text.len() + count > self.limit {
            let message =
                format!("row {index} has more than {} bytes, which is too large for an event", self.limit);
            return Err(Fault::new(Reason::RowTooLarge, message));
        }
        Ok(())
    }
}

impl RowReader for WorkbookReader {
    fn lenient(&mut self) {
        self.strict = false;
    }

    fn set_optional(&mut self, columns: &[String]) {
        self.optional = columns.to_vec();
    }

    fn set_encoding(&mut self, _: Option<Encoding>) {}

    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if self.bytes.len() + input.len() > MAX_BYTES {
            let message =
                "the file is a workbook of more than 50 MiB: export the sheet as CSV, which has no limit";
            return Err(Fault::new(Reason::UnsupportedFormat, message));
        }
        self.bytes.extend_from_slice(input);
        *input = &[];
        Ok(false)
    }

    fn advance_at_end(&mut self) -> Result<bool, Fault> {
        loop {
            match self.open()?.recv() {
                Ok(Message::Sheet(name)) => {
                    tracing::info!(sheet = name, "this sheet of the workbook is read");
                    self.notes.push(format!("the sheet `{name}` is read, with its hidden rows and columns"));
                }
                Ok(Message::Row(cells)) => {
                    self.digits_lost += cells.digits_lost;
                    if let Some((count, first)) = cells.escapes() {
                        self.escapes.get_or_insert((0, first)).0 += count;
                    }
                    if self.take(cells)? {
                        return Ok(true);
                    }
                }
                Ok(Message::End(rows)) => {
                    self.note_cells(rows);
                    let (send, receive) = sync_channel(1);
                    // The end is still the end when it is asked for again.
                    let _ = send.send(Message::End(rows));
                    self.sheet = Some(receive);
                    return Ok(false);
                }
                Ok(Message::Failed(fault)) => return Err(fault),
                Err(_) => return Err(damaged()),
            }
        }
    }

    fn row(&mut self) -> Row<'_> {
        let arranged = self.arrange();
        let skipped = std::mem::take(&mut self.skipped);
        let location = Location {
            from: 0,
            to: 0,
            delimiter: Character::COMMA,
            quote: Character::QUOTE,
            escape: None,
            trailing: false,
            pad: false,
            encoding: None,
        };
        let columns = self.header.as_ref().map_or(&[][..], |header| &header.columns);
        let fields = arranged.map(|()| Fields::of_texts(&self.text, &self.ends, &self.quoted));
        let found = fields.as_ref().ok().copied();
        Row { index: self.rows, span: 0..0, layout: 0, columns, fields, found, line: None, skipped, location }
    }

    /// A workbook is always read from its first row.
    fn resume(&mut self, _: u64, _: u64) {}

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

fn damaged() -> Fault {
    Fault::new(Reason::UnsupportedFormat, "the file is a damaged workbook")
}

#[cfg(test)]
mod tests;
