//! CloudFormation: the state of a stack, change sets, events, deletion.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::primitives::{DateTime, DateTimeFormat};
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, DeploymentConfig, DeploymentConfigMode,
    EvaluationType, ExecutionStatus, OnStackFailure, Parameter, Replacement, ResourceChange, Stack,
    StackEvent, Tag, TemplateStage,
};
use stack_core::diff::ChangeKind;
use stack_core::status::Status;

use super::error::{AwsError, AwsResult as _};

type Result<T> = std::result::Result<T, AwsError>;

/// A stack as it is deployed.
#[derive(Debug, Clone)]
pub struct DeployedStack {
    /// Its name.
    pub name: String,
    /// Its ARN, which goes on naming it after its deletion.
    pub id: String,
    /// What can be done with it.
    pub state: StackState,
    /// CloudFormation's word for that.
    pub status: String,
    /// Whether termination protection is on.
    pub protected: bool,
    /// Parameter values.
    pub parameters: BTreeMap<String, String>,
    /// Output values.
    pub outputs: Vec<(String, String)>,
    /// Tags of the stack, which all its resources carry too.
    pub tags: BTreeMap<String, String>,
    /// ARN of the change set that the last operation executed.
    pub change_set: Option<String>,
    /// The last operation failed in express mode, so that CloudFormation takes no operation in another mode.
    pub failed_in_express: bool,
}

/// What can be done with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackState {
    /// It can be updated.
    Settled,
    /// It holds nothing but a change set that was never executed.
    Review,
    /// An operation is under way.
    Busy,
    /// It can only be deleted, or recovered.
    Dead,
}

impl StackState {
    fn of(status: Status) -> Self {
        match status {
            Status::ReviewInProgress => Self::Review,
            settled if settled.can_be_updated() => Self::Settled,
            busy if busy.is_in_progress() => Self::Busy,
            _ => Self::Dead,
        }
    }
}

/// One planned change of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happens; with `perhaps`, it may be replaced.
    pub kind: ChangeKind,
    /// It depends on values that are known only when the change is made.
    pub perhaps: bool,
    /// Logical id.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
}

/// What became of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetOutcome {
    /// It can be executed.
    Ready(Vec<Change>),
    /// There is nothing to change.
    Empty,
    /// Another change was executed before it could be.
    Overtaken,
    /// CloudFormation refused it.
    Refused(String),
}

/// An event of a stack, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique id.
    pub id: String,
    /// When, as text.
    pub time: String,
    /// Logical id of the resource; the stack's own name for events of the stack.
    pub logical_id: String,
    /// Name, URL, id or ARN; empty when there is none yet.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Such as `CREATE_IN_PROGRESS`.
    pub status: String,
    /// Why, mostly of failures.
    pub reason: Option<String>,
    /// Whether it is of the stack and not of one of its resources.
    pub of_stack: bool,
    /// What started the operation, when it was said.
    pub token: Option<String>,
}

/// How CloudFormation goes about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// Done as soon as the configuration is applied, without waiting for resources to become ready.
    pub express: bool,
    /// What fails stays as it is, and is not brought back to what was before.
    pub no_rollback: bool,
}

/// What a change set is made from.
#[derive(Debug, Clone)]
pub struct ChangeSetInput<'a> {
    /// Stack name.
    pub stack: &'a str,
    /// Name of the change set.
    pub name: &'a str,
    /// Create the stack, or update it.
    pub create: bool,
    /// The template, or the URL of it.
    pub template: TemplateSource<'a>,
    /// Parameter values.
    pub parameters: &'a [(String, String)],
    /// Tags of the stack and all its resources.
    pub tags: &'a BTreeMap<String, String>,
    /// Who makes it, for whoever meets the operation.
    pub description: &'a str,
    /// How it is to be executed.
    pub mode: Mode,
}

/// A change set that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Name of its stack.
    pub stack: String,
    /// Its name.
    pub name: String,
    /// Who made it, when a deployer did.
    pub description: Option<String>,
    /// Whether it can be executed, in CloudFormation's words when it can't.
    pub available: std::result::Result<(), String>,
    /// It says by itself what becomes of a failure, so that its execution may not say it again.
    pub says_what_on_failure: bool,
    /// Parameter values.
    pub parameters: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// Where CloudFormation finds a template.
#[derive(Debug, Clone, Copy)]
pub enum TemplateSource<'a> {
    /// In the call.
    Body(&'a str),
    /// In S3.
    Url(&'a str),
}

/// Calls to CloudFormation.
#[derive(Debug, Clone)]
pub struct CloudFormation {
    pub(super) client: Client,
}

pub(super) fn stack_resource(name: &str) -> String {
    format!("stack {name}")
}

fn change_set_resource(stack: &str, name: &str) -> String {
    format!("change set {name} of stack {stack}")
}

/// RFC 3339.
fn time(time: &DateTime) -> Option<String> {
    time.fmt(DateTimeFormat::DateTime).ok()
}

fn deployed_stack(stack: &Stack) -> DeployedStack {
    let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
    let mode = stack.deployment_config().and_then(|config| config.mode());
    DeployedStack {
        name: stack.stack_name().unwrap_or_default().to_owned(),
        id: stack.stack_id().unwrap_or_default().to_owned(),
        state: StackState::of(Status::of(&status)),
        failed_in_express: mode == Some(&DeploymentConfigMode::Express) && Status::of(&status).failed(),
        status,
        protected: stack.enable_termination_protection().unwrap_or_default(),
        parameters: parameters(stack.parameters()),
        outputs: stack
            .outputs()
            .iter()
            .filter_map(|one| Some((one.output_key()?.to_owned(), one.output_value()?.to_owned())))
            .collect(),
        tags: tags(stack.tags()),
        change_set: stack.change_set_id().map(str::to_owned),
    }
}

fn parameters(parameters: &[Parameter]) -> BTreeMap<String, String> {
    let pair = |one: &Parameter| Some((one.parameter_key()?.to_owned(), one.parameter_value()?.to_owned()));
    parameters.iter().filter_map(pair).collect()
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    let pair = |one: &Tag| Some((one.key()?.to_owned(), one.value()?.to_owned()));
    tags.iter().filter_map(pair).collect()
}

impl CloudFormation {
    /// A client of a session.
    #[must_use]
    pub fn new(session: &super::session::Session) -> Self {
        Self { client: Client::new(&session.config) }
    }

    /// A client that can ask before the caller is known.
    #[must_use]
    pub fn unidentified(session: &super::session::Unidentified) -> Self {
        Self { client: Client::new(&session.config) }
    }

    /// The stack of this name or ARN; `None` when there is none.
    pub async fn describe(&self, name: &str) -> Result<Option<DeployedStack>> {
        let answer = self
            .client
            .describe_stacks()
            .stack_name(name)
            .send()
            .await
            .aws("DescribeStacks", stack_resource(name));
        let answer = match answer {
            Ok(answer) => answer,
            // There is no code of its own for a stack that does not exist.
            Err(error) if error.is("ValidationError") && error.message.contains("does not exist") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let stack = answer.stacks().first().map(deployed_stack);
        Ok(stack.filter(|stack| Status::of(&stack.status) != Status::DeleteComplete))
    }

    /// The template as it was sent; `None` when there is no such stack.
    pub async fn template(&self, name: &str) -> Result<Option<String>> {
        let answer = self
            .client
            .get_template()
            .stack_name(name)
            .template_stage(TemplateStage::Original)
            .send()
            .await
            .aws("GetTemplate", stack_resource(name));
        match answer {
            Ok(answer) => Ok(answer.template_body().map(str::to_owned)),
            Err(error) if error.is("ValidationError") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Logical id → physical id of every resource of a stack.
    pub async fn resources(&self, name: &str) -> Result<Vec<StackResource>> {
        let mut out = Vec::new();
        let mut pages = self.client.list_stack_resources().stack_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.aws("ListStackResources", stack_resource(name))?;
            for one in page.stack_resource_summaries() {
                out.push(StackResource {
                    logical_id: one.logical_resource_id().unwrap_or_default().to_owned(),
                    physical_id: one.physical_resource_id().unwrap_or_default().to_owned(),
                    resource_type: one.resource_type().unwrap_or_default().to_owned(),
                    status: one
                        .resource_status()
                        .map(|status| status.as_str().to_owned())
                        .unwrap_or_default(),
                });
            }
        }
        Ok(out)
    }

    /// The template of a change set as it was sent.
    pub async fn change_set_template(&self, stack: &str, name: &str) -> Result<Option<String>> {
        let answer = self
            .client
            .get_template()
            .stack_name(stack)
            .change_set_name(name)
            .template_stage(TemplateStage::Original)
            .send()
            .await
            .aws("GetTemplate", change_set_resource(stack, name))?;
        Ok(answer.template_body().map(str::to_owned))
    }

    /// A change set by its name or ARN; `None` when there is none.
    pub async fn find_change_set(&self, stack: &str, name: &str) -> Result<Option<ChangeSet>> {
        let (last, changes) = match self.describe_change_set(stack, name).await {
            Ok(found) => found,
            Err(error) if error.is("ChangeSetNotFound") || error.is("ChangeSetNotFoundException") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let available = match (last.status(), last.execution_status()) {
            (Some(ChangeSetStatus::CreateComplete), Some(ExecutionStatus::Available)) => Ok(()),
            (status, execution) => Err(format!(
                "{}, {}",
                status.map_or("no status", ChangeSetStatus::as_str),
                execution.map_or("no execution status", ExecutionStatus::as_str)
            )),
        };
        Ok(Some(ChangeSet {
            stack: last.stack_name().unwrap_or_default().to_owned(),
            name: last.change_set_name().unwrap_or_default().to_owned(),
            description: last.description().map(str::to_owned),
            available,
            says_what_on_failure: last.on_stack_failure().is_some() || last.deployment_config().is_some(),
            parameters: parameters(last.parameters()),
            tags: tags(last.tags()),
            changes,
        }))
    }

    /// Creates a change set and waits until CloudFormation has computed it.
    pub async fn change_set(&self, input: &ChangeSetInput<'_>) -> Result<ChangeSetOutcome> {
        let parameter = |(key, value): &(String, String)| {
            Parameter::builder().parameter_key(key).parameter_value(value).build()
        };
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let call = self
            .client
            .create_change_set()
            .stack_name(input.stack)
            .change_set_name(input.name)
            // An answer that got lost must not make a second one of the same name an error.
            .client_token(input.name)
            .change_set_type(if input.create { ChangeSetType::Create } else { ChangeSetType::Update })
            .description(input.description)
            .capabilities(Capability::CapabilityIam)
            .set_parameters(Some(input.parameters.iter().map(parameter).collect()))
            .set_tags(Some(input.tags.iter().map(tag).collect()));
        let call = if input.mode.express {
            // What CloudFormation does with rollback when nothing is said differs between the modes.
            let config = DeploymentConfig::builder()
                .mode(DeploymentConfigMode::Express)
                .disable_rollback(input.mode.no_rollback);
            call.deployment_config(config.build())
        } else {
            call
        };
        let call = match input.template {
            TemplateSource::Body(body) => call.template_body(body),
            TemplateSource::Url(url) => call.template_url(url),
        };
        // A first create that fails leaves no stack behind that could only be deleted. CloudFormation takes that neither
        // beside `DeploymentConfig` nor beside the `DisableRollback` of the execution (API Reference, CreateChangeSet), and
        // a stack that failed with `DO_NOTHING` can't be updated any more.
        let call = if input.create && input.mode == Mode::default() {
            call.on_stack_failure(OnStackFailure::Delete)
        } else {
            call
        };
        let made = match call.send().await.aws("CreateChangeSet", stack_resource(input.stack)) {
            // Made by an attempt whose answer got lost: nobody else names one so.
            Err(error) if error.is("AlreadyExistsException") && error.message.contains(input.name) => None,
            made => made?.id,
        };
        let outcome = self.change_set_outcome(input).await?;
        match (outcome, made) {
            (ChangeSetOutcome::Refused(reason), Some(id)) => {
                Ok(ChangeSetOutcome::Refused(self.with_validation_errors(reason, &id).await))
            }
            (outcome, _) => Ok(outcome),
        }
    }

    /// Adds what CloudFormation found when it validated a change set; its own reason only says that it found something.
    async fn with_validation_errors(&self, reason: String, change_set_id: &str) -> String {
        let answer = self.client.describe_events().change_set_name(change_set_id).send().await;
        // Without the permission for this call, the plain reason must do.
        let Ok(answer) = answer else { return reason };
        let mut out = reason;
        for event in answer.operation_events() {
            let why = event
                .validation_status_reason()
                .or(event.hook_status_reason())
                .or(event.resource_status_reason());
            if let Some(why) = why {
                out.push_str(&format!("; {}: {why}", event.logical_resource_id().unwrap_or("template")));
            }
        }
        out
    }

    /// Every page of a change set; the last one tells its state.
    async fn describe_change_set(
        &self,
        stack: &str,
        name: &str,
    ) -> Result<(DescribeChangeSetOutput, Vec<Change>)> {
        let mut changes = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(name)
                .set_next_token(token)
                .send()
                .await
                .aws("DescribeChangeSet", change_set_resource(stack, name))?;
            changes.extend(page.changes().iter().filter_map(|one| change(one.resource_change()?)));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok((page, changes));
            }
        }
    }

    async fn change_set_outcome(&self, input: &ChangeSetInput<'_>) -> Result<ChangeSetOutcome> {
        let mut pause = super::Pause::new();
        loop {
            let (last, changes) = self.describe_change_set(input.stack, input.name).await?;
            match last.status() {
                Some(ChangeSetStatus::CreateComplete) => match last.execution_status() {
                    Some(ExecutionStatus::Available) => return Ok(ChangeSetOutcome::Ready(changes)),
                    Some(ExecutionStatus::Obsolete | ExecutionStatus::ExecuteFailed) => {
                        return Ok(ChangeSetOutcome::Overtaken);
                    }
                    _ => pause.wait().await,
                },
                Some(ChangeSetStatus::Failed) => {
                    let reason = last.status_reason().unwrap_or("no reason given").to_owned();
                    // CloudFormation has no code for "no changes"; these are its two sentences.
                    let empty = changes.is_empty()
                        && (reason.contains("didn't contain changes")
                            || reason.contains("No updates are to be performed"));
                    return Ok(if empty {
                        ChangeSetOutcome::Empty
                    } else {
                        ChangeSetOutcome::Refused(reason)
                    });
                }
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) | None => {
                    pause.wait().await
                }
                Some(other) => {
                    return Ok(ChangeSetOutcome::Refused(format!("the change set is in {}", other.as_str())));
                }
            }
        }
    }

    /// Removes a change set, and the empty stack that a first one makes.
    pub async fn discard_change_set(&self, stack: &str, name: &str, created: bool) -> Result<()> {
        self.client
            .delete_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .send()
            .await
            .aws("DeleteChangeSet", stack_resource(stack))?;
        if !created {
            return Ok(());
        }
        // Somebody may have planned something on the same empty stack meanwhile, or executed it.
        let Some(empty) = self.describe(stack).await?.filter(|stack| stack.state == StackState::Review)
        else {
            return Ok(());
        };
        let others = self.client.list_change_sets().stack_name(&empty.id).send().await;
        let others = others.aws("ListChangeSets", stack_resource(stack))?;
        if others.summaries().iter().all(|one| one.change_set_name() == Some(name)) {
            self.delete(&empty.id).await?;
        }
        Ok(())
    }

    /// Starts the execution of a change set. The token comes back in every event of the operation.
    pub async fn execute(&self, stack: &str, name: &str, token: &str, mode: Mode) -> Result<()> {
        let call = self
            .client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(token);
        // In express mode the change set says it already, and both together are refused.
        let call = if mode.no_rollback && !mode.express { call.disable_rollback(true) } else { call };
        match call.send().await.aws("ExecuteChangeSet", stack_resource(stack)) {
            // An attempt whose answer got lost may have begun it.
            Err(error) if error.is("InvalidChangeSetStatus") && self.has_begun(stack, name).await? => Ok(()),
            begun => begun.map(drop),
        }
    }

    async fn has_begun(&self, stack: &str, name: &str) -> Result<bool> {
        let answer = self.client.describe_change_set().stack_name(stack).change_set_name(name).send().await;
        let answer = answer.aws("DescribeChangeSet", change_set_resource(stack, name))?;
        Ok(matches!(
            answer.execution_status(),
            Some(ExecutionStatus::ExecuteInProgress | ExecutionStatus::ExecuteComplete)
        ))
    }

    /// Switches termination protection.
    pub async fn protect(&self, stack: &str, on: bool) -> Result<()> {
        self.client
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(on)
            .send()
            .await
            .aws("UpdateTerminationProtection", stack_resource(stack))?;
        Ok(())
    }

    /// Starts the deletion of a stack.
    pub async fn delete(&self, stack: &str) -> Result<()> {
        self.client
            .delete_stack()
            .stack_name(stack)
            .send()
            .await
            .aws("DeleteStack", stack_resource(stack))?;
        Ok(())
    }

    /// The newest event, behind which what is started now begins, and how long the operation took that it ended.
    pub async fn past(&self, stack: &str) -> Result<Past> {
        let page = self
            .client
            .describe_stack_events()
            .stack_name(stack)
            .send()
            .await
            .aws("DescribeStackEvents", stack_resource(stack))?;
        let events = page.stack_events();
        let last = events.first().and_then(|event| event.event_id()).map(str::to_owned);
        let ends = |one: &&StackEvent| {
            one.physical_resource_id() == one.stack_id()
                && one.resource_status().is_some_and(|status| Status::of(status.as_str()).is_terminal())
        };
        let end = events.first().filter(ends).and_then(StackEvent::timestamp);
        let own = events.iter().skip(1).take_while(|one| !ends(one)).last();
        // A page that ends before the operation began does not tell.
        let begin = own.filter(|own| own.physical_resource_id() == own.stack_id());
        let took = end.zip(begin.and_then(StackEvent::timestamp)).and_then(|(end, begin)| {
            u64::try_from(end.secs() - begin.secs()).ok().map(std::time::Duration::from_secs)
        });
        Ok(Past { last, took })
    }

    /// The events of the newest operation, oldest first, behind the last event of the one before if there was one.
    pub async fn events_of_operation(&self, stack: &str) -> Result<Vec<Event>> {
        let mut out: Vec<Event> = Vec::new();
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.aws("DescribeStackEvents", stack_resource(stack))?;
            for one in page.stack_events().iter().map(event) {
                let end = one.of_stack && Status::of(&one.status).is_terminal() && !out.is_empty();
                out.push(one);
                if end {
                    break 'pages;
                }
            }
        }
        out.reverse();
        Ok(out)
    }

    /// The events after the one with the id `after`, oldest first.
    ///
    /// CloudFormation gives the newest first, so pages are read until that one is met.
    pub async fn events_after(&self, stack: &str, after: Option<&str>) -> Result<Vec<Event>> {
        let mut out = Vec::new();
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.aws("DescribeStackEvents", stack_resource(stack))?;
            for one in page.stack_events() {
                if after.is_some() && one.event_id() == after {
                    break 'pages;
                }
                out.push(event(one));
            }
        }
        out.reverse();
        // Pages shift while events arrive, so one may be met twice.
        let mut seen = std::collections::BTreeSet::new();
        out.retain(|event| seen.insert(event.id.clone()));
        Ok(out)
    }
}

/// What was before an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Id of the newest event.
    pub last: Option<String>,
    /// How long the operation before took.
    pub took: Option<std::time::Duration>,
}

/// A resource of a deployed stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Logical id.
    pub logical_id: String,
    /// Name, URL, id or ARN.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Such as `CREATE_COMPLETE`.
    pub status: String,
}

impl StackResource {
    /// Whether a resource is there, and is the stack's: one whose creation failed may carry the name of somebody else's.
    #[must_use]
    pub fn exists(&self) -> bool {
        let gone = matches!(
            Status::of(&self.status),
            Status::CreateFailed | Status::DeleteComplete | Status::DeleteSkipped
        );
        !self.physical_id.is_empty() && !gone
    }
}

fn change(change: &ResourceChange) -> Option<Change> {
    let perhaps = change.replacement() == Some(&Replacement::Conditional);
    // It refers to something that changes, and CloudFormation does not know whether the value will: not a reason to
    // expect another resource.
    let dynamic = !change.details().is_empty()
        && change.details().iter().all(|detail| detail.evaluation() == Some(&EvaluationType::Dynamic));
    let kind = match change.action()? {
        ChangeAction::Add | ChangeAction::Import => ChangeKind::Create,
        ChangeAction::Remove => ChangeKind::Delete,
        _ if change.replacement() == Some(&Replacement::True) || (perhaps && !dynamic) => ChangeKind::Replace,
        _ => ChangeKind::Update,
    };
    Some(Change {
        kind,
        perhaps: perhaps || dynamic,
        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
    })
}

fn event(event: &StackEvent) -> Event {
    Event {
        id: event.event_id().unwrap_or_default().to_owned(),
        physical_id: event.physical_resource_id().unwrap_or_default().to_owned(),
        logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: event.resource_type().unwrap_or_default().to_owned(),
        status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason().map(str::to_owned),
        of_stack: event.physical_resource_id() == event.stack_id(),
        token: event.client_request_token().map(str::to_owned),
        time: event.timestamp().and_then(time).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{ResourceStatus, StackStatus};

    use super::*;

    #[test]
    fn all_statuses_of_the_api_are_known() {
        let published = StackStatus::values().iter().chain(ResourceStatus::values());
        let unknown = published.filter(|text| matches!(Status::of(text), Status::Other(_)));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn a_status_says_what_can_be_done_with_a_stack() {
        for text in StackStatus::values() {
            let state = match Status::of(text) {
                Status::ReviewInProgress => StackState::Review,
                Status::CreateComplete
                | Status::UpdateComplete
                | Status::UpdateRollbackComplete
                | Status::ImportComplete
                | Status::ImportRollbackComplete => StackState::Settled,
                Status::CreateFailed
                | Status::DeleteFailed
                | Status::DeleteComplete
                | Status::RollbackFailed
                | Status::RollbackComplete
                | Status::UpdateFailed
                | Status::UpdateRollbackFailed
                | Status::ImportRollbackFailed => StackState::Dead,
                _ => StackState::Busy,
            };
            assert_eq!(StackState::of(Status::of(text)), state, "{text}");
        }
    }
}
