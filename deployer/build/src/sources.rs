//! The files that code is made of, for whoever watches them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use deployer_lang::assets::Asset;
use deployer_lang::model::code::Code;

use crate::build::job::PACKAGES;
use crate::build::sources::SETTINGS;
use crate::build::{self, find_package};
use crate::profile::Profile;
use crate::project::Project;
use crate::workspace::{Layout, Workspace};

/// The files that code is made of. They need not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Folders with all files in them, but for those that [`crate::is_source`] excludes.
    pub folders: BTreeSet<PathBuf>,
    /// Other files.
    pub files: BTreeSet<PathBuf>,
    /// Folders in which cargo writes.
    pub targets: BTreeSet<PathBuf>,
}

impl Sources {
    fn add(&mut self, workspace: &Workspace, layout: &Layout) {
        self.folders.extend(layout.folders.iter().cloned());
        self.targets.insert(layout.target.clone());
        self.files.extend(SETTINGS.map(|name| workspace.root.join(name)));
        self.files.insert(workspace.root.join("Cargo.lock"));
    }
}

/// Returns the files that these assets are made of, as far as they can be found: where a manifest is missing or wrong, the folder
/// that the stack file names.
pub async fn sources(project: Project<'_>, assets: &[Asset]) -> Sources {
    let mut out = Sources::default();
    let mut has_workers = false;
    for asset in assets {
        match &asset.code {
            Code::Zip { path } => drop(out.files.insert(project.folder.join(path))),
            Code::Worker(_) => has_workers = true,
            Code::Package { path, bin } => {
                out.folders.insert(project.folder.join(path));
                let (path, bin, architecture) = (path.clone(), bin.clone(), asset.architecture);
                let wanted = build::Wanted { path, bin, architecture };
                // The profile determines where the result is, not what it is made of.
                if let Ok(job) = find_package(project, &wanted, Profile::Dev).await {
                    out.add(&job.workspace, &job.layout);
                }
            }
        }
    }
    if !has_workers {
        return out;
    }
    // Without a workspace of its own, the project has the workers of the deployer.
    let workers = project.folder.join("workers");
    if let Some(workspace) = Workspace::of_workers(project.folder) {
        out.folders.insert(workers);
        let packages = PACKAGES.map(str::to_owned);
        if let Ok(known) = workspace.look(&workspace.root.join("Cargo.toml")).await
            && let Ok(layout) = Layout::of(&known.metadata, &packages, "lambda")
        {
            out.add(&workspace, &layout);
        }
    } else {
        out.files.insert(workers.join("Cargo.toml"));
    }
    out
}

#[cfg(test)]
mod tests {
    use deployer_base::ui::{Settings, Ui};
    use deployer_lang::assets::AssetKind;
    use deployer_lang::model::code::Architecture;

    use super::*;
    use crate::examples::touch;

    fn asset(code: Code) -> Asset {
        Asset {
            resource: "work".to_owned(),
            parameter: "WorkCode".to_owned(),
            code,
            architecture: Architecture::X86_64,
            kind: AssetKind::Zip,
        }
    }

    #[tokio::test]
    async fn a_package_brings_those_that_it_depends_on_and_a_broken_one_its_folder() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().canonicalize().expect("a path");
        let manifest = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{rest}")
        };
        touch(
            &root.join("work/Cargo.toml"),
            &manifest("work", "[dependencies]\nshared = { path = \"../shared\" }\n[workspace]\n"),
        );
        touch(&root.join("work/src/main.rs"), "fn main() {}");
        touch(&root.join("shared/Cargo.toml"), &manifest("shared", ""));
        touch(&root.join("shared/src/lib.rs"), "");
        touch(&root.join("broken/Cargo.toml"), "[package");
        let ui = Ui::new(Settings::default());
        let project = Project { ui: &ui, folder: &root, meter: None, leave: None };
        let package = |path: &str| asset(Code::Package { path: path.to_owned(), bin: None });
        let zip = asset(Code::Zip { path: "dist/code.zip".to_owned() });
        let found = sources(project, &[package("work"), package("broken"), package("gone"), zip]).await;
        let paths = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<BTreeSet<_>>();
        assert_eq!(found.folders, paths(&["broken", "gone", "shared", "work"]));
        assert_eq!(found.targets, paths(&["work/target"]));
        assert!(found.files.contains(&root.join("dist/code.zip")));
        assert!(found.files.contains(&root.join("work/Cargo.lock")));
        assert!(found.files.contains(&root.join("work/.cargo/config.toml")));
    }
}
