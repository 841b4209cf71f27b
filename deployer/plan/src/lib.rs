//! What a deployment would change, and what is said about it: [`diff`] compares two templates by meaning, [`cost`] says
//! what a stack costs by [`prices`], and [`diagnose`] finds the first real cause in the events of a failed deployment.
//! No clock, no network, no AWS client.

pub mod cost;
pub mod diagnose;
pub mod diff;
pub mod prices;
mod resolve;
