//! Rules on `was`: names that no other resource has or had, and types that CloudFormation can rename.

use std::collections::BTreeMap;

use deployer_cfn::refactor;
use deployer_cfn::template::Template;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use crate::model::{Resource, Stack};

pub(super) fn check(stack: &Stack, template: &Template, diagnostics: &mut Diagnostics) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for resource in &stack.resources {
        for was in &resource.was {
            let (name, old) = (resource.name.as_str(), was.name.as_str());
            if old == name {
                let message = format!("`was` of `{name}` is its present name");
                diagnostics.push(
                    Diagnostic::error("E0385", was.span, message)
                        .help("write the name that it had before, or remove `was`"),
                );
            } else if stack.resource(old).is_some() {
                let message = format!("`{name}` can't have been `{old}`, which is still in the file");
                diagnostics.push(Diagnostic::error("E0383", was.span, message).help(format!(
                    "remove `{old}`, or `was`; a new resource in the place of a renamed one needs another name"
                )));
            } else if let Some(owner) = owners.insert(old, name) {
                let message = match owner == name {
                    true => format!("`was` of `{name}` names `{old}` twice"),
                    false => format!("both `{owner}` and `{name}` say that they were `{old}`"),
                };
                diagnostics.push(Diagnostic::error("E0384", was.span, message).help("keep one of them"));
            }
        }
        if let Some(was) = resource.was.first()
            && let Some((code, message, help)) = of_type(stack, resource, template)
        {
            diagnostics.push(Diagnostic::error(code, was.span, message).help(help));
        }
    }
}

/// Returns the reason why nothing of a resource can be renamed: code, message and help.
fn of_type(
    stack: &Stack,
    resource: &Resource,
    template: &Template,
) -> Option<(&'static str, String, &'static str)> {
    let name = &resource.name;
    if resource.is.existing().is_some() {
        return Some((
            "E0386",
            format!("`{name}` exists outside of the stack, so nothing of it is renamed"),
            "remove `was`: the name of an existing resource can change at any time",
        ));
    }
    let id = resource.options.logical_id.clone().unwrap_or_else(|| stack.id_of(name));
    let (_, main) = template.resources.iter().find(|(candidate, _)| *candidate == id)?;
    (!refactor::can_rename(main.kind)).then(|| {
        (
            "E0387",
            format!("CloudFormation can't rename an {}", main.kind),
            "keep the logical ID with `options: { logicalId: … }`, or remove `was`: the resource is created anew under its new name",
        )
    })
}
