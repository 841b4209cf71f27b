//! The scan of one object: from its stored bytes to its rows, in steps that never wait.
//!
//! A caller feeds bytes when a step asks for them, and takes each row before the next step.

use contract::Encoding;
use contract::event::Skipped;
use contract::settings::{EncodingSetting, ExtractionSettings, Format};

use crate::encoding::Text;
use crate::json::JsonReader;
use crate::reader::{Fault, Reader, Row, RowReader};
use crate::workbook::{self, WorkbookReader};

/// A scan. See the module.
pub struct Scan {
    text: Text,
    reader: Box<dyn RowReader>,
    /// The reason why no row can be read by itself, if the format has one.
    format: Option<&'static str>,
    /// The reason why the object can't be divided, if the settings already say so.
    declared: Option<Indivisible>,
    /// A reader for a workbook, until the first bytes tell whether it is one.
    workbook: Option<Box<WorkbookReader>>,
    /// `true` if the fault is one that every task of the object finds before its first row.
    useless: bool,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is a row, which is to be taken.
    Row,
    /// A piece of text was read without reaching the end of a row.
    Piece,
    /// More bytes are needed, or the end must be marked.
    Starved,
    /// All rows were read.
    End,
}

/// The reason why only one task can read an object, from its first byte: positions in its text are not positions in the
/// object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indivisible {
    /// It is compressed.
    Compressed,
    /// It is a workbook.
    Workbook,
    /// Its encoding needs several bytes for a character.
    Encoding,
}

impl Indivisible {
    /// Returns the reason why a row can't be read by itself, as a clause.
    const fn refusal(self) -> &'static str {
        match self {
            Self::Compressed => "a row of a compressed object can't be read by itself",
            Self::Workbook => "a row of a workbook can't be read by itself",
            Self::Encoding => "a row in an encoding of several bytes can't be read by itself",
        }
    }
}

impl Scan {
    /// Creates a scan of an object with these settings, which rejects rows larger than `limit` bytes, and files that
    /// lack one of the `expected` columns. Where rows have columns of their own, the `sensitive` ones must be in each.
    #[must_use]
    pub fn new(
        limit: usize,
        settings: &ExtractionSettings,
        expected: &[String],
        sensitive: &[String],
    ) -> Self {
        let (encoding, format, reader): (_, _, Box<dyn RowReader>) = match settings.format {
            Format::Csv => {
                (settings.csv.encoding, None, Box::new(Reader::new(limit, &settings.csv, expected)))
            }
            // RFC 8259, section 8.1: JSON is UTF-8.
            Format::JsonLines => {
                let reader = JsonReader::new(limit, &settings.json, expected, sensitive);
                (None, Some("a row of JSON Lines can't be read by itself"), Box::new(reader))
            }
        };
        let divisible = encoding.is_none_or(EncodingSetting::is_divisible);
        Self {
            text: Text::new(encoding),
            reader,
            format,
            workbook: (settings.format == Format::Csv)
                .then(|| Box::new(WorkbookReader::new(limit, settings, expected))),
            declared: (!divisible).then_some(Indivisible::Encoding),
            useless: false,
        }
    }

    /// Accepts files that lack an expected column, for a caller that reports it by itself.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.reader.lenient();
        if let Some(workbook) = &mut self.workbook {
            workbook.lenient();
        }
        self
    }

    /// Rejects files in which one of these columns, which they may lack, can't be told from another.
    #[must_use]
    pub fn with_optional(mut self, columns: &[String]) -> Self {
        self.reader.set_optional(columns);
        if let Some(workbook) = &mut self.workbook {
            workbook.set_optional(columns);
        }
        self
    }

    /// Takes the next bytes of the object. To be called after [`Step::Starved`].
    pub fn feed(&mut self, bytes: &[u8]) {
        self.text.feed(bytes);
    }

    /// Marks the end of the object.
    pub fn end(&mut self) {
        self.text.end();
    }

    /// Takes one step.
    ///
    /// # Errors
    /// A [`Fault`] of the whole object.
    pub fn step(&mut self) -> Result<Step, Fault> {
        let filled = self.text.fill()?;
        if filled
            && let Some(workbook) = self.workbook.take()
            && workbook::may_be_workbook(self.text.piece())
        {
            self.reader = workbook;
            self.declared = Some(Indivisible::Workbook);
        }
        self.reader.set_encoding(self.text.encoding());
        let piece = if filled { self.text.piece() } else { &[] };
        let mut rest = piece;
        let row = self.reader.advance(&mut rest);
        let used = piece.len() - rest.len();
        self.text.consume(used);
        let ended = !filled && self.text.is_ended();
        let row = match row {
            Ok(false) if ended => self.reader.advance_at_end(),
            row => row,
        };
        Ok(match row.inspect_err(|_| self.useless = true)? {
            true => Step::Row,
            false if ended => Step::End,
            false if filled => Step::Piece,
            false => Step::Starved,
        })
    }

    /// Returns the row that the last step has found. To be called once after [`Step::Row`].
    pub fn row(&mut self) -> Row<'_> {
        self.reader.row()
    }

    /// Returns the reason why the object can't be divided; `None` if it can be, or while there are too few bytes to
    /// decide, before the first row.
    ///
    /// # Errors
    /// A [`Fault`] when a decoder cannot be created.
    pub fn indivisible(&mut self) -> Result<Option<Indivisible>, Fault> {
        let compressed = self.text.compressed()? == Some(true);
        Ok(match self.declared {
            Some(Indivisible::Workbook) => self.declared,
            _ if compressed => Some(Indivisible::Compressed),
            declared => declared,
        })
    }

    /// Returns the reason why no row of the object can be read by itself, as a clause.
    ///
    /// # Errors
    /// A [`Fault`] when a decoder cannot be created.
    pub fn refusal(&mut self) -> Result<Option<&'static str>, Fault> {
        Ok(self.indivisible()?.map(Indivisible::refusal).or(self.format).or_else(|| self.reader.refusal()))
    }

    /// Returns whether the scan can continue at another byte, after the first row of an object that can be divided.
    #[must_use]
    pub const fn may_resume(&self) -> bool {
        self.text.is_decided()
    }

    /// Continues after row number `rows`, at the byte of the object where that row's span ends.
    pub fn resume(&mut self, position: u64, rows: u64) {
        self.text.resume();
        self.reader.resume(position, rows);
    }

    /// Leaves out the rows up to number `rows`, and those that begin before byte `before`, as far as the format allows
    /// that. To be called when a row has been read.
    pub fn pass_over(&mut self, rows: u64, before: u64) {
        self.reader.pass_over(rows, before);
    }

    /// Returns the number of the last row that was taken or passed over, and the byte of the text where its span ends; 0
    /// for both if no row is passed over.
    #[must_use]
    pub fn passed(&self) -> (u64, u64) {
        self.reader.passed()
    }

    /// Returns whether the last fault is one that every task of the object finds.
    #[must_use]
    pub const fn is_useless(&self) -> bool {
        self.useless
    }

    /// Returns the number of data rows that have been read, rejected ones included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.reader.rows()
    }

    /// Returns the number of lines that were skipped since the last row.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.reader.skipped()
    }

    /// Returns the names of the columns, once they are known.
    #[must_use]
    pub fn columns(&self) -> Option<&[String]> {
        self.reader.columns()
    }

    /// Returns what a person should know of the object, in sentences without a value.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.reader.notes()
    }

    /// Returns the encoding of the object, unless it is UTF-8.
    #[must_use]
    pub const fn encoding(&self) -> Option<Encoding> {
        self.text.encoding()
    }
}

#[cfg(test)]
pub(crate) mod tests;
