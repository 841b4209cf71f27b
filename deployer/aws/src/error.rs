//! Conversion of the SDK's errors to data.

use std::fmt;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use deployer_base::profiles;

pub use deployer_base::aws_error::AwsError;

/// Converts the error of an SDK call to data.
pub fn of_sdk<E, R>(operation: &'static str, resource: impl Into<String>, error: &SdkError<E, R>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let resource = resource.into();
    match error {
        SdkError::ServiceError(service) => AwsError {
            operation,
            resource,
            code: service.err().code().map(str::to_owned),
            message: service.err().message().map_or_else(|| chain(service.err()), str::to_owned),
        },
        other => AwsError { operation, resource, code: None, message: in_short(chain(other)) },
    }
}

/// Shortens the SDK's list of the places in which it looked for credentials to the fact that it found none.
fn in_short(chain: String) -> String {
    let nothing = chain.contains("no credentials found in chain")
        // The last place is the metadata of an instance, which is nowhere else.
        || (chain.contains("loading credentials") && chain.contains("IMDS"));
    if !nothing {
        return chain;
    }
    let environment = if profiles::asks_environment() { "the environment, " } else { "" };
    let profile = profiles::current();
    format!(
        "no AWS credentials were found in {environment}profile `{profile}`, a container or the metadata of an instance"
    )
}

/// Returns the causes of an error, outermost first, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

/// Conversion of the error of an SDK call into ours, with operation and resource.
pub trait AwsResult<T> {
    /// Names the call and the resource that it was about.
    fn aws(self, operation: &'static str, resource: impl Into<String>) -> std::result::Result<T, AwsError>;
}

impl<T, E, R> AwsResult<T> for std::result::Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    fn aws(self, operation: &'static str, resource: impl Into<String>) -> std::result::Result<T, AwsError> {
        self.map_err(|error| of_sdk(operation, resource, &error))
    }
}
