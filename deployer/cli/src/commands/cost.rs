//! `deployer cost`.

use stack_core::cost::{Load, estimate, render};

use crate::context::Context;
use crate::error::Result;
use crate::markdown;
use crate::plan::synthesize;

/// Says what a stack costs: while idle, and for the rows of a file that go through it. Asks nobody.
///
/// Counted from the file with list prices of one region; what was assumed and what is not known is said. Stacks without the
/// deployer's workers have no rows: the prices of what they use stand in their place. `deployer docs cost` shows an example.
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
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let load = Load { rows: args.rows, bytes_per_row: args.bytes_per_row };
    let estimate = estimate(&stack, &synthesize(&stack)?, load);
    if context.ui.is_json() {
        return context.ui.json(estimate.to_value());
    }
    context.ui.data(&markdown::to_terminal(&render(&estimate)))
}
