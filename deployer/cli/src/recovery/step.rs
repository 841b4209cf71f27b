//! The steps of a recovery.

use crate::tasks;
use crate::watch::Goal;

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove the change sets that were never executed.
    DeleteChangeSets,
    /// Stop so many tasks, which keep their cluster and their network from being deleted.
    StopTasks(usize),
    /// Delete all that a bucket holds.
    EmptyBucket(String),
    /// Take the protection from deletion off a table.
    UnprotectTable(String),
    /// Delete the stack, and keep these resources.
    Delete {
        /// Logical ids.
        retain: Vec<String>,
    },
    /// Delete the stack whatever can't be deleted of it.
    ForceDelete,
    /// Take a failed update back.
    RollBack,
    /// Deploy what this record holds again, in express mode.
    Replay(u64),
    /// Go on with a rollback, without these resources.
    ContinueRollback {
        /// Logical ids.
        skip: Vec<String>,
    },
    /// Stop the update.
    CancelUpdate,
    /// Watch the operation to its end.
    Watch(Goal),
    /// See whether the resources that were skipped are as the template says.
    CheckDrift(Vec<String>),
}

impl Step {
    /// The step in words.
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

    /// The call that it makes, for programs.
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

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::CheckDrift(_))
    }
}
