//! The tasks that run in the clusters of a stack. ECS deletes no cluster while a task is active, and no gateway is detached
//! from a network in which a task has a public address; so they are stopped before the stack is deleted.

use std::time::{Duration, Instant};

use deployer_aws::Pause;
use deployer_aws::cloudformation::StackResource;
use deployer_aws::ecs::Ecs;
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_base::error::Result;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::context::Context;

/// How ECS begins `startedBy` of a task that belongs to a service, which would start it again; CloudFormation stops those
/// with the service: Amazon ECS API Reference, `Task`.
const OF_A_SERVICE: &str = "ecs-svc/";
/// How long tasks may take to stop: 30 s to end by themselves, and some for the network interface to go.
const PATIENCE: Duration = Duration::from_secs(180);
/// Tasks that are stopped at a time.
const PARALLEL: usize = 10;
/// Looks for tasks that were started meanwhile, such as by a function that is not deleted yet.
const ROUNDS: usize = 3;

/// The tasks that run in a stack.
#[derive(Debug)]
pub struct Running {
    ecs: Ecs,
    clusters: Vec<String>,
    /// Cluster and ARN of each task.
    tasks: Vec<(String, String)>,
}

/// Asks which tasks run in the clusters among these resources.
///
/// A caller who may not ask is told so; that must not keep anybody from deleting the stack.
///
/// # Errors
/// What ECS answers.
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
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Their number in words.
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

    /// Stops them, and waits until they have stopped.
    ///
    /// # Errors
    /// What ECS answers.
    pub async fn stop(mut self, context: &Context) -> Result<()> {
        for _ in 0..ROUNDS {
            if self.tasks.is_empty() {
                return Ok(());
            }
            let stops = self.tasks.iter().map(async |(cluster, task)| {
                match self.ecs.stop(cluster, task, "the stack is deleted").await {
                    // It has ended by itself.
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

    /// Whether they have stopped in time.
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

/// A number of tasks in words.
#[must_use]
pub fn counted(count: usize) -> String {
    match count {
        1 => "1 running task".to_owned(),
        count => format!("{count} running tasks"),
    }
}
