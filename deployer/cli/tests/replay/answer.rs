//! The output of an operation, written as its service writes it. The shape comes from AWS's models.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde_json::{Map, Value, json};

use crate::wire::http::Response;
use crate::wire::{Call, MODELS, REQUEST_ID, escape};

/// Creates the answer to a call.
pub fn answer(call: &Call, value: &Value) -> Response {
    if call.service == "Registry" {
        return registry(call, value);
    }
    let model = &MODELS[&call.service];
    let operation = &model["operations"][&call.operation];
    assert!(operation.is_object(), "models.json knows no {}; run `make conversations`", call.name());
    let shapes = Shapes { all: &model["shapes"] };
    let output = operation["output"].as_str().map(|name| shapes.get(name));
    let wrapper = operation["wrapper"].as_str();
    match model["protocol"].as_str() {
        Some("query") => {
            let result = output.map(|shape| shapes.xml_members(shape, value)).unwrap_or_default();
            let result = wrapper.map_or(String::new(), |name| format!("<{name}>{result}</{name}>"));
            let name = &call.operation;
            let body = format!(
                "<{name}Response>{result}<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\
                 </{name}Response>"
            );
            Response::new(200, "text/xml", body)
        }
        Some("rest-xml") => {
            let body = output.map(|shape| shapes.xml_members(shape, value)).unwrap_or_default();
            let payload = output.and_then(|shape| shape["payload"].as_str());
            let body = match (payload, wrapper) {
                (Some(payload), _) => value[payload].as_str().unwrap_or_default().to_owned(),
                (None, Some(name)) => {
                    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name}>{body}</{name}>")
                }
                (None, None) => body,
            };
            shapes.with_headers(output, value, Response::new(200, "application/xml", body))
        }
        Some("json" | "rest-json") => {
            let payload = output.and_then(|shape| shape["payload"].as_str());
            let body = match (payload, output) {
                (Some(payload), _) => value[payload].as_str().unwrap_or_default().to_owned(),
                (None, Some(shape)) => shapes.json(shape, value).to_string(),
                (None, None) => json!({}).to_string(),
            };
            let answer = Response::new(200, "application/x-amz-json-1.1", body);
            shapes.with_headers(output, value, answer).with("x-amzn-requestid", REQUEST_ID)
        }
        other => panic!("{} speaks {other:?}, which is not known here", call.name()),
    }
}

/// Creates the answer of a container registry: OCI Distribution Specification 1.1, "Endpoints".
fn registry(call: &Call, value: &Value) -> Response {
    let status = match call.operation.split(' ').next() {
        Some("POST") => 202,
        Some("PUT") => 201,
        _ => 200,
    };
    let headers = value.as_object().into_iter().flatten();
    headers.fold(Response::new(status, "application/json", ""), |answer, (name, value)| {
        answer.with(name, value.as_str().unwrap_or_default())
    })
}

/// The shapes of a service.
struct Shapes<'a> {
    all: &'a Value,
}

impl<'a> Shapes<'a> {
    fn get(&self, name: &str) -> &'a Value {
        &self.all[name]
    }

    fn of(&self, member: &Value) -> &'a Value {
        self.get(member["shape"].as_str().unwrap_or_default())
    }

    /// Formats the members of a structure as XML, one after the other.
    fn xml_members(&self, shape: &Value, value: &Value) -> String {
        let mut out = String::new();
        for (name, member) in shape["members"].as_object().into_iter().flatten() {
            if member["location"].is_string() || value[name].is_null() {
                continue;
            }
            let tag = member["locationName"].as_str().unwrap_or(name);
            let inner = self.of(member);
            let flattened = member["flattened"] == true || inner["flattened"] == true;
            match value[name].as_array() {
                Some(items) if flattened => {
                    for item in items {
                        let content = self.xml(self.of(&inner["member"]), item);
                        out.push_str(&format!("<{tag}>{content}</{tag}>"));
                    }
                }
                _ => out.push_str(&format!("<{tag}>{}</{tag}>", self.xml(inner, &value[name]))),
            }
        }
        out
    }

    fn xml(&self, shape: &Value, value: &Value) -> String {
        match (shape["type"].as_str(), value) {
            (Some("structure"), _) => self.xml_members(shape, value),
            (Some("list"), Value::Array(items)) => {
                let tag = shape["member"]["locationName"].as_str().unwrap_or("member");
                let inner = self.of(&shape["member"]);
                items.iter().map(|item| format!("<{tag}>{}</{tag}>", self.xml(inner, item))).collect()
            }
            (Some("map"), Value::Object(entries)) => {
                let tag = |side: &str| shape[side]["locationName"].as_str().unwrap_or(side).to_owned();
                let (key_tag, value_tag) = (tag("key"), tag("value"));
                let inner = self.of(&shape["value"]);
                let entry = |(key, value): (&String, &Value)| {
                    let (key, value) = (escape(key), self.xml(inner, value));
                    format!("<entry><{key_tag}>{key}</{key_tag}><{value_tag}>{value}</{value_tag}></entry>")
                };
                entries.iter().map(entry).collect()
            }
            (_, Value::String(text)) => escape(text),
            (_, other) => other.to_string(),
        }
    }

    /// Formats a value as JSON: unchanged, but for times, which JSON protocols write in seconds.
    fn json(&self, shape: &Value, value: &Value) -> Value {
        match (shape["type"].as_str(), value) {
            (Some("structure"), Value::Object(members)) => {
                let known = shape["members"].as_object();
                let members = members.iter().filter_map(|(name, value)| {
                    let member = known?.get(name)?;
                    let tag = member["locationName"].as_str().unwrap_or(name);
                    member["location"].is_null().then(|| (tag.to_owned(), self.json(self.of(member), value)))
                });
                Value::Object(members.collect::<Map<String, Value>>())
            }
            (Some("list"), Value::Array(items)) => {
                items.iter().map(|item| self.json(self.of(&shape["member"]), item)).collect()
            }
            (Some("map"), Value::Object(entries)) => {
                let inner = self.of(&shape["value"]);
                let entries = entries.iter().map(|(key, value)| (key.clone(), self.json(inner, value)));
                Value::Object(entries.collect())
            }
            (Some("timestamp"), Value::String(text)) if shape["timestampFormat"] != "iso8601" => {
                json!(time(text).secs())
            }
            _ => value.clone(),
        }
    }

    /// Adds the members that belong in headers.
    fn with_headers(&self, shape: Option<&Value>, value: &Value, answer: Response) -> Response {
        let members = shape.and_then(|shape| shape["members"].as_object()).into_iter().flatten();
        members.fold(answer, |answer, (name, member)| {
            let header = member["locationName"].as_str().filter(|_| member["location"] == "header");
            match (header, &value[name]) {
                (None, _) | (_, Value::Null) => answer,
                (Some(header), Value::String(text)) if self.of(member)["type"] == "timestamp" => {
                    let date = time(text).fmt(DateTimeFormat::HttpDate).expect("a date that HTTP can say");
                    answer.with(header, &date)
                }
                (Some(header), Value::String(text)) => answer.with(header, text),
                (Some(header), other) => answer.with(header, &other.to_string()),
            }
        })
    }
}

fn time(text: &str) -> DateTime {
    DateTime::from_str(text, DateTimeFormat::DateTime).unwrap_or_else(|error| panic!("{text}: {error}"))
}
