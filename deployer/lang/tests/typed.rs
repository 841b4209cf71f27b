//! Templates that become stack files with types of the language: exactly the same template must be made of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deployer_lang::import::{ImportTarget, Typing, import, import_typed};
use deployer_lang::{Document, compile};
use deployer_syntax::{Diagnostics, Source};
use serde_json::Value;

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
