//! One deployment, from what is deployed to what is wanted: plan, gates, publication, change set, execution, record.
//! `deploy` and `rollback` both go this way; they differ in where the template comes from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use stack_core::StackTarget;
use stack_core::deployed::lossy;
use stack_core::diff::indexes;
use stack_core::model::target::Target;
use stack_core::number;
use stack_core::status::Status;

use crate::assets::{ensure_bucket, publish};
use crate::aws::cloudformation::{
    Change, ChangeSetInput, ChangeSetOutcome, CloudFormation, DeployedStack, Mode, StackResource, StackState,
    TemplateSource,
};
use crate::aws::error::AwsError;
use crate::aws::preflight::Concurrency;
use crate::aws::session::Session;
use crate::aws::{objects, preflight, published};
use crate::context::Context;
use crate::data_loss::{self, Holds};
use crate::diagnosis;
use crate::error::{Error, Message, Result};
use crate::gates;
use crate::hotswap::Swap;
use crate::operation;
use crate::output::{AnnouncedChange, DeploymentResult};
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES, Plan};
use crate::records::{self, Finished};
use crate::retry::{Repeated, Retries};
use crate::state::{Deployed, Wanted};
use crate::watch::{Goal, Outcome, Watch};

/// Codes that say that a change set can't be executed any more.
const OUTDATED: [&str; 3] = ["InvalidChangeSetStatus", "ChangeSetNotFound", "ChangeSetNotFoundException"];

/// Time after which a new role can be assumed everywhere; AWS names none, and tools that wait take about 10 s.
const ROLE_SPREADS: Duration = Duration::from_secs(15);

/// What hints end with before anything was done.
const NOTHING_CHANGED: &str = "nothing was changed";

/// How to go about it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Resources with data that may be lost, by logical id or name.
    pub allow_replace: Vec<String>,
    /// Make the change set, and leave it for later.
    pub no_execute: bool,
    /// For CloudFormation.
    pub mode: Mode,
    /// The plan was seen and saved before, so that its questions are answered.
    pub accepted: bool,
    /// One of several stacks, or of several updates, each of which need not lose what is named.
    pub side_by_side: bool,
}

/// How far a deployment has come.
#[derive(Debug)]
struct Progress {
    /// What it has left.
    deployed: Option<Deployed>,
    /// How many updates it has made before the last one.
    made: usize,
}

impl Progress {
    /// What to say of the stack where it goes no further.
    fn so_far(&self) -> String {
        match self.made {
            0 => NOTHING_CHANGED.to_owned(),
            1 => "1 update was made, and is kept".to_owned(),
            made => format!("{made} updates were made, and are kept"),
        }
    }

    /// An error that says so.
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
    /// Where it is told.
    pub context: &'a Context,
    /// Who does it.
    pub session: &'a Session,
    /// Whom to ask.
    pub cloudformation: &'a CloudFormation,
    /// Name of the stack in CloudFormation.
    pub name: &'a str,
    /// What the file says of where it goes.
    pub target: &'a StackTarget,
    /// What it is to become.
    pub wanted: &'a Wanted,
    /// What it is now.
    pub deployed: Option<&'a Deployed>,
    /// How to go about it.
    pub options: &'a Options,
}

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

/// A change set that waits to be executed.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// What it would do.
    pub changes: Vec<Change>,
}

impl Deployment<'_> {
    /// What would change.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::new(self.session, self.name, self.wanted, self.deployed)
    }

    /// Goes all the way; again, a bounded number of times, when it fails for a reason that passes by itself.
    ///
    /// # Errors
    /// [`Error::Refused`] at a gate, [`Error::Deployment`] when it fails, what AWS answers.
    pub async fn run(&self) -> Result<DeployReport> {
        let mut retries = Retries::default();
        let mut progress = Progress { deployed: self.deployed.cloned(), made: 0 };
        let mut ended = self.attempt(true, &mut progress).await;
        while let Err(Error::Deployment(failure)) = &ended
            && self.target.target != Target::Local
            && retries.wait(self.context, Repeated::Deployment, failure).await
        {
            ended = self.once_more(&mut progress).await;
        }
        ended.map_err(|error| progress.told(error))
    }

    /// Goes all the way from what the attempt before has left.
    async fn once_more(&self, progress: &mut Progress) -> Result<DeployReport> {
        progress.deployed = self.look_again(progress.deployed.as_ref()).await?;
        let deployed = progress.deployed.clone();
        // What is named may have been lost already.
        let options = Options { side_by_side: true, ..self.options.clone() };
        let rest = Deployment { deployed: deployed.as_ref(), options: &options, ..*self };
        let done = rest.attempt(false, progress).await?;
        let plan = done.plan.map(|plan| if progress.made > 0 { self.plan() } else { plan });
        Ok(DeployReport { plan, ..done })
    }

    /// What is deployed now, which must be what this deployment has left.
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

    /// Goes all the way once. What was shown and confirmed at first is not shown again.
    async fn attempt(&self, first: bool, progress: &mut Progress) -> Result<DeployReport> {
        let action = plan::action(self.deployed.map(|deployed| &deployed.stack))?;
        let plan = self.plan();
        if first {
            plan.show(self.context);
            self.context.on_interrupt(NOTHING_CHANGED, "run `deployer deploy` again");
            self.gate(&plan).await?;
        }
        plan::check_mode(&plan, self.options.mode)?;
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
        values.extend(publish(self.context, self.session, &self.wanted.code).await?);
        match self.deployed {
            Some(deployed) if !updates.is_empty() => {
                self.one_after_the_other(deployed, plan, &updates, &values, progress).await
            }
            _ => self.update(action, plan, &values, role_made, &progress.so_far()).await,
        }
    }

    /// Goes by way of updates that each change one index of a table. An interruption leaves the stack in between, from where the
    /// same command goes on.
    async fn one_after_the_other(
        &self,
        deployed: &Deployed,
        plan: Plan,
        updates: &[indexes::Update],
        values: &BTreeMap<String, String>,
        progress: &mut Progress,
    ) -> Result<DeployReport> {
        let mut current = deployed.clone();
        // Names are checked against the plan of the whole, when it is shown.
        let of_last = Options { side_by_side: true, ..self.options.clone() };
        let options = Options {
            // In express mode an update ends before its index is there, and the next one would be refused.
            mode: Mode { express: false, ..self.options.mode },
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

    /// One of several updates, before the last of them. Its operation bears the mark of the whole deployment, which finds it again.
    /// Gives whether there was anything to do.
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

    /// Asks CloudFormation, shows what it knows better, and does it.
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
        let plan = plan.merged(&waiting.changes);
        for note in plan.diff.notes.iter().skip(known) {
            self.context.ui.warn(note);
        }
        if let Err(refused) =
            self.gate_losses(&plan).await.and_then(|()| plan::check_mode(&plan, self.options.mode))
        {
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

    /// Executes a change set that was made before, and whose plan is shown again.
    ///
    /// # Errors
    /// As [`Deployment::run`].
    pub async fn execute_waiting(&self, waiting: Waiting) -> Result<DeployReport> {
        let plan = self.plan().merged(&waiting.changes);
        plan.show(self.context);
        self.gate(&plan).await?;
        plan::check_mode(&plan, self.options.mode)?;
        self.execute(plan, waiting, &self.wanted.parameters).await
    }

    /// Refuses what would be lost, and asks about what is new in an account and what opens.
    async fn gate(&self, plan: &Plan) -> Result<()> {
        self.gate_losses(plan).await?;
        match gates::question(self.first(plan).as_deref(), plan.widened(), plan.exposed()) {
            Some(question) if !self.options.accepted => self.context.ui.confirm(&question).await,
            _ => Ok(()),
        }
    }

    /// What a first deployment to AWS makes, where, and at what price; for a change set that waits, what it needs beforehand.
    fn first(&self, plan: &Plan) -> Option<String> {
        if !plan.diff.new || self.target.target == Target::Local {
            return None;
        }
        if self.options.no_execute {
            let role = self.needs_ecs().then_some("the service-linked role of ECS");
            let has_code = !self.wanted.code.is_empty() || self.wanted.text.len() > INLINE_TEMPLATE_BYTES;
            let place = has_code.then_some("the bucket and repository for code and templates");
            let missing = [role, place].into_iter().flatten().collect::<Vec<_>>().join(" and ");
            let missing = if missing.is_empty() { missing } else { format!(", with {missing} if missing,") };
            return Some(format!(
                "Create a change set for {}{missing} in account {}, {}, without executing it",
                self.name, self.session.account, self.session.region
            ));
        }
        let (resources, cost) = (plan.diff.summary.create, &plan.diff.cost);
        let noun = if resources == 1 { "resource" } else { "resources" };
        let more = if cost.unknown.is_empty() { "" } else { " or more" };
        Some(format!(
            "Create {} with {resources} {noun} in account {}, {}, at ${:.2} a month{more} while idle",
            self.name, self.session.account, self.session.region, cost.after
        ))
    }

    async fn gate_losses(&self, plan: &Plan) -> Result<()> {
        let mut losses = plan.losses();
        if let Some(deployed) = self.deployed.filter(|_| !losses.is_empty()) {
            let resources = self.cloudformation.resources(&deployed.stack.id).await?;
            let counts = losses.iter().map(async |loss| {
                let found = resources.iter().find(|one| one.logical_id == loss.logical_id);
                match found.filter(|one| !one.physical_id.is_empty()) {
                    // Who may not count must still be stopped.
                    Some(one) => data_loss::of(self.session, &one.resource_type, &one.physical_id)
                        .await
                        .unwrap_or(Holds::Unknown),
                    None => Holds::Nothing,
                }
            });
            let counts = futures::future::join_all(counts).await;
            for (loss, holds) in losses.iter_mut().zip(counts) {
                loss.holds = holds;
            }
        }
        gates::check_losses(&losses, &self.options.allow_replace)?;
        // Of several stacks, each need not lose what is named.
        if self.options.side_by_side {
            return Ok(());
        }
        // Until CloudFormation was asked, only a name that no resource has is wrong for certain.
        let certain = |name: &&String| plan.is_final() || !plan.knows(name);
        let names: Vec<String> = self.options.allow_replace.iter().filter(certain).cloned().collect();
        gates::check_names(&losses, &names)
    }

    fn needs_ecs(&self) -> bool {
        self.wanted.of_type("AWS::ECS::TaskDefinition").next().is_some()
    }

    /// What CloudFormation would find out ten minutes in. Gives when the role of ECS was made, if it was.
    async fn preflight(&self, action: Action) -> Result<Option<Instant>> {
        if self.target.target == Target::Local {
            return Ok(None);
        }
        let ui = &self.context.ui;
        let (concurrency, made) = tokio::join!(preflight::concurrency(self.session), async {
            if self.needs_ecs() { preflight::ensure_ecs_role(self.session).await } else { Ok(false) }
        });
        let made = self.allowed(made)?.unwrap_or_default().then(Instant::now);
        if made.is_some() {
            ui.step("created", "the service-linked role of ECS, which this account did not have");
        }
        if let Some(concurrency) = self.allowed(concurrency)? {
            self.check_limits(action, concurrency)?;
        }
        Ok(made)
    }

    /// Waits until a role that was just made can be assumed. Before that, ECS makes no cluster, and the whole deployment fails.
    async fn let_spread(&self, made: Instant) {
        let left = ROLE_SPREADS.saturating_sub(made.elapsed());
        if left.is_zero() {
            return;
        }
        self.context
            .ui
            .step("waiting", "for the new service-linked role of ECS to become usable (at most 15 s)");
        tokio::time::sleep(left).await;
    }

    /// Refuses what this account's quotas of Lambda don't allow.
    fn check_limits(&self, action: Action, concurrency: Concurrency) -> Result<()> {
        let ui = &self.context.ui;
        let too_large = |properties: &&Value| {
            properties["MemorySize"].as_i64().is_some_and(|size| size > preflight::MEMORY_OF_ALL)
        };
        if concurrency.is_small() && self.wanted.of_type("AWS::Lambda::Function").any(|one| too_large(&one)) {
            ui.warn(format!(
                "a function has more than {} MB of memory, which Lambda may refuse: this account has the quotas of a new \
                 account; lower `memory`, or ask AWS support for more",
                preflight::MEMORY_OF_ALL
            ));
        }
        let functions = self.wanted.of_type("AWS::Lambda::Function");
        let reserved: i64 =
            functions.filter_map(|properties| properties["ReservedConcurrentExecutions"].as_i64()).sum();
        let new = action == Action::Create;
        if reserved > 0 && concurrency.is_small() {
            return Err(Error::Refused(
                Message::new(format!(
                    "the functions reserve {reserved} concurrent executions, but an account with a limit of {} cannot reserve any",
                    concurrency.limit
                ))
                .hint("set `concurrency: unreserved`, or raise the quota `Concurrent executions` of Lambda; nothing was changed"),
            ));
        }
        if reserved > 0 && reserved > concurrency.reservable_at_most(new) {
            return Err(Error::Refused(
                Message::new(format!(
                    "the functions reserve {reserved} concurrent executions, but only {1} of the {0} of this account are available",
                    concurrency.limit, concurrency.unreserved
                ))
                .hint("raise the quota `Concurrent executions` of Lambda, lower `concurrency`, or set `concurrency: unreserved`; nothing was changed"),
            ));
        }
        if reserved > concurrency.reservable(new) {
            ui.warn(format!(
                "the functions reserve {reserved} concurrent executions, and Lambda may let this account reserve only {}, of {} \
                 in total; lower `concurrency`, or raise the quota `Concurrent executions`",
                concurrency.reservable(new),
                concurrency.limit
            ));
        }
        Ok(())
    }

    /// What a check before the deployment found; `None`, and a warning, when this caller may not ask.
    fn allowed<T>(&self, found: std::result::Result<T, AwsError>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_denied() => {
                let operation = error.operation;
                self.context.ui.warn(format!("not checked before the deployment: {operation} is denied"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks CloudFormation what would change. `so_far` says what was done before.
    async fn change_set(
        &self,
        action: Action,
        values: &BTreeMap<String, String>,
        so_far: &str,
    ) -> Result<Option<Waiting>> {
        let name = format!("deployer-{}", jiff::Timestamp::now().as_millisecond());
        let parameters = plan::parameters(&self.wanted.template, values);
        let url = self.template_url().await?;
        let input = ChangeSetInput {
            stack: self.name,
            name: &name,
            create: action == Action::Create,
            template: url.as_deref().map_or(TemplateSource::Body(&self.wanted.text), TemplateSource::Url),
            parameters: &parameters,
            tags: &self.wanted.tags,
            description: &operation::signature(&self.session.caller),
            mode: self.options.mode,
        };
        self.context.on_interrupt(
            &format!("{so_far}; the change set {name} may remain, and does no harm"),
            "run `deployer deploy` again; a deployment removes leftover change sets",
        );
        let live = self.context.ui.live();
        live.say("CloudFormation is creating the change set");
        let outcome = self.cloudformation.change_set(&input).await;
        drop(live);
        match outcome.map_err(|error| self.overtaken(error))? {
            ChangeSetOutcome::Ready(changes) => {
                self.context.ui.step("change set", plan::summary(&changes));
                Ok(Some(Waiting { name, changes }))
            }
            ChangeSetOutcome::Empty => {
                self.discard(&name, action).await;
                Ok(None)
            }
            ChangeSetOutcome::Overtaken => {
                self.discard(&name, action).await;
                Err(self.came_first())
            }
            ChangeSetOutcome::Refused(reason) => {
                self.discard(&name, action).await;
                let stack = self.name;
                Err(Error::Deployment(
                    Message::new(format!("CloudFormation refused the change set of {stack}: {reason}"))
                        .hint(diagnosis::refused(&reason)),
                ))
            }
        }
    }

    /// Somebody deployed while this deployment was being made.
    fn came_first(&self) -> Error {
        Error::Deployment(
            Message::new(format!("another operation on {} started first, so this one was not started", self.name)).hint(
                "run `deployer deploy` again, which compares with the new state; `deployer events` shows the other operation",
            ),
        )
    }

    /// Somebody began between our look and the change set, for which there is no code of its own.
    fn overtaken(&self, error: AwsError) -> Error {
        if !error.is("ValidationError") || !error.message.contains("_IN_PROGRESS state") {
            return error.into();
        }
        Error::Refused(
            Message::new(format!("another operation has started on {}: {}", self.name, error.message))
                .hint("`deployer deploy --wait` waits for it and then deploys; nothing was changed"),
        )
    }

    /// Removes a change set. What stays when it can't be removed is harmless, and no reason to hide why it has to go.
    async fn discard(&self, name: &str, action: Action) {
        let stack = self.name;
        // A stack that waited with another change set goes on waiting.
        let made_here = action == Action::Create && self.deployed.is_none();
        let done = self.cloudformation.discard_change_set(stack, name, made_here).await;
        if let Err(error) = done
            && !error.is("ChangeSetNotFound")
        {
            self.context.ui.warn(format!("the change set {name} was not deleted: {}", error.message));
        }
    }

    /// Templates that are too large for a call go by way of the asset bucket.
    async fn template_url(&self) -> Result<Option<String>> {
        if self.wanted.text.len() <= INLINE_TEMPLATE_BYTES {
            return Ok(None);
        }
        let bucket = ensure_bucket(self.context, self.session).await?;
        let key = records::template_key(&crate::assets::sha256_hex(self.wanted.text.as_bytes()));
        objects::put_text(self.session, &bucket, &key, &self.wanted.text).await?;
        Ok(Some(published::object_url(self.session, &bucket, &key)))
    }

    /// CloudFormation found nothing to do. Code that was swapped gets back what CloudFormation has.
    async fn unchanged(&self, values: &BTreeMap<String, String>) -> Result<DeployReport> {
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

    async fn planned(&self, plan: Plan, waiting: Waiting, action: Action) -> Result<DeployReport> {
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

    /// Executes a change set and watches it to its end. A failure is recorded.
    async fn watch(
        &self,
        waiting: &Waiting,
        values: &BTreeMap<String, String>,
        mark: &str,
    ) -> Result<Executed> {
        let name = self.name;
        // A stack that only waits with a change set may be another by now.
        let known = self.deployed.filter(|deployed| deployed.stack.state != StackState::Review);
        let known = known.map(|deployed| deployed.stack.id.as_str());
        let past = async {
            match known {
                Some(id) => self.cloudformation.past(id).await.map(Some),
                None => Ok(None),
            }
        };
        let (before, past) = tokio::try_join!(self.cloudformation.describe(name), past)?;
        let Some(before) = before else {
            return Err(Error::failed(format!(
                "the stack {name} was deleted before its change set was executed"
            )));
        };
        let past = match past.filter(|_| known == Some(before.id.as_str())) {
            Some(past) => past,
            None => self.cloudformation.past(&before.id).await?,
        };
        let started = Instant::now();
        let token = format!("{mark}{}", started_at(&waiting.name));
        match self.cloudformation.execute(name, &waiting.name, &token, self.options.mode).await {
            // Every execution makes the other change sets of a stack void: AWS CloudFormation User Guide, "Execute a change set".
            Err(error) if OUTDATED.iter().any(|code| error.is(code)) => {
                self.discard(&waiting.name, Action::Update).await;
                return Err(self.came_first());
            }
            begun => begun?,
        }
        self.context
            .on_interrupt("CloudFormation continues the deployment", "`deployer deploy` watches it again");
        let watch = Watch {
            context: self.context,
            cloudformation: self.cloudformation,
            stack_id: &before.id,
            goal: Goal::Deploy,
            origins: &self.wanted.origins,
            expected: Some((waiting.changes.len(), past.took)),
        };
        let ready = records::prepare(self.context, self.session, name, Some(&self.wanted.text));
        let (outcome, ready) = tokio::join!(watch.until_end(past.last.clone()), ready);
        let (outcome, took) = (outcome?, started.elapsed());
        match outcome {
            Outcome::Succeeded => Ok(Executed { id: before.id, took, ready }),
            Outcome::Failed { message, status } => {
                let message = remove_failed_create(&watch, past.last.as_deref(), message, &status).await;
                let finished = self.finished(&before.id, Some(&message.text), took, values, &waiting.changes);
                records::tell(
                    self.context,
                    records::write(self.context, self.session, ready, &finished).await,
                );
                Err(Error::Deployment(message))
            }
        }
    }

    /// What is left to do behind a deployment that is done: each can wait, so none makes it fail.
    async fn succeeded(
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

    /// Notes what was done.
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
        }
    }
}

/// A change set that was executed to its end.
struct Executed {
    /// ARN of the stack.
    id: String,
    took: Duration,
    /// For its record.
    ready: Result<records::Ready>,
}

/// Removes what a first deployment of ours left that failed and was rolled back: a stack without resources, which could only
/// be deleted. CloudFormation does so by itself where `OnStackFailure` may be said; in express mode it may not.
///
/// Gives what is to be said of the failure: `message` when the stack stays.
pub async fn remove_failed_create(
    watch: &Watch<'_>,
    after: Option<&str>,
    message: Message,
    status: &str,
) -> Message {
    // Only the first operation on a stack ends so.
    if Status::of(status) != Status::RollbackComplete {
        return message;
    }
    match removed(watch, after).await {
        Ok(Some(message)) => message,
        Ok(None) => message,
        // It failed as it did; what is left of it, `recover` removes.
        Err(error) => {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            watch.context.ui.warn(format!("the empty stack was not deleted: {why}"));
            message
        }
    }
}

async fn removed(watch: &Watch<'_>, after: Option<&str>) -> Result<Option<Message>> {
    let (id, cloudformation) = (watch.stack_id, watch.cloudformation);
    if cloudformation.resources(id).await?.iter().any(StackResource::exists) {
        return Ok(None);
    }
    let last = cloudformation.past(id).await?.last;
    cloudformation.delete(id).await?;
    let deletion = Watch { goal: Goal::Destroy, expected: None, ..*watch };
    if deletion.until_end(last).await? != Outcome::Succeeded {
        return Ok(None);
    }
    let events = cloudformation.events_after(id, after).await?;
    Ok(diagnosis::of(&events, watch.origins)
        .map(|found| diagnosis::message(&found.ended_in(Status::DeleteComplete.as_str()))))
}

/// The last word of a change set's name, which makes a token one of its kind.
fn started_at(change_set: &str) -> String {
    let word = change_set.rsplit('-').next().unwrap_or_default();
    word.chars().filter(char::is_ascii_alphanumeric).take(40).collect()
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
