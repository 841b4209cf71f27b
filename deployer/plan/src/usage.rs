//! What a stack takes of the quotas that all stacks of an account share.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Part of a quota from which on its rest is said to be small.
const NEAR: f64 = 0.8;

/// What a template takes of the quotas of an account. Resources with a condition, and those of loops, count once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takes {
    /// Concurrent executions that its functions reserve.
    pub reserved: i64,
    /// Its tables.
    pub tables: usize,
    /// Its buckets.
    pub buckets: usize,
    /// Its rules by the name of a bus that the template names and does not make, such as `default`.
    pub rules: BTreeMap<String, usize>,
    /// The most rules on one bus that the template makes.
    pub rules_of_own_bus: usize,
    /// Its task definitions by logical ID, with their CPU units.
    tasks: BTreeSet<(String, String)>,
}

impl Takes {
    /// Returns what a template takes.
    #[must_use]
    pub fn of(template: &Value) -> Self {
        let mut out = Self::default();
        let mut own: BTreeMap<String, usize> = BTreeMap::new();
        for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
            let properties = &resource["Properties"];
            match resource["Type"].as_str().unwrap_or_default() {
                "AWS::Lambda::Function" => {
                    out.reserved += properties["ReservedConcurrentExecutions"].as_i64().unwrap_or_default();
                }
                "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" => out.tables += 1,
                "AWS::S3::Bucket" => out.buckets += 1,
                "AWS::Events::Rule" => match &properties["EventBusName"] {
                    Value::Null => *out.rules.entry("default".to_owned()).or_default() += 1,
                    Value::String(bus) => {
                        let name = bus.split_once(":event-bus/").map_or(bus.as_str(), |(_, name)| name);
                        *out.rules.entry(name.to_owned()).or_default() += 1;
                    }
                    other => *own.entry(other.to_string()).or_default() += 1,
                },
                "AWS::ECS::TaskDefinition" => {
                    out.tasks.insert((id.clone(), properties["Cpu"].to_string()));
                }
                _ => {}
            }
        }
        out.rules_of_own_bus = own.into_values().max().unwrap_or_default();
        out
    }

    /// Returns what it takes beyond another template, which is deployed.
    #[must_use]
    pub fn beyond(&self, deployed: &Self) -> Self {
        let more = |(bus, count): (&String, &usize)| {
            let more = count.saturating_sub(deployed.rules.get(bus).copied().unwrap_or_default());
            (more > 0).then(|| (bus.clone(), more))
        };
        let own = self.rules_of_own_bus;
        Self {
            reserved: (self.reserved - deployed.reserved).max(0),
            tables: self.tables.saturating_sub(deployed.tables),
            buckets: self.buckets.saturating_sub(deployed.buckets),
            rules: self.rules.iter().filter_map(more).collect(),
            rules_of_own_bus: if own > deployed.rules_of_own_bus { own } else { 0 },
            tasks: self.tasks.difference(&deployed.tasks).cloned().collect(),
        }
    }

    /// Returns whether it has tasks.
    #[must_use]
    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Enough.
    Enough,
    /// A fifth of the quota, or less.
    Little,
    /// Less than is needed.
    TooLittle,
}

/// Returns what is left of a quota if `more` comes to what is in use.
#[must_use]
pub fn room(limit: f64, used: f64, more: f64) -> Room {
    match used + more {
        sum if sum > limit => Room::TooLittle,
        sum if sum >= limit * NEAR => Room::Little,
        _ => Room::Enough,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_takes_what_it_has_and_a_deployment_what_is_new() {
        let rule = |bus: Value| json!({ "Type": "AWS::Events::Rule", "Properties": { "EventBusName": bus } });
        let task = |cpu: &str| json!({ "Type": "AWS::ECS::TaskDefinition", "Properties": { "Cpu": cpu } });
        let wanted = json!({ "Resources": {
            "F": { "Type": "AWS::Lambda::Function", "Properties": { "ReservedConcurrentExecutions": 7 } },
            "G": { "Type": "AWS::Lambda::Function", "Properties": {} },
            "T": { "Type": "AWS::DynamoDB::Table" }, "B": { "Type": "AWS::S3::Bucket" },
            "R": rule(json!("default")), "S": rule(Value::Null), "U": rule(json!({ "Ref": "Bus" })),
            "V": rule(json!({ "Ref": "Bus" })), "W": rule(json!("arn:aws:events:eu-west-1:111122223333:event-bus/shared")),
            "J": task("256"),
        } });
        let takes = Takes::of(&wanted);
        assert_eq!((takes.reserved, takes.tables, takes.buckets, takes.rules_of_own_bus), (7, 1, 1, 2));
        let rules = BTreeMap::from([("default".to_owned(), 2), ("shared".to_owned(), 1)]);
        assert_eq!(takes.rules, rules);
        assert_eq!(takes.beyond(&Takes::default()), takes, "all of it is new");
        assert_eq!(takes.beyond(&takes), Takes::default(), "nothing is new");
        let deployed = Takes::of(&json!({ "Resources": { "J": task("512"), "S": rule(Value::Null) } }));
        let more = takes.beyond(&deployed);
        assert_eq!(more.rules["default"], 1);
        assert!(more.has_tasks(), "a task of another size");
        assert_eq!(Takes::of(&json!([])), Takes::default());
    }

    #[test]
    fn the_last_fifth_is_little() {
        for (used, more, expected) in [
            (79.0, 0.0, Room::Enough),
            (79.0, 1.0, Room::Little),
            (99.0, 1.0, Room::Little),
            (99.0, 2.0, Room::TooLittle),
        ] {
            assert_eq!(room(100.0, used, more), expected, "{used} {more}");
        }
    }
}
