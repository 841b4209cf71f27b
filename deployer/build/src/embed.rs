//! The content that the deployer carries inside itself (`build.rs` stages it): the workers' sources, always, and their
//! programs, packed ([`deployer_packing::carried`]), if it was built with `DEPLOYER_EMBED_WORKERS`. It is used if there
//! is no `workers/` folder beside the stack file.

use std::io::Read;
use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Message, Result};
use deployer_lang::model::worker::Program;
use deployer_packing::{Content, carried, sha256_hex};
use flate2::read::ZlibDecoder;
use include_dir::{Dir, DirEntry, File, include_dir};

/// `Cargo.toml`, `Cargo.lock` and `workers/`: a workspace of its own, whose files are compressed one by one.
static PROJECT: Dir<'static> = include_dir!("$OUT_DIR/project");
static PROGRAMS: Dir<'static> = include_dir!("$OUT_DIR/programs");

/// The lock file. Cargo drops packages from it that only the deployer needs, so its content is not compared.
const LOCK: &str = "Cargo.lock";
/// Variable with the folder in which the workers are unpacked and built.
const CACHE_DIR: &str = "DEPLOYER_CACHE_DIR";

/// Returns a packed program, if the deployer carries them.
#[must_use]
pub(crate) fn program(program: Program) -> Option<Content> {
    carried::content(program, |name| PROGRAMS.get_file(name).map(File::contents))
}

/// Describes the workers that the deployer carries: packed programs or sources, and the start of their digest.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub fn workers() -> Result<String> {
    let (form, digest) = match PROGRAMS.get_file(carried::FACTS) {
        // The file has the digest of each program.
        Some(facts) => ("packed", sha256_hex(facts.contents())),
        None => ("sources", digest()?),
    };
    Ok(format!("{form} {}", &digest[..16]))
}

/// Returns the folder of unpacked sources, their builds and opened pages.
///
/// # Errors
/// If the environment names no such folder.
pub fn cache_folder() -> Result<PathBuf> {
    cache_folder_of(|name| std::env::var_os(name).map(PathBuf::from), std::env::home_dir()).ok_or_else(|| {
        Error::Failed(
            Message::new(
                "there is no place to unpack and build the workers: the environment has no home folder",
            )
            .hint(format!("set {CACHE_DIR}")),
        )
    })
}

fn cache_folder_of(variable: impl Fn(&str) -> Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    // XDG Base Directory Specification: a relative path is to be ignored.
    let xdg = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("deployer"));
    let home = || home.filter(|path| path.is_absolute()).map(|path| path.join(".cache").join("deployer"));
    set(CACHE_DIR).or_else(xdg).or_else(home)
}

/// Unpacks the sources below a folder, unless they exist already, and returns their root.
///
/// The folder's name holds a digest of the sources, and the folder appears whole or not at all.
///
/// # Errors
/// If files cannot be written.
pub(crate) fn unpack(cache: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(cache).map_err(|error| Error::io("create the folder", cache, &error))?;
    let cache = cache.canonicalize().map_err(|error| Error::io("find the folder", cache, &error))?;
    let root = cache.join(format!("workers-{}", &digest()?[..16]));
    if is_whole(&root)? {
        return Ok(root);
    }
    let temporary = tempfile_in(&cache)?;
    let unpacked = write(&PROJECT, &temporary).and_then(|()| {
        // A cleaner has left the folder after taking some of its files.
        if root.exists() && !is_whole(&root)? {
            std::fs::remove_dir_all(&root).map_err(|error| Error::io("remove", &root, &error))?;
        }
        match std::fs::rename(&temporary, &root) {
            // Another deployer was faster.
            Err(_) if is_whole(&root)? => Ok(()),
            renamed => renamed.map_err(|error| Error::io("create the folder", &root, &error)),
        }
    });
    if temporary.exists() {
        let _ = std::fs::remove_dir_all(&temporary);
    }
    unpacked.map(|()| root)
}

/// Creates a folder that no other process uses.
fn tempfile_in(folder: &Path) -> Result<PathBuf> {
    let process = std::process::id();
    for attempt in 0_u32..1000 {
        let path = folder.join(format!(".unpacking-{process}-{attempt}"));
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                return made
                    .map(|()| path.clone())
                    .map_err(|error| Error::io("create the folder", &path, &error));
            }
        }
    }
    Err(Error::failed(format!(
        "{} is full of folders .unpacking-* that were left over; remove them",
        folder.display()
    )))
}

fn write(dir: &Dir<'_>, root: &Path) -> Result<()> {
    for file in files(dir) {
        let path = root.join(file.path());
        let parent = path.parent().unwrap_or(root);
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create the folder", parent, &error))?;
        std::fs::write(&path, content(file)?).map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(())
}

/// Returns the content of a file that the deployer carries compressed.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub fn content(file: &File<'_>) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    ZlibDecoder::new(file.contents()).read_to_end(&mut content).map_err(|error| damaged(file, &error))?;
    Ok(content)
}

/// Returns the content of a text that the deployer carries compressed.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub fn text(file: &File<'_>) -> Result<String> {
    String::from_utf8(content(file)?).map_err(|error| damaged(file, &error))
}

fn damaged(file: &File<'_>, error: &dyn std::fmt::Display) -> Error {
    let name = file.path().display();
    Error::failed(format!("{name} in the deployer can't be read: {error}; install the deployer again"))
}

fn is_whole(root: &Path) -> Result<bool> {
    for file in files(&PROJECT) {
        let path = root.join(file.path());
        let is_there = if file.path() == Path::new(LOCK) {
            path.is_file()
        } else {
            let content = content(file)?;
            std::fs::read(path).is_ok_and(|bytes| bytes == content)
        };
        if !is_there {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns all files, sorted by path.
fn files<'a>(dir: &'a Dir<'a>) -> Vec<&'a File<'a>> {
    let mut out = Vec::new();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for entry in folder.entries() {
            match entry {
                DirEntry::Dir(folder) => folders.push(folder),
                DirEntry::File(file) => out.push(file),
            }
        }
    }
    out.sort_by_key(|file| file.path());
    out
}

fn digest() -> Result<String> {
    let mut lines = String::new();
    for file in files(&PROJECT) {
        lines.push_str(&format!("{} {}\n", sha256_hex(&content(file)?), file.path().display()));
    }
    Ok(sha256_hex(lines.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_unpacked_project_is_a_workspace() {
        let cache = tempfile::tempdir().expect("a folder");
        let root = unpack(cache.path()).expect("unpacked");
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .output()
            .expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert_eq!(errors, "");
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let packages = metadata["packages"].as_array().expect("packages");
        let mut binaries: Vec<&str> = packages
            .iter()
            .flat_map(|package| package["targets"].as_array().into_iter().flatten())
            .filter(|target| target["kind"][0] == "bin")
            .filter_map(|target| target["name"].as_str())
            .collect();
        let mut programs = Program::ALL.map(Program::name);
        binaries.sort_unstable();
        programs.sort_unstable();
        assert_eq!(binaries, programs);
    }

    #[test]
    fn what_is_staged_is_what_is_looked_for() {
        let build = include_str!("../build.rs");
        for name in carried::FILES {
            assert!(build.contains(&format!("\"{name}\"")), "{name} is not in build.rs");
        }
    }

    #[test]
    fn nothing_of_the_deployer_is_carried() {
        let names: Vec<String> =
            files(&PROJECT).iter().map(|file| file.path().display().to_string()).collect();
        assert!(
            names.iter().all(|name| name.starts_with("workers/") || name == "Cargo.toml" || name == LOCK),
            "{names:?}"
        );
        assert!(!names.iter().any(|name| name.contains("/target/")), "{names:?}");
        let manifest = PROJECT.get_file("Cargo.toml").expect("a manifest");
        let manifest = String::from_utf8(content(manifest).expect("it is compressed")).expect("a text");
        for word in ["deployer-", "clap", "deployer/", "saphyr"] {
            assert!(!manifest.contains(word), "{word} in\n{manifest}");
        }
        for word in [
            "[workspace.lints.clippy]",
            "[profile.dev.package.sha2]",
            "[profile.release]",
            "lambda_runtime",
            "contract = { package = \"etl-contract\"",
        ] {
            assert!(manifest.contains(word), "{word} not in\n{manifest}");
        }
    }

    #[test]
    fn unpacking_again_repairs_and_leaves_nothing_behind() {
        let cache = tempfile::tempdir().expect("a folder");
        let root = unpack(cache.path()).expect("unpacked");
        let source = root.join("workers/contract/src/lib.rs");
        std::fs::write(&source, "broken").expect("written");
        std::fs::write(root.join(LOCK), "rewritten by cargo").expect("written");
        assert_eq!(unpack(cache.path()).expect("unpacked again"), root);
        assert_ne!(std::fs::read_to_string(&source).expect("read"), "broken");
        std::fs::write(root.join(LOCK), "rewritten by cargo").expect("written");
        unpack(cache.path()).expect("a third time");
        assert_eq!(std::fs::read_to_string(root.join(LOCK)).expect("read"), "rewritten by cargo");
        let entries: Vec<_> =
            std::fs::read_dir(cache.path()).expect("listed").flatten().map(|one| one.path()).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let folder = |set: &[(&str, &str)], home: Option<&str>| {
            let variable =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
            cache_folder_of(variable, home.map(PathBuf::from)).map(|path| path.display().to_string())
        };
        let all = [(CACHE_DIR, "/a"), ("XDG_CACHE_HOME", "/b")];
        assert_eq!(folder(&all, Some("/home/x")).as_deref(), Some("/a"));
        assert_eq!(folder(&all[1..], Some("/home/x")).as_deref(), Some("/b/deployer"));
        assert_eq!(
            folder(&[(CACHE_DIR, ""), ("XDG_CACHE_HOME", "b")], Some("/x")).as_deref(),
            Some("/x/.cache/deployer")
        );
        assert_eq!(folder(&[], None), None);
    }
}
