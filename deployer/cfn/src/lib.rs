//! CloudFormation as data: [`template`] is the template that the deployer writes, [`deployed`] reads one back, whoever
//! wrote it.
//!
//! [`schemas`] holds CloudFormation's resource schemas, [`status`] the meaning of each status of a stack or resource,
//! [`permissions`] those that its handlers need, [`expression`] the types of a reference, [`importable`] the types that can be
//! imported, [`refactor`] the change of logical IDs, and [`stack_settings`] the tags and topics of a stack that belong to its file. No clock, no network, no AWS client.

pub mod deployed;
pub mod expression;
pub mod importable;
pub mod permissions;
pub mod refactor;
pub mod schemas;
pub mod stack_settings;
pub mod status;
pub mod template;

pub use template::Template;
