//! One task, from its image to StopTask.

use std::rc::Rc;
use std::time::Duration;

use deployer_aws::ecs::{Container, Ecs, Task};
use deployer_aws::eventbridge::task_events;
use deployer_aws::eventbridge::task_events::StopCode;
use deployer_aws::logs::{LogLine, LogStream};
use deployer_oci::reference::Reference;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::logs::Output;
use super::process::{self, Launch, Stop, now};
use super::{Shared, name_of, text};

/// Reason of tasks that the end of the local cloud has stopped.
const SHUTDOWN_REASON: &str = "local cloud stopped";
/// Time that the last report of a task may take when the local cloud ends.
const LAST_WORD: Duration = Duration::from_secs(2);
/// Time that delivery to the rules for the end of a task may take.
const DELIVERY: Duration = Duration::from_secs(10);
/// First pause between attempts to report how a task has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// An end of its own, for this reason, which has to be reported.
    Reason(StopCode, String),
    /// The end of the local cloud.
    Shutdown,
    /// A stop by somebody else, who has reported it.
    Elsewhere,
}

/// A container that can be started.
struct Prepared {
    container: Container,
    launch: Launch,
}

/// Runs a task to its end and reports how it ended.
pub(super) async fn run(
    shared: Rc<Shared>,
    ecs: Ecs,
    region: &'static str,
    task: Task,
    stop: watch::Sender<Option<Stop>>,
    mut stopping: watch::Receiver<Option<Stop>>,
) {
    let (id, definition) = (name_of(&task.arn), name_of(&task.definition));
    let mut ended = Vec::new();
    let end = {
        let mut until_stopped = stopping.clone();
        let _permit = tokio::select! {
            permit = shared.processes.acquire() => permit.ok(),
            _ = until_stopped.wait_for(Option::is_some) => None,
        };
        shared.ui.step("task", format!("{id} ({definition}) is starting"));
        run_containers(&shared, &ecs, region, &task, &stop, &stopping, &mut ended).await
    };
    let stopped =
        |code, reason: &str| task_events::stopped(&task, &ended, code, reason, jiff::Timestamp::now());
    let event = match &end {
        End::Elsewhere => Some(stopped(StopCode::UserInitiated, "Task stopped by user")),
        End::Reason(code, reason) => Some(stopped(*code, reason)),
        // Nobody is left who could start the task again.
        End::Shutdown => None,
    };
    match end {
        End::Elsewhere => shared.ui.step("task", format!("{id} ({definition}) was stopped")),
        End::Reason(_, reason) => {
            shared.ui.step("task", format!("{id} ({definition}) has stopped: {reason}"));
            say(&shared, &ecs, &task, &reason, &mut stopping).await;
        }
        End::Shutdown => {
            shared.ui.step("task", format!("{id} ({definition}) has stopped: {SHUTDOWN_REASON}"));
            say(&shared, &ecs, &task, SHUTDOWN_REASON, &mut stopping).await;
        }
    }
    if let Some(event) = event {
        let delivered = timeout(DELIVERY, task_events::deliver(&shared.session, region, &event)).await;
        if let Ok(Err(error)) = delivered {
            shared.ui.warn(format!("task {id}: the event that it has stopped: {}", text(error)));
        }
    }
}

async fn run_containers(
    shared: &Rc<Shared>,
    ecs: &Ecs,
    region: &str,
    task: &Task,
    stop: &watch::Sender<Option<Stop>>,
    stopping: &watch::Receiver<Option<Stop>>,
    ended: &mut Vec<(String, Option<i32>)>,
) -> End {
    let failed_to_start = |reason: String| End::Reason(StopCode::TaskFailedToStart, reason);
    let mut until_stopped = stopping.clone();
    let containers = tokio::select! {
        biased;
        _ = until_stopped.wait_for(Option::is_some) => return stopped(stopping),
        containers = ecs.containers(&task.definition) => containers,
    };
    let containers = match containers {
        Ok(containers) => containers,
        Err(error) => return failed_to_start(format!("ResourceInitializationError: {}", text(error))),
    };
    ended.extend(containers.iter().map(|container| (container.name.clone(), None)));
    // All images come first, then all processes, so that no container runs in a task that cannot.
    let mut prepared = Vec::with_capacity(containers.len());
    for container in containers {
        let output = open(shared, region, task, &container);
        let launch = tokio::select! {
            biased;
            _ = until_stopped.wait_for(Option::is_some) => Err(stopped(stopping)),
            launch = prepare(shared, region, task, &container) => launch.map_err(failed_to_start),
        };
        match launch {
            Ok(launch) => prepared.push((Prepared { container, launch }, output)),
            Err(end) => {
                // AWS reports the reason in the task only; here it is also beside the other output of the task.
                if let End::Reason(_, reason) = &end {
                    let _ = output.lines.send(LogLine { time: now(), text: reason.clone() }).await;
                }
                output.close().await;
                close_all(prepared).await;
                return end;
            }
        }
    }

    let end = {
        let mut running: FuturesUnordered<_> = prepared
            .iter()
            .map(|(one, output)| {
                let mut stopping = stopping.clone();
                async move { (&one.container, process::run(&one.launch, &output.lines, &mut stopping).await) }
            })
            .collect();
        let mut end = None;
        while let Some((container, result)) = running.next().await {
            let (essential, reason) = match result {
                Ok(exit_code) => {
                    if let Some((_, ended)) = ended.iter_mut().find(|(name, _)| *name == container.name) {
                        *ended = Some(exit_code);
                    }
                    let reason = format!("Essential container in task exited: exit code {exit_code}");
                    (container.essential, End::Reason(StopCode::EssentialContainerExited, reason))
                }
                Err(error) => {
                    (true, failed_to_start(format!("CannotStartContainerError: {}: {error}", container.name)))
                }
            };
            // The first essential container determines the reason; a task of only other containers ends with its last
            // one.
            if end.is_none() && (essential || running.is_empty()) {
                end = Some(match *stopping.borrow() {
                    Some(_) => stopped(stopping),
                    None => reason,
                });
                stop.send_if_modified(|stop| {
                    let first = stop.is_none();
                    stop.get_or_insert(Stop::Sibling);
                    first
                });
            }
        }
        end.unwrap_or_else(|| {
            failed_to_start("CannotStartContainerError: the task definition has no container".to_owned())
        })
    };
    close_all(prepared).await;
    end
}

async fn close_all(prepared: Vec<(Prepared, Output)>) {
    for (_, output) in prepared {
        output.close().await;
    }
}

/// Returns the end of a task that has been told to stop.
fn stopped(stopping: &watch::Receiver<Option<Stop>>) -> End {
    match *stopping.borrow() {
        Some(Stop::Shutdown) => End::Shutdown,
        Some(Stop::Elsewhere | Stop::Sibling) | None => End::Elsewhere,
    }
}

fn open(shared: &Rc<Shared>, region: &str, task: &Task, container: &Container) -> Output {
    let stream = container.log.as_ref().map(|log| {
        let id = name_of(&task.arn);
        // Without a prefix Docker names the stream by the container's id, which does not exist here.
        let stream = match &log.prefix {
            Some(prefix) => format!("{prefix}/{}/{id}", container.name),
            None => id.to_owned(),
        };
        LogStream::new(&shared.session, log.region.as_deref().unwrap_or(region), &log.group, &stream)
    });
    Output::open(stream, Rc::clone(&shared.ui))
}

/// Pulls the image and determines the program to run; the error is the reason that ECS would give.
async fn prepare(
    shared: &Shared,
    region: &str,
    task: &Task,
    container: &Container,
) -> Result<Launch, String> {
    let reference: Reference =
        container.image.parse().map_err(|error| format!("CannotPullContainerError: {error}"))?;
    let image =
        shared.images.get(&reference).await.map_err(|error| format!("CannotPullContainerError: {error}"))?;
    let run = task.overrides.iter().find(|one| one.container == container.name);
    let local = [
        ("AWS_ENDPOINT_URL", shared.worker_endpoint.as_str()),
        ("AWS_REGION", region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    Launch::new(&image, container, run, &local).map_err(|error| format!("CannotStartContainerError: {error}"))
}

/// Reports how the task has ended, again and again until the emulator accepts the report or the local cloud ends.
async fn say(
    shared: &Shared,
    ecs: &Ecs,
    task: &Task,
    reason: &str,
    stopping: &mut watch::Receiver<Option<Stop>>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let last = *stopping.borrow() == Some(Stop::Shutdown);
        let said = timeout(LAST_WORD, ecs.stop(&task.cluster, &task.arn, reason)).await;
        match said {
            Ok(Ok(())) => return,
            // The emulator has answered: the task is gone, for example after a reset.
            Ok(Err(error)) if error.code.is_some() => {
                shared.ui.warn(format!("task {}: {}", name_of(&task.arn), text(error)));
                return;
            }
            Ok(Err(_)) | Err(_) if last => {
                shared.ui.warn(format!("task {}: could not report that it has stopped", name_of(&task.arn)));
                return;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop == Some(Stop::Shutdown)) => {}
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
