//! `type: cluster`.

use super::properties::{Boolean, Properties};

/// What the type is.
pub const DESCRIPTION: &str = "An ECS cluster for Fargate and Fargate Spot.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "cluster name"), ("arn", "ARN")];

/// An ECS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Container Insights metrics, which CloudWatch charges for.
    pub insights: bool,
}

impl Cluster {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let insights = properties
            .field("insights", "Container Insights metrics, which CloudWatch charges for.", Boolean)
            .or(false);
        Some(Self { insights })
    }
}
