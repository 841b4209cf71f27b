//! Code that is packed, and named by its content.

use std::sync::Arc;

use deployer_lang::assets::Asset;
use deployer_packing::{Content, image};

/// Code that is ready to be published.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The asset that the code is for.
    pub asset: Asset,
    /// SHA-256 of the zip, or of the image's manifest: 64 hexadecimal digits that the parameter's value contains.
    pub digest: String,
    pub(crate) package: Arc<Package>,
}

/// Code as it is published.
#[derive(Debug)]
pub(crate) enum Package {
    Zip(Content),
    Image(Box<image::Image>),
}

impl Package {
    /// Returns the digest that names the package.
    pub(crate) fn digest(&self) -> &str {
        match self {
            Self::Zip(zip) => &zip.facts.sha256,
            Self::Image(image) => image.manifest.hex(),
        }
    }
}

impl Prepared {
    /// Returns the bytes of the zip or of all parts of the image.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.package.as_ref() {
            Package::Zip(zip) => zip.facts.size,
            Package::Image(image) => image.size(),
        }
    }
}
