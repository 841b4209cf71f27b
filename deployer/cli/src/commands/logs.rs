//! `deployer logs`.

use std::time::Duration;

use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::logs::log_events::{LogEvent, LogReader};
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::Versioned;
use deployer_cfn::template::logical_id;
use deployer_lang::model::{ResourceType, Stack};
use schemars::JsonSchema;
use serde::Serialize;

use super::period;
use crate::context::Context;

pub mod filter;

use filter::{Filter, Level};

/// Show the logs of functions and tasks
///
/// `--level`, `--key` and `--row` choose lines; at the end, the number of the others is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Function or task; all of them by default
    resource: Option<String>,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Keep showing new log events, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// How far back to start; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = period)]
    since: u64,
    /// Only lines of this level or a more important one, and lines without a level that Lambda did not write itself
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Only lines about the object with this key
    #[arg(long)]
    key: Option<String>,
    /// Only lines about this row of the object
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(u64).range(1..))]
    row: Option<u64>,
}

/// A log event, in a line of its own.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LoggedEvent<'a> {
    /// Name in the file of the function or task.
    resource: &'a str,
    /// Milliseconds since 1970.
    timestamp: i64,
    /// The message.
    message: &'a str,
}

/// Interval at which new log events are looked for.
const INTERVAL: Duration = Duration::from_secs(1);

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let (stack, resource) = stack_and_resource(context, args)?;
    let names = chosen(&stack, resource)?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = cloudformation.resources(&stack.name).await?;
    let since = i64::try_from(args.since.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let start = now().saturating_sub(since).max(0);
    let mut readers = Vec::new();
    for name in names {
        match log_group(&resources, &name) {
            Some(group) => readers.push((name, LogReader::new(&session, group, start))),
            None => context.ui.warn(format!("`{name}` is not part of the deployed stack {}", stack.name)),
        }
    }
    if readers.is_empty() {
        return Err(Error::failed_with_hint(
            format!("the deployed stack {} has no such logs", stack.name),
            format!("run `deployer deploy {}`", stack.target.stack),
        ));
    }
    context.on_interrupt("no more logs are shown", "the pipeline keeps running");
    let filter = Filter { level: args.level, key: args.key.clone(), row: args.row };
    let width = readers.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    loop {
        // One after another: CloudWatch allows only a few of these calls a second.
        let mut events: Vec<(String, LogEvent)> = Vec::new();
        for (name, reader) in &mut readers {
            match reader.next().await {
                Ok(page) => events.extend(page.into_iter().map(|event| (name.clone(), event))),
                Err(error) if args.follow && error.is_transient() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let all = events.len();
        events.retain(|(_, event)| filter.takes(&event.message));
        let left_out = all - events.len();
        events.sort_by_key(|(_, event)| event.timestamp);
        let mut out = String::new();
        for (name, event) in events {
            if context.ui.is_json() {
                let line =
                    LoggedEvent { resource: &name, timestamp: event.timestamp, message: &event.message };
                out.push_str(&format!("{}\n", Versioned::new(line).to_line()));
            } else {
                out.push_str(&format!("{name:<width$}  {}\n", deployer_base::text::harmless(&event.message)));
            }
        }
        context.ui.data(&out)?;
        if !args.follow {
            if left_out > 0 {
                let noun = if left_out == 1 { "line is" } else { "lines are" };
                context.ui.note(format!("{left_out} other {noun} not shown"));
            }
            return Ok(());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Returns the stack and the resource that are meant: `logs dev` means the stack `dev`, unless a function or task has
/// that name.
fn stack_and_resource<'a>(context: &Context, args: &'a Args) -> Result<(Stack, Option<&'a str>)> {
    let resource = args.resource.as_deref();
    if let (Some(name), None) = (resource, &args.stack) {
        let document = context.load()?.document;
        if document.stacks.iter().any(|stack| stack.stack == name) && !document.has_resource(name) {
            return Ok((context.load_stack(Some(name))?, None));
        }
    }
    Ok((context.load_stack(args.stack.as_deref())?, resource))
}

/// Returns the functions and tasks whose logs are requested.
fn chosen(stack: &Stack, name: Option<&str>) -> Result<Vec<String>> {
    let known: Vec<String> = stack
        .resources
        .iter()
        .filter(|resource| matches!(resource.is, ResourceType::Function(_) | ResourceType::Task(_)))
        .map(|resource| resource.name.clone())
        .collect();
    match name {
        None => Ok(known),
        Some(name) if known.iter().any(|candidate| candidate == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Error::Usage(
            Message::new(format!("no function or task is named `{name}`"))
                .hint(format!("the stack has {}", known.join(", "))),
        )),
    }
}

/// Returns the name of the log group of a function or task.
pub fn log_group<'r>(resources: &'r [StackResource], name: &str) -> Option<&'r str> {
    let id = format!("{}Logs", logical_id(name));
    let found =
        resources.iter().find(|resource| resource.logical_id == id && !resource.physical_id.is_empty());
    found.map(|resource| resource.physical_id.as_str())
}

/// Returns the milliseconds since 1970.
pub fn now() -> i64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    time.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
