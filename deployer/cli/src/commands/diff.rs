//! `deployer diff`.

use std::path::PathBuf;

use deployer_aws::cloudformation::{ChangeSetOutcome, Mode, StackState};
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Output;
use deployer_plan::diff::comment::{MAX_BYTES, comment};
use deployer_plan::diff::{Detail, Diff};
use schemars::JsonSchema;
use serde::Serialize;

use crate::account_usage;
use crate::context::Context;
use crate::deployment::change_set::{self, ChangeSetRequest};
use crate::deployment::{Deployment, Options};
use crate::existing;
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES};
use crate::saved_plan::SavedPlan;
use crate::situation::{Busy, Look, Situation};

/// Show what a deployment would change: resources, permissions, exposure, code, outputs and cost
///
/// Compares what is deployed with the file, and changes nothing in the account. Builds the code if it is stale. With `--verbose`,
/// lists the permissions of a new stack too. With `--output markdown`, writes a comment for a pull request, of at most 65,536 bytes.
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
    /// Adopt nothing that a deleted stack of this name has kept, and give buckets new names
    #[arg(long)]
    fresh: bool,
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
    let compiled = context.compile_by_policies(args.stack.as_deref())?;
    let stack = &compiled.stack;
    let situation = Situation::new(
        context,
        &compiled,
        Look { code: !args.no_build, busy: Busy::Ignore, fresh: args.fresh, allow_replace: &[] },
    )
    .await?;
    let deployed = situation.deployed.as_ref();
    let options = Options::default();
    let adoption = match args.fresh {
        true => None,
        false => situation.adoption(&stack.name, &[]).await?,
    };
    let deployment = Deployment {
        context,
        session: &situation.session,
        cloudformation: &situation.cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &situation.wanted,
        deployed,
        adoption: adoption.as_ref(),
        imports: &[],
        options: &options,
    };
    let mut plan = deployment.plan();
    situation.remark_renames(context, stack)?;
    if args.change_set && plan.diff.summary.rename > 0 {
        return Err(Error::Refused(
            Message::new("a change set can't rename resources, which the file does with `was`")
                .hint("run `deployer diff` without `--change-set`"),
        ));
    }
    if args.change_set {
        plan = ask(context, &situation, &stack.name, plan).await?;
    }
    let (mismatches, scarce) = tokio::join!(
        existing::notes(context, &situation, &compiled),
        account_usage::notes(context, &situation, stack, &plan)
    );
    plan.diff.notes.extend(mismatches?);
    plan.diff.notes.extend(scarce);
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
    match context.ui.output {
        Output::Json => context.ui.json(Difference { same, plan: &plan.diff })?,
        Output::Markdown => context.ui.data(&comment(&plan.diff, MAX_BYTES))?,
        _ => context.ui.plan_data(&plan.lines(context, Detail::Changes))?,
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
        imports: &[],
        wanted: &situation.wanted,
        deployed: situation.deployed.as_ref(),
        role: None,
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
