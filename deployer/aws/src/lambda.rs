//! Lambda: the code and one variable of a function, changed in place for `--hotswap`; and invocations.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Pause;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Number of looks at a function that is being updated; with the pauses between them some minutes.
const LOOKS: u32 = 120;
/// Longest pause between two looks at a function of the local cloud, where an update takes half a second.
const LOCAL_PAUSE: Duration = Duration::from_millis(150);

fn resource(function: &str) -> String {
    format!("function {function}")
}

/// The answer to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What the function has returned, or its error: JSON of a Lambda runtime.
    pub payload: Vec<u8>,
    /// `true` if the function has failed.
    pub failed: bool,
    /// The last 4 KiB of its log.
    pub log: String,
}

/// Invokes a function with an event, and waits for its answer.
///
/// The call is made once: a function whose answer was lost may have done its work.
///
/// # Errors
/// If the call fails. A function that fails is an answer.
pub async fn invoke(session: &Session, function: &str, event: &str) -> Result<Invocation> {
    let config =
        aws_sdk_lambda::config::Builder::from(&session.config).retry_config(RetryConfig::disabled()).build();
    let answer = Client::from_conf(config)
        .invoke()
        .function_name(function)
        .log_type(LogType::Tail)
        .payload(Blob::new(event))
        .send()
        .await
        .aws("Invoke", resource(function))?;
    let log = answer.log_result().and_then(|log| STANDARD.decode(log).ok()).unwrap_or_default();
    Ok(Invocation {
        failed: answer.function_error().is_some(),
        log: String::from_utf8_lossy(&log).into_owned(),
        payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
    })
}

/// Gives a function the code of this object, and waits until it runs with it.
///
/// # Errors
/// If a call or the update fails.
pub async fn update_code(session: &Session, function: &str, bucket: &str, key: &str) -> Result<()> {
    let client = Client::new(&session.config);
    client
        .update_function_code()
        .function_name(function)
        .s3_bucket(bucket)
        .s3_key(key)
        .send()
        .await
        .aws("UpdateFunctionCode", resource(function))?;
    settled(session, &client, function).await
}

/// Gives every variable that names a revision of the same task definition this one, and waits until the function runs
/// with it.
///
/// # Errors
/// If a call fails; also if somebody else changes the function at the same time.
pub async fn replace_revision(session: &Session, function: &str, to: &str) -> Result<()> {
    // `arn:…:task-definition/family:revision`
    let family = |arn: &str| arn.rsplit_once(':').map(|(family, _)| family.to_owned());
    let wanted = family(to);
    let client = Client::new(&session.config);
    let now = client
        .get_function_configuration()
        .function_name(function)
        .send()
        .await
        .aws("GetFunctionConfiguration", resource(function))?;
    let Some(mut variables) = now.environment().and_then(|environment| environment.variables()).cloned()
    else {
        return Ok(());
    };
    let mut changed = false;
    for value in variables.values_mut().filter(|value| *value != to && family(value) == wanted) {
        to.clone_into(value);
        changed = true;
    }
    if !changed {
        return Ok(());
    }
    client
        .update_function_configuration()
        .function_name(function)
        .environment(Environment::builder().set_variables(Some(variables)).build())
        // The variables were read before: a change of somebody else in between must not be lost.
        .set_revision_id(now.revision_id().map(str::to_owned))
        .send()
        .await
        .aws("UpdateFunctionConfiguration", resource(function))?;
    settled(session, &client, function).await
}

async fn settled(session: &Session, client: &Client, function: &str) -> Result<()> {
    let failed = |code: &str, message: &str| AwsError {
        operation: "UpdateFunction",
        resource: resource(function),
        code: Some(code.to_owned()),
        message: message.to_owned(),
    };
    // On this machine a look costs nothing, and whoever saves code waits for it.
    let mut pause = if session.local { Pause::up_to(LOCAL_PAUSE) } else { Pause::new() };
    for _ in 0..LOOKS {
        let now = client
            .get_function_configuration()
            .function_name(function)
            .send()
            .await
            .aws("GetFunctionConfiguration", resource(function))?;
        match now.last_update_status() {
            Some(LastUpdateStatus::Failed) => {
                return Err(failed(
                    "UpdateFailed",
                    now.last_update_status_reason().unwrap_or("no reason given"),
                ));
            }
            Some(LastUpdateStatus::InProgress) => pause.wait().await,
            _ => return Ok(()),
        }
    }
    Err(failed("Timeout", "the update has not finished"))
}
