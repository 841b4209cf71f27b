//! The events of the pipeline: names in `stack.yaml`, detail types, statuses, bodies and the patterns that match them.
//!
//! Detail types and statuses of the first four are those of the original pattern, so that rules written for it match.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Location, ObjectRef, RecordRef, Shard, characters};

/// `source` of every event unless the stack sets another.
pub const SOURCE: &str = "cdkpatterns.the-eventbridge-etl";

/// The events that a trigger in `stack.yaml` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A task was started for an object.
    TaskStarted,
    /// The task read one row.
    RecordExtracted,
    /// The task read the whole object.
    ExtractionCompleted,
    /// A row became an item.
    RecordTransformed,
    /// An item was written to the table.
    RecordLoaded,
    /// An object or a row could not be processed.
    Failed,
    /// Every event of the pipeline.
    Any,
}

impl EventKind {
    /// Every kind, in the order in which they happen.
    pub const ALL: [Self; 7] = [
        Self::TaskStarted,
        Self::RecordExtracted,
        Self::ExtractionCompleted,
        Self::RecordTransformed,
        Self::RecordLoaded,
        Self::Failed,
        Self::Any,
    ];

    /// The name in `stack.yaml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskStarted => "task-started",
            Self::RecordExtracted => "record-extracted",
            Self::ExtractionCompleted => "extraction-completed",
            Self::RecordTransformed => "record-transformed",
            Self::RecordLoaded => "record-loaded",
            Self::Failed => "failed",
            Self::Any => "any",
        }
    }

    /// The kind with this name in `stack.yaml`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The EventBridge event pattern that matches exactly these events of `source`.
    #[must_use]
    pub fn pattern(self, source: &str) -> Value {
        let of = |detail_types: &[&str], status: &str| json!({ "source": [source], "detail-type": detail_types, "detail": { "status": [status] } });
        match self {
            Self::TaskStarted => of(&["ecs-started"], "success"),
            Self::RecordExtracted => of(&["s3RecordExtraction"], "extracted"),
            Self::ExtractionCompleted => of(&["s3ExtractionCompleted"], "completed"),
            Self::RecordTransformed => of(&["transform"], "transformed"),
            Self::RecordLoaded => of(&["data-loaded"], "success"),
            Self::Failed => of(&FailedStage::ALL.map(FailedStage::detail_type), "failed"),
            Self::Any => json!({ "source": [source] }),
        }
    }
}

impl EventKind {
    /// The detail types of these events with the fields that `detail` may have, besides `status`.
    #[must_use]
    pub fn details(self) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
        match self {
            Self::TaskStarted => vec![("ecs-started", "success", &["object", "task", ESCAPED])],
            Self::RecordExtracted => {
                vec![(
                    "s3RecordExtraction",
                    "extracted",
                    &["object", "record", "headers", "data", "dataKey", "location", ESCAPED],
                )]
            }
            Self::ExtractionCompleted => {
                vec![(
                    "s3ExtractionCompleted",
                    "completed",
                    &["object", "rows", "bytes", "rejected", "skipped", "shard", ESCAPED],
                )]
            }
            Self::RecordTransformed => {
                vec![("transform", "transformed", &["object", "record", "data", "dataKey", ESCAPED])]
            }
            Self::RecordLoaded => {
                vec![(
                    "data-loaded",
                    "success",
                    &["object", "record", "table", "key", "overwritten", ESCAPED],
                )]
            }
            Self::Failed => FailedStage::ALL
                .map(|stage| {
                    let fields: &[&str] = &["object", "record", "reason", "message", ESCAPED];
                    (stage.detail_type(), "failed", fields)
                })
                .to_vec(),
            Self::Any => {
                Self::ALL.into_iter().filter(|kind| *kind != Self::Any).flat_map(Self::details).collect()
            }
        }
    }
}

/// The stage that reports a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailedStage {
    /// `extract` or the extraction task.
    Extraction,
    /// `transform`.
    Transform,
    /// `load`.
    Load,
}

impl FailedStage {
    /// Every stage.
    pub const ALL: [Self; 3] = [Self::Extraction, Self::Transform, Self::Load];

    /// The detail type of the stage's failures.
    #[must_use]
    pub const fn detail_type(self) -> &'static str {
        match self {
            Self::Extraction => "extractionFailed",
            Self::Transform => "transformFailed",
            Self::Load => "loadFailed",
        }
    }
}

/// Makes the enum, the list of its variants and what each means of one text, so that none is left out.
macro_rules! reasons {
    ($(#[$attribute:meta])* pub enum $name:ident { $($(#[doc = $about:literal])+ $reason:ident,)+ }) => {
        $(#[$attribute])*
        pub enum $name { $($(#[doc = $about])+ $reason,)+ }

        impl $name {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];

            /// What it means, in a sentence for a person.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$reason => concat!($($about),+).trim(),)+
                }
            }
        }
    };
}

reasons! {
/// Why an object or a row failed: stable codes that a rule can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The object was deleted or replaced, or access to it is denied.
    ObjectUnreadable,
    /// The header contains a column twice, or a name in the settings matches several columns.
    DuplicateHeader,
    /// No column in the header has a name.
    EmptyHeader,
    /// The row (or the header) has more or fewer fields than there are columns.
    RowLength,
    /// The header or the item is too large for an event; or the row is, and cannot be read by itself either.
    RowTooLarge,
    /// The row (or the header) is not UTF-8, or the file is UTF-16.
    InvalidEncoding,
    /// The compressed object is damaged, or ends too early.
    InvalidCompression,
    /// A quoted field is never closed.
    UnclosedQuote,
    /// There is text after the closing quote of a field; within quotes, a quote is written twice.
    InvalidQuoting,
    /// The file is not CSV, but another format: a spreadsheet or an archive, for example.
    UnsupportedFormat,
    /// The file lacks a column that a field of `transform` needs, and that is not `optional`.
    MissingColumn,
    /// A required value is empty.
    MissingValue,
    /// The content of the event cannot be read.
    MalformedEvent,
    /// The table does not accept the item (key missing or too long, item too large).
    InvalidItem,
    /// ECS refused to start the task, or failed to start it in every attempt.
    TaskNotStarted,
    /// Every attempt failed; the message is in the dead-letter queue.
    RetriesExhausted,
    /// The task was stopped before it reached the end of the object, or failed too often.
    Interrupted,
    /// The task needs more memory than it has.
    OutOfMemory,
    /// The number of rows has changed since the file was first read, so a replay would send other rows.
    RowsRenumbered,
    /// There was no key to encrypt sensitive values with, or a sensitive value was not encrypted; none was passed on.
    NotEncrypted,
    /// A sensitive value was changed or moved since it was encrypted, or was never encrypted.
    Undecryptable,
}
}

impl Reason {
    /// The code as it stands in events and logs: `row-length`, for example.
    #[must_use]
    pub fn code(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }

    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

/// Lines of a file that are no rows, and were skipped.
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
    /// All of them.
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
        /// The row, RFC 4180 encoded; of several rows one line each, without a line end behind the last. Empty when there
        /// is a `location`.
        data: String,
        /// The key of the sensitive values among them, encrypted by KMS, in Base64.
        data_key: Option<String>,
        /// Where the row lies, when it is too large for an event.
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
        /// Lines that are no rows. None where there are none, and where a task went on after another, which had skipped some.
        skipped: Option<Skipped>,
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
        /// Who reports it.
        stage: FailedStage,
        /// The object, if known.
        object: Option<ObjectRef>,
        /// The row, if the failure is a row's and not the whole object's.
        record: Option<RecordRef>,
        /// Stable code.
        reason: Reason,
        /// One sentence for a person; never holds a value of the row.
        message: String,
    },
}

/// An event body that does not follow the contract.
#[derive(Debug, thiserror::Error)]
pub enum DetailError {
    /// The detail type is none of the pipeline's.
    #[error("unknown detail type `{0}`")]
    UnknownDetailType(String),
    /// The body lacks a field, or has one of the wrong type.
    #[error("malformed detail of `{detail_type}`: {source}")]
    Malformed {
        /// The detail type.
        detail_type: String,
        /// What serde found.
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

/// The field that says that the texts of a body are escaped: see [`characters`].
pub(crate) const ESCAPED: &str = "escaped";

/// One map, or a list of them: the first four events keep the form that the original pattern gave them where they speak of
/// one row.
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

/// Sets a field that is there only sometimes.
fn insert<T: Serialize>(fields: &mut Value, name: &str, value: Option<&T>) {
    if let Some(value) = value {
        fields[name] = json!(value);
    }
}

impl Detail {
    /// The event's `detail-type`.
    #[must_use]
    pub const fn detail_type(&self) -> &'static str {
        match self {
            Self::TaskStarted { .. } => "ecs-started",
            Self::RecordExtracted { .. } => "s3RecordExtraction",
            Self::ExtractionCompleted { .. } => "s3ExtractionCompleted",
            Self::RecordTransformed { .. } => "transform",
            Self::RecordLoaded { .. } => "data-loaded",
            Self::Failed { stage, .. } => stage.detail_type(),
        }
    }

    /// The object that the event speaks of.
    #[must_use]
    pub const fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::TaskStarted { object, .. }
            | Self::RecordExtracted { object, .. }
            | Self::ExtractionCompleted { object, .. }
            | Self::RecordTransformed { object, .. }
            | Self::RecordLoaded { object, .. } => Some(object),
            Self::Failed { object, .. } => object.as_ref(),
        }
    }

    /// The row that the event speaks of.
    #[must_use]
    pub const fn record(&self) -> Option<&RecordRef> {
        match self {
            Self::RecordExtracted { record, .. }
            | Self::RecordTransformed { record, .. }
            | Self::RecordLoaded { record, .. } => Some(record),
            Self::Failed { record, .. } => record.as_ref(),
            Self::TaskStarted { .. } | Self::ExtractionCompleted { .. } => None,
        }
    }

    /// The event's `detail`, as it goes onto the bus.
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
            Self::ExtractionCompleted { rows, bytes, rejected, skipped, shard, .. } => {
                let mut rest = json!({ "rows": rows, "bytes": bytes, "rejected": rejected });
                insert(&mut rest, "skipped", skipped.as_ref());
                insert(&mut rest, "shard", shard.as_ref());
                ("completed", rest)
            }
            Self::RecordTransformed { data, data_key, .. } => {
                let mut rest = json!({ "data": one_or_many(data) });
                insert(&mut rest, "dataKey", data_key.as_ref());
                ("transformed", rest)
            }
            Self::RecordLoaded { table, key, overwritten, .. } => {
                let mut rest = json!({ "table": table, "key": one_or_many(key) });
                insert(&mut rest, "overwritten", Some(overwritten).filter(|rows| !rows.is_empty()));
                ("success", rest)
            }
            Self::Failed { reason, message, .. } => {
                ("failed", json!({ "reason": reason, "message": message }))
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

    /// The event's `detail` as the text that goes onto the bus, in characters that every service on its way takes.
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
                shard: optional!("shard"),
            },
            "transform" => {
                let Items(data) = field!("data");
                let data_key = optional!("dataKey");
                Self::RecordTransformed { object: object?, record: record?, data, data_key }
            }
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

/// An event of each kind, for tests.
#[cfg(test)]
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
            },
        ),
        (
            EventKind::RecordTransformed,
            Detail::RecordTransformed {
                object: object.clone(),
                record: object.records(3, 2),
                data: vec![key.clone(), key.clone()],
                data_key: Some("AQI=".into()),
            },
        ),
        (
            EventKind::RecordLoaded,
            Detail::RecordLoaded {
                object: object.clone(),
                record: record.clone(),
                table: "t".into(),
                key: vec![key],
                overwritten: Vec::new(),
            },
        ),
        (EventKind::Failed, failed(FailedStage::Extraction, None)),
        (EventKind::Failed, failed(FailedStage::Transform, Some(record.clone()))),
        (EventKind::Failed, failed(FailedStage::Load, Some(record))),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Exact-value matching is all that the contract's own patterns use.
    fn matches(pattern: &Value, event: &Value) -> bool {
        pattern.as_object().is_some_and(|fields| {
            fields.iter().all(|(name, want)| match want {
                Value::Array(any) => any.contains(&event[name]),
                nested => matches(nested, &event[name]),
            })
        })
    }

    #[test]
    fn bodies_survive_the_bus() {
        for (_, detail) in samples() {
            let back = Detail::from_value(detail.detail_type(), detail.to_value()).expect("own body");
            assert_eq!(back, detail);
        }
    }

    /// Characters that SQS takes: API reference, SendMessage, `MessageBody`.
    fn takes(character: char) -> bool {
        matches!(
            character,
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'
        )
    }

    fn text() -> impl Strategy<Value = String> {
        let character = prop_oneof![
            any::<char>(),
            Just('\u{fffe}'),
            Just('\u{ffff}'),
            Just('\u{fffd}'),
            Just('\\'),
            Just('u'),
            Just('f'),
            Just('e'),
        ];
        proptest::collection::vec(character, 0..30).prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_text_reaches_the_table_by_way_of_sqs(key in text(), data in text(), name in text(), value in text()) {
            let object =
                ObjectRef { bucket: "b".into(), key, version: None, etag: None, uploaded: None, replay: None };
            let record = object.record(1);
            let item = Map::from_iter([(name, json!([value]))]);
            for detail in [
                Detail::RecordExtracted {
                    object: object.clone(), record: record.clone(), headers: "h".into(), data, data_key: None, location: None,
                },
                Detail::RecordTransformed { object, record, data: vec![item], data_key: None },
            ] {
                let json = detail.to_json();
                let value: Value = serde_json::from_str(&json).expect("JSON");
                // EventBridge may pass the text on as it is, or write anew what it has read.
                for text in [&json, &value.to_string()] {
                    prop_assert!(text.chars().all(takes), "{:?}", text);
                }
                prop_assert_eq!(Detail::from_value(detail.detail_type(), value).expect("own body"), detail);
            }
        }

        #[test]
        fn what_claims_to_be_escaped_is_read_or_malformed(data in text()) {
            let detail = json!({ "escaped": true, "status": "s", "object": { "bucket": "b", "key": data }, "task": "t" });
            let _ = Detail::from_value("ecs-started", detail);
        }
    }

    #[test]
    fn texts_are_escaped_only_where_they_must_be() {
        let detail = |key: &str| {
            let object = ObjectRef {
                bucket: "b".into(),
                key: key.into(),
                version: None,
                etag: None,
                uploaded: None,
                replay: None,
            };
            Detail::TaskStarted { object, task: "\\".into() }
        };
        for plain in ["k", "\u{fffd}\u{feff}\u{e000}\u{1fffe}", "\\"] {
            assert_eq!(detail(plain).to_json(), detail(plain).to_value().to_string());
        }
        let escaped: Value = serde_json::from_str(&detail("a\u{ffff}").to_json()).expect("JSON");
        assert_eq!(
            escaped,
            json!({ "status": "success", "object": { "bucket": "b", "key": "a\\uffff" }, "task": "\\\\", "escaped": true })
        );
    }

    #[test]
    fn a_pattern_matches_its_own_events_and_no_others() {
        for (kind, detail) in samples() {
            let event =
                json!({ "source": SOURCE, "detail-type": detail.detail_type(), "detail": detail.to_value() });
            for candidate in EventKind::ALL {
                let expected = candidate == kind || candidate == EventKind::Any;
                assert_eq!(matches(&candidate.pattern(SOURCE), &event), expected, "{candidate:?} {event}");
            }
            assert!(!matches(&kind.pattern("other"), &event));
        }
    }

    #[test]
    fn the_originals_names_are_kept() {
        let bodies: Vec<(&str, Value)> =
            samples().iter().map(|(_, detail)| (detail.detail_type(), detail.to_value())).collect();
        let first = |detail_type| {
            let found = bodies.iter().find(|(found, _)| *found == detail_type);
            &found.expect("a sample").1
        };
        let extracted = first("s3RecordExtraction");
        assert_eq!(extracted["status"], "extracted");
        assert_eq!((&extracted["headers"], &extracted["data"]), (&json!("a,b"), &json!("1,\"x,y\"")));
        assert_eq!(extracted["record"].as_object().map(serde_json::Map::len), Some(2), "{extracted}");
        // One row is an object, as it was; several are a list.
        assert_eq!(first("transform")["data"], json!({ "id": "7" }));
        assert_eq!(first("data-loaded")["key"], json!({ "id": "7" }));
    }

    #[test]
    fn a_reason_has_the_same_code_everywhere() {
        assert_eq!(Reason::RowLength.code(), "row-length");
        let (_, last) = samples().pop().expect("a sample");
        let failed = last.to_value();
        assert_eq!(failed["reason"], Reason::RowLength.code());
    }

    #[test]
    fn foreign_bodies_are_errors() {
        assert!(matches!(
            Detail::from_value("x", json!({ "status": "s", "object": { "bucket": "b", "key": "k" } })),
            Err(DetailError::UnknownDetailType(_)) | Err(DetailError::Malformed { .. })
        ));
        for bad in [json!(null), json!("x"), json!({}), json!({ "status": "extracted" })] {
            assert!(Detail::from_value("s3RecordExtraction", bad).is_err());
        }
    }
}
