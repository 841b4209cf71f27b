//! `type: key`.

use std::collections::BTreeSet;

use deployer_syntax::diagnostic::Diagnostic;

use super::access::Verb;
use super::definition::{Definition, Drawing, UNUSED};
use super::existing::{Existing, OWN_SETTINGS, Refused};
use super::properties::{Duration, Properties, Str};
use super::{Kind, ResourceType, Stack};

const DAY: u64 = 86_400;

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Description of the key.
    pub description: Option<String>,
    /// Days after which new key material is created.
    pub rotation: u64,
    /// Days from the deletion until the key no longer exists.
    pub deletion_window: u64,
}

/// The properties that an existing key can't have.
const REFUSED: [Refused; 3] =
    [("description", OWN_SETTINGS), ("rotation", OWN_SETTINGS), ("deletionWindow", OWN_SETTINGS)];

impl Definition for Key {
    const DESCRIPTION: &'static str = "A KMS key of the account's own, rotated, with an alias, which costs money while idle; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] =
        &[("arn", "ARN"), ("id", "key id"), ("alias", "name of its alias")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Encrypt, "a key"), (Verb::Decrypt, "a key")];
    const DRAWING: Drawing = Drawing::Never;

    /// Reads it. Bounds: AWS KMS API reference, `EnableKeyRotation` and `ScheduleKeyDeletion`.
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Key,
            "ID or ARN of an existing key in the region of the stack; the stack creates none, and does not change it.",
            &REFUSED,
        );
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
        Some(Self { existing, description, rotation: rotation / DAY, deletion_window: deletion_window / DAY })
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn unused(&self) -> Option<&'static str> {
        self.existing.is_none().then_some(UNUSED)
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
