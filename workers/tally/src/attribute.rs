//! Attributes of the table's items as plain data.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Any other value, which is never written here.
    Other,
}

/// The attributes of an item, without its key and `revision`.
pub type Attributes = BTreeMap<String, Attribute>;
