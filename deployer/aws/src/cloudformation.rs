//! CloudFormation: the state of a stack, change sets, events, deletion.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    DeploymentConfig, DeploymentConfigMode, Parameter, Stack, Tag, TemplateStage,
};
use deployer_cfn::status::Status;

use crate::error::{AwsError, AwsResult as _};
use crate::session::{Session, Unidentified};

mod change_sets;
mod changes;
pub mod drift;
mod events;
pub mod recovery;
mod refactors;
pub mod stacks;

pub use change_sets::{
    Begun, ChangeSet, ChangeSetInput, ChangeSetKind, ChangeSetOutcome, ImportedResource, Mode,
};
pub use changes::{Change, ChangeDrift};
pub use events::{Event, Past};
pub use refactors::{Refactor, RefactorState};

type Result<T> = std::result::Result<T, AwsError>;

/// A stack as it is deployed.
#[derive(Debug, Clone)]
pub struct DeployedStack {
    /// Name of the stack.
    pub name: String,
    /// ARN of the stack, which goes on naming it after its deletion.
    pub id: String,
    /// Operations that are possible now.
    pub state: StackState,
    /// CloudFormation's word for the state.
    pub status: String,
    /// `true` if termination protection is on.
    pub protected: bool,
    /// Parameter values.
    pub parameters: BTreeMap<String, String>,
    /// Output values.
    pub outputs: Vec<(String, String)>,
    /// Tags of the stack, which all its resources carry too.
    pub tags: BTreeMap<String, String>,
    /// ARN of the change set that the last operation executed.
    pub change_set: Option<String>,
    /// ARN of the role with which CloudFormation works on the stack; without one, it works with the caller's permissions.
    pub role: Option<String>,
    /// ARNs of the topics that get the events of the stack.
    pub notifications: Vec<String>,
    /// `true` if the last operation failed in express mode, so that CloudFormation takes no operation in another mode.
    pub failed_in_express: bool,
}

/// The operations that are possible on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackState {
    /// A stack that can be updated.
    Settled,
    /// A stack that holds nothing but a change set that was never executed.
    Review,
    /// A stack with an operation under way.
    Busy,
    /// A stack that can only be deleted, or recovered.
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

/// The options of the deletion of a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteOptions<'a> {
    /// ARN of the role with which CloudFormation deletes; that of the stack by default.
    pub role: Option<&'a str>,
    /// `true` if the deletion ends without waiting until resources have disappeared everywhere.
    pub express: bool,
}

/// The place where CloudFormation finds a template.
#[derive(Debug, Clone, Copy)]
pub enum TemplateSource<'a> {
    /// A template in the call.
    Body(&'a str),
    /// The URL of a template in S3.
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
        role: stack.role_arn().map(str::to_owned),
        notifications: stack.notification_arns().to_vec(),
    }
}

fn parameters(parameters: &[Parameter]) -> BTreeMap<String, String> {
    let pair = |one: &Parameter| Some((one.parameter_key()?.to_owned(), one.parameter_value()?.to_owned()));
    parameters.iter().filter_map(pair).collect()
}

/// Returns a parameter of a call, with its value or the one that the deployed stack has.
fn parameter((key, value): &(String, Option<String>)) -> Parameter {
    let builder = Parameter::builder().parameter_key(key);
    match value {
        Some(value) => builder.parameter_value(value).build(),
        None => builder.use_previous_value(true).build(),
    }
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    let pair = |one: &Tag| Some((one.key()?.to_owned(), one.value()?.to_owned()));
    tags.iter().filter_map(pair).collect()
}

impl CloudFormation {
    /// Creates a client of a session.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self { client: Client::new(&session.config) }
    }

    /// Creates a client that can ask before the caller is known.
    #[must_use]
    pub fn unidentified(session: &Unidentified) -> Self {
        Self { client: Client::new(&session.config) }
    }

    /// Returns the stack of this name or ARN; `None` when there is none.
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

    /// Returns the template as it was sent; `None` when there is no such stack.
    pub async fn template(&self, name: &str) -> Result<Option<String>> {
        self.template_at(name, TemplateStage::Original).await
    }

    /// Returns the template of a stack after its transforms; `None` when there is no such stack.
    pub async fn processed_template(&self, name: &str) -> Result<Option<String>> {
        self.template_at(name, TemplateStage::Processed).await
    }

    async fn template_at(&self, name: &str, stage: TemplateStage) -> Result<Option<String>> {
        let answer = self
            .client
            .get_template()
            .stack_name(name)
            .template_stage(stage)
            .send()
            .await
            .aws("GetTemplate", stack_resource(name));
        match answer {
            Ok(answer) => Ok(answer.template_body().map(str::to_owned)),
            Err(error) if error.is("ValidationError") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns all resources of a stack, with their logical and physical ids.
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

    /// Switches termination protection on or off.
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
        self.delete_with(stack, DeleteOptions::default()).await
    }

    /// Starts the deletion of a stack, with options.
    pub async fn delete_with(&self, stack: &str, options: DeleteOptions<'_>) -> Result<()> {
        let express = || DeploymentConfig::builder().mode(DeploymentConfigMode::Express).build();
        self.client
            .delete_stack()
            .stack_name(stack)
            .set_role_arn(options.role.map(str::to_owned))
            .set_deployment_config(options.express.then(express))
            .send()
            .await
            .aws("DeleteStack", stack_resource(stack))?;
        Ok(())
    }
}

/// A resource of a deployed stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Logical id.
    pub logical_id: String,
    /// Physical id: name, URL, id or ARN.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// CloudFormation's status, such as `CREATE_COMPLETE`.
    pub status: String,
}

impl StackResource {
    /// Checks whether the resource exists and is the stack's: one whose creation failed may carry the name of somebody
    /// else's.
    #[must_use]
    pub fn exists(&self) -> bool {
        let gone = matches!(
            Status::of(&self.status),
            Status::CreateFailed
                | Status::DeleteComplete
                | Status::DeleteSkipped
                | Status::ImportFailed
                | Status::ImportRollbackComplete
        );
        !self.physical_id.is_empty() && !gone
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
