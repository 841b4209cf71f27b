//! The content that a released deployer carries: its own programs, packed when it was built.
//!
//! A folder with `functions.zip`, `extraction.layer` and `packed.json`, which has the [`Facts`] of both by file name.
//! The binary `pack` writes it, and the deployer's `build.rs` embeds it.

use std::collections::BTreeMap;
use std::path::Path;

use deployer_lang::model::code::Architecture;
use deployer_lang::model::worker::Program;

use crate::{Error, Facts, elf, image, zip};

/// Name of the file with the facts.
pub const FACTS: &str = "packed.json";

/// Returns the file name of a packed program of the deployer's own.
#[must_use]
pub const fn file_name(program: Program) -> &'static str {
    match program {
        Program::Functions => "functions.zip",
        Program::Extraction => "extraction.layer",
    }
}

/// Packs the programs below a folder (`<name>/bootstrap`, as cargo-lambda leaves them) into another folder, and returns
/// the facts of each file.
///
/// # Errors
/// If one is missing, or would not run on AWS.
pub fn pack(from: &Path, to: &Path) -> Result<BTreeMap<String, Facts>, Error> {
    std::fs::create_dir_all(to).map_err(|error| Error::io("create the folder", to, &error))?;
    let mut all = BTreeMap::new();
    for program in Program::ALL {
        let path = from.join(program.name()).join("bootstrap");
        let binary = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        elf::check(&path.display().to_string(), &binary, Architecture::X86_64)?;
        let (bytes, facts) = match program {
            Program::Functions => {
                let zip = zip::pack(&binary)?;
                let facts = Facts::of(&zip);
                (zip, facts)
            }
            Program::Extraction => image::layer(program.name(), &binary)?,
        };
        let name = file_name(program);
        write(&to.join(name), &bytes)?;
        all.insert(name.to_owned(), facts);
    }
    let text = serde_json::to_string_pretty(&all).map_err(|error| Error::new(error.to_string()))?;
    write(&to.join(FACTS), text.as_bytes())?;
    Ok(all)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|error| Error::io("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_those_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        assert!(pack(&from, &to).expect_err("nothing there").message.contains("functions/bootstrap"));
        for program in Program::ALL {
            std::fs::create_dir_all(from.join(program.name())).expect("made");
            std::fs::write(from.join(program.name()).join("bootstrap"), elf::tests::program())
                .expect("written");
        }
        let all = pack(&from, &to).expect("packed");
        let read = std::fs::read_to_string(to.join(FACTS)).expect("read");
        assert_eq!(serde_json::from_str::<BTreeMap<String, Facts>>(&read).expect("JSON"), all);
        for program in Program::ALL {
            let facts = &all[file_name(program)];
            let bytes = std::fs::read(to.join(file_name(program))).expect("read");
            assert_eq!(Facts { diff_id: facts.diff_id.clone(), ..Facts::of(&bytes) }, *facts);
            assert_eq!(facts.diff_id.is_some(), program == Program::Extraction);
        }
    }
}
