//! One form for values that are the same to CloudFormation, by the schema of the resource: numbers written as texts,
//! JSON written as a text, one entry where a policy takes a list, lists whose order says nothing.
//!
//! Second step of a comparison, for resources that are not the same to the letter.

use deployer_cfn::schemas::{Scalar, Shape};
use deployer_syntax::number;
use serde_json::{Map, Value, json};

use crate::resolve::{MAX_DEPTH, SubPiece, expression, function, is_dynamic, scalar_text, sub_pieces, texts};

/// Lists whose order says nothing, though the schemas don't say so: the last name of their path.
const SETS: [&str; 16] = [
    "Tags",
    "SubnetIds",
    "Subnets",
    "SecurityGroupIds",
    "SecurityGroups",
    "VpcSecurityGroupIds",
    "ManagedPolicyArns",
    "AttributeDefinitions",
    "Architectures",
    "FunctionResponseTypes",
    "Environment",
    "Secrets",
    "QueueConfigurations",
    "LambdaConfigurations",
    "TopicConfigurations",
    "NotificationTypes",
];
/// Further such lists, by the last two names of their path.
const SETS_IN: [(&str, &str); 2] = [("LifecycleConfiguration", "Rules"), ("S3Key", "Rules")];
/// Members of a policy's statement that are one text or a list of them, in any order.
const POLICY_LISTS: [&str; 4] = ["Action", "NotAction", "Resource", "NotResource"];

/// The way in which a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Properties that the schema describes.
    Typed,
    /// Properties of a type without a schema: CloudFormation hands single values over as texts (CloudFormation User
    /// Guide, "Custom resource request objects").
    Untyped,
    /// Free JSON, in which `1` and `"1"` are different.
    Json,
    /// A policy document.
    Policy,
}

/// The known facts about a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'s> {
    pub(super) shape: Shape<'s>,
    pub(super) mode: Mode,
    pub(super) set: bool,
    depth: usize,
}

impl<'s> At<'s> {
    /// Returns the place of the properties of a resource.
    pub(super) const fn properties(shape: Shape<'s>) -> Self {
        let mode = if shape.is_known() { Mode::Typed } else { Mode::Untyped };
        Self { shape, mode, set: false, depth: 0 }
    }

    /// Returns a place in free JSON.
    pub(super) const fn json() -> Self {
        Self { shape: Shape::UNKNOWN, mode: Mode::Json, set: false, depth: 0 }
    }

    /// Returns the place of a member. `within` is the name of the mapping.
    pub(super) fn member(self, within: &str, name: &str) -> Self {
        let shape = if self.mode == Mode::Typed { self.shape.property(name) } else { Shape::UNKNOWN };
        // A value that the schema doesn't describe further is free JSON: a pattern of events, a dashboard.
        let mode = match self.mode {
            Mode::Typed if !shape.is_known() && self.depth > 0 => Mode::Json,
            mode => mode,
        };
        let set = match mode {
            Mode::Json => false,
            Mode::Policy => true,
            Mode::Typed | Mode::Untyped => {
                shape.is_set() || SETS.contains(&name) || SETS_IN.contains(&(within, name))
            }
        };
        Self { shape, mode, set, depth: self.depth + 1 }
    }

    /// Returns the place of an item.
    pub(super) fn item(self) -> Self {
        let shape = if self.mode == Mode::Typed { self.shape.item() } else { Shape::UNKNOWN };
        Self { shape, set: false, depth: self.depth + 1, ..self }
    }

    /// Returns the place of a value, which may be a policy document.
    fn document(self, value: &Value) -> Self {
        match is_policy(value) {
            true => Self { mode: Mode::Policy, shape: Shape::UNKNOWN, set: false, ..self },
            false => self,
        }
    }

    /// Returns the place of a value, as free JSON or a policy if its form says so.
    pub(super) fn of(self, value: &Value) -> Self {
        if matches!(self.mode, Mode::Typed | Mode::Untyped) { self.document(value) } else { self }
    }
}

/// Returns whether a value is a policy document.
pub(super) fn is_policy(value: &Value) -> bool {
    let statement = match &value["Statement"] {
        Value::Array(items) => items.first(),
        one => Some(one),
    };
    statement.is_some_and(|statement| statement["Effect"].is_string())
}

/// Returns a resolved value in its one form.
pub(super) fn canonical(value: &Value, at: At<'_>, within: &str) -> Value {
    if at.depth > MAX_DEPTH {
        return value.clone();
    }
    let at = at.of(value);
    match value {
        Value::Object(_) if is_expression(value) => match document_of_sub(value) {
            Some(document) => {
                canonical(&document, At { mode: Mode::Json, ..at }.text_document(&document), within)
            }
            None => value.clone(),
        },
        Value::Object(map) => {
            let entry = |(name, inner): (&String, &Value)| {
                let place = at.member(within, name);
                let inner = match at.mode {
                    Mode::Policy => policy_member(name, inner, place),
                    _ => canonical(inner, place, name),
                };
                // No tags are the same as an empty list of them.
                let nothing = name == "Tags" && (inner == json!([]) || inner == json!({}));
                (!nothing).then(|| (name.clone(), inner))
            };
            let mut entries: Vec<(String, Value)> = map.iter().filter_map(entry).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| canonical(item, at.item(), within)).collect();
            if at.set {
                items.sort_by_cached_key(|item| text_of(item, at.item()));
                items.dedup();
            }
            Value::Array(items)
        }
        scalar => single(scalar, at, within),
    }
}

impl At<'_> {
    /// Returns the place inside a document that is written as a text.
    fn text_document(self, document: &Value) -> Self {
        let mode = if is_policy(document) { Mode::Policy } else { Mode::Json };
        Self { mode, shape: Shape::UNKNOWN, set: false, depth: self.depth + 1 }
    }
}

/// Returns whether a value is a function of CloudFormation; `Condition` is one only between conditions.
pub(super) fn is_expression(value: &Value) -> bool {
    function(value).is_some_and(|(name, _)| name != "Condition")
}

fn single(value: &Value, at: At<'_>, within: &str) -> Value {
    if at.mode == Mode::Json {
        return match value.as_str().and_then(document) {
            Some(document) => canonical(&document, at.text_document(&document), within),
            None => number::canonical(value),
        };
    }
    let Some(text) = scalar_text(value) else { return value.clone() };
    if let Some(document) = document(&text) {
        return canonical(&document, at.text_document(&document), within);
    }
    let kind = if at.mode == Mode::Typed { at.shape.scalar() } else { Scalar::Text };
    match kind {
        Scalar::Text => json!(text),
        Scalar::Number => match number::value(text.trim()) {
            Some(number) => number::canonical(&number),
            None => json!(text),
        },
        Scalar::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => json!(true),
            "false" => json!(false),
            _ => json!(text),
        },
        Scalar::Any => number::canonical(value),
    }
}

/// Returns the JSON list or mapping that a text is.
fn document(text: &str) -> Option<Value> {
    let starts = text.trim_start().starts_with(['{', '[']);
    if !starts || text.trim_start().starts_with("{{") || is_dynamic(text) {
        return None;
    }
    deployer_syntax::json::value(text).filter(|value| value.is_object() || value.is_array())
}

/// Returns the JSON that a text with references in it is, if the references are inside its texts.
fn document_of_sub(value: &Value) -> Option<Value> {
    let ("Fn::Sub", Value::String(text)) = function(value)? else { return None };
    let mut found = document(text)?;
    expand(&mut found, 0);
    Some(found)
}

fn expand(value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|inner| expand(inner, depth + 1)),
        Value::Array(items) => items.iter_mut().for_each(|item| expand(item, depth + 1)),
        Value::String(text) if text.contains("${") => {
            let pieces: Vec<SubPiece<'_>> = sub_pieces(text).collect();
            let literal = |piece: &SubPiece<'_>| matches!(piece, SubPiece::Text(_));
            let new = match pieces.as_slice() {
                [SubPiece::Name(name)] => expression(name),
                pieces if pieces.iter().all(literal) => {
                    let text = |piece: &SubPiece<'_>| match piece {
                        SubPiece::Text(text) | SubPiece::Name(text) => (*text).to_owned(),
                    };
                    json!(pieces.iter().map(text).collect::<String>())
                }
                _ => json!({ "Fn::Sub": *text }),
            };
            *value = new;
        }
        _ => {}
    }
}

/// Returns a member of a policy or of its statements in its one form.
fn policy_member(name: &str, value: &Value, at: At<'_>) -> Value {
    match name {
        "Statement" => match value {
            Value::Array(_) => canonical(value, At { set: true, ..at }, name),
            one => json!([canonical(one, at, name)]),
        },
        "Principal" | "NotPrincipal" => principals(value),
        "Condition" => match value {
            Value::Object(operators) if !is_expression(value) => {
                let operator = |(name, keys): (&String, &Value)| {
                    let keys = match keys {
                        Value::Object(keys) if !is_expression(&Value::Object(keys.clone())) => {
                            keys.iter().map(|(key, one)| (key.clone(), texts(one))).collect()
                        }
                        other => other.clone(),
                    };
                    (name.clone(), keys)
                };
                sorted(operators.iter().map(operator).collect())
            }
            other => other.clone(),
        },
        name if POLICY_LISTS.contains(&name) => texts(value),
        // Another value in a policy can't be more than a text.
        _ => canonical(value, at, name),
    }
}

/// Returns principals by kind. `*` is everyone, as `{"AWS": "*"}` is; an account's root is the account (IAM User Guide,
/// "AWS JSON policy elements: Principal").
pub(super) fn principals(value: &Value) -> Value {
    let account = |item: &Value| match item.as_str() {
        Some(text) if text.starts_with("arn:") && text.ends_with(":root") => {
            text.split(':').nth(4).filter(|account| account.len() == 12).map_or(json!(text), |id| json!(id))
        }
        _ => item.clone(),
    };
    match value {
        Value::Object(map) if !is_expression(value) => {
            let kind = |(kind, who): (&String, &Value)| {
                let who = match texts(who) {
                    Value::Array(items) => texts(&items.iter().map(account).collect()),
                    other => other,
                };
                (kind.clone(), who)
            };
            sorted(map.iter().map(kind).collect())
        }
        other => json!({ "AWS": texts(other) }),
    }
}

fn sorted(map: Map<String, Value>) -> Value {
    let mut entries: Vec<(String, Value)> = map.into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(entries.into_iter().collect())
}

/// Returns a canonical value as text, without defaults that are written out: equal values have equal texts.
pub(super) fn text_of(value: &Value, at: At<'_>) -> String {
    without_defaults(value, at).to_string()
}

fn without_defaults(value: &Value, at: At<'_>) -> Value {
    match value {
        Value::Object(map) if at.mode == Mode::Typed && at.depth < MAX_DEPTH => map
            .iter()
            .filter_map(|(name, inner)| {
                let place = at.member("", name);
                let same = place.shape.default().is_some_and(|default| default == inner);
                (!same).then(|| (name.clone(), without_defaults(inner, place)))
            })
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_cfn::schemas;

    fn exact(text: &str) -> Value {
        number::value(text).expect(text)
    }

    fn of(kind: &str, value: Value) -> Value {
        let shape = schemas::find(kind).map_or(Shape::UNKNOWN, |kind| kind.schema().shape());
        canonical(&value, At::properties(shape), "Properties")
    }

    #[test]
    fn what_cloudformation_takes_alike_is_the_same() {
        for (kind, a, b) in [
            ("AWS::SQS::Queue", json!({ "VisibilityTimeout": "30" }), json!({ "VisibilityTimeout": 30.0 })),
            (
                "AWS::SQS::Queue",
                json!({ "VisibilityTimeout": exact("3e1") }),
                json!({ "VisibilityTimeout": exact("30.000") }),
            ),
            (
                "AWS::Events::Rule",
                json!({ "EventPattern": { "detail": { "n": [exact("1e0"), exact("123456789012345678901.0")] } } }),
                json!({ "EventPattern": "{\"detail\":{\"n\":[1.0,123456789012345678901]}}" }),
            ),
            ("AWS::SQS::Queue", json!({ "FifoQueue": "TRUE" }), json!({ "FifoQueue": true })),
            ("AWS::SQS::Queue", json!({ "Tags": [] }), json!({})),
            (
                "AWS::SQS::Queue",
                json!({ "RedrivePolicy": "{ \"maxReceiveCount\": 5, \"deadLetterTargetArn\": \"a\" }" }),
                json!({ "RedrivePolicy": { "deadLetterTargetArn": "a", "maxReceiveCount": 5 } }),
            ),
            ("Custom::X", json!({ "A": 1, "B": true }), json!({ "B": "true", "A": "1" })),
            (
                "AWS::IAM::Role",
                json!({ "AssumeRolePolicyDocument": { "Statement": { "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" } } }),
                json!({ "AssumeRolePolicyDocument": { "Statement": [{ "Action": ["sts:AssumeRole"], "Principal": { "AWS": ["*"] }, "Effect": "Allow" }] } }),
            ),
            (
                "AWS::CloudWatch::Dashboard",
                json!({ "DashboardBody": { "Fn::Sub": "{ \"a\": [ \"${Q}\" ] }" } }),
                json!({ "DashboardBody": { "Fn::Sub": "{\"a\":[\"${Q}\"]}" } }),
            ),
            (
                "AWS::EC2::SecurityGroup",
                json!({ "SecurityGroupIngress": [{ "FromPort": 1 }, { "FromPort": 2 }] }),
                json!({ "SecurityGroupIngress": [{ "FromPort": "2" }, { "FromPort": "1" }] }),
            ),
        ] {
            assert_eq!(of(kind, a), of(kind, b), "{kind}");
        }
    }

    #[test]
    fn what_differs_stays_different() {
        for (kind, a, b) in [
            ("AWS::Lambda::Function", json!({ "Layers": ["a", "b"] }), json!({ "Layers": ["b", "a"] })),
            ("AWS::SQS::Queue", json!({ "QueueName": "1" }), json!({ "QueueName": "01" })),
            (
                "AWS::Events::Rule",
                json!({ "EventPattern": { "detail": { "n": [exact("123456789012345678901")] } } }),
                json!({ "EventPattern": { "detail": { "n": [exact("123456789012345678902")] } } }),
            ),
            (
                "AWS::Events::Rule",
                json!({ "EventPattern": { "detail": { "n": [1] } } }),
                json!({ "EventPattern": { "detail": { "n": ["1"] } } }),
            ),
            ("AWS::SQS::Queue", json!({ "VisibilityTimeout": "a" }), json!({ "VisibilityTimeout": "b" })),
        ] {
            assert_ne!(of(kind, a), of(kind, b), "{kind}");
        }
    }
}
