//! What a build is told by its caller.

use std::path::Path;

use deployer_base::ui::Ui;

/// The folder that code is looked for in, and where is said what goes on.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Where output goes.
    pub ui: &'a Ui,
    /// The folder of the stack file.
    pub folder: &'a Path,
}
