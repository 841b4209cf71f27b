//! The Cargo workspace that code is built from: its place, its packages, its compiler.
//!
//! `cargo metadata` and `rustc -vV` take longer than everything else in a deployment without changes. So their answers
//! are kept, with the content of every file that they depend on, and asked for again when one of these differs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use deployer_base::error::{Error, Result};
use deployer_base::files;
use deployer_packing::sha256_hex;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::blocking::blocking;
use crate::embed;
use crate::project::Project;

const INSTALL_CARGO: &str = "workers are built from source: install Rust from https://rustup.rs";

/// A Cargo workspace with programs to build.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// `true` if the versions of dependencies are those of its `Cargo.lock`, which is the user's.
    pub(crate) locked: bool,
    /// Target folder of cargo unless the environment names another.
    pub(crate) target: Option<PathBuf>,
}

impl Workspace {
    /// Returns the workspace of the `workers/` folder beside the stack file.
    pub(crate) fn beside(project: Project<'_>) -> Option<Self> {
        let folder = project.folder;
        let workers = folder.join("workers");
        if !workers.is_dir() {
            return None;
        }
        let found = Self::of_workers(folder);
        if found.is_none() {
            let workers = workers.display();
            project.ui.warn(format!(
                "{workers} is not a Cargo workspace; the deployer's own workers are used instead"
            ));
        }
        found
    }

    /// Returns the workspace of the `workers/` folder in a folder, if it is one.
    pub(crate) fn of_workers(folder: &Path) -> Option<Self> {
        let workers = folder.join("workers");
        if !workers.is_dir() {
            return None;
        }
        let root = [folder, &workers].into_iter().find(|folder| is_workspace(folder))?;
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Some(Self { locked: root.join("Cargo.lock").is_file(), root, target: None })
    }

    /// Unpacks the sources that the deployer carries.
    pub(crate) fn carried() -> Result<Self> {
        let cache = embed::cache_folder()?;
        let root = embed::unpack(&cache)?;
        // The folder is kept from one version of the sources to the next, for the dependencies.
        let target = root.parent().map(|cache| cache.join("target"));
        Ok(Self { root, locked: false, target })
    }

    /// Returns the SHA-256 of its `Cargo.lock`.
    pub(crate) fn lock_digest(&self) -> Option<String> {
        std::fs::read(self.root.join("Cargo.lock")).ok().map(|bytes| sha256_hex(&bytes))
    }

    /// Creates a command in the workspace, so that a `rust-toolchain.toml` is respected.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null()).kill_on_drop(true);
        let own = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
        // The path is relative to the folder in which the deployer runs, not to the workspace.
        let own = own.and_then(|folder| std::path::absolute(folder).ok());
        if let Some(target) = own.as_ref().or(self.target.as_ref()) {
            command.env("CARGO_TARGET_DIR", target);
        }
        command
    }

    /// Returns the answers of cargo and the compiler about the workspace.
    ///
    /// # Errors
    /// If one of them is missing, or cargo can't read the manifest.
    pub(crate) async fn look(&self, manifest: &Path) -> Result<Known> {
        let kept = embed::cache_folder().ok().map(|folder| {
            let name = sha256_hex(manifest.as_os_str().as_encoded_bytes());
            folder.join("workspaces").join(format!("{}.json", &name[..16]))
        });
        let found = {
            let (kept, root) = (kept.clone(), self.root.clone());
            blocking(move || Ok(kept.and_then(|path| Kept::read(&path, &root)))).await?
        };
        if let Some(known) = found {
            return Ok(known);
        }
        let known = Known { metadata: self.metadata(manifest).await?, rustc: self.rustc().await? };
        let (root, known_of) = (self.root.clone(), known.clone());
        // If nothing can be kept, the tools are asked again next time.
        let keep = move || Ok(kept.and_then(|path| Kept::write(&path, &root, known_of).ok()));
        blocking(keep).await?;
        Ok(known)
    }

    async fn metadata(&self, manifest: &Path) -> Result<Metadata> {
        let output = self
            .command("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(manifest)
            .output()
            .await
            .map_err(|error| missing("cargo", &error))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Error::failed(format!("cargo cannot read {}: {}", manifest.display(), text.trim())));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::failed(format!("the output of cargo metadata is not JSON: {error}")))
    }

    async fn rustc(&self) -> Result<String> {
        let output = self.command("rustc").arg("-vV").output().await;
        let output = output.map_err(|error| missing("rustc", &error))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Error::failed_with_hint(
                format!("could not run rustc: {}", text.trim()),
                INSTALL_CARGO,
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Reports the tools that a machine of another kind lacks, before cargo does so in many lines.
    ///
    /// # Errors
    /// If Rust's library for it, or a linker, is missing.
    pub(crate) async fn check_host(&self, rustc: &str, machine: &str) -> Result<()> {
        let host = host(rustc);
        if host == machine {
            return Ok(());
        }
        let output = self
            .command("rustc")
            .args(["--print", "target-libdir", "--target", machine])
            .output()
            .await
            .map_err(|error| missing("rustc", &error))?;
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || !Path::new(&folder).is_dir() {
            return Err(Error::failed_with_hint(
                format!(
                    "this machine is {host}, the code runs on {machine}, and Rust's standard library for {machine} is missing"
                ),
                format!("run `rustup target add {machine}`; it needs a linker too"),
            ));
        }
        let name = machine.replace('-', "_");
        let linker = format!("CARGO_TARGET_{}_LINKER", name.to_uppercase());
        if std::env::var_os(&linker).is_none() && !configs(&self.root).iter().any(|path| path.is_file()) {
            return Err(Error::failed_with_hint(
                format!(
                    "this machine is {host}, the code runs on {machine}, and no linker for {machine} is set"
                ),
                format!(
                    "set {linker}, for example to {}-linux-gnu-gcc, and CC_{name} to the same",
                    machine.split('-').next().unwrap_or_default()
                ),
            ));
        }
        Ok(())
    }
}

/// Converts the error of a tool that does not start.
pub(crate) fn missing(tool: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::failed_with_hint(format!("`{tool}` was not found on PATH"), INSTALL_CARGO)
        }
        _ => Error::failed(format!("could not run {tool}: {error}")),
    }
}

fn is_workspace(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim().starts_with("[workspace")))
}

/// Returns the machine that a compiler runs on, by the output of `rustc -vV`.
pub(crate) fn host(rustc: &str) -> &str {
    rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown")
}

/// The answers of cargo and the compiler about a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) metadata: Metadata,
    /// Output of `rustc -vV`: version and host.
    pub(crate) rustc: String,
}

/// The part of `cargo metadata` that is used: <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

impl Package {
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Returns the names of its programs.
    pub(crate) fn programs(&self) -> Vec<&str> {
        let programs = self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        programs.map(|target| target.name.as_str()).collect()
    }
}

/// The folders in which cargo reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Folders of the packages that the programs are made of.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The folder in which cargo-lambda puts the binaries, and the deployer its files.
    pub(crate) lambda: PathBuf,
}

impl Layout {
    /// Returns the layout for some packages, with binaries in this folder of the target folder.
    ///
    /// # Errors
    /// The name of a package that is missing.
    pub(crate) fn of(
        metadata: &Metadata,
        names: &[String],
        place: &str,
    ) -> std::result::Result<Self, String> {
        let mut folders = BTreeSet::new();
        let mut waiting = Vec::new();
        for name in names {
            let package = metadata.packages.iter().find(|package| package.name == *name);
            waiting.push(package.ok_or_else(|| name.clone())?.folder().to_owned());
        }
        while let Some(folder) = waiting.pop() {
            if !folders.insert(folder.clone()) {
                continue;
            }
            let package = metadata.packages.iter().find(|package| package.folder() == folder);
            let dependencies = package.iter().flat_map(|package| &package.dependencies);
            waiting.extend(dependencies.filter_map(|one| one.path.clone()));
        }
        let target = metadata.target_directory.clone();
        Ok(Self { folders, lambda: target.join(place), target })
    }
}

/// The answers at some time, and the world that they are true of.
#[derive(Serialize, Deserialize)]
struct Kept {
    world: World,
    known: Known,
}

/// Everything that determines the answers of cargo and the compiler.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct World {
    /// SHA-256 of the variables that cargo, rustup and the compiler read.
    environment: String,
    /// SHA-256 of the content of each relevant file that exists.
    files: BTreeMap<PathBuf, String>,
    /// Size and time stamp of each compiler that could be meant, as cargo itself tells them apart.
    programs: BTreeMap<PathBuf, String>,
}

impl Kept {
    fn read(path: &Path, root: &Path) -> Option<Known> {
        let kept: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (World::now(root, &kept.known.metadata) == kept.world).then_some(kept.known)
    }

    fn write(path: &Path, root: &Path, known: Known) -> Result<()> {
        let kept = Self { world: World::now(root, &known.metadata), known };
        let text = serde_json::to_string(&kept).map_err(|error| Error::failed(error.to_string()))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io("create the folder", folder, &error))?;
        }
        files::write_whole(path, text)
    }
}

impl World {
    fn now(root: &Path, metadata: &Metadata) -> Self {
        let relevant = |name: &OsStr| {
            let name = name.to_string_lossy();
            name == "PATH" || name == "HOME" || ["CARGO", "RUST"].iter().any(|start| name.starts_with(start))
        };
        let mut environment: Vec<String> = std::env::vars_os()
            .filter(|(name, _)| relevant(name))
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        environment.sort_unstable();
        let rustup = home("RUSTUP_HOME", ".rustup");
        let manifests = metadata.packages.iter().map(|package| package.manifest_path.clone());
        let toolchains = ["rust-toolchain", "rust-toolchain.toml"];
        let files = manifests
            .chain([root.join("Cargo.toml"), metadata.workspace_root.join("Cargo.toml")])
            .chain(configs(root))
            .chain(root.ancestors().flat_map(|folder| toolchains.map(|name| folder.join(name))))
            .chain(rustup.iter().map(|folder| folder.join("settings.toml")));
        let digest = |path: PathBuf| {
            let bytes = std::fs::read(&path).ok()?;
            Some((path, sha256_hex(&bytes)))
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = ["rustc", "cargo"].into_iter().filter_map(|name| {
            std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
        });
        let installed = rustup.as_ref().and_then(|folder| std::fs::read_dir(folder.join("toolchains")).ok());
        let installed = installed.into_iter().flatten().flatten().map(|one| one.path().join("bin/rustc"));
        Self {
            environment: sha256_hex(environment.join("\n").as_bytes()),
            files: files.filter_map(digest).collect(),
            programs: programs
                .chain(installed)
                .filter_map(|path| mark(&path).map(|mark| (path, mark)))
                .collect(),
        }
    }
}

/// Returns the properties that tell one version of a program from another without reading it.
pub(crate) fn mark(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(format!("{} {}", metadata.len(), modified.as_nanos()))
}

/// Returns the possible places of cargo's settings:
/// <https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure>.
pub(crate) fn configs(root: &Path) -> Vec<PathBuf> {
    let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home("CARGO_HOME", ".cargo"));
    folders.flat_map(|folder| ["config", "config.toml"].map(|name| folder.join(name))).collect()
}

/// Returns a tool's own folder: the value of the variable, else this one in the user's.
fn home(variable: &str, name: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    set.or_else(|| std::env::home_dir().map(|home| home.join(name)))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_workers_are_made_of_counts() {
        let package = |name: &str, folder: &str, dependencies: serde_json::Value| {
            json!({ "name": name, "manifest_path": format!("{folder}/Cargo.toml"), "dependencies": dependencies,
                    "targets": [{ "name": name, "kind": ["bin"] }] })
        };
        let metadata = json!({
            "target_directory": "/w/target",
            "workspace_root": "/w",
            "packages": [
                package("contract", "/w/workers/contract", json!([])),
                package("deployer", "/w/deployer", json!([])),
                package("functions", "/w/workers/functions",
                        json!([{ "name": "contract", "path": "/w/workers/contract" }, { "name": "serde" }])),
                package("task", "/w/workers/task", json!([{ "name": "elsewhere", "path": "/elsewhere" }])),
            ],
        });
        let mut metadata: Metadata = serde_json::from_value(metadata).expect("metadata");
        let workers = ["functions", "task"].map(str::to_owned);
        let layout = Layout::of(&metadata, &workers, "lambda").expect("a layout");
        let folders = ["/elsewhere", "/w/workers/contract", "/w/workers/functions", "/w/workers/task"];
        assert_eq!(layout.folders, folders.iter().map(PathBuf::from).collect());
        assert_eq!(layout.lambda, Path::new("/w/target/lambda"));
        metadata.packages.clear();
        assert_eq!(Layout::of(&metadata, &workers, "lambda"), Err("functions".to_owned()));
    }

    #[test]
    fn what_is_known_is_asked_again_when_a_manifest_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, path) = (folder.path().join("w"), folder.path().join("cache/known.json"));
        std::fs::create_dir_all(root.join("a")).expect("made");
        for name in ["Cargo.toml", "a/Cargo.toml"] {
            std::fs::write(root.join(name), "[package]").expect("written");
        }
        let package = Package {
            name: "a".to_owned(),
            manifest_path: root.join("a/Cargo.toml"),
            dependencies: Vec::new(),
            targets: Vec::new(),
        };
        let metadata = Metadata {
            packages: vec![package],
            workspace_root: root.clone(),
            target_directory: root.join("target"),
        };
        let known = Known { metadata, rustc: "rustc 1.95.0".to_owned() };
        let differs: [(&str, &dyn Fn()); 4] = [
            ("nothing", &|| ()),
            ("a manifest", &|| std::fs::write(root.join("a/Cargo.toml"), "[package] # 2").expect("written")),
            ("a toolchain", &|| std::fs::write(root.join("rust-toolchain.toml"), "").expect("written")),
            ("what is kept", &|| std::fs::write(&path, "{").expect("written")),
        ];
        for (what, change) in differs {
            Kept::write(&path, &root, known.clone()).expect("kept");
            assert_eq!(Kept::read(&path, &root).as_ref(), Some(&known), "before {what}");
            change();
            assert_eq!(Kept::read(&path, &root).is_some(), what == "nothing", "{what}");
        }
    }
}
