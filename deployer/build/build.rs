//! Stages what the deployer carries to build and publish, for `include_dir!`:
//!
//! - `OUT_DIR/project`: the sources of the workers as a workspace of their own.
//! - `OUT_DIR/programs`: the packed workers in `DEPLOYER_EMBED_WORKERS` (`deployer_packing::carried`), if that is set.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use stage::{copy_sources, fresh};

mod stage;

/// Folder with packed workers to carry, relative to the repository.
const EMBED_WORKERS: &str = "DEPLOYER_EMBED_WORKERS";
/// Names of the files in that folder; `src/embed.rs` has a test that these are the names that it looks for.
const PACKED: [&str; 3] = ["functions.zip", "extraction.layer", "packed.json"];

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
    Ok(())
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
    let mut out = String::new();
    // Comments and blank lines wait until the line after them is known to stay or not.
    let mut waiting = String::new();
    let mut section = "";
    let mut found = BTreeSet::new();
    let mut lines = manifest.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            waiting.push_str(line);
            waiting.push('\n');
            continue;
        }
        if trimmed.starts_with('[') {
            section = trimmed;
        }
        let comments = std::mem::take(&mut waiting);
        let name = trimmed.split([' ', '=']).next().unwrap_or_default();
        let keep = match section {
            "[workspace]" if name == "members" => {
                if !trimmed.ends_with(']') {
                    lines
                        .by_ref()
                        .find(|line| line.trim() == "]")
                        .ok_or("Cargo.toml: `members` has no end")?;
                }
                found.insert("members".to_owned());
                out.push_str(&comments);
                out.push_str("members = [\n");
                for member in members {
                    out.push_str(&format!("  \"{member}\",\n"));
                }
                out.push_str("]\n");
                continue;
            }
            "[workspace.package]" if name != section => {
                found.insert(name.to_owned());
                true
            }
            "[workspace.dependencies]" if name != section => {
                let keep = used.contains(name);
                if keep {
                    found.insert(name.to_owned());
                    if trimmed.contains("path = ") && !trimmed.contains("path = \"workers/") {
                        return Err(
                            format!("a worker depends on `{name}`, which lies outside of workers/").into()
                        );
                    }
                }
                keep
            }
            // Settings for single packages, some of which only the deployer has.
            _ => match section.strip_prefix("[profile.").and_then(|rest| rest.split_once(".package.")) {
                Some((_, package)) => {
                    let package = package.trim_matches([']', '"']);
                    package == "*" || built.contains(package)
                }
                None => true,
            },
        };
        if keep {
            out.push_str(&comments);
            out.push_str(line);
            out.push('\n');
        }
    }
    let missing = used.iter().filter(|name| *name != "lints" && !found.contains(*name));
    if let Some(missing) = missing.chain((!found.contains("members")).then_some(&"members".to_owned())).next()
    {
        return Err(format!("Cargo.toml: `{missing}` was not found; build.rs reads one entry a line").into());
    }
    Ok(out)
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
