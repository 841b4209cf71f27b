//! The language as JSON Schema (draft 2020-12), made from the same questions that read the file, for editors.

use serde_json::{Map, Value, json};

use crate::document;
use crate::model::properties::{Property, Shape};
use crate::model::{Kind, raw};

/// Returns the schema of `stack.yaml`.
#[must_use]
pub fn schema() -> Value {
    let mut root = object(&document::top_level_properties());
    let variants: Vec<Value> = Kind::ALL.into_iter().map(resource).chain([raw()]).collect();
    root["properties"]["resources"] = json!({ "type": "object", "description": "The resources: name → type and properties.", "additionalProperties": { "oneOf": variants } });
    let mut out = Map::new();
    out.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    out.insert("title".to_owned(), json!("deployer stack file"));
    if let Value::Object(root) = root {
        out.extend(root);
    }
    Value::Object(out)
}

fn resource(kind: Kind) -> Value {
    let mut out = object(&document::resource_properties());
    out["title"] = json!(kind.name());
    out["description"] = json!(kind.description());
    out["properties"]["type"] = json!({ "const": kind.name(), "description": kind.description() });
    let properties = kind.properties();
    if properties.iter().any(|property| property.required) {
        out["required"] = json!(["type", "properties"]);
    }
    out["properties"]["properties"] = object(&properties);
    out
}

/// Returns the schema of a resource of a CloudFormation type: its properties are that type's.
fn raw() -> Value {
    let mut out = object(&document::resource_properties());
    out["title"] = json!("AWS::…");
    out["description"] = json!(raw::DESCRIPTION);
    out["properties"]["type"] = json!({ "type": "string", "pattern": "^AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+$", "description": raw::DESCRIPTION });
    out["properties"]["properties"] =
        json!({ "type": "object", "description": "Its properties, as CloudFormation names them." });
    out
}

fn object(properties: &[Property]) -> Value {
    let mut members = Map::new();
    for property in properties {
        let mut schema = value(&property.shape);
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
fn value(shape: &Shape) -> Value {
    const CONFIG: &str = r"\$\{config\.[A-Za-z0-9_-]+\}";
    let or_config = |schema: Value| json!({ "anyOf": [schema, { "type": "string", "pattern": CONFIG }] });
    match shape {
        // A value of any type can be text: `default: 2`.
        Shape::String | Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
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
        Shape::Choice(words) => or_config(json!({ "enum": words })),
        Shape::Any => json!({}),
        Shape::Reference(_) | Shape::AnyReference => {
            json!({ "type": "string", "pattern": r"^\$\{[A-Za-z][A-Za-z0-9_-]*\}$" })
        }
        Shape::List(item) => json!({ "type": "array", "items": value(item) }),
        Shape::Map(item) => json!({ "type": "object", "additionalProperties": value(item) }),
        Shape::Object(properties) => object(properties),
    }
}
