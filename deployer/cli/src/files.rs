//! Files that appear whole or not at all.

use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file under another name first, so that nobody ever reads half of it.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| Error::io("write", path, &error))
}
