//! The sources of `deployer status`. They are read at the same time, and one that can't be read hides no other.

use contract::ObjectRef;
use contract::event::{ObjectOutcome, ResultFiles};
use deployer_aws::cloudformation::StackResource;
use deployer_aws::ecs::Ecs;
use deployer_aws::error::AwsError;
use deployer_aws::s3::records;
use deployer_aws::session::Session;
use deployer_aws::sqs::messages::{self, QueueDepth};
use deployer_base::error::{Error, Result};
use deployer_base::time;
use deployer_cfn::template::logical_id;
use deployer_lang::Stack;
use deployer_lang::model::ResourceType;
use deployer_lang::model::function::Trigger;
use deployer_lang::model::worker::Worker;
use futures::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tally::Tally;

use crate::commands::tally::TallyHandle;
use crate::pipeline;

/// Number of queues that are read at a time.
const PARALLEL: usize = 10;
/// End of the logical IDs of dead-letter queues that the deployer adds.
const DEAD_LETTERS: &str = "DeadLetters";

/// A part of a stack that is read by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "statusSource")]
pub enum Source {
    /// The table of the tally.
    Tally,
    /// The queues of the stack.
    Queues,
    /// The tasks in the clusters of the stack.
    Tasks,
    /// The results of the file that `report` wrote.
    Results,
}

impl Source {
    /// Returns the word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tally => "tally",
            Self::Queues => "queues",
            Self::Tasks => "tasks",
            Self::Results => "results",
        }
    }
}

/// A source that could not be read, or not completely.
#[derive(Debug)]
pub struct Unread {
    /// The source.
    pub source: Source,
    /// The first of its errors.
    pub error: Error,
}

/// The places of the sources of a deployed stack.
pub struct Places<'a> {
    /// The session of the caller.
    pub session: &'a Session,
    /// The stack as the file describes it.
    pub stack: &'a Stack,
    /// Its resources.
    pub resources: &'a [StackResource],
    /// Its tally; none if the stack keeps none.
    pub tally: Option<&'a TallyHandle>,
}

/// A queue, or dead letters that come from no queue of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name in the file of the queue, or of the resource that it was created for.
    pub name: String,
    /// Logical ID.
    pub logical_id: String,
    /// The functions that take its messages.
    pub functions: Vec<Taker>,
    /// Its messages; none if it has dead letters only.
    pub depth: Option<QueueDepth>,
    /// Messages in its dead-letter queue; none if it has none, or that could not be read.
    pub dead_letters: Option<u64>,
}

/// A function that takes messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "queueFunction")]
pub struct Taker {
    /// Name in the file.
    pub name: String,
    /// Its reserved concurrency: executions at the same time, at most; null if it has none.
    pub throttle: Option<i64>,
}

/// The active tasks of one task definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "activeTasks")]
pub struct Tasks {
    /// Name of the task in the file; of a task that is not in the file, the family of its definition.
    pub name: String,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that are about to run, or are stopping.
    pub other: u64,
}

/// The results of a file, as `report` wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Results {
    object: ObjectRef,
    /// The facts.
    #[serde(flatten)]
    pub outcome: ObjectOutcome,
    /// The reason why rejected rows are missing in their file.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Everything that was read at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// Seconds since 1970.
    pub moment: u64,
    /// The files, the newest first; with a key, that file.
    pub files: Vec<Tally>,
    /// The queues, in the order of the stack.
    pub queues: Vec<Queue>,
    /// Messages in all dead-letter queues that could be read.
    pub dead_letters: u64,
    /// The active tasks, by name.
    pub tasks: Vec<Tasks>,
    /// The results of the file.
    pub results: Option<Results>,
    /// The sources that could not be read.
    pub unread: Vec<Unread>,
}

impl Places<'_> {
    /// Reads all sources at the same time; of an object, its rows and results alone.
    pub async fn read(&self, object: Option<&ObjectRef>) -> Snapshot {
        let (files, mut snapshot, results) =
            tokio::join!(self.files(object), self.pipeline(), self.results(object));
        match files {
            Ok(files) => snapshot.files = files,
            Err(error) => snapshot.unread.insert(0, Unread { source: Source::Tally, error }),
        }
        match results {
            Ok(results) => snapshot.results = results,
            Err(error) => snapshot.unread.push(Unread { source: Source::Results, error }),
        }
        snapshot.moment = time::now();
        snapshot
    }

    /// Reads the queues and the tasks at the same time, and no files.
    pub async fn pipeline(&self) -> Snapshot {
        let ((queues, dead_letters, queue_error), tasks) = tokio::join!(self.queues(), self.tasks());
        let mut unread = Vec::new();
        let mut fails = |source, error: AwsError| unread.push(Unread { source, error: error.into() });
        if let Some(error) = queue_error {
            fails(Source::Queues, error);
        }
        let tasks = tasks.unwrap_or_else(|error| {
            fails(Source::Tasks, error);
            Vec::new()
        });
        let moment = time::now();
        Snapshot { moment, files: Vec::new(), queues, dead_letters, tasks, results: None, unread }
    }

    /// Reads the tallies of all files, or that of one.
    pub async fn files(&self, object: Option<&ObjectRef>) -> Result<Vec<Tally>> {
        match (self.tally, object) {
            (None, _) => Ok(Vec::new()),
            (Some(tally), None) => tally.list().await,
            (Some(tally), Some(object)) => Ok(tally.read(object).await?.into_iter().collect()),
        }
    }

    /// Returns the queues, the number of dead letters in all of them, and the first error.
    pub async fn queues(&self) -> (Vec<Queue>, u64, Option<AwsError>) {
        let queues =
            self.resources.iter().filter(|one| one.resource_type == "AWS::SQS::Queue" && one.exists());
        let reads = queues.map(async |queue| {
            (queue.logical_id.as_str(), messages::depth(self.session, &queue.physical_id).await)
        });
        let reads: Vec<_> = reads.collect();
        let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).collect().await;
        let mut depths = Vec::new();
        let mut first = None;
        for (id, depth) in read {
            match depth {
                Ok(depth) => depths.push((id, depth)),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        let (queues, dead_letters) = paired(self.stack, &depths);
        (queues, dead_letters, first)
    }

    async fn tasks(&self) -> std::result::Result<Vec<Tasks>, AwsError> {
        let ecs = Ecs::new(self.session, &self.session.region);
        let mut out: Vec<Tasks> = Vec::new();
        let clusters =
            self.resources.iter().filter(|one| one.resource_type == "AWS::ECS::Cluster" && one.exists());
        for cluster in clusters {
            let arns = match ecs.running_tasks(&cluster.physical_id).await {
                Err(error) if error.is("ClusterNotFoundException") => continue,
                arns => arns?,
            };
            for task in ecs.tasks(&cluster.physical_id, &arns).await? {
                let name = task_name(self.stack, &task.definition);
                let at = out.iter().position(|one| one.name == name).unwrap_or_else(|| {
                    out.push(Tasks { name: name.to_owned(), ..Tasks::default() });
                    out.len() - 1
                });
                let counts = &mut out[at];
                if task.running {
                    counts.running += 1;
                } else if !task.stopped {
                    counts.other += 1;
                }
            }
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// Reads the results of an object that `report` has written; `None` if there are none of this version.
    ///
    /// # Errors
    /// Returns the error of S3, or an error if the file is not one of results.
    pub async fn results(&self, object: Option<&ObjectRef>) -> Result<Option<Results>> {
        let Some(object) = object.filter(|_| has_report(self.stack)) else { return Ok(None) };
        let key = ResultFiles::of(&object.key, None).results;
        let Some(text) = records::get(self.session, &object.bucket, &key).await? else { return Ok(None) };
        let results: Results = serde_json::from_str(&text).map_err(|error| {
            Error::failed_with_hint(
                format!("s3://{}/{key} is not a file of results: {error}", object.bucket),
                "something other than `report` wrote it; `report` writes it again after a replay",
            )
        })?;
        Ok(Some(results).filter(|results| results.object.digest() == object.digest()))
    }
}

/// Returns whether the stack writes the results of each file into its bucket.
pub fn has_report(stack: &Stack) -> bool {
    stack.functions().any(|(_, function)| function.worker() == Some(Worker::Report))
}

/// Returns the name in the file of the task with this definition: `arn:…:task-definition/<stack>-<name>:<revision>`.
fn task_name<'a>(stack: &Stack, definition: &'a str) -> &'a str {
    let family = definition.rsplit_once('/').map_or(definition, |(_, family)| family);
    let family = family.rsplit_once(':').map_or(family, |(family, _)| family);
    family.strip_prefix(&stack.name).and_then(|rest| rest.strip_prefix('-')).unwrap_or(family)
}

/// Puts each queue and its dead letters together, and counts all dead letters, each queue of them once.
fn paired(stack: &Stack, depths: &[(&str, QueueDepth)]) -> (Vec<Queue>, u64) {
    let total = |depth: &QueueDepth| depth.waiting + depth.in_flight + depth.delayed;
    let is_named = |arn: &str| depths.iter().any(|(_, other)| other.dead_letters.as_deref() == Some(arn));
    // A rule's target has a dead-letter queue too, which no queue names.
    let is_added = |id: &str| {
        id.ends_with(DEAD_LETTERS) && !stack.resources.iter().any(|one| logical_id(&one.name) == id)
    };
    let mut queues = Vec::new();
    let mut dead_letters = 0;
    for (id, depth) in depths {
        let owner = pipeline::owner(stack, id);
        let is_dead = is_named(&depth.arn) || is_added(id);
        if is_dead {
            dead_letters += total(depth);
        }
        if is_named(&depth.arn) {
            continue;
        }
        let own = match is_added(id) {
            true => Some(total(depth)),
            false => depth.dead_letters.as_ref().and_then(|arn| {
                depths.iter().find(|(_, other)| other.arn == *arn).map(|(_, other)| total(other))
            }),
        };
        queues.push(Queue {
            name: owner.unwrap_or(id).to_owned(),
            logical_id: (*id).to_owned(),
            functions: if is_dead { Vec::new() } else { takers(stack, owner) },
            depth: (!is_dead).then(|| depth.clone()),
            dead_letters: own,
        });
    }
    (queues, dead_letters)
}

/// Returns the functions that take the messages of a queue of this name, or of the buffers of a function of this name.
fn takers(stack: &Stack, owner: Option<&str>) -> Vec<Taker> {
    let takes = |trigger: &Trigger| matches!(trigger, Trigger::Queue { queue, .. } if Some(queue.name.as_str()) == owner);
    let is_function =
        |name: &str| stack.resource(name).is_some_and(|one| matches!(one.is, ResourceType::Function(_)));
    stack
        .functions()
        .filter(|(resource, function)| match owner {
            Some(owner) if is_function(owner) => resource.name == owner,
            _ => function.triggers.iter().any(takes),
        })
        .map(|(resource, function)| Taker { name: resource.name.clone(), throttle: function.concurrency })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::status::tests::stack;

    fn depth(name: &str, counts: [u64; 3], dead_letters: Option<&str>) -> QueueDepth {
        QueueDepth {
            url: format!("http://q/{name}"),
            arn: format!("arn:{name}"),
            waiting: counts[0],
            in_flight: counts[1],
            delayed: counts[2],
            dead_letters: dead_letters.map(|name| format!("arn:{name}")),
        }
    }

    #[test]
    fn a_queue_has_its_functions_and_its_dead_letters() {
        let stack = stack();
        let depths = [
            ("Arrivals", depth("Arrivals", [3, 2, 1], Some("ArrivalsDeadLetters"))),
            ("ArrivalsDeadLetters", depth("ArrivalsDeadLetters", [4, 1, 0], None)),
            ("ObserveEventsBuffer", depth("ObserveEventsBuffer", [7, 0, 0], Some("unread"))),
            ("FailuresErrorsDeadLetters", depth("FailuresErrorsDeadLetters", [1, 0, 0], None)),
            ("Errors", depth("Errors", [9, 0, 0], None)),
        ];
        let (queues, dead_letters) = paired(&stack, &depths);
        let seen: Vec<_> = queues
            .iter()
            .map(|one| {
                let functions: Vec<_> =
                    one.functions.iter().map(|one| (one.name.as_str(), one.throttle)).collect();
                (
                    one.name.as_str(),
                    functions,
                    one.depth.as_ref().map(|depth| depth.waiting),
                    one.dead_letters,
                )
            })
            .collect();
        let expected = [
            ("arrivals", vec![("extract", Some(2))], Some(3), Some(5)),
            // Its dead-letter queue was not read, which is not the same as empty.
            ("observe", vec![("observe", Some(2))], Some(7), None),
            ("failures", vec![], None, Some(1)),
            ("errors", vec![], Some(9), None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(dead_letters, 6);
    }

    #[test]
    fn a_task_is_named_as_in_the_file() {
        let stack = stack();
        let arn = |family: &str| format!("arn:aws:ecs:eu-west-1:1:task-definition/{family}:7");
        assert_eq!(task_name(&stack, &arn("eventbridge-etl-dev-extraction")), "extraction");
        assert_eq!(task_name(&stack, &arn("other")), "other");
        assert_eq!(task_name(&stack, ""), "");
    }
}
