//! `deployer recover`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use deployer_aws::cloudformation::recovery::{Drift, Replayed};
use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackResource, TemplateSource};
use deployer_aws::dynamodb::tables;
use deployer_aws::error::AwsError;
use deployer_aws::published;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::ListedResource;
use deployer_base::text::printable;
use deployer_build::bucket_name;
use deployer_cfn::stack_settings::StackSettings;
use deployer_cfn::status::Status;
use deployer_cfn::template::has_named_iam;
use deployer_lang::{Compiled, Stack};
use deployer_plan::diagnose::Diagnosis;
use deployer_plan::diff;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::records::{self, Finished, Record};
use crate::recovery::{self, Allowed, Decision, Plan, RecoveryCase, Step};
use crate::retry::{Repeated, Retries};
use crate::state::{Wanted, read_deployed};
use crate::tasks::{self, Running};
use crate::watch::{Goal, Outcome, Watch};
use crate::{diagnosis, plan, situation};

/// Repair a stuck stack so that it can be updated or deleted again
///
/// Shows the state, the steps, and what is deleted and kept, and asks before it acts. While an operation is in progress, watches it
/// until it finishes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Show the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Continue a rollback without the resources that fail in it, and show how they differ from the template
    #[arg(long)]
    skip: bool,
    /// Keep resources that prevent the deletion, instead of emptying buckets and unprotecting tables
    #[arg(long)]
    retain: bool,
    /// Delete the stack even if some resources can't be deleted; those are left in the account
    #[arg(long, conflicts_with = "retain")]
    force: bool,
    /// Cancel an update in progress, which is then rolled back
    #[arg(long)]
    cancel: bool,
}

/// Number of records that are searched for the last success.
const LOOK_BACK: usize = 50;
/// Plans in a row, each shown and confirmed, before the command ends and leaves the rest to the user.
const ROUNDS: usize = 3;

/// A stack and its way out of a failed state.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Recovered<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The result.
    result: Recovery,
    /// CloudFormation's status of the stack; null when the stack is deleted.
    status: Option<&'a str>,
    /// The action; null if nothing is wrong.
    plan: Option<RecoveryPlan<'a>>,
    /// Resources that a rollback skipped, and how far they are from their template.
    skipped: Vec<SkippedResource<'a>>,
}

/// The result of a recovery.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Recovery {
    /// There was nothing to do.
    Nothing,
    /// `plan` is what would be done.
    Planned,
    /// `plan` was done.
    Recovered,
}

/// The steps of a recovery, and what becomes of the resources.
#[derive(Debug, Serialize, JsonSchema)]
struct RecoveryPlan<'a> {
    /// The meaning of the state of the stack.
    state: &'a str,
    /// The steps, in their order.
    steps: Vec<RecoveryStep>,
    /// Resources that are deleted.
    lost: Vec<ListedResource<'a>>,
    /// Resources that stay, and are no longer part of a stack.
    kept: Vec<ListedResource<'a>>,
}

impl<'a> RecoveryPlan<'a> {
    fn new(plan: &'a Plan) -> Self {
        let listed = |list: &'a [StackResource]| list.iter().map(super::destroy::listed).collect();
        let steps = plan.steps.iter().map(|step| RecoveryStep { call: step.call(), what: step.describe() });
        Self { state: plan.state, steps: steps.collect(), lost: listed(&plan.lost), kept: listed(&plan.kept) }
    }
}

/// A step of a recovery.
#[derive(Debug, Serialize, JsonSchema)]
struct RecoveryStep {
    /// The API call.
    call: &'static str,
    /// Description.
    what: String,
}

/// A resource that a rollback skipped.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SkippedResource<'a> {
    /// Logical ID.
    logical_id: &'a str,
    /// The comparison with its template.
    drift: SkippedDrift,
    /// Why CloudFormation could not compare it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The properties that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Vec<SkippedProperty<'a>>>,
}

/// Comparison of a resource with its template.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SkippedDrift {
    /// It does not.
    None,
    /// It does not exist.
    Deleted,
    /// CloudFormation could not compare it.
    Unknown,
    /// It does.
    Differs,
}

/// A property that differs from the template.
#[derive(Debug, Serialize, JsonSchema)]
struct SkippedProperty<'a> {
    /// Path of the property.
    path: &'a str,
    /// The value in the template.
    expected: &'a str,
    /// The value of the resource.
    actual: &'a str,
}

impl<'a> SkippedResource<'a> {
    fn new(logical_id: &'a str, drift: &'a Drift) -> Self {
        let (drift, reason, properties) = match drift {
            Drift::InSync => (SkippedDrift::None, None, None),
            Drift::Deleted => (SkippedDrift::Deleted, None, None),
            Drift::Unknown(reason) => (SkippedDrift::Unknown, Some(reason.as_str()), None),
            Drift::Differs(differences) => {
                let properties = differences.iter().map(|(path, expected, actual)| SkippedProperty {
                    path,
                    expected,
                    actual,
                });
                (SkippedDrift::Differs, None, Some(properties.collect()))
            }
        };
        Self { logical_id, drift, reason, properties }
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    situation::greet(context, &stack, &session)?;
    let cloudformation = CloudFormation::new(&session);
    let origins = situation::origins(&template);
    let run =
        Run { context, session: &session, cloudformation: &cloudformation, stack: &stack, origins: &origins };
    let mut allowed =
        Allowed { skip: args.skip, retain: args.retain, force: args.force, cancel: args.cancel };
    let mut before: Option<(String, Vec<String>)> = None;
    let mut failure = None;
    let mut express = false;
    let (mut retries, mut rounds) = (Retries::default(), 0);
    while rounds < ROUNDS {
        rounds += 1;
        let Some(deployed) = cloudformation.describe(&stack.name).await? else {
            context.ui.step("done", format!("nothing to do: {} is not deployed", stack.name));
            return run.result(Recovery::Nothing, None, None, &[]);
        };
        express |= deployed.failed_in_express;
        let mut state = run.look(&deployed, express).await?;
        let failed = recovery::failed(&state.case(&deployed.status, false, allowed));
        let now = (deployed.status.clone(), failed);
        let again = before.as_ref() == Some(&now);
        let decision = recovery::decide(&state.case(&deployed.status, again, allowed));
        let plan = match decision {
            Decision::Nothing => {
                context.ui.step("done", format!("nothing to do: {} is in {}", stack.name, deployed.status));
                return run.result(Recovery::Nothing, Some(&deployed.status), None, &[]);
            }
            Decision::Refused(message) => return Err(Error::Refused(message)),
            Decision::Go(plan) => plan,
        };
        run.show(&deployed, &plan).await?;
        if args.dry_run {
            return run.result(Recovery::Planned, Some(&deployed.status), Some(&plan), &[]);
        }
        if !plan.steps.iter().all(Step::is_harmless) {
            context.on_interrupt("nothing was done", "run `deployer recover` again");
            context.ui.confirm(&format!("Do this to {}?", stack.name)).await?;
        }
        let (outcome, drift) = match run.act(&deployed, &plan, &mut state).await {
            // This refusal reports the mode if `DescribeStacks` doesn't.
            Err(Error::Aws(error)) if !express && refused_for_express(&error) => {
                context.ui.warn(printable(&error.message));
                express = true;
                continue;
            }
            acted => acted?,
        };
        match outcome {
            Outcome::Succeeded => return run.end(&deployed.status, &plan, &drift).await,
            Outcome::Failed { message, .. } => {
                context.ui.warn(&message.text);
                if !session.local && retries.wait(context, Repeated::Cleanup, &message).await {
                    // A repeated plan is not a further round, and nothing needs to be given up for it.
                    rounds -= 1;
                    allowed.cancel = false;
                    continue;
                }
                failure = Some(message);
            }
        }
        before = Some(now);
        // These options were meant for the state that the stack was in at first.
        allowed = Allowed { cancel: false, skip: false, ..allowed };
    }
    Err(Error::Deployment(failure.unwrap_or_else(|| Message::new("the stack is still stuck"))))
}

/// Returns whether CloudFormation refuses to roll a stack back because it failed in express mode. There is no code for
/// that error.
fn refused_for_express(error: &AwsError) -> bool {
    error.operation == "RollbackStack" && error.is("ValidationError") && error.message.contains("EXPRESS")
}

/// A recovery in progress.
struct Run<'a> {
    context: &'a Context,
    session: &'a Session,
    cloudformation: &'a CloudFormation,
    stack: &'a Stack,
    origins: &'a BTreeMap<String, String>,
}

/// The state of the stack, as far as it is known.
struct State {
    resources: Vec<StackResource>,
    diagnosis: Option<Diagnosis>,
    retained: BTreeSet<String>,
    /// Settings of the deployed template.
    settings: StackSettings,
    express: bool,
    last_good: Option<Record>,
    tasks: Option<Running>,
}

impl State {
    fn case<'s>(&'s self, status: &'s str, again: bool, allowed: Allowed) -> RecoveryCase<'s> {
        RecoveryCase {
            status,
            resources: &self.resources,
            diagnosis: self.diagnosis.as_ref(),
            retained: &self.retained,
            again,
            express: self.express,
            last_good: self.last_good.as_ref().map(|record| record.number),
            tasks: self.tasks.as_ref().map_or(0, Running::count),
            allowed,
        }
    }
}

impl Run<'_> {
    async fn look(&self, deployed: &DeployedStack, express: bool) -> Result<State> {
        let id = &deployed.id;
        let (resources, events, template) = tokio::try_join!(
            self.cloudformation.resources(id),
            self.cloudformation.events_after(id, None),
            self.cloudformation.template(id),
        )?;
        let template = read_deployed(&template.unwrap_or_default())?;
        // A stack that was never created completely doesn't keep the resources that `RetainExceptOnCreate` keeps later.
        let status = Status::of(&deployed.status);
        let never_made = status.was_never_created();
        let keeps = |resource: &Value| match resource["DeletionPolicy"].as_str() {
            Some("RetainExceptOnCreate") => !never_made,
            policy => policy == Some("Retain"),
        };
        let all = template["Resources"].as_object().into_iter().flatten();
        let retained = all.filter(|(_, resource)| keeps(resource)).map(|(id, _)| id.clone()).collect();
        let last_good = match express && status == Status::UpdateFailed {
            true => {
                let records = records::list(self.context, self.session, &deployed.name, LOOK_BACK).await?;
                records.into_iter().find(|record| record.is_way_back() && record.stack_id == *id)
            }
            false => None,
        };
        let diagnosis = diagnosis::of(&events, self.origins);
        let tasks = match never_made || status == Status::DeleteFailed {
            true => Some(tasks::running(self.context, self.session, &resources).await?),
            false => None,
        };
        let settings = StackSettings::of(&template);
        Ok(State { resources, diagnosis, retained, settings, express, last_good, tasks })
    }

    /// Shows the state, the plan, the losses and the kept resources.
    async fn show(&self, deployed: &DeployedStack, plan: &Plan) -> Result<()> {
        let ui = &self.context.ui;
        ui.step("state", format!("{} is in {}: {}", deployed.name, deployed.status, plan.state));
        super::destroy::describe_data(self.context, self.session, &plan.lost, "deletes").await?;
        let deletes = plan.steps.iter().any(|step| matches!(step, Step::Delete { .. } | Step::ForceDelete));
        if deletes && !plan.lost.is_empty() {
            let ids: Vec<&str> = plan.lost.iter().map(|one| one.logical_id.as_str()).collect();
            ui.step("is deleted", ids.join(", "));
        }
        for resource in &plan.kept {
            let kind = diff::kind_in_words(&resource.resource_type);
            ui.step("keeps", format!("{kind} {}", resource.physical_id));
        }
        for (number, step) in plan.steps.iter().enumerate() {
            ui.step(&format!("{}.", number + 1), step.describe());
        }
        let holds_data = plan.lost.iter().any(|one| deployer_plan::diff::holds(&one.resource_type).is_some());
        if deletes && self.stack.target.protect && holds_data {
            return Err(Error::Refused(
                Message::new(format!(
                    "stack `{}` is protected, and data would be lost",
                    self.stack.target.stack
                ))
                .hint("save the data, or remove `protect: true` from the stack in the file first"),
            ));
        }
        if deletes && deployed.protected {
            ui.step("also", "turn off the termination protection of the stack");
        }
        Ok(())
    }

    async fn act(
        &self,
        deployed: &DeployedStack,
        plan: &Plan,
        state: &mut State,
    ) -> Result<(Outcome, Vec<(String, Drift)>)> {
        let id = &deployed.id;
        let mut drift = Vec::new();
        let mut outcome = Outcome::Succeeded;
        for step in &plan.steps {
            let goal = match step {
                Step::StopTasks(_) => {
                    if let Some(running) = state.tasks.take() {
                        running.stop(self.context).await?;
                    }
                    continue;
                }
                Step::EmptyBucket(bucket) => {
                    super::destroy::empty(self.context, self.session, bucket).await?;
                    continue;
                }
                Step::UnprotectTable(table) => {
                    tables::unprotect(self.session, table).await?;
                    continue;
                }
                Step::DeleteChangeSets => {
                    for name in self.cloudformation.change_sets(id).await? {
                        self.cloudformation.delete_change_set(id, &name).await?;
                    }
                    continue;
                }
                Step::CheckDrift(ids) => {
                    for id in ids {
                        drift.push((id.clone(), self.cloudformation.resource_drift(&deployed.id, id).await?));
                    }
                    continue;
                }
                Step::Delete { .. } | Step::ForceDelete => Goal::Destroy,
                Step::RollBack | Step::ContinueRollback { .. } | Step::CancelUpdate => Goal::RollBack,
                Step::Replay(_) => Goal::Deploy,
                Step::Watch(goal) => *goal,
            };
            if goal == Goal::Destroy && deployed.protected && !step.is_harmless() {
                self.cloudformation.protect(&deployed.id, false).await?;
            }
            let last = match step {
                Step::Watch(_) => self.before_this(id).await?,
                _ => self.cloudformation.past(id).await?.last,
            };
            let mut replayed = None;
            match step {
                Step::Delete { retain } => {
                    self.cloudformation.delete_but(id, retain, deployed.failed_in_express).await?;
                }
                Step::Replay(_) => replayed = self.replay(deployed, state).await?,
                Step::ForceDelete => self.cloudformation.force_delete(id).await?,
                Step::RollBack => self.cloudformation.roll_back(id).await?,
                Step::ContinueRollback { skip } => self.cloudformation.continue_rollback(id, skip).await?,
                Step::CancelUpdate => self.cloudformation.cancel_update(id).await?,
                _ => {}
            }
            self.context.on_interrupt(
                "CloudFormation continues the operation",
                "`deployer recover` watches it again",
            );
            let watch = Watch {
                context: self.context,
                cloudformation: self.cloudformation,
                stack_id: id,
                goal,
                origins: self.origins,
                expected: None,
            };
            let started = Instant::now();
            outcome = watch.until_end(last).await?;
            if let Some(wanted) = replayed {
                let cause = match &outcome {
                    Outcome::Succeeded => None,
                    Outcome::Failed { message, .. } => Some(message.text.as_str()),
                };
                self.record(id, &wanted, cause, started.elapsed()).await;
            }
            if matches!(outcome, Outcome::Failed { .. }) {
                break;
            }
        }
        Ok((outcome, drift))
    }

    /// Starts to deploy the last successful deployment again, and returns it.
    async fn replay(&self, deployed: &DeployedStack, state: &State) -> Result<Option<Wanted>> {
        let Some(record) = &state.last_good else { return Ok(None) };
        let wanted =
            super::rollback::wanted(self.session, record, Some((&deployed.tags, &state.settings))).await?;
        // The template of a record is in the asset bucket.
        let digest = record.template.as_deref().unwrap_or_default();
        let url =
            published::object_url(self.session, &bucket_name(self.session), &records::template_key(digest));
        let template = match wanted.text.len() <= plan::INLINE_TEMPLATE_BYTES {
            true => TemplateSource::Body(&wanted.text),
            false => TemplateSource::Url(&url),
        };
        let parameters = plan::parameters(&wanted.template, &wanted.parameters);
        let replayed = Replayed {
            template,
            named_iam: has_named_iam(&wanted.template),
            parameters: &parameters,
            // CloudFormation may not return the tags of others as they are.
            tags: (deployed.tags != wanted.tags).then_some(&wanted.tags),
        };
        self.cloudformation.replay(&deployed.id, &replayed).await?;
        Ok(Some(wanted))
    }

    /// Records that the last successful deployment was deployed again.
    async fn record(&self, id: &str, wanted: &Wanted, cause: Option<&str>, took: Duration) {
        let finished = Finished {
            stack: &self.stack.name,
            stack_id: id,
            kind: wanted.kind,
            cause,
            took,
            template: Some(&wanted.text),
            parameters: &wanted.parameters,
            tags: &wanted.tags,
            changes: &[],
            remains: None,
        };
        records::keep(self.context, self.session, &finished).await;
    }

    /// Returns the ID of the last event before the operation in progress.
    async fn before_this(&self, id: &str) -> Result<Option<String>> {
        let events = self.cloudformation.events_after(id, None).await?;
        let before =
            events.iter().rposition(|event| event.of_stack && Status::of(&event.status).is_terminal());
        Ok(before.and_then(|at| events.get(at)).map(|event| event.id.clone()))
    }

    /// Shows the present state of the stack, and the next step.
    async fn end(&self, before: &str, plan: &Plan, drift: &[(String, Drift)]) -> Result<()> {
        let ui = &self.context.ui;
        for (id, drift) in drift {
            match drift {
                Drift::InSync => ui.step("skipped", format!("{id} matches the template")),
                Drift::Deleted => ui.warn(printable(&format!("{id} was skipped, and no longer exists"))),
                Drift::Unknown(reason) => {
                    ui.warn(printable(&format!(
                        "{id} was skipped, and CloudFormation can't compare it: {reason}"
                    )));
                }
                Drift::Differs(differences) => {
                    for (path, expected, actual) in differences {
                        let text =
                            format!("{id} was skipped: {path} is {actual}, but {expected} in the template");
                        ui.warn(printable(&text));
                    }
                }
            }
        }
        let deployed = self.cloudformation.describe(&self.stack.name).await?;
        let status = deployed.as_ref().map(|stack| stack.status.as_str());
        let name = &self.stack.name;
        let deploy = format!("`deployer deploy {}`", self.stack.target.stack);
        // If nothing failed, or the user wanted to delete the stack, there is no cause to fix.
        let before = Status::of(before);
        let failed = !before.is_in_progress() && before != Status::DeleteFailed;
        let well = |status: &str| Status::of(status).is_complete() && !Status::of(status).is_rollback();
        match status {
            None if !failed => ui.step("done", format!("{name} is deleted")),
            Some(status) if well(status) => ui.step("done", format!("{name} is in {status}")),
            None => ui.step("done", format!("{name} is deleted; fix the cause, then run {deploy}")),
            Some(status) if drift.iter().any(|(_, drift)| *drift != Drift::InSync) => ui.step(
                "done",
                format!(
                    "{name} is in {status}; fix the skipped resources, or run {deploy}, which updates them"
                ),
            ),
            Some(status) => {
                ui.step("done", format!("{name} is in {status}; fix the cause, then run {deploy}"))
            }
        }
        super::destroy::list_kept(self.context, &plan.kept);
        self.result(Recovery::Recovered, status, Some(plan), drift)
    }

    fn result(
        &self,
        result: Recovery,
        status: Option<&str>,
        plan: Option<&Plan>,
        drift: &[(String, Drift)],
    ) -> Result<()> {
        if !self.context.ui.is_json() {
            return Ok(());
        }
        self.context.ui.json(Recovered {
            stack: &self.stack.name,
            result,
            status,
            plan: plan.map(RecoveryPlan::new),
            skipped: drift.iter().map(|(id, drift)| SkippedResource::new(id, drift)).collect(),
        })
    }
}
