//! The questions of `doctor` to AWS: the time there, the service-linked role, and the caller's permissions.

use std::time::Duration;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use deployer_base::error::Error;
use deployer_base::time;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::error::{AwsError, AwsResult as _};
use crate::preflight::ECS_ROLE;
use crate::session::Session;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Number of simulations at a time.
const PARALLEL: usize = 4;

/// Actions, and the resource that they act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Names of the actions, such as `s3:PutObject`.
    pub actions: Vec<String>,
    /// ARN of the resource that they act on.
    pub resource: String,
    /// Keys of conditions, such as `iam:PassedToService`, with the values that the calls have.
    pub context: Vec<(String, Vec<String>)>,
}

/// The answer of IAM about intents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// All allowed but these actions; each with the resource that it would act on.
    Except(Vec<(String, String)>),
    /// Unknown: IAM can't tell for a caller of this kind.
    Unknown,
}

/// Returns the time of a service's clock in seconds since 1970. Needs no credentials, and works while this machine's
/// clock is wrong.
///
/// # Errors
/// If no answer comes, or the answer has no time.
pub async fn clock(endpoint: &str) -> Result<u64, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::failed(format!("{endpoint} did not answer: {error}"));
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| failed(&error))?;
    let answer = client.head(endpoint).send().await.map_err(|error| failed(&error))?;
    let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    date.and_then(time::parse_http_date)
        .ok_or_else(|| Error::failed(format!("the answer of {endpoint} has no valid date")))
}

/// Checks whether the account has the service-linked role of ECS.
///
/// # Errors
/// If the call fails.
pub async fn has_ecs_role(session: &Session) -> Result<bool, AwsError> {
    match role_arn(session, ECS_ROLE).await {
        Err(error) if error.is("NoSuchEntity") => Ok(false),
        found => found.map(|_| true),
    }
}

async fn role_arn(session: &Session, name: &str) -> Result<String, AwsError> {
    let answer = aws_sdk_iam::Client::new(&session.config)
        .get_role()
        .role_name(name)
        .send()
        .await
        .aws("GetRole", format!("role {name}"))?;
    Ok(answer.role().map(|role| role.arn().to_owned()).unwrap_or_default())
}

/// Checks the intents against the caller's own policies and the organisation's.
///
/// # Errors
/// If a call fails; mostly because the caller may not ask.
pub async fn allowed(session: &Session, intents: &[Intent]) -> Result<Allowed, AwsError> {
    let principal = match Principal::of(&session.caller) {
        Principal::Root => return Ok(Allowed::Except(Vec::new())),
        Principal::User => session.caller.clone(),
        // The session's name does not contain the role's path.
        Principal::Role(name) => role_arn(session, name).await?,
        Principal::Other => return Ok(Allowed::Unknown),
    };
    allowed_for(session, &principal, intents).await
}

/// Checks the intents against the policies of a user or role of the account.
///
/// # Errors
/// If a call fails; mostly because the caller may not ask.
pub async fn allowed_for(
    session: &Session,
    principal: &str,
    intents: &[Intent],
) -> Result<Allowed, AwsError> {
    let client = &aws_sdk_iam::Client::new(&session.config);
    let denied = stream::iter(intents).map(|intent| denied(client, principal, intent)).buffered(PARALLEL);
    let denied: Vec<Vec<(String, String)>> = denied.try_collect().await?;
    Ok(Allowed::Except(denied.concat()))
}

/// Returns the actions of an intent that are not allowed, each with the resource.
async fn denied(
    client: &aws_sdk_iam::Client,
    principal: &str,
    intent: &Intent,
) -> Result<Vec<(String, String)>, AwsError> {
    let resource = || format!("principal {principal}");
    let context = intent.context.iter().map(|(key, values)| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(ContextKeyTypeEnum::String)
            .set_context_key_values(Some(values.clone()))
            .build()
    });
    let mut pages = client
        .simulate_principal_policy()
        .policy_source_arn(principal)
        .set_action_names(Some(intent.actions.clone()))
        .resource_arns(&intent.resource)
        .set_context_entries(Some(context.collect()))
        .into_paginator()
        .send();
    let mut out = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.aws("SimulatePrincipalPolicy", resource())?;
        let refused = page
            .evaluation_results()
            .iter()
            .filter(|result| *result.eval_decision() != PolicyEvaluationDecisionType::Allowed);
        out.extend(refused.map(|one| (one.eval_action_name().to_owned(), intent.resource.clone())));
    }
    Ok(out)
}

/// A caller as IAM sees it.
#[derive(Debug, PartialEq, Eq)]
enum Principal<'a> {
    Root,
    User,
    Role(&'a str),
    Other,
}

impl<'a> Principal<'a> {
    fn of(caller: &'a str) -> Self {
        let name = caller.rsplit(':').next().unwrap_or_default();
        match name.split('/').collect::<Vec<_>>().as_slice() {
            ["root"] => Self::Root,
            ["user", ..] => Self::User,
            ["assumed-role", role, ..] => Self::Role(role),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_its_role() {
        for (caller, principal) in [
            ("arn:aws:iam::123456789012:root", Principal::Root),
            ("arn:aws:iam::123456789012:user/a/bob", Principal::User),
            ("arn:aws:sts::123456789012:assumed-role/Admin/jane", Principal::Role("Admin")),
            ("arn:aws:sts::123456789012:federated-user/bob", Principal::Other),
            ("", Principal::Other),
        ] {
            assert_eq!(Principal::of(caller), principal, "{caller}");
        }
    }
}
