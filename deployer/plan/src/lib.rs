//! The changes that a deployment would make, and facts about them: [`diff`] compares two templates by meaning, [`cost`]
//! estimates the cost of a stack by [`prices`], and [`diagnose`] finds the first real cause in the events of a failed
//! deployment. No clock, no network, no AWS client.

pub mod cost;
pub mod diagnose;
pub mod diff;
pub mod prices;
pub mod quotas;
mod resolve;
