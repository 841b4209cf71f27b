//! The folder `.deployer/local` beside the stack file, through which commands and the supervisor of the local cloud
//! find each other.
//!
//! The supervisor holds a lock for as long as it lives, and the kernel lets go of the lock however the supervisor ends.
//! So the content of `state.json`, its process ids above all, counts only while the lock is held; else the file is left
//! over from a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use deployer_base::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Version of `state.json`.
const SCHEMA_VERSION: u32 = 1;

/// Paths in the folder of the local cloud.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A local cloud that has a supervisor: the content of `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Version of this document.
    pub schema_version: u32,
    /// Process id of the supervisor.
    pub pid: i32,
    /// Leader of the process group of MiniStack and the functions that it runs.
    pub emulator_pid: Option<i32>,
    /// URL of all services.
    pub endpoint: String,
    /// `true` if the endpoint answers already.
    pub ready: bool,
    /// Time of the start, in seconds since 1970.
    pub started: u64,
    /// Version that MiniStack reports.
    pub version: Option<String>,
    /// Tasks whose containers run as processes.
    pub tasks: Vec<RunningTask>,
}

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningTask {
    /// ARN of the task.
    pub arn: String,
    /// Family and revision of the task definition.
    pub definition: String,
}

impl Running {
    /// Creates the state of a local cloud that this process has begun to start.
    pub fn starting() -> Result<Self> {
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            pid: i32::try_from(std::process::id())
                .map_err(|_| Error::failed("the id of this process is out of range"))?,
            emulator_pid: None,
            endpoint: String::new(),
            ready: false,
            started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            version: None,
            tasks: Vec::new(),
        })
    }
}

/// The state of a local cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// No local cloud.
    Stopped,
    /// A holder of the lock that does not answer yet: a supervisor that starts, or a reset.
    Starting(Option<Running>),
    /// A local cloud that answers.
    Running(Running),
}

impl Folder {
    /// Returns the folder of the local cloud for the stack file in `folder`.
    #[must_use]
    pub fn beside(folder: &Path) -> Self {
        Self { root: folder.join(".deployer").join("local") }
    }

    /// Creates the folder, hidden from Git.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn create(&self) -> Result<()> {
        std::fs::create_dir_all(&self.root).map_err(|error| Error::io("make", &self.root, &error))?;
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").map_err(|error| Error::io("write", &ignore, &error))?;
        }
        Ok(())
    }

    /// Returns the folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder with the emulator's data, which it keeps between two starts.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Returns the folder with the emulator's files that it needs only while it runs.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Returns the folder with unpacked images of tasks.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Returns the log of the supervisor.
    #[must_use]
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// Returns the log of the emulator.
    #[must_use]
    pub fn emulator_log(&self) -> PathBuf {
        self.root.join("ministack.log")
    }

    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    fn port(&self) -> PathBuf {
        self.root.join("port")
    }

    /// Returns the port of the last start: stored URLs, such as those of queues, contain it.
    #[must_use]
    pub fn last_port(&self) -> Option<u16> {
        std::fs::read_to_string(self.port()).ok()?.trim().parse().ok()
    }

    /// Keeps the port for the next start.
    ///
    /// # Errors
    /// If the port cannot be written.
    pub fn keep_port(&self, port: u16) -> Result<()> {
        std::fs::write(self.port(), format!("{port}\n"))
            .map_err(|error| Error::io("write", &self.port(), &error))
    }

    /// Returns the state of the local cloud.
    ///
    /// # Errors
    /// If the lock or the state cannot be read.
    pub fn status(&self) -> Result<Status> {
        if !self.is_locked()? {
            return Ok(Status::Stopped);
        }
        Ok(match self.read()? {
            Some(running) if running.ready => Status::Running(running),
            other => Status::Starting(other),
        })
    }

    fn is_locked(&self) -> Result<bool> {
        let path = self.lock();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        // The lock is shared, so that two processes that look at the same time do not take each other for the holder.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
        }
    }

    fn read(&self) -> Result<Option<Running>> {
        let path = self.state();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::failed_with_hint(
                format!("{} was not written by this version of the deployer: {error}", path.display()),
                "stop the local cloud with the version of the deployer that started it",
            )
        })
    }

    /// Takes the lock; `None` when another process still holds it after `patience`.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub async fn take(&self, patience: Duration) -> Result<Option<Lock>> {
        let path = self.lock();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Error::io("make", &path, &error))?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let id = file.metadata().map(|data| (data.dev(), data.ino()))?;
                    return Ok(Some(Lock { _file: file, id, folder: self.clone() }));
                }
                // A process that only looks at the lock holds it for a moment too.
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
            }
        }
    }
}

/// The right to change the folder, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    id: (u64, u64),
    folder: Folder,
}

impl Lock {
    /// Checks whether the lock is still the one that others look at, which is not so once somebody has deleted the
    /// folder.
    #[must_use]
    pub fn is_current(&self) -> bool {
        std::fs::metadata(self.folder.lock()).is_ok_and(|data| (data.dev(), data.ino()) == self.id)
    }

    /// Returns the state of a supervisor that did not remove it, as far as it can be read.
    #[must_use]
    pub fn leftover(&self) -> Option<Running> {
        self.folder.read().ok().flatten()
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// If the state cannot be written.
    pub fn write(&self, running: &Running) -> Result<()> {
        let path = self.folder.state();
        let new = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(running).map_err(|error| Error::failed(error.to_string()))?;
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|error| Error::io("write", &path, &error))
    }

    /// Removes the state.
    ///
    /// # Errors
    /// If the state exists and cannot be removed.
    pub fn clear(&self) -> Result<()> {
        remove(&self.folder.state())
    }

    /// Deletes all data of the local cloud.
    ///
    /// # Errors
    /// If something cannot be deleted.
    pub fn erase(&self) -> Result<()> {
        remove(&self.folder.data())?;
        remove(&self.folder.images())?;
        remove(&self.folder.temporary())
    }

    /// Deletes the files that only a running cloud needs, in case that the last one ended without doing so.
    ///
    /// # Errors
    /// If something cannot be deleted.
    pub fn sweep(&self) -> Result<()> {
        remove(&self.folder.temporary())
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", path, &error)),
        _ => Ok(()),
    }
}

/// Returns the local cloud of the stack file in `folder`.
///
/// # Errors
/// If the local cloud does not run.
pub fn running(folder: &Path) -> Result<Running> {
    match Folder::beside(folder).status()? {
        Status::Running(running) => Ok(running),
        Status::Starting(_) => Err(Error::failed_with_hint(
            "the local cloud does not answer yet",
            "`deployer local up` waits until it does",
        )),
        Status::Stopped => Err(Error::failed_with_hint(
            "the local cloud is not running",
            "start it with `deployer local up`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = Folder::beside(temp.path());
        folder.create().expect("made");
        (temp, folder)
    }

    fn state(ready: bool) -> Running {
        Running { endpoint: "http://127.0.0.1:4566".to_owned(), ready, ..Running::starting().expect("a pid") }
    }

    #[tokio::test]
    async fn the_state_counts_only_while_the_lock_is_held() {
        let (temp, folder) = folder();
        assert_eq!(folder.status().expect("readable"), Status::Stopped);
        let lock = folder.take(Duration::ZERO).await.expect("lockable").expect("free");
        assert_eq!(folder.status().expect("readable"), Status::Starting(None));
        lock.write(&state(false)).expect("written");
        assert_eq!(folder.status().expect("readable"), Status::Starting(Some(state(false))));
        assert!(running(temp.path()).is_err());
        lock.write(&state(true)).expect("written");
        assert_eq!(running(temp.path()).expect("running").endpoint, "http://127.0.0.1:4566");

        // After a crash, the lock is gone and the file remains.
        drop(lock);
        assert_eq!(folder.status().expect("readable"), Status::Stopped);
        let error = running(temp.path()).expect_err("stale");
        assert_eq!(
            error.message().and_then(|message| message.hint).as_deref(),
            Some("start it with `deployer local up`")
        );
    }

    #[tokio::test]
    async fn only_one_takes_the_lock_and_looking_does_not_keep_it() {
        let (_temp, folder) = folder();
        let first = folder.take(Duration::ZERO).await.expect("lockable").expect("free");
        assert!(folder.take(Duration::from_millis(50)).await.expect("lockable").is_none());
        assert!(folder.status().is_ok());
        drop(first);
        assert!(folder.take(Duration::ZERO).await.expect("lockable").is_some());
    }

    #[tokio::test]
    async fn a_deleted_folder_is_noticed_even_when_it_is_made_again() {
        let (_temp, folder) = folder();
        let lock = folder.take(Duration::ZERO).await.expect("lockable").expect("free");
        assert!(lock.is_current());
        std::fs::remove_dir_all(folder.root()).expect("deleted");
        assert!(!lock.is_current());
        folder.create().expect("made");
        let _other = folder.take(Duration::ZERO).await.expect("lockable").expect("free");
        assert!(!lock.is_current());
    }

    #[tokio::test]
    async fn a_reset_deletes_data_and_keeps_the_port() {
        let (_temp, folder) = folder();
        std::fs::create_dir_all(folder.data().join("s3")).expect("made");
        folder.keep_port(4711).expect("written");
        let lock = folder.take(Duration::ZERO).await.expect("lockable").expect("free");
        lock.erase().expect("deleted");
        lock.clear().expect("nothing to remove");
        assert!(!folder.data().exists());
        assert_eq!(folder.last_port(), Some(4711));
        assert_eq!(std::fs::read_to_string(folder.root().join(".gitignore")).expect("readable"), "*\n");
    }
}
