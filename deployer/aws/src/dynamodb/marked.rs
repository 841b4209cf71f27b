//! DynamoDB: the items of `deployer verify`, which have the ID of the verification in [`ATTRIBUTE`]. No call here replaces or
//! deletes an item that lacks it.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use contract::verification::{ATTRIBUTE, permit};
use tally::{PARTITION_KEY, SORT_KEY};

use super::items::Key;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// The error code of a write whose condition does not hold.
const REFUSED: &str = "ConditionalCheckFailedException";

fn resource(table: &str) -> String {
    format!("table {table}")
}

/// Makes a place for an item: an item of the key and the ID alone. Returns `false` if the table has an item of that key.
///
/// # Errors
/// If the call fails.
pub async fn make_place(session: &Session, table: &str, key: &Key, id: &str) -> Result<bool> {
    let Some(name) = key.keys().next() else { return Ok(false) };
    let attributes = key.iter().map(|(name, value)| (name.clone(), value.to_attribute()));
    put_new(session, table, attributes.collect(), name, id).await
}

async fn put_new(
    session: &Session,
    table: &str,
    mut item: HashMap<String, AttributeValue>,
    name: &str,
    id: &str,
) -> Result<bool> {
    item.insert(ATTRIBUTE.to_owned(), AttributeValue::S(id.to_owned()));
    let call = Client::new(&session.config)
        .put_item()
        .table_name(table)
        .set_item(Some(item))
        // An earlier attempt of ours may have arrived without an answer.
        .condition_expression("attribute_not_exists(#key) OR #id = :id")
        .expression_attribute_names("#key", name)
        .expression_attribute_names("#id", ATTRIBUTE)
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    match call.send().await.aws("PutItem", resource(table)) {
        Err(error) if error.is(REFUSED) => Ok(false),
        put => put.map(|_| true),
    }
}

/// Deletes an item if it has the ID. Returns `false` if the table has no such item.
///
/// # Errors
/// If the call fails.
pub async fn delete(session: &Session, table: &str, key: &Key, id: &str) -> Result<bool> {
    let key = key.iter().map(|(name, value)| (name.clone(), value.to_attribute())).collect();
    let call = Client::new(&session.config)
        .delete_item()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression("#id = :id")
        .expression_attribute_names("#id", ATTRIBUTE)
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    match call.send().await.aws("DeleteItem", resource(table)) {
        Err(error) if error.is(REFUSED) => Ok(false),
        deleted => deleted.map(|_| true),
    }
}

fn permit_key(id: &str) -> HashMap<String, AttributeValue> {
    let (object, part) = permit(id);
    HashMap::from([
        (PARTITION_KEY.to_owned(), AttributeValue::S(object)),
        (SORT_KEY.to_owned(), AttributeValue::S(part.to_owned())),
    ])
}

/// Writes the permit of a verification into the table of the tally.
///
/// # Errors
/// If the call fails.
pub async fn allow(session: &Session, table: &str, id: &str) -> Result<()> {
    put_new(session, table, permit_key(id), PARTITION_KEY, id).await.map(drop)
}

/// Deletes the permit of a verification: from now on, the workers write nothing about it.
///
/// # Errors
/// If the call fails.
pub async fn disallow(session: &Session, table: &str, id: &str) -> Result<()> {
    Client::new(&session.config)
        .delete_item()
        .table_name(table)
        .set_key(Some(permit_key(id)))
        .send()
        .await
        .aws("DeleteItem", resource(table))?;
    Ok(())
}

/// Deletes all items of the tally with this partition key, and returns their number.
///
/// # Errors
/// If a call fails.
pub async fn forget(session: &Session, table: &str, object: &str) -> Result<usize> {
    let client = Client::new(&session.config);
    let mut pages = client
        .query()
        .table_name(table)
        .consistent_read(true)
        .key_condition_expression("#object = :object")
        .projection_expression("#object, #part")
        .expression_attribute_names("#object", PARTITION_KEY)
        .expression_attribute_names("#part", SORT_KEY)
        .expression_attribute_values(":object", AttributeValue::S(object.to_owned()))
        .into_paginator()
        .send();
    let mut deleted = 0;
    while let Some(page) = pages.next().await {
        for key in page.aws("Query", resource(table))?.items.unwrap_or_default() {
            let call = client.delete_item().table_name(table).set_key(Some(key));
            call.send().await.aws("DeleteItem", resource(table))?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
