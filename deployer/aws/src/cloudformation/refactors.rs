//! CloudFormation: stack refactors, which give resources of a stack other logical IDs.

use aws_sdk_cloudformation::types::{
    ResourceLocation, ResourceMapping, StackDefinition, StackRefactorActionEntity, StackRefactorActionType,
    StackRefactorExecutionStatus, StackRefactorStatus,
};

use super::{CloudFormation, Result, TemplateSource, stack_resource};
use crate::Pause;
use crate::error::AwsResult as _;

/// A stack refactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refactor {
    /// Its ID.
    pub id: String,
    /// Description that names the creator.
    pub description: String,
    /// The state.
    pub state: RefactorState,
    /// ARNs of its stacks.
    pub stacks: Vec<String>,
}

/// The state of a stack refactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefactorState {
    /// It is computed, or being executed or rolled back.
    Busy,
    /// It can be executed.
    Available,
    /// It was executed.
    Done,
    /// It can't be executed, since the stack has changed.
    Obsolete,
    /// It was refused, or its execution failed, with the reason.
    Failed(String),
}

impl RefactorState {
    fn of(
        status: (Option<&StackRefactorStatus>, Option<&str>),
        execution: (Option<&StackRefactorExecutionStatus>, Option<&str>),
    ) -> Self {
        use StackRefactorExecutionStatus as Execution;
        let failed = |word: &str, reason: Option<&str>| {
            Self::Failed(reason.filter(|reason| !reason.is_empty()).unwrap_or(word).to_owned())
        };
        match (status.0, execution.0) {
            (Some(StackRefactorStatus::CreateInProgress), _) => Self::Busy,
            (Some(StackRefactorStatus::CreateComplete), Some(execution_status)) => match execution_status {
                Execution::Available => Self::Available,
                Execution::ExecuteInProgress | Execution::RollbackInProgress => Self::Busy,
                Execution::ExecuteComplete => Self::Done,
                Execution::Obsolete => Self::Obsolete,
                other => failed(other.as_str(), execution.1),
            },
            (Some(other), _) => failed(other.as_str(), status.1),
            (None, _) => failed("no status", status.1),
        }
    }
}

fn refactor_resource(id: &str) -> String {
    format!("stack refactor {id}")
}

impl CloudFormation {
    /// Returns whether a stack policy is attached to a stack: CloudFormation refactors no such stack.
    pub async fn has_policy(&self, stack: &str) -> Result<bool> {
        let answer = self.client.get_stack_policy().stack_name(stack).send().await;
        let answer = answer.aws("GetStackPolicy", stack_resource(stack))?;
        Ok(answer.stack_policy_body().is_some_and(|body| !body.trim().is_empty()))
    }

    /// Creates a refactor of one stack, and waits until CloudFormation has computed it. `names`: logical ID → new logical ID of
    /// resources that exist.
    pub async fn create_refactor(
        &self,
        stack: &str,
        template: TemplateSource<'_>,
        names: &[(&str, &str)],
        description: &str,
    ) -> Result<Refactor> {
        let definition = StackDefinition::builder().stack_name(stack);
        let definition = match template {
            TemplateSource::Body(body) => definition.template_body(body),
            TemplateSource::Url(url) => definition.template_url(url),
        };
        let place = |id: &str| ResourceLocation::builder().stack_name(stack).logical_resource_id(id).build();
        let mapping = |(old, new): &(&str, &str)| {
            ResourceMapping::builder().source(place(old)).destination(place(new)).build()
        };
        let made = self
            .client
            .create_stack_refactor()
            .description(description)
            .stack_definitions(definition.build())
            .set_resource_mappings(Some(names.iter().map(mapping).collect()))
            .send()
            .await
            .aws("CreateStackRefactor", stack_resource(stack))?;
        self.refactor_at_rest(made.stack_refactor_id().unwrap_or_default()).await
    }

    /// Waits until a refactor is neither computed nor executed any more.
    pub async fn refactor_at_rest(&self, id: &str) -> Result<Refactor> {
        let mut pause = Pause::new();
        loop {
            match self.refactor(id).await {
                Ok(found) if found.state != RefactorState::Busy => return Ok(found),
                Err(error) if !error.is_transient() => return Err(error),
                _ => pause.wait().await,
            }
        }
    }

    /// Returns a refactor.
    pub async fn refactor(&self, id: &str) -> Result<Refactor> {
        let answer = self.client.describe_stack_refactor().stack_refactor_id(id).send().await;
        let answer = answer.aws("DescribeStackRefactor", refactor_resource(id))?;
        Ok(Refactor {
            id: id.to_owned(),
            description: answer.description().unwrap_or_default().to_owned(),
            state: RefactorState::of(
                (answer.status(), answer.status_reason()),
                (answer.execution_status(), answer.execution_status_reason()),
            ),
            stacks: answer.stack_ids().to_vec(),
        })
    }

    /// Returns the actions of a refactor that do something else than to give one of these resources its new logical ID, in words.
    pub async fn other_actions(&self, id: &str, names: &[(&str, &str)]) -> Result<Vec<String>> {
        let mut out = Vec::new();
        let mut pages =
            self.client.list_stack_refactor_actions().stack_refactor_id(id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.aws("ListStackRefactorActions", refactor_resource(id))?;
            for action in page.stack_refactor_actions() {
                let mapping = action.resource_mapping();
                let end = |place: Option<&ResourceLocation>| {
                    place.and_then(ResourceLocation::logical_resource_id).unwrap_or_default().to_owned()
                };
                let old = end(mapping.and_then(ResourceMapping::source));
                let new = end(mapping.and_then(ResourceMapping::destination));
                let moves = action.action() == Some(&StackRefactorActionType::Move)
                    && action.entity() == Some(&StackRefactorActionEntity::Resource)
                    && names.contains(&(old.as_str(), new.as_str()));
                if !moves {
                    let what = action.action().map_or("an unknown action", StackRefactorActionType::as_str);
                    let of = action.resource_identifier().or(action.physical_resource_id()).unwrap_or(&old);
                    out.push(format!("{what} {of}"));
                }
            }
        }
        Ok(out)
    }

    /// Starts the execution of a refactor. One that an attempt before has started, whose answer got lost, is not an error.
    pub async fn execute_refactor(&self, id: &str) -> Result<()> {
        let begun = self.client.execute_stack_refactor().stack_refactor_id(id).send().await;
        let begun = begun.aws("ExecuteStackRefactor", refactor_resource(id));
        let Err(error) = begun else { return Ok(()) };
        match self.refactor(id).await {
            Ok(found) if matches!(found.state, RefactorState::Busy | RefactorState::Done) => Ok(()),
            _ => Err(error),
        }
    }

    /// Returns the refactors that are being executed or rolled back.
    pub async fn refactors_in_progress(&self) -> Result<Vec<String>> {
        let mut out = Vec::new();
        let mut pages = self
            .client
            .list_stack_refactors()
            .execution_status_filter(StackRefactorExecutionStatus::ExecuteInProgress)
            .execution_status_filter(StackRefactorExecutionStatus::RollbackInProgress)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.aws("ListStackRefactors", "the account".to_owned())?;
            let ids = page.stack_refactor_summaries().iter().filter_map(|one| one.stack_refactor_id());
            out.extend(ids.map(str::to_owned));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_api_is_read() {
        let of = |status: &str, execution: &str| {
            RefactorState::of(
                (Some(&StackRefactorStatus::from(status)), Some("why")),
                (Some(&StackRefactorExecutionStatus::from(execution)), Some("because")),
            )
        };
        for execution in StackRefactorExecutionStatus::values() {
            let expected = match *execution {
                "AVAILABLE" => RefactorState::Available,
                "EXECUTE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS" => RefactorState::Busy,
                "EXECUTE_COMPLETE" => RefactorState::Done,
                "OBSOLETE" => RefactorState::Obsolete,
                _ => RefactorState::Failed("because".to_owned()),
            };
            assert_eq!(of("CREATE_COMPLETE", execution), expected, "{execution}");
        }
        assert_eq!(of("CREATE_IN_PROGRESS", "UNAVAILABLE"), RefactorState::Busy);
        assert_eq!(of("CREATE_FAILED", "UNAVAILABLE"), RefactorState::Failed("why".to_owned()));
    }
}
