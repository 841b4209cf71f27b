//! Values in words, as in a stack file.

use deployer_syntax::number;
use serde_json::Value;

use crate::resolve::{MAX_DEPTH, function, name_of, scalar_text};

/// Returns a value as it would be written in a stack file: expressions as `${…}`.
pub(super) fn words(value: &Value) -> String {
    match (scalar_text(value), name_of(value), function(value)) {
        (Some(text), _, _) => text,
        (_, Some(name), _) => format!("${{{name}}}"),
        (_, _, Some(("Fn::Sub", Value::String(text)))) => text.clone(),
        _ => compact(value, 0),
    }
}

/// Returns JSON in which expressions are written as `${…}`.
fn compact(value: &Value, depth: usize) -> String {
    if depth > MAX_DEPTH
        || (depth > 0 && function(value).is_some_and(|(name, _)| name == "Fn::Sub"))
        || name_of(value).is_some()
    {
        return if depth > MAX_DEPTH { number::to_json(value) } else { words(value) };
    }
    match value {
        Value::Object(map) => {
            let entry = |(key, inner): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), compact(inner, depth + 1))
            };
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| compact(item, depth + 1)).collect::<Vec<_>>().join(", "))
        }
        single => number::to_json(single),
    }
}
