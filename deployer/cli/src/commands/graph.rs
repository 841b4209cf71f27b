//! `deployer graph`.

use std::path::PathBuf;

use clap::ValueEnum;
use deployer_base::error::Result;
use deployer_base::files;
use schemars::JsonSchema;
use serde::Serialize;
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

/// The pipeline of a stack as a graph.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drawing<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Its resources.
    nodes: Vec<DrawnNode<'a>>,
    /// What starts what, and where data flows.
    edges: Vec<DrawnEdge<'a>>,
}

/// A resource of the file.
#[derive(Debug, Serialize, JsonSchema)]
struct DrawnNode<'a> {
    /// Name in the file.
    name: &'a str,
    /// Type in the file.
    #[serde(rename = "type")]
    kind: &'a str,
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
    /// What flows.
    label: &'a str,
    /// Whether it is taken only after a failure.
    failure: bool,
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
        let nodes = graph.nodes.iter().map(|node| DrawnNode { name: &node.name, kind: node.kind.name() });
        let edges = graph.edges.iter().map(|edge| DrawnEdge {
            from: name(edge.from),
            to: name(edge.to),
            label: &edge.label,
            failure: edge.failure,
        });
        return context.ui.json(Drawing {
            stack: &graph.name,
            nodes: nodes.collect(),
            edges: edges.collect(),
        });
    }
    context.ui.data(&text)
}
