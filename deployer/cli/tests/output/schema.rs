//! `docs/output.schema.json`, as a judge of what commands write.

use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../../../docs/output.schema.json");
/// What `diff` shows, and `deploy` does.
const PLAN: &str = include_str!("../../../../docs/diff.schema.json");

/// The schema as it is published, but strict: a field that it does not describe is an error here, and may come with any
/// version there.
fn strict() -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if fields.contains_key("properties") {
                    fields.entry("additionalProperties").or_insert(json!(false));
                }
                fields.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    close(&mut schema);
    schema
}

/// What the description of a command's document says against a document.
pub fn judge(command: &str, document: &Value) -> Vec<String> {
    let mut schema = strict();
    assert!(schema["$defs"][command].is_object(), "docs/output.schema.json does not describe `{command}`");
    schema["$ref"] = json!(format!("#/$defs/{command}"));
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let mut found: Vec<String> = say(command, validator.iter_errors(document));
    let plan = match command {
        "diff" => document,
        "deploy" | "rollback" => &document["plan"],
        _ => &Value::Null,
    };
    if plan.is_object() {
        let schema: Value = serde_json::from_str(PLAN).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a valid schema");
        found.extend(say(&format!("the plan of {command}"), validator.iter_errors(plan)));
    }
    found
}

fn say<'e>(what: &str, errors: impl Iterator<Item = jsonschema::ValidationError<'e>>) -> Vec<String> {
    errors.map(|error| format!("{what}{}: {error}", error.instance_path())).collect()
}
