//! DynamoDB: counting and reading items of a table, for people.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::session::Session;
use crate::error::{AwsError, AwsResult as _};

type Result<T> = std::result::Result<T, AwsError>;

/// An item: attribute → value as text.
pub type Item = BTreeMap<String, String>;

/// Up to `most` items of a table, and whether it holds more. One call, so it costs what it shows.
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

/// How many items a table holds, as DynamoDB counted them in the last six hours.
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
