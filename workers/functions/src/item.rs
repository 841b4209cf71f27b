//! Items that the table can take.

use serde_json::{Map, Value};

/// Limits of DynamoDB:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_ITEM: usize = 400 * 1024;
const MAX_PARTITION_KEY: usize = 2048;
const MAX_SORT_KEY: usize = 1024;

/// A checked item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// All attributes.
    pub attributes: Map<String, Value>,
    /// The attributes of the table's key.
    pub key: Map<String, Value>,
}

impl Item {
    /// Checks `attributes` against a table whose key has these attribute names, the partition key first.
    ///
    /// # Errors
    /// One sentence that says what is wrong, without any value.
    pub fn new(attributes: Map<String, Value>, key_names: &[String]) -> Result<Self, String> {
        let mut key = Map::new();
        for (name, limit) in key_names.iter().zip([MAX_PARTITION_KEY, MAX_SORT_KEY]) {
            let value =
                attributes.get(name).ok_or_else(|| format!("the key attribute `{name}` is missing"))?;
            match value {
                Value::String(text) if text.is_empty() => {
                    return Err(format!("the key attribute `{name}` is empty"));
                }
                Value::String(text) if text.len() > limit => {
                    return Err(format!(
                        "the key attribute `{name}` has {} bytes, but can have at most {limit}",
                        text.len()
                    ));
                }
                Value::String(_) | Value::Number(_) => {}
                _ => return Err(format!("the key attribute `{name}` is neither a string nor a number")),
            }
            key.insert(name.clone(), value.clone());
        }
        let size = map_size(&attributes);
        if size > MAX_ITEM {
            return Err(format!("the item has {size} bytes, but can have at most {MAX_ITEM}"));
        }
        Ok(Self { attributes, key })
    }
}

/// Returns the size as DynamoDB counts it, estimated from above where it depends on the value (numbers, nested
/// overhead), so that nothing passes here only to fail a whole batch there. Close to the limit it may be a little
/// strict.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn map_size(map: &Map<String, Value>) -> usize {
    map.iter().map(|(name, value)| name.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(_) => 21,
        Value::String(text) => text.len(),
        Value::Array(values) => 3 + values.iter().map(|value| 1 + size(value)).sum::<usize>(),
        Value::Object(map) => 3 + map.len() + map_size(map),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(attributes: Value, key: &[&str]) -> Result<Item, String> {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        Item::new(attributes, &key.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_key_is_taken_from_the_attributes() {
        let found = item(json!({ "a": 1, "id": "7", "n": 3.5 }), &["id", "n"]).expect("an item");
        assert_eq!(Value::Object(found.key), json!({ "id": "7", "n": 3.5 }));
    }

    #[test]
    fn a_key_that_the_table_cannot_take_is_named() {
        let long = "k".repeat(1025);
        for (attributes, key, problem) in [
            (json!({ "a": "x" }), &["id"][..], "is missing"),
            (json!({ "id": "" }), &["id"], "is empty"),
            (json!({ "id": null }), &["id"], "neither a string nor a number"),
            (json!({ "id": ["x"] }), &["id"], "neither a string nor a number"),
            (json!({ "id": "k".repeat(2049) }), &["id"], "has 2049 bytes, but can have at most 2048"),
            (
                json!({ "id": "x", "sort": long }),
                &["id", "sort"],
                "has 1025 bytes, but can have at most 1024",
            ),
            (json!({ "id": "x" }), &["id", "sort"], "`sort` is missing"),
        ] {
            let error = item(attributes, key).expect_err(problem);
            assert!(error.contains(problem) && !error.contains("kkk"), "{error}");
        }
        assert!(item(json!({ "id": long, "sort": "k".repeat(1024) }), &["id", "sort"]).is_ok());
    }

    #[test]
    fn the_size_counts_names_and_values() {
        let fits = MAX_ITEM - "idx".len() - "text".len();
        assert!(item(json!({ "id": "x", "text": "t".repeat(fits) }), &["id"]).is_ok());
        let error = item(json!({ "id": "x", "text": "t".repeat(fits + 1) }), &["id"]).expect_err("too large");
        assert_eq!(error, "the item has 409601 bytes, but can have at most 409600");
        assert_eq!(size(&json!({ "a": [true, null, "xy", 1] })), 3 + 1 + 1 + 3 + 2 + 2 + 3 + 22);
    }
}
