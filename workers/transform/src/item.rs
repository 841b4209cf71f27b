//! Items, and the rules of the table that they are for.

use contract::Reason;

use crate::conversion::Converted;
use crate::failure::Failure;
use crate::field::Field;
use crate::value::{self, Value};

/// The greatest number of bytes of an item, as DynamoDB counts them:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const MAX_ITEM: usize = 400 * 1024;
/// The greatest number of bytes of a partition key (same source).
pub const MAX_PARTITION_KEY: usize = 2048;
/// The greatest number of bytes of a sort key (same source).
pub const MAX_SORT_KEY: usize = 1024;

/// The attributes of an item, in the order of the settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Item<'r> {
    /// Names and values.
    pub attributes: Vec<(&'r str, Value<'r>)>,
    /// The number of timestamps among them that have the second 59 where the file has the second 60.
    pub leap_seconds: u32,
}

impl<'r> Item<'r> {
    /// Creates an item without attributes, with room for so many.
    pub(crate) fn with_capacity(attributes: usize) -> Self {
        Self { attributes: Vec::with_capacity(attributes), leap_seconds: 0 }
    }

    /// Appends the attribute of a field.
    pub(crate) fn add(&mut self, field: &'r Field, converted: Converted<'r>) {
        self.attributes.push((field.name.as_str(), converted.value));
        self.leap_seconds = self.leap_seconds.saturating_add(converted.leap_seconds);
    }

    /// Returns the value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'r>> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Appends the item as a JSON object of DynamoDB's JSON.
    pub fn write_dynamodb_json(&self, out: &mut Vec<u8>) {
        value::write_object(&self.attributes, out, value::write_dynamodb_json);
    }

    /// Appends the item as the pipeline's events carry it: texts as themselves, everything else as DynamoDB's JSON.
    pub fn write_event_json(&self, out: &mut Vec<u8>) {
        value::write_object(&self.attributes, out, value::write_event_json);
    }

    /// Returns the item as the pipeline's events carry it.
    #[must_use]
    pub fn to_event_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value::to_event_json(value)))
            .collect()
    }
}

/// The key attributes of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableKeys {
    /// Names of the key attributes of the table, the partition key first.
    pub key: Vec<String>,
    /// Names of the key attributes of its secondary indexes. An item without a value for one of them is not in the
    /// index, and DynamoDB takes no empty one: it is left out.
    pub index_keys: Vec<String>,
}

impl TableKeys {
    /// Leaves out empty keys of indexes, and checks an item against the table.
    ///
    /// # Errors
    /// [`Reason::InvalidItem`], with one sentence that says what is wrong, without any value.
    pub fn apply(&self, item: &mut Item<'_>) -> Result<(), Failure> {
        item.attributes.retain(|(name, value)| {
            !matches!(value, Value::Text(text) if text.is_empty())
                || !self.index_keys.iter().any(|key| key == name)
        });
        let attributes = item.attributes.iter().map(|(name, value)| (*name, value));
        check(&self.key, attributes).map_err(|message| Failure::of_row(Reason::InvalidItem, message))
    }
}

/// Checks the attributes of an item against a table whose key has these attribute names, the partition key first.
///
/// # Errors
/// One sentence that says what is wrong, without any value.
pub fn check<'v>(
    key: &[String],
    attributes: impl Iterator<Item = (&'v str, &'v Value<'v>)> + Clone,
) -> Result<(), String> {
    for (name, limit) in key.iter().zip([MAX_PARTITION_KEY, MAX_SORT_KEY]) {
        let value = attributes.clone().find(|(known, _)| known == name);
        let (_, value) = value.ok_or_else(|| format!("the key attribute `{name}` is missing"))?;
        let bytes = match value {
            Value::Text(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            Value::Number(_) => 1,
            _ => {
                return Err(format!(
                    "the key attribute `{name}` is neither a string nor a number nor binary"
                ));
            }
        };
        match bytes {
            0 => return Err(format!("the key attribute `{name}` is empty")),
            bytes if bytes > limit => {
                return Err(format!(
                    "the key attribute `{name}` has {bytes} bytes, but can have at most {limit}"
                ));
            }
            _ => {}
        }
    }
    let size: usize = attributes.map(|(name, value)| name.len() + value.size()).sum();
    if size > MAX_ITEM {
        return Err(format!("the item has {size} bytes, but can have at most {MAX_ITEM}"));
    }
    Ok(())
}
