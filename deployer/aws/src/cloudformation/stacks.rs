//! CloudFormation: all stacks of a region, of any creator, and one stack as a line of a table.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types::Stack;
use deployer_cfn::status::Status;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// The tag that the deployer puts on its stacks.
const OUR_TAG: &str = "deployer:stack";

/// A stack of the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name of the stack.
    pub name: String,
    /// ARN of the stack.
    pub id: String,
    /// Values of its parameters.
    pub parameters: Vec<String>,
    /// `true` if the deployer created the stack, or the stack was not created at all: then change sets may wait for
    /// execution.
    pub may_wait: bool,
}

/// The state of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// CloudFormation's word for the state.
    pub status: String,
    /// Time of the last change, in seconds since 1970.
    pub changed: Option<u64>,
    /// CloudFormation's word for the result of the last drift detection.
    pub drift: String,
    /// Time of that detection, in seconds since 1970.
    pub drift_checked: Option<u64>,
}

fn seconds(time: Option<&DateTime>) -> Option<u64> {
    u64::try_from(time?.secs()).ok()
}

/// Returns every stack that is not deleted.
///
/// # Errors
/// If a call fails.
pub async fn all(session: &Session) -> Result<Vec<Listed>> {
    let mut out = Vec::new();
    let mut pages = Client::new(&session.config).describe_stacks().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.aws("DescribeStacks", format!("all stacks in {}", session.region))?;
        out.extend(page.stacks().iter().map(listed));
    }
    Ok(out)
}

fn listed(stack: &Stack) -> Listed {
    let ours = stack.tags().iter().any(|tag| tag.key() == Some(OUR_TAG));
    let empty =
        stack.stack_status().is_some_and(|status| Status::of(status.as_str()) == Status::ReviewInProgress);
    let name = stack.stack_name().unwrap_or_default().to_owned();
    Listed {
        id: stack.stack_id().map_or_else(|| name.clone(), str::to_owned),
        name,
        parameters: stack
            .parameters()
            .iter()
            .flat_map(|one| [one.parameter_value(), one.resolved_value()])
            .flatten()
            .map(str::to_owned)
            .collect(),
        may_wait: ours || empty,
    }
}

/// Returns the values of the parameters of all change sets of a stack that were not executed.
///
/// # Errors
/// If a call fails.
pub async fn waiting_parameters(session: &Session, stack: &str) -> Result<Vec<String>> {
    let client = Client::new(&session.config);
    let mut out = Vec::new();
    let mut pages = client.list_change_sets().stack_name(stack).into_paginator().send();
    while let Some(page) = pages.next().await {
        for summary in page.aws("ListChangeSets", format!("stack {stack}"))?.summaries() {
            let Some(id) = summary.change_set_id() else { continue };
            let answer = client
                .describe_change_set()
                .change_set_name(id)
                .stack_name(stack)
                .send()
                .await
                .aws("DescribeChangeSet", format!("stack {stack}"));
            let answer = match answer {
                // The change set was executed or deleted at this moment: then the stack's own parameters tell, or
                // nobody needs its.
                Err(error) if error.is("ChangeSetNotFound") || error.is("ChangeSetNotFoundException") => {
                    continue;
                }
                answer => answer?,
            };
            out.extend(answer.parameters().iter().filter_map(|one| one.parameter_value()).map(str::to_owned));
        }
    }
    Ok(out)
}

/// Returns the state of a stack; `None` when there is none of that name.
///
/// # Errors
/// If the call fails.
pub async fn status(session: &Session, name: &str) -> Result<Option<Overview>> {
    let answer = Client::new(&session.config)
        .describe_stacks()
        .stack_name(name)
        .send()
        .await
        .aws("DescribeStacks", format!("stack {name}"));
    let answer = match answer {
        // There is no code of its own for a stack that does not exist.
        Err(error) if error.is("ValidationError") && error.message.contains("does not exist") => {
            return Ok(None);
        }
        answer => answer?,
    };
    Ok(answer.stacks().first().map(|stack| {
        let drift = stack.drift_information();
        Overview {
            status: stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            changed: seconds(stack.last_updated_time().or(stack.creation_time())),
            drift: drift
                .and_then(|drift| drift.stack_drift_status())
                .map_or_else(|| "NOT_CHECKED".to_owned(), |status| status.as_str().to_owned()),
            drift_checked: drift.and_then(|drift| seconds(drift.last_check_timestamp())),
        }
    }))
    .map(|found| found.filter(|stack| Status::of(&stack.status) != Status::DeleteComplete))
}
