//! `type: key`.

use std::collections::BTreeSet;

use deployer_syntax::diagnostic::Diagnostic;

use super::access::Verb;
use super::definition::{Definition, Drawing, UNUSED};
use super::properties::{Duration, Properties, Str};
use super::{ResourceType, Stack};

const DAY: u64 = 86_400;

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Description of the key.
    pub description: Option<String>,
    /// Days after which new key material is created.
    pub rotation: u64,
    /// Days from the deletion until the key no longer exists.
    pub deletion_window: u64,
}

impl Definition for Key {
    const DESCRIPTION: &'static str =
        "A KMS key of the account's own, rotated, with an alias. It costs money while idle.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] =
        &[("arn", "ARN"), ("id", "key id"), ("alias", "name of its alias")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Encrypt, "a key"), (Verb::Decrypt, "a key")];
    const DRAWING: Drawing = Drawing::Never;

    /// Reads it. Bounds: AWS KMS API reference, `EnableKeyRotation` and `ScheduleKeyDeletion`.
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let description = properties.field("description", "Description of the key.", Str).optional();
        let rotation = properties
            .field(
                "rotation",
                "Rotation period of the key material, in whole days.",
                Duration(90 * DAY, 2_560 * DAY),
            )
            .or(365 * DAY);
        let deletion_window = properties
            .field(
                "deletionWindow",
                "Waiting period before a deleted key is destroyed, in whole days.",
                Duration(7 * DAY, 30 * DAY),
            )
            .or(30 * DAY);
        for (name, seconds) in [("rotation", rotation), ("deletionWindow", deletion_window)] {
            if !seconds.is_multiple_of(DAY) {
                let span = properties.span_of(name);
                properties
                    .report(Diagnostic::error("E0104", span, "KMS counts whole days").help("such as `30d`"));
            }
        }
        Some(Self { description, rotation: rotation / DAY, deletion_window: deletion_window / DAY })
    }

    fn unused(&self) -> Option<&'static str> {
        Some(UNUSED)
    }
}

/// Gives the stack's key to every resource that can have one and names none, so that later steps need not ask for the
/// origin of a key.
pub(crate) fn encrypt(stack: &mut Stack) {
    let Some(key) = &stack.key else { return };
    let logged = |resource: &super::Resource| match &resource.is {
        ResourceType::Bucket(bucket) => bucket.logging.as_ref().map(|logging| logging.to.name.clone()),
        _ => None,
    };
    let logs: BTreeSet<String> = stack.resources.iter().filter_map(logged).collect();
    for resource in &mut stack.resources {
        // Amazon S3 User Guide, "Enabling Amazon S3 server access logging": logs are not delivered to a bucket with a
        // KMS key.
        if logs.contains(&resource.name) {
            continue;
        }
        if let Some(own) = resource.is.encryption_key_mut() {
            own.get_or_insert_with(|| key.clone());
        }
    }
}
