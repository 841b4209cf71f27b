//! Every way in which a command can fail, sorted by who can do something about it, and the exit code of each.
//!
//! The codes are documented in `docs/exit-codes.md` and never reused.

use std::fmt;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use crate::aws::{actions, session};
use crate::retry::Passing;

/// Result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// The command line makes no sense, or asks for what the file lacks. Exit 2.
    Usage(Message),
    /// The stack file is invalid; its problems have been shown. Exit 2.
    InvalidFile {
        /// How many errors it has.
        errors: usize,
        /// Its name.
        file: String,
    },
    /// Something outside the file: network, disk, a tool. Exit 1.
    Failed(Message),
    /// There are no credentials to use. Exit 6.
    Credentials(Message),
    /// AWS answered an error. Exit 1, or 6 when it was about who asks.
    Aws(Box<AwsError>),
    /// Differences were found where none were wanted. Exit 3.
    Differences(Message),
    /// The deployment failed; the stack's state is named. Exit 4.
    Deployment(Message),
    /// A gate or the user said no. Exit 5.
    Refused(Message),
    /// Rows of an object are not in the table. Exit 7.
    Incomplete(Message),
    /// Ctrl-C. Exit 130.
    Interrupted(Message),
    /// What failed was told where it happened; this is its exit code.
    Reported(u8),
    /// Nobody reads our output any more. A quiet exit.
    BrokenPipe,
}

/// What to tell the user: the fact, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What happened, lower case, without full stop.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Why the same may succeed without a change.
    pub passing: Option<Passing>,
}

impl Message {
    /// A fact without advice.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, passing: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error that an AWS service answered, or why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The call, such as `CreateChangeSet`.
    pub operation: &'static str,
    /// What it was about, such as `stack eventbridge-etl-dev`.
    pub resource: String,
    /// The service's code, when it answered.
    pub code: Option<String>,
    /// The service's message, or the chain of causes.
    pub message: String,
}

/// Codes that say that the caller is unknown. Source: the "Common errors" pages of the AWS API references.
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
/// Codes that say that the caller may not do that.
const DENIED_CODES: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"];

impl AwsError {
    /// From the error of an SDK call.
    pub fn new<E, R>(operation: &'static str, resource: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug,
    {
        let resource = resource.into();
        match error {
            SdkError::ServiceError(service) => Self {
                operation,
                resource,
                code: service.err().code().map(str::to_owned),
                message: service.err().message().map_or_else(|| chain(service.err()), str::to_owned),
            },
            other => Self { operation, resource, code: None, message: in_short(chain(other)) },
        }
    }

    /// Whether the service answered this code.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the caller may not do that.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.has_code_of(&DENIED_CODES)
    }

    /// Whether the same call may succeed in a moment.
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

    fn is_about_credentials(&self) -> bool {
        self.has_code_of(&CREDENTIAL_CODES)
            || (self.code.is_none() && (self.message.contains("credentials") || self.message.contains("SSO")))
    }

    /// Whether no credentials were found, so that nothing was asked.
    #[must_use]
    pub fn is_without_credentials(&self) -> bool {
        self.code.is_none() && self.is_about_credentials()
    }

    /// What is wrong with the credentials, in plain words.
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

    fn hint(&self) -> Option<String> {
        if self.is_about_credentials() {
            let expired = self.code.as_deref().is_some_and(|code| code.starts_with("Expired"));
            return Some(session::login_hint(expired));
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
            Some("ValidationError" | "LimitExceededException") => crate::diagnosis::known_hint(&self.message),
            Some(_) => None,
        }
    }
}

/// The SDK names every place in which it looked for credentials, or the last of them; that it found none is what counts.
fn in_short(chain: String) -> String {
    let nothing = chain.contains("no credentials found in chain")
        // The last place is the metadata of an instance, which is nowhere else.
        || (chain.contains("loading credentials") && chain.contains("IMDS"));
    if !nothing {
        return chain;
    }
    let environment = if session::asks_environment() { "the environment, " } else { "" };
    let profile = session::profile();
    format!(
        "no AWS credentials were found in {environment}profile `{profile}`, a container or the metadata of an instance"
    )
}

/// The causes of an error, outermost first, each once.
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

impl From<AwsError> for Error {
    fn from(error: AwsError) -> Self {
        Self::Aws(Box::new(error))
    }
}

impl From<packing::Error> for Error {
    fn from(error: packing::Error) -> Self {
        let message = Message::new(error.message);
        Self::Failed(match error.hint {
            Some(hint) => message.hint(hint),
            None => message,
        })
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::failed(error.to_string()),
        }
    }
}

impl Error {
    /// A failure outside the file.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(Message::new(text))
    }

    /// A failure outside the file, with what to do.
    pub fn failed_with_hint(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed(Message::new(text).hint(hint))
    }

    /// Something that could not be done with a file or folder.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::failed(format!("could not {doing} {}: {error}", path.display()))
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::InvalidFile { .. } => 2,
            Self::Differences(_) => 3,
            Self::Reported(code) => *code,
            Self::Deployment(_) => 4,
            Self::Refused(_) => 5,
            Self::Credentials(_) => 6,
            Self::Aws(error) if error.is_about_credentials() || error.is_denied() => 6,
            Self::Aws(_) => 1,
            Self::Incomplete(_) => 7,
            Self::Interrupted(_) => 130,
        }
    }

    /// The kind of error, for programs; `docs/output.schema.json` lists them.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::InvalidFile { .. } => "invalid-file",
            Self::Failed(_) | Self::Reported(_) | Self::BrokenPipe => "failed",
            Self::Credentials(_) => "credentials",
            Self::Aws(error) if error.is_about_credentials() => "credentials",
            Self::Aws(error) if error.is_denied() => "access-denied",
            Self::Aws(_) => "aws",
            Self::Differences(_) => "differences",
            Self::Deployment(_) => "deployment",
            Self::Refused(_) => "refused",
            Self::Incomplete(_) => "incomplete",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// What to tell the user; `None` when there is nothing to add.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        match self {
            Self::BrokenPipe | Self::Reported(_) => None,
            Self::InvalidFile { errors, file } => {
                let noun = if *errors == 1 { "error" } else { "errors" };
                Some(
                    Message::new(format!("{file} has {errors} {noun}; nothing was done"))
                        .hint("`deployer docs CODE` explains a code, with an example"),
                )
            }
            Self::Usage(message)
            | Self::Failed(message)
            | Self::Credentials(message)
            | Self::Differences(message)
            | Self::Deployment(message)
            | Self::Refused(message)
            | Self::Incomplete(message)
            | Self::Interrupted(message) => Some(message.clone()),
            Self::Aws(error) => {
                let code = error.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
                let message = error.problem_with_credentials().unwrap_or_else(|| error.message.clone());
                // Who calls is asked first of all: there the operation says nothing.
                let text = match error.operation {
                    "GetCallerIdentity" if error.is_about_credentials() => format!("{message}{code}"),
                    operation => format!("{operation} failed for {}: {message}{code}", error.resource),
                };
                Some(Message { hint: error.hint(), ..Message::new(text) })
            }
        }
    }
}

/// Turns the error of an SDK call into ours, with operation and resource.
pub trait AwsResult<T> {
    /// Names the call and what it was about.
    fn aws(self, operation: &'static str, resource: impl Into<String>) -> std::result::Result<T, AwsError>;
}

impl<T, E, R> AwsResult<T> for std::result::Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    fn aws(self, operation: &'static str, resource: impl Into<String>) -> std::result::Result<T, AwsError> {
        self.map_err(|error| AwsError::new(operation, resource, &error))
    }
}
