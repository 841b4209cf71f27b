//! The end of a deployment that does not fail, and the work after it.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::{Change, DeployedStack};
use deployer_base::error::{Error, Result};
use deployer_base::output::{AnnouncedChange, DeploymentResult};

use super::Deployment;
use super::change_set::Waiting;
use super::execution::Executed;
use crate::hotswap::Swap;
use crate::plan::{Action, Plan};
use crate::records;

/// The outcome of a deployment.
#[derive(Debug)]
pub struct DeployReport {
    /// The result.
    pub result: DeployResult,
    /// The plan.
    pub plan: Option<Plan>,
    /// The changes that CloudFormation announced.
    pub changes: Vec<Change>,
    /// The stack, if there is one.
    pub stack: Option<DeployedStack>,
}

/// The result of a deployment that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployResult {
    /// There was nothing to do.
    Unchanged,
    /// The stack was deployed.
    Deployed,
    /// The change set of this name waits to be executed.
    Planned(String),
    /// The code was swapped.
    Swapped,
}

impl DeployResult {
    /// Returns the result as data.
    #[must_use]
    pub const fn summary(&self) -> DeploymentResult {
        match self {
            Self::Unchanged => DeploymentResult::Unchanged,
            Self::Deployed => DeploymentResult::Deployed,
            Self::Planned(_) => DeploymentResult::Planned,
            Self::Swapped => DeploymentResult::Swapped,
        }
    }
}

impl Deployment<'_> {
    /// Handles a deployment in which CloudFormation found nothing to do. Swapped code is set back to that of
    /// CloudFormation.
    pub(super) async fn unchanged(&self, values: &BTreeMap<String, String>) -> Result<DeployReport> {
        let mut stack = self.cloudformation.describe(self.name).await?;
        if let Some(stack) = &mut stack {
            self.protect(stack).await;
        }
        let result = match &stack {
            Some(stack) if self.settle_swapped(stack, values).await? => DeployResult::Swapped,
            _ => DeployResult::Unchanged,
        };
        Ok(DeployReport { result, plan: None, changes: Vec::new(), stack })
    }

    pub(super) async fn planned(&self, plan: Plan, waiting: Waiting, action: Action) -> Result<DeployReport> {
        let stack = self.cloudformation.describe(self.name).await?;
        let word = &self.target.stack;
        self.context.ui.step("planned", format!("change set {} of {}", waiting.name, self.name));
        let undo = match action {
            Action::Create => format!("`deployer recover {word}` removes it"),
            Action::Update => "any other deployment invalidates it".to_owned(),
        };
        self.context
            .ui
            .note(format!("\nrun it with `deployer deploy {word} --change-set {}`; {undo}", waiting.name));
        Ok(DeployReport {
            result: DeployResult::Planned(waiting.name),
            plan: Some(plan),
            changes: waiting.changes,
            stack,
        })
    }

    /// Does the work after a deployment that succeeded: each part can wait, so none makes it fail.
    pub(super) async fn succeeded(
        &self,
        plan: Plan,
        waiting: Waiting,
        values: &BTreeMap<String, String>,
        executed: Executed,
    ) -> Result<DeployReport> {
        let name = self.name;
        let finished = self.finished(&executed.id, None, executed.took, values, &waiting.changes);
        let (stack, written) = tokio::join!(
            self.cloudformation.describe(name),
            records::write(self.context, self.session, executed.ready, &finished)
        );
        let Some(mut stack) = stack? else {
            return Err(Error::failed(format!("the stack {name} was deleted meanwhile")));
        };
        self.protect(&mut stack).await;
        if let Err(error) = self.settle_swapped(&stack, values).await {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            self.context
                .ui
                .warn(format!("swapped code was not reverted: {why}; run `deployer deploy` again"));
        }
        records::tell(self.context, written);
        self.context.ui.step("done", format!("{name} is in {}", stack.status));
        Ok(DeployReport {
            result: DeployResult::Deployed,
            plan: Some(plan),
            changes: waiting.changes,
            stack: Some(stack),
        })
    }

    /// Turns termination protection on if the file asks for it.
    async fn protect(&self, stack: &mut DeployedStack) {
        if !self.target.protect || stack.protected {
            return;
        }
        match self.cloudformation.protect(&stack.id, true).await {
            Ok(()) => {
                stack.protected = true;
                self.context.ui.step("protected", "termination protection is on, because of `protect: true`");
            }
            Err(error) => self.context.ui.warn(format!(
                "termination protection stays off ({}: {}); run `deployer deploy` again",
                error.operation, error.message
            )),
        }
    }

    /// Sets swapped code back to that of CloudFormation, if CloudFormation did not do so itself. Returns whether there
    /// was any.
    async fn settle_swapped(&self, now: &DeployedStack, values: &BTreeMap<String, String>) -> Result<bool> {
        let Some(deployed) = self.deployed.filter(|deployed| deployed.swapped.is_some()) else {
            return Ok(false);
        };
        let resources = self.cloudformation.resources(&now.id).await?;
        let swap = Swap {
            context: self.context,
            session: self.session,
            stack: self.name,
            stack_id: &now.id,
            template: &self.wanted.template,
            deployed: values,
            resources: &resources,
            before: deployed.swapped.clone(),
        };
        swap.settle(&deployed.stack.parameters).await?;
        Ok(true)
    }
}

/// Returns the changes as data.
#[must_use]
pub fn announced(changes: &[Change]) -> Vec<AnnouncedChange<'_>> {
    let announced = changes.iter().map(|change| AnnouncedChange {
        action: change.kind.into(),
        logical_id: &change.logical_id,
        resource_type: &change.resource_type,
    });
    announced.collect()
}
