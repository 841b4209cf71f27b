//! The pipeline as somebody would draw it: what starts what, and where data flows. Beside the flow: made of the model,
//! not of the template, whose roles and policies nobody draws.

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

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Name of the stack.
    pub name: String,
    /// What there is, in the order of the file.
    pub nodes: Vec<Node>,
    /// What flows, each pair and style once.
    pub edges: Vec<Edge>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in the file.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// A flow from one resource to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that it begins at.
    pub from: usize,
    /// Index of the node that it ends at.
    pub to: usize,
    /// What flows.
    pub label: String,
    /// Whether it is what failed that flows.
    pub failure: bool,
}

impl Graph {
    /// The pipeline of a stack. `template` is what it becomes: references of `AWS::…` types are seen there.
    #[must_use]
    pub fn of(stack: &Stack, template: &Template) -> Self {
        let mut builder = Builder { edges: BTreeMap::new() };
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
        let nodes: Vec<Node> = stack
            .resources
            .iter()
            .filter(drawn)
            .map(|resource| Node { name: resource.name.clone(), kind: resource.is.kind() })
            .collect();
        let index = |name: &str| nodes.iter().position(|node| node.name == name);
        let mut edges: Vec<Edge> = builder
            .edges
            .iter()
            .filter_map(|((from, to, failure), labels)| {
                let mut labels = labels.clone();
                labels.retain(|label| !label.is_empty());
                labels.dedup();
                Some(Edge { from: index(from)?, to: index(to)?, label: labels.join(", "), failure: *failure })
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

/// Labels of the flows from one resource to another.
struct Builder {
    edges: BTreeMap<(String, String, bool), Vec<String>>,
}

impl Builder {
    fn edge(&mut self, from: &str, to: &str, label: impl Into<String>) {
        self.edges.entry((from.to_owned(), to.to_owned(), false)).or_default().push(label.into());
    }

    fn failure(&mut self, from: &str, to: &ResourceRef, label: &str) {
        self.edges.entry((from.to_owned(), to.name.clone(), true)).or_default().push(label.to_owned());
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
            }
            ResourceType::Rule(rule) => {
                let label = match &rule.events {
                    Events::Named(event) => event.name(),
                    Events::Matching { .. } => name,
                };
                for target in &rule.targets {
                    self.edge(&rule.bus.name, &target.to.name, label);
                }
            }
            ResourceType::Schedule(schedule) => self.edge(name, &schedule.target.to.name, "starts"),
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
                    self.edge(&trigger.source().name, name, label);
                }
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
            ResourceType::Bus(_)
            | ResourceType::Table(_)
            | ResourceType::Network(_)
            | ResourceType::Cluster(_)
            | ResourceType::Key(_)
            | ResourceType::Dashboard(_)
            | ResourceType::Raw(_) => {}
        }
    }

    /// What is read flows to the reader; all else from who acts.
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
            stack.resources.iter().map(|resource| (logical_id(&resource.name), resource)).collect();
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

/// What stands under the name of a node: its type, without the service's part for a type of CloudFormation.
fn caption(kind: Kind) -> &'static str {
    kind.name().trim_start_matches("AWS::")
}
