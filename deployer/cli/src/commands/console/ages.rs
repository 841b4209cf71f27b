//! The age of the oldest row that waits for a worker. The tally has the state of each row and no times, so the rows that wait are
//! remembered with the time at which they were seen.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tally::{RowSet, Tally};

/// The least time between two times that are remembered.
const LEAST: Duration = Duration::from_secs(1);
/// The part of the age between two such times: few are remembered of rows that wait for hours.
const PART: u32 = 8;

/// Time without a read after which rows may have begun to wait at any time before the next one.
const BLIND: Duration = Duration::from_secs(30);

/// Rows that waited at a time.
#[derive(Debug)]
struct Mark {
    at: Instant,
    rows: RowSet,
    /// `true` if the files were not read before, or not for long.
    is_blind: bool,
}

/// The rows of a file that wait for a worker, the oldest first.
#[derive(Debug, Default)]
struct Seen(VecDeque<Mark>);

impl Seen {
    /// Notes the rows that wait now.
    fn note(&mut self, now: Instant, rows: RowSet, is_blind: bool) {
        while self.0.pop_front_if(|mark| mark.rows.len_with(&rows) == 0).is_some() {}
        let age = |mark: &Mark| now.saturating_duration_since(mark.at);
        let gap = self.0.front().map_or(LEAST, |first| LEAST.max(age(first) / PART));
        if !rows.is_empty() && self.0.back().is_none_or(|last| age(last) >= gap) {
            self.0.push_back(Mark { at: now, rows, is_blind });
        }
    }
}

/// The rows of all files that wait for `transform` and for `load`.
#[derive(Debug, Default)]
pub struct Ages {
    /// Digest of a file → its rows before each of the two.
    files: HashMap<String, [Seen; 2]>,
    /// The time of the last read.
    last: Option<Instant>,
}

/// A worker that rows wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Transform,
    Load,
}

/// The age of the oldest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    pub age: Duration,
    /// `true` if the row may have waited for long before it was seen.
    pub is_older: bool,
}

impl Ages {
    /// Notes the files that were read at this time.
    pub fn note(&mut self, now: Instant, files: &[Tally]) {
        let last = self.last.replace(now);
        let is_blind = last.is_none_or(|last| now.saturating_duration_since(last) > BLIND);
        let mut before = std::mem::take(&mut self.files);
        for file in files {
            let waiting = waiting(file);
            let mut seen = before.remove(&file.digest).unwrap_or_default();
            for (seen, rows) in seen.iter_mut().zip(waiting) {
                seen.note(now, rows, is_blind);
            }
            if seen.iter().any(|one| !one.0.is_empty()) {
                self.files.insert(file.digest.clone(), seen);
            }
        }
    }

    /// Returns the age of the oldest row that waits for a worker; `None` if none waits.
    pub fn oldest(&self, now: Instant, before: Before) -> Option<Age> {
        let firsts = self.files.values().filter_map(|seen| seen[before as usize].0.front());
        let oldest = firsts.min_by_key(|mark| (mark.at, !mark.is_blind))?;
        Some(Age { age: now.saturating_duration_since(oldest.at), is_older: oldest.is_blind })
    }
}

/// Returns the rows of a file that wait for `transform` and for `load`.
fn waiting(file: &Tally) -> [RowSet; 2] {
    // Most files are at their end, where both are empty.
    if file.loaded.len() == file.extracted.len() {
        return Default::default();
    }
    let failed = file.failed();
    let left = |rows: &RowSet, passed: &RowSet| {
        let mut left = rows.clone();
        for set in [passed, &file.loaded, &file.skipped, &failed] {
            left.remove(set);
        }
        left
    };
    [left(&file.extracted, &file.transformed), left(&file.transformed, &file.loaded)]
}

impl std::fmt::Display for Age {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.age.as_secs();
        let over = if self.is_older { "over " } else { "" };
        match seconds {
            0..120 => write!(formatter, "{over}{seconds} s"),
            120..7_200 => write!(formatter, "{over}{} min", seconds / 60),
            _ => write!(formatter, "{over}{} h", seconds / 3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(extracted: u64, transformed: u64, loaded: u64) -> Tally {
        let mut tally = Tally::default();
        tally.digest = "d".to_owned();
        tally.extracted = RowSet::range(1..extracted + 1);
        tally.transformed = RowSet::range(1..transformed + 1);
        tally.loaded = RowSet::range(1..loaded + 1);
        tally
    }

    #[test]
    fn a_row_is_as_old_as_the_time_since_it_was_seen_to_wait() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut ages = Ages::default();
        ages.note(at(0), &[]);
        assert_eq!(ages.oldest(at(0), Before::Transform), None);
        // Ten rows a second arrive, and `transform` is five seconds behind; `load` has none to do until then.
        for second in 1..=60 {
            let transformed = second * 10 - 10 * second.min(5);
            ages.note(at(second), &[file(second * 10, transformed, transformed)]);
            let oldest = ages.oldest(at(second), Before::Transform).expect("rows wait");
            let age = oldest.age.as_secs();
            assert!((second.min(5) - 1..=second.min(5)).contains(&age), "{age} s after {second} s");
            assert!(!oldest.is_older);
            assert_eq!(ages.oldest(at(second), Before::Load), None);
        }
        // Nothing moves any more, and nobody looks for four minutes.
        ages.note(at(300), &[file(600, 550, 540)]);
        assert!(ages.oldest(at(300), Before::Transform).is_some_and(|one| one.age.as_secs() >= 244));
        assert_eq!(ages.oldest(at(300), Before::Load).map(|one| one.age.as_secs()), Some(0));
        ages.note(at(301), &[file(600, 600, 540)]);
        assert_eq!(ages.oldest(at(301), Before::Transform), None);
        assert_eq!(
            ages.oldest(at(310), Before::Load).map(|one| one.to_string()),
            Some("over 10 s".to_owned())
        );
        // A file that is gone has no rows.
        ages.note(at(311), &[]);
        assert_eq!((ages.oldest(at(311), Before::Load), ages.files.len()), (None, 0));
    }

    #[test]
    fn rows_that_are_skipped_do_not_wait() {
        let mut tally = file(10, 4, 0);
        tally.skipped = RowSet::range(3..9);
        assert_eq!(waiting(&tally), [RowSet::range(9..11), RowSet::range(1..3)]);
    }

    #[test]
    fn rows_that_began_to_wait_unseen_may_be_older() {
        let begin = Instant::now();
        let mut ages = Ages::default();
        ages.note(begin, &[]);
        ages.note(begin + Duration::from_secs(3_600), &[file(10, 0, 0)]);
        let later = begin + Duration::from_secs(3_605);
        assert_eq!(ages.oldest(later, Before::Transform).map(|one| one.to_string()), Some("over 5 s".into()));
    }

    #[test]
    fn few_times_are_remembered_of_rows_that_wait_for_long() {
        let begin = Instant::now();
        let mut ages = Ages::default();
        for second in 0..36_000 {
            let now = begin + Duration::from_secs(second);
            ages.note(now, &[file(1_000 + second, 0, 0)]);
        }
        let now = begin + Duration::from_secs(36_000);
        assert!(ages.files["d"][0].0.len() < 100, "{}", ages.files["d"][0].0.len());
        assert_eq!(ages.oldest(now, Before::Transform).map(|one| one.to_string()), Some("over 10 h".into()));
    }
}
