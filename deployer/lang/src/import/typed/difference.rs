//! The first difference between two values, in words.

use deployer_syntax::yaml::shorten;
use serde_json::Value;

/// Returns the first difference between a part of a template and what a type makes; `None` if there is none.
pub(super) fn first_difference(wanted: &Value, made: &Value) -> Option<String> {
    find(wanted, made, &mut String::new())
}

fn find(wanted: &Value, made: &Value, path: &mut String) -> Option<String> {
    if wanted == made {
        return None;
    }
    let length = path.len();
    let step = |path: &mut String, key: &str| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    };
    let inner = |path: &mut String, key: &str, one: &Value, other: &Value| {
        step(path, key);
        let found = find(one, other, path);
        path.truncate(length);
        found
    };
    match (wanted, made) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one {
                let found = inner(path, key, value, other.get(key).unwrap_or(&Value::Null));
                if found.is_some() {
                    return found;
                }
            }
            let further = other.iter().find(|(key, _)| !one.contains_key(*key))?;
            inner(path, further.0, &Value::Null, further.1)
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(index, (one, other))| inner(path, &index.to_string(), one, other))
        }
        _ => Some(format!("{path} is {}, and the type makes {}", show(wanted), show(made))),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "not there".to_owned(),
        other => format!("`{}`", shorten(&other.to_string())),
    }
}

/// Returns what a resource waits for beyond what the type makes it wait for, if that is all that differs.
pub(super) fn further_waits(wanted: &Value, made: &Value) -> Option<Vec<String>> {
    let list = |value: &Value| -> Vec<String> {
        match value {
            Value::String(id) => vec![id.clone()],
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let (wanted_ids, made_ids) = (list(&wanted["DependsOn"]), list(&made["DependsOn"]));
    let mut without = wanted.clone();
    if let Value::Object(map) = &mut without {
        map.remove("DependsOn");
        if let Some(own) = made.get("DependsOn") {
            map.insert("DependsOn".to_owned(), own.clone());
        }
    }
    let further: Vec<String> = wanted_ids.iter().filter(|id| !made_ids.contains(id)).cloned().collect();
    let all_there = made_ids.iter().all(|id| wanted_ids.contains(id));
    (without == *made && all_there && !further.is_empty()).then_some(further)
}
