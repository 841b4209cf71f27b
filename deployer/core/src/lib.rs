//! The pure half of `deployer`: `stack.yaml` → model → CloudFormation template and asset list.
//!
//! The flow goes one way: [`yaml`] reads text into nodes that know their place, [`document`] splits the file into its
//! sections, [`model`] gives the resources of one stack their types, [`check`] applies the rules that cross resources,
//! [`lower`] writes CloudFormation ([`template`]), and [`assets`] names the code that must be built for it. [`compile()`] goes
//! this way for one stack, once. [`schema`] and [`docs`] describe the language itself; [`diff`] says what a deployment would
//! change, [`cost`] what a stack costs, and [`diagnose`] why a deployment failed.
//! No clock, no network, no AWS client.

pub mod assets;
pub mod check;
mod compile;
pub mod cost;
pub mod deployed;
pub mod diagnose;
pub mod diagnostic;
pub mod diff;
pub mod docs;
pub mod document;
pub mod expression;
pub mod graph;
pub mod iam;
pub mod json;
pub mod lower;
pub mod mark;
pub mod matching;
pub mod model;
pub mod names;
pub mod number;
pub mod prices;
pub mod reference;
pub(crate) mod resolve;
pub mod routes;
pub mod schema;
pub mod schemas;
pub(crate) mod secrets;
pub mod sensitive;
pub mod status;
pub mod template;
pub mod units;
pub mod yaml;

pub use compile::{Compiled, compile};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};
pub use document::Document;
pub use model::Stack;
pub use model::target::StackTarget;
pub use template::Template;
