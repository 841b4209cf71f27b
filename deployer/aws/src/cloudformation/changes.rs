//! The changes of a change set, as CloudFormation announces them.

use aws_sdk_cloudformation::types::{
    AttributeChangeType, BeforeValueFrom, ChangeAction, EvaluationType, Replacement, ResourceAttribute,
    ResourceChange,
};
use deployer_plan::diff::ChangeKind;

/// One planned change of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Kind of the change; with `perhaps`, the resource may be replaced.
    pub kind: ChangeKind,
    /// `true` if the change depends on values that are known only when it is made.
    pub perhaps: bool,
    /// Logical id.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// `true` if nothing but tags changes: those of the stack are applied to each of its resources.
    pub only_tags: bool,
    /// The comparison with the resource as it is, in a change set that reverts drift.
    pub drift: Option<ChangeDrift>,
}

/// The difference between a resource and its template, as a change set that reverts drift tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeDrift {
    /// CloudFormation's word: `IN_SYNC`, `MODIFIED`, `DELETED`, `NOT_CHECKED`, `UNKNOWN`, `UNSUPPORTED`.
    pub status: String,
    /// Paths of the properties that are set back.
    pub reverted: Vec<String>,
    /// Paths of the properties that are not compared, with the reason in CloudFormation's word.
    pub ignored: Vec<(String, String)>,
}

impl ChangeDrift {
    fn of(change: &ResourceChange) -> Option<Self> {
        let status = change.resource_drift_status()?.as_str().to_owned();
        let targets = change.details().iter().filter_map(|detail| detail.target());
        let reverted = targets
            .filter(|target| target.before_value_from() == Some(&BeforeValueFrom::ActualState))
            .filter(|target| target.attribute_change_type() != Some(&AttributeChangeType::SyncWithActual))
            .filter_map(|target| target.path().or(target.name()))
            .map(str::to_owned);
        let ignored = change.resource_drift_ignored_attributes().iter().map(|one| {
            let reason = one.reason().map(|reason| reason.as_str().to_owned());
            (one.path().unwrap_or_default().to_owned(), reason.unwrap_or_default())
        });
        Some(Self { status, reverted: reverted.collect(), ignored: ignored.collect() })
    }

    /// Returns whether the resource does not exist any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.status == "DELETED"
    }
}

/// Returns a change in the words of a plan.
pub(super) fn change(change: &ResourceChange) -> Option<Change> {
    let perhaps = change.replacement() == Some(&Replacement::Conditional);
    // The change refers to something that changes, and CloudFormation can't tell whether the value will: that is not a
    // reason to expect another resource.
    let dynamic = !change.details().is_empty()
        && change.details().iter().all(|detail| detail.evaluation() == Some(&EvaluationType::Dynamic));
    let drift = ChangeDrift::of(change);
    let kind = match change.action()? {
        // The resource was deleted by other means, so that nothing of it can be replaced.
        ChangeAction::Modify if drift.as_ref().is_some_and(ChangeDrift::is_deleted) => ChangeKind::Create,
        // The template has come to what the resource is: nothing is written.
        ChangeAction::SyncWithActual => ChangeKind::Keep,
        ChangeAction::Add => ChangeKind::Create,
        ChangeAction::Import => ChangeKind::Adopt,
        ChangeAction::Remove => ChangeKind::Delete,
        _ if change.replacement() == Some(&Replacement::True) || (perhaps && !dynamic) => ChangeKind::Replace,
        _ => ChangeKind::Update,
    };
    Some(Change {
        kind,
        perhaps: perhaps || dynamic,
        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
        only_tags: change.scope() == [ResourceAttribute::Tags],
        drift,
    })
}
