//! Stages what the deployer shows and writes, for `include_dir!`:
//!
//! - `OUT_DIR/docs`: the pages of `docs/`, each in the form of zlib (RFC 1950).
//! - `OUT_DIR/templates`: what `init` writes: the examples, and the repository's own pipeline as `etl`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use stage::{compress, copy_sources, fresh};

#[path = "../build/stage.rs"]
mod stage;

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let repository = package.ancestors().nth(2).ok_or("the package lies outside its repository")?.to_owned();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    stage_docs(&repository, &fresh(&out.join("docs"))?)?;
    stage_templates(&repository, &package, &fresh(&out.join("templates"))?)
}

/// Copies the pages alone: the schema for editors is made by the deployer itself, that of its output is for
/// programs, the notes on its design are for those who change it, and a terminal shows no pictures.
fn stage_docs(repository: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let from = repository.join("docs");
    println!("cargo::rerun-if-changed={}", from.display());
    copy_sources(&from, to)?;
    for schema in ["diff.schema.json", "output.schema.json", "stack.schema.json"] {
        fs::remove_file(to.join(schema))?;
    }
    for folder in ["design", "images"] {
        fs::remove_dir_all(to.join(folder))?;
    }
    compress(to)
}

fn stage_templates(repository: &Path, package: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let examples = repository.join("examples");
    println!("cargo::rerun-if-changed={}", examples.display());
    for entry in fs::read_dir(&examples)? {
        let entry = entry?;
        if entry.path().join("stack.yaml").is_file() {
            copy_sources(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    let etl = to.join("etl");
    copy_sources(&repository.join("data-to-upload"), &etl.join("data-to-upload"))?;
    for (from, name) in [
        (repository.join("stack.yaml"), "stack.yaml"),
        (package.join("src/commands/init/etl.md"), "README.md"),
    ] {
        println!("cargo::rerun-if-changed={}", from.display());
        fs::copy(&from, etl.join(name)).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    println!("cargo::rerun-if-changed={}", repository.join("data-to-upload").display());
    Ok(())
}
