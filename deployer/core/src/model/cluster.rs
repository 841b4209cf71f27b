//! `type: cluster`.

use super::properties::{Boolean, Properties};

/// An ECS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Container Insights metrics, which CloudWatch bills.
    pub insights: bool,
}

impl Cluster {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let insights = properties
            .field("insights", "Container Insights metrics, which CloudWatch bills.", Boolean)
            .or(false);
        Some(Self { insights })
    }
}
