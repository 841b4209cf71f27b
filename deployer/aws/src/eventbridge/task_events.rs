//! The event that ECS sends to the default bus when a task has stopped, sent in its place on the local cloud.
//!
//! The emulator sends no events of tasks, and takes events of AWS's own sources from nobody, as AWS does. So the event
//! goes to the queues of the rules that match it, which are read from the emulator.

use aws_sdk_eventbridge::types::RuleState;
use serde_json::{Value, json};

use crate::ecs::Task;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

const SOURCE: &str = "aws.ecs";

/// The reason for which ECS takes a task for stopped: the codes that the local cloud has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCode {
    /// A task that never ran.
    TaskFailedToStart,
    /// The end of a container that the task can't do without.
    EssentialContainerExited,
    /// A call of StopTask.
    UserInitiated,
}

impl StopCode {
    /// Returns the code in ECS's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
        }
    }
}

/// Creates the event for a task that has ended. `containers`: the names of all, with their exit codes where they ran.
#[must_use]
pub fn stopped(
    task: &Task,
    containers: &[(String, Option<i32>)],
    code: StopCode,
    reason: &str,
    time: jiff::Timestamp,
) -> Value {
    let variable = |(name, value): &(String, String)| json!({ "name": name, "value": value });
    let overrides: Vec<Value> = task
        .overrides
        .iter()
        .map(|one| {
            let environment: Vec<Value> = one.environment.iter().map(variable).collect();
            json!({ "name": one.container, "environment": environment })
        })
        .collect();
    let container = |(name, exit_code): &(String, Option<i32>)| {
        let mut container = json!({ "name": name, "lastStatus": "STOPPED" });
        if let Some(exit_code) = exit_code {
            container["exitCode"] = json!(exit_code);
        }
        container
    };
    let containers: Vec<Value> = containers.iter().map(container).collect();
    // arn:aws:ecs:region:account:task/…
    let part = |index: usize| task.arn.split(':').nth(index).unwrap_or_default();
    let id = task.arn.rsplit('/').next().unwrap_or_default();
    json!({
        "version": "0",
        "id": id,
        "detail-type": "ECS Task State Change",
        "source": SOURCE,
        "account": part(4),
        "time": time.to_string(),
        "region": part(3),
        "resources": [task.arn],
        "detail": {
            "clusterArn": task.cluster,
            "taskArn": task.arn,
            "taskDefinitionArn": task.definition,
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "startedBy": task.started_by,
            "stopCode": code.name(),
            "stoppedReason": reason,
            "containers": containers,
            "overrides": { "containerOverrides": overrides },
        },
    })
}

/// Sends an event to the queues of all rules on the default bus of `region` that match it.
///
/// # Errors
/// If a call to EventBridge or SQS fails.
pub async fn deliver(session: &Session, region: &str, event: &Value) -> Result<(), AwsError> {
    let region = aws_config::Region::new(region.to_owned());
    let config = session.config.to_builder().region(region).build();
    let events = aws_sdk_eventbridge::Client::new(&config);
    let queues = aws_sdk_sqs::Client::new(&config);
    let text = event.to_string();
    let rules = events.list_rules().send().await.aws("ListRules", "the default bus")?;
    for rule in rules.rules() {
        let (Some(name), Some(pattern), Some(RuleState::Enabled)) =
            (rule.name(), rule.event_pattern(), rule.state())
        else {
            continue;
        };
        // A rule for other events needs no further call.
        if !pattern.contains(SOURCE) {
            continue;
        }
        let test = events.test_event_pattern().event_pattern(pattern).event(&text).send().await;
        if !test.aws("TestEventPattern", format!("rule {name}"))?.result() {
            continue;
        }
        let targets = events.list_targets_by_rule().rule(name).send().await;
        for target in targets.aws("ListTargetsByRule", format!("rule {name}"))?.targets() {
            let Some(queue) =
                target.arn().strip_prefix("arn:aws:sqs:").and_then(|arn| arn.rsplit(':').next())
            else {
                continue;
            };
            let url = queues.get_queue_url().queue_name(queue).send().await;
            let url = url.aws("GetQueueUrl", format!("queue {queue}"))?;
            let sent = queues.send_message().set_queue_url(url.queue_url).message_body(&text).send().await;
            sent.aws("SendMessage", format!("queue {queue}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::Override;

    #[test]
    fn the_event_names_what_the_task_was_started_with() {
        let task = Task {
            arn: "arn:aws:ecs:eu-west-1:000000000000:task/c/1".into(),
            cluster: "arn:c".into(),
            definition: "arn:d:1".into(),
            running: true,
            stopped: false,
            started_by: "deployer".into(),
            overrides: vec![Override {
                container: "extraction".into(),
                command: None,
                environment: vec![("OBJECT".into(), "{}".into())],
            }],
        };
        let containers = [("extraction".into(), Some(137)), ("agent".into(), None)];
        let code = StopCode::EssentialContainerExited;
        let event = stopped(&task, &containers, code, "why", jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(
            (&event["account"], &event["region"], &event["time"]),
            (&json!("000000000000"), &json!("eu-west-1"), &json!("1970-01-01T00:00:00Z"))
        );
        let detail = &event["detail"];
        assert_eq!(detail["startedBy"], "deployer");
        assert_eq!(detail["containers"][0]["exitCode"], 137);
        assert_eq!(detail["containers"][1], json!({ "name": "agent", "lastStatus": "STOPPED" }));
        assert_eq!(
            (&detail["stopCode"], &detail["stoppedReason"]),
            (&json!("EssentialContainerExited"), &json!("why"))
        );
        let variable = json!({ "name": "OBJECT", "value": "{}" });
        assert_eq!(detail["overrides"]["containerOverrides"][0]["environment"][0], variable);
    }
}
