//! `type: dashboard`.

use super::properties::{List, Properties, Reference};
use super::{Kind, ResourceRef};

/// What the type is.
pub const DESCRIPTION: &str =
    "A CloudWatch dashboard: a row for each function, queue, table and topic of the stack.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "dashboard name")];

/// A CloudWatch dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// What it shows; everything when it names nothing.
    pub of: Vec<ResourceRef>,
}

impl Dashboard {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let of = properties
            .field(
                "of",
                "Resources that it shows; by default every function, queue, table and topic.",
                List(Reference(&[Kind::Function, Kind::Queue, Kind::Table, Kind::Topic])),
            )
            .or(Vec::new());
        Some(Self { of })
    }
}
