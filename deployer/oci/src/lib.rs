//! Container images without Docker: pushed to a registry ([`registry`]), and pulled and unpacked for the local cloud
//! ([`pull`]). They are put together by [`deployer_packing::image`].

pub mod error;
mod layer;
mod manifest;
pub mod pull;
pub mod reference;
pub mod registry;

pub use layer::LayerError;
pub use manifest::Config;
