//! Versions of items: the row that an item comes from, as the item names it.

use std::collections::HashMap;
use std::sync::Arc;

use contract::ObjectRef;
use serde_json::{Map, Value};

/// Returns the place of a row among all rows of one key, as a text that sorts: time of the upload, object, row. An
/// object whose time of upload is unknown is older than all others.
pub(super) fn version(object: &ObjectRef, index: u64) -> String {
    format!("{}#{}#{index:020}", object.uploaded.as_deref().unwrap_or_default(), object.digest())
}

/// Returns the row of the object with this digest that a version names; `None` if it names a row of another object, or
/// none at all. The time of the upload says nothing about the row, and may be missing where a row is sent again.
pub(super) fn row_of(version: &str, digest: &str) -> Option<u64> {
    let mut parts = version.rsplitn(3, '#');
    let (index, of) = (parts.next()?, parts.next()?);
    index.parse().ok().filter(|_| of == digest)
}

/// The last row of each object and key among the rows of an invocation that were written.
#[derive(Default)]
pub(super) struct Repeated(HashMap<(Arc<str>, String), u64>);

impl Repeated {
    fn key(digest: &Arc<str>, key: &Map<String, Value>) -> (Arc<str>, String) {
        // Attributes of a key have the table's order.
        (digest.clone(), serde_json::to_string(key).unwrap_or_default())
    }

    pub(super) fn add(&mut self, digest: &Arc<str>, key: &Map<String, Value>, index: u64) {
        let last = self.0.entry(Self::key(digest, key)).or_default();
        *last = index.max(*last);
    }

    /// Returns whether a later row of the same file has the key. It is always the earlier of two that is replaced,
    /// whatever the order of the writes was: so a file whose rows are delivered again in another order has no more of
    /// them.
    pub(super) fn has_later(&self, digest: &Arc<str>, key: &Map<String, Value>, index: u64) -> bool {
        self.0.get(&Self::key(digest, key)).is_some_and(|last| *last > index)
    }
}
