//! What the schemas don't say, as data: `rules.json`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::diff::fits;

static RULES: &str = include_str!("rules.json");

/// The rules.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rules {
    /// Names in the schemas that are not actions of IAM.
    pub(super) not_actions: Vec<String>,
    /// Type → property → actions that the handler calls only for this property; `""` for those that it never calls.
    properties: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Type → actions that are needed though a pattern of `properties` fits.
    kept: BTreeMap<String, Vec<String>>,
    /// Type → the kind of resource that it is, or that it belongs to.
    pub(super) names: BTreeMap<String, Naming>,
    /// Type → kinds of other resources that its calls name.
    pub(super) touches: BTreeMap<String, Vec<String>>,
    /// Action → a kind of resource that the reference lacks for it.
    pub(super) also: BTreeMap<String, String>,
    /// Type → the service that it passes roles to.
    pub(super) roles: BTreeMap<String, PassedRoles>,
}

/// The name of a resource in its ARN.
#[derive(Debug, Deserialize)]
pub(super) struct Naming {
    /// Kind of resource, as in `deployer_cfn::permissions`.
    pub(super) kind: String,
    /// Properties with the names in the ARN, in their order; none where AWS makes an ID.
    #[serde(default)]
    pub(super) by: Vec<String>,
    /// `true` for a type that belongs to a resource, which may be outside of the template.
    #[serde(default)]
    pub(super) belongs: bool,
}

/// The roles that a resource gives to a service.
#[derive(Debug, Deserialize)]
pub(super) struct PassedRoles {
    /// The service.
    pub(super) service: String,
    /// The properties that contain roles.
    #[serde(rename = "in")]
    pub(super) properties: Vec<String>,
}

/// Returns the rules.
pub(super) fn rules() -> &'static Rules {
    static TABLE: OnceLock<Rules> = OnceLock::new();
    // A test reads them; it can't fail here.
    TABLE.get_or_init(|| serde_json::from_str(RULES).unwrap_or_default())
}

impl Rules {
    /// Returns whether resources of a type, some of which have the properties in `has`, need an action.
    pub(super) fn needs(&self, resource_type: &str, action: &str, has: impl Fn(&str) -> bool) -> bool {
        if self.not_actions.iter().any(|known| known == action) {
            return false;
        }
        if self.kept.get(resource_type).is_some_and(|kept| kept.iter().any(|known| known == action)) {
            return true;
        }
        let tied = self.properties.get(resource_type).into_iter().flatten();
        let mut tied =
            tied.filter(|(_, actions)| actions.iter().any(|pattern| fits(pattern, action))).peekable();
        tied.peek().is_none() || tied.any(|(property, _)| !property.is_empty() && has(property))
    }
}

#[cfg(test)]
mod tests {
    use deployer_cfn::permissions::published;
    use deployer_cfn::schemas;

    use super::*;

    #[test]
    fn every_rule_is_about_a_property_and_an_action_of_its_type() {
        let rules: Rules = serde_json::from_str(RULES).expect("the rules");
        let has = |kind: &str, property: &str| {
            let schema = schemas::find(kind).unwrap_or_else(|| panic!("{kind}")).schema();
            assert!(schema.properties().any(|known| known == property), "{kind} has no {property}");
        };
        for (kind, tied) in &rules.properties {
            let listed: Vec<&str> = published().of(kind).expect("a type").map(|(action, _)| action).collect();
            for (property, actions) in tied {
                if !property.is_empty() {
                    has(kind, property);
                }
                for pattern in actions {
                    assert!(listed.iter().any(|action| fits(pattern, action)), "{kind}: {pattern}");
                }
            }
            for kept in rules.kept.get(kind).into_iter().flatten() {
                assert!(listed.contains(&kept.as_str()), "{kept}");
            }
        }
        for (kind, naming) in &rules.names {
            naming.by.iter().for_each(|property| has(kind, property));
            assert!(published().arn(&naming.kind).is_some(), "{}", naming.kind);
        }
        for kind in rules.also.values() {
            assert!(published().arn(kind).is_some(), "{kind}");
        }
        for (kind, roles) in &rules.roles {
            roles.properties.iter().for_each(|property| has(kind, property));
        }
    }

    #[test]
    fn an_action_is_needed_with_its_property() {
        let table = |action, property: &'static str| {
            rules().needs("AWS::DynamoDB::Table", action, |name| name == property)
        };
        assert!(table("dynamodb:CreateTable", ""));
        assert!(!table("dynamodb:Scan", "SSESpecification"));
        assert!(table("dynamodb:Scan", "ImportSourceSpecification"));
        assert!(table("kms:CreateGrant", "SSESpecification") && !table("kms:CreateGrant", "Tags"));
        assert!(!table("s3:GetObjectMetadata", "ImportSourceSpecification"));
        assert!(!rules().needs("AWS::ECS::Cluster", "ecs:PutAccountSetting", |_| true));
        assert!(rules().needs("AWS::S3::Bucket", "s3:GetBucketMetadataTableConfiguration", |_| false));
    }
}
