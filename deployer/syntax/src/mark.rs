//! Marks: texts of JSON values that are not known before the deployment.

use crate::number;

/// Beginning of a mark: no text of a YAML file can contain it.
pub const MARK: char = '\0';

/// A text of an event that may be anything, for `deployer_lang::matching::Event::of_value`.
pub const UNKNOWN: &str = "\0";

/// Returns whether a text of a JSON value is a mark: not known before the deployment.
#[must_use]
pub fn is_mark(text: &str) -> bool {
    text.starts_with(MARK) && !number::is_marked(text)
}
