//! CloudFormation: change sets, from their creation to their execution.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, DeploymentConfig, DeploymentConfigMode, DeploymentMode,
    ExecutionStatus, OnStackFailure, ResourceToImport, Tag, TemplateStage,
};

use super::changes::{Change, change};
use super::{CloudFormation, Result, StackState, TemplateSource, parameters, stack_resource, tags};
use crate::Pause;
use crate::error::AwsResult as _;

/// The outcome of the creation of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetOutcome {
    /// A change set that can be executed, with its changes.
    Ready(Vec<Change>),
    /// A change set that changes nothing.
    Empty,
    /// A change set that can't be executed, since it or another one was executed before.
    Overtaken,
    /// A change set that CloudFormation refused, with the reason.
    Refused(String),
}

/// The beginning of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// By this call.
    Now,
    /// By an earlier call, whose answer got lost or which was of somebody else.
    Before,
    /// By an earlier call, and over.
    Over,
}

/// The mode of an operation of CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// `true` if the operation ends as soon as the configuration is applied, without waiting for resources to become
    /// ready.
    pub express: bool,
    /// `true` if a failure leaves everything as it is, without a rollback to the state before.
    pub no_rollback: bool,
    /// `true` if an update also takes back what was changed by other means.
    pub revert_drift: bool,
}

/// The type of a change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetKind<'a> {
    /// The creation of the stack.
    Create,
    /// An update of the stack.
    Update,
    /// An import of these resources into the stack, which is created if it doesn't exist. The template may contain
    /// nothing else that is new or changed, no new output, and the tags of the stack stay.
    Import(&'a [ImportedResource]),
}

/// A resource that is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedResource {
    /// Logical ID in the template.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Name of the only key of its identifier.
    pub key: &'static str,
    /// Value of that key.
    pub value: String,
}

/// The input for a change set.
#[derive(Debug, Clone)]
pub struct ChangeSetInput<'a> {
    /// Stack name.
    pub stack: &'a str,
    /// Name of the change set.
    pub name: &'a str,
    /// The type.
    pub kind: ChangeSetKind<'a>,
    /// The template, or its URL.
    pub template: TemplateSource<'a>,
    /// Parameter values; `None` for the value that the deployed stack has.
    pub parameters: &'a [(String, Option<String>)],
    /// `true` if macros change the template.
    pub macros: bool,
    /// `true` if the template names resources of IAM.
    pub named_iam: bool,
    /// Tags of the stack and all its resources, in the place of those that it has; `None` to keep these. Not sent with
    /// an import.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// ARNs of the topics that get the events of the stack; `None` to keep those that it has.
    pub notifications: Option<&'a [String]>,
    /// ARN of the role with which CloudFormation works from now on; `None` to keep that of the stack.
    pub role: Option<&'a str>,
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
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let call = self
            .client
            .create_change_set()
            .stack_name(input.stack)
            .change_set_name(input.name)
            // An attempt whose answer got lost must not make a second change set of the same name an error.
            .client_token(input.name)
            .change_set_type(match input.kind {
                ChangeSetKind::Create => ChangeSetType::Create,
                ChangeSetKind::Update => ChangeSetType::Update,
                ChangeSetKind::Import(_) => ChangeSetType::Import,
            })
            .description(input.description)
            .capabilities(match input.named_iam {
                true => Capability::CapabilityNamedIam,
                false => Capability::CapabilityIam,
            })
            .set_parameters(Some(input.parameters.iter().map(super::parameter).collect()));
        // An import refuses new tags, and an empty list would remove those of the stack.
        let call = match input.kind {
            ChangeSetKind::Import(resources) => {
                call.set_resources_to_import(Some(resources.iter().map(to_import).collect()))
            }
            _ => call.set_tags(input.tags.map(|tags| tags.iter().map(tag).collect())),
        };
        let call = call
            .set_deployment_mode(input.mode.revert_drift.then_some(DeploymentMode::RevertDrift))
            .set_notification_arns(input.notifications.map(<[String]>::to_vec))
            .set_role_arn(input.role.map(str::to_owned));
        let call = if input.macros { call.capabilities(Capability::CapabilityAutoExpand) } else { call };
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
        let call = if input.kind == ChangeSetKind::Create && input.mode == Mode::default() {
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
                    // Not computed to the end yet.
                    Some(ExecutionStatus::Unavailable) | None => pause.wait().await,
                    // Another change set was executed, or this one by somebody else.
                    Some(_) => return Ok(ChangeSetOutcome::Overtaken),
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
    pub async fn execute(&self, stack: &str, name: &str, token: &str, mode: Mode) -> Result<Begun> {
        let call = self
            .client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(token);
        // In express mode the change set contains this already, and both together are refused.
        let call = if mode.no_rollback && !mode.express { call.disable_rollback(true) } else { call };
        match call.send().await.aws("ExecuteChangeSet", stack_resource(stack)) {
            Ok(_) => Ok(Begun::Now),
            // An attempt whose answer got lost may have begun the execution.
            Err(error) if error.is("InvalidChangeSetStatus") => self.begun(stack, name).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Returns how an execution began that can't begin now; `None` if there was none.
    async fn begun(&self, stack: &str, name: &str) -> Result<Option<Begun>> {
        let answer = self.client.describe_change_set().stack_name(stack).change_set_name(name).send().await;
        let answer = answer.aws("DescribeChangeSet", change_set_resource(stack, name))?;
        Ok(match answer.execution_status() {
            Some(ExecutionStatus::ExecuteInProgress) => Some(Begun::Before),
            Some(ExecutionStatus::ExecuteComplete) => Some(Begun::Over),
            _ => None,
        })
    }
}

fn to_import(resource: &ImportedResource) -> ResourceToImport {
    ResourceToImport::builder()
        .logical_resource_id(&resource.logical_id)
        .resource_type(&resource.resource_type)
        .resource_identifier(resource.key, &resource.value)
        .build()
}
