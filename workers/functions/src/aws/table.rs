//! [`Table`] by DynamoDB.

use std::collections::HashMap;

use client::{Client, Failure, Service};
use contract::settings::{SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE};
use contract::verification;
use runtime::CallError;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value as Json};
use transform::Value;
use transform::event::{read_dynamodb_json, read_event_json};
use transform::value::{write_dynamodb_json, write_string};

use crate::item::{Change, Deletion, Item};
use crate::load::{Answer, Other, Table, WriteError};

/// [`Table`] by DynamoDB.
#[derive(Debug)]
pub struct Dynamo {
    client: Client,
    table: String,
}

/// The answer of BatchWriteItem, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    unprocessed_items: Option<HashMap<String, Vec<WriteRequest>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WriteRequest {
    put_request: Option<Put>,
    delete_request: Option<Delete>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    item: Map<String, Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    key: Map<String, Json>,
}

/// The item that a write has replaced, or that it was refused for.
#[derive(Default, Deserialize)]
struct Before {
    #[serde(rename = "Attributes", alias = "Item")]
    item: Option<Map<String, Json>>,
}

impl Before {
    /// Returns what there is to know about the item.
    fn other(&self) -> Option<Other> {
        let item = self.item.as_ref()?;
        let text = |name: &str| item.get(name).and_then(|value| value["S"].as_str()).map(str::to_owned);
        Some(Other { version: text(VERSION_ATTRIBUTE), source: text(SOURCE_ATTRIBUTE) })
    }
}

/// A condition on the item that is in the table.
struct Condition<'a> {
    expression: &'static str,
    /// A name in it, and the attribute that it stands for.
    name: (&'static str, &'a str),
    /// A value in it, and what it stands for.
    value: Option<(&'static str, &'a Json)>,
}

impl<'a> Condition<'a> {
    /// The table has no newer item than one of this version.
    const fn not_newer(version: &'a Json) -> Self {
        Self {
            expression: "attribute_not_exists(#version) OR #version <= :version",
            name: ("#version", VERSION_ATTRIBUTE),
            value: Some((":version", version)),
        }
    }

    /// Appends the members of a call.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"ConditionExpression\":");
        write_string(self.expression, out);
        out.extend_from_slice(b",\"ExpressionAttributeNames\":{");
        write_string(self.name.0, out);
        out.push(b':');
        write_string(self.name.1, out);
        out.push(b'}');
        if let Some((name, value)) = self.value {
            out.extend_from_slice(b",\"ExpressionAttributeValues\":{");
            write_string(name, out);
            out.push(b':');
            write_attribute(value, out);
            out.push(b'}');
        }
    }
}

impl Dynamo {
    /// Creates a client that writes into the table named `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Calls an operation of DynamoDB with an input that is JSON.
    async fn call<T: DeserializeOwned>(&self, operation: &str, input: Vec<u8>) -> Result<T, Failure> {
        let read = |answer: &[u8]| serde_json::from_slice(answer).ok();
        self.client.json_text(Service::DynamoDb, operation, input.into(), read).await
    }

    /// Begins the input of a call about one item: all of its members but for the last brace.
    fn begin(&self, member: &str, attributes: &Map<String, Json>) -> Vec<u8> {
        let mut input = b"{\"TableName\":".to_vec();
        write_string(&self.table, &mut input);
        input.push(b',');
        write_string(member, &mut input);
        input.push(b':');
        write_map(attributes, &mut input);
        input
    }

    /// Returns the input of the call that sets the attributes of an item.
    fn merge_of(&self, item: &Item) -> Vec<u8> {
        let mut input = self.begin("Key", &item.key);
        let others: Vec<(&String, &Json)> = item.others().collect();
        // Without an expression, an item of the key alone is created, unless there is one.
        if !others.is_empty() {
            let sets: Vec<String> = (0..others.len()).map(|index| format!("#{index}=:{index}")).collect();
            input.extend_from_slice(b",\"UpdateExpression\":");
            write_string(&format!("SET {}", sets.join(",")), &mut input);
            input.extend_from_slice(b",\"ExpressionAttributeNames\":{");
            for (index, (name, _)) in others.iter().enumerate() {
                input.extend_from_slice(if index > 0 { b"," } else { b"" });
                write_string(&format!("#{index}"), &mut input);
                input.push(b':');
                write_string(name, &mut input);
            }
            input.extend_from_slice(b"},\"ExpressionAttributeValues\":{");
            for (index, (_, value)) in others.iter().enumerate() {
                input.extend_from_slice(if index > 0 { b"," } else { b"" });
                write_string(&format!(":{index}"), &mut input);
                input.push(b':');
                write_attribute(value, &mut input);
            }
            input.push(b'}');
        }
        input.push(b'}');
        input
    }

    /// Sets the attributes of an item, under a condition.
    async fn merge_marked(
        &self,
        item: &Item,
        id: &Json,
        condition: &Condition<'_>,
    ) -> Result<Answer, WriteError> {
        let mut input: Json =
            serde_json::from_slice(&self.merge_of(item)).map_err(|_| WriteError::Invalid)?;
        input["ConditionExpression"] = condition.expression.into();
        input["ExpressionAttributeNames"][condition.name.0] = condition.name.1.into();
        input["ExpressionAttributeValues"][":verification"] = serde_json::json!({ "S": id });
        match self.call::<IgnoredAny>("UpdateItem", input.to_string().into_bytes()).await {
            Ok(_) => Ok(Answer { written: true, other: None }),
            Err(failure) if failure.error.code == "ConditionalCheckFailedException" => {
                Ok(Answer { written: false, other: None })
            }
            Err(failure) => Err(write_error(&failure.error)),
        }
    }

    /// Makes a call that changes one item, unless a condition refuses it.
    async fn change(
        &self,
        operation: &str,
        mut input: Vec<u8>,
        condition: Option<&Condition<'_>>,
    ) -> Result<Answer, WriteError> {
        // The item that was there costs nothing more.
        input.extend_from_slice(br#","ReturnValues":"ALL_OLD""#);
        if let Some(condition) = condition {
            input.extend_from_slice(br#","ReturnValuesOnConditionCheckFailure":"ALL_OLD""#);
            condition.write(&mut input);
        }
        input.push(b'}');
        match self.call::<Before>(operation, input).await {
            Ok(before) => Ok(Answer { written: true, other: before.other() }),
            Err(failure) if failure.error.code == "ConditionalCheckFailedException" => {
                let before = serde_json::from_slice::<Before>(&failure.body).unwrap_or_default();
                Ok(Answer { written: false, other: Some(before.other().unwrap_or_default()) })
            }
            Err(failure) => Err(write_error(&failure.error)),
        }
    }
}

impl Table for Dynamo {
    async fn write(&self, changes: &[&Change]) -> Result<Vec<usize>, WriteError> {
        // Written straight into the body: a batch of a thousand rows makes forty such requests.
        let mut input = b"{\"RequestItems\":{".to_vec();
        write_string(&self.table, &mut input);
        input.extend_from_slice(b":[");
        for (position, change) in changes.iter().enumerate() {
            input.extend_from_slice(if position > 0 { b"," } else { b"" });
            write_change(change, &mut input);
        }
        input.extend_from_slice(b"]}}");
        let answer: Batch =
            self.call("BatchWriteItem", input).await.map_err(|failure| write_error(&failure.error))?;
        let left: Vec<WriteRequest> =
            answer.unprocessed_items.into_iter().flat_map(HashMap::into_values).flatten().collect();
        Ok(unprocessed(changes, &left))
    }

    async fn put_newest(&self, item: &Item) -> Result<Answer, WriteError> {
        let version = item.attributes.get(VERSION_ATTRIBUTE).ok_or(WriteError::Invalid)?;
        let condition = Condition::not_newer(version);
        self.change("PutItem", self.begin("Item", &item.attributes), Some(&condition)).await
    }

    async fn put_new(&self, item: &Item) -> Result<Answer, WriteError> {
        // Any attribute of the key will do: every item has it.
        let key = item.key.keys().next().ok_or(WriteError::Invalid)?;
        let condition =
            Condition { expression: "attribute_not_exists(#key)", name: ("#key", key), value: None };
        self.change("PutItem", self.begin("Item", &item.attributes), Some(&condition)).await
    }

    async fn merge(&self, item: &Item) -> Result<(), WriteError> {
        let answer = self.call::<IgnoredAny>("UpdateItem", self.merge_of(item)).await;
        answer.map(drop).map_err(|failure| write_error(&failure.error))
    }

    async fn write_marked(&self, item: &Item, id: &str, merge: bool) -> Result<Answer, WriteError> {
        let id = Json::from(id);
        let condition = Condition {
            expression: "#verification = :verification",
            name: ("#verification", verification::ATTRIBUTE),
            value: Some((":verification", &id)),
        };
        if merge {
            return self.merge_marked(item, &id, &condition).await;
        }
        let mut attributes = item.attributes.clone();
        attributes.insert(verification::ATTRIBUTE.to_owned(), id.clone());
        self.change("PutItem", self.begin("Item", &attributes), Some(&condition)).await
    }

    async fn delete(&self, deletion: &Deletion, version: Option<&str>) -> Result<Answer, WriteError> {
        let version = version.map(Json::from);
        let condition = version.as_ref().map(Condition::not_newer);
        self.change("DeleteItem", self.begin("Key", &deletion.key), condition.as_ref()).await
    }
}

fn write_error(error: &CallError) -> WriteError {
    match error.code.as_str() {
        "ValidationException" => WriteError::Invalid,
        code => WriteError::Call { code: code.to_owned(), retryable: error.retryable },
    }
}

/// Returns the positions of the changes that these requests were made of.
fn unprocessed(changes: &[&Change], left: &[WriteRequest]) -> Vec<usize> {
    let position = |request: &WriteRequest| {
        let put = request.put_request.as_ref().map(|put| &put.item);
        let returned = put.or_else(|| request.delete_request.as_ref().map(|delete| &delete.key))?;
        let is_equal = |(name, value): (&String, &Json)| {
            returned.get(name).and_then(read_dynamodb_json) == Some(attribute(value))
        };
        // No two of one request have the same key.
        changes.iter().position(|change| change.key().iter().all(is_equal))
    };
    // A request that matches none of the changes must be one of them all the same: write all again, rather than report
    // one as loaded that isn't.
    let positions: Option<Vec<usize>> = left.iter().map(position).collect();
    positions.unwrap_or_else(|| (0..changes.len()).collect())
}

/// Appends the part of a request for several items that is about one.
fn write_change(change: &Change, out: &mut Vec<u8>) {
    let attributes = match change {
        Change::Put(item) => {
            out.extend_from_slice(b"{\"PutRequest\":{\"Item\":");
            &item.attributes
        }
        Change::Delete(deletion) => {
            out.extend_from_slice(b"{\"DeleteRequest\":{\"Key\":");
            &deletion.key
        }
    };
    write_map(attributes, out);
    out.extend_from_slice(b"}}");
}

/// Appends attributes in DynamoDB's JSON.
fn write_map(attributes: &Map<String, Json>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (position, (name, value)) in attributes.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_attribute(value, out);
    }
    out.push(b'}');
}

/// Appends the value of an event in DynamoDB's JSON.
fn write_attribute(value: &Json, out: &mut Vec<u8>) {
    write_dynamodb_json(&attribute(value), out);
}

/// Returns the attribute that a value of an event is written as. [`Item::new`] has found that there is one.
fn attribute(value: &Json) -> Value<'_> {
    read_event_json(value).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(id: &str) -> Change {
        let map = Map::from_iter([("id".to_owned(), json!(id)), ("v".to_owned(), json!(1))]);
        Change::Put(Item::new(map, &["id".to_owned()]).expect("an item"))
    }

    fn request(change: &Change) -> WriteRequest {
        let mut json = Vec::new();
        write_change(change, &mut json);
        serde_json::from_slice(&json).expect("a request")
    }

    #[test]
    fn every_kind_of_value_has_its_type() {
        let value = json!({
            "id": "x", "n": { "N": "1.5" }, "b": { "BOOL": true }, "z": { "NULL": true }, "y": { "B": "AA==" },
            "ss": { "SS": ["x"] }, "ns": { "NS": ["1"] }, "bs": { "BS": ["AA=="] }, "l": ["x"], "plain": 7,
        });
        let Json::Object(map) = value else { panic!("an object") };
        let mut written = Vec::new();
        write_map(&Item::new(map, &["id".to_owned()]).expect("an item").attributes, &mut written);
        assert_eq!(
            serde_json::from_slice::<Json>(&written).expect("JSON"),
            json!({
                "id": { "S": "x" }, "n": { "N": "1.5" }, "b": { "BOOL": true }, "z": { "NULL": true },
                "y": { "B": "AA==" }, "ss": { "SS": ["x"] }, "ns": { "NS": ["1"] }, "bs": { "BS": ["AA=="] },
                "l": { "L": [{ "S": "x" }] }, "plain": { "N": "7" },
            })
        );
    }

    #[test]
    fn unprocessed_requests_are_found_by_key() {
        let (a, b, c, stranger) = (item("a"), item("b"), item("c"), item("x"));
        let items = [&a, &b, &c];
        assert!(unprocessed(&items, &[]).is_empty());
        assert_eq!(unprocessed(&items, &[request(&c), request(&a)]), [2, 0]);
        let key = Map::from_iter([("id".to_owned(), json!("b"))]);
        let delete = Change::Delete(Deletion::new(key, &["id".to_owned()]).expect("a key"));
        assert_eq!(unprocessed(&[&a, &delete, &c], &[request(&c), request(&delete)]), [2, 1]);
        assert_eq!(unprocessed(&items, &[request(&stranger)]), [0, 1, 2]);
        let neither = WriteRequest { put_request: None, delete_request: None };
        assert_eq!(unprocessed(&items, &[neither]), [0, 1, 2]);
    }

    #[test]
    fn a_merge_sets_the_attributes_besides_the_key() {
        let credentials = client::Credentials::new("id", "secret", None);
        let client = Client::at("http://127.0.0.1:1", "eu-west-1", &credentials).expect("a client");
        let dynamo = Dynamo::new(client, "t");
        let merge = |attributes: usize| -> Json {
            let mut map = Map::from_iter([("id".to_owned(), json!("7"))]);
            map.extend((0..attributes).map(|number| (format!("a.{number} SET"), json!({ "N": "1" }))));
            let item = Item::new(map, &["id".to_owned()]).expect("an item");
            serde_json::from_slice(&dynamo.merge_of(&item)).expect("JSON")
        };
        assert_eq!(
            merge(2),
            json!({
                "TableName": "t", "Key": { "id": { "S": "7" } }, "UpdateExpression": "SET #0=:0,#1=:1",
                "ExpressionAttributeNames": { "#0": "a.0 SET", "#1": "a.1 SET" },
                "ExpressionAttributeValues": { ":0": { "N": "1" }, ":1": { "N": "1" } },
            })
        );
        // An item of the key alone.
        assert_eq!(merge(0), json!({ "TableName": "t", "Key": { "id": { "S": "7" } } }));
        // Amazon DynamoDB Developer Guide, "Quotas": an expression has 4 KB at most.
        let longest = merge(contract::settings::MAX_MERGED);
        let expression = longest["UpdateExpression"].as_str().expect("an expression");
        assert!((3_000..=4_096).contains(&expression.len()));
    }

    #[test]
    fn a_marked_row_is_written_on_condition_of_its_place() {
        let id = Json::from("0123");
        let condition = Condition {
            expression: "#verification = :verification",
            name: ("#verification", verification::ATTRIBUTE),
            value: Some((":verification", &id)),
        };
        let mut input = Vec::new();
        condition.write(&mut input);
        let members: Json = serde_json::from_slice(&[b"{\"x\":1", &*input, b"}"].concat()).expect("JSON");
        assert_eq!(
            members,
            json!({
                "x": 1, "ConditionExpression": "#verification = :verification",
                "ExpressionAttributeNames": { "#verification": "_verification" },
                "ExpressionAttributeValues": { ":verification": { "S": "0123" } },
            })
        );
    }

    /// A write with a condition says what it was refused for; one without is never refused.
    #[test]
    fn a_condition_is_a_part_of_its_call() {
        let version = json!("2026");
        let mut input = Vec::new();
        Condition::not_newer(&version).write(&mut input);
        let members: Json = serde_json::from_slice(&[b"{\"x\":1", &*input, b"}"].concat()).expect("JSON");
        assert_eq!(
            members,
            json!({
                "x": 1, "ConditionExpression": "attribute_not_exists(#version) OR #version <= :version",
                "ExpressionAttributeNames": { "#version": "_version" },
                "ExpressionAttributeValues": { ":version": { "S": "2026" } },
            })
        );
        let before = |text: &str| serde_json::from_str::<Before>(text).expect("JSON").other();
        assert_eq!(before("{}"), None);
        assert_eq!(before(r#"{"Item":{"id":{"S":"x"}}}"#), Some(Other::default()));
        let other = Some(Other { version: Some("1".into()), source: Some("s".into()) });
        assert_eq!(before(r#"{"Attributes":{"_version":{"S":"1"},"_source":{"S":"s"}}}"#), other);
    }

    #[test]
    fn only_a_validation_error_makes_items_invalid() {
        let error =
            |code: &str| write_error(&CallError { code: code.into(), message: "v".into(), retryable: true });
        assert_eq!(error("ValidationException"), WriteError::Invalid);
        assert_eq!(error("Timeout"), WriteError::Call { code: "Timeout".into(), retryable: true });
    }
}
