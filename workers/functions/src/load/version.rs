//! Versions of items: the row that an item comes from, as the item names it.

use std::collections::HashMap;

use contract::ObjectRef;

use super::Row;

/// Returns the place of a row among all rows of one key, as a text that sorts: time of the upload, object, row. An
/// object whose time of upload is unknown is older than all others.
pub(crate) fn version(object: &ObjectRef, index: u64) -> String {
    format!("{}#{}#{index:020}", object.uploaded.as_deref().unwrap_or_default(), object.digest())
}

/// Returns the row of the object with this digest that a version names; `None` if it names a row of another object, or
/// none at all. The time of the upload says nothing about the row, and may be missing where a row is sent again.
pub(super) fn row_of(version: &str, digest: &str) -> Option<u64> {
    let mut parts = version.rsplitn(3, '#');
    let (index, of) = (parts.next()?, parts.next()?);
    index.parse().ok().filter(|_| of == digest)
}

/// A version, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VersionOf<'a> {
    /// The time of the upload; empty if it is not known.
    pub(crate) uploaded: &'a str,
    /// The digest of the object.
    pub(crate) digest: &'a str,
}

impl<'a> VersionOf<'a> {
    /// Takes a version apart; returns `None` if it names no row.
    pub(crate) fn parse(version: &'a str) -> Option<Self> {
        let mut parts = version.rsplitn(3, '#');
        let (index, digest, uploaded) = (parts.next()?, parts.next()?, parts.next()?);
        index.parse::<u64>().ok().map(|_| Self { uploaded, digest })
    }
}

/// Returns for each row whether a later row of the same file has its key, among those that are `replacing`.
///
/// It is always the earlier of two that is replaced, whatever the order of the writes was: so a file whose rows are
/// delivered again in another order has no more of them.
pub(super) fn have_later(rows: &[&Row], replacing: &[bool]) -> Vec<bool> {
    // Attributes of a key have the table's order.
    let mut keys = Vec::new();
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows {
        // A map of texts can always be written.
        let _ = serde_json::to_writer(&mut keys, row.change.key());
        ends.push(keys.len());
    }
    let starts = std::iter::once(&0).chain(&ends);
    let keys: Vec<&[u8]> =
        starts.zip(&ends).map(|(start, end)| keys.get(*start..*end).unwrap_or_default()).collect();
    let places = || rows.iter().zip(&keys).map(|(row, key)| ((&*row.digest, *key), row.record.index));
    let mut last: HashMap<(&str, &[u8]), u64> = HashMap::with_capacity(rows.len());
    for ((place, index), _) in places().zip(replacing).filter(|(_, replacing)| **replacing) {
        let last = last.entry(place).or_default();
        *last = index.max(*last);
    }
    places().map(|(place, index)| last.get(&place).is_some_and(|last| *last > index)).collect()
}
