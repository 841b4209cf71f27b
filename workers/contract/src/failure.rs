//! Failures: the stages that report them, and the reasons that they give.

use serde::{Deserialize, Serialize};

/// The stage that reports a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailedStage {
    /// `extract` or the extraction task.
    Extraction,
    /// `transform`.
    Transform,
    /// `load`.
    Load,
}

impl FailedStage {
    /// Every stage.
    pub const ALL: [Self; 3] = [Self::Extraction, Self::Transform, Self::Load];

    /// Returns the detail type of the stage's failures.
    #[must_use]
    pub const fn detail_type(self) -> &'static str {
        match self {
            Self::Extraction => "extractionFailed",
            Self::Transform => "transformFailed",
            Self::Load => "loadFailed",
        }
    }
}

/// Defines the enum, the list of its variants and their meanings from one text, so that none is left out.
macro_rules! reasons {
    ($(#[$attribute:meta])* pub enum $name:ident { $($(#[doc = $about:literal])+ $reason:ident,)+ }) => {
        $(#[$attribute])*
        pub enum $name { $($(#[doc = $about])+ $reason,)+ }

        impl $name {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];

            /// Returns its meaning, in a sentence for a person.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$reason => concat!($($about),+).trim(),)+
                }
            }
        }
    };
}

reasons! {
/// The reason why an object or a row failed: stable codes that a rule can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The object was deleted or replaced, or access to it is denied.
    ObjectUnreadable,
    /// The header contains a column twice, or a name in the settings matches several columns.
    DuplicateHeader,
    /// No column in the header has a name.
    EmptyHeader,
    /// The row (or the header) has more or fewer fields than there are columns.
    RowLength,
    /// The header or the item is too large for an event; or the row is, and cannot be read by itself either.
    RowTooLarge,
    /// The row (or the header) has bytes that are not text in the encoding of the file.
    InvalidEncoding,
    /// The text has control characters where letters are meant: the file has another encoding than the settings say.
    WrongEncoding,
    /// The compressed object is damaged, or ends too early.
    InvalidCompression,
    /// A quoted field is never closed.
    UnclosedQuote,
    /// There is text after the closing quote of a field; within quotes, a quote is written twice.
    InvalidQuoting,
    /// The file is not CSV, or not of the format of the settings, but of another one: a spreadsheet or an archive, for example.
    UnsupportedFormat,
    /// A cell of a workbook has a formula without a stored result, or an error.
    NoStoredResult,
    /// The file lacks a column that a field of `transform` needs, and that is not `optional`.
    MissingColumn,
    /// A required value is empty.
    MissingValue,
    /// A value is not a number, is infinite, has decimals where there may be none, or has more than 38 digits.
    InvalidNumber,
    /// A value is not one of the texts that are true or false.
    InvalidBoolean,
    /// A value is not a timestamp or date in a format of its field, or names a time that does not exist or exists twice.
    InvalidTimestamp,
    /// A value is not a list or set of elements of the type of its field.
    InvalidList,
    /// A value is not JSON, or is JSON that DynamoDB cannot store; or the line is not an object of JSON.
    InvalidJson,
    /// A value is not base64 or hexadecimal bytes.
    InvalidBinary,
    /// A value is not one of the `values` of its field, or does not match its `pattern`.
    NotAllowed,
    /// A value is below the `minimum`, above the `maximum` or longer than the `maxLength` of its field, or beyond the
    /// numbers of DynamoDB.
    OutOfRange,
    /// The expression of a field cannot be evaluated with the values of the row.
    InvalidExpression,
    /// The content of the event cannot be read.
    MalformedEvent,
    /// The table does not accept the item (key missing or too long, item too large).
    InvalidItem,
    /// ECS refused to start the task, or failed to start it in every attempt.
    TaskNotStarted,
    /// Every attempt failed; the message is in the dead-letter queue.
    RetriesExhausted,
    /// The task was stopped before it reached the end of the object, or failed too often.
    Interrupted,
    /// The task needs more memory than it has.
    OutOfMemory,
    /// The number of rows has changed since the file was first read, so a replay would send other rows.
    RowsRenumbered,
    /// There was no key to encrypt sensitive values with, or a sensitive value was not encrypted; none was passed on.
    NotEncrypted,
    /// A sensitive value was changed or moved since it was encrypted, or was never encrypted.
    Undecryptable,
}
}

impl Reason {
    /// Returns the code as it is in events and logs: `row-length`, for example.
    #[must_use]
    pub fn code(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Returns the reason with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}
