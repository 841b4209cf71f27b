//! `type: cluster`.

use super::Kind;
use super::definition::{Definition, Drawing, UNUSED};
use super::existing::{Existing, OWN_SETTINGS, Refused};
use super::properties::{Boolean, Properties};

/// An ECS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Container Insights metrics, which CloudWatch charges for.
    pub insights: bool,
}

/// The properties that an existing cluster can't have.
const REFUSED: [Refused; 1] = [("insights", OWN_SETTINGS)];

impl Definition for Cluster {
    const DESCRIPTION: &'static str = "An ECS cluster for Fargate and Fargate Spot; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "cluster name"), ("arn", "ARN")];
    const DRAWING: Drawing = Drawing::Never;

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Cluster,
            "Name or ARN of an existing cluster in the account and region of the stack; the stack creates none, and does not \
             change it.",
            &REFUSED,
        );
        let insights = properties
            .field("insights", "Container Insights metrics, which CloudWatch charges for.", Boolean)
            .or(false);
        Some(Self { existing, insights })
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn unused(&self) -> Option<&'static str> {
        self.existing.is_none().then_some(UNUSED)
    }
}
