//! Changes of a stack as a whole that reach its resources: its tags, its notification topics, the path and the names of
//! its roles.

use deployer_cfn::schemas;
use serde_json::json;

use super::{ChangeKind, Diff, ResourceChange, ValueChange};

impl Diff {
    /// Adds a change of the topics that get the events of the stack.
    pub fn notifications(&mut self, before: &[String], after: &[String]) {
        let side = |arns: &[String]| (!arns.is_empty()).then(|| json!(arns));
        let action = match (before, after) {
            ([], _) => ChangeKind::Create,
            (_, []) => ChangeKind::Delete,
            _ => ChangeKind::Update,
        };
        self.template.push(ValueChange {
            name: "NotificationARNs".to_owned(),
            action,
            before: side(before),
            after: side(after),
            because: None,
        });
    }

    /// Returns the remark on a change of the tags of a deployed stack, which CloudFormation applies to every resource
    /// that can be tagged.
    #[must_use]
    pub fn reach_of_tags(&self) -> Option<String> {
        if self.new || self.tags.is_empty() {
            return None;
        }
        let stays = |one: &&ResourceChange| {
            matches!(one.action, ChangeKind::Keep | ChangeKind::Update) && is_taggable(&one.kind)
        };
        Some(match self.resources.iter().filter(stays).count() {
            0 => "the tags of the stack change; none of its resources can be tagged".to_owned(),
            1 => "the tags of the stack change, and with them those of 1 resource".to_owned(),
            count => format!("the tags of the stack change, and with them those of {count} resources"),
        })
    }
}

/// Returns whether resources of a type get the tags of their stack. Each type that can be tagged has a property for its
/// tags, whose name is `Tags` or ends with it.
fn is_taggable(kind: &str) -> bool {
    schemas::find(kind).is_some_and(|id| id.schema().properties().any(|name| name.ends_with("Tags")))
}

/// Returns the remark on roles that are replaced since their path or their names change.
pub(super) fn of_roles(changes: &[ResourceChange]) -> Option<String> {
    let renamed = |one: &&ResourceChange| {
        one.kind == "AWS::IAM::Role"
            && one.action == ChangeKind::Replace
            && one
                .changes
                .iter()
                .any(|change| matches!(change.path.as_str(), "Properties.Path" | "Properties.RoleName"))
    };
    let replaced = match changes.iter().filter(renamed).count() {
        0 => return None,
        1 => "1 role is replaced, since its path or name changes".to_owned(),
        count => format!("{count} roles are replaced, since their path or names change"),
    };
    Some(format!(
        "{replaced}; policies outside of this stack that name a role of it by its ARN must name the new one"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use crate::diff::{PseudoParameters, Side, compare};

    #[test]
    fn a_change_of_tags_says_how_many_resources_it_reaches() {
        let none = BTreeMap::new();
        let tags = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let template = json!({ "Resources": {
            "Jobs": { "Type": "AWS::SQS::Queue" },
            "Policy": { "Type": "AWS::SQS::QueuePolicy" },
            "Files": { "Type": "AWS::EFS::FileSystem" },
            "Own": { "Type": "Custom::Thing" },
        } });
        let side = |tags| Side { template: &template, parameters: &none, tags };
        let diff =
            |before, after| compare(Some(&side(before)), &side(after), &PseudoParameters::default(), &none);
        let changed = diff(&none, &tags);
        let said = changed.reach_of_tags();
        assert_eq!(said.as_deref(), Some("the tags of the stack change, and with them those of 2 resources"));
        assert!(!changed.is_empty());
        assert_eq!(diff(&tags, &tags).reach_of_tags(), None);
    }

    #[test]
    fn a_changed_path_replaces_roles_and_a_boundary_does_not() {
        let none = BTreeMap::new();
        let template = |property: &str| json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": { property: "/a/" } } } });
        let (plain, path) = (template("Description"), template("Path"));
        let boundary = template("PermissionsBoundary");
        let side = |template| Side { template, parameters: &none, tags: &none };
        let notes =
            |after| compare(Some(&side(&plain)), &side(after), &PseudoParameters::default(), &none).notes;
        assert_eq!(notes(&boundary), Vec::<String>::new());
        assert!(notes(&path)[0].starts_with("1 role is replaced, since its path or name changes"));
    }

    #[test]
    fn topics_are_a_difference() {
        let none = BTreeMap::new();
        let template = json!({ "Resources": {} });
        let side = Side { template: &template, parameters: &none, tags: &none };
        let mut diff = compare(Some(&side), &side, &PseudoParameters::default(), &none);
        assert!(diff.is_empty());
        diff.notifications(&[], &["arn:aws:sns:eu-west-1:111122223333:events".to_owned()]);
        assert!(!diff.is_empty());
    }
}
