//! `deployer`: puts an event-driven pipeline on AWS, or on a laptop, from one `stack.yaml`.
//!
//! Parses the command line, runs one command, and maps the kind of error to an exit code.

mod account_usage;
mod adoption;
mod commands;
mod context;
mod data_loss;
mod deployment;
mod diagnosis;
mod existing;
mod gates;
mod gc;
mod generation;
mod guess;
mod hotswap;
mod html;
mod lsp;
mod markdown;
mod operation;
mod parameters;
mod pipeline;
mod plan;
mod policies;
mod precheck;
mod preview;
mod progress;
mod records;
mod recovery;
mod retry;
mod saved_plan;
mod situation;
mod state;
mod tasks;
mod uri;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use deployer_base::error::{Error, Message};
use deployer_base::output::FailureKind;
use deployer_base::ui::{self, Settings, Ui};

use commands::Cli;
use context::Context;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error, std::env::args()),
    };
    let context = Context {
        ui: Ui::new(Settings {
            output: cli.output,
            color: cli.color,
            messages: cli.message_format,
            yes: cli.yes,
            verbose: cli.verbose,
            quiet: cli.quiet,
        }),
        searched: cli.file.is_none(),
        file: cli.file.unwrap_or_else(context::nearest_file),
        config: cli.config,
        region: cli.region,
        profile: cli.profile,
        calls: None,
        interruption: std::sync::Mutex::new(Message::new("interrupted")),
        meter: None,
    };
    match cli.command.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            context.ui.failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The commit of the sources, if the build was told.
const COMMIT: Option<&str> = option_env!("DEPLOYER_COMMIT");

/// Returns the version in a line: that of the deployer, the commit that it was built from, and the workers in it.
fn version() -> deployer_base::error::Result<String> {
    let workers = deployer_build::embed::workers()?;
    let commit = COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    Ok(format!("deployer {} (commit {commit}, workers: {workers})\n", env!("CARGO_PKG_VERSION")))
}

/// Exits as clap would: with help or the version on stdout, or with the usage error on stderr; the error is also
/// written as a document if JSON is requested.
fn usage(error: &clap::Error, args: impl Iterator<Item = String>) -> ExitCode {
    if error.kind() == clap::error::ErrorKind::DisplayVersion {
        let ui = Ui::new(Settings::default());
        return match version().and_then(|version| ui.data(&version)) {
            Ok(()) | Err(Error::BrokenPipe) => ExitCode::SUCCESS,
            Err(error) => {
                ui.failure(&error);
                ExitCode::from(error.exit_code())
            }
        };
    }
    // A closed pipe is not an error.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if wants_json(args) {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        let (what, more) = text.split_once("\n\n").unwrap_or((text, ""));
        let message = Message { hint: (!more.is_empty()).then(|| more.to_owned()), ..Message::new(what) };
        ui::write_failure(FailureKind::Usage, &message, EXIT_USAGE);
    }
    ExitCode::from(EXIT_USAGE)
}

/// The exit code of [`deployer_base::error::Error::Usage`], which is clap's as well.
const EXIT_USAGE: u8 = 2;

/// Returns whether a command line that can't be parsed completely asks for JSON.
fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.take_while(|arg| arg != "--").collect();
    args.iter().any(|arg| arg == "--output=json")
        || args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
}
