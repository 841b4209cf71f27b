//! Stages what the deployer carries to build and publish, for `include_dir!`:
//!
//! - `OUT_DIR/project`: the sources of the workers as a workspace of their own, each file in the form of zlib (RFC 1950).
//! - `OUT_DIR/programs`: the packed workers in `DEPLOYER_EMBED_WORKERS` (`deployer_packing::carried`), if that is set.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use stage::{compress, copy_sources, fresh};
use toml_edit::{Array, DocumentMut, Item, value};

mod stage;

/// Folder with packed workers to carry, relative to the repository.
const EMBED_WORKERS: &str = "DEPLOYER_EMBED_WORKERS";
/// Names of the files in that folder; `src/embed.rs` has a test that these are the names that it looks for.
const PACKED: [&str; 4] = ["functions.zip", "extraction.before", "extraction.after", "packed.json"];

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let repository = package.ancestors().nth(2).ok_or("the package lies outside its repository")?.to_owned();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    stage_project(&repository, &fresh(&out.join("project"))?)?;
    stage_programs(&repository, &fresh(&out.join("programs"))?)
}

fn stage_project(repository: &Path, project: &Path) -> Result<(), Box<dyn Error>> {
    let workers = repository.join("workers");
    let (manifest, lock) = (repository.join("Cargo.toml"), repository.join("Cargo.lock"));
    for path in [&workers, &manifest, &lock] {
        // Cargo looks at every file below a folder.
        println!("cargo::rerun-if-changed={}", path.display());
    }
    copy_sources(&workers, &project.join("workers"))?;
    fs::copy(&lock, project.join("Cargo.lock")).map_err(|error| format!("{}: {error}", lock.display()))?;

    let lock = fs::read_to_string(&lock)?;
    let mut members = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut built = BTreeSet::new();
    for entry in fs::read_dir(project.join("workers"))? {
        let entry = entry?;
        if let Ok(text) = fs::read_to_string(entry.path().join("Cargo.toml")) {
            members.insert(format!("workers/{}", entry.file_name().to_string_lossy()));
            used.extend(inherited(&text));
            built.extend(closure(&lock, package_of(&text).ok_or("a worker's manifest names no package")?));
        }
    }
    let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    fs::write(project.join("Cargo.toml"), reduced(&text, &members, &used, &built)?)?;
    compress(project)
}

/// Returns the name of the package of a manifest.
fn package_of(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

/// Returns the names of the dependencies that a manifest takes from its workspace.
fn inherited(manifest: &str) -> Vec<String> {
    let uses = |line: &str| {
        let (name, rest) = line.split_at(line.find(['.', ' ', '='])?);
        let rest = rest.replace(' ', "");
        let inherits = rest.starts_with(".workspace=true") || rest.contains("workspace=true");
        inherits.then(|| name.to_owned())
    };
    manifest.lines().filter_map(uses).collect()
}

/// Returns the names of all packages that one is built with, by `Cargo.lock`.
fn closure(lock: &str, package: &str) -> BTreeSet<String> {
    let dependencies = |name: &str| -> Vec<String> {
        let head = format!("\nname = \"{name}\"\n");
        let packages = lock.split("[[package]]").filter(|text| text.starts_with(&head));
        let lines = packages.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix('"'));
        // `"name"`, or `"name version"` where there are several.
        lines.filter_map(|line| line.split([' ', '"']).next()).map(str::to_owned).collect()
    };
    let mut found = BTreeSet::new();
    let mut waiting = vec![package.to_owned()];
    while let Some(name) = waiting.pop() {
        if found.insert(name.clone()) {
            waiting.extend(dependencies(&name));
        }
    }
    found
}

/// Reduces the repository's manifest to the workers: their members, their dependencies, no settings of packages that
/// they are not `built` with.
fn reduced(
    manifest: &str,
    members: &BTreeSet<String>,
    used: &BTreeSet<String>,
    built: &BTreeSet<String>,
) -> Result<String, Box<dyn Error>> {
    let mut document: DocumentMut = manifest.parse()?;
    let workspace = document.get_mut("workspace").and_then(Item::as_table_mut);
    let workspace = workspace.ok_or("Cargo.toml has no [workspace]")?;
    workspace.insert("members", value(one_a_line(members)));

    let of_package = |name: &str| {
        ["workspace", "package"].iter().try_fold(document.as_item(), |item, key| item.get(key))?.get(name)
    };
    let dependencies = document["workspace"]["dependencies"].as_table();
    let dependencies = dependencies.ok_or("Cargo.toml has no [workspace.dependencies]")?;
    for name in used.iter().filter(|name| *name != "lints") {
        let dependency = dependencies.get(name);
        if dependency.is_none() && of_package(name).is_none() {
            return Err(format!("Cargo.toml: a worker inherits `{name}`, which was not found").into());
        }
        let path = dependency.and_then(|one| one.get("path")).and_then(Item::as_str);
        if path.is_some_and(|path| !path.starts_with("workers/")) {
            return Err(format!("a worker depends on `{name}`, which is outside of workers/").into());
        }
    }
    if let Some(dependencies) = document["workspace"]["dependencies"].as_table_mut() {
        dependencies.retain(|name, _| used.contains(name));
    }
    // Settings of single packages, some of which only the deployer is built with.
    let profiles = document.get_mut("profile").and_then(Item::as_table_mut);
    for (_, profile) in profiles.into_iter().flat_map(|profiles| profiles.iter_mut()) {
        if let Some(packages) = profile.get_mut("package").and_then(Item::as_table_mut) {
            packages.retain(|name, _| name == "*" || built.contains(name));
        }
    }
    Ok(document.to_string())
}

/// An array of texts with a line for each.
fn one_a_line(texts: &BTreeSet<String>) -> Array {
    let mut array: Array = texts.iter().map(String::as_str).collect();
    for text in array.iter_mut() {
        text.decor_mut().set_prefix("\n  ");
    }
    array.set_trailing("\n");
    array.set_trailing_comma(true);
    array
}

fn stage_programs(repository: &Path, programs: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={EMBED_WORKERS}");
    let Some(folder) = env::var_os(EMBED_WORKERS).filter(|folder| !folder.is_empty()) else {
        return Ok(());
    };
    let folder = repository.join(folder);
    for name in PACKED {
        let from = folder.join(name);
        println!("cargo::rerun-if-changed={}", from.display());
        fs::copy(&from, programs.join(name))
            .map_err(|error| format!("{EMBED_WORKERS}: {}: {error}", from.display()))?;
    }
    Ok(())
}
