//! The extraction of one object, or a part of it, from its first byte to `extraction-completed`.
//!
//! # Parts
//!
//! A row belongs to the part that contains its first byte. The beginnings of rows can't be found from the middle of a
//! file: a line end may be in a quoted field, and any quote may open one or close one. So every task reads from the
//! first byte, with the same reader, which passes over the rows of the parts before its own: it finds where each ends,
//! and nothing else. That is cheap in comparison with publishing, which is divided. The rows of all parts are those that
//! one task would have read, with the same numbers.
//!
//! # Rows that are too large for an event
//!
//! Their events contain their location, and `transform` reads them. Nothing of them is kept here.
//!
//! # Checkpoints
//!
//! Calls are answered in any order. The checkpoint is after the last row before which nothing is missing on the bus.

mod rows;

use std::sync::Arc;
use std::time::Duration;

use contract::event::Skipped;
use contract::settings::ExtractionSettings;
use contract::{Assignment, Detail, Encoding, FailedStage, ObjectRef, Reason, RecordRef};
use publisher::{Failure, MAX_BYTES, Publisher, PutEvents};
use runtime::Backoff;
use sealing::Kms;
use tally::RowSet;
use tally::checkpoint::{Checkpoint, Checkpoints};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::download::{Download, ReadError, Source};
use crate::reader::Fault;
use crate::scan::{Scan, Step};
use crate::seal::Sealing;

use rows::Rows;

/// The time between two checkpoints. In tests, one is written after every row.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 5 });

/// The work of a task.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// The dialect of the object, and the settings for publishing it.
    pub settings: &'a ExtractionSettings,
    /// The columns that its header must have.
    pub columns: &'a [String],
    /// Columns that the header may lack, but of which none may fit two.
    pub optional: &'a [String],
    /// The part of the object.
    pub assignment: &'a Assignment,
    /// The rows to send again, without a checkpoint and without `extraction-completed`; `None` for all rows.
    pub selection: Option<Selection<'a>>,
}

/// Rows that are sent again.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Their numbers.
    pub rows: &'a RowSet,
    /// The number of rows that the object had when it was read completely, if it was. With another number of rows now,
    /// the numbers refer to other rows, and none is sent.
    pub of: Option<u64>,
}

impl Job<'_> {
    /// Returns the events a second that this task may publish: its share of the settings' limit for an object.
    fn events_per_second(&self) -> Option<f64> {
        let tasks = self.assignment.part.map_or(1, |part| part.shard.of.max(1));
        self.settings.events_per_second.map(|events| f64::from(events) / f64::from(tasks))
    }
}

/// The end of an extraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was read, every event accepted and `extraction-completed` published.
    Completed(Totals),
    /// It failed for good, and `extractionFailed` says so.
    Failed(Fault),
    /// It stopped without an event that says so: another task can continue.
    Interrupted(Fault),
}

/// Counts over the object, or the part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Data rows, rejected ones included.
    pub rows: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Bytes of the object, as it is stored.
    pub bytes: u64,
}

/// Reads the bytes that `job` names from `source` and publishes their rows, until the end or until `stop` turns true.
/// With `checkpoints`, it continues where another task was interrupted; with `sealing`, no sensitive value leaves in
/// clear.
pub async fn extract<S: Source + 'static, P: PutEvents + 'static, C: Checkpoints, K: Kms>(
    job: &Job<'_>,
    source: S,
    publisher: &Arc<Publisher<P>>,
    checkpoints: Option<&C>,
    sealing: Option<Sealing<K>>,
    backoff: Backoff,
    stop: watch::Receiver<bool>,
) -> Outcome {
    let checkpoints = checkpoints.filter(|_| job.selection.is_none());
    let reached = match checkpoints {
        Some(checkpoints) => load(checkpoints, backoff).await,
        None => Checkpoint::default(),
    };
    if let Checkpoint { rows, rejected, done: Some(bytes), .. } = reached {
        tracing::info!("the object has already been extracted");
        return conclude(job, publisher, Ok(Totals { rows, rejected, bytes }), Found::default()).await;
    }
    if reached.index > 0 {
        tracing::info!(row = reached.index, offset = reached.offset, "continuing after this row");
    }
    let mut download = Download::new(source, backoff);
    if let Some(Selection { of: Some(had), .. }) = job.selection {
        let has = match count_rows(job, &mut download, stop.clone()).await {
            Ok(has) => has,
            Err(fault) => return conclude(job, publisher, Err(fault), Found::default()).await,
        };
        if has != had {
            let message = format!(
                "the file has {has} rows, but had {had} when it was first read, so the row numbers refer to other rows"
            );
            let fault = Fault::new(Reason::RowsRenumbered, message);
            return conclude(job, publisher, Err(fault), Found::default()).await;
        }
        download.seek(0);
    }
    let sensitive = sealing.as_ref().map(Sealing::columns).unwrap_or_default();
    let mut extraction = Extraction {
        job,
        download,
        scan: Scan::new(MAX_BYTES, job.settings, job.columns, &sensitive).with_optional(job.optional),
        rows: Rows::new(job, publisher.stream_at(job.events_per_second()), sealing, backoff, reached),
        resume: (reached.index > 0).then_some(reached),
        checkpoints,
        saved: Instant::now(),
        opened: false,
    };
    let end = extraction.run(stop).await;
    // In any case, the events of the rows that were read are in flight: wait for them.
    let end = match extraction.rows.finish().await {
        Ok(()) => end,
        lost => end.and(lost),
    };
    let totals = extraction.totals();
    let mut last = extraction.rows.acknowledged();
    let outcome = match end {
        // Each task of the object finds that, and the first reports it for all.
        Err(fault)
            if extraction.scan.is_useless()
                && job.assignment.part.is_some_and(|part| part.shard.index > 1) =>
        {
            Outcome::Failed(fault)
        }
        end => {
            let found = Found { skipped: extraction.skipped(), encoding: extraction.scan.encoding() };
            conclude(job, publisher, end.map(|()| totals), found).await
        }
    };
    if let Outcome::Completed(Totals { rows, rejected, bytes }) = outcome {
        last = Checkpoint { rows, rejected, done: Some(bytes), ..last };
    }
    if let Some(checkpoints) = checkpoints {
        save(checkpoints, &last).await;
    }
    outcome
}

/// Returns the number of rows of an object, as it is read now.
async fn count_rows<S: Source + 'static>(
    job: &Job<'_>,
    download: &mut Download<S>,
    mut stop: watch::Receiver<bool>,
) -> Result<u64, Fault> {
    let mut scan = Scan::new(MAX_BYTES, job.settings, job.columns, &[]).with_optional(job.optional);
    loop {
        match scan.step()? {
            Step::Row => scan.pass_over(u64::MAX, 0),
            Step::Piece => tokio::task::yield_now().await,
            Step::Starved => {
                let chunk = tokio::select! {
                    biased;
                    () = told_to_stop(&mut stop) => return Err(interrupted(0)),
                    chunk = download.read() => chunk.map_err(|error| unreadable(&error))?,
                };
                match chunk {
                    Some(chunk) => scan.feed(chunk),
                    None => scan.end(),
                }
            }
            Step::End => return Ok(scan.rows()),
        }
    }
}

/// Facts about the object, besides its counts, for the event about its end.
#[derive(Default)]
struct Found {
    /// Lines that are not rows.
    skipped: Option<Skipped>,
    /// The encoding, unless it is UTF-8.
    encoding: Option<Encoding>,
}

/// Publishes the end of the extraction.
async fn conclude<P: PutEvents>(
    job: &Job<'_>,
    publisher: &Publisher<P>,
    end: Result<Totals, Fault>,
    Found { skipped, encoding }: Found,
) -> Outcome {
    let object = job.object.clone();
    let end = match end {
        Ok(totals) if job.selection.is_some() => Ok(totals),
        Ok(totals) => {
            let Totals { rows, rejected, bytes } = totals;
            let shard = job.assignment.part.map(|part| part.shard);
            let completed =
                Detail::ExtractionCompleted { object, rows, bytes, rejected, skipped, encoding, shard };
            let published = publish(publisher, completed).await.map(|()| totals);
            // All rows are on the bus: another task finds that at the checkpoint, and has only this event to publish.
            published.map_err(|_| Fault::new(Reason::Interrupted, "could not publish the end of the object"))
        }
        Err(fault) => Err(fault),
    };
    match end {
        Ok(totals) => Outcome::Completed(totals),
        Err(fault) if fault.reason == Reason::Interrupted => Outcome::Interrupted(fault),
        // The last event about this object. If the bus doesn't take it either, another task may have more luck.
        Err(fault) => match publish(publisher, failed(job.object, None, &fault)).await {
            Ok(()) => Outcome::Failed(fault),
            Err(_) => Outcome::Interrupted(fault),
        },
    }
}

async fn load<C: Checkpoints>(checkpoints: &C, backoff: Backoff) -> Checkpoint {
    for attempt in 1..=backoff.attempts() {
        match checkpoints.load().await {
            Ok(checkpoint) => return checkpoint.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(code = error.code, attempt, "could not read the checkpoint");
                if !error.retryable {
                    break;
                }
            }
        }
        backoff.pause(attempt).await;
    }
    // Rows that are published twice are the same rows.
    Checkpoint::default()
}

async fn publish<P: PutEvents>(publisher: &Publisher<P>, detail: Detail) -> Result<(), Failure> {
    let detail_type = detail.detail_type();
    let result = publisher.publish(&[detail]).await.pop().unwrap_or(Ok(()));
    if let Err(failure) = &result {
        tracing::error!(detail_type, code = failure.code(), "the event was not accepted");
    }
    result
}

fn not_published(events: u64) -> Fault {
    Fault::new(Reason::RetriesExhausted, format!("{events} events could not be published in any attempt"))
}

fn failed(object: &ObjectRef, record: Option<RecordRef>, fault: &Fault) -> Detail {
    Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object.clone()),
        record,
        reason: fault.reason,
        message: fault.message.clone(),
        field: None,
        column: None,
    }
}

fn unreadable(error: &ReadError) -> Fault {
    let why = match error.code.as_str() {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound" => "the object no longer exists",
        "AccessDenied" | "Forbidden" => "access to the object is denied",
        "PreconditionFailed" => "the object was replaced after its upload was announced",
        _ => "the object could not be read",
    };
    Fault::new(Reason::ObjectUnreadable, format!("{why}: {error}"))
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // No sender is left that could stop the task.
        std::future::pending().await
    }
}

fn interrupted(row: u64) -> Fault {
    Fault::new(Reason::Interrupted, format!("the task was stopped after row {row}"))
}

/// An extraction in progress.
struct Extraction<'a, S, P, C, K> {
    job: &'a Job<'a>,
    download: Download<S>,
    scan: Scan,
    rows: Rows<'a, P, K>,
    /// The position at which the scan has to continue, once it knows the header and the encoding.
    resume: Option<Checkpoint>,
    checkpoints: Option<&'a C>,
    saved: Instant,
    /// `true` if a row has been read, after which the header is known.
    opened: bool,
}

impl<S: Source + 'static, P: PutEvents + 'static, C: Checkpoints, K: Kms> Extraction<'_, S, P, C, K> {
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
        loop {
            match self.scan.step()? {
                Step::Row => {
                    // What the first bytes of the text tell is known now.
                    if !std::mem::replace(&mut self.opened, true) {
                        self.rows.refusal = self.scan.refusal()?;
                        self.pass_over();
                    }
                    let rows = self.scan.rows();
                    if let Some(at) =
                        self.resume.take_if(|_| self.rows.indivisible.is_none() && self.scan.may_resume())
                        && rows <= at.index
                    {
                        self.scan.resume(at.offset, at.index);
                        self.download.seek(at.offset);
                        continue;
                    }
                    let row = self.scan.row();
                    let index = row.index;
                    if self.rows.take(row).await?.is_break() {
                        return Ok(());
                    }
                    // A chunk holds thousands of rows, and a throttled bus makes each of them slow.
                    if *stop.borrow() {
                        return Err(interrupted(index));
                    }
                    self.save().await;
                }
                // A compressed chunk may stand for gigabytes without a row; nothing else runs until this waits for
                // something.
                Step::Piece => {
                    tokio::task::yield_now().await;
                    if *stop.borrow() {
                        return Err(interrupted(self.scan.rows()));
                    }
                    let (row, offset) = self.scan.passed();
                    self.rows.pass_to(row, offset);
                    self.save().await;
                }
                Step::Starved => {
                    let chunk = tokio::select! {
                        biased;
                        () = told_to_stop(&mut stop) => return Err(interrupted(self.scan.rows())),
                        chunk = self.download.read() => chunk.map_err(|error| unreadable(&error))?,
                    };
                    match chunk {
                        Some(chunk) => self.scan.feed(chunk),
                        None => self.scan.end(),
                    }
                    self.rows.indivisible = self.scan.indivisible()?;
                    self.rows.refusal = self.scan.refusal()?;
                    // Text that can't be divided: the first part is all of it.
                    if self.rows.indivisible.is_some()
                        && self.job.assignment.part.is_some_and(|part| part.shard.index > 1)
                    {
                        return Ok(());
                    }
                }
                Step::End => return Ok(()),
            }
        }
    }

    /// Leaves out the rows that are not of this part, or that were published before.
    fn pass_over(&mut self) {
        // Of an object that can't be divided, positions in the text are not those of the part.
        let part = self.job.assignment.part.filter(|_| self.rows.indivisible.is_none());
        self.scan.pass_over(self.rows.at.index, part.map_or(0, |part| part.from));
    }

    /// Writes a checkpoint if it is time for one.
    async fn save(&mut self) {
        if let Some(checkpoints) = self.checkpoints
            && self.saved.elapsed() >= BETWEEN_CHECKPOINTS
        {
            save(checkpoints, &self.rows.acknowledged()).await;
            self.saved = Instant::now();
        }
    }

    fn totals(&self) -> Totals {
        let Checkpoint { rows, rejected, .. } = self.rows.at;
        let length = self.download.length();
        let bytes = match self.job.assignment.part {
            Some(part) if self.rows.indivisible.is_none() => {
                part.to.map_or(length, |to| to.min(length)).saturating_sub(part.from)
            }
            Some(part) if part.shard.index > 1 => 0,
            _ => length,
        };
        Totals { rows, rejected, bytes }
    }

    /// Returns the lines that this part skipped. A task that continued after a checkpoint does not know the lines that
    /// were skipped before it.
    fn skipped(&self) -> Option<Skipped> {
        let mut skipped = self.rows.skipped?;
        // After the last row of the object.
        if self.job.assignment.part.is_none_or(|part| part.to.is_none() || self.rows.indivisible.is_some()) {
            skipped += self.scan.skipped();
        }
        (skipped.total() > 0).then_some(skipped)
    }
}

/// Writes a checkpoint. If that fails, a restart takes longer, and nothing is wrong.
async fn save<C: Checkpoints>(checkpoints: &C, checkpoint: &Checkpoint) {
    if *checkpoint == Checkpoint::default() {
        return;
    }
    if let Err(error) = checkpoints.save(checkpoint).await {
        tracing::warn!(code = error.code, "could not write the checkpoint");
    }
}

#[cfg(test)]
mod tests;
