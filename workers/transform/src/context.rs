//! The facts about a row that are not in it.

/// The facts about a row that are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'r> {
    /// Bucket of the object.
    pub bucket: &'r str,
    /// Key of the object.
    pub key: &'r str,
    /// Version of the object; `None` if the bucket has no versions.
    pub version: Option<&'r str>,
    /// Position of the row in the file, from 1.
    pub index: u64,
}
