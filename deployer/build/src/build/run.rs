//! Runs cargo or cargo-lambda, and shows its progress.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use deployer_base::error::{Error, Result};
use deployer_base::ui::Ui;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

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
    let mut child = command.spawn().map_err(|error| not_started(program, &error))?;
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
    Ok((status, said, tail))
}
