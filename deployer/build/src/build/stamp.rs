//! The result of a build, and the stamp that vouches for it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deployer_base::error::{Error, Result};
use deployer_base::files;
use deployer_packing::{Content, Facts, elf};
use serde::{Deserialize, Serialize};

use super::job::Job;
use crate::profile::Profile;
use crate::workspace::{Workspace, mark};

/// The inputs of a build, and the file that records them.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) path: PathBuf,
    pub(super) inputs: String,
}

/// The content of a stamp.
#[derive(Serialize, Deserialize)]
struct Made {
    inputs: String,
    /// SHA-256 of the lock file as cargo left it.
    lock: Option<String>,
    binaries: BTreeMap<String, Binary>,
}

/// A binary at the time of the build.
#[derive(Serialize, Deserialize)]
struct Binary {
    path: PathBuf,
    /// Size and time stamp of the binary.
    mark: String,
    facts: Facts,
}

impl Stamp {
    /// Returns the binaries that these inputs gave, unread: whoever needs their bytes compares them with the digest.
    pub(super) fn current(&self, job: &Job) -> Option<BTreeMap<String, Content>> {
        let made: Made = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        if made.inputs != self.inputs || made.lock != job.workspace.lock_digest() {
            return None;
        }
        let one = |name: &String| {
            let binary = made.binaries.get(name)?;
            // Another build has replaced the binary, or a cleaner has removed it.
            if mark(&binary.path)? != binary.mark {
                return None;
            }
            Some((name.clone(), Content::file(binary.facts.clone(), binary.path.clone())))
        };
        job.binaries.iter().map(one).collect()
    }

    /// Writes down the result of a build.
    pub(super) fn write(&self, workspace: &Workspace, all: &BTreeMap<String, Content>) -> Result<()> {
        let binaries = all.iter().filter_map(|(name, binary)| {
            let path = binary.path()?.to_owned();
            let (mark, facts) = (mark(&path)?, binary.facts.clone());
            Some((name.clone(), Binary { path, mark, facts }))
        });
        let made =
            Made { inputs: self.inputs.clone(), lock: workspace.lock_digest(), binaries: binaries.collect() };
        let text = serde_json::to_string(&made).map_err(|error| Error::failed(error.to_string()))?;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io("create the folder", folder, &error))?;
        }
        files::write_whole(&self.path, text)
    }
}

/// Reads and checks all binaries of a build. `said` is cargo's output on stdout.
pub(super) fn read(job: &Job, said: &[String]) -> Result<BTreeMap<String, Content>> {
    let programs = executables(said);
    let one = |name: &String| {
        let path = match job.profile {
            Profile::Release => job.layout.lambda.join(name).join("bootstrap"),
            Profile::Dev => {
                programs.get(name).cloned().unwrap_or_else(|| job.layout.target.join("debug").join(name))
            }
        };
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::failed_with_hint(
                format!("the build did not produce the program `{name}`: there is no {}", path.display()),
                format!("packages {} must have a binary of that name", job.packages.join(" and ")),
            ),
            _ => Error::io("read", &path, &error),
        })?;
        if job.profile == Profile::Release {
            elf::check(&path.display().to_string(), &bytes, job.architecture)?;
        }
        Ok((name.clone(), Content::file(Facts::of(&bytes), path)))
    };
    job.binaries.iter().map(one).collect()
}

/// Returns the places of programs, by cargo's messages:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html>.
fn executables(said: &[String]) -> BTreeMap<String, PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Named,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let messages = said.iter().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages.filter_map(|message| Some((message.target.name, message.executable?))).collect()
}

#[cfg(test)]
mod tests {
    use deployer_lang::model::worker::Program;

    use super::*;
    use crate::examples::{job, program_of, touch};

    #[test]
    fn a_stamp_vouches_for_its_own_binaries_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let lambda = folder.path().join("target/lambda");
        let job = job(folder.path(), true, lambda.clone(), Profile::Release);
        let workspace = job.workspace.clone();
        for program in Program::ALL {
            touch(&lambda.join(program.name()).join("bootstrap"), "");
            std::fs::write(lambda.join(program.name()).join("bootstrap"), program_of(1)).expect("written");
        }
        let stamp = Stamp { path: lambda.join("stamp.json"), inputs: "abc".to_owned() };
        assert!(stamp.current(&job).is_none());
        let all = read(&job, &[]).expect("binaries");
        stamp.write(&workspace, &all).expect("written");
        assert_eq!(stamp.current(&job), Some(all));
        let other = Stamp { inputs: "abd".to_owned(), ..stamp.clone() };
        assert!(other.current(&job).is_none());
        touch(&workspace.root.join("Cargo.lock"), "changed");
        assert!(stamp.current(&job).is_none(), "the lock file counts");
        stamp.write(&workspace, &read(&job, &[]).expect("binaries")).expect("written");
        std::fs::write(lambda.join("functions/bootstrap"), [program_of(2), vec![0]].concat())
            .expect("written");
        assert!(stamp.current(&job).is_none(), "another build replaced a binary");
        std::fs::remove_file(lambda.join("functions/bootstrap")).expect("removed");
        assert!(stamp.current(&job).is_none(), "it is gone");
    }

    #[test]
    fn programs_of_a_local_build_are_where_cargo_says() {
        let said = [
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"task"},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"extraction"},"executable":"/t/debug/extraction"}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "{ not JSON",
        ];
        let found = executables(&said.map(str::to_owned));
        assert_eq!(found, BTreeMap::from([("extraction".to_owned(), PathBuf::from("/t/debug/extraction"))]));
    }
}
