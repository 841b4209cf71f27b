//! The files that a stack is made of, and the names that count among all those that change beside them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use deployer_build::{Sources, is_source};

/// The files that are watched. Paths are real ones, so that those of the kernel can be compared with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Files that count by themselves. They need not exist.
    pub files: BTreeSet<PathBuf>,
    /// Folders in which each file of this ending counts.
    pub endings: BTreeSet<(PathBuf, String)>,
    /// Folders in which all sources count. They need not exist.
    pub folders: BTreeSet<PathBuf>,
    /// Folders in which nothing counts.
    pub ignored: BTreeSet<PathBuf>,
}

impl Inputs {
    /// Returns the inputs of a stack file alone, which may be a link.
    #[must_use]
    pub fn of_file(file: &Path) -> Self {
        let mut out = Self::default();
        out.add_file(file);
        out
    }

    /// Adds a file; if it is a link, its target as well.
    pub fn add_file(&mut self, file: &Path) {
        if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
            self.files.insert(real(folder).join(name));
        }
        self.files.insert(real(file));
    }

    /// Adds the files that code is made of.
    pub fn add_sources(&mut self, sources: &Sources) {
        self.folders.extend(sources.folders.iter().map(|folder| real(folder)));
        self.ignored.extend(sources.targets.iter().map(|folder| real(folder)));
        for file in &sources.files {
            self.add_file(file);
        }
    }

    /// Returns whether a change of this path can change the stack. `whole` is `true` if the path has appeared or gone, and not
    /// only its content has changed.
    #[must_use]
    pub fn has(&self, path: &Path, whole: bool) -> bool {
        if self.files.contains(path) {
            return true;
        }
        // A folder above has appeared or gone, with everything in it.
        let all = || self.files.iter().chain(&self.folders).chain(self.endings.iter().map(|one| &one.0));
        if whole && all().any(|one| one.starts_with(path)) {
            return true;
        }
        let Some(name) = path.file_name().filter(|name| !is_of_editor(name)) else { return false };
        let of_ending = |(folder, ending): &(PathBuf, String)| {
            path.starts_with(folder) && name.as_encoded_bytes().ends_with(ending.as_bytes())
        };
        self.folders.iter().any(|folder| self.is_source_in(folder, path))
            || self.endings.iter().any(of_ending)
    }

    fn is_source_in(&self, folder: &Path, path: &Path) -> bool {
        path.strip_prefix(folder).is_ok_and(|inner| inner.iter().all(is_source))
            && !self.ignored.iter().any(|ignored| path.starts_with(ignored))
    }

    /// Returns the folders whose changes must be known: those of files, all folders of sources, and where one is missing, the
    /// nearest one above.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        let mut out = BTreeSet::new();
        for folder in &self.folders {
            match folder.is_dir() {
                true => self.collect(folder, &mut out),
                false => out.extend(nearest(folder)),
            }
        }
        // After the folders of sources, of which one that is known already is not entered again.
        for file in &self.files {
            out.extend(file.parent().and_then(nearest));
        }
        for (folder, _) in &self.endings {
            out.extend(nearest(folder));
        }
        out
    }

    fn collect(&self, folder: &Path, out: &mut BTreeSet<PathBuf>) {
        if self.ignored.contains(folder) || !out.insert(folder.to_owned()) {
            return;
        }
        // A folder that can't be read is reported by the build.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_source(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.collect(&entry.path(), out);
            }
        }
    }
}

/// Returns whether an editor writes a file of this name for itself: a backup, a swap file, or Vim's test of a folder.
fn is_of_editor(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || [".swp", ".swx", ".swo", ".bak", ".tmp", ".orig"].iter().any(|ending| name.ends_with(ending))
        // Vim creates 4913, or a higher number, to see whether it may write into the folder.
        || name.parse::<u32>().is_ok_and(|number| number >= 4913 && (number - 4913) % 123 == 0)
}

/// Returns the nearest folder at or above a path that exists.
fn nearest(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|one| one.is_dir()).map(Path::to_owned)
}

/// Returns the path without links, as far as it exists.
#[must_use]
pub fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let Ok(found) = above.canonicalize() {
            return match path.strip_prefix(above) {
                Ok(rest) if !rest.as_os_str().is_empty() => found.join(rest),
                _ => found,
            };
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        Inputs {
            files: BTreeSet::from(["/p/stack.yaml".into(), "/p/dist/code.zip".into()]),
            endings: BTreeSet::from([("/p/rules".into(), ".guard".to_owned())]),
            folders: BTreeSet::from(["/p/work".into()]),
            ignored: BTreeSet::from(["/p/work/out".into()]),
        }
    }

    #[test]
    fn what_editors_and_builds_write_is_not_a_change() {
        let inputs = inputs();
        for path in [
            "/p/stack.yaml",
            "/p/dist/code.zip",
            "/p/rules/own.guard",
            "/p/work/Cargo.toml",
            "/p/work/src/deep/er.rs",
            "/p/work/src/4914",
        ] {
            assert!(inputs.has(Path::new(path), false), "{path}");
        }
        for path in [
            "/p/stack.yaml~",
            "/p/.stack.yaml.swp",
            "/p/4913",
            "/p/other.yaml",
            "/p/rules/own.guard~",
            "/p/rules/README.md",
            "/p/work/src/main.rs~",
            "/p/work/src/.main.rs.swx",
            "/p/work/src/#main.rs#",
            "/p/work/src/4913",
            "/p/work/src/5036",
            "/p/work/target/debug/work",
            "/p/work/out/debug/work",
            "/p/work/.git/index",
            "/p/.deployer/local/state.json",
            "/p/workers/src/main.rs",
            "/p",
        ] {
            assert!(!inputs.has(Path::new(path), false), "{path}");
        }
    }

    #[test]
    fn a_folder_above_counts_when_it_comes_or_goes() {
        let inputs = inputs();
        assert!(inputs.has(Path::new("/p/dist"), true) && !inputs.has(Path::new("/p/dist"), false));
        assert!(inputs.has(Path::new("/p/work"), true) && inputs.has(Path::new("/p"), true));
        assert!(!inputs.has(Path::new("/p/other"), true));
    }

    #[test]
    fn folders_of_sources_are_watched_as_deep_as_they_go_and_missing_ones_from_above() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = real(temp.path());
        for folder in ["work/src/deep", "work/target/debug", "work/.git", "work/out/x"] {
            std::fs::create_dir_all(root.join(folder)).expect("made");
        }
        std::os::unix::fs::symlink(root.join("work"), root.join("link")).expect("a link");
        let mut inputs = Inputs::of_file(&root.join("stack.yaml"));
        inputs.add_sources(&Sources {
            folders: BTreeSet::from([root.join("link"), root.join("gone/deeper")]),
            files: BTreeSet::from([root.join("dist/code.zip"), root.join("work/Cargo.toml")]),
            targets: BTreeSet::from([root.join("work/out")]),
        });
        let names = ["", "work", "work/src", "work/src/deep"].map(|name| match name {
            "" => root.clone(),
            name => root.join(name),
        });
        assert_eq!(inputs.watched(), BTreeSet::from(names));
        assert!(inputs.has(&root.join("gone"), true) && inputs.has(&root.join("work/src/main.rs"), false));
    }
}
