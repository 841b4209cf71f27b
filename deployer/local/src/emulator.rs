//! MiniStack as a process: finding it, starting it so that nothing of it can be left over, waiting until it answers.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use deployer_base::error::{Error, Result};
use deployer_base::text::quoted;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};

use crate::state::Folder;

/// The version that the local cloud has been tested with.
pub const TESTED_VERSION: &str = "1.5.33";
/// Variable that names the executable, before any search.
pub const VARIABLE: &str = "DEPLOYER_MINISTACK";

/// Port to try if no other is wanted: the usual one of other emulators.
const USUAL_PORT: u16 = 4566;
/// Time that the guard and MiniStack have together to save and end. The guard itself kills after ten seconds.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// Longest time that killed processes take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Script that runs MiniStack until that ends or standard input does, and leaves nothing of its process group.
///
/// Standard input is a pipe from the supervisor, so it also ends when the supervisor is killed. The functions
/// that MiniStack runs outlive it, hence the last line, which takes the guard along.
const GUARD: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
    while read -r _; do :; done
    kill -TERM "$server"
    sleep 10
    kill -KILL "$server"
} <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
wait "$server"
echo "MiniStack ended with code $?"
kill -KILL 0
"#;

/// Finds MiniStack: the variable, a virtual environment beside or above the stack file, the search path.
///
/// # Errors
/// If MiniStack is nowhere.
pub fn find(folder: &Path, variable: Option<&OsStr>, search_path: Option<&OsStr>) -> Result<PathBuf> {
    if let Some(named) = variable.filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return if is_executable(&named) {
            Ok(named)
        } else {
            Err(Error::failed_with_hint(
                format!("{VARIABLE} names {}, which is not an executable file", named.display()),
                "set it to the path of `ministack`, or unset it",
            ))
        };
    }
    let environments = folder.ancestors().map(|folder| folder.join(".venv/bin/ministack"));
    let installed =
        search_path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join("ministack"));
    environments.chain(installed).find(|path| is_executable(path)).ok_or_else(|| {
        Error::failed_with_hint(
            "MiniStack, the emulator of the local cloud, is not installed",
            install(folder),
        )
    })
}

/// Finds MiniStack for the stack file in `folder`, with the environment of this process.
///
/// # Errors
/// As [`find`].
pub fn find_for(folder: &Path) -> Result<PathBuf> {
    let absolute = folder.canonicalize().map_err(|error| Error::io("find", folder, &error))?;
    let (variable, search_path) = (std::env::var_os(VARIABLE), std::env::var_os("PATH"));
    find(&absolute, variable.as_deref(), search_path.as_deref())
}

/// Returns the command that installs MiniStack where [`find`] finds it, independent of the system's own Python.
fn install(folder: &Path) -> String {
    let here = std::env::current_dir().is_ok_and(|here| here == folder);
    let environment = if here { PathBuf::from(".venv") } else { folder.join(".venv") };
    format!("install it beside stack.yaml: `{}`", install_into(&environment))
}

/// Returns the command that installs MiniStack into a virtual environment.
#[must_use]
pub fn install_into(environment: &Path) -> String {
    let environment = quoted(&environment.to_string_lossy());
    format!("python3 -m venv {environment} && {environment}/bin/pip install ministack=={TESTED_VERSION}")
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Returns a port to listen on: the wanted one, else the first free one of the last, the usual and any.
///
/// # Errors
/// If the wanted port is taken, or there is none at all.
pub fn free_port(wanted: Option<u16>, last: Option<u16>) -> Result<u16> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|one| one.local_addr());
    if let Some(port) = wanted {
        free(port).map_err(|error| {
            Error::failed_with_hint(
                format!("port {port} of this machine cannot be used: {error}"),
                "choose another one, or leave out `--port`",
            )
        })?;
        return Ok(port);
    }
    let known = last.into_iter().chain([USUAL_PORT]).find_map(|port| free(port).ok());
    let address = known.map_or_else(|| free(0), Ok);
    address.map(|address| address.port()).map_err(|error| Error::failed(format!("no port is free: {error}")))
}

/// A running MiniStack.
#[derive(Debug)]
pub struct Emulator {
    guard: Child,
    /// Pipe that is kept open: its end tells the guard to stop MiniStack.
    leash: Option<ChildStdin>,
    group: Pid,
    /// URL of all services.
    pub endpoint: String,
    /// URL at which functions and tasks look for all services.
    pub worker_endpoint: String,
    /// Named pipe with the region of each call that starts or stops tasks, once MiniStack has created it.
    pub told: PathBuf,
}

/// The reason why MiniStack does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// The end of MiniStack.
    Ended,
    /// A start that takes too long.
    Late,
}

/// Python code that runs before MiniStack. Its runtime API for functions writes head and body of an answer one by one;
/// with Nagle's algorithm the body waits for the acknowledgement of the head, which Linux delays by 40 ms: once an
/// invocation. The code also tells the agent of calls that start or stop tasks, so that nobody has to ask for them all
/// the time.
const CUSTOMIZATION: &str = include_str!("sitecustomize.py");
/// Folder of the customization, below that of MiniStack's data.
const PYTHON: &str = "python";
/// Name of the pipe through which the customization tells of calls.
const TOLD: &str = "tasks";

impl Emulator {
    /// Starts MiniStack on a port. Its functions look for AWS at `worker_endpoint`, else at MiniStack itself.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(program: &Path, folder: &Folder, port: u16, worker_endpoint: Option<&str>) -> Result<Self> {
        let (data, temporary) = (folder.data(), folder.temporary());
        let (state, objects) = (data.join("state"), data.join("s3"));
        let python = data.join(PYTHON);
        for path in [&state, &objects, &temporary, &python] {
            std::fs::create_dir_all(path).map_err(|error| Error::io("make", path, &error))?;
        }
        let customization = python.join("sitecustomize.py");
        std::fs::write(&customization, CUSTOMIZATION)
            .map_err(|error| Error::io("write", &customization, &error))?;
        // The pipe is that of a MiniStack that has ended; this one creates its own.
        let told = python.join(TOLD);
        let _ = std::fs::remove_file(&told);
        let log = folder.emulator_log();
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(|error| Error::io("write", &log, &error))?;
        let errors = output.try_clone().map_err(|error| Error::io("write", &log, &error))?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let worker_endpoint = worker_endpoint.unwrap_or(&endpoint).to_owned();

        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(program);
        // The functions inherit MiniStack's environment, so it must hold nothing of the user's.
        command.env_clear();
        for kept in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", "us-east-1")
            // MiniStack itself has no use for the variable: functions inherit it.
            .env("AWS_ENDPOINT_URL", &worker_endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("LAMBDA_ACCOUNT_CONCURRENCY", "1000")
            .env("PERSIST_STATE", "1")
            .env("STATE_DIR", state)
            .env("S3_PERSIST", "1")
            .env("S3_DATA_DIR", objects)
            .env("TMPDIR", temporary)
            // Nothing here needs this listener, whose port somebody else may need.
            .env("IOT_MTLS_ENABLED", "0")
            // With a Docker daemon MiniStack would run tasks itself, and the same stack would behave
            // differently.
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONPATH", python);
        command.stdin(Stdio::piped()).stdout(output).stderr(errors).process_group(0);
        let mut guard =
            command.spawn().map_err(|error| Error::failed(format!("could not start `sh`: {error}")))?;
        let group = guard.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = group.ok_or_else(|| Error::failed("MiniStack stopped immediately"))?;
        Ok(Self { leash: guard.stdin.take(), guard, group, endpoint, worker_endpoint, told })
    }

    /// Returns the id of the guard's process, which is the leader of its process group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits until MiniStack answers.
    pub async fn ready(
        &mut self,
        http: &reqwest::Client,
        patience: Duration,
    ) -> std::result::Result<(), NotReady> {
        let deadline = Instant::now() + patience;
        let url = format!("{}/_ministack/ready", self.endpoint);
        while Instant::now() < deadline {
            let answer = http.get(&url).timeout(Duration::from_secs(2)).send().await;
            // An answer may come from another server on the port; MiniStack then ends.
            if !matches!(self.guard.try_wait(), Ok(None)) {
                return Err(NotReady::Ended);
            }
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(NotReady::Late)
    }

    /// Returns the version that MiniStack reports.
    pub async fn version(&self, http: &reqwest::Client) -> Option<String> {
        let answer = http.get(format!("{}/_ministack/health", self.endpoint)).send().await.ok()?;
        let health: serde_json::Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        Some(health.get("version")?.as_str()?.to_owned())
    }

    /// Waits until MiniStack ends by itself.
    pub async fn ended(&mut self) {
        let _ = self.guard.wait().await;
    }

    /// Stops MiniStack: it saves its state first, and every process that has not ended in time is killed.
    pub async fn stop(mut self) {
        drop(self.leash.take());
        let _ = timeout(STOP_PATIENCE, self.guard.wait()).await;
        // The guard has done this unless it was killed itself.
        self.kill().await;
    }

    /// Ends MiniStack at once, without saving anything.
    pub async fn kill(mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = timeout(KILL_PATIENCE, self.guard.wait()).await;
        await_end(self.group, KILL_PATIENCE).await;
    }
}

/// Waits until no process of the group is left; returns `false` if that takes too long.
pub async fn await_end(group: Pid, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while has_process(group) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}

/// Waits for a MiniStack whose supervisor was killed a moment ago: it still saves its state and holds its port.
pub async fn await_leftover(pid: i32) {
    // The id may belong to another process by now, but only a guard has that text in its command line.
    let is_guard = std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.windows(GUARD.len()).any(|part| part == GUARD.as_bytes()));
    if let Some(group) = Pid::from_raw(pid).filter(|_| is_guard) {
        await_end(group, STOP_PATIENCE).await;
    }
}

/// Checks whether the group has a process that runs. A process that has ended stays in its group until its parent asks
/// how it ended, which in many containers never happens.
fn has_process(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return false;
    }
    // Without /proc, the answer of the kernel is final.
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let group = group.as_raw_nonzero().to_string();
    processes.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()).any(|stat| {
        // `pid (name) state parent group …`; the name may hold anything.
        let mut fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ')).into_iter().flatten();
        let (state, in_group) = (fields.next(), fields.nth(1));
        in_group == Some(group.as_str()) && !matches!(state, Some("Z" | "X"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executable(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("changed");
    }

    #[test]
    fn it_is_found_by_variable_then_environment_above_then_search_path() {
        let temp = tempfile::tempdir().expect("a folder");
        let [named, above, installed] =
            ["named", "project/.venv/bin/ministack", "bin/ministack"].map(|one| temp.path().join(one));
        let folder = temp.path().join("project/examples/first");
        let bin = temp.path().join("bin");

        let missing = find(&folder, None, Some(bin.as_os_str())).expect_err("nowhere");
        let hint = missing.message().and_then(|message| message.hint).expect("a hint");
        let environment = folder.join(".venv");
        let install = format!(
            "python3 -m venv {0} && {0}/bin/pip install ministack=={TESTED_VERSION}",
            environment.display()
        );
        assert!(hint.contains(&install), "{hint}");

        executable(&installed, "");
        assert_eq!(find(&folder, None, Some(bin.as_os_str())).expect("found"), installed);
        executable(&above, "");
        assert_eq!(find(&folder, Some(OsStr::new("")), Some(bin.as_os_str())).expect("found"), above);
        // A wrong variable is reported, not passed over.
        assert!(find(&folder, Some(named.as_os_str()), None).is_err());
        executable(&named, "");
        assert_eq!(find(&folder, Some(named.as_os_str()), None).expect("found"), named);
    }

    #[test]
    fn a_taken_port_is_refused_when_wanted_and_avoided_otherwise() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("an address").port();
        assert!(free_port(Some(port), None).is_err());
        assert_ne!(free_port(None, Some(port)).expect("another"), port);
        drop(taken);
        assert_eq!(free_port(None, Some(port)).expect("the last"), port);
    }

    /// Creates a substitute for MiniStack with a child that outlives it, as its functions do.
    fn stand_in(temp: &Path, last_line: &str) -> (PathBuf, PathBuf) {
        let (program, saved) = (temp.join("ministack"), temp.join("saved"));
        let text = format!(
            "#!/bin/sh\nsleep 600 &\ntrap 'echo saved >{}; exit 0' TERM\n{last_line}\n",
            saved.display()
        );
        executable(&program, &text);
        (program, saved)
    }

    #[tokio::test]
    async fn stopping_lets_it_save_and_leaves_no_process() {
        let temp = tempfile::tempdir().expect("a folder");
        let (program, saved) = stand_in(temp.path(), "while :; do sleep 0.05; done");
        let emulator = Emulator::start(&program, &Folder::beside(temp.path()), 1, None).expect("started");
        let group = emulator.group;
        sleep(Duration::from_millis(300)).await;
        assert!(has_process(group));
        emulator.stop().await;
        assert!(saved.exists());
        assert!(!has_process(group));
    }

    #[tokio::test]
    async fn its_own_end_is_noticed_and_leaves_no_process() {
        let temp = tempfile::tempdir().expect("a folder");
        let (program, _) = stand_in(temp.path(), "exit 3");
        let folder = Folder::beside(temp.path());
        let mut emulator = Emulator::start(&program, &folder, 1, None).expect("started");
        timeout(Duration::from_secs(10), emulator.ended()).await.expect("noticed");
        assert!(await_end(emulator.group, Duration::from_secs(5)).await);
        let log = std::fs::read_to_string(folder.emulator_log()).expect("a log");
        assert_eq!(log, "MiniStack ended with code 3\n");
    }
}
