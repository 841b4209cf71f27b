//! Whole extractions, from a source that breaks to a bus that refuses.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use publisher::{CallError, Destination, Entry, Rejection};
use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::decompress::tests as decompress;
use crate::download::{OpenError, Opened};

/// What happens when the object is opened: so many bytes, then the end of the body.
#[derive(Clone)]
enum Step {
    All,
    BreakAfter(usize),
    EndAfter(usize),
    Fail(OpenError),
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
    async fn open(&self, from: u64) -> Result<Opened, OpenError> {
        self.opened.lock().expect("lock").push(from);
        if let Some(stop) = &self.stop {
            let _ = stop.send(true);
        }
        let rest = self.bytes[usize::try_from(from).expect("small")..].to_vec();
        let length = Some(rest.len() as u64);
        let (take, broken) = match self.steps.lock().expect("lock").pop_front().unwrap_or(Step::All) {
            Step::All => (rest.len(), false),
            Step::BreakAfter(bytes) => (bytes, true),
            Step::EndAfter(bytes) => (bytes, false),
            Step::Fail(error) => return Err(error),
        };
        let bytes = rest.into_iter().take(take).collect();
        Ok(Opened { body: Box::pin(Body { bytes, broken }), length })
    }
}

/// Gives a few bytes at a time, so that rows and characters are cut.
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
        let count = self.bytes.len().min(buffer.remaining()).min(7);
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

    fn published(&self) -> Vec<Detail> {
        self.0.published.lock().expect("lock").clone()
    }

    /// `record-extracted`, in the order of the rows: calls overlap, so the bus has them in any.
    fn rows(&self) -> Vec<(u64, String)> {
        let row = |detail: Detail| match detail {
            Detail::RecordExtracted { record, data, .. } => Some((record.index, data)),
            _ => None,
        };
        let mut rows: Vec<_> = self.published().into_iter().filter_map(row).collect();
        rows.sort_unstable();
        rows
    }

    /// Reason and row of every `extractionFailed`.
    fn failures(&self) -> Vec<(Option<u64>, Reason)> {
        let failure = |detail: Detail| match detail {
            Detail::Failed { stage: FailedStage::Extraction, record, reason, .. } => {
                Some((record.map(|record| record.index), reason))
            }
            _ => None,
        };
        self.published().into_iter().filter_map(failure).collect()
    }

    fn completed(&self) -> Option<Detail> {
        self.published().into_iter().find(|detail| matches!(detail, Detail::ExtractionCompleted { .. }))
    }
}

fn object() -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: "k.csv".into(), version: None, etag: Some("e".into()) }
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
    extract(&object(), settings, source, &publisher, Backoff::immediate(3), stop).await
}

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::Failed(fault) => fault.reason,
        Outcome::Completed(totals) => panic!("completed: {totals:?}"),
    }
}

/// A file of `rows` rows, and what they look like in events.
fn file(rows: u64) -> (String, Vec<(u64, String)>) {
    let text = (1..=rows).fold("id,note\r\n".to_owned(), |text, n| text + &format!("{n},\"é, {n}\"\r\n"));
    (text, (1..=rows).map(|n| (n, format!("{n},\"é, {n}\""))).collect())
}

#[tokio::test]
async fn every_row_is_published_and_then_completed() {
    let (text, rows) = file(237);
    let bytes = text.len() as u64;
    let bus = Shared::default();
    let totals = Totals { rows: 237, rejected: 0, bytes };
    assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
    assert_eq!(bus.rows(), rows);
    let published = bus.published();
    assert_eq!(
        published.last(),
        Some(&Detail::ExtractionCompleted { object: object(), rows: 237, bytes, rejected: 0 })
    );
    let first = published.iter().find(|detail| detail.record().is_some_and(|record| record.index == 1));
    assert_eq!(
        first,
        Some(&Detail::RecordExtracted {
            object: object(),
            record: object().record(1),
            headers: "id,note".into(),
            data: "1,\"é, 1\"".into(),
        })
    );
}

#[tokio::test]
async fn other_dialects_arrive_in_the_one_of_the_events() {
    let bus = Shared::default();
    let text = "\u{feff} ID ;a,b;\r1,5;\"x;y\";\r";
    let totals = Totals { rows: 1, rejected: 0, bytes: text.len() as u64 };
    assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
    assert!(matches!(
        &bus.published()[0],
        Detail::RecordExtracted { headers, data, .. } if headers == "ID,\"a,b\"" && data == "\"1,5\",x;y"
    ));
}

#[tokio::test]
async fn bad_rows_are_reported_counted_and_do_not_stop_the_others() {
    let bus = Shared::default();
    let text = b"a,b\n1,2\n1\n\n3,\xff\n4,5\n6,\"7\n".to_vec();
    let outcome = run(Object::new(text.clone(), []), &bus).await;
    let totals = Totals { rows: 5, rejected: 3, bytes: text.len() as u64 };
    assert_eq!(outcome, Outcome::Completed(totals));
    assert_eq!(bus.rows(), [(1, "1,2".to_owned()), (4, "4,5".to_owned())]);
    assert_eq!(
        bus.failures(),
        [(Some(2), Reason::RowLength), (Some(3), Reason::InvalidEncoding), (Some(5), Reason::UnclosedQuote)]
    );
}

#[tokio::test]
async fn a_row_that_no_event_can_carry_is_rejected() {
    let bus = Shared::default();
    // The first exceeds the reader's limit. The second fits, but not with what JSON adds for the quotes in it.
    let text = format!("a\n{}\n\"{}\"\nx\n", "x".repeat(2_000_000), "\"\"".repeat(400_000));
    let outcome = run(Object::new(text, []), &bus).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 3, rejected: 2, .. })), "{outcome:?}");
    assert_eq!(bus.failures(), [(Some(1), Reason::RowTooLarge), (Some(2), Reason::RowTooLarge)]);
    assert_eq!(bus.rows(), [(3, "x".to_owned())]);
}

#[tokio::test]
async fn a_bad_header_fails_the_object() {
    for (text, expected) in [
        ("a,a\n1,2\n", Reason::DuplicateHeader),
        ("a,,b\n1,2,3\n", Reason::EmptyHeader),
        ("\"a\n1,2\n", Reason::UnclosedQuote),
    ] {
        let bus = Shared::default();
        assert_eq!(reason(run(Object::new(text, []), &bus).await), expected);
        assert_eq!(bus.failures(), [(None, expected)]);
        assert_eq!(bus.published().len(), 1);
    }
}

#[tokio::test]
async fn a_file_without_rows_is_complete() {
    for text in ["", "a,b\n", "\n\n"] {
        let bus = Shared::default();
        let totals = Totals { rows: 0, rejected: 0, bytes: text.len() as u64 };
        assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
        assert_eq!(bus.published().len(), 1);
    }
}

#[tokio::test]
async fn a_broken_connection_goes_on_where_it_broke() {
    let (text, rows) = file(40);
    let bytes = text.len() as u64;
    // Every kind of break, more often than attempts in a row are allowed: each one moved on before it broke.
    let steps = [
        Step::BreakAfter(5),
        Step::EndAfter(3),
        Step::Fail(OpenError::Transient { code: "SlowDown".into() }),
        Step::BreakAfter(100),
        Step::BreakAfter(1),
        Step::EndAfter(1),
    ];
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(run(source, &bus).await, Outcome::Completed(Totals { rows: 40, rejected: 0, bytes }));
    assert_eq!(bus.rows(), rows);
    assert_eq!(*opened.lock().expect("lock"), [0, 5, 8, 8, 108, 109, 110]);
}

#[tokio::test]
async fn a_compressed_object_goes_on_where_the_connection_broke() {
    let (text, rows) = file(4000);
    let (first, second) = text.as_bytes().split_at(20_000);
    for stored in [
        [decompress::gzip(first, 6), decompress::gzip(second, 1)].concat(),
        [decompress::zstd(first, 3), decompress::zstd(second, 1)].concat(),
    ] {
        let bytes = stored.len() as u64;
        let steps = [Step::BreakAfter(3), Step::EndAfter(100), Step::BreakAfter(4096), Step::BreakAfter(1)];
        let source = Object::new(stored, steps);
        let opened = Arc::clone(&source.opened);
        let bus = Shared::default();
        // The bytes are those that are stored, as are the places at which it is opened again.
        let totals = Totals { rows: 4000, rejected: 0, bytes };
        assert_eq!(run(source, &bus).await, Outcome::Completed(totals));
        assert_eq!(*opened.lock().expect("lock"), [0, 3, 103, 4199, 4200]);
        assert_eq!(bus.rows(), rows);
    }
}

#[tokio::test]
async fn a_damaged_object_is_never_complete() {
    let (text, rows) = file(4000);
    let member = decompress::gzip(text.as_bytes(), 6);
    let frame = decompress::zstd(text.as_bytes(), 3);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        bytes
    };
    for (stored, wrong) in [
        (member[..member.len() - 1].to_vec(), false),
        (member[..member.len() / 2].to_vec(), false),
        (flipped(&member), true),
        ([&member[..], b"1,2\n"].concat(), false),
        (frame[..frame.len() - 1].to_vec(), false),
        (frame[..frame.len() / 2].to_vec(), false),
        (flipped(&frame), true),
    ] {
        let bus = Shared::default();
        assert_eq!(reason(run(Object::new(stored, []), &bus).await), Reason::InvalidCompression);
        let failures = bus.failures();
        // Before a checksum says so, rows that are read from wrong bits are as good or bad as they look.
        let of_the_object: Vec<_> = failures.iter().filter(|(record, _)| record.is_none()).collect();
        assert_eq!(of_the_object, [&(None, Reason::InvalidCompression)]);
        assert_eq!((bus.completed(), failures.last()), (None, Some(&(None, Reason::InvalidCompression))));
        // No row is made of what was cut.
        if !wrong {
            assert!(bus.rows() == rows[..bus.rows().len()] && failures.len() == 1);
        }
    }
    // As text it would be, which it is not.
    let bus = Shared::default();
    let wrong_magic = [&b"\x1f\x8c"[..], &member[2..]].concat();
    assert_eq!(reason(run(Object::new(wrong_magic, []), &bus).await), Reason::InvalidEncoding);
}

#[tokio::test]
async fn a_bomb_is_one_row_that_no_event_can_carry() {
    let text = [b"a\n", &vec![b'x'; 8_000_000][..], b"\ny\n"].concat();
    let stored = decompress::gzip(&text, 9);
    assert!(stored.len() < 10_000);
    let bus = Shared::default();
    let totals = Totals { rows: 2, rejected: 1, bytes: stored.len() as u64 };
    assert_eq!(run(Object::new(stored, []), &bus).await, Outcome::Completed(totals));
    assert_eq!(bus.failures(), [(Some(1), Reason::RowTooLarge)]);
    assert_eq!(bus.rows(), [(2, "y".to_owned())]);
}

#[tokio::test]
async fn the_settings_say_how_the_object_is_written() {
    let settings =
        r#"{ "csv": { "delimiter": ";", "quote": "'", "header": false, "columns": ["id", "a,b"] } }"#;
    let settings: ExtractionSettings = serde_json::from_str(settings).expect("settings");
    let (_sender, stop) = watch::channel(false);
    let bus = Shared::default();
    let stored = decompress::zstd(b"1;'x;y'\n2;3,5;\n", 3);
    let bytes = stored.len() as u64;
    let outcome = run_as(&settings, Object::new(stored, []), &bus, stop).await;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 2, rejected: 0, bytes }));
    assert_eq!(bus.rows(), [(1, "1,x;y".to_owned()), (2, "2,\"3,5\"".to_owned())]);
    assert!(matches!(
        &bus.published()[0],
        Detail::RecordExtracted { headers, .. } if headers == "id,\"a,b\""
    ));
}

#[tokio::test]
async fn a_connection_that_stays_broken_fails_the_object() {
    let (text, _) = file(40);
    let bus = Shared::default();
    let steps = std::iter::once(Step::BreakAfter(60)).chain(vec![Step::BreakAfter(0); 10]);
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    assert_eq!(reason(run(source, &bus).await), Reason::ObjectUnreadable);
    assert_eq!(opened.lock().expect("lock").len(), 3);
    assert_eq!(bus.failures(), [(None, Reason::ObjectUnreadable)]);
    // What was read before is on the bus all the same.
    assert!(!bus.rows().is_empty() && bus.completed().is_none());
}

#[tokio::test]
async fn a_body_that_fails_after_its_last_byte_is_not_asked_for_nothing() {
    let (text, _) = file(3);
    let source = Object::new(text.clone(), [Step::BreakAfter(text.len())]);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(reason(run(source, &bus).await), Reason::ObjectUnreadable);
    assert_eq!(opened.lock().expect("lock").len(), 1);
    assert_eq!(bus.completed(), None);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_reported_at_once() {
    for (code, words) in [
        ("NoSuchKey", "does not exist"),
        ("AccessDenied", "may not be read"),
        ("PreconditionFailed", "was replaced"),
        ("InvalidObjectState", "could not be read"),
    ] {
        let bus = Shared::default();
        let source = Object::new("", [Step::Fail(OpenError::Unreadable { code: code.into() })]);
        let opened = Arc::clone(&source.opened);
        let Outcome::Failed(fault) = run(source, &bus).await else { panic!("completed") };
        assert!(fault.message.contains(words) && fault.message.contains(code), "{fault:?}");
        assert_eq!(opened.lock().expect("lock").len(), 1);
        assert_eq!(bus.failures(), [(None, Reason::ObjectUnreadable)]);
    }
}

#[tokio::test]
async fn a_row_that_the_bus_refuses_keeps_the_object_from_being_complete() {
    let bus = Shared::refusing(|detail| detail.record().is_some_and(|record| record.index == 7));
    let (text, _) = file(20);
    assert_eq!(reason(run(Object::new(text, []), &bus).await), Reason::RetriesExhausted);
    assert_eq!(bus.failures(), [(None, Reason::RetriesExhausted)]);
    assert_eq!((bus.rows().len(), bus.completed()), (19, None));
}

#[tokio::test]
async fn reading_stops_when_the_bus_refuses_for_good() {
    let bus = Shared::refusing(|_| true);
    let (text, _) = file(100_000);
    let bytes = text.len();
    let source = Object::new(text, []);
    assert_eq!(reason(run(source, &bus).await), Reason::RetriesExhausted);
    assert!(bytes > 1_000_000 && bus.published().is_empty());
}

#[tokio::test]
async fn a_completion_that_cannot_be_published_is_a_failure() {
    let bus = Shared::refusing(|detail| matches!(detail, Detail::ExtractionCompleted { .. }));
    assert_eq!(reason(run(Object::new("a\n1\n", []), &bus).await), Reason::RetriesExhausted);
    assert_eq!(bus.failures(), [(None, Reason::RetriesExhausted)]);
}

#[tokio::test]
async fn told_to_stop_it_publishes_what_it_read_and_says_so() {
    let (text, rows) = file(1000);
    let (sender, stop) = watch::channel(false);
    // The signal comes when the body breaks and is opened again.
    let mut source = Object::new(text, [Step::BreakAfter(5000)]);
    source.stop = Some(sender);
    let stop_later = {
        let (later, receiver) = watch::channel(false);
        let mut opened = stop.clone();
        tokio::spawn(async move {
            let _ = opened.wait_for(|stop| *stop).await;
            let _ = later.send(true);
        });
        receiver
    };
    let bus = Shared::default();
    assert_eq!(reason(run_until(source, &bus, stop_later).await), Reason::Interrupted);
    assert_eq!(bus.failures(), [(None, Reason::Interrupted)]);
    let published = bus.rows();
    assert!(published.len() < rows.len() && bus.completed().is_none());
    assert_eq!(published[..], rows[..published.len()]);
}

#[tokio::test]
async fn told_to_stop_before_it_starts_it_reads_nothing() {
    let (_sender, stop) = watch::channel(true);
    let source = Object::new("a\n1\n", []);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(reason(run_until(source, &bus, stop).await), Reason::Interrupted);
    assert!(opened.lock().expect("lock").is_empty() && bus.rows().is_empty());
}

#[tokio::test]
async fn without_anyone_to_stop_it_it_runs_to_the_end() {
    let (sender, stop) = watch::channel(false);
    drop(sender);
    let bus = Shared::default();
    assert!(matches!(run_until(Object::new("a\n1\n", []), &bus, stop).await, Outcome::Completed(_)));
}
