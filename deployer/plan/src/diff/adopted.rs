//! Resources that a plan adopts: an import brings them into the stack before the rest is created.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ChangeKind, Diff, summary};

/// A resource that exists outside of every stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "adoptedResource")]
pub struct Adopted {
    /// Physical ID.
    pub physical_id: String,
    /// The data in it, in words, as far as it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

impl Diff {
    /// Marks the resources that an import brings into the stack, by their logical IDs. This side of the comparison is a
    /// template with nothing else, so the stack is a new one.
    pub fn adopt(&mut self, adopted: &BTreeMap<String, Adopted>) {
        self.new = true;
        for resource in &mut self.resources {
            let Some(adopted) = adopted.get(&resource.id) else { continue };
            resource.adopted = Some(adopted.clone());
            if matches!(resource.action, ChangeKind::Keep | ChangeKind::Update) {
                resource.action = ChangeKind::Adopt;
            }
        }
        self.template.clear();
        self.summary = summary(&self.resources);
    }
}

/// Returns whether a count is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) const fn is_zero(count: &usize) -> bool {
    *count == 0
}
