//! Ways in and out: the parts of the stack that the internet or others can reach, and the places that the stack can
//! reach.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::schemas::Shape;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::canonical::{At, canonical, is_policy};
use super::words::words;
use crate::resolve::{MAX_DEPTH, Resolved, Resources, scalar_text, truthy};

/// A kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExposureKind {
    /// Traffic that a security group lets in.
    Ingress,
    /// Traffic that a security group lets out.
    Egress,
    /// A route to or from the internet.
    Route,
    /// A public address.
    PublicAddress,
    /// Something that anyone may call.
    PublicEndpoint,
    /// A policy that names everyone.
    PublicPolicy,
    /// The settings that keep a bucket private are off.
    PublicBucket,
}

/// Network or public access that is opened or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// True if it is opened, false if it is closed.
    pub gained: bool,
    /// Its kind.
    pub kind: ExposureKind,
    /// Logical ID of the resource.
    pub resource: String,
    /// The access that it allows, as a sentence without a full stop.
    pub sentence: String,
    /// `true` if it allows access from anywhere.
    pub public: bool,
}

type Ways = BTreeMap<(String, ExposureKind, String), bool>;

/// Returns the ways that are opened and closed, by resource.
///
/// A way belongs to one resource, so only those that change (`changed`) are examined.
pub(super) fn changes(
    before: &Resources<'_>,
    after: &Resources<'_>,
    changed: &BTreeSet<&str>,
) -> Vec<Exposure> {
    let (old, new) = (ways(before, changed), ways(after, changed));
    let only = |own: &Ways, other: &Ways, gained: bool| -> Vec<Exposure> {
        let own = own.iter().filter(|(way, _)| !other.contains_key(*way));
        own.map(|((resource, kind, sentence), public)| Exposure {
            gained,
            kind: *kind,
            resource: resource.clone(),
            sentence: sentence.clone(),
            public: *public,
        })
        .collect()
    };
    let mut out = only(&new, &old, true);
    out.extend(only(&old, &new, false));
    out.sort_by(|a, b| (&a.resource, !a.gained, a.kind).cmp(&(&b.resource, !b.gained, b.kind)));
    out
}

fn ways(resources: &Resources<'_>, changed: &BTreeSet<&str>) -> Ways {
    let mut ways = Ways::new();
    for (id, resource) in resources.iter().filter(|(id, _)| changed.contains(*id)) {
        let mut open = |kind, public: bool, sentence: String| {
            ways.insert(((*id).to_owned(), kind, sentence), public);
        };
        network(resource, &mut open);
        endpoints(resource, &mut open);
        bucket(resource, &mut open);
        policies(&resource.properties, &mut open, 0);
    }
    ways
}

type Open<'o> = &'o mut dyn FnMut(ExposureKind, bool, String);

fn network(resource: &Resolved, open: Open<'_>) {
    let properties = &resource.properties;
    let rules = |name: &str| properties[name].as_array().into_iter().flatten();
    match resource.kind.as_str() {
        "AWS::EC2::SecurityGroup" => {
            rules("SecurityGroupIngress").for_each(|one| rule(one, true, open));
            rules("SecurityGroupEgress").for_each(|one| rule(one, false, open));
            // EC2 adds a rule that lets everything out where a template has none.
            if properties.get("SecurityGroupEgress").is_none() {
                open(
                    ExposureKind::Egress,
                    false,
                    "lets all traffic out to 0.0.0.0/0, as no egress is given".to_owned(),
                );
            }
        }
        "AWS::EC2::SecurityGroupIngress" => rule(properties, true, open),
        "AWS::EC2::SecurityGroupEgress" => rule(properties, false, open),
        "AWS::EC2::Route" => route(properties, open),
        "AWS::EC2::Subnet" if truthy(&properties["MapPublicIpOnLaunch"]) => {
            open(
                ExposureKind::PublicAddress,
                false,
                "gives resources that start in it a public address".to_owned(),
            );
        }
        "AWS::EC2::InternetGateway" => {
            open(ExposureKind::Route, false, "is a gateway to the internet".to_owned());
        }
        "AWS::EC2::NatGateway" => {
            let private = properties["ConnectivityType"] == "private";
            let to = if private { "other private networks" } else { "the internet" };
            open(ExposureKind::Route, false, format!("lets private subnets reach {to}"));
        }
        "AWS::EC2::EIP" => open(ExposureKind::PublicAddress, false, "is a public address".to_owned()),
        _ => {}
    }
}

fn rule(rule: &Value, inward: bool, open: Open<'_>) {
    let peers: &[&str] = match inward {
        true => {
            &["CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId", "SourceSecurityGroupName"]
        }
        false => &["CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId"],
    };
    let peer =
        peers.iter().find_map(|name| rule.get(*name)).map_or_else(|| "an unknown place".to_owned(), words);
    let anyone = peer == "0.0.0.0/0" || peer == "::/0";
    let what = traffic(rule);
    match inward {
        true => open(ExposureKind::Ingress, anyone, format!("lets {what} in from {peer}")),
        false => open(ExposureKind::Egress, false, format!("lets {what} out to {peer}")),
    }
}

/// Returns the protocol and ports of a rule, in words.
fn traffic(rule: &Value) -> String {
    let text = |name: &str| rule.get(name).map(words);
    let protocol = text("IpProtocol").unwrap_or_else(|| "-1".to_owned());
    let name = match protocol.as_str() {
        "-1" | "all" => return "all traffic".to_owned(),
        "6" => "tcp",
        "17" => "udp",
        other => other,
    };
    match (text("FromPort"), text("ToPort")) {
        (Some(from), Some(to)) if from == to => format!("{name} {from}"),
        (Some(from), Some(to)) => format!("{name} {from}-{to}"),
        _ => format!("all {name} traffic"),
    }
}

fn route(properties: &Value, open: Open<'_>) {
    let to = ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"]
        .iter()
        .find_map(|name| properties.get(*name))
        .map_or_else(|| "an unknown place".to_owned(), words);
    let by = [
        ("GatewayId", "an internet gateway"),
        ("EgressOnlyInternetGatewayId", "an egress-only gateway"),
        ("NatGatewayId", "a NAT gateway"),
        ("TransitGatewayId", "a transit gateway"),
        ("VpcPeeringConnectionId", "a peering connection"),
    ];
    if let Some((name, what)) = by.iter().find(|(name, _)| properties.get(*name).is_some()) {
        let gateway = words(&properties[*name]);
        open(ExposureKind::Route, false, format!("routes {to} by way of {what} ({gateway})"));
    }
}

fn endpoints(resource: &Resolved, open: Open<'_>) {
    let properties = &resource.properties;
    let none = |value: &Value| value.is_null() || *value == "NONE";
    let text = |name: &str| scalar_text(&properties[name]).unwrap_or_default();
    match resource.kind.as_str() {
        "AWS::Lambda::Url" if none(&properties["AuthType"]) => open(
            ExposureKind::PublicEndpoint,
            true,
            format!(
                "lets anyone call {} by its address, without a signature",
                words(&properties["TargetFunctionArn"])
            ),
        ),
        "AWS::ApiGatewayV2::Route" if none(&properties["AuthorizationType"]) => open(
            ExposureKind::PublicEndpoint,
            true,
            format!("lets anyone call `{}`, without an authorizer", text("RouteKey")),
        ),
        // Browsers ask with OPTIONS before they have a token.
        "AWS::ApiGateway::Method"
            if none(&properties["AuthorizationType"]) && text("HttpMethod") != "OPTIONS" =>
        {
            open(
                ExposureKind::PublicEndpoint,
                !truthy(&properties["ApiKeyRequired"]),
                format!(
                    "lets anyone call {} of {}, without an authorizer",
                    text("HttpMethod"),
                    words(&properties["ResourceId"])
                ),
            );
        }
        "AWS::ElasticLoadBalancingV2::LoadBalancer" if text("Scheme") != "internal" => {
            open(ExposureKind::PublicEndpoint, true, "is a load balancer on the internet".to_owned());
        }
        "AWS::RDS::DBInstance" | "AWS::Redshift::Cluster" if truthy(&properties["PubliclyAccessible"]) => {
            open(ExposureKind::PublicAddress, true, "is a database with a public address".to_owned());
        }
        "AWS::ECS::Service"
            if properties["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED" =>
        {
            open(ExposureKind::PublicAddress, false, "gives its tasks public addresses".to_owned());
        }
        "AWS::Lambda::Function"
            if properties["Environment"]["Variables"][contract::environment::TASK_PUBLIC_IP] == "ENABLED" =>
        {
            open(
                ExposureKind::PublicAddress,
                false,
                "gives the tasks that it starts public addresses".to_owned(),
            );
        }
        "AWS::EC2::Instance" => {
            let interfaces = properties["NetworkInterfaces"].as_array().into_iter().flatten();
            if interfaces.into_iter().any(|one| truthy(&one["AssociatePublicIpAddress"])) {
                open(ExposureKind::PublicAddress, false, "has a public address".to_owned());
            }
        }
        _ => {}
    }
}

fn bucket(resource: &Resolved, open: Open<'_>) {
    if resource.kind != "AWS::S3::Bucket" {
        return;
    }
    let block = &resource.properties["PublicAccessBlockConfiguration"];
    // Without the property, S3 blocks all (S3 User Guide, "Blocking public access": since April 2023); with it, missing
    // settings are off.
    if block.is_object() {
        for name in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            if !truthy(&block[name]) {
                open(
                    ExposureKind::PublicBucket,
                    false,
                    format!("does not block public access: {name} is off"),
                );
            }
        }
    }
    if let Some(acl @ ("PublicRead" | "PublicReadWrite" | "AuthenticatedRead")) =
        resource.properties["AccessControl"].as_str()
    {
        open(ExposureKind::PublicBucket, true, format!("is open to others by its ACL {acl}"));
    }
}

/// Finds statements that allow everyone, without a condition that limits the callers.
fn policies(value: &Value, open: Open<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        _ if is_policy(value) => {
            let document = canonical(value, At::properties(Shape::UNKNOWN), "");
            for statement in document["Statement"].as_array().into_iter().flatten() {
                let principals = statement["Principal"].as_object().into_iter().flatten();
                let everyone = principals
                    .flat_map(|(_, who)| who.as_array().into_iter().flatten())
                    .any(|who| who == "*");
                let allows = statement["Effect"] == "Allow";
                if allows && statement.get("NotPrincipal").is_some() {
                    open(ExposureKind::PublicPolicy, true, "allows everyone but a few".to_owned());
                } else if allows && everyone && !limits(&statement["Condition"]) {
                    let actions = statement.get("Action").or_else(|| statement.get("NotAction"));
                    let actions = actions.and_then(Value::as_array).into_iter().flatten();
                    let actions: Vec<String> = actions.map(words).collect();
                    open(ExposureKind::PublicPolicy, true, format!("allows anyone {}", actions.join(", ")));
                }
            }
        }
        Value::Object(map) => map.values().for_each(|inner| policies(inner, open, depth + 1)),
        Value::Array(items) => items.iter().for_each(|item| policies(item, open, depth + 1)),
        Value::String(text) if text.contains("\"Statement\"") => {
            if let Some(document) = deployer_syntax::json::value(text)
                && is_policy(&document)
            {
                policies(&document, open, depth + 1);
            }
        }
        _ => {}
    }
}

/// Keys of conditions that limit the callers, or their places (S3 User Guide, "The meaning of public").
const LIMITS: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
];

/// Returns whether a condition limits the callers: a positive operator on such a key, with values that are not all
/// wildcards.
fn limits(condition: &Value) -> bool {
    condition.as_object().into_iter().flatten().any(|(operator, keys)| {
        let positive = !operator.contains("Not") && !operator.ends_with("IfExists") && operator != "Null";
        let says_who = |(key, values): (&String, &Value)| {
            let wide = |value: &Value| value == "*" || value == "0.0.0.0/0" || value == "::/0";
            LIMITS.contains(&key.to_ascii_lowercase().as_str())
                && !values.as_array().is_some_and(|values| values.iter().any(wide))
        };
        positive && keys.as_object().into_iter().flatten().any(says_who)
    })
}
