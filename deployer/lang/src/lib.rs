//! The language of `stack.yaml`: from its nodes to a CloudFormation template and a list of assets.
//!
//! The flow goes one way: [`document`] splits the file into its sections, [`model`] gives the resources of one stack
//! their types, [`check`] applies the rules that cross resources, [`lower`] writes CloudFormation, and [`assets`] names
//! the code that must be built for it. [`schema`] and [`docs`] describe the language itself, and [`graph`] draws a
//! stack. No clock, no network, no AWS client.

pub mod assets;
pub mod check;
pub mod columns;
pub mod compile;
pub mod docs;
pub mod document;
pub mod graph;
pub mod iam;
pub mod import;
pub mod loading;
pub mod lower;
pub mod matching;
pub mod model;
pub mod names;
pub mod renames;
pub mod routes;
pub mod schema;
pub mod sensitive;
pub mod supply;

pub use compile::{Compiled, compile};
pub use document::Document;
pub use model::Stack;
pub use model::target::StackTarget;
