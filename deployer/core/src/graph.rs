//! The pipeline as somebody would draw it: what starts what, and where data flows. It is made of the model and not of the
//! template, whose roles and policies nobody draws; only the queues that the lowering adds are found in the template.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::access::{Access, Verb};
use crate::model::bucket::{BucketEvent, Notified};
use crate::model::function::{Events, Trigger};
use crate::model::topic::Subscriber;
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack};
use crate::template::{Template, logical_id, references};

mod dot;
mod mermaid;
mod svg;

pub use svg::text_width;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Name of the stack.
    pub name: String,
    /// The resources, in the order of the file.
    pub nodes: Vec<Node>,
    /// The flows, each pair and style once.
    pub edges: Vec<Edge>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in the file, or the logical ID of an added queue.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// The purpose of a queue that is not in the file.
    pub added: Option<Purpose>,
    /// Added queues that are folded into the node.
    pub queues: Vec<AddedQueue>,
}

/// A flow from one resource to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that it begins at.
    pub from: usize,
    /// Index of the node that it ends at.
    pub to: usize,
    /// The name of the flow.
    pub label: String,
    /// `true` if it carries what failed.
    pub failure: bool,
    /// Added queues that are folded into the flow.
    pub queues: Vec<AddedQueue>,
}

/// A queue that is in the template, but not in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedQueue {
    /// Its logical ID.
    pub id: String,
    /// Its purpose.
    pub purpose: Purpose,
}

/// The purpose of an added queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Keeps events for a function.
    Buffer,
    /// Keeps what could not be processed or delivered.
    DeadLetters,
}

/// The way in which added queues are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queues {
    /// As a sign on the node or the flow that they belong to.
    Folded,
    /// As nodes of their own.
    Expanded,
}

impl Graph {
    /// Returns the pipeline of a stack. References of `AWS::…` types and added queues are found in its `template`.
    #[must_use]
    pub fn of(stack: &Stack, template: &Template, queues: Queues) -> Self {
        let mut builder = Builder::new(stack, template, queues);
        for resource in &stack.resources {
            builder.resource(resource);
        }
        builder.raw(stack, template);
        // Where things run and how they are encrypted is no flow, and nor is what only looks on.
        let hidden = [Kind::Network, Kind::Cluster, Kind::Key, Kind::Dashboard, Kind::Rule];
        let visible =
            |name: &str| stack.resource(name).is_some_and(|resource| !hidden.contains(&resource.is.kind()));
        let flows = |name: &str| {
            builder
                .edges
                .keys()
                .any(|(from, to, _)| (from == name && visible(to)) || (to == name && visible(from)))
        };
        let drawn = |resource: &&Resource| match resource.is.kind() {
            Kind::Raw(_) | Kind::Alarm => flows(&resource.name),
            kind => !hidden.contains(&kind),
        };
        let own = stack.resources.iter().filter(drawn).map(|resource| Node {
            name: resource.name.clone(),
            kind: resource.is.kind(),
            added: None,
            queues: builder.folded.get(&resource.name).cloned().unwrap_or_default(),
        });
        let added = builder.expanded.iter().map(|queue| Node {
            name: queue.id.clone(),
            kind: Kind::Queue,
            added: Some(queue.purpose),
            queues: Vec::new(),
        });
        let nodes: Vec<Node> = own.chain(added).collect();
        let index = |name: &str| nodes.iter().position(|node| node.name == name);
        let mut edges: Vec<Edge> = builder
            .edges
            .iter()
            .filter_map(|((from, to, failure), flow)| {
                let mut labels = flow.labels.clone();
                labels.retain(|label| !label.is_empty());
                labels.dedup();
                Some(Edge {
                    from: index(from)?,
                    to: index(to)?,
                    label: labels.join(", "),
                    failure: *failure,
                    queues: flow.queues.clone(),
                })
            })
            .collect();
        edges.sort_by_key(|edge| (edge.from, edge.to, edge.failure));
        Self { name: stack.name.clone(), nodes, edges }
    }

    /// As a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::write(self)
    }

    /// In the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::write(self)
    }

    /// As a picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }
}

/// The flows from one resource to another.
#[derive(Debug, Default)]
struct Flow {
    labels: Vec<String>,
    queues: Vec<AddedQueue>,
}

struct Builder<'t> {
    edges: BTreeMap<(String, String, bool), Flow>,
    /// The added queues of each resource, in the order of the template.
    added: BTreeMap<&'t str, Vec<AddedQueue>>,
    queues: Queues,
    /// The queues that become nodes.
    expanded: Vec<AddedQueue>,
    /// The queues that become signs on a node, by its name.
    folded: BTreeMap<String, Vec<AddedQueue>>,
}

impl<'t> Builder<'t> {
    fn new(stack: &Stack, template: &'t Template, queues: Queues) -> Self {
        let mut added: BTreeMap<&str, Vec<AddedQueue>> = BTreeMap::new();
        for (id, made) in &template.resources {
            let is_own = stack.resource(&made.origin).is_none_or(|origin| own_id(origin) == *id);
            if made.kind == "AWS::SQS::Queue" && !is_own {
                let purpose = if id.ends_with(DEAD_LETTERS) { Purpose::DeadLetters } else { Purpose::Buffer };
                added.entry(&made.origin).or_default().push(AddedQueue { id: id.clone(), purpose });
            }
        }
        Self { edges: BTreeMap::new(), added, queues, expanded: Vec::new(), folded: BTreeMap::new() }
    }

    fn edge(&mut self, from: &str, to: &str, label: impl Into<String>) {
        self.flow(from, to, false).labels.push(label.into());
    }

    fn failure(&mut self, from: &str, to: &ResourceRef, label: &str) {
        self.flow(from, &to.name, true).labels.push(label.to_owned());
    }

    fn flow(&mut self, from: &str, to: &str, failure: bool) -> &mut Flow {
        self.edges.entry((from.to_owned(), to.to_owned(), failure)).or_default()
    }

    /// Takes one of the queues that the template adds for a resource.
    fn take(&mut self, origin: &str, is_it: impl Fn(&AddedQueue) -> bool) -> Option<AddedQueue> {
        let queues = self.added.get_mut(origin)?;
        let at = queues.iter().position(is_it)?;
        Some(queues.remove(at))
    }

    /// Draws all dead-letter queues of a resource that are not drawn yet, which the node `from` sends to.
    fn dead_letters(&mut self, origin: &str, from: &str, label: &str) {
        while let Some(queue) = self.take(origin, |queue| queue.purpose == Purpose::DeadLetters) {
            match self.queues {
                Queues::Folded => self.folded.entry(from.to_owned()).or_default().push(queue),
                Queues::Expanded => {
                    self.flow(from, &queue.id, true).labels.push(label.to_owned());
                    self.expanded.push(queue);
                }
            }
        }
    }

    /// Draws the events that go from a bus through a buffer to a function. The template has the buffers of a function in the
    /// order of its triggers.
    fn buffered(&mut self, bus: &str, function: &str, label: &str) {
        let Some(buffer) = self.take(function, |queue| queue.purpose == Purpose::Buffer) else {
            return self.edge(bus, function, label);
        };
        let dead_letters = self
            .take(function, |queue| queue.id.strip_suffix(DEAD_LETTERS).is_some_and(|of| of == buffer.id));
        match self.queues {
            Queues::Folded => {
                let flow = self.flow(bus, function, false);
                flow.labels.push(label.to_owned());
                flow.queues.push(buffer);
                flow.queues.extend(dead_letters);
            }
            Queues::Expanded => {
                self.edge(bus, &buffer.id, label);
                self.edge(&buffer.id, function, "");
                if let Some(dead_letters) = &dead_letters {
                    self.flow(&buffer.id, &dead_letters.id, true).labels.push("dead letters".to_owned());
                }
                self.expanded.push(buffer);
                self.expanded.extend(dead_letters);
            }
        }
    }

    fn resource(&mut self, resource: &Resource) {
        let name = resource.name.as_str();
        match &resource.is {
            ResourceType::Bucket(bucket) => {
                for notify in &bucket.notify {
                    let on = match notify.on {
                        BucketEvent::Created => "created",
                        BucketEvent::Removed => "removed",
                    };
                    let filter = match (&notify.prefix, &notify.suffix) {
                        (None, None) => String::new(),
                        (prefix, suffix) => format!(
                            " {}*{}",
                            prefix.as_deref().unwrap_or_default(),
                            suffix.as_deref().unwrap_or_default()
                        ),
                    };
                    let (Notified::Queue(to) | Notified::Function(to) | Notified::Topic(to)) = &notify.to;
                    self.edge(name, &to.name, format!("{on}{filter}"));
                }
            }
            ResourceType::Queue(queue) => {
                if let Some(to) = &queue.dead_letter.queue {
                    self.failure(name, to, "dead letters");
                }
                self.dead_letters(name, name, "dead letters");
            }
            ResourceType::Rule(rule) => {
                let label = match &rule.events {
                    Events::Named(event) => event.name(),
                    Events::Matching { .. } => name,
                };
                for target in &rule.targets {
                    self.edge(&rule.bus.name, &target.to.name, label);
                }
                self.dead_letters(name, &rule.bus.name, "undelivered");
            }
            ResourceType::Schedule(schedule) => {
                self.edge(name, &schedule.target.to.name, "starts");
                self.dead_letters(name, name, "undelivered");
            }
            ResourceType::Topic(topic) => {
                for subscription in &topic.subscriptions {
                    if let Subscriber::Queue(to) | Subscriber::Function(to) = &subscription.to {
                        let label = if subscription.filter.is_some() { "filtered" } else { "" };
                        self.edge(name, &to.name, label);
                    }
                    if let Some(to) = &subscription.dead_letter {
                        self.failure(name, to, "undelivered");
                    }
                }
            }
            ResourceType::Function(function) => {
                for trigger in &function.triggers {
                    let label = match trigger {
                        Trigger::Queue { pattern: Some(_), .. } => "filtered",
                        Trigger::Queue { .. } => "",
                        Trigger::Bus { events: Events::Named(event), .. } => event.name(),
                        Trigger::Bus { events: Events::Matching { name, .. }, .. } => {
                            name.as_deref().unwrap_or("pattern")
                        }
                        Trigger::Table { .. } => "changes",
                    };
                    let source = &trigger.source().name;
                    if trigger.is_buffered() {
                        self.buffered(source, name, label);
                    } else {
                        self.edge(source, name, label);
                    }
                }
                self.dead_letters(name, name, "failed changes");
                if let Some(to) = function.asynchronous.as_ref().and_then(|one| one.on_failure.as_ref()) {
                    self.failure(name, to, "failed calls");
                }
                self.access(name, &function.access);
            }
            ResourceType::Task(task) => self.access(name, &task.access),
            ResourceType::Alarm(alarm) => {
                for topic in &alarm.notify {
                    self.edge(name, &topic.name, "alarm");
                }
            }
            ResourceType::Bus(_) => self.dead_letters(name, name, "not encrypted"),
            ResourceType::Table(_)
            | ResourceType::Network(_)
            | ResourceType::Cluster(_)
            | ResourceType::Key(_)
            | ResourceType::Dashboard(_)
            | ResourceType::Raw(_) => {}
        }
    }

    /// Adds the flows of `access`: data that is read flows to its reader, all else away from the one who acts.
    fn access(&mut self, name: &str, access: &[Access]) {
        for entry in access {
            let other = &entry.resource.name;
            match entry.verb {
                Verb::Read | Verb::List | Verb::Receive => self.edge(other, name, entry.verb.name()),
                Verb::Write
                | Verb::Update
                | Verb::Tally
                | Verb::Delete
                | Verb::Publish
                | Verb::Send
                | Verb::Run
                | Verb::Invoke => self.edge(name, other, entry.verb.name()),
                // A key is not drawn.
                Verb::Encrypt | Verb::Decrypt => {}
            }
        }
    }

    /// `AWS::…` types flow to what they refer to: an API to its function, a pipe to its queue.
    fn raw(&mut self, stack: &Stack, template: &Template) {
        let origins: BTreeMap<String, &Resource> =
            stack.resources.iter().map(|resource| (own_id(resource), resource)).collect();
        let of_raw = template.resources.iter().filter_map(|(_, made)| {
            let resource = stack.resource(&made.origin)?;
            matches!(resource.is, ResourceType::Raw(_)).then_some((resource, &made.properties))
        });
        let mut found: Vec<(String, String)> = Vec::new();
        for (resource, properties) in of_raw {
            let mut look = |value: &Value| {
                references(value, &mut |to| {
                    if let Some(to) = origins.get(to).filter(|to| to.name != resource.name) {
                        found.push((resource.name.clone(), to.name.clone()));
                    }
                });
            };
            look(properties);
        }
        found.sort();
        found.dedup();
        for (from, to) in found {
            self.edge(&from, &to, "");
        }
    }
}

/// The end of the logical ID of each added dead-letter queue.
const DEAD_LETTERS: &str = "DeadLetters";

/// Returns the logical ID of the main resource that a resource of the file becomes.
fn own_id(resource: &Resource) -> String {
    resource.options.logical_id.clone().unwrap_or_else(|| logical_id(&resource.name))
}

/// Returns the text under the name of a node: its type, without the service's part for a type of CloudFormation.
fn caption(node: &Node) -> &'static str {
    match node.added {
        Some(Purpose::Buffer) => "buffer queue",
        Some(Purpose::DeadLetters) => "dead-letter queue",
        None => node.kind.name().trim_start_matches("AWS::"),
    }
}

/// Returns the caption of a node with the sign of its folded queues, for languages that draw nothing but text.
fn signed_caption(node: &Node) -> String {
    match sign(&node.queues) {
        Some(sign) => format!("{} + {sign}", caption(node)),
        None => caption(node).to_owned(),
    }
}

/// Returns the sign of folded queues, such as `buffer + DLQ`.
fn sign(queues: &[AddedQueue]) -> Option<String> {
    let part = |purpose: Purpose, one: &str| match count(queues, purpose) {
        0 => None,
        1 => Some(one.to_owned()),
        many => Some(format!("{many} {one}s")),
    };
    let parts = [part(Purpose::Buffer, "buffer"), part(Purpose::DeadLetters, "DLQ")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" + "))
}

/// Returns the number of queues with a purpose.
fn count(queues: &[AddedQueue], purpose: Purpose) -> usize {
    queues.iter().filter(|queue| queue.purpose == purpose).count()
}

/// Returns the logical IDs of folded queues as one text.
fn ids(queues: &[AddedQueue]) -> String {
    let ids: Vec<&str> = queues.iter().map(|queue| queue.id.as_str()).collect();
    ids.join(", ")
}
