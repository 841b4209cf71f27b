//! Templates that become stack files with types of the language: exactly the same template must be made of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deployer_lang::import::{ImportTarget, Typing, import, import_typed};
use deployer_lang::{Document, compile};
use deployer_syntax::{Diagnostics, Source};
use serde_json::{Value, json};

use crate::golden;

/// The percentage of the resources of all cases that types make, at least.
const LEAST: usize = 19;

fn target() -> ImportTarget {
    ImportTarget { name: "shop".to_owned(), stack: "dev".to_owned(), ..ImportTarget::default() }
}

/// Returns the template that is made of a stack file.
fn made(text: &str) -> Value {
    let source = Source::new("stack.yaml", text.to_owned());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a stack file");
    let compiled = compile(&document, &document.stacks[0], &[], &mut diagnostics);
    let compiled = compiled.unwrap_or_else(|| panic!("{}\n{text}", diagnostics.to_lines(&source)));
    assert_eq!(compiled.defect, None, "{text}");
    serde_json::from_str(&compiled.template.to_json()).expect("JSON")
}

fn typed(text: &str) -> (String, Typing) {
    let source = Source::new("template", text.to_owned());
    let mut diagnostics = Diagnostics::default();
    import_typed(&source, &target(), &mut diagnostics)
        .unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source)))
}

/// Returns the templates of all cases.
fn templates() -> Vec<PathBuf> {
    let is_template = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("template") && name.ends_with(".json")
    };
    let cases = golden::entries(&golden::package().join("tests/cases"));
    cases.iter().flat_map(|case| golden::entries(case)).filter(is_template).collect()
}

#[test]
fn every_case_is_made_again_of_types() {
    let (mut resources, mut lifted, mut by_type) = (0, 0, BTreeMap::<&str, usize>::new());
    let paths = templates();
    let judge = |path: &PathBuf| {
        let template = golden::read(path);
        let (text, typing) = typed(&template);
        let wanted: Value = serde_json::from_str(&template).expect("JSON");
        assert_eq!(made(&text), wanted, "{}\n{text}", path.display());
        typing
    };
    let typings: Vec<Typing> = std::thread::scope(|scope| {
        let part = |paths| scope.spawn(move || Vec::from_iter(<[PathBuf]>::iter(paths).map(judge)));
        let threads: Vec<_> = paths.chunks(paths.len().div_ceil(4)).map(part).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    for typing in &typings {
        resources += typing.resources;
        lifted += typing.lifted.iter().map(|one| one.makes.len()).sum::<usize>();
        for one in &typing.lifted {
            *by_type.entry(one.kind).or_default() += 1;
        }
        for one in &typing.kept {
            assert!(!one.reason.is_empty(), "{one:?}");
        }
    }
    assert!(lifted * 100 >= resources * LEAST, "{lifted} of {resources}: {by_type:?}");
}

#[test]
fn what_others_wrote_is_made_again_as_without_types() {
    for case in golden::entries(&golden::package().join("tests/imports")) {
        let file = ["template.yaml", "template.json"]
            .map(|file| case.join(file))
            .into_iter()
            .find(|file| file.exists());
        let text = golden::read(&file.expect("a template"));
        let source = Source::new("template", text);
        let mut diagnostics = Diagnostics::default();
        let plain = import(&source, &target(), &mut diagnostics);
        let mut again = Diagnostics::default();
        let typed = import_typed(&source, &target(), &mut again);
        assert_eq!(diagnostics.to_lines(&source), again.to_lines(&source));
        assert_eq!(plain.is_some(), typed.is_some(), "{}", case.display());
        if let (Some(plain), Some((typed, _))) = (plain, typed) {
            assert_eq!(made(&plain), made(&typed), "{}\n{typed}", case.display());
        }
    }
}

/// Returns the names of the resources of types that the template of a stack file becomes with a change, and the file.
fn lifted(stack: &str, change: impl FnOnce(&mut Value)) -> (Vec<String>, String) {
    let mut template = made(stack);
    change(&mut template);
    let (text, typing) = typed(&template.to_string());
    assert_eq!(made(&text), template, "{text}");
    (typing.lifted.into_iter().map(|one| one.name).collect(), text)
}

/// A resource that stays as it is, since it has a name that the type never gives.
fn raw_rule(description: &str) -> Value {
    json!({
        "Type": "AWS::Events::Rule",
        "Properties": { "Name": "own", "Description": description, "EventPattern": { "source": ["a"] } },
    })
}

#[test]
fn only_what_the_types_make_names_the_stack() {
    let queue = "name: shop\nstacks: { dev: { name: prod-a } }\nresources:\n  jobs: { type: queue }\n";
    let key = format!("{queue}  secrets: {{ type: key }}\n");
    let with_raw =
        |text: &'static str| move |template: &mut Value| template["Resources"]["Own"] = raw_rule(text);
    let (names, text) = lifted(&key, |_| {});
    assert_eq!(names, ["Jobs", "secrets"]);
    assert!(text.contains("    name: prod-a\n"), "{text}");
    for description in [
        "Rule own of the stack prod-main.",
        "Thing of the stack prod-main.",
        "Rule own of the stack team_a.",
        "Rule own of the stack 1-2.",
        "Rule own of the stack .",
    ] {
        let (names, text) = lifted(queue, with_raw(description));
        assert_eq!(names, ["Jobs"], "{description}");
        assert!(text.contains("stacks:\n  dev: {}\n"), "{text}");
    }
    let long = format!("Rule own of the stack {}.", "a".repeat(200));
    let (names, _) = lifted(queue, |template| template["Resources"]["Own"] = raw_rule(&long));
    assert_eq!(names, ["Jobs"]);
    // A name that can't be one hides no other, and two names are none.
    let (names, text) = lifted(&key, with_raw("Rule own of the stack team_a."));
    assert_eq!((names.len(), text.contains("    name: prod-a\n")), (2, true), "{text}");
    let (_, text) = lifted(&key, with_raw("Rule own of the stack prod-b."));
    assert!(text.contains("stacks:\n  dev: {}\n"), "{text}");
}

#[test]
fn a_queue_may_have_the_id_that_config_would_give() {
    let stack = "name: shop\nstacks: { dev: {} }\nresources:\n  Config: { type: queue }\n  \
                 text: { type: parameter, properties: { value: the config of a shop } }\n";
    let (names, text) = lifted(stack, |_| {});
    assert_eq!(names, ["Config", "text"], "{text}");
}

#[test]
fn attributes_of_types_are_texts_of_the_template() {
    let stack = "name: shop\nstacks: { dev: {} }\nresources:\n  jobs: { type: queue }\n";
    let (names, text) = lifted(stack, |template| {
        template["Resources"]["Jobs"]["Metadata"] =
            json!({ "a": "${x}", "b": { "Fn::Sub": "${AWS::Region} ${!y}" }, "c": ["$${z}"] });
    });
    assert_eq!(names, ["Jobs"], "{text}");
}
