//! The results of a whole file: counts, failures by reason, keys that occur twice, and the largest item.

use contract::Reason;
use transform::{Failure, Item};

use super::Fate;
use super::keys::Keys;

/// Numbers of failed rows that are named for each reason.
const NAMED: usize = 5;
/// Reasons that are told apart by field and column; more of them count as failures alone.
const GROUPS: usize = 1_000;

/// Rows that fail by the same reason, field and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The failure of the first of them.
    pub failure: Failure,
    /// Their number.
    pub rows: u64,
    /// The numbers of the first of them.
    pub first: Vec<u64>,
}

/// The largest item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// The number of its row.
    pub row: u64,
    /// Its size as DynamoDB counts it, estimated from above.
    pub bytes: u64,
}

/// The results of a whole file.
#[derive(Debug, Default)]
pub struct Summary {
    /// Rows, including those that fail or are left out.
    pub rows: u64,
    /// Rows that become items.
    pub items: u64,
    /// Rows that delete items.
    pub deletions: u64,
    /// Rows that `where` leaves out.
    pub skipped: u64,
    /// The number of runs of such rows, one after another.
    pub skipped_runs: u64,
    /// `true` if the last row was left out.
    in_run: bool,
    /// Rows that fail.
    pub failed: u64,
    /// The failures, in the order in which they first occur.
    pub groups: Vec<Group>,
    /// Rows with a timestamp whose second 60 is stored as 59.
    pub leap_seconds: u64,
    /// The largest item.
    pub largest: Option<Largest>,
    /// The keys of the items.
    pub keys: Keys,
}

impl Summary {
    /// Adds the fate of a row to the counts.
    pub fn count(&mut self, row: u64, fate: &Fate<'_>) {
        self.rows += 1;
        let in_run = std::mem::replace(&mut self.in_run, matches!(fate, Fate::Skipped));
        match fate {
            Fate::Item(item) => {
                self.items += 1;
                self.leap_seconds += u64::from(item.leap_seconds > 0);
            }
            Fate::Deleted(_) => self.deletions += 1,
            Fate::Skipped => {
                self.skipped += 1;
                self.skipped_runs += u64::from(!in_run);
            }
            Fate::Failed(failure) => self.fail(row, failure),
        }
    }

    /// Adds the fate of a row to the counts, and an item to those that are compared; `key` names the attributes of its
    /// key.
    pub fn examine(&mut self, row: u64, fate: &Fate<'_>, key: &[String]) {
        self.count(row, fate);
        let Fate::Item(item) = fate else { return };
        let bytes = size(item);
        if self.largest.is_none_or(|largest| bytes > largest.bytes) {
            self.largest = Some(Largest { row, bytes });
        }
        if !key.is_empty() {
            self.keys.add(item, key, row);
        }
    }

    fn fail(&mut self, row: u64, failure: &Failure) {
        self.failed += 1;
        let same = |group: &&mut Group| {
            let other = &group.failure;
            (other.reason, &other.field, &other.column) == (failure.reason, &failure.field, &failure.column)
        };
        let known = self.groups.len();
        match self.groups.iter_mut().find(same) {
            Some(group) => {
                group.rows += 1;
                if group.first.len() < NAMED {
                    group.first.push(row);
                }
            }
            None if known < GROUPS => {
                self.groups.push(Group { failure: failure.clone(), rows: 1, first: vec![row] });
            }
            None => {}
        }
    }

    /// Returns the reasons of the failures, each once.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut out: Vec<Reason> = Vec::new();
        for group in &self.groups {
            if !out.contains(&group.failure.reason) {
                out.push(group.failure.reason);
            }
        }
        out
    }
}

/// Returns the size of an item as DynamoDB counts it, estimated from above.
fn size(item: &Item<'_>) -> u64 {
    item.attributes.iter().map(|(name, value)| (name.len() + value.size()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use transform::Value;

    use super::*;

    #[test]
    fn failures_are_grouped_by_reason_and_field() {
        let mut summary = Summary::default();
        let failure = |field: &str| Failure {
            reason: Reason::MissingValue,
            field: Some(field.to_owned()),
            column: None,
            message: format!("`{field}` is empty"),
        };
        for row in 1..=9 {
            summary.count(row, &Fate::Failed(failure(if row == 2 { "b" } else { "a" })));
        }
        summary.count(10, &Fate::Skipped);
        summary.count(11, &Fate::Deleted(Item::default()));
        summary.count(12, &Fate::Item(Item { leap_seconds: 2, ..Item::default() }));
        assert_eq!((summary.rows, summary.failed, summary.skipped, summary.items), (12, 9, 1, 1));
        assert_eq!((summary.deletions, summary.leap_seconds), (1, 1));
        summary.count(13, &Fate::Skipped);
        assert_eq!((summary.skipped, summary.skipped_runs), (2, 2));
        summary.count(14, &Fate::Skipped);
        assert_eq!((summary.skipped, summary.skipped_runs), (3, 2));
        summary.count(15, &Fate::Failed(failure("a")));
        summary.count(16, &Fate::Skipped);
        assert_eq!((summary.skipped, summary.skipped_runs), (4, 3));
        let groups: Vec<(u64, &[u64])> =
            summary.groups.iter().map(|group| (group.rows, &group.first[..])).collect();
        assert_eq!(groups, [(9, &[1, 3, 4, 5, 6][..]), (1, &[2][..])]);
        assert_eq!(summary.reasons(), [Reason::MissingValue]);
    }

    #[test]
    fn the_largest_item_and_its_row_are_found() {
        let mut summary = Summary::default();
        for (row, text) in [(1, "a"), (2, "abc"), (3, "xyz")] {
            let item = Item { attributes: vec![("id", Value::text(text))], ..Item::default() };
            summary.examine(row, &Fate::Item(item), &["id".to_owned()]);
        }
        assert_eq!(summary.largest, Some(Largest { row: 2, bytes: 5 }));
        assert_eq!((summary.items, summary.keys.repeated), (3, 0));
    }
}
