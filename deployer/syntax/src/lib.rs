//! The text of `stack.yaml` and of JSON, before it means anything.
//!
//! [`yaml`] and [`json`] read text into nodes that know their places, [`mod@reference`] finds `${…}` in them, and
//! [`diagnostic`] is a problem with a place, a message and a help, [`fix`] what to change to solve
//! it, of which [`edit`] makes changes of the text. [`units`] reads durations and sizes, [`number`]
//! compares numbers exactly, [`mark`] tells references from texts inside free JSON, and [`secrets`] recognizes what
//! must not be in a file. No clock, no network, no knowledge of AWS's resources.

pub mod diagnostic;
pub mod edit;
pub mod fix;
pub mod json;
pub mod mark;
pub mod number;
pub mod reference;
pub mod secrets;
pub mod units;
pub mod yaml;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};
