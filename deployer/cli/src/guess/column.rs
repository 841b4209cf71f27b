//! One column: the facts about its values that a guess needs, in fixed memory.

use super::numbers::Shapes;
use super::readings::{self, Is};
use super::writer::Traces;

/// The greatest number of different values that are kept.
pub const MAX_WORDS: usize = 8;
/// The greatest number of bytes of a value that is kept.
const MAX_WORD: usize = 40;
/// The greatest number of different markers that are kept.
const MAX_MARKERS: usize = 3;

/// Texts that stand for a missing value in many files.
pub const MARKERS: [&str; 21] = [
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "NULL",
    "null",
    "Null",
    "(null)",
    "None",
    "none",
    "nil",
    "\\N",
    "#N/A",
    "-",
    "--",
    "..",
    ".",
    "?",
    "undefined",
];

/// The facts about the values of a column.
#[derive(Debug, Default)]
pub struct Column {
    /// The number of values that are not empty.
    pub filled: u64,
    /// The number of empty values, and of blank ones.
    pub empty: u64,
    /// The row of the first of them.
    pub first_empty: Option<u64>,
    /// The number of empty values that stand for a column that the row does not have.
    pub absent: u64,
    /// The numbers of the readings that all values fit, markers apart; `None` before the first value.
    fitting: Option<Vec<u8>>,
    /// The shapes of the values.
    pub shapes: Shapes,
    /// Texts in the place of a missing value, and the number of such values.
    pub markers: Vec<String>,
    /// The number of values that are markers.
    pub marked: u64,
    /// Different values; `None` if there are too many, or one is too long.
    words: Words,
    /// The number of values that are blank or have blanks around them.
    pub blanks_around: u64,
    /// The greatest number of bytes of a value.
    pub max_bytes: usize,
    /// Some value, which is not a marker, does not look like JSON.
    not_json: bool,
    /// Some value is not an e-mail address.
    pub not_mail: bool,
    /// Some value is not a UUID.
    pub not_uuid: bool,
    /// Some value has blanks within, or line ends.
    pub has_blanks: bool,
    /// The first number, if all values are numbers that count on from it.
    pub counts_from: Counting,
    /// Some timestamp has an offset, and some has none.
    pub offsets: (bool, bool),
    /// Traces of the program that wrote the file.
    pub traces: Traces,
}

/// Different values, while there are few.
#[derive(Debug)]
struct Words(Option<Vec<String>>);

impl Default for Words {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

/// A column that counts its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Counting {
    /// There was no row.
    #[default]
    Unknown,
    /// It counts from the first number up to the second.
    From(i64, i64),
    /// It does not count.
    No,
}

impl Column {
    /// Adds the value of a row.
    pub fn take(&mut self, row: u64, text: &str) {
        self.count(text);
        let value = text.trim();
        if value.is_empty() {
            self.empty += 1;
            self.first_empty.get_or_insert(row);
            self.blanks_around += u64::from(!text.is_empty());
            if !text.is_empty() {
                self.narrow(text, false);
            }
            return;
        }
        self.filled += 1;
        self.blanks_around += u64::from(value.len() != text.len());
        self.max_bytes = self.max_bytes.max(text.len());
        self.has_blanks |= value.contains(char::is_whitespace);
        self.words.take(text);
        self.traces.take(value);
        if MARKERS.contains(&value) {
            self.marked += 1;
            if self.markers.len() < MAX_MARKERS && self.markers.iter().all(|known| known != value) {
                self.markers.push(value.to_owned());
            }
            return;
        }
        self.not_mail = self.not_mail || !is_mail(value);
        self.not_uuid = self.not_uuid || !is_uuid(value);
        self.not_json |= !value.starts_with(['{', '[']);
        if self.fitting.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let plain = self.shapes.take(text);
        self.take_offset(value);
        self.narrow(text, plain);
    }

    /// Leaves out the readings that a value does not fit. A plain whole number fits every reading of numbers.
    fn narrow(&mut self, text: &str, plain: bool) {
        let readings = readings::all();
        let number = |is: Is| matches!(is, Is::Integer | Is::Number(..));
        let not_json = self.not_json;
        let spaced = text.contains([' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}']);
        let mut of_decimal: [Option<bool>; 2] = [None; 2];
        let mut fits = |number_of: u8| {
            let Some(reading) = readings.get(usize::from(number_of)) else { return false };
            match reading.is {
                is if plain && number(is) => true,
                // Numbers and words are JSON as well, but not meant so.
                Is::Json if not_json => false,
                // Without a blank, a group of blanks changes nothing.
                Is::Number(decimal, group) if !spaced && matches!(group, None | Some(' ' | '\'')) => {
                    let known = of_decimal.get_mut(usize::from(decimal == ','));
                    known.is_some_and(|known| *known.get_or_insert_with(|| reading.fits(text)))
                }
                _ => reading.fits(text),
            }
        };
        match &mut self.fitting {
            Some(fitting) => fitting.retain(|number| fits(*number)),
            None => {
                let numbers = (0..readings.len()).filter_map(|number| u8::try_from(number).ok());
                self.fitting = Some(numbers.filter(|number| fits(*number)).collect());
            }
        }
    }

    fn count(&mut self, text: &str) {
        let number = match self.counts_from {
            Counting::No => return,
            _ => text.parse::<i64>().ok(),
        };
        self.counts_from = match (self.counts_from, number) {
            (Counting::Unknown, Some(number)) => Counting::From(number, number),
            (Counting::From(first, last), Some(number)) if last.checked_add(1) == Some(number) => {
                Counting::From(first, number)
            }
            _ => Counting::No,
        };
    }

    fn take_offset(&mut self, value: &str) {
        if value.len() > 10 && value.contains(':') {
            let time = value.get(10..).unwrap_or_default();
            let has = time.ends_with(['Z', 'z']) || time.ends_with("UTC") || time.contains(['+', '-']);
            self.offsets.0 |= has;
            self.offsets.1 |= !has;
        }
    }

    /// Returns the readings that all values fit, most preferred first; none if there are no values.
    pub fn fitting(&self) -> impl Iterator<Item = &'static readings::Reading> {
        let numbers = self.fitting.as_deref().filter(|_| self.filled > self.marked).unwrap_or_default();
        numbers.iter().filter_map(|number| readings::all().get(usize::from(*number)))
    }

    /// Returns the different values; `None` if there are many.
    pub fn words(&self) -> Option<&[String]> {
        self.words.0.as_deref()
    }

    /// Returns whether all values look like arrays or objects of JSON.
    pub const fn looks_like_json(&self) -> bool {
        !self.not_json && self.filled > self.marked
    }
}

impl Words {
    fn take(&mut self, text: &str) {
        let Some(words) = &mut self.0 else { return };
        if words.iter().any(|word| word == text) {
            return;
        }
        if words.len() == MAX_WORDS || text.len() > MAX_WORD {
            self.0 = None;
            return;
        }
        words.push(text.to_owned());
    }
}

/// Returns whether a text has the form of an e-mail address.
pub fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        !name.is_empty()
            && !name.contains(char::is_whitespace)
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && host.bytes().all(letter)
    })
}

/// Returns whether a text has the form of a UUID (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str]) -> Column {
        let mut column = Column::default();
        for (row, value) in (1..).zip(values) {
            column.take(row, value);
        }
        column
    }

    #[test]
    fn readings_are_those_that_every_value_fits() {
        let kinds = |values: &[&str]| {
            let column = column(values);
            let mut kinds: Vec<&str> = column.fitting().map(|reading| reading.kind().word()).collect();
            kinds.dedup();
            kinds
        };
        assert_eq!(kinds(&["1", "", "2"]), ["integer", "number"]);
        assert_eq!(kinds(&["1", "x"]), [""; 0]);
        assert_eq!(kinds(&["1", "NaN", "2.5"]), ["number"]);
        assert_eq!(kinds(&["NaN"]), [""; 0], "a marker alone tells nothing");
        assert_eq!(kinds(&["true", "false"]), ["boolean"]);
        assert_eq!(kinds(&["2026-01-31 10:00:00+02"]), ["timestamp"]);
        assert_eq!(kinds(&[]), [""; 0]);
    }

    #[test]
    fn empty_and_blank_values_are_counted() {
        let found = column(&["a", "", " ", "b "]);
        assert_eq!((found.filled, found.empty, found.first_empty), (2, 2, Some(2)));
        assert_eq!(found.blanks_around, 2);
    }

    #[test]
    fn a_column_that_counts_is_noticed() {
        assert_eq!(column(&["0", "1", "2"]).counts_from, Counting::From(0, 2));
        assert_eq!(column(&["0", "2"]).counts_from, Counting::No);
        assert_eq!(column(&["x"]).counts_from, Counting::No);
    }

    #[test]
    fn addresses_and_uuids_have_a_form() {
        assert!(
            is_mail("a.b+c@example.co.uk") && !is_mail("@x.y") && !is_mail("a@b") && !is_mail("a b@c.de")
        );
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000") && !is_uuid("123e4567"));
    }

    #[test]
    fn only_few_values_are_kept() {
        assert_eq!(column(&["a", "b", "a"]).words().map(<[String]>::len), Some(2));
        let many: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(column(&many).words(), None);
    }
}
