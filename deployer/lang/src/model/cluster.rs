//! `type: cluster`.

use super::definition::{Definition, Drawing, UNUSED};
use super::properties::{Boolean, Properties};

/// An ECS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Container Insights metrics, which CloudWatch charges for.
    pub insights: bool,
}

impl Definition for Cluster {
    const DESCRIPTION: &'static str = "An ECS cluster for Fargate and Fargate Spot.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "cluster name"), ("arn", "ARN")];
    const DRAWING: Drawing = Drawing::Never;

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let insights = properties
            .field("insights", "Container Insights metrics, which CloudWatch charges for.", Boolean)
            .or(false);
        Some(Self { insights })
    }

    fn unused(&self) -> Option<&'static str> {
        Some(UNUSED)
    }
}
