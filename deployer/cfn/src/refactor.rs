//! Stack refactoring: new logical IDs for resources of a stack, without any other change.
//!
//! Source: AWS CloudFormation User Guide, "Stack refactoring".

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::permissions::published;
use crate::schemas;
use crate::template;

/// Types that the page excludes although they have all handlers: "Resource limitations".
const EXCLUDED: [&str; 3] = ["AWS::DynamoDB::GlobalTable", "AWS::EC2::EIP", "AWS::Lambda::EventInvokeConfig"];

/// Returns whether CloudFormation can give resources of a type another logical ID: types with handlers to create, read, update
/// and delete, but for some.
#[must_use]
pub fn can_rename(kind: &str) -> bool {
    let is_published = schemas::find(kind).is_some();
    is_published && published().is_fully_mutable(kind) && !EXCLUDED.contains(&kind)
}

/// Returns a template with other logical IDs, also where they are referred to. `names`: present ID → new ID. Nothing else
/// changes, and everything keeps its order.
#[must_use]
pub fn renamed(template: &Value, names: &BTreeMap<String, String>) -> Value {
    let mut out = template.clone();
    let Value::Object(sections) = &mut out else { return out };
    for (section, value) in sections.iter_mut() {
        match section.as_str() {
            "Resources" => {
                let Value::Object(resources) = value else { continue };
                let own = std::mem::take(resources);
                *resources = own.into_iter().map(|(id, one)| (new_name(&id, names), one)).collect();
                for resource in resources.values_mut() {
                    depends_on(resource, names);
                    references(resource, names);
                }
            }
            "Outputs" => references(value, names),
            _ => {}
        }
    }
    out
}

fn new_name(id: &str, names: &BTreeMap<String, String>) -> String {
    names.get(id).map_or(id, String::as_str).to_owned()
}

fn depends_on(resource: &mut Value, names: &BTreeMap<String, String>) {
    match resource.get_mut("DependsOn") {
        Some(Value::String(id)) => *id = new_name(id, names),
        Some(Value::Array(ids)) => {
            for id in ids {
                if let Value::String(id) = id {
                    *id = new_name(id, names);
                }
            }
        }
        _ => {}
    }
}

fn references(value: &mut Value, names: &BTreeMap<String, String>) {
    template::rename(value, names);
    dotted(value, names);
}

/// Changes the names in `Fn::GetAtt` with a text (`Name.Attribute`), which a template of others may have.
fn dotted(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            rename_dotted(map, names);
            map.values_mut().for_each(|inner| dotted(inner, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| dotted(item, names)),
        _ => {}
    }
}

fn rename_dotted(map: &mut Map<String, Value>, names: &BTreeMap<String, String>) {
    if let Some(Value::String(path)) = map.get_mut("Fn::GetAtt")
        && let Some((id, attribute)) = path.split_once('.')
        && let Some(new) = names.get(id)
    {
        *path = format!("{new}.{attribute}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_without_a_handler_keep_their_logical_id() {
        for kind in [
            "AWS::SQS::Queue",
            "AWS::DynamoDB::Table",
            "AWS::S3::Bucket",
            "AWS::IAM::Role",
            "AWS::Events::Rule",
        ] {
            assert!(can_rename(kind), "{kind}");
        }
        for kind in [
            "AWS::SQS::QueuePolicy",
            "AWS::SNS::TopicPolicy",
            "AWS::Lambda::Permission",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::EC2::SubnetRouteTableAssociation",
            "AWS::EC2::EIP",
            "Custom::Own",
        ] {
            assert!(!can_rename(kind), "{kind}");
        }
    }

    #[test]
    fn every_reference_says_the_new_name_and_nothing_else_changes() {
        let template = json!({
            "Metadata": { "Ref": "Jobs" },
            "Parameters": { "Jobs": { "Type": "String" } },
            "Resources": {
                "Other": {
                    "Type": "AWS::SQS::Queue",
                    "DependsOn": "Jobs",
                    "Properties": {
                        "A": { "Ref": "Jobs" },
                        "B": { "Fn::GetAtt": ["Jobs", "Arn"] },
                        "C": { "Fn::GetAtt": "Jobs.Arn" },
                        "D": { "Fn::Sub": "${Jobs}-${Jobs.Arn}-${!Jobs}-${JobsOther}" },
                        "E": { "Fn::Sub": ["${Jobs}-${Old}", { "Old": { "Ref": "Jobs" } }] },
                        "F": "Jobs",
                    },
                },
                "Jobs": { "Type": "AWS::SQS::Queue", "DependsOn": ["Other", "Jobs"] },
            },
            "Outputs": { "Jobs": { "Value": { "Ref": "Jobs" } } },
        });
        let new = renamed(&template, &BTreeMap::from([("Jobs".to_owned(), "Tasks".to_owned())]));
        let properties = json!({
            "A": { "Ref": "Tasks" },
            "B": { "Fn::GetAtt": ["Tasks", "Arn"] },
            "C": { "Fn::GetAtt": "Tasks.Arn" },
            "D": { "Fn::Sub": "${Tasks}-${Tasks.Arn}-${!Jobs}-${JobsOther}" },
            "E": { "Fn::Sub": ["${Tasks}-${Old}", { "Old": { "Ref": "Tasks" } }] },
            "F": "Jobs",
        });
        assert_eq!(new["Resources"]["Other"]["Properties"], properties);
        assert_eq!(new["Resources"]["Other"]["DependsOn"], "Tasks");
        assert_eq!(new["Resources"]["Tasks"]["DependsOn"], json!(["Other", "Tasks"]));
        let ids: Vec<&String> = new["Resources"].as_object().expect("resources").keys().collect();
        assert_eq!(ids, ["Other", "Tasks"], "in their order");
        assert_eq!(new["Outputs"]["Jobs"]["Value"]["Ref"], "Tasks");
        for section in ["Metadata", "Parameters"] {
            assert_eq!(new[section], template[section]);
        }
    }
}
