//! Runs cargo or cargo-lambda, and shows its progress.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use deployer_base::error::{Error, Result};
use deployer_base::ui::Ui;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::cargo_lambda;
use crate::workspace::{Workspace, missing};

/// Number of lines of cargo's output that are shown after a failure.
const TAIL: usize = 60;
/// Interval at which a build without a terminal reports that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs the build: with cargo's own progress on a terminal, else with a line from time to time and the end of the
/// output on failure. Returns the lines that it wrote to stdout.
pub(super) async fn run(
    ui: &Ui,
    workspace: &Workspace,
    program: &Path,
    arguments: &[OsString],
    flags: Option<&str>,
) -> Result<Vec<String>> {
    let mut command = workspace.command(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    // cargo-lambda writes everything to stderr.
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        command.stderr(Stdio::inherit());
    }
    let (status, said, tail) = captured(ui, command, program, !terminal).await?;
    if status.success() {
        return Ok(said);
    }
    for line in tail {
        ui.detail(line);
    }
    let tool = if program.file_name().is_some_and(|name| name == "cargo") { "cargo" } else { "cargo lambda" };
    Err(Error::failed_with_hint(
        format!("the workers could not be built: {tool} build ended with {status}"),
        "see the output of cargo above; if the linker misses `-lc`, install the static C library (Debian: libc6-dev, \
         Fedora: glibc-static)",
    ))
}

fn not_started(program: &Path, error: &std::io::Error) -> Error {
    match program.is_absolute() {
        true => Error::failed_with_hint(
            format!("could not run {}: {error}", program.display()),
            cargo_lambda::INSTALL,
        ),
        false => missing("cargo", error),
    }
}

/// Runs a command to its end: returns its exit status, the lines of its stdout, and the last of its stderr.
async fn captured(
    ui: &Ui,
    mut command: Command,
    program: &Path,
    heartbeats: bool,
) -> Result<(ExitStatus, Vec<String>, VecDeque<String>)> {
    // A build that is given up ends as a whole: its compilers too, which would go on without cargo.
    let mut child = command.process_group(0).spawn().map_err(|error| not_started(program, &error))?;
    let group = Group::led_by(&child);
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let pipes: [(bool, Option<Box<dyn AsyncRead + Send + Unpin>>); 2] = [
        (true, child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>)),
        (false, child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>)),
    ];
    for (is_stdout, pipe) in pipes {
        let Some(pipe) = pipe else { continue };
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut pieces = BufReader::new(pipe).split(b'\n');
            while let Ok(Some(line)) = pieces.next_segment().await {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send((is_stdout, line)).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let (mut said, mut tail) = (Vec::new(), VecDeque::with_capacity(TAIL));
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some((_, line)) if line.is_empty() => {}
                Some((true, line)) if line.starts_with('{') => said.push(line),
                Some((_, line)) => {
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                None => break,
            },
            _ = heartbeat.tick(), if heartbeats => {
                let last = tail.back().map(|line| line.trim()).unwrap_or_default();
                ui.step("build", format!("still building: {last}"));
            }
        }
    }
    let status = child.wait().await.map_err(|error| not_started(program, &error))?;
    group.ended();
    Ok((status, said, tail))
}

/// The process group of a build, which is killed if the build is given up.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// Returns the group of a process that was started as its leader.
    fn led_by(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Lets go of the group, since its leader has ended by itself.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Until its end was asked for, the leader keeps its id, so no other group can have it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Instant;

    use deployer_base::ui::Settings;
    use rustix::process::test_kill_process;

    use super::*;

    /// Returns whether a process runs: one that has ended may wait for its parent.
    fn runs(id: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
        Pid::from_raw(id).is_some_and(|id| test_kill_process(id).is_ok())
            && !matches!(state, Some(Some('Z' | 'X')))
    }

    async fn id_in(path: &Path) -> i32 {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Ok(id) = std::fs::read_to_string(path).unwrap_or_default().trim().parse() {
                return id;
            }
            assert!(Instant::now() < deadline, "the process does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_build_that_is_given_up_leaves_no_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = folder.path().join("compiler");
        let workspace = Workspace { root: folder.path().to_owned(), locked: false, target: None };
        // The shell is to its child as cargo is to a compiler.
        let script = format!("sleep 600 & echo $! >{}; wait", told.display());
        let ui = Ui::new(Settings::default());
        let arguments = ["-c".into(), script.into()];
        let shell = PathBuf::from("sh");
        let building = run(&ui, &workspace, &shell, &arguments, None);
        let compiler = tokio::select! {
            ended = building => panic!("it ended by itself: {ended:?}"),
            id = id_in(&told) => id,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs(compiler) {
            assert!(Instant::now() < deadline, "process {compiler} goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
