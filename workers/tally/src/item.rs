//! The items of the table: their keys and their contents.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use crate::attribute::Attributes;
use crate::rows::Rows;
use crate::summary::Summary;

/// The table's partition key: the digest of an object version.
pub const PARTITION_KEY: &str = "object";
/// The table's sort key: the part of the tally of that object.
pub const SORT_KEY: &str = "part";

const ROWS: &str = "rows#";
const SUMMARY: &str = "summary";
/// The sort key of the item about the end of an object: see [`crate::completion`].
pub(crate) const COMPLETION: &str = "completion";
/// Digits of a chunk's number, so that texts sort as numbers: enough for 6.5 × 10¹⁶ rows.
const CHUNK_DIGITS: usize = 12;
/// The number of chunks that can be numbered.
pub(crate) const MAX_CHUNKS: u64 = 1_000_000_000_000;

/// Digits of a writer's ID.
const WRITER_DIGITS: usize = 16;

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Digest of the object version.
    pub object: String,
    /// The chunk of its rows; `None`: its summary.
    pub chunk: Option<u64>,
    /// The writer whose share the item contains; `None`: the item into which the shares of all writers are folded.
    pub writer: Option<String>,
}

impl Key {
    /// Returns the key of the item into which all writers' shares of a chunk, or of the summary, are folded.
    #[must_use]
    pub fn shared(object: impl Into<String>, chunk: Option<u64>) -> Self {
        Self { object: object.into(), chunk, writer: None }
    }

    /// Returns the key of one writer's item beside this one.
    #[must_use]
    pub fn of(&self, writer: &str) -> Self {
        Self { writer: Some(writer.to_owned()), ..self.clone() }
    }

    /// Returns the value of the sort key.
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

    /// Reads the key of an item; returns `None` if it is of another kind, which others keep in the same table.
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

/// Returns a new ID of a writer: random, so that no two processes have the same. `RandomState` has its keys from the
/// operating system; a generator that is seeded with the time and the thread's ID may return the same in equal virtual
/// machines.
pub(crate) fn writer_id() -> String {
    format!("{:0WRITER_DIGITS$x}", RandomState::new().build_hasher().finish())
}

fn is_writer(text: &str) -> bool {
    text.len() == WRITER_DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// An item that can't be read: another program wrote to it.
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

/// The content of an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// That of a chunk of rows.
    Rows(Rows),
    /// That of the object as a whole.
    Summary(Summary),
}

impl Content {
    /// Returns the content of an item that does not exist yet.
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
    /// [`Damaged`] when it can't be an item of the tally.
    pub fn read(key: &Key, attributes: &Attributes) -> Result<Self, Damaged> {
        let read = match key.chunk {
            Some(_) => Rows::read(attributes).map(Self::Rows),
            None => Summary::read(attributes).map(Self::Summary),
        };
        read.map_err(|attribute| Damaged { object: key.object.clone(), part: key.part(), attribute })
    }

    /// Returns whether this version reads every attribute of an item. A newer version may have written others.
    pub(crate) fn is_whole(key: &Key, attributes: &Attributes) -> bool {
        let known = match key.chunk {
            Some(_) => Rows::reads,
            None => Summary::reads,
        };
        attributes.keys().all(|name| known(name))
    }

    /// Adds another content of the same item, and returns whether any of it was new.
    pub fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rows(own), Self::Rows(other)) => own.merge(other),
            (Self::Summary(own), Self::Summary(other)) => own.merge(other),
            // Keys tell the two apart, so they never meet.
            (Self::Rows(_), Self::Summary(_)) | (Self::Summary(_), Self::Rows(_)) => false,
        }
    }

    /// Returns the number of rows that are settled here, and not in `other`.
    pub(crate) fn settles_beyond(&self, other: &Self) -> u64 {
        match (self, other) {
            (Self::Rows(own), Self::Rows(other)) if own.settles() => (own.settled() - other.settled()).len(),
            _ => 0,
        }
    }

    /// Returns the content as the table stores it.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        match self {
            Self::Rows(rows) => rows.attributes(),
            Self::Summary(summary) => summary.attributes(),
        }
    }

    /// Returns the attributes that adding `other` may have changed: those that are written after a merge.
    pub(crate) fn attributes_of(&self, other: &Self) -> Attributes {
        match (self, other) {
            (Self::Rows(rows), Self::Rows(other)) => rows.attributes_of(other),
            _ => self.attributes(),
        }
    }

    /// Returns the time of the last event that brought something new.
    pub(crate) const fn last_at(&self) -> Option<&String> {
        match self {
            Self::Rows(rows) => rows.last_at.as_ref(),
            Self::Summary(summary) => summary.last_at.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
}
