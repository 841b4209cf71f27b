//! `observe`: one line in the log for every event, with names and counts and never a value of a row, and every row in
//! the tally, if there is one.
//!
//! Events of others on the same bus are logged as well, by type and source only. A message that is not an event, or an
//! event of the pipeline that cannot be read, is delivered again.
//!
//! Each event of the pipeline arrives here, so this function has the most messages of all. It reads each once, without
//! the values of its rows ([`contract::brief`]), and writes the lines of a batch at once.
//!
//! With a tally and a bus, it publishes `object-completed` when every row of an object is settled: see
//! [`tally::completion`].

mod line;
mod metrics;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use contract::brief::{self, Brief, Text};
use contract::event::{ObjectOutcome, ResultFiles};
use contract::{Detail, EventKind, verification};
use futures::StreamExt as _;
use publisher::{Publisher, PutEvents};
use serde::Deserialize;
use serde_json::Value;
use tally::completion::{Completer, CompletionError, Completions, Ended};
use tally::details::{Keeper, Notes};
use tally::{Batch, MergeError, Progress, Store, Touched, Writer};
use tokio::time::Instant;
use tracing::Level;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::messages::{InvocationError, NotDone};
use crate::start::Service;

use line::{Line, WARN};

/// The approximate number of bytes in a line of the log.
const LINE: usize = 600;

/// The number of objects whose end is looked for at the same time.
const MAX_IN_FLIGHT: usize = 8;

/// The function. See the module.
pub struct Observe<S, P> {
    tally: Option<Writer<S>>,
    ends: Option<Ends<S, P>>,
    details: Option<Keeper<S>>,
    /// The name of the function, if it writes metrics.
    metrics: Option<String>,
    log: Mutex<Box<dyn Write + Send>>,
}

/// The means to publish that an object is at its end.
#[derive(Debug)]
pub struct Ends<S, P> {
    completer: Completer<S>,
    publisher: Publisher<P>,
}

impl<S: Completions, P: PutEvents> Ends<S, P> {
    /// Finds ends with `completer`, and publishes them through `publisher`.
    pub const fn new(completer: Completer<S>, publisher: Publisher<P>) -> Self {
        Self { completer, publisher }
    }

    /// Publishes the objects that are at their end after a batch. Returns those whose event is on the bus, and the
    /// positions of the messages that are to be delivered again, with the reasons.
    ///
    /// `files`: there is a `report` that writes files.
    async fn publish(
        &self,
        progress: &[Progress],
        touched: &[Option<Touched>],
        files: bool,
    ) -> (Vec<Ended>, Vec<(usize, NotDone)>) {
        // By position, or the compiler cannot see that the future is `Send`.
        let checked: Vec<(usize, Result<Option<Ended>, CompletionError>)> =
            futures::stream::iter(0..progress.len())
                .map(|of| async move { Some((of, self.completer.check(progress.get(of)?).await)) })
                .buffer_unordered(MAX_IN_FLIGHT)
                .filter_map(std::future::ready)
                .collect()
                .await;
        let mut failed = Vec::new();
        let mut ended: Vec<(usize, Ended)> = Vec::new();
        for (of, checked) in checked {
            match checked {
                Ok(found) => ended.extend(found.map(|found| (of, found))),
                Err(error) => failed.push((of, error)),
            }
        }
        let details: Vec<Detail> = ended.iter().map(|(_, ended)| completed(ended, files)).collect();
        let published = match details.is_empty() {
            true => Vec::new(),
            false => self.publisher.publish(&details).await,
        };
        let mut done = Vec::new();
        for ((of, ended), published) in ended.into_iter().zip(published) {
            let finished = match published {
                Ok(()) => {
                    let finished = self.completer.finish(&ended).await;
                    done.push(ended);
                    finished
                }
                Err(failure) => {
                    let cause = format!("could not publish `object-completed`: {}", failure.code());
                    Err(CompletionError::NotReported(MergeError::Call(cause)))
                }
            };
            failed.extend(finished.err().map(|error| (of, error)));
        }
        let again = |(of, error): (usize, CompletionError)| {
            let positions =
                progress.get(of).map(|progress| error.again(progress, touched)).unwrap_or_default();
            let cause = error.cause().to_string();
            positions.into_iter().map(move |position| (position, NotDone { cause: cause.clone() }))
        };
        (done, failed.into_iter().flat_map(again).collect())
    }
}

/// Returns the event about an object at its end.
fn completed(ended: &Ended, files: bool) -> Detail {
    let files = files.then(|| ResultFiles::of(&ended.object.key, ended.rejects));
    let outcome = ObjectOutcome { files, ..ended.outcome.clone() };
    Detail::ObjectCompleted { object: ended.object.clone(), outcome: Box::new(outcome) }
}

impl<S, P> std::fmt::Debug for Observe<S, P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Observe").field("tally", &self.tally.is_some()).finish_non_exhaustive()
    }
}

/// The payload for a function that a queue triggers. A rule sends the event itself.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "messageId", borrow, default)]
    id: Option<Text<'a>>,
    #[serde(rename = "eventSource", borrow, default)]
    event_source: Option<Text<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
}

/// A message with its meaning.
struct Seen<'a> {
    id: &'a str,
    /// `None`: it is not an event of the pipeline.
    event: Option<Brief<'a>>,
    /// The names of another event.
    other: Names<'a>,
}

/// An event of others: its type and its source, if it has them.
#[derive(Default, Deserialize)]
struct Names<'a> {
    #[serde(rename = "detail-type", borrow, default)]
    detail_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
}

impl<'a> Seen<'a> {
    fn new(id: &'a str, text: &'a str) -> Self {
        let event = Brief::parse(text);
        let other = match event {
            Some(_) => Names::default(),
            None => serde_json::from_str(text).unwrap_or_default(),
        };
        Self { id, event, other }
    }

    /// Returns the key of the object if its rows are those of `deployer verify`.
    fn marked_key(&self) -> Option<&str> {
        let key = &*self.event.as_ref()?.object.as_ref()?.key;
        verification::id_of(key).map(|_| key)
    }

    /// Fails if the message cannot be understood, so that a person looks at it. Events of others do not concern the
    /// tally.
    fn understood(&self) -> Result<(), NotDone> {
        let ours = |name: &str| EventKind::Any.details().iter().any(|(of_pipeline, ..)| *of_pipeline == name);
        let message = match (&self.event, &self.other) {
            (Some(_), _) => return Ok(()),
            (None, Names { detail_type: None, .. }) => "the message is not an event",
            (None, Names { detail_type: Some(name), .. }) if ours(name) => {
                "the detail of the event lacks a field, or has one of the wrong type"
            }
            (None, Names { source: Some(_), .. }) => return Ok(()),
            (None, _) => "the detail type of the event does not belong to the pipeline",
        };
        Err(NotDone { cause: format!("cannot process the message: {message}") })
    }
}

impl<S, P> Observe<S, P> {
    /// Creates the function, which keeps the tally through a writer, and without one only logs; its lines go to `log`.
    pub fn new(tally: Option<Writer<S>>, log: impl Write + Send + 'static) -> Self {
        Self { tally, ends: None, details: None, metrics: None, log: Mutex::new(Box::new(log)) }
    }

    /// Returns the same function, which also publishes that objects are at their end.
    #[must_use]
    pub fn with_ends(self, ends: Option<Ends<S, P>>) -> Self {
        Self { ends, ..self }
    }

    /// Returns the same function, which also keeps the details of failed rows, and names the files that `report` makes
    /// of them.
    #[must_use]
    pub fn with_details(self, details: Option<Keeper<S>>) -> Self {
        Self { details, ..self }
    }

    /// Returns the same function, which also writes metrics about files at their end, under its name.
    #[must_use]
    pub fn with_metrics(self, function: Option<String>) -> Self {
        Self { metrics: function, ..self }
    }

    /// Writes a line for each message.
    fn write_log(&self, seen: &[Seen<'_>]) {
        let (info, warn) = (tracing::enabled!(Level::INFO), tracing::enabled!(Level::WARN));
        let mut timestamp = String::new();
        // A text takes everything that is written to it.
        let _ = SystemTime.format_time(&mut format::Writer::new(&mut timestamp));
        let mut lines = Vec::with_capacity(LINE * seen.len());
        for seen in seen {
            let line = match &seen.event {
                Some(event) => Line::of(event),
                None => {
                    let Names { detail_type, source } = &seen.other;
                    Line::foreign(seen.id, detail_type.as_deref(), source.as_deref())
                }
            };
            let wanted = if line.level == WARN { warn } else { info };
            // Texts and numbers can always be serialised, and memory takes them.
            if wanted && serde_json::to_writer(&mut lines, &line.at(&timestamp)).is_ok() {
                lines.push(b'\n');
            }
        }
        self.write(&lines);
    }

    /// Writes a line with metrics for each file whose end was published.
    fn write_metrics(&self, published: &[Ended]) {
        let Some(function) = self.metrics.as_ref().filter(|_| !published.is_empty()) else { return };
        let line = |ended: &Ended| metrics::line(function, &ended.object.key, &ended.outcome) + "\n";
        let counted = published.iter().filter(|ended| !verification::is_marked(&ended.object));
        self.write(counted.map(line).collect::<String>().as_bytes());
    }

    fn write(&self, lines: &[u8]) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.write_all(lines).and_then(|()| log.flush()) {
            tracing::warn!(%error, "could not write the log");
        }
    }
}

impl<S: Store + Completions + Notes, P: PutEvents> Observe<S, P> {
    /// Processes messages, and returns the positions of those that are to be delivered again, with the reasons.
    async fn process(&self, seen: Vec<Seen<'_>>) -> Vec<(usize, NotDone)> {
        self.write_log(&seen);
        let mut failed: Vec<(usize, NotDone)> = (0..)
            .zip(&seen)
            .filter_map(|(position, seen)| Some((position, seen.understood().err()?)))
            .collect();
        let Some(tally) = &self.tally else { return failed };
        let mut batch = Batch::detailed(self.details.is_some());
        let left_out = permits(tally, &seen).await;
        let touched: Vec<Option<Touched>> = seen
            .iter()
            .map(|seen| match seen.marked_key().and_then(|key| left_out.get(key)) {
                Some(_) => None,
                None => add(&mut batch, seen),
            })
            .collect();
        failed.extend((0..).zip(&seen).filter_map(|(position, seen)| {
            let cause = left_out.get(seen.marked_key()?)?.clone()?;
            Some((position, NotDone { cause }))
        }));
        // The events are not needed any more, and the calls may take a while.
        drop(seen);
        // Before the rows count as failed, so that a row that does has its details.
        if let Some(details) = &self.details
            && let Err(error) = details.keep(&batch).await
        {
            let known: HashSet<usize> = failed.iter().map(|(position, _)| *position).collect();
            let again = touched.iter().enumerate().filter(|(_, touched)| touched.is_some());
            let again = again.map(|(position, _)| (position, NotDone { cause: error.to_string() }));
            failed.extend(again.filter(|(position, _)| !known.contains(position)));
            return failed;
        }
        let (errors, progress) = tally.merge_for(batch).await;
        if !errors.is_empty() {
            failed.extend((0..).zip(&touched).filter_map(|(position, touched)| {
                let error = errors.of(touched.as_ref()?)?;
                Some((position, NotDone { cause: error.to_string() }))
            }));
        }
        if let Some(ends) = &self.ends {
            let (published, again) = ends.publish(&progress, &touched, self.details.is_some()).await;
            self.write_metrics(&published);
            let known: HashSet<usize> = failed.iter().map(|(position, _)| *position).collect();
            failed.extend(again.into_iter().filter(|(position, _)| !known.contains(position)));
        }
        failed
    }
}

impl<S: Store + Completions + Notes, P: PutEvents> Service for Observe<S, P> {
    async fn invoke(&self, payload: &str, _: Instant) -> Result<Option<SqsBatchResponse>, InvocationError> {
        let Ok(Payload { records }) = serde_json::from_str(payload) else {
            return if is_batch(payload) {
                Err(InvocationError::UnreadableBatch)
            } else {
                self.one(payload).await
            };
        };
        if records.first().is_some_and(|first| first.event_source.as_deref() != Some("aws:sqs")) {
            return self.one(payload).await;
        }
        // Without an ID, a message cannot be named in the answer: only the whole batch can fail.
        let named = |message: &Message<'_>| message.id.as_deref().is_some_and(|id| !id.is_empty());
        if !records.iter().all(named) {
            return Err(InvocationError::UnreadableBatch);
        }
        let id = |message: &Message<'_>| message.id.as_deref().unwrap_or_default().to_owned();
        let bodies: Vec<Cow<'_, str>> = records
            .iter()
            .map(|message| brief::unescaped(message.body.as_deref().unwrap_or_default()))
            .collect();
        let seen = records
            .iter()
            .zip(&bodies)
            .map(|(message, body)| Seen::new(message.id.as_deref().unwrap_or_default(), body));
        let failed = self.process(seen.collect()).await;
        let mut response = SqsBatchResponse::default();
        for (position, NotDone { cause }) in failed {
            if let Some(message_id) = records.get(position).map(id) {
                tracing::warn!(message_id, cause, "message not processed");
                response.add_failure(message_id);
            }
        }
        // One line a batch: a function without logs can't be told from one that does nothing.
        tracing::info!(messages = records.len(), failed = response.batch_item_failures.len(), "batch done");
        Ok(Some(response))
    }
}

impl<S: Store + Completions + Notes, P: PutEvents> Observe<S, P> {
    /// Processes the event that came directly from a rule.
    async fn one(&self, event: &str) -> Result<Option<SqsBatchResponse>, InvocationError> {
        let event = brief::unescaped(event);
        match self.process(vec![Seen::new("direct", &event)]).await.pop() {
            Some((_, not_done)) => Err(InvocationError::NotDone(not_done)),
            None => Ok(None),
        }
    }
}

/// Returns whether a payload that can't be read came from a queue.
fn is_batch(payload: &str) -> bool {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    payload["Records"]
        .as_array()
        .is_some_and(|records| records.first().is_some_and(|record| record["eventSource"] == "aws:sqs"))
}

/// Returns the keys of marked objects about which nothing is written, each with the cause if the table did not answer.
async fn permits<S: Store>(tally: &Writer<S>, seen: &[Seen<'_>]) -> HashMap<String, Option<String>> {
    let mut left_out = HashMap::new();
    let keys: HashSet<&str> = seen.iter().filter_map(Seen::marked_key).collect();
    for key in keys {
        match tally.is_permitted(key).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(key, "the verification is over, so nothing is recorded");
                left_out.insert(key.to_owned(), None);
            }
            Err(error) => {
                let cause = format!("could not read whether the verification is over: {}", error.code);
                left_out.insert(key.to_owned(), Some(cause));
            }
        }
    }
    left_out
}

/// Adds an event to the batch, and returns the items that it touches. A message that is not an event of the pipeline
/// touches none.
fn add(batch: &mut Batch, seen: &Seen<'_>) -> Option<Touched> {
    batch.add(seen.event.as_ref()?).unwrap_or_else(|error| {
        // No further attempt would succeed.
        tracing::warn!(message_id = seen.id, %error, "event not recorded in the tally");
        None
    })
}

#[cfg(test)]
mod tests;
