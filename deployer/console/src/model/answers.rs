//! The answers to requests, and the bodies of actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FileProblem, FileRow, Problem, Severity};

/// A resource, in answer to `GET /api/resource`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Name in the stack file.
    pub name: String,
    /// Type in the stack file.
    #[serde(rename = "type")]
    pub kind: String,
    /// Logical ID; null if it is not part of the deployed stack.
    pub logical_id: Option<String>,
    /// Physical ID; null if it is not part of the deployed stack.
    pub physical_id: Option<String>,
    /// CloudFormation's status of the resource; null if it is not part of the deployed stack.
    pub state: Option<String>,
    /// Its settings, and what is known of it at the moment.
    pub configuration: Vec<Setting>,
    /// The last lines of its log, the newest last.
    pub log: Vec<LogLine>,
    /// The reason why its log could not be read; null if it was, or if it has none.
    pub log_problem: Option<Problem>,
    /// The resource in AWS's own console; null if there is no page for it.
    pub link: Option<String>,
}

/// A setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// A line of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Its time: RFC 3339 in UTC.
    pub time: String,
    /// Its level; null if it has none.
    pub level: Option<String>,
    /// Its text.
    pub text: String,
}

/// A file, in answer to `GET /api/file`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FileDetail {
    /// The counts.
    #[serde(flatten)]
    pub row: FileRow,
    /// The failures, by stage and reason.
    pub failures: Vec<Failure>,
    /// The files that were written about it; null if there are none.
    pub results: Option<Results>,
    /// Commands that lead on.
    pub next: Vec<NextStep>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Rows that failed for the same reason; of a file that could not be read, none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Stable code of the reason.
    pub reason: String,
    /// The stage.
    pub stage: String,
    /// The number of rows.
    pub count: u64,
    /// The first of their numbers, 100 at most.
    pub rows: Vec<u64>,
    /// The message of one of them; null if there is none.
    pub message: Option<String>,
    /// The text of the page about the reason, as Markdown; null if there is no page.
    pub docs: Option<String>,
}

/// The files that were written about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Results {
    /// 1, and after each replay the next number.
    pub attempt: u64,
    /// Key of the results; null if there are none.
    pub results: Option<String>,
    /// Key of the rows that failed; null if there are none.
    pub rejects: Option<String>,
    /// The reason why rejected rows are missing in that file; null if they are not.
    pub problem: Option<String>,
}

/// A command that leads on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// The command line.
    pub command: String,
    /// Its effect.
    pub purpose: String,
}

/// Rows of a file beside the items of the table, in answer to `GET /api/items`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Items {
    /// The attributes, in the order of the fields.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<ItemRow>,
}

/// A row beside the item of its key.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ItemRow {
    /// Number of the row.
    pub row: u64,
    /// The values of the item for people, by attribute; null if the table has no such item.
    pub item: Option<BTreeMap<String, String>>,
    /// How the row and the table agree.
    pub state: String,
    /// The reason why the row fails or differs; null if it does not.
    pub reason: Option<String>,
}

/// The choice of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChoice {
    /// By its number.
    Number(u64),
    /// By its ID.
    Id(String),
}

/// The way of a row, in answer to `GET /api/row`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowWay {
    /// Number of the row.
    pub row: u64,
    /// Its ID.
    pub row_id: String,
    /// What happened to it, the earliest first.
    pub steps: Vec<Step>,
    /// The item in the table, its values for people by attribute; null if there is none.
    pub item: Option<BTreeMap<String, String>>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// A step on the way of a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Step {
    /// `uploaded`, `extracted`, `transformed`, `loaded`, `skipped`, `failed` or `missing`.
    pub name: String,
    /// Its time: RFC 3339 in UTC; null if no log has it, which `text` says.
    pub time: Option<String>,
    /// Name of the resource in the stack file; null if there is none.
    pub resource: Option<String>,
    /// The step, for people.
    pub text: String,
    /// What was logged; null if nothing was.
    pub detail: Option<Value>,
}

/// The choice of a file that was written about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Written {
    /// The rows that failed.
    Rejects,
    /// The results.
    Results,
}

/// The plan of the next deployment, in answer to `GET /api/plan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Its lines.
    pub lines: Vec<PlanLine>,
    /// Problems of the stack file, because of which there is no plan.
    pub problems: Vec<FileProblem>,
}

/// A line of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlanLine {
    /// The kind of change: `+`, `~`, `-` and others; empty for other lines.
    pub sign: String,
    /// The text.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
}

/// Where deployed resources differ from their template, in answer to `GET /api/drift`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The resources that differ.
    pub resources: Vec<DriftedResource>,
    /// Resources that could not be compared: logical IDs.
    pub unchecked: Vec<String>,
}

/// A resource that differs from its template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftedResource {
    /// Logical ID.
    pub logical_id: String,
    /// CloudFormation's drift status of the resource.
    pub status: String,
    /// The properties that differ.
    pub differences: Vec<DriftedProperty>,
}

/// A property that differs from the template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriftedProperty {
    /// Path of the property.
    pub property: String,
    /// The value in the template.
    pub expected: String,
    /// The value of the resource.
    pub actual: String,
}

/// An object that was uploaded, in answer to `POST /api/upload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Uploaded {
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the object.
    pub key: String,
    /// Version of the object; null in a bucket without versions.
    pub version: Option<String>,
    /// Identifier of the file.
    pub id: String,
}

/// The rows that are to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayRows {
    /// Those that failed.
    Failed,
    /// Those without an end.
    Missing,
}

/// A request to send rows again: the body of `POST /api/replay`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Identifier of the file.
    pub id: String,
    /// The rows.
    pub which: ReplayRows,
}

/// Rows that were sent again, in answer to `POST /api/replay`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// ID of the replay; null if there was nothing to send.
    pub replay: Option<String>,
    /// The number of rows.
    pub rows: u64,
}
