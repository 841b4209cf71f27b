//! Starts, stops and erases the local cloud from another process than its supervisor.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deployer_base::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::emulator::{self, await_end, await_leftover};
use crate::options::Options;
use crate::state::{Folder, Lock, Running, Status};

/// Time for which `up` waits for an answer: longer than the supervisor itself, which reports why there is none.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// Time for which `down` waits for an orderly end: longer than tasks and emulator are given together.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// Time that the guard of MiniStack may take once the supervisor is dead.
const GUARD_PATIENCE: Duration = Duration::from_secs(15);
/// Time that a holder of the lock may take to identify itself.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(5);
/// Number of lines of the log that are shown if a start fails.
const SHOWN_LINES: usize = 15;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(40);

/// The result of `up`.
#[derive(Debug)]
pub struct Started {
    /// The local cloud.
    pub running: Running,
    /// `true` if the local cloud ran before.
    pub already: bool,
}

/// Starts the local cloud of the stack file `file` in `folder`, unless it runs, and waits until it answers.
///
/// # Errors
/// If MiniStack is missing or does not start.
pub async fn start(file: &Path, folder: &Path, options: &Options) -> Result<Started> {
    if !cfg!(target_os = "linux") {
        return Err(Error::failed_with_hint(
            "the local cloud runs the binaries of the workers, which needs Linux",
            "run it in a Linux machine or container, and set `endpoint:` of the stack to its address",
        ));
    }
    let folder = folder.canonicalize().map_err(|error| Error::io("find", folder, &error))?;
    let place = Folder::beside(&folder);
    if let Status::Running(running) = place.status()? {
        return Ok(Started { running, already: true });
    }
    place.create()?;
    let ministack = emulator::find_for(&folder)?;
    let ministack = std::path::absolute(&ministack).map_err(|error| Error::io("find", &ministack, &error))?;

    // The files that a crash has left must be gone before a supervisor locks the folder without having written its own.
    // Somebody who starts the same cloud at this moment does no harm: one of the two supervisors gets the lock.
    if let Some(lock) = place.take(Duration::ZERO).await? {
        settle(&lock).await?;
        // The supervisor checks the port too; reported here, an error is not the end of a log.
        if options.port.is_some() {
            emulator::free_port(options.port, None)?;
        }
        for log in [place.supervisor_log(), place.emulator_log()] {
            File::create(&log).map_err(|error| Error::io("write", &log, &error))?;
        }
    }
    let mut supervisor = spawn(file, &folder, &place, &ministack, options)?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Status::Running(running) = place.status()? {
            return Ok(Started { running, already: false });
        }
        // If another supervisor was first, this one ends and that one answers in a moment.
        let ended = supervisor.try_wait()?.is_some() && place.status()? == Status::Stopped;
        if ended || Instant::now() >= deadline {
            let what = if ended { "did not start" } else { "does not answer" };
            return Err(Error::failed_with_hint(
                format!(
                    "the local cloud {what}; the end of its log:\n{}",
                    tail(&place.supervisor_log(), SHOWN_LINES)
                ),
                format!("the whole logs are in {}", place.root().display()),
            ));
        }
        sleep(LOOK).await;
    }
}

fn spawn(
    file: &Path,
    folder: &Path,
    place: &Folder,
    ministack: &Path,
    options: &Options,
) -> Result<std::process::Child> {
    let log = place.supervisor_log();
    let output = File::options().create(true).append(true).open(&log);
    let output = output.map_err(|error| Error::io("write", &log, &error))?;
    let errors = output.try_clone().map_err(|error| Error::io("write", &log, &error))?;
    let program = std::env::current_exe()
        .map_err(|error| Error::failed(format!("could not find the deployer's own executable: {error}")))?;
    let file = folder.join(file.file_name().unwrap_or("stack.yaml".as_ref()));

    let mut command = Command::new(program);
    command
        .arg("--file")
        .arg(file)
        .args(["--color", "never", "local", "supervise", "--ministack"])
        .arg(ministack);
    if let Some(port) = options.port {
        command.args(["--port", &port.to_string()]);
    }
    if let Some(url) = &options.worker_endpoint {
        command.args(["--worker-endpoint", url]);
    }
    // Nothing of the user's AWS settings and proxies may reach the processes of the local cloud.
    command.env_clear();
    for kept in ["PATH", "HOME", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.current_dir(place.root()).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    command.spawn().map_err(|error| Error::failed(format!("could not start the local cloud: {error}")))
}

/// Stops the local cloud, if it runs, and returns `true` if it did.
///
/// # Errors
/// If the local cloud does not end.
pub async fn stop(folder: &Path) -> Result<bool> {
    let place = Folder::beside(folder);
    let Some(running) = identify(&place).await? else {
        if place.root().exists()
            && let Some(lock) = place.take(Duration::ZERO).await?
        {
            settle(&lock).await?;
        }
        return Ok(false);
    };
    let supervisor = Pid::from_raw(running.pid)
        .ok_or_else(|| Error::failed("the state of the local cloud has no process"))?;
    for (signal, patience) in [(Signal::TERM, STOP_PATIENCE), (Signal::KILL, GUARD_PATIENCE)] {
        // The lock shows that the process is the supervisor, which may end by itself at this moment.
        if is(&place, running.pid)? {
            let _ = kill_process(supervisor, signal);
        }
        let deadline = Instant::now() + patience;
        while is(&place, running.pid)? && Instant::now() < deadline {
            sleep(LOOK).await;
        }
    }
    let emulator = running.emulator_pid.and_then(Pid::from_raw);
    let gone = match emulator {
        Some(group) => await_end(group, GUARD_PATIENCE).await,
        None => true,
    };
    if !gone || is(&place, running.pid)? {
        return Err(Error::failed_with_hint(
            "the local cloud does not stop",
            format!(
                "its supervisor is process {}, its emulator process group {:?}",
                running.pid, running.emulator_pid
            ),
        ));
    }
    Ok(true)
}

/// Deletes the data of the local cloud, which must not run.
///
/// # Errors
/// If the local cloud runs, or something cannot be deleted.
pub async fn erase(folder: &Path) -> Result<()> {
    let place = Folder::beside(folder);
    if !place.root().exists() {
        return Ok(());
    }
    let Some(lock) = place.take(Duration::from_secs(2)).await? else {
        return Err(Error::failed_with_hint(
            "the local cloud was started again by another command",
            "run the command again",
        ));
    };
    settle(&lock).await?;
    lock.erase()
}

/// Removes the rest of a killed supervisor: its emulator, which is about to end, and its state.
async fn settle(lock: &Lock) -> Result<()> {
    if let Some(pid) = lock.leftover().and_then(|running| running.emulator_pid) {
        await_leftover(pid).await;
    }
    lock.clear()
}

/// Returns the holder of the lock; waits for a supervisor that has not yet identified itself.
async fn identify(place: &Folder) -> Result<Option<Running>> {
    let deadline = Instant::now() + IDENTITY_PATIENCE;
    loop {
        match place.status()? {
            Status::Stopped => return Ok(None),
            Status::Running(running) | Status::Starting(Some(running)) => return Ok(Some(running)),
            Status::Starting(None) if Instant::now() < deadline => sleep(LOOK).await,
            Status::Starting(None) => {
                return Err(Error::failed_with_hint(
                    format!("an unknown process has locked {}", place.root().display()),
                    "another `deployer local` command may be running; try again when it has finished",
                ));
            }
        }
    }
}

/// Checks whether that process still is the supervisor.
fn is(place: &Folder, pid: i32) -> Result<bool> {
    Ok(match place.status()? {
        Status::Running(running) | Status::Starting(Some(running)) => running.pid == pid,
        Status::Starting(None) | Status::Stopped => false,
    })
}

/// Returns the last lines of a file; nothing when the file cannot be read.
#[must_use]
pub fn tail(path: &PathBuf, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_the_last_lines_that_say_something() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("log");
        assert_eq!(tail(&path, 2), "");
        std::fs::write(&path, "one\ntwo\n\nthree\n").expect("written");
        assert_eq!(tail(&path, 2), "  two\n  three");
    }

    #[tokio::test]
    async fn a_cloud_that_never_ran_is_stopped_and_erased_already() {
        let temp = tempfile::tempdir().expect("a folder");
        assert!(!stop(temp.path()).await.expect("nothing to do"));
        erase(temp.path()).await.expect("nothing to do");
        assert!(!temp.path().join(".deployer").exists());
    }

    #[tokio::test]
    async fn a_state_left_by_a_crash_names_nobody_to_signal() {
        let temp = tempfile::tempdir().expect("a folder");
        let place = Folder::beside(temp.path());
        place.create().expect("made");
        let lock = place.take(Duration::ZERO).await.expect("lockable").expect("free");
        // The lock names this very process: the test would not survive a signal to it.
        lock.write(&Running { ready: true, ..Running::starting().expect("a pid") }).expect("written");
        drop(lock);
        assert!(!stop(temp.path()).await.expect("nothing to do"));
    }
}
