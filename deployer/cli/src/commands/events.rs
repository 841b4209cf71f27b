//! `deployer events`.

use deployer_aws::Pause;
use deployer_aws::cloudformation::{CloudFormation, Event};
use deployer_base::error::{Error, Result};
use deployer_base::output::Versioned;
use deployer_plan::diagnose::phases;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::diagnosis;

/// Show the events of the newest operation on a stack, oldest first
///
/// Works for deleted stacks too, for 90 days. With `--output json`, prints one document per line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Show all operations, not only the newest
    #[arg(long)]
    all: bool,
    /// Keep showing new events, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

/// An event of a stack, in a line of its own.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventReport<'a> {
    /// Time of the event, by CloudFormation.
    time: &'a str,
    /// Logical ID of the resource, or the name of the stack.
    logical_id: &'a str,
    /// Name, URL, ID or ARN; empty when there is none yet.
    physical_id: &'a str,
    /// CloudFormation type.
    #[serde(rename = "type")]
    resource_type: &'a str,
    /// CloudFormation's status of the resource.
    status: &'a str,
    /// CloudFormation's words.
    reason: Option<&'a str>,
    /// `true` if it is about the stack and not about one of its resources.
    of_stack: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    let Some(known) = cloudformation.last_of_name(&stack.name).await? else {
        return Err(Error::failed_with_hint(
            format!("{} was never deployed here", stack.name),
            format!("run `deployer deploy {}`", stack.target.stack),
        ));
    };
    let events = cloudformation.events_after(&known.id, None).await?;
    let read: Vec<_> = events.iter().map(diagnosis::event).collect();
    let count = if args.all { events.len() } else { phases::newest(&read).len() };
    show(context, events.get(events.len().saturating_sub(count)..).unwrap_or_default())?;
    if args.follow {
        context.on_interrupt("no more events are shown", "the operation continues in AWS");
        follow(context, &cloudformation, &known.id, events.last().map(|event| event.id.clone())).await?;
    }
    Ok(())
}

/// Shows new events until Ctrl-C.
async fn follow(
    context: &Context,
    cloudformation: &CloudFormation,
    stack_id: &str,
    last: Option<String>,
) -> Result<()> {
    let mut last = last;
    let mut pause = Pause::new();
    loop {
        pause.wait().await;
        match cloudformation.events_after(stack_id, last.as_deref()).await {
            Ok(events) => {
                show(context, &events)?;
                if let Some(event) = events.last() {
                    last = Some(event.id.clone());
                    pause.reset();
                }
            }
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(context: &Context, events: &[Event]) -> Result<()> {
    if !context.ui.is_json() {
        if events.is_empty() {
            return Ok(());
        }
        let rows = events.iter().map(|event| {
            let reason = event.reason.clone().unwrap_or_default();
            [
                event.time.clone(),
                event.status.clone(),
                event.logical_id.clone(),
                event.resource_type.clone(),
                reason,
            ]
        });
        return context
            .ui
            .data(&deployer_base::ui::table(["time", "status", "resource", "type", "reason"], rows));
    }
    let lines = events.iter().map(|event| {
        let report = EventReport {
            time: &event.time,
            logical_id: &event.logical_id,
            physical_id: &event.physical_id,
            resource_type: &event.resource_type,
            status: &event.status,
            reason: event.reason.as_deref(),
            of_stack: event.of_stack,
        };
        format!("{}\n", Versioned::new(report).to_line())
    });
    context.ui.data(&lines.collect::<String>())
}
