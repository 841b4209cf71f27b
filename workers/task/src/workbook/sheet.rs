//! One sheet of a workbook, row by row.

use std::io::{Cursor, Read as _};
use std::sync::mpsc::SyncSender;

use calamine::{DataRef, Dimensions, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};
use contract::Reason;
use contract::settings::{Fill, XlsxSettings};
use zip::ZipArchive;

use super::cell::{self, Shown};
use super::raw::{Escaped, RawSheet};
use crate::reader::Fault;

/// The greatest number of bytes of the parts that are held in memory when they are unpacked: the texts and formats of
/// the workbook. A task has 512 MiB at least.
const MAX_UNPACKED: u64 = 128 << 20;

/// The number of columns of a sheet: <https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3>
const MAX_COLUMNS: u32 = 16_384;

/// A message from the thread that reads.
#[derive(Debug)]
pub(super) enum Message {
    /// The name of the sheet.
    Sheet(String),
    /// A row with a value.
    Row(Cells),
    /// There are no more rows. The number of the last one with a value, from 1.
    End(u64),
    /// The workbook can't be read.
    Failed(Fault),
}

/// The cells of a row that are not empty, in the order of their columns.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// The number of the row in the sheet, from 0.
    row: u32,
    /// Each with its column, from 0, and its text, or the reason why it has none.
    cells: Vec<(u32, Result<String, Fault>)>,
    /// The number of blank rows between the row before it and this one.
    pub(super) blank_before: u64,
    /// The number of numbers that have lost digits.
    pub(super) digits_lost: u64,
    /// The columns of cells with a control character that is written as an escape.
    escapes: Vec<u32>,
}

impl Cells {
    /// Returns the first column with a value.
    pub(super) fn first(&self) -> u32 {
        self.cells.first().map_or(0, |(column, _)| *column)
    }

    /// Returns the last column with a value.
    pub(super) fn last(&self) -> u32 {
        self.cells.last().map_or(0, |(column, _)| *column)
    }

    fn get(&self, column: u32) -> Option<&Result<String, Fault>> {
        let at = self.cells.binary_search_by_key(&column, |(column, _)| *column).ok()?;
        self.cells.get(at).map(|(_, text)| text)
    }

    /// Returns the text in a column; `None` if the cell is empty.
    pub(super) fn text(&self, column: u32) -> Option<&str> {
        self.get(column)?.as_deref().ok()
    }

    /// Returns the texts of `count` columns; `None` if one of them has none for a reason.
    pub(super) fn texts(&self, first: u32, count: usize) -> Option<Vec<String>> {
        let columns = (first..).take(count);
        columns.map(|column| self.get(column).map_or(Some(String::new()), |text| text.clone().ok())).collect()
    }

    /// Returns the fault of the first cell that has one, with the name of the cell.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.cells.iter().find_map(|(at, text)| {
            let Fault { reason, message } = text.as_ref().err()?;
            Some(Fault::new(*reason, message.replace(cell::CELL, &self.name(*at))))
        })
    }

    /// Returns the name of the first cell outside of `count` columns.
    pub(super) fn outside(&self, first: u32, count: usize) -> Option<String> {
        let end = u64::from(first) + count as u64;
        let outside = |at: u32| at < first || u64::from(at) >= end;
        self.cells.iter().find(|(at, _)| outside(*at)).map(|(at, _)| self.name(*at))
    }

    /// Returns the number of cells with a control character that is written as an escape, and the name of the first.
    pub(super) fn escapes(&self) -> Option<(u64, String)> {
        self.escapes.first().map(|first| (self.escapes.len() as u64, self.name(*first)))
    }

    fn name(&self, at: u32) -> String {
        format!("{}{}", column(at), u64::from(self.row) + 1)
    }
}

/// Returns the name of a column by its number from 0: `A` to `Z`, `AA`.
pub(super) fn column(number: u32) -> String {
    let mut name = Vec::new();
    let mut rest = number + 1;
    while rest > 0 {
        rest -= 1;
        name.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    name.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// Reads the sheet of the settings, or the first visible one, without its first `skip` rows, and returns the number of
/// its last row with a value. Ends early, and rightly, if nobody receives the rows.
pub(super) fn read(
    bytes: &[u8],
    settings: &XlsxSettings,
    skip: u32,
    send: &SyncSender<Message>,
) -> Result<u64, Fault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| super::damaged())?;
    check(&mut archive)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let name = choose(&workbook, settings)?;
    if send.send(Message::Sheet(name.clone())).is_err() {
        return Ok(0);
    }
    rows(&mut workbook, &mut archive, &name, settings.fill, skip, |cells| {
        send.send(Message::Row(cells)).is_ok()
    })
}

/// The first rows of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// The rows that have a value, each with its number from 1, and as many texts as the widest of them.
    pub rows: Vec<(u32, Vec<String>)>,
}

/// Reads the first rows with a value, at most this number, of each visible sheet with cells.
pub(super) fn starts(bytes: &[u8], most: usize) -> Result<Vec<Start>, Fault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| super::damaged())?;
    check(&mut archive)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let sheets = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let names: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
    let mut starts = Vec::new();
    for name in names {
        let mut found = Vec::new();
        rows(&mut workbook, &mut archive, &name, Fill::None, 0, |cells| {
            found.push(cells);
            found.len() < most
        })?;
        let first = found.iter().map(Cells::first).min().unwrap_or_default();
        let last = found.iter().map(Cells::last).max().unwrap_or_default();
        let texts = |cells: &Cells| {
            let text = |column| cells.text(column).unwrap_or_default().to_owned();
            (cells.row + 1, (first..=last).map(text).collect())
        };
        starts.push(Start { rows: found.iter().map(texts).collect(), name });
    }
    Ok(starts)
}

/// Gives the rows of a sheet that have a value to `each`, without the first `skip` rows, until that returns `false`.
/// Returns the number of the last row with a value that was read.
fn rows(
    workbook: &mut Xlsx<Cursor<&[u8]>>,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    fill: Fill,
    skip: u32,
    mut each: impl FnMut(Cells) -> bool,
) -> Result<u64, Fault> {
    let merged = match fill {
        Fill::None => Vec::new(),
        Fill::Down => workbook.merge_cells_by_sheet_name(name).map_err(|error| damaged(&error))?,
    };
    let mut merged: Vec<(Dimensions, Option<Result<String, Fault>>)> =
        merged.into_iter().map(|region| (region, None)).collect();
    let is_1904 = workbook.has_1904_epoch();
    let mut reader = workbook.worksheet_cells_reader(name).map_err(|error| damaged(&error))?;
    let mut raw = RawSheet::new(archive, name, reader.styles())?;
    let mut cells = Cells::default();
    // The number of the row after the last one with a value.
    let mut next = u64::from(skip);
    let (mut last, mut number) = (0, 0);
    loop {
        let cell = reader.next_cell_with_formula_metadata().map_err(|error| damaged(&error))?;
        let ends = cell.as_ref().is_none_or(|cell| cell.pos.0 != cells.row);
        if ends {
            fill_down(&mut cells, &mut merged);
            let row = u64::from(cells.row);
            if !cells.cells.is_empty() {
                last = row + 1;
            }
            if !cells.cells.is_empty() && row >= u64::from(skip) {
                cells.blank_before = row.saturating_sub(next);
                next = row + 1;
                cells.cells.sort_by_key(|(column, _)| *column);
                cells.cells.dedup_by_key(|(column, _)| *column);
                if !each(std::mem::take(&mut cells)) {
                    return Ok(last);
                }
            }
            cells = Cells { row: cell.as_ref().map_or(0, |cell| cell.pos.0), ..Cells::default() };
        }
        let Some(cell) = cell else { return Ok(last) };
        number += 1;
        let column = cell.pos.1;
        if column >= MAX_COLUMNS {
            return Err(super::damaged());
        }
        let escaped = match &cell.value {
            DataRef::String(_) | DataRef::SharedString(_) => raw.escaped(number)?,
            _ => None,
        };
        let shown = match &cell.value {
            DataRef::DateTime(value) if cell::may_be_time(*value) => raw.shown(number)?,
            _ => Shown::Date,
        };
        let value = match escaped {
            Some(Escaped { text, has_control }) => {
                cells.escapes.extend(has_control.then_some(column));
                DataRef::String(text)
            }
            None => cell.value,
        };
        let text = cell::content(value, cell.formula.is_some(), is_1904, shown).transpose();
        if let Some(text) = text {
            cells.digits_lost += u64::from(text.as_ref().is_ok_and(|content| content.digits_lost));
            cells.cells.push((column, text.map(|content| content.text)));
        }
    }
}

/// Remembers the values of merged cells, and puts them into the rows below their first.
fn fill_down(cells: &mut Cells, merged: &mut [(Dimensions, Option<Result<String, Fault>>)]) {
    for (region, value) in merged {
        let column = region.start.1;
        let own = cells.cells.iter().find(|(at, _)| *at == column).map(|(_, text)| text.clone());
        if cells.row == region.start.0 {
            *value = own;
        } else if (region.start.0..=region.end.0).contains(&cells.row)
            && own.is_none()
            && let Some(value) = value
        {
            cells.cells.push((column, value.clone()));
        }
    }
}

/// Returns the name of the sheet that is to be read.
fn choose(workbook: &Xlsx<Cursor<&[u8]>>, settings: &XlsxSettings) -> Result<String, Fault> {
    let sheets = workbook.sheets_metadata();
    let is_sheet = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet;
    let found = match &settings.sheet {
        Some(name) => sheets.iter().filter(is_sheet).find(|sheet| sheet.name == *name),
        None => sheets.iter().filter(is_sheet).find(|sheet| sheet.visible == SheetVisible::Visible),
    };
    found.map(|sheet| sheet.name.clone()).ok_or_else(|| {
        let message = match &settings.sheet {
            Some(name) => format!("the workbook has no sheet `{name}`"),
            None => "the workbook has no visible sheet with cells".to_owned(),
        };
        Fault::new(Reason::UnsupportedFormat, message)
    })
}

/// Checks that the file is a workbook, and that what is held of it in memory is not too large. The sizes in the file
/// may be wrong, so everything is unpacked.
fn check(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<(), Fault> {
    if archive.index_for_name("xl/workbook.xml").is_none() {
        let message = "the file is a zip archive and not a workbook (.xlsx), but must be CSV, which can be compressed with \
                       gzip or zstd";
        return Err(Fault::new(Reason::UnsupportedFormat, message));
    }
    let mut unpacked = 0;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| super::damaged())?;
        let name = part.name().map_err(|_| super::damaged())?.into_owned();
        // Sheets are read as a stream, and pictures are not read.
        if name.starts_with("xl/worksheets/") || !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        let mut part = part.take(MAX_UNPACKED - unpacked + 1);
        unpacked += std::io::copy(&mut part, &mut std::io::sink()).map_err(|_| super::damaged())?;
        if unpacked > MAX_UNPACKED {
            let message = "the texts of the workbook have more than 128 MiB: export the sheet as CSV, which has no limit";
            return Err(Fault::new(Reason::UnsupportedFormat, message));
        }
    }
    Ok(())
}

/// Returns the fault of a workbook that can't be read. The error may contain a value, so only its kind is told.
fn damaged(error: &XlsxError) -> Fault {
    match error {
        XlsxError::Password => {
            Fault::new(Reason::UnsupportedFormat, "the workbook has a password: save it without one")
        }
        _ => super::damaged(),
    }
}
