//! ECS: the reasons of tasks that have stopped, as long as ECS keeps them (an hour: Amazon ECS API Reference,
//! `ListTasks`).

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Number of tasks that are described; more tell nothing new.
const MOST: i32 = 10;

/// A task that has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedTask {
    /// ARN of the task.
    pub arn: String,
    /// The reason, in the words of ECS.
    pub reason: String,
    /// The containers: name, exit code, reason.
    pub containers: Vec<(String, Option<i32>, Option<String>)>,
}

/// Returns the tasks of a cluster that have stopped for a reason worth showing.
pub async fn stopped_tasks(session: &Session, cluster: &str) -> Result<Vec<StoppedTask>> {
    let client = Client::new(&session.config);
    let resource = || format!("cluster {cluster}");
    let list = client.list_tasks().cluster(cluster).desired_status(DesiredStatus::Stopped).max_results(MOST);
    let arns = list.send().await.aws("ListTasks", resource());
    let arns = match arns {
        Err(error) if error.is("ClusterNotFoundException") => return Ok(Vec::new()),
        arns => arns?.task_arns.unwrap_or_default(),
    };
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let call = client.describe_tasks().cluster(cluster).set_tasks(Some(arns));
    let answer = call.send().await.aws("DescribeTasks", resource())?;
    let stopped = answer.tasks().iter().map(|task| StoppedTask {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        reason: task.stopped_reason().unwrap_or_default().to_owned(),
        containers: task
            .containers()
            .iter()
            .map(|one| {
                (one.name().unwrap_or_default().to_owned(), one.exit_code(), one.reason().map(str::to_owned))
            })
            .collect(),
    });
    // A task that did its work explains no failure.
    let failed = |task: &StoppedTask| {
        task.containers.iter().any(|(_, code, reason)| *code != Some(0) || reason.is_some())
    };
    Ok(stopped.filter(failed).collect())
}
