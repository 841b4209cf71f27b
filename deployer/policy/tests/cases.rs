//! Cases: a stack file, its rule files, and the problems of both. Written anew with `UPDATE_GOLDEN=1`.

use std::path::{Path, PathBuf};

use deployer_lang::{Document, compile};
use deployer_policy::Verdict;
use deployer_syntax::{Diagnostics, Source};

use crate::golden;

fn cases() -> Vec<PathBuf> {
    golden::entries(&golden::package().join("tests/cases"))
}

/// Returns the problems of a case, as the deployer finds them: those of rule files first.
fn problems(folder: &Path) -> String {
    let source = Source::new("stack.yaml", golden::read(&folder.join("stack.yaml")));
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a document");
    let mut lines = String::new();
    for target in &document.stacks {
        let compiled = compile(&document, target, &[], &mut diagnostics).expect("a stack");
        for policy in &document.policies {
            let Ok(text) = std::fs::read_to_string(folder.join(&policy.pattern)) else {
                diagnostics
                    .push(deployer_policy::no_file(policy, &format!("`{}` names no file", policy.pattern)));
                continue;
            };
            let rules = Source::new(policy.pattern.clone(), text);
            match deployer_policy::evaluate(&rules.text, &compiled.template.to_json()) {
                Verdict::Evaluated(found) => {
                    let template = &compiled.template;
                    deployer_policy::problems(
                        &document,
                        template,
                        policy,
                        &rules,
                        &found.failures,
                        &mut diagnostics,
                    );
                }
                Verdict::Unreadable(found) => {
                    let mut own = Diagnostics::default();
                    own.push(deployer_policy::unreadable(&rules, &found));
                    lines.push_str(&own.to_lines(&rules));
                }
                Verdict::Unusable(reason) => {
                    diagnostics.push(deployer_policy::unusable(policy, &rules, &reason));
                }
            }
        }
    }
    lines + &diagnostics.to_lines(&source)
}

#[test]
fn every_case_is_as_it_should_be() {
    let wrong: String = cases()
        .iter()
        .filter_map(|folder| golden::difference(&folder.join("errors.txt"), &problems(folder)))
        .collect();
    assert_eq!(wrong, "");
}
