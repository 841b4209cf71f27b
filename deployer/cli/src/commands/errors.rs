//! `deployer errors`.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::logs::log_events::LogReader;
use deployer_base::error::{Error, Result};
use deployer_base::output::StoredObject;
use deployer_base::text::printable;
use deployer_base::ui;
use deployer_lang::Stack;
use deployer_lang::model::ResourceType;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tally::Tally;

use super::logs::filter::{Filter, Level};
use super::logs::{log_group, now};
use super::status::sources::Places;
use super::tally::TallyHandle;
use super::tally::document::{FailedRows, ObjectFailure};
use super::{count, outputs, period};
use crate::context::Context;
use crate::existing;
use crate::pipeline;

/// Words of lines that say that something went wrong, as loggers, runtimes and Lambda write them.
const WORDS: [&str; 9] =
    ["ERROR", "Error", "error", "FATAL", "CRITICAL", "panicked", "Traceback", "Exception", "timed out"];
/// Pages of such lines that are read of a log: 10,000 lines each, or those of a megabyte.
const PAGES: usize = 20;
/// Kinds of lines that are shown.
const SHOWN: usize = 20;
/// Characters of a line that are shown.
const WIDTH: usize = 200;

/// Show what has failed: rows of the latest files by reason, lines of the logs, dead letters
///
/// `deployer status KEY` says what to do about a file, and `deployer logs NAME --level error` shows all lines. Exits with 0 whether
/// something has failed or not; `deployer tally KEY` exits with 7 if rows have.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// How far back the logs are read; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = period)]
    since: u64,
    /// Number of files with failures that are shown, the newest first; 1 to 1,000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    files: usize,
}

/// What has failed in a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StackErrors<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The newest files with failures, the newest first.
    files: Vec<FailedFile<'a>>,
    /// The number of other files with failures.
    more_files: usize,
    /// The lines of the logs, those that occur most often first.
    lines: &'a [ErrorLines],
    /// Queues with dead letters.
    dead_letters: &'a [DeadLetters],
}

/// A file with failures.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FailedFile<'a> {
    /// The object; null if the tally has no event that names it yet.
    object: Option<StoredObject<'a>>,
    /// Why the object as a whole could not be read.
    object_failures: Vec<ObjectFailure<'a>>,
    /// Rows that failed, by stage and reason.
    failures: Vec<FailedRows>,
}

/// Lines of one log that say the same.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct ErrorLines {
    /// Name in the file of the function or task.
    resource: String,
    /// Their number.
    count: u64,
    /// Milliseconds since 1970 of the last one.
    last: i64,
    /// The message, with its cause if there is one.
    message: String,
}

/// Dead letters of a queue.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetters {
    /// Name in the file of the queue, or of the resource that it was created for.
    queue: String,
    /// Their number.
    messages: u64,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    outputs::deployed(&cloudformation, &stack).await?;
    let resources = existing::resources(&cloudformation, &session, &stack).await?;
    let tally = match pipeline::tally(&stack) {
        Ok(name) => Some(TallyHandle::new(&session, resources.clone(), &stack, name, None)?),
        Err(_) => None,
    };
    let places = Places { session: &session, stack: &stack, resources: &resources, tally: tally.as_ref() };
    let (files, (queues, _, queue_error)) = tokio::join!(places.files(None), places.queues());
    let (mut files, mut errors) = match files {
        Ok(files) => (files, Vec::new()),
        Err(error) => (Vec::new(), vec![error]),
    };
    errors.extend(queue_error.map(Error::from));
    files.retain(|tally| !tally.failed().is_empty() || !tally.object_failures().is_empty());
    let start =
        now().saturating_sub(i64::try_from(args.since.saturating_mul(1_000)).unwrap_or(i64::MAX)).max(0);
    let mut lines = Lines::default();
    // One log after another: CloudWatch allows only a few of these calls a second.
    for name in with_logs(&stack) {
        let Some(group) = log_group(&resources, name) else { continue };
        let mut reader = LogReader::new(&session, group, start).filtered_by_any(&WORDS, PAGES);
        match reader.next().await {
            Ok(events) => events.iter().for_each(|event| lines.add(name, event.timestamp, &event.message)),
            Err(error) => errors.push(error.into()),
        }
        if reader.is_cut() {
            context.ui.warn(format!(
                "the log of `{name}` has more such lines: a shorter `--since` reads all of its time"
            ));
        }
    }
    let lines = lines.sorted();
    let dead: Vec<DeadLetters> = queues
        .into_iter()
        .filter_map(|queue| {
            let messages = queue.dead_letters.filter(|count| *count > 0)?;
            Some(DeadLetters { queue: queue.name, messages })
        })
        .collect();
    let more_files = files.len().saturating_sub(args.files);
    files.truncate(args.files);
    if context.ui.is_json() {
        let files = files.iter().map(FailedFile::new).collect();
        context.ui.json(StackErrors {
            stack: &stack.name,
            files,
            more_files,
            lines: &lines,
            dead_letters: &dead,
        })?;
    } else {
        show(context, &files, more_files, &lines, &dead)?;
    }
    // What could be read was shown.
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for message in errors.filter_map(|error| error.message()) {
        context.ui.warn(message.text);
    }
    Err(first)
}

/// Returns the functions and tasks.
fn with_logs(stack: &Stack) -> impl Iterator<Item = &str> {
    let has = |is: &ResourceType| matches!(is, ResourceType::Function(_) | ResourceType::Task(_));
    stack.resources.iter().filter(move |one| has(&one.is)).map(|one| one.name.as_str())
}

impl<'a> FailedFile<'a> {
    fn new(tally: &'a Tally) -> Self {
        Self {
            object: tally.summary.object.as_ref().map(StoredObject::from),
            object_failures: ObjectFailure::of(tally),
            failures: FailedRows::of(tally),
        }
    }
}

/// Lines that were found, those that say the same together.
#[derive(Debug, Default)]
struct Lines(BTreeMap<(String, String), (u64, i64)>);

impl Lines {
    /// Adds a line if it says that something went wrong.
    fn add(&mut self, resource: &str, timestamp: i64, line: &str) {
        let errors = Filter { level: Some(Level::Error), ..Filter::default() };
        if !errors.takes(line) {
            return;
        }
        let document = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
        let message = match &document {
            Some(document) => message_of(document).unwrap_or_else(|| line.to_owned()),
            None if WORDS.iter().any(|word| line.contains(word)) => line.to_owned(),
            // A line without a level and without such a word.
            None => return,
        };
        let (count, last) = self.0.entry((resource.to_owned(), message)).or_default();
        *count += 1;
        *last = timestamp.max(*last);
    }

    /// Returns the lines, those that occur most often first.
    fn sorted(self) -> Vec<ErrorLines> {
        let lines = self.0.into_iter();
        let mut lines: Vec<ErrorLines> = lines
            .map(|((resource, message), (count, last))| ErrorLines { resource, count, last, message })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse((line.count, line.last)));
        lines
    }
}

/// Returns the message of a line in JSON, with its reason or cause: the rest differs from line to line.
fn message_of(line: &Value) -> Option<String> {
    let text = |name: &str| line.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = text("message").or_else(|| text("msg")).or_else(|| text("errorMessage"))?;
    let more = ["reason", "cause", "error", "errorType"].into_iter().find_map(text);
    Some(more.map_or_else(|| message.to_owned(), |more| format!("{message}: {more}")))
}

fn show(
    context: &Context,
    files: &[Tally],
    more: usize,
    lines: &[ErrorLines],
    dead: &[DeadLetters],
) -> Result<()> {
    if files.is_empty() && lines.is_empty() && dead.is_empty() {
        context.ui.note("nothing has failed");
        return Ok(());
    }
    let mut out = String::new();
    let width = context.ui.data_width();
    let mut part = |title: &str, head: [&str; 3], rows: Vec<[String; 3]>| {
        let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
        if !rows.is_empty() {
            let separator = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!(
                "{separator}{title}\n{}",
                ui::fitted_table(&head.map(str::to_owned), rows, width)
            ));
        }
    };
    part("Files", ["file", "rows", "reason"], files.iter().flat_map(rows_of).collect());
    let shown = lines.iter().take(SHOWN).map(|line| {
        let text: String = printable(&line.message).chars().take(WIDTH).collect();
        [line.resource.clone(), line.count.to_string(), text]
    });
    part("Logs", ["log", "lines", "message"], shown.collect());
    let queues = dead.iter().map(|one| [one.queue.clone(), one.messages.to_string(), String::new()]);
    part("Dead letters", ["queue", "messages", ""], queues.collect());
    context.ui.data(&out)?;
    if more > 0 {
        context.ui.note(format!("{more} older files have failures too: `--files N` shows more"));
    }
    if lines.len() > SHOWN {
        context.ui.note(format!("{} other kinds of lines are not shown", lines.len() - SHOWN));
    }
    if !files.is_empty() {
        context.ui.note("`deployer status KEY` says what to do about a file");
    }
    if !dead.is_empty() {
        context.ui.note("`deployer replay --dead-letters` sends dead letters back when the cause is gone");
    }
    Ok(())
}

/// Returns the failures of a file: its key, the rows, the reason.
fn rows_of(tally: &Tally) -> Vec<[String; 3]> {
    let key = tally.summary.object.as_ref().map_or("?", |object| object.key.as_str());
    let why = |stage: &str, reason: &str, message: Option<&str>| {
        let message = message.map(|message| format!(" ({})", printable(message))).unwrap_or_default();
        format!("{reason} in {stage}{message}")
    };
    let whole = ObjectFailure::of(tally)
        .into_iter()
        .map(|one| [printable(key), "all".to_owned(), why(one.stage, one.reason, one.message.as_deref())]);
    let rows = FailedRows::of(tally).into_iter().map(|one| {
        [printable(key), one.rows.rows.to_string(), why(&one.stage, &one.reason, one.message.as_deref())]
    });
    whole.chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_the_same_are_counted_together() {
        let mut lines = Lines::default();
        for (at, line) in (1..).zip([
            r#"{"level":"ERROR","message":"could not write","cause":"Throttling","record":1}"#,
            r#"{"level":"ERROR","message":"could not write","cause":"Throttling","record":2}"#,
            r#"{"level":"INFO","message":"an error was expected"}"#,
            "2026-11-30T10:00:00Z 8a1c Task timed out after 3.00 seconds",
            "all is well",
            "START RequestId: Error",
            r#"{"level":"ERROR","record":3}"#,
        ]) {
            lines.add("load", at, line);
        }
        let found: Vec<(u64, i64, String)> =
            lines.sorted().into_iter().map(|line| (line.count, line.last, line.message)).collect();
        assert_eq!(
            found,
            [
                (2, 2, "could not write: Throttling".to_owned()),
                (1, 7, r#"{"level":"ERROR","record":3}"#.to_owned()),
                (1, 4, "2026-11-30T10:00:00Z 8a1c Task timed out after 3.00 seconds".to_owned()),
            ]
        );
    }
}
