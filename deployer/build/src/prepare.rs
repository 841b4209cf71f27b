//! From the name of a worker, a package or a zip to packed code: finds or builds the programs, and packs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deployer_base::error::{Error, Result};
use deployer_lang::assets::{Asset, AssetKind};
use deployer_lang::model::code::{Architecture, Code};
use deployer_lang::model::worker::Program;
use deployer_packing::{Content, image, zip};
use futures::future::try_join_all;

use crate::blocking::blocking;
use crate::cache::Cache;
use crate::prepared::{Package, Prepared};
use crate::profile::Profile;
use crate::project::Project;
use crate::{build, embed, workspace};

/// The source of a package, and the way it is packed: assets with the same recipe give the same package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Recipe {
    source: Source,
    architecture: Architecture,
    kind: AssetKind,
}

/// The input of packing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A program of the deployer's own.
    Own(Program),
    /// A program of the user's.
    Package(build::Wanted),
    /// A zip, which is packed already.
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

/// Finds or builds the programs for these assets, and packs them. `local` is `true` if they are for the local cloud.
/// Makes no calls of AWS.
///
/// # Errors
/// If a tool or file is missing, the build fails, or a program would not run on its target.
pub async fn prepare(project: Project<'_>, assets: &[Asset], local: bool) -> Result<Vec<Prepared>> {
    let wanted: BTreeMap<Recipe, &Asset> = assets.iter().map(|asset| (Recipe::of(asset), asset)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let profile = Profile::of(local)?;
    let mut packages: BTreeMap<&Recipe, Arc<Package>> = BTreeMap::new();
    // Missing files are reported before anything is built.
    for recipe in wanted.keys() {
        if let Source::Zip(path) = &recipe.source {
            let file = project.folder.join(path);
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
    let built = build::packages(project, &own, profile).await?;
    let programs = match wanted.keys().any(|recipe| matches!(recipe.source, Source::Own(_))) {
        true => programs(project, profile).await?,
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
            let packed = blocking(move || pack(&name, kind, profile, &program, &cache)).await?;
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

/// The origin of the deployer's own programs.
enum Programs {
    /// Packed programs that the deployer carries.
    Carried,
    /// Programs built from sources, and the cache for their packed code.
    Built(BTreeMap<Program, Content>, Cache),
}

/// Returns the deployer's own programs: built beside the stack file, else carried along, else built from the carried
/// sources.
async fn programs(project: Project<'_>, profile: Profile) -> Result<Programs> {
    let workspace = match workspace::Workspace::beside(project) {
        Some(workspace) => workspace,
        None if Program::ALL.into_iter().all(|program| embed::program(program).is_some()) => {
            return Ok(Programs::Carried);
        }
        None => blocking(workspace::Workspace::carried).await?,
    };
    let (all, cache) = build::workers(project, workspace, profile).await?;
    Ok(Programs::Built(all, cache))
}

/// Checks whether any of this code must be built, so that tools are needed.
#[must_use]
pub fn needs_build(project: Project<'_>, assets: &[Asset]) -> bool {
    assets.iter().any(|asset| match &asset.code {
        Code::Package { .. } => true,
        Code::Worker(worker) => {
            workspace::Workspace::beside(project).is_some() || embed::program(worker.program()).is_none()
        }
        Code::Zip { .. } => false,
    })
}

/// Checks whether cargo-lambda builds the code; for the local cloud cargo does so alone.
#[must_use]
pub fn needs_cargo_lambda(local: bool) -> bool {
    !matches!(Profile::of(local), Ok(Profile::Dev))
}

/// Packs a program as it is sent: as a zip, or as the layer of an image. A program for this machine is packed quickly, and one for
/// AWS as small as can be.
fn pack(name: &str, kind: AssetKind, profile: Profile, program: &Content, cache: &Cache) -> Result<Content> {
    let zipped = |zip: Vec<u8>| {
        let facts = deployer_packing::Facts::of(&zip);
        (zip, facts)
    };
    let (zip, layer) = (format!("{name}.zip"), format!("{name}.layer"));
    match (kind, profile) {
        (AssetKind::Zip, Profile::Dev) => {
            cache.packed(&zip, zip::QUICK_METHOD, program, |program| zip::pack_quickly(program).map(zipped))
        }
        (AssetKind::Zip, Profile::Release) => {
            cache.packed(&zip, zip::METHOD, program, |program| zip::pack(program).map(zipped))
        }
        (AssetKind::Image, Profile::Dev) => {
            cache.packed(&layer, image::QUICK_METHOD, program, |program| image::layer_quickly(name, program))
        }
        (AssetKind::Image, Profile::Release) => {
            cache.packed(&layer, image::METHOD, program, |program| image::layer(name, program))
        }
    }
}

/// Returns the package that is published for an asset.
fn package(asset: &Asset, packed: Content) -> Package {
    match asset.kind {
        AssetKind::Zip => Package::Zip(packed),
        AssetKind::Image => {
            Package::Image(Box::new(image::of(asset.code.program(), asset.architecture, packed)))
        }
    }
}
