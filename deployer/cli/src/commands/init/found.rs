//! The facts about a file that a stack file is made of.

use contract::settings::ExtractionSettings;

use crate::guess::Guess;
use crate::guess::survey::Survey;

/// A file, with all that was found in it.
#[derive(Debug)]
pub(super) struct Found {
    /// The fields, and the notes on them and on the file.
    pub(super) guess: Guess,
    /// The settings with which it was read.
    pub(super) settings: ExtractionSettings,
    /// The expression of `where`, for rows that are left out.
    pub(super) filter: Option<String>,
    /// Its size, in bytes.
    pub(super) size: u64,
    /// The facts about its rows.
    pub(super) survey: Survey,
    /// Facts that a person should know before they use the settings.
    pub(super) warnings: Vec<String>,
}
