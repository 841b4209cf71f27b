//! The template under construction, which every type adds its resources to.

use deployer_cfn::template::{self, GetAtt, Policy, Template, logical_id};
use serde_json::{Value, json};

use super::existing::Need;
use crate::model::Stack;
use crate::model::target::Removal;

/// The template under construction.
pub(crate) struct Builder<'s> {
    pub(super) stack: &'s Stack,
    pub(super) template: Template,
    /// Name in the file of the resource that is being lowered.
    pub(super) origin: String,
    /// What the policies of existing resources must allow.
    pub(super) needs: Vec<Need>,
}

impl Builder<'_> {
    /// Adds a resource.
    pub(super) fn add(
        &mut self,
        id: impl Into<String>,
        kind: &'static str,
        properties: Value,
    ) -> &mut template::Resource {
        let resource = template::Resource {
            kind,
            origin: self.origin.clone(),
            properties,
            ..template::Resource::default()
        };
        self.template.resources.push((id.into(), resource));
        let last = self.template.resources.len() - 1;
        &mut self.template.resources[last].1
    }

    /// Adds statements that the policy of the existing resource needs that is being lowered.
    pub(super) fn need(&mut self, statements: Vec<Value>) {
        let need = |statement| Need { resource: self.origin.clone(), statement };
        self.needs.extend(statements.into_iter().map(need).collect::<Vec<_>>());
    }

    /// Adds a resource that holds data: the stack's `removal` decides whether it stays.
    pub(super) fn add_data(
        &mut self,
        id: impl Into<String>,
        kind: &'static str,
        properties: Value,
    ) -> &mut template::Resource {
        let policy = match self.stack.target.removal {
            // A table that protects itself from deletion can't be deleted with a failed creation.
            Removal::Keep if kind == "AWS::DynamoDB::Table" => Policy::Retain,
            Removal::Keep => Policy::RetainExceptOnCreate,
            Removal::Delete => Policy::Delete,
        };
        let resource = self.add(id, kind, properties);
        resource.policy = Some(policy);
        resource
    }

    /// Adds a log group.
    pub(super) fn add_log_group(&mut self, id: &str, retention: u64) {
        let mut properties = json!({ "RetentionInDays": retention / 86_400 });
        if let Some(key) = &self.stack.key {
            properties["KmsKeyId"] = json!(GetAtt(logical_id(&key.name), "Arn"));
        }
        self.add_data(id, "AWS::Logs::LogGroup", properties);
    }
}
