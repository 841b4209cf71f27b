//! Errors of calls to AWS, for any operation of any service.

use std::time::Duration;

use bytes::Bytes;

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

impl CallError {
    /// Creates the error of a request that cannot be made.
    #[must_use]
    pub fn construction() -> Self {
        Self {
            code: "ConstructionFailure".into(),
            message: "could not create the request".into(),
            retryable: false,
        }
    }

    /// Creates the error of an answer of a service: its code and message, and the status of HTTP.
    #[must_use]
    pub fn of_service(code: Option<&str>, message: Option<&str>, status: u16) -> Self {
        let code = code.unwrap_or(match status {
            429 => "TooManyRequestsException",
            503 => "ServiceUnavailable",
            _ => "Unknown",
        });
        Self {
            code: code.to_owned(),
            message: message.unwrap_or_default().to_owned(),
            retryable: is_retryable(code, status),
        }
    }

    /// Creates the error of a call without a usable answer.
    #[must_use]
    pub fn without_answer(reason: NoAnswer) -> Self {
        let (code, message) = match reason {
            NoAnswer::Late => ("Timeout", "no answer in time"),
            NoAnswer::NotSent => ("DispatchFailure", "could not send the request"),
            NoAnswer::Unreadable => ("ResponseError", "could not read the answer"),
        };
        Self { code: code.into(), message: message.into(), retryable: true }
    }
}

/// The reason why a call has no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// None came in time.
    Late,
    /// The request could not be sent, or the connection broke before the answer began.
    NotSent,
    /// It could not be read.
    Unreadable,
}

/// A [`CallError`] with the body of the service's answer, for what an operation says of its error beyond code and message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// The error.
    pub error: CallError,
    /// The body of the answer; empty when there is none.
    pub body: Bytes,
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self { error, body: Bytes::new() }
    }
}

/// One attempt that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// The status, when there is an answer.
    pub(crate) status: Option<u16>,
    /// The code that the service gave.
    pub(crate) code: Option<String>,
    /// The pause that the service asks for.
    pub(crate) retry_after: Option<Duration>,
    /// `true` if the clock is wrong by more than a signature allows.
    pub(crate) skewed: bool,
    /// `true` if another attempt has no use, whatever the error is.
    pub(crate) is_final: bool,
}

impl Failed {
    pub(crate) fn without_answer(reason: NoAnswer) -> Self {
        Self::of(CallError::without_answer(reason))
    }

    /// An attempt that nothing can improve.
    pub(crate) fn for_good(error: CallError) -> Self {
        Self { is_final: true, ..Self::of(error) }
    }

    fn of(error: CallError) -> Self {
        let failure = error.into();
        Self { failure, status: None, code: None, retry_after: None, skewed: false, is_final: false }
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

    #[test]
    fn an_answer_without_a_code_is_named_by_its_status() {
        let code = |status| CallError::of_service(None, None, status).code;
        assert_eq!([429, 503, 500].map(code), ["TooManyRequestsException", "ServiceUnavailable", "Unknown"]);
        assert!(!CallError::construction().retryable);
        assert!(CallError::without_answer(NoAnswer::Late).retryable);
    }
}
