//! Errors of calls to AWS, for any operation of any service.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// A call to AWS that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// The service's error code, or the kind of failure when no answer came.
    pub code: String,
    /// The service's explanation. It may quote the request: not for logs or events about rows.
    pub message: String,
    /// `true` if the same call may succeed later.
    pub retryable: bool,
}

/// Returns the meaning of an SDK error for the caller.
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

/// Returns whether the service is overloaded or broken, as opposed to a wrong request.
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
