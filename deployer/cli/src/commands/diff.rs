//! `deployer diff`.

use std::path::PathBuf;

use deployer_aws::cloudformation::{ChangeSetOutcome, Mode, StackState};
use deployer_base::error::{Error, Message, Result};
use deployer_plan::diff::{Detail, Diff};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::deployment::change_set::{self, ChangeSetRequest};
use crate::deployment::{Deployment, Options};
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES};
use crate::saved_plan::SavedPlan;
use crate::situation::{Busy, Situation};

/// Show what a deployment would change: resources, permissions, exposure, code, outputs and cost
///
/// Compares what is deployed with the file, and changes nothing in the account. Builds the code if it is stale. With `--verbose`,
/// lists the permissions of a new stack too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Exit with 3 if anything would change
    #[arg(long)]
    fail: bool,
    /// Compare everything but the code, and build nothing
    #[arg(long)]
    no_build: bool,
    /// Check with CloudFormation too, in a change set that is deleted afterwards
    #[arg(long)]
    change_set: bool,
    /// Write the plan to a file, for `deployer deploy --plan FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "no_build")]
    save: Option<PathBuf>,
}

/// The changes that a deployment would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Difference<'a> {
    /// `true` if a deployment would change nothing.
    same: bool,
    /// The plan.
    #[serde(flatten)]
    plan: &'a Diff,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let compiled = context.compile(args.stack.as_deref())?;
    let stack = &compiled.stack;
    let situation = Situation::new(context, &compiled, !args.no_build, Busy::Ignore).await?;
    let deployed = situation.deployed.as_ref();
    let options = Options::default();
    let deployment = Deployment {
        context,
        session: &situation.session,
        cloudformation: &situation.cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &situation.wanted,
        deployed,
        options: &options,
    };
    let mut plan = deployment.plan();
    if args.change_set {
        plan = ask(context, &situation, &stack.name, plan).await?;
    }
    // In these states a deployment would not make the changes that are shown.
    let stuck =
        deployed.filter(|deployed| !matches!(deployed.stack.state, StackState::Settled | StackState::Review));
    if let Some(deployed) = stuck {
        let status = &deployed.stack.status;
        let what = match deployed.stack.state {
            StackState::Busy => "an operation is in progress, so what is deployed may change at any moment",
            _ => "run `deployer recover` before the next deployment",
        };
        plan.diff.notes.push(format!("the stack is in {status}: {what}"));
    }
    if let Some(path) = &args.save {
        plan::action(deployed.map(|deployed| &deployed.stack))?;
        SavedPlan::of(&situation.session, &situation.wanted, deployed, &plan).save(path)?;
        context.ui.step(
            "saved",
            format!("{}; `deployer deploy --plan {}` does this", path.display(), path.display()),
        );
    }
    let swapped = deployed.is_some_and(|deployed| deployed.swapped.is_some());
    let same = plan.diff.is_empty() && !swapped && stuck.is_none();
    if context.ui.is_json() {
        context.ui.json(Difference { same, plan: &plan.diff })?;
    } else {
        context.ui.plan_data(&plan.lines(context, Detail::Changes))?;
    }
    if args.fail && !same {
        return Err(Error::Differences(Message::new(format!("{} differs from the file", stack.name))));
    }
    Ok(())
}

/// Lets CloudFormation compute the changes, and removes the traces of this: the change set, and the empty stack of a
/// first one.
async fn ask(context: &Context, situation: &Situation, stack: &str, plan: plan::Plan) -> Result<plan::Plan> {
    let deployed = situation.deployed.as_ref().map(|deployed| &deployed.stack);
    let action = plan::action(deployed)?;
    let create = action == Action::Create;
    if situation.wanted.text.len() > INLINE_TEMPLATE_BYTES {
        return Err(Error::Refused(
            Message::new(
                "the template is too large for one call, and `diff` uploads nothing to your account",
            )
            .hint("`deployer deploy --no-execute` creates a change set for it"),
        ));
    }
    // A stack that existed before must exist afterwards, even if it is empty.
    let made_here = create && deployed.is_none_or(|stack| stack.state != StackState::Review);
    let name = change_set::name("deployer-diff");
    let mut values = deployed.map(|stack| stack.parameters.clone()).unwrap_or_default();
    values.extend(situation.wanted.parameters.clone());
    let request = ChangeSetRequest {
        session: &situation.session,
        cloudformation: &situation.cloudformation,
        stack,
        name: &name,
        action,
        wanted: &situation.wanted,
        values: &values,
        mode: Mode::default(),
    };
    context.on_interrupt(
        &format!("the change set {name} of {stack} may be left behind"),
        if create { "`deployer recover` removes it with its empty stack" } else { "it does no harm" },
    );
    let outcome = request.create(None).await;
    change_set::discard(context, &situation.cloudformation, stack, &name, made_here).await;
    match outcome? {
        ChangeSetOutcome::Ready(changes) => Ok(plan.merged(&changes)),
        ChangeSetOutcome::Empty => Ok(plan.merged(&[])),
        ChangeSetOutcome::Overtaken => Err(Error::Failed(
            Message::new(format!("another operation on {stack} started first"))
                .hint("run `deployer diff` again"),
        )),
        ChangeSetOutcome::Refused(reason) => Err(Error::Failed(
            Message::new(format!("CloudFormation refused the change set of {stack}: {reason}"))
                .hint("a deployment would fail here too; nothing was changed"),
        )),
    }
}
