//! How a deployment ends that does not fail, and what is left to do behind it.

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

/// How a deployment ended.
#[derive(Debug)]
pub struct DeployReport {
    /// What came of it.
    pub result: DeployResult,
    /// What was planned.
    pub plan: Option<Plan>,
    /// What CloudFormation said that it would do.
    pub changes: Vec<Change>,
    /// The stack, if there is one.
    pub stack: Option<DeployedStack>,
}

/// What came of a deployment that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployResult {
    /// There was nothing to do.
    Unchanged,
    /// It is done.
    Deployed,
    /// The change set of this name waits to be executed.
    Planned(String),
    /// The code was swapped.
    Swapped,
}

impl DeployResult {
    /// The result, as data.
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
    /// CloudFormation found nothing to do. Code that was swapped gets back what CloudFormation has.
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

    /// What is left to do behind a deployment that is done: each can wait, so none makes it fail.
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

    /// Switches termination protection on where the file wants it.
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

    /// Gives swapped code back what CloudFormation has, where it did not do so itself. Gives whether there was any.
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

/// The changes as data.
#[must_use]
pub fn announced(changes: &[Change]) -> Vec<AnnouncedChange<'_>> {
    let announced = changes.iter().map(|change| AnnouncedChange {
        action: change.kind.into(),
        logical_id: &change.logical_id,
        resource_type: &change.resource_type,
    });
    announced.collect()
}
