//! The digest of everything that programs are built from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Result};
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of the recipe and of names and contents of all files that the workers are built from, but for
/// `Cargo.lock`, which cargo may write.
pub(super) fn digest_of_sources(
    root: &Path,
    folders: &BTreeSet<PathBuf>,
    target: &Path,
    recipe: &str,
) -> Result<String> {
    let mut files = BTreeSet::new();
    for folder in folders {
        collect(folder, target, &mut files)?;
    }
    files.extend(SETTINGS.iter().map(|name| root.join(name)).filter(|path| path.is_file()));
    let mut hasher = Sha256::new();
    hasher.update(recipe);
    for path in &files {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
        hasher.update(format!("{name}\0{}\0", bytes.len()));
        hasher.update(&bytes);
    }
    Ok(hex::encode(hasher.finalize()))
}

/// Returns whether a file or folder of this name can be a source: it is not hidden, nor a target folder.
#[must_use]
pub fn is_source(name: &OsStr) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && name != "target"
}

/// Files of a workspace, beside those of its packages, that determine the result of a build.
pub(crate) const SETTINGS: [&str; 5] =
    ["Cargo.toml", "rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml"];

fn collect(folder: &Path, target: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let failed = |error: &std::io::Error| Error::io("read the folder", folder, error);
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let path = entry.path();
        let name = entry.file_name();
        if !is_source(&name) || path == target || name == "Cargo.lock" {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() {
            collect(&path, target, files)?;
        } else if path.is_file() {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::touch;

    #[test]
    fn the_digest_sees_sources_and_recipe_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let package = root.join("workers/functions");
        touch(&root.join("Cargo.toml"), "[workspace]");
        touch(&package.join("src/lib.rs"), "1");
        let digest = |recipe: &str| {
            digest_of_sources(root, &BTreeSet::from([package.clone()]), &root.join("target"), recipe)
                .expect("a digest")
        };
        let first = digest("a");
        touch(&package.join("target/debug/x"), "built");
        touch(&package.join(".lib.rs.swp"), "edited");
        touch(&root.join("Cargo.lock"), "locked");
        touch(&root.join("deployer/src/lib.rs"), "other");
        assert_eq!(digest("a"), first);
        assert_ne!(digest("b"), first);
        touch(&package.join("src/lib.rs"), "2");
        let second = digest("a");
        assert_ne!(second, first);
        touch(&root.join("rust-toolchain.toml"), "[toolchain]");
        assert_ne!(digest("a"), second);
    }
}
