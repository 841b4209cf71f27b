//! The rule on tables that keep the tally.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use super::table;
use crate::model::Stack;
use crate::model::access::{Access, Verb};
use crate::model::table::KeyType;

/// The key that the workers write: an object version, and a part of its tally.
const KEY: [&str; 2] = ["object", "part"];

pub(super) fn check(stack: &Stack, access: &[Access], diagnostics: &mut Diagnostics) {
    for entry in access.iter().filter(|entry| entry.verb == Verb::Tally) {
        let Some(table) = table(stack, &entry.resource) else { continue };
        let fits = table
            .key
            .iter()
            .map(|(name, kind)| (name.as_str(), *kind))
            .eq(KEY.map(|name| (name, KeyType::String)));
        if !fits {
            diagnostics.push(
                Diagnostic::error(
                    "E0350",
                    entry.span,
                    format!(
                        "the table `{}` can't store the tally: it has a different key",
                        entry.resource.name
                    ),
                )
                .help("set `key: { object: string, part: string }`"),
            );
        }
    }
}
