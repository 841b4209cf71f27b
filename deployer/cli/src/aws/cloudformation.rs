//! CloudFormation: the state of a stack, change sets, events, deletion.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ExecutionStatus, OnStackFailure, Parameter,
    Replacement, StackEvent, Tag,
};

use crate::error::{AwsError, AwsResult as _};

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
    fn of(status: &str) -> Self {
        match status {
            "REVIEW_IN_PROGRESS" => Self::Review,
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => Self::Settled,
            busy if busy.ends_with("_IN_PROGRESS") => Self::Busy,
            _ => Self::Dead,
        }
    }
}

/// One planned change of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happens.
    pub kind: ChangeKind,
    /// Logical id.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is made.
    Add,
    /// It is changed in place.
    Modify,
    /// It is, or may be, replaced by a new one.
    Replace,
    /// It is removed.
    Remove,
}

impl ChangeKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Modify => "modify",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// What became of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetOutcome {
    /// It can be executed.
    Ready(Vec<Change>),
    /// There is nothing to change.
    Empty,
    /// CloudFormation refused it.
    Refused(String),
}

/// An event of a stack, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique id.
    pub id: String,
    /// Logical id of the resource; the stack's own name for events of the stack.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Such as `CREATE_IN_PROGRESS`.
    pub status: String,
    /// Why, mostly of failures.
    pub reason: Option<String>,
    /// Whether it is of the stack and not of one of its resources.
    pub of_stack: bool,
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
    pub tags: &'a [(&'a str, &'a str)],
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
    client: Client,
}

fn stack_resource(name: &str) -> String {
    format!("stack {name}")
}

impl CloudFormation {
    /// A client of a session.
    #[must_use]
    pub fn new(session: &super::session::Session) -> Self {
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
        Ok(answer.stacks().first().map(|stack| {
            let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
            let pairs = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
            DeployedStack {
                name: stack.stack_name().unwrap_or_default().to_owned(),
                id: stack.stack_id().unwrap_or_default().to_owned(),
                state: StackState::of(&status),
                status,
                protected: stack.enable_termination_protection().unwrap_or_default(),
                parameters: stack
                    .parameters()
                    .iter()
                    .filter_map(|one| pairs(one.parameter_key(), one.parameter_value()))
                    .collect(),
                outputs: stack
                    .outputs()
                    .iter()
                    .filter_map(|one| pairs(one.output_key(), one.output_value()))
                    .collect(),
            }
        }))
        .map(|stack| stack.filter(|stack| stack.status != "DELETE_COMPLETE"))
    }

    /// The template as it was sent; `None` when there is no such stack.
    pub async fn template(&self, name: &str) -> Result<Option<String>> {
        let answer = self
            .client
            .get_template()
            .stack_name(name)
            .template_stage(aws_sdk_cloudformation::types::TemplateStage::Original)
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

    /// Creates a change set and waits until CloudFormation has computed it.
    pub async fn change_set(&self, input: &ChangeSetInput<'_>) -> Result<ChangeSetOutcome> {
        let parameter = |(key, value): &(String, String)| {
            Parameter::builder().parameter_key(key).parameter_value(value).build()
        };
        let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
        let call = self
            .client
            .create_change_set()
            .stack_name(input.stack)
            .change_set_name(input.name)
            .change_set_type(if input.create { ChangeSetType::Create } else { ChangeSetType::Update })
            .capabilities(Capability::CapabilityIam)
            .set_parameters(Some(input.parameters.iter().map(parameter).collect()))
            .set_tags(Some(input.tags.iter().map(tag).collect()));
        let call = match input.template {
            TemplateSource::Body(body) => call.template_body(body),
            TemplateSource::Url(url) => call.template_url(url),
        };
        // A first create that fails leaves no stack behind that could only be deleted.
        let call = if input.create { call.on_stack_failure(OnStackFailure::Delete) } else { call };
        let made = call.send().await.aws("CreateChangeSet", stack_resource(input.stack))?;
        let outcome = self.change_set_outcome(input).await?;
        match (outcome, made.id()) {
            (ChangeSetOutcome::Refused(reason), Some(id)) => {
                Ok(ChangeSetOutcome::Refused(self.with_validation_errors(reason, id).await))
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

    async fn change_set_outcome(&self, input: &ChangeSetInput<'_>) -> Result<ChangeSetOutcome> {
        let mut pause = super::Pause::new();
        loop {
            let mut changes = Vec::new();
            let mut token = None;
            let last = loop {
                let page = self
                    .client
                    .describe_change_set()
                    .stack_name(input.stack)
                    .change_set_name(input.name)
                    .set_next_token(token)
                    .send()
                    .await
                    .aws("DescribeChangeSet", stack_resource(input.stack))?;
                changes.extend(page.changes().iter().filter_map(|one| change(one.resource_change()?)));
                token = page.next_token().map(str::to_owned);
                if token.is_none() {
                    break page;
                }
            };
            match last.status() {
                Some(ChangeSetStatus::CreateComplete) => match last.execution_status() {
                    Some(ExecutionStatus::Available) => return Ok(ChangeSetOutcome::Ready(changes)),
                    Some(ExecutionStatus::Obsolete | ExecutionStatus::ExecuteFailed) => {
                        return Ok(ChangeSetOutcome::Refused("another change came first".to_owned()));
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
        if created && self.describe(stack).await?.is_some_and(|stack| stack.state == StackState::Review) {
            self.delete(stack).await?;
        }
        Ok(())
    }

    /// Starts the execution of a change set.
    pub async fn execute(&self, stack: &str, name: &str, token: &str) -> Result<()> {
        self.client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(token)
            .send()
            .await
            .aws("ExecuteChangeSet", stack_resource(stack))?;
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

    /// Id of the newest event: what comes after it belongs to what is started now.
    pub async fn newest_event(&self, stack: &str) -> Result<Option<String>> {
        let page = self
            .client
            .describe_stack_events()
            .stack_name(stack)
            .send()
            .await
            .aws("DescribeStackEvents", stack_resource(stack))?;
        Ok(page.stack_events().first().and_then(|event| event.event_id()).map(str::to_owned))
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

fn change(change: &aws_sdk_cloudformation::types::ResourceChange) -> Option<Change> {
    let replaces = matches!(change.replacement(), Some(Replacement::True | Replacement::Conditional));
    let kind = match change.action()? {
        ChangeAction::Add | ChangeAction::Import => ChangeKind::Add,
        ChangeAction::Remove => ChangeKind::Remove,
        _ if replaces => ChangeKind::Replace,
        _ => ChangeKind::Modify,
    };
    Some(Change {
        kind,
        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
    })
}

fn event(event: &StackEvent) -> Event {
    Event {
        id: event.event_id().unwrap_or_default().to_owned(),
        logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: event.resource_type().unwrap_or_default().to_owned(),
        status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason().map(str::to_owned),
        of_stack: event.physical_resource_id() == event.stack_id(),
    }
}
