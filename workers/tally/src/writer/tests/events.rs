//! Events of one object, as the writers in the tests receive them.

use contract::brief::{Object, Record, Text, What, Written};
use contract::{Brief, Detail, FailedStage, Notes, ObjectRef, Reason, RecordRef, Shard};
use proptest::prelude::*;

pub(super) fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: Some("1".into()),
        etag: None,
        uploaded: None,
        replay: None,
    }
}

/// Returns rows without the ID, which is a digest and takes a while.
pub(super) fn records(first: u64, count: u64) -> RecordRef {
    RecordRef { index: first, id: String::new(), count }
}

pub(super) fn extracted(first: u64, count: u64) -> Detail {
    Detail::RecordExtracted {
        object: object(),
        record: records(first, count),
        headers: String::new(),
        data: String::new(),
        data_key: None,
        location: None,
    }
}

pub(super) fn transformed(first: u64, count: u64) -> Detail {
    Detail::RecordTransformed {
        object: object(),
        record: records(first, count),
        data: Vec::new(),
        data_key: None,
        notes: Notes::default(),
    }
}

pub(super) fn skipped(first: u64, count: u64) -> Detail {
    Detail::RecordSkipped { object: object(), record: records(first, count) }
}

pub(super) fn loaded(first: u64, count: u64) -> Detail {
    Detail::RecordLoaded {
        object: object(),
        record: records(first, count),
        table: String::new(),
        key: Vec::new(),
        notes: Notes::default(),
    }
}

pub(super) fn deleted(first: u64, count: u64) -> Detail {
    Detail::RecordDeleted {
        object: object(),
        record: records(first, count),
        table: String::new(),
        key: Vec::new(),
        notes: Notes { outdated: vec![first], ..Notes::default() },
    }
}

pub(super) fn existing(first: u64, count: u64) -> Detail {
    Detail::RecordExisting {
        object: object(),
        record: records(first, count),
        table: String::new(),
        key: Vec::new(),
    }
}

/// Returns the event of a row that was loaded, and has replaced others.
pub(super) fn replacing(row: u64, rows: &[u64]) -> Detail {
    match loaded(row, 1) {
        Detail::RecordLoaded { object, record, table, key, .. } => {
            let notes = Notes { overwritten: rows.to_vec(), ..Notes::default() };
            Detail::RecordLoaded { object, record, table, key, notes }
        }
        other => other,
    }
}

pub(super) fn failed(first: u64, count: u64, stage: FailedStage, reason: Reason) -> Detail {
    let record = Some(records(first, count));
    let message = String::new();
    Detail::Failed { stage, object: Some(object()), record, reason, message, field: None, column: None }
}

pub(super) fn completed(rows: u64, shard: Option<Shard>) -> Detail {
    Detail::ExtractionCompleted {
        object: object(),
        rows,
        bytes: 10,
        rejected: 0,
        skipped: None,
        encoding: None,
        shard,
    }
}

/// Returns the result of [`Brief::parse`] for an event, which its own tests check; a hundred thousand of them take a
/// while to write.
pub(super) fn brief<'a>(detail: &'a Detail, time: &'a str) -> Brief<'a> {
    let text = |text: &'a str| Text(text.into());
    let optional = |of: &'a Option<String>| of.as_deref().map(text);
    let what = match detail {
        Detail::TaskStarted { task, .. } => What::TaskStarted { task: text(task) },
        Detail::RecordExtracted { .. } => What::Extracted,
        Detail::ExtractionCompleted { rows, bytes, rejected, shard, .. } => {
            What::Completed { rows: *rows, bytes: *bytes, rejected: *rejected, shard: *shard }
        }
        Detail::RecordTransformed { notes, .. } => What::Transformed { notes: notes.clone() },
        Detail::DeletionRequested { .. } => What::Deletion,
        Detail::RecordSkipped { .. } => What::Skipped,
        Detail::RecordLoaded { table, notes, .. } => What::Loaded(written(text(table), notes)),
        Detail::RecordDeleted { table, notes, .. } => What::Deleted(written(text(table), notes)),
        Detail::RecordExisting { table, .. } => What::Existing(written(text(table), &Notes::default())),
        Detail::ObjectCompleted { outcome, .. } => What::ObjectCompleted {
            attempt: outcome.attempt,
            rows: outcome.rows,
            loaded: outcome.loaded,
            failed: outcome.failed,
        },
        Detail::SnapshotCompleted { outcome, .. } => What::SnapshotCompleted {
            attempt: outcome.attempt,
            rows: outcome.rows,
            snapshot: outcome.snapshot.clone().unwrap_or_default(),
        },
        Detail::Failed { stage, reason, message, field, column, .. } => What::Failed {
            stage: *stage,
            reason: *reason,
            code: Text(reason.code().into()),
            message: text(message),
            field: optional(field),
            column: optional(column),
        },
    };
    Brief {
        detail_type: text(detail.detail_type()),
        source: None,
        time: Some(text(time)),
        status: text(""),
        object: detail.object().map(|object| Object {
            bucket: text(&object.bucket),
            key: text(&object.key),
            version: optional(&object.version),
            etag: optional(&object.etag),
            uploaded: optional(&object.uploaded),
            replay: optional(&object.replay),
        }),
        record: detail.record().map(|record| Record {
            index: record.index,
            id: text(&record.id),
            count: record.count,
        }),
        what,
    }
}

fn written<'a>(table: Text<'a>, notes: &Notes) -> Written<'a> {
    Written { table, key: None, notes: notes.clone() }
}

pub(super) fn event() -> impl Strategy<Value = Detail> {
    // Around the border of two chunks.
    let rows = (65_500_u64..65_580, 1_u64..40);
    (0_u8..9, rows).prop_map(|(kind, (first, count))| match kind {
        0 => extracted(first, count),
        1 => transformed(first, count),
        2 => loaded(first, count),
        3 => failed(first, count, FailedStage::Transform, Reason::MissingValue),
        4 => failed(first, count, FailedStage::Load, Reason::InvalidItem),
        5 => skipped(first, count),
        6 => deleted(first, count),
        7 => existing(first, count),
        _ => completed(first, Some(Shard { index: u32::try_from(count % 3).expect("small") + 1, of: 3 })),
    })
}
