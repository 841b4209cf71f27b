//! The commands, one file each: the doc comment is the help text, `Args` the options, `run` the work.

use std::path::PathBuf;
use std::sync::PoisonError;

use clap::{Parser, Subcommand};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::{Color, MessageFormat, Output};
use deployer_lang::model::organisation::NamedArn;
use deployer_syntax::Span;

use crate::context::Context;
#[cfg(feature = "policies")]
use crate::policies;
use crate::situation;

mod bootstrap;
mod check;
mod completions;
pub mod console;
mod cost;
mod deploy;
mod destroy;
mod dev;
mod diagnose;
mod diff;
mod docs;
mod doctor;
#[cfg(test)]
mod documents;
mod drift;
mod errors;
mod events;
mod forecast;
mod gc;
mod graph;
mod history;
mod import;
mod import_resources;
mod import_template;
mod init;
mod invoke;
mod items;
mod local;
mod logs;
mod ls;
mod lsp;
mod man;
mod r#match;
mod outputs;
mod permissions;
mod preview;
mod recover;
mod replay;
mod rollback;
mod schema;
mod status;
mod synth;
mod tally;
mod upload;
mod verify;

/// Deploy an event-driven pipeline to AWS, or to this machine, from one stack.yaml
///
/// Exit codes: 0 success, 1 failed for a reason outside the file, 2 usage or invalid file, 3 differences found, 4 the deployment
/// failed, 5 refused or declined, 6 no credentials or access denied, 7 rows of a file are not in the table or would fail, 130
/// interrupted, 141 the reader of the output was gone before its end.
#[derive(Debug, Parser)]
#[command(name = "deployer", version, propagate_version = true, max_term_width = 180)]
pub struct Cli {
    /// The stack file [default: stack.yaml of this folder, or of the nearest one above]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Set a config value of the stack; can be given several times
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = key_value)]
    pub config: Vec<(String, String)>,
    /// AWS region (overrides the stack's and AWS_REGION)
    #[arg(long, global = true, value_parser = region)]
    pub region: Option<String>,
    /// AWS profile (overrides AWS_PROFILE)
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// Output format of the data on stdout
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Output,
    /// Format of the problems in a stack file on stderr
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// When to use colour on stderr
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub color: Color,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Show every resource, permission and event, and every AWS call with its time
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Show only data, warnings and errors, and what a question is about
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Args),
    Import(import::Args),
    Ls(ls::Args),
    Check(check::Args),
    Synth(synth::Args),
    Preview(preview::Args),
    Match(r#match::Args),
    Diff(diff::Args),
    Deploy(deploy::Args),
    Dev(dev::Args),
    Destroy(destroy::Args),
    Diagnose(diagnose::Args),
    Recover(recover::Args),
    Events(events::Args),
    Outputs(outputs::Args),
    History(history::Args),
    Rollback(rollback::Args),
    Drift(drift::Args),
    Doctor(doctor::Args),
    Permissions(permissions::Args),
    Bootstrap(bootstrap::Args),
    Gc(gc::Args),
    Verify(verify::Args),
    Upload(upload::Args),
    Status(status::Args),
    Console(console::Args),
    Tally(tally::Args),
    Items(items::Args),
    Replay(replay::Args),
    Errors(errors::Args),
    Logs(logs::Args),
    Invoke(invoke::Args),
    Local(local::Args),
    Schema(schema::Args),
    Lsp(lsp::Args),
    Docs(docs::Args),
    Graph(graph::Args),
    Cost(cost::Args),
    Forecast(forecast::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[cfg(feature = "policies")]
    #[command(hide = true)]
    EvaluateRules(policies::Evaluate),
}

impl Command {
    /// Runs the command. Commands that don't use the network start no runtime, which keeps them fast.
    pub fn run(self, context: &Context) -> Result<()> {
        let own = matches!(
            (&self, context.ui.output),
            (Self::Outputs(_), Output::Env)
                | (Self::Diff(_), Output::Markdown)
                | (Self::Check(_), Output::Sarif)
                | (Self::Preview(_), Output::Ndjson | Output::DynamodbJson | Output::Csv)
        );
        if let (false, Some((command, form))) = (own, context.ui.output.only()) {
            return Err(Error::Usage(
                Message::new(format!("only `deployer {command}` supports `--output {form}`"))
                    .hint("all commands support `--output text` and `--output json`"),
            ));
        }
        match self {
            Self::Init(args) => init::run(context, &args),
            Self::Import(args) => import::run(context, &args),
            Self::Ls(args) if args.status => block_on(interruptible(context, ls::with_status(context))),
            Self::Ls(args) => ls::run(context, &args),
            Self::Check(args) => check::run(context, &args),
            Self::Synth(args) => synth::run(context, &args),
            Self::Preview(args) => preview::run(context, &args),
            Self::Match(args) => r#match::run(context, &args),
            Self::Schema(args) => schema::run(context, &args),
            Self::Lsp(args) => lsp::run(context, &args),
            Self::Docs(args) => docs::run(context, &args),
            Self::Graph(args) => graph::run(context, &args),
            Self::Cost(args) => cost::run(context, &args),
            Self::Forecast(args) => forecast::run(context, &args),
            Self::Permissions(args) => permissions::run(context, &args),
            Self::Completions(args) => completions::run(context, &args),
            Self::Man(args) => man::run(context, &args),
            #[cfg(feature = "policies")]
            Self::EvaluateRules(_) => policies::evaluate(&context.ui),
            Self::Diff(args) => block_on(interruptible(context, diff::run(context, &args))),
            Self::Deploy(args) => block_on(interruptible(context, deploy::run(context, &args))),
            Self::Destroy(args) => block_on(interruptible(context, destroy::run(context, &args))),
            Self::Diagnose(args) => block_on(interruptible(context, diagnose::run(context, &args))),
            Self::Recover(args) => block_on(interruptible(context, recover::run(context, &args))),
            Self::Events(args) => block_on(interruptible(context, events::run(context, &args))),
            Self::Outputs(args) => block_on(interruptible(context, outputs::run(context, &args))),
            Self::History(args) => block_on(interruptible(context, history::run(context, &args))),
            Self::Rollback(args) => block_on(interruptible(context, rollback::run(context, &args))),
            Self::Drift(args) => block_on(interruptible(context, drift::run(context, &args))),
            Self::Doctor(args) => block_on(interruptible(context, doctor::run(context, &args))),
            Self::Bootstrap(args) => block_on(interruptible(context, bootstrap::run(context, &args))),
            Self::Gc(args) => block_on(interruptible(context, gc::run(context, &args))),
            Self::Status(args) => block_on(interruptible(context, status::run(context, &args))),
            Self::Console(args) => block_on(interruptible(context, console::run(context, &args))),
            Self::Tally(args) => block_on(interruptible(context, tally::run(context, &args))),
            Self::Items(args) => block_on(interruptible(context, items::run(context, &args))),
            Self::Replay(args) => block_on(interruptible(context, replay::run(context, &args))),
            Self::Verify(args) => block_on(interruptible(context, verify::run(context, &args))),
            Self::Upload(args) => block_on(interruptible(context, upload::run(context, &args))),
            Self::Errors(args) => block_on(interruptible(context, errors::run(context, &args))),
            Self::Logs(args) => block_on(interruptible(context, logs::run(context, &args))),
            Self::Invoke(args) => block_on(interruptible(context, invoke::run(context, &args))),
            Self::Dev(args) => block_on(dev::run(context, &args)),
            Self::Local(args) => block_on(local::run(context, &args)),
        }
    }
}

fn region(text: &str) -> std::result::Result<String, String> {
    match deployer_lang::document::is_region(text) {
        true => Ok(text.to_owned()),
        false => Err("expected an AWS region, such as eu-west-1".to_owned()),
    }
}

/// The option for the role of CloudFormation.
#[derive(Debug, Default, clap::Args)]
struct RoleArgs {
    /// Role with which CloudFormation works on the stack from now on; by default that of the file, else that of the stack
    #[arg(long, value_name = "ARN", value_parser = role_arn)]
    role_arn: Option<String>,
}

impl RoleArgs {
    /// Returns the role that was given, else the one of the file, which was compared with the account already.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the role that was given is in another account or partition: CloudFormation takes no other.
    fn or(&self, of_file: Option<String>, session: &Session) -> Result<Option<String>> {
        let Some(given) = self.role_arn.clone() else { return Ok(of_file) };
        let given = NamedArn { setting: "--role-arn", text: given, span: Span::default() };
        situation::check_places([&given], session)?;
        Ok(Some(given.text))
    }
}

fn role_arn(text: &str) -> std::result::Result<String, String> {
    match deployer_lang::model::organisation::is_role_arn(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected the ARN of a role, such as arn:aws:iam::111122223333:role/cloudformation"
                .to_owned())
        }
    }
}

/// Reads the number of things that a command shows.
fn count(text: &str) -> std::result::Result<usize, String> {
    const MOST: usize = 1_000;
    text.parse()
        .ok()
        .filter(|count| (1..=MOST).contains(count))
        .ok_or_else(|| "expected a number from 1 to 1000".to_owned())
}

/// Reads the time that a command looks back.
fn period(text: &str) -> std::result::Result<u64, String> {
    deployer_syntax::units::parse_duration(text)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "expected a duration of at least 1s, such as 10m or 2h".to_owned())
}

fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as throttle=5".to_owned()),
    }
}

/// Stops the work on Ctrl-C, and reports which operations continue without the deployer.
async fn interruptible<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {
            let message = context.interruption.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Err(Error::Interrupted(message))
        }
        done = work => done,
    }
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("could not start: {error}")))?;
    let done = runtime.block_on(work);
    // A pending question must not keep the process alive.
    runtime.shutdown_background();
    done
}
