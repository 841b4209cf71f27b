//! The pipeline as somebody would draw it: what starts what, and where data flows. Beside the flow: made of the model,
//! not of the template, whose roles and policies nobody draws.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::definition::Drawing;
use crate::model::flow::Flows;
use crate::model::{Kind, Resource, ResourceType, Stack};
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
        let mut flows = Flows::default();
        for resource in &stack.resources {
            resource.is.flows(&resource.name, &mut flows);
        }
        raw_flows(stack, template, &mut flows);
        let drawing = |resource: &Resource| resource.is.kind().drawing();
        let visible =
            |name: &str| stack.resource(name).is_some_and(|resource| drawing(resource) != Drawing::Never);
        let connected = |name: &str| {
            flows
                .iter()
                .any(|((from, to, _), _)| (from == name && visible(to)) || (to == name && visible(from)))
        };
        let drawn = |resource: &&Resource| match drawing(resource) {
            Drawing::Never => false,
            Drawing::IfConnected(_) => connected(&resource.name),
            Drawing::Always(_) => true,
        };
        let nodes: Vec<Node> = stack
            .resources
            .iter()
            .filter(drawn)
            .map(|resource| Node { name: resource.name.clone(), kind: resource.is.kind() })
            .collect();
        let index = |name: &str| nodes.iter().position(|node| node.name == name);
        let mut edges: Vec<Edge> = flows
            .iter()
            .filter_map(|((from, to, failure), labels)| {
                let mut labels = labels.to_vec();
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

/// Adds the flows of `AWS::…` types: to what they refer to, an API to its function, a pipe to its queue.
fn raw_flows(stack: &Stack, template: &Template, flows: &mut Flows) {
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
        flows.add(&from, &to, "");
    }
}

/// What stands under the name of a node: its type, without the service's part for a type of CloudFormation.
fn caption(kind: Kind) -> &'static str {
    kind.name().trim_start_matches("AWS::")
}
