//! A deployment that takes back what was changed by other means: the parts that CloudFormation takes back, those that it
//! leaves, and the question about deleted resources, which come back empty.

use deployer_aws::cloudformation::{Change, ChangeDrift};
use deployer_base::error::Result;
use deployer_base::text::printable;
use deployer_plan::diff;

use super::Deployment;

impl Deployment<'_> {
    /// Shows what the change set takes back, and what it doesn't.
    pub(super) fn tell_drift(&self, changes: &[Change]) {
        if !self.options.mode.revert_drift {
            return;
        }
        let ui = &self.context.ui;
        let mut unchecked = Vec::new();
        for change in changes {
            let Some(drift) = &change.drift else { continue };
            let id = &change.logical_id;
            match drift.status.as_str() {
                "DELETED" => ui.step("creates", printable(&format!("{id} again, which was deleted"))),
                "MODIFIED" if !drift.reverted.is_empty() => {
                    ui.step("reverts", printable(&format!("{id}: {}", drift.reverted.join(", "))));
                }
                "MODIFIED" | "IN_SYNC" => {}
                _ => unchecked.push(id.as_str()),
            }
            for (path, reason) in &drift.ignored {
                let why = ignored(reason);
                ui.step("leaves", printable(&format!("{id}: {path}, {why}")));
            }
        }
        if !unchecked.is_empty() {
            ui.step(
                "leaves",
                printable(&format!("what CloudFormation can't compare: {}", unchecked.join(", "))),
            );
        }
        ui.step("leaves", "properties that the template does not set");
    }

    /// Asks before resources with data that were deleted come back without it.
    pub(super) async fn gate_deleted(&self, changes: &[Change]) -> Result<()> {
        let gone = |change: &&Change| {
            change.drift.as_ref().is_some_and(ChangeDrift::is_deleted)
                && diff::holds(&change.resource_type).is_some()
        };
        let gone: Vec<&str> = changes.iter().filter(gone).map(|change| change.logical_id.as_str()).collect();
        if gone.is_empty() || !self.options.mode.revert_drift {
            return Ok(());
        }
        self.context.ui.confirm(&format!("Create {} again, empty?", gone.join(", "))).await
    }
}

/// Returns in words why CloudFormation does not set a property back: CloudFormation API Reference,
/// `ResourceDriftIgnoredAttribute`.
fn ignored(reason: &str) -> &str {
    match reason {
        "MANAGED_BY_AWS" => "which AWS sets by itself",
        "WRITE_ONLY_PROPERTY" => "which no call returns",
        "SENSITIVE_PROPERTY" => "whose value is secret",
        other => other,
    }
}
