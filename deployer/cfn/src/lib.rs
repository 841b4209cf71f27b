//! CloudFormation as data: [`template`] is what the deployer writes, [`deployed`] what it reads back, whoever wrote it.
//!
//! [`schemas`] holds CloudFormation's resource schemas, [`status`] what each status of a stack or resource means, and
//! [`expression`] the types of a reference. No clock, no network, no AWS client.

pub mod deployed;
pub mod expression;
pub mod schemas;
pub mod status;
pub mod template;

pub use template::Template;
