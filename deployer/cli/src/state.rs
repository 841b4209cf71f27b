//! The two sides of a deployment: the deployed stack, and the wanted one.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::DeployedStack;
use deployer_base::error::{Error, Message, Result};
use deployer_build::Prepared;
use deployer_cfn::deployed;
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

    /// Returns whether nothing else has been deployed since.
    #[must_use]
    pub fn is(&self, before: &Self) -> bool {
        self.stack.id == before.stack.id
            && self.stack.parameters == before.stack.parameters
            && (self.text == before.text || self.template == before.template)
    }
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
}

impl Wanted {
    /// Returns the properties of the resources of a type.
    pub fn of_type(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(_, resource)| &resource["Properties"])
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
