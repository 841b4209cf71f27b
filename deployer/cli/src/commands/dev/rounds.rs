//! The loop of `dev`: a save is checked, built if there is something to build, and deployed to the local cloud.
//!
//! `pace` decides when a round begins, `watch` sees saves, `check` reads the file, and the deployment itself is that of `deploy`.
//! Everything is in one thread: a round that is given up is dropped, and its build with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use deployer_base::error::{Error, Message, Result};
use deployer_base::signals::Signals;
use deployer_build::sources;
use deployer_lang::assets::assets;
use deployer_lang::model::ResourceType;
use deployer_lang::{Compiled, Document};
use deployer_syntax::Diagnostics;
use tokio::sync::watch::Sender;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::commands::deploy::{self, Args, Swapping, act};
use crate::commands::logs;
use crate::context::Context;
use crate::deployment::{DeployResult, Losses};
use crate::existing;
use crate::situation::{Busy, Look, Situation};

use super::check::{check, choose};
use super::cloud::{Foreign, LocalCloud};
use super::inputs::{Inputs, real};
use super::pace::{self, Pace, Running, Step};
use super::report::{CloudState, DevEvent, Report};
use super::watch::Watch;
use super::{page, tail};

/// Time for which an error of a file must last before it is shown: an editor may save the file once more.
const GRACE: Duration = Duration::from_millis(150);
/// Interval at which the local cloud and the clock are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Difference between two clocks that is not one of measuring.
const JUMP: Duration = Duration::from_secs(5);
/// Time that a deployment has to end after Ctrl-C, before the local cloud is stopped.
const LAST_DEPLOYMENT: Duration = Duration::from_millis(500);
/// Time that the local cloud has to stop before `dev` ends without it.
const LAST_STOP: Duration = Duration::from_millis(1_300);

/// The settings of a run.
#[derive(Debug)]
pub struct Settings {
    /// The stack, if it was named.
    pub stack: Option<String>,
    /// The log lines to show; `None` for none of them.
    pub logs: Option<logs::filter::Filter>,
    /// Whether the page of the console is opened in the browser; `None` if it is not served.
    pub page: Option<bool>,
}

/// A run of `dev`.
#[derive(Debug)]
struct Dev<'a> {
    context: &'a Context,
    /// The stack, once it is known.
    stack: RefCell<Option<String>>,
    watch: Watch,
    cloud: LocalCloud,
    report: Report,
    pace: RefCell<Pace>,
    started: Instant,
    /// The stage of the round under way.
    stage: Cell<Running>,
    /// Device and number of the stack file, by which it is found under another name.
    file: Cell<Option<(u64, u64)>>,
    /// The sources of the last stack without errors, which stay watched while the file has some.
    sources: RefCell<Inputs>,
    logs: Sender<Option<tail::Source>>,
    deployments: Cell<u64>,
    /// Milliseconds since 1970 from which on log lines are shown.
    since: Cell<i64>,
    /// `true` if code in use is not recorded in CloudFormation.
    swapped: Cell<bool>,
    /// `true` once the way to use the pipeline was shown.
    told: Cell<bool>,
}

/// A round that is under way.
type Round<'r> = Pin<Box<dyn Future<Output = Result<()>> + 'r>>;

/// Runs the loop until it is interrupted.
///
/// # Errors
/// Returns [`Error::Interrupted`] in the end; before the loop begins, [`Error::Usage`] if there is no stack file, and
/// [`Error::Refused`] if its stack is not one of the local cloud.
pub async fn run(context: &Context, settings: &Settings) -> Result<()> {
    // A wrong command line ends at once; a file with errors is waited for.
    let source = context.source()?;
    if let Some(document) = Document::parse(&source, &mut Diagnostics::default()) {
        choose(&document, settings.stack.as_deref())?;
    }
    let mut signals = Signals::listen()?;
    let folder = real(context.folder());
    let (logs, log_sources) = tokio::sync::watch::channel(None);
    let dev = Dev {
        context,
        stack: RefCell::new(settings.stack.clone()),
        watch: Watch::new(),
        cloud: LocalCloud::beside(folder.clone()),
        report: Report::new(&context.ui, &folder),
        pace: RefCell::default(),
        started: Instant::now(),
        stage: Cell::new(Running::Nothing),
        file: Cell::new(None),
        sources: RefCell::default(),
        logs,
        deployments: Cell::new(0),
        since: Cell::new(logs::now()),
        swapped: Cell::new(false),
        told: Cell::new(false),
    };
    let deployed = log_sources.clone();
    let page = async {
        match settings.page {
            Some(opens) => page::serve(context, &dev.report, opens, deployed).await,
            None => std::future::pending().await,
        }
    };
    let tail = async {
        match &settings.logs {
            Some(filter) => tail::follow(context, &dev.report, filter, log_sources).await,
            None => std::future::pending().await,
        }
    };
    dev.watch_inputs(Inputs::of_file(&context.file));
    dev.pace.borrow_mut().ask(dev.now());
    let mut round = None;
    // Nobody reads the output any more, if this ends by itself.
    let ended = tokio::select! {
        biased;
        () = signals.any() => Ok(()),
        ended = dev.rounds(&mut round) => ended,
        ended = tail => ended,
        ended = page => ended,
    };
    let message = tokio::select! {
        biased;
        message = dev.end(round) => message,
        // Whoever does not want to wait is not made to.
        () = signals.any() => Message::new("interrupted"),
    };
    ended.and(Err(Error::Interrupted(message)))
}

impl Dev<'_> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Watches these inputs, and the sources that are known.
    fn watch_inputs(&self, mut inputs: Inputs) {
        let known = self.sources.borrow();
        inputs.files.extend(known.files.iter().cloned());
        inputs.folders.extend(known.folders.iter().cloned());
        inputs.ignored.extend(known.ignored.iter().cloned());
        inputs.endings.extend(known.endings.iter().cloned());
        drop(known);
        if let Some(problem) = self.watch.set(inputs) {
            self.context.ui.warn(format!("{problem}; files are compared three times a second instead"));
        }
    }

    /// Begins rounds as files are saved, and gives up those that are out of date. The round under way is left in `round`.
    async fn rounds<'r>(&'r self, round: &mut Option<Round<'r>>) -> Result<()> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clocks = (SystemTime::now(), Instant::now());
        let mut has_locked = false;
        loop {
            let running = if round.is_some() { self.stage.get() } else { Running::Nothing };
            let step = self.pace.borrow().step(self.now(), running);
            let until = match step {
                Step::Begin => {
                    let saved = self.now();
                    let files = self.pace.borrow_mut().take();
                    self.stage.set(Running::Checking);
                    *round = Some(Box::pin(self.round(files, saved)));
                    continue;
                }
                Step::GiveUp => {
                    // Dropped here, and its build with it.
                    *round = None;
                    has_locked = false;
                    self.context.ui.step("newer", "files were saved meanwhile; starting over");
                    self.report.event(&self.context.ui, &DevEvent::Superseded {})?;
                    continue;
                }
                Step::Wait(until) => until,
            };
            tokio::select! {
                biased;
                changes = self.watch.next() => {
                    let mut pace = self.pace.borrow_mut();
                    for change in changes {
                        // Cargo writes its lock file during a build, which is not out of date then. If it was somebody else,
                        // the next round sees it.
                        if running == Running::Checking && change.path.ends_with("Cargo.lock") {
                            has_locked = true;
                        } else {
                            pace.note(self.now(), change);
                        }
                    }
                }
                ended = under_way(round) => {
                    *round = None;
                    ended?;
                    if std::mem::take(&mut has_locked) {
                        self.pace.borrow_mut().ask(self.now());
                    }
                }
                () = wait_until(self.started, until) => {}
                _ = looks.tick() => {
                    self.look(round.is_some())?;
                    clocks = self.look_at_clock(clocks)?;
                }
            }
        }
    }

    /// Looks at the local cloud, which others may stop and start.
    fn look(&self, busy: bool) -> Result<()> {
        let ui = &self.context.ui;
        let (state, endpoint) = match self.cloud.look() {
            None => return Ok(()),
            Some(Foreign::Stopped) => {
                ui.warn("the local cloud was stopped; the next save starts it again");
                (CloudState::Lost, None)
            }
            Some(Foreign::Started(endpoint)) => {
                ui.step("cloud", format!("the local cloud was started again at {endpoint}"));
                if !busy {
                    self.pace.borrow_mut().ask(self.now());
                }
                (CloudState::Back, Some(endpoint))
            }
        };
        self.report.event(ui, &DevEvent::Cloud { state, endpoint: endpoint.as_deref() })
    }

    /// Compares the clock with one that nobody sets. After a jump, everything is looked at again: the machine may have slept.
    fn look_at_clock(&self, before: (SystemTime, Instant)) -> Result<(SystemTime, Instant)> {
        let now = (SystemTime::now(), Instant::now());
        if let Some(jump) = jumped(before, now) {
            self.context.ui.step("clock", format!("{jump}; checking everything again"));
            self.since.set(logs::now());
            self.pace.borrow_mut().ask(self.now());
        }
        Ok(now)
    }

    /// Checks and deploys what was saved. A failure is shown, and the loop goes on.
    async fn round(&self, files: BTreeSet<PathBuf>, begun: Duration) -> Result<()> {
        // Files were quiet for a moment before.
        let saved = if files.is_empty() { begun } else { begun.saturating_sub(pace::QUIET) };
        let context = Arc::new(self.context.restarted());
        let ui = &context.ui;
        if !files.is_empty() {
            self.report.saved(ui, &files)?;
        }
        let stack = self.stack.borrow().clone();
        let checked = match check(Arc::clone(&context), stack).await {
            Ok(checked) => checked,
            Err(error) => {
                self.settled().await;
                return self.report.failed(ui, &self.explained(error));
            }
        };
        self.file.set(identity(&self.context.file).or(self.file.get()));
        let Some(compiled) = checked.compiled else {
            self.watch_inputs(checked.inputs);
            self.settled().await;
            return self.report.problems(ui, &checked.source, &checked.diagnostics);
        };
        self.stack.borrow_mut().get_or_insert_with(|| compiled.stack.target.stack.clone());
        self.report.right(ui, &checked.source, &checked.diagnostics)?;
        let code = sources(context.project(), &assets(&compiled.stack)).await;
        let mut inputs = checked.inputs;
        inputs.add_sources(&code);
        self.sources.replace(Inputs::default());
        self.watch_inputs(inputs.clone());
        self.sources.replace(inputs);
        match self.deploy(&context, &compiled, saved).await {
            // The reader of the output is gone.
            Err(Error::BrokenPipe) => Err(Error::BrokenPipe),
            Err(error) => {
                if self.stage.get() == Running::Checking {
                    self.settled().await;
                }
                self.report.failed(ui, &error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Waits until an error is one of the file as it was meant, and not of one half saved: then it is saved again in a moment,
    /// and this round is given up.
    async fn settled(&self) {
        loop {
            tokio::time::sleep(GRACE).await;
            if !self.pace.borrow().is_pending() {
                return;
            }
        }
    }

    async fn deploy(&self, context: &Context, compiled: &Compiled, saved: Duration) -> Result<()> {
        let (ui, stack) = (&context.ui, &compiled.stack);
        if let Some((started, endpoint)) = self.cloud.ensure(context, &stack.target).await? {
            let (verb, state) = match started {
                true => ("started", CloudState::Started),
                false => ("cloud", CloudState::Running),
            };
            ui.step(verb, format!("the local cloud at {endpoint}"));
            self.report.event(ui, &DevEvent::Cloud { state, endpoint: Some(&endpoint) })?;
        }
        let look = Situation::new(
            context,
            compiled,
            Look { code: true, busy: Busy::Wait, fresh: false, allow_replace: &[] },
        )
        .await?;
        existing::gate(context, &look, compiled).await?;
        self.stage.set(Running::Deploying);
        forget_typed();
        // An answer is one to this plan, and not to a later one.
        let losses = Losses::Asked(Arc::default());
        let (none, swapping) = (Args::default(), Swapping::WherePossible);
        let done = act(context, &none, compiled, &look, None, swapping, losses).await?;
        match done.result {
            DeployResult::Swapped => self.swapped.set(true),
            DeployResult::Deployed => self.swapped.set(false),
            DeployResult::Unchanged | DeployResult::Planned(_) => {}
        }
        let times = context.meter.as_ref().map(|meter| meter.times()).unwrap_or_default();
        let took = self.now().saturating_sub(saved);
        self.report.deployed(ui, &stack.name, done.result.summary(), took, times)?;
        self.deployments.set(self.deployments.get() + 1);
        let has_log = |is: &ResourceType| matches!(is, ResourceType::Function(_) | ResourceType::Task(_));
        let names = stack.resources.iter().filter(|one| has_log(&one.is)).map(|one| one.name.clone());
        self.logs.send_replace(Some(tail::Source {
            target: stack.target.clone(),
            stack: stack.name.clone(),
            names: names.collect(),
            deployment: self.deployments.get(),
            since: self.since.get(),
        }));
        if !self.told.replace(true) {
            let next = deploy::next_step(stack);
            let next = next.map(|next| format!("; to use the pipeline: {next}")).unwrap_or_default();
            ui.note(format!("\nsave a file to deploy it, press Ctrl-C to end{next}\n"));
        }
        Ok(())
    }

    /// Explains why there is no stack file any more, if it has another name now.
    fn explained(&self, error: Error) -> Error {
        let file = &self.context.file;
        if file.symlink_metadata().is_ok() {
            return error;
        }
        let name = file.display();
        let renamed = self.file.get().and_then(|known| renamed(file, known));
        Error::Usage(match renamed {
            Some(new) => Message::new(format!("{name} was renamed to {}", new.display())).hint(format!(
                "rename it back, or press Ctrl-C and run `deployer dev -f {}`; what is deployed stays as it is",
                new.display()
            )),
            None => Message::new(format!("{name} was removed"))
                .hint("what is deployed stays as it is; it is deployed as soon as the file is there again"),
        })
    }

    /// Leaves the local cloud as it was found, and returns the last message.
    async fn end(&self, round: Option<Round<'_>>) -> Message {
        let is_deploying = round.is_some() && self.stage.get() == Running::Deploying;
        if let Some(round) = round
            && is_deploying
            && self.cloud.is_ours()
        {
            // The local cloud should not be stopped in the middle of it.
            let _ = timeout(LAST_DEPLOYMENT, round).await;
        }
        let ui = &self.context.ui;
        let text = match self.cloud.is_ours() {
            false => "interrupted; the local cloud and the stack stay as they are",
            true => match timeout(LAST_STOP, self.cloud.stop()).await {
                Ok(Ok(())) => {
                    let event = DevEvent::Cloud { state: CloudState::Stopped, endpoint: None };
                    // The reader may be gone, which ends the run as well.
                    let _ = self.report.event(ui, &event);
                    "interrupted; the local cloud was stopped, and its data is kept"
                }
                Ok(Err(error)) => {
                    ui.error(
                        &error.message().unwrap_or_else(|| Message::new("the local cloud does not stop")),
                    );
                    "interrupted"
                }
                Err(_) => "interrupted; the local cloud is being stopped, and its data is kept",
            },
        };
        let message = Message::new(text);
        match (self.swapped.get(), &*self.stack.borrow()) {
            (true, Some(stack)) => message.hint(format!(
                "swapped code is not recorded in CloudFormation; `deployer deploy {stack}` makes it permanent"
            )),
            _ => message,
        }
    }
}

/// Forgets what was typed before there was a question, which is no answer to it.
fn forget_typed() {
    let stdin = std::io::stdin();
    // A process in the background would be stopped.
    let is_in_front =
        rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp());
    if stdin.is_terminal() && is_in_front {
        let _ = rustix::termios::tcflush(&stdin, rustix::termios::QueueSelector::IFlush);
    }
}

/// Waits for the end of a round, if there is one.
async fn under_way(round: &mut Option<Round<'_>>) -> Result<()> {
    match round {
        Some(round) => round.await,
        None => std::future::pending().await,
    }
}

/// Waits until a time after the start.
async fn wait_until(started: Instant, until: Option<Duration>) {
    match until {
        Some(until) => tokio::time::sleep_until((started + until).into()).await,
        None => std::future::pending().await,
    }
}

/// Returns device and number of a file.
fn identity(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|data| (data.dev(), data.ino()))
}

/// Returns the file beside another that has its identity.
fn renamed(file: &Path, known: (u64, u64)) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?;
    let new = entries.flatten().find(|entry| identity(&entry.path()) == Some(known))?;
    Some(file.with_file_name(new.file_name()))
}

/// Describes a jump of the clock between two readings of it and of a clock that nobody sets.
fn jumped(before: (SystemTime, Instant), now: (SystemTime, Instant)) -> Option<String> {
    let passed = now.1.saturating_duration_since(before.1);
    let expected = before.0 + passed;
    match now.0.duration_since(expected) {
        Ok(ahead) if ahead > JUMP => {
            Some(format!("the clock went {} s ahead, or this machine was asleep", ahead.as_secs()))
        }
        Err(back) if back.duration() > JUMP => {
            Some(format!("the clock was set back by {} s", back.duration().as_secs()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_told_from_time_that_passes() {
        let (wall, steady) = (SystemTime::now(), Instant::now());
        let seconds = Duration::from_secs;
        let after = |real: u64, shown: SystemTime| (shown, steady + seconds(real));
        assert_eq!(jumped((wall, steady), after(1, wall + seconds(1))), None);
        assert_eq!(jumped((wall, steady), after(600, wall + seconds(603))), None);
        let ahead = jumped((wall, steady), after(1, wall + seconds(3_601))).expect("a jump");
        assert!(ahead.contains("3600 s ahead"), "{ahead}");
        let back = jumped((wall, steady), after(1, wall - seconds(59))).expect("a jump");
        assert!(back.contains("set back by 60 s"), "{back}");
    }

    #[test]
    fn a_file_is_found_under_its_new_name() {
        let temp = tempfile::tempdir().expect("a folder");
        let [old, new] = ["stack.yaml", "pipeline.yaml"].map(|name| temp.path().join(name));
        std::fs::write(&old, "").expect("written");
        let known = identity(&old).expect("a file");
        assert_eq!(renamed(&old, known), Some(old.clone()));
        std::fs::rename(&old, &new).expect("renamed");
        assert_eq!(renamed(&old, known), Some(new.clone()));
        std::fs::remove_file(&new).expect("removed");
        assert_eq!(renamed(&old, known), None);
    }
}
