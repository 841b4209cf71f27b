//! Calls that start or stop tasks, as MiniStack tells of them (`sitecustomize.py`): a line with the region in a named
//! pipe.

use std::path::PathBuf;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// The reading end of the pipe.
#[derive(Debug)]
pub(super) struct Told {
    path: PathBuf,
    pipe: Option<pipe::Receiver>,
    /// Bytes that have been read and are not a complete line yet.
    read: Vec<u8>,
}

impl Told {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, pipe: None, read: Vec::new() }
    }

    /// Checks whether the pipe exists, so that calls are told. MiniStack creates it when ECS is first called.
    pub(super) fn listens(&mut self) -> bool {
        if self.pipe.is_none() {
            let mut options = pipe::OpenOptions::new();
            // With a writer of its own, the pipe never ends when another closes it.
            #[cfg(target_os = "linux")]
            options.read_write(true);
            self.pipe = options.open_receiver(&self.path).ok();
        }
        self.pipe.is_some()
    }

    /// Gives up the pipe, which may be that of an emulator that has ended.
    pub(super) fn forget(&mut self) {
        self.pipe = None;
        self.read.clear();
    }

    /// Returns the regions of the next calls; waits for ever while none are told.
    pub(super) async fn next(&mut self) -> Vec<String> {
        loop {
            if let Some(end) = self.read.iter().rposition(|byte| *byte == b'\n') {
                let told: Vec<u8> = self.read.drain(..=end).collect();
                return String::from_utf8_lossy(&told).lines().map(str::to_owned).collect();
            }
            let Some(pipe) = &mut self.pipe else { return std::future::pending().await };
            let mut some = [0; 1024];
            match pipe.read(&mut some).await {
                Ok(count) if count > 0 => self.read.extend_from_slice(&some[..count]),
                // The pipe is gone with the emulator.
                Ok(_) | Err(_) => self.forget(),
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_told_is_heard_and_silence_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tasks");
        let mut told = Told::new(path.clone());
        assert!(!told.listens());
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        assert!(told.listens());
        let silence = tokio::time::timeout(Duration::from_millis(50), told.next()).await;
        assert!(silence.is_err(), "nothing was received");
        for lines in [&["eu-west-1"][..], &["us-east-1", "eu-north-1"]] {
            let mut pipe = std::fs::File::options().write(true).open(&path).expect("opened");
            for line in lines {
                writeln!(pipe, "{line}").expect("written");
            }
            drop(pipe);
            assert_eq!(told.next().await, lines);
        }
        assert!(told.listens());
    }
}
