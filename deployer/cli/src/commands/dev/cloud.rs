//! The local cloud of a run of `dev`, which is left as it was found.

use std::cell::Cell;
use std::path::PathBuf;

use deployer_base::error::Result;
use deployer_lang::StackTarget;
use deployer_local::state::{Folder, Running, Status};
use deployer_local::{Options, control};

use crate::context::Context;

/// The local cloud beside the stack file, as this run knows it.
#[derive(Debug)]
pub struct LocalCloud {
    folder: PathBuf,
    /// `true` if this run has started it.
    started: Cell<bool>,
    /// Process of its supervisor when it was seen last; `None` if it did not run, or if it is not used yet.
    seen: Cell<Option<i32>>,
    used: Cell<bool>,
}

/// A change of the local cloud that this run did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// It was stopped.
    Stopped,
    /// It was started, or started again.
    Started(String),
}

impl LocalCloud {
    /// Creates the local cloud of a folder.
    #[must_use]
    pub const fn beside(folder: PathBuf) -> Self {
        Self { folder, started: Cell::new(false), seen: Cell::new(None), used: Cell::new(false) }
    }

    /// Starts the local cloud unless it runs, or the stack has another place; returns whether it was started, and its endpoint,
    /// if either is new.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn ensure(&self, context: &Context, target: &StackTarget) -> Result<Option<(bool, String)>> {
        if target.endpoint.is_some() {
            return Ok(None);
        }
        let before = self.used.replace(true).then(|| self.seen.get()).flatten();
        if let Status::Running(running) = Folder::beside(&self.folder).status()? {
            self.note(&running);
            let is_new = before != Some(running.pid);
            return Ok(is_new.then_some((self.started.get(), running.endpoint)));
        }
        // Set before, so that a start that is given up is stopped in the end.
        self.started.set(true);
        self.seen.set(None);
        match control::start(&context.file, &self.folder, &Options::default()).await {
            Ok(begun) => {
                self.note(&begun.running);
                Ok(Some((true, begun.running.endpoint)))
            }
            Err(error) => {
                self.started.set(false);
                Err(error)
            }
        }
    }

    fn note(&self, running: &Running) {
        self.seen.set(Some(running.pid));
    }

    /// Returns what others have done to the local cloud since the last look.
    pub fn look(&self) -> Option<Foreign> {
        if !self.used.get() {
            return None;
        }
        let status = Folder::beside(&self.folder).status().ok()?;
        match (status, self.seen.get()) {
            // The one that is being started.
            (Status::Running(running), None) if self.started.get() => {
                self.note(&running);
                None
            }
            (Status::Running(running), seen) if seen != Some(running.pid) => {
                self.note(&running);
                // Whoever started it may need it longer than this run.
                self.started.set(false);
                Some(Foreign::Started(running.endpoint))
            }
            (Status::Stopped, Some(_)) => {
                self.seen.set(None);
                self.started.set(false);
                Some(Foreign::Stopped)
            }
            _ => None,
        }
    }

    /// Returns whether this run has started it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.started.get()
    }

    /// Stops what this run has started.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn stop(&self) -> Result<()> {
        if self.started.get() {
            control::stop(&self.folder).await?;
            self.started.set(false);
        }
        Ok(())
    }
}
