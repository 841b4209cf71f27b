//! Whole extractions, from a source that breaks to a bus that refuses.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use contract::settings::CsvSettings;
use contract::{Location, Part, Shard, row};
use proptest::prelude::*;
use publisher::{Destination, Entry, Rejection};
use runtime::CallError;
use runtime::s3::ObjectError;
use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::decompress::tests as decompress;
use crate::download::Opened;

mod content;
mod divided;
mod encodings;
mod ends;
mod json;
mod sensitive;
mod shares;
mod transfer;

/// No sealing.
const CLEAR: Option<Sealing<&sensitive::Vault>> = None;

/// A step of the script for opening the object: the number of bytes, then the end of the body.
#[derive(Clone)]
enum Step {
    All,
    BreakAfter(usize),
    EndAfter(usize),
    Fail(ObjectError),
    /// The body begins at this byte, whatever was requested, and breaks after this number of bytes.
    From(usize, usize),
}

struct Object {
    bytes: Vec<u8>,
    steps: Mutex<VecDeque<Step>>,
    opened: Arc<Mutex<Vec<u64>>>,
    stop: Option<watch::Sender<bool>>,
}

impl Object {
    fn new(bytes: impl Into<Vec<u8>>, steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            bytes: bytes.into(),
            steps: Mutex::new(steps.into_iter().collect()),
            opened: Arc::default(),
            stop: None,
        }
    }
}

impl Source for Object {
    async fn open(&self, from: u64, to: u64) -> Result<Opened, ObjectError> {
        self.opened.lock().expect("lock").push(from);
        if let Some(stop) = &self.stop {
            let _ = stop.send(true);
        }
        let length = self.bytes.len();
        let at = |offset: u64| usize::try_from(offset).map_or(length, |offset| offset.min(length));
        let step = self.steps.lock().expect("lock").pop_front().unwrap_or(Step::All);
        let (from, to) = match step {
            Step::From(from, bytes) => (from as u64, (from + bytes) as u64),
            _ => (from, to),
        };
        let rest = self.bytes[at(from)..at(to)].to_vec();
        let length = Some(length as u64);
        let (take, broken) = match step {
            Step::From(_, bytes) => (bytes, true),
            Step::All => (rest.len(), false),
            Step::BreakAfter(bytes) => (bytes, true),
            Step::EndAfter(bytes) => (bytes, false),
            Step::Fail(error) => return Err(error),
        };
        let bytes = rest.into_iter().take(take).collect();
        Ok(Opened { from, body: Box::pin(Body { bytes, broken }), length })
    }
}

/// A body that returns a few bytes at a time, so that rows and characters are cut; of large objects more, or it would
/// take too long.
struct Body {
    bytes: VecDeque<u8>,
    broken: bool,
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.bytes.is_empty() && self.broken {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        let count = self.bytes.len().min(buffer.remaining()).min(7.max(self.bytes.len() / 4096));
        let bytes: Vec<u8> = self.bytes.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Bus {
    refuse: Option<fn(&Detail) -> bool>,
    published: Mutex<Vec<Detail>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Bus>);

impl PutEvents for Shared {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        tokio::task::yield_now().await;
        let accept = |entry: &&Entry| {
            let value = serde_json::from_str(&entry.detail).expect("JSON");
            let detail = Detail::from_value(entry.detail_type, value).expect("an event of the pipeline");
            if self.0.refuse.is_some_and(|refuse| refuse(&detail)) {
                return Err(Rejection { code: "InternalFailure".into(), message: "m".into() });
            }
            self.0.published.lock().expect("lock").push(detail);
            Ok(())
        };
        Ok(entries.iter().map(accept).collect())
    }
}

impl Shared {
    fn refusing(refuse: fn(&Detail) -> bool) -> Self {
        Self(Arc::new(Bus { refuse: Some(refuse), ..Bus::default() }))
    }

    /// Waits until `events` events are on the bus.
    async fn has(&self, events: usize) {
        while self.0.published.lock().expect("lock").len() < events {
            tokio::task::yield_now().await;
        }
    }

    fn published(&self) -> Vec<Detail> {
        self.0.published.lock().expect("lock").clone()
    }

    /// Returns the rows of `record-extracted`, in their order: calls overlap, so the bus has them in any.
    fn rows(&self) -> Vec<(u64, String)> {
        let row = |detail: Detail| match detail {
            Detail::RecordExtracted { record, data, .. } => Some((record.index, data)),
            _ => None,
        };
        let mut rows: Vec<_> = self.published().into_iter().filter_map(row).collect();
        rows.sort_unstable();
        rows
    }

    /// Returns the reason and the row of every `extractionFailed`.
    fn failures(&self) -> Vec<(Option<u64>, Reason)> {
        let failure = |detail: Detail| match detail {
            Detail::Failed { stage: FailedStage::Extraction, record, reason, .. } => {
                Some((record.map(|record| record.index), reason))
            }
            _ => None,
        };
        self.published().into_iter().filter_map(failure).collect()
    }

    /// Returns the messages of the `extractionFailed` events.
    fn messages(&self) -> Vec<String> {
        let message = |detail: Detail| match detail {
            Detail::Failed { message, .. } => Some(message),
            _ => None,
        };
        self.published().into_iter().filter_map(message).collect()
    }

    fn completed(&self) -> Option<Detail> {
        self.published().into_iter().find(|detail| matches!(detail, Detail::ExtractionCompleted { .. }))
    }
}

fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: None,
        etag: Some("e".into()),
        uploaded: None,
        replay: None,
    }
}

async fn run(source: Object, bus: &Shared) -> Outcome {
    let (_sender, stop) = watch::channel(false);
    run_until(source, bus, stop).await
}

async fn run_until(source: Object, bus: &Shared, stop: watch::Receiver<bool>) -> Outcome {
    run_as(&ExtractionSettings::default(), source, bus, stop).await
}

async fn run_as(
    settings: &ExtractionSettings,
    source: Object,
    bus: &Shared,
    stop: watch::Receiver<bool>,
) -> Outcome {
    let destination = Destination::new("bus", "source");
    let publisher = Arc::new(Publisher::new(bus.clone(), destination, Backoff::immediate(2)));
    let (object, assignment) = (object(), Assignment::default());
    let job = Job {
        object: &object,
        settings,
        columns: &[],
        optional: &[],
        assignment: &assignment,
        selection: None,
    };
    extract(&job, source, &publisher, None::<&Store>, CLEAR, Backoff::immediate(3), stop).await
}

/// Runs one task of an object of which these columns are expected.
async fn run_expecting(
    columns: &[&str],
    part: Option<Part>,
    settings: &ExtractionSettings,
    text: &[u8],
) -> (Outcome, Shared) {
    run_with_columns(columns, &[], part, settings, text).await
}

/// Runs one task of an object of which these columns are expected, and those optional.
async fn run_with_columns(
    columns: &[&str],
    optional: &[&str],
    part: Option<Part>,
    settings: &ExtractionSettings,
    text: &[u8],
) -> (Outcome, Shared) {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment) = (object(), Assignment { part, ..Assignment::default() });
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
    let (columns, optional) = (names(columns), names(optional));
    let job = Job {
        object: &object,
        settings,
        columns: &columns,
        optional: &optional,
        assignment: &assignment,
        selection: None,
    };
    let source = Object::new(text, []);
    let outcome = extract(&job, source, &publisher, None::<&Store>, CLEAR, Backoff::immediate(3), stop).await;
    (outcome, bus)
}

/// A table with one checkpoint.
#[derive(Default)]
struct Store(Mutex<Option<Checkpoint>>);

impl Checkpoints for Store {
    async fn load(&self) -> Result<Option<Checkpoint>, CallError> {
        Ok(*self.0.lock().expect("lock"))
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), CallError> {
        *self.0.lock().expect("lock") = Some(*checkpoint);
        Ok(())
    }
}

impl Store {
    fn checkpoint(&self) -> Option<Checkpoint> {
        *self.0.lock().expect("lock")
    }
}

/// Runs one task, to its end or until `stop`.
async fn run_job(
    settings: &ExtractionSettings,
    part: Option<Part>,
    store: Option<&Store>,
    source: Object,
    bus: &Shared,
    stop: watch::Receiver<bool>,
) -> Outcome {
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment) = (object(), Assignment { part, ..Assignment::default() });
    let job = Job {
        object: &object,
        settings,
        columns: &[],
        optional: &[],
        assignment: &assignment,
        selection: None,
    };
    extract(&job, source, &publisher, store, CLEAR, Backoff::immediate(3), stop).await
}

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::Failed(fault) | Outcome::Interrupted(fault) => fault.reason,
        Outcome::Completed(totals) => panic!("completed: {totals:?}"),
    }
}

/// Returns a file of `rows` rows, and their form in events.
fn file(rows: u64) -> (String, Vec<(u64, String)>) {
    let text = (1..=rows).fold("id,note\r\n".to_owned(), |text, n| text + &format!("{n},\"é, {n}\"\r\n"));
    (text, (1..=rows).map(|n| (n, format!("{n},\"é, {n}\""))).collect())
}

/// Returns the rows as lines, whatever events carry them.
fn lines(bus: &Shared) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    for detail in bus.published() {
        if let Detail::RecordExtracted { record, data, .. } = detail {
            let rows = row::Rows::read(&data).expect("own rows");
            assert_eq!(rows.len() as u64, record.count);
            let lines = rows.iter().map(|row| row::encode(row.iter().map(|cell| cell.text)));
            out.extend(record.rows().zip(lines));
        }
    }
    out.sort_unstable();
    out
}

/// All events about rows: the good ones as lines, the bad ones by reason.
type Said = (Vec<(u64, String)>, Vec<(Option<u64>, Reason)>);

fn said(bus: &Shared) -> Said {
    let mut failures = bus.failures();
    failures.sort_unstable_by_key(|(row, _)| *row);
    (lines(bus), failures)
}

fn grouped(rows: u32) -> ExtractionSettings {
    ExtractionSettings { rows_per_event: rows, ..ExtractionSettings::default() }
}

fn parts(cuts: &[u64]) -> Vec<Option<Part>> {
    let of = u32::try_from(cuts.len() + 1).expect("few");
    let part = |index: usize| Part {
        shard: Shard { index: u32::try_from(index + 1).expect("few"), of },
        from: index.checked_sub(1).map_or(0, |before| cuts[before]),
        to: cuts.get(index).copied(),
    };
    (0..=cuts.len()).map(|index| Some(part(index))).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}
