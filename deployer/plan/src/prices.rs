//! The prices of AWS's services, as data: `prices.json`, for one region and with the date on which each price was read.
//!
//! Beside the flow: [`cost`](crate::cost) estimates with it the cost of a stack, idle and at work.
//! A resource without a price there is reported as unknown, and never counted as free.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

static PRICES: &str = include_str!("prices.json");

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// Region of the prices.
    pub region: String,
    /// Date of the table.
    pub date: String,
    /// Hours for which a month is charged.
    pub hours_of_month: f64,
    /// Requests that Lambda makes to an empty queue.
    pub idle_polls: IdlePolls,
    prices: BTreeMap<Item, Price>,
    /// Types, and services by their beginning, that cost nothing while idle.
    pub(crate) nothing: Vec<String>,
}

/// The number of requests that Lambda makes to an empty queue that starts a function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdlePolls {
    /// Requests a minute. AWS says that they are charged, but not how many there are; others have measured it, as the
    /// table says.
    pub per_minute: f64,
}

/// A priced unit of use: the keys of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "`what` and `unit` in the table say it")]
pub enum Item {
    NatGatewayHour,
    NatGatewayGb,
    PublicIpv4Hour,
    InterfaceEndpointHour,
    InterfaceEndpointGb,
    Event,
    ArchiveGb,
    ArchiveStoredGb,
    ScheduledInvocation,
    PipeRequest,
    QueueRequest,
    FifoQueueRequest,
    LambdaRequest,
    LambdaGbSecondX86,
    LambdaGbSecondArm,
    ProvisionedGbSecondX86,
    ProvisionedGbSecondArm,
    FargateVcpuHourX86,
    FargateGbHourX86,
    FargateVcpuHourArm,
    FargateGbHourArm,
    FargateStorageGbHour,
    TableWrite,
    TableRead,
    TableWriteUnitHour,
    TableReadUnitHour,
    TableStoredGb,
    TableRecoveryGb,
    LogsGb,
    LogsStoredGb,
    AlarmMetric,
    AlarmMetricHighResolution,
    CompositeAlarm,
    Metric,
    Dashboard,
    ObjectWrite,
    ObjectRead,
    ObjectStoredGb,
    Key,
    KeyRequest,
    Secret,
    SecretRequest,
    Publish,
    StateTransition,
    ImageStoredGb,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Price {
    /// The service that asks for it.
    pub service: String,
    /// Name of what is paid for.
    pub what: String,
    /// Dollars for [`Self::per`] of the unit.
    pub dollars: f64,
    /// The quantity of the unit that they are for.
    pub per: f64,
    /// The unit; in the plural where they are for several.
    pub unit: String,
    /// Title of AWS's page.
    pub source: String,
    verified: Verified,
    /// CloudFormation types whose use it is asked for.
    #[serde(default)]
    pub types: Vec<String>,
}

/// Date on which a price was last read on a public page; `false` if it was not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Verified {
    On(String),
    Never(bool),
}

impl Price {
    /// Returns the dollars for one of the unit.
    #[must_use]
    pub fn each(&self) -> f64 {
        self.dollars / self.per
    }

    /// Returns the date on which it was last read on a public page.
    #[must_use]
    pub fn verified(&self) -> Option<&str> {
        match &self.verified {
            Verified::On(date) => Some(date),
            Verified::Never(_) => None,
        }
    }

    /// Returns the price in words: `$0.40 per million requests`.
    #[must_use]
    pub fn shown(&self) -> String {
        let dollars = self.dollars;
        // All decimals where two would not be exact.
        let amount =
            if (dollars * 100.0).fract() == 0.0 { format!("{dollars:.2}") } else { format!("{dollars}") };
        let per = match self.per {
            1.0 => String::new(),
            1e6 => "million ".to_owned(),
            count => format!("{} ", grouped(count)),
        };
        format!("${amount} per {per}{}", self.unit)
    }
}

impl Prices {
    /// Returns the price of something; nothing when the table has none.
    #[must_use]
    pub fn get(&self, item: Item) -> Option<&Price> {
        self.prices.get(&item)
    }

    /// Returns all prices.
    pub fn all(&self) -> impl Iterator<Item = (Item, &Price)> {
        self.prices.iter().map(|(item, price)| (*item, price))
    }

    /// Returns the requests that Lambda makes in a month to an empty queue that starts a function.
    #[must_use]
    pub fn idle_polls_of_month(&self) -> f64 {
        self.idle_polls.per_minute * 60.0 * self.hours_of_month
    }
}

/// Returns the table.
#[must_use]
pub fn prices() -> &'static Prices {
    static READ: OnceLock<Prices> = OnceLock::new();
    // A test reads it, so it can't fail here.
    READ.get_or_init(|| serde_json::from_str(PRICES).unwrap_or_default())
}

/// Returns a whole number with a comma between thousands.
#[must_use]
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_cfn::schemas;

    #[test]
    fn the_table_has_every_price_and_says_where_each_is_from() {
        let table: Prices = serde_json::from_str(PRICES).expect("the table");
        assert_eq!(table.hours_of_month, 730.0);
        // The last of the items has the number of those before it.
        assert_eq!(table.all().count(), Item::ImageStoredGb as usize + 1);
        for (item, price) in table.all() {
            assert!(price.dollars > 0.0 && price.per >= 1.0, "{item:?}");
            assert!(
                !price.source.is_empty() && !price.service.is_empty() && !price.what.is_empty(),
                "{item:?}"
            );
            match &price.verified {
                Verified::On(date) => assert!(date.len() == 10 && date.starts_with("20"), "{item:?}: {date}"),
                Verified::Never(verified) => assert!(!verified, "{item:?}: write the date"),
            }
            for kind in &price.types {
                assert!(schemas::find(kind).is_some(), "{item:?}: {kind}");
            }
        }
    }

    #[test]
    fn what_costs_nothing_is_a_type_or_a_service() {
        for known in &prices().nothing {
            let exists = match known.ends_with("::") {
                true => schemas::names().any(|name| name.starts_with(known.as_str())),
                false => schemas::find(known).is_some(),
            };
            assert!(exists, "{known}");
        }
    }

    #[test]
    fn prices_are_shown_as_aws_writes_them() {
        let shown = |item| prices().get(item).map(Price::shown);
        assert_eq!(shown(Item::QueueRequest).as_deref(), Some("$0.40 per million requests"));
        assert_eq!(shown(Item::NatGatewayHour).as_deref(), Some("$0.045 per hour"));
        assert_eq!(shown(Item::KeyRequest).as_deref(), Some("$0.03 per 10,000 requests"));
        assert_eq!(shown(Item::LambdaGbSecondX86).as_deref(), Some("$0.0000166667 per GB-second"));
        assert_eq!(
            ["1", "999", "1000", "1234567"].map(|text| grouped(text.parse().expect("a number"))),
            ["1", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn an_empty_queue_is_asked_657_000_times_a_month() {
        // 15 a minute × 60 minutes × 730 hours; at $0.40 a million that is $0.2628.
        assert_eq!(prices().idle_polls_of_month(), 657_000.0);
    }
}
