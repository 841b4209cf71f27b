//! The only package that depends on `aws_sdk_*`: narrow functions with typed errors, one module for each service.
//! [`session`] holds the caller and the place of the calls. Functions for several services are beside them: [`doctor`],
//! [`existing`], [`facts`], [`preflight`], [`published`] and [`usage`].

pub mod budget;
pub mod calls;
pub mod cloudformation;
pub mod doctor;
pub mod dynamodb;
pub mod ecr;
pub mod ecs;
pub mod error;
pub mod eventbridge;
pub mod existing;
pub mod facts;
pub mod lambda;
pub mod logs;
mod operation;
mod pause;
pub mod preflight;
pub mod published;
pub mod s3;
pub mod service_quotas;
pub mod session;
mod signed;
pub mod sqs;
pub mod stored;
pub mod usage;

pub use pause::Pause;
