//! The way out of every state in which a stack can get stuck, decided as data before anything is called.
//!
//! [`decide`] is given what is known of the stack and what the user allows; `commands/recover.rs` shows the plan, asks,
//! and does it.

use std::collections::BTreeSet;

use deployer_aws::cloudformation::StackResource;
use deployer_base::error::Message;
use deployer_base::text::quoted;
use stack_core::diagnose::{Diagnosis, known};
use stack_core::diff;
use stack_core::status::Status;

use crate::watch::Goal;

/// What is known of a stack, and what the user allows.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryCase<'s> {
    /// CloudFormation's word for the state.
    pub status: &'s str,
    /// The resources of the stack.
    pub resources: &'s [StackResource],
    /// Why the last operation that failed did so.
    pub diagnosis: Option<&'s Diagnosis>,
    /// Logical ids that the deployed template keeps when the stack goes.
    pub retained: &'s BTreeSet<String>,
    /// What was just tried failed for the same resources.
    pub again: bool,
    /// The last operation failed in express mode.
    pub express: bool,
    /// Number of the record of the last deployment that succeeded.
    pub last_good: Option<u64>,
    /// Tasks that run in the clusters of the stack.
    pub tasks: usize,
    /// The options of the command.
    pub allowed: Allowed,
}

/// What the user allows beyond the harmless way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Go on with a rollback without the resources that fail.
    pub skip: bool,
    /// Keep what stands in the way of a deletion, rather than empty or unprotect it.
    pub retain: bool,
    /// Delete the stack whatever can't be deleted of it.
    pub force: bool,
    /// Stop an update that is under way.
    pub cancel: bool,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove the change sets that were never executed.
    DeleteChangeSets,
    /// Stop so many tasks, which keep their cluster and their network from being deleted.
    StopTasks(usize),
    /// Delete all that a bucket holds.
    EmptyBucket(String),
    /// Take the protection from deletion off a table.
    UnprotectTable(String),
    /// Delete the stack, and keep these resources.
    Delete {
        /// Logical ids.
        retain: Vec<String>,
    },
    /// Delete the stack whatever can't be deleted of it.
    ForceDelete,
    /// Take a failed update back.
    RollBack,
    /// Deploy what this record holds again, in express mode.
    Replay(u64),
    /// Go on with a rollback, without these resources.
    ContinueRollback {
        /// Logical ids.
        skip: Vec<String>,
    },
    /// Stop the update.
    CancelUpdate,
    /// Watch the operation to its end.
    Watch(Goal),
    /// See whether the resources that were skipped are as the template says.
    CheckDrift(Vec<String>),
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the state means, in a sentence.
    pub state: &'static str,
    /// One after another.
    pub steps: Vec<Step>,
    /// Resources that are deleted, those that hold data first.
    pub lost: Vec<StackResource>,
    /// Resources that stay, without a stack.
    pub kept: Vec<StackResource>,
}

/// What can be done about a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is wrong.
    Nothing,
    /// This.
    Go(Box<Plan>),
    /// Not that, or not so.
    Refused(Message),
}

/// The way out of a state.
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

/// CloudFormation rolls back no stack that failed in express mode. What is left is to deploy in that mode what was deployed
/// before, which changes nothing but what the failed update changed.
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

/// What an operation under way is to reach.
#[must_use]
pub fn goal(status: Status) -> Goal {
    match status {
        Status::DeleteInProgress => Goal::Destroy,
        back if back.is_rollback() => Goal::RollBack,
        _ => Goal::Deploy,
    }
}

/// Logical ids of the resources whose failure the last attempt ended with, and that still are in a failed state.
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
        // What can't be deleted stays as well, and CloudFormation doesn't say beforehand what that is.
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

/// What stops the tasks of a stack, if any run.
fn stop(case: &RecoveryCase) -> impl Iterator<Item = Step> + use<> {
    Some(case.tasks).filter(|count| *count > 0).map(Step::StopTasks).into_iter()
}

/// Whether a resource could not be deleted for tasks that are stopped now.
fn waits_for_tasks(case: &RecoveryCase, resource: &StackResource) -> bool {
    let waits = [
        "AWS::ECS::Cluster",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::Subnet",
        "AWS::EC2::SecurityGroup",
    ];
    case.tasks > 0 && waits.contains(&resource.resource_type.as_str())
}

/// The resources that stay and those that go, those that hold data first.
fn divide(case: &RecoveryCase, retain: &[String]) -> (Vec<StackResource>, Vec<StackResource>) {
    let there = case.resources.iter().filter(|one| one.exists());
    let (kept, mut lost): (Vec<_>, Vec<_>) = there
        .cloned()
        .partition(|one| retain.contains(&one.logical_id) || case.retained.contains(&one.logical_id));
    lost.sort_by_key(|one| diff::holds(&one.resource_type).is_none());
    (kept, lost)
}

/// The command that deletes a resource which no stack has any more, as one line.
#[must_use]
pub fn delete_command(resource: &StackResource) -> String {
    let (commands, then) = delete_commands(resource);
    commands.join(then)
}

/// The same as commands of their own, with what stands between them in one line.
fn delete_commands(resource: &StackResource) -> (Vec<String>, &'static str) {
    let name = quoted(&resource.physical_id);
    let one = |command: String| (vec![command], "; ");
    match resource.resource_type.as_str() {
        "AWS::S3::Bucket" => {
            // `aws s3 rb --force` deletes no old versions, and fails over them.
            let delete = format!(
                "aws s3api delete-objects --bucket {name} --delete \"$(aws s3api list-object-versions --bucket {name} --max-items 1000 \
                 --query '{{Objects: [Versions, DeleteMarkers][].{{Key: Key, VersionId: VersionId}}}}')\""
            );
            (vec![delete, format!("aws s3 rb {}", quoted(&format!("s3://{}", resource.physical_id)))], "; ")
        }
        "AWS::DynamoDB::Table" => (
            vec![
                format!("aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled"),
                format!("aws dynamodb delete-table --table-name {name}"),
            ],
            " && ",
        ),
        "AWS::Logs::LogGroup" => one(format!("aws logs delete-log-group --log-group-name {name}")),
        "AWS::KMS::Key" => {
            one(format!("aws kms schedule-key-deletion --key-id {name} --pending-window-in-days 7"))
        }
        "AWS::ECR::Repository" => one(format!("aws ecr delete-repository --repository-name {name} --force")),
        "AWS::SQS::Queue" => one(format!("aws sqs delete-queue --queue-url {name}")),
        "AWS::SNS::Topic" => one(format!("aws sns delete-topic --topic-arn {name}")),
        "AWS::Events::Archive" => one(format!("aws events delete-archive --archive-name {name}")),
        "AWS::Lambda::Function" => one(format!("aws lambda delete-function --function-name {name}")),
        "AWS::EC2::SecurityGroup" => one(format!("aws ec2 delete-security-group --group-id {name}")),
        "AWS::EC2::Subnet" => one(format!("aws ec2 delete-subnet --subnet-id {name}")),
        "AWS::EC2::VPC" => one(format!("aws ec2 delete-vpc --vpc-id {name}")),
        other => {
            one(format!("aws cloudcontrol delete-resource --type-name {} --identifier {name}", quoted(other)))
        }
    }
}

/// The commands that delete a resource, in lines of about `width` letters that a shell reads as they stand.
#[must_use]
pub fn delete_lines(resource: &StackResource, width: usize) -> Vec<String> {
    /// Letters that further lines are moved to the right.
    const INDENT: &str = "    ";
    let (commands, _) = delete_commands(resource);
    let mut lines = Vec::new();
    for command in commands {
        let mut line = String::new();
        for (index, option) in command.split(" --").enumerate() {
            let option = if index == 0 { option.to_owned() } else { format!("--{option}") };
            // Two for the space and the backslash that go on in the next line.
            if index > 0 && line.chars().count() + option.chars().count() + 3 > width {
                lines.push(format!("{line} \\"));
                line = format!("{INDENT}{option}");
            } else {
                line.push_str(if index == 0 { "" } else { " " });
                line.push_str(&option);
            }
        }
        lines.push(line);
    }
    lines
}

impl Step {
    /// The step in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::DeleteChangeSets => "remove the change sets".to_owned(),
            Self::StopTasks(count) => format!("stop {}", crate::tasks::counted(*count)),
            Self::EmptyBucket(bucket) => {
                format!("delete all objects of the bucket {bucket}, with their versions")
            }
            Self::UnprotectTable(table) => format!("turn off the deletion protection of the table {table}"),
            Self::Delete { retain } if retain.is_empty() => "delete the stack".to_owned(),
            Self::Delete { retain } => format!("delete the stack and keep {}", retain.join(", ")),
            Self::ForceDelete => {
                "delete the stack, and leave resources that can't be deleted in the account".to_owned()
            }
            Self::RollBack => "roll the update back".to_owned(),
            Self::Replay(number) => {
                format!("deploy record {number}, the last successful deployment, again in express mode")
            }
            Self::ContinueRollback { skip } if skip.is_empty() => {
                "try to roll the update back again".to_owned()
            }
            Self::ContinueRollback { skip } => {
                format!("roll the update back without {}, which stay as they are", skip.join(", "))
            }
            Self::CancelUpdate => "cancel the update, which is then rolled back".to_owned(),
            Self::Watch(_) => "watch the operation until it finishes".to_owned(),
            Self::CheckDrift(ids) => format!("compare {} with the template", ids.join(", ")),
        }
    }

    /// The call that it makes, for programs.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        match self {
            Self::DeleteChangeSets => "DeleteChangeSet",
            Self::StopTasks(_) => "StopTask",
            Self::EmptyBucket(_) => "DeleteObjects",
            Self::UnprotectTable(_) => "UpdateTable",
            Self::Delete { .. } | Self::ForceDelete => "DeleteStack",
            Self::RollBack => "RollbackStack",
            Self::Replay(_) => "UpdateStack",
            Self::ContinueRollback { .. } => "ContinueUpdateRollback",
            Self::CancelUpdate => "CancelUpdateStack",
            Self::Watch(_) => "DescribeStackEvents",
            Self::CheckDrift(_) => "DetectStackResourceDrift",
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::CheckDrift(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stack_core::diagnose::{Event, diagnose};

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
            // Nothing is known to have failed.
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
        // Where none runs, and nothing else is known, waiting helps no more.
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

    #[test]
    fn a_command_for_a_shell_holds_any_name() {
        let bucket = resource("B", "AWS::S3::Bucket", "DELETE_SKIPPED");
        let command = delete_command(&bucket);
        assert!(
            command.contains("list-object-versions --bucket b-1 ") && command.ends_with("aws s3 rb s3://b-1")
        );
        assert_eq!(
            delete_lines(&bucket, 80),
            [
                r"aws s3api delete-objects --bucket b-1 \",
                r#"    --delete "$(aws s3api list-object-versions --bucket b-1 --max-items 1000 \"#,
                r#"    --query '{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}}')""#,
                "aws s3 rb s3://b-1",
            ]
        );
        let odd = StackResource { physical_id: "a'; rm -rf $HOME".into(), ..resource("X", "AWS::X::Y", "") };
        assert_eq!(
            delete_command(&odd),
            r"aws cloudcontrol delete-resource --type-name AWS::X::Y --identifier 'a'\''; rm -rf $HOME'"
        );
    }
}
