//! The two sides of a deployment: the deployed stack, and the wanted one.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::{DeployedStack, StackState};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::text::printable;
use deployer_build::Prepared;
use deployer_cfn::deployed;
use deployer_cfn::deployed::lossy;
use deployer_cfn::stack_settings::{MOST_TAGS, OWN_TAGS, StackSettings};
use deployer_cfn::status::Status;
use deployer_lang::renames::Rename;
use deployer_plan::diff::PseudoParameters;
use serde_json::Value;

use crate::hotswap::Swapped;
use crate::records::Kind;

/// A deployed stack with its template.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The stack.
    pub stack: DeployedStack,
    /// The template, as it was sent.
    pub text: String,
    /// The parsed template; null if it is neither JSON nor YAML.
    pub template: Value,
    /// Code that was swapped since the deployment.
    pub swapped: Option<Swapped>,
}

impl Deployed {
    /// Creates a stack with its template as CloudFormation returned it.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the template can't be read.
    pub fn new(stack: DeployedStack, text: String, swapped: Option<Swapped>) -> Result<Self> {
        Ok(Self { stack, template: read_deployed(&text)?, text, swapped })
    }

    /// Returns whether the stack has no resources, whatever its template contains: it waits with a change set, or its
    /// creation failed as a whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_empty(&self.stack)
    }

    /// Returns the settings of the stack that came from its file.
    #[must_use]
    pub fn settings(&self) -> StackSettings {
        StackSettings::of(&self.template)
    }

    /// Returns whether nothing else has been deployed since.
    #[must_use]
    pub fn is(&self, before: &Self) -> bool {
        self.stack.id == before.stack.id
            && self.stack.parameters == before.stack.parameters
            && (self.text == before.text || self.template == before.template)
    }
}

/// Returns whether a stack has no resources: it waits with a change set, or its creation failed as a whole.
#[must_use]
pub fn is_empty(stack: &DeployedStack) -> bool {
    stack.state == StackState::Review || Status::of(&stack.status) == Status::RollbackComplete
}

/// A stack as it is wanted.
#[derive(Debug)]
pub struct Wanted {
    /// The source, for the record.
    pub kind: Kind,
    /// The template, as it is sent.
    pub text: String,
    /// The parsed template.
    pub template: Value,
    /// The parameter values; those of code are known before it is published.
    pub parameters: BTreeMap<String, String>,
    /// The tags of the stack and all its resources.
    pub tags: BTreeMap<String, String>,
    /// Logical ID → name in the file.
    pub origins: BTreeMap<String, String>,
    /// Code that must be published first.
    pub code: Vec<Prepared>,
    /// Resources of the deployed stack that get another logical ID first.
    pub renames: Vec<Rename>,
}

impl Wanted {
    /// Returns the properties of the resources of a type.
    pub fn of_type(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(_, resource)| &resource["Properties"])
    }

    /// Returns the logical IDs that change first, as far as a template has them: deployed ID → ID in the file.
    #[must_use]
    pub fn renamed_ids(&self, deployed: &Value) -> BTreeMap<String, String> {
        let there = self.renames.iter().filter(|rename| !deployed["Resources"][&rename.old].is_null());
        there.map(|rename| (rename.old.clone(), rename.new.clone())).collect()
    }

    /// Returns the tags for a change set; `None` if the stack has them, since CloudFormation then keeps them as they
    /// are, also where it can't return them.
    #[must_use]
    pub fn tags_to_send(&self, deployed: Option<&Deployed>) -> Option<&BTreeMap<String, String>> {
        let same =
            |deployed: &Deployed| *lossy::restored_texts(&deployed.stack.tags, &self.tags) == self.tags;
        (!deployed.is_some_and(same)).then_some(&self.tags)
    }

    /// Returns the notification topics for a change set; `None` to keep those of the stack.
    #[must_use]
    pub fn notifications_to_send(&self, deployed: Option<&Deployed>) -> Option<Vec<String>> {
        let before = deployed.map(Deployed::settings).unwrap_or_default();
        let there = deployed.map_or(&[][..], |deployed| &deployed.stack.notifications);
        StackSettings::of(&self.template).notifications_to_send(there, &before).map(<[String]>::to_vec)
    }

    /// Checks that the tags of others can be sent beside those of the file.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if there are too many, or CloudFormation did not return one as it is.
    pub fn check_tags(&self, deployed: Option<&Deployed>) -> Result<()> {
        let (Some(tags), Some(deployed)) = (self.tags_to_send(deployed), deployed) else { return Ok(()) };
        if tags.len() > MOST_TAGS {
            let own = tags.keys().filter(|key| key.starts_with(OWN_TAGS)).count();
            return Err(Error::Refused(
                Message::new(format!(
                    "{} would have {} tags, {own} of them of the deployer, but CloudFormation allows {MOST_TAGS}",
                    deployed.stack.name,
                    tags.len()
                ))
                .hint("others have set tags on the stack too; remove some of them, or of `tags` in the file; nothing was changed"),
            ));
        }
        // CloudFormation allows no `?` in a tag, but returns one for each character beyond ASCII.
        let is_lossy = |(key, value): &(&String, &String)| {
            (key.contains('?') || value.contains('?')) && deployed.stack.tags.get(*key) == Some(*value)
        };
        match tags.iter().find(is_lossy) {
            Some((key, value)) => Err(Error::Refused(
                Message::new(printable(&format!(
                    "the tags of {} change, and CloudFormation did not return the tag `{key}` of others as it is: `{value}` \
                     has `?` for characters beyond ASCII, which this deployment would write",
                    deployed.stack.name
                )))
                .hint("write the tag with its value under `tags` in the file; nothing was changed"),
            )),
            None => Ok(()),
        }
    }
}

/// Returns the pseudo parameters of a stack.
#[must_use]
pub fn pseudo(session: &Session, stack: &str) -> PseudoParameters {
    PseudoParameters {
        account: Some(session.account.clone()),
        region: Some(session.region.clone()),
        partition: Some(session.partition().to_owned()),
        stack: stack.to_owned(),
    }
}

/// Parses a deployed template.
///
/// # Errors
/// Returns [`Error::Refused`] if the template is neither JSON nor YAML: its kept and protected resources would be lost
/// silently.
pub fn read_deployed(text: &str) -> Result<Value> {
    match deployed::read(text) {
        Value::Null if !text.trim().is_empty() => Err(Error::Refused(
            Message::new("the deployed template is neither valid JSON nor valid YAML")
                .hint("`aws cloudformation get-template` shows it; deploy it again with the tool that created it; nothing was \
                       changed"),
        )),
        template => Ok(template),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployed_template_that_cannot_be_read_is_refused() {
        assert_eq!(read_deployed("Description: a\nDescription: b\n").expect_err("refused").exit_code(), 5);
        assert_eq!(read_deployed("").expect("of a stack that was never made"), Value::Null);
        let template = read_deployed("Resources: { A: { Type: T } }").expect("YAML");
        assert_eq!(template["Resources"]["A"]["Type"], "T");
    }
}
