//! cargo-lambda, which builds programs for AWS.

use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Result};

/// Variable that names another cargo-lambda.
const VARIABLE: &str = "DEPLOYER_CARGO_LAMBDA";
/// Advice on the installation.
pub(crate) const INSTALL: &str = "install it beside stack.yaml: `python3 -m venv .venv && .venv/bin/pip install \
    cargo-lambda==1.9.2`; or name another with DEPLOYER_CARGO_LAMBDA";

/// Returns cargo-lambda: the environment's, else that of a `.venv` beside the stack file or above it, else the one on
/// PATH.
///
/// # Errors
/// If cargo-lambda is not found.
pub fn find(folder: &Path) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = std::path::absolute(&named).unwrap_or_else(|_| PathBuf::from(&named));
        if path.is_file() {
            return Ok(path);
        }
        return Err(Error::failed_with_hint(
            format!("{VARIABLE} names {}, which is not a file", path.display()),
            INSTALL,
        ));
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    find_in(&folder, std::env::split_paths(&paths)).ok_or_else(|| {
        Error::failed_with_hint("cargo-lambda, which builds the workers, was not found", INSTALL)
    })
}

fn find_in(folder: &Path, paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let environments = folder.ancestors().map(|folder| folder.join(".venv").join("bin"));
    environments.chain(paths).map(|folder| folder.join("cargo-lambda")).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::touch;

    #[test]
    fn a_nearer_environment_comes_before_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let (project, path) = (folder.path().join("a/b"), folder.path().join("bin"));
        std::fs::create_dir_all(&project).expect("made");
        assert_eq!(find_in(&project, std::iter::once(path.clone())), None);
        touch(&path.join("cargo-lambda"), "");
        assert_eq!(find_in(&project, std::iter::once(path.clone())), Some(path.join("cargo-lambda")));
        let above = folder.path().join("a/.venv/bin/cargo-lambda");
        touch(&above, "");
        assert_eq!(find_in(&project, std::iter::once(path)), Some(above));
    }
}
