//! PutEvents by the AWS SDK, and how its errors are understood.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::http::HttpResponse;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::entry::Entry;
use crate::failure::{CallError, Rejection};
use crate::publisher::PutEvents;

/// [`PutEvents`] by the AWS SDK.
#[derive(Debug, Clone)]
pub struct EventBridge(Client);

impl EventBridge {
    /// Sends through `client`.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }
}

impl PutEvents for EventBridge {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        let entries = entries.iter().map(|entry| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&*entry.bus)
                .source(&*entry.source)
                .detail_type(entry.detail_type)
                .detail(&entry.detail)
                .build()
        });
        let answer = self.0.put_events().set_entries(Some(entries.collect())).send().await;
        let answer = answer.map_err(|error| call_error(&error))?;
        Ok(answer
            .entries()
            .iter()
            .map(|entry| match entry.error_code() {
                None => Ok(()),
                Some(code) => Err(Rejection {
                    code: code.to_owned(),
                    message: entry.error_message().unwrap_or_default().to_owned(),
                }),
            })
            .collect())
    }
}

/// What an SDK error means for the caller, for any operation of any service.
pub fn call_error<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> CallError {
    let no_answer = |code: &str, message: &str| CallError {
        code: code.to_owned(),
        message: message.to_owned(),
        retryable: true,
    };
    match error {
        SdkError::TimeoutError(_) => no_answer("Timeout", "no answer in time"),
        SdkError::DispatchFailure(_) => no_answer("DispatchFailure", "could not send the request"),
        SdkError::ResponseError(_) => no_answer("ResponseError", "could not read the answer"),
        SdkError::ServiceError(error) => {
            let status = error.raw().status().as_u16();
            let code = error.err().code().unwrap_or(match status {
                429 => "TooManyRequestsException",
                503 => "ServiceUnavailable",
                _ => "Unknown",
            });
            CallError {
                code: code.to_owned(),
                message: error.err().message().unwrap_or_default().to_owned(),
                retryable: is_retryable(code, status),
            }
        }
        _ => CallError {
            code: "ConstructionFailure".into(),
            message: "could not create the request".into(),
            retryable: false,
        },
    }
}

/// The service is overloaded or broken, not the request wrong.
fn is_retryable(code: &str, status: u16) -> bool {
    status >= 500
        || status == 429
        || code.contains("Throttl")
        || matches!(
            code,
            "RequestLimitExceeded"
                | "ProvisionedThroughputExceededException"
                | "TooManyRequestsException"
                | "SlowDown"
                | "RequestTimeout"
                | "InternalFailure"
                | "InternalException"
                | "ServiceUnavailable"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_is_tried_again_and_a_wrong_request_is_not() {
        assert!(is_retryable("ThrottlingException", 400));
        assert!(is_retryable("ProvisionedThroughputExceededException", 400));
        assert!(is_retryable("Unknown", 503));
        assert!(is_retryable("Unknown", 429));
        assert!(!is_retryable("AccessDeniedException", 400));
        assert!(!is_retryable("ResourceNotFoundException", 400));
    }
}
