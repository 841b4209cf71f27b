//! The dialect of a file, guessed from its start: delimiter, lines before the header, escape character, and names for
//! columns that have none.

use contract::dialect::{Dialect, Ended, Parser, Record};
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{Character, CsvSettings, ExtractionSettings};
use task::reader::{Reader, RowReader as _};

use super::header::{self, Line};

/// The greatest number of records of the start that are examined.
pub const MAX_RECORDS: usize = 400;
/// The greatest number of bytes of a header.
const MAX_HEADER: usize = 1 << 20;
/// Candidates for the delimiter, most preferred first, as in the task.
const DELIMITERS: [Character; 4] = [Character::COMMA, Character::SEMICOLON, Character::TAB, Character::BAR];

/// The dialect of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guess {
    /// The settings with which the file is read.
    pub settings: ExtractionSettings,
    /// Notes on settings that are not those of most files.
    pub notes: Vec<String>,
    /// The file begins with a line such as `sep=;`.
    pub separator_line: bool,
}

/// The records of the start, as one delimiter divides them.
struct Division {
    delimiter: Character,
    lines: Vec<Line>,
    /// The number of fields that most records have.
    width: usize,
}

impl Division {
    /// Returns the fitness of the delimiter: 2 if nearly all records from the header on are alike, 0 if there is one
    /// column; whether no line precedes the header; the share of such records in percent; and the number of fields.
    fn score(&self) -> (u8, bool, usize, usize) {
        let alike = |lines: &[Line]| {
            let alike = lines.iter().filter(|line| line.cells.len() == self.width && !line.flawed).count();
            alike * 100 / lines.len().max(1)
        };
        // A header that is divided is not that of one column, however short its rows are.
        let single = self.lines.first().is_none_or(|line| line.cells.len() < 2);
        match (self.width < 2, single) {
            (true, true) => return (0, false, alike(&self.lines), 0),
            (true, false) => return (1, false, 0, 0),
            _ => {}
        }
        let header = header::position(&self.lines, self.width);
        let share = alike(header::without_footer(self.lines.get(header..).unwrap_or_default(), self.width));
        (if share >= 90 { 2 } else { 1 }, header == 0, share, self.width)
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
    let mut csv = CsvSettings::default();
    if escape.is_some() {
        csv.escape = escape;
        guess.notes.push("quotes within values are written as `\\\"`".to_owned());
    }
    header::find(&division.lines, &mut csv, &mut guess.notes);
    let is_comma = division.delimiter == Character::COMMA;
    let explicit = CsvSettings { delimiter: Some(division.delimiter), ..csv.clone() };
    // A file of the same kind whose header has one column less would be read otherwise.
    if !guess.separator_line && (!is_comma || columns_of(text, &csv) != columns_of(text, &explicit)) {
        csv = explicit;
    }
    guess.settings.csv = csv;
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
    let width = header::width(&lines);
    Division { delimiter: dialect.delimiter, lines, width }
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
            assert_eq!(
                (found.settings, found.notes.as_slice()),
                (ExtractionSettings::default(), &[][..]),
                "{text}"
            );
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
            let found = guessed(text).settings.csv.delimiter.map(char::from);
            assert_eq!(found, Some(delimiter), "{text}");
        }
        let found = guessed("sep=;\nid;town\n1;a\n");
        assert_eq!((found.separator_line, found.settings), (true, ExtractionSettings::default()));
    }

    #[test]
    fn lines_before_the_header_are_skipped() {
        let bank = "\u{feff}\"Data Source\",\"Indicators\",\n\n\"Updated\",\"2026-01-31\",\n\n\"Country\",\"Code\",\"1960\",\"1961\",\n\
                    \"Aruba\",\"ABW\",\"1\",\"2\",\n\"Chad\",\"TCD\",\"3\",\"\",\n";
        let found = guessed(bank);
        assert_eq!((found.settings.csv.skip, found.settings.csv.header), (4, true), "{found:?}");
        assert_eq!(guessed("Sales;;\nid;town;zip\n1;a;b\n2;c;d\n").settings.csv.skip, 1);
        assert_eq!(guessed("a,b,c\n1,2\n3,4\n").settings.csv.skip, 0, "short rows are no titles");
    }

    #[test]
    fn a_column_of_texts_is_not_divided_by_their_commas() {
        let found = guessed("note\nhello\nhi, you\nyes, no, and so on\nbye\n").settings.csv;
        assert_eq!((found.delimiter.map(char::from), found.skip), (Some(';'), 0));
    }

    #[test]
    fn a_file_without_a_header_gets_names() {
        let found = guessed("1,Bristol,2026-01-31\n2,Bath,2026-02-01\n").settings.csv;
        assert!(!found.header);
        assert_eq!(found.columns, ["column_1", "column_2", "column_3"]);
        assert!(guessed("a@b.de,x\nc@d.de,y\n").settings.csv.columns.len() == 2);
        for text in ["1960,1961\n1,2\n", "id,town\n1,a\n", "2026-01-31,b\nx,y\n", "1,2\n"] {
            assert!(guessed(text).settings.csv.header, "{text}");
        }
    }

    #[test]
    fn columns_that_are_named_twice_get_other_names() {
        let found = guessed("id,name,name,,name 2\n1,a,b,c,d\n").settings.csv;
        assert_eq!(found.columns, ["id", "name", "name 3", "column_4", "name 2"]);
    }

    #[test]
    fn a_backslash_before_quotes_is_noticed() {
        let found = guessed("id,note\n1,\"say \\\"x\\\" loud\"\n2,\"b\"\n").settings.csv;
        assert_eq!(found.escape.map(char::from), Some('\\'));
        assert_eq!(guessed("id,note\n1,\"C:\\\\\"\n").settings.csv.escape, None);
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
