//! One container as a process of its own: its program, its environment, and its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deployer_aws::ecs::{Container, Override};
use deployer_aws::logs::LogLine;
use deployer_oci::pull::PulledImage;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Time between SIGTERM and SIGKILL unless the container names another: the default of ECS.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between SIGTERM and SIGKILL when the local cloud ends, since somebody waits for that.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which output of a process may come after its end.
const LAST_OUTPUT: Duration = Duration::from_secs(5);
/// Longest line, in bytes; longer ones are split. As text, a line fits into one log event, even if it is not UTF-8.
const LONGEST_LINE: usize = 64 << 10;
/// Search path of containers whose image sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The reason why processes are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A call of StopTask, or the end of the task elsewhere.
    Elsewhere,
    /// The end of the local cloud.
    Shutdown,
    /// The end of a container that the task cannot do without.
    Sibling,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, inside of the unpacked image.
    pub program: PathBuf,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// Folder to start in.
    pub directory: PathBuf,
    /// Time between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
}

/// The reason why a container cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A container for which neither image nor definition names a program.
    #[error("neither the image nor the task definition names a command")]
    NoCommand,
    /// A program that is not in the image.
    #[error("`{0}` is not in the image")]
    Missing(String),
    /// A program that is in the image only as a link to somewhere else.
    #[error("`{0}` is outside of the image")]
    Outside(String),
    /// A file that is not a program.
    #[error("`{0}` is not executable")]
    NotExecutable(String),
}

impl Launch {
    /// Returns the program that ECS would run for a container; `local` are the variables that lead to the local cloud.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn new(
        image: &PulledImage,
        container: &Container,
        run: Option<&Override>,
        local: &[(&str, &str)],
    ) -> Result<Self, LaunchError> {
        let config = &image.config;
        let own = config.env.iter().flatten().filter_map(|variable| variable.split_once('='));
        let defined = container.environment.iter().chain(run.iter().flat_map(|run| &run.environment));
        let defined = defined.map(|(name, value)| (name.as_str(), value.as_str()));
        // Later variables replace earlier ones.
        let environment: BTreeMap<String, String> = own
            .chain(defined)
            .chain(local.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();

        // As with Docker, an entry point from elsewhere discards the arguments of the image's own one.
        let entry_point = container.entry_point.as_ref().or(config.entrypoint.as_ref());
        let own_arguments = if container.entry_point.is_some() { None } else { config.cmd.as_ref() };
        let arguments =
            run.and_then(|run| run.command.as_ref()).or(container.command.as_ref()).or(own_arguments);
        let mut words = entry_point.into_iter().chain(arguments).flatten().cloned();
        let program = words.next().ok_or(LaunchError::NoCommand)?;

        let directory = container.directory.as_deref().or(config.working_dir.as_deref()).unwrap_or_default();
        let directory = inside(&image.root, &image.root, directory).unwrap_or_else(|_| image.root.clone());
        let search_path = environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        Ok(Self {
            program: find(&image.root, &directory, &program, search_path)?,
            arguments: words.collect(),
            environment,
            directory,
            stop_timeout: container
                .stop_timeout
                .map_or(STOP_TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
        })
    }

    /// Returns the time between SIGTERM and SIGKILL, by the reason of the stop.
    fn patience(&self, stop: Stop) -> Duration {
        match stop {
            Stop::Shutdown => self.stop_timeout.min(SHUTDOWN_TIMEOUT),
            Stop::Elsewhere | Stop::Sibling => self.stop_timeout,
        }
    }
}

fn find(root: &Path, directory: &Path, program: &str, search_path: &str) -> Result<PathBuf, LaunchError> {
    let path = if program.contains('/') {
        inside(root, directory, program)?
    } else {
        let all = search_path
            .split(':')
            .filter_map(|folder| inside(root, root, &format!("{folder}/{program}")).ok());
        all.into_iter().find(|path| path.is_file()).ok_or_else(|| LaunchError::Missing(program.to_owned()))?
    };
    let mode =
        path.metadata().ok().filter(std::fs::Metadata::is_file).map_or(0, |data| data.permissions().mode());
    if mode & 0o111 == 0 { Err(LaunchError::NotExecutable(program.to_owned())) } else { Ok(path) }
}

/// Returns the real path of a container's `path`. The process has no root of its own, so links must not lead out of the
/// image.
fn inside(root: &Path, directory: &Path, path: &str) -> Result<PathBuf, LaunchError> {
    let joined = match path.strip_prefix('/') {
        Some(path) => root.join(path.trim_start_matches('/')),
        None => directory.join(path),
    };
    let real = joined.canonicalize().map_err(|_| LaunchError::Missing(path.to_owned()))?;
    if real.starts_with(root) { Ok(real) } else { Err(LaunchError::Outside(path.to_owned())) }
}

/// Runs a container to its end and returns its exit code, as a shell reports it: 128 and the signal if one ended it.
///
/// The process starts as this very program, which asks the kernel to be killed when the agent is, and then becomes the
/// container's program (`deployer local exec`). The kernel takes the agent for dead when the *thread* ends that started
/// the process. That is why the agent runs on the main thread.
///
/// # Errors
/// If no process can be started.
pub async fn run(
    launch: &Launch,
    output: &mpsc::Sender<LogLine>,
    stopping: &mut watch::Receiver<Option<Stop>>,
) -> io::Result<i32> {
    // The file of a running program may have been replaced or deleted; this link leads to it all the same.
    let mut command = Command::new("/proc/self/exe");
    command.args(["local", "exec", "--parent", &std::process::id().to_string(), "--"]).arg(&launch.program);
    command.args(&launch.arguments).env_clear().envs(&launch.environment).current_dir(&launch.directory);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let group = group.ok_or_else(|| io::Error::other("the process has no id"))?;
    let readers = [
        child
            .stdout
            .take()
            .map(|stdout| tokio::task::spawn_local(forward(BufReader::new(stdout), output.clone()))),
        child
            .stderr
            .take()
            .map(|stderr| tokio::task::spawn_local(forward(BufReader::new(stderr), output.clone()))),
    ];

    let mut terminated: Option<Instant> = None;
    let status = loop {
        let stop = *stopping.borrow_and_update();
        let deadline = stop.map(|stop| {
            let since = *terminated.get_or_insert_with(|| {
                let _ = kill_process_group(group, Signal::TERM);
                Instant::now()
            });
            since + launch.patience(stop)
        });
        tokio::select! {
            status = child.wait() => break status?,
            Ok(()) = stopping.changed() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                let _ = kill_process_group(group, Signal::KILL);
                break child.wait().await?;
            }
        }
    };
    // A container ends with its first process, together with all processes that this has started.
    let _ = kill_process_group(group, Signal::KILL);
    for mut reader in readers.into_iter().flatten() {
        if timeout(LAST_OUTPUT, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    Ok(exit_code(status))
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Sends the output of a process, line by line.
async fn forward(mut reader: impl AsyncBufRead + Unpin, output: mpsc::Sender<LogLine>) {
    let mut line = Vec::new();
    loop {
        let chunk = match reader.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            // This is the end, or a pipe that broke with its process.
            _ => break,
        };
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let taken = part.len().min(LONGEST_LINE - line.len());
        line.extend_from_slice(&part[..taken]);
        let whole = end.is_some() && taken == part.len();
        reader.consume(taken + usize::from(whole));
        if (whole || line.len() == LONGEST_LINE) && !send(&mut line, &output).await {
            return;
        }
    }
    send(&mut line, &output).await;
}

/// Sends a line, unless it is empty: CloudWatch Logs has no empty events. Returns `false` if the receiver is gone.
async fn send(line: &mut Vec<u8>, output: &mpsc::Sender<LogLine>) -> bool {
    let bytes = std::mem::take(line);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\r');
    text.is_empty() || output.send(LogLine { time: now(), text: text.to_owned() }).await.is_ok()
}

/// Returns the current time in milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Becomes the program of a container, to be killed when process `parent` ends. Returns only on failure.
#[must_use]
pub fn become_program(parent: i32, words: &[OsString]) -> io::Error {
    use std::os::unix::process::CommandExt as _;

    let Some((program, arguments)) = words.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program is given");
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before the kernel was asked.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return io::Error::other("the local cloud has stopped");
    }
    std::process::Command::new(program).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use deployer_oci::Config;

    use super::*;

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn variables(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn image(config: Config) -> (tempfile::TempDir, PulledImage) {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().canonicalize().expect("a path").join("root");
        std::fs::create_dir_all(root.join("opt/bin")).expect("made");
        for (path, mode) in [("extraction", 0o755), ("opt/bin/tool", 0o755), ("text", 0o644)] {
            std::fs::write(root.join(path), "").expect("written");
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode))
                .expect("changed");
        }
        std::os::unix::fs::symlink("/bin/sh", root.join("outside")).expect("linked");
        (temp, PulledImage { root, config })
    }

    #[test]
    fn the_environment_is_merged_and_the_local_cloud_has_the_last_word() {
        let env = words(&["A=image", "B=image", "C=image", "AWS_REGION=image", "X=a=b", "invalid"]);
        let (_temp, image) = image(Config { entrypoint: words(&["/extraction"]), env, ..Config::default() });
        let container = Container {
            environment: variables(&[
                ("B", "definition"),
                ("C", "definition"),
                ("AWS_ENDPOINT_URL", "definition"),
            ]),
            ..Container::default()
        };
        let run =
            Override { environment: variables(&[("C", "run"), ("OBJECT", "{}")]), ..Override::default() };
        let local = [("AWS_ENDPOINT_URL", "local"), ("AWS_REGION", "local")];
        let launch = Launch::new(&image, &container, Some(&run), &local).expect("launchable");
        let expected = [
            ("A", "image"),
            ("AWS_ENDPOINT_URL", "local"),
            ("AWS_REGION", "local"),
            ("B", "definition"),
            ("C", "run"),
            ("OBJECT", "{}"),
            ("X", "a=b"),
        ];
        assert_eq!(launch.environment.into_iter().collect::<Vec<_>>(), variables(&expected));
    }

    #[test]
    fn commands_are_put_together_as_ecs_does() {
        let config =
            Config { entrypoint: words(&["/extraction", "-v"]), cmd: words(&["all"]), ..Config::default() };
        let (_temp, image) = image(config);
        let launch = |container: &Container, run: Option<&Override>| {
            let launch = Launch::new(&image, container, run, &[]).expect("launchable");
            let program = launch.program.strip_prefix(&image.root).expect("inside").display().to_string();
            [vec![program], launch.arguments].concat().join(" ")
        };
        let plain = Container::default();
        let command = Container { command: words(&["some"]), ..Container::default() };
        let entry = Container { entry_point: words(&["/opt/bin/tool"]), ..Container::default() };
        let run = Override { command: words(&["one"]), ..Override::default() };
        assert_eq!(launch(&plain, None), "extraction -v all");
        assert_eq!(launch(&command, None), "extraction -v some");
        assert_eq!(launch(&command, Some(&run)), "extraction -v one");
        assert_eq!(launch(&entry, None), "opt/bin/tool");
        assert_eq!(launch(&entry, Some(&run)), "opt/bin/tool one");
    }

    #[test]
    fn programs_are_found_inside_of_the_image_only() {
        let (_temp, image) = image(Config { env: words(&["PATH=/bin:/opt/bin"]), ..Config::default() });
        let program = |name: &str, directory: &str| {
            let entry_point = (!name.is_empty()).then(|| vec![name.to_owned()]);
            let directory = Some(directory.to_owned());
            Launch::new(&image, &Container { entry_point, directory, ..Container::default() }, None, &[])
        };
        assert_eq!(program("tool", "/").expect("by PATH").program, image.root.join("opt/bin/tool"));
        let relative = program("bin/tool", "/opt").expect("by folder");
        assert_eq!(
            (relative.program, relative.directory),
            (image.root.join("opt/bin/tool"), image.root.join("opt"))
        );
        assert!(matches!(program("/bin/sh", "/"), Err(LaunchError::Missing(_))));
        assert!(matches!(
            program("/../../../../bin/sh", "/"),
            Err(LaunchError::Outside(_) | LaunchError::Missing(_))
        ));
        assert!(matches!(program("/outside", "/"), Err(LaunchError::Outside(_))));
        assert!(matches!(program("/text", "/"), Err(LaunchError::NotExecutable(_))));
        assert!(matches!(program("/opt", "/"), Err(LaunchError::NotExecutable(_))));
        assert!(matches!(program("", "/"), Err(LaunchError::NoCommand)));
    }

    #[tokio::test]
    async fn output_is_split_into_lines_of_bounded_length() {
        let (sender, mut receiver) = mpsc::channel(100);
        let long = "x".repeat(LONGEST_LINE);
        let text = format!("one\n\r\n\ntwo\r\n{long}\n{long}y\n\u{fffd}last").into_bytes();
        forward(BufReader::with_capacity(7, text.as_slice()), sender).await;
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line.text);
        }
        assert_eq!(lines, ["one", "two", &long, &long, "y", "\u{fffd}last"]);
    }
}
