//! From a row of a file to an item of DynamoDB, by the settings of `transform`.
//!
//! [`Transform::new`] checks the settings, and finds all that can be wrong with them before there is a row.
//! [`Transform::bind`] finds the columns of one file, and [`Mapping::row`] makes an item of each of its rows. The
//! deployer checks `stack.yaml` and previews files with the same code that runs in the pipeline.
//!
//! No I/O, no clock and no random: the same row gives the same item wherever and however often it is transformed.

mod column;
mod combinations;
mod compile;
mod context;
mod conversion;
pub mod event;
pub mod expression;
mod failure;
mod field;
pub mod item;
mod mapping;
pub mod number;
mod problem;
pub mod sensitive;
mod template;
pub mod text;
pub mod time;
mod transform;
mod uses;
pub mod value;

pub use column::Column;
pub use context::Context;
pub use contract::row::Cell;
pub use failure::{Failure, Flaw};
pub use item::{Item, TableKeys};
pub use mapping::{Mapping, Outcome, Sensitive};
pub use number::Number;
pub use problem::{Place, Problem, ProblemKind};
pub use transform::Transform;
pub use uses::Owner;
pub use value::Value;
