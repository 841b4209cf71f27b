//! The remains of a deleted stack: what the next deployment needs to adopt the resources that were kept.

use std::collections::BTreeSet;

use deployer_aws::cloudformation::StackResource;
use deployer_cfn::template::references;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A resource, as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "recordedResource")]
pub struct RecordedResource {
    /// Logical ID.
    pub logical_id: String,
    /// Physical ID.
    pub physical_id: String,
    /// CloudFormation type.
    #[serde(rename = "type")]
    pub resource_type: String,
}

impl From<&StackResource> for RecordedResource {
    fn from(resource: &StackResource) -> Self {
        Self {
            logical_id: resource.logical_id.clone(),
            physical_id: resource.physical_id.clone(),
            resource_type: resource.resource_type.clone(),
        }
    }
}

/// The remains of a deleted stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// The deployed template; `None` if nothing is kept.
    pub template: Option<String>,
    /// Resources that are kept.
    pub kept: Vec<RecordedResource>,
    /// Deleted resources to which the kept ones refer.
    pub referenced: Vec<RecordedResource>,
}

impl Remains {
    /// Returns the remains of a stack: its deployed template as text and as a value, the resources that are kept, and
    /// all others.
    #[must_use]
    pub fn new(text: &str, template: &Value, kept: &[StackResource], others: &[StackResource]) -> Self {
        if kept.is_empty() {
            return Self::default();
        }
        let mut targets = BTreeSet::new();
        for resource in kept {
            references(&template["Resources"][&resource.logical_id]["Properties"], &mut |target| {
                targets.insert(target.to_owned());
            });
        }
        let referenced = others.iter().filter(|other| targets.contains(&other.logical_id));
        Self {
            template: Some(text.to_owned()),
            kept: kept.iter().map(RecordedResource::from).collect(),
            referenced: referenced.map(RecordedResource::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn remains_name_what_the_kept_resources_refer_to() {
        let resource = |id: &str| StackResource {
            logical_id: id.into(),
            physical_id: format!("{id}-1"),
            resource_type: "AWS::X::Y".into(),
            status: String::new(),
        };
        let template = json!({ "Resources": {
            "Landing": { "Properties": { "To": { "Ref": "Jobs" } } },
            "Reader": { "Properties": { "From": { "Ref": "Other" } } },
        } });
        let others = ["Jobs", "Other", "Reader"].map(resource);
        let remains = Remains::new("{}", &template, &[resource("Landing")], &others);
        let ids = |list: &[RecordedResource]| {
            list.iter().map(|one| one.logical_id.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((ids(&remains.kept), ids(&remains.referenced)), ("Landing".into(), "Jobs".into()));
        assert_eq!(remains.template.as_deref(), Some("{}"));
        assert_eq!(Remains::new("{}", &template, &[], &others), Remains::default());
    }
}
