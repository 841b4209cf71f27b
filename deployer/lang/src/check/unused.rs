//! Resources that cost money or care, and that nothing uses.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::{Template, references};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use crate::model::Stack;

/// Warns of resources that nothing refers to.
pub(super) fn check(stack: &Stack, template: &Template, diagnostics: &mut Diagnostics) {
    let origins: BTreeMap<&str, &str> =
        template.resources.iter().map(|(id, resource)| (id.as_str(), resource.origin.as_str())).collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for (_, resource) in &template.resources {
        let mut found = |to: &str| {
            used.extend(origins.get(to).copied().filter(|to| *to != resource.origin));
        };
        references(&resource.properties, &mut found);
        resource.depends_on.iter().for_each(|to| found(to));
    }
    for (_, output) in &template.outputs {
        references(output, &mut |to| used.extend(origins.get(to).copied()));
    }
    // A key that is named as the stack's is meant to be there, whatever there is to encrypt yet.
    used.extend(stack.key.iter().map(|key| key.name.as_str()));
    for resource in &stack.resources {
        if let Some(help) = resource.is.unused()
            && !used.contains(resource.name.as_str())
        {
            diagnostics.push(
                Diagnostic::warning("W0403", resource.span, format!("nothing uses `{}`", resource.name))
                    .help(help),
            );
        }
    }
}
