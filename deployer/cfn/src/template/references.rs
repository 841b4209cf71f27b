//! The references in a template: the names in its functions, and the change of these names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Calls `found` with the target of each `Ref`, `Fn::GetAtt` and `${…}` in `Fn::Sub`, however deep in other functions.
pub fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            targets(map, found);
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Calls `found` with the names that a mapping itself refers to, if it is one of the functions that refer.
pub fn targets(map: &Map<String, Value>, found: &mut impl FnMut(&str)) {
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("Ref", Value::String(target)) => found(target),
            ("Fn::GetAtt", Value::String(path)) => found(path.split('.').next().unwrap_or_default()),
            ("Fn::GetAtt", Value::Array(path)) => {
                path.first().and_then(Value::as_str).into_iter().for_each(&mut *found);
            }
            ("Fn::Sub", inner) => {
                sub_names(inner).for_each(|name| found(name.split('.').next().unwrap_or_default()));
            }
            _ => {}
        }
    }
}

/// Calls `found` with the attributes of a resource that a value names.
pub fn attributes(value: &Value, id: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("Fn::GetAtt", Value::String(path)) => path
                        .split_once('.')
                        .filter(|(target, _)| *target == id)
                        .into_iter()
                        .for_each(|(_, attribute)| found(attribute)),
                    ("Fn::GetAtt", Value::Array(path)) if path.first().is_some_and(|target| target == id) => {
                        path.get(1).and_then(Value::as_str).into_iter().for_each(&mut *found);
                    }
                    ("Fn::Sub", inner) => {
                        sub_names(inner)
                            .filter_map(|name| name.split_once('.'))
                            .filter(|(target, _)| *target == id)
                            .for_each(|(_, attribute)| found(attribute));
                    }
                    _ => {}
                }
                attributes(inner, id, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| attributes(item, id, found)),
        _ => {}
    }
}

/// Returns the text of an `Fn::Sub`, and its variables.
fn sub(value: &Value) -> Option<(&str, Option<&Map<String, Value>>)> {
    match value {
        Value::String(text) => Some((text, None)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text), Value::Object(variables)] => Some((text, Some(variables))),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the names in an `Fn::Sub`, with their attributes, that are not variables of its own. A variable may have a
/// name like that of an attribute, and comes first.
fn sub_names(value: &Value) -> impl Iterator<Item = &str> {
    let (text, variables) = sub(value).unwrap_or(("", None));
    let names = text.split("${").skip(1).map(|piece| piece.split('}').next().unwrap_or_default());
    // `${!Literal}` is CloudFormation's way to write `${Literal}`.
    names
        .filter(|name| !name.starts_with('!'))
        .filter(move |name| variables.is_none_or(|known| !known.contains_key(*name)))
}

/// Returns whether macros change a template when it is deployed.
#[must_use]
pub fn has_macros(template: &Value) -> bool {
    fn includes(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.contains_key("Fn::Transform") || map.values().any(includes),
            Value::Array(items) => items.iter().any(includes),
            _ => false,
        }
    }
    template.get("Transform").is_some() || includes(template)
}

/// The types of IAM whose resources may have a name of their own, and the property with the name.
const NAMED_IAM: [(&str, &str); 5] = [
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
];

/// Returns whether a template names a resource of IAM, which CloudFormation makes with `CAPABILITY_NAMED_IAM` alone: AWS
/// CloudFormation User Guide, "Acknowledging IAM resources in CloudFormation templates".
#[must_use]
pub fn has_named_iam(template: &Value) -> bool {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.map(|(_, resource)| resource).any(|resource| {
        NAMED_IAM
            .iter()
            .any(|(kind, name)| resource["Type"] == *kind && !resource["Properties"][*name].is_null())
    })
}

/// Calls `found` with the names of the conditions that `Fn::If` tests in a value.
pub fn tested_conditions(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(name)) = map.get("Fn::If").and_then(|arguments| arguments.get(0)) {
                found(name);
            }
            map.values().for_each(|inner| tested_conditions(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| tested_conditions(item, found)),
        _ => {}
    }
}

/// Calls `found` with the names of the conditions that a condition consists of.
pub fn conditions_of(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("Condition", Value::String(name)) => found(name),
                    _ => conditions_of(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| conditions_of(item, found)),
        _ => {}
    }
}

/// Replaces the names in `Ref`, `Fn::GetAtt` and `Fn::Sub`, however deep: present name → new name.
pub fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                let target = match key.as_str() {
                    "Ref" => Some(&mut *inner),
                    "Fn::GetAtt" => inner.get_mut(0),
                    "Fn::Sub" => {
                        rename_sub(inner, names);
                        None
                    }
                    _ => None,
                };
                if let Some(Value::String(target)) = target
                    && let Some(new) = names.get(target)
                {
                    target.clone_from(new);
                }
                rename(inner, names);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// Replaces references by texts of `Fn::Sub`: `Name` and `Name.Attribute` → text.
pub fn replace_references(value: &mut Value, texts: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            let known = match map.iter().next() {
                Some((key, Value::String(id))) if map.len() == 1 && key == "Ref" => texts.get(id),
                Some((key, path)) if map.len() == 1 && key == "Fn::GetAtt" => texts.get(&dotted(path)),
                _ => None,
            };
            if let Some(text) = known {
                *value = sub_text(text.clone());
                return;
            }
            let mut plain = None;
            for (key, inner) in map.iter_mut() {
                if key == "Fn::Sub" && replace_in_sub(inner, texts) {
                    plain = inner.as_str().filter(|text| !text.contains("${")).map(str::to_owned);
                }
                replace_references(inner, texts);
            }
            if let Some(plain) = plain {
                *value = json!(plain);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_references(item, texts)),
        _ => {}
    }
}

/// Returns a text of `Fn::Sub` as an expression: without references it is a plain text.
#[must_use]
pub fn sub_text(text: String) -> Value {
    if text.contains("${") { json!({ "Fn::Sub": text }) } else { json!(text) }
}

/// Returns the argument of `Fn::GetAtt` with a dot.
fn dotted(path: &Value) -> String {
    let words = path.as_array().into_iter().flatten().filter_map(Value::as_str);
    path.as_str().map_or_else(|| words.collect::<Vec<_>>().join("."), str::to_owned)
}

/// Replaces the references in an `Fn::Sub`. Returns whether there was one.
fn replace_in_sub(value: &mut Value, texts: &BTreeMap<String, String>) -> bool {
    let Some((text, variables)) = sub(value) else { return false };
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    let mut replaced = false;
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let new = texts.get(name).filter(|_| variables.is_none_or(|known| !known.contains_key(name)));
        match new {
            Some(new) => {
                replaced = true;
                out.push_str(new);
                out.push_str(rest);
            }
            None => {
                out.push_str("${");
                out.push_str(piece);
            }
        }
    }
    match value {
        Value::Array(items) => items[0] = json!(out),
        other => *other = json!(out),
    }
    replaced
}

fn rename_sub(value: &mut Value, names: &BTreeMap<String, String>) {
    let Some((text, variables)) = sub(value) else { return };
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(['}', '.']).unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        let whole = piece.split('}').next().unwrap_or_default();
        let new = names.get(name).filter(|_| variables.is_none_or(|known| !known.contains_key(whole)));
        out.push_str("${");
        out.push_str(new.map_or(name, String::as_str));
        out.push_str(rest);
    }
    match value {
        Value::Array(items) => items[0] = json!(out),
        other => *other = json!(out),
    }
}
