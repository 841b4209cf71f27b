//! From the name of a worker, a package or a zip to published code. Between the plan and the change set of a deploy:
//! find or build the binaries ([`build`], [`embed`]), check them ([`elf`]), pack them ([`zip`], [`image`]) and put what is
//! missing where CloudFormation finds it ([`publish`]).
//!
//! Everything is named by its content: the same binary gives the same digest, on every machine, at any time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::try_join_all;
use sha2::{Digest as _, Sha256};
use stack_core::assets::{Asset, AssetKind, Worker};
use stack_core::model::code::{Architecture, Code};

use cache::{Cache, Packed};

use crate::context::Context;
use crate::error::{Error, Result};

mod build;
pub mod cache;
mod elf;
pub mod embed;
pub mod image;
mod publish;
mod zip;

pub use publish::{REPOSITORY, bucket_name, ensure_bucket, ensure_repository, expected_values, publish};

/// A program: carried by the deployer, or read after a build.
type Binary = Arc<Cow<'static, [u8]>>;

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
    Zip(Packed),
    Image(image::Image),
}

impl Prepared {
    /// Bytes of the zip or of all parts of the image.
    #[must_use]
    pub fn size(&self) -> usize {
        match self.package.as_ref() {
            Package::Zip(packed) => packed.bytes.len(),
            Package::Image(image) => image.size(),
        }
    }
}

/// What a package is made of, and how: assets with the same give the same.
type Recipe = (Code, Architecture, AssetKind);

/// Finds or builds the binaries for these assets, reads the zips, and packs them. Calls nothing of AWS.
///
/// # Errors
/// When a tool or file is missing, the build fails, or a binary would not run where it goes.
pub async fn prepare(context: &Context, assets: &[Asset]) -> Result<Vec<Prepared>> {
    let recipe = |asset: &Asset| (asset.code.clone(), asset.architecture, asset.kind);
    let wanted: BTreeSet<Recipe> = assets.iter().map(recipe).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut packages: BTreeMap<Recipe, (String, Arc<Package>)> = BTreeMap::new();
    // Files that are missing are said before anything is built.
    for one in &wanted {
        if let (Code::Zip { path }, ..) = one {
            let file = context.folder().join(path);
            let packed = blocking(move || zip::read(&file)).await?;
            packages.insert(one.clone(), (hex(&packed.sha256), Arc::new(Package::Zip(packed))));
        }
    }
    let workers: BTreeSet<Worker> = wanted.iter().filter_map(|(code, ..)| code.worker()).collect();
    let own: BTreeSet<build::Wanted> = wanted
        .iter()
        .filter_map(|(code, architecture, _)| match code {
            Code::Package { path, bin } => {
                Some(build::Wanted { path: path.clone(), bin: bin.clone(), architecture: *architecture })
            }
            Code::Worker(_) | Code::Zip { .. } => None,
        })
        .collect();
    let own = build::packages(context, &own).await?;
    let (workers, cache) = match workers.is_empty() {
        true => (BTreeMap::new(), Cache::new(None)),
        false => binaries(context, &workers).await?,
    };
    let packing = wanted.into_iter().filter(|(code, ..)| !matches!(code, Code::Zip { .. })).map(|one| {
        let found = match &one.0 {
            Code::Worker(worker) => workers.get(worker).map(|binary| (Arc::clone(binary), cache.clone())),
            Code::Package { path, bin } => {
                let wanted = build::Wanted { path: path.clone(), bin: bin.clone(), architecture: one.1 };
                own.get(&wanted).map(|(binary, cache)| (Arc::clone(binary), cache.clone()))
            }
            Code::Zip { .. } => None,
        };
        async move {
            let name = one.0.name().to_owned();
            let (binary, cache) =
                found.ok_or_else(|| Error::failed(format!("there is no binary of `{name}`")))?;
            let (architecture, kind) = (one.1, one.2);
            let (digest, package) =
                blocking(move || pack(&name, architecture, kind, &binary, &cache)).await?;
            Ok::<_, Error>((one, (digest, Arc::new(package))))
        }
    });
    packages.extend(try_join_all(packing).await?);
    let prepared = assets.iter().filter_map(|asset| {
        let (digest, package) = packages.get(&recipe(asset))?;
        Some(Prepared { asset: asset.clone(), digest: digest.clone(), package: Arc::clone(package) })
    });
    Ok(prepared.collect())
}

/// The workers' binaries: built beside the stack file, else carried along, else built from the carried sources.
/// Also where to keep what they are packed into.
async fn binaries(
    context: &Context,
    workers: &BTreeSet<Worker>,
) -> Result<(BTreeMap<Worker, Binary>, Cache)> {
    if let Some(workspace) = build::Workspace::beside(context) {
        return build::workers(context, workspace, workers).await;
    }
    let carried = workers.iter().map(|worker| {
        let binary = embed::binary(*worker)?;
        Some(
            elf::check(&format!("the carried worker `{}`", worker.name()), binary, Architecture::X86_64)
                .map(|()| (*worker, Arc::new(Cow::Borrowed(binary)))),
        )
    });
    if let Some(carried) = carried.collect::<Option<Result<_>>>() {
        let folder = embed::cache_folder().ok().map(|folder| folder.join("packed"));
        return Ok((carried?, Cache::new(folder)));
    }
    let workspace = blocking(build::Workspace::carried).await?;
    build::workers(context, workspace, workers).await
}

/// Whether any of this code must be built, so that tools are needed.
#[must_use]
pub fn needs_build(context: &Context, assets: &[Asset]) -> bool {
    assets.iter().any(|asset| match &asset.code {
        Code::Package { .. } => true,
        Code::Worker(worker) => {
            build::Workspace::beside(context).is_some() || embed::binary(*worker).is_none()
        }
        Code::Zip { .. } => false,
    })
}

/// The tool that builds workers.
///
/// # Errors
/// When it is not found.
pub fn cargo_lambda(context: &Context) -> Result<std::path::PathBuf> {
    build::find_cargo_lambda(context)
}

fn pack(
    name: &str,
    architecture: Architecture,
    kind: AssetKind,
    binary: &[u8],
    cache: &Cache,
) -> Result<(String, Package)> {
    match kind {
        AssetKind::Zip => {
            let packed = zip::pack(name, binary, cache)?;
            Ok((hex(&packed.sha256), Package::Zip(packed)))
        }
        AssetKind::Image => {
            let image = image::pack(name, architecture, binary, cache)?;
            Ok((image.manifest.hex().to_owned(), Package::Image(image)))
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

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 as 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 with padding (RFC 4648, section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            // A chunk of n bytes fills n + 1 places.
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            out.push(if place <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn sha256_is_that_of_the_standard() {
        // FIPS 180-4, example of one block.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
