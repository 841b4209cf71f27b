//! An event of each kind, for tests.

use serde_json::json;

use super::{
    Detail, EventKind, LatestVersion, Notes, ObjectFailure, ObjectOutcome, ResultFiles, Skipped,
    SnapshotOutcome, SnapshotReason,
};
use crate::{FailedStage, Location, ObjectRef, Reason, Shard};

/// Returns an event of each kind, and two of those that can carry several rows.
pub(crate) fn samples() -> Vec<(EventKind, Detail)> {
    let object = ObjectRef {
        bucket: "b".into(),
        key: "a b+c.csv".into(),
        version: Some("v".into()),
        etag: None,
        uploaded: None,
        replay: Some("2026-11-28T12:00:00.000Z".into()),
    };
    let record = object.record(3);
    let key = serde_json::Map::from_iter([("id".to_owned(), json!("7"))]);
    let failed = |stage, record| Detail::Failed {
        stage,
        object: Some(object.clone()),
        record,
        reason: Reason::RowLength,
        message: "m".into(),
        field: None,
        column: None,
    };
    vec![
        (EventKind::TaskStarted, Detail::TaskStarted { object: object.clone(), task: "arn".into() }),
        (
            EventKind::RecordExtracted,
            Detail::RecordExtracted {
                object: object.clone(),
                record: record.clone(),
                headers: "a,b".into(),
                data: "1,\"x,y\"".into(),
                data_key: None,
                location: None,
            },
        ),
        (
            EventKind::RecordExtracted,
            Detail::RecordExtracted {
                object: object.clone(),
                record: object.records(3, 2),
                headers: "a,b".into(),
                data: "1,2\n3,4".into(),
                data_key: Some("AQI=".into()),
                location: None,
            },
        ),
        (
            EventKind::RecordExtracted,
            Detail::RecordExtracted {
                object: object.clone(),
                record: record.clone(),
                headers: "a,b".into(),
                data: String::new(),
                data_key: None,
                location: Some(Location {
                    from: 4,
                    to: 9,
                    delimiter: crate::settings::Character::COMMA,
                    quote: crate::settings::Character::QUOTE,
                    escape: None,
                    trailing: false,
                    pad: true,
                    encoding: None,
                }),
            },
        ),
        (
            EventKind::ExtractionCompleted,
            Detail::ExtractionCompleted {
                object: object.clone(),
                rows: 2,
                bytes: 9,
                rejected: 1,
                skipped: Some(Skipped { blank: 1, headers: 0, comments: 3 }),
                encoding: crate::Encoding::from_label("latin9").ok(),
                shard: Some(Shard { index: 2, of: 2 }),
            },
        ),
        (
            EventKind::RecordTransformed,
            Detail::RecordTransformed {
                object: object.clone(),
                record: record.clone(),
                data: vec![key.clone()],
                data_key: None,
                notes: Notes::default(),
            },
        ),
        (
            EventKind::RecordTransformed,
            Detail::RecordTransformed {
                object: object.clone(),
                record: object.records(3, 2),
                data: vec![key.clone(), key.clone()],
                data_key: Some("AQI=".into()),
                notes: Notes { leap_seconds: vec![4], ..Notes::default() },
            },
        ),
        (
            EventKind::DeletionRequested,
            Detail::DeletionRequested {
                object: object.clone(),
                record: object.records(3, 2),
                key: vec![key.clone(), key.clone()],
            },
        ),
        (EventKind::RecordSkipped, Detail::RecordSkipped { object: object.clone(), record: record.clone() }),
        (
            EventKind::RecordSkipped,
            Detail::RecordSkipped { object: object.clone(), record: object.records(3, 2) },
        ),
        (
            EventKind::RecordLoaded,
            Detail::RecordLoaded {
                object: object.clone(),
                record: record.clone(),
                table: "t".into(),
                key: vec![key.clone()],
                notes: Notes::default(),
            },
        ),
        (
            EventKind::RecordDeleted,
            Detail::RecordDeleted {
                object: object.clone(),
                record: record.clone(),
                table: "t".into(),
                key: vec![key.clone()],
                notes: Notes {
                    overwritten: vec![2],
                    replaced: vec![3],
                    outdated: vec![3],
                    overlapping: vec![3],
                    leap_seconds: vec![3],
                },
            },
        ),
        (
            EventKind::RecordExisting,
            Detail::RecordExisting {
                object: object.clone(),
                record: record.clone(),
                table: "t".into(),
                key: vec![key],
            },
        ),
        (
            EventKind::ObjectCompleted,
            Detail::ObjectCompleted {
                object: object.clone(),
                outcome: Box::new(ObjectOutcome {
                    id: ObjectOutcome::id_of(&object, 2),
                    attempt: 2,
                    rows: 9,
                    loaded: 5,
                    skipped: 1,
                    failed: 3,
                    reasons: [("row-length".to_owned(), 2), ("invalid-number".to_owned(), 1)].into(),
                    overwritten: 1,
                    outdated: 1,
                    overlapping: 2,
                    bytes: Some(99),
                    seconds: Some(4),
                    failure: None,
                    snapshot: None,
                    files: Some(ResultFiles::of(&object.key, Some("csv"))),
                }),
            },
        ),
        (
            EventKind::ObjectCompleted,
            Detail::ObjectCompleted {
                object: object.clone(),
                outcome: Box::new(ObjectOutcome {
                    id: ObjectOutcome::id_of(&object, 1),
                    attempt: 1,
                    failure: Some(ObjectFailure {
                        stage: "extraction".into(),
                        reason: "missing-column".into(),
                        message: Some("m".into()),
                    }),
                    ..ObjectOutcome::default()
                }),
            },
        ),
        (
            EventKind::SnapshotCompleted,
            Detail::SnapshotCompleted {
                object: object.clone(),
                outcome: Box::new(ObjectOutcome {
                    id: ObjectOutcome::id_of(&object, 1),
                    attempt: 1,
                    rows: 9,
                    loaded: 9,
                    snapshot: Some(SnapshotOutcome {
                        deleted: 0,
                        candidates: Some(4),
                        items: Some(13),
                        maximum: Some(1),
                        reason: Some(SnapshotReason::TooMany),
                        latest: Some(LatestVersion {
                            version: Some("v".into()),
                            uploaded: "2026-11-24T12:00:00.000Z".into(),
                        }),
                    }),
                    ..ObjectOutcome::default()
                }),
            },
        ),
        (EventKind::Failed, failed(FailedStage::Extraction, None)),
        (EventKind::Failed, failed(FailedStage::Transform, Some(record.clone()))),
        (
            EventKind::Failed,
            failed(FailedStage::Transform, Some(record.clone()))
                .failed_by(Some("address.street".into()), Some("Street \"1\"".into())),
        ),
        (EventKind::Failed, failed(FailedStage::Load, Some(record))),
    ]
}
