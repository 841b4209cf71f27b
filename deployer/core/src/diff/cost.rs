//! What a stack costs while nothing happens in it. What is stored, sent and run comes on top.
//!
//! Prices are data (`prices.json`), of one region and with their date. What has no price there is said to be unknown, never
//! taken for nothing.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::Value;

use super::resolve::{function, scalar_text};
use super::{Resolved, Resources};
use crate::template::references;

static PRICES: &str = include_str!("prices.json");

/// A resource that costs something, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostItem {
    /// Logical id.
    pub resource: String,
    /// What is paid for.
    pub what: String,
    /// Dollars a month of what is deployed; nothing where it is not there, or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Dollars a month of what the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
}

/// Dollars a month while idle.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Of what is deployed, as far as known.
    pub before: f64,
    /// Of what the file says, as far as known.
    pub after: f64,
    /// The difference, as far as known.
    pub delta: f64,
    /// The resources whose cost changes.
    pub items: Vec<CostItem>,
    /// Logical ids of resources that come, go or change, and whose price is not known.
    pub unknown: Vec<String>,
    /// Region of the prices.
    pub region: String,
    /// When they were taken.
    pub date: String,
}

/// What is known of the price of a resource.
enum Price {
    /// Dollars a month, and for what.
    Known(f64, String),
    Unknown,
}

impl Cost {
    /// `changed` are the ids of the resources that are not kept.
    pub(super) fn of(before: &Resources<'_>, after: &Resources<'_>, changed: &BTreeSet<&str>) -> Self {
        let prices = prices();
        let mut items = Vec::new();
        let mut unknown = Vec::new();
        let (mut old, mut new) = (0.0, 0.0);
        for id in super::names(after.keys().copied(), before.keys().copied()) {
            let price = |side: &Resources<'_>| side.get(id).map(|resource| prices.of(resource, side));
            let (a, b) = (price(before), price(after));
            let amount = |price: &Option<Price>| match price {
                Some(Price::Known(amount, _)) => Some(*amount),
                Some(Price::Unknown) | None => None,
            };
            old += amount(&a).unwrap_or_default();
            new += amount(&b).unwrap_or_default();
            if changed.contains(id) && [&a, &b].iter().any(|price| matches!(price, Some(Price::Unknown))) {
                unknown.push(id.to_owned());
                continue;
            }
            if amount(&a).unwrap_or_default() != amount(&b).unwrap_or_default() {
                let what = match (&b, &a) {
                    (Some(Price::Known(amount, what)), _) if *amount > 0.0 => what.clone(),
                    (_, Some(Price::Known(_, what))) | (Some(Price::Known(_, what)), _) => what.clone(),
                    _ => continue,
                };
                let dollars = |price| amount(price).map(cents);
                items.push(CostItem {
                    resource: id.to_owned(),
                    what,
                    before: dollars(&a),
                    after: dollars(&b),
                });
            }
        }
        Self {
            before: cents(old),
            after: cents(new),
            delta: cents(new - old),
            items,
            unknown,
            region: prices.text("region"),
            date: prices.text("date"),
        }
    }

    /// Whether there is anything to say.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.items.is_empty() && self.unknown.is_empty()
    }
}

/// Rounded, so that sums of fractions are the same everywhere. Never `-0`.
fn cents(dollars: f64) -> f64 {
    (dollars * 100.0).round() / 100.0 + 0.0
}

struct Prices {
    root: Value,
    nothing: Vec<String>,
}

fn prices() -> &'static Prices {
    static READ: OnceLock<Prices> = OnceLock::new();
    READ.get_or_init(|| {
        // A test reads it, so it can't fail here.
        let root: Value = serde_json::from_str(PRICES).unwrap_or_default();
        let nothing = root["nothing"].as_array().into_iter().flatten().filter_map(scalar_text).collect();
        Prices { root, nothing }
    })
}

impl Prices {
    fn text(&self, name: &str) -> String {
        self.root[name].as_str().unwrap_or_default().to_owned()
    }

    fn hourly(&self, name: &str) -> Option<f64> {
        Some(self.root["perHour"][name].as_f64()? * self.root["hoursOfMonth"].as_f64()?)
    }

    fn monthly(&self, name: &str) -> Option<f64> {
        self.root["perMonth"][name].as_f64()
    }

    fn of(&self, resource: &Resolved, all: &Resources<'_>) -> Price {
        match self.known(resource, all) {
            Some((amount, what)) => Price::Known(amount, what),
            None if self.is_nothing(&resource.kind) => Price::Known(0.0, "nothing while idle".to_owned()),
            None => Price::Unknown,
        }
    }

    /// Whether a type, or all of a service's, cost nothing while idle.
    fn is_nothing(&self, kind: &str) -> bool {
        let same =
            |known: &String| kind == known || (known.ends_with("::") && kind.starts_with(known.as_str()));
        self.nothing.iter().any(same)
    }

    fn known(&self, resource: &Resolved, all: &Resources<'_>) -> Option<(f64, String)> {
        let properties = &resource.properties;
        let number = |value: &Value| scalar_text(value).and_then(|text| text.parse::<f64>().ok());
        match resource.kind.as_str() {
            "AWS::EC2::NatGateway" => Some((self.hourly("natGateway")?, "NAT gateway".to_owned())),
            "AWS::EC2::EIP" => Some((self.hourly("publicIpv4")?, "public IPv4 address".to_owned())),
            "AWS::EC2::VPCEndpoint" => match properties["VpcEndpointType"].as_str().unwrap_or("Gateway") {
                "Gateway" => Some((0.0, "gateway endpoint".to_owned())),
                "Interface" => {
                    // One address in each subnet; a list that only the deployment knows has no count.
                    let subnets = properties["SubnetIds"].as_array()?;
                    let certain = |one: &Value| function(one).is_none_or(|(name, _)| name == "Ref");
                    let zones = subnets.iter().all(certain).then_some(subnets.len())?;
                    let price = self.hourly("interfaceEndpointZone")? * zones as f64;
                    Some((price, format!("interface endpoint in {zones} zone{}", plural(zones))))
                }
                _ => None,
            },
            "AWS::KMS::Key" => Some((self.monthly("key")?, "key".to_owned())),
            "AWS::SecretsManager::Secret" => Some((self.monthly("secret")?, "secret".to_owned())),
            "AWS::CloudWatch::Dashboard" => Some((self.monthly("dashboard")?, "dashboard".to_owned())),
            "AWS::CloudWatch::CompositeAlarm" => {
                Some((self.monthly("compositeAlarm")?, "composite alarm".to_owned()))
            }
            "AWS::CloudWatch::Alarm" => {
                // Below a minute an alarm is of high resolution (CloudWatch pricing).
                let high = number(&properties["Period"]).is_some_and(|seconds| seconds < 60.0);
                let metrics = properties["Metrics"].as_array();
                let of = |metrics: &Vec<Value>| {
                    metrics.iter().filter(|metric| metric.get("MetricStat").is_some()).count().max(1)
                };
                let count = metrics.map_or(1, of);
                let price = if high { "alarmMetricHighResolution" } else { "alarmMetric" };
                let what = format!("alarm on {count} metric{}", plural(count));
                Some((self.monthly(price)? * count as f64, what))
            }
            "AWS::DynamoDB::Table" => {
                if properties["BillingMode"] == "PAY_PER_REQUEST" {
                    return Some((0.0, "table on demand".to_owned()));
                }
                let indexes = properties["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
                let (mut reads, mut writes) = (0.0, 0.0);
                for one in std::iter::once(properties).chain(indexes) {
                    let throughput = &one["ProvisionedThroughput"];
                    reads += number(&throughput["ReadCapacityUnits"])?;
                    writes += number(&throughput["WriteCapacityUnits"])?;
                }
                let price = reads * self.hourly("tableReadUnit")? + writes * self.hourly("tableWriteUnit")?;
                Some((price, format!("{reads} read and {writes} write units")))
            }
            "AWS::Lambda::Alias" | "AWS::Lambda::Version" => {
                let count = &properties["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"];
                let kept = &properties["ProvisionedConcurrencyConfig"];
                if kept.is_null() {
                    return Some((0.0, "nothing while idle".to_owned()));
                }
                let count = number(count)?;
                let mut function = None;
                references(&properties["FunctionName"], &mut |to| function = all.get(to));
                let function = &function?.properties;
                // Without a word on it, 128 MB (AWS::Lambda::Function, `MemorySize`).
                let memory = function.get("MemorySize").map_or(Some(128.0), number)?;
                let arm = function["Architectures"][0] == "arm64";
                let price = if arm { "provisionedGbSecondArm" } else { "provisionedGbSecondX86" };
                // The price is for a second, and the table counts hours.
                let price = self.hourly(price)? * 3600.0 * count * memory / 1024.0;
                Some((price, format!("{count} environments of {memory} MB kept ready")))
            }
            _ => None,
        }
    }
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::registry;

    fn price(kind: &str, properties: Value) -> Option<f64> {
        let function = Resolved {
            kind: "AWS::Lambda::Function".to_owned(),
            properties: json!({ "MemorySize": 2048 }),
            attributes: serde_json::Map::new(),
        };
        let all = BTreeMap::from([("F", function)]);
        let resource = Resolved { kind: kind.to_owned(), properties, attributes: serde_json::Map::new() };
        match prices().of(&resource, &all) {
            Price::Known(amount, _) => Some(cents(amount)),
            Price::Unknown => None,
        }
    }

    #[test]
    fn prices_are_those_of_the_table() {
        for (kind, properties, expected) in [
            ("AWS::EC2::NatGateway", json!({}), Some(32.85)),
            ("AWS::EC2::VPCEndpoint", json!({}), Some(0.0)),
            (
                "AWS::EC2::VPCEndpoint",
                json!({ "VpcEndpointType": "Interface", "SubnetIds": [{ "Ref": "A" }, { "Ref": "B" }] }),
                Some(14.6),
            ),
            (
                "AWS::EC2::VPCEndpoint",
                json!({ "VpcEndpointType": "Interface", "SubnetIds": { "Ref": "L" } }),
                None,
            ),
            ("AWS::DynamoDB::Table", json!({ "BillingMode": "PAY_PER_REQUEST" }), Some(0.0)),
            (
                "AWS::DynamoDB::Table",
                json!({ "ProvisionedThroughput": { "ReadCapacityUnits": 10, "WriteCapacityUnits": "10" } }),
                Some(5.69),
            ),
            ("AWS::DynamoDB::Table", json!({}), None),
            ("AWS::CloudWatch::Alarm", json!({ "Period": 10 }), Some(0.3)),
            (
                "AWS::Lambda::Alias",
                json!({ "FunctionName": { "Ref": "F" }, "ProvisionedConcurrencyConfig": { "ProvisionedConcurrentExecutions": 5 } }),
                Some(109.5),
            ),
            ("AWS::SQS::Queue", json!({}), Some(0.0)),
            ("AWS::EC2::SubnetRouteTableAssociation", json!({}), Some(0.0)),
            ("AWS::EC2::RouteTable", json!({}), Some(0.0)),
            ("AWS::EC2::SecurityGroupIngress", json!({}), Some(0.0)),
            ("AWS::EC2::VPNGateway", json!({}), None),
            ("AWS::WAFv2::WebACL", json!({}), None),
            ("AWS::RDS::DBInstance", json!({}), None),
        ] {
            assert_eq!(price(kind, properties.clone()), expected, "{kind} {properties}");
        }
    }

    #[test]
    fn what_costs_nothing_is_a_type_or_a_service() {
        for known in &prices().nothing {
            let exists = match known.ends_with("::") {
                true => registry::names().any(|name| name.starts_with(known.as_str())),
                false => registry::find(known).is_some(),
            };
            assert!(exists, "{known}");
        }
    }
}
