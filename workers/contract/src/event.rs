//! The events of the pipeline: names in `stack.yaml`, detail types, statuses, bodies and the patterns that match them.
//!
//! Detail types and statuses of the first four are those of the original pattern, so that rules written for it match.

mod kind;
#[cfg(test)]
mod samples;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Encoding, FailedStage, Location, ObjectRef, Reason, RecordRef, Shard, characters};

pub use kind::EventKind;
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
const fn is_zero(count: &u64) -> bool {
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
        /// Rows of the object that another row of it with the same key has replaced, as far as `load` knows.
        overwritten: Vec<u64>,
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<RecordRef>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// The field by which a body says that its texts are escaped: see [`characters`].
pub(crate) const ESCAPED: &str = "escaped";

/// One map, or a list of them: the first four events keep the form of the original pattern where they concern one row.
#[derive(Deserialize)]
#[serde(from = "OneOrMany")]
struct Items(Vec<Map<String, Value>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Map<String, Value>),
    Many(Vec<Map<String, Value>>),
}

impl From<OneOrMany> for Items {
    fn from(items: OneOrMany) -> Self {
        Self(match items {
            OneOrMany::One(item) => vec![item],
            OneOrMany::Many(items) => items,
        })
    }
}

fn one_or_many(items: &[Map<String, Value>]) -> Value {
    match items {
        [item] => json!(item),
        items => json!(items),
    }
}

/// Sets an optional field.
fn insert<T: Serialize>(fields: &mut Value, name: &str, value: Option<&T>) {
    if let Some(value) = value {
        fields[name] = json!(value);
    }
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
            Self::RecordSkipped { .. } => "transformSkipped",
            Self::RecordLoaded { .. } => "data-loaded",
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
            | Self::RecordSkipped { object, .. }
            | Self::RecordLoaded { object, .. } => Some(object),
            Self::Failed { object, .. } => object.as_ref(),
        }
    }

    /// Returns the row that the event concerns.
    #[must_use]
    pub const fn record(&self) -> Option<&RecordRef> {
        match self {
            Self::RecordExtracted { record, .. }
            | Self::RecordTransformed { record, .. }
            | Self::RecordSkipped { record, .. }
            | Self::RecordLoaded { record, .. } => Some(record),
            Self::Failed { record, .. } => record.as_ref(),
            Self::TaskStarted { .. } | Self::ExtractionCompleted { .. } => None,
        }
    }

    /// Returns the event's `detail`, as it goes onto the bus.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let (status, rest) = match self {
            Self::TaskStarted { task, .. } => ("success", json!({ "task": task })),
            Self::RecordExtracted { headers, data, data_key, location, .. } => {
                let mut rest = json!({ "headers": headers });
                match location {
                    Some(location) => insert(&mut rest, "location", Some(location)),
                    None => insert(&mut rest, "data", Some(data)),
                }
                insert(&mut rest, "dataKey", data_key.as_ref());
                ("extracted", rest)
            }
            Self::ExtractionCompleted { rows, bytes, rejected, skipped, encoding, shard, .. } => {
                let mut rest = json!({ "rows": rows, "bytes": bytes, "rejected": rejected });
                insert(&mut rest, "skipped", skipped.as_ref());
                insert(&mut rest, "encoding", encoding.as_ref());
                insert(&mut rest, "shard", shard.as_ref());
                ("completed", rest)
            }
            Self::RecordTransformed { data, data_key, .. } => {
                let mut rest = json!({ "data": one_or_many(data) });
                insert(&mut rest, "dataKey", data_key.as_ref());
                ("transformed", rest)
            }
            Self::RecordSkipped { .. } => ("skipped", json!({})),
            Self::RecordLoaded { table, key, overwritten, .. } => {
                let mut rest = json!({ "table": table, "key": one_or_many(key) });
                insert(&mut rest, "overwritten", Some(overwritten).filter(|rows| !rows.is_empty()));
                ("success", rest)
            }
            Self::Failed { reason, message, field, column, .. } => {
                let mut rest = json!({ "reason": reason, "message": message });
                insert(&mut rest, "field", field.as_ref());
                insert(&mut rest, "column", column.as_ref());
                ("failed", rest)
            }
        };
        let Value::Object(rest) = rest else { unreachable!("every body above is an object") };
        json!(Body {
            status: status.to_owned(),
            object: self.object().cloned(),
            record: self.record().cloned(),
            rest,
        })
    }

    /// Returns the event's `detail` as the text that goes onto the bus, in characters that every service on its way
    /// takes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = self.to_value();
        let json = value.to_string();
        if !characters::are_refused(&json) {
            return json;
        }
        let mut escaped = characters::escape(value);
        escaped[ESCAPED] = json!(true);
        escaped.to_string()
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
                Self::RecordTransformed { object: object?, record: record?, data, data_key }
            }
            "transformSkipped" => Self::RecordSkipped { object: object?, record: record? },
            "data-loaded" => {
                let Items(key) = field!("key");
                let overwritten: Option<Vec<u64>> = optional!("overwritten");
                Self::RecordLoaded {
                    object: object?,
                    record: record?,
                    table: field!("table"),
                    key,
                    overwritten: overwritten.unwrap_or_default(),
                }
            }
            other => return Err(DetailError::UnknownDetailType(other.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests;
