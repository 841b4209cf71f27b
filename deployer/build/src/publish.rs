//! Puts prepared code where CloudFormation finds it: zips in the asset bucket, images in the asset repository.
//!
//! Names are digests. So an object that exists is right, two deployers cannot overwrite each other, and a publication
//! that was broken off goes on where it stopped.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::DeployedStack;
use deployer_aws::session::Session;
use deployer_aws::{ecr, s3};
use deployer_base::error::{Error, Result};
use deployer_base::ui::Ui;
use deployer_lang::assets::ASSET_BUCKET_PARAMETER;
use deployer_oci::registry::Registry;
use deployer_packing::Content;
use deployer_packing::image::Image;
use deployer_syntax::units::human;
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::prepared::{Package, Prepared};

/// The repository for images. Task execution roles may pull from it and from no other (`deployer_lang::lower`).
pub const REPOSITORY: &str = "deployer-assets";
/// Number of uploads at a time.
const PARALLEL: usize = 4;

/// Returns the name of the bucket for zips: one for each account and region, since Lambda takes code from its own
/// region only.
#[must_use]
pub fn bucket_name(session: &Session) -> String {
    bucket_name_of(&session.account, &session.region)
}

/// Returns the name of the bucket for zips of an account and region.
#[must_use]
pub fn bucket_name_of(account: &str, region: &str) -> String {
    format!("deployer-assets-{account}-{region}")
}

/// Publishes the missing code, and returns the template's parameters for code.
///
/// # Errors
/// If AWS refuses, or a published object does not hold the content of its name.
pub async fn publish(ui: &Ui, session: &Session, prepared: &[Prepared]) -> Result<BTreeMap<String, String>> {
    let mut zips = BTreeMap::new();
    let mut images = BTreeMap::new();
    for one in prepared {
        // A worker of several functions is published once.
        match one.package.as_ref() {
            Package::Zip(packed) => drop(zips.insert(key(one), (one, packed))),
            Package::Image(image) => drop(images.insert(one.digest.as_str(), (one, image.as_ref()))),
        }
    }
    let (uploaded, (uri, pushed)) =
        tokio::try_join!(publish_zips(ui, session, &zips), publish_images(ui, session, &images))?;
    let total = zips.len() + images.len();
    let sizes = [uploaded, pushed].concat();
    if total > 0 {
        let summary = match sizes.len() {
            0 => "nothing to upload: all code is already there".to_owned(),
            sent => format!("{sent} of {total}, {}", human(sizes.iter().sum::<u64>())),
        };
        ui.step("published", summary);
    }

    let mut values: BTreeMap<String, String> = prepared
        .iter()
        .map(|one| {
            let value = match one.package.as_ref() {
                Package::Zip(_) => key(one),
                Package::Image(image) => format!("{uri}@{}", image.manifest.digest),
            };
            (one.asset.parameter.clone(), value)
        })
        .collect();
    if !zips.is_empty() {
        values.insert(ASSET_BUCKET_PARAMETER.to_owned(), bucket_name(session));
    }
    Ok(values)
}

/// Returns the template's parameters for code as [`publish`] will return them, before anything is published. An image
/// has the address of the deployed repository, if there is one.
pub fn expected_values(
    session: &Session,
    prepared: &[Prepared],
    deployed: Option<&DeployedStack>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for one in prepared {
        let value = match one.package.as_ref() {
            Package::Zip(_) => {
                values.insert(ASSET_BUCKET_PARAMETER.to_owned(), bucket_name(session));
                key(one)
            }
            Package::Image(image) => {
                let there = deployed.and_then(|stack| stack.parameters.get(&one.asset.parameter));
                let uri = there.and_then(|value| value.split_once('@')).map_or_else(
                    || {
                        let (account, region, domain) = (&session.account, &session.region, session.domain());
                        format!("{account}.dkr.ecr.{region}.{domain}/{REPOSITORY}")
                    },
                    |(uri, _)| uri.to_owned(),
                );
                format!("{uri}@{}", image.manifest.digest)
            }
        };
        values.insert(one.asset.parameter.clone(), value);
    }
    values
}

/// Returns the key of a zip in the bucket; the template's parameter has a pattern for it.
fn key(prepared: &Prepared) -> String {
    format!("{}/{}.zip", key_name(prepared.asset.code.program()), prepared.digest)
}

/// Returns the name with `-` instead of the characters that the template's pattern does not allow.
fn key_name(name: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    name.chars().map(|letter| if allowed(letter) { letter } else { '-' }).collect()
}

/// Uploads the zips that are missing; returns their sizes.
async fn publish_zips(
    ui: &Ui,
    session: &Session,
    zips: &BTreeMap<String, (&Prepared, &Content)>,
) -> Result<Vec<u64>> {
    let bucket = bucket_name(session);
    let looks = zips.iter().map(async |(key, (one, zip))| {
        let there = s3::has_asset(session, &bucket, key, zip).await?;
        Ok::<_, Error>((!there).then_some((key, *one, *zip)))
    });
    let missing: Vec<_> = try_join_all(looks).await?.into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    ensure_bucket(ui, session).await?;
    let uploads = missing.into_iter().map(async |(key, one, zip)| {
        ui.step("publish", format!("{} to {bucket}", describe(one)));
        let live = ui.live();
        live.say(format!("uploading {}", describe(one)));
        s3::put_asset(session, &bucket, key, zip).await?;
        Ok::<_, Error>(one.size())
    });
    futures::stream::iter(uploads).buffer_unordered(PARALLEL).try_collect().await
}

/// Creates the asset bucket if it is missing, and finishes the work of an interrupted run; returns its name.
///
/// # Errors
/// If AWS refuses, or another account has a bucket of that name.
pub async fn ensure_bucket(ui: &Ui, session: &Session) -> Result<String> {
    let bucket = bucket_name(session);
    if !s3::bucket_exists(session, &bucket).await? {
        let (account, region) = (&session.account, &session.region);
        ui.step("publish", format!("creating bucket {bucket} for code in account {account}, {region}"));
        s3::create_bucket(session, &bucket).await?;
    } else if s3::is_set_up(session, &bucket).await? {
        return Ok(bucket);
    }
    s3::set_up_bucket(session, &bucket).await?;
    Ok(bucket)
}

/// Pushes the images that are missing; returns the repository's URI and their sizes.
async fn publish_images(
    ui: &Ui,
    session: &Session,
    images: &BTreeMap<&str, (&Prepared, &Image)>,
) -> Result<(String, Vec<u64>)> {
    if images.is_empty() {
        return Ok((String::new(), Vec::new()));
    }
    let uri = ensure_repository(ui, session).await?;
    let emulator = ecr::emulator(session);
    let looks = images.values().map(async |(one, image)| {
        let there = match &emulator {
            Some(url) => Registry::new(url, None)?.has_image(REPOSITORY, image).await?,
            None => ecr::has_image(session, REPOSITORY, &image.manifest.digest).await?,
        };
        Ok::<_, Error>((!there).then_some((*one, *image)))
    });
    let missing: Vec<_> = try_join_all(looks).await?.into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok((uri, Vec::new()));
    }
    let registry = match &emulator {
        Some(url) => Registry::new(url, None)?,
        None => {
            let host = uri.split('/').next().unwrap_or_default();
            Registry::new(&format!("https://{host}"), Some(&ecr::token(session).await?.0))?
        }
    };
    let pushes = missing.into_iter().map(async |(one, image)| {
        ui.step("publish", format!("{} to image repository {REPOSITORY}", describe(one)));
        let live = ui.live();
        live.say(format!("pushing {}", describe(one)));
        registry.push(REPOSITORY, image).await?;
        Ok::<_, Error>(one.size())
    });
    Ok((uri, futures::stream::iter(pushes).buffer_unordered(PARALLEL).try_collect().await?))
}

/// Creates the image repository if it is missing; returns its URI.
///
/// # Errors
/// If AWS refuses.
pub async fn ensure_repository(ui: &Ui, session: &Session) -> Result<String> {
    if let Some(uri) = ecr::repository_uri(session, REPOSITORY).await? {
        return Ok(uri);
    }
    let (account, region) = (&session.account, &session.region);
    ui.step("publish", format!("creating image repository {REPOSITORY} in account {account}, {region}"));
    Ok(ecr::create_repository(session, REPOSITORY).await?)
}

fn describe(prepared: &Prepared) -> String {
    format!("{} ({})", prepared.asset.code.program(), human(prepared.size()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deployer_lang::assets::{Asset, AssetKind};
    use deployer_lang::model::code::{Architecture, Code};
    use deployer_lang::model::worker::Worker;

    use super::*;

    #[test]
    fn the_key_fits_the_templates_pattern() {
        let zips = ["dist/my app.zip", "ü/é.zip", "plain.zip"];
        let zips = zips.map(|path| Code::Zip { path: path.to_owned() });
        for code in Worker::ALL.map(Code::Worker).into_iter().chain(zips) {
            let asset = Asset {
                resource: "r".to_owned(),
                parameter: "P".to_owned(),
                code,
                architecture: Architecture::X86_64,
                kind: AssetKind::Zip,
            };
            let package = Arc::new(Package::Zip(Content::new(b"zip".to_vec())));
            let prepared = Prepared { asset, digest: package.digest().to_owned(), package };
            // ^[A-Za-z0-9_.-]+/[0-9a-f]{64}\.zip$
            let key = key(&prepared);
            let (name, rest) = key.split_once('/').expect("a slash");
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(allowed), "{key}");
            let digest = rest.strip_suffix(".zip").expect("the ending");
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| b"0123456789abcdef".contains(&byte)),
                "{key}"
            );
        }
    }
}
