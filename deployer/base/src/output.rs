//! The documents that commands write to stdout with `--output json`: the parts that all of them share.
//!
//! A document of one command is a struct beside that command. The comments of its fields are the descriptions in
//! `docs/output.schema.json`, which a test generates from these types (`commands/documents.rs`).

use std::collections::BTreeMap;

use contract::ObjectRef;
use deployer_plan::diff::{ChangeKind, Diff};
use deployer_syntax::{Severity, Source};
use schemars::JsonSchema;
use serde::Serialize;

/// Version of every document on stdout; raised when a field changes its meaning or is removed.
pub const SCHEMA_VERSION: u32 = 1;

/// Version of the document.
#[derive(Debug, JsonSchema)]
#[schemars(with = "u32", extend("const" = SCHEMA_VERSION))]
pub enum Version {}

/// RFC 3339 in UTC.
#[derive(Debug, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"))]
pub enum Moment {}

/// SHA-256.
#[derive(Debug, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{64}$"))]
pub enum Digest {}

/// A document: the fields of one command between those that every document has.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document<T> {
    /// Version of the document.
    #[schemars(with = "Version")]
    pub schema_version: u32,
    /// The fields of the command.
    #[serde(flatten)]
    pub body: T,
    /// Warnings about the stack file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<FileDiagnostic>,
}

/// A document without warnings, such as one line of several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Versioned<T> {
    /// Version of the document.
    #[schemars(with = "Version")]
    schema_version: u32,
    /// The fields of the command.
    #[serde(flatten)]
    body: T,
}

impl<T: Serialize> Versioned<T> {
    /// Creates a document with these fields.
    pub const fn new(body: T) -> Self {
        Self { schema_version: SCHEMA_VERSION, body }
    }

    /// Formats the document in one line.
    #[must_use]
    pub fn to_line(&self) -> String {
        // The document's maps have texts as keys, so that it can be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A position in the stack file.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "place")]
pub struct FilePlace {
    /// Line, counted from 1.
    line: usize,
    /// Column in characters, counted from 1.
    column: usize,
    /// Byte in the file, counted from 0.
    byte: usize,
}

impl FilePlace {
    fn new(source: &Source, byte: usize) -> Self {
        let position = source.position(byte);
        Self { line: position.line, column: position.column, byte }
    }
}

/// A problem of the stack file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "diagnostic")]
pub struct FileDiagnostic {
    /// Its code, which `deployer docs CODE` explains.
    #[schemars(regex(pattern = "^[EW][0-9]{4}$"))]
    code: &'static str,
    /// `error` if the file cannot be used, `warning` if it can.
    severity: Severity,
    /// The problem.
    message: String,
    /// The way to solve it.
    help: Option<String>,
    /// Position of its start.
    start: FilePlace,
    /// Position of its end.
    end: FilePlace,
}

impl FileDiagnostic {
    /// Converts a problem of `source`.
    #[must_use]
    pub fn new(source: &Source, diagnostic: &deployer_syntax::Diagnostic) -> Self {
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            start: FilePlace::new(source, diagnostic.span.start),
            end: FilePlace::new(source, diagnostic.span.end),
        }
    }
}

/// Instead of its own document, what any command writes when the stack file or a rule file is invalid; it exits with 2, or with 5 if the
/// template breaks a rule of `policies`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problems<'a> {
    /// The file.
    pub file: &'a str,
    /// Its problems.
    pub diagnostics: Vec<FileDiagnostic>,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The command line is wrong.
    Usage,
    /// The stack file is invalid.
    InvalidFile,
    /// Anything else.
    Failed,
    /// AWS answered with an error.
    Aws,
    /// The credentials are missing or not valid.
    Credentials,
    /// The caller may not do that.
    AccessDenied,
    /// There are differences, and `--fail` was given.
    Differences,
    /// A deployment failed.
    Deployment,
    /// The deployer refused to do it, or was not allowed to.
    Refused,
    /// Rows of a file are not in the table.
    Incomplete,
    /// The command was interrupted.
    Interrupted,
}

/// The result of what failed.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(with = "String", inline, extend("const" = "failed"))]
pub enum FailedResult {
    /// It failed.
    #[default]
    Failed,
}

/// The document of any command, in one line, that fails before it has written its own document; the last line where those
/// are one document a line.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure<'a> {
    /// Always `failed`.
    pub result: FailedResult,
    /// The kind of error.
    pub kind: FailureKind,
    /// The problem.
    pub error: &'a str,
    /// The way to solve it.
    pub hint: Option<&'a str>,
    /// The exit code.
    pub exit_code: u8,
}

/// A change that CloudFormation would make to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// It is created.
    Add,
    /// It exists, and becomes part of the stack.
    Import,
    /// It is updated in place.
    Modify,
    /// A new one is created, which replaces it.
    Replace,
    /// It is removed from the stack.
    Remove,
    /// It stays as it is, which no change set says.
    #[schemars(skip)]
    Keep,
}

impl From<ChangeKind> for ChangeAction {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Create => Self::Add,
            ChangeKind::Adopt => Self::Import,
            ChangeKind::Update => Self::Modify,
            ChangeKind::Replace => Self::Replace,
            ChangeKind::Delete => Self::Remove,
            ChangeKind::Keep => Self::Keep,
        }
    }
}

/// A change of a resource, as CloudFormation announced it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "change")]
pub struct AnnouncedChange<'a> {
    /// The change.
    pub action: ChangeAction,
    /// Logical ID.
    pub logical_id: &'a str,
    /// CloudFormation type.
    #[serde(rename = "type")]
    pub resource_type: &'a str,
}

/// One version of one object in S3.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "object")]
pub struct StoredObject<'a> {
    /// Name of the bucket.
    bucket: &'a str,
    /// Key of the object.
    key: &'a str,
    /// Version ID, when the bucket is versioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    /// Entity tag without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    /// Time of its upload, by S3: RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded: Option<&'a str>,
    /// ID of the replay by which its rows are sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a str>,
}

impl<'a> From<&'a ObjectRef> for StoredObject<'a> {
    fn from(object: &'a ObjectRef) -> Self {
        Self {
            bucket: &object.bucket,
            key: &object.key,
            version: object.version.as_deref(),
            etag: object.etag.as_deref(),
            uploaded: object.uploaded.as_deref(),
            replay: object.replay.as_deref(),
        }
    }
}

/// Values by the names of the file.
#[derive(Debug, JsonSchema)]
#[schemars(with = "BTreeMap<String, String>")]
pub enum OutputValues {}

/// A resource of a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "resource")]
pub struct ListedResource<'a> {
    /// Logical ID.
    pub logical_id: &'a str,
    /// Name, URL, ID or ARN.
    pub physical_id: &'a str,
    /// CloudFormation type.
    #[serde(rename = "type")]
    pub resource_type: &'a str,
    /// The command that deletes it.
    pub delete_with: String,
}

/// The result of a deployment that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentResult {
    /// The stack was created or updated.
    Deployed,
    /// There was nothing to do.
    Unchanged,
    /// The change set `changeSet` waits to be executed.
    Planned,
    /// Code was put in place, or taken back, without CloudFormation.
    Swapped,
}

/// The result of a deployment.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum DoneResult {
    /// It did not fail.
    Succeeded(DeploymentResult),
    /// It failed, was refused, or was interrupted.
    Failed(FailedResult),
}

/// A line of the file that `deploy --events` writes; each event has fields of its own.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventLine<'a> {
    /// Time at which it was written: RFC 3339 in UTC.
    pub time: String,
    /// The event.
    #[serde(flatten)]
    pub event: &'a DeploymentEvent<'a>,
}

/// An event of a deployment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum DeploymentEvent<'a> {
    /// The account and region of a deployment, and its caller.
    Target {
        /// Name of the CloudFormation stack.
        stack: &'a str,
        /// Account.
        account: &'a str,
        /// Region.
        region: &'a str,
        /// ARN of the caller.
        caller: &'a str,
    },
    /// The plan.
    Plan {
        /// The plan.
        #[serde(flatten)]
        plan: &'a Diff,
    },
    /// An event of CloudFormation.
    Resource {
        /// ARN of the stack that the resource is part of.
        stack_id: &'a str,
        /// ID of the event.
        id: &'a str,
        /// Logical ID of the resource, or the name of the stack.
        logical_id: &'a str,
        /// CloudFormation type.
        #[serde(rename = "type")]
        resource_type: &'a str,
        /// CloudFormation's status of the resource.
        status: &'a str,
        /// CloudFormation's words.
        reason: Option<&'a str>,
        /// `true` if it is about the stack and not about one of its resources.
        of_stack: bool,
        /// Time of the event, by CloudFormation.
        at: &'a str,
    },
    /// The result.
    Done {
        /// Name of the CloudFormation stack.
        stack: &'a str,
        /// The result.
        result: DoneResult,
        /// The error.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}
