//! DynamoDB: counting and reading items of a table, for people.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use crate::Pause;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// An item: attribute → value as text.
pub type Item = BTreeMap<String, String>;

/// Returns up to `most` items of a table, and whether the table holds more. One call, which costs no more than these
/// items.
pub async fn first(session: &Session, table: &str, most: i32) -> Result<(Vec<Item>, bool)> {
    let answer = Client::new(&session.config)
        .scan()
        .table_name(table)
        .consistent_read(true)
        .limit(most)
        .send()
        .await
        .aws("Scan", format!("table {table}"))?;
    let items = answer
        .items()
        .iter()
        .map(|item| item.iter().map(|(name, value)| (name.clone(), text(value))).collect());
    Ok((items.collect(), answer.last_evaluated_key().is_some_and(|key| !key.is_empty())))
}

/// The key of an item whose attributes are strings: attribute → value.
pub type Key = BTreeMap<String, String>;

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
    let client = Client::new(&session.config);
    let names: BTreeSet<&String> = keys.iter().flat_map(BTreeMap::keys).chain(attributes).collect();
    let names: Vec<(String, String)> =
        names.into_iter().enumerate().map(|(at, name)| (format!("#a{at}"), name.clone())).collect();
    let projection: Vec<&str> = names.iter().map(|(short, _)| short.as_str()).collect();
    let attributes = |key: &Key| {
        key.iter().map(|(name, value)| (name.clone(), AttributeValue::S(value.clone()))).collect()
    };
    let asked = keys.iter().map(attributes);
    let asked = KeysAndAttributes::builder()
        .set_keys(Some(asked.collect()))
        .projection_expression(projection.join(", "))
        .set_expression_attribute_names(Some(names.iter().cloned().collect()))
        .consistent_read(true)
        .build();
    let mut next = asked.ok().map(|asked| HashMap::from([(table.to_owned(), asked)]));
    let mut found = BTreeMap::new();
    let mut pause = Pause::new();
    for _ in 0..ATTEMPTS {
        let Some(request) = next.take().filter(|request| !request.is_empty()) else { break };
        let answer = client
            .batch_get_item()
            .set_request_items(Some(request))
            .send()
            .await
            .aws("BatchGetItem", format!("table {table}"))?;
        for item in answer.responses().and_then(|tables| tables.get(table)).into_iter().flatten() {
            let item: Item = item.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            if let Some(key) =
                keys.iter().find(|key| key.iter().all(|(name, value)| item.get(name) == Some(value)))
            {
                found.insert(key.clone(), item);
            }
        }
        next = answer.unprocessed_keys().cloned();
        if next.as_ref().is_some_and(|next| !next.is_empty()) {
            pause.wait().await;
        }
    }
    Ok(found)
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

fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::Bool(value) => value.to_string(),
        AttributeValue::Null(_) => String::new(),
        AttributeValue::L(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        _ => "(binary or nested)".to_owned(),
    }
}
