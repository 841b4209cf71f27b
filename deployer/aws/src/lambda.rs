//! Lambda: the code and one variable of a function, changed in place for `--hotswap`.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};

use crate::Pause;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Number of looks at a function that is being updated; with the pauses between them some minutes.
const LOOKS: u32 = 120;

fn resource(function: &str) -> String {
    format!("function {function}")
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
    settled(&client, function).await
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
    settled(&client, function).await
}

async fn settled(client: &Client, function: &str) -> Result<()> {
    let failed = |code: &str, message: &str| AwsError {
        operation: "UpdateFunction",
        resource: resource(function),
        code: Some(code.to_owned()),
        message: message.to_owned(),
    };
    let mut pause = Pause::new();
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
