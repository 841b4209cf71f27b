//! The input of a build from its caller.

use std::path::Path;

use deployer_base::ui::Ui;

/// The folder in which code is looked for, and the output for progress.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Output for people.
    pub ui: &'a Ui,
    /// The folder of the stack file.
    pub folder: &'a Path,
}
