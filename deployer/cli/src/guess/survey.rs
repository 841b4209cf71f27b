//! All rows of a file, looked at once: the facts about each column, and the rows that the reader rejects.

use std::collections::BTreeMap;

use super::column::Column;
use super::keys::{Proof, Unique};
use super::names;

/// The greatest number of bytes of a key that can also be a sort key (Amazon DynamoDB Developer Guide, "Constraints").
pub const MAX_KEY: usize = 1024;
/// The greatest number of bytes of an item (same source).
const MAX_ITEM: usize = 400 * 1024;
/// The number of rows that are named in a message.
const NAMED_ROWS: usize = 3;

/// The rows that were rejected for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<u64>,
    /// The message of the first one, which contains no value.
    pub message: String,
}

/// The facts about a file.
#[derive(Debug)]
pub struct Survey {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Positions of the candidates for the key, most preferred first.
    candidates: Vec<usize>,
    unique: Unique,
    rows: u64,
    rejected: BTreeMap<String, Rejected>,
    too_large: u64,
}

impl Survey {
    /// Creates the survey of a file with columns of these names.
    pub fn new(names: &[String]) -> Self {
        let mut candidates: Vec<usize> = (0..names.len()).collect();
        let name = |position: &usize| names.get(*position).map(String::as_str).unwrap_or_default();
        candidates.retain(|position| names::is_usable(name(position)));
        candidates.sort_by_key(|position| (names::identifier_rank(name(position)), *position));
        Self {
            names: names.to_vec(),
            columns: names.iter().map(|_| Column::default()).collect(),
            unique: Unique::new(candidates.len()),
            candidates,
            rows: 0,
            rejected: BTreeMap::new(),
            too_large: 0,
        }
    }

    /// Adds a row.
    pub fn take(&mut self, row: u64, values: &[&str]) {
        self.rows += 1;
        let mut bytes = 0;
        for (column, value) in self.columns.iter_mut().zip(values) {
            bytes += value.len();
            column.take(row, value);
        }
        self.too_large += u64::from(bytes > MAX_ITEM);
        for (candidate, position) in self.candidates.iter().enumerate() {
            if self.unique.wants(candidate) {
                let value = values.get(*position).map(|value| value.trim()).filter(|value| !value.is_empty());
                self.unique.take(candidate, row, value.map(std::iter::once));
            }
        }
    }

    /// Adds a row that the reader rejects.
    pub fn reject(&mut self, row: u64, reason: &str, message: &str) {
        let rejected = self.rejected.entry(reason.to_owned()).or_default();
        if rejected.count == 0 {
            message.clone_into(&mut rejected.message);
        }
        rejected.count += 1;
        if rejected.rows.len() < NAMED_ROWS {
            rejected.rows.push(row);
        }
    }

    /// Returns the number of good rows.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the rejected rows by their reason.
    pub const fn rejected(&self) -> &BTreeMap<String, Rejected> {
        &self.rejected
    }

    /// Returns the number of rows that are larger than an item can be.
    pub const fn too_large(&self) -> u64 {
        self.too_large
    }

    /// Returns the names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the columns with their names.
    pub fn columns(&self) -> impl Iterator<Item = (usize, &str, &Column)> + Clone {
        let named = self.names.iter().map(String::as_str).zip(&self.columns);
        named.enumerate().map(|(position, (name, column))| (position, name, column))
    }

    /// Returns a column.
    pub fn column(&self, position: usize) -> Option<&Column> {
        self.columns.get(position)
    }

    /// Returns the positions of the columns whose values are different in all rows, most preferred first.
    pub fn unique(&self) -> Vec<(usize, Proof)> {
        let found = self.unique.found().into_iter();
        found.filter_map(|(candidate, proof)| Some((*self.candidates.get(candidate)?, proof))).collect()
    }
}
