//! The input of a build from its caller.

use std::path::Path;

use deployer_base::meter::Meter;
use deployer_base::ui::Ui;
use tokio::sync::Semaphore;

/// The folder in which code is looked for, the output for progress, and the leave to build.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Output for people.
    pub ui: &'a Ui,
    /// The folder of the stack file.
    pub folder: &'a Path,
    /// Where the times of builds are noted, if anybody asks for them.
    pub meter: Option<&'a Meter>,
    /// Has a permit as soon as code may be built: a build takes long, and what refuses a deployment is often known before.
    /// Without it, nothing has to be waited for.
    pub leave: Option<&'a Semaphore>,
}

impl Project<'_> {
    /// Waits for the leave to build.
    pub(crate) async fn may_build(&self) {
        if let Some(leave) = self.leave {
            // A closed semaphore has nothing to wait for either.
            let _ = leave.acquire().await;
        }
    }
}
