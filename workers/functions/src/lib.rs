//! The functions of the pipeline: `extract`, `transform`, `load`, `observe`, `report` and `snapshot`, all in one program (`src/main.rs`).
//!
//! | function | takes | does | publishes |
//! |---|---|---|---|
//! | [`extract`] | S3 notifications | starts a task per uploaded object | `task-started` |
//! | [`transform`] | `record-extracted` | makes an item of a row, by the settings, or a deletion, or leaves the row out | `record-transformed`, `deletion-requested`, `record-skipped` |
//! | [`load`] | `record-transformed`, `deletion-requested` | writes the item into the table, or deletes it | `record-loaded`, `record-deleted`, `record-existing` |
//! | [`observe`] | every event | writes one line into the log, and keeps the tally | `object-completed` |
//! | [`snapshot`] | `object-completed` | deletes the items that the latest version of the file lacks | `snapshot-completed` |
//! | [`report`] | `object-completed`, `snapshot-completed` | writes files about the object into its bucket | |
//!
//! They have in common: [`messages`] takes an invocation apart and answers it, and [`settle`] decides about a message
//! whose processing failed. Handlers use AWS only through narrow traits, which [`aws`] implements; [`start`] wires them
//! up.

pub mod aws;
mod continued;
pub mod extract;
pub mod inline;
pub mod item;
pub mod load;
pub mod located;
pub mod messages;
pub mod notification;
pub mod observe;
pub mod report;
pub mod secrets;
pub mod settle;
pub mod snapshot;
pub mod start;
pub mod stopped;
#[cfg(test)]
mod testing;
pub mod transform;
