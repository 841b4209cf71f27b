//! `deployer graph`.

use std::path::PathBuf;

use clap::ValueEnum;
use deployer_base::error::Result;
use deployer_base::files;
use deployer_lang::Compiled;
use deployer_lang::graph::{AddedQueue, Graph, Purpose, Queues};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;

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

/// The pipeline of a stack as a graph.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drawing<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Its resources.
    nodes: Vec<DrawnNode<'a>>,
    /// The flows: starts and data.
    edges: Vec<DrawnEdge<'a>>,
}

/// A resource of the file, or an added queue.
#[derive(Debug, Serialize, JsonSchema)]
struct DrawnNode<'a> {
    /// Name in the file; the logical ID of an added queue.
    name: &'a str,
    /// Type in the file.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Purpose of a queue that is not in the file; with `--expand-queues`.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<AddedPurpose>,
    /// Logical IDs of the added queues that are folded into the node.
    queues: Vec<&'a str>,
}

/// The purpose of a queue that is not in the file.
#[derive(Debug, Serialize, JsonSchema)]
enum AddedPurpose {
    /// Keeps events for a function.
    #[serde(rename = "buffer")]
    Buffer,
    /// Keeps what could not be processed or delivered.
    #[serde(rename = "dead-letter queue")]
    DeadLetters,
}

impl From<Purpose> for AddedPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Buffer => Self::Buffer,
            Purpose::DeadLetters => Self::DeadLetters,
        }
    }
}

/// A flow from one resource to another.
#[derive(Debug, Serialize, JsonSchema)]
struct DrawnEdge<'a> {
    /// Name of the resource where it begins.
    #[schemars(with = "String")]
    from: Option<&'a str>,
    /// Name of the resource where it ends.
    #[schemars(with = "String")]
    to: Option<&'a str>,
    /// Name of the flow.
    label: &'a str,
    /// `true` if it carries what failed.
    failure: bool,
    /// Logical IDs of the added queues that are folded into the flow.
    queues: Vec<&'a str>,
}

fn ids(queues: &[AddedQueue]) -> Vec<&str> {
    queues.iter().map(|queue| queue.id.as_str()).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Svg,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let queues = if args.expand_queues { Queues::Expanded } else { Queues::Folded };
    let graph = Graph::of(&stack, &template, queues);
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
        let nodes = graph.nodes.iter().map(|node| DrawnNode {
            name: &node.name,
            kind: node.kind.name(),
            added: node.added.map(AddedPurpose::from),
            queues: ids(&node.queues),
        });
        let edges = graph.edges.iter().map(|edge| DrawnEdge {
            from: name(edge.from),
            to: name(edge.to),
            label: &edge.label,
            failure: edge.failure,
            queues: ids(&edge.queues),
        });
        return context.ui.json(Drawing {
            stack: &graph.name,
            nodes: nodes.collect(),
            edges: edges.collect(),
        });
    }
    context.ui.data(&text)
}
