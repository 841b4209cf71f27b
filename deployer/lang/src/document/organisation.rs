//! Settings that fit a stack into an organisation, for the file and for each stack: asked for early, read when the stack
//! and its config values are known.

use deployer_syntax::yaml::Node;

use super::section::Later;
use crate::model::organisation::{
    Boundary, NamedArn, Organisation, RoleArn, RolePath, RolePrefix, Tags, TopicArns, pattern_of, tags,
};
use crate::model::properties::{Properties, Read, Scope};

/// The settings as the file contains them, for the file as a whole or for one stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    tags: Option<Node>,
    permissions_boundary: Option<Node>,
    role_path: Option<Node>,
    role_prefix: Option<Node>,
    role_arn: Option<Node>,
    notifications: Option<Node>,
}

/// Reads one setting of a stack: its own, else that of the file. The one of the file must be right in any case.
fn read<R: Read>(
    own: Option<&Node>,
    of_file: Option<&Node>,
    kind: &R,
    scope: &Scope,
) -> Option<Option<R::Out>> {
    let read = |node: Option<&Node>| node.map_or(Some(None), |node| kind.read(node, scope).map(Some));
    let (own, of_file) = (read(own), read(of_file));
    Some(own?.or(of_file?))
}

impl Fields {
    /// Asks for the settings.
    pub(super) fn ask(properties: &mut Properties<'_>) -> Self {
        Self {
            tags: properties
                .field(
                    "tags",
                    "Tags of the stack, which CloudFormation gives to every resource that can have some: key → value. Those of a stack \
                     are added to those of the file, and win.",
                    Later(Tags),
                )
                .optional(),
            permissions_boundary: properties
                .field(
                    "permissionsBoundary",
                    "ARN of the policy that limits the permissions of every role that the deployer makes.",
                    Later(Boundary),
                )
                .optional(),
            role_path: properties
                .field(
                    "rolePath",
                    "Path of every role that the deployer makes, such as `/pipelines/`. A change replaces the roles.",
                    Later(RolePath),
                )
                .optional(),
            role_prefix: properties
                .field(
                    "rolePrefix",
                    "Beginning of the name of every role that the deployer makes; by default, CloudFormation makes the names. A \
                     change replaces the roles.",
                    Later(RolePrefix),
                )
                .optional(),
            role_arn: properties
                .field(
                    "roleArn",
                    "ARN of the role with which CloudFormation works on the stack, from its next change; `--role-arn` wins. By default, \
                     the role that the stack has, else the permissions of the caller.",
                    Later(RoleArn),
                )
                .optional(),
            notifications: properties
                .field(
                    "notificationArns",
                    "ARNs of the SNS topics that get the events of the stack.",
                    Later(TopicArns),
                )
                .optional(),
        }
    }

    /// Reads the settings of a stack: its own, else those of the file.
    pub(super) fn read(&self, of_file: &Self, scope: &Scope) -> Option<Organisation> {
        let all = |node: &Option<Node>| node.as_ref().map_or(Some(Vec::new()), |node| Tags.read(node, scope));
        let (given, own) = (all(&of_file.tags), all(&self.tags));
        let tags = given.zip(own).and_then(|(given, own)| tags(given, own, scope));
        let boundary =
            read(self.permissions_boundary.as_ref(), of_file.permissions_boundary.as_ref(), &Boundary, scope);
        let path = read(self.role_path.as_ref(), of_file.role_path.as_ref(), &RolePath, scope);
        let prefix = read(self.role_prefix.as_ref(), of_file.role_prefix.as_ref(), &RolePrefix, scope);
        let role_arn = read(self.role_arn.as_ref(), of_file.role_arn.as_ref(), &RoleArn, scope);
        let notifications =
            read(self.notifications.as_ref(), of_file.notifications.as_ref(), &TopicArns, scope);
        let (boundary, role_arn, notifications) = (boundary?, role_arn?, notifications?.unwrap_or_default());
        let named = |setting, text, span| NamedArn { setting, text, span };
        let mut arns: Vec<NamedArn> = Vec::new();
        arns.extend(boundary.iter().map(|text| named("permissionsBoundary", pattern_of(text), text.span)));
        arns.extend(role_arn.iter().map(|(arn, span)| named("roleArn", arn.clone(), *span)));
        arns.extend(notifications.iter().map(|(arn, span)| named("notificationArns", arn.clone(), *span)));
        Some(Organisation {
            tags: tags?,
            permissions_boundary: boundary,
            role_path: path?,
            role_prefix: prefix?,
            role_arn: role_arn.map(|(arn, _)| arn),
            notifications: notifications.into_iter().map(|(arn, _)| arn).collect(),
            arns,
        })
    }
}
