//! The head of a file: the format of the file, and its delimiter.

use contract::columns;
use contract::dialect::{Dialect, Ended, Parser, Record};
use contract::event::REJECT_COLUMNS;
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, CsvSettings};

use super::Fault;
use super::fields::Characters;
use super::foreign::{json, not_text};

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
    /// `true` if the settings or the file name the delimiter, or if the first lines have several fields by it.
    pub(super) found: bool,
    /// The number of lines to skip.
    pub(super) skip: u64,
    /// The number of their first line.
    pub(super) line: u64,
    /// The number of columns before those of the file: a file of rejected rows has some.
    pub(super) ignored: usize,
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
        let rest = self.bytes.get(position..).unwrap_or_default();
        if let Some(delimiter) = delimiter_of_rejects(rest, settings, characters, complete) {
            let before = self.bytes.drain(..position).collect();
            // The lines before the header were not rows, so they are not in such a file.
            let ignored = REJECT_COLUMNS.len();
            return Ok(Opening {
                before,
                bytes: self.bytes,
                delimiter,
                found: true,
                skip: 0,
                line: 1,
                ignored,
            });
        }
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
        if let Some(fault) = json(&self.bytes, settings, skip) {
            return Err(fault);
        }
        let one_column = settings.columns.len() == 1;
        let (delimiter, found) = match delimiter {
            Some(delimiter) => (delimiter, true),
            // Values contain other delimiters as often as not, so they give no hint; but a line that is one value
            // contains any of them.
            None if !settings.header && !one_column => (Character::COMMA, true),
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
                best.map_or((Character::COMMA, false), |(score, candidate)| (candidate, score.alike > 0))
            }
        };
        Ok(Opening { before, bytes: self.bytes, delimiter, found, skip, line, ignored: 0 })
    }
}

/// Returns the delimiter of a file of rejected rows, which begins with the names of its own columns.
fn delimiter_of_rejects(
    bytes: &[u8],
    settings: &CsvSettings,
    characters: &Characters,
    complete: bool,
) -> Option<Character> {
    let quote = usize::from(bytes.first() == Some(&settings.quote.byte()));
    if !bytes.get(quote..).is_some_and(|rest| rest.starts_with(REJECT_COLUMNS[0].as_bytes())) {
        return None;
    }
    settings.delimiter.into_iter().chain(candidates(settings)).find(|delimiter| {
        let mut found = false;
        records(bytes, Dialect::new(settings, *delimiter), 0, 1, complete, |record| {
            let names = names(record, characters);
            found = names.iter().zip(REJECT_COLUMNS).filter(|(name, own)| name == own).count()
                == REJECT_COLUMNS.len();
            false
        });
        found
    })
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

/// A measure of how well a delimiter fits, the most important part first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// The header has as many columns as the settings name. Where they name one, every delimiter that is not in the
    /// file does that, so a delimiter by which rows are as wide as the header counts more.
    fits: bool,
    /// The number of expected columns.
    expected: usize,
    /// The number of rows that are as wide as the header, if it has several columns.
    alike: usize,
    /// The number of columns in the header; where the settings name one in its place, whether it has no more.
    width: usize,
}

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
    let (mut alike, mut rows) = (0, 0);
    records(bytes, Dialect::new(settings, delimiter), skip, 1, complete, |record| {
        let width = record.fields();
        match &header {
            Some((_, of_header)) => {
                rows += 1;
                alike += usize::from(width == *of_header && width > 1);
            }
            None if record.is_bare() && settings.columns.is_empty() => {}
            None => header = Some((names(record, characters), width)),
        }
        true
    });
    let (names, width) = header.unwrap_or_default();
    if settings.columns.len() == 1 {
        // A few lines of text may be alike by chance.
        let alike = if 2 * alike > rows { alike } else { 0 };
        let width = usize::from(settings.header && width == 1);
        return Score { fits: false, expected: 0, alike, width };
    }
    let found = expected.iter().filter(|name| columns::missing(&names, [name.as_str()]).is_none()).count();
    let fits = !settings.columns.is_empty() && width == settings.columns.len();
    Score { fits, expected: found, alike, width }
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
