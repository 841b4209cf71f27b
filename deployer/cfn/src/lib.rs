//! CloudFormation as data: [`template`] is the template that the deployer writes, [`deployed`] reads one back, whoever
//! wrote it.
//!
//! [`schemas`] holds CloudFormation's resource schemas, [`status`] the meaning of each status of a stack or resource,
//! and [`expression`] the types of a reference. No clock, no network, no AWS client.

pub mod deployed;
pub mod expression;
pub mod schemas;
pub mod status;
pub mod template;

pub use template::Template;
