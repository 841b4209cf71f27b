//! Runs the tasks that MiniStack only lists as running.
//!
//! Without Docker, MiniStack's RunTask leaves a task in state RUNNING and executes nothing. The agent is told of such
//! calls ([`told`]), looks for the tasks, pulls their images from MiniStack's registry ([`deployer_oci::pull`]), runs
//! each container as a process ([`process`]), sends its output to CloudWatch Logs ([`logs`]), and reports with StopTask
//! how the task ended ([`task`]).
//!
//! Everything here runs on one thread; [`process::run`] explains the reason.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use deployer_aws::ecs::{Ecs, Task};
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_base::ui::Ui;
use deployer_oci::pull::Images;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::process::Stop;
use self::told::Told;
use crate::emulator::Emulator;
use crate::state::RunningTask;

pub use self::process::become_program;

mod logs;
mod process;
mod task;
mod told;

/// Time between two looks while no calls are told.
const LOOK: Duration = Duration::from_millis(200);
/// Longest time between two looks otherwise: the tasks that CloudFormation starts and stops are not told.
const SELDOM_LOOK: Duration = Duration::from_secs(5);
/// Longest time between two looks while the emulator does not answer.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// Most tasks whose processes run at the same time; the others wait, as they would for a quota of Fargate.
const MOST_PROCESSES: usize = 64;
/// The region that is always looked at: that of stacks which name none.
const HOME_REGION: &str = "us-east-1";
/// Regions in which a stack may be, in the order of the AWS General Reference. Each look asks one more of them for
/// clusters, so that a stack is found within seconds in any region, without thirty requests a look.
const REGIONS: [&str; 34] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "af-south-1",
    "ap-east-1",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-east-2",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "ap-southeast-6",
];

/// The state that all tasks share.
#[derive(Debug)]
struct Shared {
    session: Session,
    /// URL at which tasks look for AWS.
    worker_endpoint: String,
    images: Images,
    processes: Semaphore,
    ui: Rc<Ui>,
}

/// A task that the agent has taken on.
#[derive(Debug)]
struct Taken {
    region: &'static str,
    definition: String,
    stop: watch::Sender<Option<Stop>>,
    handle: JoinHandle<()>,
}

/// The task agent.
#[derive(Debug)]
pub struct Agent {
    shared: Rc<Shared>,
    /// Clients by region: creating one costs more than asking it.
    clients: HashMap<&'static str, Ecs>,
    /// Regions that are known to have clusters.
    active: Vec<&'static str>,
    /// Index in [`REGIONS`] of the next one to ask.
    next: usize,
    taken: HashMap<String, Taken>,
    /// Tasks that are listed but do not run, such as those from before a restart of MiniStack.
    dead: HashSet<String>,
    shown: watch::Sender<Vec<RunningTask>>,
    told: Told,
}

impl Agent {
    /// Creates an agent for the emulator, which unpacks images into `images` and tells `shown` the tasks that run.
    ///
    /// # Errors
    /// If the folder of images cannot be prepared.
    pub fn new(
        session: Session,
        emulator: &Emulator,
        images: PathBuf,
        http: reqwest::Client,
        ui: Rc<Ui>,
        shown: watch::Sender<Vec<RunningTask>>,
    ) -> Result<Self> {
        let images = Images::open(&images, &emulator.endpoint, http)
            .map_err(|error| Error::io("prepare", &images, &error))?;
        let worker_endpoint = emulator.worker_endpoint.clone();
        let processes = Semaphore::new(MOST_PROCESSES);
        Ok(Self {
            shared: Rc::new(Shared { session, worker_endpoint, images, processes, ui }),
            clients: HashMap::new(),
            active: vec![HOME_REGION],
            next: 0,
            taken: HashMap::new(),
            dead: HashSet::new(),
            shown,
            told: Told::new(emulator.told.clone()),
        })
    }

    /// Works until told to stop, then stops all tasks.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut pause = LOOK;
        loop {
            let looked = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => break,
                looked = self.look() => looked,
            };
            match looked {
                Ok(()) => {
                    if pause > LOOK {
                        self.shared.ui.step("answers", "the emulator, again");
                    }
                    pause = LOOK;
                }
                Err(error) => {
                    if pause == LOOK {
                        self.shared.ui.warn(format!("looking for tasks: {}", text(error)));
                    }
                    self.told.forget();
                    pause = (pause * 2).min(LONGEST_LOOK);
                }
            }
            self.show();
            let pause = if pause == LOOK && self.told.listens() { SELDOM_LOOK } else { pause };
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => break,
                regions = self.told.next() => self.look_also(&regions),
                () = sleep(pause) => {}
            }
        }
        for taken in self.taken.values() {
            taken.stop.send_replace(Some(Stop::Shutdown));
        }
        for (_, taken) in self.taken {
            let _ = taken.handle.await;
        }
    }

    /// Forgets tasks that have ended, takes on new ones, and stops those that somebody else has stopped.
    async fn look(&mut self) -> std::result::Result<(), AwsError> {
        // This comes before the lists are asked for: a task that has ended here has been stopped there, so no list has
        // the task again.
        self.taken.retain(|_, taken| !taken.handle.is_finished());
        let candidate = REGIONS[self.next];
        self.next = (self.next + 1) % REGIONS.len();
        let mut regions = self.active.clone();
        if !regions.contains(&candidate) {
            regions.push(candidate);
        }
        let mut listed = HashSet::new();
        for region in &regions {
            let any = self.look_in(region, &mut listed).await?;
            if any && !self.active.contains(region) {
                self.active.push(region);
            }
        }
        for (arn, taken) in &self.taken {
            if regions.contains(&taken.region) && !listed.contains(arn) {
                taken.stop.send_if_modified(|stop| {
                    let first = stop.is_none();
                    stop.get_or_insert(Stop::Elsewhere);
                    first
                });
            }
        }
        self.dead.retain(|arn| listed.contains(arn));
        Ok(())
    }

    /// Makes every look ask these regions, too.
    fn look_also(&mut self, regions: &[String]) {
        for region in REGIONS.iter().filter(|known| regions.iter().any(|region| region == *known)) {
            if !self.active.contains(region) {
                self.active.push(region);
            }
        }
    }

    /// Takes on the new tasks of one region; returns `true` if the region has any cluster.
    async fn look_in(
        &mut self,
        region: &'static str,
        listed: &mut HashSet<String>,
    ) -> std::result::Result<bool, AwsError> {
        let session = &self.shared.session;
        let ecs = self.clients.entry(region).or_insert_with(|| Ecs::new(session, region)).clone();
        let clusters = ecs.clusters().await?;
        for cluster in &clusters {
            let arns = ecs.running_tasks(cluster).await?;
            let unknown = |arn: &&String| !self.taken.contains_key(*arn) && !self.dead.contains(*arn);
            let new: Vec<String> = arns.iter().filter(unknown).cloned().collect();
            listed.extend(arns);
            for task in ecs.tasks(cluster, &new).await? {
                if task.running {
                    self.take(region, &ecs, task);
                } else {
                    self.dead.insert(task.arn);
                }
            }
        }
        Ok(!clusters.is_empty())
    }

    fn take(&mut self, region: &'static str, ecs: &Ecs, task: Task) {
        let (stop, stopping) = watch::channel(None);
        let (arn, definition) = (task.arn.clone(), name_of(&task.definition).to_owned());
        let run = task::run(Rc::clone(&self.shared), ecs.clone(), region, task, stop.clone(), stopping);
        let handle = tokio::task::spawn_local(run);
        self.taken.insert(arn, Taken { region, definition, stop, handle });
    }

    /// Tells whoever listens the tasks that run, if they have changed.
    fn show(&self) {
        let running = self.taken.iter().filter(|(_, taken)| !taken.handle.is_finished());
        let task = |(arn, taken): (&String, &Taken)| RunningTask {
            arn: arn.clone(),
            definition: taken.definition.clone(),
        };
        let mut tasks: Vec<RunningTask> = running.map(task).collect();
        tasks.sort_by(|one, other| one.arn.cmp(&other.arn));
        self.shown.send_if_modified(|shown| {
            let changed = *shown != tasks;
            *shown = tasks;
            changed
        });
    }
}

/// Returns the last part of an ARN.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Formats an error as one line.
fn text(error: AwsError) -> String {
    Error::from(error).message().map(|message| message.text).unwrap_or_default()
}
