//! Names that the template computes itself, so that two resources can refer to each other without a cycle.

use deployer_cfn::template::{self, GetAtt, Ref, Sub, Template};
use serde_json::{Value, json};

use crate::model::bucket::Bucket;
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

/// Returns the ARN of a bucket, which the stack creates or finds, with `suffix` after it.
#[must_use]
pub fn bucket_arn_of(bucket: &Bucket, name: &str, suffix: &str) -> Value {
    match &bucket.existing {
        Some(existing) => template::sub_text(format!("{}{suffix}", existing.arn())),
        None => bucket_arn(name, suffix),
    }
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

/// Gives the buckets of a template other names, so that a new stack does not meet the buckets that a former one has kept:
/// `-2` and so on is appended to each computed name. Names that CloudFormation makes are new each time.
pub fn renumber(template: &mut Template, generation: u32) {
    let computed = |resource: &template::Resource| {
        let name = resource.properties["BucketName"]["Fn::Sub"].as_str()?;
        (resource.kind == "AWS::S3::Bucket"
            && name.starts_with("${AWS::StackName}-")
            && name.ends_with("-${AWS::AccountId}-${AWS::Region}"))
        .then(|| name.to_owned())
    };
    let names: Vec<String> =
        template.resources.iter().filter_map(|(_, resource)| computed(resource)).collect();
    let values = template.resources.iter_mut().map(|(_, resource)| &mut resource.properties);
    for value in values.chain(template.outputs.iter_mut().map(|(_, output)| output)) {
        for name in &names {
            append(value, name, &format!("{name}-{generation}"));
        }
    }
}

/// Replaces a part of all texts in a value.
fn append(value: &mut Value, part: &str, by: &str) {
    match value {
        Value::String(text) if text.contains(part) => *text = text.replace(part, by),
        Value::Array(items) => items.iter_mut().for_each(|item| append(item, part, by)),
        Value::Object(map) => map.values_mut().for_each(|inner| append(inner, part, by)),
        _ => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_renames_the_buckets_wherever_they_are_named() {
        let resource = |kind: &'static str, properties: Value| template::Resource {
            kind,
            properties,
            ..template::Resource::default()
        };
        let mut template = Template::default();
        let bucket = json!({ "BucketName": Sub(bucket("landing")) });
        template.resources.push(("Landing".to_owned(), resource("AWS::S3::Bucket", bucket)));
        let own = json!({ "BucketName": "my-own-name" });
        template.resources.push(("Own".to_owned(), resource("AWS::S3::Bucket", own.clone())));
        let policy = json!({ "Resource": [bucket_arn("landing", "/*"), bucket_arn("other-landing", "")] });
        template.resources.push(("Role".to_owned(), resource("AWS::IAM::Role", policy)));
        renumber(&mut template, 2);
        let name = "${AWS::StackName}-landing-${AWS::AccountId}-${AWS::Region}-2";
        assert_eq!(template.resources[0].1.properties, json!({ "BucketName": { "Fn::Sub": name } }));
        assert_eq!(template.resources[1].1.properties, own);
        let expected = json!({ "Resource": [
            { "Fn::Sub": format!("arn:${{AWS::Partition}}:s3:::{name}/*") },
            bucket_arn("other-landing", ""),
        ] });
        assert_eq!(template.resources[2].1.properties, expected);
    }
}
