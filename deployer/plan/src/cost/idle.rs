//! The cost of a stack while nothing happens in it. Storage, messages and executions come on top.
//!
//! Prices are data ([`crate::prices`]), of one region and with their date. A resource without a price there is reported
//! as unknown, and never counted as nothing.

use std::collections::BTreeMap;

use deployer_cfn::template::references;
use serde_json::Value;

use crate::prices::{Item, Prices, prices};
use crate::resolve::{PseudoParameters, Resolved, Resolver, Resources, Side, function, scalar_text, truthy};

/// The price of a resource, as far as it is known.
pub(crate) enum IdlePrice {
    Known(IdleCost),
    Unknown,
}

/// The cost of a resource while nothing happens in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IdleCost {
    /// The service that asks for it.
    pub(crate) service: &'static str,
    /// Name of what is paid for.
    pub(crate) what: String,
    /// Dollars a month.
    pub(crate) dollars: f64,
}

impl IdleCost {
    fn nothing(what: &str) -> Self {
        Self { service: "", what: what.to_owned(), dollars: 0.0 }
    }
}

/// Rounds dollars to cents, so that sums of fractions are the same everywhere. Never returns `-0`.
pub(crate) fn cents(dollars: f64) -> f64 {
    (dollars * 100.0).round() / 100.0 + 0.0
}

/// Returns the cost of each resource of a template while nothing happens in it, by logical ID; `None` where it is not
/// known.
pub(crate) fn of_template(template: &Value) -> Vec<(String, Option<IdleCost>)> {
    let none = BTreeMap::new();
    let pseudo = PseudoParameters::default();
    let side = Resolver::new(&Side { template, parameters: &none, tags: &none }, &none, &pseudo).resources();
    let price = |resource| match of(resource, &side) {
        IdlePrice::Known(idle) => Some(idle),
        IdlePrice::Unknown => None,
    };
    side.iter().map(|(id, resource)| ((*id).to_owned(), price(resource))).collect()
}

/// Returns the cost of a resource of a side while nothing happens in it.
pub(crate) fn of(resource: &Resolved, all: &Resources<'_>) -> IdlePrice {
    let prices = prices();
    match known(prices, resource, all) {
        Some(idle) => IdlePrice::Known(idle),
        None if is_nothing(prices, &resource.kind) => {
            IdlePrice::Known(IdleCost::nothing("nothing while idle"))
        }
        None => IdlePrice::Unknown,
    }
}

/// Returns whether a type, or all types of its service, cost nothing while idle.
fn is_nothing(prices: &Prices, kind: &str) -> bool {
    let same = |known: &String| kind == known || (known.ends_with("::") && kind.starts_with(known.as_str()));
    prices.nothing.iter().any(same)
}

/// Returns the monthly cost of so many units of something that is paid for by the hour, or by the month.
fn month(prices: &'static Prices, item: Item, count: f64, what: impl Into<String>) -> Option<IdleCost> {
    let price = prices.get(item)?;
    let times = match price.unit.as_str() {
        "hour" => prices.hours_of_month,
        // The price is for a second, and a month is counted in hours.
        "GB-second" => prices.hours_of_month * 3_600.0,
        _ => 1.0,
    };
    Some(IdleCost { service: &price.service, what: what.into(), dollars: price.each() * times * count })
}

fn known(prices: &'static Prices, resource: &Resolved, all: &Resources<'_>) -> Option<IdleCost> {
    let properties = &resource.properties;
    let number = |value: &Value| scalar_text(value).and_then(|text| text.parse::<f64>().ok());
    match resource.kind.as_str() {
        "AWS::EC2::NatGateway" => month(prices, Item::NatGatewayHour, 1.0, "NAT gateway"),
        "AWS::EC2::EIP" => month(prices, Item::PublicIpv4Hour, 1.0, "public IPv4 address"),
        "AWS::EC2::VPCEndpoint" => match properties["VpcEndpointType"].as_str().unwrap_or("Gateway") {
            "Gateway" => Some(IdleCost::nothing("gateway endpoint")),
            "Interface" => {
                // One address in each subnet; a list that only the deployment knows has no count.
                let subnets = properties["SubnetIds"].as_array()?;
                let certain = |one: &Value| function(one).is_none_or(|(name, _)| name == "Ref");
                let zones = subnets.iter().all(certain).then_some(subnets.len())?;
                let what = format!("interface endpoint in {zones} zone{}", plural(zones));
                month(prices, Item::InterfaceEndpointHour, zones as f64, what)
            }
            _ => None,
        },
        // AWS Systems Manager Pricing: standard parameters have no charge.
        "AWS::SSM::Parameter" => {
            let standard = properties["Tier"].is_null() || properties["Tier"] == "Standard";
            standard.then(|| IdleCost::nothing("standard parameter"))
        }
        "AWS::KMS::Key" => month(prices, Item::Key, 1.0, "key"),
        "AWS::SecretsManager::Secret" => month(prices, Item::Secret, 1.0, "secret"),
        "AWS::CloudWatch::Dashboard" => month(prices, Item::Dashboard, 1.0, "dashboard"),
        "AWS::CloudWatch::CompositeAlarm" => month(prices, Item::CompositeAlarm, 1.0, "composite alarm"),
        "AWS::CloudWatch::Alarm" => {
            // Below a minute an alarm is of high resolution (CloudWatch pricing).
            let high = number(&properties["Period"]).is_some_and(|seconds| seconds < 60.0);
            let metrics = properties["Metrics"].as_array();
            let of = |metrics: &Vec<Value>| {
                metrics.iter().filter(|metric| metric.get("MetricStat").is_some()).count().max(1)
            };
            let count = metrics.map_or(1, of);
            let item = if high { Item::AlarmMetricHighResolution } else { Item::AlarmMetric };
            month(prices, item, count as f64, format!("alarm on {count} metric{}", plural(count)))
        }
        "AWS::DynamoDB::Table" => {
            if properties["BillingMode"] == "PAY_PER_REQUEST" {
                return Some(IdleCost::nothing("table on demand"));
            }
            // The class for rarely read items has other prices, which the table doesn't contain.
            if !properties["TableClass"].is_null() && properties["TableClass"] != "STANDARD" {
                return None;
            }
            let indexes = properties["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
            let (mut reads, mut writes) = (0.0, 0.0);
            for one in std::iter::once(properties).chain(indexes) {
                let throughput = &one["ProvisionedThroughput"];
                reads += number(&throughput["ReadCapacityUnits"])?;
                writes += number(&throughput["WriteCapacityUnits"])?;
            }
            let mut idle = month(
                prices,
                Item::TableReadUnitHour,
                reads,
                format!("{reads} read and {writes} write units"),
            )?;
            idle.dollars += month(prices, Item::TableWriteUnitHour, writes, "")?.dollars;
            Some(idle)
        }
        "AWS::Lambda::EventSourceMapping" => polled_queue(prices, properties, all),
        "AWS::Lambda::Alias" | "AWS::Lambda::Version" => {
            let count = &properties["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"];
            let kept = &properties["ProvisionedConcurrencyConfig"];
            if kept.is_null() {
                return Some(IdleCost::nothing("nothing while idle"));
            }
            let count = number(count)?;
            let mut function = None;
            references(&properties["FunctionName"], &mut |to| function = all.get(to));
            let function = &function?.properties;
            // By default, 128 MB (AWS::Lambda::Function, `MemorySize`).
            let memory = function.get("MemorySize").map_or(Some(128.0), number)?;
            let arm = function["Architectures"][0] == "arm64";
            let item = if arm { Item::ProvisionedGbSecondArm } else { Item::ProvisionedGbSecondX86 };
            let what = format!("{count} environments of {memory} MB kept ready");
            month(prices, item, count * memory / 1024.0, what)
        }
        _ => None,
    }
}

/// Returns the cost of a queue that starts a function: Lambda polls it without end, and SQS charges each request.
/// Source: AWS Knowledge Center, "Why are my Amazon SQS charges higher than expected?"
fn polled_queue(prices: &'static Prices, properties: &Value, all: &Resources<'_>) -> Option<IdleCost> {
    if !properties["ProvisionedPollerConfig"].is_null() {
        return None;
    }
    let source = &properties["EventSourceArn"];
    // The place in the ARN of an existing queue may not be known.
    let text = scalar_text(source).or_else(|| scalar_text(&source["Fn::Sub"])).unwrap_or_default();
    let mut named = None;
    references(source, &mut |to| {
        if !to.starts_with("AWS::") {
            named = Some(all.get(to));
        }
    });
    let is_off = properties.get("Enabled").is_some_and(|enabled| !truthy(enabled));
    let fifo = match named {
        _ if is_off => return Some(IdleCost::nothing("nothing while idle")),
        Some(Some(queue)) if queue.kind == "AWS::SQS::Queue" => truthy(&queue.properties["FifoQueue"]),
        None if text.contains(":sqs:") => text.ends_with(".fifo"),
        // Lambda doesn't charge for polling streams and brokers.
        Some(Some(_)) => return Some(IdleCost::nothing("nothing while idle")),
        None if text.starts_with("arn:") => return Some(IdleCost::nothing("nothing while idle")),
        // A parameter that the deployment fills.
        Some(None) | None => return None,
    };
    let price = prices.get(if fifo { Item::FifoQueueRequest } else { Item::QueueRequest })?;
    let dollars = price.each() * prices.idle_polls_of_month();
    Some(IdleCost { service: &price.service, what: "queue that Lambda polls".to_owned(), dollars })
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn price(kind: &str, properties: Value) -> Option<f64> {
        let function = Resolved {
            kind: "AWS::Lambda::Function".to_owned(),
            properties: json!({ "MemorySize": 2048 }),
            attributes: serde_json::Map::new(),
        };
        let queue = |properties| Resolved {
            kind: "AWS::SQS::Queue".to_owned(),
            properties,
            attributes: serde_json::Map::new(),
        };
        let fifo = queue(json!({ "FifoQueue": "true" }));
        let all = BTreeMap::from([("F", function), ("Q", queue(json!({}))), ("Fifo", fifo)]);
        let resource = Resolved { kind: kind.to_owned(), properties, attributes: serde_json::Map::new() };
        match of(&resource, &all) {
            IdlePrice::Known(idle) => Some(cents(idle.dollars)),
            IdlePrice::Unknown => None,
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
            (
                "AWS::DynamoDB::Table",
                json!({ "TableClass": "STANDARD_INFREQUENT_ACCESS", "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 } }),
                None,
            ),
            ("AWS::SQS::Queue", json!({}), Some(0.0)),
            // 657,000 requests: × $0.40 and × $0.50 a million.
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": { "Fn::GetAtt": ["Q", "Arn"] } }),
                Some(0.26),
            ),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": { "Fn::GetAtt": ["Fifo", "Arn"] } }),
                Some(0.33),
            ),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:q" }),
                Some(0.26),
            ),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": { "Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:1:q.fifo" } }),
                Some(0.33),
            ),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": { "Fn::GetAtt": ["Q", "Arn"] }, "Enabled": false }),
                Some(0.0),
            ),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": { "Fn::GetAtt": ["F", "StreamArn"] } }),
                Some(0.0),
            ),
            ("AWS::Lambda::EventSourceMapping", json!({ "EventSourceArn": { "Ref": "Parameter" } }), None),
            (
                "AWS::Lambda::EventSourceMapping",
                json!({ "EventSourceArn": "x", "ProvisionedPollerConfig": { "MinimumPollers": 2 } }),
                None,
            ),
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
}
