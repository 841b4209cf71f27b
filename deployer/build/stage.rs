//! Part of the build scripts of `deployer-build` and `deployer`, which stage files for `include_dir!`.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Endings of files that editors, merges and test tools leave behind.
const JUNK: [&str; 8] = ["~", ".orig", ".rej", ".bak", ".swp", ".tmp", ".snap.new", ".profraw"];

/// Creates an empty folder.
pub fn fresh(folder: &Path) -> io::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// Copies a folder without build output, hidden files and left-overs.
pub fn copy_sources(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_str().ok_or_else(|| format!("{} is not UTF-8", entry.path().display()))?;
        if text.starts_with('.') || text == "target" || JUNK.iter().any(|junk| text.ends_with(junk)) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_sources(&entry.path(), &to.join(&name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Compresses all files below a folder in place, in the form of zlib (RFC 1950).
pub fn compress(folder: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            compress(&path)?;
        } else {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&fs::read(&path)?)?;
            fs::write(&path, encoder.finish()?)?;
        }
    }
    Ok(())
}
