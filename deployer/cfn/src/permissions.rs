//! The permissions that the handlers of CloudFormation's resource types need, and the kinds of resource that IAM takes
//! for each action.
//!
//! Beside the flow: `deployer_plan::permissions` makes policies of them. `schemas/permissions.bin` is written by
//! `tools/registry.py`, and read when a policy is made, so that no other command pays for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::DeflateDecoder;
use serde::Deserialize;
use serde_json::Value;

use crate::schemas::SOURCE;

static FILE: &[u8] = include_bytes!("schemas/permissions.bin");

/// The published permissions.
#[derive(Debug, Default, Deserialize)]
pub struct Permissions {
    /// Type → action → letters of the handlers that need it.
    types: BTreeMap<String, BTreeMap<String, String>>,
    /// Action → kinds of resource, separated by commas; `!` marks those that IAM requires.
    actions: BTreeMap<String, String>,
    /// Kind of resource → form of its ARN.
    resources: BTreeMap<String, String>,
}

/// A kind of resource that IAM takes for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceKind<'a> {
    /// Its name with the prefix of the service, such as `sqs:queue`.
    pub name: &'a str,
    /// `true` if every call of the action names one.
    pub is_required: bool,
    /// The form of its ARN, such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`.
    pub arn: &'a str,
}

/// Returns the published permissions, read when they are first asked for.
#[must_use]
pub fn published() -> &'static Permissions {
    static PERMISSIONS: OnceLock<Permissions> = OnceLock::new();
    PERMISSIONS.get_or_init(|| {
        let mut text = Vec::new();
        // A test reads the file, so nothing can fail here.
        let read = DeflateDecoder::new(FILE).read_to_end(&mut text);
        read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
    })
}

/// Returns the date of the schemas that list the permissions, such as `2026-10-20`.
#[must_use]
pub fn date() -> String {
    let source: Value = serde_json::from_str(SOURCE).unwrap_or_default();
    source["date"].as_str().unwrap_or_default().chars().take_while(|letter| *letter != 'T').collect()
}

impl Permissions {
    /// Returns the actions that the handlers of a type need to create, read, update, delete and tag a resource: all are
    /// needed, since a rollback deletes and updates, and an import reads. `true` for those that set, read or remove tags.
    /// `None` for a type without published permissions.
    pub fn of(&self, resource_type: &str) -> Option<impl Iterator<Item = (&str, bool)>> {
        let actions = self.types.get(resource_type)?.iter();
        Some(actions.map(|(action, handlers)| (action.as_str(), handlers.contains('t'))))
    }

    /// Returns whether a type has handlers to create, read, update and delete its resources.
    #[must_use]
    pub fn is_fully_mutable(&self, resource_type: &str) -> bool {
        let handlers = self.types.get(resource_type).into_iter().flat_map(BTreeMap::values);
        let found: BTreeSet<char> = handlers.flat_map(|letters| letters.chars()).collect();
        ['c', 'r', 'u', 'd'].iter().all(|letter| found.contains(letter))
    }

    /// Returns the kinds of resource that IAM takes for an action, none for an action that can't be restricted to
    /// resources. `None` for an action that the reference does not have.
    pub fn resources(&self, action: &str) -> Option<Vec<ResourceKind<'_>>> {
        let kinds = self.actions.get(action)?.split(',').filter(|kind| !kind.is_empty());
        let found = kinds.filter_map(|kind| {
            let (name, arn) = self.resources.get_key_value(kind.trim_end_matches('!'))?;
            Some(ResourceKind { name, is_required: kind.ends_with('!'), arn })
        });
        Some(found.collect())
    }

    /// Returns the form of the ARN of a kind of resource.
    #[must_use]
    pub fn arn(&self, kind: &str) -> Option<&str> {
        self.resources.get(kind).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_have_their_permissions_and_actions_their_resources() {
        let all = published();
        assert!(all.types.len() > 1_500 && all.actions.len() > 7_000, "{} types", all.types.len());
        let queue: Vec<&str> =
            all.of("AWS::SQS::Queue").expect("permissions").map(|(name, _)| name).collect();
        assert!(queue.contains(&"sqs:CreateQueue") && queue.contains(&"sqs:UntagQueue"), "{queue:?}");
        assert!(date().starts_with("20") && date().len() == 10, "{}", date());
        assert!(!queue.contains(&"sqs:ListQueues"), "only a list of resources needs it");
        assert!(all.of("Custom::Own").is_none());
        let create = all.resources("sqs:CreateQueue").expect("an action");
        let arn = "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}";
        assert_eq!(create, [ResourceKind { name: "sqs:queue", is_required: true, arn }]);
        assert_eq!(all.resources("kms:CreateKey"), Some(Vec::new()));
        assert_eq!(all.resources("s3:DeleteBucketCors"), None);
        for (action, kinds) in &all.actions {
            let count = kinds.split(',').filter(|kind| !kind.is_empty()).count();
            assert_eq!(all.resources(action).map(|found| found.len()), Some(count), "{action}");
        }
    }
}
