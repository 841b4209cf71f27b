//! `type: network`.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::Text;
use super::definition::{Definition, Drawing, UNUSED};
use super::properties::{AnyText, Boolean, Choice, Integer, List, Object, Properties, Str};

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// A VPC that the stack creates.
    New(New),
    /// An existing VPC.
    Existing(Existing),
}

/// A VPC that the stack creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Availability zones, one subnet in each.
    pub zones: i64,
    /// The way in which tasks and functions reach AWS and the internet.
    pub egress: Egress,
    /// First two bytes of its addresses, `a.b.0.0/16`.
    pub cidr: (u8, u8),
    /// AWS services with an interface endpoint, as the endpoint's name contains them.
    pub endpoints: Vec<String>,
    /// `true` if the file names them. Otherwise, the tasks and functions in the network may need more.
    pub endpoints_given: bool,
}

/// Existing VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its ID.
    pub vpc: Text,
    /// IDs of the subnets of tasks and functions.
    pub subnets: Vec<Text>,
    /// `true` if those have a route to an internet gateway, so that tasks need a public address.
    pub public: bool,
}

/// The way in which tasks and functions reach AWS and the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Public subnets and public addresses: they cost nothing while idle. No traffic may come in.
    Public,
    /// Private subnets and a NAT gateway, which costs money while idle.
    Nat,
    /// Private subnets and interface endpoints, which cost money while idle; no internet.
    Endpoints,
}

/// Endpoints that Fargate needs to start a task, and those that the workers call.
const ENDPOINTS: [&str; 5] = ["ecr.api", "ecr.dkr", "logs", "events", "sqs"];
const DEFAULT_CIDR: &str = "10.0.0.0/16";

impl Network {
    /// Returns whether tasks in it need a public address.
    #[must_use]
    pub fn is_public(&self) -> bool {
        match self {
            Self::New(new) => new.egress == Egress::Public,
            Self::Existing(existing) => existing.public,
        }
    }
}

impl Definition for Network {
    const DESCRIPTION: &'static str =
        "A VPC with subnets, and gateway endpoints for S3 and DynamoDB; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("id", "VPC id")];
    const DRAWING: Drawing = Drawing::Never;

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let zones =
            properties.field("zones", "Availability zones, with one subnet in each.", Integer(1, 4)).or(2);
        let egress = properties
            .field(
                "egress",
                "Way in which tasks and functions reach AWS: `public` (for tasks) costs nothing while idle, `nat` and \
                 `endpoints` do.",
                Choice(&[
                    ("public", Egress::Public),
                    ("nat", Egress::Nat),
                    ("endpoints", Egress::Endpoints),
                ]),
            )
            .or(Egress::Public);
        let cidr = properties
            .field("cidr", "Address range: a private range of 65,536 addresses.", Str)
            .or(DEFAULT_CIDR.to_owned());
        let endpoints = properties
            .field(
                "endpoints",
                "With `egress: endpoints`: services with an interface endpoint, such as `sqs`. By default, `kms` is included if \
                 something in the network encrypts or decrypts.",
                List(Str),
            )
            .or(ENDPOINTS.map(str::to_owned).to_vec());
        let existing = properties.field("existing", "Existing VPC.", Object(Existing::read)).optional();
        for name in ["zones", "egress", "cidr", "endpoints"] {
            if properties.has("existing") && properties.has(name) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0107", span, format!("`{name}` cannot be used with `existing`"))
                        .help("remove it"),
                );
            }
        }
        if properties.has("endpoints") && egress != Egress::Endpoints && properties.is_sound() {
            let span = properties.span_of("endpoints");
            properties.report(
                Diagnostic::error("E0107", span, "`endpoints` can only be used with `egress: endpoints`")
                    .help("remove one, or set the other"),
            );
        }
        let service = |name: &str| {
            let letter =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
            !name.is_empty() && name.bytes().all(letter)
        };
        for name in endpoints.iter().filter(|name| !service(name)) {
            let span = properties.span_of("endpoints");
            properties.report(
                Diagnostic::error("E0108", span, format!("`{}` is not a service", shorten(name))).help(
                    "the part after the region in the name of its endpoint, such as `sqs` or `ecr.api`",
                ),
            );
        }
        let range = private_range(&cidr);
        if range.is_none() {
            let span = properties.span_of("cidr");
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` is not a private range of 65,536 addresses", shorten(&cidr)),
                )
                .help("such as `10.20.0.0/16`, `172.16.0.0/16` to `172.31.0.0/16`, or `192.168.0.0/16`"),
            );
        }
        if let Some(existing) = existing {
            return Some(Self::Existing(existing));
        }
        let endpoints_given = properties.has("endpoints");
        Some(Self::New(New { zones, egress, cidr: range?, endpoints, endpoints_given }))
    }

    fn unused(&self) -> Option<&'static str> {
        matches!(self, Self::New(_)).then_some(UNUSED)
    }
}

/// Reads `outbound` of tasks and functions in a network.
pub(super) fn outbound(properties: &mut Properties<'_>) -> Vec<i64> {
    properties
        .field(
            "outbound",
            "TCP ports that it can connect to in its network; 443 is the port of AWS's APIs.",
            List(Integer(1, 65_535)),
        )
        .or(vec![443])
}

/// Returns the first two bytes of a private range: RFC 1918.
fn private_range(text: &str) -> Option<(u8, u8)> {
    let (first, second) = text.strip_suffix(".0.0/16")?.split_once('.')?;
    let byte = |text: &str| {
        let number: u8 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    let (first, second) = (byte(first)?, byte(second)?);
    matches!((first, second), (10, _) | (172, 16..=31) | (192, 168)).then_some((first, second))
}

impl Existing {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let vpc = properties.field("vpc", "Its id, such as `vpc-0a1b2c3d`.", AnyText).required();
        let subnets = properties
            .field("subnets", "Ids of the subnets for tasks and functions, 1 to 16.", List(AnyText))
            .required();
        let public = properties
            .field("public", "The subnets are public, so that tasks need a public address.", Boolean)
            .or(false);
        // Amazon ECS API reference, `AwsVpcConfiguration`.
        if subnets.as_ref().is_some_and(|subnets| !(1..=16).contains(&subnets.len())) {
            let span = properties.span_of("subnets");
            properties.report(
                Diagnostic::error("E0106", span, "1 to 16 subnets are needed")
                    .help("give subnets in two availability zones or more, such as `[subnet-0a1b2c3d, subnet-4e5f6a7b]`"),
            );
        }
        Some(Self { vpc: vpc?, subnets: subnets?, public })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ranges_are_those_of_the_rfc() {
        for (text, fits) in [
            ("10.0.0.0/16", true),
            ("10.255.0.0/16", true),
            ("172.31.0.0/16", true),
            ("192.168.0.0/16", true),
            ("172.32.0.0/16", false),
            ("192.169.0.0/16", false),
            ("8.8.0.0/16", false),
            ("10.0.0.0/8", false),
            ("10.01.0.0/16", false),
            ("10.256.0.0/16", false),
            ("", false),
        ] {
            assert_eq!(private_range(text).is_some(), fits, "{text}");
        }
    }
}
