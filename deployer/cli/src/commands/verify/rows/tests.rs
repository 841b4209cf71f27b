//! Rows for the pipelines of all good cases of the language, and for rules that are hard to keep.

use std::path::Path;

use deployer_lang::compile::compile;
use deployer_lang::document::Document;
use deployer_lang::model::worker::Worker;
use deployer_lang::{Compiled, Stack};
use deployer_syntax::{Diagnostics, Source};

use super::*;
use crate::preview::route::Choice;

const KEY: &str = "in/deployer-verify-0123456789abcdef0123456789abcdef.csv";

fn stacks(text: String) -> Vec<Compiled> {
    let source = Source::new("stack.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let Some(document) = Document::parse(&source, &mut diagnostics) else { return Vec::new() };
    let compiled = document.stacks.iter().map(|target| compile(&document, target, &[], &mut diagnostics));
    compiled.flatten().collect()
}

/// Returns the routes of a stack: of each task to each `transform` whose items come to a table.
fn routes(stack: &Stack) -> Vec<Route<'_>> {
    let transforms = stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Transform));
    let mut out = Vec::new();
    for (transform, _) in transforms {
        for (task, _) in stack.tasks() {
            let choice = Choice { function: Some(&transform.name), task: Some(&task.name) };
            out.extend(Route::find(stack, choice, KEY).ok().filter(|route| route.table.is_some()));
        }
    }
    out
}

/// Checks that rows for a route become items of different keys, whatever the random texts are.
fn check(route: Route<'_>, what: &str, seed: u64) -> Rows {
    let rows = make(route, KEY, None, &mut Rng::with_seed(seed));
    let rows = rows.unwrap_or_else(|error| panic!("{what}: {error}"));
    let preview = Preview::new(route, KEY.to_owned()).expect("a preview").of_object("b", Some("v"));
    let expected = rows.expected(&preview).expect("a file");
    assert_eq!((rows.len(), expected.len()), (ROWS, ROWS), "{what}: {rows:?}");
    for one in &expected {
        assert!(one.item.len() >= one.key.len() && !one.key.is_empty(), "{what}: {one:?}");
    }
    let different: BTreeSet<&Key> = expected.iter().map(|one| &one.key).collect();
    assert!(!rows.unique || different.len() == ROWS, "{what}: {expected:?}");
    rows
}

#[test]
fn every_pipeline_of_every_good_case_has_rows() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lang/tests/cases");
    let mut seen = 0;
    for entry in std::fs::read_dir(cases).expect("the cases") {
        let folder = entry.expect("an entry").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(folder.join("stack.yaml")) else { continue };
        if name.starts_with("wrong-") {
            continue;
        }
        for Compiled { stack, .. } in stacks(text) {
            for route in routes(&stack) {
                for seed in 0..2 {
                    check(route, &format!("{name}, {}", route.name()), seed);
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen} pipelines");
}

/// The stack of the repository, with other settings of fields.
fn with_fields(fields: &str, key: &str) -> Vec<Compiled> {
    let own = include_str!("../../../../../../stack.yaml");
    let start = own.find("        fields: #").expect("fields");
    let end = own.find("  load:\n").expect("load");
    let text = format!("{}{fields}\n{}", &own[..start], &own[end..]);
    let text = text.replace("properties: { key: { id: string } }", &format!("properties: {{ key: {key} }}"));
    let stacks = stacks(text);
    assert!(!stacks.is_empty(), "{fields}");
    stacks
}

#[test]
fn rows_keep_rules_that_are_hard_to_keep() {
    for (fields, key, unique) in [
        ("        fields: { id: { from: ID, pattern: '^[A-Z]{3}-[0-9]{9}$' } }", "{ id: string }", true),
        (
            "        fields: { id: { from: ID, type: integer, minimum: 1, maximum: 9 } }",
            "{ id: number }",
            false,
        ),
        ("        fields: { id: { from: ID, values: { A: a, B: b } } }", "{ id: string }", false),
        (
            "        fields: { id: { from: ID }, at: { from: Day, type: timestamp, format: '%d/%m/%Y %H:%M' } }",
            "{ id: string, at: string }",
            true,
        ),
        ("        fields: { id: { template: '${object.key}/${record.index}' } }", "{ id: string }", true),
        (
            "        fields: { id: { from: ID }, n: { from: N, type: number, minimum: 10, maximum: 12 } }\n        where: 'row.State == \"open\" && n > 10.5'",
            "{ id: string }",
            true,
        ),
        ("        fields: { id: { from: ID, maxLength: 2 } }", "{ id: string }", false),
        (
            "        fields: { id: { from: ID, case: upper }, tags: { from: Tags, type: set, separator: ';' } }",
            "{ id: string }",
            true,
        ),
    ] {
        for Compiled { stack, .. } in with_fields(fields, key) {
            for seed in 0..3 {
                let route = routes(&stack).pop().expect("a route");
                assert_eq!(check(route, fields, seed).unique, unique, "{fields}");
            }
        }
    }
}

#[test]
fn a_rule_that_no_row_keeps_is_named() {
    let stacks = with_fields(
        "        fields: { id: { from: ID } }\n        where: 'row.A == \"x\" && row.A != \"x\"'",
        "{ id: string }",
    );
    let route = routes(&stacks.first().expect("a stack").stack).pop().expect("a route");
    let error = make(route, KEY, None, &mut Rng::with_seed(1)).expect_err("no row");
    assert!(error.to_string().contains("`where`") && error.exit_code() == 5, "{error}");
}

#[test]
fn the_rows_of_a_sample_have_keys_of_their_own() {
    let stacks = with_fields("        fields: { id: { from: ID }, town: { from: Town } }", "{ id: string }");
    let route = routes(&stacks.first().expect("a stack").stack).pop().expect("a route");
    let sample = b"Town;ID;More\nUlm;1;x\nBath;2;y\n";
    let rows = make(route, KEY, Some(&mut &sample[..]), &mut Rng::with_seed(1)).expect("rows");
    let preview = Preview::new(route, KEY.to_owned()).expect("a preview");
    let items: Vec<TypedItem> =
        rows.expected(&preview).expect("items").into_iter().map(|one| one.item).collect();
    assert_eq!(
        items.iter().map(|item| item["town"]["S"].as_str()).collect::<Vec<_>>(),
        [Some("Ulm"), Some("Bath")]
    );
    assert!(
        rows.unique && items.iter().all(|item| item["id"]["S"] != "1" && item["id"]["S"] != "2"),
        "{items:?}"
    );
    let empty = &b"Town,ID\n"[..];
    let error = make(route, KEY, Some(&mut { empty }), &mut Rng::with_seed(1)).expect_err("no rows");
    assert_eq!(error.exit_code(), 2);
}

/// A file without an end.
struct Endless(usize);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for byte in &mut *buffer {
            *byte = b"Town;ID\n"[self.0 % 8];
            self.0 += 1;
        }
        Ok(buffer.len())
    }
}

#[test]
fn only_the_beginning_of_a_sample_is_read() {
    let stacks = with_fields("        fields: { id: { from: ID }, town: { from: Town } }", "{ id: string }");
    let route = routes(&stacks.first().expect("a stack").stack).pop().expect("a route");
    let mut file = Endless(0);
    // Its rows are equal to its header, so it has none.
    let error = make(route, KEY, Some(&mut file), &mut Rng::with_seed(1)).expect_err("no rows");
    assert_eq!((error.exit_code(), file.0 < 64 << 20), (2, true), "{error}");
}
