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
                if let Some((text, variables)) = sub(inner) {
                    sub_names(text)
                        .filter(|name| variables.is_none_or(|known| !known.contains_key(*name)))
                        .for_each(&mut *found);
                }
            }
            _ => {}
        }
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

/// Returns the names, without attributes, in the text of an `Fn::Sub`.
fn sub_names(text: &str) -> impl Iterator<Item = &str> {
    let names = text.split("${").skip(1).map(|piece| piece.split(['}', '.']).next().unwrap_or_default());
    // `${!Literal}` is CloudFormation's way to write `${Literal}`.
    names.filter(|name| !name.starts_with('!'))
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

fn rename_sub(value: &mut Value, names: &BTreeMap<String, String>) {
    let Some((text, variables)) = sub(value) else { return };
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(['}', '.']).unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        let new = names.get(name).filter(|_| variables.is_none_or(|known| !known.contains_key(name)));
        out.push_str("${");
        out.push_str(new.map_or(name, String::as_str));
        out.push_str(rest);
    }
    match value {
        Value::Array(items) => items[0] = json!(out),
        other => *other = json!(out),
    }
}
