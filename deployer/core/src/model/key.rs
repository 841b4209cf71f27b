//! `type: key`.

use super::properties::{Duration, Properties, Str};
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
    /// What it is for.
    pub description: Option<String>,
    /// Days after which new key material is made.
    pub rotation: u64,
    /// Days from deletion until the key is gone.
    pub deletion_window: u64,
}

impl Key {
    /// Bounds: AWS KMS API reference, `EnableKeyRotation` and `ScheduleKeyDeletion`.
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let description = properties.field("description", "What it is for.", Str).optional();
        let rotation = properties
            .field(
                "rotation",
                "How often new key material is made, in whole days.",
                Duration(90 * DAY, 2_560 * DAY),
            )
            .or(365 * DAY);
        let deletion_window = properties
            .field(
                "deletionWindow",
                "Time from deletion until the key is gone, in whole days.",
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
