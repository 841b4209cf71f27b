//! AWS on the wire, for servers in tests: HTTP/1.1, the name and the input of a call, an error in its protocol's shape.
//!
//! The models of the operations are in `models.json`, which `tools/conversations.py` writes from AWS's published
//! models.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

pub mod http;

use http::{Request, Response};

/// Services, each with its protocol, operations and shapes of answers.
pub static MODELS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("models.json")).expect("models.json"));

/// A call of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Service, such as `CloudFormation`.
    pub service: String,
    /// Operation, such as `DescribeStacks`.
    pub operation: String,
    /// The members of the input that the request shows, under their names in the model.
    pub input: Value,
}

impl Call {
    /// Determines the operation that a request calls.
    pub fn of(request: &Request) -> Self {
        let named = |operation: &str, input| (operation.to_owned(), input);
        let Some(service) = service(request) else {
            let (operation, input) = registry(request);
            return Self { service: "Registry".to_owned(), operation, input };
        };
        let (operation, mut input) = match MODELS[service]["protocol"].as_str() {
            Some("query") => {
                let mut input = form(&String::from_utf8_lossy(&request.body));
                let operation = input["Action"].as_str().unwrap_or_default().to_owned();
                if let Value::Object(input) = &mut input {
                    input.remove("Action");
                    input.remove("Version");
                }
                (operation, input)
            }
            Some("json") => {
                let target = request.header("x-amz-target").unwrap_or_default();
                let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation);
                named(operation, serde_json::from_slice(&request.body).unwrap_or_default())
            }
            _ => route(service, request).unwrap_or_else(|| named(&request.line(), json!({}))),
        };
        if operation == "PutObject"
            && let Some(text) = request.text()
        {
            input["Body"] = json!(text);
        }
        Self { service: service.to_owned(), operation, input }
    }

    /// Returns service and operation, such as `CloudFormation.DescribeStacks`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.service, self.operation)
    }

    /// Creates an error as this service answers it.
    pub fn error(&self, status: u16, code: &str, message: &str) -> Response {
        let (code_text, message_text) = (escape(code), escape(message));
        match MODELS[&self.service]["protocol"].as_str() {
            Some("query") => Response::new(
                status,
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code_text}</Code><Message>{message_text}</Message></Error>\
                     <RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
                ),
            ),
            Some("rest-xml") => Response::new(
                status,
                "application/xml",
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code_text}</Code><Message>{message_text}</Message>\
                     <RequestId>{REQUEST_ID}</RequestId></Error>"
                ),
            ),
            Some(_) => {
                let body = json!({ "__type": code, "message": message }).to_string();
                Response::new(status, "application/x-amz-json-1.1", body)
                    .with("x-amzn-errortype", code)
                    .with("x-amzn-requestid", REQUEST_ID)
            }
            // OCI Distribution Specification 1.1, "Error codes".
            None => {
                let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
                Response::new(status, "application/json", body)
            }
        }
    }
}

/// Id of every request: an answer must have one, whose value means nothing.
pub const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Returns the service that a request is signed for: AWS Signature Version 4, the scope of the credentials.
fn service(request: &Request) -> Option<&'static str> {
    let scope = request.header("authorization")?.split_once("Credential=")?.1.split(',').next()?;
    let signed_as = scope.split('/').nth(3)?;
    let models = MODELS.as_object()?;
    models.iter().find(|(_, model)| model["signedAs"] == signed_as).map(|(service, _)| service.as_str())
}

/// Returns operation and input of a request to a container registry, which has no names for its operations.
fn registry(request: &Request) -> (String, Value) {
    let kinds = ["manifests", "uploads", "blobs"];
    let kind = kinds.iter().find(|kind| request.path.contains(&format!("/{kind}/")));
    (format!("{} {}", request.method, kind.copied().unwrap_or(&request.path)), json!({}))
}

/// Returns the operation of a REST request: of those whose path and conditions fit, the one with most conditions.
fn route(service: &str, request: &Request) -> Option<(String, Value)> {
    let operations = MODELS[service]["operations"].as_object()?;
    let fits = |operation: &Value| -> Option<(usize, Map<String, Value>)> {
        if operation["method"] != request.method.as_str() {
            return None;
        }
        let (path, query) =
            operation["uri"].as_str()?.split_once('?').unwrap_or((operation["uri"].as_str()?, ""));
        let labels = labels(path, &request.path)?;
        let mut conditions = 0;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let found = request.query(name)?;
            if !value.is_empty() && found != value {
                return None;
            }
            conditions += 1;
        }
        let mut input = Map::new();
        for (member, place) in operation["parts"].as_object().into_iter().flatten() {
            let (location, name) = place.as_str()?.split_once(' ')?;
            let value = match location {
                "uri" => labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.clone()),
                "querystring" => request.query(name).map(str::to_owned),
                _ => request.header(name).map(str::to_owned),
            };
            let needed = operation["needed"].as_array().is_some_and(|needed| needed.contains(&json!(member)));
            match value {
                Some(value) => drop(input.insert(member.clone(), json!(value))),
                None if needed => return None,
                None => {}
            }
            conditions += usize::from(needed);
        }
        Some((conditions, input))
    };
    let named = request.query("x-id").and_then(|name| operations.get_key_value(name));
    if let Some((name, operation)) = named {
        return Some((name.clone(), Value::Object(fits(operation)?.1)));
    }
    let found = operations.iter().filter_map(|(name, operation)| Some((name, fits(operation)?)));
    let (name, (_, mut input)) = found.max_by_key(|(_, (conditions, _))| *conditions)?;
    if let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) {
        input.extend(body);
    }
    Some((name.clone(), Value::Object(input)))
}

/// Returns the values of the labels of a path such as `/{Bucket}/{Key+}`.
fn labels(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let mut parts = path.trim_matches('/').split('/');
    let mut out = Vec::new();
    for wanted in template.trim_matches('/').split('/') {
        let label = wanted.strip_prefix('{').and_then(|label| label.strip_suffix('}'));
        match label {
            Some(label) if label.ends_with('+') => {
                let rest: Vec<&str> = parts.by_ref().collect();
                let rest = Some(rest.join("/")).filter(|rest| !rest.is_empty())?;
                out.push((label.trim_end_matches('+').to_owned(), http::decode(&rest)));
            }
            Some(label) => {
                let part = parts.next().filter(|part| !part.is_empty())?;
                out.push((label.to_owned(), http::decode(part)));
            }
            None if parts.next() == Some(wanted) => {}
            None => return None,
        }
    }
    parts.next().is_none().then_some(out)
}

/// Parses the input of the query protocol: `Tags.member.1.Key=a` is the first of a list.
fn form(body: &str) -> Value {
    let mut out = json!({});
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (path, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = http::decode(path);
        let mut place = &mut out;
        for name in path.split('.').filter(|name| *name != "member") {
            if let Ok(index) = name.parse::<usize>() {
                if !place.is_array() {
                    *place = json!([]);
                }
                let list = place.as_array_mut().expect("made above");
                list.resize(list.len().max(index), Value::Null);
                place = &mut list[index.saturating_sub(1)];
            } else {
                if !place.is_object() {
                    *place = json!({});
                }
                place = place.as_object_mut().expect("made above").entry(name).or_insert(Value::Null);
            }
        }
        *place = json!(http::decode(&value.replace('+', " ")));
    }
    out
}

/// Escapes a text inside XML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
