//! The process that runs the local cloud: holds the lock, runs MiniStack and the task agent, and ends with them.
//!
//! `deployer local up` starts it in a process group of its own and lets go of it. The supervisor ends on SIGTERM, when
//! MiniStack ends, and when somebody deletes its folder. If it is killed, everything ends with it: MiniStack by its
//! guard, tasks by the kernel.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use deployer_aws::session::{Connection, Unidentified};
use deployer_base::error::{Error, Result};
use deployer_base::signals::Signals;
use deployer_base::ui::{Color, Settings, Ui};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::agent::Agent;
use crate::control::tail;
use crate::emulator::{Emulator, NotReady, TESTED_VERSION, free_port};
use crate::options::Options;
use crate::state::{Folder, Lock, Running, RunningTask};

/// Time that MiniStack may take until it answers: half a second is usual, a cold disk takes longer.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// Number of times that another port is tried if somebody takes the chosen one first.
const ATTEMPTS: u32 = 3;
/// Time for which a process that only looks at the lock may hold it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Time that the agent may take to stop its tasks: their grace, and the rest of their output.
const AGENT_PATIENCE: Duration = Duration::from_secs(10);
/// Interval at which the supervisor checks that its folder still exists.
const FOLDER_CHECK: Duration = Duration::from_secs(2);

/// The reason why the supervisor ends.
enum End {
    Asked,
    EmulatorEnded,
    FolderGone,
}

/// Runs the local cloud of the stack file in `folder` until told to end.
///
/// # Errors
/// If the local cloud cannot start, or MiniStack ends by itself.
pub async fn supervise(folder: &Path, ministack: &Path, options: &Options) -> Result<()> {
    let ui = Rc::new(Ui::new(Settings { color: Color::Never, ..Settings::default() }));
    // This comes before anything is started that would survive a signal.
    let mut signals = Signals::listen()?;
    let folder = Folder::beside(folder);
    let Some(lock) = folder.take(LOCK_PATIENCE).await? else {
        return Err(Error::failed("another process is running the local cloud of this folder"));
    };
    // The kernel kills a task with the thread that started it. A local set keeps the agent on this, the main, thread.
    let result = LocalSet::new().run_until(run(&ui, &folder, &lock, ministack, options, &mut signals)).await;
    if lock.is_current() {
        lock.sweep()?;
        lock.clear()?;
    }
    result
}

async fn run(
    ui: &Rc<Ui>,
    folder: &Folder,
    lock: &Lock,
    ministack: &Path,
    options: &Options,
    signals: &mut Signals,
) -> Result<()> {
    let mut state = Running::starting()?;
    lock.write(&state)?;
    lock.sweep()?;
    // All requests stay on this machine, so that no root certificates are needed.
    let http =
        reqwest::Client::builder().no_proxy().tls_certs_only([]).connect_timeout(Duration::from_secs(5));
    let http = http.read_timeout(Duration::from_secs(30)).build();
    let http = http.map_err(|error| Error::failed(format!("could not start: {error}")))?;

    let Some(mut emulator) = start(ui, folder, lock, ministack, options, &mut state, &http, signals).await?
    else {
        ui.step("stopped", "before MiniStack answered");
        return Ok(());
    };
    let end = match serve(ui, folder, lock, &mut emulator, &mut state, http, signals).await {
        Ok(end) => end,
        Err(error) => {
            emulator.stop().await;
            return Err(error);
        }
    };
    match end {
        End::Asked => {
            emulator.stop().await;
            ui.step("stopped", "MiniStack");
            Ok(())
        }
        End::FolderGone => {
            // Saving would create the folder again.
            emulator.kill().await;
            Err(Error::failed(format!("{} was deleted", folder.root().display())))
        }
        End::EmulatorEnded => {
            emulator.stop().await;
            Err(Error::failed(format!(
                "MiniStack has stopped unexpectedly\n{}",
                tail(&folder.emulator_log(), 15)
            )))
        }
    }
}

/// Starts MiniStack and waits until it answers; returns `None` if told to end meanwhile.
#[expect(clippy::too_many_arguments, reason = "everything that one start touches")]
async fn start(
    ui: &Ui,
    folder: &Folder,
    lock: &Lock,
    ministack: &Path,
    options: &Options,
    state: &mut Running,
    http: &reqwest::Client,
    signals: &mut Signals,
) -> Result<Option<Emulator>> {
    let mut last = folder.last_port();
    for attempt in 1..=ATTEMPTS {
        let chosen = free_port(options.port, last)?;
        let mut emulator = Emulator::start(ministack, folder, chosen, options.worker_endpoint.as_deref())?;
        state.emulator_pid = Some(emulator.pid());
        state.endpoint.clone_from(&emulator.endpoint);
        lock.write(state)?;
        ui.step("starting", format!("{} on port {chosen}", ministack.display()));
        let ready = tokio::select! {
            ready = emulator.ready(http, READY_PATIENCE) => ready,
            () = signals.end() => {
                emulator.stop().await;
                return Ok(None);
            }
        };
        match ready {
            Ok(()) => {
                state.version = emulator.version(http).await;
                folder.keep_port(chosen)?;
                return Ok(Some(emulator));
            }
            Err(NotReady::Ended)
                if attempt < ATTEMPTS && options.port.is_none() && free_port(Some(chosen), None).is_err() =>
            {
                ui.step("retrying", format!("another process has taken port {chosen}"));
                emulator.stop().await;
                last = None;
            }
            Err(reason) => {
                emulator.stop().await;
                let what = match reason {
                    NotReady::Ended => "stopped while starting".to_owned(),
                    NotReady::Late => format!("did not answer within {} s", READY_PATIENCE.as_secs()),
                };
                return Err(Error::failed(format!("MiniStack {what}\n{}", tail(&folder.emulator_log(), 15))));
            }
        }
    }
    Err(Error::failed("no port remains free for MiniStack"))
}

/// Lets the agent work until something ends it, then stops its tasks.
async fn serve(
    ui: &Rc<Ui>,
    folder: &Folder,
    lock: &Lock,
    emulator: &mut Emulator,
    state: &mut Running,
    http: reqwest::Client,
    signals: &mut Signals,
) -> Result<End> {
    let session =
        Unidentified::open(Connection::Local { endpoint: emulator.endpoint.clone(), region: None }, None)
            .await?
            .identify()
            .await?;
    let (stop, stopping) = watch::channel(false);
    let (tasks, mut shown) = watch::channel(Vec::<RunningTask>::new());
    let agent = Agent::new(session, emulator, folder.images(), http, Rc::clone(ui), tasks)?;
    let mut agent = tokio::task::spawn_local(agent.run(stopping));

    state.ready = true;
    lock.write(state)?;
    ui.step("ready", &state.endpoint);
    if let Some(version) = state.version.as_ref().filter(|version| *version != TESTED_VERSION) {
        ui.warn(format!(
            "this is MiniStack {version}; the local cloud has been tested with {TESTED_VERSION}"
        ));
    }

    let mut check = interval(FOLDER_CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            () = signals.end() => break End::Asked,
            () = emulator.ended() => break End::EmulatorEnded,
            ended = &mut agent => {
                // The agent has no end of its own, so this is a defect; without the agent, tasks would wait for ever.
                return Err(Error::failed(format!("the task agent has stopped: {ended:?}")));
            }
            _ = check.tick() => {
                if !lock.is_current() {
                    break End::FolderGone;
                }
            }
            Ok(()) = shown.changed() => {
                state.tasks.clone_from(&shown.borrow_and_update());
                if let Err(error) = lock.write(state) {
                    ui.warn(error.message().map(|message| message.text).unwrap_or_default());
                }
            }
        }
    };
    stop.send_replace(true);
    if timeout(AGENT_PATIENCE, &mut agent).await.is_err() {
        // The kernel kills the rest of the tasks when this process ends.
        ui.warn("tasks do not stop");
    }
    Ok(end)
}
