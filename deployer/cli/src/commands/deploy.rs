//! `deployer deploy`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stack_core::assets::{ASSET_BUCKET_PARAMETER, assets};
use stack_core::document::Target;
use stack_core::{Stack, Template};

use crate::assets::{Prepared, prepare, publish};
use crate::aws::cloudformation::{
    Change, ChangeKind, ChangeSetInput, ChangeSetOutcome, CloudFormation, DeployedStack, StackState,
    TemplateSource,
};
use crate::aws::session::Session;
use crate::aws::{objects, preflight};
use crate::context::Context;
use crate::error::{AwsError, Error, Message, Result};
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES, Step};
use crate::watch::{self, Goal, Outcome, Watch};

/// Builds and publishes the code, and brings the stack to what the file says.
///
/// Run it again at any time: what is up to date is not touched, and an operation that is under way is watched to its end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let template = plan::synthesize(&stack)?;
    let session = context.connect(&stack.target).await?;
    greet(context, &stack, &session)?;
    let cloudformation = CloudFormation::new(&session);

    let wanted = assets(&stack);
    let body = template.to_compact_json();
    let origins = origins(&template);
    let (prepared, (deployed, deployed_template)) =
        tokio::try_join!(prepare(context, &wanted), deployed(context, &cloudformation, &stack, &origins),)?;
    if let (Some(deployed), Some(deployed_template)) = (&deployed, &deployed_template)
        && plan::is_current(deployed, deployed_template, &body, &prepared)
    {
        context.ui.step("done", format!("nothing to do: {} is up to date", stack.name));
        return report(context, &stack, "unchanged", &[], deployed);
    }
    let steps = plan::steps(deployed.as_ref())?;
    check_account(context, &session, &stack, deployed.is_none()).await?;

    let run = Run {
        context,
        session: &session,
        cloudformation: &cloudformation,
        stack: &stack,
        template: &template,
        body: &body,
        origins: &origins,
        deployed_template: deployed_template.as_deref().unwrap_or_default(),
    };
    run.steps(steps, &prepared).await
}

/// Who goes where: printed first, and compared with what the file wants.
pub fn greet(context: &Context, stack: &Stack, session: &Session) -> Result<()> {
    let place = if session.local {
        "the local cloud".to_owned()
    } else {
        format!("account {}, {}", session.account, session.region)
    };
    context.ui.step("target", format!("{} → {place} as {}", stack.name, session.caller));
    match &stack.target.account {
        Some(account) if *account != session.account => Err(Error::Refused(
            Message::new(format!(
                "stack `{}` belongs to account {account}, and these credentials are of account {}",
                stack.target.stack, session.account
            ))
            .hint("use other credentials (`--profile`), or change `account:` of the stack"),
        )),
        _ => Ok(()),
    }
}

/// What CloudFormation would find out ten minutes in.
async fn check_account(context: &Context, session: &Session, stack: &Stack, new: bool) -> Result<()> {
    if stack.target.target == Target::Local {
        return Ok(());
    }
    let needs_ecs = stack.tasks().next().is_some();
    let (concurrency, made) = tokio::join!(preflight::concurrency(session), async {
        if needs_ecs { preflight::ensure_ecs_role(session).await } else { Ok(false) }
    });
    if allowed(context, made)?.unwrap_or_default() {
        context.ui.step("created", "the service-linked role of ECS, which this account did not have");
    }
    let Some(concurrency) = allowed(context, concurrency)? else { return Ok(()) };
    let reserved: i64 = stack.functions().filter_map(|(_, function)| function.concurrency).sum();
    let reservable = concurrency.reservable(new);
    if reserved > reservable {
        context.ui.warn(format!(
            "the functions reserve {reserved} concurrent executions, and Lambda lets this account reserve {reservable}, of {} \
             in all; lower `concurrency`, or raise the quota `Concurrent executions`",
            concurrency.limit
        ));
    }
    Ok(())
}

/// What a check before the deployment found; `None`, and a warning, when this caller may not ask.
fn allowed<T>(context: &Context, found: std::result::Result<T, AwsError>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_denied() => {
            context.ui.warn(format!("not checked before the deployment: {} is denied", error.operation));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The stack as it is deployed, and its template. An operation that is under way is watched to its end first.
async fn deployed(
    context: &Context,
    cloudformation: &CloudFormation,
    stack: &Stack,
    origins: &BTreeMap<String, String>,
) -> Result<(Option<DeployedStack>, Option<String>)> {
    let ask = || async {
        let (stack, template) =
            tokio::try_join!(cloudformation.describe(&stack.name), cloudformation.template(&stack.name))?;
        Ok::<_, Error>((stack, template))
    };
    let (found, template) = ask().await?;
    let Some(busy) = found.as_ref().filter(|stack| stack.state == StackState::Busy) else {
        return Ok((found, template));
    };
    context.ui.step("waiting", format!("{} is in {}; watching that operation first", busy.name, busy.status));
    context.on_interrupt("CloudFormation goes on with the operation", "`deployer deploy` watches it again");
    // What belongs to the operation comes after the end of the one before.
    let events = cloudformation.events_after(&busy.id, None).await?;
    let before = events.iter().rposition(|event| event.of_stack && watch::is_terminal(&event.status));
    let goal = if busy.status.starts_with("DELETE") { Goal::Destroy } else { Goal::Deploy };
    let watch = Watch { context, cloudformation, stack_id: &busy.id, goal, origins };
    match watch.until_end(before.and_then(|at| events.get(at)).map(|event| event.id.clone())).await? {
        Outcome::Succeeded => ask().await,
        Outcome::Failed(message) => Err(Error::Deployment(message)),
    }
}

/// One deployment under way.
struct Run<'a> {
    context: &'a Context,
    session: &'a Session,
    cloudformation: &'a CloudFormation,
    stack: &'a Stack,
    template: &'a Template,
    body: &'a str,
    origins: &'a BTreeMap<String, String>,
    /// Empty when nothing is deployed.
    deployed_template: &'a str,
}

impl Run<'_> {
    async fn steps(&self, steps: Vec<Step>, prepared: &[Prepared]) -> Result<()> {
        let mut published = BTreeMap::new();
        let mut planned = None;
        for step in steps {
            match step {
                Step::Publish => published = publish(self.context, self.session, prepared).await?,
                Step::ChangeSet(action) => {
                    planned = self.change_set(action, &published).await?;
                    if planned.is_none() {
                        return self.unchanged().await;
                    }
                }
                Step::Execute => {
                    if let Some(planned) = planned.take() {
                        return self.execute(planned).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks CloudFormation what would change, and the user where data would be lost.
    async fn change_set(
        &self,
        action: Action,
        published: &BTreeMap<String, String>,
    ) -> Result<Option<Planned>> {
        let ui = &self.context.ui;
        let name = format!("deployer-{}", milliseconds());
        let parameters = plan::parameters(self.template, published);
        let url = self.template_url(published).await?;
        let input = ChangeSetInput {
            stack: &self.stack.name,
            name: &name,
            create: action == Action::Create,
            template: url.as_deref().map_or(TemplateSource::Body(self.body), TemplateSource::Url),
            parameters: &parameters,
            tags: &[("deployer:stack", &self.stack.target.stack)],
        };
        let outcome = self.cloudformation.change_set(&input).await?;
        // What is left behind when it can't be removed is harmless, and no reason to hide why it has to go.
        let discard = || async {
            let done = self.cloudformation.discard_change_set(&self.stack.name, &name, input.create).await;
            if let Err(error) = done {
                ui.warn(format!("the change set {name} stays: {}", error.message));
            }
        };
        let changes = match outcome {
            ChangeSetOutcome::Ready(changes) => changes,
            ChangeSetOutcome::Empty => {
                discard().await;
                return Ok(None);
            }
            ChangeSetOutcome::Refused(reason) => {
                discard().await;
                return Err(Error::Deployment(
                    Message::new(format!(
                        "CloudFormation refused the change set of {}: {reason}",
                        self.stack.name
                    ))
                    .hint("nothing was changed"),
                ));
            }
        };
        ui.step("change set", summary(&changes));
        if action == Action::Update {
            for change in &changes {
                ui.step(
                    "",
                    format!("{:<8} {} ({})", change.kind.name(), change.logical_id, change.resource_type),
                );
            }
        }
        if let Err(refused) = plan::check_protection(self.deployed_template, &changes) {
            discard().await;
            return Err(refused);
        }
        let lost: Vec<&str> = changes
            .iter()
            .filter(|change| loses_data(change))
            .map(|change| change.logical_id.as_str())
            .collect();
        if !lost.is_empty() {
            let question =
                format!("This removes or replaces resources that hold data ({}). Go on?", lost.join(", "));
            if let Err(refused) = ui.confirm(&question).await {
                discard().await;
                return Err(refused);
            }
        }
        Ok(Some(Planned { name, changes }))
    }

    /// Templates that are too large for a call go by way of the asset bucket.
    async fn template_url(&self, published: &BTreeMap<String, String>) -> Result<Option<String>> {
        let Some(bucket) =
            published.get(ASSET_BUCKET_PARAMETER).filter(|_| self.body.len() > INLINE_TEMPLATE_BYTES)
        else {
            return Ok(None);
        };
        let digest = crate::assets::sha256_hex(self.body.as_bytes());
        let key = format!("templates/{digest}.json");
        objects::put_text(self.session, bucket, &key, self.body).await?;
        Ok(Some(match self.session.endpoint("S3") {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.amazonaws.com/{key}", self.session.region),
        }))
    }

    async fn unchanged(&self) -> Result<()> {
        self.context.ui.step("done", format!("nothing to do: {} is up to date", self.stack.name));
        match self.cloudformation.describe(&self.stack.name).await? {
            Some(deployed) => report(self.context, self.stack, "unchanged", &[], &deployed),
            None => Ok(()),
        }
    }

    async fn execute(&self, planned: Planned) -> Result<()> {
        let Some(before) = self.cloudformation.describe(&self.stack.name).await? else {
            return Err(Error::failed(format!(
                "the stack {} went away before its change set was executed",
                self.stack.name
            )));
        };
        let last = self.cloudformation.newest_event(&before.id).await?;
        self.cloudformation.execute(&self.stack.name, &planned.name, &planned.name).await?;
        self.context
            .on_interrupt("CloudFormation goes on with the deployment", "`deployer deploy` watches it again");
        let watch = Watch {
            context: self.context,
            cloudformation: self.cloudformation,
            stack_id: &before.id,
            goal: Goal::Deploy,
            origins: self.origins,
        };
        match watch.until_end(last).await? {
            Outcome::Succeeded => {}
            Outcome::Failed(message) => return Err(Error::Deployment(message)),
        }
        match self.cloudformation.describe(&self.stack.name).await? {
            Some(deployed) => {
                self.context.ui.step("done", format!("{} is in {}", self.stack.name, deployed.status));
                report(self.context, self.stack, "deployed", &planned.changes, &deployed)
            }
            None => Err(Error::failed(format!("the stack {} went away", self.stack.name))),
        }
    }
}

/// A change set that waits to be executed.
struct Planned {
    name: String,
    changes: Vec<Change>,
}

/// Logical id → name in the file, for messages.
pub fn origins(template: &Template) -> BTreeMap<String, String> {
    template.resources.iter().map(|(id, resource)| (id.clone(), resource.origin.clone())).collect()
}

fn milliseconds() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_millis())
}

fn summary(changes: &[Change]) -> String {
    let kinds = [ChangeKind::Add, ChangeKind::Modify, ChangeKind::Replace, ChangeKind::Remove];
    let counts = kinds.map(|kind| (kind, changes.iter().filter(|change| change.kind == kind).count()));
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} to {}", kind.name()))
        .collect();
    parts.join(", ")
}

/// Types that hold what can't be made again.
fn loses_data(change: &Change) -> bool {
    const HOLDS_DATA: [&str; 6] = [
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
        "AWS::Logs::LogGroup",
        "AWS::SQS::Queue",
        "AWS::KMS::Key",
        "AWS::Events::Archive",
    ];
    matches!(change.kind, ChangeKind::Replace | ChangeKind::Remove)
        && HOLDS_DATA.contains(&change.resource_type.as_str())
}

/// The outcome as data: outputs for people, everything for programs.
fn report(
    context: &Context,
    stack: &Stack,
    result: &str,
    changes: &[Change],
    deployed: &DeployedStack,
) -> Result<()> {
    if !context.ui.is_json() {
        return super::outputs::show(context, stack, deployed);
    }
    let changes: Vec<Value> = changes
        .iter()
        .map(|change| json!({ "action": change.kind.name(), "logicalId": change.logical_id, "type": change.resource_type }))
        .collect();
    context.ui.json(json!({
        "stack": deployed.name,
        "stackId": deployed.id,
        "result": result,
        "status": deployed.status,
        "changes": changes,
        "outputs": super::outputs::values(stack, deployed),
    }))
}
