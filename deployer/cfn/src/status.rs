//! Statuses of stacks and of their resources.
//!
//! Events and stacks keep the text that CloudFormation gives, so that a status that is published later is shown as it
//! is. [`Status`] answers questions about a status.

use std::fmt;

/// Names the published statuses, each once.
macro_rules! statuses {
    ($($name:ident = $text:literal,)*) => {
        /// A status of a stack or of a resource: AWS CloudFormation API Reference, `Stack` and `StackResource`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of CloudFormation")]
        pub enum Status<'t> {
            $($name,)*
            /// A status that is not published.
            Other(&'t str),
        }

        impl Status<'static> {
            /// The published statuses.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];
        }

        impl<'t> Status<'t> {
            /// Returns the status with this text.
            #[must_use]
            pub fn of(text: &'t str) -> Self {
                match text {
                    $($text => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// Returns the text of CloudFormation.
            #[must_use]
            pub const fn as_str(self) -> &'t str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

statuses! {
    CreateInProgress = "CREATE_IN_PROGRESS",
    CreateFailed = "CREATE_FAILED",
    CreateComplete = "CREATE_COMPLETE",
    RollbackInProgress = "ROLLBACK_IN_PROGRESS",
    RollbackFailed = "ROLLBACK_FAILED",
    RollbackComplete = "ROLLBACK_COMPLETE",
    DeleteInProgress = "DELETE_IN_PROGRESS",
    DeleteFailed = "DELETE_FAILED",
    DeleteComplete = "DELETE_COMPLETE",
    DeleteSkipped = "DELETE_SKIPPED",
    UpdateInProgress = "UPDATE_IN_PROGRESS",
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateFailed = "UPDATE_FAILED",
    UpdateComplete = "UPDATE_COMPLETE",
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
    ReviewInProgress = "REVIEW_IN_PROGRESS",
    ImportInProgress = "IMPORT_IN_PROGRESS",
    ImportFailed = "IMPORT_FAILED",
    ImportComplete = "IMPORT_COMPLETE",
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
    ExportInProgress = "EXPORT_IN_PROGRESS",
    ExportFailed = "EXPORT_FAILED",
    ExportComplete = "EXPORT_COMPLETE",
    ExportRollbackInProgress = "EXPORT_ROLLBACK_IN_PROGRESS",
    ExportRollbackFailed = "EXPORT_ROLLBACK_FAILED",
    ExportRollbackComplete = "EXPORT_ROLLBACK_COMPLETE",
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

// The text decides, so that the answers hold for statuses that are published later.
impl Status<'_> {
    /// Returns whether an operation is under way.
    #[must_use]
    pub fn is_in_progress(self) -> bool {
        self.as_str().ends_with("_IN_PROGRESS")
    }

    /// Returns whether an operation succeeded; a rollback may be that operation.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.as_str().ends_with("_COMPLETE")
    }

    /// Returns whether an operation failed.
    #[must_use]
    pub fn failed(self) -> bool {
        self.as_str().ends_with("_FAILED")
    }

    /// Returns whether an operation on the stack has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.is_complete() || self.failed()
    }

    /// Returns whether the operation is the creation of the stack or of the resource.
    #[must_use]
    pub fn is_creation(self) -> bool {
        self.as_str().starts_with("CREATE_")
    }

    /// Returns whether the operation is a deletion.
    #[must_use]
    pub fn is_deletion(self) -> bool {
        self.as_str().starts_with("DELETE_")
    }

    /// Returns whether the operation is a rollback.
    #[must_use]
    pub fn is_rollback(self) -> bool {
        self.as_str().contains("ROLLBACK")
    }

    /// Returns whether CloudFormation deletes what a finished operation has left.
    #[must_use]
    pub fn is_cleanup(self) -> bool {
        self.as_str().ends_with("_CLEANUP_IN_PROGRESS")
    }

    /// Returns whether a stack in this status can be updated.
    #[must_use]
    pub const fn can_be_updated(self) -> bool {
        matches!(
            self,
            Self::CreateComplete
                | Self::UpdateComplete
                | Self::UpdateRollbackComplete
                | Self::ImportComplete
                | Self::ImportRollbackComplete
        )
    }

    /// Returns whether a stack in this status was never created as a whole, so that it can only be deleted.
    #[must_use]
    pub const fn was_never_created(self) -> bool {
        matches!(self, Self::CreateFailed | Self::RollbackFailed | Self::RollbackComplete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Phase {
        InProgress,
        Cleanup,
        Complete,
        Failed,
        Skipped,
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Operation {
        Create,
        Delete,
        Rollback,
        Another,
    }

    #[test]
    fn all_published_statuses_are_understood() {
        use Operation::{Another, Create, Delete, Rollback};
        use Phase::{Cleanup, Complete, Failed, InProgress, Skipped};
        use Status as S;
        for status in Status::ALL {
            let (operation, phase) = match status {
                S::CreateInProgress => (Create, InProgress),
                S::CreateFailed => (Create, Failed),
                S::CreateComplete => (Create, Complete),
                S::DeleteInProgress => (Delete, InProgress),
                S::DeleteFailed => (Delete, Failed),
                S::DeleteComplete => (Delete, Complete),
                S::DeleteSkipped => (Delete, Skipped),
                S::RollbackInProgress
                | S::UpdateRollbackInProgress
                | S::ImportRollbackInProgress
                | S::ExportRollbackInProgress => (Rollback, InProgress),
                S::RollbackFailed
                | S::UpdateRollbackFailed
                | S::ImportRollbackFailed
                | S::ExportRollbackFailed => (Rollback, Failed),
                S::RollbackComplete
                | S::UpdateRollbackComplete
                | S::ImportRollbackComplete
                | S::ExportRollbackComplete => (Rollback, Complete),
                S::UpdateRollbackCompleteCleanupInProgress => (Rollback, Cleanup),
                S::UpdateCompleteCleanupInProgress => (Another, Cleanup),
                S::UpdateInProgress | S::ImportInProgress | S::ExportInProgress | S::ReviewInProgress => {
                    (Another, InProgress)
                }
                S::UpdateFailed | S::ImportFailed | S::ExportFailed => (Another, Failed),
                S::UpdateComplete | S::ImportComplete | S::ExportComplete => (Another, Complete),
                S::Other(text) => panic!("{text} is not published"),
            };
            assert_eq!(status.is_creation(), operation == Create, "{status:?}");
            assert_eq!(status.is_deletion(), operation == Delete, "{status:?}");
            assert_eq!(status.is_rollback(), operation == Rollback, "{status:?}");
            assert_eq!(status.is_in_progress(), matches!(phase, InProgress | Cleanup), "{status:?}");
            assert_eq!(status.is_cleanup(), phase == Cleanup, "{status:?}");
            assert_eq!(status.is_complete(), phase == Complete, "{status:?}");
            assert_eq!(status.failed(), phase == Failed, "{status:?}");
            assert_eq!(status.is_terminal(), matches!(phase, Complete | Failed), "{status:?}");
            assert!(!(status.can_be_updated() && status.was_never_created()), "{status:?}");
            assert!(status.is_terminal() || !status.can_be_updated(), "{status:?}");
            assert_eq!(Status::of(status.as_str()), status);
        }
    }

    #[test]
    fn statuses_that_are_published_later_are_understood_by_their_text() {
        let later = Status::of("REFACTOR_ROLLBACK_FAILED");
        assert_eq!(
            (later, later.as_str()),
            (Status::Other("REFACTOR_ROLLBACK_FAILED"), "REFACTOR_ROLLBACK_FAILED")
        );
        assert!(later.failed() && later.is_rollback() && later.is_terminal() && !later.can_be_updated());
    }
}
