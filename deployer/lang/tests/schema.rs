//! `docs/stack.schema.json`: up to date, and in accord with the reader of the language.

use deployer_lang::schema::schema;
use jsonschema::Validator;
use serde_json::Value;

use crate::cases;
use crate::golden::{self, assert_golden};

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).expect("a valid schema")
}

/// Converts YAML to JSON, with functions in the form that needs no tag.
fn json(value: serde_yaml::Value) -> Value {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let function = match name.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Object([(function, json(tagged.value))].into_iter().collect())
        }
        Yaml::Sequence(items) => items.into_iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            // To an editor, a key is always a text: `true: [yes]`, `1: one`.
            let text = |key| match key {
                Yaml::Bool(word) => word.to_string(),
                Yaml::Number(number) => number.to_string(),
                key => serde_yaml::from_value(key).expect("a text as key"),
            };
            Value::Object(entries.into_iter().map(|(key, value)| (text(key), json(value))).collect())
        }
        other => serde_yaml::from_value(other).expect("a single value"),
    }
}

fn errors(validator: &Validator, text: &str) -> Vec<String> {
    let value = json(serde_yaml::from_str(text).expect("YAML"));
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_published_schema_is_that_of_the_code() {
    assert_golden(&golden::repository().join("docs/stack.schema.json"), &format!("{:#}\n", schema()));
}

#[test]
fn good_files_are_valid() {
    let validator = validator();
    for (name, source) in cases::good_sources() {
        let text = source.text.trim_start_matches('\u{feff}');
        assert_eq!(errors(&validator, text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_a_schema_can_know_to_be_wrong_is_invalid() {
    let validator = validator();
    for name in [
        "unknown-keys",
        "missing-keys",
        "missing-sections",
        "types",
        "units",
        "ranges",
        "words",
        "list",
        "text",
        "resource-types",
        "references",
        "csv",
        "fields-unknown-property",
        "fields-unknown-type",
        "fields-map-unknown",
        "fields-values-list",
        "fields-decimal-too-long",
    ] {
        let text = golden::source_of(&format!("wrong-{name}")).text;
        assert_ne!(errors(&validator, &text), Vec::<String>::new(), "{name} should be invalid");
    }
}

#[test]
fn the_file_of_the_repository_names_the_schema() {
    let text = golden::read(&golden::repository().join("stack.yaml"));
    let path = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# yaml-language-server: $schema="))
        .expect("a first line");
    assert!(golden::repository().join(path).is_file(), "{path}");
}
