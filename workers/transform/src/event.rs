//! The values of attributes in events: a text as itself, everything else in DynamoDB's JSON (`{"N":"1.5"}`).
//!
//! A function of the file's own may put plain JSON there instead, which is taken as it always was: numbers, booleans,
//! lists and objects. An object is DynamoDB's JSON if it has one member that is named as a type and contains a value of
//! this type; nothing else can be meant by `{"N":"1.5"}`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use crate::number::Number;
use crate::value::Value;

/// The greatest depth of nested lists and maps.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_DEPTH: usize = 32;

/// Returns the value that the JSON of an event stands for; `None` if a number in it is none of DynamoDB's.
#[must_use]
pub fn read_event_json(json: &Json) -> Option<Value<'_>> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Number(number.to_string().parse().ok()?),
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(values) => Value::List(values.iter().map(read_event_json).collect::<Option<_>>()?),
        Json::Object(map) => match read_typed(map, 0) {
            Some(typed) => typed,
            None => {
                let entries =
                    map.iter().map(|(name, json)| Some((name.as_str().into(), read_event_json(json)?)));
                Value::Map(entries.collect::<Option<_>>()?)
            }
        },
    })
}

/// Reads DynamoDB's JSON; `None` if it is none.
#[must_use]
pub fn read_dynamodb_json(json: &Json) -> Option<Value<'_>> {
    read_typed(json.as_object()?, 0)
}

fn read_typed(map: &Map<String, Json>, depth: usize) -> Option<Value<'_>> {
    let mut members = map.iter();
    let ((name, value), None) = (members.next()?, members.next()) else { return None };
    if depth > MAX_DEPTH {
        return None;
    }
    fn inner(value: &Json, depth: usize) -> Option<Value<'_>> {
        read_typed(value.as_object()?, depth + 1)
    }
    let number = |value: &Json| value.as_str()?.parse::<Number>().ok();
    let bytes = |value: &Json| STANDARD.decode(value.as_str()?).ok();
    Some(match (name.as_str(), value) {
        ("S", Json::String(text)) => Value::text(text.as_str()),
        ("N", value) => Value::Number(number(value)?),
        ("B", value) => Value::Binary(bytes(value)?),
        ("BOOL", Json::Bool(value)) => Value::Boolean(*value),
        ("NULL", Json::Bool(true)) => Value::Null,
        ("SS", Json::Array(texts)) => Value::TextSet(set(texts, |text| Some(Cow::Borrowed(text.as_str()?)))?),
        ("NS", Json::Array(numbers)) => Value::NumberSet(set(numbers, number)?),
        ("BS", Json::Array(all)) => Value::BinarySet(set(all, bytes)?),
        ("L", Json::Array(values)) => {
            Value::List(values.iter().map(|value| inner(value, depth)).collect::<Option<_>>()?)
        }
        ("M", Json::Object(map)) => {
            let entries = map.iter().map(|(name, value)| Some((name.as_str().into(), inner(value, depth)?)));
            Value::Map(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Returns the elements of a set, which is never empty in DynamoDB.
fn set<'v, T>(values: &'v [Json], element: impl Fn(&'v Json) -> Option<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.iter().map(element).collect())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::{to_dynamodb_json, write_dynamodb_json};

    #[test]
    fn dynamodbs_json_has_its_types() {
        for (value, expected) in [
            (json!("x"), Value::text("x")),
            (json!({ "S": "x" }), Value::text("x")),
            (json!({ "N": "1.5" }), Value::Number("1.5".parse().expect("a number"))),
            (json!({ "B": "3q2+7w==" }), Value::Binary(vec![0xde, 0xad, 0xbe, 0xef])),
            (json!({ "BOOL": false }), Value::Boolean(false)),
            (json!({ "NULL": true }), Value::Null),
            (json!({ "SS": ["a", "b"] }), Value::TextSet(vec!["a".into(), "b".into()])),
            (
                json!({ "NS": ["1", "-2E3"] }),
                Value::NumberSet(vec![Number::from_i64(1), Number::from_i64(-2000)]),
            ),
            (json!({ "BS": ["AA=="] }), Value::BinarySet(vec![vec![0]])),
            (
                json!({ "L": [{ "S": "x" }, { "L": [] }] }),
                Value::List(vec![Value::text("x"), Value::List(vec![])]),
            ),
            (json!({ "M": { "S": { "S": "x" } } }), Value::Map(vec![("S".into(), Value::text("x"))])),
        ] {
            assert_eq!(read_event_json(&value), Some(expected), "{value}");
        }
    }

    #[test]
    fn plain_json_is_taken_as_it_was() {
        for (value, expected) in [
            (json!(1.5), Value::Number("1.5".parse().expect("a number"))),
            (json!(true), Value::Boolean(true)),
            (json!(null), Value::Null),
            (json!(["x"]), Value::List(vec![Value::text("x")])),
            (json!({ "a": "x" }), Value::Map(vec![("a".into(), Value::text("x"))])),
            (json!({}), Value::Map(vec![])),
            (json!({ "N": "many" }), Value::Map(vec![("N".into(), Value::text("many"))])),
            (
                json!({ "N": 1 }),
                Value::Map(vec![("N".into(), Value::Number("1".parse().expect("a number")))]),
            ),
            (
                json!({ "S": "x", "N": "1" }),
                Value::Map(vec![("S".into(), Value::text("x")), ("N".into(), Value::text("1"))]),
            ),
            (json!({ "SS": [] }), Value::Map(vec![("SS".into(), Value::List(vec![]))])),
            (json!({ "B": "no base64!" }), Value::Map(vec![("B".into(), Value::text("no base64!"))])),
        ] {
            assert_eq!(read_event_json(&value), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_number_that_is_none_of_dynamodbs_has_no_value() {
        assert_eq!(read_event_json(&json!([1e300])), None);
    }

    #[test]
    fn what_is_written_is_read() {
        for json in [
            json!({ "S": "x" }),
            json!({ "N": "1.5" }),
            json!({ "L": [{ "M": { "a": { "NULL": true } } }, { "BS": ["AA=="] }, { "NS": ["1", "2"] }] }),
        ] {
            let value = read_dynamodb_json(&json).expect("DynamoDB's JSON");
            assert_eq!(to_dynamodb_json(&value), json);
            let mut text = Vec::new();
            write_dynamodb_json(&value, &mut text);
            assert_eq!(String::from_utf8(text).expect("UTF-8"), json.to_string());
        }
        assert_eq!(read_dynamodb_json(&json!({ "a": "x" })), None);
    }
}
