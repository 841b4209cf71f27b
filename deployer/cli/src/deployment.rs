//! One deployment, from the deployed stack to the wanted one: plan, gates, publication, change set, execution, record.
//! `deploy` and `rollback` both use it; they differ in the source of the template.
//!
//! The sequence is in this module; each of its steps has a module of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deployer_aws::cloudformation::{Change, CloudFormation, ImportedResource, Mode, StackState};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_build::publish;
use deployer_cfn::deployed::lossy;
use deployer_lang::StackTarget;
use deployer_lang::model::target::Target;
use deployer_plan::diff::indexes;
use deployer_syntax::number;
use serde_json::Value;

use crate::adoption::Adoption;
use crate::context::Context;
use crate::operation;
use crate::plan::{self, Action, Plan};
use crate::records::{self, Finished};
use crate::retry::{Repeated, Retries};
use crate::state::{Deployed, Wanted};

mod adopt;
pub mod change_set;
mod drift;
mod execution;
mod gate;
mod outcome;
pub mod rename;

pub use change_set::Waiting;
pub use execution::remove_failed_create;
pub use outcome::{DeployReport, DeployResult, announced};

/// The end of hints if nothing was done yet.
const NOTHING_CHANGED: &str = "nothing was changed";

/// The answer to a loss of data that is not allowed by name.
#[derive(Debug, Clone, Default)]
pub enum Losses {
    /// A refusal.
    #[default]
    Refused,
    /// A question, if there is a terminal to ask on. The logical IDs that were accepted are not asked about again.
    Asked(Arc<Mutex<BTreeSet<String>>>),
}

/// The options of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Resources with data that may be lost, by logical ID or name.
    pub allow_replace: Vec<String>,
    /// `true` if the change set is created, and left for later.
    pub no_execute: bool,
    /// The modes of CloudFormation.
    pub mode: Mode,
    /// ARN of the role with which CloudFormation works on the stack from now on; that of the stack by default.
    pub role: Option<String>,
    /// `true` if the plan was shown and saved before, so that its questions are answered.
    pub accepted: bool,
    /// `true` for one of several stacks, or of several updates: a resource that is named need not be lost in each of
    /// them.
    pub side_by_side: bool,
    /// The answer to a loss that `allow_replace` does not name.
    pub losses: Losses,
}

/// The progress of a deployment.
#[derive(Debug)]
struct Progress {
    /// The stack that the deployment has left.
    deployed: Option<Deployed>,
    /// Number of updates before the last one.
    made: usize,
}

impl Progress {
    /// Describes the stack for a deployment that does not continue.
    fn so_far(&self) -> String {
        match self.made {
            0 => NOTHING_CHANGED.to_owned(),
            1 => "1 update was made, and is kept".to_owned(),
            made => format!("{made} updates were made, and are kept"),
        }
    }

    /// Puts the progress into the hint of an error.
    fn told(&self, mut error: Error) -> Error {
        if let Error::Usage(message)
        | Error::Failed(message)
        | Error::Deployment(message)
        | Error::Refused(message) = &mut error
            && let Some(hint) = &mut message.hint
        {
            *hint = hint.replace(NOTHING_CHANGED, &self.so_far());
        }
        error
    }
}

/// A deployment.
#[derive(Debug)]
pub struct Deployment<'a> {
    /// The context of the command.
    pub context: &'a Context,
    /// The session of the caller.
    pub session: &'a Session,
    /// The client of CloudFormation.
    pub cloudformation: &'a CloudFormation,
    /// Name of the stack in CloudFormation.
    pub name: &'a str,
    /// The target as the file describes it.
    pub target: &'a StackTarget,
    /// The stack as it is wanted.
    pub wanted: &'a Wanted,
    /// The stack as it is deployed.
    pub deployed: Option<&'a Deployed>,
    /// The resources that are adopted first.
    pub adoption: Option<&'a Adoption>,
    /// The resources that the change set imports, and nothing else.
    pub imports: &'a [ImportedResource],
    /// The options of the deployment.
    pub options: &'a Options,
}

impl Deployment<'_> {
    /// Plans the changes.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::new(self.session, self.name, self.wanted, self.deployed, self.adoption)
    }

    /// Deploys; again, a bounded number of times, if it fails for a reason that passes by itself.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] at a gate, [`Error::Deployment`] if the deployment fails, and the errors of AWS.
    pub async fn run(&self) -> Result<DeployReport> {
        match self.adoption {
            Some(adoption) if !adoption.resources.is_empty() => self.adopt(adoption).await,
            _ => match self.deployed {
                Some(deployed) if !self.wanted.renamed_ids(&deployed.template).is_empty() => {
                    self.rename(deployed).await
                }
                _ => self.deploy(true).await,
            },
        }
    }

    /// Deploys without an adoption. With `first`, the plan is shown and confirmed.
    async fn deploy(&self, first: bool) -> Result<DeployReport> {
        let mut retries = Retries::default();
        let mut progress = Progress { deployed: self.deployed.cloned(), made: 0 };
        let mut ended = self.attempt(first, &mut progress).await;
        while let Err(Error::Deployment(failure)) = &ended
            && self.target.target != Target::Local
            && retries.wait(self.context, Repeated::Deployment, failure).await
        {
            ended = self.once_more(&mut progress).await;
        }
        ended.map_err(|error| progress.told(error))
    }

    /// Deploys from the state that the previous attempt has left.
    async fn once_more(&self, progress: &mut Progress) -> Result<DeployReport> {
        progress.deployed = self.look_again(progress.deployed.as_ref()).await?;
        let deployed = progress.deployed.clone();
        // The resources that are named may have been lost already.
        let options = Options { side_by_side: true, ..self.options.clone() };
        let rest = Deployment { deployed: deployed.as_ref(), options: &options, ..*self };
        let done = rest.attempt(false, progress).await?;
        let plan = done.plan.map(|plan| if progress.made > 0 { self.plan() } else { plan });
        Ok(DeployReport { plan, ..done })
    }

    /// Reads the deployed stack again, which must be as this deployment has left it.
    async fn look_again(&self, left: Option<&Deployed>) -> Result<Option<Deployed>> {
        let (found, text) = tokio::try_join!(
            self.cloudformation.describe(self.name),
            self.cloudformation.template(self.name)
        )?;
        let Some(stack) = found else {
            // A first deployment that fails leaves no stack.
            return match left {
                Some(left) if left.stack.state != StackState::Review => Err(self.came_first()),
                _ => Ok(None),
            };
        };
        plan::action(Some(&stack))?;
        let Some(left) = left else { return Err(self.came_first()) };
        let now = Deployed::new(stack, text.unwrap_or_default(), left.swapped.clone())?;
        if now.is(left) { Ok(Some(now)) } else { Err(self.came_first()) }
    }

    /// Deploys once. A plan that was shown and confirmed at first is not shown again.
    async fn attempt(&self, first: bool, progress: &mut Progress) -> Result<DeployReport> {
        let action = plan::action(self.deployed.map(|deployed| &deployed.stack))?;
        let plan = self.plan();
        if first {
            plan.show(self.context);
            self.context.on_interrupt(NOTHING_CHANGED, "run `deployer deploy` again");
            self.gate(&plan).await?;
        }
        plan::check_mode(&plan, self.options.mode)?;
        self.wanted.check_tags(self.deployed)?;
        let template = self.deployed.map_or(&Value::Null, |deployed| &deployed.template);
        let updates = indexes::updates(template, &self.wanted.template);
        if self.options.no_execute && !updates.is_empty() {
            return Err(Error::Refused(
                Message::new(format!(
                    "this change needs {} updates in sequence, but a change set can contain only one of them",
                    updates.len()
                ))
                .hint("deploy without `--no-execute`; nothing was changed"),
            ));
        }
        let role_made = self.preflight(action).await?;
        let mut values = self.wanted.parameters.clone();
        values.extend(publish(&self.context.ui, self.session, &self.wanted.code).await?);
        match self.deployed {
            Some(deployed) if !updates.is_empty() => {
                self.one_after_the_other(deployed, plan, &updates, &values, progress).await
            }
            _ => self.update(action, plan, &values, role_made, &progress.so_far()).await,
        }
    }

    /// Deploys by updates that each change one index of a table. After an interruption, the same command continues from
    /// the stack in between.
    async fn one_after_the_other(
        &self,
        deployed: &Deployed,
        plan: Plan,
        updates: &[indexes::Update],
        values: &BTreeMap<String, String>,
        progress: &mut Progress,
    ) -> Result<DeployReport> {
        let mut current = deployed.clone();
        // Names are checked against the plan of the whole deployment, when it is shown.
        let of_last = Options { side_by_side: true, ..self.options.clone() };
        let options = Options {
            // In express mode an update ends before its index is ready, and the next update would be refused.
            mode: Mode { express: false, revert_drift: false, ..self.options.mode },
            ..of_last.clone()
        };
        let Some((last, before)) = updates.split_last() else {
            return self.update(Action::Update, plan, values, None, &progress.so_far()).await;
        };
        let old_values = lossy::restored_texts(&deployed.stack.parameters, values);
        let old_tags = lossy::restored_texts(&deployed.stack.tags, &self.wanted.tags);
        let mark = operation::mark(&self.wanted.text, values);
        let say = |number: usize, update: &indexes::Update| {
            let says = update.says.join(", ");
            self.context.ui.step("update", format!("{number} of {}: {says}", updates.len()));
        };
        for (number, update) in before.iter().enumerate() {
            say(number + 1, update);
            let (parameters, tags) = match update.is_wanted {
                true => (values, &self.wanted.tags),
                false => (&*old_values, &*old_tags),
            };
            let wanted = Wanted {
                kind: self.wanted.kind,
                text: number::to_ascii_json(&update.template),
                template: update.template.clone(),
                parameters: parameters.clone(),
                tags: tags.clone(),
                origins: self.wanted.origins.clone(),
                code: Vec::new(),
                renames: Vec::new(),
            };
            let part = Deployment { wanted: &wanted, deployed: Some(&current), options: &options, ..*self };
            let made = part.update_between(&mark, &progress.so_far()).await?;
            progress.made += usize::from(made);
            let Some(stack) = self.cloudformation.describe(&current.stack.id).await? else {
                return Err(Error::failed(format!("the stack {} was deleted meanwhile", self.name)));
            };
            current =
                Deployed { stack, text: wanted.text, template: wanted.template, swapped: current.swapped };
            progress.deployed = Some(current.clone());
        }
        say(updates.len(), last);
        let rest = Deployment { deployed: Some(&current), options: &of_last, ..*self };
        let done = rest.update(Action::Update, rest.plan(), values, None, &progress.so_far()).await?;
        Ok(DeployReport { plan: Some(plan), ..done })
    }

    /// Runs one of several updates before the last of them. Its operation carries the mark of the whole deployment,
    /// which finds it again. Returns whether there was anything to do.
    async fn update_between(&self, mark: &str, so_far: &str) -> Result<bool> {
        let values = &self.wanted.parameters;
        let Some(waiting) = self.change_set(Action::Update, values, so_far).await? else { return Ok(false) };
        let plan = self.plan().merged(&waiting.changes);
        if let Err(refused) =
            self.gate_losses(&plan).await.and_then(|()| plan::check_mode(&plan, self.options.mode))
        {
            self.discard(&waiting.name, Action::Update).await;
            return Err(refused);
        }
        self.watch(&waiting, values, mark).await?;
        Ok(true)
    }

    /// Creates the change set, shows its changes that the plan lacks, and executes it.
    async fn update(
        &self,
        action: Action,
        plan: Plan,
        values: &BTreeMap<String, String>,
        role_made: Option<Instant>,
        so_far: &str,
    ) -> Result<DeployReport> {
        let Some(waiting) = self.change_set(action, values, so_far).await? else {
            return self.unchanged(values).await;
        };
        let known = plan.diff.notes.len();
        self.tell_drift(&waiting.changes);
        let plan = plan.merged(&waiting.changes);
        for note in plan.diff.notes.iter().skip(known) {
            self.context.ui.warn(note);
        }
        let gate = async {
            self.gate_losses(&plan).await?;
            plan::check_mode(&plan, self.options.mode)?;
            self.gate_deleted(&waiting.changes).await
        };
        if let Err(refused) = gate.await {
            self.discard(&waiting.name, action).await;
            return Err(refused);
        }
        if self.options.no_execute {
            return self.planned(plan, waiting, action).await;
        }
        if let Some(made) = role_made {
            self.let_spread(made).await;
        }
        self.execute(plan, waiting, values).await
    }

    /// Executes a change set that was created before, and whose plan is shown again.
    ///
    /// # Errors
    /// Returns the errors of [`Deployment::run`].
    pub async fn execute_waiting(&self, waiting: Waiting) -> Result<DeployReport> {
        let plan = self.plan().merged(&waiting.changes);
        plan.show(self.context);
        self.gate(&plan).await?;
        plan::check_mode(&plan, self.options.mode)?;
        self.execute(plan, waiting, &self.wanted.parameters).await
    }

    /// Returns the error of a deployment that another one overtook.
    fn came_first(&self) -> Error {
        Error::Deployment(
            Message::new(format!("another operation on {} started first, so this one was not started", self.name)).hint(
                "run `deployer deploy` again, which compares with the new state; `deployer events` shows the other operation",
            ),
        )
    }

    async fn execute(
        &self,
        plan: Plan,
        waiting: Waiting,
        values: &BTreeMap<String, String>,
    ) -> Result<DeployReport> {
        let mark = operation::mark(&self.wanted.text, values);
        let ended = self.watch(&waiting, values, &mark).await?;
        self.succeeded(plan, waiting, values, ended).await
    }

    /// Records the deployment.
    pub async fn record(
        &self,
        id: &str,
        cause: Option<&str>,
        took: Duration,
        values: &BTreeMap<String, String>,
        changes: &[Change],
    ) {
        let finished = self.finished(id, cause, took, values, changes);
        records::keep(self.context, self.session, &finished).await;
    }

    fn finished<'f>(
        &'f self,
        id: &'f str,
        cause: Option<&'f str>,
        took: Duration,
        values: &'f BTreeMap<String, String>,
        changes: &'f [Change],
    ) -> Finished<'f> {
        Finished {
            stack: self.name,
            stack_id: id,
            kind: self.wanted.kind,
            cause,
            took,
            template: Some(&self.wanted.text),
            parameters: values,
            tags: &self.wanted.tags,
            changes,
            remains: None,
        }
    }
}
