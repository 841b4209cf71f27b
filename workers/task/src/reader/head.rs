//! The head of a file: the format of the file, and its delimiter.

use contract::Reason;
use contract::columns;
use contract::dialect::{Dialect, Ended, Parser, Record};
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, CsvSettings};

use super::Fault;
use super::fields::Characters;

/// The greatest number of bytes that are examined before the first row.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The greatest number of lines that are examined, without blank ones and comments.
const MAX_LINES: u64 = 20;
/// Candidates for the delimiter, most preferred first.
pub(super) const DELIMITERS: [Character; 4] =
    [Character::COMMA, Character::SEMICOLON, Character::TAB, Character::BAR];

/// A collector of the first bytes.
#[derive(Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    comment: Option<u8>,
    /// The number of lines that are still needed.
    lines: u64,
    /// `true` if the line that has begun counts.
    counts: bool,
}

/// The way in which the rest of the file is read.
pub(super) struct Opening {
    /// Text before the first line, which belongs to no row.
    pub(super) before: Vec<u8>,
    /// The bytes of the head, as rows.
    pub(super) bytes: Vec<u8>,
    pub(super) delimiter: Character,
    /// The number of lines to skip.
    pub(super) skip: u64,
    /// The number of their first line.
    pub(super) line: u64,
}

impl Head {
    pub(super) fn new(settings: &CsvSettings) -> Self {
        let lines = u64::from(settings.skip) + MAX_LINES;
        let comment = settings.comment.map(Character::byte);
        Self { bytes: Vec::new(), comment, lines, counts: false }
    }

    /// Takes bytes from the front of `input`; returns `true` when there are enough of them.
    pub(super) fn feed(&mut self, input: &mut &[u8]) -> bool {
        while self.lines > 0 && self.bytes.len() < MAX_BYTES {
            let Some((&byte, rest)) = input.split_first() else { return false };
            let begins = self.bytes.last().is_none_or(|last| *last == b'\n');
            *input = rest;
            self.bytes.push(byte);
            if byte == b'\n' {
                self.lines -= u64::from(self.counts);
                self.counts = false;
            } else if begins {
                self.counts = byte != b'\r' && Some(byte) != self.comment;
            }
        }
        true
    }

    /// Returns the way in which the file is read. `complete`: the head is all of it.
    pub(super) fn open(
        mut self,
        settings: &CsvSettings,
        characters: &Characters,
        expected: &[String],
        complete: bool,
    ) -> Result<Opening, Fault> {
        if let Some(fault) = not_text(&self.bytes, "CSV") {
            return Err(fault);
        }
        let mut position = if self.bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let (mut skip, mut line) = (u64::from(settings.skip), 1);
        let mut delimiter = settings.delimiter;
        if let Some((named, length)) = separator_line(self.bytes.get(position..).unwrap_or_default())
            && named != settings.quote
        {
            delimiter = delimiter.or(Some(named));
            position += length;
            (skip, line) = (skip.saturating_sub(1), 2);
        }
        let before = self.bytes.drain(..position).collect();
        let delimiter = match delimiter {
            Some(delimiter) => delimiter,
            // Values contain other delimiters as often as not, so they give no hint.
            None if !settings.header => Character::COMMA,
            None => {
                let mut best: Option<(Score, Character)> = None;
                for candidate in candidates(settings) {
                    let score = score(&self.bytes, settings, characters, candidate, skip, expected, complete);
                    // The first of those that fit best: the comma wins every tie, also where there is no delimiter at
                    // all.
                    if best.is_none_or(|(other, _)| score > other) {
                        best = Some((score, candidate));
                    }
                }
                best.map_or(Character::COMMA, |(_, candidate)| candidate)
            }
        };
        Ok(Opening { before, bytes: self.bytes, delimiter, skip, line })
    }
}

fn candidates(settings: &CsvSettings) -> impl Iterator<Item = Character> {
    let (quote, escape, comment) = (settings.quote, settings.escape, settings.comment);
    DELIMITERS
        .into_iter()
        .filter(move |candidate| ![Some(quote), escape, comment].contains(&Some(*candidate)))
}

/// Returns the delimiter of a first line such as `sep=;`, as Excel writes and reads it, and the number of bytes in the
/// line.
fn separator_line(bytes: &[u8]) -> Option<(Character, usize)> {
    let (quoted, rest) = match bytes.strip_prefix(b"\"") {
        Some(rest) => (1, rest),
        None => (0, bytes),
    };
    let rest = rest.split_at_checked(4).filter(|(name, _)| name.eq_ignore_ascii_case(b"sep="))?.1;
    let (&named, rest) = rest.split_first()?;
    let named = Character::try_from(char::from(named)).ok()?;
    let rest = if quoted == 1 { rest.strip_prefix(b"\"")? } else { rest };
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        [] => 0,
        _ => return None,
    };
    Some((named, 2 * quoted + 5 + end))
}

/// A measure of how well a delimiter fits, the most important part first: whether the header has as many columns as the
/// settings name; the number of expected columns; the number of rows that are as wide as it; the number of its columns.
type Score = (bool, usize, usize, usize);

fn score(
    bytes: &[u8],
    settings: &CsvSettings,
    characters: &Characters,
    delimiter: Character,
    skip: u64,
    expected: &[String],
    complete: bool,
) -> Score {
    let mut header: Option<(Vec<String>, usize)> = None;
    let mut alike = 0;
    records(bytes, Dialect::new(settings, delimiter), skip, 1, complete, |record| {
        let width = record.fields();
        match &header {
            Some((_, of_header)) => alike += usize::from(width == *of_header && width > 1),
            None if record.is_bare() && settings.columns.is_empty() => {}
            None => header = Some((names(record, characters), width)),
        }
        true
    });
    let (names, width) = header.unwrap_or_default();
    let found = expected.iter().filter(|name| columns::missing(&names, [name.as_str()]).is_none()).count();
    (!settings.columns.is_empty() && width == settings.columns.len(), found, alike, width)
}

/// Gives the records of the head to `each`, until that returns `false`. The last one is left out if it may continue
/// after the head, unless it is the only one.
fn records(
    bytes: &[u8],
    dialect: Dialect,
    skip: u64,
    line: u64,
    complete: bool,
    mut each: impl FnMut(&Record) -> bool,
) {
    let mut parser = Parser::new(dialect, skip, line);
    let mut record = Record::new(usize::MAX);
    let (mut at, mut any) = (0, false);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (used, ended) = parser.read(rest, &mut record);
        at += used;
        if ended == Some(Ended::Record) {
            any = true;
            if !each(&record) {
                return;
            }
        }
    }
    if (complete || !any) && parser.finish(&mut record) == Some(Ended::Record) {
        each(&record);
    }
}

fn names(record: &Record, characters: &Characters) -> Vec<String> {
    let mut start = 0;
    record
        .ends()
        .iter()
        .map(|&end| {
            let field = record.text().get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
            columns::trim(&characters.lossy(field)).to_owned()
        })
        .collect()
}

/// Returns a hint about a line below the header that has all expected columns: some programs write other lines before
/// it. `bytes` begin with the line of the number `first`, and the line `header` was taken for the header.
pub(super) fn header_below(
    bytes: &[u8],
    first: u64,
    settings: &CsvSettings,
    characters: &Characters,
    expected: &[String],
    header: u64,
) -> Option<String> {
    let line = settings.delimiter.into_iter().chain(candidates(settings)).find_map(|delimiter| {
        let mut found = None;
        let dialect = Dialect { comment: None, ..Dialect::new(settings, delimiter) };
        records(bytes, dialect, 0, first, false, |record| {
            let fits =
                columns::missing(&names(record, characters), expected.iter().map(String::as_str)).is_none();
            found = fits.then_some(record.line());
            !fits
        });
        found.filter(|line| *line > header)
    })?;
    let before = usize::try_from(line - first).ok()?;
    let mut before = bytes.split(|byte| *byte == b'\n').take(before);
    let write = match settings.comment.is_none() && before.all(|line| line.starts_with(b"#")) {
        true => "comment: \"#\"".to_owned(),
        false => format!("skip: {}", line - 1),
    };
    Some(format!("; line {line} looks like the header: write `csv: {{ {write} }}`"))
}

/// Formats of files that are not text, by their first bytes.
const FORMATS: [(&[u8], &str); 15] = [
    (b"PK\x03\x04", "a zip archive, as .ods spreadsheets are"),
    (b"PK\x05\x06", "an empty zip archive"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Microsoft Office file, as .xls spreadsheets and those with a password are",
    ),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x1f\x9d", "compressed with compress"),
    (b"\x1f\x8b", "compressed with gzip twice"),
    (b"%PDF-", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "an SQLite database"),
];
/// Beginnings, in any case, of pages that are sent in the place of a file, such as an error of a server.
const PAGES: [(&[u8], &str); 3] =
    [(b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML document")];
/// POSIX, "pax": the mark of a tar archive, and its position.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Byte order marks of UTF-32.
const UTF_32: [&[u8]; 2] = [b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"];

/// Returns the reason why a file that begins with these bytes is not a file of the `wanted` format that can be read.
pub(crate) fn not_text(bytes: &[u8], wanted: &str) -> Option<Fault> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    // Words such as `ORC` may begin a header: then text follows.
    let text = !line.iter().take(512).any(|byte| *byte < b' ' && *byte != b'\t');
    if UTF_32.iter().any(|mark| bytes.starts_with(mark)) {
        let message = "the file is UTF-32, which cannot be read: save or export it as UTF-8";
        return Some(Fault::new(Reason::InvalidEncoding, message));
    }
    let is_word = |magic: &[u8]| magic.iter().all(u8::is_ascii_alphanumeric);
    let named = FORMATS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic) && !(is_word(magic) && text))
        .or_else(|| PAGES.iter().find(|(start, _)| begins_with(bytes, start)))
        .map(|(_, name)| *name);
    let tar = bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)).then_some("a tar archive");
    let found = named
        .or(tar)
        .or_else(|| line.contains(&0).then_some("not text: there are NUL bytes in its first line"));
    found.map(|name| {
        Fault::new(
            Reason::UnsupportedFormat,
            format!("the file is {name}, but must be {wanted}, which can be compressed with gzip or zstd"),
        )
    })
}

fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    bytes.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}
