//! The extraction task: reads one object, row by row, and publishes an event for each.
//!
//! `extract` starts it, one task per object version, with the object in the environment. [`download`] fetches the
//! bytes, [`decompress`] decodes them as text, [`reader`] divides the text into rows, and [`extraction`] turns rows
//! into events, in which sensitive columns are sealed, and hands them to the publisher. Each uses a fixed amount of
//! memory, however large the object is.

pub mod aws;
pub mod decompress;
pub mod download;
pub mod extraction;
mod group;
pub mod reader;
pub mod sample;
mod seal;

pub use extraction::{Job, Outcome, Selection, Totals, extract};
pub use seal::Sealing;
