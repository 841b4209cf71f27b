//! What the worker `snapshot` remembers in the table of the tally.
//!
//! Of each file, which of its versions is the latest that was complete, and how many items the file had after it; and of
//! each attempt at a version, how far the search for items that it lacks has come, and in the end its outcome. Each is a
//! text of JSON in an item with a revision. It is written only if it has the revision that was read, so of two processes
//! that work on the same, one finds that it is not alone.

use std::future::Future;

use contract::event::SnapshotOutcome;
use runtime::CallError;
use serde::Deserialize;

use crate::attribute::{Attribute, Attributes};
use crate::item::writer_id;

/// The beginning of the sort keys of attempts; the number of the attempt follows.
const ATTEMPT: &str = "snapshot#";
/// The end of the partition keys of files, after the digest of bucket and key.
const FILE: &str = "#file";
/// The sort key of files.
const LATEST: &str = "latest";
/// The attribute with the text.
pub(crate) const TEXT: &str = "snapshot";

/// The place of a text in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Partition key.
    pub object: String,
    /// Sort key.
    pub part: String,
}

impl Place {
    /// Returns the place of what is remembered of the file with this [`contract::ObjectRef::source`].
    #[must_use]
    pub fn of_file(source: &str) -> Self {
        Self { object: format!("{source}{FILE}"), part: LATEST.to_owned() }
    }

    /// Returns the place of what is remembered of an attempt at the object version with this digest.
    #[must_use]
    pub fn of_attempt(digest: &str, attempt: u64) -> Self {
        Self { object: digest.to_owned(), part: format!("{ATTEMPT}{attempt:012}") }
    }
}

/// A text that is in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its revision.
    pub revision: u64,
    /// The text.
    pub text: String,
}

/// The table of what is remembered. Implemented by [`crate::aws::Table`], and by fakes in tests.
pub trait Memory: Send + Sync {
    /// Reads a text, as the last write has left it.
    fn recall(&self, place: &Place) -> impl Future<Output = Result<Option<Remembered>, CallError>> + Send;

    /// Writes a text under the revision after `known`, if the item has the revision `known` (0: there is no item), or if the
    /// same `holder` has written that next revision: then an earlier call had no answer. Returns whether it was written.
    fn remember(
        &self,
        place: &Place,
        known: u64,
        holder: &str,
        text: &str,
    ) -> impl Future<Output = Result<bool, CallError>> + Send;
}

/// Returns a name for a holder that no other process has.
#[must_use]
pub fn holder() -> String {
    writer_id()
}

/// The outcome of an attempt, for readers of the tally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotState {
    /// The number of the attempt.
    pub attempt: u64,
    /// `None`: it is still at work.
    pub outcome: Option<SnapshotOutcome>,
}

/// The part of an attempt's text that readers need.
#[derive(Debug, Deserialize)]
struct Finished {
    #[serde(default)]
    outcome: Option<SnapshotOutcome>,
}

impl SnapshotState {
    /// Reads an item of the tally; returns `None` if it is another, or of another version of the program.
    pub(crate) fn read(part: &str, attributes: &Attributes) -> Option<Self> {
        let attempt = part.strip_prefix(ATTEMPT)?.parse().ok()?;
        let Some(Attribute::Text(text)) = attributes.get(TEXT) else { return None };
        let Finished { outcome } = serde_json::from_str(text).ok()?;
        Some(Self { attempt, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Replayed, Tally};

    #[test]
    fn the_outcome_of_an_attempt_is_read_from_its_item() {
        let text = |text: &str| Attributes::from([(TEXT.to_owned(), Attribute::Text(text.to_owned()))]);
        let place = Place::of_attempt("d", 7);
        let read = |json: &str| SnapshotState::read(&place.part, &text(json));
        assert_eq!(read("{\"pass\":1}"), Some(SnapshotState { attempt: 7, outcome: None }));
        let done = read(r#"{"outcome":{"deleted":3}}"#).expect("an outcome");
        assert_eq!(done.outcome.map(|outcome| outcome.deleted), Some(3));
        assert_eq!(read("["), None);
        assert_eq!(SnapshotState::read("summary", &text("{}")), None);
        assert_ne!(Place::of_file("d").object, Place::of_attempt("d", 1).object);
    }

    #[test]
    fn a_file_is_cleaned_when_its_last_attempt_is() {
        let state = |attempt, deleted: Option<u64>| {
            let outcome = deleted.map(|deleted| SnapshotOutcome { deleted, ..SnapshotOutcome::default() });
            Some(SnapshotState { attempt, outcome })
        };
        let mut tally = Tally::default();
        assert_eq!(tally.cleaned(), None, "nothing is known");
        tally.snapshot = state(1, Some(3));
        assert_eq!(tally.cleaned(), None, "its end is not on the bus");
        tally.ended = Some((1, String::new()));
        assert_eq!(tally.cleaned().map(|outcome| outcome.deleted), Some(3));
        tally.snapshot = state(1, None);
        assert_eq!(tally.cleaned(), None, "it is at work");
        tally.snapshot = state(1, Some(3));
        tally.summary.replays.insert("2026-11-28T12:00:00.000Z".into(), Replayed::default());
        assert_eq!(tally.cleaned(), None, "a replay was requested");
        tally.ended = Some((2, "2026-11-28T12:00:00.000Z".into()));
        assert_eq!(tally.cleaned(), None, "the first attempt says nothing of the second");
        tally.snapshot = state(2, Some(0));
        assert_eq!(tally.cleaned().map(|outcome| outcome.deleted), Some(0));
    }
}
