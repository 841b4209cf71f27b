//! DynamoDB: counting and reading items of a table, for people.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deployer_syntax::number::Decimal;
use serde_json::{Value as Json, json};

use crate::Pause;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// An item: attribute → value as text.
pub type Item = BTreeMap<String, String>;

/// Returns up to `most` items of a table, and whether the table holds more. One call, which costs no more than these
/// items.
pub async fn first(session: &Session, table: &str, most: i32) -> Result<(Vec<Item>, bool)> {
    let (items, more) = scan(session, table, most).await?;
    let as_text = |item: &Attributes| item.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Ok((items.iter().map(as_text).collect(), more))
}

async fn scan(session: &Session, table: &str, most: i32) -> Result<(Vec<Attributes>, bool)> {
    let answer = Client::new(&session.config)
        .scan()
        .table_name(table)
        .consistent_read(true)
        .limit(most)
        .send()
        .await
        .aws("Scan", format!("table {table}"))?;
    let more = answer.last_evaluated_key().is_some_and(|key| !key.is_empty());
    Ok((answer.items.unwrap_or_default(), more))
}

/// An item in DynamoDB's JSON.
pub type TypedItem = serde_json::Map<String, Json>;

/// Returns the same as [`first`] in DynamoDB's JSON.
pub async fn first_typed(session: &Session, table: &str, most: i32) -> Result<(Vec<TypedItem>, bool)> {
    let (items, more) = scan(session, table, most).await?;
    Ok((items.iter().map(typed).collect(), more))
}

/// The key of an item: attribute → value.
pub type Key = BTreeMap<String, KeyValue>;

/// The value of a key attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyValue {
    /// `S`.
    Text(String),
    /// `N`: the digits.
    Number(String),
    /// `B`.
    Binary(Vec<u8>),
}

impl KeyValue {
    pub(super) fn to_attribute(&self) -> AttributeValue {
        match self {
            Self::Text(text) => AttributeValue::S(text.clone()),
            Self::Number(digits) => AttributeValue::N(digits.clone()),
            Self::Binary(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        }
    }

    /// Returns whether an attribute has this value. DynamoDB returns a number with other digits than it was given.
    fn is(&self, value: &AttributeValue) -> bool {
        match (self, value) {
            (Self::Text(own), AttributeValue::S(text)) => own == text,
            (Self::Number(own), AttributeValue::N(digits)) => {
                own == digits || Decimal::parse(own).is_some_and(|own| Decimal::parse(digits) == Some(own))
            }
            (Self::Binary(own), AttributeValue::B(bytes)) => own == bytes.as_ref(),
            _ => false,
        }
    }
}

/// Attempts to get the items that DynamoDB leaves out of an answer.
const ATTEMPTS: usize = 4;

/// Returns the items of these keys, which must be different and 100 at most; of each only these attributes and those of
/// its key. Items that do not exist are left out.
pub async fn get(
    session: &Session,
    table: &str,
    keys: &BTreeSet<Key>,
    attributes: &[String],
) -> Result<BTreeMap<Key, Item>> {
    let as_text = |item: &Attributes| item.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    found(session, table, keys, attributes, as_text).await
}

/// Returns the same as [`get`] in DynamoDB's JSON.
pub async fn get_typed(
    session: &Session,
    table: &str,
    keys: &BTreeSet<Key>,
    attributes: &[String],
) -> Result<BTreeMap<Key, TypedItem>> {
    found(session, table, keys, attributes, typed).await
}

/// The attributes of an item, as the SDK reads them.
type Attributes = HashMap<String, AttributeValue>;

/// Gets items, and returns each in another form.
async fn found<T>(
    session: &Session,
    table: &str,
    keys: &BTreeSet<Key>,
    attributes: &[String],
    form: impl Fn(&Attributes) -> T,
) -> Result<BTreeMap<Key, T>> {
    let client = Client::new(&session.config);
    let names: BTreeSet<&String> = keys.iter().flat_map(BTreeMap::keys).chain(attributes).collect();
    let names: Vec<(String, String)> =
        names.into_iter().enumerate().map(|(at, name)| (format!("#a{at}"), name.clone())).collect();
    let projection: Vec<&str> = names.iter().map(|(short, _)| short.as_str()).collect();
    let attributes =
        |key: &Key| key.iter().map(|(name, value)| (name.clone(), value.to_attribute())).collect();
    let asked = keys.iter().map(attributes);
    let asked = KeysAndAttributes::builder()
        .set_keys(Some(asked.collect()))
        .projection_expression(projection.join(", "))
        .set_expression_attribute_names(Some(names.iter().cloned().collect()))
        .consistent_read(true)
        .build();
    let mut next = asked.ok().map(|asked| HashMap::from([(table.to_owned(), asked)]));
    let mut items = BTreeMap::new();
    let mut pause = Pause::new();
    for _ in 0..ATTEMPTS {
        let Some(request) = next.take().filter(|request| !request.is_empty()) else { return Ok(items) };
        let answer = client
            .batch_get_item()
            .set_request_items(Some(request))
            .send()
            .await
            .aws("BatchGetItem", format!("table {table}"))?;
        for item in answer.responses().and_then(|tables| tables.get(table)).into_iter().flatten() {
            let is_of = |key: &&Key| {
                key.iter().all(|(name, value)| item.get(name).is_some_and(|found| value.is(found)))
            };
            if let Some(key) = keys.iter().find(is_of) {
                items.insert(key.clone(), form(item));
            }
        }
        next = answer.unprocessed_keys().cloned();
        if next.as_ref().is_some_and(|next| !next.is_empty()) {
            pause.wait().await;
        }
    }
    // An item that was not read is not one that is missing.
    match next.is_some_and(|next| !next.is_empty()) {
        false => Ok(items),
        true => Err(AwsError {
            operation: "BatchGetItem",
            resource: format!("table {table}"),
            code: Some("UnprocessedKeys".to_owned()),
            message: "DynamoDB did not read all of the items; try again later".to_owned(),
        }),
    }
}

/// Returns the number of items of a table, as DynamoDB counted them in the last six hours.
pub async fn count(session: &Session, table: &str) -> Result<usize> {
    let answer = Client::new(&session.config)
        .describe_table()
        .table_name(table)
        .send()
        .await
        .aws("DescribeTable", format!("table {table}"))?;
    let count = answer.table().and_then(|table| table.item_count()).unwrap_or_default();
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Returns an item in DynamoDB's JSON.
fn typed(item: &Attributes) -> TypedItem {
    item.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// Returns a value in DynamoDB's JSON.
fn to_json(value: &AttributeValue) -> Json {
    let bytes = |bytes: &Blob| Json::from(STANDARD.encode(bytes));
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(to_json).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": typed(map) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(texts) => json!({ "NS": texts }),
        AttributeValue::B(one) => json!({ "B": bytes(one) }),
        AttributeValue::Bs(all) => json!({ "BS": all.iter().map(bytes).collect::<Vec<_>>() }),
        // DynamoDB has no other type.
        _ => json!({ "NULL": true }),
    }
}

/// Returns a value for people, without its type.
fn text(value: &AttributeValue) -> String {
    let list = |texts: &mut dyn Iterator<Item = String>| texts.collect::<Vec<_>>().join(", ");
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::Bool(value) => value.to_string(),
        AttributeValue::Null(_) => String::new(),
        AttributeValue::L(items) => list(&mut items.iter().map(text)),
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => list(&mut texts.iter().cloned()),
        AttributeValue::B(bytes) => STANDARD.encode(bytes),
        AttributeValue::Bs(all) => list(&mut all.iter().map(|bytes| STANDARD.encode(bytes))),
        AttributeValue::M(map) => {
            let map: BTreeMap<&String, &AttributeValue> = map.iter().collect();
            list(&mut map.into_iter().map(|(name, value)| format!("{name}: {}", text(value))))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_among_the_items_of_an_answer() {
        let number = |digits: &str| KeyValue::Number(digits.to_owned());
        for (key, value, same) in [
            (number("1.50"), AttributeValue::N("1.5".into()), true),
            (number("1E+3"), AttributeValue::N("1000".into()), true),
            (number("-0"), AttributeValue::N("0".into()), true),
            (
                number("12345678901234567890123456789012345678"),
                AttributeValue::N("12345678901234567890123456789012345679".into()),
                false,
            ),
            (number("1"), AttributeValue::S("1".into()), false),
            (KeyValue::Text("1".into()), AttributeValue::S("1".into()), true),
            (KeyValue::Binary(vec![1, 2]), AttributeValue::B(Blob::new([1, 2])), true),
        ] {
            assert_eq!(key.is(&value), same, "{key:?} {value:?}");
            assert!(key.is(&key.to_attribute()));
        }
    }

    #[test]
    fn values_are_shown_without_types() {
        let map =
            [("b", AttributeValue::Bool(true)), ("a", AttributeValue::Ns(vec!["1".into(), "2".into()]))];
        let map = map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(text(&AttributeValue::M(map)), "a: 1, 2, b: true");
        assert_eq!(text(&AttributeValue::B(Blob::new([0xde, 0xad]))), "3q0=");
    }
}
