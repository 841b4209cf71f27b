//! Packed code from the last time, so that a deployment without changes neither compresses nor reads tens of megabytes.
//!
//! Two files for each: the packed bytes, and beside them their facts. Both are named by a digest of the input.

use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Result};
use deployer_base::files;
use deployer_packing::{Content, Facts, sha256_hex};

/// Digits of the digest that names a file.
const DIGITS: usize = 16;

/// The folder of packed code, if there is one.
#[derive(Debug, Clone)]
pub struct Cache(Option<PathBuf>);

impl Cache {
    /// Creates a cache that keeps files in a folder, which need not exist yet.
    #[must_use]
    pub const fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// Returns the result of `pack` for a program. `name` is that of the file; `method` names everything else that
    /// determines the result.
    ///
    /// # Errors
    /// Those of `pack`, and if the program can't be read; not if nothing can be kept.
    pub(crate) fn packed(
        &self,
        name: &str,
        method: &str,
        program: &Content,
        pack: impl FnOnce(&[u8]) -> std::result::Result<(Vec<u8>, Facts), deployer_packing::Error>,
    ) -> Result<Content> {
        let key = sha256_hex(format!("{method}\0{}", program.facts.sha256).as_bytes());
        let file = self.0.as_ref().map(|folder| folder.join(format!("{name}-{}", &key[..DIGITS])));
        if let Some(found) = file.as_ref().and_then(|file| find(file)) {
            return Ok(found);
        }
        let (bytes, facts) = pack(&program.bytes()?)?;
        if let Some(file) = file
            && keep(&file, &bytes, &facts).is_ok()
        {
            forget_others(name, &file);
        }
        Ok(Content::known(facts, bytes.into()))
    }
}

/// Returns the path of the file with the facts about another.
fn facts_of(file: &Path) -> PathBuf {
    file.with_added_extension("json")
}

fn find(file: &Path) -> Option<Content> {
    let facts: Facts = serde_json::from_slice(&std::fs::read(facts_of(file)).ok()?).ok()?;
    let size = std::fs::metadata(file).ok()?.len();
    (size == facts.size).then(|| Content::file(facts, file.to_owned()))
}

/// Keeps the bytes, and the facts last: if the facts exist, so does the file.
fn keep(file: &Path, bytes: &[u8], facts: &Facts) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create the folder", folder, &error))?;
    }
    files::write_whole(file, bytes)?;
    let text = serde_json::to_string(facts).map_err(|error| Error::failed(error.to_string()))?;
    files::write_whole(&facts_of(file), text)
}

/// Removes the packed code of earlier programs of that name.
fn forget_others(name: &str, kept: &Path) {
    let Some(folder) = kept.parent() else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let digits = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let ours = digits.is_some_and(|rest| rest.strip_suffix(".json").unwrap_or(rest).len() == DIGITS);
        if ours && path != kept && path != facts_of(kept) {
            let _ = std::fs::remove_file(path);
        }
    }
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
            let packed = cache.packed("x.zip", method, &Content::new(input.to_vec()), |input| {
                ran = true;
                let packed = [input, b"!"].concat();
                let facts = Facts::of(&packed);
                Ok((packed, facts))
            });
            let packed = packed.expect("packed");
            assert_eq!(packed.facts, Facts::of(&[input, b"!"].concat()));
            (ran, packed)
        };
        assert!(get(b"a", "1").0);
        let (ran, packed) = get(b"a", "1");
        assert_eq!((ran, packed.bytes().expect("bytes").as_ref()), (false, b"a!".as_slice()));
        assert!(get(b"a", "2").0, "another method");
        assert!(get(b"b", "2").0, "another input");
        let files = || {
            let entries = std::fs::read_dir(folder.path().join("packed")).expect("listed");
            let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            paths
        };
        let [file, facts] =
            files().try_into().expect("one, and what is known of it; nothing else is left behind");
        std::fs::write(&file, "b").expect("cut");
        assert!(get(b"b", "2").0, "a file that is cut short");
        std::fs::write(&facts, "{}").expect("spoilt");
        assert!(get(b"b", "2").0, "facts that are none");
        std::fs::write(&file, "b?").expect("spoilt");
        let (ran, spoilt) = get(b"b", "2");
        assert!(!ran && spoilt.bytes().is_err(), "a file that was changed is not sent anywhere");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_not_an_error() {
        for cache in [Cache::new(Some(PathBuf::from("/dev/null/x"))), Cache::new(None)] {
            let packed = cache.packed("x", "1", &Content::new(b"a".to_vec()), |input| {
                Ok((input.to_vec(), Facts::of(input)))
            });
            assert_eq!(packed.expect("packed").bytes().expect("bytes"), "a");
        }
    }
}
