//! The checks that can stop a deployment before its change set: losses, questions, quotas, and missing parts of the
//! account.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deployer_aws::error::AwsError;
use deployer_aws::preflight::{self, Concurrency};
use deployer_base::error::{Error, Message, Result};
use deployer_lang::model::target::Target;
use serde_json::Value;

use super::{Deployment, Losses};
use crate::data_loss::{self, Holds};
use crate::gates::{self, Loss};
use crate::plan::{Action, INLINE_TEMPLATE_BYTES, Plan};

/// Time after which a new role can be assumed everywhere; AWS names none, and tools that wait take about 10 s.
const ROLE_SPREADS: Duration = Duration::from_secs(15);

impl Deployment<'_> {
    /// Refuses losses, and asks about a first deployment and about new access.
    pub(super) async fn gate(&self, plan: &Plan) -> Result<()> {
        self.gate_losses(plan).await?;
        match gates::question(self.first(plan).as_deref(), plan.widened(), plan.exposed()) {
            Some(question) if !self.options.accepted => self.context.ui.confirm(&question).await,
            _ => Ok(()),
        }
    }

    /// Describes the result of a first deployment to AWS, its place and its price; for a change set that waits, only
    /// its prerequisites.
    fn first(&self, plan: &Plan) -> Option<String> {
        if !plan.diff.new {
            return None;
        }
        let adopted = match plan.diff.summary.adopt {
            0 => None,
            1 => Some("1 resource that was kept (shown above)".to_owned()),
            count => Some(format!("{count} resources that were kept (shown above)")),
        };
        if self.target.target == Target::Local {
            return adopted.map(|adopted| format!("Create {}, and adopt {adopted}", self.name));
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
        let adopted = adopted.map(|adopted| format!(", and adopt {adopted}")).unwrap_or_default();
        Some(format!(
            "Create {} with {resources} {noun} in account {}, {}, at ${:.2} a month{more} while idle{adopted}",
            self.name, self.session.account, self.session.region, cost.after
        ))
    }

    pub(super) async fn gate_losses(&self, plan: &Plan) -> Result<()> {
        if let Some(adoption) = self.adoption {
            // What may be replaced by name is not adopted.
            gates::check_losses(&adoption.losses, &[])?;
            let unknown = self.options.allow_replace.iter().filter(|name| !plan.knows(name)).cloned();
            return gates::check_names(&adoption.losses, &unknown.collect::<Vec<_>>());
        }
        let mut losses = plan.losses();
        if let Some(deployed) = self.deployed.filter(|_| !losses.is_empty()) {
            let resources = self.cloudformation.resources(&deployed.stack.id).await?;
            let renamed = self.wanted.renamed_ids(&deployed.template);
            let counts = losses.iter().map(async |loss| {
                // A resource that is renamed first still has its former ID.
                let former = renamed.iter().find(|(_, new)| **new == loss.logical_id).map(|(old, _)| old);
                let id = former.unwrap_or(&loss.logical_id);
                let found = resources.iter().find(|one| one.logical_id == *id);
                match found.filter(|one| !one.physical_id.is_empty()) {
                    // A caller without the permission to count must still be stopped.
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
        match &self.options.losses {
            Losses::Refused => gates::check_losses(&losses, &self.options.allow_replace)?,
            Losses::Asked(accepted) => self.ask_about(&losses, accepted).await?,
        }
        // With several stacks, not each must lose the resources that are named.
        if self.options.side_by_side {
            return Ok(());
        }
        // Until CloudFormation was asked, only a name that no resource has is certainly wrong.
        let certain = |name: &&String| plan.is_final() || !plan.knows(name);
        let names: Vec<String> = self.options.allow_replace.iter().filter(certain).cloned().collect();
        gates::check_names(&losses, &names)
    }

    /// Asks about losses that were not accepted before, and refuses them if nobody can be asked. `-y` is no answer, since the
    /// question may be about data that nobody thought of.
    async fn ask_about(&self, losses: &[Loss], accepted: &Mutex<BTreeSet<String>>) -> Result<()> {
        let known = || accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut allowed = self.options.allow_replace.clone();
        allowed.extend(known().iter().cloned());
        let Err(refused) = gates::check_losses(losses, &allowed) else { return Ok(()) };
        let ui = &self.context.ui;
        let (Some(message), false) = (refused.message(), losses.iter().any(|loss| loss.protected)) else {
            return Err(refused);
        };
        let lost: Vec<&str> =
            gates::refused(losses, &allowed).iter().map(|loss| loss.logical_id.as_str()).collect();
        if !ui.can_ask() {
            let options: Vec<String> = lost.iter().map(|id| format!("--allow-replace {id}")).collect();
            return Err(Error::Refused(Message::new(message.text).hint(format!(
                "to allow it, run `deployer deploy {} {}`; nothing was changed",
                self.target.stack,
                options.join(" ")
            ))));
        }
        ui.warn(message.text);
        ui.confirm_by_name("Deploy, and lose this data?", self.name).await?;
        known().extend(lost.into_iter().map(str::to_owned));
        Ok(())
    }

    fn needs_ecs(&self) -> bool {
        self.wanted.of_type("AWS::ECS::TaskDefinition").next().is_some()
    }

    /// Checks conditions on which CloudFormation would fail after ten minutes. Returns the time at which the role of
    /// ECS was created, if it was.
    pub(super) async fn preflight(&self, action: Action) -> Result<Option<Instant>> {
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

    /// Waits until a role that was just created can be assumed. Before that, ECS creates no cluster, and the whole
    /// deployment fails.
    pub(super) async fn let_spread(&self, made: Instant) {
        let left = ROLE_SPREADS.saturating_sub(made.elapsed());
        if left.is_zero() {
            return;
        }
        self.context
            .ui
            .step("waiting", "for the new service-linked role of ECS to become usable (at most 15 s)");
        tokio::time::sleep(left).await;
    }

    /// Refuses settings that the account's quotas of Lambda don't allow.
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

    /// Returns the result of a check before the deployment; `None`, with a warning, if the caller lacks the permission.
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
}
