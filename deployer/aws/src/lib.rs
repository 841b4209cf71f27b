//! The only package that depends on `aws_sdk_*`: narrow functions with typed errors, one module for each service.
//! [`session`] holds the caller and the place of the calls. Functions for several services are beside them: [`doctor`],
//! [`preflight`] and [`published`].

pub mod calls;
pub mod cloudformation;
pub mod doctor;
pub mod dynamodb;
pub mod ecr;
pub mod ecs;
pub mod error;
pub mod eventbridge;
pub mod lambda;
pub mod logs;
mod pause;
pub mod preflight;
pub mod published;
pub mod s3;
pub mod session;
pub mod sqs;

pub use pause::Pause;
