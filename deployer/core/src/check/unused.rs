//! What the stack pays for, or keeps in order, and nothing uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Kind, ResourceType, Stack};
use crate::template::{Template, references};

/// Types that are there for others in the stack. Buckets, tables, topics and raw types may be used from elsewhere.
const FOR_OTHERS: [Kind; 7] =
    [Kind::Queue, Kind::Bus, Kind::Network, Kind::Cluster, Kind::Task, Kind::Key, Kind::Function];

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
    // Named as the stack's, it is meant to be there, whatever there is to encrypt yet.
    used.extend(stack.key.iter().map(|key| key.name.as_str()));
    for resource in &stack.resources {
        let kind = resource.is.kind();
        let works = match &resource.is {
            ResourceType::Function(function) => !function.triggers.is_empty() || function.url.is_some(),
            ResourceType::Bus(bus) => bus.existing.is_some() || bus.allow.is_some(),
            ResourceType::Network(crate::model::network::Network::Existing(_)) => true,
            _ => false,
        };
        if FOR_OTHERS.contains(&kind) && !works && !used.contains(resource.name.as_str()) {
            let help = match kind {
                Kind::Function => {
                    "add `triggers`, name it in a `rule`, `schedule`, `topic` or `bucket`, or remove it"
                }
                _ => "refer to it, name it in `outputs` if others use it, or remove it",
            };
            diagnostics.push(
                Diagnostic::warning("W0403", resource.span, format!("nothing uses `{}`", resource.name))
                    .help(help),
            );
        }
    }
}
