//! The names of the columns, from the header or from the settings.

use std::collections::HashMap;

use contract::Reason;
use contract::columns;
use contract::dialect::Record;
use contract::location::BYTE_ORDER_MARK;

use super::fields::{Characters, Decoded, Garbled};
use super::{Fault, Fields, counted, wrong_encoding};

const HEADER_HAS: &str = "the header has";
const SETTINGS_NAME: &str = "the settings have";

/// The content of the header, or that of the settings in its place.
#[derive(Debug)]
pub(super) struct Header {
    /// Names, trimmed. An empty one is that of a column that cannot be used.
    pub(super) columns: Vec<String>,
    /// `true` if rows may end with empty fields for which there is no column: the header line did, or there is no
    /// header line.
    pub(super) trailing: bool,
    /// The source of the number of columns, for messages.
    pub(super) says: &'static str,
    /// The header line itself: its text, and the ends of its fields.
    pub(super) line: Option<(Vec<u8>, Vec<usize>)>,
}

impl Header {
    /// Creates the columns of a file without a header.
    pub(super) const fn of_settings(columns: Vec<String>) -> Self {
        Self { columns, trailing: true, says: SETTINGS_NAME, line: None }
    }

    /// Reads the header line. If the settings have `names`, those of the line are ignored: they may be empty,
    /// duplicate, or not text. The first `ignored` fields are not names of columns.
    pub(super) fn new(
        record: &Record,
        characters: &Characters,
        decoded: &mut Decoded,
        names: &[String],
        ignored: usize,
    ) -> Result<Self, Fault> {
        let (columns, trailing) = match names {
            [] => named(record, characters, decoded, ignored)?,
            names => (names.to_vec(), renamed(record, names, ignored)?),
        };
        let line = Some((record.text().to_vec(), record.ends().to_vec()));
        Ok(Self { columns, trailing, says: HEADER_HAS, line })
    }

    /// Returns whether a line has one field.
    pub(super) fn is_one_column(&self) -> bool {
        self.columns.len() == 1 && (self.line.is_none() || !self.trailing)
    }

    /// Checks that each of the expected columns is there once, and each of the optional ones at most once.
    pub(super) fn check(&self, expected: &[String], optional: &[String]) -> Result<(), Fault> {
        check_columns(&self.columns, expected, optional)
    }

    /// Returns whether a record is the header line again, as in files that were joined from several; perhaps after a
    /// byte order mark.
    pub(super) fn is_repeated_by(&self, record: &Record) -> bool {
        let Some((text, ends)) = &self.line else { return false };
        if record.flaw().is_some() || record.ends().len() != ends.len() {
            return false;
        }
        if record.text() == text {
            return record.ends() == ends;
        }
        let Some(marked) = record.text().strip_prefix(BYTE_ORDER_MARK) else { return false };
        let fields = |text: &[u8], ends: &[usize], shift: usize| -> Vec<Vec<u8>> {
            let starts = std::iter::once(shift).chain(ends.iter().copied());
            starts
                .zip(ends)
                .map(|(from, to)| text.get(from.max(shift) - shift..to.saturating_sub(shift)))
                .map(|field| field.unwrap_or_default().to_vec())
                .collect()
        };
        let (own, mut other) = (fields(text, ends, 0), fields(marked, record.ends(), BYTE_ORDER_MARK.len()));
        // After a mark, a quote is text.
        if let Some(first) = other.first_mut()
            && let [b'"', inner @ .., b'"'] = &first[..]
        {
            *first = inner.to_vec();
        }
        own == other
    }
}

/// Checks that each of the expected columns is there once, and each of the optional ones at most once.
pub(crate) fn check_columns(found: &[String], expected: &[String], optional: &[String]) -> Result<(), Fault> {
    if let Some(missing) = columns::missing(found, expected.iter().map(String::as_str)) {
        return Err(Fault::new(Reason::MissingColumn, missing.to_string()));
    }
    for name in expected.iter().chain(optional) {
        columns::find(found, name)
            .map_err(|ambiguous| Fault::new(Reason::DuplicateHeader, ambiguous.to_string()))?;
    }
    Ok(())
}

/// Returns the names in the header, and whether they are followed by columns without one.
fn named(
    record: &Record,
    characters: &Characters,
    decoded: &mut Decoded,
    ignored: usize,
) -> Result<(Vec<String>, bool), Fault> {
    let encoding = characters.encoding;
    let fields = Fields::new(record, characters, decoded).map_err(|garbled| match garbled {
        Garbled::NotText => Fault::new(Reason::InvalidEncoding, format!("the header is not {encoding}")),
        Garbled::Control(position) => {
            wrong_encoding("the header", &format!("in column {}", position + 1), record, encoding)
        }
    })?;
    let fields = fields.without_first(ignored);
    let mut columns: Vec<String> = fields.iter().map(|name| columns::trim(name).to_owned()).collect();
    let all = columns.len();
    while columns.last().is_some_and(String::is_empty) {
        columns.pop();
    }
    if columns.is_empty() {
        return Err(Fault::new(Reason::EmptyHeader, "no column has a name in the header"));
    }
    let mut seen = HashMap::new();
    for (position, name) in (1..).zip(&columns).filter(|(_, name)| !name.is_empty()) {
        if let Some(first) = seen.insert(name.as_str(), position) {
            // Without the name, which is a value where the file has no header.
            return Err(Fault::new(
                Reason::DuplicateHeader,
                format!("columns {first} and {position} of the header have the same name"),
            ));
        }
    }
    let trailing = columns.len() < all;
    Ok((columns, trailing))
}

/// Returns whether the header has more fields than there are names; the additional ones must be blank.
fn renamed(record: &Record, names: &[String], ignored: usize) -> Result<bool, Fault> {
    let wanted = names.len() + ignored;
    let mut found = record.ends().len();
    let start = |field: usize| field.checked_sub(1).and_then(|before| record.ends().get(before)).copied();
    while found > wanted.max(1) {
        let from = start(found - 1).unwrap_or_default();
        let last = record.ends().get(found - 1).and_then(|to| record.text().get(from..*to));
        if !last.is_some_and(|last| last.trim_ascii().is_empty()) {
            break;
        }
        found -= 1;
    }
    if found != wanted {
        let found = found.saturating_sub(ignored);
        let (found, names) = (counted(found as u64, "field"), counted(names.len() as u64, "column"));
        return Err(Fault::new(
            Reason::RowLength,
            format!("{HEADER_HAS} {found}, but {SETTINGS_NAME} {names}"),
        ));
    }
    Ok(found < record.ends().len())
}
