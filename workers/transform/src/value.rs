//! Values of attributes, and the JSON that stands for them.
//!
//! [`write_dynamodb_json`] writes DynamoDB's own JSON (`{"S":"x"}`, `{"N":"1.5"}`), and [`write_event_json`] the form of
//! the pipeline's events: a text as itself, everything else in DynamoDB's JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::number::Number;

pub use contract::json::write_string;

/// The value of an attribute. Texts are borrowed from the row where they are stored as they are in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `NULL`.
    Null,
    /// `BOOL`.
    Boolean(bool),
    /// `S`.
    Text(Cow<'a, str>),
    /// `N`.
    Number(Number),
    /// `B`.
    Binary(Vec<u8>),
    /// `SS`, never empty and without duplicates.
    TextSet(Vec<Cow<'a, str>>),
    /// `NS`, never empty and without duplicates.
    NumberSet(Vec<Number>),
    /// `BS`, never empty and without duplicates; no field has this type.
    BinarySet(Vec<Vec<u8>>),
    /// `L`.
    List(Vec<Value<'a>>),
    /// `M`, in the order of the settings or of the file.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Returns a text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns DynamoDB's name of the type: `S`, `N`, `BOOL`, ….
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOL",
            Self::Text(_) => "S",
            Self::Number(_) => "N",
            Self::Binary(_) => "B",
            Self::TextSet(_) => "SS",
            Self::NumberSet(_) => "NS",
            Self::BinarySet(_) => "BS",
            Self::List(_) => "L",
            Self::Map(_) => "M",
        }
    }

    /// Returns the size as DynamoDB counts it, estimated from above where it depends on the value (numbers, nested
    /// overhead), so that nothing passes here only to fail a whole batch there. Close to the limit it may be a little
    /// strict.
    ///
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) => 1,
            Self::Number(number) => number.size(),
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::TextSet(texts) => texts.iter().map(|text| text.len()).sum(),
            Self::NumberSet(numbers) => numbers.iter().map(Number::size).sum(),
            Self::BinarySet(all) => all.iter().map(Vec::len).sum(),
            Self::List(values) => 3 + values.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::Map(entries) => {
                3 + entries.iter().map(|(name, value)| 1 + name.len() + value.size()).sum::<usize>()
            }
        }
    }

    /// Returns the value without anything borrowed.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Value::Number(number),
            Self::Binary(bytes) => Value::Binary(bytes),
            Self::TextSet(texts) => {
                Value::TextSet(texts.into_iter().map(|text| Cow::Owned(text.into_owned())).collect())
            }
            Self::NumberSet(numbers) => Value::NumberSet(numbers),
            Self::BinarySet(all) => Value::BinarySet(all),
            Self::List(values) => Value::List(values.into_iter().map(Value::into_owned).collect()),
            Self::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }
}

/// Appends a value in the form of the pipeline's events: a text as a JSON string, all else as DynamoDB's JSON.
pub fn write_event_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => write_string(text, out),
        other => write_dynamodb_json(other, out),
    }
}

/// Appends a value as DynamoDB's JSON: an object with one member, whose name is the type.
pub fn write_dynamodb_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"{\"NULL\":true}"),
        Value::Boolean(true) => out.extend_from_slice(b"{\"BOOL\":true}"),
        Value::Boolean(false) => out.extend_from_slice(b"{\"BOOL\":false}"),
        Value::Text(text) => {
            out.extend_from_slice(b"{\"S\":");
            write_string(text, out);
            out.push(b'}');
        }
        Value::Number(number) => {
            out.extend_from_slice(b"{\"N\":\"");
            number.write(out);
            out.extend_from_slice(b"\"}");
        }
        Value::Binary(bytes) => {
            out.extend_from_slice(b"{\"B\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Value::TextSet(texts) => {
            out.extend_from_slice(b"{\"SS\":");
            write_list(texts, out, |text, out| write_string(text, out));
            out.push(b'}');
        }
        Value::NumberSet(numbers) => {
            out.extend_from_slice(b"{\"NS\":");
            write_list(numbers, out, |number, out| {
                out.push(b'"');
                number.write(out);
                out.push(b'"');
            });
            out.push(b'}');
        }
        Value::BinarySet(all) => {
            out.extend_from_slice(b"{\"BS\":");
            write_list(all, out, |bytes, out| {
                out.push(b'"');
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            });
            out.push(b'}');
        }
        Value::List(values) => {
            out.extend_from_slice(b"{\"L\":");
            write_list(values, out, write_dynamodb_json);
            out.push(b'}');
        }
        Value::Map(entries) => {
            out.extend_from_slice(b"{\"M\":");
            write_object(entries, out, write_dynamodb_json);
            out.push(b'}');
        }
    }
}

/// Returns a value in the form of the pipeline's events.
#[must_use]
pub fn to_event_json(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => Json::String(text.as_ref().to_owned()),
        other => to_dynamodb_json(other),
    }
}

/// Returns a value as DynamoDB's JSON.
#[must_use]
pub fn to_dynamodb_json(value: &Value<'_>) -> Json {
    let inner = match value {
        Value::Null => Json::Bool(true),
        Value::Boolean(value) => Json::Bool(*value),
        Value::Text(text) => Json::String(text.as_ref().to_owned()),
        Value::Number(number) => Json::String(number.to_string()),
        Value::Binary(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::TextSet(texts) => texts.iter().map(|text| Json::String(text.as_ref().to_owned())).collect(),
        Value::NumberSet(numbers) => numbers.iter().map(|number| Json::String(number.to_string())).collect(),
        Value::BinarySet(all) => all.iter().map(|bytes| Json::String(STANDARD.encode(bytes))).collect(),
        Value::List(values) => values.iter().map(to_dynamodb_json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(name, value)| (name.as_ref().to_owned(), to_dynamodb_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    };
    Json::Object([(value.type_name().to_owned(), inner)].into_iter().collect())
}

/// Appends an array of JSON, whose elements `write` appends.
pub fn write_list<T>(values: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(value, out);
    }
    out.push(b']');
}

/// Appends an object of JSON, whose values `write` appends.
pub fn write_object<N: AsRef<str>, T>(
    members: &[(N, T)],
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>),
) {
    out.push(b'{');
    for (position, (name, value)) in members.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(name.as_ref(), out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_value() {
        let entry = |value| ("a".into(), value);
        let list = Value::List(vec![
            Value::Boolean(true),
            Value::Null,
            Value::text("xy"),
            Value::Number(Number::from_i64(1)),
        ]);
        assert_eq!(Value::Map(vec![entry(list)]).size(), 3 + 2 + 3 + 2 + 2 + 3 + 4);
        assert_eq!(Value::Binary(vec![0; 4]).size(), 4);
        assert_eq!(Value::TextSet(vec!["ab".into(), "c".into()]).size(), 3);
    }
}
