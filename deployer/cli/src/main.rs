//! `deployer`: puts an event-driven pipeline on AWS, or on a laptop, from one `stack.yaml`.
//!
//! Parses the command line, runs one command, and maps the kind of error to an exit code.

mod commands;
mod context;
mod data_loss;
mod deployment;
mod diagnosis;
mod gates;
mod gc;
mod guess;
mod hotswap;
mod html;
mod markdown;
mod operation;
mod pipeline;
mod plan;
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
mod watch;

use std::process::ExitCode;

use clap::Parser;
use deployer_base::error::Message;
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
        interruption: std::sync::Mutex::new(Message::new("interrupted")),
    };
    match cli.command.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            context.ui.failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Exits as clap would: with help or the version on stdout, or with the usage error on stderr; the error is also
/// written as a document if JSON is requested.
fn usage(error: &clap::Error, args: impl Iterator<Item = String>) -> ExitCode {
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
