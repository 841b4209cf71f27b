//! `docs/output.schema.json` and `docs/diff.schema.json`, generated from the types of the documents.

use std::path::Path;

use deployer_base::output::{Document, EventLine, Failure, Problems, Versioned};
use deployer_plan::cost::Estimate;
use deployer_plan::cost::forecast::Forecast;
use deployer_plan::diff::Diff;
use deployer_plan::permissions::StackPermissions;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::dev::report::DevLine;
use super::{
    bootstrap, check, completions, console, deploy, destroy, diagnose, diff, docs, doctor, drift, errors,
    events, gc, graph, history, import_resources, import_template, init, invoke, items, local, logs, ls, man,
    r#match, outputs, preview, recover, replay, rollback, status, synth, tally, upload, verify,
};

/// The schema of a document that a command writes.
type Form = fn(&mut SchemaGenerator) -> Schema;

/// All documents that commands write. A command with several forms writes one of them.
const DOCUMENTS: [(&str, &[Form]); 43] = [
    ("problems", &[line::<Problems<'_>>]),
    ("failure", &[line::<Failure<'_>>]),
    ("init", &[document::<init::Project<'_>>, document::<init::Templates>]),
    (
        "import",
        &[document::<import_template::ImportedFile<'_>>, document::<import_resources::ImportedResources<'_>>],
    ),
    ("ls", &[document::<ls::Stacks<'_>>]),
    ("check", &[document::<check::Checked<'_>>]),
    ("synth", &[document::<synth::Synthesized<'_>>]),
    (
        "deploy",
        &[
            document::<deploy::DeploymentReport<'_>>,
            document::<deploy::DeploymentFailure<'_>>,
            document::<deploy::AllDeployed<'_>>,
        ],
    ),
    ("deployEvents", &[line::<EventLine<'_>>]),
    ("dev", &[line::<DevLine<'_>>]),
    ("diff", &[document::<diff::Difference<'_>>]),
    ("destroy", &[document::<destroy::Destroyed<'_>>]),
    ("diagnose", &[document::<diagnose::Diagnosed<'_>>]),
    ("recover", &[document::<recover::Recovered<'_>>]),
    ("events", &[line::<events::EventReport<'_>>]),
    ("outputs", &[document::<outputs::Outputs<'_>>]),
    ("history", &[document::<history::History<'_>>]),
    ("rollback", &[document::<rollback::RolledBack<'_>>]),
    ("drift", &[document::<drift::DriftReport<'_>>]),
    ("doctor", &[document::<doctor::Examination<'_>>]),
    ("permissions", &[document::<StackPermissions>]),
    ("bootstrap", &[document::<bootstrap::Assets<'_>>]),
    ("gc", &[document::<gc::Collection<'_>>, document::<gc::kept::KeptResources>]),
    ("console", &[document::<console::RunningConsole<'_>>]),
    (
        "status",
        &[document::<status::document::StackStatus<'_>>, document::<status::document::FileStatus<'_>>],
    ),
    (
        "tally",
        &[document::<tally::document::ObjectTally<'_>>, document::<tally::document::ObjectTallies<'_>>],
    ),
    ("items", &[document::<items::TableItems<'_>>, document::<items::FileItems<'_>>]),
    ("replay", &[document::<replay::Replayed<'_>>, document::<replay::Redriven<'_>>]),
    ("verify", &[document::<verify::Verification>]),
    (
        "upload",
        &[
            document::<upload::UploadedObject<'_>>,
            document::<upload::LoadedObject<'_>>,
            document::<upload::presign::PresignedUpload<'_>>,
        ],
    ),
    ("errors", &[document::<errors::StackErrors<'_>>]),
    ("logs", &[line::<logs::LoggedEvent<'_>>]),
    ("invoke", &[document::<invoke::FunctionAnswer<'_>>]),
    ("local", &[document::<local::RunningCloud<'_>>, document::<local::StoppedCloud>]),
    ("schema", &[language]),
    ("docs", &[document::<docs::Page<'_>>]),
    ("match", &[document::<r#match::EventMatches<'_>>, document::<r#match::PatternMatch>]),
    ("cost", &[document::<Estimate>]),
    ("forecast", &[document::<Forecast>]),
    ("preview", &[document::<preview::report::FilePreview<'_>>]),
    ("graph", &[document::<graph::Drawing<'_>>]),
    ("completions", &[document::<completions::Completions<'_>>]),
    ("man", &[document::<man::ManPage<'_>>, document::<man::ManFolder<'_>>]),
];

/// Returns the schema of a document with its version and warnings.
fn document<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    described::<T>(Document::<T>::json_schema(generator), generator)
}

/// Returns the schema of a document with its version alone.
fn line<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    described::<T>(Versioned::<T>::json_schema(generator), generator)
}

/// Gives a document the description of its body.
fn described<T: JsonSchema>(mut schema: Schema, generator: &mut SchemaGenerator) -> Schema {
    if let Some(description) = T::json_schema(generator).remove("description") {
        schema.insert("description".to_owned(), description);
    }
    schema
}

/// Returns the schema of the output of `deployer schema`.
fn language(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "The JSON Schema of stack.yaml itself, without a `schemaVersion`.",
        "type": "object",
        "required": ["$schema"],
    })
}

/// Returns a generator of schemas as they are published: for documents that are written, not read.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// The transformation of a schema into its published form.
struct Published;

impl Transform for Published {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        // The line breaks of a comment matter in the source alone.
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
        // Documents are complete.
        schema.remove("default");
        // `uint64` and the like are not formats of JSON Schema.
        schema.remove("format");
        words(schema);
        never_null(schema);
    }
}

/// Turns an enum without data into one list of words, whose meanings are in the description.
fn words(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
    let word =
        |variant: &Value| Some((variant.get("const")?.clone(), variant["description"].as_str()?.to_owned()));
    let Some(variants) = variants.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let meanings: Vec<String> = variants
        .iter()
        .map(|(word, meaning)| format!("`{}`: {meaning}", word.as_str().expect("a word")))
        .collect();
    let about = schema.get("description").and_then(Value::as_str).expect("a description");
    let description = format!("{about} {}", meanings.join(" "));
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), variants.into_iter().map(|(word, _)| word).collect());
    schema.insert("description".to_owned(), json!(description));
}

/// Removes null from optional fields, which are left out instead (`skip_serializing_if`).
fn never_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|one| one != "null");
            if let [one] = types.as_slice() {
                property["type"] = one.clone();
            }
        }
        if let Some(Value::Array(any)) = property.get("anyOf")
            && let [one, Value::Object(null)] = any.as_slice()
            && null.get("type") == Some(&json!("null"))
        {
            let (one, property) = (one.clone(), property.as_object_mut().expect("a schema"));
            property.remove("anyOf");
            property.extend(one.as_object().cloned().expect("a schema"));
        }
    }
}

/// Returns the name of a definition, which begins with a small letter like that of a field.
fn small(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

/// Applies [`small`] to references.
fn rename(value: &mut Value) {
    const TO: &str = "#/$defs/";
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get_mut("$ref")
                && let Some(name) = to.strip_prefix(TO)
            {
                *to = format!("{TO}{}", small(name));
            }
            members.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

/// Returns a schema as it is published, with the definitions that it refers to.
fn published(mut schema: Schema, generator: &mut SchemaGenerator) -> Value {
    let definitions = schema.ensure_object().entry("$defs").or_insert_with(|| json!({}));
    for (name, definition) in generator.take_definitions(true) {
        // Two types of one name would be distinguished by a number.
        assert!(!name.ends_with(|end: char| end.is_ascii_digit()), "another type is named {name}");
        let taken = definitions.get(small(&name)).is_some();
        assert!(!taken, "a document is named as the type {name}");
        definitions[small(&name)] = definition;
    }
    Published.transform(&mut schema);
    // In this way, unlike with `Schema::to_value`, keywords have one order.
    let mut value = serde_json::to_value(schema).expect("JSON");
    rename(&mut value);
    value
}

fn output_schema() -> Value {
    let mut generator = generator();
    let mut documents = Map::new();
    for (name, forms) in DOCUMENTS {
        let mut schemas: Vec<Schema> = forms.iter().map(|form| form(&mut generator)).collect();
        let schema = match schemas.len() {
            1 => schemas.remove(0),
            _ => json_schema!({ "anyOf": schemas }),
        };
        documents.insert(name.to_owned(), schema.to_value());
    }
    let root = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Documents of deployer",
        "description": "What each command writes to stdout with `--output json`: one document, described below `$defs` by the name \
            of the command. Fields may be added; `schemaVersion` is raised when one changes its meaning or is removed.",
        "$defs": documents,
    });
    published(root, &mut generator)
}

fn diff_schema() -> Value {
    let mut generator = generator();
    let mut root = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deployer diff",
    });
    root.ensure_object().extend(Diff::json_schema(&mut generator).ensure_object().clone());
    published(root, &mut generator)
}

/// Formats JSON with indentation; an object or a list that fits into a line is written in one.
fn pretty(value: &Value, depth: usize) -> String {
    const WIDTH: usize = 120;
    let (members, open, close, space): (Vec<String>, _, _, _) = match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{name:?}: {}", pretty(value, depth + 1));
            (members.iter().map(member).collect(), '{', '}', " ")
        }
        Value::Array(items) => (items.iter().map(|item| pretty(item, depth + 1)).collect(), '[', ']', ""),
        scalar => return scalar.to_string(),
    };
    let line = format!("{open}{space}{}{space}{close}", members.join(", "));
    if line.chars().count() + 2 * depth <= WIDTH && !line.contains('\n') {
        return line;
    }
    let indent = "  ".repeat(depth);
    format!("{open}\n{indent}  {}\n{indent}{close}", members.join(&format!(",\n{indent}  ")))
}

/// Compares a published file with the schema of the types, or writes it.
fn hold(name: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let text = pretty(schema, 0) + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return std::fs::write(&path, text).expect("the schema can be written");
    }
    let now = std::fs::read_to_string(&path).expect("the published schema");
    let differs = now.lines().zip(text.lines()).position(|(now, new)| now != new);
    assert!(now == text, "{name} differs, at line {differs:?}; if this is meant: make golden");
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    hold("output.schema.json", &output_schema());
    hold("diff.schema.json", &diff_schema());
}

#[test]
fn every_field_of_a_document_is_described() {
    fn fields(schema: &Value, place: &str, missing: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            if field.get("description").is_none() && field.get("const").is_none() {
                missing.push(place.clone());
            }
            fields(field, &place, missing);
        }
        for one in ["anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten() {
            fields(one, place, missing);
        }
    }
    let mut missing = Vec::new();
    for (name, definition) in output_schema()["$defs"].as_object().expect("definitions") {
        fields(definition, name, &mut missing);
    }
    assert_eq!(missing, [""; 0]);
}
