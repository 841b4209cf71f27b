//! Sources → binaries, by one `cargo lambda build` for a workspace, and only when something has changed since the last.
//!
//! A stamp beside the binaries says from what they were made and what they are. It is written last, so a build that was
//! interrupted is one that has not happened.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stack_core::assets::Worker;
use stack_core::model::code::Architecture;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use super::cache::Cache;
use super::{Binary, blocking, elf, embed, hex, sha256_hex};
use crate::context::Context;
use crate::error::{Error, Result};

/// Machine that code runs on, as rustc names it.
const fn target(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// Without a C library of the host's: the same binary runs in Lambda and in an image with nothing else in it.
const STATIC: &str = "-C target-feature=+crt-static";
/// Packages with the workers.
const PACKAGES: [&str; 2] = ["functions", "task"];
/// Names another cargo-lambda.
const CARGO_LAMBDA: &str = "DEPLOYER_CARGO_LAMBDA";
const INSTALL_CARGO_LAMBDA: &str = "install it beside stack.yaml: `python3 -m venv .venv && .venv/bin/pip install \
    cargo-lambda==1.9.2`; or name another with DEPLOYER_CARGO_LAMBDA";
const INSTALL_CARGO: &str = "workers are built from source: install Rust from https://rustup.rs";
/// Lines of cargo's output that are shown after a failure.
const TAIL: usize = 60;
/// How often a build without a terminal says that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A Cargo workspace with the workers.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    root: PathBuf,
    /// Versions of dependencies are those of its `Cargo.lock`, which is the user's.
    locked: bool,
    /// Where cargo builds unless the environment says.
    target: Option<PathBuf>,
}

impl Workspace {
    /// That of the `workers/` folder beside the stack file.
    pub(super) fn beside(context: &Context) -> Option<Self> {
        let folder = context.folder();
        let workers = folder.join("workers");
        if !workers.is_dir() {
            return None;
        }
        let Some(root) = [folder, &workers].into_iter().find(|folder| is_workspace(folder)) else {
            let workers = workers.display();
            context.ui.warn(format!(
                "{workers} is no Cargo workspace; the deployer's own workers are used instead"
            ));
            return None;
        };
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Some(Self { locked: root.join("Cargo.lock").is_file(), root, target: None })
    }

    /// The sources that the deployer carries, unpacked.
    pub(super) fn carried() -> Result<Self> {
        let cache = embed::cache_folder()?;
        let root = embed::unpack(&cache)?;
        // Kept from one version of the sources to the next, for the dependencies.
        let target = root.parent().map(|cache| cache.join("target"));
        Ok(Self { root, locked: false, target })
    }

    fn lock_digest(&self) -> Option<String> {
        std::fs::read(self.root.join("Cargo.lock")).ok().map(|bytes| sha256_hex(&bytes))
    }

    /// A command in the workspace, where a `rust-toolchain.toml` has its say.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null()).kill_on_drop(true);
        let own = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
        // Relative to where the deployer runs, not to the workspace.
        let own = own.and_then(|folder| std::path::absolute(folder).ok());
        if let Some(target) = own.as_ref().or(self.target.as_ref()) {
            command.env("CARGO_TARGET_DIR", target);
        }
        command
    }
}

fn is_workspace(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim().starts_with("[workspace")))
}

/// A program of a Cargo package of the user's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    /// Folder of the package, relative to the stack file.
    pub(super) path: String,
    /// Which of its binaries; the one with its name.
    pub(super) bin: Option<String>,
    /// Processor.
    pub(super) architecture: Architecture,
}

/// One build: what of a workspace, for which processor.
#[derive(Debug, Clone)]
struct Job {
    workspace: Workspace,
    layout: Layout,
    packages: Vec<String>,
    /// Names of the binaries that must come out.
    binaries: Vec<String>,
    architecture: Architecture,
}

/// The deployer's own workers, built when they are not current.
///
/// # Errors
/// When a tool is missing, the build fails, or a binary would not run where it goes.
pub(super) async fn workers(
    context: &Context,
    workspace: Workspace,
    workers: &BTreeSet<Worker>,
) -> Result<(BTreeMap<Worker, Binary>, Cache)> {
    let manifest = workspace.root.join("Cargo.toml");
    let metadata = metadata(&workspace, &manifest).await?;
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let layout = layout_of(&metadata, &packages, "lambda").map_err(|package| {
        Error::failed_with_hint(
            format!("{} has no package `{package}`", manifest.display()),
            "the workers are the packages `functions` and `task`; without a folder `workers` beside stack.yaml the \
             deployer uses its own",
        )
    })?;
    let binaries = Worker::ALL.map(|worker| worker.name().to_owned()).to_vec();
    let job = Job { workspace, layout, packages, binaries, architecture: Architecture::X86_64 };
    let (all, cache) = build(context, job).await?;
    let of = |worker: &Worker| Some((*worker, Arc::clone(all.get(worker.name())?)));
    Ok((workers.iter().filter_map(of).collect(), cache))
}

/// Programs of the user's packages, built when they are not current: one build for each workspace and processor.
///
/// # Errors
/// As [`workers`]; also when there is no such package or binary.
pub(super) async fn packages(
    context: &Context,
    wanted: &BTreeSet<Wanted>,
) -> Result<BTreeMap<Wanted, (Binary, Cache)>> {
    /// A build, and the binary in it of each program that is wanted.
    type Programs = (Job, Vec<(Wanted, String)>);
    let mut jobs: BTreeMap<(PathBuf, Architecture), Programs> = BTreeMap::new();
    for one in wanted {
        let found = find_package(context, one).await?;
        let key = (found.workspace.root.clone(), one.architecture);
        let (job, programs) = jobs.entry(key).or_insert_with(|| (found.clone(), Vec::new()));
        for (list, more) in [(&mut job.packages, found.packages), (&mut job.binaries, found.binaries.clone())]
        {
            list.extend(more);
            list.sort_unstable();
            list.dedup();
        }
        job.layout.folders.extend(found.layout.folders);
        programs.extend(found.binaries.into_iter().map(|binary| (one.clone(), binary)));
    }
    let mut out = BTreeMap::new();
    for (job, programs) in jobs.into_values() {
        let (all, cache) = build(context, job).await?;
        for (wanted, binary) in programs {
            if let Some(binary) = all.get(&binary) {
                out.insert(wanted, (Arc::clone(binary), cache.clone()));
            }
        }
    }
    Ok(out)
}

/// The build of one package.
async fn find_package(context: &Context, wanted: &Wanted) -> Result<Job> {
    let folder = context.folder().join(&wanted.path);
    let manifest = folder.join("Cargo.toml");
    let hint = "`code.package` names the folder of a Cargo package, relative to the stack file";
    if !manifest.is_file() {
        return Err(Error::failed_with_hint(format!("there is no {}", manifest.display()), hint));
    }
    let folder = folder.canonicalize().map_err(|error| Error::io("find the folder", &folder, &error))?;
    let workspace = Workspace { root: folder.clone(), locked: false, target: None };
    let metadata = metadata(&workspace, &folder.join("Cargo.toml")).await?;
    let of_folder = |package: &&Value| {
        let path = package["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
        path.is_some_and(|path| path.canonicalize().is_ok_and(|path| path == folder))
    };
    let package = metadata["packages"].as_array().into_iter().flatten().find(of_folder);
    let Some(package) = package else {
        return Err(Error::failed_with_hint(format!("{} holds no package", manifest.display()), hint));
    };
    let name = package["name"].as_str().unwrap_or_default().to_owned();
    let programs: Vec<&str> = package["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
        })
        .filter_map(|target| target["name"].as_str())
        .collect();
    let binary = match (&wanted.bin, programs.as_slice()) {
        (Some(bin), _) => bin.as_str(),
        (None, [only]) => only,
        (None, _) => name.as_str(),
    };
    if !programs.contains(&binary) {
        let known: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
        return Err(Error::failed_with_hint(
            format!("the package {} has no binary `{binary}`", manifest.display()),
            match known.is_empty() {
                true => "it needs a `src/main.rs`".to_owned(),
                false => format!("it has {}; name one with `code.bin`", known.join(", ")),
            },
        ));
    }
    let root = PathBuf::from(metadata["workspace_root"].as_str().unwrap_or_default());
    let workspace = Workspace { locked: root.join("Cargo.lock").is_file(), root, target: None };
    let place = format!("deployer-{}", wanted.architecture.name());
    let layout = layout_of(&metadata, std::slice::from_ref(&name), &place)
        .map_err(|package| Error::failed(format!("cargo metadata says nothing of `{package}`")))?;
    let binaries = vec![binary.to_owned()];
    Ok(Job { workspace, layout, packages: vec![name], binaries, architecture: wanted.architecture })
}

/// Builds when something has changed since the last time; gives the binaries by name.
async fn build(context: &Context, job: Job) -> Result<(BTreeMap<String, Binary>, Cache)> {
    let rustc = rustc(&job.workspace).await?;
    let arguments = arguments(&job);
    let flags = flags();
    let recipe = recipe(&rustc, &arguments, &flags);
    let Job { workspace, layout, .. } = &job;
    let inputs = {
        let (root, folders, target) = (workspace.root.clone(), layout.folders.clone(), layout.target.clone());
        blocking(move || digest_of_sources(&root, &folders, &target, &recipe)).await?
    };

    let _guard = lock(context, &layout.lambda).await?;
    let stamp = Stamp { path: layout.lambda.join(".deployer-stamp.json"), inputs };
    let current = {
        let (stamp, job) = (stamp.clone(), job.clone());
        blocking(move || Ok(stamp.current(&job))).await?
    };
    let all = match current {
        Some(all) => all,
        None => {
            let machine = target(job.architecture);
            check_host(workspace, &rustc, machine).await?;
            let cargo_lambda = find_cargo_lambda(context)?;
            let what = match job.packages == PACKAGES {
                true => "workers".to_owned(),
                false => job.packages.join(", "),
            };
            context.ui.step("build", format!("{what} in {} (release, {machine})", workspace.root.display()));
            let started = Instant::now();
            run(context, workspace, &cargo_lambda, &arguments, &flags).await?;
            context.ui.step("build", format!("done in {:.1} s", started.elapsed().as_secs_f32()));
            let job = job.clone();
            blocking(move || {
                let all = read(&job)?;
                stamp.write(&job.workspace, &all)?;
                Ok(all)
            })
            .await?
        }
    };
    Ok((all, Cache::new(Some(layout.lambda.join(".deployer-packed")))))
}

/// One deployer builds at a time; cargo's own lock does not cover the folder that the binaries are copied to.
async fn lock(context: &Context, lambda: &Path) -> Result<File> {
    let folder = lambda.to_owned();
    let open = move || {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder", &folder, &error))?;
        let path = folder.join(".deployer-lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        file.map_err(|error| Error::io("open", &path, &error))
    };
    let file = blocking(open).await?;
    if file.try_lock().is_err() {
        context.ui.step("wait", "another deployer builds these workers");
        return blocking(move || {
            file.lock()
                .map_err(|error| Error::failed(format!("could not wait for another build: {error}")))?;
            Ok(file)
        })
        .await;
    }
    Ok(file)
}

/// What a build was made from, and where that is written down.
#[derive(Debug, Clone)]
struct Stamp {
    path: PathBuf,
    inputs: String,
}

impl Stamp {
    /// The binaries, when they are those that these inputs gave.
    fn current(&self, job: &Job) -> Option<BTreeMap<String, Binary>> {
        let stamp: Value = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        if stamp["inputs"] != self.inputs || stamp["lock"] != json!(job.workspace.lock_digest()) {
            return None;
        }
        // A missing binary, or one that does not fit, is built anew.
        let all = read(job).ok()?;
        all.iter().all(|(name, binary)| stamp["binaries"][name] == sha256_hex(binary)).then_some(all)
    }

    /// Written to another name first: a stamp is there whole, or not at all.
    fn write(&self, workspace: &Workspace, all: &BTreeMap<String, Binary>) -> Result<()> {
        let binaries: BTreeMap<&str, String> =
            all.iter().map(|(name, binary)| (name.as_str(), sha256_hex(binary))).collect();
        // The lock file as cargo left it.
        let stamp = json!({ "inputs": self.inputs, "lock": workspace.lock_digest(), "binaries": binaries });
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&temporary, stamp.to_string())
            .and_then(|()| std::fs::rename(&temporary, &self.path))
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

/// Reads and checks all binaries of a build.
fn read(job: &Job) -> Result<BTreeMap<String, Binary>> {
    let one = |name: &String| {
        let path = job.layout.lambda.join(name).join("bootstrap");
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::failed_with_hint(
                format!("the build gave no program `{name}`: there is no {}", path.display()),
                format!("packages {} must have a binary of that name", job.packages.join(" and ")),
            ),
            _ => Error::io("read", &path, &error),
        })?;
        elf::check(&path.display().to_string(), &bytes, job.architecture)?;
        Ok((name.clone(), Arc::new(Cow::Owned(bytes))))
    };
    job.binaries.iter().map(one).collect()
}

/// Where cargo reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    /// Folders of the packages that the workers are made of.
    folders: BTreeSet<PathBuf>,
    /// Cargo's target folder.
    target: PathBuf,
    /// Where the binaries go.
    lambda: PathBuf,
}

/// What `cargo metadata` says of the workspace of a manifest.
async fn metadata(workspace: &Workspace, manifest: &Path) -> Result<Value> {
    let output = workspace
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
        .map_err(|error| Error::failed(format!("cargo metadata gave no JSON: {error}")))
}

/// The layout for some packages by `cargo metadata`, with binaries in this folder of the target folder; the name of a
/// package that is missing.
fn layout_of(metadata: &Value, names: &[String], place: &str) -> std::result::Result<Layout, String> {
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let folder_of =
        |package: &Value| Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_owned);
    let mut folders = BTreeSet::new();
    let mut waiting = Vec::new();
    for name in names {
        let package = packages.iter().find(|package| package["name"] == *name).ok_or_else(|| name.clone())?;
        waiting.push(folder_of(package).ok_or_else(|| name.clone())?);
    }
    while let Some(folder) = waiting.pop() {
        if !folders.insert(folder.clone()) {
            continue;
        }
        let package = packages.iter().find(|package| folder_of(package).as_deref() == Some(folder.as_path()));
        let dependencies =
            package.and_then(|package| package["dependencies"].as_array()).into_iter().flatten();
        waiting.extend(dependencies.filter_map(|one| one["path"].as_str()).map(PathBuf::from));
    }
    let target = PathBuf::from(metadata["target_directory"].as_str().unwrap_or("target"));
    Ok(Layout { folders, lambda: target.join(place), target })
}

/// What `rustc -vV` says: version and host.
async fn rustc(workspace: &Workspace) -> Result<String> {
    let output =
        workspace.command("rustc").arg("-vV").output().await.map_err(|error| missing("rustc", &error))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Error::failed_with_hint(format!("rustc does not run: {}", text.trim()), INSTALL_CARGO));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing(tool: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::failed_with_hint(format!("`{tool}` was not found on PATH"), INSTALL_CARGO)
        }
        _ => Error::failed(format!("could not run {tool}: {error}")),
    }
}

/// Says what a machine of another kind lacks, before cargo says it in many lines.
async fn check_host(workspace: &Workspace, rustc: &str, machine: &str) -> Result<()> {
    let host = host(rustc);
    if host == machine {
        return Ok(());
    }
    let output = workspace
        .command("rustc")
        .args(["--print", "target-libdir", "--target", machine])
        .output()
        .await
        .map_err(|error| missing("rustc", &error))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || !Path::new(&folder).is_dir() {
        return Err(Error::failed_with_hint(
            format!(
                "this machine is {host}, the code runs on {machine}, and Rust's library for that is missing"
            ),
            format!("run `rustup target add {machine}`; a linker for it is needed too"),
        ));
    }
    let name = machine.replace('-', "_");
    let linker = format!("CARGO_TARGET_{}_LINKER", name.to_uppercase());
    if std::env::var_os(&linker).is_none() && !has_cargo_config(&workspace.root) {
        return Err(Error::failed_with_hint(
            format!("this machine is {host}, the code runs on {machine}, and no linker for that is set"),
            format!(
                "set {linker}, for example to {}-linux-gnu-gcc, and CC_{name} to the same",
                machine.split('-').next().unwrap_or_default()
            ),
        ));
    }
    Ok(())
}

/// A linker may be named there; cargo will say if not.
fn has_cargo_config(root: &Path) -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    folders.into_iter().any(|folder| folder.join("config.toml").is_file() || folder.join("config").is_file())
}

fn host(rustc: &str) -> &str {
    rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown")
}

/// Arguments of cargo-lambda. `--disable-optimizations` leaves the profile to `Cargo.toml`.
fn arguments(job: &Job) -> Vec<OsString> {
    let processor = match job.architecture {
        Architecture::X86_64 => "--x86-64",
        Architecture::Arm64 => "--arm64",
    };
    let fixed = format!(
        "lambda build --release {processor} --skip-target-check --compiler cargo --disable-optimizations"
    );
    let mut out: Vec<OsString> = fixed.split(' ').map(OsString::from).collect();
    out.extend(["--manifest-path".into(), job.workspace.root.join("Cargo.toml").into()]);
    out.extend(["--lambda-dir".into(), job.layout.lambda.clone().into()]);
    for package in &job.packages {
        out.extend(["-p".into(), package.into()]);
    }
    if job.workspace.locked {
        out.push("--locked".into());
    }
    out
}

/// The user's flags, and ours.
fn flags() -> String {
    let own = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|flags| flags.replace('\x1f', " "));
    let own = own.or_else(|| std::env::var("RUSTFLAGS").ok()).filter(|flags| !flags.trim().is_empty());
    match own {
        Some(own) => format!("{own} {STATIC}"),
        None => STATIC.to_owned(),
    }
}

/// Everything but files that decides what comes out.
fn recipe(rustc: &str, arguments: &[OsString], flags: &str) -> String {
    let mut profile: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PROFILE_RELEASE"))
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    profile.sort_unstable();
    format!("1\n{rustc}\n{arguments:?}\n{flags}\n{}\n", profile.join("\n"))
}

/// SHA-256 of the recipe and of names and contents of all files that the workers are made of, but for `Cargo.lock`,
/// which cargo may write.
fn digest_of_sources(
    root: &Path,
    folders: &BTreeSet<PathBuf>,
    target: &Path,
    recipe: &str,
) -> Result<String> {
    let mut files = BTreeSet::new();
    for folder in folders {
        collect(folder, target, &mut files)?;
    }
    let settings =
        ["Cargo.toml", "rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml"];
    files.extend(settings.iter().map(|name| root.join(name)).filter(|path| path.is_file()));
    let mut hasher = Sha256::new();
    hasher.update(recipe);
    for path in &files {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
        hasher.update(format!("{name}\0{}\0", bytes.len()));
        hasher.update(&bytes);
    }
    Ok(hex(&hasher.finalize()))
}

fn collect(folder: &Path, target: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let failed = |error: &std::io::Error| Error::io("read the folder", folder, error);
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let path = entry.path();
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || path == target || name == "target" || name == "Cargo.lock" {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() {
            collect(&path, target, files)?;
        } else if path.is_file() {
            files.insert(path);
        }
    }
    Ok(())
}

/// The environment's, else that of a `.venv` beside the stack file or above it, else the one on PATH.
pub(super) fn find_cargo_lambda(context: &Context) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(CARGO_LAMBDA).filter(|path| !path.is_empty()) {
        let path = std::path::absolute(&named).unwrap_or_else(|_| PathBuf::from(&named));
        if path.is_file() {
            return Ok(path);
        }
        return Err(Error::failed_with_hint(
            format!("{CARGO_LAMBDA} names {}, which is no file", path.display()),
            INSTALL_CARGO_LAMBDA,
        ));
    }
    let folder = context.folder();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    find_in(&folder, std::env::split_paths(&paths)).ok_or_else(|| {
        Error::failed_with_hint("cargo-lambda, which builds the workers, was not found", INSTALL_CARGO_LAMBDA)
    })
}

fn find_in(folder: &Path, paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let environments = folder.ancestors().map(|folder| folder.join(".venv").join("bin"));
    environments.chain(paths).map(|folder| folder.join("cargo-lambda")).find(|path| path.is_file())
}

/// Runs the build: cargo's own progress on a terminal, else a line from time to time and the end of it on failure.
async fn run(
    context: &Context,
    workspace: &Workspace,
    cargo_lambda: &Path,
    arguments: &[OsString],
    flags: &str,
) -> Result<()> {
    let mut command = workspace.command(cargo_lambda);
    command.args(arguments).env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = if std::io::stderr().is_terminal() {
        // stdout holds data only.
        command.stdout(Stdio::from(std::io::stderr())).stderr(Stdio::inherit());
        command.status().await.map_err(|error| not_started(cargo_lambda, &error))?
    } else {
        let (status, tail) = run_captured(context, command, cargo_lambda).await?;
        if !status.success() {
            for line in tail {
                context.ui.note(line);
            }
        }
        status
    };
    if status.success() {
        return Ok(());
    }
    Err(Error::failed_with_hint(
        format!("the workers could not be built: cargo lambda build ended with {status}"),
        "cargo's output above says why; if the linker misses `-lc`, install the static C library (Debian: libc6-dev, \
         Fedora: glibc-static)",
    ))
}

fn not_started(program: &Path, error: &std::io::Error) -> Error {
    Error::failed_with_hint(format!("could not run {}: {error}", program.display()), INSTALL_CARGO_LAMBDA)
}

async fn run_captured(
    context: &Context,
    mut command: Command,
    program: &Path,
) -> Result<(ExitStatus, VecDeque<String>)> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_started(program, &error))?;
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let pipes: [Option<Box<dyn AsyncRead + Send + Unpin>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>),
    ];
    for pipe in pipes.into_iter().flatten() {
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut pieces = BufReader::new(pipe).split(b'\n');
            while let Ok(Some(line)) = pieces.next_segment().await {
                if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let mut tail = VecDeque::with_capacity(TAIL);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) if line.is_empty() => {}
                Some(line) => {
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                None => break,
            },
            _ = heartbeat.tick() => {
                let last = tail.back().map(|line| line.trim()).unwrap_or_default();
                context.ui.step("build", format!("still at it: {last}"));
            }
        }
    }
    let status = child.wait().await.map_err(|error| not_started(program, &error))?;
    Ok((status, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// A static program, as far as its headers say.
    fn program(mark: u8) -> Vec<u8> {
        let mut out = vec![0; 64];
        out[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (out[16], out[18], out[63]) = (3, 62, mark);
        out
    }

    fn job(root: &Path, locked: bool, lambda: PathBuf) -> Job {
        Job {
            workspace: Workspace { root: root.to_owned(), locked, target: None },
            layout: Layout { folders: BTreeSet::new(), target: root.join("target"), lambda },
            packages: PACKAGES.map(str::to_owned).to_vec(),
            binaries: Worker::ALL.map(|worker| worker.name().to_owned()).to_vec(),
            architecture: Architecture::X86_64,
        }
    }

    #[test]
    fn only_what_the_workers_are_made_of_counts() {
        let metadata = json!({
            "target_directory": "/w/target",
            "packages": [
                { "name": "contract", "manifest_path": "/w/workers/contract/Cargo.toml", "dependencies": [] },
                { "name": "deployer", "manifest_path": "/w/deployer/Cargo.toml", "dependencies": [] },
                { "name": "functions", "manifest_path": "/w/workers/functions/Cargo.toml",
                  "dependencies": [{ "name": "contract", "path": "/w/workers/contract" }, { "name": "serde" }] },
                { "name": "task", "manifest_path": "/w/workers/task/Cargo.toml",
                  "dependencies": [{ "name": "elsewhere", "path": "/elsewhere" }] },
            ],
        });
        let workers = PACKAGES.map(str::to_owned);
        let layout = layout_of(&metadata, &workers, "lambda").expect("a layout");
        let folders = ["/elsewhere", "/w/workers/contract", "/w/workers/functions", "/w/workers/task"];
        assert_eq!(layout.folders, folders.iter().map(PathBuf::from).collect());
        assert_eq!(layout.lambda, Path::new("/w/target/lambda"));
        assert_eq!(layout_of(&json!({ "packages": [] }), &workers, "lambda"), Err("functions".to_owned()));
    }

    #[test]
    fn the_digest_sees_sources_and_recipe_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let package = root.join("workers/functions");
        touch(&root.join("Cargo.toml"), "[workspace]");
        touch(&package.join("src/lib.rs"), "1");
        let digest = |recipe: &str| {
            digest_of_sources(root, &BTreeSet::from([package.clone()]), &root.join("target"), recipe)
                .expect("a digest")
        };
        let first = digest("a");
        touch(&package.join("target/debug/x"), "built");
        touch(&package.join(".lib.rs.swp"), "edited");
        touch(&root.join("Cargo.lock"), "locked");
        touch(&root.join("deployer/src/lib.rs"), "other");
        assert_eq!(digest("a"), first);
        assert_ne!(digest("b"), first);
        touch(&package.join("src/lib.rs"), "2");
        let second = digest("a");
        assert_ne!(second, first);
        touch(&root.join("rust-toolchain.toml"), "[toolchain]");
        assert_ne!(digest("a"), second);
    }

    #[test]
    fn a_stamp_vouches_for_its_own_binaries_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let lambda = folder.path().join("target/lambda");
        let job = job(folder.path(), true, lambda.clone());
        let workspace = job.workspace.clone();
        for worker in Worker::ALL {
            let path = lambda.join(worker.name()).join("bootstrap");
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, program(1)).expect("written");
        }
        let stamp = Stamp { path: lambda.join("stamp.json"), inputs: "abc".to_owned() };
        assert!(stamp.current(&job).is_none());
        stamp.write(&workspace, &read(&job).expect("binaries")).expect("written");
        assert_eq!(stamp.current(&job).map(|all| all.len()), Some(5));
        let other = Stamp { inputs: "abd".to_owned(), ..stamp.clone() };
        assert!(other.current(&job).is_none());
        touch(&workspace.root.join("Cargo.lock"), "changed");
        assert!(stamp.current(&job).is_none(), "the lock file counts");
        stamp.write(&workspace, &read(&job).expect("binaries")).expect("written");
        std::fs::write(lambda.join("load/bootstrap"), program(2)).expect("written");
        assert!(stamp.current(&job).is_none(), "another build replaced a binary");
    }

    #[test]
    fn a_nearer_environment_comes_before_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let (project, path) = (folder.path().join("a/b"), folder.path().join("bin"));
        std::fs::create_dir_all(&project).expect("made");
        assert_eq!(find_in(&project, std::iter::once(path.clone())), None);
        touch(&path.join("cargo-lambda"), "");
        assert_eq!(find_in(&project, std::iter::once(path.clone())), Some(path.join("cargo-lambda")));
        let above = folder.path().join("a/.venv/bin/cargo-lambda");
        touch(&above, "");
        assert_eq!(find_in(&project, std::iter::once(path)), Some(above));
    }

    #[test]
    fn the_users_lock_file_is_kept_and_ours_is_not() {
        let text = |locked| {
            let arguments = arguments(&job(Path::new("/w"), locked, "/w/target/lambda".into()));
            arguments.iter().map(|one| one.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            text(true),
            "lambda build --release --x86-64 --skip-target-check --compiler cargo --disable-optimizations \
             --manifest-path /w/Cargo.toml --lambda-dir /w/target/lambda -p functions -p task --locked"
        );
        assert!(!text(false).contains("--locked"));
    }
}
