//! Names of images in the registries of ECR.

use std::str::FromStr;

use crate::error::PullError;

/// The place of an image: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<digest>`, or `:<tag>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host name of the registry.
    pub registry: String,
    /// Repository.
    pub repository: String,
    /// The image in the repository.
    pub version: Version,
}

/// The name of an image in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Content: SHA-256 in hex.
    Digest(String),
    /// Tag.
    Tag(String),
}

impl FromStr for Reference {
    type Err = PullError;

    fn from_str(text: &str) -> Result<Self, PullError> {
        parse(text).ok_or_else(|| PullError::Reference(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Reference> {
    let (registry, rest) = text.split_once('/')?;
    let (account, host) = registry.split_once(".dkr.ecr.")?;
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let lower = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
    if account.len() != 12 || !account.chars().all(|one| one.is_ascii_digit()) {
        return None;
    }
    if host.is_empty() || !host.chars().all(|one| lower(one) || one == '-') {
        return None;
    }
    let (repository, version) = match rest.split_once('@') {
        Some((name, digest)) => {
            // A digest goes before a tag: the tag may have moved on.
            (name.split_once(':').map_or(name, |(name, _)| name), Version::Digest(digest_of(digest)?))
        }
        None => match rest.split_once(':') {
            Some((name, tag)) => (name, Version::Tag(tag.to_owned())),
            None => (rest, Version::Tag("latest".to_owned())),
        },
    };
    if let Version::Tag(tag) = &version {
        let allowed = |one: char| one.is_ascii_alphanumeric() || "_.-".contains(one);
        if tag.is_empty() || tag.len() > 128 || !tag.chars().all(allowed) || tag.starts_with(['.', '-']) {
            return None;
        }
    }
    let part = |part: &str| {
        part.starts_with(lower)
            && part.ends_with(lower)
            && part.chars().all(|one| lower(one) || "._-".contains(one))
    };
    repository.split('/').all(part).then(|| Reference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        version,
    })
}

/// Returns the hex of `sha256:…`.
pub(crate) fn digest_of(text: &str) -> Option<String> {
    let hex = text.strip_prefix("sha256:")?;
    let valid = hex.len() == 64 && hex.chars().all(|one| matches!(one, '0'..='9' | 'a'..='f'));
    valid.then(|| hex.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "000000000000.dkr.ecr.eu-west-1.amazonaws.com";

    #[test]
    fn references_of_the_registry_are_read() {
        let digest = "a".repeat(64);
        let reference: Reference = format!("{REGISTRY}/team/assets@sha256:{digest}").parse().expect("valid");
        assert_eq!(reference.registry, REGISTRY);
        assert_eq!(reference.repository, "team/assets");
        assert_eq!(reference.version, Version::Digest(digest.clone()));
        for (text, version) in [
            (format!("{REGISTRY}/assets:v1@sha256:{digest}"), Version::Digest(digest)),
            (format!("{REGISTRY}/assets:v1"), Version::Tag("v1".to_owned())),
            (format!("{REGISTRY}/assets"), Version::Tag("latest".to_owned())),
        ] {
            assert_eq!(text.parse::<Reference>().expect("valid").version, version, "{text}");
        }
    }

    #[test]
    fn other_references_are_not() {
        for text in [
            "".to_owned(),
            "alpine:3".to_owned(),
            "public.ecr.aws/docker/library/alpine:3".to_owned(),
            format!("{REGISTRY}/"),
            format!("{REGISTRY}/../assets"),
            format!("{REGISTRY}/a//b"),
            format!("{REGISTRY}/assets@sha256:{}", "A".repeat(64)),
            format!("{REGISTRY}/assets@sha256:abc"),
            format!("{REGISTRY}/assets@sha512:{}", "a".repeat(64)),
            format!("{REGISTRY}/assets:../../x"),
            format!("{REGISTRY}/assets?x=1"),
            format!("1{REGISTRY}/assets"),
        ] {
            assert!(matches!(text.parse::<Reference>(), Err(PullError::Reference(_))), "{text}");
        }
    }
}
