//! `type: network`.

use super::properties::{Choice, Integer, Properties};

/// What the type is.
pub const DESCRIPTION: &str = "A VPC with public subnets, and gateway endpoints for S3 and DynamoDB.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("id", "VPC id")];

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Availability zones, one subnet in each.
    pub zones: i64,
    /// How tasks reach the internet.
    pub egress: Egress,
}

/// How tasks reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Public subnets and public addresses: costs nothing while idle. Nothing may come in.
    Public,
}

impl Network {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let zones =
            properties.field("zones", "Availability zones, with one subnet in each.", Integer(1, 4)).or(2);
        let egress = properties
            .field(
                "egress",
                "How tasks reach AWS: `public` needs no NAT gateway and costs nothing while idle.",
                Choice(&[("public", Egress::Public)]),
            )
            .or(Egress::Public);
        Some(Self { zones, egress })
    }
}
