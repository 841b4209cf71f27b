//! Rows of an object, and how their items compare with those of the table.

use std::io::{self, Read};

use deployer_aws::dynamodb::items::{Key, TypedItem};
use deployer_aws::s3::objects::Reading;
use deployer_base::error::{Error, Message, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;
use tokio::runtime::Handle;
use transform::event::read_dynamodb_json;
use transform::{Item, Value};

use crate::preview::table_key::key_of;
use crate::preview::{Fate, Preview, Stop};

/// Some rows of an object.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The first.
    pub from: u64,
    /// Their number.
    pub rows: u64,
}

/// A row as the pipeline reads it.
#[derive(Debug)]
pub(super) struct FileRow {
    row: u64,
    /// The key of its item, or of the item that it deletes.
    pub(super) key: Option<Key>,
    end: End,
}

/// The end of a row.
#[derive(Debug)]
enum End {
    Item(TypedItem),
    Deletion,
    Skipped,
    Failed { reason: String, message: String },
}

/// How a row and the table agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The table has the item of the row.
    Same,
    /// The table has another item of the same key.
    Different,
    /// The table has no item of the key.
    Missing,
    /// The row deletes the item of its key, and the table has none.
    Deleted,
    /// The row deletes the item of its key, and the table has one.
    NotDeleted,
    /// `where` leaves the row out.
    Skipped,
    /// The row fails.
    Failed,
}

impl State {
    /// Returns the state in words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Missing => "missing",
            Self::Deleted => "deleted",
            Self::NotDeleted => "not deleted",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A row of an object beside the item of its key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RowOfFile {
    /// Its number.
    pub row: u64,
    /// How the two agree; values of sensitive fields are compared with `--show-sensitive` only.
    pub state: State,
    /// The item in the table, as far as the fields of the stack name its attributes, in DynamoDB's JSON; null if there is none.
    pub item: Option<TypedItem>,
    /// The attributes that are different.
    pub different: Vec<DifferentAttribute>,
    /// The reason why the row fails; `deployer docs REASON` explains it. Null if it does not fail.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// An attribute that is another one in the table than by the file.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct DifferentAttribute {
    /// Its name.
    pub name: String,
    /// Its value in the table, in DynamoDB's JSON; null if it is not there.
    pub table: Option<Json>,
    /// Its value by the file; null if it is not there.
    pub file: Option<Json>,
}

impl RowOfFile {
    /// Compares a row with the item that the table has under its key, but for the attributes that are `left_out`.
    pub(super) fn new(row: FileRow, found: Option<TypedItem>, left_out: impl Fn(&str) -> bool) -> Self {
        let mut different = Vec::new();
        let (mut reason, mut message) = (None, None);
        let state = match (row.end, &found) {
            (End::Item(_), None) => State::Missing,
            (End::Item(own), Some(item)) => {
                different = differences(own, item, &left_out);
                if different.is_empty() { State::Same } else { State::Different }
            }
            (End::Deletion, None) => State::Deleted,
            (End::Deletion, Some(_)) => State::NotDeleted,
            (End::Skipped, _) => State::Skipped,
            (End::Failed { reason: code, message: text }, _) => {
                (reason, message) = (Some(code.clone()), Some(format!("{text} ({code})")));
                State::Failed
            }
        };
        Self { row: row.row, state, item: found, different, reason, message }
    }
}

/// Returns the attributes in which two items differ, those of the file first.
pub(in crate::commands) fn differences(
    mut own: TypedItem,
    item: &TypedItem,
    left_out: &impl Fn(&str) -> bool,
) -> Vec<DifferentAttribute> {
    own.retain(|name, _| !left_out(name));
    let more = item.keys().filter(|name| !own.contains_key(*name) && !left_out(name));
    let names: Vec<String> = own.keys().chain(more).cloned().collect();
    let mut out = Vec::new();
    for name in names {
        let (file, table) = (own.remove(&name), item.get(&name).cloned());
        if !is_same(file.as_ref(), table.as_ref()) {
            out.push(DifferentAttribute { name, table, file });
        }
    }
    out
}

/// Returns whether two values are the same to DynamoDB.
fn is_same(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => match (read_dynamodb_json(a), read_dynamodb_json(b)) {
            (Some(a), Some(b)) => are_equal(&a, &b),
            _ => a == b,
        },
        _ => a.is_none() && b.is_none(),
    }
}

/// Compares values. Sets and maps have no order.
fn are_equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    fn same_set<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        a.len() == b.len() && a.iter().all(|one| b.contains(one))
    }
    match (a, b) {
        (Value::TextSet(a), Value::TextSet(b)) => same_set(a, b),
        (Value::NumberSet(a), Value::NumberSet(b)) => same_set(a, b),
        (Value::BinarySet(a), Value::BinarySet(b)) => same_set(a, b),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let other = |name: &str| b.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            a.len() == b.len()
                && a.iter().all(|(name, value)| other(name).is_some_and(|other| are_equal(value, other)))
        }
        _ => a == b,
    }
}

/// Reads rows of an object as the pipeline does.
///
/// # Errors
/// If the object can't be read, or fails as a whole.
pub(super) fn read(preview: &Preview<'_>, object: Reading, range: Range) -> Result<Vec<FileRow>> {
    let last = range.from.saturating_add(range.rows - 1);
    let mut out = Vec::new();
    // The reader waits for bytes, as that of the task does.
    let read = tokio::task::block_in_place(|| {
        let object = Chunks { object, handle: Handle::current(), bytes: Vec::new(), at: 0 };
        preview.read(object, |row, fate| {
            if row >= range.from && row <= last {
                out.push(file_row(preview, row, fate));
            }
            if row < last { Ok(()) } else { Err(Stop::Enough) }
        })
    });
    match read {
        Ok(_) | Err(Stop::Enough) => Ok(out),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::File(failure)) => {
            let code = failure.reason.code();
            Err(Error::Incomplete(
                Message::new(format!("the file fails as a whole: {} ({code})", failure.message))
                    .hint(format!("`deployer docs {code}` explains it")),
            ))
        }
    }
}

fn file_row(preview: &Preview<'_>, row: u64, fate: Fate<'_>) -> FileRow {
    let key = |item: &Item<'_>| key_of(item, preview.key_attributes());
    let (key, end) = match fate {
        Fate::Item(item) => {
            let mut text = Vec::new();
            item.write_dynamodb_json(&mut text);
            (key(&item), End::Item(serde_json::from_slice(&text).unwrap_or_default()))
        }
        Fate::Deleted(item) => (key(&item), End::Deletion),
        Fate::Skipped => (None, End::Skipped),
        Fate::Failed(failure) => {
            (None, End::Failed { reason: failure.reason.code(), message: failure.message })
        }
    };
    FileRow { row, key, end }
}

/// An object as a reader, which waits for each chunk.
struct Chunks {
    object: Reading,
    handle: Handle,
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.bytes.len() {
            match self.handle.block_on(self.object.next()) {
                Ok(Some(chunk)) => (self.bytes, self.at) = (chunk.to_vec(), 0),
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let many = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..many), rest.get(..many)) {
            to.copy_from_slice(from);
        }
        self.at += many;
        Ok(many)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(json: Json) -> TypedItem {
        let Json::Object(item) = json else { panic!("an object") };
        item
    }

    fn row(end: End) -> FileRow {
        FileRow { row: 7, key: None, end }
    }

    #[test]
    fn an_item_is_the_same_as_dynamodb_returns_it() {
        let file = json!({ "id": { "S": "1" }, "n": { "N": "1.50" }, "tags": { "SS": ["a", "b"] },
                           "m": { "M": { "x": { "L": [{ "NULL": true }] }, "y": { "NS": ["1", "20"] } } } });
        let table = json!({ "m": { "M": { "y": { "NS": ["20.0", "1"] }, "x": { "L": [{ "NULL": true }] } } },
                            "tags": { "SS": ["b", "a"] }, "n": { "N": "1.5" }, "id": { "S": "1" } });
        let compared = RowOfFile::new(row(End::Item(item(file))), Some(item(table)), |_| false);
        assert_eq!((compared.state, compared.different), (State::Same, Vec::new()));
    }

    #[test]
    fn each_difference_is_named() {
        let file = item(
            json!({ "id": { "S": "1" }, "town": { "S": "A" }, "gone": { "S": "x" }, "pin": { "S": "1234" } }),
        );
        let table = item(json!({ "id": { "S": "1" }, "town": { "N": "1" }, "new": { "BOOL": true } }));
        let compared = RowOfFile::new(row(End::Item(file)), Some(table), |name| name == "pin");
        let names: Vec<&str> = compared.different.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((compared.state, names), (State::Different, vec!["town", "gone", "new"]));
        let text = serde_json::to_string(&compared).expect("JSON");
        assert!(!text.contains("1234"), "the value of an attribute that is left out: {text}");
    }

    #[test]
    fn every_end_of_a_row_meets_every_state_of_the_table() {
        let there = || Some(item(json!({ "id": { "S": "1" } })));
        let failed = || End::Failed { reason: "missing-value".into(), message: "no value".into() };
        for (end, found, state) in [
            (End::Item(item(json!({ "id": { "S": "1" } }))), None, State::Missing),
            (End::Deletion, None, State::Deleted),
            (End::Deletion, there(), State::NotDeleted),
            (End::Skipped, there(), State::Skipped),
            (failed(), None, State::Failed),
        ] {
            assert_eq!(RowOfFile::new(row(end), found, |_| false).state, state);
        }
        let failed = RowOfFile::new(row(failed()), None, |_| false);
        assert_eq!(failed.message.as_deref(), Some("no value (missing-value)"));
    }
}
