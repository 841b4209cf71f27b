//! ECS's events about tasks that have stopped: the work of the task, whether it is done, and if not, the cause.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>, and for the codes and texts
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>

use contract::environment::{ASSIGNMENT, OBJECT};
use contract::{Assignment, ObjectRef};
use serde_json::Value;

/// Exit codes of a task whose work need not be done again: it is done, or it has failed for good and said so.
const ENDED: [i64; 2] = [0, 2];

/// ECS's texts when no further attempt can pull the image: parts of them, in lower case.
const NO_IMAGE: [&str; 5] = [
    "not found",
    "does not exist",
    "manifest unknown",
    "does not contain descriptor matching platform",
    "no match for platform",
];

/// The meaning of an event of ECS for the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing has to be done: the work is done, the task still runs, or it is not one of the pipeline.
    Settled,
    /// A task has stopped before its work was done.
    Stopped(Box<Stopped>),
    /// A task of the pipeline has stopped, and the event doesn't name its work.
    Unreadable(&'static str),
}

/// A task that has stopped before its work was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The object that it worked on.
    pub object: ObjectRef,
    /// Its work on the object.
    pub assignment: Assignment,
    /// Name of the container, which is the name of the task in the stack file.
    pub container: String,
    /// ARN of the task.
    pub task: String,
    /// The cause.
    pub cause: Cause,
    /// The cause in ECS's words, with the exit code if there is one.
    pub said: String,
}

/// The cause for which a task has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its process ended, or was killed for an unknown cause.
    Ended,
    /// ECS took its capacity away: Spot, maintenance, or a host that failed.
    CapacityLost,
    /// It never ran: the image could not be pulled, there was no network or no capacity.
    NotStarted,
    /// It never ran, and without another deployment it never will: the image does not exist.
    NoImage,
    /// It needed more memory than it has, and would again.
    OutOfMemory,
    /// A person, or a program on behalf of one, called StopTask.
    StoppedByUser,
}

/// Returns whether an event is ECS's event of a task.
pub(crate) fn is_state_change(event: &Value) -> bool {
    event["source"] == "aws.ecs" && event["detail-type"] == "ECS Task State Change"
}

/// Reads an event of ECS about a task.
pub(crate) fn parse(event: &Value) -> Change {
    let detail = &event["detail"];
    if detail["lastStatus"] != "STOPPED" || detail["startedBy"] != contract::environment::STARTED_BY {
        return Change::Settled;
    }
    let overrides =
        detail["overrides"]["containerOverrides"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = overrides.iter().find_map(|one| Some((one["name"].as_str()?, one, variable(one, OBJECT)?)));
    let Some((name, overridden, object)) = found else {
        return Change::Unreadable("the task that stopped was started without an object");
    };
    let assignment = variable(overridden, ASSIGNMENT).map_or(Ok(Assignment::default()), serde_json::from_str);
    let (Ok(object), Ok(assignment), Some(task)) =
        (serde_json::from_str(object), assignment, detail["taskArn"].as_str())
    else {
        return Change::Unreadable("the work of the task that stopped cannot be read");
    };
    // Other containers may be beside it, such as the agent of GuardDuty.
    let containers = detail["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let container = containers.iter().find(|one| one["name"] == name).unwrap_or(&Value::Null);
    let exit_code = container["exitCode"].as_i64();
    if exit_code.is_some_and(|code| ENDED.contains(&code)) {
        return Change::Settled;
    }
    let (reason, stopped_reason) = (text(container, "reason"), text(detail, "stoppedReason"));
    let said = [exit_code.map(|code| format!("exit code {code}")), reason.clone(), stopped_reason.clone()];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let reasons = format!("{} {}", reason.unwrap_or_default(), stopped_reason.unwrap_or_default());
    Change::Stopped(Box::new(Stopped {
        object,
        assignment,
        container: name.to_owned(),
        task: task.to_owned(),
        cause: cause(detail["stopCode"].as_str(), exit_code, &reasons.to_lowercase()),
        said: if said.is_empty() { "no reason given".to_owned() } else { said.join(", ") },
    }))
}

/// Returns the cause. `reasons` are in lower case.
fn cause(stop_code: Option<&str>, exit_code: Option<i64>, reasons: &str) -> Cause {
    // ECS also kills with 137 a container that doesn't stop in time: only its words tell the two apart.
    if reasons.contains("outofmemory") {
        return Cause::OutOfMemory;
    }
    match (stop_code, exit_code) {
        (Some("UserInitiated"), _) => Cause::StoppedByUser,
        (Some("SpotInterruption" | "TerminationNotice" | "InfrastructureHealth"), _) => Cause::CapacityLost,
        // ECS may report no exit code though the task ran: then the stop code tells.
        (Some("TaskFailedToStart"), _) | (None, None) => {
            let no_image =
                reasons.contains("cannotpullcontainer") && NO_IMAGE.iter().any(|text| reasons.contains(text));
            if no_image { Cause::NoImage } else { Cause::NotStarted }
        }
        _ => Cause::Ended,
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let environment = container["environment"].as_array()?;
    environment.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::json_value;

    fn event(detail: Value) -> Value {
        json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail })
    }

    /// Returns a task that stopped, with these fields beside those of every such event.
    fn stopped(with: Value) -> Value {
        let object = json!({ "bucket": "b", "key": "k" }).to_string();
        let mut detail = json!({
            "taskArn": "arn", "lastStatus": "STOPPED", "startedBy": "deployer", "containers": [{ "name": "c" }],
            "overrides": { "containerOverrides": [{ "name": "c", "environment": [{ "name": "OBJECT", "value": object }] }] },
        });
        if let (Some(detail), Value::Object(with)) = (detail.as_object_mut(), with) {
            detail.extend(with);
        }
        event(detail)
    }

    #[test]
    fn a_task_of_somebody_else_is_not_started_again() {
        assert!(matches!(parse(&stopped(json!({}))), Change::Stopped(_)));
        for with in [
            json!({ "startedBy": "somebody" }),
            json!({ "lastStatus": "RUNNING" }),
            json!({ "containers": [{ "name": "c", "exitCode": 0 }] }),
        ] {
            assert_eq!(parse(&stopped(with.clone())), Change::Settled, "{with}");
        }
        // A task of the pipeline whose work cannot be read is not settled.
        let named = |environment: Value| json!({ "overrides": { "containerOverrides": [{ "name": "c", "environment": environment }] } });
        for with in [
            json!({ "overrides": {} }),
            named(json!([{ "name": "OBJECT", "value": "{" }])),
            json!({ "taskArn": null }),
        ] {
            assert!(matches!(parse(&stopped(with.clone())), Change::Unreadable(_)), "{with}");
        }
    }

    #[test]
    fn only_the_container_of_the_worker_counts() {
        let agent =
            json!({ "name": "aws-guardduty-agent", "exitCode": 1, "reason": "OutOfMemoryError: agent" });
        let with = |own: Value| json!({ "stopCode": "EssentialContainerExited", "containers": [agent, own] });
        assert_eq!(parse(&stopped(with(json!({ "name": "c", "exitCode": 0 })))), Change::Settled);
        let Change::Stopped(task) = parse(&stopped(with(json!({ "name": "c", "exitCode": 1 })))) else {
            panic!("it failed");
        };
        assert_eq!((task.cause, task.container.as_str()), (Cause::Ended, "c"));
    }

    #[test]
    fn stop_codes_and_texts_of_ecs_have_their_causes() {
        // Texts as ECS writes them: developer guide, "Amazon ECS stopped tasks error messages", and public recordings.
        let essential = "Essential container in task exited";
        for (code, exit, reason, stopped_reason, cause) in [
            ("EssentialContainerExited", Some(1), None, essential, Cause::Ended),
            ("EssentialContainerExited", Some(137), None, essential, Cause::Ended),
            ("EssentialContainerExited", None, None, essential, Cause::Ended),
            (
                "EssentialContainerExited",
                Some(137),
                Some("OutOfMemoryError: Container killed due to memory usage"),
                essential,
                Cause::OutOfMemory,
            ),
            ("UserInitiated", Some(1), None, "Task stopped by user", Cause::StoppedByUser),
            ("UserInitiated", None, None, "Task stopped by user", Cause::StoppedByUser),
            ("SpotInterruption", Some(1), None, "Your Spot Task was interrupted.", Cause::CapacityLost),
            ("TerminationNotice", Some(137), None, "Your Spot Task was interrupted.", Cause::CapacityLost),
            ("InfrastructureHealth", None, None, "Infrastructure failure", Cause::CapacityLost),
            (
                "TaskFailedToStart",
                None,
                None,
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref \
                 111122223333.dkr.ecr.eu-west-1.amazonaws.com/deployer-assets@sha256:00: dial tcp 10.0.0.1:443: i/o timeout",
                Cause::NotStarted,
            ),
            (
                "TaskFailedToStart",
                None,
                None,
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
                 111122223333.dkr.ecr.eu-west-1.amazonaws.com/deployer-assets@sha256:00: not found",
                Cause::NoImage,
            ),
            (
                "TaskFailedToStart",
                None,
                Some(
                    "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'",
                ),
                "Task failed to start",
                Cause::NoImage,
            ),
            (
                "TaskFailedToStart",
                None,
                None,
                "ResourceInitializationError: unable to pull secrets or registry auth: the secret was not found",
                Cause::NotStarted,
            ),
            (
                "TaskFailedToStart",
                None,
                None,
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                Cause::NotStarted,
            ),
        ] {
            let mut own = json!({ "name": "c" });
            if let Some(exit) = exit {
                own["exitCode"] = json!(exit);
            }
            if let Some(reason) = reason {
                own["reason"] = json!(reason);
            }
            let with = json!({ "stopCode": code, "stoppedReason": stopped_reason, "containers": [own] });
            let Change::Stopped(task) = parse(&stopped(with.clone())) else { panic!("{with}") };
            assert_eq!(task.cause, cause, "{with}");
            assert!(task.said.contains(stopped_reason), "{}", task.said);
            assert!(
                exit.is_none_or(|exit| task.said.starts_with(&format!("exit code {exit}"))),
                "{}",
                task.said
            );
        }
    }

    proptest! {
        #[test]
        fn any_event_is_read_or_left(detail in json_value()) {
            let _ = parse(&event(detail));
        }
    }
}
