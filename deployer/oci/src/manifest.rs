//! The documents of an image: manifests, lists of them, and the configuration.

use serde::Deserialize;

use crate::error::PullError;
use crate::reference::digest_of;

/// Media types of manifests that are understood.
pub(crate) const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// Media types of lists of manifests, one for each platform.
pub(crate) const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// The way an image wants to be run.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Program and first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Further arguments.
    pub cmd: Option<Vec<String>>,
    /// Variables, `NAME=value`.
    pub env: Option<Vec<String>>,
    /// Folder to start in.
    pub working_dir: Option<String>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(default)]
    pub(crate) config: Option<Config>,
    pub(crate) rootfs: RootFs,
}

/// The layers of an image, uncompressed.
#[derive(Debug, Deserialize)]
pub(crate) struct RootFs {
    pub(crate) diff_ids: Vec<String>,
}

/// A part of an image, or an image of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) platform: Option<Platform>,
}

/// The platform that an image runs on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
}

/// A manifest, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) config: Option<Descriptor>,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default)]
    pub(crate) manifests: Vec<Descriptor>,
}

/// Returns the manifest for this machine.
pub(crate) fn choose(manifests: &[Descriptor]) -> Result<&Descriptor, PullError> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |one: &&Descriptor| {
        one.platform
            .as_ref()
            .is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture)
    };
    let missing = || PullError::Unsupported(format!("the image has no variant for linux/{architecture}"));
    manifests.iter().find(fits).ok_or_else(missing)
}

/// Returns the hex of the digest of a part.
pub(crate) fn digest_in(descriptor: &Descriptor) -> Result<String, PullError> {
    let unknown = || PullError::Unsupported(format!("`{}` is not a SHA-256 digest", descriptor.digest));
    digest_of(&descriptor.digest).ok_or_else(unknown)
}

/// Parses a document of an image.
pub(crate) fn json<'a, T: Deserialize<'a>>(what: &str, text: &'a [u8]) -> Result<T, PullError> {
    serde_json::from_slice(text).map_err(|error| PullError::Json { what: what.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variant_for_this_machine_is_chosen() {
        let variant = |os: &str, architecture: &str, digest: &str| Descriptor {
            media_type: MANIFESTS[0].to_owned(),
            digest: digest.to_owned(),
            size: 1,
            platform: Some(Platform { os: os.to_owned(), architecture: architecture.to_owned() }),
        };
        let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let all = [variant("windows", own, "a"), variant("linux", "s390x", "b"), variant("linux", own, "c")];
        assert_eq!(choose(&all).expect("one fits").digest, "c");
        assert!(choose(&all[..2]).is_err());
    }
}
