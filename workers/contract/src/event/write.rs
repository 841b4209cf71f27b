//! The bodies of events, written without a tree of values.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Detail, Notes, ObjectOutcome};

/// The reason in the body of `loadSkipped`.
const EXISTS: &str = "exists";

/// Writes one map alone, and several as a list.
struct Few<'a>(&'a [Map<String, Value>]);

impl Serialize for Few<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [item] => item.serialize(serializer),
            items => items.serialize(serializer),
        }
    }
}

/// The members of an event's body. One that is `None` is left out.
struct Members<M>(M);

impl<M: SerializeMap> Members<M> {
    fn add<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(name, value)
    }

    fn add_some<T: Serialize>(&mut self, name: &str, value: Option<&T>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.add(name, value))
    }

    /// Adds the fields of an outcome.
    fn add_all(&mut self, outcome: &ObjectOutcome) -> Result<(), M::Error> {
        // There is one for each object, and not for each row: a tree of values does no harm.
        let Value::Object(fields) = json!(outcome) else { return Ok(()) };
        fields.iter().try_for_each(|(name, value)| self.add(name, value))
    }

    /// Adds the lists of rows that are not empty.
    fn add_notes(&mut self, notes: &Notes) -> Result<(), M::Error> {
        for (name, rows) in notes.lists() {
            self.add_some(name, Some(rows).filter(|rows| !rows.is_empty()))?;
        }
        Ok(())
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.add("status", self.status())?;
        members.add_some("object", self.object())?;
        members.add_some("record", self.record())?;
        match self {
            Self::TaskStarted { task, .. } => members.add("task", task)?,
            Self::RecordExtracted { headers, data, data_key, location, .. } => {
                members.add("headers", headers)?;
                match location {
                    Some(location) => members.add("location", location)?,
                    None => members.add("data", data)?,
                }
                members.add_some("dataKey", data_key.as_ref())?;
            }
            Self::ExtractionCompleted { rows, bytes, rejected, skipped, encoding, shard, .. } => {
                members.add("rows", rows)?;
                members.add("bytes", bytes)?;
                members.add("rejected", rejected)?;
                members.add_some("skipped", skipped.as_ref())?;
                members.add_some("encoding", encoding.as_ref())?;
                members.add_some("shard", shard.as_ref())?;
            }
            Self::RecordTransformed { data, data_key, notes, .. } => {
                members.add("data", &Few(data))?;
                members.add_some("dataKey", data_key.as_ref())?;
                members.add_notes(notes)?;
            }
            Self::DeletionRequested { key, .. } => members.add("key", &Few(key))?,
            Self::RecordSkipped { .. } => {}
            Self::RecordLoaded { table, key, notes, .. } | Self::RecordDeleted { table, key, notes, .. } => {
                members.add("table", table)?;
                members.add("key", &Few(key))?;
                members.add_notes(notes)?;
            }
            Self::RecordExisting { table, key, .. } => {
                members.add("reason", EXISTS)?;
                members.add("table", table)?;
                members.add("key", &Few(key))?;
            }
            Self::ObjectCompleted { outcome, .. } | Self::SnapshotCompleted { outcome, .. } => {
                members.add_all(outcome)?;
            }
            Self::Failed { reason, message, field, column, .. } => {
                members.add("reason", reason)?;
                members.add("message", message)?;
                members.add_some("field", field.as_ref())?;
                members.add_some("column", column.as_ref())?;
            }
        }
        members.0.end()
    }
}
