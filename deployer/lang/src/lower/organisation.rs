//! The settings of an organisation in the template: the boundary, path and names of roles.

use deployer_cfn::template::{Ref, Template};
use serde_json::{Value, json};

use super::text_value;
use crate::model::{ResourceType, Stack};

/// The type of a role.
pub(crate) const ROLE: &str = "AWS::IAM::Role";

/// Gives every role that the language makes the boundary, the path and the name that the file wants. An `AWS::…` resource
/// has the properties that the file gives it, and no others.
pub(super) fn apply(template: &mut Template, stack: &Stack) {
    let organisation = &stack.organisation;
    let boundary = organisation.permissions_boundary.as_ref().map(|text| text_value(stack, text));
    for (id, role) in template.resources.iter_mut().filter(|(_, one)| one.kind == ROLE) {
        if is_raw(stack, &role.origin) {
            continue;
        }
        if let Some(boundary) = &boundary {
            role.properties["PermissionsBoundary"] = boundary.clone();
        }
        if let Some(path) = &organisation.role_path {
            role.properties["Path"] = json!(path);
        }
        if let Some(prefix) = &organisation.role_prefix {
            role.properties["RoleName"] = name(prefix, id, organisation.role_path.as_deref());
        }
    }
}

/// Returns whether the file names a resource of the template by its CloudFormation type.
pub(crate) fn is_raw(stack: &Stack, origin: &str) -> bool {
    stack.resource(origin).is_some_and(|one| matches!(one.is, ResourceType::Raw(_)))
}

/// Characters of the part of a name that CloudFormation fills in, and of the digest of a path, with their hyphens.
const UNIQUE: usize = 13;
const DIGEST: usize = 5;

/// Returns the name of a role. The end of the stack's ID makes it unique in the account, where one stack may be deployed
/// to several regions. A digest of the path changes with it, since CloudFormation replaces no role under the same name.
fn name(prefix: &str, id: &str, path: Option<&str>) -> Value {
    let uuid = json!({ "Fn::Select": [2, { "Fn::Split": ["/", Ref("AWS::StackId")] }] });
    let unique = json!({ "Fn::Select": [4, { "Fn::Split": ["-", uuid] }] });
    let mut parts = vec![json!(format!("{prefix}{id}"))];
    parts.extend(path.map(|path| json!(digest(path))));
    parts.push(unique);
    json!({ "Fn::Join": ["-", parts] })
}

/// Returns the length of the name of a role.
pub(crate) const fn length_of_name(prefix: &str, id: &str, has_path: bool) -> usize {
    prefix.len() + id.len() + UNIQUE + if has_path { DIGEST } else { 0 }
}

/// Returns four hexadecimal digits of a path (FNV-1a).
fn digest(path: &str) -> String {
    let hash =
        path.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:04x}", (hash >> 16) ^ (hash & 0xffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_length_that_is_checked() {
        let filled = |path: Option<&str>| {
            let name = name("pipelines-", "LoadRole", path);
            let parts = name["Fn::Join"][1].as_array().expect("parts").clone();
            let literal: Vec<String> = parts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            format!("{}-0a1b2c3d4e5f", literal.join("-"))
        };
        assert_eq!(filled(None), "pipelines-LoadRole-0a1b2c3d4e5f");
        for path in [None, Some("/a/"), Some("/b/")] {
            assert_eq!(filled(path).len(), length_of_name("pipelines-", "LoadRole", path.is_some()));
        }
        assert_ne!(filled(Some("/a/")), filled(Some("/b/")));
    }
}
