//! The events of the pipeline: names in `stack.yaml`, detail types, statuses, bodies and the patterns that match them.
//!
//! Detail types and statuses of the first four are those of the original pattern, so that rules written for it match.

mod kind;
mod notes;
mod outcome;
#[cfg(test)]
mod samples;
mod write;

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::{Encoding, FailedStage, Location, ObjectRef, Reason, RecordRef, Shard, characters};

pub use kind::EventKind;
pub use notes::Notes;
pub use outcome::{
    LatestVersion, ObjectFailure, ObjectOutcome, REJECT_COLUMNS, RESULT_PREFIXES, ResultFiles,
    SnapshotOutcome, SnapshotReason, is_result_file,
};
#[cfg(test)]
pub(crate) use samples::samples;

/// `source` of every event unless the stack sets another.
pub const SOURCE: &str = "cdkpatterns.the-eventbridge-etl";

/// The number of lines in a file that are not rows, and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Skipped {
    /// Blank lines, and lines of nothing but delimiters.
    #[serde(skip_serializing_if = "is_zero")]
    pub blank: u64,
    /// Lines that repeat the header.
    #[serde(skip_serializing_if = "is_zero")]
    pub headers: u64,
    /// Comments.
    #[serde(skip_serializing_if = "is_zero")]
    pub comments: u64,
}

impl Skipped {
    /// Returns the number of all skipped lines.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.blank + self.headers + self.comments
    }
}

impl std::ops::AddAssign for Skipped {
    fn add_assign(&mut self, other: Self) {
        self.blank += other.blank;
        self.headers += other.headers;
        self.comments += other.comments;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Body of an event, one variant per detail type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// `ecs-started`.
    TaskStarted {
        /// The object that the task works on.
        object: ObjectRef,
        /// ARN of the task.
        task: String,
    },
    /// `s3RecordExtraction`.
    RecordExtracted {
        /// The object.
        object: ObjectRef,
        /// The row, or several.
        record: RecordRef,
        /// The header, RFC 4180 encoded without line end.
        headers: String,
        /// The row, RFC 4180 encoded; of several rows one line each, without a line end after the last. Empty when
        /// there is a `location`.
        data: String,
        /// The key of the sensitive values among them, encrypted by KMS, in Base64.
        data_key: Option<String>,
        /// The place of the row, when it is too large for an event.
        location: Option<Location>,
    },
    /// `s3ExtractionCompleted`.
    ExtractionCompleted {
        /// The object.
        object: ObjectRef,
        /// Data rows in the file, rejected ones included.
        rows: u64,
        /// Bytes of the object, as it is stored: compressed, if it is.
        bytes: u64,
        /// Rows that were rejected; each has a `failed` event of its own.
        rejected: u64,
        /// Lines that are not rows. `None` if there are none, and if a task continued after another one, which had
        /// skipped some.
        skipped: Option<Skipped>,
        /// The encoding of the object, if it is not UTF-8.
        encoding: Option<Encoding>,
        /// The part of the object that was read, if others are read by other tasks; the counts are those of this part.
        shard: Option<Shard>,
    },
    /// `transform`.
    RecordTransformed {
        /// The object.
        object: ObjectRef,
        /// The row, or several.
        record: RecordRef,
        /// Attributes of the item, of one item for each row.
        data: Vec<Map<String, Value>>,
        /// The key of the sensitive values among them, encrypted by KMS, in Base64.
        data_key: Option<String>,
        /// Rows about which there is more to say.
        notes: Notes,
    },
    /// `transformDeletion`.
    DeletionRequested {
        /// The object.
        object: ObjectRef,
        /// The row, or several.
        record: RecordRef,
        /// Key attributes of the item to delete, of one item for each row.
        key: Vec<Map<String, Value>>,
    },
    /// `transformSkipped`.
    RecordSkipped {
        /// The object.
        object: ObjectRef,
        /// The row, or several, that `transform` left out on purpose.
        record: RecordRef,
    },
    /// `data-loaded`.
    RecordLoaded {
        /// The object.
        object: ObjectRef,
        /// The row, or several.
        record: RecordRef,
        /// Table name.
        table: String,
        /// Key attributes of the item, of one item for each row.
        key: Vec<Map<String, Value>>,
        /// Rows about which there is more to say.
        notes: Notes,
    },
    /// `data-deleted`.
    RecordDeleted {
        /// The object.
        object: ObjectRef,
        /// The row, or several.
        record: RecordRef,
        /// Table name.
        table: String,
        /// Key attributes of the item that is not in the table any more, of one item for each row.
        key: Vec<Map<String, Value>>,
        /// Rows about which there is more to say.
        notes: Notes,
    },
    /// `loadSkipped`.
    RecordExisting {
        /// The object.
        object: ObjectRef,
        /// The row, or several, whose item `load` left out on purpose: the table had one of the same key.
        record: RecordRef,
        /// Table name.
        table: String,
        /// Key attributes of the item that was there, of one item for each row.
        key: Vec<Map<String, Value>>,
    },
    /// `s3ObjectCompleted`.
    ObjectCompleted {
        /// The object; its `replay` is the last replay that the outcome contains, if there was any.
        object: ObjectRef,
        /// The outcome of its rows.
        outcome: Box<ObjectOutcome>,
    },
    /// `s3SnapshotCompleted`.
    SnapshotCompleted {
        /// The object of `s3ObjectCompleted`.
        object: ObjectRef,
        /// The same outcome, and in it what was deleted afterwards.
        outcome: Box<ObjectOutcome>,
    },
    /// `extractionFailed`, `transformFailed` or `loadFailed`.
    Failed {
        /// The stage that reports it.
        stage: FailedStage,
        /// The object, if known.
        object: Option<ObjectRef>,
        /// The row, if the failure concerns a row and not the whole object.
        record: Option<RecordRef>,
        /// Stable code.
        reason: Reason,
        /// One sentence for a person; it never contains a value of the row.
        message: String,
        /// Name of the field of the item that the row failed by, with the names of the fields around it:
        /// `address.street`.
        field: Option<String>,
        /// Name of the column of the file that the row failed by.
        column: Option<String>,
    },
}

/// An event body that does not follow the contract.
#[derive(Debug, thiserror::Error)]
pub enum DetailError {
    /// The detail type is not one of the pipeline's.
    #[error("unknown detail type `{0}`")]
    UnknownDetailType(String),
    /// The body lacks a field, or has one of the wrong type.
    #[error("malformed detail of `{detail_type}`: {source}")]
    Malformed {
        /// The detail type.
        detail_type: String,
        /// The error that serde found.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(rename = "status")]
    _status: String,
    #[serde(default)]
    object: Option<ObjectRef>,
    #[serde(default)]
    record: Option<RecordRef>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Bytes of the text of most events.
const USUAL: usize = 512;

/// The field by which a body says that its texts are escaped: see [`characters`].
pub(crate) const ESCAPED: &str = "escaped";

/// One map, or a list of them: the first four events keep the form of the original pattern where they concern one row.
struct Items(Vec<Map<String, Value>>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Items;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object, or a list of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Items, A::Error> {
                Ok(Items(vec![Map::deserialize(MapAccessDeserializer::new(map))?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Items, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Items)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// Reads a member that may be missing, but not `null`.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The body of `record-extracted` in its usual form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extracted<'a> {
    #[serde(rename = "status")]
    _status: &'a str,
    object: ObjectRef,
    record: RecordRef,
    headers: String,
    data: String,
    #[serde(default, deserialize_with = "some")]
    data_key: Option<String>,
    #[serde(default, deserialize_with = "some")]
    location: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "some")]
    escaped: Option<IgnoredAny>,
}

/// The body of `record-transformed` in its usual form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transformed<'a> {
    #[serde(rename = "status")]
    _status: &'a str,
    object: ObjectRef,
    record: RecordRef,
    data: Items,
    #[serde(default, deserialize_with = "some")]
    data_key: Option<String>,
    #[serde(default)]
    leap_seconds: Vec<u64>,
    #[serde(default, deserialize_with = "some")]
    escaped: Option<IgnoredAny>,
}

impl Detail {
    /// Returns the failure with the names of the field and the column that the row failed by; any other event
    /// unchanged.
    #[must_use]
    pub fn failed_by(mut self, by_field: Option<String>, by_column: Option<String>) -> Self {
        if let Self::Failed { field, column, .. } = &mut self {
            (*field, *column) = (by_field, by_column);
        }
        self
    }

    /// Returns the event's `detail-type`.
    #[must_use]
    pub const fn detail_type(&self) -> &'static str {
        match self {
            Self::TaskStarted { .. } => "ecs-started",
            Self::RecordExtracted { .. } => "s3RecordExtraction",
            Self::ExtractionCompleted { .. } => "s3ExtractionCompleted",
            Self::RecordTransformed { .. } => "transform",
            Self::DeletionRequested { .. } => "transformDeletion",
            Self::RecordSkipped { .. } => "transformSkipped",
            Self::RecordLoaded { .. } => "data-loaded",
            Self::RecordDeleted { .. } => "data-deleted",
            Self::RecordExisting { .. } => "loadSkipped",
            Self::ObjectCompleted { .. } => "s3ObjectCompleted",
            Self::SnapshotCompleted { .. } => "s3SnapshotCompleted",
            Self::Failed { stage, .. } => stage.detail_type(),
        }
    }

    /// Returns the object that the event concerns.
    #[must_use]
    pub const fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::TaskStarted { object, .. }
            | Self::RecordExtracted { object, .. }
            | Self::ExtractionCompleted { object, .. }
            | Self::RecordTransformed { object, .. }
            | Self::DeletionRequested { object, .. }
            | Self::RecordSkipped { object, .. }
            | Self::RecordLoaded { object, .. }
            | Self::RecordDeleted { object, .. }
            | Self::RecordExisting { object, .. }
            | Self::ObjectCompleted { object, .. }
            | Self::SnapshotCompleted { object, .. } => Some(object),
            Self::Failed { object, .. } => object.as_ref(),
        }
    }

    /// Returns the row that the event concerns.
    #[must_use]
    pub const fn record(&self) -> Option<&RecordRef> {
        match self {
            Self::RecordExtracted { record, .. }
            | Self::RecordTransformed { record, .. }
            | Self::DeletionRequested { record, .. }
            | Self::RecordSkipped { record, .. }
            | Self::RecordLoaded { record, .. }
            | Self::RecordDeleted { record, .. }
            | Self::RecordExisting { record, .. } => Some(record),
            Self::Failed { record, .. } => record.as_ref(),
            Self::TaskStarted { .. }
            | Self::ExtractionCompleted { .. }
            | Self::ObjectCompleted { .. }
            | Self::SnapshotCompleted { .. } => None,
        }
    }

    /// Returns the event's `status`.
    const fn status(&self) -> &'static str {
        match self {
            Self::TaskStarted { .. } | Self::RecordLoaded { .. } | Self::RecordDeleted { .. } => "success",
            Self::RecordExtracted { .. } => "extracted",
            Self::ExtractionCompleted { .. }
            | Self::ObjectCompleted { .. }
            | Self::SnapshotCompleted { .. } => "completed",
            Self::RecordTransformed { .. } => "transformed",
            Self::DeletionRequested { .. } => "requested",
            Self::RecordSkipped { .. } | Self::RecordExisting { .. } => "skipped",
            Self::Failed { .. } => "failed",
        }
    }

    /// Returns the event's `detail`, as it goes onto the bus.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!(self)
    }

    /// Returns the event's `detail` as the text that goes onto the bus, in characters that every service on its way
    /// takes.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Written without a tree of values: every row becomes such a text, twice or more.
        let mut json = Vec::with_capacity(USUAL);
        let written = serde_json::to_writer(&mut json, self).ok().and_then(|()| String::from_utf8(json).ok());
        let json = written.unwrap_or_else(|| self.to_value().to_string());
        if !characters::are_refused(&json) {
            return json;
        }
        let mut escaped = characters::escape(self.to_value());
        escaped[ESCAPED] = json!(true);
        escaped.to_string()
    }

    /// Reads the text of a `detail` from the bus.
    ///
    /// # Errors
    /// [`DetailError`] when the detail type is unknown or the text does not fit it.
    pub fn from_json(detail_type: &str, detail: &str) -> Result<Self, DetailError> {
        let mut usual = serde_json::Deserializer::from_str(detail);
        if let Ok(Some(read)) = Self::of_row(detail_type, &mut usual)
            && usual.end().is_ok()
        {
            return Ok(read);
        }
        let value = serde_json::from_str(detail)
            .map_err(|source| DetailError::Malformed { detail_type: detail_type.to_owned(), source })?;
        Self::from_value(detail_type, value)
    }

    /// Reads the events of rows in their usual form, without a tree of values: they are nearly all events. `None`, and an
    /// error, mean nothing but that it is another form, or another event, which [`Self::from_json`] reads.
    ///
    /// # Errors
    /// If it is another form.
    pub fn of_row<'de, D: Deserializer<'de>>(detail_type: &str, detail: D) -> Result<Option<Self>, D::Error> {
        Ok(match detail_type {
            "s3RecordExtraction" => {
                let Extracted {
                    object, record, headers, data, data_key, location: None, escaped: None, ..
                } = Extracted::deserialize(detail)?
                else {
                    return Ok(None);
                };
                Some(Self::RecordExtracted { object, record, headers, data, data_key, location: None })
            }
            "transform" => {
                let Transformed {
                    object,
                    record,
                    data: Items(data),
                    data_key,
                    leap_seconds,
                    escaped: None,
                    ..
                } = Transformed::deserialize(detail)?
                else {
                    return Ok(None);
                };
                // What `load` finds later is in no event of `transform`.
                let notes = Notes { leap_seconds, ..Notes::default() };
                Some(Self::RecordTransformed { object, record, data, data_key, notes })
            }
            _ => None,
        })
    }

    /// Reads a `detail` from the bus.
    ///
    /// # Errors
    /// [`DetailError`] when the detail type is unknown or the body does not fit it.
    pub fn from_value(detail_type: &str, mut detail: Value) -> Result<Self, DetailError> {
        let malformed = |source| DetailError::Malformed { detail_type: detail_type.to_owned(), source };
        if detail[ESCAPED] == true {
            let foreign = || malformed(serde::de::Error::custom("an invalid escape"));
            detail = characters::unescape(detail).ok_or_else(foreign)?;
        }
        let body: Body = serde_json::from_value(detail).map_err(malformed)?;
        let mut rest = body.rest;
        macro_rules! optional {
            ($name:literal) => {
                rest.remove($name).map(serde_json::from_value).transpose().map_err(malformed)?
            };
        }
        macro_rules! field {
            ($name:literal) => {
                serde_json::from_value(rest.remove($name).unwrap_or(Value::Null)).map_err(malformed)?
            };
        }
        let missing = |what: &str| malformed(serde::de::Error::custom(format!("missing field `{what}`")));
        let stage = FailedStage::ALL.into_iter().find(|stage| stage.detail_type() == detail_type);
        if let Some(stage) = stage {
            return Ok(Self::Failed {
                stage,
                object: body.object,
                record: body.record,
                reason: field!("reason"),
                message: field!("message"),
                field: optional!("field"),
                column: optional!("column"),
            });
        }
        let object = body.object.ok_or_else(|| missing("object"));
        let record = body.record.ok_or_else(|| missing("record"));
        Ok(match detail_type {
            "ecs-started" => Self::TaskStarted { object: object?, task: field!("task") },
            "s3RecordExtraction" => {
                let location = optional!("location");
                let data = if location.is_some() { String::new() } else { field!("data") };
                Self::RecordExtracted {
                    object: object?,
                    record: record?,
                    headers: field!("headers"),
                    data,
                    data_key: optional!("dataKey"),
                    location,
                }
            }
            "s3ExtractionCompleted" => Self::ExtractionCompleted {
                object: object?,
                rows: field!("rows"),
                bytes: field!("bytes"),
                rejected: field!("rejected"),
                skipped: optional!("skipped"),
                encoding: optional!("encoding"),
                shard: optional!("shard"),
            },
            "transform" => {
                let Items(data) = field!("data");
                let data_key = optional!("dataKey");
                let notes = Notes::of(rest).map_err(malformed)?;
                Self::RecordTransformed { object: object?, record: record?, data, data_key, notes }
            }
            "transformDeletion" => {
                let Items(key) = field!("key");
                Self::DeletionRequested { object: object?, record: record?, key }
            }
            "transformSkipped" => Self::RecordSkipped { object: object?, record: record? },
            "data-loaded" | "data-deleted" => {
                let Items(key) = field!("key");
                let (object, record, table) = (object?, record?, field!("table"));
                let notes = Notes::of(rest).map_err(malformed)?;
                match detail_type {
                    "data-loaded" => Self::RecordLoaded { object, record, table, key, notes },
                    _ => Self::RecordDeleted { object, record, table, key, notes },
                }
            }
            "loadSkipped" => {
                // There is one.
                let _: String = field!("reason");
                let Items(key) = field!("key");
                Self::RecordExisting { object: object?, record: record?, table: field!("table"), key }
            }
            "s3ObjectCompleted" => Self::ObjectCompleted {
                object: object?,
                outcome: serde_json::from_value(Value::Object(rest)).map_err(malformed)?,
            },
            "s3SnapshotCompleted" => {
                let outcome: Box<ObjectOutcome> =
                    serde_json::from_value(Value::Object(rest)).map_err(malformed)?;
                if outcome.snapshot.is_none() {
                    return Err(missing("snapshot"));
                }
                Self::SnapshotCompleted { object: object?, outcome }
            }
            other => return Err(DetailError::UnknownDetailType(other.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests;
