//! The documents of the protocol, version 1.
//!
//! `GET /api/events` sends the [`State`] as `event: state`, then each [`crate::hub::Change`] of it as `event: change`. The others
//! are answers to requests. Field names are in camel case, and absent values are `null`. Texts may contain anything that a key
//! or a cell contains: they are data, and never markup.

use std::collections::BTreeMap;

use serde::Serialize;

mod answers;

pub use answers::{
    Drift, DriftedProperty, DriftedResource, Failure, FileDetail, ItemRow, Items, LogLine, NextStep, Plan,
    PlanLine, ReplayRequest, ReplayRows, Replayed, Resource, Results, RowChoice, RowWay, Setting, Step,
    Uploaded, Written,
};

/// Version of the protocol.
pub const PROTOCOL: u32 = 1;

/// Everything that a tab shows without asking.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the protocol.
    pub protocol: u32,
    /// The stack, and what the console may do.
    pub stack: StackInfo,
    /// Whether the stack can be read.
    pub connection: Connection,
    /// Problems of the stack file.
    pub problems: Vec<FileProblem>,
    /// What is happening to the stack; null if nothing is.
    pub activity: Option<Activity>,
    /// The pipeline.
    pub graph: Graph,
    /// The files.
    pub files: Files,
    /// The rows that come to the tables.
    pub rates: Rates,
    /// The calls that the console makes.
    pub budget: Budget,
    /// The recorded deployments, the newest first.
    pub deployments: Vec<Deployment>,
}

impl State {
    /// Creates the state of a stack of which nothing has been read.
    #[must_use]
    pub fn new(stack: StackInfo, since: &str) -> Self {
        Self {
            protocol: PROTOCOL,
            stack,
            connection: Connection {
                state: ConnectionState::Connecting,
                since: since.to_owned(),
                problem: None,
            },
            problems: Vec::new(),
            activity: None,
            graph: Graph::default(),
            files: Files::default(),
            rates: Rates::default(),
            budget: Budget::default(),
            deployments: Vec::new(),
        }
    }
}

/// The stack, and what the console may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackInfo {
    /// Name of the CloudFormation stack.
    pub name: String,
    /// `local` or `aws`.
    pub target: Target,
    /// The account; null until the first connection.
    pub account: Option<String>,
    /// The region; null until the first connection.
    pub region: Option<String>,
    /// `true` if the console changes nothing.
    pub read_only: bool,
    /// `true` if values of sensitive fields are shown.
    pub shows_sensitive: bool,
    /// The stack in AWS's own console; null for the local cloud.
    pub console_link: Option<String>,
    /// The buckets that files can be uploaded to.
    pub buckets: Vec<Bucket>,
}

/// A bucket that files can be uploaded to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Name in the stack file.
    pub name: String,
    /// The keys that start the pipeline: the beginning and the end of each; none if every key does.
    pub keys: Vec<KeyPattern>,
}

/// The beginning and the end of keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KeyPattern {
    /// The beginning; null for any.
    pub prefix: Option<String>,
    /// The end; null for any.
    pub suffix: Option<String>,
}

/// The place of a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The local cloud.
    #[default]
    Local,
    /// AWS.
    Aws,
}

/// Whether the stack can be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connection {
    /// The state.
    pub state: ConnectionState,
    /// Time since which it is in this state: RFC 3339 in UTC.
    pub since: String,
    /// The reason; null if it can be read. While connected, that of a part that could not be read.
    pub problem: Option<Problem>,
}

/// The state of the connection to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectionState {
    /// Nothing has been read yet.
    Connecting,
    /// The last read was complete, or at least a part of it was answered.
    Connected,
    /// Nothing answers. It is tried again and again.
    Lost,
    /// There is no such stack.
    NotDeployed,
}

/// What is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The fact.
    pub text: String,
    /// Advice; null if there is none.
    pub hint: Option<String>,
}

/// A problem of the stack file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// How bad it is.
    pub severity: Severity,
    /// Its code.
    pub code: String,
    /// The fact.
    pub text: String,
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Advice; null if there is none.
    pub help: Option<String>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not bad.
    #[default]
    None,
    /// Somebody should look at it.
    Warning,
    /// Something has gone wrong.
    Error,
}

/// What is happening to a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// The activity.
    pub text: String,
    /// Its beginning, as far as it is known: RFC 3339 in UTC.
    pub since: String,
}

/// The pipeline, laid out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Graph {
    /// Width of the drawing.
    pub width: f64,
    /// Height of the drawing.
    pub height: f64,
    /// The resources.
    pub nodes: Vec<Node>,
    /// The flows.
    pub edges: Vec<Edge>,
}

/// A resource in the drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Node {
    /// Identifier in the drawing.
    pub id: String,
    /// Name in the stack file.
    pub name: String,
    /// Type in the stack file.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text under the name.
    pub label: String,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// The state.
    pub state: NodeState,
    /// What is known of the resource at the moment.
    pub facts: Vec<Fact>,
}

/// The state of a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// It has nothing to do.
    Ok,
    /// It works.
    Busy,
    /// Somebody should look at it.
    Warning,
    /// Something has gone wrong.
    Error,
}

/// A fact about a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The name of the fact.
    pub label: String,
    /// The value, for people.
    pub value: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A flow in the drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Identifier in the drawing.
    pub id: String,
    /// Identifier of the node where it begins.
    pub from: String,
    /// Identifier of the node where it ends.
    pub to: String,
    /// Name of the flow.
    pub label: String,
    /// `true` if it carries what failed.
    pub failure: bool,
    /// Middle of the label, at the height of the line under it.
    pub label_at: (f64, f64),
    /// The line, as straight pieces.
    pub points: Vec<(f64, f64)>,
    /// The same as the path of an SVG, with its curves.
    pub path: String,
    /// Rows a second; null if that is not known.
    pub rows_per_second: Option<f64>,
    /// Rows of all files; null if that is not known.
    pub rows: Option<u64>,
}

/// The files.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Files {
    /// The number of files that the stack knows.
    pub total: usize,
    /// The newest of them, first.
    pub rows: Vec<FileRow>,
}

/// A file and the number of its rows in each state.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRow {
    /// Identifier.
    pub id: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the object.
    pub key: String,
    /// Version of the object; null in a bucket without versions.
    pub version: Option<String>,
    /// Time of the upload; null if that is not known.
    pub uploaded: Option<String>,
    /// Time of the first event.
    pub started_at: Option<String>,
    /// Time of the last event that brought something new.
    pub last_at: Option<String>,
    /// The number of rows; null until the file has been read completely.
    pub total: Option<u64>,
    /// Rows that were read.
    pub extracted: u64,
    /// Rows that became an item.
    pub transformed: u64,
    /// Rows that are in the table, or that deleted an item.
    pub loaded: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows without an end; null until the file has been read completely.
    pub missing: Option<u64>,
    /// The state.
    pub state: FileState,
    /// Settled rows a second; null if that is not known.
    pub rows_per_second: Option<f64>,
    /// Seconds until every row is settled; null if that can't be estimated.
    pub seconds_to_go: Option<u64>,
    /// Bytes of the file; null until it has been read completely.
    pub size: Option<u64>,
    /// Rows of a replay that are to go; null if there is none.
    pub replaying: Option<u64>,
}

/// The state of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// Rows may still come.
    #[default]
    Open,
    /// Every row is in the table or was skipped.
    Complete,
    /// The file could not be read, or all of its rows have failed.
    Failed,
    /// Every row is settled, and some have failed.
    Incomplete,
}

/// The rows that come to the tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// Loaded rows a second; null until two reads were made.
    pub rows_per_second: Option<f64>,
    /// The same for each of the last seconds, the latest last; 120 at most.
    pub history: Vec<f64>,
}

/// The calls that the console makes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// The most calls in any minute.
    pub calls_per_minute: u32,
    /// The calls of the last minute.
    pub used_last_minute: u32,
    /// The cost of an hour of such minutes; 0 for the local cloud.
    pub cost_per_hour_usd: f64,
    /// The calls since the start, by `Service.Operation`.
    pub calls: BTreeMap<String, u64>,
}

/// A recorded deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Number of the record.
    pub number: u64,
    /// Time of its end: RFC 3339 in UTC.
    pub time: String,
    /// The kind of operation.
    pub kind: String,
    /// Its result.
    pub result: String,
    /// The caller.
    pub caller: String,
    /// The changes, for people.
    pub changes: String,
}
