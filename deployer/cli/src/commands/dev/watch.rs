//! Changes of files as they happen: told by the kernel on Linux, else found by comparing.
//!
//! The kernel also tells when a file is closed that was open for writing. A folder of sources may have thousands of files that do
//! not count, such as those of a build, so that each folder is watched by itself, and only where sources are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::inputs::Inputs;
use super::pace::Change;

#[cfg(target_os = "linux")]
mod kernel;

/// Interval at which files are compared.
const INTERVAL: Duration = Duration::from_millis(300);

/// A watch on the inputs of a stack.
#[derive(Debug)]
pub struct Watch {
    inputs: RefCell<Inputs>,
    #[cfg(target_os = "linux")]
    kernel: Option<kernel::Kernel>,
    /// The files as they were last, if they are compared.
    compared: RefCell<Option<BTreeMap<PathBuf, Mark>>>,
}

/// What differs between two states of a file.
type Mark = (Option<SystemTime>, u64);

impl Watch {
    /// Creates a watch on nothing. If the kernel can't tell of changes, files are compared.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(target_os = "linux")]
        let kernel = kernel::Kernel::new().ok();
        #[cfg(target_os = "linux")]
        let is_told = kernel.is_some();
        #[cfg(not(target_os = "linux"))]
        let is_told = false;
        Self {
            inputs: RefCell::default(),
            #[cfg(target_os = "linux")]
            kernel,
            compared: RefCell::new((!is_told).then(BTreeMap::new)),
        }
    }

    /// Watches these inputs from now on. Returns why the kernel does not tell of all changes any more, so that files are compared
    /// from now on.
    pub fn set(&self, inputs: Inputs) -> Option<String> {
        let mut problem = None;
        #[cfg(target_os = "linux")]
        if let Some(kernel) = &self.kernel
            && self.compared.borrow().is_none()
        {
            problem = kernel.set(&inputs.watched()).err();
        }
        if problem.is_some() || self.compared.borrow().is_some() {
            self.compared.replace(Some(snapshot(&inputs)));
        }
        self.inputs.replace(inputs);
        problem
    }

    /// Waits for changes of the inputs.
    pub async fn next(&self) -> Vec<Change> {
        loop {
            #[cfg(target_os = "linux")]
            if let Some(kernel) = &self.kernel
                && self.compared.borrow().is_none()
            {
                let inputs = &self.inputs;
                let changes = kernel.next(|path, whole| inputs.borrow().has(path, whole)).await;
                if !changes.is_empty() {
                    return changes;
                }
                continue;
            }
            tokio::time::sleep(INTERVAL).await;
            let changes = self.compare();
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    fn compare(&self) -> Vec<Change> {
        let now = snapshot(&self.inputs.borrow());
        let Some(before) = self.compared.replace(Some(now.clone())) else { return Vec::new() };
        let paths = before.keys().chain(now.keys().filter(|path| !before.contains_key(*path)));
        let changed = paths.filter(|path| before.get(*path) != now.get(*path));
        changed.map(|path| Change { path: path.clone(), open: false }).collect()
    }
}

/// Returns the state of all files that count.
fn snapshot(inputs: &Inputs) -> BTreeMap<PathBuf, Mark> {
    let mut out = BTreeMap::new();
    let mut add = |path: PathBuf| {
        if let Ok(data) = path.metadata()
            && !data.is_dir()
        {
            out.insert(path, (data.modified().ok(), data.len()));
        }
    };
    for file in &inputs.files {
        add(file.clone());
    }
    for folder in inputs.watched() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if inputs.has(&path, false) {
                add(path);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::inputs::real;
    use super::*;

    /// Returns the paths of changes until none came for a moment, and whether the last of each was an end.
    async fn changes(watch: &Watch, root: &Path) -> BTreeMap<String, bool> {
        let mut out = BTreeMap::new();
        while let Ok(all) = tokio::time::timeout(Duration::from_millis(700), watch.next()).await {
            for change in all {
                let name = change.path.strip_prefix(root).expect("inside").display().to_string();
                out.insert(name, change.open);
            }
        }
        out
    }

    fn inputs(root: &Path) -> Inputs {
        let mut inputs = Inputs::of_file(&root.join("stack.yaml"));
        inputs.folders.insert(root.join("work"));
        inputs
    }

    fn write(root: &Path, name: &str, text: &str) {
        std::fs::create_dir_all(root.join(name).parent().expect("a folder")).expect("made");
        std::fs::write(root.join(name), text).expect("written");
    }

    async fn follows_saves(watch: &Watch, root: &Path) {
        write(root, "stack.yaml", "1");
        write(root, "work/src/main.rs", "1");
        assert_eq!(watch.set(inputs(root)), None);
        let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), false)).collect();

        // Written in place; written beside and renamed; and what an editor leaves.
        write(root, "work/src/main.rs", "22");
        write(root, ".stack.yaml.swp", "");
        write(root, "stack.yaml.new", "22");
        std::fs::rename(root.join("stack.yaml"), root.join("stack.yaml~")).expect("a backup");
        std::fs::rename(root.join("stack.yaml.new"), root.join("stack.yaml")).expect("renamed");
        write(root, "work/target/debug/work", "");
        assert_eq!(changes(watch, root).await, named(&["stack.yaml", "work/src/main.rs"]));

        std::fs::remove_file(root.join("stack.yaml")).expect("removed");
        assert_eq!(changes(watch, root).await, named(&["stack.yaml"]));

        // A folder that is made anew is not the one that was watched.
        std::fs::remove_dir_all(root.join("work")).expect("removed");
        assert!(!changes(watch, root).await.is_empty());
        assert_eq!(watch.set(inputs(root)), None);
        write(root, "work/src/main.rs", "3");
        assert!(!changes(watch, root).await.is_empty());
        assert_eq!(watch.set(inputs(root)), None);
        write(root, "work/src/main.rs", "44");
        assert_eq!(changes(watch, root).await, named(&["work/src/main.rs"]));
    }

    #[tokio::test]
    async fn saves_are_told_by_the_kernel() {
        let temp = tempfile::tempdir().expect("a folder");
        let watch = Watch::new();
        if cfg!(target_os = "linux") {
            assert!(watch.compared.borrow().is_none());
        }
        follows_saves(&watch, &real(temp.path())).await;
    }

    #[tokio::test]
    async fn saves_are_found_by_comparing() {
        let temp = tempfile::tempdir().expect("a folder");
        let watch = Watch::new();
        watch.compared.replace(Some(BTreeMap::new()));
        follows_saves(&watch, &real(temp.path())).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_file_that_is_being_written_is_open() {
        use std::io::Write as _;
        let temp = tempfile::tempdir().expect("a folder");
        let root = real(temp.path());
        let watch = Watch::new();
        write(&root, "stack.yaml", "whole");
        watch.set(inputs(&root));
        let mut file = std::fs::File::create(root.join("stack.yaml")).expect("truncated");
        file.write_all(b"half").expect("written");
        let open = BTreeMap::from([("stack.yaml".to_owned(), true)]);
        assert_eq!(changes(&watch, &root).await, open);
        drop(file);
        let closed = BTreeMap::from([("stack.yaml".to_owned(), false)]);
        assert_eq!(changes(&watch, &root).await, closed);
        assert_eq!(watch.inputs.borrow().files, BTreeSet::from([root.join("stack.yaml")]));
    }
}
