//! `deployer graph`.

use std::path::PathBuf;

use clap::ValueEnum;
use deployer_base::error::Result;
use deployer_base::files;
use serde_json::json;
use stack_core::Compiled;
use stack_core::graph::Graph;

use crate::context::Context;

/// Draw the pipeline of a stack: what starts what, and where data flows
///
/// GitHub and many editors render Mermaid; use `--format dot` for Graphviz, and `--format svg` for a picture.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Format of the drawing.
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// Write the drawing to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Svg,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let graph = Graph::of(&stack, &template);
    let text = match args.format {
        Format::Mermaid => graph.to_mermaid(),
        Format::Dot => graph.to_dot(),
        Format::Svg => graph.to_svg(),
    };
    if let Some(path) = &args.out {
        files::write_whole(path, &text)?;
        context.ui.note(format!("wrote {}", path.display()));
        return Ok(());
    }
    if context.ui.is_json() {
        let name = |index: usize| graph.nodes.get(index).map(|node| node.name.as_str());
        let nodes: Vec<_> =
            graph.nodes.iter().map(|node| json!({ "name": node.name, "type": node.kind.name() })).collect();
        let edges: Vec<_> = graph
            .edges
            .iter()
            .map(|edge| {
                json!({ "from": name(edge.from), "to": name(edge.to), "label": edge.label, "failure": edge.failure })
            })
            .collect();
        return context.ui.json(json!({ "stack": graph.name, "nodes": nodes, "edges": edges }));
    }
    context.ui.data(&text)
}
