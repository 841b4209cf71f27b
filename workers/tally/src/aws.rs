//! The tally's table by the AWS SDK.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use runtime::{CallError, call_error};

use crate::attribute::{Attribute, Attributes};
use crate::item::{Key, PARTITION_KEY, SORT_KEY};
use crate::reader::{Scope, Source, Stored};
use crate::writer::{Change, Store, Updated};

/// The attribute that every write raises.
const REVISION: &str = "revision";

type Item = HashMap<String, AttributeValue>;

/// [`Store`] and [`Source`] by DynamoDB.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// Creates a client of the table named `name`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Returns the query for the items of an object, if the scope is one object's. See [`Source::items`] about its
    /// direction.
    fn query(&self, scope: Scope<'_>) -> Option<QueryFluentBuilder> {
        let of = |object: &str| {
            let call = self.client.query().table_name(&self.name).consistent_read(true);
            let call = call.scan_index_forward(false);
            let call = call.expression_attribute_names("#o", PARTITION_KEY);
            call.expression_attribute_values(":o", text(object))
        };
        match scope {
            Scope::All => None,
            Scope::Object(object) => Some(of(object).key_condition_expression("#o = :o")),
            Scope::Part(object, part) => Some(
                of(object)
                    .key_condition_expression("#o = :o AND begins_with(#p, :p)")
                    .expression_attribute_names("#p", SORT_KEY)
                    .expression_attribute_values(":p", text(part)),
            ),
        }
    }

    /// Reads the item as it is now: needed only where a refusal does not contain it.
    async fn get(&self, key: &Key) -> Result<Option<Item>, CallError> {
        let call = self.client.get_item().table_name(&self.name).consistent_read(true);
        let call = call.key(PARTITION_KEY, text(&key.object)).key(SORT_KEY, text(&key.part()));
        call.send().await.map(|answer| answer.item).map_err(|error| call_error(&error))
    }
}

impl Store for Table {
    async fn update(&self, key: &Key, change: &Change) -> Result<Updated, CallError> {
        let mut sets = vec!["#r = :r".to_owned()];
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, text(&key.object))
            .key(SORT_KEY, text(&key.part()))
            .expression_attribute_names("#r", REVISION)
            .expression_attribute_values(":r", AttributeValue::N(change.revision.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (index, (name, value)) in change.set.iter().enumerate() {
            let Some(value) = to_dynamo(value) else { continue };
            sets.push(format!("#a{index} = :a{index}"));
            call = call
                .expression_attribute_names(format!("#a{index}"), name)
                .expression_attribute_values(format!(":a{index}"), value);
        }
        let mut removed = Vec::new();
        for (index, name) in change.remove.iter().enumerate() {
            removed.push(format!("#d{index}"));
            call = call.expression_attribute_names(format!("#d{index}"), name);
        }
        let remove = match removed.is_empty() {
            true => String::new(),
            false => format!(" REMOVE {}", removed.join(", ")),
        };
        call = match change.expected {
            Some(expected) => call
                .condition_expression("#r = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(expected.to_string())),
            None => call.condition_expression("attribute_not_exists(#r)"),
        };
        let error = match call.update_expression(format!("SET {}{remove}", sets.join(", "))).send().await {
            Ok(_) => return Ok(Updated::Done),
            Err(error) => error,
        };
        let item = match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                Some(item) if !item.is_empty() => Some(item.clone()),
                _ => self.get(key).await?,
            },
            _ => return Err(call_error(&error)),
        };
        let Some(item) = item else { return Ok(Updated::Gone) };
        match revision(&item) {
            Some(revision) => Ok(Updated::Conflict(revision, attributes(&item))),
            None => Err(CallError {
                code: "UnreadableRevision".into(),
                message: format!("the item `{}`, `{}` has no revision", key.object, key.part()),
                retryable: false,
            }),
        }
    }

    async fn delete(&self, key: &Key, revision: u64) -> Result<bool, CallError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, text(&key.object))
            .key(SORT_KEY, text(&key.part()))
            .condition_expression("#r = :r")
            .expression_attribute_names("#r", REVISION)
            .expression_attribute_values(":r", AttributeValue::N(revision.to_string()))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(call_error(&error)),
            },
        }
    }
}

impl Source for Table {
    async fn items(&self, scope: Scope<'_>) -> Result<Vec<Stored>, CallError> {
        let mut items = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let (page, next) = match self.query(scope) {
                Some(query) => {
                    let answer = query.set_exclusive_start_key(start.clone()).send().await;
                    let answer = answer.map_err(|error| call_error(&error))?;
                    (answer.items.unwrap_or_default(), answer.last_evaluated_key)
                }
                None => {
                    let call = self.client.scan().table_name(&self.name).consistent_read(true);
                    let answer = call.set_exclusive_start_key(start.clone()).send().await;
                    let answer = answer.map_err(|error| call_error(&error))?;
                    (answer.items.unwrap_or_default(), answer.last_evaluated_key)
                }
            };
            items.extend(page.iter().filter_map(stored));
            match next {
                Some(next) if !next.is_empty() => start = Some(next),
                _ => return Ok(items),
            }
        }
    }
}

fn revision(item: &Item) -> Option<u64> {
    item.get(REVISION)?.as_n().ok()?.parse().ok()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn stored(item: &Item) -> Option<Stored> {
    let key = |name| item.get(name)?.as_s().ok().cloned();
    let revision = revision(item).unwrap_or_default();
    Some(Stored { object: key(PARTITION_KEY)?, part: key(SORT_KEY)?, revision, attributes: attributes(item) })
}

fn attributes(item: &Item) -> Attributes {
    item.iter()
        .filter(|(name, _)| ![PARTITION_KEY, SORT_KEY, REVISION].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), from_dynamo(value)))
        .collect()
}

fn to_dynamo(value: &Attribute) -> Option<AttributeValue> {
    Some(match value {
        Attribute::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Attribute::Text(text) => AttributeValue::S(text.clone()),
        Attribute::Number(number) => AttributeValue::N(number.to_string()),
        Attribute::Texts(texts) => AttributeValue::Ss(texts.iter().cloned().collect()),
        Attribute::Map(map) => {
            let map = map.iter().filter_map(|(name, value)| Some((name.clone(), to_dynamo(value)?)));
            AttributeValue::M(map.collect())
        }
        Attribute::Other => return None,
    })
}

fn from_dynamo(value: &AttributeValue) -> Attribute {
    match value {
        AttributeValue::B(blob) => Attribute::Bytes(blob.clone().into_inner()),
        AttributeValue::S(text) => Attribute::Text(text.clone()),
        AttributeValue::N(number) => number.parse().map_or(Attribute::Other, Attribute::Number),
        AttributeValue::Ss(texts) => Attribute::Texts(texts.iter().cloned().collect()),
        AttributeValue::M(map) => {
            Attribute::Map(map.iter().map(|(name, value)| (name.clone(), from_dynamo(value))).collect())
        }
        _ => Attribute::Other,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Config;
    use aws_sdk_dynamodb::config::BehaviorVersion;

    use super::*;

    #[test]
    fn an_object_is_read_downwards_and_as_it_is() {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        let table = Table::new(Client::from_conf(config), "t");
        for scope in [Scope::Object("o"), Scope::Part("o", "summary")] {
            let query = table.query(scope).expect("a query");
            assert_eq!(query.get_scan_index_forward(), &Some(false));
            assert_eq!(query.get_consistent_read(), &Some(true));
        }
    }

    #[test]
    fn values_survive_the_table() {
        let map = Attributes::from([("rows".to_owned(), Attribute::Number(u64::MAX))]);
        for value in [
            Attribute::Bytes(vec![0, 255]),
            Attribute::Text("x".into()),
            Attribute::Texts(["a".to_owned()].into()),
            Attribute::Map(map),
        ] {
            assert_eq!(from_dynamo(&to_dynamo(&value).expect("a value")), value);
        }
        assert_eq!(from_dynamo(&AttributeValue::N("-1".into())), Attribute::Other);
        assert_eq!(to_dynamo(&Attribute::Other), None);
    }
}
