//! The documents of the command: the tallies of all objects, and that of one.

use std::collections::BTreeSet;

use contract::event::{SnapshotOutcome, SnapshotReason};
use deployer_base::output::StoredObject;
use schemars::JsonSchema;
use serde::Serialize;
use tally::{RowSet, Tally};

use super::{State, average, percent, ranges};

/// The tallies of all objects.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ObjectTallies<'a> {
    /// Name of the CloudFormation stack.
    pub(super) stack: &'a str,
    /// The objects, the newest first.
    pub(super) objects: Vec<TallySummary<'a>>,
}

/// The tally of one object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectTally<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The counts.
    #[serde(flatten)]
    summary: TallySummary<'a>,
    /// Rows that are not in the table, and of which no stage says that they failed or were skipped.
    missing_rows: RowRanges,
    /// Rows that have deleted an item; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_rows: Option<RowRanges>,
    /// Rows that were left out on purpose; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_rows: Option<RowRanges>,
    /// The skipped rows that `load` left out, because the table had an item of their key; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_rows: Option<RowRanges>,
    /// Rows that later rows of the object with the same key have replaced or deleted.
    overwritten_rows: RowRanges,
    /// Rows whose item has replaced one that another object or something else had written; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_rows: Option<RowRanges>,
    /// Rows that have changed nothing, because the table has the item of an object that was uploaded later; absent when
    /// there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated_rows: Option<RowRanges>,
    /// Rows whose key had the item of another file, with `snapshot: true`; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlapping_rows: Option<RowRanges>,
    /// Rows with a timestamp whose second 60 was taken as 59; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    leap_second_rows: Option<RowRanges>,
    /// Rows that failed, by stage and reason.
    failures: Vec<FailedRows>,
    /// The counts of each task that read its part completely.
    shards: Vec<ShardCounts>,
    /// ARNs of the tasks.
    tasks: &'a BTreeSet<String>,
}

/// The counts of one object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TallySummary<'a> {
    /// The object.
    object: Option<StoredObject<'a>>,
    /// Name of this version of the object in the tally.
    digest: &'a str,
    /// `true` if the object was read completely, and each row is in the table, was skipped or has failed.
    complete: bool,
    /// The state of the object.
    state: State,
    /// The number of rows, once the object was read completely.
    rows: Option<u64>,
    /// Rows that were read.
    extracted: u64,
    /// Rows that were transformed.
    transformed: u64,
    /// Rows that are in the table, or have deleted an item.
    loaded: u64,
    /// The loaded rows that have deleted an item; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// Rows that were left out on purpose; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
    /// The skipped rows that `load` left out, because the table had an item of their key; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<u64>,
    /// Rows that failed, are not in the table and were not skipped later.
    failed: u64,
    /// Rows that are not in the table, and of which no stage says that they failed or were skipped.
    missing: u64,
    /// Rows that later rows of the object with the same key have replaced or deleted: at least so many.
    overwritten: u64,
    /// Rows whose item has replaced one that another object or something else had written: at least so many; absent when
    /// there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<u64>,
    /// Rows that have changed nothing, because the table has the item of an object that was uploaded later; absent when
    /// there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated: Option<u64>,
    /// Rows whose key had the item of another file, with `snapshot: true`: at least so many; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlapping: Option<u64>,
    /// What `snapshot` did after the last attempt; absent while it has not ended, and in a stack without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotCounts<'a>>,
    /// Rows with a timestamp whose second 60 was taken as 59; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    leap_seconds: Option<u64>,
    /// Percentage of the rows that are in the table.
    percent: Option<f64>,
    /// Rows a second, from the first event to the last that brought something new.
    rows_per_second: Option<f64>,
    /// Time of the first event.
    started_at: Option<&'a str>,
    /// Time of the last event that brought something new.
    last_at: Option<&'a str>,
    /// Why the object as a whole could not be read.
    object_failures: Vec<ObjectFailure<'a>>,
    /// Replays that were asked for and are not done.
    pending_replays: Vec<ReplayProgress>,
}

/// Items that the latest version of a file lacks.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "snapshotCounts")]
pub struct SnapshotCounts<'a> {
    /// Items that were deleted.
    deleted: u64,
    /// Items that the latest version lacks; null when they were not counted.
    candidates: Option<u64>,
    /// Items of the file that are not newer than that version, the candidates included; null when they were not counted.
    items: Option<u64>,
    /// The largest number that might have been deleted; null when there were no candidates, or the number is not known.
    maximum: Option<u64>,
    /// Why candidates were not deleted, or not looked for; null when there is no reason.
    #[schemars(extend("enum" = ["failed-rows", "file-failed", "outdated-rows", "too-many", "no-baseline", "upload-time-unknown", null]))]
    reason: Option<&'static str>,
    /// Time of the upload of the version that counts; null when it is this one.
    latest: Option<&'a str>,
}

impl<'a> From<&'a SnapshotOutcome> for SnapshotCounts<'a> {
    fn from(outcome: &'a SnapshotOutcome) -> Self {
        Self {
            deleted: outcome.deleted,
            candidates: outcome.candidates,
            items: outcome.items,
            maximum: outcome.maximum,
            reason: outcome.reason.map(SnapshotReason::code),
            latest: outcome.latest.as_ref().map(|latest| latest.uploaded.as_str()),
        }
    }
}

/// Rows, by their numbers in the file.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "tallyRows")]
pub(in crate::commands) struct RowRanges {
    /// The number of rows.
    pub(in crate::commands) rows: u64,
    /// The first and the last row of each range; the first ranges only.
    pub(super) ranges: Vec<(u64, u64)>,
    /// The number of rows in ranges that are not listed.
    pub(super) more: u64,
}

/// Rows that failed in one stage for one reason.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "tallyFailedRows")]
pub(in crate::commands) struct FailedRows {
    /// The stage.
    #[schemars(extend("enum" = ["extraction", "transform", "load"]))]
    pub(in crate::commands) stage: String,
    /// The reason, as in `failed` events.
    pub(in crate::commands) reason: String,
    /// For people, from one of the `failed` events.
    pub(in crate::commands) message: Option<String>,
    /// The rows.
    #[serde(flatten)]
    pub(in crate::commands) rows: RowRanges,
}

/// Why an object as a whole could not be read.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "tallyObjectFailure")]
pub(in crate::commands) struct ObjectFailure<'a> {
    /// The stage.
    pub(in crate::commands) stage: &'a str,
    /// The reason, as in `failed` events.
    pub(in crate::commands) reason: &'a str,
    /// For people, from one of the `failed` events.
    pub(in crate::commands) message: Option<String>,
}

/// A replay that is not done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "tallyPendingReplay")]
struct ReplayProgress {
    /// Its ID, as `replay` gave it: the time at which it was asked for.
    id: String,
    /// The chosen rows: those that failed, or those that are missing.
    #[schemars(extend("enum" = [tally::FAILED, tally::MISSING]))]
    replay: String,
    /// The number of rows that were asked for.
    rows: u64,
    /// Those that have neither been loaded nor skipped, and have not failed, since.
    pending: u64,
}

/// The counts of a task that read its part of an object completely.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "tallyShard")]
struct ShardCounts {
    /// Number of the part.
    index: u32,
    /// The number of parts.
    of: u32,
    /// Rows in the part.
    rows: u64,
    /// Rows that were rejected.
    rejected: u64,
    /// Bytes in the part.
    bytes: u64,
}

impl<'a> ObjectFailure<'a> {
    /// Returns why an object could not be read.
    pub(in crate::commands) fn of(tally: &'a Tally) -> Vec<Self> {
        let failures = tally.object_failures().into_iter();
        failures
            .map(|(stage, reason)| Self { stage, reason, message: tally.message(stage, reason) })
            .collect()
    }
}

impl FailedRows {
    /// Returns the rows of an object that failed, by stage and reason.
    pub(in crate::commands) fn of(tally: &Tally) -> Vec<Self> {
        let failures = tally.failures().into_iter().map(|failure| Self {
            rows: RowRanges::new(&failure.rows),
            stage: failure.stage,
            reason: failure.reason,
            message: failure.message,
        });
        failures.collect()
    }
}

impl RowRanges {
    pub(super) fn new(rows: &RowSet) -> Self {
        let (shown, more) = ranges(rows);
        Self { rows: rows.len(), ranges: shown, more }
    }

    /// Returns `None` if there are no rows.
    fn some(rows: &RowSet) -> Option<Self> {
        (!rows.is_empty()).then(|| Self::new(rows))
    }
}

/// Returns the number of rows, unless there are none.
fn some(rows: &RowSet) -> Option<u64> {
    (!rows.is_empty()).then(|| rows.len())
}

impl<'a> TallySummary<'a> {
    pub(in crate::commands) fn new(tally: &'a Tally) -> Self {
        let pending_replays = tally.pending_replays().into_iter().map(|replay| ReplayProgress {
            id: replay.id,
            replay: replay.what,
            rows: replay.rows,
            pending: replay.pending,
        });
        Self {
            object: tally.summary.object.as_ref().map(StoredObject::from),
            digest: &tally.digest,
            complete: tally.is_complete(),
            state: State::of(tally),
            rows: tally.total(),
            extracted: tally.extracted.len(),
            transformed: tally.transformed.len(),
            loaded: tally.loaded.len(),
            deleted: some(&tally.deleted),
            skipped: some(&tally.skipped),
            existing: some(&tally.existing),
            failed: tally.failed().len(),
            missing: tally.missing().len(),
            overwritten: tally.overwritten.len(),
            replaced: some(&tally.replaced),
            outdated: some(&tally.outdated),
            overlapping: some(&tally.overlapping),
            snapshot: tally.snapshot.as_ref().and_then(|state| state.outcome.as_ref()).map(Into::into),
            leap_seconds: some(&tally.leap_seconds),
            percent: percent(tally),
            rows_per_second: average(tally),
            started_at: tally.started_at.as_deref(),
            last_at: tally.last_at.as_deref(),
            object_failures: ObjectFailure::of(tally),
            pending_replays: pending_replays.collect(),
        }
    }
}

impl<'a> ObjectTally<'a> {
    pub(in crate::commands) fn new(stack: &'a str, tally: &'a Tally) -> Self {
        let shards = tally.summary.shards.iter().map(|((of, index), counts)| ShardCounts {
            index: *index,
            of: *of,
            rows: counts.rows,
            rejected: counts.rejected,
            bytes: counts.bytes,
        });
        Self {
            stack,
            summary: TallySummary::new(tally),
            missing_rows: RowRanges::new(&tally.missing()),
            deleted_rows: RowRanges::some(&tally.deleted),
            skipped_rows: RowRanges::some(&tally.skipped),
            existing_rows: RowRanges::some(&tally.existing),
            overwritten_rows: RowRanges::new(&tally.overwritten),
            replaced_rows: RowRanges::some(&tally.replaced),
            outdated_rows: RowRanges::some(&tally.outdated),
            overlapping_rows: RowRanges::some(&tally.overlapping),
            leap_second_rows: RowRanges::some(&tally.leap_seconds),
            failures: FailedRows::of(tally),
            shards: shards.collect(),
            tasks: &tally.summary.tasks,
        }
    }
}
