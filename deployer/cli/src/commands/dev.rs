//! `deployer dev`.

use std::io::IsTerminal as _;

use deployer_base::error::Result;

use super::logs::filter::{Filter, Level};
use crate::context::Context;

use rounds::Settings;

mod check;
mod cloud;
mod inputs;
mod pace;
mod page;
pub(super) mod report;
mod rounds;
mod tail;
mod watch;

/// Check and deploy to the local cloud on every save, and show the logs
///
/// Watches the stack file, the files that it names and the code of functions and tasks. A file with errors deploys nothing; changes
/// of code alone are swapped in place, all others go through CloudFormation. Questions are those of `deployer deploy`; data that
/// would be lost is asked about on a terminal, and refused without one. Serves the page of `deployer console` from the first deployment
/// on, with the problems of the file at its top. Starts the local cloud if it is not running, and Ctrl-C
/// stops it then. With `--output json`, stdout has an event a line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the default stack, or only one of the file, has `target: local`
    stack: Option<String>,
    /// Show no logs of functions and tasks
    #[arg(long)]
    no_logs: bool,
    /// Only log lines of this level or a more important one, and lines without a level that Lambda did not write itself
    #[arg(long, value_enum, default_value = "info", conflicts_with = "no_logs")]
    level: Level,
    /// Print the link to the page of the console without opening it in the browser, as without a terminal
    #[arg(long)]
    no_open: bool,
    /// Serve no page
    #[arg(long, conflicts_with = "no_open")]
    no_console: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let filter = Filter { level: Some(args.level), ..Filter::default() };
    let logs = (!args.no_logs).then_some(filter);
    let page = (!args.no_console).then(|| !args.no_open && std::io::stderr().is_terminal());
    rounds::run(context, &Settings { stack: args.stack.clone(), logs, page }).await
}
