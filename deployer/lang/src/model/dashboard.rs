//! `type: dashboard`.

use super::definition::{Definition, Drawing};
use super::properties::{List, Properties, Reference};
use super::{Kind, ResourceRef};

/// A CloudWatch dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// The resources that it shows; all if none is named.
    pub of: Vec<ResourceRef>,
}

impl Definition for Dashboard {
    const DESCRIPTION: &'static str = "A CloudWatch dashboard: a row for each function, queue, table and topic of the stack, and the \
         metrics of an `observe` with `metrics`.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "dashboard name")];
    const DRAWING: Drawing = Drawing::Never;

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let of = properties
            .field(
                "of",
                "Resources that it shows; by default every function, queue, table and topic.",
                List(Reference(Kind::with_metrics())),
            )
            .or(Vec::new());
        Some(Self { of })
    }
}
