//! ECS for the local cloud's task agent, and for a deletion that running tasks block: the tasks that should run, their
//! containers, and their end.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{Builder, Region};
use aws_sdk_ecs::types::{ContainerDefinition, ContainerOverride, DesiredStatus, KeyValuePair, LogDriver};

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

pub mod revisions;
pub mod stopped_tasks;

type Result<T> = std::result::Result<T, AwsError>;

/// Most tasks that DescribeTasks takes at once.
const TASKS_PER_CALL: usize = 100;

/// ECS in one region.
#[derive(Debug, Clone)]
pub struct Ecs {
    client: Client,
}

/// A task as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// ARN of the task.
    pub arn: String,
    /// ARN of the cluster.
    pub cluster: String,
    /// ARN of the task definition.
    pub definition: String,
    /// `true` if ECS takes the task for running.
    pub running: bool,
    /// `true` if the task has stopped, and holds nothing any more.
    pub stopped: bool,
    /// Value of `startedBy`, as the caller of RunTask gave it.
    pub started_by: String,
    /// Differences from the definition in this run.
    pub overrides: Vec<Override>,
}

/// The changes of one run to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// Name of the container.
    pub container: String,
    /// Arguments, when they differ.
    pub command: Option<Vec<String>>,
    /// Additional variables.
    pub environment: Vec<(String, String)>,
}

/// A container of a task definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Name of the container.
    pub name: String,
    /// Reference of the image.
    pub image: String,
    /// `true` if the task ends with the container.
    pub essential: bool,
    /// Replacement for the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// Replacement for the image's arguments.
    pub command: Option<Vec<String>>,
    /// Variables.
    pub environment: Vec<(String, String)>,
    /// Replacement for the image's working directory.
    pub directory: Option<String>,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_timeout: Option<u32>,
    /// Destination of the output.
    pub log: Option<LogTarget>,
}

/// The destination of a container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// Log group.
    pub group: String,
    /// Region of the log group, unless it is the task's.
    pub region: Option<String>,
    /// First part of the stream's name.
    pub prefix: Option<String>,
}

impl Ecs {
    /// Creates a client for ECS in `region`.
    #[must_use]
    pub fn new(session: &Session, region: &str) -> Self {
        let config = Builder::from(&session.config).region(Region::new(region.to_owned())).build();
        Self { client: Client::from_conf(config) }
    }

    /// Returns the ARNs of all clusters.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        let pages = self.client.list_clusters().into_paginator().items().send();
        pages.try_collect().await.aws("ListClusters", "this account")
    }

    /// Returns the ARNs of the tasks of a cluster that should run.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn running_tasks(&self, cluster: &str) -> Result<Vec<String>> {
        let list = self.client.list_tasks().cluster(cluster).desired_status(DesiredStatus::Running);
        list.into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .aws("ListTasks", format!("cluster {cluster}"))
    }

    /// Returns those of the tasks that still exist.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn tasks(&self, cluster: &str, arns: &[String]) -> Result<Vec<Task>> {
        let mut tasks = Vec::with_capacity(arns.len());
        for arns in arns.chunks(TASKS_PER_CALL) {
            let call = self.client.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec()));
            let answer = call.send().await.aws("DescribeTasks", format!("cluster {cluster}"))?;
            tasks.extend(answer.tasks().iter().map(|task| {
                Task {
                    arn: task.task_arn().unwrap_or_default().to_owned(),
                    cluster: task.cluster_arn().unwrap_or(cluster).to_owned(),
                    definition: task.task_definition_arn().unwrap_or_default().to_owned(),
                    running: task.last_status() == Some("RUNNING"),
                    stopped: task.last_status() == Some("STOPPED"),
                    started_by: task.started_by().unwrap_or_default().to_owned(),
                    overrides: task
                        .overrides()
                        .map(|overrides| overrides.container_overrides().iter().map(override_of).collect())
                        .unwrap_or_default(),
                }
            }));
        }
        Ok(tasks)
    }

    /// Returns the containers of a task definition.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn containers(&self, definition: &str) -> Result<Vec<Container>> {
        let call = self.client.describe_task_definition().task_definition(definition);
        let answer = call.send().await.aws("DescribeTaskDefinition", definition)?;
        let definition = answer.task_definition();
        Ok(definition
            .map(|one| one.container_definitions().iter().map(container_of).collect())
            .unwrap_or_default())
    }

    /// Reports that a task has ended, and why.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn stop(&self, cluster: &str, task: &str, reason: &str) -> Result<()> {
        let call = self.client.stop_task().cluster(cluster).task(task).reason(reason);
        call.send().await.aws("StopTask", task)?;
        Ok(())
    }
}

fn override_of(one: &ContainerOverride) -> Override {
    Override {
        container: one.name().unwrap_or_default().to_owned(),
        command: some(one.command()),
        environment: pairs(one.environment()),
    }
}

fn container_of(one: &ContainerDefinition) -> Container {
    let log = one.log_configuration().filter(|log| *log.log_driver() == LogDriver::Awslogs);
    let log = log.and_then(|log| log.options()).and_then(|options| {
        Some(LogTarget {
            group: options.get("awslogs-group")?.clone(),
            region: options.get("awslogs-region").cloned(),
            prefix: options.get("awslogs-stream-prefix").cloned(),
        })
    });
    Container {
        name: one.name().unwrap_or_default().to_owned(),
        image: one.image().unwrap_or_default().to_owned(),
        essential: one.essential().unwrap_or(true),
        entry_point: some(one.entry_point()),
        command: some(one.command()),
        environment: pairs(one.environment()),
        directory: one.working_directory().map(str::to_owned),
        stop_timeout: one.stop_timeout().and_then(|seconds| u32::try_from(seconds).ok()),
        log,
    }
}

/// Converts an empty list, which means the same, to `None`.
fn some(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

fn pairs(variables: &[KeyValuePair]) -> Vec<(String, String)> {
    let pair =
        |one: &KeyValuePair| Some((one.name()?.to_owned(), one.value().unwrap_or_default().to_owned()));
    variables.iter().filter_map(pair).collect()
}
