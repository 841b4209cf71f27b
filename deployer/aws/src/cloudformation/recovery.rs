//! CloudFormation: ways out of the states in which a stack can get stuck, and its findings about a failure beside
//! events.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    Capability, DeletionMode, DeploymentConfig, DeploymentConfigMode, EventFilter, StackResourceDriftStatus,
    StackStatus, Tag,
};

use super::{CloudFormation, TemplateSource, stack_resource};
use crate::error::{AwsError, AwsResult as _};

type Result<T> = std::result::Result<T, AwsError>;

/// A stack, which may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// ARN of the stack, which also names it after its deletion.
    pub id: String,
    /// CloudFormation's word for the state.
    pub status: String,
}

/// A failure that CloudFormation found by validation or in a hook, which is not among the events of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Logical id of the resource, if the finding is about one.
    pub logical_id: Option<String>,
    /// CloudFormation type of the resource.
    pub resource_type: String,
    /// Time of the finding, as text.
    pub time: String,
    /// Name of the validation or the hook.
    pub by: String,
    /// CloudFormation's explanation.
    pub reason: String,
    /// Path of the property, if the finding names one.
    pub path: Option<String>,
}

/// A deployment that is made again by an update.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// The template.
    pub template: TemplateSource<'a>,
    /// `true` if the template names resources of IAM.
    pub named_iam: bool,
    /// Parameter values.
    pub parameters: &'a [(String, Option<String>)],
    /// Tags of the stack; `None` to keep those that it has.
    pub tags: Option<&'a BTreeMap<String, String>>,
}

/// The result of a comparison of a resource with its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// A resource as in the template.
    InSync,
    /// A resource that differs in these properties: path, expected, actual.
    Differs(Vec<(String, String, String)>),
    /// A resource that does not exist any more.
    Deleted,
    /// Unknown: CloudFormation can't tell, for this reason.
    Unknown(String),
}

impl CloudFormation {
    /// Returns the stack of this name, else the last one of this name that was deleted.
    ///
    /// CloudFormation keeps deleted stacks for 90 days: AWS CloudFormation API Reference, `ListStacks`.
    pub async fn last_of_name(&self, name: &str) -> Result<Option<Known>> {
        if let Some(stack) = self.describe(name).await? {
            return Ok(Some(Known { id: stack.id, status: stack.status }));
        }
        let mut pages = self
            .client
            .list_stacks()
            .stack_status_filter(StackStatus::DeleteComplete)
            .into_paginator()
            .send();
        let mut last = None;
        while let Some(page) = pages.next().await {
            let page = page.aws("ListStacks", stack_resource(name))?;
            for stack in page.stack_summaries().iter().filter(|stack| stack.stack_name() == Some(name)) {
                let when = stack.deletion_time().map(|time| (time.secs(), time.subsec_nanos()));
                if last.as_ref().is_none_or(|(newest, _)| *newest < when) {
                    let id = stack.stack_id().unwrap_or_default().to_owned();
                    let status = stack.stack_status().map(|status| status.as_str().to_owned());
                    last = Some((when, Known { id, status: status.unwrap_or_default() }));
                }
            }
        }
        Ok(last.map(|(_, known)| known))
    }

    /// Returns the findings of validation and hooks in the newest operation of a stack that has any.
    pub async fn findings(&self, stack_id: &str) -> Result<Vec<Finding>> {
        let failed = EventFilter::builder().failed_events(true).build();
        let mut out = Vec::new();
        let mut operation: Option<String> = None;
        let mut token = None;
        loop {
            let page = self
                .client
                .describe_events()
                .stack_name(stack_id)
                .filters(failed.clone())
                .set_next_token(token)
                .send()
                .await
                .aws("DescribeEvents", stack_resource(stack_id))?;
            for event in page.operation_events() {
                let validation =
                    event.validation_status_reason().map(|reason| (event.validation_name(), reason));
                let hook = event.hook_status_reason().map(|reason| (event.hook_type(), reason));
                if let Some((by, reason)) = validation.or(hook) {
                    // The newest come first: another operation is an older one.
                    let this = event.operation_id().unwrap_or_default();
                    if operation.get_or_insert_with(|| this.to_owned()) != this {
                        return Ok(out);
                    }
                    out.push(Finding {
                        logical_id: event.logical_resource_id().map(str::to_owned),
                        resource_type: event.resource_type().unwrap_or_default().to_owned(),
                        time: event.timestamp().map(ToString::to_string).unwrap_or_default(),
                        by: by.unwrap_or("validation").to_owned(),
                        reason: reason.to_owned(),
                        path: event.validation_path().map(str::to_owned),
                    });
                }
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(out);
            }
        }
    }

    /// Starts the deletion of a stack that keeps these resources, which only a stack in `DELETE_FAILED` takes. A stack
    /// that failed in express mode is deleted in that mode: it takes no other.
    pub async fn delete_but(&self, stack: &str, retain: &[String], express: bool) -> Result<()> {
        let config = match express {
            true => DeploymentConfig::builder().mode(DeploymentConfigMode::Express).build(),
            false => with_rollback(),
        };
        let call = self.client.delete_stack().stack_name(stack).deployment_config(config);
        let call = if retain.is_empty() { call } else { call.set_retain_resources(Some(retain.to_vec())) };
        call.send().await.aws("DeleteStack", stack_resource(stack))?;
        Ok(())
    }

    /// Deletes a stack in `DELETE_FAILED`, without the resources that can't be deleted.
    pub async fn force_delete(&self, stack: &str) -> Result<()> {
        let call = self.client.delete_stack().stack_name(stack).deletion_mode(DeletionMode::ForceDeleteStack);
        call.send().await.aws("DeleteStack", stack_resource(stack))?;
        Ok(())
    }

    /// Starts the rollback of a failed operation that was not rolled back.
    pub async fn roll_back(&self, stack: &str) -> Result<()> {
        let call = self.client.rollback_stack().stack_name(stack).deployment_config(with_rollback());
        call.send().await.aws("RollbackStack", stack_resource(stack))?;
        Ok(())
    }

    /// Starts an update to a template that was deployed before, in express mode and without rollback: the only
    /// operation that CloudFormation takes on a stack that failed in that mode.
    pub async fn replay(&self, stack: &str, replayed: &Replayed<'_>) -> Result<()> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let config =
            DeploymentConfig::builder().mode(DeploymentConfigMode::Express).disable_rollback(true).build();
        let call = self
            .client
            .update_stack()
            .stack_name(stack)
            .deployment_config(config)
            .capabilities(match replayed.named_iam {
                true => Capability::CapabilityNamedIam,
                false => Capability::CapabilityIam,
            })
            .set_parameters(Some(replayed.parameters.iter().map(super::parameter).collect()))
            .set_tags(replayed.tags.map(|tags| tags.iter().map(tag).collect()));
        let call = match replayed.template {
            TemplateSource::Body(body) => call.template_body(body),
            TemplateSource::Url(url) => call.template_url(url),
        };
        call.send().await.aws("UpdateStack", stack_resource(stack))?;
        Ok(())
    }

    /// Continues a rollback that failed, without these resources.
    pub async fn continue_rollback(&self, stack: &str, skip: &[String]) -> Result<()> {
        let call = self.client.continue_update_rollback().stack_name(stack);
        let call = if skip.is_empty() { call } else { call.set_resources_to_skip(Some(skip.to_vec())) };
        call.send().await.aws("ContinueUpdateRollback", stack_resource(stack))?;
        Ok(())
    }

    /// Stops an update, which is then rolled back.
    pub async fn cancel_update(&self, stack: &str) -> Result<()> {
        self.client
            .cancel_update_stack()
            .stack_name(stack)
            .send()
            .await
            .aws("CancelUpdateStack", stack_resource(stack))?;
        Ok(())
    }

    /// Returns the names of the change sets of a stack that were not executed.
    pub async fn change_sets(&self, stack: &str) -> Result<Vec<String>> {
        let mut pages = self.client.list_change_sets().stack_name(stack).into_paginator().send();
        let mut out = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.aws("ListChangeSets", stack_resource(stack))?;
            out.extend(page.summaries().iter().filter_map(|one| one.change_set_name().map(str::to_owned)));
        }
        Ok(out)
    }

    /// Deletes a change set.
    pub async fn delete_change_set(&self, stack: &str, name: &str) -> Result<()> {
        let call = self.client.delete_change_set().stack_name(stack).change_set_name(name);
        call.send().await.aws("DeleteChangeSet", stack_resource(stack))?;
        Ok(())
    }

    /// Compares a resource with its template as it is now.
    pub async fn resource_drift(&self, stack: &str, logical_id: &str) -> Result<Drift> {
        let call =
            self.client.detect_stack_resource_drift().stack_name(stack).logical_resource_id(logical_id);
        let answer = call.send().await.aws("DetectStackResourceDrift", format!("resource {logical_id}"));
        let answer = match answer {
            Ok(answer) => answer,
            // There is no code of its own for types that CloudFormation can't compare.
            Err(error) if error.is("ValidationError") => return Ok(Drift::Unknown(error.message)),
            Err(error) => return Err(error),
        };
        let Some(drift) = answer.stack_resource_drift() else {
            return Ok(Drift::Unknown("CloudFormation gave no answer".to_owned()));
        };
        Ok(match drift.stack_resource_drift_status() {
            Some(StackResourceDriftStatus::InSync) => Drift::InSync,
            Some(StackResourceDriftStatus::Deleted) => Drift::Deleted,
            Some(StackResourceDriftStatus::Modified) => {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                let differences = drift.property_differences().iter().map(|one| {
                    (text(one.property_path()), text(one.expected_value()), text(one.actual_value()))
                });
                Drift::Differs(differences.collect())
            }
            other => {
                let status = other.map_or("no status", |status| status.as_str());
                Drift::Unknown(drift.drift_status_reason().unwrap_or(status).to_owned())
            }
        })
    }
}

/// Returns the default of these operations, stated explicitly since other tools may have set another mode for the
/// stack.
fn with_rollback() -> DeploymentConfig {
    DeploymentConfig::builder().mode(DeploymentConfigMode::Standard).disable_rollback(false).build()
}
