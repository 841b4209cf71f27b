//! The items of the table: their keys, and their attributes as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use crate::rows::Rows;
use crate::summary::Summary;

/// The table's partition key: the digest of an object version.
pub const PARTITION_KEY: &str = "object";
/// The table's sort key: which part of the tally of that object.
pub const SORT_KEY: &str = "part";

const ROWS: &str = "rows#";
const SUMMARY: &str = "summary";
/// Digits of a chunk's number, so that texts sort as numbers: enough for 6.5 × 10¹⁶ rows.
const CHUNK_DIGITS: usize = 12;
/// Chunks that have a number.
pub(crate) const MAX_CHUNKS: u64 = 1_000_000_000_000;

/// Digits of a writer's id.
const WRITER_DIGITS: usize = 16;

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Digest of the object version.
    pub object: String,
    /// The chunk of its rows; `None`: its summary.
    pub chunk: Option<u64>,
    /// The writer whose share the item holds; `None`: the item into which the shares of all writers are folded.
    pub writer: Option<String>,
}

impl Key {
    /// The item into which all writers' shares of a chunk, or of the summary, are folded.
    #[must_use]
    pub fn shared(object: impl Into<String>, chunk: Option<u64>) -> Self {
        Self { object: object.into(), chunk, writer: None }
    }

    /// The item of one writer beside this one.
    #[must_use]
    pub fn of(&self, writer: &str) -> Self {
        Self { writer: Some(writer.to_owned()), ..self.clone() }
    }

    /// The value of the sort key.
    #[must_use]
    pub fn part(&self) -> String {
        let mut part = match self.chunk {
            Some(chunk) => format!("{ROWS}{chunk:0CHUNK_DIGITS$}"),
            None => SUMMARY.to_owned(),
        };
        if let Some(writer) = &self.writer {
            part.push('#');
            part.push_str(writer);
        }
        part
    }

    /// The key of an item; `None` when it is of another kind, which others keep in the same table.
    #[must_use]
    pub fn parse(object: &str, part: &str) -> Option<Self> {
        let (chunk, rest) = match part.strip_prefix(ROWS) {
            Some(rest) => {
                let (digits, rest) = rest.split_at_checked(CHUNK_DIGITS)?;
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (Some(digits.parse().ok()?), rest)
            }
            None => (None, part.strip_prefix(SUMMARY)?),
        };
        let writer = match rest.strip_prefix('#') {
            Some(writer) => Some(writer.to_owned()).filter(|writer| is_writer(writer)),
            None if rest.is_empty() => return Some(Self::shared(object, chunk)),
            None => None,
        };
        writer.map(|writer| Self { object: object.to_owned(), chunk, writer: Some(writer) })
    }
}

/// A new id of a writer: random, so that no two processes have the same. `RandomState` has its keys from the operating system;
/// what is seeded with the time and the thread's id may be equal in equal virtual machines.
pub(crate) fn writer_id() -> String {
    format!("{:0WRITER_DIGITS$x}", RandomState::new().build_hasher().finish())
}

fn is_writer(text: &str) -> bool {
    text.len() == WRITER_DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A value in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Binary.
    Bytes(Vec<u8>),
    /// String.
    Text(String),
    /// A whole number.
    Number(u64),
    /// A set of strings, not empty.
    Texts(BTreeSet<String>),
    /// A map.
    Map(Attributes),
    /// Anything else, which nothing here writes.
    Other,
}

/// The attributes of an item, without its key and `revision`.
pub type Attributes = BTreeMap<String, Attribute>;

/// An item that can't be read: somebody else wrote to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attribute `{attribute}` of the item `{object}`, `{part}` in the tally can't be read")]
pub struct Damaged {
    /// Partition key.
    pub object: String,
    /// Sort key.
    pub part: String,
    /// The attribute.
    pub attribute: String,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Of a chunk of rows.
    Rows(Rows),
    /// Of the object as a whole.
    Summary(Summary),
}

impl Content {
    /// That of an item which is not there yet.
    #[must_use]
    pub fn empty(key: &Key) -> Self {
        match key.chunk {
            Some(_) => Self::Rows(Rows::default()),
            None => Self::Summary(Summary::default()),
        }
    }

    /// Reads an item.
    ///
    /// # Errors
    /// [`Damaged`] when it can't be one of the tally.
    pub fn read(key: &Key, attributes: &Attributes) -> Result<Self, Damaged> {
        let read = match key.chunk {
            Some(_) => Rows::read(attributes).map(Self::Rows),
            None => Summary::read(attributes).map(Self::Summary),
        };
        read.map_err(|attribute| Damaged { object: key.object.clone(), part: key.part(), attribute })
    }

    /// Whether this version reads every attribute of an item. Of one that a newer version wrote it may not.
    pub(crate) fn is_whole(key: &Key, attributes: &Attributes) -> bool {
        let known = match key.chunk {
            Some(_) => Rows::reads,
            None => Summary::reads,
        };
        attributes.keys().all(|name| known(name))
    }

    /// Adds what another content of the same item says; whether that was anything new.
    pub fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rows(own), Self::Rows(other)) => own.merge(other),
            (Self::Summary(own), Self::Summary(other)) => own.merge(other),
            // Keys tell the two apart, so they never meet.
            (Self::Rows(_), Self::Summary(_)) | (Self::Summary(_), Self::Rows(_)) => false,
        }
    }

    /// As the table holds it.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        match self {
            Self::Rows(rows) => rows.attributes(),
            Self::Summary(summary) => summary.attributes(),
        }
    }

    /// The attributes that adding `other` may have changed: what is written after a merge.
    pub(crate) fn attributes_of(&self, other: &Self) -> Attributes {
        match (self, other) {
            (Self::Rows(rows), Self::Rows(other)) => rows.attributes_of(other),
            _ => self.attributes(),
        }
    }

    /// Time of the last event that brought something new.
    pub(crate) const fn last_at(&self) -> Option<&String> {
        match self {
            Self::Rows(rows) => rows.last_at.as_ref(),
            Self::Summary(summary) => summary.last_at.as_ref(),
        }
    }
}

/// Keeps the earlier of two times.
pub(crate) fn earlier(into: &mut Option<String>, other: Option<&String>) {
    if let Some(other) = other
        && into.as_ref().is_none_or(|own| other < own)
    {
        *into = Some(other.clone());
    }
}

/// Keeps the later of two times.
pub(crate) fn later(into: &mut Option<String>, other: Option<&String>) {
    if into.as_ref() < other {
        *into = other.cloned();
    }
}

/// A time in the table; another value is none.
pub(crate) fn time(value: &Attribute) -> Option<String> {
    match value {
        Attribute::Text(text) if is_time(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a text is a time as EventBridge writes it, `2026-11-28T12:00:00Z`: of these, texts sort as times.
pub(crate) fn is_time(text: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00Z";
    text.len() == pattern.len()
        && text.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == *wanted,
        })
}

/// Seconds since 1970 of a time that [`is_time`]; of another text, or of a day that no month has, nothing useful.
pub(crate) fn seconds(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| -> i64 {
        time.get(range).and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days since 1970 in a calendar whose years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_chunks_and_are_read_back() {
        let key = |chunk| Key::shared("o", chunk);
        assert_eq!(key(Some(12)).part(), "rows#000000000012");
        assert!(key(Some(9)).part() < key(Some(10)).part());
        for key in [key(None), key(Some(0)), key(Some(MAX_CHUNKS - 1))] {
            let own = key.of(&writer_id());
            assert!(own.part().starts_with(&key.part()), "one query finds both");
            assert_eq!(Key::parse("o", &own.part()), Some(own));
            assert_eq!(Key::parse("o", &key.part()), Some(key));
        }
        for other in [
            "",
            "checkpoint#1",
            "rows#1",
            "rows#00000000000x",
            "rows#+00000000001",
            "rows#0000000000é",
            "summary#",
            "summary#0123",
            "summary#0123456789abcdeF",
            "rows#0000000000120123456789abcdef",
            "summaries",
        ] {
            assert_eq!(Key::parse("o", other), None, "{other}");
        }
    }

    #[test]
    fn ids_of_writers_are_not_those_of_an_equal_machine() {
        let id = || {
            fastrand::seed(7);
            writer_id()
        };
        let ids: BTreeSet<String> = (0..100).map(|_| id()).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| is_writer(id)), "{ids:?}");
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("2024-02-29T23:59:59Z"), 1_709_251_199);
        assert_eq!(seconds("2026-11-28T12:00:01Z") - seconds("2026-11-28T11:59:59Z"), 2);
    }

    #[test]
    fn only_times_that_sort_are_times() {
        assert!(is_time("2026-11-28T12:00:00Z"));
        for other in ["", "2026-11-28T12:00:00.000Z", "2026-11-28 12:00:00Z", "9999999999999999999Z"] {
            assert!(!is_time(other), "{other}");
        }
    }
}
