//! The tally of an object as the outcome of a file.

use std::collections::BTreeMap;

use contract::event::{ObjectFailure, ObjectOutcome};

use crate::reader::Tally;
use crate::row_set::RowSet;
use crate::time::{is_time, seconds};

impl Tally {
    /// Returns the outcome of the object, as the event of this attempt has it, without the keys of files.
    #[must_use]
    pub fn outcome(&self, attempt: u64) -> ObjectOutcome {
        let mut reasons = BTreeMap::new();
        let mut counted = RowSet::default();
        for failure in self.failures() {
            let mut rows = failure.rows;
            rows.remove(&counted);
            counted.add(&rows);
            if !rows.is_empty() {
                *reasons.entry(failure.reason).or_default() += rows.len();
            }
        }
        let failure = self.object_failures().first().map(|(stage, reason)| ObjectFailure {
            stage: (*stage).to_owned(),
            reason: (*reason).to_owned(),
            message: self.message(stage, reason),
        });
        let object = self.summary.object.as_ref();
        ObjectOutcome {
            id: object.map(|object| ObjectOutcome::id_of(object, attempt)).unwrap_or_default(),
            attempt,
            rows: self.total().unwrap_or_else(|| self.known().len()),
            loaded: self.loaded.len(),
            skipped: self.skipped.len(),
            failed: counted.len(),
            reasons,
            overwritten: self.overwritten.len(),
            outdated: self.outdated.len(),
            overlapping: self.overlapping.len(),
            bytes: self.summary.total().map(|total| total.bytes),
            seconds: object.and_then(|object| elapsed(object.uploaded.as_deref()?, self.last_at.as_deref()?)),
            failure,
            snapshot: None,
            files: None,
        }
    }
}

/// Returns the whole seconds between the time of an upload and that of an event; 0 if the clocks differ by more.
fn elapsed(uploaded: &str, last: &str) -> Option<u64> {
    let uploaded = format!("{}Z", uploaded.get(..19)?);
    (is_time(&uploaded) && is_time(last))
        .then(|| u64::try_from(seconds(last).saturating_sub(seconds(&uploaded))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_since_the_upload() {
        let elapsed = |uploaded| elapsed(uploaded, "2026-11-28T12:01:05Z");
        assert_eq!(elapsed("2026-11-28T12:00:00.900Z"), Some(65));
        assert_eq!(elapsed("2026-11-28T12:00:00Z"), Some(65));
        assert_eq!(elapsed("2026-11-28T12:02:00.000Z"), Some(0), "clocks differ");
        for other in ["", "yesterday", "2026-11-28 12:00:00.000Z"] {
            assert_eq!(elapsed(other), None, "{other}");
        }
    }
}
