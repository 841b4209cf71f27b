//! The pipeline as somebody would draw it: starters and their targets, and the flow of data. It is made of the model
//! and not of the template, whose roles and policies nobody draws; only the queues that the lowering adds are found in
//! the template.

use std::collections::BTreeMap;

use deployer_cfn::template::{Template, logical_id, references};
use serde_json::Value;

use crate::model::definition::Drawing;
use crate::model::flow::{Flow, Flows};
use crate::model::{Kind, Resource, ResourceType, Stack};

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
    /// `true` if it carries failed events or messages.
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
    /// A buffer of events for a function.
    Buffer,
    /// A queue of events or messages that could not be processed or delivered.
    DeadLetters,
}

/// The places of the parts of a picture, for whoever draws it: those of [`Graph::to_svg`].
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Width of the picture.
    pub width: f64,
    /// Height of the picture.
    pub height: f64,
    /// The nodes, in the order of the graph.
    pub nodes: Vec<NodePicture>,
    /// The edges, in the order of the graph.
    pub edges: Vec<EdgePicture>,
}

/// The place of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePicture {
    /// The text under its name.
    pub caption: &'static str,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// The line of an edge.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePicture {
    /// The line as the path of an SVG.
    pub path: String,
    /// The ends of its pieces, from the beginning of the flow on.
    pub points: Vec<(f64, f64)>,
    /// The middle of the label, at the height of the line under it.
    pub label: (f64, f64),
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
        let mut flows = Flows::default();
        for resource in &stack.resources {
            resource.is.flows(&resource.name, &mut flows);
        }
        let mut builder = Builder::new(stack, template, queues);
        for flow in flows.into_vec() {
            builder.draw(flow);
        }
        builder.raw(stack, template);
        let drawing = |resource: &Resource| resource.is.kind().drawing();
        let visible =
            |name: &str| stack.resource(name).is_some_and(|resource| drawing(resource) != Drawing::Never);
        let connected = |name: &str| {
            builder
                .edges
                .keys()
                .any(|(from, to, _)| (from == name && visible(to)) || (to == name && visible(from)))
        };
        let drawn = |resource: &&Resource| match drawing(resource) {
            Drawing::Never => false,
            Drawing::IfConnected(_) => connected(&resource.name),
            Drawing::Always(_) => true,
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

    /// Returns it as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::write(self)
    }

    /// Returns it in the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::write(self)
    }

    /// Returns the places of the parts of its picture.
    #[must_use]
    pub fn picture(&self) -> Picture {
        svg::picture(self)
    }

    /// Returns it as a picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }
}

/// The flows from one resource to another.
#[derive(Debug, Default)]
struct Drawn {
    labels: Vec<String>,
    queues: Vec<AddedQueue>,
}

struct Builder<'t> {
    edges: BTreeMap<(String, String, bool), Drawn>,
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

    fn flow(&mut self, from: &str, to: &str, failure: bool) -> &mut Drawn {
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

    /// Draws the events that go from a bus through a buffer to a function. The template has the buffers of a function
    /// in the order of its triggers.
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

    fn draw(&mut self, flow: Flow) {
        match flow {
            Flow::Between { from, to, label, buffered: true, .. } => self.buffered(&from, &to, &label),
            Flow::Between { from, to, label, failure, .. } => {
                self.flow(&from, &to, failure).labels.push(label)
            }
            Flow::DeadLetters { origin, from, label } => self.dead_letters(&origin, &from, label),
        }
    }

    /// Draws the flows of `AWS::…` types to the resources that they refer to: of an API to its function, of a pipe to
    /// its queue.
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
