//! Sources → programs, by one build for a workspace, and only when something has changed since the last.
//!
//! For AWS `cargo lambda build` makes optimised, static programs. For the local cloud, which runs them as processes of this
//! machine, `cargo build` makes them in the profile of tests and debugging: in a project that is worked on, most of that is
//! built already.
//!
//! A stamp says from what programs were made and what they are. It is named by what they were made from, and written
//! last, so a build that was interrupted is one that has not happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use deployer_base::error::{Error, Result};
use deployer_base::files;
use packing::{Content, Facts, elf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stack_core::model::code::Architecture;
use stack_core::model::worker::Program;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use super::blocking;
use super::cache::Cache;
use super::workspace::{Layout, Workspace, host, mark, missing};
use crate::context::Context;

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
/// Names the profile to build in, whatever it is for.
const PROFILE: &str = "DEPLOYER_BUILD_PROFILE";
const INSTALL_CARGO_LAMBDA: &str = "install it beside stack.yaml: `python3 -m venv .venv && .venv/bin/pip install \
    cargo-lambda==1.9.2`; or name another with DEPLOYER_CARGO_LAMBDA";
/// Lines of cargo's output that are shown after a failure.
const TAIL: usize = 60;
/// How often a build without a terminal says that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For this machine, quickly: cargo's profile `dev`.
    Dev,
    /// For AWS: cargo's profile `release`, static, for the processor that is asked for.
    Release,
}

impl Profile {
    /// The one that the environment names, else that for where the programs will run.
    ///
    /// # Errors
    /// When the environment names another.
    pub fn of(local: bool) -> Result<Self> {
        Self::named(std::env::var(PROFILE).ok().as_deref(), local)
    }

    fn named(name: Option<&str>, local: bool) -> Result<Self> {
        match name {
            None | Some("") if local => Ok(Self::Dev),
            None | Some("" | "release") => Ok(Self::Release),
            Some("dev") if local => Ok(Self::Dev),
            Some("dev") => Err(Error::failed_with_hint(
                format!("{PROFILE} is `dev`, and programs of that profile run only on this machine"),
                "remove the variable to deploy to AWS",
            )),
            Some(other) => Err(Error::failed_with_hint(
                format!("{PROFILE} is `{other}`, which is not a profile"),
                "`dev` or `release`",
            )),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
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

/// One build: what of a workspace, how.
#[derive(Debug, Clone)]
struct Job {
    workspace: Workspace,
    layout: Layout,
    packages: Vec<String>,
    /// Names of the binaries that must come out.
    binaries: Vec<String>,
    architecture: Architecture,
    profile: Profile,
    /// What `rustc -vV` says.
    rustc: String,
}

/// The deployer's own programs, built when they are not current.
///
/// # Errors
/// When a tool is missing, the build fails, or a binary would not run where it goes.
pub(super) async fn workers(
    context: &Context,
    workspace: Workspace,
    profile: Profile,
) -> Result<(BTreeMap<Program, Content>, Cache)> {
    let manifest = workspace.root.join("Cargo.toml");
    let known = workspace.look(&manifest).await?;
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let layout = Layout::of(&known.metadata, &packages, "lambda").map_err(|package| {
        Error::failed_with_hint(
            format!("{} has no package `{package}`", manifest.display()),
            "the workers are the packages `functions` and `task`; without a folder `workers` beside stack.yaml the \
             deployer uses its own",
        )
    })?;
    let binaries = Program::ALL.map(|program| program.name().to_owned()).to_vec();
    let (architecture, rustc) = (Architecture::X86_64, known.rustc);
    let job = Job { workspace, layout, packages, binaries, architecture, profile, rustc };
    let (mut all, cache) = build(context, job).await?;
    let of = |program: Program| Some((program, all.remove(program.name())?));
    Ok((Program::ALL.into_iter().filter_map(of).collect(), cache))
}

/// Programs of the user's packages, built when they are not current: one build for each workspace and processor.
///
/// # Errors
/// As [`workers`]; also when there is no such package or binary.
pub(super) async fn packages(
    context: &Context,
    wanted: &BTreeSet<Wanted>,
    profile: Profile,
) -> Result<BTreeMap<Wanted, (Content, Cache)>> {
    /// A build, and the binary in it of each program that is wanted.
    type Programs = (Job, Vec<(Wanted, String)>);
    let mut jobs: BTreeMap<(PathBuf, Architecture), Programs> = BTreeMap::new();
    for one in wanted {
        let found = find_package(context, one, profile).await?;
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
                out.insert(wanted, (binary.clone(), cache.clone()));
            }
        }
    }
    Ok(out)
}

/// The build of one package.
async fn find_package(context: &Context, wanted: &Wanted, profile: Profile) -> Result<Job> {
    let folder = context.folder().join(&wanted.path);
    let manifest = folder.join("Cargo.toml");
    let hint = "`code.package` names the folder of a Cargo package, relative to the stack file";
    if !manifest.is_file() {
        return Err(Error::failed_with_hint(format!("there is no {}", manifest.display()), hint));
    }
    let folder = folder.canonicalize().map_err(|error| Error::io("find the folder", &folder, &error))?;
    let workspace = Workspace { root: folder.clone(), locked: false, target: None };
    let known = workspace.look(&folder.join("Cargo.toml")).await?;
    let metadata = &known.metadata;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.folder().canonicalize().is_ok_and(|path| path == folder))
        .ok_or_else(|| {
            Error::failed_with_hint(format!("{} does not contain a package", manifest.display()), hint)
        })?;
    let programs = package.programs();
    let binary = match (&wanted.bin, programs.as_slice()) {
        (Some(bin), _) => bin.as_str(),
        (None, [only]) => only,
        (None, _) => package.name.as_str(),
    };
    if !programs.contains(&binary) {
        let known: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
        return Err(Error::failed_with_hint(
            format!("the package {} has no binary `{binary}`", manifest.display()),
            match known.is_empty() {
                true => "it needs a `src/main.rs`".to_owned(),
                false => format!("its binaries are {}; name one with `code.bin`", known.join(", ")),
            },
        ));
    }
    let root = metadata.workspace_root.clone();
    let workspace = Workspace { locked: root.join("Cargo.lock").is_file(), root, target: None };
    let place = format!("deployer-{}", wanted.architecture.name());
    let packages = vec![package.name.clone()];
    let layout = Layout::of(metadata, &packages, &place).map_err(|package| {
        Error::failed(format!("the output of cargo metadata does not contain `{package}`"))
    })?;
    let binaries = vec![binary.to_owned()];
    let architecture = wanted.architecture;
    Ok(Job { workspace, layout, packages, binaries, architecture, profile, rustc: known.rustc })
}

/// Builds when something has changed since the last time; gives the binaries by name.
async fn build(context: &Context, job: Job) -> Result<(BTreeMap<String, Content>, Cache)> {
    let (arguments, flags) = (job.arguments(), job.flags());
    let recipe = job.recipe(flags.as_deref());
    let Job { workspace, layout, .. } = &job;
    let inputs = {
        let (root, folders, target) = (workspace.root.clone(), layout.folders.clone(), layout.target.clone());
        blocking(move || digest_of_sources(&root, &folders, &target, &recipe)).await?
    };
    let kept = layout.lambda.join(".deployer");
    let cache = Cache::new(Some(kept.clone()));

    let _guard = lock(context, &layout.lambda).await?;
    let stamp = Stamp { path: kept.join(format!("built-{}.json", &inputs[..16])), inputs };
    let current = {
        let (stamp, job) = (stamp.clone(), job.clone());
        blocking(move || Ok(stamp.current(&job))).await?
    };
    if let Some(all) = current {
        return Ok((all, cache));
    }
    let what = match job.packages == PACKAGES {
        true => "workers".to_owned(),
        false => job.packages.join(", "),
    };
    let (program, machine) = match job.profile {
        Profile::Dev => (PathBuf::from("cargo"), host(&job.rustc)),
        Profile::Release => {
            let machine = target(job.architecture);
            workspace.check_host(&job.rustc, machine).await?;
            (find_cargo_lambda(context)?, machine)
        }
    };
    let (profile, root) = (job.profile.name(), workspace.root.display());
    context.ui.step("build", format!("{what} in {root} ({profile}, {machine})"));
    let started = Instant::now();
    let said = run(context, workspace, &program, &arguments, flags.as_deref()).await?;
    context.ui.step("build", format!("done in {:.1} s", started.elapsed().as_secs_f32()));
    let all = blocking(move || {
        let all = read(&job, &said)?;
        stamp.write(&job.workspace, &all)?;
        Ok(all)
    })
    .await?;
    Ok((all, cache))
}

/// One deployer builds at a time; cargo's own lock does not cover the folder that the binaries are copied to.
async fn lock(context: &Context, lambda: &Path) -> Result<File> {
    let folder = lambda.to_owned();
    let open = move || {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create the folder", &folder, &error))?;
        let path = folder.join(".deployer-lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        file.map_err(|error| Error::io("open", &path, &error))
    };
    let file = blocking(open).await?;
    if file.try_lock().is_err() {
        context.ui.step("wait", "another deployer is building these workers");
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

/// The content of a stamp.
#[derive(Serialize, Deserialize)]
struct Made {
    inputs: String,
    /// SHA-256 of the lock file as cargo left it.
    lock: Option<String>,
    binaries: BTreeMap<String, Binary>,
}

/// A binary as it was.
#[derive(Serialize, Deserialize)]
struct Binary {
    path: PathBuf,
    /// Its size and time stamp.
    mark: String,
    facts: Facts,
}

impl Stamp {
    /// The binaries that these inputs gave, unread: whoever needs their bytes compares them with the digest.
    fn current(&self, job: &Job) -> Option<BTreeMap<String, Content>> {
        let made: Made = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        if made.inputs != self.inputs || made.lock != job.workspace.lock_digest() {
            return None;
        }
        let one = |name: &String| {
            let binary = made.binaries.get(name)?;
            // Another build has replaced it, or a cleaner has removed it.
            if mark(&binary.path)? != binary.mark {
                return None;
            }
            Some((name.clone(), Content::file(binary.facts.clone(), binary.path.clone())))
        };
        job.binaries.iter().map(one).collect()
    }

    fn write(&self, workspace: &Workspace, all: &BTreeMap<String, Content>) -> Result<()> {
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

/// Reads and checks all binaries of a build. `said` is what cargo wrote to stdout.
fn read(job: &Job, said: &[String]) -> Result<BTreeMap<String, Content>> {
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

/// Where cargo put programs, by its messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html>.
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

impl Job {
    /// Arguments of cargo or cargo-lambda, whose `--disable-optimizations` leaves the profile to `Cargo.toml`.
    fn arguments(&self) -> Vec<OsString> {
        let fixed = match (self.profile, self.architecture) {
            (Profile::Dev, _) => "build --bins --message-format json-render-diagnostics".to_owned(),
            (Profile::Release, architecture) => format!(
                "lambda build --release {} --skip-target-check --compiler cargo --disable-optimizations",
                match architecture {
                    Architecture::X86_64 => "--x86-64",
                    Architecture::Arm64 => "--arm64",
                }
            ),
        };
        let mut out: Vec<OsString> = fixed.split(' ').map(OsString::from).collect();
        out.extend(["--manifest-path".into(), self.workspace.root.join("Cargo.toml").into()]);
        if self.profile == Profile::Release {
            out.extend(["--lambda-dir".into(), self.layout.lambda.clone().into()]);
        }
        for package in &self.packages {
            out.extend(["-p".into(), package.into()]);
        }
        if self.workspace.locked {
            out.push("--locked".into());
        }
        out
    }

    /// The user's flags, and ours, where there are any.
    fn flags(&self) -> Option<String> {
        let own = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|flags| flags.replace('\x1f', " "));
        let own = own.or_else(|| std::env::var("RUSTFLAGS").ok()).filter(|flags| !flags.trim().is_empty());
        match (self.profile, own) {
            (Profile::Dev, own) => own,
            (Profile::Release, Some(own)) => Some(format!("{own} {STATIC}")),
            (Profile::Release, None) => Some(STATIC.to_owned()),
        }
    }

    /// Everything but files that decides what comes out. Not where the workspace is: the same sources elsewhere give the same.
    fn recipe(&self, flags: Option<&str>) -> String {
        let mut variables: Vec<String> = std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PROFILE_"))
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        variables.sort_unstable();
        let Self { packages, architecture, profile, rustc, .. } = self;
        let locked = self.workspace.locked;
        let flags = flags.unwrap_or_default();
        format!(
            "2\n{rustc}\n{packages:?} {architecture:?} {profile:?} {locked}\n{flags}\n{}\n",
            variables.join("\n")
        )
    }
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
    Ok(hex::encode(hasher.finalize()))
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
            format!("{CARGO_LAMBDA} names {}, which is not a file", path.display()),
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

/// Runs the build: cargo's own progress on a terminal, else a line from time to time and the end of it on failure. Gives
/// the lines that it wrote to stdout.
async fn run(
    context: &Context,
    workspace: &Workspace,
    program: &Path,
    arguments: &[OsString],
    flags: Option<&str>,
) -> Result<Vec<String>> {
    let mut command = workspace.command(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    // cargo-lambda says all it has to say on stderr.
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        command.stderr(Stdio::inherit());
    }
    let (status, said, tail) = captured(context, command, program, !terminal).await?;
    if status.success() {
        return Ok(said);
    }
    for line in tail {
        context.ui.detail(line);
    }
    let tool = if program.file_name().is_some_and(|name| name == "cargo") { "cargo" } else { "cargo lambda" };
    Err(Error::failed_with_hint(
        format!("the workers could not be built: {tool} build ended with {status}"),
        "see the output of cargo above; if the linker misses `-lc`, install the static C library (Debian: libc6-dev, \
         Fedora: glibc-static)",
    ))
}

fn not_started(program: &Path, error: &std::io::Error) -> Error {
    match program.is_absolute() {
        true => Error::failed_with_hint(
            format!("could not run {}: {error}", program.display()),
            INSTALL_CARGO_LAMBDA,
        ),
        false => missing("cargo", error),
    }
}

/// Runs a command to its end: its exit status, the lines of its stdout, and the last of its stderr.
async fn captured(
    context: &Context,
    mut command: Command,
    program: &Path,
    heartbeats: bool,
) -> Result<(ExitStatus, Vec<String>, VecDeque<String>)> {
    let mut child = command.spawn().map_err(|error| not_started(program, &error))?;
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let pipes: [(bool, Option<Box<dyn AsyncRead + Send + Unpin>>); 2] = [
        (true, child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>)),
        (false, child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>)),
    ];
    for (is_stdout, pipe) in pipes {
        let Some(pipe) = pipe else { continue };
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut pieces = BufReader::new(pipe).split(b'\n');
            while let Ok(Some(line)) = pieces.next_segment().await {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send((is_stdout, line)).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let (mut said, mut tail) = (Vec::new(), VecDeque::with_capacity(TAIL));
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some((_, line)) if line.is_empty() => {}
                Some((true, line)) if line.starts_with('{') => said.push(line),
                Some((_, line)) => {
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                None => break,
            },
            _ = heartbeat.tick(), if heartbeats => {
                let last = tail.back().map(|line| line.trim()).unwrap_or_default();
                context.ui.step("build", format!("still building: {last}"));
            }
        }
    }
    let status = child.wait().await.map_err(|error| not_started(program, &error))?;
    Ok((status, said, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// A static program, as far as its headers say.
    fn program_of(mark: u8) -> Vec<u8> {
        let mut out = vec![0; 64];
        out[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (out[16], out[18], out[63]) = (3, 62, mark);
        out
    }

    fn job(root: &Path, locked: bool, lambda: PathBuf, profile: Profile) -> Job {
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
    fn the_profile_is_that_of_the_place() {
        for (name, local, wanted) in [
            (None, true, Some(Profile::Dev)),
            (None, false, Some(Profile::Release)),
            (Some("release"), true, Some(Profile::Release)),
            (Some("dev"), true, Some(Profile::Dev)),
            (Some(""), true, Some(Profile::Dev)),
            (Some("dev"), false, None),
            (Some("fast"), true, None),
        ] {
            assert_eq!(Profile::named(name, local).ok(), wanted, "{name:?} {local}");
        }
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
        let text = |locked, profile| {
            let job = job(Path::new("/w"), locked, "/w/target/lambda".into(), profile);
            job.arguments().iter().map(|one| one.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            text(true, Profile::Release),
            "lambda build --release --x86-64 --skip-target-check --compiler cargo --disable-optimizations \
             --manifest-path /w/Cargo.toml --lambda-dir /w/target/lambda -p functions -p task --locked"
        );
        assert_eq!(
            text(true, Profile::Dev),
            "build --bins --message-format json-render-diagnostics --manifest-path /w/Cargo.toml -p functions -p task \
             --locked"
        );
        assert!(!text(false, Profile::Release).contains("--locked"));
    }
}
