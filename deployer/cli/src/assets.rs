//! From the name of a worker, a package or a zip to published code. Between the plan and the change set of a deploy:
//! find or build the programs ([`build`], [`embed`]), pack them ([`packing`], [`cache`]) and put what is missing where
//! CloudFormation finds it ([`mod@publish`]).
//!
//! Everything is named by its content, and what is known of that is enough for a plan: bytes are read when they are sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::try_join_all;
use packing::{Content, image, zip};
use stack_core::assets::{Asset, AssetKind};
use stack_core::model::code::{Architecture, Code};
use stack_core::model::worker::Program;

use build::Profile;
use cache::Cache;
use deployer_base::error::{Error, Result};

use crate::context::Context;

mod build;
pub mod cache;
pub mod embed;
mod publish;
mod workspace;

pub use packing::sha256_hex;
pub use publish::{REPOSITORY, bucket_name, ensure_bucket, ensure_repository, expected_values, publish};

/// Code that is ready to be published.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What it is for.
    pub asset: Asset,
    /// SHA-256 of the zip, or of the image's manifest: 64 hexadecimal digits that the parameter's value contains.
    pub digest: String,
    package: Arc<Package>,
}

/// Code as it is published.
#[derive(Debug)]
enum Package {
    Zip(Content),
    Image(Box<image::Image>),
}

impl Package {
    fn digest(&self) -> &str {
        match self {
            Self::Zip(zip) => &zip.facts.sha256,
            Self::Image(image) => image.manifest.hex(),
        }
    }
}

impl Prepared {
    /// Bytes of the zip or of all parts of the image.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.package.as_ref() {
            Package::Zip(zip) => zip.facts.size,
            Package::Image(image) => image.size(),
        }
    }
}

/// What a package is made of, and how: assets with the same give the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Recipe {
    source: Source,
    architecture: Architecture,
    kind: AssetKind,
}

/// What is packed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A program of the deployer's own.
    Own(Program),
    /// One of the user's.
    Package(build::Wanted),
    /// Nothing: it is packed already.
    Zip(String),
}

impl Recipe {
    fn of(asset: &Asset) -> Self {
        let (architecture, kind) = (asset.architecture, asset.kind);
        let source = match &asset.code {
            Code::Worker(worker) => Source::Own(worker.program()),
            Code::Package { path, bin } => {
                Source::Package(build::Wanted { path: path.clone(), bin: bin.clone(), architecture })
            }
            Code::Zip { path } => Source::Zip(path.clone()),
        };
        Self { source, architecture, kind }
    }
}

/// Finds or builds the programs for these assets, and packs them. `local` says whether they are for the local cloud. Calls
/// nothing of AWS.
///
/// # Errors
/// When a tool or file is missing, the build fails, or a program would not run where it goes.
pub async fn prepare(context: &Context, assets: &[Asset], local: bool) -> Result<Vec<Prepared>> {
    let wanted: BTreeMap<Recipe, &Asset> = assets.iter().map(|asset| (Recipe::of(asset), asset)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let profile = Profile::of(local)?;
    let mut packages: BTreeMap<&Recipe, Arc<Package>> = BTreeMap::new();
    // Files that are missing are said before anything is built.
    for recipe in wanted.keys() {
        if let Source::Zip(path) = &recipe.source {
            let file = context.folder().join(path);
            packages.insert(recipe, Arc::new(Package::Zip(blocking(move || Ok(zip::read(&file)?)).await?)));
        }
    }
    let own: BTreeSet<build::Wanted> = wanted
        .keys()
        .filter_map(|recipe| match &recipe.source {
            Source::Package(wanted) => Some(wanted.clone()),
            Source::Own(_) | Source::Zip(_) => None,
        })
        .collect();
    let built = build::packages(context, &own, profile).await?;
    let programs = match wanted.keys().any(|recipe| matches!(recipe.source, Source::Own(_))) {
        true => programs(context, profile).await?,
        false => Programs::Carried,
    };
    let packing = wanted.iter().filter(|(recipe, _)| !matches!(recipe.source, Source::Zip(_))).map(
        async |(recipe, asset)| {
            let found = match &recipe.source {
                Source::Own(program) => match &programs {
                    Programs::Carried => {
                        let carried = embed::program(*program).ok_or_else(|| lost(program.name()))?;
                        return Ok((recipe, Arc::new(package(asset, carried))));
                    }
                    Programs::Built(all, cache) => all.get(program).map(|one| (one.clone(), cache.clone())),
                },
                Source::Package(wanted) => built.get(wanted).cloned(),
                Source::Zip(_) => None,
            };
            let name = asset.code.program().to_owned();
            let (program, cache) = found.ok_or_else(|| lost(&name))?;
            let kind = recipe.kind;
            let packed = blocking(move || pack(&name, kind, &program, &cache)).await?;
            Ok::<_, Error>((recipe, Arc::new(package(asset, packed))))
        },
    );
    packages.extend(try_join_all(packing).await?);
    let prepared = assets.iter().filter_map(|asset| {
        let package = Arc::clone(packages.get(&Recipe::of(asset))?);
        Some(Prepared { asset: asset.clone(), digest: package.digest().to_owned(), package })
    });
    Ok(prepared.collect())
}

fn lost(name: &str) -> Error {
    Error::failed(format!("there is no program `{name}`"))
}

/// Where the deployer's own programs come from.
enum Programs {
    /// Out of the deployer, packed.
    Carried,
    /// From sources. Also where to keep what they are packed into.
    Built(BTreeMap<Program, Content>, Cache),
}

/// The deployer's own programs: built beside the stack file, else carried along, else built from the carried sources.
async fn programs(context: &Context, profile: Profile) -> Result<Programs> {
    let workspace = match workspace::Workspace::beside(context) {
        Some(workspace) => workspace,
        None if Program::ALL.into_iter().all(|program| embed::program(program).is_some()) => {
            return Ok(Programs::Carried);
        }
        None => blocking(workspace::Workspace::carried).await?,
    };
    let (all, cache) = build::workers(context, workspace, profile).await?;
    Ok(Programs::Built(all, cache))
}

/// Whether any of this code must be built, so that tools are needed.
#[must_use]
pub fn needs_build(context: &Context, assets: &[Asset]) -> bool {
    assets.iter().any(|asset| match &asset.code {
        Code::Package { .. } => true,
        Code::Worker(worker) => {
            workspace::Workspace::beside(context).is_some() || embed::program(worker.program()).is_none()
        }
        Code::Zip { .. } => false,
    })
}

/// Whether cargo-lambda builds it; for the local cloud cargo does so alone.
#[must_use]
pub fn needs_cargo_lambda(local: bool) -> bool {
    !matches!(Profile::of(local), Ok(Profile::Dev))
}

/// The tool that builds workers for AWS.
///
/// # Errors
/// When it is not found.
pub fn cargo_lambda(context: &Context) -> Result<std::path::PathBuf> {
    build::find_cargo_lambda(context)
}

/// A program as it is sent: a zip, or the layer of an image.
fn pack(name: &str, kind: AssetKind, program: &Content, cache: &Cache) -> Result<Content> {
    match kind {
        AssetKind::Zip => cache.packed(&format!("{name}.zip"), zip::METHOD, program, |program| {
            let zip = zip::pack(program)?;
            let facts = packing::Facts::of(&zip);
            Ok((zip, facts))
        }),
        AssetKind::Image => cache
            .packed(&format!("{name}.layer"), image::METHOD, program, |program| image::layer(name, program)),
    }
}

/// What is published for an asset.
fn package(asset: &Asset, packed: Content) -> Package {
    match asset.kind {
        AssetKind::Zip => Package::Zip(packed),
        AssetKind::Image => {
            Package::Image(Box::new(image::of(asset.code.program(), asset.architecture, packed)))
        }
    }
}

/// Runs work that keeps a processor busy, or reads many files, away from the threads that wait for the network.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::failed(error.to_string())),
        },
    }
}
