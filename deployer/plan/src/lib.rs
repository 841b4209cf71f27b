//! The changes that a deployment would make, and facts about them: [`diff`] compares two templates by meaning, [`cost`]
//! estimates the cost of a stack by [`prices`], [`mod@permissions`] lists what it needs of IAM, [`adopt`] makes the template of
//! an import, [`accept`] edits a stack file so that it has what has drifted, [`existing`] compares what exists outside of a stack
//! with its file, [`usage`] tells what it takes of the account's quotas, and [`diagnose`] finds the first real cause in the
//! events of a failed deployment. No clock, no network, no AWS client.

pub mod accept;
pub mod adopt;
pub mod cost;
pub mod diagnose;
pub mod diff;
pub mod existing;
pub mod permissions;
pub mod prices;
pub mod quotas;
mod resolve;
pub mod timings;
pub mod usage;
