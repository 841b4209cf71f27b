//! The language as JSON Schema (draft 2020-12), made from the same questions that read the file, for editors.

use serde_json::{Map, Value, json};

use crate::document;
use crate::model::properties::{Property, Shape};
use crate::model::{Kind, raw};

/// Returns the schema of `stack.yaml`.
#[must_use]
pub fn schema() -> Value {
    let mut named = Map::new();
    let mut root = object(&document::top_level_properties(), &mut named);
    let config = &mut root["properties"]["config"]["additionalProperties"];
    config["required"] = json!([]);
    config["anyOf"] = json!([{ "required": ["type"] }, { "required": ["parameter"] }]);
    let mut variants: Vec<Value> = Kind::ALL.into_iter().map(|kind| resource(kind, &mut named)).collect();
    variants.push(raw(&mut named));
    root["properties"]["resources"] = json!({ "type": "object", "description": "The resources: name → type and properties.", "patternProperties": { "^Fn::": {} }, "additionalProperties": { "oneOf": variants } });
    let mut out = Map::new();
    out.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    out.insert("title".to_owned(), json!("deployer stack file"));
    if let Value::Object(root) = root {
        out.extend(root);
    }
    if !named.is_empty() {
        out.insert("$defs".to_owned(), Value::Object(named));
    }
    Value::Object(out)
}

/// Returns the schema of a resource of one type; `named` gets the forms that have a name.
fn resource(kind: Kind, named: &mut Map<String, Value>) -> Value {
    let mut out = object(&document::resource_properties(), named);
    out["title"] = json!(kind.name());
    out["description"] = json!(kind.description());
    out["properties"]["type"] = json!({ "const": kind.name(), "description": kind.description() });
    let properties = kind.properties();
    if properties.iter().any(|property| property.required) {
        out["required"] = json!(["type", "properties"]);
    }
    out["properties"]["properties"] = object(&properties, named);
    out
}

/// Returns the schema of a resource of a CloudFormation type: its properties are that type's.
fn raw(named: &mut Map<String, Value>) -> Value {
    let mut out = object(&document::resource_properties(), named);
    out["title"] = json!("AWS::…");
    out["description"] = json!(raw::DESCRIPTION);
    out["properties"]["type"] = json!({ "type": "string", "pattern": "^[A-Za-z0-9]+::[A-Za-z0-9:_@.-]+$", "description": raw::DESCRIPTION });
    out["properties"]["properties"] =
        json!({ "type": "object", "description": "Its properties, as CloudFormation names them." });
    out
}

fn object(properties: &[Property], named: &mut Map<String, Value>) -> Value {
    let mut members = Map::new();
    for property in properties {
        let mut schema = value(&property.shape, named);
        schema["description"] = json!(property.description);
        if let Some(default) = &property.default {
            // As it is written in YAML: a number or boolean without quotes.
            schema["default"] = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
        }
        members.insert(property.name.to_owned(), schema);
    }
    let required: Vec<&str> = properties.iter().filter(|p| p.required).map(|p| p.name).collect();
    let mut out = json!({ "type": "object", "additionalProperties": false, "properties": members });
    if !required.is_empty() {
        out["required"] = json!(required);
    }
    out
}

/// Returns the schema of a value: everything but a mapping may also be `${config.…}`.
fn value(shape: &Shape, named: &mut Map<String, Value>) -> Value {
    const CONFIG: &str = r"\$\{config\.[A-Za-z0-9_-]+\}";
    let or_config = |schema: Value| json!({ "anyOf": [schema, { "type": "string", "pattern": CONFIG }] });
    match shape {
        // A value of any type can be text: `default: 2`.
        Shape::String | Shape::Text | Shape::Template => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Integer(low, high) => or_config(json!({ "type": "integer", "minimum": low, "maximum": high })),
        Shape::WordOrInteger(word, low, high) => or_config(
            json!({ "anyOf": [{ "const": word }, { "type": "integer", "minimum": low, "maximum": high }] }),
        ),
        Shape::Boolean => or_config(json!({ "type": "boolean" })),
        // A digit without quotes is a number to YAML.
        Shape::Character => or_config(
            json!({ "anyOf": [{ "type": "string", "pattern": r"^[\x00-\x09\x0B\x0C\x0E-\x7F]$" }, { "type": "integer", "minimum": 0, "maximum": 9 }] }),
        ),
        Shape::Duration(..) => or_config(json!({ "type": "string", "pattern": "^[0-9]+(s|m|h|d)$" })),
        Shape::Size(..) => or_config(json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$" })),
        Shape::Percent => or_config(
            json!({ "type": "string", "pattern": r"^([0-9]|[1-9][0-9])(\.[0-9]{1,2})?%$|^100(\.00?)?%$" }),
        ),
        // The word without quotes is YAML's null.
        Shape::Choice(words) if words.contains(&"null") => {
            let words: Vec<Value> = words.iter().map(|word| json!(word)).chain([Value::Null]).collect();
            or_config(json!({ "enum": words }))
        }
        Shape::Choice(words) => or_config(json!({ "enum": words })),
        Shape::Any => json!({}),
        Shape::Reference(_) | Shape::AnyReference => {
            json!({ "type": "string", "pattern": r"^\$\{[A-Za-z][A-Za-z0-9_-]*\}$" })
        }
        Shape::AnyCharacter => or_config(
            json!({ "anyOf": [{ "type": "string", "minLength": 1, "maxLength": 1 }, { "type": "integer", "minimum": 0, "maximum": 9 }] }),
        ),
        Shape::List(item) => json!({ "type": "array", "items": value(item, named) }),
        Shape::Map(item) => json!({ "type": "object", "additionalProperties": value(item, named) }),
        Shape::Object(properties) => object(properties, named),
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(|shape| value(shape, named)).collect::<Vec<_>>() })
        }
        Shape::Named(name, shape) => {
            let schema = value(shape, named);
            named.insert((*name).to_owned(), schema);
            reference(name)
        }
        Shape::Again(name) => reference(name),
    }
}

/// Returns the schema that stands for the form of this name.
fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}
