//! Rows at the end of a file that are not rows of its table, such as footnotes and the source of the data.

use std::ops::RangeInclusive;

use contract::settings::Character;

use super::header::{MAX_FOOTER, kind};

/// Characters of a footnote from which on it is longer than a value.
const LONG: usize = 20;
/// Words before a colon at the beginning of such lines, in small letters.
const WORDS: [&str; 17] = [
    "source",
    "sources",
    "note",
    "notes",
    "footnote",
    "quelle",
    "quellen",
    "hinweis",
    "anmerkung",
    "stand", // words: ignore
    "fuente",
    "nota",
    "fonte",
    "źródło",
    "uwaga",
    "last updated",
    "data from",
];

/// The rows at the end of a file, seen as the rows pass by.
#[derive(Debug, Default)]
pub struct Tail {
    /// The rows since the last one that is a row of the table for certain.
    run: Vec<Poor>,
    /// Rows of the table.
    rows: u64,
    /// `true` if some of them lack fields.
    short: bool,
    /// `true` if there are blank lines before some of them.
    blank: bool,
    /// Characters of the longest value of the first column, and whether all of them are numbers or dates.
    longest: usize,
    untyped: bool,
    /// The signs of ASCII that begin rows, as bits.
    begins: u128,
}

/// A row that may be a footnote.
#[derive(Debug)]
struct Poor {
    row: u64,
    /// Its only value. `None` if it lacks fields.
    value: Option<String>,
    /// `true` if a blank line precedes it.
    apart: bool,
}

/// The rows at the end that are not rows of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Their numbers.
    pub rows: RangeInclusive<u64>,
    /// `true` if they lack fields.
    pub short: bool,
    /// `true` if a blank line precedes them, as no other row.
    apart: bool,
}

impl Tail {
    /// Adds a row. `apart`: a blank line precedes it.
    pub fn take(&mut self, row: u64, values: &[&str], apart: bool) {
        let first = values.first().map(|value| value.trim()).unwrap_or_default();
        let others = values.iter().skip(1).any(|value| !value.trim().is_empty());
        let only = values.len() > 2 && !others && !first.is_empty();
        if only || label(first).is_some() {
            self.push(Poor { row, value: Some(first.to_owned()), apart });
            return;
        }
        self.settle();
        self.add(first, apart);
    }

    /// Adds a row that lacks fields, or has too many.
    pub fn take_ragged(&mut self, row: u64, apart: bool) {
        self.push(Poor { row, value: None, apart });
    }

    fn push(&mut self, poor: Poor) {
        if self.run.len() > MAX_FOOTER {
            self.settle();
        }
        self.run.push(poor);
    }

    /// Takes the rows of the run for rows of the table.
    fn settle(&mut self) {
        for Poor { value, apart, .. } in std::mem::take(&mut self.run) {
            self.short = self.short || value.is_none();
            self.add(value.as_deref().unwrap_or_default(), apart);
        }
    }

    /// Adds a row of the table, by its first value.
    fn add(&mut self, first: &str, apart: bool) {
        self.rows += 1;
        self.blank = self.blank || apart;
        self.longest = self.longest.max(first.chars().count());
        self.untyped = self.untyped || (!first.is_empty() && kind(first).is_none());
        if let Some(byte) = first.bytes().next().filter(u8::is_ascii_punctuation) {
            self.begins |= 1 << byte;
        }
    }

    /// Returns whether a value of the first column, in a row without others, is a footnote.
    fn is_note(&self, value: &str) -> bool {
        let lower = value.to_lowercase();
        let marked = |byte: &u8| byte.is_ascii_punctuation() && !self.begins_with(*byte);
        let numbered = || {
            let rest = lower.trim_start_matches('(').trim_start_matches(|digit: char| digit.is_ascii_digit());
            rest.len() < lower.len() && rest.starts_with(')')
        };
        let length = value.chars().count();
        label(value).is_some()
            || lower.starts_with('©')
            || value.as_bytes().first().is_some_and(marked)
            || numbered()
            || (!self.untyped && kind(value).is_none())
            || (length > LONG && length > 2 * self.longest)
    }

    /// Returns whether a row of the table begins with this character of ASCII.
    const fn begins_with(&self, byte: u8) -> bool {
        byte.is_ascii() && self.begins & (1 << byte) != 0
    }

    /// Returns the rows at the end that may be footnotes; `None` if there are none. Those that lack fields must be
    /// [confirmed](Self::confirms).
    pub fn footer(&self) -> Option<Footer> {
        let all_apart = self.run.first().is_some_and(|first| first.apart) && !self.blank;
        let is_note = |poor: &&Poor| match &poor.value {
            Some(value) => all_apart || self.is_note(value),
            // Where other rows lack fields too, these are no exception.
            None => !self.short,
        };
        let count = self.run.iter().rev().take_while(is_note).count();
        let notes = self.run.get(self.run.len() - count..)?;
        let rows = notes.first()?.row..=notes.last()?.row;
        let short = notes.iter().any(|poor| poor.value.is_none());
        (count <= MAX_FOOTER && self.rows > 1).then_some(Footer { rows, short, apart: all_apart })
    }

    /// Returns whether rows with these values are footnotes.
    pub fn confirms(&self, footer: &Footer, rows: &[Vec<String>]) -> bool {
        let first = |row: &Vec<String>| row.first().is_some_and(|value| self.is_note(value.trim()));
        footer.apart || rows.iter().all(first)
    }

    /// Returns the character with which all of these lines begin, and no row of the table.
    pub fn mark<'v>(&self, mut lines: impl Iterator<Item = &'v str>) -> Option<Character> {
        let first = |line: &str| line.bytes().next().filter(u8::is_ascii_punctuation);
        let mark = first(lines.next()?)?;
        let is_mark = lines.all(|line| first(line) == Some(mark)) && !self.begins_with(mark) && mark != b'"';
        is_mark.then(|| Character::try_from(char::from(mark)).ok()).flatten()
    }
}

/// Returns the beginning of a line after a table, up to its colon: `Source:`.
pub fn label(line: &str) -> Option<&str> {
    let (word, _) = line.split_once(':')?;
    WORDS.contains(&word.trim().to_lowercase().as_str()).then(|| line.get(..=word.len())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(rows: &[&[&str]]) -> Tail {
        let (mut tail, mut blank) = (Tail::default(), false);
        for (row, values) in (1..).zip(rows) {
            match values.len() {
                0 => blank = true,
                3 => tail.take(row, values, std::mem::take(&mut blank)),
                _ => tail.take_ragged(row, std::mem::take(&mut blank)),
            }
        }
        tail
    }

    fn footer(rows: &[&[&str]]) -> Option<(RangeInclusive<u64>, bool)> {
        tail(rows).footer().map(|footer| (footer.rows, footer.short))
    }

    #[test]
    fn footnotes_at_the_end_are_no_rows() {
        for (last, short) in [
            (&[&["* estimated"][..], &["Source: Office"][..]][..], true),
            (&[&["* estimated", "", ""], &["Source: Office", "", ""]], false),
            (&[&["Note: rounded", " and may not add up", " see page 3"]], false),
            (&[&["1) without the islands", "", ""], &["© Office", "", ""]], false),
            (&[&["These are the figures of the last census of the towns", "", ""]], false),
        ] {
            let rows = [&[&["Bath", "1", "2"][..], &["York", "3", "4"]][..], last].concat();
            assert_eq!(footer(&rows), Some((3..=2 + last.len() as u64, short)), "{last:?}");
        }
        // A blank line precedes them.
        assert_eq!(
            footer(&[&["A", "1", "2"], &["B", "3", "4"], &[], &["end", "", ""]]),
            Some((4..=4, false))
        );
        // All values of the first column are numbers.
        assert_eq!(footer(&[&["1", "a", ""], &["2", "b", ""], &["end", "", ""]]), Some((3..=3, false)));
    }

    #[test]
    fn rows_are_no_footnotes() {
        for rows in [
            &[&["Bath", "1", "2"][..], &["York", "3", "4"], &["Ely", "", ""]][..],
            &[&["1", "a", ""], &["2", "b", ""], &["3", "", ""]],
            &[&["Bath", "1", "2"], &[], &["York", "3", "4"], &[], &["Ely", "", ""]],
            &[&["* Bath", "1", "2"], &["York", "3", "4"], &["* Ely", "", ""]],
            // Rows lack fields elsewhere, too.
            &[&["Bath", "1", "2"], &["York", "3"], &["Ely", "5", "6"], &["Hull", "7"]],
            &[&["Bath", "1", "2"], &["Source: Office", "", ""], &["York", "3", "4"]],
            // Nothing but footnotes.
            &[&["Bath", "1", "2"], &["Source: Office"]],
            &[],
        ] {
            assert_eq!(footer(rows), None, "{rows:?}");
        }
    }

    #[test]
    fn a_row_that_was_cut_off_is_no_footnote() {
        let tail = tail(&[&["Bath", "1", "2"], &["York", "3", "4"], &["Ely", "5"]]);
        let footer = tail.footer().expect("perhaps");
        let row = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert!(!tail.confirms(&footer, &[row(&["Ely", "5", ""])]));
        assert!(tail.confirms(&footer, &[row(&["Source: Office", "London", ""])]));
    }

    #[test]
    fn a_mark_begins_all_footnotes_and_no_row() {
        let rows = tail(&[&["Bath", "1", "2"], &["#York", "3", "4"]]);
        let mark = |lines: &[&str]| rows.mark(lines.iter().copied()).map(char::from);
        assert_eq!(mark(&["* a", "** b"]), Some('*'));
        for lines in [&["* a", "# b"][..], &["# a"], &["a"], &["\"a"], &[]] {
            assert_eq!(mark(lines), None, "{lines:?}");
        }
    }
}
