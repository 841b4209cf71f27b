//! The way out of every state in which a stack can get stuck, decided as data before anything is called.
//!
//! [`decide`] takes the state of the stack and the permissions of the user; `commands/recover.rs` shows the plan, asks,
//! and runs it.

use std::collections::BTreeSet;

use deployer_aws::cloudformation::StackResource;
use deployer_base::error::Message;
use deployer_cfn::status::Status;
use deployer_plan::diagnose::{Diagnosis, known};
use deployer_plan::diff;

use crate::watch::Goal;

mod deletion;
mod step;

pub use deletion::{delete_command, delete_lines};
pub use step::Step;

/// The state of a stack, and the permissions of the user.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryCase<'s> {
    /// CloudFormation's word for the status.
    pub status: &'s str,
    /// The resources of the stack.
    pub resources: &'s [StackResource],
    /// The reason for which the last failed operation failed.
    pub diagnosis: Option<&'s Diagnosis>,
    /// Logical IDs that the deployed template keeps when the stack is deleted.
    pub retained: &'s BTreeSet<String>,
    /// `true` if the attempt just now failed for the same resources.
    pub again: bool,
    /// `true` if the last operation failed in express mode.
    pub express: bool,
    /// Number of the record of the last deployment that succeeded.
    pub last_good: Option<u64>,
    /// Number of tasks that run in the clusters of the stack.
    pub tasks: usize,
    /// The options of the command.
    pub allowed: Allowed,
}

/// The permissions of the user beyond the harmless way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `true` if a rollback may continue without the resources that fail.
    pub skip: bool,
    /// `true` if resources that prevent a deletion are kept, rather than emptied or unprotected.
    pub retain: bool,
    /// `true` if the stack is deleted even if some of its resources can't be deleted.
    pub force: bool,
    /// `true` if an update in progress may be stopped.
    pub cancel: bool,
}

/// The steps of a recovery, and their consequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The meaning of the state, in a sentence.
    pub state: &'static str,
    /// The steps, one after another.
    pub steps: Vec<Step>,
    /// Resources that are deleted, those that hold data first.
    pub lost: Vec<StackResource>,
    /// Resources that stay, without a stack.
    pub kept: Vec<StackResource>,
}

/// The decision about a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is wrong.
    Nothing,
    /// The stack can be recovered by this plan.
    Go(Box<Plan>),
    /// The recovery is refused, at all or with these options.
    Refused(Message),
}

/// Decides on the way out of a state.
#[must_use]
pub fn decide(case: &RecoveryCase) -> Decision {
    let allowed = case.allowed;
    let status = Status::of(case.status);
    if allowed.force && status != Status::DeleteFailed {
        return Decision::Refused(
            Message::new(format!(
                "the stack is in {status}, and only one in DELETE_FAILED can be deleted by force"
            ))
            .hint("run `deployer recover` without `--force`"),
        );
    }
    if allowed.skip && status != Status::UpdateRollbackFailed {
        return Decision::Refused(
            Message::new(format!(
                "the stack is in {status}, and only a rollback that has failed can skip resources"
            ))
            .hint("run `deployer recover` without `--skip`"),
        );
    }
    if allowed.cancel && status != Status::UpdateInProgress {
        return Decision::Refused(
            Message::new(format!(
                "the stack is in {status}, and only an update in progress can be cancelled"
            ))
            .hint("run `deployer recover` without `--cancel`"),
        );
    }
    let simple = |state, steps| go(Plan { state, steps, lost: Vec::new(), kept: Vec::new() });
    match status {
        Status::ReviewInProgress => simple(
            "a change set was created for a new stack, but never executed; nothing is deployed",
            vec![Step::DeleteChangeSets, Step::Delete { retain: Vec::new() }],
        ),
        Status::RollbackComplete | Status::RollbackFailed | Status::CreateFailed => {
            let (kept, lost) = divide(case, &[]);
            go(Plan {
                state: "the stack was never created completely, and can only be deleted",
                steps: stop(case).chain([Step::Delete { retain: Vec::new() }]).collect(),
                lost,
                kept,
            })
        }
        Status::UpdateFailed if case.express => replay(case),
        Status::UpdateFailed => simple(
            "an update failed and was not rolled back; the stack is in service, partly updated",
            vec![Step::RollBack],
        ),
        Status::UpdateRollbackFailed => continue_rollback(case),
        Status::DeleteFailed => delete(case),
        Status::UpdateInProgress if allowed.cancel => simple(
            "an update is in progress, and will be cancelled and rolled back",
            vec![Step::CancelUpdate],
        ),
        busy if busy.is_in_progress() => simple("an operation is in progress", vec![Step::Watch(goal(busy))]),
        settled if settled.is_complete() => Decision::Nothing,
        _ => Decision::Refused(
            Message::new(format!("CloudFormation has no operation that repairs a stack in {status}"))
                .hint("check the stack in the CloudFormation console, or ask AWS Support"),
        ),
    }
}

/// Decides on a stack that failed in express mode, which CloudFormation does not roll back. The remaining way is to
/// deploy the last successful deployment again in that mode, which changes only the resources that the failed update
/// changed.
fn replay(case: &RecoveryCase) -> Decision {
    match case.last_good {
        Some(number) => go(Plan {
            state: "an update in express mode failed, and CloudFormation cannot roll it back; the stack is in service, partly \
                    updated",
            steps: vec![Step::Replay(number)],
            lost: Vec::new(),
            kept: Vec::new(),
        }),
        None => Decision::Refused(
            Message::new(
                "an update in express mode failed, CloudFormation cannot roll it back, and there is no record of a successful deployment",
            )
            .hint(
                "deploy the last template that worked with `aws cloudformation update-stack --deployment-config \
                 Mode=EXPRESS,DisableRollback=true --capabilities CAPABILITY_IAM`, then run `deployer deploy`",
            ),
        ),
    }
}

fn go(plan: Plan) -> Decision {
    Decision::Go(Box::new(plan))
}

/// Returns the goal of an operation in progress.
#[must_use]
pub fn goal(status: Status) -> Goal {
    match status {
        Status::DeleteInProgress => Goal::Destroy,
        back if back.is_rollback() => Goal::RollBack,
        _ => Goal::Deploy,
    }
}

/// Returns the logical IDs of the resources whose failure ended the last attempt, and that still are in a failed state.
#[must_use]
pub fn failed(case: &RecoveryCase) -> Vec<String> {
    let is_failed =
        |id: &str| case.resources.iter().any(|one| one.logical_id == id && Status::of(&one.status).failed());
    let causes = case.diagnosis.map(|diagnosis| diagnosis.causes.as_slice()).unwrap_or_default();
    let mut out: Vec<String> =
        causes.iter().map(|cause| cause.logical_id.clone()).filter(|id| is_failed(id)).collect();
    out.dedup();
    out
}

fn continue_rollback(case: &RecoveryCase) -> Decision {
    let state = "an update failed, and its rollback failed too; the stack is in service, partly updated, and can't be updated";
    let plan = |steps| go(Plan { state, steps, lost: Vec::new(), kept: Vec::new() });
    if !case.allowed.skip && !case.again {
        return plan(vec![Step::ContinueRollback { skip: Vec::new() }]);
    }
    let skip = failed(case);
    if skip.is_empty() {
        return Decision::Refused(
            Message::new("no resource is known to have failed in the rollback, so there is nothing to skip")
                .hint("run `deployer recover` without `--skip`"),
        );
    }
    plan(vec![Step::ContinueRollback { skip: skip.clone() }, Step::CheckDrift(skip)])
}

fn delete(case: &RecoveryCase) -> Decision {
    let state = "some resources of the stack could not be deleted, the others are deleted";
    if case.allowed.force {
        let (kept, lost) = divide(case, &[]);
        // Resources that can't be deleted stay as well, and CloudFormation doesn't name them beforehand.
        return go(Plan { state, steps: stop(case).chain([Step::ForceDelete]).collect(), lost, kept });
    }
    let mut steps: Vec<Step> = stop(case).collect();
    let mut retain = Vec::new();
    let mut passing = Vec::new();
    let blocking = case.resources.iter().filter(|one| Status::of(&one.status) == Status::DeleteFailed);
    for resource in blocking {
        let causes = case.diagnosis.map(|diagnosis| diagnosis.causes.as_slice()).unwrap_or_default();
        let cause = causes.iter().find(|cause| cause.logical_id == resource.logical_id);
        let id = cause.and_then(|cause| cause.known.as_ref()).map_or("", |known| known.id);
        match id {
            "bucket-not-empty" if !case.allowed.retain => {
                steps.push(Step::EmptyBucket(resource.physical_id.clone()));
            }
            "table-protected" if !case.allowed.retain => {
                steps.push(Step::UnprotectTable(resource.physical_id.clone()));
            }
            id if (known::entry(id).is_some_and(known::Known::passes) || waits_for_tasks(case, resource))
                && !case.again
                && !case.allowed.retain =>
            {
                passing.push(resource.logical_id.clone());
            }
            _ => retain.push(resource.logical_id.clone()),
        }
    }
    let (kept, lost) = divide(case, &retain);
    steps.push(Step::Delete { retain });
    go(Plan { state, steps, lost, kept })
}

/// Returns the step that stops the tasks of a stack, if any run.
fn stop(case: &RecoveryCase) -> impl Iterator<Item = Step> + use<> {
    Some(case.tasks).filter(|count| *count > 0).map(Step::StopTasks).into_iter()
}

/// Returns whether a resource could not be deleted because of tasks that are stopped now.
fn waits_for_tasks(case: &RecoveryCase, resource: &StackResource) -> bool {
    let waits = [
        "AWS::ECS::Cluster",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::Subnet",
        "AWS::EC2::SecurityGroup",
    ];
    case.tasks > 0 && waits.contains(&resource.resource_type.as_str())
}

/// Divides the resources into kept and deleted ones, those with data first.
fn divide(case: &RecoveryCase, retain: &[String]) -> (Vec<StackResource>, Vec<StackResource>) {
    let there = case.resources.iter().filter(|one| one.exists());
    let (kept, mut lost): (Vec<_>, Vec<_>) = there
        .cloned()
        .partition(|one| retain.contains(&one.logical_id) || case.retained.contains(&one.logical_id));
    lost.sort_by_key(|one| diff::holds(&one.resource_type).is_none());
    (kept, lost)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use deployer_plan::diagnose::{Event, diagnose};

    use super::*;

    fn resource(id: &str, resource_type: &str, status: &str) -> StackResource {
        StackResource {
            logical_id: id.into(),
            physical_id: format!("{}-1", id.to_lowercase()),
            resource_type: resource_type.into(),
            status: status.into(),
        }
    }

    fn event(id: &str, resource_type: &str, status: &str, reason: &str) -> Event {
        Event {
            logical_id: id.into(),
            resource_type: resource_type.into(),
            status: status.into(),
            reason: Some(reason.into()),
            of_stack: id == "stack",
            ..Event::default()
        }
    }

    fn steps(case: &RecoveryCase) -> Vec<Step> {
        match decide(case) {
            Decision::Go(plan) => plan.steps,
            other => panic!("{}: {other:?}", case.status),
        }
    }

    const NOTHING: RecoveryCase<'static> = RecoveryCase {
        status: "",
        resources: &[],
        diagnosis: None,
        retained: &BTreeSet::new(),
        again: false,
        express: false,
        last_good: None,
        tasks: 0,
        allowed: Allowed { skip: false, retain: false, force: false, cancel: false },
    };

    #[test]
    fn every_state_has_its_way_out() {
        let delete = || vec![Step::Delete { retain: Vec::new() }];
        for (status, wanted) in [
            ("REVIEW_IN_PROGRESS", vec![Step::DeleteChangeSets, Step::Delete { retain: Vec::new() }]),
            ("ROLLBACK_COMPLETE", delete()),
            ("ROLLBACK_FAILED", delete()),
            ("CREATE_FAILED", delete()),
            ("DELETE_FAILED", delete()),
            ("UPDATE_FAILED", vec![Step::RollBack]),
            ("UPDATE_ROLLBACK_FAILED", vec![Step::ContinueRollback { skip: Vec::new() }]),
            ("CREATE_IN_PROGRESS", vec![Step::Watch(Goal::Deploy)]),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", vec![Step::Watch(Goal::Deploy)]),
            ("UPDATE_ROLLBACK_IN_PROGRESS", vec![Step::Watch(Goal::RollBack)]),
            ("ROLLBACK_IN_PROGRESS", vec![Step::Watch(Goal::RollBack)]),
            ("DELETE_IN_PROGRESS", vec![Step::Watch(Goal::Destroy)]),
        ] {
            assert_eq!(steps(&RecoveryCase { status, ..NOTHING }), wanted, "{status}");
        }
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"] {
            assert_eq!(decide(&RecoveryCase { status, ..NOTHING }), Decision::Nothing, "{status}");
        }
        assert!(matches!(
            decide(&RecoveryCase { status: "IMPORT_ROLLBACK_FAILED", ..NOTHING }),
            Decision::Refused(_)
        ));
    }

    #[test]
    fn an_option_that_does_not_fit_the_state_is_refused() {
        let force = Allowed { force: true, ..Allowed::default() };
        let skip = Allowed { skip: true, ..Allowed::default() };
        let cancel = Allowed { cancel: true, ..Allowed::default() };
        for (status, allowed) in [
            ("ROLLBACK_COMPLETE", force),
            ("UPDATE_FAILED", skip),
            ("CREATE_IN_PROGRESS", cancel),
            // No resource is known to have failed.
            ("UPDATE_ROLLBACK_FAILED", skip),
        ] {
            assert!(
                matches!(decide(&RecoveryCase { status, allowed, ..NOTHING }), Decision::Refused(_)),
                "{status}"
            );
        }
        assert_eq!(
            steps(&RecoveryCase { status: "UPDATE_IN_PROGRESS", allowed: cancel, ..NOTHING }),
            [Step::CancelUpdate]
        );
        assert_eq!(
            steps(&RecoveryCase { status: "DELETE_FAILED", allowed: force, ..NOTHING }),
            [Step::ForceDelete]
        );
    }

    #[test]
    fn what_failed_in_express_mode_is_deployed_again_and_not_rolled_back() {
        let stuck = RecoveryCase { status: "UPDATE_FAILED", express: true, last_good: Some(7), ..NOTHING };
        assert_eq!(steps(&stuck), [Step::Replay(7)]);
        let Decision::Refused(message) = decide(&RecoveryCase { last_good: None, ..stuck }) else {
            panic!("nothing is known to go back to")
        };
        assert!(message.hint.expect("a way out").contains("Mode=EXPRESS"), "{}", message.text);
    }

    #[test]
    fn tasks_are_stopped_before_what_they_hold_is_deleted() {
        let resources = [
            resource("Cluster", "AWS::ECS::Cluster", "DELETE_FAILED"),
            resource("Gateway", "AWS::EC2::VPCGatewayAttachment", "DELETE_FAILED"),
        ];
        let delete = Step::Delete { retain: Vec::new() };
        let stuck = RecoveryCase { status: "DELETE_FAILED", resources: &resources, tasks: 2, ..NOTHING };
        assert_eq!(steps(&stuck), [Step::StopTasks(2), delete.clone()]);
        let never_made = RecoveryCase { status: "CREATE_FAILED", ..stuck };
        assert_eq!(steps(&never_made), [Step::StopTasks(2), delete]);
        let force = Allowed { force: true, ..Allowed::default() };
        assert_eq!(steps(&RecoveryCase { allowed: force, ..stuck }), [Step::StopTasks(2), Step::ForceDelete]);
        let both = || vec!["Cluster".into(), "Gateway".into()];
        // If no task runs, and no other reason is known, waiting doesn't help any more.
        assert_eq!(steps(&RecoveryCase { tasks: 0, ..stuck }), [Step::Delete { retain: both() }]);
        assert_eq!(
            steps(&RecoveryCase { again: true, ..stuck }),
            [Step::StopTasks(2), Step::Delete { retain: both() }]
        );
    }

    #[test]
    fn exactly_what_failed_is_skipped_and_then_compared() {
        let events = [
            event("stack", "", "UPDATE_IN_PROGRESS", ""),
            event("Table", "AWS::X::Y", "UPDATE_FAILED", "began it"),
            event("stack", "", "UPDATE_ROLLBACK_IN_PROGRESS", ""),
            event("Function", "AWS::X::Y", "UPDATE_FAILED", "the image is gone"),
            event("Queue", "AWS::X::Y", "UPDATE_FAILED", "Resource update cancelled"),
            event("Healed", "AWS::X::Y", "UPDATE_FAILED", "it works by now"),
            event("stack", "", "UPDATE_ROLLBACK_FAILED", ""),
        ];
        let diagnosis = diagnose(&events, &BTreeMap::new());
        let resources = [
            resource("Table", "AWS::X::Y", "UPDATE_COMPLETE"),
            resource("Function", "AWS::X::Y", "UPDATE_FAILED"),
            resource("Queue", "AWS::X::Y", "UPDATE_FAILED"),
            resource("Healed", "AWS::X::Y", "UPDATE_COMPLETE"),
        ];
        let stuck = RecoveryCase {
            status: "UPDATE_ROLLBACK_FAILED",
            resources: &resources,
            diagnosis: diagnosis.as_ref(),
            ..NOTHING
        };
        assert_eq!(steps(&stuck), [Step::ContinueRollback { skip: Vec::new() }]);
        let wanted = [
            Step::ContinueRollback { skip: vec!["Function".into()] },
            Step::CheckDrift(vec!["Function".into()]),
        ];
        assert_eq!(steps(&RecoveryCase { again: true, ..stuck }), wanted);
        let allowed = Allowed { skip: true, ..Allowed::default() };
        assert_eq!(steps(&RecoveryCase { allowed, ..stuck }), wanted);
    }

    #[test]
    fn what_stands_in_the_way_of_a_deletion_is_emptied_waited_for_or_kept() {
        let not_empty = &known::entry("bucket-not-empty").expect("known").examples[0];
        let in_use = &known::entry("security-group-in-use").expect("known").examples[0];
        let protected = &known::entry("table-protected").expect("known").examples[0];
        let events = [
            event("stack", "", "DELETE_IN_PROGRESS", ""),
            event("Landing", "AWS::S3::Bucket", "DELETE_FAILED", not_empty),
            event("Records", "AWS::DynamoDB::Table", "DELETE_FAILED", protected),
            event("Group", "AWS::EC2::SecurityGroup", "DELETE_FAILED", in_use),
            event("Odd", "AWS::X::Y", "DELETE_FAILED", "no"),
            event("stack", "", "DELETE_FAILED", ""),
        ];
        let diagnosis = diagnose(&events, &BTreeMap::new());
        let resources = [
            resource("Odd", "AWS::X::Y", "DELETE_FAILED"),
            resource("Gone", "AWS::X::Y", "DELETE_COMPLETE"),
            resource("Group", "AWS::EC2::SecurityGroup", "DELETE_FAILED"),
            resource("Landing", "AWS::S3::Bucket", "DELETE_FAILED"),
            resource("Records", "AWS::DynamoDB::Table", "DELETE_FAILED"),
        ];
        let stuck = RecoveryCase {
            status: "DELETE_FAILED",
            resources: &resources,
            diagnosis: diagnosis.as_ref(),
            ..NOTHING
        };
        let prepare = [Step::EmptyBucket("landing-1".into()), Step::UnprotectTable("records-1".into())];
        let Decision::Go(plan) = decide(&stuck) else { panic!("a plan") };
        assert_eq!(plan.steps[..2], prepare);
        assert_eq!(plan.steps[2], Step::Delete { retain: vec!["Odd".into()] });
        let ids = |list: &[StackResource]| list.iter().map(|one| one.logical_id.clone()).collect::<Vec<_>>();
        assert_eq!(
            (ids(&plan.lost), ids(&plan.kept)),
            (vec!["Landing".into(), "Records".into(), "Group".into()], vec!["Odd".into()])
        );

        let again = steps(&RecoveryCase { again: true, ..stuck });
        assert_eq!(again[2], Step::Delete { retain: vec!["Odd".into(), "Group".into()] });
        let allowed = Allowed { retain: true, ..Allowed::default() };
        let all = ["Odd", "Group", "Landing", "Records"].map(str::to_owned).to_vec();
        assert_eq!(steps(&RecoveryCase { allowed, ..stuck }), [Step::Delete { retain: all }]);
    }
}
