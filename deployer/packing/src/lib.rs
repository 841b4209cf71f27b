//! From a program to the forms that AWS takes: the zip of a function ([`zip`]), the image of a task ([`image`]). Checks
//! before that whether the program would run there ([`elf`]). Makes no calls of AWS.
//!
//! Everything is named by its content: the same program gives the same digest, on every machine, at any time. So a
//! deployer that carries packed programs has their names without reading them ([`Facts`]).

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub mod carried;
pub mod elf;
pub mod image;
pub mod layout;
pub mod zip;

/// The reason why something cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The fact, in lower case.
    pub message: String,
    /// Advice on the fact.
    pub hint: Option<String>,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn io(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("could not {what} {}: {error}", path.display()))
    }
}

/// The facts about packed code, which need no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facts {
    /// SHA-256: 64 hexadecimal digits.
    pub sha256: String,
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 of the bytes before compression, for the layer of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<String>,
}

impl Facts {
    /// Computes the facts from the bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256_hex(bytes), size: bytes.len() as u64, diff_id: None }
    }
}

/// The place of bytes that may never be needed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// Bytes in memory, or in the program's own file.
    Here(Bytes),
    /// The same in parts, which are put together when they are read.
    Parts(Vec<Bytes>),
    /// A file, which is compared with the digest when it is read.
    File(PathBuf),
}

/// Bytes that are named by their digest: a program, packed code, a part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Facts that name the bytes.
    pub facts: Facts,
    source: Source,
}

impl Content {
    /// Creates a content from bytes without facts.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { facts: Facts::of(&bytes), source: Source::Here(bytes.into()) }
    }

    /// Creates a content from bytes with these facts, trusting whoever made both.
    #[must_use]
    pub const fn known(facts: Facts, bytes: Bytes) -> Self {
        Self { facts, source: Source::Here(bytes) }
    }

    /// Creates a content from parts, one after the other, which together have these facts.
    #[must_use]
    pub const fn parts(facts: Facts, parts: Vec<Bytes>) -> Self {
        Self { facts, source: Source::Parts(parts) }
    }

    /// Creates a content from a file that should have these facts.
    #[must_use]
    pub const fn file(facts: Facts, path: PathBuf) -> Self {
        Self { facts, source: Source::File(path) }
    }

    /// Returns the file that the bytes are in, if they are in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::Here(_) | Source::Parts(_) => None,
            Source::File(path) => Some(path),
        }
    }

    /// Returns the bytes.
    ///
    /// # Errors
    /// If the file is gone, or has another content.
    pub fn bytes(&self) -> Result<Bytes, Error> {
        match &self.source {
            Source::Here(bytes) => Ok(bytes.clone()),
            Source::Parts(parts) => Ok(parts.concat().into()),
            Source::File(path) => {
                let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
                if sha256_hex(&bytes) != self.facts.sha256 {
                    return Err(Error::new(format!("{} has changed since it was packed", path.display()))
                        .hint("remove it and run the command again"));
                }
                Ok(bytes.into())
            }
        }
    }
}

/// Computes the SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Computes the SHA-256 as 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_that_of_the_standard() {
        // FIPS 180-4, example of one block.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_file_that_was_changed_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.zip");
        std::fs::write(&path, "abc").expect("written");
        let packed = Content::file(Facts::of(b"abc"), path.clone());
        assert_eq!(packed.bytes().expect("whole"), "abc");
        std::fs::write(&path, "abd").expect("written");
        assert!(packed.bytes().expect_err("changed").message.contains("has changed since"));
        std::fs::remove_file(&path).expect("removed");
        assert!(packed.bytes().expect_err("gone").message.contains("could not read"));
    }
}
