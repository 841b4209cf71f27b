//! Files and builds that the tests of several modules need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use deployer_lang::model::code::Architecture;
use deployer_lang::model::worker::Program;

use crate::build::job::{Job, PACKAGES};
use crate::profile::Profile;
use crate::workspace::{Layout, Workspace};

/// Writes a file, and creates its folders.
pub(crate) fn touch(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, text).expect("written");
}

/// Returns a file that is a static program by its headers.
pub(crate) fn program_of(mark: u8) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (out[16], out[18], out[63]) = (3, 62, mark);
    out
}

/// Creates a build of the workers.
pub(crate) fn job(root: &Path, locked: bool, lambda: PathBuf, profile: Profile) -> Job {
    Job {
        workspace: Workspace { root: root.to_owned(), locked, target: None },
        layout: Layout { folders: BTreeSet::new(), target: root.join("target"), lambda },
        packages: PACKAGES.map(str::to_owned).to_vec(),
        binaries: Program::ALL.map(|program| program.name().to_owned()).to_vec(),
        architecture: Architecture::X86_64,
        profile,
        rustc: "rustc 1.95.0".to_owned(),
    }
}
