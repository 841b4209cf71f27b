//! `imports/<name>/`: a template of others, and the stack file that is made of it.
//!
//! A good case has `stack.yaml`, the template that is made of that (`made.json`), and `warnings.txt` if the import gives
//! any; a case whose name begins with `wrong-` has `errors.txt`. `make judge` compares the two templates of each good case with
//! `tools/same_template.py`.

use std::path::{Path, PathBuf};

use deployer_lang::import::{ImportTarget, import};
use deployer_lang::{Document, compile};
use deployer_syntax::{Diagnostics, Source};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::golden;

fn folder() -> PathBuf {
    golden::package().join("tests/imports")
}

fn template_of(case: &Path) -> Source {
    let file = ["template.yaml", "template.json"].into_iter().find(|file| case.join(file).exists());
    let file = file.unwrap_or_else(|| panic!("{} has no template", case.display()));
    Source::new(file, golden::read(&case.join(file)))
}

fn target() -> ImportTarget {
    ImportTarget { name: "shop".to_owned(), stack: "dev".to_owned(), ..ImportTarget::default() }
}

fn is_wrong(case: &Path) -> bool {
    case.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wrong-"))
}

/// Returns the problems that the wrong cases show.
pub(crate) fn problems() -> String {
    let files = golden::entries(&folder())
        .into_iter()
        .flat_map(|case| [case.join("errors.txt"), case.join("warnings.txt")]);
    files.filter(|file| file.exists()).map(|file| golden::read(&file)).collect()
}

/// Returns the template that is made of a stack file.
fn made(text: &str) -> String {
    let source = Source::new("stack.yaml", text.to_owned());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a stack file");
    let compiled = compile(&document, &document.stacks[0], &[], &mut diagnostics);
    compiled.unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source))).template.to_json()
}

#[test]
fn every_case_of_an_import_gives_what_its_folder_holds() {
    let mut failures = String::new();
    for case in golden::entries(&folder()) {
        let source = template_of(&case);
        let mut diagnostics = Diagnostics::default();
        let text = import(&source, &target(), &mut diagnostics);
        let problems = diagnostics.to_lines(&source);
        assert_eq!(text.is_none(), is_wrong(&case), "{}: {problems}", case.display());
        let mut hold = |file: &str, actual: &str| {
            if !actual.is_empty() {
                failures.extend(golden::difference(&case.join(file), actual));
            }
        };
        match text {
            Some(text) => {
                hold("stack.yaml", &text);
                hold("made.json", &made(&text));
                hold("warnings.txt", &problems);
            }
            None => hold("errors.txt", &problems),
        }
    }
    assert_eq!(failures, "");
}

#[test]
fn the_values_of_a_deployed_stack_are_those_of_the_file() {
    let template = "Parameters:\n  Name: { Type: String, Default: a }\n  Other: { Type: String, Default: b }\n\
                    Resources:\n  Q: { Type: AWS::SQS::Queue, Properties: { QueueName: T?r } }\n";
    let source = Source::new("template", template);
    let target = ImportTarget {
        deployed: Some("Shop".to_owned()),
        region: Some("eu-west-1".to_owned()),
        values: [("Name", "${x}"), ("Other", "b"), ("Gone", "c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..target()
    };
    let mut diagnostics = Diagnostics::default();
    let text = import(&source, &target, &mut diagnostics).expect("a stack file");
    assert!(text.contains("name: Shop\n") && text.contains("region: eu-west-1\n"), "{text}");
    assert!(
        diagnostics.to_lines(&source).contains("template:5:56: warning[W0372]"),
        "{}",
        diagnostics.to_lines(&source)
    );
    let source = Source::new("stack.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a stack file");
    let stack = compile(&document, &document.stacks[0], &[], &mut diagnostics).expect("a stack").stack;
    let values: Vec<_> =
        stack.parameters.iter().map(|one| (one.name.as_str(), one.value.as_deref())).collect();
    assert_eq!(values, [("Name", Some("${x}")), ("Other", None)]);
    assert_eq!(stack.name, "Shop");
}

/// Texts that are likely to be taken for something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "(\\$|\\{|\\}|\\$\\{|!|config\\.|\n| |a|#|:|\t|\\\\|\"|'|-|\\||é|\u{2028}){0,12}",
        prop::sample::select(vec![
            "yes",
            "No",
            "on",
            "true",
            "null",
            "~",
            "012",
            "0x1F",
            "1:30",
            "1_000",
            ".5",
            "1e3",
            "12",
            "2012-10-17",
            "",
            "=",
            "<<",
            "!Ref a",
            "&a",
            "*a",
            "{}",
            "[]",
            "- a",
            "a: b",
            "|",
            ">",
            "\u{feff}a",
            "\u{85}",
            "...",
            "---",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Values in the one form that a template made by the deployer has.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!({ "Ref": "Thing" })),
        Just(json!({ "Ref": "parameter" })),
        Just(json!({ "Fn::GetAtt": ["Thing", "A.b"] })),
        Just(json!({ "Fn::Sub": "a${Thing.A}$${!x}" })),
        text().prop_map(|text| json!({ "Fn::Base64": text })),
        text().prop_map(|text| json!({ "Fn::Sub": ["${a}", { "a": text }] })),
        (text(), text())
            .prop_map(|(one, other)| json!({ "Fn::Join": [one, [other, { "Ref": "AWS::Region" }]] })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::vec((text(), inner.clone()), 1..4).prop_map(|entries| {
                // A key that is a function is none of these.
                let entries = entries.into_iter().map(|(key, value)| (format!("k{key}"), value));
                Value::Object(entries.collect::<Map<_, _>>())
            }),
            (inner.clone(), inner).prop_map(|(one, other)| json!({ "Fn::If": ["c", one, other] })),
        ]
    })
}

fn template() -> impl Strategy<Value = Value> {
    (value(), value(), text(), text()).prop_map(|(property, metadata, default, output)| {
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Metadata": { "m": default },
            "Parameters": { "parameter": { "Type": "String", "Default": default } },
            "Mappings": { "m": { default.clone() + "k": { "k": default } } },
            "Conditions": { "c": { "Fn::Equals": [default, { "Ref": "parameter" }] } },
            "Resources": {
                "Thing": { "Type": "Custom::Thing", "Condition": "c" },
                "user": {
                    "Type": "Custom::Thing",
                    "Condition": "c",
                    "Metadata": { "m": metadata },
                    "Properties": { "p": property },
                },
            },
            "Outputs": { "o": { "Description": output, "Condition": "c", "Value": { "Fn::Join": [output, ["a", "b"]] } } },
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_imported_is_made_again(template in template()) {
        for text in [template.to_string(), serde_yaml::to_string(&template).expect("YAML")] {
            // Line ends to YAML 1.1 alone, in whose form the other writer folds them.
            if !text.starts_with('{') && text.contains(['\u{2028}', '\u{85}']) {
                continue;
            }
            let source = Source::new("template", text);
            let mut diagnostics = Diagnostics::default();
            let Some(file) = import(&source, &target(), &mut diagnostics) else {
                // What YAML can't hold, and what is no text, is refused.
                let problems = diagnostics.to_lines(&source);
                prop_assert!(source.text.contains("config.") || problems.contains("E0001"), "{problems}\n{}", source.text);
                continue;
            };
            let made: Value = serde_json::from_str(&made(&file)).expect("JSON");
            prop_assert_eq!(&made, &template, "{}\n{}", source.text, file);
        }
    }

    #[test]
    fn any_text_is_imported_or_refused_without_a_panic(text in "([ -~\n]|Resources:|\n  A: |\\{|\\}|Type: |!Ref |Fn::Sub: ){0,60}") {
        let source = Source::new("template", text);
        let mut diagnostics = Diagnostics::default();
        let file = import(&source, &target(), &mut diagnostics);
        prop_assert_eq!(file.is_none(), diagnostics.has_errors());
    }
}
