//! The states of a stack: those that follow by themselves, those that an operation begins, and the operations that each
//! allows.
//!
//! Sources: AWS CloudFormation User Guide, "Stack status codes", "Choose how to handle failures when provisioning
//! resources", "Continue rolling back an update", "Delete a stack"; API Reference of the operations.

use std::collections::BTreeSet;

/// The state of a stack that does not exist, or no longer.
pub const ABSENT: &str = "DELETE_COMPLETE";

/// All states.
pub const ALL: [&str; 23] = [
    ABSENT,
    "REVIEW_IN_PROGRESS",
    "CREATE_IN_PROGRESS",
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
    "IMPORT_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_FAILED",
];

/// The states in which a stack can be updated without another step.
const SETTLED: [&str; 5] = [
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
];

/// The option that an operation was given for its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Unknown, since the operation began before the conversation.
    #[default]
    Unknown,
    /// A rollback.
    RollBack,
    /// No change to the state at the failure.
    Nothing,
    /// The deletion of the stack.
    Delete,
}

/// Returns the states that follow by themselves.
pub fn next(status: &str, on_failure: OnFailure) -> &'static [&'static str] {
    use OnFailure::{Delete, Nothing, RollBack, Unknown};
    match (status, on_failure) {
        // A failure that validation finds is an event of the stack itself before the rollback.
        ("CREATE_IN_PROGRESS", Unknown) => {
            &["CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"]
        }
        ("CREATE_IN_PROGRESS", RollBack) => &["CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_IN_PROGRESS"],
        ("CREATE_IN_PROGRESS", Nothing) => &["CREATE_COMPLETE", "CREATE_FAILED"],
        ("CREATE_IN_PROGRESS", Delete) => &["CREATE_COMPLETE", "DELETE_IN_PROGRESS"],
        ("CREATE_FAILED", Unknown | RollBack) => &["ROLLBACK_IN_PROGRESS"],
        ("ROLLBACK_IN_PROGRESS", _) => &["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"],
        ("DELETE_IN_PROGRESS", _) => &[ABSENT, "DELETE_FAILED"],
        ("UPDATE_IN_PROGRESS", Nothing) => {
            &["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"]
        }
        ("UPDATE_IN_PROGRESS", RollBack | Delete) => {
            &["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_IN_PROGRESS"]
        }
        ("UPDATE_IN_PROGRESS", Unknown) => &[
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_COMPLETE",
            "UPDATE_FAILED",
            "UPDATE_ROLLBACK_IN_PROGRESS",
        ],
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", _) => &["UPDATE_COMPLETE"],
        ("UPDATE_ROLLBACK_IN_PROGRESS", _) => &[
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
            "UPDATE_ROLLBACK_FAILED",
        ],
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", _) => &["UPDATE_ROLLBACK_COMPLETE"],
        ("IMPORT_IN_PROGRESS", _) => &["IMPORT_COMPLETE", "IMPORT_ROLLBACK_IN_PROGRESS"],
        // Of a stack that the import was to create, nothing is left but an empty stack.
        ("IMPORT_ROLLBACK_IN_PROGRESS", _) => {
            &["IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"]
        }
        _ => &[],
    }
}

/// Returns the states that are reached from these without anybody's doing, these included.
pub fn by_itself(from: &BTreeSet<String>, on_failure: OnFailure) -> BTreeSet<String> {
    let mut reached = from.clone();
    let mut open: Vec<String> = from.iter().cloned().collect();
    while let Some(status) = open.pop() {
        for next in next(&status, on_failure) {
            if reached.insert((*next).to_owned()) {
                open.push((*next).to_owned());
            }
        }
    }
    reached
}

/// An operation on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The creation of a change set of the type CREATE, which creates a stack in review.
    PlanCreation,
    /// The creation of a change set of the type UPDATE.
    PlanUpdate,
    /// The execution of a change set of the type CREATE.
    Create,
    /// The execution of a change set of the type UPDATE.
    Update,
    /// `DeleteStack`.
    Delete,
    /// `CancelUpdateStack`.
    Cancel,
    /// `ContinueUpdateRollback`.
    ContinueRollback,
    /// `RollbackStack`.
    RollBack,
    /// An import of resources.
    Import,
}

/// All operations.
pub const OPERATIONS: [Operation; 9] = [
    Operation::PlanCreation,
    Operation::PlanUpdate,
    Operation::Create,
    Operation::Update,
    Operation::Delete,
    Operation::Cancel,
    Operation::ContinueRollback,
    Operation::RollBack,
    Operation::Import,
];

impl Operation {
    /// Returns the state that the operation brings a stack into; `None` when CloudFormation refuses it.
    pub fn of(self, status: &str) -> Option<&'static str> {
        let settled = SETTLED.contains(&status);
        let failed_without_rollback = ["CREATE_FAILED", "UPDATE_FAILED"].contains(&status);
        match self {
            Self::PlanCreation => {
                [ABSENT, "REVIEW_IN_PROGRESS"].contains(&status).then_some("REVIEW_IN_PROGRESS")
            }
            Self::PlanUpdate if settled || failed_without_rollback => {
                ALL.iter().find(|known| **known == status).copied()
            }
            Self::Create => (status == "REVIEW_IN_PROGRESS").then_some("CREATE_IN_PROGRESS"),
            Self::Update => (settled || failed_without_rollback).then_some("UPDATE_IN_PROGRESS"),
            Self::Import => (settled || status == "REVIEW_IN_PROGRESS").then_some("IMPORT_IN_PROGRESS"),
            // A stack in review has nothing to delete: it is gone at once, or nearly so.
            Self::Delete => {
                let busy = status.ends_with("_IN_PROGRESS")
                    && !["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"].contains(&status);
                (!busy).then_some(if status == ABSENT { ABSENT } else { "DELETE_IN_PROGRESS" })
            }
            Self::Cancel => (status == "UPDATE_IN_PROGRESS").then_some("UPDATE_ROLLBACK_IN_PROGRESS"),
            Self::ContinueRollback => {
                (status == "UPDATE_ROLLBACK_FAILED").then_some("UPDATE_ROLLBACK_IN_PROGRESS")
            }
            Self::RollBack => match status {
                "CREATE_FAILED" => Some("ROLLBACK_IN_PROGRESS"),
                "UPDATE_FAILED" => Some("UPDATE_ROLLBACK_IN_PROGRESS"),
                _ => None,
            },
            Self::PlanUpdate => None,
        }
    }
}

/// Returns the states that one operation of somebody else can bring a stack into from one of these.
pub fn by_others(from: &BTreeSet<String>) -> BTreeSet<String> {
    let begun = from.iter().flat_map(|status| OPERATIONS.iter().filter_map(|one| one.of(status)));
    by_itself(&begun.map(str::to_owned).collect(), OnFailure::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_follows_is_a_state_and_none_in_progress_is_an_end() {
        for status in ALL {
            let follows = next(status, OnFailure::Unknown);
            assert!(follows.iter().all(|one| ALL.contains(one)), "{status}");
            let moves = status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS";
            assert!(!moves || !follows.is_empty(), "{status} has no end");
        }
    }

    #[test]
    fn every_failed_state_has_an_operation_that_leads_out() {
        for status in ALL.iter().filter(|status| status.ends_with("_FAILED")) {
            assert!(OPERATIONS.iter().any(|one| one.of(status).is_some()), "{status}");
        }
        assert_eq!(Operation::RollBack.of("UPDATE_COMPLETE"), None);
        assert_eq!(Operation::Delete.of("UPDATE_IN_PROGRESS"), None);
        assert_eq!(Operation::PlanCreation.of("CREATE_COMPLETE"), None);
        assert_eq!(Operation::PlanUpdate.of("REVIEW_IN_PROGRESS"), None);
    }
}
