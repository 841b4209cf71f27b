//! The language of Graphviz.

use std::fmt::Write as _;

use super::{Graph, ids, sign, signed_caption};
use crate::model::Kind;
use crate::model::flow::Role;

pub(super) fn write(graph: &Graph) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
        quoted(&graph.name)
    );
    for node in &graph.nodes {
        let label = format!("{}\\n{}", escape(&node.name), signed_caption(node));
        let tooltip = match node.queues.is_empty() {
            true => String::new(),
            false => format!(", tooltip={}", quoted(&ids(&node.queues))),
        };
        let (name, shape) = (quoted(&node.name), shape(node.kind));
        let _ = writeln!(out, "  {name} [label=\"{label}\", shape={shape}{tooltip}];");
    }
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
        let mut attributes = Vec::new();
        let label = (!edge.label.is_empty()).then(|| escape(&edge.label));
        let lines: Vec<String> = label.into_iter().chain(sign(&edge.queues)).collect();
        if !lines.is_empty() {
            attributes.push(format!("label=\"{}\"", lines.join("\\n")));
        }
        if !edge.queues.is_empty() {
            attributes.push(format!("tooltip={}", quoted(&ids(&edge.queues))));
        }
        if edge.failure {
            attributes.push("style=dashed".to_owned());
        }
        let attributes = match attributes.is_empty() {
            true => String::new(),
            false => format!(" [{}]", attributes.join(", ")),
        };
        let _ = writeln!(out, "  {} -> {}{attributes};", quoted(from), quoted(to));
    }
    out.push_str("}\n");
    out
}

/// Returns a shape of the Graphviz documentation, "Node Shapes".
const fn shape(kind: Kind) -> &'static str {
    match kind.drawing().role() {
        Role::Store => "cylinder",
        Role::Queue => "parallelogram",
        Role::Hub => "hexagon",
        Role::Caller => "oval",
        Role::Task => "box3d",
        Role::Function | Role::Other => "box",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
