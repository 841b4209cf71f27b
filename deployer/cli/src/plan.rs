//! A deployment as data: every step is decided here before any of it runs in [`crate::commands::deploy`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stack_core::{Stack, Template, lower};

use crate::assets::Prepared;
use crate::aws::cloudformation::{Change, ChangeKind, DeployedStack, StackState};
use crate::error::{Error, Message, Result};
use crate::watch::way_out;

/// Largest template that a call carries: CloudFormation User Guide, "AWS CloudFormation quotas".
pub const INLINE_TEMPLATE_BYTES: usize = 51_200;

/// What will be done to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// It exists.
    Update,
}

/// One step of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Publish the code that is missing.
    Publish,
    /// Ask CloudFormation what would change.
    ChangeSet(Action),
    /// Do it, and watch.
    Execute,
}

/// The template of a stack, which was checked when its file was read.
///
/// # Errors
/// [`Error::Failed`] on a defect of ours.
pub fn synthesize(stack: &Stack) -> Result<Template> {
    let template = lower::lower(stack);
    if let Some(dangling) = template.check().first() {
        return Err(Error::failed_with_hint(
            dangling.to_string(),
            "this is a defect of deployer; please report it",
        ));
    }
    Ok(template)
}

/// Whether what is deployed is what would be deployed: same template, same code.
#[must_use]
pub fn is_current(
    deployed: &DeployedStack,
    deployed_template: &str,
    template: &str,
    prepared: &[Prepared],
) -> bool {
    deployed.state == StackState::Settled
        && deployed_template == template
        && prepared.iter().all(|one| {
            deployed.parameters.get(&one.asset.parameter).is_some_and(|value| value.contains(&one.digest))
        })
}

/// Logical ids of the resources that a deployed template protects (`options.protect`).
#[must_use]
pub fn protected(deployed_template: &str) -> BTreeSet<String> {
    let template: Value = serde_json::from_str(deployed_template).unwrap_or_default();
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Metadata"]["deployer"]["protect"] == Value::Bool(true))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Refuses changes that remove or replace what the deployed template protects, whatever the file says by now: the
/// protection must be taken away by a deployment of its own.
///
/// # Errors
/// [`Error::Refused`] with all of them.
pub fn check_protection(deployed_template: &str, changes: &[Change]) -> Result<()> {
    let protected = protected(deployed_template);
    let lost: Vec<String> = changes
        .iter()
        .filter(|change| matches!(change.kind, ChangeKind::Remove | ChangeKind::Replace))
        .filter(|change| protected.contains(&change.logical_id))
        .map(|change| format!("{} {}", change.kind.name(), change.logical_id))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(
        Message::new(format!("this deployment would {}, which `protect: true` forbids", lost.join(", "))).hint(
            "leave the resource as it is deployed, take `protect` away, deploy that, and then make this change; nothing was changed",
        ),
    ))
}

/// The steps for a stack in a state.
///
/// # Errors
/// [`Error::Deployment`] when CloudFormation would refuse in this state.
pub fn steps(deployed: Option<&DeployedStack>) -> Result<Vec<Step>> {
    let action = match deployed.map(|stack| &stack.state) {
        None | Some(StackState::Review) => Action::Create,
        Some(StackState::Settled) => Action::Update,
        Some(StackState::Busy) => {
            return Err(Error::Deployment(
                Message::new("another operation is under way on the stack")
                    .hint("wait for it, then run `deployer deploy` again"),
            ));
        }
        Some(StackState::Dead) => {
            let (name, status) =
                deployed.map(|stack| (stack.name.as_str(), stack.status.as_str())).unwrap_or_default();
            return Err(Error::Deployment(
                Message::new(format!(
                    "the stack {name} is in {status}, from which CloudFormation allows no update"
                ))
                .hint(way_out(status)),
            ));
        }
    };
    Ok(vec![Step::Publish, Step::ChangeSet(action), Step::Execute])
}

/// The parameters of the change set: those that were published, in the order of the template.
#[must_use]
pub fn parameters(template: &Template, published: &BTreeMap<String, String>) -> Vec<(String, String)> {
    template
        .parameters
        .iter()
        .filter_map(|(name, _)| Some((name.clone(), published.get(name)?.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_neither_removed_nor_replaced() {
        let template = r#"{ "Resources": {
            "Kept": { "Type": "AWS::SQS::Queue", "Metadata": { "deployer": { "protect": true } } },
            "Other": { "Type": "AWS::SQS::Queue", "Metadata": { "deployer": { "protect": false } } } } }"#;
        let change = |kind, id: &str| Change {
            kind,
            logical_id: id.to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
        };
        let harmless = [change(ChangeKind::Modify, "Kept"), change(ChangeKind::Remove, "Other")];
        check_protection(template, &harmless).expect("nothing that is protected is lost");
        check_protection("", &[change(ChangeKind::Remove, "Kept")]).expect("nothing is deployed");
        for kind in [ChangeKind::Remove, ChangeKind::Replace] {
            let refused = check_protection(template, &[change(kind, "Kept")]).expect_err("a refusal");
            assert_eq!(refused.exit_code(), 5);
            let message = refused.message().expect("a message").text;
            assert!(message.contains(&format!("{} Kept", kind.name())), "{message}");
        }
    }
}
