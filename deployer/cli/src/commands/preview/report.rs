//! The results of a file as one document.

use contract::event::Skipped;
use deployer_base::error::Result;
use deployer_cfn::template::Template;
use deployer_plan::cost::Pace;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use task::file::FileEnd;
use transform::Item;

use super::Job;
use super::estimates::{self, CostOfRows};
use crate::preview::summary::Summary;
use crate::preview::{Fate, FileFailure};

/// The results of a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct FilePreview<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Name of the function that makes the items.
    function: &'a str,
    /// Name of the table that `load` writes them to; null if there is none.
    table: Option<&'a str>,
    /// The failure of the file as a whole; null if its rows can be read to the end.
    failure: Option<WholeFailure<'a>>,
    /// Names of the columns; empty if they were not found.
    columns: Vec<String>,
    /// `true` if the file is compressed.
    compressed: bool,
    /// Bytes of its text, decompressed.
    text_bytes: u64,
    /// Rows, including those that fail or are left out.
    rows: u64,
    /// Rows that become items.
    items: u64,
    /// Rows that delete the item of their key.
    deletions: u64,
    /// Rows that `where` leaves out.
    skipped: u64,
    /// Rows that fail.
    failed: u64,
    /// Lines that are not rows, and have no number.
    lines: OtherLines,
    /// Rows with a timestamp whose second 60 is stored as 59.
    leap_seconds: u64,
    /// Facts about the file for people, such as the sheet of a workbook that is read.
    notes: Vec<String>,
    /// The failures, by reason, field and column, in the order in which they first occur.
    failures: Vec<FailureOfRows<'a>>,
    /// Keys that occur more than once; null if no table is known.
    repeated_keys: Option<RepeatedKeys>,
    /// The largest item; null if there is none.
    largest_item: Option<LargestItem>,
    /// The cost of the rows; null if it can't be estimated.
    cost: Option<CostOfRows>,
    /// The time that the rows take; null if it can't be estimated.
    time: Option<Pace>,
    /// The results of the first rows; of all rows with `--all`.
    results: Vec<RowResult>,
}

/// The failure of a file as a whole.
#[derive(Debug, Serialize, JsonSchema)]
struct WholeFailure<'a> {
    /// The reason; `deployer docs REASON` explains it.
    reason: String,
    /// The columns that are missing.
    columns: &'a [String],
    /// For people.
    message: &'a str,
}

impl<'a> WholeFailure<'a> {
    fn new(failure: &'a FileFailure) -> Self {
        Self { reason: failure.reason.code(), columns: &failure.columns, message: &failure.message }
    }
}

/// Lines that are not rows.
#[derive(Debug, Serialize, JsonSchema)]
struct OtherLines {
    /// Blank lines, and lines of nothing but delimiters.
    blank: u64,
    /// Lines that repeat the header.
    headers: u64,
    /// Comments.
    comments: u64,
}

impl From<Skipped> for OtherLines {
    fn from(skipped: Skipped) -> Self {
        let Skipped { blank, headers, comments } = skipped;
        Self { blank, headers, comments }
    }
}

/// Rows that fail by the same reason, field and column.
#[derive(Debug, Serialize, JsonSchema)]
struct FailureOfRows<'a> {
    /// The reason; `deployer docs REASON` explains it.
    reason: String,
    /// Name of the field; null if no field is at fault.
    field: Option<&'a str>,
    /// Name of the column; null if no column is at fault.
    column: Option<&'a str>,
    /// For people, about the first of the rows.
    message: &'a str,
    /// The number of rows.
    rows: u64,
    /// The numbers of the first of them.
    first: &'a [u64],
}

/// Keys that occur more than once.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RepeatedKeys {
    /// Rows with the key of an earlier row.
    rows: u64,
    /// The first of them: the number of the earlier row, and that of the row.
    first: Vec<(u64, u64)>,
    /// Rows whose keys were not compared with those of later rows: only the first million keys are.
    not_compared: u64,
}

/// The largest item.
#[derive(Debug, Serialize, JsonSchema)]
struct LargestItem {
    /// The number of its row.
    row: u64,
    /// Its size as DynamoDB counts it, estimated from above.
    bytes: u64,
}

/// The result of a row: one of `item`, `deleted`, `failed` and `skipped`.
#[derive(Debug, Serialize, JsonSchema)]
struct RowResult {
    /// Its number.
    row: u64,
    /// The item, in DynamoDB's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    item: Option<Value>,
    /// The key of the item that it deletes, in DynamoDB's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    deleted: Option<Value>,
    /// The failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<RowFailure>,
    /// The setting that leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("const" = "where"))]
    skipped: Option<&'static str>,
}

/// The failure of a row.
#[derive(Debug, Serialize, JsonSchema)]
struct RowFailure {
    /// The reason; `deployer docs REASON` explains it.
    reason: String,
    /// Name of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Name of the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// For people.
    message: String,
}

impl RowResult {
    fn new(row: u64, fate: Fate<'_>) -> Self {
        let mut result = Self { row, item: None, deleted: None, failed: None, skipped: None };
        let json = |item: &Item<'_>| {
            let mut json = Vec::new();
            item.write_dynamodb_json(&mut json);
            // It is JSON.
            serde_json::from_slice(&json).ok()
        };
        match fate {
            Fate::Item(item) => result.item = json(&item),
            Fate::Deleted(key) => result.deleted = json(&key),
            Fate::Skipped => result.skipped = Some("where"),
            Fate::Failed(failure) => {
                result.failed = Some(RowFailure {
                    reason: failure.reason.code(),
                    field: failure.field,
                    column: failure.column,
                    message: failure.message,
                });
            }
        }
        result
    }
}

/// Writes the document.
pub(super) fn run(job: &Job<'_>, template: &Template) -> Result<()> {
    let (preview, mut summary, mut results) = (&job.preview, Summary::default(), Vec::new());
    let read = preview.read(job.watched(true)?, |row, mut fate| {
        summary.examine(row, &fate, preview.key_attributes());
        if summary.rows <= job.most {
            if let (Fate::Item(item), false) = (&mut fate, job.show_sensitive) {
                preview.hide(item);
            }
            results.push(RowResult::new(row, fate));
        }
        Ok(())
    });
    let end = job.end(read)?;
    let (failure, end) = match end {
        Ok(end) => (None, end),
        Err(failure) => (Some(failure), FileEnd::default()),
    };
    let route = &preview.route;
    let load = estimates::load(&summary, &end).filter(|_| failure.is_none());
    let failures = summary.groups.iter().map(|group| FailureOfRows {
        reason: group.failure.reason.code(),
        field: group.failure.field.as_deref(),
        column: group.failure.column.as_deref(),
        message: &group.failure.message,
        rows: group.rows,
        first: &group.first,
    });
    job.context.ui.json(FilePreview {
        stack: &route.stack().name,
        function: route.name(),
        table: route.table.map(|(_, table, _)| table.name.as_str()),
        failure: failure.as_ref().map(WholeFailure::new),
        columns: end.columns,
        compressed: end.compressed,
        text_bytes: end.text,
        rows: summary.rows,
        items: summary.items,
        deletions: summary.deletions,
        skipped: summary.skipped,
        failed: summary.failed,
        lines: end.skipped.into(),
        leap_seconds: summary.leap_seconds,
        notes: end.notes,
        failures: failures.collect(),
        repeated_keys: (!preview.key_attributes().is_empty()).then(|| RepeatedKeys {
            rows: summary.keys.repeated,
            first: summary.keys.first.clone(),
            not_compared: summary.keys.beyond,
        }),
        largest_item: summary.largest.map(|largest| LargestItem { row: largest.row, bytes: largest.bytes }),
        cost: load.and_then(|load| estimates::cost(route.stack(), template, load)),
        time: load.and_then(|load| estimates::time(route.stack(), load)),
        results,
    })?;
    job.verdict(&summary, failure.as_ref())
}
