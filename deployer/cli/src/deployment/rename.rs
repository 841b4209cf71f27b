//! A deployment that renames resources: a stack refactor that changes logical IDs alone, and then an ordinary update.
//!
//! CloudFormation changes nothing else in a refactor. Each stop in between leads on by the same command: a refactor that was never
//! executed is made again, one that is being executed is found by its description and watched, and a stack whose resources have
//! their new logical IDs is updated.

use std::time::Instant;

use deployer_aws::Pause;
use deployer_aws::cloudformation::{
    CloudFormation, DeployedStack, Refactor, RefactorState, StackResource, StackState, TemplateSource,
};
use deployer_base::error::{Error, Message, Result};
use deployer_base::text::printable;
use deployer_cfn::deployed::lossy;
use deployer_cfn::refactor;
use deployer_cfn::template::has_macros;
use deployer_syntax::number;

use super::{DeployReport, DeployResult, Deployment, NOTHING_CHANGED, Options, Progress};
use crate::operation;
use crate::plan::{self, INLINE_TEMPLATE_BYTES};
use crate::state::Deployed;

impl Deployment<'_> {
    /// Shows the plan, asks, renames the resources, and deploys the rest.
    pub(super) async fn rename(&self, deployed: &Deployed) -> Result<DeployReport> {
        plan::action(Some(&deployed.stack))?;
        let plan = self.plan();
        plan.show(self.context);
        self.context.on_interrupt(NOTHING_CHANGED, "run `deployer deploy` again");
        if self.options.no_execute {
            return Err(Error::Refused(
                Message::new("a change set can't rename resources, which the file does with `was`")
                    .hint("deploy without `--no-execute`; nothing was changed"),
            ));
        }
        self.gate(&plan).await?;
        plan::check_mode(&plan, self.options.mode)?;
        let started = Instant::now();
        let renamed = self.refactor(deployed).await?;
        // The questions are answered, and no name must be checked against the rest of the plan.
        let options = Options { accepted: true, side_by_side: true, ..self.options.clone() };
        let rest = Deployment { deployed: Some(&renamed), options: &options, ..*self };
        let done = match plan::is_current(&renamed, self.wanted) && !self.options.mode.revert_drift {
            true => DeployReport {
                result: DeployResult::Unchanged,
                plan: None,
                changes: Vec::new(),
                stack: Some(renamed.stack.clone()),
            },
            false => rest.deploy(false).await.map_err(|error| {
                let told = Progress { deployed: None, made: 1 };
                told.told(error)
            })?,
        };
        if done.result == DeployResult::Unchanged {
            let stack = &renamed.stack;
            rest.record(&stack.id, None, started.elapsed(), &stack.parameters, &[]).await;
            self.context.ui.step("done", format!("{} is in {}", self.name, stack.status));
            return Ok(DeployReport { result: DeployResult::Deployed, plan: Some(plan), ..done });
        }
        Ok(DeployReport { plan: Some(plan), ..done })
    }

    /// Gives the resources their new logical IDs. Returns the stack afterwards.
    async fn refactor(&self, deployed: &Deployed) -> Result<Deployed> {
        let ids = self.wanted.renamed_ids(&deployed.template);
        let template = refactor::renamed(&deployed.template, &ids);
        if has_macros(&deployed.template) {
            return Err(self.unrenamed("its template has macros, whose resources no refactor knows"));
        }
        if lossy::count(&template, &self.wanted.template) > 0 {
            return Err(self.unrenamed(
                "CloudFormation does not return characters of its template that are not ASCII, and a refactor must have them",
            ));
        }
        let (has_policy, resources) = tokio::try_join!(self.has_stack_policy(&deployed.stack.id), async {
            Ok(self.cloudformation.resources(&deployed.stack.id).await?)
        })?;
        if has_policy {
            return Err(self
                .unrenamed("a stack policy is attached to it, and CloudFormation refactors no such stack"));
        }
        let there = |id: &str| resources.iter().any(|one| one.logical_id == id && StackResource::exists(one));
        let names: Vec<(&str, &str)> =
            ids.iter().filter(|(old, _)| there(old)).map(|(old, new)| (old.as_str(), new.as_str())).collect();
        if names.is_empty() {
            // A condition keeps them out of the stack.
            return Ok(deployed.clone());
        }
        // If nothing else changes, the file itself is deployed by this.
        let text = match template == self.wanted.template {
            true => self.wanted.text.clone(),
            false => number::to_ascii_json(&template),
        };
        let url = if text.len() <= INLINE_TEMPLATE_BYTES { None } else { Some(self.upload(&text).await?) };
        let source = url.as_deref().map_or(TemplateSource::Body(&text), TemplateSource::Url);
        let mark = operation::mark(&self.wanted.text, &self.wanted.parameters);
        let description = format!("{mark} {}", operation::signature(&self.session.caller));
        let live = self.context.ui.live();
        live.say("CloudFormation is computing the renames");
        let made = self.cloudformation.create_refactor(self.name, source, &names, &description).await;
        drop(live);
        let made = made.map_err(|error| self.overtaken(error))?;
        match &made.state {
            RefactorState::Available => {}
            RefactorState::Obsolete | RefactorState::Busy | RefactorState::Done => {
                return Err(self.came_first());
            }
            RefactorState::Failed(reason) => return Err(self.refused_renames(reason)),
        }
        let others = self.cloudformation.other_actions(&made.id, &names).await?;
        if !others.is_empty() {
            return Err(Error::Deployment(
                Message::new(printable(&format!(
                    "CloudFormation would do more than rename: {}",
                    others.join(", ")
                )))
                .hint("this is unexpected; please report it; nothing was changed"),
            ));
        }
        let count =
            if names.len() == 1 { "1 resource".to_owned() } else { format!("{} resources", names.len()) };
        self.context.ui.step("renaming", format!("{count} of {}", self.name));
        self.context
            .on_interrupt("CloudFormation continues the rename", "`deployer deploy` watches it again");
        self.cloudformation.execute_refactor(&made.id).await.map_err(|error| self.overtaken(error))?;
        let ended = self.cloudformation.refactor_at_rest(&made.id).await?;
        let stack = settled(self.cloudformation, &deployed.stack.id).await?;
        let Some(stack) = stack else {
            return Err(Error::failed(format!("the stack {} was deleted meanwhile", self.name)));
        };
        if let RefactorState::Failed(reason) = &ended.state {
            return Err(failed(&stack, reason));
        }
        let found = self.cloudformation.template(&deployed.stack.id).await?.unwrap_or_default();
        let now = Deployed::new(stack, found, deployed.swapped.clone())?;
        if !self.wanted.renamed_ids(&now.template).is_empty() {
            return Err(self.came_first());
        }
        self.context.ui.step("renamed", format!("{count}, in place"));
        Ok(now)
    }

    /// Returns whether the stack has a policy; `false` if the caller may not ask, since CloudFormation refuses the refactor then.
    async fn has_stack_policy(&self, id: &str) -> Result<bool> {
        match self.cloudformation.has_policy(id).await {
            Err(error) if error.is_denied() => Ok(false),
            found => Ok(found?),
        }
    }

    /// Returns the error for a stack whose resources can't be renamed.
    fn unrenamed(&self, why: &str) -> Error {
        Error::Refused(
            Message::new(format!("the resources of {} can't be renamed: {why}", self.name)).hint(
                "keep the logical IDs with `options: { logicalId: … }` in the file, or remove `was` to create the resources anew; \
                 nothing was changed",
            ),
        )
    }

    /// Returns the error for a refactor that CloudFormation refused.
    fn refused_renames(&self, reason: &str) -> Error {
        let reason = printable(reason);
        Error::Deployment(
            Message::new(format!("CloudFormation refused to rename resources of {}: {reason}", self.name)).hint(
                "keep the logical ID of such a resource with `options: { logicalId: … }` in the file, or remove its `was` to create \
                 it anew; nothing was changed",
            ),
        )
    }
}

/// Returns the error of a refactor whose execution failed.
fn failed(stack: &DeployedStack, reason: &str) -> Error {
    let hint = match stack.state {
        StackState::Settled => {
            "the resources have their former logical IDs; fix the cause, or keep the ID of such a resource with \
             `options: { logicalId: … }`, and deploy again"
        }
        _ => "`deployer recover` shows the way out",
    };
    Error::Deployment(
        Message::new(format!(
            "the rename failed, and {} is in {}: {}",
            stack.name,
            stack.status,
            printable(reason)
        ))
        .hint(hint),
    )
}

/// Waits until no operation is in progress on a stack: a refactor is complete a moment before its stack is.
async fn settled(cloudformation: &CloudFormation, id: &str) -> Result<Option<DeployedStack>> {
    let mut pause = Pause::new();
    loop {
        match cloudformation.describe(id).await {
            Ok(Some(stack)) if stack.state == StackState::Busy => pause.wait().await,
            Err(error) if error.is_transient() => pause.wait().await,
            found => return Ok(found?),
        }
    }
}

/// Returns the rename that an earlier run of the deployment with this mark has begun on a stack, if it is in progress.
///
/// # Errors
/// Returns an error if AWS can't be asked.
pub async fn in_progress(
    cloudformation: &CloudFormation,
    stack: &DeployedStack,
    mark: &str,
) -> Result<Option<Refactor>> {
    for id in cloudformation.refactors_in_progress().await? {
        let found = cloudformation.refactor(&id).await?;
        if found.description.starts_with(mark) && found.stacks.contains(&stack.id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Waits until a rename has ended.
///
/// # Errors
/// Returns [`Error::Deployment`] if it failed, and the errors of AWS.
pub async fn until_end(
    cloudformation: &CloudFormation,
    stack: &DeployedStack,
    begun: &Refactor,
) -> Result<()> {
    let ended = cloudformation.refactor_at_rest(&begun.id).await?;
    let now = settled(cloudformation, &stack.id).await?;
    match (&ended.state, now) {
        (RefactorState::Failed(reason), Some(now)) => Err(failed(&now, reason)),
        _ => Ok(()),
    }
}
