//! From the name of a worker, a package or a zip to published code. Between the plan and the change set of a
//! deployment: find or build the programs (`build`, [`embed`]), pack them ([`deployer_packing`], `cache`) and put the
//! missing ones where CloudFormation finds them (`publish`).
//!
//! Everything is named by its content, and its facts are enough for a plan: bytes are read when they are sent.

mod blocking;
mod build;
mod cache;
pub mod cargo_lambda;
pub mod embed;
#[cfg(test)]
mod examples;
mod prepare;
mod prepared;
mod profile;
mod project;
mod publish;
mod sources;
mod workspace;

pub use build::sources::is_source;
pub use prepare::{needs_build, needs_cargo_lambda, prepare};
pub use prepared::Prepared;
pub use project::Project;
pub use publish::{
    REPOSITORY, bucket_name, bucket_name_of, ensure_bucket, ensure_repository, expected_values, publish,
};
pub use sources::{Sources, sources};
