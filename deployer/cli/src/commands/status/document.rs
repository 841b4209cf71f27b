//! The documents of the command: the state of a stack, and that of one file.

use deployer_base::output::StoredObject;
use schemars::JsonSchema;
use serde::Serialize;

use super::next::NextStep;
use super::pace::Pace;
use super::sources::{Queue, Results, Snapshot, Source, Taker, Tasks, Unread};
use crate::commands::tally::document::{ObjectTally, TallySummary};

/// The state of a stack: its files, queues and tasks.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackStatus<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Time at which the sources were read: RFC 3339 in UTC.
    time: &'a str,
    /// The files, the newest first; at most as many as `--files` asks for.
    files: Vec<FileProgress<'a>>,
    /// The number of files that are not listed.
    more_files: usize,
    /// The state of the stack's queues and tasks.
    #[serde(flatten)]
    pipeline: PipelineStatus<'a>,
}

/// With a key: the state of one file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Time at which the sources were read: RFC 3339 in UTC.
    time: &'a str,
    /// The object.
    object: StoredObject<'a>,
    /// Its tally; null if no event about it has arrived, or the tally could not be read.
    tally: Option<ObjectTally<'a>>,
    /// Seconds until every row is settled, at the present speed; null if that can't be estimated.
    seconds_to_go: Option<u64>,
    /// The files that `report` wrote about it; null if the stack has no `report`, or it has written none yet.
    results: Option<WrittenResults<'a>>,
    /// Commands that lead on; none if every row is in the table or was skipped.
    next: &'a [NextStep],
    /// The state of the stack's queues and tasks.
    #[serde(flatten)]
    pipeline: PipelineStatus<'a>,
}

/// The counts of one file, and its estimated end.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileProgress<'a> {
    /// The counts.
    #[serde(flatten)]
    summary: TallySummary<'a>,
    /// Seconds until every row is settled, at the present speed; null if that can't be estimated.
    seconds_to_go: Option<u64>,
}

/// The state of the queues and tasks of a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PipelineStatus<'a> {
    /// The queues.
    queues: Vec<QueueStatus<'a>>,
    /// Messages in all dead-letter queues that could be read.
    dead_letters: u64,
    /// The active tasks in the clusters of the stack.
    tasks: &'a [Tasks],
    /// Sources that could not be read, or not completely; the exit code is 1 or 6 then.
    unread: Vec<UnreadSource>,
}

/// A queue of the stack, or dead letters that come from none of its queues.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct QueueStatus<'a> {
    /// Name in the file of the queue, or of the resource that it was created for.
    name: &'a str,
    /// Logical ID.
    logical_id: &'a str,
    /// The functions that take its messages.
    functions: &'a [Taker],
    /// Messages that can be received, about; null for dead letters alone.
    waiting: Option<u64>,
    /// Messages that a function has received and not settled, about; null for dead letters alone.
    in_flight: Option<u64>,
    /// Messages that can't be received yet, about; null for dead letters alone.
    delayed: Option<u64>,
    /// Messages in its dead-letter queue, about; null if it has none, or that could not be read.
    dead_letters: Option<u64>,
}

/// The files that `report` wrote about an object.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "writtenResults")]
struct WrittenResults<'a> {
    /// 1, and after each replay the next number.
    attempt: u64,
    /// Key of the results, in the bucket of the object.
    results: Option<&'a str>,
    /// Key of the rows that failed; null if there are none, or they could not be written.
    rejects: Option<&'a str>,
    /// The reason why rejected rows are missing in that file; null if they are not.
    problem: Option<&'a str>,
}

/// A source that could not be read, or not completely.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "unreadSource")]
struct UnreadSource {
    /// The source.
    source: Source,
    /// The first error.
    error: String,
    /// The way to solve it, such as the missing permission; null if there is no advice.
    hint: Option<String>,
}

impl UnreadSource {
    fn new(unread: &Unread) -> Self {
        let message = unread.error.message();
        let (error, hint) = message.map(|message| (message.text, message.hint)).unwrap_or_default();
        Self { source: unread.source, error, hint }
    }
}

impl<'a> PipelineStatus<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let queue = |queue: &'a Queue| {
            let count =
                |of: fn(&deployer_aws::sqs::messages::QueueDepth) -> u64| queue.depth.as_ref().map(of);
            QueueStatus {
                name: &queue.name,
                logical_id: &queue.logical_id,
                functions: &queue.functions,
                waiting: count(|depth| depth.waiting),
                in_flight: count(|depth| depth.in_flight),
                delayed: count(|depth| depth.delayed),
                dead_letters: queue.dead_letters,
            }
        };
        Self {
            queues: snapshot.queues.iter().map(queue).collect(),
            dead_letters: snapshot.dead_letters,
            tasks: &snapshot.tasks,
            unread: snapshot.unread.iter().map(UnreadSource::new).collect(),
        }
    }
}

impl<'a> StackStatus<'a> {
    /// Creates the document of a stack, with so many files at most.
    pub fn new(stack: &'a str, time: &'a str, snapshot: &'a Snapshot, pace: &Pace, most: usize) -> Self {
        let files = snapshot.files.iter().take(most).map(|tally| FileProgress {
            summary: TallySummary::new(tally),
            seconds_to_go: pace.of(tally, snapshot.moment).seconds_to_go,
        });
        Self {
            stack,
            time,
            files: files.collect(),
            more_files: snapshot.files.len().saturating_sub(most),
            pipeline: PipelineStatus::new(snapshot),
        }
    }
}

impl<'a> FileStatus<'a> {
    /// Creates the document of a file.
    pub fn new(
        stack: &'a str,
        time: &'a str,
        object: StoredObject<'a>,
        snapshot: &'a Snapshot,
        pace: &Pace,
        next: &'a [NextStep],
    ) -> Self {
        let tally = snapshot.files.first();
        Self {
            stack,
            time,
            object,
            tally: tally.map(|tally| ObjectTally::new(stack, tally)),
            seconds_to_go: tally.and_then(|tally| pace.of(tally, snapshot.moment).seconds_to_go),
            results: snapshot.results.as_ref().map(WrittenResults::new),
            next,
            pipeline: PipelineStatus::new(snapshot),
        }
    }
}

impl<'a> WrittenResults<'a> {
    fn new(results: &'a Results) -> Self {
        let files = results.outcome.files.as_ref();
        Self {
            attempt: results.outcome.attempt,
            results: files.map(|files| files.results.as_str()),
            rejects: files.and_then(|files| files.rejects.as_deref()),
            problem: results.problem.as_deref(),
        }
    }
}
