//! `conditions`: CloudFormation's conditions.

use std::collections::BTreeMap;

use deployer_cfn::template::{circle, conditions_of};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::{Entry, shorten};

use crate::model::expression;
use crate::model::properties::Scope;

/// Returns whether a key of a section is a macro, or a loop of one, in the place of a name.
pub(super) fn is_of_macro(key: &str) -> bool {
    key == "Fn::Transform" || key.starts_with("Fn::ForEach::")
}

/// Returns the conditions by logical ID, as CloudFormation's JSON.
pub(super) fn read_conditions(entries: &[Entry], scope: &Scope) -> Option<Vec<(String, serde_json::Value)>> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut read = Vec::new();
    for Entry { key, key_span, value } in entries {
        if scope.macros && is_of_macro(key) {
            // Its arguments are the macro's.
        } else if !scope.is_name(key) {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    *key_span,
                    format!("`{}` can't be the name of a condition", shorten(key)),
                )
                .help(scope.form_of_names()),
            );
        } else if let Some(first) = seen.insert(scope.id(key), key) {
            scope.report(
                Diagnostic::error(
                    "E0302",
                    *key_span,
                    format!("the conditions `{first}` and `{key}` would get the same name in CloudFormation"),
                )
                .help(
                    "names that differ only in `-`, `_` and the capitals after them are the same; rename one",
                ),
            );
        }
        read.push(expression::condition(value, scope).map(|condition| (scope.id(key), condition)));
    }
    let uses = |condition: &serde_json::Value| {
        let mut found = Vec::new();
        conditions_of(condition, &mut |name| found.push(name.to_owned()));
        found
    };
    let edges: BTreeMap<&str, Vec<String>> =
        read.iter().flatten().map(|(id, value)| (id.as_str(), uses(value))).collect();
    if let Some(path) = circle(&edges) {
        let name = |id: &String| format!("`{}`", seen.get(id).copied().unwrap_or(id));
        let shown: Vec<String> = path.iter().map(name).collect();
        let first = entries.iter().find(|entry| scope.id(&entry.key) == path[0]);
        scope.report(
            Diagnostic::error(
                "E0310",
                first.map_or(Span::default(), |entry| entry.key_span),
                format!("conditions depend on each other: {}", shown.join(" → ")),
            )
            .help("a condition can't depend on itself; remove one of the references"),
        );
    }
    read.into_iter().collect()
}
