//! Sources → programs, by one build for a workspace, and only when something has changed since the last.
//!
//! For AWS `cargo lambda build` makes optimised, static programs. For the local cloud, which runs them as processes of
//! this machine, `cargo build` makes them in the profile of tests and debugging: in a project that is worked on, most
//! of that is built already.
//!
//! A stamp says from what programs were built and what they are. Its name is that of their inputs, and it is written
//! last, so a build that was interrupted is one that has not happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use deployer_base::error::{Error, Result};
use deployer_base::meter::Waits;
use deployer_base::ui::Ui;
use deployer_lang::model::code::Architecture;
use deployer_lang::model::worker::Program;
use deployer_packing::Content;

use self::job::{Job, PACKAGES, target};
use self::run::run;
use self::sources::digest_of_sources;
use self::stamp::{Stamp, read};
use crate::blocking::blocking;
use crate::cache::Cache;
use crate::cargo_lambda;
use crate::profile::Profile;
use crate::project::Project;
use crate::workspace::{Layout, Workspace, host};

pub(crate) mod job;
mod run;
pub(crate) mod sources;
mod stamp;

/// A program of a Cargo package of the user's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wanted {
    /// Folder of the package, relative to the stack file.
    pub(crate) path: String,
    /// Name of the binary; by default the one with the name of the package.
    pub(crate) bin: Option<String>,
    /// Processor.
    pub(crate) architecture: Architecture,
}

/// Builds the deployer's own programs if they are not current.
///
/// # Errors
/// If a tool is missing, the build fails, or a binary would not run on its target.
pub(crate) async fn workers(
    project: Project<'_>,
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
    let (mut all, cache) = build(project, job).await?;
    let of = |program: Program| Some((program, all.remove(program.name())?));
    Ok((Program::ALL.into_iter().filter_map(of).collect(), cache))
}

/// Builds programs of the user's packages if they are not current: one build for each workspace and processor.
///
/// # Errors
/// As [`workers`]; also if there is no such package or binary.
pub(crate) async fn packages(
    project: Project<'_>,
    wanted: &BTreeSet<Wanted>,
    profile: Profile,
) -> Result<BTreeMap<Wanted, (Content, Cache)>> {
    /// A build, and the binary in it of each program that is wanted.
    type Programs = (Job, Vec<(Wanted, String)>);
    let mut jobs: BTreeMap<(PathBuf, Architecture), Programs> = BTreeMap::new();
    for one in wanted {
        let found = find_package(project, one, profile).await?;
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
        let (all, cache) = build(project, job).await?;
        for (wanted, binary) in programs {
            if let Some(binary) = all.get(&binary) {
                out.insert(wanted, (binary.clone(), cache.clone()));
            }
        }
    }
    Ok(out)
}

/// Creates the build of one package.
pub(crate) async fn find_package(project: Project<'_>, wanted: &Wanted, profile: Profile) -> Result<Job> {
    let folder = project.folder.join(&wanted.path);
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

/// Builds if something has changed since the last time; returns the binaries by name.
async fn build(project: Project<'_>, job: Job) -> Result<(BTreeMap<String, Content>, Cache)> {
    let (arguments, flags) = (job.arguments(), job.flags());
    let recipe = job.recipe(flags.as_deref());
    let Job { workspace, layout, .. } = &job;
    let inputs = {
        let (root, folders, target) = (workspace.root.clone(), layout.folders.clone(), layout.target.clone());
        blocking(move || digest_of_sources(&root, &folders, &target, &recipe)).await?
    };
    let kept = layout.lambda.join(".deployer");
    let cache = Cache::new(Some(kept.clone()));

    let _guard = lock(project.ui, &layout.lambda).await?;
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
            (cargo_lambda::find(project.folder)?, machine)
        }
    };
    let (profile, root) = (job.profile.name(), workspace.root.display());
    project.may_build().await;
    project.ui.step("build", format!("{what} in {root} ({profile}, {machine})"));
    let started = Instant::now();
    let said = run(project.ui, workspace, &program, &arguments, flags.as_deref()).await;
    if let Some(meter) = project.meter {
        meter.note(Waits::Build, started.elapsed());
    }
    let said = said?;
    project.ui.step("build", format!("done in {:.1} s", started.elapsed().as_secs_f32()));
    let all = blocking(move || {
        let all = read(&job, &said)?;
        stamp.write(&job.workspace, &all)?;
        Ok(all)
    })
    .await?;
    Ok((all, cache))
}

/// Takes a lock, so that one deployer builds at a time; cargo's own lock does not cover the folder that the binaries
/// are copied to.
async fn lock(ui: &Ui, lambda: &Path) -> Result<File> {
    let folder = lambda.to_owned();
    let open = move || {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create the folder", &folder, &error))?;
        let path = folder.join(".deployer-lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        file.map_err(|error| Error::io("open", &path, &error))
    };
    let file = blocking(open).await?;
    if file.try_lock().is_err() {
        ui.step("wait", "another deployer is building these workers");
        return blocking(move || {
            file.lock()
                .map_err(|error| Error::failed(format!("could not wait for another build: {error}")))?;
            Ok(file)
        })
        .await;
    }
    Ok(file)
}
