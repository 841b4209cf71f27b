//! All rows of a file, looked at once: the facts about each column, and the rows that the reader rejects.

use std::collections::HashMap;

use contract::Reason;

use super::column::Column;
use super::keys::{Proof, Unique};
use super::names;

/// The facts about a file.
#[derive(Debug)]
pub struct Survey {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Positions of the candidates for the key, most preferred first.
    candidates: Vec<usize>,
    unique: Unique,
    rows: u64,
    /// The number of rows that the reader rejects, by reason.
    rejected: HashMap<Reason, u64>,
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
            rejected: HashMap::new(),
        }
    }

    /// Adds a row.
    pub fn take(&mut self, row: u64, values: &[&str]) {
        self.rows += 1;
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.take(row, value);
        }
        for (candidate, position) in self.candidates.iter().enumerate() {
            if self.unique.wants(candidate) {
                let value = values.get(*position).map(|value| value.trim()).filter(|value| !value.is_empty());
                self.unique.take(candidate, row, value.map(std::iter::once));
            }
        }
    }

    /// Notes that the last row does not have a column: of JSON, each has its own.
    pub fn lacks(&mut self, position: usize) {
        if let Some(column) = self.columns.get_mut(position) {
            column.absent += 1;
        }
    }

    /// Adds a row that the reader rejects.
    pub fn reject(&mut self, reason: Reason) {
        *self.rejected.entry(reason).or_default() += 1;
    }

    /// Returns the number of good rows.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the number of rows that the reader rejects by a reason.
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.rejected.get(&reason).copied().unwrap_or_default()
    }

    /// Returns the number of all rows.
    pub fn seen(&self) -> u64 {
        self.rows + self.rejected.values().sum::<u64>()
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
