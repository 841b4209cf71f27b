//! Resources that the stack refers to and does not create: references to them become their names and ARNs, and what
//! their policies must allow is told, since CloudFormation would write such a policy as a whole, over that of others.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::{Template, references};
use serde_json::Value;

use crate::model::existing::Existing;
use crate::model::{Kind, Stack};

/// A statement that the policy of an existing resource must have, and that the stack does not write.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// Name of the resource in the file.
    pub resource: String,
    /// The statement, with expressions of CloudFormation.
    pub statement: Value,
}

/// Replaces the references to existing resources.
pub(super) fn refer(template: &mut Template, needs: &mut [Need], stack: &Stack) {
    let mut texts = BTreeMap::new();
    let mut policies = BTreeSet::new();
    for resource in &stack.resources {
        let Some(existing) = resource.is.existing() else { continue };
        let id = stack.id_of(&resource.name);
        for (attribute, text) in attributes(existing, resource.is.kind()) {
            let path = if attribute.is_empty() { id.clone() } else { format!("{id}.{attribute}") };
            texts.insert(path, text);
        }
        policies.insert(format!("{id}Policy"));
    }
    if texts.is_empty() {
        return;
    }
    let made: BTreeSet<String> = template.resources.iter().map(|(id, _)| id.clone()).collect();
    for (_, resource) in &mut template.resources {
        // A notification waits for the policy that allows it, which here somebody else has written.
        resource.depends_on.retain(|id| made.contains(id) || !policies.contains(id));
    }
    template.replace_references(&texts);
    for need in needs {
        deployer_cfn::template::replace_references(&mut need.statement, &texts);
        forget_unknown_sources(&mut need.statement);
    }
}

/// Returns the values of `Ref` (without a name) and of the attributes, as texts of `Fn::Sub`.
fn attributes(existing: &Existing, kind: Kind) -> Vec<(&'static str, String)> {
    let name = existing.name.clone();
    let mut out = match kind {
        Kind::Queue => vec![("", existing.url()), ("QueueName", name)],
        Kind::Topic => vec![("", existing.arn()), ("TopicName", name)],
        _ => vec![("", name)],
    };
    if kind != Kind::Topic {
        out.push(("Arn", existing.arn()));
    }
    out
}

/// Removes the source from the condition of a statement if only the deployment makes it: the statement must be there
/// before, and its account says enough.
fn forget_unknown_sources(statement: &mut Value) {
    let Some(conditions) = statement["Condition"].as_object_mut() else { return };
    conditions.retain(|_, condition| {
        let mut unknown = false;
        references(condition, &mut |to| unknown |= !to.starts_with("AWS::"));
        !unknown
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_source_that_is_not_known_before_the_deployment_is_no_condition() {
        let mut statement = json!({ "Condition": {
            "ArnEquals": { "aws:SourceArn": { "Fn::GetAtt": ["Rule", "Arn"] } },
            "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } },
        } });
        forget_unknown_sources(&mut statement);
        let left = json!({ "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } });
        assert_eq!(statement["Condition"], left);
    }
}
