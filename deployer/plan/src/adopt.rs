//! The template of an import: resources that exist outside of every stack, exactly as they were deployed.
//!
//! CloudFormation takes nothing but the imported resources in such a template, runs their update handlers with it, and
//! undoes none of these writes. So properties stay as they were deployed, and a reference to something that is not
//! imported becomes the value that it had.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::schemas::{self, Replacement};
use serde_json::{Map, Value, json};

use crate::resolve::{PseudoParameters, Resolver, Side, SubPiece, function, has_function, sub_pieces};

/// Attributes of a resource definition that an import template takes over.
const CARRIED: [&str; 3] = ["Type", "UpdateReplacePolicy", "Metadata"];

/// A resource of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalResource {
    /// CloudFormation type.
    pub kind: String,
    /// Physical ID.
    pub id: String,
}

/// The stack that the resources belonged to.
#[derive(Debug, Clone, Copy)]
pub struct FormerStack<'a> {
    /// Its template.
    pub template: &'a Value,
    /// The values of its parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// Its name and place.
    pub pseudo: &'a PseudoParameters,
    /// Its resources as far as they are known, by logical ID.
    pub resources: &'a BTreeMap<String, PhysicalResource>,
}

/// The template of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportTemplate {
    /// The template; its resources are those that can be imported.
    pub template: Value,
    /// Properties that are not in it, since they refer to something whose value is not known: logical ID, property.
    pub left_out: Vec<(String, String)>,
    /// Resources that can't be imported: logical ID → reason.
    pub impossible: BTreeMap<String, String>,
}

/// Returns the template of the import of some resources of a former stack.
#[must_use]
pub fn import_template(stack: &FormerStack<'_>, adopted: &BTreeSet<String>) -> ImportTemplate {
    let none = BTreeMap::new();
    let side = Side { template: stack.template, parameters: stack.parameters, tags: &none };
    let resolver = Resolver::new(&side, &none, stack.pseudo);
    let mut impossible = BTreeMap::new();
    let mut ids = adopted.clone();
    // A resource that can't be imported may be one that another refers to.
    loop {
        let mut resources = Map::new();
        let mut left_out = Vec::new();
        let mut failed = false;
        for id in &ids {
            match definition(stack, &resolver, id, &ids) {
                Ok((definition, missing)) => {
                    resources.insert(id.clone(), definition);
                    left_out.extend(missing.into_iter().map(|property| (id.clone(), property)));
                }
                Err(why) => {
                    impossible.insert(id.clone(), why);
                    failed = true;
                }
            }
        }
        if !failed {
            return ImportTemplate { template: json!({ "Resources": resources }), left_out, impossible };
        }
        ids.retain(|id| !impossible.contains_key(id));
    }
}

/// Returns the value of a property that is a text, if it is known.
#[must_use]
pub fn name_of(stack: &FormerStack<'_>, id: &str, property: &str) -> Option<String> {
    let none = BTreeMap::new();
    let side = Side { template: stack.template, parameters: stack.parameters, tags: &none };
    let resolver = Resolver::new(&side, &none, stack.pseudo);
    resolver.value(&stack.template["Resources"][id]["Properties"][property]).as_str().map(str::to_owned)
}

/// Returns the definition of one resource, and the properties that are left out.
fn definition(
    stack: &FormerStack<'_>,
    resolver: &Resolver<'_>,
    id: &str,
    adopted: &BTreeSet<String>,
) -> Result<(Value, Vec<String>), String> {
    let former = &stack.template["Resources"][id];
    let Some(kind) = former["Type"].as_str() else {
        return Err("its template is not known".to_owned());
    };
    let mut out = Map::new();
    for name in CARRIED {
        if let Some(value) = former.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    // Any value would do for the import; this one keeps the resource whatever fails afterwards.
    out.insert("DeletionPolicy".to_owned(), json!("Retain"));
    let mut properties = Map::new();
    let mut left_out = Vec::new();
    for (name, value) in former["Properties"].as_object().into_iter().flatten() {
        let value = match stands_alone(value, adopted, 0) {
            true => Some(value.clone()),
            false => {
                let resolved = resolver.value(value);
                Literals { stack, adopted }.of(&resolved, 0)
            }
        };
        match value {
            Some(value) => _ = properties.insert(name.clone(), value),
            None if is_needed(kind, name) => {
                return Err(format!("its property {name} refers to something whose value is not known"));
            }
            None => left_out.push(name.clone()),
        }
    }
    out.insert("Properties".to_owned(), Value::Object(properties));
    Ok((Value::Object(out), left_out))
}

/// Returns whether a resource can't be described without a property.
fn is_needed(kind: &str, property: &str) -> bool {
    let Some(found) = schemas::find(kind) else { return true };
    let schema = found.schema();
    schema.required().any(|name| name == property) || schema.replacement(&[property]) == Replacement::Always
}

/// Returns whether a value means the same in a template with nothing but the adopted resources.
fn stands_alone(value: &Value, adopted: &BTreeSet<String>, depth: usize) -> bool {
    let stays = |name: &str| name.starts_with("AWS::") || adopted.contains(name);
    if depth > crate::resolve::MAX_DEPTH {
        return false;
    }
    match function(value) {
        Some(("Ref", Value::String(name))) => stays(name),
        Some(("Fn::GetAtt", Value::String(path))) => stays(path.split('.').next().unwrap_or_default()),
        Some(("Fn::GetAtt", Value::Array(path))) => path.first().and_then(Value::as_str).is_some_and(stays),
        Some(("Fn::Sub", Value::String(text))) => sub_pieces(text).all(|piece| match piece {
            SubPiece::Text(_) => true,
            SubPiece::Name(name) => stays(name.split('.').next().unwrap_or_default()),
        }),
        Some(("Fn::Join" | "Fn::Select" | "Fn::Split" | "Fn::Base64" | "Fn::ImportValue", argument)) => {
            stands_alone(argument, adopted, depth + 1)
        }
        // Conditions and maps are not in the template.
        Some(_) => false,
        None => match value {
            Value::Object(map) => map.values().all(|inner| stands_alone(inner, adopted, depth + 1)),
            Value::Array(items) => items.iter().all(|inner| stands_alone(inner, adopted, depth + 1)),
            _ => true,
        },
    }
}

/// The values of references to what is not imported.
struct Literals<'a> {
    stack: &'a FormerStack<'a>,
    adopted: &'a BTreeSet<String>,
}

impl Literals<'_> {
    /// Returns a resolved value with literals for its references; `None` if one is not known.
    fn of(&self, value: &Value, depth: usize) -> Option<Value> {
        if depth > crate::resolve::MAX_DEPTH {
            return None;
        }
        match function(value) {
            Some(("Ref", Value::String(name))) => match self.literal(name, None)? {
                Some(text) => Some(json!(text)),
                None => Some(value.clone()),
            },
            Some(("Fn::GetAtt", Value::Array(path))) => {
                let [Value::String(id), Value::String(attribute)] = path.as_slice() else { return None };
                match self.literal(id, Some(attribute))? {
                    Some(text) => Some(json!(text)),
                    None => Some(value.clone()),
                }
            }
            Some(("Fn::Sub", Value::String(text))) => self.text(text),
            Some((name @ ("Fn::Join" | "Fn::Select" | "Fn::Split" | "Fn::Base64"), argument)) => {
                Some(json!({ name: self.of(argument, depth + 1)? }))
            }
            Some(("Fn::ImportValue", argument)) if !has_function(argument, 0) => Some(value.clone()),
            Some(_) => None,
            None => match value {
                Value::Object(map) => {
                    let entry =
                        |(key, inner): (&String, &Value)| Some((key.clone(), self.of(inner, depth + 1)?));
                    map.iter().map(entry).collect::<Option<Map<_, _>>>().map(Value::Object)
                }
                Value::Array(items) => items.iter().map(|inner| self.of(inner, depth + 1)).collect(),
                other => Some(other.clone()),
            },
        }
    }

    /// Returns the text of an `Fn::Sub`: literals for what is not imported, names for the rest.
    fn text(&self, text: &str) -> Option<Value> {
        let (mut out, mut plain, mut refers) = (String::new(), String::new(), false);
        for piece in sub_pieces(text) {
            let literal = match piece {
                SubPiece::Text(text) => text.to_owned(),
                SubPiece::Name(name) => {
                    let (id, attribute) = match name.split_once('.') {
                        Some((id, attribute)) => (id, Some(attribute)),
                        None => (name, None),
                    };
                    match self.literal(id, attribute)? {
                        Some(literal) => literal,
                        None => {
                            refers = true;
                            out.push_str(&format!("${{{name}}}"));
                            continue;
                        }
                    }
                }
            };
            out.push_str(&literal.replace("${", "${!"));
            plain.push_str(&literal);
        }
        Some(if refers { json!({ "Fn::Sub": out }) } else { json!(plain) })
    }

    /// Returns the literal for a name or an attribute of it: `Some(None)` if the reference can stay, `None` if its value
    /// is not known.
    fn literal(&self, name: &str, attribute: Option<&str>) -> Option<Option<String>> {
        if name.starts_with("AWS::") || self.adopted.contains(name) {
            return Some(None);
        }
        let resource = self.stack.resources.get(name)?;
        match attribute {
            None => Some(Some(resource.id.clone())),
            Some(attribute) => attribute_of(resource, attribute, self.stack.pseudo).map(Some),
        }
    }
}

/// Returns an attribute of a resource that follows from its physical ID. Source of the ARNs: Service Authorization
/// Reference, "Resource types" of each service.
fn attribute_of(resource: &PhysicalResource, attribute: &str, pseudo: &PseudoParameters) -> Option<String> {
    let id = &resource.id;
    let partition = pseudo.partition.as_deref()?;
    let regional = |service: &str, path: String| {
        let (region, account) = (pseudo.region.as_deref()?, pseudo.account.as_deref()?);
        Some(format!("arn:{partition}:{service}:{region}:{account}:{path}"))
    };
    match (resource.kind.as_str(), attribute) {
        ("AWS::SQS::Queue", "QueueUrl") | ("AWS::SNS::Topic", "TopicArn") | ("AWS::KMS::Key", "KeyId") => {
            Some(id.clone())
        }
        ("AWS::SQS::Queue", "Arn") => regional("sqs", id.rsplit('/').next()?.to_owned()),
        ("AWS::SQS::Queue", "QueueName") => id.rsplit('/').next().map(str::to_owned),
        ("AWS::SNS::Topic", "TopicName") => id.rsplit(':').next().map(str::to_owned),
        ("AWS::Lambda::Function", "Arn") => regional("lambda", format!("function:{id}")),
        ("AWS::DynamoDB::Table", "Arn") => regional("dynamodb", format!("table/{id}")),
        ("AWS::KMS::Key", "Arn") => regional("kms", format!("key/{id}")),
        ("AWS::Logs::LogGroup", "Arn") => regional("logs", format!("log-group:{id}:*")),
        ("AWS::Events::EventBus", "Arn") => regional("events", format!("event-bus/{id}")),
        ("AWS::Events::EventBus", "Name") => Some(id.clone()),
        ("AWS::ECS::Cluster", "Arn") => regional("ecs", format!("cluster/{id}")),
        ("AWS::S3::Bucket", "Arn") => Some(format!("arn:{partition}:s3:::{id}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudo() -> PseudoParameters {
        PseudoParameters {
            account: Some("111122223333".into()),
            region: Some("eu-west-1".into()),
            partition: Some("aws".into()),
            stack: "orders-dev".into(),
        }
    }

    fn physical(list: &[(&str, &str, &str)]) -> BTreeMap<String, PhysicalResource> {
        let one = |(name, kind, id): &(&str, &str, &str)| {
            ((*name).to_owned(), PhysicalResource { kind: (*kind).to_owned(), id: (*id).to_owned() })
        };
        list.iter().map(one).collect()
    }

    fn ids(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn references_to_what_is_gone_become_literals_and_the_rest_stays() {
        let template = json!({
            "Parameters": { "Days": { "Type": "String" } },
            "Conditions": { "Yes": { "Fn::Equals": ["a", "a"] } },
            "Resources": {
                "Landing": {
                    "Type": "AWS::S3::Bucket",
                    "DeletionPolicy": "RetainExceptOnCreate",
                    "UpdateReplacePolicy": "Retain",
                    "DependsOn": ["JobsPolicy"],
                    "Condition": "Yes",
                    "Metadata": { "deployer": { "protect": true } },
                    "Properties": {
                        "BucketName": { "Fn::Sub": "${AWS::StackName}-landing-${AWS::AccountId}" },
                        "BucketEncryption": { "K": { "Fn::GetAtt": ["Key", "Arn"] } },
                        "NotificationConfiguration": { "Queue": { "Fn::GetAtt": ["Jobs", "Arn"] } },
                        "LifecycleConfiguration": { "Days": { "Ref": "Days" } },
                        "Tags": [{ "Key": "k", "Value": { "Fn::Sub": "${Jobs}/${Key.Arn}/${AWS::Region}" } }],
                        "LoggingConfiguration": { "To": { "Fn::GetAtt": ["Strange", "What"] } },
                    },
                },
                "Key": { "Type": "AWS::KMS::Key", "Properties": { "KeyPolicy": { "Fn::If": ["Yes", { "a": 1 }, 2] } } },
            },
        });
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders-dev-Jobs-1A";
        let resources = physical(&[
            ("Landing", "AWS::S3::Bucket", "b"),
            ("Key", "AWS::KMS::Key", "k-1"),
            ("Jobs", "AWS::SQS::Queue", url),
            ("Strange", "AWS::X::Y", "s"),
        ]);
        let parameters = BTreeMap::from([("Days".to_owned(), "3".to_owned())]);
        let pseudo = pseudo();
        let stack = FormerStack {
            template: &template,
            parameters: &parameters,
            pseudo: &pseudo,
            resources: &resources,
        };
        let made = import_template(&stack, &ids(&["Landing", "Key"]));
        let expected = json!({ "Resources": {
            "Landing": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Metadata": { "deployer": { "protect": true } },
                "Properties": {
                    "BucketName": { "Fn::Sub": "${AWS::StackName}-landing-${AWS::AccountId}" },
                    "BucketEncryption": { "K": { "Fn::GetAtt": ["Key", "Arn"] } },
                    "NotificationConfiguration": { "Queue": "arn:aws:sqs:eu-west-1:111122223333:orders-dev-Jobs-1A" },
                    "LifecycleConfiguration": { "Days": "3" },
                    "Tags": [{ "Key": "k", "Value": { "Fn::Sub": format!("{url}/${{Key.Arn}}/eu-west-1") } }],
                },
            },
            "Key": { "Type": "AWS::KMS::Key", "DeletionPolicy": "Retain", "Properties": { "KeyPolicy": { "a": 1 } } },
        } });
        assert_eq!(made.template, expected);
        assert_eq!(made.left_out, [("Landing".to_owned(), "LoggingConfiguration".to_owned())]);
        assert!(made.impossible.is_empty());
        // Alone, the bucket names its key by ARN.
        let alone = import_template(&stack, &ids(&["Landing"]));
        let key = &alone.template["Resources"]["Landing"]["Properties"]["BucketEncryption"]["K"];
        assert_eq!(*key, "arn:aws:kms:eu-west-1:111122223333:key/k-1");
    }

    #[test]
    fn a_resource_that_cannot_be_described_is_named_with_its_reason() {
        let template = json!({ "Resources": {
            "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": { "Ref": "Unknown" } } },
            "Table": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "KeySchema": [], "SSESpecification": { "K": { "Fn::GetAtt": ["Bucket", "Arn"] } } } },
        } });
        let (none, resources, pseudo) =
            (BTreeMap::new(), physical(&[("Bucket", "AWS::S3::Bucket", "b")]), pseudo());
        let stack =
            FormerStack { template: &template, parameters: &none, pseudo: &pseudo, resources: &resources };
        let made = import_template(&stack, &ids(&["Bucket", "Gone", "Table"]));
        assert_eq!(made.impossible.keys().collect::<Vec<_>>(), ["Bucket", "Gone"]);
        assert!(made.impossible["Bucket"].contains("BucketName"), "{:?}", made.impossible);
        // The table refers to the bucket, which is not imported with it.
        let key = &made.template["Resources"]["Table"]["Properties"]["SSESpecification"]["K"];
        assert_eq!(*key, "arn:aws:s3:::b");
    }
}
