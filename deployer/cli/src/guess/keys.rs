//! Candidates for the key of the table: columns whose values are different in all rows.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _};

/// The greatest number of values that are remembered, of all candidates together, as 64 bits each: about 100 MB.
const MAX_VALUES: usize = 6_000_000;

/// Hashes of values, which need no other hash.
type Fingerprints = HashSet<u64, BuildHasherDefault<Identity>>;

/// The state of a candidate.
#[derive(Debug)]
enum State {
    /// All values so far are different.
    Live(Fingerprints),
    /// All values of the rows up to this one were different, of which there were too many to remember.
    Unproven(u64),
    /// Two values are equal, one is missing, or there were better candidates.
    Out,
}

/// The uniqueness of several candidates, in their order of preference.
#[derive(Debug)]
pub struct Unique {
    states: Vec<State>,
    values: usize,
    limit: usize,
}

/// The certainty that the values of a candidate are different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// In all rows.
    Whole,
    /// In the rows up to this one, after which there were too many to compare.
    Until(u64),
}

impl Unique {
    /// Creates the state of a number of candidates, the most preferred first.
    pub fn new(candidates: usize) -> Self {
        Self::with_limit(candidates, MAX_VALUES)
    }

    fn with_limit(candidates: usize, limit: usize) -> Self {
        let states = (0..candidates).map(|_| State::Live(Fingerprints::default())).collect();
        Self { states, values: 0, limit }
    }

    /// Returns whether the values of a candidate are still of interest.
    pub fn wants(&self, candidate: usize) -> bool {
        matches!(self.states.get(candidate), Some(State::Live(_)))
    }

    /// Adds the value of a candidate in a row; `None` if it has none.
    pub fn take<'v>(&mut self, candidate: usize, row: u64, value: Option<impl Iterator<Item = &'v str>>) {
        let Some(State::Live(known)) = self.states.get_mut(candidate) else { return };
        let is_new = value.is_some_and(|parts| known.insert(fingerprint(parts)));
        if !is_new {
            self.values -= known.len();
            self.set(candidate, State::Out);
            return;
        }
        self.values += 1;
        if self.values > self.limit {
            self.give_up(row);
        }
    }

    /// Forgets the least preferred candidate; the last one stays, without a proof.
    fn give_up(&mut self, row: u64) {
        let live = |state: &State| matches!(state, State::Live(_));
        let Some(last) = self.states.iter().rposition(live) else { return };
        let only = self.states.iter().filter(|state| live(state)).count() == 1;
        if let Some(State::Live(known)) = self.states.get(last) {
            self.values -= known.len();
        }
        self.set(last, if only { State::Unproven(row) } else { State::Out });
    }

    fn set(&mut self, candidate: usize, state: State) {
        if let Some(slot) = self.states.get_mut(candidate) {
            *slot = state;
        }
    }

    /// Returns the candidates whose values are different, most preferred first.
    pub fn found(&self) -> Vec<(usize, Proof)> {
        let proof = |state: &State| match state {
            State::Live(_) => Some(Proof::Whole),
            State::Unproven(row) => Some(Proof::Until(*row)),
            State::Out => None,
        };
        self.states.iter().enumerate().filter_map(|(at, state)| Some((at, proof(state)?))).collect()
    }
}

/// Returns 64 bits that are different for different values, but for one pair in 2^64: two values that seem to be equal
/// only make a column look unfit, which fails no row.
fn fingerprint<'v>(parts: impl Iterator<Item = &'v str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.for_each(|part| part.hash(&mut hasher));
    hasher.finish()
}

/// The hasher of values that are hashes.
#[derive(Debug, Default)]
struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = (self.0 << 8) | u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(unique: &mut Unique, row: u64, values: &[&str]) {
        for (candidate, value) in values.iter().enumerate() {
            unique.take(candidate, row, (!value.is_empty()).then(|| std::iter::once(*value)));
        }
    }

    #[test]
    fn a_value_that_occurs_twice_or_is_missing_excludes_a_candidate() {
        let mut unique = Unique::new(3);
        take(&mut unique, 1, &["1", "a", "x"]);
        take(&mut unique, 2, &["2", "a", ""]);
        assert_eq!(unique.found(), [(0, Proof::Whole)]);
        assert!(unique.wants(0) && !unique.wants(1));
        assert_eq!(unique.values, 2);
    }

    #[test]
    fn memory_has_a_bound_and_the_best_candidate_stays() {
        let mut unique = Unique::with_limit(3, 10);
        for row in 1..=20 {
            let value = row.to_string();
            take(&mut unique, row, &[&value, &value, &value]);
            assert!(unique.values <= 10, "{}", unique.values);
        }
        assert_eq!(unique.found(), [(0, Proof::Until(11))]);
    }

    #[test]
    fn pairs_are_compared_part_by_part() {
        let mut unique = Unique::new(1);
        unique.take(0, 1, Some(["ab", "c"].into_iter()));
        unique.take(0, 2, Some(["a", "bc"].into_iter()));
        assert_eq!(unique.found(), [(0, Proof::Whole)]);
        unique.take(0, 3, Some(["a", "bc"].into_iter()));
        assert_eq!(unique.found(), []);
    }

    proptest! {
        #[test]
        fn a_candidate_is_found_if_its_values_are_different(values in proptest::collection::vec("[a-c]{1,3}", 0..20)) {
            let mut unique = Unique::new(1);
            for (row, value) in (1..).zip(&values) {
                take(&mut unique, row, &[value]);
            }
            let different = values.iter().collect::<std::collections::HashSet<_>>().len() == values.len();
            prop_assert_eq!(!unique.found().is_empty(), different);
        }
    }
}
