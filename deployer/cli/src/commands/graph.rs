//! `deployer graph`.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use stack_core::graph::{AddedQueue, Graph, Purpose, Queues};

use crate::context::Context;
use crate::error::Result;
use crate::files;
use crate::plan::synthesize;

/// Draw the pipeline of a stack: what starts what, and where data flows
///
/// GitHub and many editors render Mermaid; use `--format dot` for Graphviz, and `--format svg` for a picture.
///
/// The deployer adds queues that are not in `stack.yaml`: a buffer between a bus and each function, and dead-letter queues. They are
/// folded: a sign shows where they are. `--expand-queues` draws each of them as a node.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Format of the drawing.
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// Draw each buffer and dead-letter queue that the deployer adds as a node, named by its logical ID
    #[arg(long)]
    expand_queues: bool,
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
    let stack = context.load_stack(args.stack.as_deref())?;
    let queues = if args.expand_queues { Queues::Expanded } else { Queues::Folded };
    let graph = Graph::of(&stack, &synthesize(&stack)?, queues);
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
        let ids = |queues: &[AddedQueue]| queues.iter().map(|queue| queue.id.clone()).collect::<Vec<_>>();
        let nodes: Vec<_> = graph
            .nodes
            .iter()
            .map(|node| {
                let mut out =
                    json!({ "name": node.name, "type": node.kind.name(), "queues": ids(&node.queues) });
                if let Some(purpose) = node.added {
                    out["added"] = json!(match purpose {
                        Purpose::Buffer => "buffer",
                        Purpose::DeadLetters => "dead-letter queue",
                    });
                }
                out
            })
            .collect();
        let edges: Vec<_> = graph
            .edges
            .iter()
            .map(|edge| {
                json!({
                    "from": name(edge.from),
                    "to": name(edge.to),
                    "label": edge.label,
                    "failure": edge.failure,
                    "queues": ids(&edge.queues),
                })
            })
            .collect();
        return context.ui.json(json!({ "stack": graph.name, "nodes": nodes, "edges": edges }));
    }
    context.ui.data(&text)
}
