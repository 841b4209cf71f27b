//! The base of every part of the deployer, which calls nothing: errors with their exit codes, the output, texts, times,
//! files. [`ui`] is the only file that writes to the terminal.

mod actions;
pub mod aws_error;
pub mod error;
pub mod files;
pub mod meter;
pub mod output;
pub mod profiles;
pub mod signals;
pub mod text;
pub mod time;
pub mod ui;
