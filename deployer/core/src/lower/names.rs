//! Names that the template computes itself, so that two resources can speak of each other without a cycle.

use serde_json::{Value, json};

use crate::template::Sub;

/// Name of a bucket: account and region make it unique in the world.
#[must_use]
pub fn bucket(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    format!("${{AWS::StackName}}-{name}-${{AWS::AccountId}}-${{AWS::Region}}")
}

/// ARN of a bucket by its computed name, with `suffix` behind it.
#[must_use]
pub fn bucket_arn(name: &str, suffix: &str) -> Value {
    json!(Sub(format!("arn:${{AWS::Partition}}:s3:::{}{suffix}", bucket(name))))
}
