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
        _ => {
            let show = |value: &Value| format!("`{}`", shorten(&value.to_string()));
            let is = if wanted.is_null() { "not there".to_owned() } else { show(wanted) };
            let makes =
                if made.is_null() { "does not make it".to_owned() } else { format!("makes {}", show(made)) };
            Some(format!("{path} is {is}, and the type {makes}"))
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_a_sentence() {
        let wanted = json!({ "a": { "b": [1, "x"] }, "c": 1 });
        for (made, sentence) in [
            (json!({ "a": { "b": [1, "y"] }, "c": 1 }), "a.b.1 is `\"x\"`, and the type makes `\"y\"`"),
            (json!({ "a": { "b": [1, "x"] } }), "c is `1`, and the type does not make it"),
            (json!({ "a": { "b": [1, "x"] }, "c": 1, "d": 2 }), "d is not there, and the type makes `2`"),
        ] {
            assert_eq!(first_difference(&wanted, &made).as_deref(), Some(sentence));
        }
    }
}
