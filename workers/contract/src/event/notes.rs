//! Rows of an event about which there is more to say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Rows about which an event has more to say than that they are done, by their numbers in the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notes {
    /// Rows that another row of the same object with the same key has replaced, as far as `load` knows: rows of this
    /// event, and rows of earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overwritten: Vec<u64>,
    /// Rows of the event whose item has replaced one that comes from no row of the object, as far as `load` knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<u64>,
    /// Rows of the event that have changed nothing: the table has a newer item of their key, of another object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outdated: Vec<u64>,
    /// Rows of the event whose key had the item of another file, with `snapshot: true`: files whose keys overlap.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlapping: Vec<u64>,
    /// Rows of the event with a timestamp whose second 60 was taken as 59.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leap_seconds: Vec<u64>,
}

impl Notes {
    /// The names of the fields, as they are in events.
    pub const NAMES: [&'static str; 5] =
        ["overwritten", "replaced", "outdated", "overlapping", "leapSeconds"];

    /// Appends other notes, about rows of the same object.
    pub fn append(&mut self, other: Self) {
        let Self { overwritten, replaced, outdated, overlapping, leap_seconds } = other;
        self.overwritten.extend(overwritten);
        self.replaced.extend(replaced);
        self.outdated.extend(outdated);
        self.overlapping.extend(overlapping);
        self.leap_seconds.extend(leap_seconds);
    }

    /// Returns the lists with their names, as they are in events.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&'static str, &Vec<u64>)> {
        let Self { overwritten, replaced, outdated, overlapping, leap_seconds } = self;
        Self::NAMES.into_iter().zip([overwritten, replaced, outdated, overlapping, leap_seconds])
    }

    /// Reads them from the fields of a body.
    pub(super) fn of(fields: Map<String, Value>) -> serde_json::Result<Self> {
        serde_json::from_value(Value::Object(fields))
    }
}
