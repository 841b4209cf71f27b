//! `deployer completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;
use deployer_base::error::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::Cli;
use crate::context::Context;

/// Print the script with which a shell completes commands and options
///
/// For example: `deployer completions bash > ~/.local/share/bash-completion/completions/deployer`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// The completions of a shell.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Completions<'a> {
    /// The shell.
    shell: String,
    /// The script for it.
    script: &'a str,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "deployer", &mut out);
    let script = String::from_utf8_lossy(&out);
    if context.ui.is_json() {
        return context.ui.json(Completions { shell: args.shell.to_string(), script: &script });
    }
    context.ui.data(&script)
}
