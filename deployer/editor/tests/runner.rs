//! The one integration binary of `deployer-editor`: each file beside this one is a module of it.

mod client;
mod renames;
mod robustness;
mod session;
