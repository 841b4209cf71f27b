//! Rules about the settings of an organisation: names of roles that fit, and roles without a boundary.

use deployer_cfn::template::Template;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};

use crate::lower::organisation::{ROLE, is_raw, length_of_name};
use crate::model::Stack;
use crate::model::organisation::MAX_ROLE_NAME;
use crate::model::target::Target;

/// The types of IAM that take a permissions boundary: IAM User Guide, "Permissions boundaries for IAM entities".
const BOUNDED: [&str; 2] = [ROLE, "AWS::IAM::User"];

pub(super) fn check(stack: &Stack, template: &Template, diagnostics: &mut Diagnostics) {
    places(stack, diagnostics);
    let organisation = &stack.organisation;
    for (id, resource) in template.resources.iter().filter(|(_, one)| BOUNDED.contains(&one.kind)) {
        let span = stack.resource(&resource.origin).map_or(Span::default(), |origin| origin.span);
        if is_raw(stack, &resource.origin) {
            if organisation.permissions_boundary.is_some()
                && resource.properties["PermissionsBoundary"].is_null()
            {
                let message = format!("`{}` has no permissions boundary", resource.origin);
                diagnostics.push(Diagnostic::warning("W0380", span, message).help(
                    "`permissionsBoundary` is for the roles that the deployer makes; give an `AWS::…` resource its own \
                     `PermissionsBoundary`",
                ));
            }
            continue;
        }
        let Some(prefix) = &organisation.role_prefix else { continue };
        let length = length_of_name(prefix, id, organisation.role_path.is_some());
        if length > MAX_ROLE_NAME {
            let message =
                format!("the name of the role `{id}` would have {length} characters with `rolePrefix`");
            diagnostics.push(Diagnostic::error("E0382", span, message).help(format!(
                "IAM allows {MAX_ROLE_NAME}; shorten the prefix, or the name of `{}`",
                resource.origin
            )));
        }
    }
}

/// Checks that the stack can use the ARNs where they are.
fn places(stack: &Stack, diagnostics: &mut Diagnostics) {
    if stack.target.target == Target::Local {
        return;
    }
    for arn in &stack.organisation.arns {
        if let Some(found) = arn.misplaced(&stack.target.place()) {
            let problem = match found.is_certain {
                true => Diagnostic::error("E0381", arn.span, found.message),
                false => Diagnostic::warning("W0381", arn.span, found.message),
            };
            diagnostics.push(problem.help(found.help));
        }
    }
}
