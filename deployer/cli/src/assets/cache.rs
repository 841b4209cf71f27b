//! Compressed code from the last time, so that a deploy which changes nothing does not compress tens of megabytes.
//!
//! One file for each worker and way of packing: the digest of what went in, the digest of what came out, and that itself.
//! A file that is old, cut short or spoilt counts as none.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::sha256;
use crate::error::Result;

const DIGEST: usize = 32;

/// Bytes and their SHA-256.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The content.
    pub bytes: Vec<u8>,
    /// Its digest.
    pub sha256: [u8; DIGEST],
}

impl Packed {
    /// Hashes the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { sha256: sha256(&bytes), bytes }
    }
}

/// Where compressed code is kept, if anywhere.
#[derive(Debug, Clone)]
pub struct Cache(Option<PathBuf>);

impl Cache {
    /// Keeps files in a folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// What `compress` gives for this input. `method` names all else that decides it.
    ///
    /// # Errors
    /// Those of `compress`; a file that cannot be kept is none.
    pub(super) fn compressed(
        &self,
        name: &str,
        method: &str,
        input: &[u8],
        compress: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Packed> {
        let Some(folder) = &self.0 else {
            return Ok(Packed::new(compress(input)?));
        };
        let path = folder.join(name);
        let key: [u8; DIGEST] =
            Sha256::new().chain_update(method).chain_update(b"\0").chain_update(input).finalize().into();
        if let Some(kept) = std::fs::read(&path).ok().and_then(|file| parse(&key, file)) {
            return Ok(kept);
        }
        let packed = Packed::new(compress(input)?);
        let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let kept = std::fs::create_dir_all(folder)
            .and_then(|()| {
                std::fs::write(&temporary, [&key, packed.sha256.as_slice(), &packed.bytes].concat())
            })
            .and_then(|()| std::fs::rename(&temporary, &path));
        if kept.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        Ok(packed)
    }
}

/// The content of a file that is whole and has this key.
fn parse(key: &[u8; DIGEST], mut file: Vec<u8>) -> Option<Packed> {
    let sum: [u8; DIGEST] = file.get(DIGEST..2 * DIGEST)?.try_into().ok()?;
    if !file.starts_with(key) {
        return None;
    }
    file.drain(..2 * DIGEST);
    let packed = Packed::new(file);
    (packed.sha256 == sum).then_some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_used_and_what_is_spoilt_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(Some(folder.path().join("packed")));
        let get = |input: &[u8], method: &str| {
            let mut ran = false;
            let packed = cache.compressed("x", method, input, |input| {
                ran = true;
                Ok([input, b"!"].concat())
            });
            let packed = packed.expect("packed");
            assert_eq!(packed.bytes, [input, b"!"].concat());
            assert_eq!(packed.sha256, sha256(&packed.bytes));
            ran
        };
        assert!(get(b"a", "1"));
        assert!(!get(b"a", "1"));
        assert!(get(b"a", "2"), "another method");
        assert!(get(b"b", "2"), "another input");
        let path = folder.path().join("packed/x");
        let whole = std::fs::read(&path).expect("kept");
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("cut");
            assert!(get(b"b", "2"), "cut at {end}");
        }
        let mut spoilt = whole;
        spoilt[70 - 5] ^= 1;
        std::fs::write(&path, spoilt).expect("spoilt");
        assert!(get(b"b", "2"));
        let entries = std::fs::read_dir(folder.path().join("packed")).expect("listed").count();
        assert_eq!(entries, 1, "nothing is left behind");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_error() {
        let cache = Cache::new(Some(PathBuf::from("/dev/null/x")));
        let packed = cache.compressed("x", "1", b"a", |input| Ok(input.to_vec())).expect("packed");
        assert_eq!(packed.bytes, b"a");
        assert!(Cache::new(None).compressed("x", "1", b"a", |input| Ok(input.to_vec())).is_ok());
    }
}
