//! Every way in which a command can fail, sorted by the person who can do something about it, and the exit code of
//! each.
//!
//! The codes are documented in `docs/exit-codes.md` and never reused.

use std::fmt;

use deployer_plan::diagnose::known;

use crate::aws_error::AwsError;
use crate::output::FailureKind;

/// Result of every function that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a command.
#[derive(Debug)]
pub enum Error {
    /// A command line that makes no sense, or asks for something that the file lacks. Exit 2.
    Usage(Message),
    /// An invalid stack file, whose problems have been shown. Exit 2.
    InvalidFile {
        /// Number of errors in the file.
        errors: usize,
        /// Name of the file.
        file: String,
    },
    /// A failure outside the file: network, disk, a tool. Exit 1.
    Failed(Message),
    /// Missing credentials. Exit 6.
    Credentials(Message),
    /// An error that AWS answered. Exit 1, or 6 if the error is about the caller.
    Aws(Box<AwsError>),
    /// Differences where none were wanted. Exit 3.
    Differences(Message),
    /// A failed deployment; the message names the stack's state. Exit 4.
    Deployment(Message),
    /// A refusal by a gate or the user. Exit 5.
    Refused(Message),
    /// Rows of an object that are not in the table, or of a file that would not be. Exit 7.
    Incomplete(Message),
    /// Ctrl-C. Exit 130.
    Interrupted(Message),
    /// A failure that has been reported where it happened, with its exit code.
    Reported(u8),
    /// Output that nobody reads any more, so that the command has ended early. Exit 141, without a message.
    BrokenPipe,
}

/// A message for the user: the fact, and advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The fact, in lower case, without a full stop.
    pub text: String,
    /// Advice on the fact.
    pub hint: Option<String>,
    /// The reason why the same may succeed without a change.
    pub passing: Option<Passing>,
}

impl Message {
    /// Creates a fact without advice.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, passing: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The reason why an operation that failed may succeed without a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passing {
    /// The known failure.
    pub id: &'static str,
    /// Duration of the failure.
    pub lasts: known::Passing,
    /// Status of the stack after the failure.
    pub status: String,
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenPipe => formatter.write_str("nobody reads the output any more"),
            Self::Reported(code) => write!(formatter, "exit code {code}"),
            _ => self.message().map_or(Ok(()), |message| message.fmt(formatter)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The error is shown as that of AWS, so that its source is the next cause.
            Self::Aws(error) => error.source(),
            _ => None,
        }
    }
}

impl From<AwsError> for Error {
    fn from(error: AwsError) -> Self {
        Self::Aws(Box::new(error))
    }
}

impl From<deployer_packing::Error> for Error {
    fn from(error: deployer_packing::Error) -> Self {
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
    /// Creates a failure outside the file.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(Message::new(text))
    }

    /// Creates a failure outside the file, with advice.
    pub fn failed_with_hint(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed(Message::new(text).hint(hint))
    }

    /// Creates the failure of an operation on a file or folder, such as `read`. A folder that can't be read as a file is
    /// wrong usage.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        if doing == "read" && error.kind() == std::io::ErrorKind::IsADirectory {
            return Self::Usage(Message::new(format!("{} is a folder", path.display())).hint("name a file"));
        }
        Self::failed(format!("could not {doing} {}: {error}", path.display()))
    }

    /// Returns the process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // As a shell reports a program that SIGPIPE has ended: 128 and the number of the signal.
            Self::BrokenPipe => 141,
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

    /// Returns the kind of error, for programs.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Usage(_) => FailureKind::Usage,
            Self::InvalidFile { .. } => FailureKind::InvalidFile,
            Self::Failed(_) | Self::Reported(_) | Self::BrokenPipe => FailureKind::Failed,
            Self::Credentials(_) => FailureKind::Credentials,
            Self::Aws(error) if error.is_about_credentials() => FailureKind::Credentials,
            Self::Aws(error) if error.is_denied() => FailureKind::AccessDenied,
            Self::Aws(_) => FailureKind::Aws,
            Self::Differences(_) => FailureKind::Differences,
            Self::Deployment(_) => FailureKind::Deployment,
            Self::Refused(_) => FailureKind::Refused,
            Self::Incomplete(_) => FailureKind::Incomplete,
            Self::Interrupted(_) => FailureKind::Interrupted,
        }
    }

    /// Returns the message for the user; `None` when there is nothing to add.
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
            Self::Aws(error) => Some(Message { hint: error.hint(), ..Message::new(error.to_string()) }),
        }
    }
}
