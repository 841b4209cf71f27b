//! The check of documents of commands against `docs/output.schema.json`.

use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../../../docs/output.schema.json");

/// Returns the published schema, but strict: a field that it does not describe is an error here, and may come with any
/// version there.
fn strict() -> Value {
    fn close(value: &mut Value, is_part: bool) {
        let Value::Object(fields) = value else {
            value.as_array_mut().into_iter().flatten().for_each(|item| close(item, false));
            return;
        };
        let has_fields = fields.contains_key("properties");
        let has_parts = has_fields && fields.contains_key("oneOf");
        for (name, member) in fields.iter_mut() {
            match member {
                // The fields of an object are those of all of its parts.
                Value::Array(parts) if has_parts && name == "oneOf" => {
                    parts.iter_mut().for_each(|part| close(part, true));
                }
                member => close(member, false),
            }
        }
        if has_fields && !is_part {
            let word = if has_parts { "unevaluatedProperties" } else { "additionalProperties" };
            fields.entry(word).or_insert(json!(false));
        }
    }
    let mut schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    close(&mut schema, false);
    schema
}

/// Returns the errors of a document by the description of a command's document.
pub fn judge(command: &str, document: &Value) -> Vec<String> {
    let mut schema = strict();
    assert!(schema["$defs"][command].is_object(), "docs/output.schema.json does not describe `{command}`");
    schema["$ref"] = json!(format!("#/$defs/{command}"));
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors = validator.iter_errors(document);
    errors.map(|error| format!("{command}{}: {error}", error.instance_path())).collect()
}
