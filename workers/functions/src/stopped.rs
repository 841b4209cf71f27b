//! What ECS says of a task that has stopped: whose work it was, and whether that is done.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use contract::environment::{ASSIGNMENT, OBJECT};
use contract::{Assignment, ObjectRef};
use serde_json::Value;

/// Exit codes of a task that nobody else has to do again: it is done, or it has failed for good and said so.
const ENDED: [i64; 2] = [0, 2];

/// A task that has ended before its work did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The object that it worked on.
    pub object: ObjectRef,
    /// What it had to do with it.
    pub assignment: Assignment,
    /// The exit code, if its process ended at all.
    pub exit_code: Option<i64>,
    /// ARN of the task.
    pub task: String,
}

/// Whether ECS sent this.
pub(crate) fn is_state_change(event: &Value) -> bool {
    event["source"] == "aws.ecs" && event["detail-type"] == "ECS Task State Change"
}

/// The task, if it has stopped before its work was done. One that was started without an object is not of the pipeline.
pub(crate) fn parse(event: &Value) -> Option<Stopped> {
    let detail = &event["detail"];
    if detail["lastStatus"] != "STOPPED" || detail["startedBy"] != contract::environment::STARTED_BY {
        return None;
    }
    let overrides = detail["overrides"]["containerOverrides"].as_array()?;
    let container = overrides.iter().find(|one| variable(one, OBJECT).is_some())?;
    let object = serde_json::from_str(variable(container, OBJECT)?).ok()?;
    let assignment = match variable(container, ASSIGNMENT) {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Assignment::default(),
    };
    let containers = detail["containers"].as_array()?;
    let exit_code = containers
        .iter()
        .find(|one| one["name"] == container["name"])
        .and_then(|one| one["exitCode"].as_i64());
    if exit_code.is_some_and(|code| ENDED.contains(&code)) {
        return None;
    }
    Some(Stopped { object, assignment, exit_code, task: detail["taskArn"].as_str()?.to_owned() })
}

/// Whether there is nothing to do about it: all is done, or it is not of the pipeline.
pub(crate) fn is_settled(event: &Value) -> bool {
    let detail = &event["detail"];
    let ended = |container: &Value| container["exitCode"].as_i64().is_some_and(|code| ENDED.contains(&code));
    detail["lastStatus"] != "STOPPED"
        || detail["startedBy"] != contract::environment::STARTED_BY
        || detail["containers"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(ended))
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

    #[test]
    fn a_task_of_somebody_else_is_not_started_again() {
        let object = json!({ "bucket": "b", "key": "k" }).to_string();
        let detail = json!({
            "taskArn": "arn", "lastStatus": "STOPPED", "startedBy": "deployer", "containers": [{ "name": "c" }],
            "overrides": { "containerOverrides": [{ "name": "c", "environment": [{ "name": "OBJECT", "value": object }] }] },
        });
        assert!(parse(&event(detail.clone())).is_some());
        for (name, value) in [
            ("startedBy", json!("somebody")),
            ("lastStatus", json!("RUNNING")),
            ("overrides", json!({})),
            ("containers", json!([{ "name": "c", "exitCode": 0 }])),
        ] {
            let mut other = detail.clone();
            other[name] = value;
            assert_eq!(parse(&event(other.clone())), None, "{name}");
            // One of the pipeline whose work nobody can read is not settled.
            assert_eq!(is_settled(&event(other)), name != "overrides", "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_event_is_read_or_left(detail in json_value()) {
            let _ = parse(&event(detail));
        }
    }
}
