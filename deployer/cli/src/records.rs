//! Records of the operations on a stack: written to the asset bucket after each deployment, and read by `history`,
//! `rollback` and `gc`.
//!
//! `deployments/<stack>/<number>.json` contains the caller, the kind, the time and the result, and names the template
//! and the code by their digests; `templates/<sha256>.json` is the template, once for all records that name it. A
//! record is information for people and a way back. The deployed state is read from CloudFormation, never from a
//! record.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use deployer_aws::cloudformation::Change;
use deployer_aws::s3::records::{get, keys, put_new};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_base::output::{Digest, Moment, Version};
use deployer_base::time;
use deployer_build::{bucket_name, ensure_bucket};
use deployer_packing::sha256_hex;
use deployer_plan::diff::ChangeKind;
use futures::{StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;

mod remains;

pub use remains::{RecordedResource, Remains};

/// Version of the records; raised if a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;
/// Prefix of the records in the bucket.
pub const RECORDS: &str = "deployments/";
/// Prefix of the templates in the bucket.
pub const TEMPLATES: &str = "templates/";
/// The replacement for the value of a parameter that must not be read (`NoEcho`), in CloudFormation's answers too.
pub const MASKED: &str = "****";
/// Number of records that are read at a time.
const PARALLEL: usize = 8;
/// Number of deployments of one stack that may end at the same moment, and try the same number.
const ATTEMPTS: usize = 20;
/// Number of characters of a cause that are kept.
const MAX_CAUSE: usize = 2_000;

/// The operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "recordedKind")]
pub enum Kind {
    /// The file was deployed.
    Deploy,
    /// A recorded deployment was deployed again.
    Rollback,
    /// Code was changed without CloudFormation.
    Hotswap,
    /// The stack was deleted.
    Destroy,
    /// Resources that existed became part of the stack.
    Import,
}

impl Kind {
    /// Returns the word for the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Hotswap => "hotswap",
            Self::Destroy => "destroy",
            Self::Import => "import",
        }
    }
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedResult {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
}

impl RecordedResult {
    /// Returns the word for the result.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// The number of resources that were changed, by kind of change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "recordedChanges")]
pub struct Changes {
    /// Created.
    pub add: usize,
    /// Changed in place.
    pub modify: usize,
    /// Replaced by new ones.
    pub replace: usize,
    /// Removed.
    pub remove: usize,
}

impl Changes {
    /// Counts the changes of a change set.
    #[must_use]
    pub fn of(changes: &[Change]) -> Self {
        let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
        Self {
            add: count(ChangeKind::Create),
            modify: count(ChangeKind::Update),
            replace: count(ChangeKind::Replace),
            remove: count(ChangeKind::Delete),
        }
    }

    /// Describes the counts in a few characters: `+2 ~1 ±1 -3`.
    #[must_use]
    pub fn describe(self) -> String {
        let parts = [("+", self.add), ("~", self.modify), ("±", self.replace), ("-", self.remove)];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(sign, count)| format!("{sign}{count}"))
            .collect();
        parts.join(" ")
    }
}

/// An operation on a stack, as it is recorded in the asset bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of these fields.
    #[schemars(with = "Version")]
    pub schema_version: u32,
    /// Number of the record, counted from 1 for each stack.
    #[schemars(range(min = 1))]
    pub number: u64,
    /// Name of the stack.
    pub stack: String,
    /// Its ARN.
    pub stack_id: String,
    /// Time of its end.
    #[schemars(with = "Moment")]
    pub time: String,
    /// ARN of the caller.
    pub caller: String,
    /// Version of the deployer.
    pub deployer: String,
    /// The operation.
    pub kind: Kind,
    /// The result.
    pub result: RecordedResult,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Duration, in seconds.
    pub seconds: u64,
    /// SHA-256 of the template that was deployed. Of a stack that was deleted, it is there only if resources were kept,
    /// and is the template that they were deployed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub template: Option<String>,
    /// Parameters of the template; those with `NoEcho` are masked.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The number of resources that changed.
    #[serde(default)]
    pub changes: Changes,
    /// `--config` as it was given.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Commit of the stack file's folder, when it is in a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Resources that the deletion of the stack kept in the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<RecordedResource>,
    /// Deleted resources to which the kept ones refer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub referenced: Vec<RecordedResource>,
}

impl Record {
    /// Returns whether the stack was brought to the state that this record names, so that a rollback can go back to it.
    #[must_use]
    pub fn is_way_back(&self) -> bool {
        self.result == RecordedResult::Succeeded
            && matches!(self.kind, Kind::Deploy | Kind::Rollback | Kind::Import)
            && self.template.is_some()
    }

    /// Returns whether this record names the deployed state: the digest of its template, and its parameters, to which
    /// CloudFormation adds those with default values.
    #[must_use]
    pub fn is_deployed(&self, template: &str, parameters: &BTreeMap<String, String>) -> bool {
        self.template.as_deref() == Some(template)
            && self.parameters.iter().all(|(name, value)| parameters.get(name) == Some(value))
    }

    /// Returns the caller, without the part that all callers of the account have in common.
    #[must_use]
    pub fn who(&self) -> &str {
        let name = self.caller.rsplit(':').next().unwrap_or_default();
        name.split_once('/').map_or(name, |(_, name)| name)
    }
}

/// The data of a deployment that has ended.
#[derive(Debug, Clone)]
pub struct Finished<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// ARN of the stack.
    pub stack_id: &'a str,
    /// The kind of the operation.
    pub kind: Kind,
    /// The cause of the failure; `None` if the operation did not fail.
    pub cause: Option<&'a str>,
    /// The duration.
    pub took: Duration,
    /// The template that was sent; of a deleted stack, that of its remains.
    pub template: Option<&'a str>,
    /// The parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// Tags of the stack.
    pub tags: &'a BTreeMap<String, String>,
    /// The changes.
    pub changes: &'a [Change],
    /// The remains of a stack that was deleted.
    pub remains: Option<&'a Remains>,
}

/// The parts of a record that are known before the deployment has ended.
#[derive(Debug)]
pub struct Ready {
    bucket: String,
    /// SHA-256 of the template that was sent.
    template: Option<String>,
    number: u64,
}

/// Prepares the record of a deployment: the bucket, the template in it, and the next number. The preparation runs
/// during the deployment, so that it causes no delay afterwards.
///
/// # Errors
/// Returns an error if S3 refuses.
pub async fn prepare(
    context: &Context,
    session: &Session,
    stack: &str,
    template: Option<&str>,
) -> Result<Ready> {
    let keep = async {
        let bucket = ensure_bucket(&context.ui, session).await?;
        let Some(template) = template else { return Ok((bucket, None)) };
        let digest = sha256_hex(template.as_bytes());
        match put_new(session, &bucket, &template_key(&digest), template).await? {
            true => Ok((bucket, Some(digest))),
            false => Err(wrong_template(&digest)),
        }
    };
    // A bucket that does not exist yet contains no records.
    let ((bucket, template), numbers) = tokio::try_join!(keep, numbers(session, stack))?;
    let number = numbers.last().map_or(1, |last| last + 1);
    Ok(Ready { bucket, template, number })
}

/// Writes the record of a deployment that has ended; returns its number.
///
/// # Errors
/// Returns an error if S3 refuses, or refused the preparation.
pub async fn write(
    context: &Context,
    session: &Session,
    ready: Result<Ready>,
    finished: &Finished<'_>,
) -> Result<u64> {
    let Ready { bucket, template: digest, number } = ready?;
    let mut record = Record {
        schema_version: SCHEMA_VERSION,
        number,
        stack: finished.stack.to_owned(),
        stack_id: finished.stack_id.to_owned(),
        time: time::rfc3339(time::now()),
        caller: session.caller.clone(),
        deployer: env!("CARGO_PKG_VERSION").to_owned(),
        kind: finished.kind,
        result: if finished.cause.is_none() { RecordedResult::Succeeded } else { RecordedResult::Failed },
        cause: finished.cause.map(|cause| cause.chars().take(MAX_CAUSE).collect()),
        seconds: finished.took.as_secs(),
        template: digest,
        parameters: masked(finished.template.unwrap_or_default(), finished.parameters),
        tags: finished.tags.clone(),
        changes: Changes::of(finished.changes),
        config: context.config.iter().cloned().collect(),
        commit: commit(context.folder()),
        kept: finished.remains.map(|remains| remains.kept.clone()).unwrap_or_default(),
        referenced: finished.remains.map(|remains| remains.referenced.clone()).unwrap_or_default(),
    };
    for _ in 0..ATTEMPTS {
        let text = serde_json::to_string_pretty(&record).map_err(|error| Error::failed(error.to_string()))?;
        if put_new(session, &bucket, &record_key(&record.stack, record.number), &text).await? {
            return Ok(record.number);
        }
        record.number += 1;
    }
    Err(Error::failed(format!("no number is free for the record of {}", finished.stack)))
}

/// Writes the record of a deployment that has ended, and reports it.
pub async fn keep(context: &Context, session: &Session, finished: &Finished<'_>) {
    let ready = prepare(context, session, finished.stack, finished.template).await;
    tell(context, write(context, session, ready, finished).await);
}

/// Reports that a record was written, or warns that it was not: the outcome of the deployment stays the same.
pub fn tell(context: &Context, written: Result<u64>) {
    match written {
        Ok(number) => context.ui.step("recorded", format!("as number {number}")),
        Err(error) => {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            context.ui.warn(format!("`deployer history` will not show this operation: {why}"));
        }
    }
}

/// Returns the newest records of a stack, newest first.
///
/// # Errors
/// Returns an error if S3 refuses. A record that can't be parsed is skipped with a warning.
pub async fn list(context: &Context, session: &Session, stack: &str, most: usize) -> Result<Vec<Record>> {
    let numbers = numbers(session, stack).await?;
    let reads = numbers.into_iter().rev().take(most).map(async |number| {
        let text = get(session, &bucket_name(session), &record_key(stack, number)).await?;
        Ok::<_, Error>(text.map(|text| (number, text)))
    });
    let texts: Vec<Option<(u64, String)>> =
        futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let understood = texts.into_iter().flatten().filter_map(|(number, text)| {
        let record = parse(number, &text);
        if let Err(why) = &record {
            context.ui.warn(format!("record {number} of {stack} can't be read: {why}"));
        }
        record.ok()
    });
    Ok(understood.collect())
}

/// Reads one record.
///
/// # Errors
/// Returns an error if S3 refuses, or the record can't be parsed.
pub async fn read(session: &Session, stack: &str, number: u64) -> Result<Option<Record>> {
    let Some(text) = get(session, &bucket_name(session), &record_key(stack, number)).await? else {
        return Ok(None);
    };
    parse(number, &text)
        .map(Some)
        .map_err(|why| Error::failed(format!("record {number} of {stack} can't be read: {why}")))
}

/// Reads the template of a digest.
///
/// # Errors
/// Returns an error if S3 refuses, or the text does not have the digest in its name.
pub async fn template(session: &Session, digest: &str) -> Result<Option<String>> {
    let text = get(session, &bucket_name(session), &template_key(digest)).await?;
    match text {
        Some(text) if sha256_hex(text.as_bytes()) != digest => Err(wrong_template(digest)),
        text => Ok(text),
    }
}

fn wrong_template(digest: &str) -> Error {
    Error::failed_with_hint(
        format!("the content of the template {digest} in the asset bucket does not match its name"),
        "it was not written by the deployer; delete it",
    )
}

/// Parses a record, whose number must agree with its key.
fn parse(number: u64, text: &str) -> std::result::Result<Record, String> {
    let record: Record = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match record.number == number {
        true => Ok(record),
        false => Err(format!("its content has the number {}", record.number)),
    }
}

/// Returns the numbers of a stack's records, smallest first.
async fn numbers(session: &Session, stack: &str) -> Result<Vec<u64>> {
    let keys = keys(session, &bucket_name(session), &format!("{RECORDS}{stack}/")).await?;
    Ok(keys.iter().filter_map(|key| of_key(key)).filter(|(of, _)| *of == stack).map(|(_, n)| n).collect())
}

/// Returns the key of a record. It has eight digits, so that the order of the keys is that of the numbers.
#[must_use]
pub fn record_key(stack: &str, number: u64) -> String {
    format!("{RECORDS}{stack}/{number:08}.json")
}

/// Returns the stack and the number of the record with this key; `None` if it is not the key of a record.
#[must_use]
pub fn of_key(key: &str) -> Option<(&str, u64)> {
    let (stack, number) = key.strip_prefix(RECORDS)?.strip_suffix(".json")?.split_once('/')?;
    let digits = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| digits && !stack.is_empty())?;
    Some((stack, number))
}

/// Returns whether a text is a SHA-256 as records contain it: 64 hexadecimal digits in lower case.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Returns the key of a template.
#[must_use]
pub fn template_key(digest: &str) -> String {
    format!("{TEMPLATES}{digest}.json")
}

/// Masks the values of the parameters that must not be read.
fn masked(template: &str, parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let template = deployer_cfn::deployed::read(template);
    let hidden = |name: &str| {
        // CloudFormation accepts the text too.
        let no_echo = &template["Parameters"][name]["NoEcho"];
        *no_echo == Value::Bool(true)
            || no_echo.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    };
    let shown = parameters
        .iter()
        .map(|(name, value)| (name.clone(), if hidden(name) { MASKED.to_owned() } else { value.clone() }));
    shown.collect()
}

/// Returns the commit that is checked out in the repository of a folder, according to its files. `git` need not be
/// installed.
fn commit(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|path| path.exists())?;
    let git = match std::fs::read_to_string(&git) {
        // A work tree outside of its repository.
        Ok(text) => git.parent()?.join(text.trim().strip_prefix("gitdir: ")?),
        Err(_) => git,
    };
    let common = match std::fs::read_to_string(git.join("commondir")) {
        Ok(text) => git.join(text.trim()),
        Err(_) => git.clone(),
    };
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let commit = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_owned(),
        Some(name) => match std::fs::read_to_string(common.join(name)) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => {
                let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
                let lines = packed.lines().filter_map(|line| line.split_once(' '));
                lines.into_iter().find(|(_, known)| *known == name).map(|(commit, _)| commit.to_owned())?
            }
        },
    };
    // SHA-1 or SHA-256; anything else is not a commit of git.
    let hexadecimal = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && matches!(commit.len(), 40 | 64)).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_numbers_are_one_to_one() {
        let key = record_key("a-b", 42);
        assert_eq!(key, "deployments/a-b/00000042.json");
        assert_eq!(of_key(&key), Some(("a-b", 42)));
        for key in [
            "deployments/a/42.json",
            "deployments//00000042.json",
            "deployments/a/b/00000042.json",
            "deployments/a/+0000042.json",
            "deployments/a/00000042.json.bak",
            "templates/a.json",
        ] {
            assert_eq!(of_key(key), None, "{key}");
        }
    }

    #[test]
    fn what_nobody_may_read_is_not_recorded() {
        let template = r#"{ "Parameters": {
            "Open": { "Type": "String" }, "Secret": { "NoEcho": true }, "Text": { "NoEcho": "True" } } }"#;
        let parameters = ["Open", "Secret", "Text"].map(|name| (name.to_owned(), "value".to_owned()));
        let values: Vec<String> = masked(template, &parameters.clone().into()).into_values().collect();
        assert_eq!(values, ["value", MASKED, MASKED]);
    }

    #[test]
    fn records_of_other_versions_and_places_are_told_apart() {
        let text = r#"{ "schemaVersion": 1, "number": 7, "stack": "s", "stackId": "arn", "time": "2026-11-24T22:04:25Z",
            "caller": "arn:aws:sts::123456789012:assumed-role/Admin/jane", "deployer": "0.1.0", "kind": "deploy",
            "result": "succeeded", "seconds": 3, "later": "field" }"#;
        let record = parse(7, text).expect("a record");
        assert_eq!(record.who(), "Admin/jane");
        assert!(!record.is_way_back(), "without a template there is nothing to go back to");
        assert!(parse(8, text).expect_err("another number").contains("number 7"));
        assert!(parse(7, &text.replace("deploy\"", "dance\"")).is_err());
        assert!(parse(7, "\u{0}").is_err());
    }

    #[test]
    fn who_did_it_is_said_without_the_account() {
        let mut record = parse(
            1,
            r#"{ "schemaVersion": 1, "number": 1, "stack": "s", "stackId": "", "time": "", "caller": "", "deployer": "",
                "kind": "destroy", "result": "failed", "seconds": 0 }"#,
        )
        .expect("a record");
        for (caller, who) in [
            ("arn:aws:iam::123456789012:user/path/bob", "path/bob"),
            ("arn:aws:iam::123456789012:root", "root"),
            ("", ""),
        ] {
            record.caller = caller.to_owned();
            assert_eq!(record.who(), who);
        }
    }

    #[test]
    fn changes_are_told_in_a_few_characters() {
        assert_eq!(Changes::default().describe(), "");
        assert_eq!(Changes { add: 2, modify: 1, replace: 1, remove: 3 }.describe(), "+2 ~1 ±1 -3");
    }

    #[test]
    fn the_commit_is_read_from_gits_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let git = folder.path().join(".git");
        let write = |name: &str, text: &str| std::fs::write(git.join(name), text).expect("written");
        std::fs::create_dir_all(git.join("refs/heads")).expect("made");
        let inside = folder.path().join("a/b");
        std::fs::create_dir_all(&inside).expect("made");
        let (first, second) = ("a".repeat(40), "b".repeat(40));
        write("HEAD", &format!("{first}\n"));
        assert_eq!(commit(&inside), Some(first.clone()));
        write("HEAD", "ref: refs/heads/main\n");
        assert_eq!(commit(&inside), None, "a branch without a commit");
        write("packed-refs", &format!("# pack-refs\n{second} refs/heads/main\n"));
        assert_eq!(commit(&inside), Some(second.clone()));
        write("refs/heads/main", &first);
        assert_eq!(commit(&inside), Some(first));
        write("refs/heads/main", "\u{1b}[2J");
        assert_eq!(commit(&inside), None);
        // A work tree outside of its repository.
        let tree = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(git.join("worktrees/t")).expect("made");
        write("worktrees/t/HEAD", "ref: refs/heads/other\n");
        write("worktrees/t/commondir", "../..\n");
        write("refs/heads/other", &second);
        let pointer = format!("gitdir: {}\n", git.join("worktrees/t").display());
        std::fs::write(tree.path().join(".git"), pointer).expect("written");
        assert_eq!(commit(tree.path()), Some(second));
    }
}
