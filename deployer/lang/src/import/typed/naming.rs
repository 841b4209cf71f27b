//! Names in the file, and settings of the stack, that a template shows by its texts.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::logical_id;
use serde_json::{Map, Value, json};

use super::super::scalar::escaped;
use super::text::target;
use crate::document::is_cloudformation_name;
use crate::model::Kind;
use crate::model::properties::is_word;

/// Returns the types of the language that resources may have, by their CloudFormation types.
pub(super) fn kinds(resources: &Map<String, Value>) -> BTreeMap<String, Kind> {
    let of = |cloudformation: &str| {
        let main =
            |kind: &Kind| kind.cloudformation().is_some_and(|type_id| type_id.name() == cloudformation);
        Kind::ALL.into_iter().find(main)
    };
    let typed = |(id, resource): (&String, &Value)| Some((id.clone(), of(resource["Type"].as_str()?)?));
    resources.iter().filter_map(typed).collect()
}

/// The name that no resource may have: `${config.…}` is a config value.
const CONFIG: &str = "config";

/// Returns names from which the logical IDs follow: those that the texts of the template show, else the IDs themselves.
pub(super) fn names(
    resources: &Map<String, Value>,
    kinds: &BTreeMap<String, Kind>,
) -> BTreeMap<String, String> {
    // Words of all texts, by the logical ID that follows from them.
    let mut everywhere: BTreeMap<String, String> = BTreeMap::new();
    for resource in resources.values() {
        words(&resource["Properties"], &mut |word| {
            let id = logical_id(word);
            if word != id && kinds.contains_key(&id) {
                everywhere.entry(id).or_insert_with(|| word.to_owned());
            }
        });
    }
    let mut out = BTreeMap::new();
    for id in kinds.keys() {
        let mut own = None;
        words(&resources[id]["Properties"], &mut |word| {
            if own.is_none() && logical_id(word) == *id {
                own = Some(word.to_owned());
            }
        });
        let name = own.or_else(|| everywhere.get(id).cloned()).unwrap_or_else(|| id.clone());
        // The name of another resource is not free, nor that of the config values.
        let taken = name != *id && (resources.contains_key(&name) || name == CONFIG);
        out.insert(id.clone(), if taken { id.clone() } else { name });
    }
    out
}

/// Returns a name for a resource whose logical ID is not in the template.
pub(super) fn free(id: &str, resources: &Map<String, Value>) -> String {
    let mut name = String::new();
    for letter in id.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    let fits = logical_id(&name) == id && !resources.contains_key(&name) && name != CONFIG;
    if fits { name } else { id.to_owned() }
}

/// Calls `found` with each word of each text that can be a name.
fn words(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => {
            // What is between `${` and `}` is CloudFormation's.
            let mut pieces = text.split("${");
            let first = pieces.next().unwrap_or_default();
            let behind = pieces.map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
            for piece in std::iter::once(first).chain(behind) {
                let separates =
                    |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
                let candidates = piece.split(separates).map(|word| word.trim_matches(['-', '_']));
                candidates.filter(|word| is_word(word)).for_each(&mut *found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::Object(map) => map.values().for_each(|inner| words(inner, found)),
        _ => {}
    }
}

/// Returns the name of the stack, if all descriptions that look like those of the language have the same.
pub(super) fn stack(resources: &Map<String, Value>) -> Option<String> {
    let names: BTreeSet<&str> = resources.values().filter_map(stack_in).collect();
    names.first().filter(|_| names.len() == 1).map(|name| (*name).to_owned())
}

/// Returns the name of the stack in the description of a resource, if it looks like one that the language writes.
pub(super) fn stack_in(resource: &Value) -> Option<&str> {
    let (first, between): (&[&str], _) = match resource["Type"].as_str()? {
        "AWS::Events::Rule" => (&["Rule"], " of the stack "),
        "AWS::Scheduler::Schedule" => (&["Schedule"], " of the stack "),
        "AWS::Lambda::Function" => (&["Function", "Worker"], " of the stack "),
        "AWS::KMS::Key" => (&["Key"], " of "),
        _ => return None,
    };
    let (what, rest) = resource["Properties"]["Description"].as_str()?.split_once(between)?;
    let name = rest.strip_suffix('.')?;
    let (word, _) = what.split_once(' ')?;
    (first.contains(&word) && is_cloudformation_name(name)).then_some(name)
}

/// Returns the `removal` of the stack that fits most of the resources with data, if it is not the default.
pub(super) fn removal(resources: &Map<String, Value>, local: bool) -> Option<&'static str> {
    let data = [
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Events::Archive",
    ];
    let of_data = |one: &&Value| one["Type"].as_str().is_some_and(|kind| data.contains(&kind));
    let count = |deletes: bool| {
        let same = |one: &&Value| {
            one["DeletionPolicy"].as_str().is_some_and(|policy| (policy == "Delete") == deletes)
        };
        resources.values().filter(of_data).filter(same).count()
    };
    let deletes = match count(true).cmp(&count(false)) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => local,
    };
    (deletes != local).then_some(if deletes { "delete" } else { "keep" })
}

/// Returns the logical ID of the key that encrypts the logs, which is that of the stack.
pub(super) fn key(resources: &Map<String, Value>) -> Option<String> {
    let logs = resources.values().filter(|one| one["Type"] == "AWS::Logs::LogGroup");
    logs.filter_map(|one| target(&one["Properties"]["KmsKeyId"])).next().map(str::to_owned)
}

/// Returns the options that a resource would have. `keep`: data stays by default.
pub(super) fn options(resource: &Value, kind: Kind, id: &str, name: &str, keep: bool) -> Map<String, Value> {
    let mut out = Map::new();
    if logical_id(name) != id {
        out.insert("logicalId".to_owned(), json!(id));
    }
    if let Some(condition) = resource.get("Condition") {
        out.insert("condition".to_owned(), condition.clone());
    }
    let policies = (resource["DeletionPolicy"].as_str(), resource["UpdateReplacePolicy"].as_str());
    let protected = resource["Metadata"]["deployer"]["protect"] == true;
    if protected {
        out.insert("protect".to_owned(), json!(true));
    }
    let data = matches!(kind, Kind::Bucket | Kind::Table | Kind::Key);
    let usual = match kind {
        _ if data && !keep => (Some("Delete"), Some("Delete")),
        Kind::Table => (Some("Retain"), Some("Retain")),
        _ if data => (Some("RetainExceptOnCreate"), Some("Retain")),
        Kind::Queue | Kind::Parameter => (Some("Delete"), Some("Delete")),
        _ => (None, None),
    };
    if policies != usual && !protected {
        match policies {
            (Some("RetainExceptOnCreate"), Some("Retain")) if kind != Kind::Table => {
                out.insert("retain".to_owned(), json!(true));
            }
            (Some("Retain"), Some("Retain")) if kind == Kind::Table => {
                out.insert("retain".to_owned(), json!(true));
            }
            (Some("Delete"), Some("Delete")) => {
                out.insert("retain".to_owned(), json!(false));
            }
            _ => {}
        }
    }
    let mut attributes = Map::new();
    for (key, value) in resource.as_object().into_iter().flatten() {
        let policy = matches!(key.as_str(), "DeletionPolicy" | "UpdateReplacePolicy");
        let further = match key.as_str() {
            "Type" | "Properties" | "DependsOn" | "Condition" => false,
            "Metadata" => !protected,
            _ if policy => policies != usual && !protected && !out.contains_key("retain"),
            _ => true,
        };
        if further {
            attributes.insert(key.clone(), escaped_value(value));
        }
    }
    if !attributes.is_empty() {
        out.insert("attributes".to_owned(), Value::from(attributes));
    }
    out
}

/// Returns a value whose texts mean the same where the language reads `${…}`.
fn escaped_value(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(escaped(text)),
        Value::Array(items) => items.iter().map(escaped_value).collect(),
        Value::Object(map) => {
            let entry = |(key, inner): (&String, &Value)| {
                let inner = match (key.as_str(), inner) {
                    // Its text is CloudFormation's.
                    ("Fn::Sub", Value::String(_)) | ("Fn::Transform", _) => inner.clone(),
                    ("Fn::Sub", Value::Array(items)) => match items.split_first() {
                        Some((text, rest)) => {
                            std::iter::once(text.clone()).chain(rest.iter().map(escaped_value)).collect()
                        }
                        None => inner.clone(),
                    },
                    _ => escaped_value(inner),
                };
                (key.clone(), inner)
            };
            Value::Object(map.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}
