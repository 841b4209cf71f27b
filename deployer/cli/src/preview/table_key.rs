//! The key under which an item is in its table.

use deployer_aws::dynamodb::items::{Key, KeyValue};
use transform::{Item, Value};

/// Returns the key of an item; `None` if the table is not known.
#[must_use]
pub fn key_of(item: &Item<'_>, attributes: &[String]) -> Option<Key> {
    if attributes.is_empty() {
        return None;
    }
    let value = |name: &String| {
        Some(match item.get(name)? {
            Value::Text(text) => KeyValue::Text(text.clone().into_owned()),
            Value::Number(number) => KeyValue::Number(number.to_string()),
            Value::Binary(bytes) => KeyValue::Binary(bytes.clone()),
            _ => return None,
        })
    };
    attributes.iter().map(|name| Some((name.clone(), value(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_types_of_their_attributes() {
        let item = Item {
            attributes: vec![
                ("s", Value::text("a")),
                ("n", Value::Number("1.50".parse().expect("a number"))),
                ("b", Value::Binary(vec![1])),
                ("l", Value::List(Vec::new())),
            ],
            ..Item::default()
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let key = key_of(&item, &names(&["s", "n", "b"])).expect("a key");
        let expected = [
            ("b", KeyValue::Binary(vec![1])),
            ("n", KeyValue::Number("1.5".into())),
            ("s", KeyValue::Text("a".into())),
        ];
        assert_eq!(key, expected.map(|(name, value)| (name.to_owned(), value)).into_iter().collect());
        for other in [&["l"][..], &["none"], &[]] {
            assert_eq!(key_of(&item, &names(other)), None);
        }
    }
}
