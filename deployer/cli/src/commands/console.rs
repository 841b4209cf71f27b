//! `deployer console`: a page that shows a stack at work. One reader reads the stack, however many tabs are open, and rests when
//! none is; requests of the page are answered beside it. All calls are made within one budget.

use deployer_base::error::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::context::Context;
use crate::html;

mod ages;
mod answers;
mod cost;
mod drawing;
mod failure;
mod files;
mod linked;
mod reader;
mod row;
mod running;
mod site;

pub use running::Console;
pub use site::Options;

/// Show a stack at work on a page in the browser: pipeline, files, failures and deployments
///
/// Serves the page on this machine until Ctrl-C, and prints the link to it. Only whoever has the link can see the page. The stack is
/// read while a tab is open, with `--calls-per-minute` calls at most; the page shows what they cost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Port of this machine; one that is free by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Print the link without opening it in the browser
    #[arg(long)]
    no_open: bool,
    /// Allow no uploads and no replays
    #[arg(long)]
    read_only: bool,
    /// Show the values of sensitive fields too
    #[arg(long)]
    show_sensitive: bool,
    /// Most calls in any minute [default: 300 on AWS, 3000 on the local cloud]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls_per_minute: Option<u32>,
    /// Read the stack so many times without a tab, write the state as JSON, and end
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    reads: Option<u32>,
}

/// A console that runs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningConsole<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The link to the page, with the token without which nothing is shown.
    link: &'a str,
    /// `true` if the page changes nothing.
    read_only: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let options = Options {
        port: args.port,
        read_only: args.read_only,
        show_sensitive: args.show_sensitive,
        calls_per_minute: args.calls_per_minute,
        reads: args.reads,
    };
    let console = Console::open(context, args.stack.as_deref(), options).await?;
    if args.reads.is_some() {
        let hub = console.hub();
        console.run().await?;
        let state = serde_json::to_string_pretty(&hub.state());
        let state = state.map_err(|error| Error::failed(error.to_string()))?;
        return context.ui.data(&format!("{state}\n"));
    }
    context.on_interrupt("the page is not served any more", "the pipeline keeps running");
    let stack = console.stack();
    if context.ui.is_json() {
        context.ui.json(RunningConsole { stack: &stack, link: console.link(), read_only: args.read_only })?;
    } else {
        context.ui.data(&format!("{}\n", console.link()))?;
    }
    context.ui.step("serving", format!("{stack} until Ctrl-C; only whoever has the link can see the page"));
    // Without a browser, the link was printed.
    let _entrance = match args.no_open {
        true => None,
        false => show(context, console.link()),
    };
    console.run().await
}

/// Shows a console in the browser. What is returned is needed until it ends.
pub(super) fn show(context: &Context, link: &str) -> Option<NamedTempFile> {
    let opened = html::open_secret(link);
    if opened.is_err() {
        context.ui.warn("no browser could be opened; open the link");
    }
    opened.ok().flatten()
}
