//! Changes of items that the table can take.

use serde_json::{Map, Value as Json};
use transform::event::read_event_json;

/// A change of one item of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The item is written.
    Put(Item),
    /// The item is deleted.
    Delete(Deletion),
}

impl Change {
    /// Returns the key of the item.
    #[must_use]
    pub const fn key(&self) -> &Map<String, Json> {
        match self {
            Self::Put(item) => &item.key,
            Self::Delete(deletion) => &deletion.key,
        }
    }
}

/// The checked key of an item that is to be deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// The attributes of the table's key.
    pub key: Map<String, Json>,
}

/// A checked item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// All attributes.
    pub attributes: Map<String, Json>,
    /// The attributes of the table's key.
    pub key: Map<String, Json>,
}

impl Deletion {
    /// Checks the key in `attributes`, of which those of other tables' keys are left out, against a table whose key has
    /// these attribute names, the partition key first.
    ///
    /// # Errors
    /// One sentence that says what is wrong, without any value.
    pub fn new(mut attributes: Map<String, Json>, key_names: &[String]) -> Result<Self, String> {
        attributes.retain(|name, _| key_names.contains(name));
        let Item { key, .. } = Item::new(attributes, key_names)?;
        Ok(Self { key })
    }
}

impl Item {
    /// Checks `attributes` against a table whose key has these attribute names, the partition key first.
    ///
    /// # Errors
    /// One sentence that says what is wrong, without any value.
    pub fn new(attributes: Map<String, Json>, key_names: &[String]) -> Result<Self, String> {
        let mut values = Vec::with_capacity(attributes.len());
        for (name, json) in &attributes {
            let value = read_event_json(json);
            values
                .push(value.ok_or_else(|| {
                    format!("DynamoDB has no number as large or exact as that of `{name}`")
                })?);
        }
        transform::item::check(key_names, attributes.keys().map(String::as_str).zip(&values))?;
        let key = key_names.iter().filter_map(|name| Some((name.clone(), attributes.get(name)?.clone())));
        let key = key.collect();
        Ok(Self { attributes, key })
    }

    /// Returns the attributes besides those of the key.
    pub fn others(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.attributes.iter().filter(|(name, _)| !self.key.contains_key(*name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(attributes: Json, key: &[&str]) -> Result<Item, String> {
        let Json::Object(attributes) = attributes else { panic!("an object") };
        Item::new(attributes, &key.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_may_be_a_number_or_bytes() {
        let attributes = json!({ "id": { "N": "7" }, "sort": { "B": "AA==" } });
        let found = item(attributes.clone(), &["id", "sort"]).expect("an item");
        assert_eq!(Json::Object(found.key), attributes);
    }

    #[test]
    fn a_deletion_has_the_key_of_its_table_alone() {
        let Json::Object(attributes) = json!({ "id": "7", "n": { "N": "1" }, "of another": "x" }) else {
            panic!("an object")
        };
        let names = ["id", "n"].map(str::to_owned);
        let deletion = Deletion::new(attributes.clone(), &names).expect("a key");
        assert_eq!(Json::Object(deletion.key), json!({ "id": "7", "n": { "N": "1" } }));
        let error = Deletion::new(attributes, &["sort".to_owned()]).expect_err("no such attribute");
        assert_eq!(error, "the key attribute `sort` is missing");
    }

    #[test]
    fn the_key_is_taken_from_the_attributes() {
        let found = item(json!({ "a": 1, "id": "7", "n": 3.5 }), &["id", "n"]).expect("an item");
        assert_eq!(Json::Object(found.key), json!({ "id": "7", "n": 3.5 }));
    }

    #[test]
    fn a_key_that_the_table_cannot_take_is_named() {
        let long = "k".repeat(1025);
        for (attributes, key, problem) in [
            (json!({ "a": "x" }), &["id"][..], "is missing"),
            (json!({ "id": "" }), &["id"], "is empty"),
            (json!({ "id": null }), &["id"], "neither a string nor a number nor binary"),
            (json!({ "id": { "SS": ["x"] } }), &["id"], "neither a string nor a number nor binary"),
            (json!({ "id": { "B": "" } }), &["id"], "is empty"),
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
        let fits = 400 * 1024 - "idx".len() - "text".len();
        assert!(item(json!({ "id": "x", "text": "t".repeat(fits) }), &["id"]).is_ok());
        let error = item(json!({ "id": "x", "text": "t".repeat(fits + 1) }), &["id"]).expect_err("too large");
        assert_eq!(error, "the item has 409601 bytes, but can have at most 409600");
    }

    #[test]
    fn a_number_that_is_none_of_dynamodbs_is_no_attribute() {
        let error = item(json!({ "id": "x", "n": [1e300] }), &["id"]).expect_err("too large");
        assert_eq!(error, "DynamoDB has no number as large or exact as that of `n`");
    }
}
