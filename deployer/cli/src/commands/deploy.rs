//! `deployer deploy`.

use std::path::PathBuf;

use deployer_aws::cloudformation::{DeployedStack, Mode};
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::{
    AnnouncedChange, DeploymentEvent, DeploymentResult, DoneResult, FailedResult, OutputValues,
};
use deployer_cfn::deployed;
use deployer_cfn::status::Status;
use deployer_lang::model::ResourceType;
use deployer_lang::{Compiled, Stack};
use deployer_plan::diff::Diff;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::RoleArgs;
use super::verify::Verification;
use crate::context::Context;
use crate::deployment::{DeployReport, DeployResult, Deployment, Losses, Options, Waiting, announced};
use crate::existing;
use crate::pipeline;
use crate::plan;
use crate::records::Kind;
use crate::saved_plan::SavedPlan;
use crate::situation::{self, Busy, Look, Situation};
use crate::state::{Deployed, Wanted};

mod swap;

pub(super) use swap::Swapping;

/// Build and publish the code, and deploy the stack
///
/// Shows what would change, asks before it creates a stack in an AWS account or widens permissions, and stops if data would be
/// lost. Run it again at any time: what is up to date is not touched, and a deployment that was interrupted is watched until it
/// finishes.
#[derive(Debug, Default, clap::Args)]
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
    /// Adopt nothing that a deleted stack of this name has kept: create all resources anew, with new names for buckets
    #[arg(long, conflicts_with_all = ["change_set", "hotswap"])]
    fresh: bool,
    /// Finish as soon as the configuration is applied, without waiting for resources to become ready
    #[arg(long)]
    express: bool,
    /// Leave failed resources as they are for inspection; `deployer recover` repairs the stack
    #[arg(long)]
    no_rollback: bool,
    /// Update the code of functions and tasks without CloudFormation, in seconds; for development
    #[arg(long, conflicts_with_all = ["no_execute", "plan", "express", "no_rollback"])]
    hotswap: bool,
    /// Also take back what was changed by other means since the last deployment: properties of the template, and deleted resources
    #[arg(long, conflicts_with_all = ["change_set", "express", "fresh", "hotswap", "plan"])]
    revert_drift: bool,
    #[command(flatten)]
    role: RoleArgs,
    /// Wait if another operation is in progress on the stack
    #[arg(long)]
    wait: bool,
    /// Verify the pipeline afterwards, as `deployer verify` does; with `rollback`, deploy again what was deployed before if it fails
    #[arg(
        long,
        value_name = "ACTION",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "report",
        conflicts_with_all = ["all", "no_execute", "change_set"]
    )]
    verify: Option<Verify>,
    /// Write events to a file as they happen, one JSON document per line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// The reaction to a verification that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verify {
    /// Name the hop that fails
    Report,
    /// Deploy again what was deployed before
    Rollback,
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
    /// With `--verify`: the verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
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
    let compiled = context.compile_by_policies(args.stack.as_deref())?;
    let stack = &compiled.stack;
    if args.verify.is_some() {
        // What can't be verified is not deployed in the hope that it can.
        super::verify::prepare(&compiled, &super::verify::Options::default())?;
    }
    let done = match one(context, args, &compiled).await {
        Ok(done) => verified(context, args, &compiled, &done).await.map(|verification| (done, verification)),
        Err(error) => Err(error),
    };
    match done {
        Ok((done, verification)) if context.ui.is_json() => {
            context.ui.json(DeploymentReport { verification, ..report(stack, &done) })
        }
        Ok((done, _)) => show(context, stack, &done),
        Err(error) => {
            if context.ui.is_json() {
                context.ui.json(failure(stack, &error))?;
            }
            Err(error)
        }
    }
}

/// Verifies a deployment, if that is wanted.
///
/// # Errors
/// [`Error::Incomplete`] with the hop that failed, and [`Error::Deployment`] if the deployment before it is in its place again; those of
/// the verification.
async fn verified(
    context: &Context,
    args: &Args,
    compiled: &Compiled,
    done: &DeployReport,
) -> Result<Option<Verification>> {
    let Some(verify) = args.verify else { return Ok(None) };
    let stack = &compiled.stack;
    let verification = super::verify::verify(context, compiled, &super::verify::Options::default()).await?;
    let Err(error) = verification.verdict() else { return Ok(Some(verification)) };
    if verify == Verify::Report {
        return Err(error);
    }
    let found = error.message().unwrap_or_else(|| Message::new("the verification failed"));
    let stays = |why: &str| {
        let hint = found.hint.as_deref().unwrap_or_default();
        Err(Error::Incomplete(Message::new(format!("{}; {why}", found.text)).hint(hint)))
    };
    match done.result {
        DeployResult::Unchanged => {
            return stays("this run has deployed nothing, so there is nothing to go back to");
        }
        DeployResult::Swapped => {
            return stays("swapped code is not rolled back: deploy it without `--hotswap`");
        }
        DeployResult::Deployed | DeployResult::Planned(_) => {}
    }
    let is_first = |found: &DeployedStack| Status::of(&found.status) == Status::CreateComplete;
    if done.stack.as_ref().is_some_and(is_first) {
        return stays("this is the first deployment of the stack, so there is nothing to go back to");
    }
    context.ui.step("rollback", format!("{}: what was deployed before is deployed again", stack.name));
    match super::rollback::last(context, &stack.target.stack, args.role.role_arn.clone()).await {
        Ok(gone) => Err(Error::Deployment(
            Message::new(format!("{}; record {} is deployed again", found.text, gone.to))
                .hint(found.hint.unwrap_or_default()),
        )),
        Err(Error::Failed(why)) => stays(&format!("nothing was rolled back: {}", why.text)),
        Err(error) => {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            Err(Error::Deployment(
                Message::new(format!("{}; the rollback failed: {why}", found.text))
                    .hint(format!("`deployer rollback {}` tries again", stack.target.stack)),
            ))
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
        let compiled = context.compile_in(&loaded, target)?;
        context.check_policies(&loaded, &compiled)?;
        stacks.push((context.of_stack(&target.stack), compiled));
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
    let saved = args.plan.as_deref().map(SavedPlan::load).transpose()?;
    let busy = if args.wait { Busy::Wait } else { Busy::Refuse };
    let look = Look { code: true, busy, fresh: args.fresh, allow_replace: &args.allow_replace };
    let look = Situation::new(context, compiled, look).await?;
    let swapping = if args.hotswap { Swapping::Always } else { Swapping::Never };
    act(context, args, compiled, &look, saved, swapping, Losses::Refused).await
}

/// Deploys what `look` has found. Nothing was changed before, and from here on an end may leave things half done.
pub(super) async fn act(
    context: &Context,
    args: &Args,
    compiled: &Compiled,
    look: &Situation,
    saved: Option<SavedPlan>,
    swapping: Swapping,
    losses: Losses,
) -> Result<DeployReport> {
    let stack = &compiled.stack;
    existing::gate(context, look, compiled).await?;
    let cloudformation = &look.cloudformation;
    // What a command line says wins over the default of the stack; a change set that waits has its own mode.
    let by_default =
        stack.target.express && !args.no_rollback && !args.revert_drift && args.change_set.is_none();
    let mode = Mode {
        express: args.express || by_default,
        no_rollback: args.no_rollback,
        revert_drift: args.revert_drift,
    };
    let role = args.role.or(stack.organisation.role_arn.clone(), &look.session)?;
    situation::show_role(context, role.as_deref(), look.deployed.as_ref().map(|deployed| &deployed.stack));
    let options = Options {
        allow_replace: args.allow_replace.clone(),
        no_execute: args.no_execute,
        mode,
        role,
        accepted: saved.is_some(),
        side_by_side: args.all,
        losses,
    };
    if let Some(name) = &args.change_set {
        return waiting(context, look, stack, name, &options).await;
    }
    let deployed = look.deployed.as_ref();
    if args.revert_drift && deployed.is_none_or(Deployed::is_empty) {
        return Err(Error::Refused(
            Message::new(format!("{} is not deployed, so nothing can have drifted", stack.name))
                .hint("deploy it without `--revert-drift`"),
        ));
    }
    let adoption = match args.fresh {
        true => None,
        false => look.adoption(&stack.name, &args.allow_replace).await?,
    };
    let deployment = Deployment {
        context,
        session: &look.session,
        cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &look.wanted,
        deployed,
        adoption: adoption.as_ref(),
        imports: &[],
        options: &options,
    };
    if let Some(saved) = saved {
        saved.check(&SavedPlan::of(&look.session, &look.wanted, deployed, &deployment.plan()))?;
    }
    if let Some(found) = deployed.filter(|_| !args.revert_drift)
        && plan::is_current(found, &look.wanted)
    {
        if stack.target.protect && !found.stack.protected {
            cloudformation.protect(&found.stack.id, true).await?;
            context.ui.step("protected", "termination protection is on, because of `protect: true`");
        }
        look.remark_renames(context, stack)?;
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
    look.remark_renames(context, stack)?;
    let done = match (swapping, deployed) {
        (Swapping::Always, Some(deployed)) => {
            swap::check(look, deployed)?;
            let done = swap::swap(context, look, stack, deployed).await?;
            if done.result == DeployResult::Swapped {
                context.ui.note(swap::NOT_RECORDED);
            }
            done
        }
        (Swapping::Always, None) => {
            return Err(Error::Refused(
                Message::new(format!("{} is not deployed, so it has no code to swap", stack.name))
                    .hint("deploy it without `--hotswap` first"),
            ));
        }
        (Swapping::WherePossible, Some(deployed)) if swap::check(look, deployed).is_ok() => {
            swap::swap(context, look, stack, deployed).await?
        }
        (Swapping::Never | Swapping::WherePossible, _) => {
            let done = deployment.run().await?;
            if done.result == DeployResult::Swapped {
                context.ui.step("done", "the code of the last deployment is in place again");
            }
            done
        }
    };
    if done.result == DeployResult::Unchanged {
        context.ui.step("done", format!("nothing to do: {} is up to date", stack.name));
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
        renames: Vec::new(),
    };
    let deployment = Deployment {
        context,
        session: &look.session,
        cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &wanted,
        deployed: look.deployed.as_ref(),
        adoption: None,
        imports: &[],
        options,
    };
    deployment.execute_waiting(Waiting { name: found.name, changes: found.changes }).await
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
pub(super) fn next_step(stack: &Stack) -> Option<String> {
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
        verification: None,
    }
}
