//! ECS as the local cloud's task agent sees it, and as it stands in the way of a deletion: which tasks should run, what they
//! consist of, that they end.

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
    /// Its ARN.
    pub arn: String,
    /// ARN of its cluster.
    pub cluster: String,
    /// ARN of its definition.
    pub definition: String,
    /// Whether ECS takes it for running.
    pub running: bool,
    /// Whether it has stopped, and holds nothing any more.
    pub stopped: bool,
    /// Who has started it, as the caller of RunTask says.
    pub started_by: String,
    /// What differs from the definition in this run.
    pub overrides: Vec<Override>,
}

/// What one run changes of a container.
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
    /// Its name.
    pub name: String,
    /// Reference of its image.
    pub image: String,
    /// Whether the task ends with it.
    pub essential: bool,
    /// Replaces the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's arguments.
    pub command: Option<Vec<String>>,
    /// Variables.
    pub environment: Vec<(String, String)>,
    /// Replaces the image's working directory.
    pub directory: Option<String>,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_timeout: Option<u32>,
    /// Where its output goes.
    pub log: Option<LogTarget>,
}

/// Where the output of a container goes.
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
    /// ECS of `region`.
    #[must_use]
    pub fn new(session: &Session, region: &str) -> Self {
        let config = Builder::from(&session.config).region(Region::new(region.to_owned())).build();
        Self { client: Client::from_conf(config) }
    }

    /// ARNs of all clusters.
    ///
    /// # Errors
    /// What ECS answers.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        let pages = self.client.list_clusters().into_paginator().items().send();
        pages.try_collect().await.aws("ListClusters", "this account")
    }

    /// ARNs of the tasks of a cluster that should run.
    ///
    /// # Errors
    /// What ECS answers.
    pub async fn running_tasks(&self, cluster: &str) -> Result<Vec<String>> {
        let list = self.client.list_tasks().cluster(cluster).desired_status(DesiredStatus::Running);
        list.into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .aws("ListTasks", format!("cluster {cluster}"))
    }

    /// Those of the tasks that still exist.
    ///
    /// # Errors
    /// What ECS answers.
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

    /// The containers of a task definition.
    ///
    /// # Errors
    /// What ECS answers.
    pub async fn containers(&self, definition: &str) -> Result<Vec<Container>> {
        let call = self.client.describe_task_definition().task_definition(definition);
        let answer = call.send().await.aws("DescribeTaskDefinition", definition)?;
        let definition = answer.task_definition();
        Ok(definition
            .map(|one| one.container_definitions().iter().map(container_of).collect())
            .unwrap_or_default())
    }

    /// Says that a task has ended, and why.
    ///
    /// # Errors
    /// What ECS answers.
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

/// An empty list says the same as none.
fn some(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

fn pairs(variables: &[KeyValuePair]) -> Vec<(String, String)> {
    let pair =
        |one: &KeyValuePair| Some((one.name()?.to_owned(), one.value().unwrap_or_default().to_owned()));
    variables.iter().filter_map(pair).collect()
}
