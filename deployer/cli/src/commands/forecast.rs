//! `deployer forecast`.

use deployer_base::error::Result;
use deployer_lang::Compiled;
use deployer_plan::cost::Load;
use deployer_plan::cost::forecast::{forecast, render};

use crate::context::Context;
use crate::markdown;

/// Estimate how long the rows of a file take, and what limits them, without calling AWS
///
/// Uses the stack file, the default quotas of its region, and times that were measured on the local cloud. Names the one
/// change of the file that helps most. `deployer docs forecast` shows an example; `deployer preview` estimates the time of
/// one file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Number of rows in the file
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    rows: u64,
    /// Size of a row in bytes; a DynamoDB item has at most 400,000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=400_000))]
    bytes_per_row: u64,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, .. } = context.compile(args.stack.as_deref())?;
    let forecast =
        forecast(&stack, Load { rows: args.rows, bytes_per_row: args.bytes_per_row, ..Load::default() });
    if context.ui.is_json() {
        return context.ui.json(&forecast);
    }
    context.ui.data(&markdown::to_terminal(&render(&forecast)))
}
