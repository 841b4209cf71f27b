//! Small objects, which `extract` reads itself: a task takes longer to start than to read them.
//!
//! The code is the task's, with its events, its checkpoints and its tally. An object that is not read to its end before
//! Lambda ends the invocation is left to a task, which continues at the checkpoint.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contract::settings::{ExtractionSettings, SensitiveField};
use contract::{Assignment, ObjectRef, Reason};
use publisher::{Publisher, PutEvents};
use runtime::Backoff;
use sealing::Kms;
use tally::checkpoint::Checkpoints;
use task::download::Source;
use task::reader::Fault;
use task::{Job, Outcome, Sealing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The time before the end of the invocation at which reading stops: the events that are on their way are waited for,
/// the checkpoint is written, and a task is started.
const MARGIN: Duration = Duration::from_millis(if cfg!(test) { 1_000 } else { 4_000 });

/// A reader of whole objects. Implemented by [`Reader`], and by fakes in tests.
pub trait Inline: Send + Sync {
    /// Reads an object and publishes its rows, until its end or shortly before `deadline`.
    fn extract(&self, object: &ObjectRef, deadline: Option<Instant>) -> impl Future<Output = Outcome> + Send;
}

/// The sources that a [`Reader`] reads from, and the places where it keeps what it must remember.
pub trait Backends: Send + Sync {
    /// The bytes of an object.
    type Source: Source + 'static;
    /// Its checkpoints.
    type Checkpoints: Checkpoints;
    /// The keys for sensitive values.
    type Kms: Kms;

    /// Notes what others must know of an object before its rows are published. The error is a cause for the log.
    fn prepare(
        &self,
        object: &ObjectRef,
        settings: &ReaderSettings,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Returns the bytes of an object.
    fn source(&self, object: &ObjectRef) -> Self::Source;

    /// Returns the checkpoints of an object; `None` without a tally.
    fn checkpoints(&self, object: &ObjectRef) -> Option<Self::Checkpoints>;

    /// Returns the keys for sensitive values; `None` if there are none in the settings.
    fn kms(&self) -> Option<Self::Kms>;
}

/// The settings of the task, by which small objects are read as well.
#[derive(Debug, Default)]
pub struct ReaderSettings {
    /// The format of the objects.
    pub extraction: ExtractionSettings,
    /// The columns that a header must have.
    pub columns: Vec<String>,
    /// The columns that a header may have, once each.
    pub optional: Vec<String>,
    /// The sensitive fields.
    pub sensitive: Vec<SensitiveField>,
}

/// [`Inline`] by the code of the task.
#[derive(Debug)]
pub struct Reader<B, P> {
    backends: B,
    publisher: Arc<Publisher<P>>,
    settings: ReaderSettings,
    backoff: Backoff,
}

impl<B: Backends, P: PutEvents + 'static> Reader<B, P> {
    /// Creates a reader that publishes through `publisher`.
    pub fn new(backends: B, publisher: Publisher<P>, settings: ReaderSettings, backoff: Backoff) -> Self {
        Self { backends, publisher: Arc::new(publisher), settings, backoff }
    }
}

impl<B: Backends, P: PutEvents + 'static> Inline for Reader<B, P> {
    async fn extract(&self, object: &ObjectRef, deadline: Option<Instant>) -> Outcome {
        let end = match deadline {
            Some(deadline) => match deadline.checked_sub(MARGIN).filter(|end| *end > Instant::now()) {
                Some(end) => Some(end),
                None => return interrupted("there is no time left to read the object"),
            },
            None => None,
        };
        let sealing = match self.backends.kms() {
            Some(kms) => match Sealing::new(kms, object, self.settings.sensitive.clone()) {
                Ok(sealing) => Some(sealing),
                // A task says the same, and its log explains it.
                Err(_) => return interrupted("the settings of sensitive fields cannot be read"),
            },
            None => None,
        };
        if let Err(cause) = self.backends.prepare(object, &self.settings).await {
            return interrupted(&cause);
        }
        let assignment = Assignment::default();
        let job = Job {
            object,
            settings: &self.settings.extraction,
            columns: &self.settings.columns,
            optional: &self.settings.optional,
            assignment: &assignment,
            selection: None,
        };
        let checkpoints = self.backends.checkpoints(object);
        let (stop, stopped) = watch::channel(false);
        let source = self.backends.source(object);
        let reading = task::extract(
            &job,
            source,
            &self.publisher,
            checkpoints.as_ref(),
            sealing,
            self.backoff,
            stopped,
        );
        let Some(end) = end else { return Box::pin(reading).await };
        let mut reading = Box::pin(reading);
        tokio::select! {
            outcome = &mut reading => outcome,
            () = sleep_until(end) => {
                let _ = stop.send(true);
                reading.await
            }
        }
    }
}

fn interrupted(message: &str) -> Outcome {
    Outcome::Interrupted(Fault::new(Reason::Interrupted, message))
}

#[cfg(test)]
mod tests;
