//! How an object was read, and what events said of its failed rows: the data of [`crate::details`].

use std::collections::BTreeMap;

use contract::settings::{ExtractionSettings, Format};
use serde::{Deserialize, Serialize};

use crate::attribute::{Attribute, Attributes};
use crate::rows::{ROWS_PER_CHUNK, chunks};

/// The sort key of the item that says how the object was read, and the name of its attribute.
pub(crate) const READING: &str = "reading";
/// The greatest number of bytes of details in an item, which DynamoDB limits to 400 KB.
const MAX_BYTES: usize = 256 << 10;

/// The way in which the rows of an object were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Settings of the task.
    pub settings: ExtractionSettings,
    /// Columns that the file must have.
    pub columns: Vec<String>,
    /// Columns whose values nobody may see.
    pub sensitive: Vec<String>,
}

impl Reading {
    /// Returns what the name of a file of rejected rows ends with.
    #[must_use]
    pub const fn extension(&self) -> &'static str {
        match self.settings.format {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        }
    }

    /// Reads the attributes of the item; returns `None` if they are those of another version of the program.
    pub(crate) fn read(attributes: &Attributes) -> Option<Self> {
        match attributes.get(READING) {
            Some(Attribute::Text(text)) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

/// What an event said of a row that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowFailure {
    /// The stage: `extraction`, `transform` or `load`.
    pub stage: String,
    /// Stable code.
    pub reason: String,
    /// Name of the field of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Name of the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// One sentence; where it begins with the number of the row, the rest of it.
    message: String,
    /// `true` if it begins with the number of the row.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    numbered: bool,
}

impl RowFailure {
    /// Creates the failure that an event about this row and perhaps those after it describes.
    pub(crate) fn new(
        row: u64,
        stage: &str,
        reason: &str,
        message: &str,
        field: Option<&str>,
        column: Option<&str>,
    ) -> Self {
        let rest = message.strip_prefix(&format!("row {row} "));
        Self {
            stage: stage.to_owned(),
            reason: reason.to_owned(),
            field: field.map(str::to_owned),
            column: column.map(str::to_owned),
            message: rest.unwrap_or(message).to_owned(),
            numbered: rest.is_some(),
        }
    }

    /// Returns the sentence for a row.
    #[must_use]
    pub fn message(&self, row: u64) -> String {
        match self.numbered {
            true => format!("row {row} {}", self.message),
            false => self.message.clone(),
        }
    }
}

/// Rows that failed in the same way, from the first to the last of each range.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alike {
    #[serde(flatten)]
    pub(crate) failure: RowFailure,
    /// Time of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    pub(crate) rows: Vec<(u64, u64)>,
}

/// The details in a batch: those of each chunk of each object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details(BTreeMap<u64, OfChunk>);

/// The ranges of rows, by what was said of them and when.
type OfChunk = BTreeMap<(RowFailure, Option<String>), Vec<(u64, u64)>>;

impl Details {
    /// Adds what an event said of the rows from `first` to `last`.
    pub(crate) fn add(&mut self, failure: &RowFailure, time: Option<&str>, first: u64, last: u64) {
        for (chunk, offsets) in chunks(first, last) {
            let base = chunk * ROWS_PER_CHUNK;
            let rows = (base + u64::from(offsets.start), base + u64::from(offsets.end) - 1);
            let alike = (failure.clone(), time.map(str::to_owned));
            self.0.entry(chunk).or_default().entry(alike).or_default().push(rows);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the details as they are stored: the chunk, and JSON.
    pub(crate) fn items(&self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        for (chunk, entries) in &self.0 {
            let mut item = Vec::new();
            for ((failure, time), rows) in entries {
                let rows = joined(rows.clone());
                let alike = Alike { failure: failure.clone(), time: time.clone(), rows };
                // Texts and numbers can always be serialised.
                let json = serde_json::to_vec(&alike).unwrap_or_default();
                if !item.is_empty() && item.len() + json.len() > MAX_BYTES {
                    out.push((*chunk, std::mem::take(&mut item)));
                }
                // A line for each, so that an item is never built twice.
                item.extend_from_slice(&json);
                item.push(b'\n');
            }
            out.push((*chunk, item));
        }
        out
    }
}

/// Returns ranges in their order, those that follow each other as one.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}
