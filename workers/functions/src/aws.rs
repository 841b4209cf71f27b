//! The functions' traits by AWS.

mod backends;
mod files;
mod objects;
mod scan;
mod table;
mod topic;

use client::{Client, Failure, Service};
use contract::environment::{
    ASSIGNMENT, OBJECT, STARTED_BY, TASK_CLUSTER, TASK_CONTAINER, TASK_DEFINITION, TASK_PUBLIC_IP,
    TASK_SECURITY_GROUPS, TASK_SPOT, TASK_SUBNETS, VariableError, Variables,
};
use contract::{Assignment, ObjectRef};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use crate::extract::{Delay, StartError, Tasks};
use crate::messages::QueueOrigin;

pub use backends::AwsBackends;
pub use objects::S3;
pub use scan::Scanned;
pub use table::Dynamo;
pub use topic::Sns;

/// The settings of the task: how and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSettings {
    cluster: String,
    definition: String,
    container: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    /// `ENABLED` or `DISABLED`.
    public_ip: String,
    spot: bool,
}

impl TaskSettings {
    /// Reads the `TASK_…` variables.
    ///
    /// # Errors
    /// [`VariableError`] for the first one that is missing or wrong.
    pub fn read<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, VariableError> {
        let public_ip = variables.required(TASK_PUBLIC_IP)?;
        if !["ENABLED", "DISABLED"].contains(&public_ip.as_str()) {
            let expected = "`ENABLED` or `DISABLED`".into();
            return Err(VariableError::Invalid { name: TASK_PUBLIC_IP, expected });
        }
        Ok(Self {
            cluster: variables.required(TASK_CLUSTER)?,
            definition: variables.required(TASK_DEFINITION)?,
            container: variables.required(TASK_CONTAINER)?,
            subnets: variables.list(TASK_SUBNETS)?,
            security_groups: variables.list(TASK_SECURITY_GROUPS)?,
            public_ip,
            spot: variables.optional(TASK_SPOT).is_some_and(|spot| spot == "ENABLED"),
        })
    }
}

/// [`Tasks`] by ECS, on Fargate.
#[derive(Debug)]
pub struct Fargate {
    client: Client,
    settings: TaskSettings,
}

/// The answer of RunTask, as far as it is read.
#[derive(Deserialize)]
struct Started {
    tasks: Option<Vec<Task>>,
    failures: Option<Vec<NotPlaced>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: Option<String>,
}

#[derive(Deserialize)]
struct NotPlaced {
    reason: Option<String>,
}

/// The error of a token that was used before with other parameters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conflict {
    resource_ids: Vec<String>,
}

impl Fargate {
    /// Creates a client that starts tasks with `settings`.
    #[must_use]
    pub const fn new(client: Client, settings: TaskSettings) -> Self {
        Self { client, settings }
    }

    /// Returns the input of RunTask.
    fn input(&self, object: &ObjectRef, assignment: &Assignment, token: &str) -> serde_json::Result<Json> {
        let settings = &self.settings;
        let mut environment = vec![json!({ "name": OBJECT, "value": serde_json::to_string(object)? })];
        // A task without an assignment reads the whole object.
        if *assignment != Assignment::default() {
            environment.push(json!({ "name": ASSIGNMENT, "value": serde_json::to_string(assignment)? }));
        }
        let mut input = json!({
            "cluster": settings.cluster,
            "taskDefinition": settings.definition,
            "platformVersion": "LATEST",
            "count": 1,
            "networkConfiguration": { "awsvpcConfiguration": {
                "subnets": settings.subnets,
                "securityGroups": settings.security_groups,
                "assignPublicIp": settings.public_ip,
            } },
            "overrides": { "containerOverrides": [{ "name": settings.container, "environment": environment }] },
            "propagateTags": "TASK_DEFINITION",
            "startedBy": STARTED_BY,
            "clientToken": token,
        });
        // ECS takes either a launch type or a strategy.
        match settings.spot {
            true => {
                input["capacityProviderStrategy"] =
                    json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
            }
            false => input["launchType"] = "FARGATE".into(),
        }
        Ok(input)
    }
}

impl Tasks for Fargate {
    async fn start(
        &self,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
    ) -> Result<String, StartError> {
        let input = self.input(object, assignment, token);
        let input = input.map_err(|_| StartError::Call("ConstructionFailure".into()))?;
        let Started { tasks, failures } =
            self.client.json(Service::Ecs, "RunTask", &input).await.or_else(|failure| running(&failure))?;
        let reasons: Vec<String> = failures
            .into_iter()
            .flatten()
            .map(|failure| failure.reason.unwrap_or_else(|| "unknown".into()))
            .collect();
        match tasks.into_iter().flatten().find_map(|task| task.task_arn) {
            Some(task) if reasons.is_empty() => Ok(task),
            _ if reasons.is_empty() => Err(StartError::NotPlaced("neither a task nor a reason".into())),
            _ => Err(StartError::NotPlaced(reasons.join(", "))),
        }
    }
}

/// Returns the task that an earlier call with the same token has started: with other parameters, after a deployment between
/// two deliveries, ECS refuses the token, but names the task.
fn running(failure: &Failure) -> Result<Started, StartError> {
    if failure.error.code == "ConflictException"
        && let Ok(Conflict { resource_ids }) = serde_json::from_slice(&failure.body)
        && let Some(task) = resource_ids.into_iter().next()
    {
        return Ok(Started { tasks: Some(vec![Task { task_arn: Some(task) }]), failures: None });
    }
    // ECS's words are often the only hint at the role or the setting that is wrong. They contain no row.
    let error = &failure.error;
    Err(StartError::Call(if error.message.is_empty() { error.code.clone() } else { error.to_string() }))
}

/// [`Delay`] by SQS.
#[derive(Debug)]
pub struct Queues(Client);

impl Queues {
    /// Creates a client for the queues of `client`'s account.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    async fn call(&self, operation: &str, input: Json) -> Result<(), String> {
        let answer = self.0.json::<_, IgnoredAny>(Service::Sqs, operation, &input).await;
        answer.map(drop).map_err(|failure| failure.error.code)
    }
}

impl Delay for Queues {
    async fn delay(&self, message: &QueueOrigin, seconds: i32) -> Result<(), String> {
        let url = queue_url(&message.arn).ok_or("UnknownQueue")?;
        let handle = &message.receipt_handle;
        let input = json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds });
        self.call("ChangeMessageVisibility", input).await
    }

    async fn send_later(&self, message: &QueueOrigin, body: &str, seconds: i32) -> Result<(), String> {
        let url = queue_url(&message.arn).ok_or("UnknownQueue")?;
        let input = json!({ "QueueUrl": url, "MessageBody": body, "DelaySeconds": seconds });
        self.call("SendMessage", input).await
    }
}

/// Returns the queue's URL, from its ARN. A request to SQS would need one more permission and one more call for the
/// same.
fn queue_url(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (Some("arn"), Some(partition), Some("sqs"), Some(region), Some(account), Some(name), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("https://sqs.{region}.{suffix}/{account}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_found_by_its_arn() {
        assert_eq!(
            queue_url("arn:aws:sqs:eu-west-1:123456789012:uploads").as_deref(),
            Some("https://sqs.eu-west-1.amazonaws.com/123456789012/uploads")
        );
        assert_eq!(
            queue_url("arn:aws-cn:sqs:cn-north-1:1:q").as_deref(),
            Some("https://sqs.cn-north-1.amazonaws.com.cn/1/q")
        );
        for bad in ["", "arn:aws:sns:r:1:q", "arn:aws:sqs:r:1", "arn:aws:sqs:r:1:q:x"] {
            assert_eq!(queue_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn task_settings_come_from_the_environment() {
        let read = |public: &'static str, without: &'static str| {
            TaskSettings::read(&Variables::new(move |name| match name {
                name if name == without => None,
                TASK_PUBLIC_IP => Some(public.to_owned()),
                TASK_SUBNETS => Some("s1,s2".to_owned()),
                name => Some(name.to_lowercase()),
            }))
        };
        let settings = read("ENABLED", "").expect("complete");
        assert_eq!((settings.public_ip.as_str(), settings.subnets.len()), ("ENABLED", 2));
        assert!(!settings.spot, "only `ENABLED` is spare capacity");
        assert!(read("yes", "").expect_err("neither").to_string().contains(TASK_PUBLIC_IP));
        for name in [
            TASK_CLUSTER,
            TASK_DEFINITION,
            TASK_CONTAINER,
            TASK_SUBNETS,
            TASK_SECURITY_GROUPS,
            TASK_PUBLIC_IP,
        ] {
            assert_eq!(
                read("ENABLED", name).expect_err(name).to_string(),
                format!("the environment variable `{name}` is missing")
            );
        }
    }
}
