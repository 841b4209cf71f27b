//! The extraction task: reads one object, row by row, and publishes an event for each.
//!
//! `extract` starts it, one task per object version, with the object in the environment, which [`process`] reads. [`download`] fetches the
//! bytes, [`scan`] makes rows of them, and [`extraction`] turns rows into events, in which sensitive columns are sealed,
//! and hands them to the publisher. Within a scan, [`decompress`] and [`encoding`] decode the bytes as text, and
//! [`reader`] or [`json`] divides the text into rows; [`workbook`] reads a spreadsheet. Each uses a fixed amount of memory, however large the object is.

pub mod aws;
pub mod decompress;
pub mod download;
pub mod encoding;
pub mod extraction;
pub mod file;
mod group;
pub mod json;
pub mod process;
pub mod reader;
pub mod sample;
pub mod scan;
mod seal;
pub mod workbook;

pub use extraction::{Job, Outcome, Selection, Totals, extract};
pub use seal::Sealing;
