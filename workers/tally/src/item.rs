//! The items of the table: their keys, and their attributes as plain data.

use std::collections::{BTreeMap, BTreeSet};

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

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Digest of the object version.
    pub object: String,
    /// The chunk of its rows; `None`: its summary.
    pub chunk: Option<u64>,
}

impl Key {
    /// The value of the sort key.
    #[must_use]
    pub fn part(&self) -> String {
        match self.chunk {
            Some(chunk) => format!("{ROWS}{chunk:0CHUNK_DIGITS$}"),
            None => SUMMARY.to_owned(),
        }
    }

    /// The key of an item; `None` when it is of another kind, which others keep in the same table.
    #[must_use]
    pub fn parse(object: &str, part: &str) -> Option<Self> {
        let chunk = match part.strip_prefix(ROWS) {
            Some(digits)
                if digits.len() == CHUNK_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(digits.parse().ok()?)
            }
            None if part == SUMMARY => None,
            _ => return None,
        };
        Some(Self { object: object.to_owned(), chunk })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_chunks_and_are_read_back() {
        let key = |chunk| Key { object: "o".into(), chunk };
        assert_eq!(key(Some(12)).part(), "rows#000000000012");
        assert!(key(Some(9)).part() < key(Some(10)).part());
        for key in [key(None), key(Some(0)), key(Some(MAX_CHUNKS - 1))] {
            assert_eq!(Key::parse("o", &key.part()), Some(key));
        }
        for other in ["", "checkpoint#1", "rows#1", "rows#00000000000x", "rows#+00000000001", "summary#"] {
            assert_eq!(Key::parse("o", other), None, "{other}");
        }
    }

    #[test]
    fn only_times_that_sort_are_times() {
        assert!(is_time("2026-11-28T12:00:00Z"));
        for other in ["", "2026-11-28T12:00:00.000Z", "2026-11-28 12:00:00Z", "9999999999999999999Z"] {
            assert!(!is_time(other), "{other}");
        }
    }
}
