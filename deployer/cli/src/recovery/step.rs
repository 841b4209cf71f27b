//! The steps of a recovery.

use crate::tasks;
use crate::watch::Goal;

/// One step of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The removal of the change sets that were never executed.
    DeleteChangeSets,
    /// The stopping of this number of tasks, which prevent the deletion of their cluster and their network.
    StopTasks(usize),
    /// The deletion of all objects of a bucket.
    EmptyBucket(String),
    /// The end of the deletion protection of a table.
    UnprotectTable(String),
    /// The deletion of the stack without these resources, which are kept.
    Delete {
        /// The logical IDs.
        retain: Vec<String>,
    },
    /// The deletion of the stack even if some of its resources can't be deleted.
    ForceDelete,
    /// The rollback of a failed update.
    RollBack,
    /// A new deployment of the contents of this record, in express mode.
    Replay(u64),
    /// The continuation of a rollback, without these resources.
    ContinueRollback {
        /// The logical IDs.
        skip: Vec<String>,
    },
    /// The cancellation of the update.
    CancelUpdate,
    /// The wait for the end of the operation.
    Watch(Goal),
    /// The check that the resources that were skipped are as in the template.
    CheckDrift(Vec<String>),
}

impl Step {
    /// Describes the step in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::DeleteChangeSets => "remove the change sets".to_owned(),
            Self::StopTasks(count) => format!("stop {}", tasks::counted(*count)),
            Self::EmptyBucket(bucket) => {
                format!("delete all objects of the bucket {bucket}, with their versions")
            }
            Self::UnprotectTable(table) => format!("turn off the deletion protection of the table {table}"),
            Self::Delete { retain } if retain.is_empty() => "delete the stack".to_owned(),
            Self::Delete { retain } => format!("delete the stack and keep {}", retain.join(", ")),
            Self::ForceDelete => {
                "delete the stack, and leave resources that can't be deleted in the account".to_owned()
            }
            Self::RollBack => "roll the update back".to_owned(),
            Self::Replay(number) => {
                format!("deploy record {number}, the last successful deployment, again in express mode")
            }
            Self::ContinueRollback { skip } if skip.is_empty() => {
                "try to roll the update back again".to_owned()
            }
            Self::ContinueRollback { skip } => {
                format!("roll the update back without {}, which stay as they are", skip.join(", "))
            }
            Self::CancelUpdate => "cancel the update, which is then rolled back".to_owned(),
            Self::Watch(_) => "watch the operation until it finishes".to_owned(),
            Self::CheckDrift(ids) => format!("compare {} with the template", ids.join(", ")),
        }
    }

    /// Returns the call that the step makes, for programs.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        match self {
            Self::DeleteChangeSets => "DeleteChangeSet",
            Self::StopTasks(_) => "StopTask",
            Self::EmptyBucket(_) => "DeleteObjects",
            Self::UnprotectTable(_) => "UpdateTable",
            Self::Delete { .. } | Self::ForceDelete => "DeleteStack",
            Self::RollBack => "RollbackStack",
            Self::Replay(_) => "UpdateStack",
            Self::ContinueRollback { .. } => "ContinueUpdateRollback",
            Self::CancelUpdate => "CancelUpdateStack",
            Self::Watch(_) => "DescribeStackEvents",
            Self::CheckDrift(_) => "DetectStackResourceDrift",
        }
    }

    /// Returns whether the step changes nothing.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::CheckDrift(_))
    }
}
