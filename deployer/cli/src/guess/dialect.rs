//! The dialect of a file, guessed from its start: delimiter, lines before the header, escape character, and names for
//! columns that have none.

use std::collections::{HashMap, HashSet};

use contract::columns;
use contract::dialect::{Dialect, Ended, Parser, Record};
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, CsvSettings};
use task::reader::{Reader, RowReader as _};

use super::column::is_mail;
use super::names;
use super::readings::{self, Is};

/// The greatest number of records of the start that are examined.
const MAX_RECORDS: usize = 400;
/// The greatest number of lines before the header that are skipped.
const MAX_SKIPPED: u64 = 50;
/// The greatest number of bytes of a header.
const MAX_HEADER: usize = 1 << 20;
/// Candidates for the delimiter, most preferred first, as in the task.
const DELIMITERS: [Character; 4] = [Character::COMMA, Character::SEMICOLON, Character::TAB, Character::BAR];

/// The dialect of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guess {
    /// The settings with which the file is read.
    pub settings: CsvSettings,
    /// Notes on settings that are not those of most files.
    pub notes: Vec<String>,
    /// The file begins with a line such as `sep=;`.
    pub separator_line: bool,
}

/// A record of the start.
#[derive(Debug)]
struct Line {
    number: u64,
    flawed: bool,
    cells: Vec<String>,
}

impl Line {
    fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !columns::trim(cell).is_empty()).count()
    }
}

/// The records of the start, as one delimiter divides them.
struct Division {
    delimiter: Character,
    lines: Vec<Line>,
    /// The number of fields that most records have.
    width: usize,
}

impl Division {
    /// Returns the fitness of the delimiter: whether nearly all records from the header on are alike, whether no line
    /// precedes the header, the share of such records in percent, and the number of fields.
    fn score(&self) -> (bool, bool, usize, usize) {
        if self.width < 2 {
            return (false, false, 0, 0);
        }
        let header = header(self);
        let rest = self.lines.get(header..).unwrap_or_default();
        let alike = rest.iter().filter(|line| line.cells.len() == self.width && !line.flawed).count();
        let share = alike * 100 / rest.len().max(1);
        (share >= 90, header == 0, share, self.width)
    }

    fn flaws(&self) -> usize {
        self.lines.iter().filter(|line| line.flawed).count()
    }
}

/// Guesses the dialect of a file that starts with `text`, which is all of it if it is `complete`. A text that is not CSV
/// gives the settings that most files have, with which the reader finds what is wrong.
pub fn guess(text: &[u8], complete: bool) -> Guess {
    let mut guess = Guess::default();
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (separator, body, first_line) = separator_line(body);
    guess.separator_line = separator.is_some();
    if body.contains(&0) {
        return guess;
    }
    let candidates: Vec<Character> = separator.map_or(DELIMITERS.to_vec(), |separator| vec![separator]);
    let best = |escape: Option<Character>| {
        let mut best: Option<Division> = None;
        for delimiter in &candidates {
            let dialect = Dialect { escape, ..Dialect::new(&CsvSettings::default(), *delimiter) };
            let division = divide(body, dialect, first_line, complete);
            if best.as_ref().is_none_or(|best| division.score() > best.score()) {
                best = Some(division);
            }
        }
        best
    };
    let Some(mut division) = best(None) else { return guess };
    let mut escape = None;
    if division.flaws() > 0
        && body.windows(2).any(|pair| pair == b"\\\"")
        && let Ok(backslash) = Character::try_from('\\')
        && let Some(escaped) = best(Some(backslash))
        && escaped.flaws() < division.flaws()
    {
        (escape, division) = (Some(backslash), escaped);
    }
    if escape.is_some() {
        guess.settings.escape = escape;
        guess.notes.push("quotes within values are written as `\\\"`".to_owned());
    }
    let header = header(&division);
    let Some(line) = division.lines.get(header) else { return guess };
    if line.number > 1 && header > 0 {
        guess.settings.skip = u32::try_from(line.number - 1).unwrap_or_default();
        guess.notes.push(format!("the header is in line {}: the lines before it are skipped", line.number));
    }
    name_columns(&division, header, &mut guess);
    let is_comma = division.delimiter == Character::COMMA;
    let explicit = CsvSettings { delimiter: Some(division.delimiter), ..guess.settings.clone() };
    // A file of the same kind whose header has one column less would be read otherwise.
    if !guess.separator_line
        && (!is_comma || columns_of(text, &guess.settings) != columns_of(text, &explicit))
    {
        guess.settings = explicit;
    }
    guess
}

/// Returns the columns that the task finds.
fn columns_of(mut text: &[u8], settings: &CsvSettings) -> Option<Vec<String>> {
    let mut reader = Reader::new(MAX_HEADER, settings, &[]);
    reader.lenient();
    if reader.advance(&mut text) == Ok(false) {
        let _ = reader.advance_at_end();
    }
    reader.columns().map(<[String]>::to_vec)
}

/// Returns the delimiter of a first line such as `sep=;`, the text after the line, and the number of its first line.
fn separator_line(text: &[u8]) -> (Option<Character>, &[u8], u64) {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let line = text.get(..end).unwrap_or_default().trim_ascii_end();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let named = match line {
        [s, e, p, b'=', separator] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => {
            Character::try_from(char::from(*separator)).ok()
        }
        _ => None,
    };
    match named {
        Some(_) => (named, text.get(end + 1..).unwrap_or_default(), 2),
        None => (None, text, 1),
    }
}

/// Divides a text into records. The last one is left out if it may continue after the text.
fn divide(text: &[u8], dialect: Dialect, first_line: u64, complete: bool) -> Division {
    let mut parser = Parser::new(dialect, 0, first_line);
    let mut record = Record::new(usize::MAX);
    let mut lines = Vec::new();
    let mut at = 0;
    let mut take = |record: &Record| {
        if record.is_bare() && record.flaw().is_none() {
            return;
        }
        let mut start = 0;
        let cell = |end: &usize| {
            let bytes = record.text().get(std::mem::replace(&mut start, *end)..*end).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let cells = record.ends().iter().map(cell).collect();
        lines.push(Line { number: record.line(), flawed: record.flaw().is_some(), cells });
    };
    let mut records = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty() && records < MAX_RECORDS) {
        let (used, ended) = parser.read(rest, &mut record);
        at += used;
        if ended == Some(Ended::Record) {
            records += 1;
            take(&record);
        }
    }
    if (complete && records < MAX_RECORDS || records == 0)
        && parser.finish(&mut record) == Some(Ended::Record)
    {
        take(&record);
    }
    let mut widths: HashMap<usize, usize> = HashMap::new();
    for line in &lines {
        *widths.entry(line.cells.len()).or_default() += 1;
    }
    let (width, _) = widths.into_iter().max_by_key(|(width, count)| (*count, *width)).unwrap_or_default();
    Division { delimiter: dialect.delimiter, lines, width }
}

/// Returns the position of the header among the records: the first one, unless it has another number of fields than
/// most, or a single value, and a later one is followed by nothing else.
fn header(division: &Division) -> usize {
    let (width, lines) = (division.width, &division.lines);
    let titled = |line: &Line| line.cells.len() == width && (line.filled() > 1 || width < 3);
    if width < 2 || lines.first().is_none_or(titled) {
        return 0;
    }
    let Some(found) = lines.iter().position(titled) else { return 0 };
    let rest = lines.get(found + 1..).unwrap_or_default();
    let alike = rest.iter().filter(|line| line.cells.len() == width).count();
    let is_table = !rest.is_empty() && alike * 10 >= rest.len() * 9;
    let near = lines.get(found).is_some_and(|line| line.number <= MAX_SKIPPED);
    // A header that is longer than its rows is no title.
    let titles = lines.iter().take(found).all(|line| line.filled() < width);
    if is_table && near && titles { found } else { 0 }
}

/// The kind of a value that names of columns don't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
    Mail,
}

fn kind(cell: &str) -> Option<Kind> {
    let value = cell.trim();
    if value.is_empty() {
        return None;
    }
    if is_mail(value) {
        return Some(Kind::Mail);
    }
    if !value.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    readings::all().iter().find(|reading| reading.fits(value)).and_then(|reading| match reading.is {
        Is::Integer | Is::Number(..) => Some(Kind::Number),
        Is::Iso | Is::Time(_) => Some(Kind::Time),
        Is::Boolean | Is::Json => None,
    })
}

/// Returns whether the first line is a row: each column of numbers, dates or addresses begins with one.
fn is_headerless(lines: &[Line]) -> bool {
    let Some((first, rest)) = lines.split_first() else { return false };
    let mut years = Vec::new();
    let mut typed = 0;
    for (position, cell) in first.cells.iter().enumerate() {
        let below: Vec<&str> = rest
            .iter()
            .filter_map(|line| line.cells.get(position))
            .map(String::as_str)
            .filter(|cell| !cell.trim().is_empty())
            .collect();
        let Some(expected) = below.first().and_then(|cell| kind(cell)) else { continue };
        if !below.iter().all(|cell| kind(cell) == Some(expected)) {
            continue;
        }
        typed += 1;
        if kind(cell) != Some(expected) {
            return false;
        }
        years.push(cell.trim().parse::<u32>().is_ok_and(|year| (1800..2200).contains(&year)));
    }
    // Years name the columns of many tables.
    typed > 0 && !(years.len() > 1 && years.iter().all(|is_year| *is_year))
}

/// Names the columns if the file has no header, or one that names a column twice.
fn name_columns(division: &Division, header: usize, guess: &mut Guess) {
    let lines = division.lines.get(header..).unwrap_or_default();
    let Some(first) = lines.first() else { return };
    if is_headerless(lines) {
        let width = division.width.max(first.cells.len());
        guess.settings.header = false;
        guess.settings.columns = (1..=width).map(|number| format!("column_{number}")).collect();
        guess.notes.push(
            "the first line looks like a row, so the file has no header: name the columns here, and in `from`".to_owned(),
        );
        return;
    }
    let mut names: Vec<&str> = first.cells.iter().map(|cell| columns::trim(cell)).collect();
    while names.last().is_some_and(|name| name.is_empty()) {
        names.pop();
    }
    let mut seen = HashSet::new();
    if names.iter().all(|name| name.is_empty() || seen.insert(*name)) {
        return;
    }
    guess.settings.columns = unique(&names);
    guess.notes.push(
        "the header names a column twice: these names are used in its place, so files must have their columns in this order"
            .to_owned(),
    );
}

/// Returns a name for each column, without those that occur twice.
fn unique(names: &[&str]) -> Vec<String> {
    let all: HashSet<&str> = names.iter().copied().collect();
    let mut taken: HashSet<String> = HashSet::new();
    let named = |(position, name): (usize, &&str)| {
        let name =
            if names::is_usable(name) { (*name).to_owned() } else { format!("column_{}", position + 1) };
        let mut unique = name.clone();
        let mut number = 2;
        while taken.contains(&unique) || (unique != name && all.contains(unique.as_str())) {
            unique = format!("{name} {number}");
            number += 1;
        }
        taken.insert(unique.clone());
        unique
    };
    names.iter().enumerate().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(text: &str) -> Guess {
        guess(text.as_bytes(), true)
    }

    #[test]
    fn a_usual_file_needs_no_settings() {
        for text in [
            "id,town\n1,Bristol\n2,Bath\n",
            "id\n1\n",
            "",
            "id,note\n1,\"a;b;c\"\n",
            "Country,1960,1961\nA,1,2\nB,3,4\n",
            "a,b\n",
        ] {
            let found = guessed(text);
            assert_eq!((found.settings, found.notes.as_slice()), (CsvSettings::default(), &[][..]), "{text}");
        }
    }

    #[test]
    fn a_delimiter_is_one_that_divides_all_records_alike() {
        for (text, delimiter) in [
            ("id;amount\n1;2,50\n2;3,75\n", ';'),
            ("id\ttown\n1\ta,b\n", '\t'),
            ("id|town\n1|a\n", '|'),
            ("Report, of 2026\n\nid;amount\n1;2,50\n2;3,75\n3;1,5\n", ';'),
        ] {
            let found = guessed(text).settings.delimiter.map(char::from);
            assert_eq!(found, Some(delimiter), "{text}");
        }
        let found = guessed("sep=;\nid;town\n1;a\n");
        assert_eq!((found.separator_line, found.settings), (true, CsvSettings::default()));
    }

    #[test]
    fn lines_before_the_header_are_skipped() {
        let bank = "\u{feff}\"Data Source\",\"Indicators\",\n\n\"Updated\",\"2026-01-31\",\n\n\"Country\",\"Code\",\"1960\",\"1961\",\n\
                    \"Aruba\",\"ABW\",\"1\",\"2\",\n\"Chad\",\"TCD\",\"3\",\"\",\n";
        let found = guessed(bank);
        assert_eq!((found.settings.skip, found.settings.header), (4, true), "{found:?}");
        assert_eq!(guessed("Sales;;\nid;town;zip\n1;a;b\n2;c;d\n").settings.skip, 1);
        assert_eq!(guessed("a,b,c\n1,2\n3,4\n").settings.skip, 0, "short rows are no titles");
    }

    #[test]
    fn a_file_without_a_header_gets_names() {
        let found = guessed("1,Bristol,2026-01-31\n2,Bath,2026-02-01\n").settings;
        assert!(!found.header);
        assert_eq!(found.columns, ["column_1", "column_2", "column_3"]);
        assert!(guessed("a@b.de,x\nc@d.de,y\n").settings.columns.len() == 2);
        for text in ["1960,1961\n1,2\n", "id,town\n1,a\n", "2026-01-31,b\nx,y\n", "1,2\n"] {
            assert!(guessed(text).settings.header, "{text}");
        }
    }

    #[test]
    fn columns_that_are_named_twice_get_other_names() {
        let found = guessed("id,name,name,,name 2\n1,a,b,c,d\n").settings;
        assert_eq!(found.columns, ["id", "name", "name 3", "column_4", "name 2"]);
    }

    #[test]
    fn a_backslash_before_quotes_is_noticed() {
        let found = guessed("id,note\n1,\"say \\\"x\\\" loud\"\n2,\"b\"\n").settings;
        assert_eq!(found.escape.map(char::from), Some('\\'));
        assert_eq!(guessed("id,note\n1,\"C:\\\\\"\n").settings.escape, None);
    }

    #[test]
    fn anything_gives_a_guess() {
        for text in
            [&b"\x00\x01"[..], b"\xff\xfe", b"PK\x03\x04\x00", b"\"never closed", b"\n\n\n", b"\xef\xbb\xbf"]
        {
            let _ = guess(text, true);
        }
    }
}
