//! Files with the expected results: compared by tests, written anew with `UPDATE_GOLDEN=1`.

use std::fs;
use std::path::{Path, PathBuf};

use deployer_lang::{Compiled, Document, compile};
use deployer_syntax::{Diagnostics, Source};
use similar::TextDiff;

/// Returns the folder of this package.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder of the repository.
pub(crate) fn repository() -> PathBuf {
    package().join("../..")
}

/// Returns the folder of the golden cases of the language.
pub(crate) fn cases() -> PathBuf {
    repository().join("deployer/lang/tests/cases")
}

/// Returns the source of one case; without a `stack.yaml` of its own, a case is about the repository's.
pub(crate) fn source_of(case: &str) -> Source {
    let folder = cases().join(case);
    assert!(folder.is_dir(), "there is no case {case}");
    let own = folder.join("stack.yaml");
    Source::new("stack.yaml", read(&if own.exists() { own } else { repository().join("stack.yaml") }))
}

/// Returns the text of a file.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the content of a folder, sorted.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Returns whether golden files are to be written.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Returns the difference between the golden file and `actual`; `None` if they are the same or the file was written.
pub(crate) fn difference(path: &Path, actual: &str) -> Option<String> {
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return None;
    }
    if updating() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(path, actual).expect("the golden file can be written");
        return None;
    }
    let shown = path.strip_prefix(package()).unwrap_or(path).display().to_string();
    let diff = TextDiff::from_lines(expected.as_str(), actual);
    let diff = diff.unified_diff().context_radius(3).header(&shown, "what the code gives").to_string();
    Some(format!("{diff}\nif this is meant: make golden\n"))
}

/// Fails with a diff when the golden file is not `actual`.
pub(crate) fn assert_golden(path: &Path, actual: &str) {
    if let Some(difference) = difference(path, actual) {
        panic!("{difference}");
    }
}

/// Returns all stacks of a file, and all its problems.
pub(crate) fn load(source: &Source, overrides: &[(String, String)]) -> (Vec<Compiled>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut stacks = Vec::new();
    if let Some(document) = Document::parse(source, &mut diagnostics) {
        for target in &document.stacks {
            let mut own = Diagnostics::default();
            let stack = compile(&document, target, overrides, &mut own);
            let wrong = diagnostics.has_errors() || own.has_errors();
            assert!(stack.is_some() || wrong, "no stack without a reason");
            assert!(stack.is_none() || !own.has_errors(), "no stack with errors");
            own.sorted().into_iter().for_each(|diagnostic| diagnostics.push(diagnostic.clone()));
            stacks.extend(stack);
        }
    } else {
        assert!(diagnostics.has_errors(), "no document without a reason");
    }
    (stacks, diagnostics)
}
