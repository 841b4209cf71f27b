//! A template with known values in their places: parameters, the pseudo parameters of the place, conditions, maps and
//! texts. An unknown value stays an expression, in one form for each meaning.
//!
//! The first step of a comparison, and of the estimate of an idle stack. A deployed template can be anything, so
//! nothing here expects a form, and depth is bounded, as is the size to which parameters may grow a template.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use deployer_syntax::number;
use serde_json::{Map, Value, json};

use self::sub::Pieces;

mod sub;

pub(crate) use self::sub::{SubPiece, expression, name_of, sub_pieces};

/// Depth beyond which values stay as they are: JSON readers stop at 128, and nobody writes such values.
pub(crate) const MAX_DEPTH: usize = 150;
/// Bytes that parameters may add to a template, which itself has at most 1,000,000 (CloudFormation User Guide,
/// "Understand CloudFormation quotas").
const MAX_GROWTH: usize = 4 << 20;
/// The text that DescribeStacks returns for the value of a `NoEcho` parameter (CloudFormation User Guide,
/// "Parameters").
const HIDDEN: &str = "****";

/// One side: a template as CloudFormation JSON, with the values of its parameters and the tags of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The template.
    pub template: &'a Value,
    /// Parameter → value; a missing one has its default, or on the side of the file the deployed value.
    pub parameters: &'a BTreeMap<String, String>,
    /// Tag → value.
    pub tags: &'a BTreeMap<String, String>,
}

/// The pseudo parameters of CloudFormation. One that is not known stays an expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PseudoParameters {
    /// `AWS::AccountId`.
    pub account: Option<String>,
    /// `AWS::Region`.
    pub region: Option<String>,
    /// `AWS::Partition`.
    pub partition: Option<String>,
    /// `AWS::StackName`.
    pub stack: String,
}

/// A resource of a side, resolved.
pub(crate) struct Resolved {
    pub(crate) kind: String,
    pub(crate) properties: Value,
    /// `DependsOn` and the like.
    pub(crate) attributes: Map<String, Value>,
}

/// The resources of a side that are there, by logical ID.
pub(crate) type Resources<'a> = BTreeMap<&'a str, Resolved>;

/// The value of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// Unknown: it depends on unknown values, or on itself.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// One side, with all that is needed to resolve it.
pub(crate) struct Resolver<'a> {
    template: &'a Value,
    parameters: BTreeMap<&'a str, Value>,
    pseudo: &'a PseudoParameters,
    conditions: RefCell<BTreeMap<&'a str, Truth>>,
    growth: Cell<usize>,
}

impl<'a> Resolver<'a> {
    /// Creates a resolver. `previous` are the values that a parameter keeps if the side has none for it, and the
    /// template no default.
    pub(crate) fn new(
        side: &Side<'a>,
        previous: &BTreeMap<String, String>,
        pseudo: &'a PseudoParameters,
    ) -> Self {
        let declared = side.template["Parameters"].as_object();
        let mut parameters = BTreeMap::new();
        for (name, declaration) in declared.into_iter().flatten() {
            let given = side.parameters.get(name).cloned();
            let default = || declaration.get("Default").and_then(scalar_text);
            let hidden = truthy(&declaration["NoEcho"]);
            let known = given.or_else(default).or_else(|| previous.get(name).cloned());
            let Some(text) = known.filter(|text| !hidden && text != HIDDEN) else {
                continue;
            };
            let kind = declaration["Type"].as_str().unwrap_or_default();
            let value = if kind.starts_with("AWS::SSM::Parameter::Value") {
                // The value is the name of the parameter that holds the value.
                json!(format!("{{{{resolve:ssm:{text}}}}}"))
            } else if kind == "CommaDelimitedList" || kind.starts_with("List<") {
                text.split(',').map(|part| json!(part.trim())).collect()
            } else {
                json!(text)
            };
            parameters.insert(name.as_str(), value);
        }
        Self {
            template: side.template,
            parameters,
            pseudo,
            conditions: RefCell::default(),
            growth: Cell::default(),
        }
    }

    /// Returns the entries of a section of the template.
    pub(crate) fn section(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let section = self.template[name].as_object().into_iter().flatten();
        section.map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the resources of a side that are there.
    pub(crate) fn resources(&self) -> Resources<'a> {
        let resource = |(id, value): (&'a str, &'a Value)| {
            let condition = value["Condition"].as_str();
            let truth = condition.map_or(Truth::Yes, |name| self.condition(name));
            if truth == Truth::No {
                return None;
            }
            let kind = value["Type"].as_str().unwrap_or_default().to_owned();
            let mut attributes = Map::new();
            for (name, attribute) in value.as_object().into_iter().flatten() {
                let attribute = match name.as_str() {
                    "Type" | "Properties" => continue,
                    // A condition that holds is the same as none.
                    "Condition" if truth == Truth::Yes => continue,
                    "Condition" => attribute.clone(),
                    "DependsOn" => texts(attribute),
                    _ => self.value(attribute),
                };
                let is_default = match name.as_str() {
                    // Databases have another default (CloudFormation User Guide, "DeletionPolicy attribute").
                    "DeletionPolicy" => attribute == "Delete" && !kind.starts_with("AWS::RDS::"),
                    "UpdateReplacePolicy" => attribute == "Delete",
                    _ => attribute == json!([]) || attribute == json!({}),
                };
                if !is_default {
                    attributes.insert(name.clone(), attribute);
                }
            }
            let properties = match &value["Properties"] {
                Value::Null => json!({}),
                properties => self.value(properties),
            };
            Some((id, Resolved { kind, properties, attributes }))
        };
        self.section("Resources").filter_map(resource).collect()
    }

    /// Evaluates a condition.
    pub(crate) fn condition(&self, name: &str) -> Truth {
        let Some((name, value)) =
            self.template["Conditions"].as_object().and_then(|all| all.get_key_value(name))
        else {
            return Truth::Unknown;
        };
        if let Some(known) = self.conditions.borrow().get(name.as_str()) {
            return *known;
        }
        // A second question on the way is about a circle.
        self.conditions.borrow_mut().insert(name, Truth::Unknown);
        let truth = self.truth(value, 0);
        self.conditions.borrow_mut().insert(name, truth);
        truth
    }

    fn truth(&self, value: &Value, depth: usize) -> Truth {
        let Some((function, argument)) = function(value).filter(|_| depth < MAX_DEPTH) else {
            return Truth::Unknown;
        };
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let each = || items.iter().map(|item| self.truth(item, depth + 1));
        match (function, items) {
            ("Condition", _) => argument.as_str().map_or(Truth::Unknown, |name| self.condition(name)),
            ("Fn::Not", [item]) => match self.truth(item, depth + 1) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Unknown => Truth::Unknown,
            },
            ("Fn::And", _) => decided(each(), Truth::No, Truth::Yes),
            ("Fn::Or", _) => decided(each(), Truth::Yes, Truth::No),
            ("Fn::Equals", [a, b]) => {
                let (a, b) = (self.value(a), self.value(b));
                match (scalar_text(&a), scalar_text(&b)) {
                    (Some(a), Some(b)) if !is_dynamic(&a) && !is_dynamic(&b) => (a == b).into(),
                    _ if a == b => Truth::Yes,
                    _ => Truth::Unknown,
                }
            }
            _ => Truth::Unknown,
        }
    }

    /// Returns a value with everything that is known in its place.
    pub(crate) fn value(&self, value: &Value) -> Value {
        self.at(value, 0).unwrap_or_default()
    }

    /// Resolves a value; `None` for a missing one: `AWS::NoValue`, and null.
    fn at(&self, value: &Value, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return Some(value.clone());
        }
        match value {
            Value::Null => None,
            Value::Object(map) => match function(value) {
                Some((name, argument)) => self.function(name, argument, depth),
                None => {
                    let entry =
                        |(key, inner): (&String, &Value)| Some((key.clone(), self.at(inner, depth + 1)?));
                    Some(Value::Object(map.iter().filter_map(entry).collect()))
                }
            },
            Value::Array(items) => Some(items.iter().filter_map(|item| self.at(item, depth + 1)).collect()),
            Value::String(_) | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value, depth: usize) -> Option<Value> {
        let arguments = || self.at(argument, depth + 1).unwrap_or_default();
        Some(match name {
            "Ref" => return self.reference(argument),
            "Fn::GetAtt" => attribute(&arguments()),
            "Fn::Sub" => self.sub(argument, depth),
            "Fn::Join" => join(&arguments()),
            "Fn::If" => return self.choice(argument, depth),
            "Fn::Select" => select(arguments()),
            "Fn::Split" => split(arguments()),
            "Fn::FindInMap" => self.find_in_map(&arguments()),
            "Fn::GetAZs" => match arguments() {
                Value::String(text) if text.is_empty() => {
                    json!({ "Fn::GetAZs": self.reference(&json!("AWS::Region")) })
                }
                region => json!({ "Fn::GetAZs": region }),
            },
            "Fn::ToJsonString" => match arguments() {
                known if !has_function(&known, 0) => json!(number::to_json(&known)),
                other => json!({ "Fn::ToJsonString": other }),
            },
            "Fn::Length" => match arguments() {
                Value::Array(items) => json!(items.len()),
                other => json!({ "Fn::Length": other }),
            },
            other => json!({ other: arguments() }),
        })
    }

    fn reference(&self, target: &Value) -> Option<Value> {
        let Some(name) = target.as_str() else { return Some(json!({ "Ref": target })) };
        if name == "AWS::NoValue" {
            return None;
        }
        Some(self.known(name).unwrap_or_else(|| json!({ "Ref": name })))
    }

    /// Returns the value of a name, if it is known and the template does not grow without end.
    fn known(&self, name: &str) -> Option<Value> {
        let known = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let value = match name {
            "AWS::AccountId" => known(&self.pseudo.account),
            "AWS::Region" => known(&self.pseudo.region),
            "AWS::Partition" => known(&self.pseudo.partition),
            "AWS::StackName" => Some(json!(self.pseudo.stack)),
            "AWS::URLSuffix" => match self.pseudo.partition.as_deref() {
                Some("aws" | "aws-us-gov") => Some(json!("amazonaws.com")),
                Some("aws-cn") => Some(json!("amazonaws.com.cn")),
                _ => None,
            },
            _ => self.parameters.get(name).cloned(),
        }?;
        let grown = self.growth.get().saturating_add(value.as_str().map_or(64, str::len));
        self.growth.set(grown);
        (grown < MAX_GROWTH).then_some(value)
    }

    fn choice(&self, argument: &Value, depth: usize) -> Option<Value> {
        let Some([Value::String(name), then, otherwise]) = argument.as_array().map(Vec::as_slice) else {
            return Some(json!({ "Fn::If": self.at(argument, depth + 1) }));
        };
        match self.condition(name) {
            Truth::Yes => self.at(then, depth + 1),
            Truth::No => self.at(otherwise, depth + 1),
            Truth::Unknown => {
                let (then, otherwise) = (self.at(then, depth + 1), self.at(otherwise, depth + 1));
                if then == otherwise {
                    return then;
                }
                let shown =
                    |branch: Option<Value>| branch.unwrap_or_else(|| json!({ "Ref": "AWS::NoValue" }));
                Some(json!({ "Fn::If": [name, shown(then), shown(otherwise)] }))
            }
        }
    }

    fn sub(&self, argument: &Value, depth: usize) -> Value {
        let (text, variables) = match argument {
            Value::String(text) => (text, Map::new()),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text)] => (text, Map::new()),
                [Value::String(text), Value::Object(variables)] => {
                    let entry =
                        |(key, value): (&String, &Value)| Some((key.clone(), self.at(value, depth + 1)?));
                    (text, variables.iter().filter_map(entry).collect())
                }
                _ => return json!({ "Fn::Sub": argument }),
            },
            _ => return json!({ "Fn::Sub": argument }),
        };
        let mut pieces = Pieces::default();
        for piece in sub_pieces(text) {
            match piece {
                SubPiece::Text(text) => pieces.text(text),
                SubPiece::Name(name) => match variables.get(name) {
                    Some(value) => pieces.value(value),
                    None => match name.split_once('.') {
                        Some((resource, attribute)) => {
                            pieces.value(&json!({ "Fn::GetAtt": [resource, attribute] }));
                        }
                        None => pieces
                            .value(&self.reference(&json!(name)).unwrap_or_else(|| json!({ "Ref": name }))),
                    },
                },
            }
        }
        pieces.finish()
    }

    fn find_in_map(&self, arguments: &Value) -> Value {
        let items = arguments.as_array().map(Vec::as_slice).unwrap_or_default();
        let found = match items {
            [a, b, c, ..] => match [a, b, c].map(scalar_text) {
                [Some(a), Some(b), Some(c)] => Some(&self.template["Mappings"][a][b][c]),
                _ => None,
            },
            _ => None,
        };
        match found {
            Some(value) if !value.is_null() => value.clone(),
            _ => json!({ "Fn::FindInMap": arguments }),
        }
    }
}

/// Combines truths: one that is `first` decides; otherwise all must be known.
fn decided(all: impl Iterator<Item = Truth>, first: Truth, otherwise: Truth) -> Truth {
    let mut out = otherwise;
    for one in all {
        if one == first {
            return first;
        }
        if one == Truth::Unknown {
            out = Truth::Unknown;
        }
    }
    out
}

/// Returns the name and argument of a function: a mapping of one entry with the name of one.
pub(crate) fn function(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    let is_function =
        name == "Ref" || name == "Condition" && argument.is_string() || name.starts_with("Fn::");
    is_function.then_some((name.as_str(), argument))
}

/// Returns whether a value contains a function.
pub(crate) fn has_function(value: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH || function(value).is_some() {
        return true;
    }
    match value {
        Value::Object(map) => map.values().any(|inner| has_function(inner, depth + 1)),
        Value::Array(items) => items.iter().any(|item| has_function(item, depth + 1)),
        _ => false,
    }
}

/// Returns a single value as text, as CloudFormation compares them.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    if let Some(digits) = number::digits(value) {
        return Some(digits.into_owned());
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

/// Returns whether a text is one that CloudFormation reads from elsewhere during the deployment.
pub(crate) fn is_dynamic(text: &str) -> bool {
    text.contains("{{resolve:")
}

/// Returns one text or a list of them as a sorted list.
pub(crate) fn texts(value: &Value) -> Value {
    let items = match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let text = |item: Value| scalar_text(&item).map_or(item, Value::String);
    let mut items: Vec<Value> = items.into_iter().map(text).collect();
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}

/// Returns whether a value is `true`, or the word.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Returns the argument of `Fn::GetAtt` in one form: `A.B` and `[A, B]` are the same.
fn attribute(argument: &Value) -> Value {
    let path = match argument {
        Value::String(text) => text.split_once('.').map(|(resource, rest)| json!([resource, rest])),
        Value::Array(items) => {
            let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            words.and_then(|words| words.split_first().map(|(id, rest)| json!([id, rest.join(".")])))
        }
        _ => None,
    };
    json!({ "Fn::GetAtt": path.as_ref().unwrap_or(argument) })
}

fn join(arguments: &Value) -> Value {
    let as_it_is = || json!({ "Fn::Join": arguments });
    let Some([Value::String(between), Value::Array(items)]) = arguments.as_array().map(Vec::as_slice) else {
        return as_it_is();
    };
    let single =
        |item: &Value| scalar_text(item).is_some() || function(item).is_some_and(|(name, _)| gives_one(name));
    if !items.iter().all(single) {
        return as_it_is();
    }
    let mut pieces = Pieces::default();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pieces.text(between);
        }
        pieces.value(item);
    }
    pieces.finish()
}

/// Returns whether a function certainly gives one value, and not a list, which a join would take apart.
fn gives_one(name: &str) -> bool {
    matches!(
        name,
        "Ref" | "Fn::GetAtt" | "Fn::Sub" | "Fn::Join" | "Fn::Select" | "Fn::ImportValue" | "Fn::Base64"
    )
}

fn select(arguments: Value) -> Value {
    if let Some([index, Value::Array(items)]) = arguments.as_array().map(Vec::as_slice)
        && let Some(found) =
            scalar_text(index).and_then(|text| text.parse::<usize>().ok()).and_then(|at| items.get(at))
        // The items could have other places if a function among them gives several.
        && items.iter().all(|item| function(item).is_none_or(|(name, _)| gives_one(name)))
    {
        return found.clone();
    }
    let mut arguments = arguments;
    // `0` and `"0"` are the same index.
    if let Some(index) = arguments.get_mut(0)
        && let Some(text) = scalar_text(index)
    {
        *index = json!(text);
    }
    json!({ "Fn::Select": arguments })
}

fn split(arguments: Value) -> Value {
    match arguments.as_array().map(Vec::as_slice) {
        Some([Value::String(between), Value::String(text)]) if !between.is_empty() && !is_dynamic(text) => {
            text.split(between.as_str()).map(|part| json!(part)).collect()
        }
        _ => json!({ "Fn::Split": arguments }),
    }
}

#[cfg(test)]
mod tests;
