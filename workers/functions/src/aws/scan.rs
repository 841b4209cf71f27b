//! [`Items`] by DynamoDB.

use client::{Client, Service};
use contract::settings::{SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE};
use runtime::CallError;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::snapshot::{Deletion, Found, Items, Page};

/// The items of a table, read by Scan and deleted one by one.
#[derive(Debug)]
pub struct Scanned {
    client: Client,
    table: String,
    key: Vec<String>,
}

/// The answer of Scan, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    items: Option<Vec<Map<String, Value>>>,
    last_evaluated_key: Option<Map<String, Value>>,
}

/// The error of a refused deletion: the item that is there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refused {
    item: Option<Map<String, Value>>,
}

impl Scanned {
    /// Creates a client for the table with this name and these key attributes.
    #[must_use]
    pub const fn new(client: Client, table: String, key: Vec<String>) -> Self {
        Self { client, table, key }
    }

    /// Returns the input of Scan. It reads consistently: each write that ended before it is seen.
    fn scan(&self, source: &str, from: Option<&Map<String, Value>>) -> Value {
        let mut names = json!({ "#source": SOURCE_ATTRIBUTE, "#version": VERSION_ATTRIBUTE });
        let mut projected = vec!["#version".to_owned()];
        for (index, name) in self.key.iter().enumerate() {
            names[format!("#k{index}")] = json!(name);
            projected.push(format!("#k{index}"));
        }
        let mut input = json!({
            "TableName": self.table,
            "ConsistentRead": true,
            "FilterExpression": "#source = :source",
            "ProjectionExpression": projected.join(", "),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": { ":source": { "S": source } },
        });
        if let Some(from) = from {
            input["ExclusiveStartKey"] = json!(from);
        }
        input
    }

    /// Returns the input of DeleteItem.
    fn deletion(&self, key: &Map<String, Value>, version: &str) -> Value {
        json!({
            "TableName": self.table,
            "Key": key,
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": { "#version": VERSION_ATTRIBUTE },
            "ExpressionAttributeValues": { ":version": { "S": version } },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })
    }

    /// Returns the key and the version of an item.
    fn found(&self, mut item: Map<String, Value>) -> Found {
        let version = item.remove(VERSION_ATTRIBUTE).and_then(|value| Some(value["S"].as_str()?.to_owned()));
        item.retain(|name, _| self.key.contains(name));
        Found { key: item, version }
    }
}

impl Items for Scanned {
    async fn page(&self, source: &str, from: Option<&Map<String, Value>>) -> Result<Page, CallError> {
        let answer: Answer = self.client.json(Service::DynamoDb, "Scan", &self.scan(source, from)).await?;
        let items = answer.items.unwrap_or_default().into_iter().map(|item| self.found(item)).collect();
        Ok(Page { items, next: answer.last_evaluated_key.filter(|next| !next.is_empty()) })
    }

    async fn delete(&self, key: &Map<String, Value>, version: &str) -> Result<Deletion, CallError> {
        let input = self.deletion(key, version);
        match self.client.json::<_, IgnoredAny>(Service::DynamoDb, "DeleteItem", &input).await {
            Ok(_) => Ok(Deletion::Gone),
            Err(failure) if failure.error.code == "ConditionalCheckFailedException" => {
                let refused: Refused = serde_json::from_slice(&failure.body).unwrap_or_default();
                let is_there = refused.item.is_some_and(|item| !item.is_empty());
                Ok(if is_there { Deletion::Changed } else { Deletion::Gone })
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned() -> Scanned {
        let credentials = client::Credentials::new("id", "secret", None);
        let client = Client::at("http://127.0.0.1:1", "eu-west-1", &credentials).expect("a client");
        Scanned::new(client, "t".into(), vec!["id".into(), "sort".into()])
    }

    #[test]
    fn a_scan_reads_keys_and_versions_of_one_file_and_continues() {
        let table = scanned();
        let first = table.scan("s", None);
        assert_eq!((&first["ConsistentRead"], &first["ExclusiveStartKey"]), (&json!(true), &Value::Null));
        assert_eq!(first["ProjectionExpression"], "#version, #k0, #k1");
        assert_eq!(
            first["ExpressionAttributeNames"],
            json!({ "#source": "_source", "#version": "_version", "#k0": "id", "#k1": "sort" })
        );
        let place = Map::from_iter([("id".to_owned(), json!({ "S": "x" }))]);
        assert_eq!(table.scan("s", Some(&place))["ExclusiveStartKey"], json!(place));
        let item = json!({ "id": { "S": "x" }, "sort": { "N": "1" }, "_version": { "S": "v" } });
        let Value::Object(item) = item else { panic!("an object") };
        let found = table.found(item);
        assert_eq!(found.version.as_deref(), Some("v"));
        assert_eq!(Value::Object(found.key), json!({ "id": { "S": "x" }, "sort": { "N": "1" } }));
    }

    #[test]
    fn a_deletion_asks_for_the_version_that_was_read() {
        let key = Map::from_iter([("id".to_owned(), json!({ "S": "x" }))]);
        let input = scanned().deletion(&key, "v");
        assert_eq!(input["ConditionExpression"], "#version = :version");
        assert_eq!(input["ExpressionAttributeValues"][":version"], json!({ "S": "v" }));
        assert_eq!(input["Key"], json!(key));
    }
}
