//! Errors of AWS services as data, with advice on each.

use std::fmt;

use deployer_plan::diagnose::{Reason, known};

use crate::text::printable;
use crate::{actions, profiles};

/// An error that an AWS service answered, or the reason why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The call, such as `CreateChangeSet`.
    pub operation: &'static str,
    /// The resource that the call was about, such as `stack eventbridge-etl-dev`.
    pub resource: String,
    /// The service's code, if it answered.
    pub code: Option<String>,
    /// The service's message, or the chain of causes.
    pub message: String,
}

/// Codes of a caller that is unknown. Source: the "Common errors" pages of the AWS API references.
const CREDENTIAL_CODES: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
];
/// Codes of a caller that is not allowed to make the call.
const DENIED_CODES: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"];

impl AwsError {
    /// Checks whether the service answered this code.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Checks whether the caller lacks the permission.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.has_code_of(&DENIED_CODES)
    }

    /// Checks whether the same call may succeed in a moment.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (self.code.is_none() && !self.is_about_credentials())
            || self.has_code_of(&[
                "Throttling",
                "ThrottlingException",
                "TooManyRequestsException",
                "ServiceUnavailable",
            ])
    }

    fn has_code_of(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// Checks whether the error is about the caller, and not about the request.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        self.has_code_of(&CREDENTIAL_CODES)
            || (self.code.is_none() && (self.message.contains("credentials") || self.message.contains("SSO")))
    }

    /// Checks whether no credentials were found, so that no call was made.
    #[must_use]
    pub fn is_without_credentials(&self) -> bool {
        self.code.is_none() && self.is_about_credentials()
    }

    /// Describes the problem with the credentials in plain words.
    fn problem_with_credentials(&self) -> Option<String> {
        match self.code.as_deref() {
            Some("ExpiredToken" | "ExpiredTokenException") => {
                Some("the AWS credentials have expired".to_owned())
            }
            Some("InvalidClientTokenId" | "UnrecognizedClientException") => {
                Some("the access key of these credentials does not exist in AWS".to_owned())
            }
            Some("InvalidSignatureException" | "SignatureDoesNotMatch") => Some(format!(
                "AWS rejects the signature, because the secret access key or the clock is wrong: {}",
                self.message
            )),
            _ => None,
        }
    }

    /// Returns advice on the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if self.is_about_credentials() {
            let expired = self.code.as_deref().is_some_and(|code| code.starts_with("Expired"));
            return Some(profiles::login_hint(expired));
        }
        if self.is_denied() {
            return Some(format!(
                "your role needs permission for {}",
                actions::needed(self.operation, &self.message)
            ));
        }
        if self.code.is_none() && self.message.contains("Connection refused") {
            return Some(
                "nothing is listening there; for the local cloud, run `deployer local up`".to_owned(),
            );
        }
        match self.code.as_deref() {
            Some("Throttling" | "ThrottlingException" | "TooManyRequestsException") => {
                Some("AWS limits the rate of these calls; run the command again in a minute".to_owned())
            }
            Some("InsufficientCapabilitiesException") => Some(
                "leave the names of roles, policies and users to CloudFormation: the permission to choose names allows taking \
                 those of others, so the deployer does not request it"
                    .to_owned(),
            ),
            None => Some("check the network, the region and AWS_ENDPOINT_URL".to_owned()),
            // CloudFormation has no code of its own for most of what it refuses.
            Some("ValidationError" | "LimitExceededException") => known_hint(&self.message),
            Some(_) => None,
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
        let message = self.problem_with_credentials().unwrap_or_else(|| self.message.clone());
        // The caller is identified before anything else, so that the operation adds nothing there.
        match self.operation {
            "GetCallerIdentity" if self.is_about_credentials() => write!(formatter, "{message}{code}"),
            operation => write!(formatter, "{operation} failed for {}: {message}{code}", self.resource),
        }
    }
}

// The causes are in the message: those that the SDK reports, each once.
impl std::error::Error for AwsError {}

/// Returns advice on a refusal of CloudFormation, if the refusal is known.
#[must_use]
pub fn known_hint(reason: &str) -> Option<String> {
    let subject = known::Subject {
        resource_type: "",
        logical_id: "the stack",
        physical_id: "",
        origin: None,
        stack: None,
    };
    let found = known::find(&subject, &Reason::parse(reason))?;
    Some(printable(&found.fix))
}
