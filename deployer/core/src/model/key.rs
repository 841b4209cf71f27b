//! `type: key`.

use std::collections::BTreeSet;

use super::properties::{Duration, Properties, Str};
use super::{ResourceType, Stack};
use crate::diagnostic::Diagnostic;

/// What the type is.
pub const DESCRIPTION: &str =
    "A KMS key of the account's own, rotated, with an alias. It costs money while idle.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("arn", "ARN"), ("id", "key id"), ("alias", "name of its alias")];

const DAY: u64 = 86_400;

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Description of the key.
    pub description: Option<String>,
    /// Days after which new key material is made.
    pub rotation: u64,
    /// Days from deletion until the key is gone.
    pub deletion_window: u64,
}

impl Key {
    /// Bounds: AWS KMS API reference, `EnableKeyRotation` and `ScheduleKeyDeletion`.
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
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
}

/// Gives the stack's key to every resource that can have one and names none, so that nothing behind asks where a key
/// comes from.
pub(crate) fn encrypt(stack: &mut Stack) {
    let Some(key) = &stack.key else { return };
    let logged = |resource: &super::Resource| match &resource.is {
        ResourceType::Bucket(bucket) => bucket.logging.as_ref().map(|logging| logging.to.name.clone()),
        _ => None,
    };
    let logs: BTreeSet<String> = stack.resources.iter().filter_map(logged).collect();
    for resource in &mut stack.resources {
        let own = match &mut resource.is {
            // Amazon S3 User Guide, "Enabling Amazon S3 server access logging": logs come to no bucket with a KMS key.
            ResourceType::Bucket(bucket) if !logs.contains(&resource.name) => &mut bucket.encryption_key,
            ResourceType::Queue(queue) => &mut queue.encryption_key,
            ResourceType::Topic(topic) => &mut topic.encryption_key,
            ResourceType::Table(table) => &mut table.encryption_key,
            // A bus that is there keeps its own key; an archive of it is the stack's.
            ResourceType::Bus(bus) if bus.existing.is_none() || bus.archive.is_some() => {
                &mut bus.encryption_key
            }
            _ => continue,
        };
        own.get_or_insert_with(|| key.clone());
    }
}
