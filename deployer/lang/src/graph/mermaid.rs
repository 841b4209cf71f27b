//! A flowchart in Mermaid's language, which GitHub and many editors draw.

use std::fmt::Write as _;

use deployer_cfn::template::logical_id;

use super::{Graph, sign, signed_caption};
use crate::model::Kind;
use crate::model::flow::Role;

pub(super) fn write(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for node in &graph.nodes {
        let (open, close) = shape(node.kind);
        let id = logical_id(&node.name);
        let caption = signed_caption(node);
        let _ = writeln!(out, "  {id}{open}\"{}<br/><small>{caption}</small>\"{close}", node.name);
    }
    for edge in &graph.edges {
        let (from, to) = (logical_id(&graph.nodes[edge.from].name), logical_id(&graph.nodes[edge.to].name));
        let arrow = if edge.failure { "-.->" } else { "-->" };
        let sign = sign(&edge.queues).map(|sign| format!("<small>{sign}</small>"));
        let label = (!edge.label.is_empty()).then(|| escape(&edge.label));
        let lines: Vec<String> = label.into_iter().chain(sign).collect();
        let _ = match lines.as_slice() {
            [] => writeln!(out, "  {from} {arrow} {to}"),
            lines => writeln!(out, "  {from} {arrow}|\"{}\"| {to}", lines.join("<br/>")),
        };
    }
    out
}

/// Returns the brackets of a shape: Mermaid User Guide, "Flowcharts": node shapes.
const fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind.drawing().role() {
        Role::Store => ("[(", ")]"),
        Role::Queue => ("[/", "/]"),
        Role::Hub => ("{{", "}}"),
        Role::Caller => ("([", "])"),
        Role::Task => ("[[", "]]"),
        Role::Function | Role::Other => ("[", "]"),
    }
}

/// Escapes a text: the same guide, "Entity codes to escape characters".
fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
