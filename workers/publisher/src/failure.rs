//! Failures: of an entry, and of an event in the end.

/// An entry that EventBridge did not take, though the call went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// EventBridge's error code.
    pub code: String,
    /// EventBridge's explanation.
    pub message: String,
}

impl Rejection {
    /// Returns whether sending the entry again may help: anything but the codes that EventBridge documents as final.
    pub(crate) fn is_retryable(&self) -> bool {
        // https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
        !matches!(
            self.code.as_str(),
            "AccessDeniedException"
                | "InvalidAccountIdException"
                | "InvalidArgument"
                | "MalformedDetail"
                | "RedactionFailure"
                | "NotAuthorizedForSourceException"
                | "NotAuthorizedForDetailTypeException"
        )
    }

    /// Returns whether EventBridge asks for a slower pace: the event itself is valid, and waiting helps.
    pub(crate) fn is_throttled(&self) -> bool {
        self.code.contains("Throttl")
            || matches!(
                self.code.as_str(),
                "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "ServiceUnavailable"
            )
    }

    /// Returns whether the bus has more to do than it can. An internal failure is often that, too, but need not be.
    pub(crate) fn is_overload(&self) -> bool {
        self.is_throttled() || matches!(self.code.as_str(), "InternalFailure" | "InternalException")
    }
}

/// The reason why an event is not on the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The entry is larger than a request may be.
    #[error("the event has {size} bytes, but can have at most {most}")]
    TooLarge {
        /// Size of the entry, as EventBridge counts it.
        size: usize,
        /// Bytes that are certainly possible.
        most: usize,
    },
    /// EventBridge rejected it for good, or in every attempt.
    #[error("the event was not accepted: {code}: {message}")]
    NotAccepted {
        /// Error code of the last attempt.
        code: String,
        /// Explanation of the last attempt.
        message: String,
    },
}

impl Failure {
    /// Returns a short stable word for logs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::NotAccepted { code, .. } => code,
        }
    }
}
