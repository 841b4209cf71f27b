//! One operation on a registry: its request, its answer, and the decision on another attempt.

use std::error::Error as _;
use std::time::Duration;

use deployer_base::aws_error::AwsError;
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};

/// The failure of one attempt.
pub(super) enum Failure {
    /// A failure after which another attempt may succeed.
    Passing(AwsError, Option<Duration>),
    Lasting(AwsError),
}

/// An operation on one repository; its name is that of the permission that AWS requires for it.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) resource: &'a str,
}

impl Call<'_> {
    /// Creates an error of this operation.
    pub(super) fn error(&self, code: &str, message: String) -> AwsError {
        AwsError {
            operation: self.operation,
            resource: self.resource.to_owned(),
            code: Some(code.to_owned()),
            message,
        }
    }

    /// Sends the request, and returns any answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| {
            let passing = error.is_connect() || error.is_timeout() || error.is_request() || error.is_body();
            // The URL of an upload may hold its key.
            let error = error.without_url();
            let message = chain(&error);
            let error = AwsError {
                operation: self.operation,
                resource: self.resource.to_owned(),
                code: None,
                message,
            };
            if passing { Failure::Passing(error, None) } else { Failure::Lasting(error) }
        })
    }

    /// Returns the answer with the status that the specification wants.
    pub(super) async fn answer(
        &self,
        request: RequestBuilder,
        wanted: StatusCode,
    ) -> Result<Response, Failure> {
        let answer = self.send(request).await?;
        if answer.status() == wanted || answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.refused(answer).await)
    }

    /// Converts the registry's refusal to a failure.
    pub(super) async fn refused(&self, answer: Response) -> Failure {
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        let body = answer.bytes().await.unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |field: &str| {
            body["errors"][0][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let reason =
            text("message").unwrap_or_else(|| status.canonical_reason().unwrap_or("refused").to_lowercase());
        let message = format!("{reason} (HTTP {})", status.as_u16());
        let code = match status {
            // AWS has these codes for the same errors, and there is advice for them.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "AccessDeniedException".to_owned(),
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsException".to_owned(),
            _ => text("code").unwrap_or_else(|| status.as_u16().to_string()),
        };
        let error = self.error(&code, message);
        let passing = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            // The upload was forgotten; another can be started.
            || code == "BLOB_UPLOAD_UNKNOWN";
        if passing {
            Failure::Passing(error, asked.map(Duration::from_secs))
        } else {
            Failure::Lasting(error)
        }
    }
}

/// Returns the causes of an error of HTTP, outermost first.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
