//! The files of a stack, by their tallies.

use deployer_console::model::{Failure, FileRow, FileState};
use tally::Tally;

use crate::commands::docs;
use crate::commands::status::pace::Speed;
use crate::commands::tally::State;

/// Row numbers that are listed of a failure.
const LISTED_ROWS: usize = 100;

/// Returns the counts of a file.
pub fn row(tally: &Tally, speed: Speed) -> FileRow {
    let object = tally.summary.object.as_ref();
    let total = tally.total();
    let replaying: u64 = tally.pending_replays().iter().map(|replay| replay.pending).sum();
    FileRow {
        id: tally.digest.clone(),
        bucket: object.map(|object| object.bucket.clone()).unwrap_or_default(),
        key: object.map(|object| object.key.clone()).unwrap_or_default(),
        version: object.and_then(|object| object.version.clone()),
        uploaded: object.and_then(|object| object.uploaded.clone()),
        started_at: tally.started_at.clone(),
        last_at: tally.last_at.clone(),
        total,
        extracted: tally.extracted.len(),
        transformed: tally.transformed.len(),
        loaded: tally.loaded.len(),
        skipped: tally.skipped.len(),
        failed: tally.failed().len(),
        missing: total.map(|_| tally.missing().len()),
        state: state(tally),
        rows_per_second: speed.rows_per_second.map(rounded),
        seconds_to_go: speed.seconds_to_go,
        size: tally.summary.total().map(|total| total.bytes),
        replaying: Some(replaying).filter(|rows| *rows > 0),
    }
}

/// Returns a number with one decimal, so that it does not change without need.
pub fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn state(tally: &Tally) -> FileState {
    match State::of(tally) {
        State::Open => FileState::Open,
        State::Loaded => FileState::Complete,
        State::ObjectFailed => FileState::Failed,
        State::RowsFailed if tally.loaded.is_empty() && tally.skipped.is_empty() => FileState::Failed,
        State::RowsFailed => FileState::Incomplete,
    }
}

/// Returns why a file, or rows of it, have failed.
pub fn failures(tally: &Tally) -> Vec<Failure> {
    let docs = |reason: &str| docs::page_of_reason(reason).ok().flatten();
    let whole = tally.object_failures().into_iter().map(|(stage, reason)| Failure {
        reason: reason.to_owned(),
        stage: stage.to_owned(),
        count: 0,
        rows: Vec::new(),
        message: tally.message(stage, reason),
        docs: docs(reason),
    });
    let rows = tally.failures().into_iter().map(|failure| Failure {
        docs: docs(&failure.reason),
        count: failure.rows.len(),
        rows: failure.rows.ranges().flatten().take(LISTED_ROWS).collect(),
        reason: failure.reason,
        stage: failure.stage,
        message: failure.message,
    });
    whole.chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use tally::{Counts, RowSet};

    use super::*;

    #[test]
    fn a_file_has_one_of_four_states() {
        let mut tally = Tally::default();
        tally.extracted.add(&RowSet::range(1..4));
        assert_eq!((state(&tally), row(&tally, Speed::default()).missing), (FileState::Open, None));
        tally.summary.shards.insert((1, 1), Counts { rows: 3, rejected: 0, bytes: 9 });
        let counts = row(&tally, Speed::default());
        assert_eq!((counts.state, counts.missing, counts.size), (FileState::Open, Some(3), Some(9)));
        tally.loaded = RowSet::range(1..4);
        assert_eq!(state(&tally), FileState::Complete);
        let mut broken = Tally::default();
        broken.summary.failures.insert(("extraction".into(), "missing-column".into()));
        assert_eq!(state(&broken), FileState::Failed);
        let found = failures(&broken);
        assert_eq!((found.len(), found[0].count, found[0].reason.as_str()), (1, 0, "missing-column"));
        assert!(found[0].docs.as_ref().is_some_and(|docs| docs.contains("column")));
    }
}
