//! `deployer cost`.

use stack_core::cost::{Load, estimate, render};

use crate::context::Context;
use crate::error::Result;
use crate::markdown;
use crate::plan::synthesize;

/// Estimates the cost of a stack, idle and for the rows of a file, without calling AWS.
///
/// Uses the stack file and list prices of one region, and lists its assumptions and what has no known price. For a stack without
/// the deployer's workers it lists the prices of what the stack uses. `deployer docs cost` shows an example.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
    /// Rows of the file.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    rows: u64,
    /// Bytes of a row in the file. An item of DynamoDB has 400,000 at most.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=400_000))]
    bytes_per_row: u64,
    /// Compares it with the pattern that this pipeline reimplements.
    #[arg(long)]
    compare: bool,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let load = Load { rows: args.rows, bytes_per_row: args.bytes_per_row };
    let estimate = estimate(&stack, &synthesize(&stack)?, load);
    if context.ui.is_json() {
        return context.ui.json(estimate.to_value());
    }
    context.ui.data(&markdown::to_terminal(&render(&estimate, args.compare)))
}
