//! A set of row numbers.

use std::ops::{Range, RangeInclusive};

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::rows::ROWS_PER_CHUNK;

/// Row numbers of one object, counted from 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowSet(RoaringTreemap);

impl RowSet {
    /// Returns the rows of a range.
    #[must_use]
    pub fn range(rows: Range<u64>) -> Self {
        let mut set = RoaringTreemap::new();
        set.insert_range(rows);
        Self(set)
    }

    /// Returns whether a row is in the set.
    #[must_use]
    pub fn contains(&self, row: u64) -> bool {
        self.0.contains(row)
    }

    /// Returns the last row.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.0.max()
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the rows of another set.
    pub fn add(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Removes the rows of another set.
    pub fn remove(&mut self, other: &Self) {
        self.0 -= &other.0;
    }

    /// Returns the number of rows that are in both sets.
    #[must_use]
    pub fn len_with(&self, other: &Self) -> u64 {
        self.0.intersection_len(&other.0)
    }

    /// Returns the rows in their order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter()
    }

    /// Returns the runs of consecutive rows, each from its first row to its last.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let mut rows = self.0.iter().peekable();
        std::iter::from_fn(move || {
            let first = rows.next()?;
            let mut last = first;
            while let Some(row) = rows.next_if(|row| row.checked_sub(1) == Some(last)) {
                last = row;
            }
            Some(first..=last)
        })
    }

    /// Adds the rows of a chunk's bitmap.
    pub(crate) fn add_chunk(&mut self, chunk: u64, set: &RoaringBitmap) {
        let base = chunk.saturating_mul(ROWS_PER_CHUNK);
        // Ascending, and after all rows that were added before if chunks are in their order: the fast way. Otherwise
        // one by one.
        if self.0.append(set.iter().map(|row| base.saturating_add(u64::from(row)))).is_err() {
            self.0.extend(set.iter().map(|row| base.saturating_add(u64::from(row))));
        }
    }
}

impl FromIterator<u64> for RowSet {
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_exactly_the_rows(rows in proptest::collection::btree_set(0_u64..40, 0..30)) {
            let set: RowSet = rows.iter().copied().collect();
            let ranges: Vec<_> = set.ranges().collect();
            prop_assert!(ranges.windows(2).all(|two| two[0].end() + 1 < *two[1].start()));
            prop_assert_eq!(ranges.into_iter().flatten().collect::<Vec<_>>(), rows.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_last_row_of_all_ends_a_range() {
        let set: RowSet = [u64::MAX - 1, u64::MAX].into_iter().collect();
        assert_eq!(set.ranges().collect::<Vec<_>>(), [u64::MAX - 1..=u64::MAX]);
    }
}
