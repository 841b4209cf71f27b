//! CloudFormation: change sets, from their creation to their execution.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, DeploymentConfig, DeploymentConfigMode,
    EvaluationType, ExecutionStatus, OnStackFailure, Parameter, Replacement, ResourceChange, Tag,
    TemplateStage,
};
use deployer_plan::diff::ChangeKind;

use super::{CloudFormation, Result, StackState, TemplateSource, parameters, stack_resource, tags};
use crate::Pause;
use crate::error::AwsResult as _;

/// One planned change of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Kind of the change; with `perhaps`, the resource may be replaced.
    pub kind: ChangeKind,
    /// `true` if the change depends on values that are known only when it is made.
    pub perhaps: bool,
    /// Logical id.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
}

/// The outcome of the creation of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetOutcome {
    /// A change set that can be executed, with its changes.
    Ready(Vec<Change>),
    /// A change set that changes nothing.
    Empty,
    /// A change set that can't be executed, since another change was executed before.
    Overtaken,
    /// A change set that CloudFormation refused, with the reason.
    Refused(String),
}

/// The mode of an operation of CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// `true` if the operation ends as soon as the configuration is applied, without waiting for resources to become
    /// ready.
    pub express: bool,
    /// `true` if a failure leaves everything as it is, without a rollback to the state before.
    pub no_rollback: bool,
}

/// The input for a change set.
#[derive(Debug, Clone)]
pub struct ChangeSetInput<'a> {
    /// Stack name.
    pub stack: &'a str,
    /// Name of the change set.
    pub name: &'a str,
    /// `true` to create the stack, `false` to update it.
    pub create: bool,
    /// The template, or its URL.
    pub template: TemplateSource<'a>,
    /// Parameter values.
    pub parameters: &'a [(String, String)],
    /// Tags of the stack and all its resources.
    pub tags: &'a BTreeMap<String, String>,
    /// Description that names the creator, for whoever meets the operation.
    pub description: &'a str,
    /// Mode of the execution.
    pub mode: Mode,
}

/// A change set of any creator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Name of the stack.
    pub stack: String,
    /// Name of the change set.
    pub name: String,
    /// Description that names the creator, if that was a deployer.
    pub description: Option<String>,
    /// `Ok` if the change set can be executed, else the reason in CloudFormation's words.
    pub available: std::result::Result<(), String>,
    /// `true` if the change set itself says what happens on a failure, so that its execution must not say that again.
    pub says_what_on_failure: bool,
    /// Parameter values.
    pub parameters: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The changes.
    pub changes: Vec<Change>,
}

fn change_set_resource(stack: &str, name: &str) -> String {
    format!("change set {name} of stack {stack}")
}

impl CloudFormation {
    /// Returns the template of a change set as it was sent.
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

    /// Returns a change set by its name or ARN; `None` when there is none.
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
            // An attempt whose answer got lost must not make a second change set of the same name an error.
            .client_token(input.name)
            .change_set_type(if input.create { ChangeSetType::Create } else { ChangeSetType::Update })
            .description(input.description)
            .capabilities(Capability::CapabilityIam)
            .set_parameters(Some(input.parameters.iter().map(parameter).collect()))
            .set_tags(Some(input.tags.iter().map(tag).collect()));
        let call = if input.mode.express {
            // The default for rollback differs between the modes.
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
        // A first creation that fails leaves no stack that could only be deleted. CloudFormation takes that neither
        // beside `DeploymentConfig` nor beside the `DisableRollback` of the execution (API Reference, CreateChangeSet),
        // and a stack that failed with `DO_NOTHING` can't be updated any more.
        let call = if input.create && input.mode == Mode::default() {
            call.on_stack_failure(OnStackFailure::Delete)
        } else {
            call
        };
        let made = match call.send().await.aws("CreateChangeSet", stack_resource(input.stack)) {
            // An attempt whose answer got lost has created the change set: nobody else uses such a name.
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

    /// Adds the errors that CloudFormation found when it validated a change set; its own reason only says that there
    /// are some.
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

    /// Reads every page of a change set; the last one tells its state.
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
        let mut pause = Pause::new();
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

    /// Deletes a change set, and the empty stack that a first one creates.
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

    /// Starts the execution of a change set. Every event of the operation carries the token.
    pub async fn execute(&self, stack: &str, name: &str, token: &str, mode: Mode) -> Result<()> {
        let call = self
            .client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(token);
        // In express mode the change set contains this already, and both together are refused.
        let call = if mode.no_rollback && !mode.express { call.disable_rollback(true) } else { call };
        match call.send().await.aws("ExecuteChangeSet", stack_resource(stack)) {
            // An attempt whose answer got lost may have begun the execution.
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
}

fn change(change: &ResourceChange) -> Option<Change> {
    let perhaps = change.replacement() == Some(&Replacement::Conditional);
    // The change refers to something that changes, and CloudFormation can't tell whether the value will: that is not a
    // reason to expect another resource.
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
