//! `deployer cost`.

use deployer_base::error::{Error, Message, Result};
use deployer_lang::Compiled;
use deployer_plan::cost::{Load, estimate, render};

use crate::context::Context;
use crate::markdown;

/// Estimate the cost of a stack, idle and for the rows of a file, without calling AWS
///
/// Uses the stack file and the list prices of one region. Lists its assumptions, and the resources without a known price. For a
/// stack without the deployer's workers, lists the prices of what the stack uses. `deployer docs cost` shows an example.
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
    /// Number of rows that `where` leaves out
    #[arg(long, value_name = "N", default_value_t = 0)]
    skipped: u64,
    /// Number of runs of such rows, one after another [default: each by itself]
    #[arg(long, value_name = "N")]
    skipped_runs: Option<u64>,
    /// Compare the cost with that of the pattern that this pipeline reimplements
    #[arg(long)]
    compare: bool,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let Args { rows, bytes_per_row, skipped, .. } = *args;
    if skipped > rows {
        return Err(Error::Usage(Message::new(format!(
            "`--skipped {skipped}` is more than the {rows} rows of the file"
        ))));
    }
    // Between two runs there is a row that is not left out.
    let most = skipped.min(rows - skipped + 1);
    let skipped_runs = args.skipped_runs.unwrap_or(most);
    if skipped_runs > most || (skipped_runs == 0 && skipped > 0) {
        return Err(Error::Usage(
            Message::new(format!(
                "`--skipped-runs {skipped_runs}` is not possible for {skipped} of {rows} rows"
            ))
            .hint(format!("it is between {} and {most}", skipped.min(1))),
        ));
    }
    let load = Load { rows, bytes_per_row, skipped, skipped_runs };
    let estimate = estimate(&stack, &template, load);
    if context.ui.is_json() {
        return context.ui.json(&estimate);
    }
    context.ui.data(&markdown::to_terminal(&render(&estimate, args.compare)))
}
