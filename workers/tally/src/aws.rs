//! The tally's table in DynamoDB.

mod memory;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Client, Failure, Service};
use runtime::CallError;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::attribute::{Attribute, Attributes};
use crate::completion::{Completions, PART, State, Step};
use crate::details::{Notes, is_detail};
use crate::item::{Key, PARTITION_KEY, SORT_KEY};
use crate::reader::{Scope, Source, Stored};
use crate::writer::{Change, Store, Updated};

/// The attribute that every write raises.
const REVISION: &str = "revision";
/// The error code of a write whose condition does not hold.
pub(crate) const REFUSED: &str = "ConditionalCheckFailedException";

/// An item in DynamoDB's JSON.
pub(crate) type Item = Map<String, Value>;

/// The answers of operations that return one item, as far as they are read; and the error of a refused write.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct One {
    pub(crate) item: Option<Item>,
}

/// The answer of operations that return many.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    items: Option<Vec<Item>>,
    last_evaluated_key: Option<Item>,
}

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

    /// Reads the item as it is now: needed only where a refusal does not contain it.
    async fn get(&self, key: &Key) -> Result<Option<Item>, CallError> {
        let input = json!({ "TableName": self.name, "Key": primary(key), "ConsistentRead": true });
        Ok(self.client.json::<_, One>(Service::DynamoDb, "GetItem", &input).await?.item)
    }
}

impl Store for Table {
    async fn update(&self, key: &Key, change: &Change) -> Result<Updated, CallError> {
        let input = update(&self.name, key, change);
        let failure = match self.client.json::<_, Value>(Service::DynamoDb, "UpdateItem", &input).await {
            Ok(_) => return Ok(Updated::Done),
            Err(failure) => failure,
        };
        let Some(item) = refused(&failure) else { return Err(failure.into()) };
        let item = match item {
            Some(item) if !item.is_empty() => Some(item),
            _ => self.get(key).await?,
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
        let input = json!({
            "TableName": self.name,
            "Key": primary(key),
            "ConditionExpression": "#r = :r",
            "ExpressionAttributeNames": { "#r": REVISION },
            "ExpressionAttributeValues": { ":r": number(revision) },
        });
        match self.client.json::<_, Value>(Service::DynamoDb, "DeleteItem", &input).await {
            Ok(_) => Ok(true),
            Err(failure) => match refused(&failure) {
                Some(_) => Ok(false),
                None => Err(failure.into()),
            },
        }
    }
}

impl Source for Table {
    async fn items(&self, scope: Scope<'_>) -> Result<Vec<Stored>, CallError> {
        let (operation, mut input) = read(&self.name, scope);
        let mut items = Vec::new();
        loop {
            let page: Page = self.client.json(Service::DynamoDb, operation, &input).await?;
            let page_items = page.items.unwrap_or_default();
            // Details may be large, and whoever reads all tallies needs none.
            let wanted = |item: &&Item| {
                let object = item.get(PARTITION_KEY).and_then(|object| object["S"].as_str());
                !matches!(scope, Scope::All) || !object.is_some_and(is_detail)
            };
            items.extend(page_items.iter().filter(wanted).filter_map(stored));
            match page.last_evaluated_key {
                Some(next) if !next.is_empty() => input["ExclusiveStartKey"] = next.into(),
                _ => return Ok(items),
            }
        }
    }
}

impl Notes for Table {
    async fn note(&self, object: &str, part: &str, attributes: &Attributes) -> Result<(), CallError> {
        let input = note(&self.name, object, part, attributes);
        self.client.json::<_, IgnoredAny>(Service::DynamoDb, "UpdateItem", &input).await?;
        Ok(())
    }
}

/// Returns the input of UpdateItem that sets attributes of an item, whatever it has.
fn note(table: &str, object: &str, part: &str, attributes: &Attributes) -> Value {
    let (mut sets, mut names, mut values) = (Vec::new(), Map::new(), Map::new());
    for (index, (name, value)) in attributes.iter().enumerate() {
        let Some(value) = to_dynamo(value) else { continue };
        sets.push(format!("#a{index} = :a{index}"));
        names.insert(format!("#a{index}"), json!(name));
        values.insert(format!(":a{index}"), value);
    }
    json!({
        "TableName": table,
        "Key": { PARTITION_KEY: text(object), SORT_KEY: text(part) },
        "UpdateExpression": format!("SET {}", sets.join(", ")),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    })
}

/// The condition of a step towards an attempt: its event is not on the bus.
const NOT_PUBLISHED: &str = "(attribute_not_exists(#attempt) OR #attempt < :attempt)";

impl Completions for Table {
    async fn step(&self, object: &str, step: &Step) -> Result<Option<State>, CallError> {
        let input = Call::of(step).input(&self.name, object);
        match self.client.json::<_, After>(Service::DynamoDb, "UpdateItem", &input).await {
            Ok(after) => Ok(Some(after.attributes.as_ref().map(state).unwrap_or_default())),
            Err(failure) if failure.error.code == REFUSED => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The answer of UpdateItem: the item as it is then.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct After {
    attributes: Option<Item>,
}

/// The expressions of a [`Step`], whose names are those of the attributes after a `#`.
struct Call {
    update: String,
    condition: String,
    values: Vec<(&'static str, Value)>,
}

impl Call {
    fn of(step: &Step) -> Self {
        match step {
            Step::Count { settled, rows, failed } => {
                let mut values = vec![(":settled", number(*settled))];
                let mut sets = Vec::new();
                if let Some(rows) = rows {
                    sets.push("#rows = :rows");
                    values.push((":rows", number(*rows)));
                }
                if *failed {
                    sets.push("#failed = :failed");
                    values.push((":failed", json!({ "BOOL": true })));
                }
                let sets = if sets.is_empty() { String::new() } else { format!("SET {} ", sets.join(", ")) };
                Self { update: format!("{sets}ADD #settled :settled"), condition: String::new(), values }
            }
            Step::Claim { attempt, holder, now, until } => Self {
                update: "SET #lease = :until, #holder = :holder".to_owned(),
                condition: format!(
                    "{NOT_PUBLISHED} AND (attribute_not_exists(#lease) OR #lease < :now OR #holder = :holder)"
                ),
                values: vec![
                    (":attempt", number(*attempt)),
                    (":holder", text(holder)),
                    (":now", number(*now)),
                    (":until", number(*until)),
                ],
            },
            Step::Finish { attempt, replay, partial } => Self {
                update:
                    "SET #attempt = :attempt, #replay = :replay, #partial = :partial REMOVE #lease, #holder"
                        .to_owned(),
                condition: NOT_PUBLISHED.to_owned(),
                values: vec![
                    (":attempt", number(*attempt)),
                    (":replay", text(replay)),
                    (":partial", json!({ "BOOL": partial })),
                ],
            },
        }
    }

    /// Returns the input of UpdateItem.
    fn input(self, table: &str, object: &str) -> Value {
        let Self { update, condition, values } = self;
        let names = ["settled", "rows", "failed", "attempt", "replay", "partial", "lease", "holder"];
        let used = |name: &&str| [&update, &condition].iter().any(|text| text.contains(&format!("#{name}")));
        let names = names.into_iter().filter(used).map(|name| (format!("#{name}"), json!(name)));
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut input = json!({
            "TableName": table,
            "Key": { PARTITION_KEY: text(object), SORT_KEY: text(PART) },
            "UpdateExpression": update,
            "ExpressionAttributeNames": names.collect::<Map<_, _>>(),
            "ExpressionAttributeValues": values.collect::<Map<_, _>>(),
            "ReturnValues": "ALL_NEW",
        });
        if !condition.is_empty() {
            input["ConditionExpression"] = condition.into();
        }
        input
    }
}

fn state(item: &Item) -> State {
    let number = |name: &str| item.get(name)?["N"].as_str()?.parse::<u64>().ok();
    let flag = |name: &str| item.get(name).is_some_and(|value| value["BOOL"] == true);
    let replay = item.get("replay").and_then(|value| value["S"].as_str());
    State {
        settled: number("settled").unwrap_or_default(),
        rows: number("rows"),
        failed: flag("failed"),
        attempt: number("attempt").unwrap_or_default(),
        replay: replay.unwrap_or_default().to_owned(),
        partial: flag("partial"),
    }
}

/// Returns the item in the error of a write whose condition does not hold; `None` for any other error.
fn refused(failure: &Failure) -> Option<Option<Item>> {
    let is_refused = failure.error.code == REFUSED;
    is_refused.then(|| serde_json::from_slice::<One>(&failure.body).ok()?.item)
}

/// Returns the input of UpdateItem.
fn update(table: &str, key: &Key, change: &Change) -> Value {
    let mut sets = vec!["#r = :r".to_owned()];
    let mut names = Map::from_iter([("#r".to_owned(), json!(REVISION))]);
    let mut values = Map::from_iter([(":r".to_owned(), number(change.revision))]);
    for (index, (name, value)) in change.set.iter().enumerate() {
        let Some(value) = to_dynamo(value) else { continue };
        sets.push(format!("#a{index} = :a{index}"));
        names.insert(format!("#a{index}"), json!(name));
        values.insert(format!(":a{index}"), value);
    }
    let mut removed = Vec::new();
    for (index, name) in change.remove.iter().enumerate() {
        removed.push(format!("#d{index}"));
        names.insert(format!("#d{index}"), json!(name));
    }
    let remove = match removed.is_empty() {
        true => String::new(),
        false => format!(" REMOVE {}", removed.join(", ")),
    };
    let condition = match change.expected {
        Some(expected) => {
            values.insert(":expected".to_owned(), number(expected));
            "#r = :expected"
        }
        None => "attribute_not_exists(#r)",
    };
    json!({
        "TableName": table,
        "Key": primary(key),
        "UpdateExpression": format!("SET {}{remove}", sets.join(", ")),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

/// Returns the operation that reads the items of a scope, and its input. See [`Source::items`] about its direction.
fn read(table: &str, scope: Scope<'_>) -> (&'static str, Value) {
    let (object, part) = match scope {
        Scope::All => return ("Scan", json!({ "TableName": table, "ConsistentRead": true })),
        Scope::Object(object) => (object, None),
        Scope::Part(object, part) => (object, Some(part)),
    };
    let mut input = json!({
        "TableName": table,
        "ConsistentRead": true,
        "ScanIndexForward": false,
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": { "#o": PARTITION_KEY },
        "ExpressionAttributeValues": { ":o": text(object) },
    });
    if let Some(part) = part {
        input["KeyConditionExpression"] = "#o = :o AND begins_with(#p, :p)".into();
        input["ExpressionAttributeNames"]["#p"] = SORT_KEY.into();
        input["ExpressionAttributeValues"][":p"] = text(part);
    }
    ("Query", input)
}

fn revision(item: &Item) -> Option<u64> {
    item.get(REVISION)?["N"].as_str()?.parse().ok()
}

fn primary(key: &Key) -> Value {
    json!({ PARTITION_KEY: text(&key.object), SORT_KEY: text(&key.part()) })
}

pub(crate) fn text(text: &str) -> Value {
    json!({ "S": text })
}

pub(crate) fn number(number: u64) -> Value {
    json!({ "N": number.to_string() })
}

fn stored(item: &Item) -> Option<Stored> {
    let key = |name| Some(item.get(name)?["S"].as_str()?.to_owned());
    let revision = revision(item).unwrap_or_default();
    Some(Stored { object: key(PARTITION_KEY)?, part: key(SORT_KEY)?, revision, attributes: attributes(item) })
}

fn attributes(item: &Item) -> Attributes {
    item.iter()
        .filter(|(name, _)| ![PARTITION_KEY, SORT_KEY, REVISION].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), from_dynamo(value)))
        .collect()
}

fn to_dynamo(value: &Attribute) -> Option<Value> {
    Some(match value {
        Attribute::Bytes(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        Attribute::Text(value) => text(value),
        Attribute::Number(value) => number(*value),
        Attribute::Texts(texts) => json!({ "SS": texts }),
        Attribute::Map(map) => {
            let map = map.iter().filter_map(|(name, value)| Some((name.clone(), to_dynamo(value)?)));
            json!({ "M": map.collect::<Map<_, _>>() })
        }
        Attribute::Other => return None,
    })
}

fn from_dynamo(value: &Value) -> Attribute {
    let mut members = value.as_object().into_iter().flatten();
    let known = match members.next() {
        Some((kind, Value::String(value))) => match kind.as_str() {
            "B" => STANDARD.decode(value).ok().map(Attribute::Bytes),
            "S" => Some(Attribute::Text(value.clone())),
            "N" => value.parse().ok().map(Attribute::Number),
            _ => None,
        },
        Some((kind, Value::Array(values))) if kind == "SS" => {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Attribute::Texts)
        }
        Some((kind, Value::Object(map))) if kind == "M" => {
            let map = map.iter().map(|(name, value)| (name.clone(), from_dynamo(value)));
            Some(Attribute::Map(map.collect()))
        }
        _ => None,
    };
    known.unwrap_or(Attribute::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_downwards_and_as_it_is() {
        for scope in [Scope::Object("o"), Scope::Part("o", "summary")] {
            let (operation, input) = read("t", scope);
            assert_eq!((operation, &input["ScanIndexForward"]), ("Query", &json!(false)));
            assert_eq!(input["ConsistentRead"], true);
        }
        let (operation, input) = read("t", Scope::All);
        assert_eq!((operation, &input["ConsistentRead"]), ("Scan", &json!(true)));
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
        for other in [json!({ "N": "-1" }), json!({ "B": "?" }), json!({ "BOOL": true }), json!({}), json!(7)]
        {
            assert_eq!(from_dynamo(&other), Attribute::Other, "{other}");
        }
        assert_eq!(to_dynamo(&Attribute::Other), None);
    }

    #[test]
    fn a_refused_write_shows_what_is_there() {
        let failure = |code: &str, body: Value| Failure {
            error: CallError { code: code.into(), message: String::new(), retryable: false },
            body: body.to_string().into(),
        };
        let item = json!({ "revision": { "N": "7" } });
        let found = refused(&failure(REFUSED, json!({ "Item": item }))).expect("refused").expect("an item");
        assert_eq!(revision(&found), Some(7));
        assert_eq!(refused(&failure(REFUSED, json!({}))), Some(None));
        assert_eq!(refused(&failure("ValidationException", json!({ "Item": item }))), None);
    }
}
