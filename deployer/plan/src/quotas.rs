//! The default quotas of EventBridge in each region, and those of tables and buckets, as data: `quotas.json`, with the date on which they were read.
//!
//! Beside the flow: [`forecast`](crate::cost::forecast) looks up with them how many rows a second a region lets through.
//! An account may have been given higher ones.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

static QUOTAS: &str = include_str!("quotas.json");

/// The key of all regions that are not named.
const OTHER: &str = "other";

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Date of the table.
    pub date: String,
    /// The page of AWS's documentation.
    pub source: String,
    /// Calls of PutEvents a second, by region.
    put_events: BTreeMap<String, u32>,
    /// Events that rules send to their targets a second, by region.
    invocations: BTreeMap<String, u32>,
    /// Rules on one bus, by region.
    rules: BTreeMap<String, u32>,
    /// Tables of an account in a region: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB".
    pub tables: f64,
    /// Buckets of an account: Amazon S3 User Guide, "General purpose bucket quotas".
    pub buckets: f64,
}

/// Returns the table.
pub fn quotas() -> &'static Quotas {
    static TABLE: OnceLock<Quotas> = OnceLock::new();
    // A test reads it; it can't fail here.
    TABLE.get_or_init(|| serde_json::from_str(QUOTAS).unwrap_or_default())
}

impl Quotas {
    /// Returns the calls of PutEvents that an account may make in a second.
    #[must_use]
    pub fn put_events(&self, region: &str) -> f64 {
        of(&self.put_events, region)
    }

    /// Returns the rules that an account may have on one bus.
    #[must_use]
    pub fn rules(&self, region: &str) -> f64 {
        of(&self.rules, region)
    }

    /// Returns the events that the rules of an account may send to targets in a second. More are delayed.
    #[must_use]
    pub fn invocations(&self, region: &str) -> f64 {
        of(&self.invocations, region)
    }
}

fn of(table: &BTreeMap<String, u32>, region: &str) -> f64 {
    table.get(region).or_else(|| table.get(OTHER)).copied().map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_its_quotas() {
        let table: Quotas = serde_json::from_str(QUOTAS).expect("the table");
        assert_eq!((table.put_events("us-east-1"), table.invocations("us-east-1")), (10_000.0, 18_750.0));
        assert_eq!((table.put_events("eu-central-1"), table.invocations("eu-central-1")), (2_400.0, 4_500.0));
        assert_eq!((table.put_events("af-south-1"), table.invocations("me-south-1")), (400.0, 750.0));
        assert_eq!((table.rules("eu-west-1"), table.rules("af-south-1")), (300.0, 100.0));
        assert_eq!((table.tables, table.buckets), (2_500.0, 10_000.0));
        assert_eq!(table.put_events.keys().collect::<Vec<_>>(), table.invocations.keys().collect::<Vec<_>>());
    }
}
