//! An event as `observe` needs it: its subject, without the values of a row.
//!
//! One pass over the text of a message, from which the fields are borrowed. [`crate::Detail`] would copy every value
//! only to drop it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{ESCAPED, Notes, SnapshotOutcome};
use crate::{FailedStage, ObjectRef, Reason, Shard, characters};

/// A text in a message. It is borrowed unless it contains escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// An [`ObjectRef`] in a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Object<'a> {
    /// Bucket name.
    #[serde(borrow)]
    pub bucket: Text<'a>,
    /// Object key.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// Version id.
    #[serde(borrow, default)]
    pub version: Option<Text<'a>>,
    /// Entity tag.
    #[serde(borrow, default)]
    pub etag: Option<Text<'a>>,
    /// The time at which it was uploaded.
    #[serde(borrow, default)]
    pub uploaded: Option<Text<'a>>,
    /// The replay by which its rows are sent again.
    #[serde(borrow, default)]
    pub replay: Option<Text<'a>>,
}

impl Object<'_> {
    /// Returns the object with texts that it owns.
    #[must_use]
    pub fn to_ref(&self) -> ObjectRef {
        let own = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
        ObjectRef {
            bucket: self.bucket.to_string(),
            key: self.key.to_string(),
            version: own(&self.version),
            etag: own(&self.etag),
            uploaded: own(&self.uploaded),
            replay: own(&self.replay),
        }
    }

    /// Returns whether all fields are equal.
    #[must_use]
    pub fn is(&self, other: &ObjectRef) -> bool {
        let same = |own: &Option<Text<'_>>, other: &Option<String>| own.as_deref() == other.as_deref();
        *self.key == *other.key
            && same(&self.version, &other.version)
            && *self.bucket == *other.bucket
            && same(&self.etag, &other.etag)
            && same(&self.uploaded, &other.uploaded)
            && same(&self.replay, &other.replay)
    }
}

/// A [`crate::RecordRef`] in a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record<'a> {
    /// Position of the first row.
    pub index: u64,
    /// ID of the first row.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// The number of rows.
    #[serde(default = "one")]
    pub count: u64,
}

const fn one() -> u64 {
    1
}

/// What `load` did with the items of rows.
#[derive(Debug, Clone)]
pub struct Written<'a> {
    /// Table name.
    pub table: Text<'a>,
    /// Keys of the items, one for each row: a map, or a list of maps.
    pub key: Option<&'a RawValue>,
    /// Rows about which there is more to say.
    pub notes: Notes,
}

/// The content of an event.
#[derive(Debug, Clone)]
pub enum What<'a> {
    /// A task was started.
    TaskStarted {
        /// ARN of the task.
        task: Text<'a>,
    },
    /// Rows were read.
    Extracted,
    /// The object, or a part of it, was read completely.
    Completed {
        /// Rows, rejected ones included.
        rows: u64,
        /// Bytes, as they are stored.
        bytes: u64,
        /// Rows that were rejected.
        rejected: u64,
        /// The part.
        shard: Option<Shard>,
    },
    /// Rows became items.
    Transformed {
        /// Rows about which there is more to say.
        notes: Notes,
    },
    /// Rows became requests to delete items.
    Deletion,
    /// Rows were left out on purpose.
    Skipped,
    /// Items were written.
    Loaded(Written<'a>),
    /// Items were deleted.
    Deleted(Written<'a>),
    /// Items were not written, because the table had some of the same keys.
    Existing(Written<'a>),
    /// Every row of the object is settled.
    ObjectCompleted {
        /// The number of the attempt.
        attempt: u64,
        /// Rows, as far as they are known.
        rows: u64,
        /// Rows that are in the table.
        loaded: u64,
        /// Rows that failed.
        failed: u64,
    },
    /// Items that the latest version of the file lacks were deleted, or left.
    SnapshotCompleted {
        /// The number of the attempt.
        attempt: u64,
        /// Rows of the object, as far as they are known.
        rows: u64,
        /// The facts.
        snapshot: SnapshotOutcome,
    },
    /// The object or a row failed.
    Failed {
        /// The stage that reports it.
        stage: FailedStage,
        /// Stable code.
        reason: Reason,
        /// The code as text.
        code: Text<'a>,
        /// One sentence for a person.
        message: Text<'a>,
        /// Name of the field that the row failed by.
        field: Option<Text<'a>>,
        /// Name of the column that the row failed by.
        column: Option<Text<'a>>,
    },
}

/// An event of the pipeline.
#[derive(Debug, Clone)]
pub struct Brief<'a> {
    /// `detail-type` of the event.
    pub detail_type: Text<'a>,
    /// `source` of the event.
    pub source: Option<Text<'a>>,
    /// The time at which EventBridge received it.
    pub time: Option<Text<'a>>,
    /// `status` in the detail.
    pub status: Text<'a>,
    /// The object, which only a failure may lack.
    pub object: Option<Object<'a>>,
    /// The row, or several.
    pub record: Option<Record<'a>>,
    /// The content.
    pub what: What<'a>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "detail-type", borrow)]
    detail_type: Text<'a>,
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    detail: Body<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow, default)]
    object: Option<Object<'a>>,
    #[serde(borrow, default)]
    record: Option<Record<'a>>,
    #[serde(borrow, default)]
    task: Option<Text<'a>>,
    #[serde(default)]
    rows: Option<u64>,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default)]
    rejected: Option<u64>,
    #[serde(default)]
    attempt: Option<u64>,
    #[serde(default)]
    loaded: Option<u64>,
    #[serde(default)]
    failed: Option<u64>,
    #[serde(default)]
    snapshot: Option<SnapshotOutcome>,
    #[serde(default)]
    shard: Option<Shard>,
    #[serde(borrow, default)]
    table: Option<Text<'a>>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(default)]
    overwritten: RowsOrCount,
    #[serde(default)]
    replaced: Vec<u64>,
    #[serde(default)]
    outdated: RowsOrCount,
    #[serde(default)]
    overlapping: RowsOrCount,
    #[serde(default)]
    leap_seconds: Vec<u64>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    field: Option<Text<'a>>,
    #[serde(borrow, default)]
    column: Option<Text<'a>>,
}

/// The detail types of the outcome of an object.
const OBJECT_COMPLETED: &str = "s3ObjectCompleted";
const SNAPSHOT_COMPLETED: &str = "s3SnapshotCompleted";

/// Rows about which there is more to say: their numbers in an event about rows, their count in the outcome of an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum RowsOrCount {
    Rows(Vec<u64>),
    Count(#[expect(dead_code, reason = "it is read to be skipped")] u64),
}

impl Default for RowsOrCount {
    fn default() -> Self {
        Self::Rows(Vec::new())
    }
}

impl RowsOrCount {
    /// Returns the rows; `None` where there should be some, and is a count.
    fn into_rows(self, detail_type: &str) -> Option<Vec<u64>> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Count(_) => [OBJECT_COMPLETED, SNAPSHOT_COMPLETED].contains(&detail_type).then(Vec::new),
        }
    }
}

impl<'a> Brief<'a> {
    /// Reads an event; returns `None` if it is not an event of the pipeline.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let Envelope { detail_type, source, time, detail } = serde_json::from_str(text).ok()?;
        let Body { status, object, record, replaced, leap_seconds, .. } = detail;
        let overwritten = detail.overwritten.into_rows(&detail_type)?;
        let outdated = detail.outdated.into_rows(&detail_type)?;
        let overlapping = detail.overlapping.into_rows(&detail_type)?;
        let notes = Notes { overwritten, replaced, outdated, overlapping, leap_seconds };
        let stage = FailedStage::ALL.into_iter().find(|stage| stage.detail_type() == &*detail_type);
        let (what, about) = match (&*detail_type, stage) {
            (_, Some(stage)) => {
                let code = detail.reason?;
                let text: StrDeserializer<'_, Error> = (*code).into_deserializer();
                let reason = Reason::deserialize(text).ok()?;
                let (message, field, column) = (detail.message?, detail.field, detail.column);
                (What::Failed { stage, reason, code, message, field, column }, About::Any)
            }
            ("ecs-started", _) => (What::TaskStarted { task: detail.task? }, About::Object),
            ("s3RecordExtraction", _) => (What::Extracted, About::Record),
            ("s3ExtractionCompleted", _) => {
                let (rows, bytes, rejected) = (detail.rows?, detail.bytes?, detail.rejected?);
                (What::Completed { rows, bytes, rejected, shard: detail.shard }, About::Object)
            }
            ("transform", _) => (What::Transformed { notes }, About::Record),
            ("transformDeletion", _) => (What::Deletion, About::Record),
            ("transformSkipped", _) => (What::Skipped, About::Record),
            ("data-loaded" | "data-deleted" | "loadSkipped", _) => {
                if &*detail_type == "loadSkipped" {
                    detail.reason.as_ref()?;
                }
                let written = Written { table: detail.table?, key: detail.key, notes };
                let what = match &*detail_type {
                    "data-loaded" => What::Loaded(written),
                    "data-deleted" => What::Deleted(written),
                    _ => What::Existing(written),
                };
                (what, About::Record)
            }
            (OBJECT_COMPLETED, _) => {
                let (attempt, rows) = (detail.attempt?, detail.rows?);
                let (loaded, failed) = (detail.loaded?, detail.failed?);
                (What::ObjectCompleted { attempt, rows, loaded, failed }, About::Object)
            }
            (SNAPSHOT_COMPLETED, _) => {
                let (attempt, rows, snapshot) = (detail.attempt?, detail.rows?, detail.snapshot?);
                (What::SnapshotCompleted { attempt, rows, snapshot }, About::Object)
            }
            _ => return None,
        };
        let whole = match about {
            About::Any => true,
            About::Object => object.is_some(),
            About::Record => object.is_some() && record.is_some(),
        };
        whole.then_some(Self { detail_type, source, time, status, object, record, what })
    }
}

/// Returns the text of an event without the escapes of characters that not every service takes (see
/// [`crate::Detail::to_json`]). A text without escapes, or with escapes that no event contains, is returned unchanged.
#[must_use]
pub fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\"escaped\"") {
        return Cow::Borrowed(text);
    }
    let plain = || {
        let mut event: Value = serde_json::from_str(text).ok()?;
        let detail = event.get_mut("detail").filter(|detail| detail[ESCAPED] == true)?;
        let plain = characters::unescape(detail.take())?;
        *event.get_mut("detail")? = plain;
        Some(event.to_string())
    };
    plain().map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The things that an event must name.
enum About {
    Any,
    Object,
    Record,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Detail;

    fn event(detail: &Detail) -> String {
        let envelope = json!({
            "version": "0", "source": "s\"\\", "detail-type": detail.detail_type(),
            "time": "2026-11-28T12:00:00Z", "resources": [], "detail": detail.to_value(),
        });
        envelope.to_string()
    }

    #[test]
    fn a_brief_is_about_what_the_event_is_about() {
        for (_, detail) in crate::event::samples() {
            let text = event(&detail);
            let brief = Brief::parse(&text).expect("an event");
            assert_eq!((&*brief.detail_type, brief.source.as_deref()), (detail.detail_type(), Some("s\"\\")));
            assert_eq!(brief.object.as_ref().map(Object::to_ref).as_ref(), detail.object());
            assert!(brief.object.as_ref().zip(detail.object()).is_none_or(|(own, other)| own.is(other)));
            let record = brief.record.as_ref().map(|record| (record.index, &*record.id, record.count));
            let expected = detail.record().map(|record| (record.index, record.id.as_str(), record.count));
            assert_eq!(record, expected);
            assert_eq!(*brief.status, *detail.to_value()["status"].as_str().expect("a status"));
            match (&brief.what, &detail) {
                (What::TaskStarted { task }, Detail::TaskStarted { task: expected, .. }) => {
                    assert_eq!(**task, *expected.as_str());
                }
                (
                    What::Completed { rows, bytes, rejected, shard },
                    Detail::ExtractionCompleted { rows: r, bytes: b, rejected: j, shard: s, .. },
                ) => assert_eq!((rows, bytes, rejected, shard), (r, b, j, s)),
                (What::Loaded(written), Detail::RecordLoaded { table, notes, .. })
                | (What::Deleted(written), Detail::RecordDeleted { table, notes, .. }) => {
                    assert_eq!((&*written.table, &written.notes), (table.as_str(), notes));
                    let key: Value = serde_json::from_str(written.key.expect("a key").get()).expect("JSON");
                    assert_eq!(key, detail.to_value()["key"]);
                }
                (What::Existing(written), Detail::RecordExisting { table, .. }) => {
                    assert_eq!((&*written.table, &written.notes), (table.as_str(), &Notes::default()));
                }
                (What::Transformed { notes }, Detail::RecordTransformed { notes: expected, .. }) => {
                    assert_eq!(notes, expected);
                }
                (
                    What::Failed { stage, reason, code, message, field, column },
                    Detail::Failed { stage: s, reason: r, message: m, field: f, column: c, .. },
                ) => {
                    assert_eq!((stage, reason, &**code, &**message), (s, r, &*r.code(), m.as_str()));
                    assert_eq!((field.as_deref(), column.as_deref()), (f.as_deref(), c.as_deref()));
                }
                (
                    What::ObjectCompleted { attempt, rows, loaded, failed },
                    Detail::ObjectCompleted { outcome, .. },
                ) => assert_eq!(
                    (*attempt, *rows, *loaded, *failed),
                    (outcome.attempt, outcome.rows, outcome.loaded, outcome.failed)
                ),
                (
                    What::SnapshotCompleted { attempt, rows, snapshot },
                    Detail::SnapshotCompleted { outcome, .. },
                ) => assert_eq!(
                    (*attempt, *rows, Some(snapshot)),
                    (outcome.attempt, outcome.rows, outcome.snapshot.as_ref())
                ),
                (What::Extracted, Detail::RecordExtracted { .. })
                | (What::Deletion, Detail::DeletionRequested { .. })
                | (What::Skipped, Detail::RecordSkipped { .. }) => {}
                (what, detail) => panic!("{what:?} is not {detail:?}"),
            }
        }
    }

    #[test]
    fn escaped_events_are_read_as_they_were() {
        let key = "a\u{ffff}b\\";
        let mut detail = crate::event::samples().remove(0).1;
        if let Detail::TaskStarted { object, .. } = &mut detail {
            key.clone_into(&mut object.key);
        }
        let json: Value = serde_json::from_str(&detail.to_json()).expect("JSON");
        let event = json!({ "detail-type": detail.detail_type(), "detail": json }).to_string();
        let text = unescaped(&event);
        let brief = Brief::parse(&text).expect("an event");
        assert_eq!(brief.object.map(|object| object.key.to_string()).as_deref(), Some(key));
        let wrong = json!({ "detail": { "escaped": true, "x": "\\z" } }).to_string();
        for other in ["{\"escaped\":1}", &wrong, "\"escaped\""] {
            assert_eq!(unescaped(other), other);
        }
    }

    #[test]
    fn what_lacks_something_is_no_event_of_the_pipeline() {
        for (_, detail) in crate::event::samples() {
            let mut value: Value = serde_json::from_str(&event(&detail)).expect("JSON");
            for needed in ["status", "task", "rows", "table", "reason", "message"] {
                let Some(taken) = value["detail"].as_object_mut().expect("an object").remove(needed) else {
                    continue;
                };
                assert!(Brief::parse(&value.to_string()).is_none(), "{value}");
                value["detail"][needed] = taken;
            }
            for (name, wrong) in [("object", json!("x")), ("record", json!({ "index": -1, "id": "" }))] {
                let mut value = value.clone();
                value["detail"][name] = wrong;
                assert!(Brief::parse(&value.to_string()).is_none(), "{value}");
            }
        }
        let unknown = json!({ "detail-type": "transformFailed", "detail": {
            "status": "failed", "reason": "no-such-reason", "message": "m" } });
        assert!(Brief::parse(&unknown.to_string()).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(text in ".{0,80}", cut in any::<prop::sample::Index>()) {
            let _ = Brief::parse(&text);
            for (_, detail) in crate::event::samples() {
                let text = event(&detail);
                let _ = text.get(..cut.index(text.len())).and_then(Brief::parse);
            }
        }
    }
}
