//! The content that a released deployer carries: its own programs, packed when it was built.
//!
//! The program of the functions is the task, too, where no handler is named, so it is carried once: a folder with `functions.zip`,
//! what the layer of the task's image has before and after the compressed program in that zip, and `packed.json`, which has the
//! [`Facts`] of both by name. The binary `pack` writes it, and the deployer's `build.rs` embeds it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use deployer_lang::model::code::Architecture;
use deployer_lang::model::worker::Program;

use crate::{Content, Error, Facts, elf, image, zip};

const FUNCTIONS: &str = "functions.zip";
const BEFORE: &str = "extraction.before";
const AFTER: &str = "extraction.after";
/// Name of the file with the facts.
pub const FACTS: &str = "packed.json";
/// Names of all files.
pub const FILES: [&str; 4] = [FUNCTIONS, BEFORE, AFTER, FACTS];

/// Packs the program of the functions below a folder (`functions/bootstrap`, as cargo-lambda leaves it) into another folder, and
/// returns the facts by program.
///
/// # Errors
/// If it is missing, or would not run on AWS.
pub fn pack(from: &Path, to: &Path) -> Result<BTreeMap<String, Facts>, Error> {
    std::fs::create_dir_all(to).map_err(|error| Error::io("create the folder", to, &error))?;
    let path = from.join(Program::Functions.name()).join("bootstrap");
    let binary = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    elf::check(&path.display().to_string(), &binary, Architecture::X86_64)?;
    let packed = zip::pack(&binary)?;
    let (around, layer) = image::around(Program::Extraction.name(), &binary, &packed)?;
    let facts = [(Program::Functions, Facts::of(&packed)), (Program::Extraction, layer)];
    let facts: BTreeMap<_, _> = facts.map(|(program, facts)| (program.name().to_owned(), facts)).into();
    let text = serde_json::to_string_pretty(&facts).map_err(|error| Error::new(error.to_string()))?;
    for (name, bytes) in
        [(FUNCTIONS, &packed), (BEFORE, &around.before), (AFTER, &around.after), (FACTS, &text.into_bytes())]
    {
        let path = to.join(name);
        std::fs::write(&path, bytes).map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(facts)
}

/// Returns a packed program of those [`FILES`], whose bytes `file` finds by name.
#[must_use]
pub fn content(program: Program, file: impl Fn(&str) -> Option<&'static [u8]>) -> Option<Content> {
    let mut facts: BTreeMap<String, Facts> = serde_json::from_slice(file(FACTS)?).ok()?;
    let facts = facts.remove(program.name())?;
    let packed = file(FUNCTIONS)?;
    match program {
        Program::Functions => Some(Content::known(facts, packed.into())),
        Program::Extraction => {
            let compressed = packed.get(zip::stream(packed).ok()?.range)?;
            let parts = [file(BEFORE)?, compressed, file(AFTER)?].map(Bytes::from_static);
            Some(Content::parts(facts, parts.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_found_and_has_its_facts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        assert!(pack(&from, &to).expect_err("nothing there").message.contains("functions/bootstrap"));
        let binary = elf::tests::program();
        std::fs::create_dir_all(from.join("functions")).expect("made");
        std::fs::write(from.join("functions/bootstrap"), &binary).expect("written");
        let all = pack(&from, &to).expect("packed");
        let text = std::fs::read_to_string(to.join(FACTS)).expect("read");
        assert_eq!(serde_json::from_str::<BTreeMap<String, Facts>>(&text).expect("JSON"), all);
        let file = |name: &str| Some(&*std::fs::read(to.join(name)).ok()?.leak());
        for program in Program::ALL {
            let content = content(program, file).expect("carried");
            assert_eq!(content.facts, all[program.name()]);
            let bytes = content.bytes().expect("bytes");
            assert_eq!(Facts { diff_id: content.facts.diff_id.clone(), ..Facts::of(&bytes) }, content.facts);
            assert_eq!(content.facts.diff_id.is_some(), program == Program::Extraction);
        }
        assert_eq!(
            content(Program::Functions, file).and_then(|one| one.bytes().ok()),
            zip::pack(&binary).ok().map(Bytes::from)
        );
        let missing = |absent: &'static str| move |name: &str| file(name).filter(|_| name != absent);
        assert!(FILES.iter().all(|name| content(Program::Extraction, missing(name)).is_none()));
    }
}
