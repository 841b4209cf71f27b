//! The only folder that imports `aws_sdk_*`: narrow functions with typed errors, one file per service.

use std::time::Duration;

pub mod calls;
pub mod cloudformation;
pub mod doctor;
pub mod drift;
pub mod ecr;
pub mod ecs;
pub mod emptying;
pub mod error;
pub mod items;
pub mod lambda;
pub mod log_events;
pub mod logs;
pub mod messages;
pub mod objects;
pub mod preflight;
pub mod published;
pub mod records;
pub mod recovery;
pub mod revisions;
pub mod s3;
pub mod send;
pub mod session;
pub mod stacks;
pub mod stopped_tasks;
pub mod tables;
pub mod tails;
pub mod tally;
pub mod task_events;

/// Waiting between two looks at something that changes: short at first, then longer.
#[derive(Debug)]
pub struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3);

    /// Starts with the shortest wait.
    #[must_use]
    pub const fn new() -> Self {
        Self(Self::FIRST)
    }

    /// Something has changed: look again soon.
    pub fn reset(&mut self) {
        self.0 = Self::FIRST;
    }

    /// Waits, and longer the next time.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(Self::LONGEST);
    }
}
