//! The pipeline as `deployer graph` draws it, with what is known of each part at the moment.

use std::collections::BTreeMap;
use std::time::Instant;

use deployer_cfn::status::Status;
use deployer_console::model::{Edge, Fact, Graph, Node, NodeState, Severity};
use deployer_lang::graph::{self, Queues};
use deployer_lang::model::ResourceType;
use deployer_lang::model::function::Function;
use deployer_lang::model::worker::Worker;
use deployer_lang::{Compiled, Stack};
use deployer_plan::prices;
use tally::Tally;

use super::ages::{Age, Ages, Before};
use super::files::rounded;
use crate::commands::status::sources::{Queue, Snapshot, Source, Tasks};

/// The most facts of a resource. A box has the worst of them, as many as there is room for.
const MOST_FACTS: usize = 4;
/// Messages from which on a queue whose messages become more is behind.
const MANY: u64 = 100;

/// The rows of all files that each stage has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    pub extracted: u64,
    pub transformed: u64,
    pub loaded: u64,
}

/// The rows a second of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FlowRates {
    pub extracted: f64,
    pub transformed: f64,
    pub loaded: f64,
}

impl Flow {
    /// Counts the rows of files.
    pub fn of(files: &[Tally]) -> Self {
        files.iter().fold(Self::default(), |sum, file| Self {
            extracted: sum.extracted + file.extracted.len(),
            transformed: sum.transformed + file.transformed.len(),
            loaded: sum.loaded + file.loaded.len(),
        })
    }

    /// Returns the rows a second since an earlier count. A file that is gone makes it no less than nothing.
    pub fn since(self, before: Self, seconds: f64) -> FlowRates {
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        let rate = |now: u64, before: u64| rounded(now.saturating_sub(before) as f64 / seconds.max(0.001));
        FlowRates {
            extracted: rate(self.extracted, before.extracted),
            transformed: rate(self.transformed, before.transformed),
            loaded: rate(self.loaded, before.loaded),
        }
    }
}

/// The stage whose rows flow along an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Extracted,
    Transformed,
    Loaded,
}

/// What was read of a stack.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// The files, queues and tasks.
    pub snapshot: &'a Snapshot,
    /// Statuses of the deployed resources by logical ID.
    pub statuses: &'a BTreeMap<String, String>,
    /// The rows that each stage has seen; `None` if there is no tally.
    pub flow: Option<Flow>,
    /// The same a second; `None` until two reads were made.
    pub rates: Option<FlowRates>,
    /// Messages that wait in each queue, by logical ID, some reads ago.
    pub before: &'a BTreeMap<String, u64>,
    /// The rows that wait, with the times at which they were seen.
    pub ages: &'a Ages,
    /// The present.
    pub now: Instant,
}

/// A drawing without what is known at the moment.
#[derive(Debug)]
pub struct Drawing {
    graph: Graph,
    /// The stage of each edge.
    stages: Vec<Option<Stage>>,
    /// Logical IDs of the main resource of each node.
    ids: Vec<Option<String>>,
}

impl Drawing {
    /// Draws a stack.
    pub fn new(Compiled { stack, template, .. }: &Compiled) -> Self {
        let drawn = graph::Graph::of(stack, template, Queues::Folded);
        let picture = drawn.picture();
        let nodes = drawn.nodes.iter().zip(&picture.nodes).map(|(node, at)| Node {
            id: node.name.clone(),
            name: node.name.clone(),
            kind: node.kind.name().to_owned(),
            label: at.caption.to_owned(),
            x: at.x,
            y: at.y,
            width: at.width,
            height: at.height,
            ..Node::default()
        });
        let name = |index: usize| drawn.nodes.get(index).map(|node| node.name.clone()).unwrap_or_default();
        let edges = drawn.edges.iter().zip(picture.edges).enumerate().map(|(index, (edge, line))| Edge {
            id: format!("e{index}"),
            from: name(edge.from),
            to: name(edge.to),
            label: edge.label.clone(),
            failure: edge.failure,
            label_at: line.label,
            points: line.points,
            path: line.path,
            rows_per_second: None,
            rows: None,
        });
        let edges: Vec<Edge> = edges.collect();
        let stages = edges.iter().map(|edge| stage(stack, edge)).collect();
        let ids = drawn.nodes.iter().map(|node| stack.resource(&node.name).map(|one| one.logical_id()));
        let ids = ids.collect();
        let graph = Graph { width: picture.width, height: picture.height, nodes: nodes.collect(), edges };
        Self { graph, stages, ids }
    }

    /// Returns the drawing of a stack that nothing is known of.
    pub fn unknown(&self) -> Graph {
        self.graph.clone()
    }

    /// Returns the drawing with what was read.
    pub fn with(&self, stack: &Stack, live: Live<'_>) -> Graph {
        let mut graph = self.graph.clone();
        for (node, id) in graph.nodes.iter_mut().zip(&self.ids) {
            let (state, mut facts) = known(stack, &node.name, live);
            // The worst first: there is not room for all.
            facts.sort_by_key(|fact| std::cmp::Reverse(fact.severity));
            facts.truncate(MOST_FACTS);
            let status = id.as_ref().and_then(|id| live.statuses.get(id));
            (node.state, node.facts) = (state.max(of_status(status.map(String::as_str))), facts);
        }
        for (edge, stage) in graph.edges.iter_mut().zip(&self.stages) {
            let of = |flow: Flow| match stage {
                Some(Stage::Extracted) => Some(flow.extracted),
                Some(Stage::Transformed) => Some(flow.transformed),
                Some(Stage::Loaded) => Some(flow.loaded),
                None => None,
            };
            let rate = |rates: FlowRates| match stage {
                Some(Stage::Extracted) => Some(rates.extracted),
                Some(Stage::Transformed) => Some(rates.transformed),
                Some(Stage::Loaded) => Some(rates.loaded),
                None => None,
            };
            (edge.rows, edge.rows_per_second) = (live.flow.and_then(of), live.rates.and_then(rate));
        }
        graph
    }
}

/// Returns the stage whose rows flow along an edge. The tally counts the rows of a file, and not those of a worker, so there is
/// none in a stack with several workers of a kind.
fn stage(stack: &Stack, edge: &Edge) -> Option<Stage> {
    let worker = |name: &str| match &stack.resource(name)?.is {
        ResourceType::Function(function) => function.worker(),
        ResourceType::Task(task) => task.image.worker(),
        _ => None,
    };
    let is_bus = |name: &str| matches!(stack.resource(name).map(|one| &one.is), Some(ResourceType::Bus(_)));
    let is_table =
        |name: &str| matches!(stack.resource(name).map(|one| &one.is), Some(ResourceType::Table(_)));
    let (from, to) = (worker(&edge.from), worker(&edge.to));
    let stage = match (from, to) {
        (Some(Worker::Extraction), None) if is_bus(&edge.to) => (Worker::Extraction, Stage::Extracted),
        (None, Some(Worker::Transform)) if is_bus(&edge.from) => (Worker::Transform, Stage::Extracted),
        (Some(Worker::Transform), None) if is_bus(&edge.to) => (Worker::Transform, Stage::Transformed),
        (None, Some(Worker::Load)) if is_bus(&edge.from) => (Worker::Load, Stage::Transformed),
        (Some(Worker::Load), None) if is_table(&edge.to) => (Worker::Load, Stage::Loaded),
        _ => return None,
    };
    (!edge.failure && is_only(stack, stage.0)).then_some(stage.1)
}

/// Returns whether a stack has one worker of a kind.
fn is_only(stack: &Stack, worker: Worker) -> bool {
    let of_tasks = stack.tasks().filter_map(|(_, task)| task.image.worker());
    let workers = stack.functions().filter_map(|(_, function)| function.worker()).chain(of_tasks);
    workers.filter(|one| *one == worker).count() == 1
}

/// Returns the age of the oldest row that waits for a function. The tally has the rows before `transform` and `load` alone.
fn oldest(stack: &Stack, function: &Function, live: Live<'_>) -> Option<Age> {
    let worker = function.worker()?;
    let before = match worker {
        Worker::Transform => Before::Transform,
        Worker::Load => Before::Load,
        _ => return None,
    };
    live.ages.oldest(live.now, before).filter(|_| is_only(stack, worker))
}

/// Returns the messages in flight before a function, with the number of batches that they fill: the executions that take them are at
/// least as many.
fn in_batches(in_flight: u64, function: &Function) -> String {
    let most = function.triggers.iter().map(|trigger| trigger.batch().size).max();
    let batches = in_flight.div_ceil(most.and_then(|most| u64::try_from(most).ok()).unwrap_or(1).max(1));
    let noun = if batches == 1 { "batch" } else { "batches" };
    match in_flight {
        0 => "0".to_owned(),
        _ => format!("{} ({} {noun})", grouped(in_flight), grouped(batches)),
    }
}

/// Returns the state of a resource by CloudFormation's status of it.
fn of_status(status: Option<&str>) -> NodeState {
    match status {
        None => NodeState::Unknown,
        Some(status) => match Status::of(status) {
            status if status.failed() => NodeState::Error,
            status if status.is_in_progress() => NodeState::Busy,
            _ => NodeState::Ok,
        },
    }
}

/// Returns the state of a resource by its messages, tasks and files, with the facts.
fn known(stack: &Stack, name: &str, live: Live<'_>) -> (NodeState, Vec<Fact>) {
    let mut state = NodeState::Unknown;
    let mut facts = Vec::new();
    let mut add = |label: &str, value: String, severity: Severity| {
        facts.push(Fact { label: label.to_owned(), value, severity });
    };
    let Snapshot { queues, tasks, files, .. } = live.snapshot;
    let own: Vec<&Queue> = queues.iter().filter(|queue| queue.name == name).collect();
    let Some(resource) = stack.resource(name) else { return (state, facts) };
    let function = match &resource.is {
        ResourceType::Function(function) => Some(function),
        _ => None,
    };
    if own.iter().any(|queue| queue.depth.is_some()) {
        let sum = |of: fn(&Queue) -> u64| own.iter().map(|queue| of(queue)).sum::<u64>();
        let waiting = sum(|queue| queue.depth.as_ref().map_or(0, |depth| depth.waiting + depth.delayed));
        let flying = sum(|queue| queue.depth.as_ref().map_or(0, |depth| depth.in_flight));
        let before: u64 = own.iter().filter_map(|queue| live.before.get(&queue.logical_id)).sum();
        let is_behind = waiting >= MANY && waiting > before && !live.before.is_empty();
        let severity = if is_behind { Severity::Warning } else { Severity::None };
        add(if function.is_some() { "waiting" } else { "depth" }, grouped(waiting), severity);
        if let Some(age) = function.and_then(|function| oldest(stack, function, live)) {
            add("oldest row", age.to_string(), severity);
        }
        let in_flight = function.map_or_else(|| grouped(flying), |function| in_batches(flying, function));
        add("in flight", in_flight, Severity::None);
        state = match (is_behind, waiting + flying) {
            (true, _) => NodeState::Warning,
            (false, 0) => NodeState::Ok,
            (false, _) => NodeState::Busy,
        };
    }
    if let Some(function) = function
        && let Some(throttle) = function.concurrency
    {
        let severity = if state == NodeState::Warning { Severity::Warning } else { Severity::None };
        add("throttle", grouped(u64::try_from(throttle).unwrap_or_default()), severity);
    }
    let dead: u64 = own.iter().filter_map(|queue| queue.dead_letters).sum();
    if dead > 0 {
        add("dead letters", grouped(dead), Severity::Error);
        state = NodeState::Error;
    }
    match &resource.is {
        ResourceType::Task(_) if !is_unread(live, Source::Tasks) => {
            let none = Tasks::default();
            let task = tasks.iter().find(|task| task.name == name).unwrap_or(&none);
            add("running", grouped(task.running), Severity::None);
            if task.other > 0 {
                add("starting or stopping", grouped(task.other), Severity::None);
            }
            state = state.max(if task.running + task.other > 0 { NodeState::Busy } else { NodeState::Ok });
        }
        ResourceType::Bucket(bucket) if !bucket.notify.is_empty() && live.flow.is_some() => {
            add("files", grouped(u64::try_from(files.len()).unwrap_or_default()), Severity::None);
        }
        _ => {}
    }
    (state, facts)
}

/// Returns a number with a comma between thousands.
fn grouped(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let number = number as f64;
    prices::grouped(number)
}

fn is_unread(live: Live<'_>, source: Source) -> bool {
    live.snapshot.unread.iter().any(|unread| unread.source == source)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use deployer_aws::sqs::messages::QueueDepth;
    use deployer_lang::{Document, compile};
    use deployer_syntax::{Diagnostics, Source as Text};
    use tally::RowSet;

    use super::*;
    use crate::commands::status::sources::Taker;

    fn compiled() -> Compiled {
        let source = Text::new("stack.yaml", include_str!("../../../../../stack.yaml").to_owned());
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        let target = document.select(Some("dev")).expect("a stack");
        compile(&document, target, &[], &mut diagnostics).expect("a valid file")
    }

    fn queue(name: &str, id: &str, waiting: u64, dead: u64) -> Queue {
        Queue {
            name: name.to_owned(),
            logical_id: id.to_owned(),
            functions: vec![Taker { name: name.to_owned(), throttle: Some(2) }],
            depth: Some(QueueDepth {
                url: String::new(),
                arn: String::new(),
                waiting,
                in_flight: 20,
                delayed: 0,
                dead_letters: None,
            }),
            dead_letters: Some(dead),
        }
    }

    #[test]
    fn rows_flow_along_the_edges_of_the_only_workers() {
        let compiled = compiled();
        let drawing = Drawing::new(&compiled);
        let snapshot = Snapshot {
            moment: 0,
            files: Vec::new(),
            queues: vec![queue("transform", "TransformEventsBuffer", 1_500, 0), queue("load", "L", 0, 3)],
            dead_letters: 3,
            tasks: vec![Tasks { name: "extraction".to_owned(), running: 1, other: 0 }],
            results: None,
            unread: Vec::new(),
        };
        let statuses = ["Landing", "Transform", "Load", "Extraction"];
        let statuses = statuses.map(|id| (id.to_owned(), "CREATE_COMPLETE".to_owned())).into();
        let before = BTreeMap::from([("TransformEventsBuffer".to_owned(), 900)]);
        let flow = Flow { extracted: 5_000, transformed: 3_000, loaded: 2_000 };
        let begin = Instant::now();
        let mut ages = Ages::default();
        ages.note(begin, &[]);
        let mut waiting = Tally::default();
        waiting.extracted.add(&RowSet::range(1..3));
        ages.note(begin + Duration::from_secs(1), &[waiting]);
        let earlier = Flow { extracted: 4_000, transformed: 3_000, loaded: 1_999 };
        let live = Live {
            snapshot: &snapshot,
            statuses: &statuses,
            flow: Some(flow),
            rates: Some(flow.since(earlier, 2.0)),
            before: &before,
            ages: &ages,
            now: begin + Duration::from_secs(12),
        };
        let graph = drawing.with(&compiled.stack, live);
        let edge = |from: &str, to: &str| {
            let edge = graph.edges.iter().find(|edge| edge.from == from && edge.to == to);
            let edge = edge.unwrap_or_else(|| panic!("{from} → {to}"));
            (edge.rows, edge.rows_per_second)
        };
        assert_eq!(edge("extraction", "events"), (Some(5_000), Some(500.0)));
        assert_eq!(edge("events", "transform"), (Some(5_000), Some(500.0)));
        assert_eq!(edge("events", "load"), (Some(3_000), Some(0.0)));
        assert_eq!(edge("load", "records"), (Some(2_000), Some(0.5)));
        assert_eq!(edge("landing", "arrivals"), (None, None));
        let node = |name: &str| {
            let node = graph.nodes.iter().find(|node| node.name == name).expect(name);
            let facts = node.facts.iter().map(|fact| format!("{} {}", fact.label, fact.value));
            (node.state, facts.collect::<Vec<_>>())
        };
        let waiting = ["waiting 1,500", "oldest row 11 s", "throttle 2", "in flight 20 (2 batches)"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(node("transform"), (NodeState::Warning, waiting));
        let dead = ["dead letters 3", "waiting 0", "in flight 20 (2 batches)", "throttle 2"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(node("load"), (NodeState::Error, dead));
        assert_eq!(node("extraction"), (NodeState::Busy, vec!["running 1".to_owned()]));
        assert_eq!(node("landing").0, NodeState::Ok);
        assert_eq!(node("records"), (NodeState::Unknown, Vec::new()), "it is not deployed");
        let ids: std::collections::BTreeSet<&str> = graph.edges.iter().map(|edge| edge.id.as_str()).collect();
        assert_eq!(ids.len(), graph.edges.len());
        assert!(graph.edges.iter().all(|edge| edge.path.starts_with('M') && edge.points.len() > 1));
    }
}
