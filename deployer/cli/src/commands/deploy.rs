//! `deployer deploy`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deployer_aws::cloudformation::Mode;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::{
    AnnouncedChange, DeploymentEvent, DeploymentResult, DoneResult, FailedResult, OutputValues,
};
use deployer_build::publish;
use deployer_cfn::deployed;
use deployer_lang::model::ResourceType;
use deployer_lang::{Compiled, Stack};
use deployer_plan::diff::Diff;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::deployment::{DeployReport, DeployResult, Deployment, Options, Waiting, announced};
use crate::hotswap::{self, Swap, Swapped};
use crate::pipeline;
use crate::plan;
use crate::records::{self, Finished, Kind};
use crate::saved_plan::SavedPlan;
use crate::situation::{Busy, Situation};
use crate::state::{Deployed, Wanted};

/// Build and publish the code, and deploy the stack
///
/// Shows what would change, asks before it creates a stack in an AWS account or widens permissions, and stops if data would be
/// lost. Run it again at any time: what is up to date is not touched, and a deployment that was interrupted is watched until it
/// finishes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Deploy every stack of the file, in parallel
    #[arg(long, conflicts_with_all = ["stack", "plan", "change_set"])]
    all: bool,
    /// Create a change set for `--change-set`, without executing it
    #[arg(long)]
    no_execute: bool,
    /// Execute a change set that `--no-execute` created
    #[arg(long, value_name = "NAME", conflicts_with_all = ["no_execute", "plan", "hotswap", "express"])]
    change_set: Option<String>,
    /// Deploy the plan that `deployer diff --save FILE` saved, and refuse if anything has changed since
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Allow a resource with data to be removed or replaced, by its logical id or its name in the file; can be given several times
    #[arg(long, value_name = "ID")]
    allow_replace: Vec<String>,
    /// Finish as soon as the configuration is applied, without waiting for resources to become ready
    #[arg(long)]
    express: bool,
    /// Leave failed resources as they are for inspection; `deployer recover` repairs the stack
    #[arg(long)]
    no_rollback: bool,
    /// Update the code of functions and tasks without CloudFormation, in seconds; for development
    #[arg(long, conflicts_with_all = ["no_execute", "plan", "express", "no_rollback"])]
    hotswap: bool,
    /// Wait if another operation is in progress on the stack
    #[arg(long)]
    wait: bool,
    /// Write events to a file as they happen, one JSON document per line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// A deployment that did not fail.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentReport<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_id: Option<&'a str>,
    /// The result.
    result: DeploymentResult,
    /// CloudFormation's status of the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    /// Name of the change set that waits to be executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    change_set: Option<&'a str>,
    /// The plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Diff>,
    /// The changes that CloudFormation announced.
    changes: Vec<AnnouncedChange<'a>>,
    /// The outputs of the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OutputValues>")]
    outputs: Option<Map<String, Value>>,
}

/// A deployment that failed, was refused, or was interrupted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentFailure<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Always `failed`.
    result: FailedResult,
    /// The exit code of the command; with `--all`, the one that it would have had for this stack alone.
    exit_code: u8,
    /// The problem.
    error: String,
    /// The way to solve it.
    hint: Option<String>,
}

/// With `--all`: every stack of the file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AllDeployed<'a> {
    /// The stacks, in the order of the file.
    stacks: Vec<StackDeployment<'a>>,
}

/// One of several stacks that were deployed side by side.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "oneOfAll")]
enum StackDeployment<'a> {
    Succeeded(Box<DeploymentReport<'a>>),
    Failed(DeploymentFailure<'a>),
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    if args.express && args.no_rollback {
        return Err(Error::Usage(
            Message::new("`--express` and `--no-rollback` cannot be used together: CloudFormation can neither roll back a stack that failed this way nor update it in standard mode")
                .hint("use only one of them; nothing was changed"),
        ));
    }
    if let Some(path) = &args.events {
        context.ui.record_events(path)?;
    }
    if args.all {
        return all(context, args).await;
    }
    let compiled = context.compile(args.stack.as_deref())?;
    let stack = &compiled.stack;
    match one(context, args, &compiled).await {
        Ok(done) if context.ui.is_json() => context.ui.json(report(stack, &done)),
        Ok(done) => show(context, stack, &done),
        Err(error) => {
            if context.ui.is_json() {
                context.ui.json(failure(stack, &error))?;
            }
            Err(error)
        }
    }
}

/// Returns a failure as data.
fn failure<'a>(stack: &'a Stack, error: &Error) -> DeploymentFailure<'a> {
    let message = error.message().unwrap_or_else(|| Message::new("interrupted"));
    DeploymentFailure {
        stack: &stack.name,
        result: FailedResult::Failed,
        exit_code: error.exit_code(),
        error: message.text,
        hint: message.hint,
    }
}

/// Deploys all stacks of the file at the same time. A stack that fails doesn't stop the others.
async fn all(context: &Context, args: &Args) -> Result<()> {
    let loaded = context.load()?;
    let mut stacks = Vec::new();
    for target in &loaded.document.stacks {
        stacks.push((context.of_stack(&target.stack), context.compile_in(&loaded, target)?));
    }
    context.on_interrupt(
        "CloudFormation continues the deployments that were started",
        "`deployer deploy --all` watches them again",
    );
    let ways = stacks.iter().map(|(own, compiled)| one(own, args, compiled));
    let ends = join_all(ways).await;
    // Failures are shown before anything is written: the reader of the data may have gone.
    let mut worst = 0;
    for ((own, _), end) in stacks.iter().zip(&ends) {
        if let Err(error) = end {
            own.ui.error(&error.message().unwrap_or_else(|| Message::new("interrupted")));
            worst = worst.max(error.exit_code());
        }
    }
    let written = tell(context, &stacks, &ends);
    if worst > 0 { Err(Error::Reported(worst)) } else { written }
}

/// Writes the outcomes of several stacks as data.
fn tell(context: &Context, stacks: &[(Context, Compiled)], ends: &[Result<DeployReport>]) -> Result<()> {
    if context.ui.is_json() {
        let reports = stacks.iter().zip(ends).map(|((_, compiled), end)| match end {
            Ok(done) => StackDeployment::Succeeded(Box::new(report(&compiled.stack, done))),
            Err(error) => StackDeployment::Failed(failure(&compiled.stack, error)),
        });
        return context.ui.json(AllDeployed { stacks: reports.collect() });
    }
    for ((own, Compiled { stack, .. }), end) in stacks.iter().zip(ends) {
        if let Ok(done) = end {
            context.ui.data(&format!("{}\n", stack.name))?;
            show(own, stack, done)?;
        }
    }
    Ok(())
}

/// Deploys one stack; the result is also written as an event.
async fn one(context: &Context, args: &Args, compiled: &Compiled) -> Result<DeployReport> {
    let end = go(context, args, compiled).await;
    let (result, error) = match &end {
        Ok(done) => (DoneResult::Succeeded(done.result.summary()), None),
        Err(error) => (DoneResult::Failed(FailedResult::Failed), error.message().map(|message| message.text)),
    };
    context.ui.event(&DeploymentEvent::Done { stack: &compiled.stack.name, result, error });
    end
}

async fn go(context: &Context, args: &Args, compiled: &Compiled) -> Result<DeployReport> {
    let stack = &compiled.stack;
    let saved = args.plan.as_deref().map(SavedPlan::load).transpose()?;
    let look =
        Situation::new(context, compiled, true, if args.wait { Busy::Wait } else { Busy::Refuse }).await?;
    let cloudformation = &look.cloudformation;
    let mode = Mode { express: args.express, no_rollback: args.no_rollback };
    let options = Options {
        allow_replace: args.allow_replace.clone(),
        no_execute: args.no_execute,
        mode,
        accepted: saved.is_some(),
        side_by_side: args.all,
    };
    if let Some(name) = &args.change_set {
        return waiting(context, &look, stack, name, &options).await;
    }
    let deployed = look.deployed.as_ref();
    let deployment = Deployment {
        context,
        session: &look.session,
        cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &look.wanted,
        deployed,
        options: &options,
    };
    if let Some(saved) = saved {
        saved.check(&SavedPlan::of(&look.session, &look.wanted, deployed, &deployment.plan()))?;
    }
    if let Some(found) = deployed
        && plan::is_current(found, &look.wanted.text, &look.wanted.code)
    {
        if stack.target.protect && !found.stack.protected {
            cloudformation.protect(&found.stack.id, true).await?;
            context.ui.step("protected", "termination protection is on, because of `protect: true`");
        }
        let result = match look.resumed {
            Some(took) => {
                deployment.record(&found.stack.id, None, took, &found.stack.parameters, &[]).await;
                context.ui.step("done", format!("{} is in {}", stack.name, found.stack.status));
                DeployResult::Deployed
            }
            None => {
                context.ui.step("done", format!("nothing to do: {} is up to date", stack.name));
                DeployResult::Unchanged
            }
        };
        let stack = Some(found.stack.clone());
        return Ok(DeployReport { result, plan: None, changes: Vec::new(), stack });
    }
    let done = match (args.hotswap, deployed) {
        (true, Some(deployed)) => swap(context, &look, stack, deployed).await?,
        (true, None) => {
            return Err(Error::Refused(
                Message::new(format!("{} is not deployed, so it has no code to swap", stack.name))
                    .hint("deploy it without `--hotswap` first"),
            ));
        }
        (false, _) => deployment.run().await?,
    };
    match (&done.result, args.hotswap) {
        (DeployResult::Unchanged, _) => {
            context.ui.step("done", format!("nothing to do: {} is up to date", stack.name));
        }
        (DeployResult::Swapped, false) => {
            context.ui.step("done", "the code of the last deployment is in place again")
        }
        _ => {}
    }
    Ok(done)
}

/// Executes a change set that waits for it.
async fn waiting(
    context: &Context,
    look: &Situation,
    stack: &Stack,
    name: &str,
    options: &Options,
) -> Result<DeployReport> {
    let cloudformation = &look.cloudformation;
    let found = match &look.deployed {
        Some(_) => cloudformation.find_change_set(&stack.name, name).await?,
        None => None,
    };
    let Some(found) = found else {
        return Err(Error::Usage(
            Message::new(format!("{} has no change set named {name}", stack.name))
                .hint("`deployer deploy --no-execute` creates one; any other deployment invalidates it"),
        ));
    };
    // An ARN names a change set of any stack.
    if found.stack != stack.name {
        return Err(Error::Usage(Message::new(format!(
            "{name} is a change set of {}, not of {}",
            found.stack, stack.name
        ))));
    }
    if let Err(status) = &found.available {
        return Err(Error::Refused(
            Message::new(format!("the change set {name} of {} can't be executed: {status}", stack.name))
                .hint("create another one with `deployer deploy --no-execute`"),
        ));
    }
    if options.mode.no_rollback && found.says_what_on_failure {
        return Err(Error::Usage(
            Message::new(format!(
                "the change set {name} of {} already defines what happens on failure, so it cannot be executed with \
                 `--no-rollback`",
                stack.name
            ))
            .hint("create another one with `deployer deploy --no-execute --no-rollback`; nothing was changed"),
        ));
    }
    let text = cloudformation.change_set_template(&stack.name, name).await?.unwrap_or_default();
    let wanted = Wanted {
        kind: Kind::Deploy,
        template: deployed::read(&text),
        text,
        parameters: found.parameters,
        tags: found.tags,
        origins: look.wanted.origins.clone(),
        code: Vec::new(),
    };
    let deployment = Deployment {
        context,
        session: &look.session,
        cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &wanted,
        deployed: look.deployed.as_ref(),
        options,
    };
    deployment.execute_waiting(Waiting { name: found.name, changes: found.changes }).await
}

/// Swaps code without CloudFormation.
async fn swap(
    context: &Context,
    look: &Situation,
    stack: &Stack,
    deployed: &Deployed,
) -> Result<DeployReport> {
    if !plan::is_template(deployed, &look.wanted.text) {
        return Err(Error::Refused(
            Message::new("more than code has changed since the last deployment").hint(
                "`deployer diff` shows the changes; deploy them without `--hotswap`; nothing was changed",
            ),
        ));
    }
    plan::action(Some(&deployed.stack))?;
    let differs = |(name, value): &(&String, &String)| {
        Swapped::in_use(deployed.swapped.as_ref(), &deployed.stack.parameters, name) != Some(value)
    };
    let parameters = look.wanted.parameters.iter().filter(differs);
    hotswap::check(&deployed.template, parameters.map(|(name, _)| name))?;
    let resources = look.cloudformation.resources(&deployed.stack.id);
    let (values, resources) = tokio::join!(publish(&context.ui, &look.session, &look.wanted.code), resources);
    let (values, resources) = (values?, resources?);
    let new: BTreeMap<String, String> =
        values.into_iter().filter(|(name, value)| differs(&(name, value))).collect();
    let done = |result| DeployReport {
        result,
        plan: None,
        changes: Vec::new(),
        stack: Some(deployed.stack.clone()),
    };
    if new.is_empty() {
        return Ok(done(DeployResult::Unchanged));
    }
    let started = std::time::Instant::now();
    let swap = Swap {
        context,
        session: &look.session,
        stack: &stack.name,
        stack_id: &deployed.stack.id,
        template: &deployed.template,
        deployed: &deployed.stack.parameters,
        resources: &resources,
        before: deployed.swapped.clone(),
    };
    let swapped = swap.run(&new).await?;
    let mut parameters = deployed.stack.parameters.clone();
    parameters.extend(swapped.parameters);
    let finished = Finished {
        stack: &stack.name,
        stack_id: &deployed.stack.id,
        kind: Kind::Hotswap,
        cause: None,
        took: started.elapsed(),
        template: Some(&deployed.text),
        parameters: &parameters,
        tags: &deployed.stack.tags,
        changes: &[],
    };
    records::keep(context, &look.session, &finished).await;
    context.ui.step("done", format!("code swapped: {}", hotswap::names(&new)));
    context.ui.note("\nthis code is not recorded in CloudFormation; `deployer deploy` makes it permanent");
    Ok(done(DeployResult::Swapped))
}

/// Shows the outputs to people.
fn show(context: &Context, stack: &Stack, done: &DeployReport) -> Result<()> {
    match (&done.result, &done.stack) {
        (DeployResult::Planned(_), _) | (_, None) => Ok(()),
        (result, Some(deployed)) => {
            super::outputs::show(context, stack, deployed)?;
            if let (DeployResult::Deployed, Some(next)) = (result, next_step(stack)) {
                context.ui.note(format!("\nnext: {next}"));
            }
            Ok(())
        }
    }
}

/// Returns the command with which the user can use the deployed stack, if its pipeline begins with a file.
fn next_step(stack: &Stack) -> Option<String> {
    let landing = pipeline::landing(stack, None).ok()?;
    let ResourceType::Bucket(bucket) = &landing.is else { return None };
    let suffix = bucket.notify.iter().find_map(|one| one.suffix.as_deref()).unwrap_or_default();
    let wait = if pipeline::tally(stack).is_ok() { " --wait" } else { "" };
    Some(format!("deployer upload FILE{suffix} {}{wait}", stack.target.stack))
}

/// Returns the outcome as data.
fn report<'a>(stack: &'a Stack, done: &'a DeployReport) -> DeploymentReport<'a> {
    let deployed = done.stack.as_ref();
    let change_set = match &done.result {
        DeployResult::Planned(name) => Some(name.as_str()),
        _ => None,
    };
    DeploymentReport {
        stack: &stack.name,
        stack_id: deployed.map(|deployed| deployed.id.as_str()),
        result: done.result.summary(),
        status: deployed.map(|deployed| deployed.status.as_str()),
        change_set,
        plan: done.plan.as_ref().map(|plan| &plan.diff),
        changes: announced(&done.changes),
        outputs: deployed.map(|deployed| super::outputs::values(stack, deployed)),
    }
}
