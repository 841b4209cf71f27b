//! The hops of a marked file through a pipeline: their names, the time that each may take, and what to do about one that fails.

use std::time::Duration;

use deployer_cfn::template::logical_id;
use deployer_lang::Stack;
use deployer_lang::model::access::Verb;
use deployer_lang::model::function::{Function, Trigger};
use deployer_lang::model::worker::Worker;
use schemars::JsonSchema;
use serde::Serialize;

use crate::pipeline;
use crate::preview::route::Route;

/// A kind of hop, in the order of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "verifiedHop")]
pub(super) enum Hop {
    /// The bucket takes the file.
    Bucket,
    /// The bucket's notification comes to `extract` through the queue.
    Queue,
    /// `extract` starts a task, or reads the file itself.
    Extract,
    /// The file is read, and its rows are on the bus.
    Task,
    /// A rule of the bus brings the rows to `transform`.
    TransformRule,
    /// Rows become items.
    Transform,
    /// A rule of the bus brings the items to `load`.
    LoadRule,
    /// Items are written.
    Load,
    /// The items in the table are those that the rows should become.
    Table,
    /// A rule of the bus brings the events to `observe`.
    ObserveRule,
    /// Events are seen.
    Observe,
    /// Each row is in the tally, and the file is at its end.
    Tally,
    /// `snapshot` has had its turn, in which it deletes nothing.
    Snapshot,
    /// The result of the file is in the bucket.
    Report,
}

impl Hop {
    /// Returns whether items are proof that the hop works.
    pub(super) const fn is_before_table(self) -> bool {
        matches!(
            self,
            Self::Bucket
                | Self::Queue
                | Self::Extract
                | Self::Task
                | Self::TransformRule
                | Self::Transform
                | Self::LoadRule
                | Self::Load
        )
    }

    /// Returns the hop that is a function after this rule.
    pub(super) const fn function_after(self) -> Option<Self> {
        match self {
            Self::Queue => Some(Self::Extract),
            Self::TransformRule => Some(Self::Transform),
            Self::LoadRule => Some(Self::Load),
            Self::ObserveRule => Some(Self::Observe),
            _ => None,
        }
    }

    /// Returns the words for people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Queue => "queue",
            Self::Extract => "extract",
            Self::Task => "task",
            Self::TransformRule | Self::LoadRule | Self::ObserveRule => "bus",
            Self::Transform => "transform",
            Self::Load => "load",
            Self::Table => "table",
            Self::Observe => "observe",
            Self::Tally => "tally",
            Self::Snapshot => "snapshot",
            Self::Report => "report",
        }
    }
}

/// A hop of a stack.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Its kind.
    pub(super) hop: Hop,
    /// The resource in the file: for a rule, the function that it serves.
    pub(super) name: String,
}

impl Stop {
    /// Returns the name for people.
    pub(super) fn describe(&self) -> String {
        match self.hop {
            Hop::TransformRule | Hop::LoadRule | Hop::ObserveRule => format!("bus → {}", self.name),
            hop if hop.words() == self.name => self.name.clone(),
            hop => format!("{} {}", hop.words(), self.name),
        }
    }

    /// Returns the time that the hop may take at most, after the one before.
    pub(super) const fn limit(&self, local: bool, given: Option<Duration>) -> Duration {
        match (given, local, self.hop) {
            (Some(given), ..) => given,
            // A task of Fargate takes up to two minutes to start, where its network is new.
            (None, false, Hop::Task) => Duration::from_secs(240),
            (None, false, _) => Duration::from_secs(90),
            (None, true, _) => Duration::from_secs(45),
        }
    }

    /// Returns what to do about the hop.
    pub(super) fn advice(&self, stack: &str) -> String {
        let name = &self.name;
        match self.hop {
            Hop::Bucket => format!(
                "`deployer drift {stack}` shows whether the bucket was changed; see that you may write to it"
            ),
            Hop::Queue => format!(
                "the notification of the bucket has not come to `{name}`: `deployer drift {stack}` shows changes of the bucket's \
                 notifications and of the queue's policy"
            ),
            Hop::TransformRule | Hop::LoadRule | Hop::ObserveRule => format!(
                "no event has come to `{name}`: `deployer drift {stack}` shows changes of its rule and of its queue's policy"
            ),
            Hop::Task => format!(
                "`deployer logs {name} {stack}` shows the log of the task; without a line there, it has not started: see its image, \
                 its network and its role"
            ),
            Hop::Table => format!(
                "the items are not those of the rows: `deployer diff {stack}` and `deployer drift {stack}` show whether the settings of \
                 the functions are those of the file"
            ),
            Hop::Tally => {
                format!("`deployer logs observe {stack}` shows what could not be recorded in `{name}`")
            }
            Hop::Extract | Hop::Transform | Hop::Load | Hop::Observe | Hop::Snapshot | Hop::Report => {
                format!(
                    "`deployer logs {name} {stack}` shows its log; `deployer drift {stack}` shows whether the function, its role or its \
                 trigger was changed"
                )
            }
        }
    }
}

/// Returns the hops of a file through a stack. `size` is that of the file.
pub(super) fn of_route(route: &Route<'_>, bucket: &str, queue: &str, size: usize) -> Vec<Stop> {
    let stack = route.stack();
    let mut out = Vec::new();
    let mut add = |hop, name: &str| out.push(Stop { hop, name: name.to_owned() });
    add(Hop::Bucket, bucket);
    add(Hop::Queue, queue);
    let takes = |function: &Function| {
        let of =
            |trigger: &Trigger| matches!(trigger, Trigger::Queue { queue: own, .. } if own.name == queue);
        function.triggers.iter().any(of)
    };
    let extract = stack.functions().find(|(_, function)| takes(function));
    add(Hop::Extract, extract.map_or("extract", |(resource, _)| resource.name.as_str()));
    let most = extract.and_then(|(_, function)| function.settings.as_ref()?.extract.inline);
    let inline = most.is_some_and(|most| u64::try_from(size).is_ok_and(|size| size <= most));
    if !inline {
        add(Hop::Task, &route.task.0.name);
    }
    add(Hop::TransformRule, route.name());
    add(Hop::Transform, route.name());
    let load = load_of(route);
    add(Hop::LoadRule, load.unwrap_or("load"));
    add(Hop::Load, load.unwrap_or("load"));
    add(Hop::Table, route.table.as_ref().map_or("table", |(_, table, _)| table.name.as_str()));
    if let (Some(observe), Ok(tally)) = (worker(stack, Worker::Observe), pipeline::tally(stack)) {
        add(Hop::ObserveRule, observe);
        add(Hop::Observe, observe);
        add(Hop::Tally, tally);
        if ends(stack) {
            if let Some(snapshot) = worker(stack, Worker::Snapshot) {
                add(Hop::Snapshot, snapshot);
            }
            if let Some(report) = worker(stack, Worker::Report) {
                add(Hop::Report, report);
            }
        }
    }
    out
}

/// Returns the name of the function that writes the items of a route.
pub(super) fn load_of<'s>(route: &Route<'s>) -> Option<&'s str> {
    let (own, ..) = route.table.as_ref()?;
    let mut functions = route.stack().functions();
    functions.find(|(_, function)| std::ptr::eq(*function, *own)).map(|(resource, _)| resource.name.as_str())
}

fn worker(stack: &Stack, worker: Worker) -> Option<&str> {
    let mut found = stack.functions().filter(|(_, function)| function.worker() == Some(worker));
    found.next().map(|(resource, _)| resource.name.as_str())
}

/// Returns whether `observe` publishes that files are at their end.
pub(super) fn ends(stack: &Stack) -> bool {
    stack.functions().any(|(_, function)| {
        function.worker() == Some(Worker::Observe)
            && function.access.iter().any(|access| access.verb == Verb::Publish)
    })
}

/// Returns the beginning of the logical IDs of the queues and rules that a function's triggers make.
pub(super) fn made_by_triggers(function: &str) -> String {
    format!("{}On", logical_id(function))
}
