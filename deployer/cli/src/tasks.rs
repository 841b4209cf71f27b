//! The tasks that run in the clusters of a stack. ECS doesn't delete a cluster while a task is active, and a gateway is
//! not detached from a network in which a task has a public address; so the tasks are stopped before the stack is
//! deleted.

use std::time::{Duration, Instant};

use deployer_aws::Pause;
use deployer_aws::cloudformation::StackResource;
use deployer_aws::ecs::Ecs;
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_base::error::Result;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::context::Context;

/// Beginning of `startedBy` of a task that belongs to a service, which would start it again; CloudFormation stops such
/// tasks with the service: Amazon ECS API Reference, `Task`.
const OF_A_SERVICE: &str = "ecs-svc/";
/// Time limit for tasks to stop: 30 s to end by themselves, and more for the removal of the network interface.
const PATIENCE: Duration = Duration::from_secs(180);
/// Number of tasks that are stopped at a time.
const PARALLEL: usize = 10;
/// Number of searches for tasks that were started meanwhile, such as by a function that is not deleted yet.
const ROUNDS: usize = 3;

/// The tasks that run in a stack.
#[derive(Debug)]
pub struct Running {
    ecs: Ecs,
    clusters: Vec<String>,
    /// Cluster and ARN of each task.
    tasks: Vec<(String, String)>,
}

/// Finds the tasks that run in the clusters among these resources.
///
/// A caller without the permission gets a warning; that must not prevent the deletion of the stack.
///
/// # Errors
/// Returns the error of ECS.
pub async fn running(context: &Context, session: &Session, resources: &[StackResource]) -> Result<Running> {
    let clusters = resources.iter().filter(|one| one.resource_type == "AWS::ECS::Cluster" && one.exists());
    let mut found = Running {
        ecs: Ecs::new(session, &session.region),
        clusters: clusters.map(|one| one.physical_id.clone()).collect(),
        tasks: Vec::new(),
    };
    match found.look().await {
        Err(error) if error.is_denied() => {
            context.ui.warn(format!("did not check for running tasks: {} is denied", error.operation));
        }
        looked => looked?,
    }
    Ok(found)
}

impl Running {
    /// Returns the number of tasks.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Describes their number in words.
    #[must_use]
    pub fn describe(&self) -> String {
        counted(self.count())
    }

    async fn look(&mut self) -> std::result::Result<(), AwsError> {
        self.tasks.clear();
        for cluster in &self.clusters {
            let arns = match self.ecs.running_tasks(cluster).await {
                Err(error) if error.is("ClusterNotFoundException") => continue,
                arns => arns?,
            };
            let tasks = self.ecs.tasks(cluster, &arns).await?;
            let own = tasks.into_iter().filter(|task| !task.started_by.starts_with(OF_A_SERVICE));
            self.tasks.extend(own.map(|task| (cluster.clone(), task.arn)));
        }
        Ok(())
    }

    /// Stops the tasks, and waits until they have stopped.
    ///
    /// # Errors
    /// Returns the error of ECS.
    pub async fn stop(mut self, context: &Context) -> Result<()> {
        for _ in 0..ROUNDS {
            if self.tasks.is_empty() {
                return Ok(());
            }
            let stops = self.tasks.iter().map(async |(cluster, task)| {
                match self.ecs.stop(cluster, task, "the stack is deleted").await {
                    // The task has ended by itself.
                    Err(error) if error.is("InvalidParameterException") => Ok(()),
                    stopped => stopped,
                }
            });
            let stops: Vec<_> = stops.collect();
            futures::stream::iter(stops).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
            if !self.have_stopped(context).await? {
                return Ok(());
            }
            context.ui.step("stopped", self.describe());
            self.look().await?;
        }
        Ok(())
    }

    /// Returns whether the tasks have stopped in time.
    async fn have_stopped(&self, context: &Context) -> Result<bool> {
        let live = context.ui.live();
        live.say(format!("{} to stop", self.describe()));
        let since = Instant::now();
        let mut pause = Pause::new();
        loop {
            let mut left = 0;
            for cluster in &self.clusters {
                let own = self.tasks.iter().filter(|(of, _)| of == cluster);
                let arns: Vec<String> = own.map(|(_, task)| task.clone()).collect();
                let tasks = self.ecs.tasks(cluster, &arns).await?;
                left += tasks.iter().filter(|task| !task.stopped).count();
            }
            if left == 0 {
                return Ok(true);
            }
            if since.elapsed() > PATIENCE {
                context.ui.warn(format!(
                    "{} did not stop in time; if the deletion fails, `deployer recover` tries again",
                    counted(left)
                ));
                return Ok(false);
            }
            pause.wait().await;
        }
    }
}

/// Returns a number of tasks in words.
#[must_use]
pub fn counted(count: usize) -> String {
    match count {
        1 => "1 running task".to_owned(),
        count => format!("{count} running tasks"),
    }
}
