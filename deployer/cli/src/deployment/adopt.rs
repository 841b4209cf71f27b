//! A deployment that adopts resources: an import of these alone, and then an ordinary update with everything else.
//!
//! CloudFormation takes nothing beside imports in such a change set. Each stop in between leads on by the same command:
//! a change set that was never executed is made again, an import in progress is watched, and a stack with nothing but
//! the imported resources is updated.

use std::time::Duration;

use deployer_aws::cloudformation::{Mode, StackResource};
use deployer_base::error::{Error, Message, Result};
use deployer_cfn::status::Status;
use deployer_plan::diff::ChangeKind;

use super::{DeployReport, Deployment, NOTHING_CHANGED, Options, Progress};
use crate::adoption::Adoption;
use crate::operation;
use crate::plan::Action;
use crate::records::{self, Finished, Kind};
use crate::state::{Deployed, Wanted};
use crate::watch::{Goal, Outcome, Watch};

impl Deployment<'_> {
    /// Shows the plan, asks, imports the resources, and deploys the rest.
    pub(super) async fn adopt(&self, adoption: &Adoption) -> Result<DeployReport> {
        let plan = self.plan();
        plan.show(self.context);
        self.context.on_interrupt(NOTHING_CHANGED, "run `deployer deploy` again");
        if self.options.no_execute {
            return Err(Error::Refused(
                Message::new(
                    "kept resources return by an import and an update in sequence, but a change set can contain only one of \
                     them",
                )
                .hint("deploy without `--no-execute`, or with `--fresh` to adopt nothing; nothing was changed"),
            ));
        }
        self.gate(&plan).await?;
        self.remove_empty().await?;
        let imported = self.import(adoption).await?;
        // The questions are answered, and no name must be checked against the rest of the plan.
        let options = Options { accepted: true, side_by_side: true, ..self.options.clone() };
        let rest = Deployment { deployed: Some(&imported), adoption: None, options: &options, ..*self };
        let done = rest.deploy(false).await.map_err(|error| {
            let told = Progress { deployed: None, made: 1 };
            told.told(error)
        })?;
        Ok(DeployReport { plan: Some(plan), ..done })
    }

    /// Removes the rest of a creation or import that was rolled back: a stack without resources, which could only be
    /// deleted.
    async fn remove_empty(&self) -> Result<()> {
        let Some(left) = self.deployed.map(|deployed| &deployed.stack) else { return Ok(()) };
        if Status::of(&left.status) != Status::RollbackComplete {
            return Ok(());
        }
        let resources = self.cloudformation.resources(&left.id).await?;
        if let Some(one) = resources.iter().find(|one| StackResource::exists(one)) {
            return Err(Error::Deployment(
                Message::new(format!(
                    "the stack {} is in {} and still has {}, so nothing can be imported into it",
                    left.name, left.status, one.logical_id
                ))
                .hint("run `deployer recover` first; nothing was changed"),
            ));
        }
        self.context.ui.step("removing", format!("the empty stack {} in {}", left.name, left.status));
        let past = self.cloudformation.past(&left.id).await?;
        self.cloudformation.delete(&left.id).await?;
        let watch = Watch {
            context: self.context,
            cloudformation: self.cloudformation,
            stack_id: &left.id,
            goal: Goal::Destroy,
            origins: &self.wanted.origins,
            expected: None,
        };
        match watch.until_end(past.last).await? {
            Outcome::Succeeded => Ok(()),
            Outcome::Failed { message, .. } => Err(Error::Deployment(message)),
        }
    }

    /// Imports the resources into the stack, which is created with nothing else. Returns that stack.
    async fn import(&self, adoption: &Adoption) -> Result<Deployed> {
        let left = self.deployed.filter(|left| Status::of(&left.stack.status) != Status::RollbackComplete);
        let mark = operation::mark(&self.wanted.text, &self.wanted.parameters);
        let (imported, _) = self.imported(adoption, left, Action::Create, &mark).await.map_err(unadopted)?;
        Ok(imported)
    }

    /// Imports resources into a stack that has others, and records that.
    ///
    /// # Errors
    /// Returns [`Error::Deployment`] if CloudFormation refuses the import, or it fails, and the errors of AWS.
    pub async fn import_into(&self, deployed: &Deployed, adoption: &Adoption) -> Result<Deployed> {
        let mark = operation::mark(&adoption.text, &deployed.stack.parameters);
        let (imported, took) = self.imported(adoption, Some(deployed), Action::Update, &mark).await?;
        let finished = Finished {
            stack: self.name,
            stack_id: &imported.stack.id,
            kind: Kind::Import,
            cause: None,
            took,
            template: Some(&imported.text),
            parameters: &imported.stack.parameters,
            tags: &imported.stack.tags,
            changes: &[],
            remains: None,
        };
        records::keep(self.context, self.session, &finished).await;
        Ok(imported)
    }

    /// Imports the resources into the stack that is there. Returns the stack afterwards, and the duration.
    async fn imported(
        &self,
        adoption: &Adoption,
        left: Option<&Deployed>,
        action: Action,
        mark: &str,
    ) -> Result<(Deployed, Duration)> {
        let stack = left.filter(|_| action == Action::Update).map(|left| &left.stack);
        let wanted = Wanted {
            kind: if action == Action::Update { Kind::Import } else { self.wanted.kind },
            text: adoption.text.clone(),
            template: adoption.template.clone(),
            parameters: stack.map(|stack| stack.parameters.clone()).unwrap_or_default(),
            tags: stack.map(|stack| stack.tags.clone()).unwrap_or_default(),
            origins: self.wanted.origins.clone(),
            code: Vec::new(),
            renames: Vec::new(),
        };
        // Express mode is not documented for imports, and a failed import must be rolled back.
        let options = Options { mode: Mode::default(), ..self.options.clone() };
        let part = Deployment {
            wanted: &wanted,
            deployed: left,
            adoption: None,
            imports: &adoption.resources,
            options: &options,
            ..*self
        };
        let waiting = part.change_set(action, &wanted.parameters, NOTHING_CHANGED).await?;
        let Some(waiting) = waiting else {
            return Err(Error::failed(format!("CloudFormation found nothing to import into {}", self.name)));
        };
        // An `Add` of a name that exists would be a resource of somebody else's that CloudFormation did not recognise.
        let others: Vec<&str> = waiting
            .changes
            .iter()
            .filter(|change| change.kind != ChangeKind::Adopt)
            .map(|change| change.logical_id.as_str())
            .collect();
        if !others.is_empty() {
            part.discard(&waiting.name, action).await;
            return Err(Error::Deployment(
                Message::new(format!("CloudFormation would do more than import: {}", others.join(", ")))
                    .hint("this is unexpected; please report it; nothing was changed"),
            ));
        }
        let executed = part.watch(&waiting, &wanted.parameters, mark).await?;
        let Some(stack) = self.cloudformation.describe(&executed.id).await? else {
            return Err(Error::failed(format!("the stack {} was deleted meanwhile", self.name)));
        };
        let count = adoption.resources.len();
        let noun = if count == 1 { "resource is" } else { "resources are" };
        self.context.ui.step("adopted", format!("{count} {noun} part of {}", self.name));
        let swapped = left.and_then(|left| left.swapped.clone());
        Ok((Deployed { stack, text: wanted.text, template: wanted.template, swapped }, executed.took))
    }
}

/// Adds to the error of an import that there is another way.
fn unadopted(mut error: Error) -> Error {
    if let Error::Deployment(message) = &mut error {
        let hint = message.hint.take().unwrap_or_default();
        let hint = hint.trim_end_matches(NOTHING_CHANGED).trim_end_matches("; ");
        let before = if hint.is_empty() { String::new() } else { format!("{hint}; ") };
        message.hint = Some(format!(
            "{before}the kept resources are unchanged, and `--fresh` creates new ones under new names instead"
        ));
    }
    error
}
