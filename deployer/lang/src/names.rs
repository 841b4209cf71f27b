//! Names that the template computes itself, so that two resources can refer to each other without a cycle.

use deployer_cfn::template::{GetAtt, Ref, Sub};
use serde_json::{Value, json};

use crate::model::bus::{Bus, LogLevel};

/// Returns the name of a bucket: account and region make it unique in the world.
#[must_use]
pub fn bucket(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    format!("${{AWS::StackName}}-{name}-${{AWS::AccountId}}-${{AWS::Region}}")
}

/// Returns the ARN of a bucket by its computed name, with `suffix` after it.
#[must_use]
pub fn bucket_arn(name: &str, suffix: &str) -> Value {
    json!(Sub(format!("arn:${{AWS::Partition}}:s3:::{}{suffix}", bucket(name))))
}

/// Returns the family of a task's definitions.
#[must_use]
pub fn family(name: &str) -> String {
    format!("${{AWS::StackName}}-{name}")
}

/// Returns the name that the template gives to a bus.
#[must_use]
pub fn own_bus(name: &str) -> String {
    format!("${{AWS::StackName}}-{name}")
}

/// Returns the name of the source of a log of a bus, and of its destination.
#[must_use]
pub fn event_log(stack: &str, name: &str, level: LogLevel) -> String {
    format!("{stack}-{name}-{}", level.word())
}

/// Returns the ARN of a bus by its computed name.
#[must_use]
pub fn computed_bus_arn(name: &str, bus: &Bus) -> Value {
    let name = bus.existing.clone().unwrap_or_else(|| own_bus(name));
    json!(Sub(format!(
        "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/{name}"
    )))
}

/// Returns the ARN of a parameter of Systems Manager, whose name may be a path with a slash before it.
#[must_use]
pub fn parameter_arn(name: &str) -> Value {
    let name = name.trim_start_matches('/');
    json!(Sub(format!("arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter/{name}")))
}

/// Returns the name of a bus, which the stack creates or finds.
#[must_use]
pub fn bus(id: &str, bus: &Bus) -> Value {
    match &bus.existing {
        Some(name) => json!(name),
        None => json!(Ref(id)),
    }
}

/// Returns the ARN of a bus, which the stack creates or finds.
#[must_use]
pub fn bus_arn(id: &str, bus: &Bus) -> Value {
    match &bus.existing {
        Some(name) => computed_bus_arn(name, bus),
        None => json!(GetAtt(id, "Arn")),
    }
}
