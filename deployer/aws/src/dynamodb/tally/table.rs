//! The tally's table by the AWS SDK: with the credentials and the endpoints of a person's configuration, which the client of
//! the workers doesn't read. The calls are those of the workers.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use client::{CallError, NoAnswer};
use tally::details::is_detail;
use tally::{
    Attribute, Attributes, Change, Key, PARTITION_KEY, SORT_KEY, Scope, Source, Store, Stored, Updated,
};

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
                    let mut items = answer.items.unwrap_or_default();
                    // Details may be large, and whoever reads all tallies needs none.
                    items.retain(|item| {
                        let object = item.get(PARTITION_KEY).and_then(|object| object.as_s().ok());
                        !object.is_some_and(|object| is_detail(object))
                    });
                    (items, answer.last_evaluated_key)
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

/// Returns the meaning of an error as the tally has it.
fn call_error<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> CallError {
    match error {
        SdkError::TimeoutError(_) => CallError::without_answer(NoAnswer::Late),
        SdkError::DispatchFailure(_) => CallError::without_answer(NoAnswer::NotSent),
        SdkError::ResponseError(_) => CallError::without_answer(NoAnswer::Unreadable),
        SdkError::ServiceError(error) => {
            let status = error.raw().status().as_u16();
            CallError::of_service(error.err().code(), error.err().message(), status)
        }
        _ => CallError::construction(),
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
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use aws_sdk_dynamodb::Config;
    use aws_sdk_dynamodb::config::BehaviorVersion;
    use serde_json::Value;

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

    /// Returns the operations and inputs that arrive at a server while `calls` runs. It answers all of them with nothing.
    async fn seen(calls: impl AsyncFnOnce(String)) -> Vec<(String, Value)> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (send, received) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let (mut target, mut length) = (String::new(), 0);
                for line in reader.by_ref().lines() {
                    let line = line.expect("a line").to_ascii_lowercase();
                    match line.split_once(": ") {
                        Some(("x-amz-target", value)) => target = value.to_owned(),
                        Some(("content-length", value)) => length = value.parse().expect("a number"),
                        _ if line.is_empty() => break,
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                send.send((target, serde_json::from_slice(&body).expect("JSON"))).expect("a receiver");
                let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
                stream.write_all(answer).expect("written");
            }
        });
        calls(url).await;
        received.try_iter().collect()
    }

    /// Makes every call of a table.
    async fn each(table: impl Store) {
        let key = Key { object: "o".into(), chunk: None, writer: None };
        let map = Attributes::from([("rows".to_owned(), Attribute::Number(7))]);
        let set = Attributes::from([
            ("bytes".to_owned(), Attribute::Bytes(vec![0, 255])),
            ("map".to_owned(), Attribute::Map(map)),
            ("text".to_owned(), Attribute::Text("x".into())),
            ("texts".to_owned(), Attribute::Texts(["a".to_owned(), "b".to_owned()].into())),
        ]);
        for (expected, remove) in [(None, Vec::new()), (Some(3), vec!["gone".to_owned(), "too".to_owned()])] {
            let change = Change { expected, revision: 4, set: set.clone(), remove };
            assert!(matches!(table.update(&key, &change).await, Ok(Updated::Done)));
        }
        assert_eq!(table.delete(&key, 4).await, Ok(true));
        for scope in [Scope::All, Scope::Object("o"), Scope::Part("o", "p")] {
            assert!(table.items(scope).await.expect("no items").is_empty());
        }
    }

    #[tokio::test]
    async fn the_calls_are_those_of_the_workers() {
        let ours = seen(async |url: String| {
            let config = Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
                .credentials_provider(aws_sdk_dynamodb::config::Credentials::new(
                    "id", "secret", None, None, "test",
                ))
                .endpoint_url(url)
                .build();
            each(Table::new(Client::from_conf(config), "t")).await;
        });
        let theirs = seen(async |url: String| {
            let credentials = client::Credentials::new("id", "secret", None);
            let client = client::Client::at(&url, "eu-west-1", &credentials).expect("a client");
            each(tally::aws::Table::new(client, "t")).await;
        });
        let (ours, theirs) = (ours.await, theirs.await);
        assert_eq!(ours.len(), 6);
        assert_eq!(ours, theirs);
    }
}
