//! `outputs`: the values that are shown after a deployment.

use std::collections::BTreeMap;

use deployer_cfn::template::logical_id;
use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Entry, Node, Value, shorten};

use crate::model::properties::{AnyText, Read, Scope, is_word};
use crate::model::{Text, TextPart};

/// Returns the outputs by name; their names become CloudFormation's.
pub(super) fn read_outputs(node: &Node, scope: &Scope) -> Option<Vec<(String, Text)>> {
    let Value::Mapping(entries) = &node.value else { return None };
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for Entry { key, key_span, .. } in entries {
        if !is_word(key) {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    *key_span,
                    format!("`{}` can't be the name of an output", shorten(key)),
                )
                .help("letters, digits, `-` and `_`, beginning with a letter, at most 64 characters"),
            );
        } else if let Some(first) = seen.insert(logical_id(key), key) {
            scope.report(
                Diagnostic::error(
                    "E0302",
                    *key_span,
                    format!("the outputs `{first}` and `{key}` would get the same name in CloudFormation"),
                )
                .help(
                    "names that differ only in `-`, `_` and the capitals after them are the same; rename one",
                ),
            );
        }
    }
    let read: Vec<_> =
        entries.iter().map(|entry| Some((entry.key.clone(), AnyText.read(&entry.value, scope)?))).collect();
    for (entry, output) in entries.iter().zip(&read) {
        let is_secret =
            |part: &TextPart| matches!(part, TextPart::Literal(text) if text.contains("{{resolve:"));
        if output.as_ref().is_some_and(|(_, text)| text.parts.iter().any(is_secret)) {
            scope.report(
                Diagnostic::error("E0311", entry.value.span, "an output would show a secret in plain text")
                    .help("whoever is allowed to read it can read it where it is stored; remove the output"),
            );
        }
    }
    read.into_iter().collect()
}
