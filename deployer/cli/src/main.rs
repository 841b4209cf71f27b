//! `deployer`: puts an event-driven pipeline on AWS, or on a laptop, from one `stack.yaml`.
//!
//! Parses the command line, runs one command, and maps the kind of error to an exit code.

mod assets;
mod aws;
mod commands;
mod contents;
mod context;
mod deployment;
mod diagnosis;
mod error;
mod files;
mod garbage;
mod gates;
mod hotswap;
mod html;
mod local;
mod look;
mod markdown;
mod operation;
mod pipeline;
mod plan;
mod precheck;
mod progress;
mod records;
mod recovery;
mod retry;
mod saved_plan;
mod tasks;
mod time;
mod ui;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use context::Context;
use error::{Error, Message};
use ui::{Color, MessageFormat, Output, Settings, Ui};

/// Deploy an event-driven pipeline to AWS, or to this machine, from one stack.yaml
///
/// Exit codes: 0 success, 1 failed for a reason outside the file, 2 usage or invalid file, 3 differences found, 4 the deployment
/// failed, 5 refused or declined, 6 no credentials or access denied, 7 rows of a file are not in the table, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "deployer", version, propagate_version = true, max_term_width = 180)]
struct Cli {
    /// The stack file [default: stack.yaml of this folder, or of the nearest one above]
    #[arg(short, long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Set a config value of the stack; can be given several times
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = key_value)]
    config: Vec<(String, String)>,
    /// AWS region (overrides the stack's and AWS_REGION).
    #[arg(long, global = true, value_parser = region)]
    region: Option<String>,
    /// AWS profile (overrides AWS_PROFILE).
    #[arg(long, global = true)]
    profile: Option<String>,
    /// Output format of the data on stdout.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    /// Format of the problems in a stack file on stderr
    #[arg(long, global = true, value_enum, default_value = "human")]
    message_format: MessageFormat,
    /// When to use colour on stderr
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
    /// Answer yes to every question.
    #[arg(short, long, global = true)]
    yes: bool,
    /// Show every resource, permission and event.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

fn region(text: &str) -> Result<String, String> {
    match stack_core::document::is_region(text) {
        true => Ok(text.to_owned()),
        false => Err("expected an AWS region, such as eu-west-1".to_owned()),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as throttle=5".to_owned()),
    }
}

fn document_error(error: &stack_core::document::SelectError) -> Error {
    Error::Usage(Message::new(error.to_string()).hint("`deployer ls` lists the stacks of the file"))
}

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

/// Ends as clap would: with help or version on stdout, or with what is wrong on stderr; that as a document too when JSON
/// is wanted.
fn usage(error: &clap::Error, args: impl Iterator<Item = String>) -> ExitCode {
    // Closed pipes are no failure.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if wants_json(args) {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        let (what, more) = text.split_once("\n\n").unwrap_or((text, ""));
        let message = Message { hint: (!more.is_empty()).then(|| more.to_owned()), ..Message::new(what) };
        ui::write_failure("usage", &message, EXIT_USAGE);
    }
    ExitCode::from(EXIT_USAGE)
}

/// The exit code of [`Error::Usage`], which is clap's as well.
const EXIT_USAGE: u8 = 2;

/// Whether a command line that can't be read as a whole asks for JSON.
fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.take_while(|arg| arg != "--").collect();
    args.iter().any(|arg| arg == "--output=json")
        || args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
}
