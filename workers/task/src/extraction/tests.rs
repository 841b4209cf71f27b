//! Whole extractions, from a source that breaks to a bus that refuses.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use contract::settings::CsvSettings;
use contract::{Part, Shard};
use proptest::prelude::*;
use publisher::{CallError, Destination, Entry, Rejection};
use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::decompress::tests as decompress;
use crate::download::{OpenError, Opened};

mod sensitive;

/// Seals nothing.
const CLEAR: Option<Sealing<&sensitive::Vault>> = None;

/// What happens when the object is opened: so many bytes, then the end of the body.
#[derive(Clone)]
enum Step {
    All,
    BreakAfter(usize),
    EndAfter(usize),
    Fail(OpenError),
    /// The body begins at this byte, whatever was asked for, and breaks after so many bytes.
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
    async fn open(&self, from: u64, to: u64) -> Result<Opened, OpenError> {
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

/// Gives a few bytes at a time, so that rows and characters are cut; of large objects more, or it would take too long.
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

    /// Waits until so many events are on the bus.
    async fn has(&self, events: usize) {
        while self.0.published.lock().expect("lock").len() < events {
            tokio::task::yield_now().await;
        }
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

    /// What `extractionFailed` events say to people.
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
    let job = Job { object: &object, settings, columns: &[], assignment: &assignment, selection: None };
    extract(&job, source, &publisher, None::<&Store>, CLEAR, Backoff::immediate(3), stop).await
}

/// One task of an object of which these columns are expected.
async fn run_expecting(
    columns: &[&str],
    part: Option<Part>,
    settings: &ExtractionSettings,
    text: &[u8],
) -> (Outcome, Shared) {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment) = (object(), Assignment { part, ..Assignment::default() });
    let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    let job = Job { object: &object, settings, columns: &columns, assignment: &assignment, selection: None };
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

/// One task, to its end or until `stop`.
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
    let job = Job { object: &object, settings, columns: &[], assignment: &assignment, selection: None };
    extract(&job, source, &publisher, store, CLEAR, Backoff::immediate(3), stop).await
}

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::Failed(fault) | Outcome::Interrupted(fault) => fault.reason,
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
        Some(&Detail::ExtractionCompleted {
            object: object(),
            rows: 237,
            bytes,
            rejected: 0,
            skipped: None,
            shard: None
        })
    );
    let first = published.iter().find(|detail| detail.record().is_some_and(|record| record.index == 1));
    assert_eq!(
        first,
        Some(&Detail::RecordExtracted {
            object: object(),
            record: object().record(1),
            headers: "id,note".into(),
            data: "1,\"é, 1\"".into(),
            data_key: None,
            location: None,
        })
    );
}

#[tokio::test]
async fn a_file_without_an_expected_column_fails_once_before_its_first_row() {
    let settings = ExtractionSettings::default();
    for (text, missing) in [
        ("ID,House,Ort\nsEcReT,2,3\nsEcReT,2,3\n", "the file has no columns `HouseNum` and `Town`"),
        ("Town\n", "the file has no columns `ID` and `HouseNum`"),
        ("id,HOUSENUM,Street,", "the file has no column `Town`"),
    ] {
        let (outcome, bus) =
            run_expecting(&["ID", "HouseNum", "Town"], None, &settings, text.as_bytes()).await;
        assert_eq!(reason(outcome), Reason::MissingColumn, "{text}");
        assert_eq!(bus.failures(), [(None, Reason::MissingColumn)], "{text}");
        assert_eq!((bus.published().len(), bus.messages()), (1, vec![missing.to_owned()]), "{text}");
    }
    // What nobody sees is no difference, nor is a file without anything in it.
    for (text, rows) in
        [("\u{feff}\u{200b}id,HouseNum\u{a0},TOWN\u{ad},x\n1,2,3,4\n", 1), ("ID,HouseNum,Town\n", 0), ("", 0)]
    {
        let (outcome, bus) =
            run_expecting(&["ID", "HouseNum", "Town"], None, &settings, text.as_bytes()).await;
        assert!(matches!(outcome, Outcome::Completed(totals) if totals.rows == rows), "{text} {outcome:?}");
        assert_eq!(bus.rows().len() as u64, rows);
    }
}

#[tokio::test]
async fn a_name_that_fits_several_columns_and_columns_of_the_settings_are_checked_as_well() {
    let (outcome, bus) =
        run_expecting(&["id"], None, &ExtractionSettings::default(), b"ID,Id\nsEcReT,2\n").await;
    assert_eq!(reason(outcome), Reason::DuplicateHeader);
    assert_eq!(bus.messages(), ["the file has several columns `id`"]);
    let csv = CsvSettings { header: false, columns: vec!["id".into()], ..CsvSettings::default() };
    let settings = ExtractionSettings { csv, ..ExtractionSettings::default() };
    let (outcome, bus) = run_expecting(&["id", "town"], None, &settings, b"sEcReT\n").await;
    assert_eq!(reason(outcome), Reason::MissingColumn);
    assert_eq!(bus.messages(), ["the file has no column `town`"]);
}

#[tokio::test]
async fn of_several_tasks_the_first_says_that_the_header_is_wrong() {
    let text = b"a,b\n1,2\n3,4\n";
    for (index, from, to, events) in [(1, 0, Some(8), 1), (2, 8, None, 0)] {
        let part = Some(Part { shard: Shard { index, of: 2 }, from, to });
        for columns in [&["c"][..], &["a", "b", "c"]] {
            let (outcome, bus) = run_expecting(columns, part, &ExtractionSettings::default(), text).await;
            assert_eq!(reason(outcome), Reason::MissingColumn);
            assert_eq!(bus.published().len(), events, "task {index}");
        }
    }
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
async fn a_row_that_no_event_can_carry_goes_by_reference() {
    let (bus, store) = (Shared::default(), Store::default());
    let (_sender, stop) = watch::channel(false);
    // The second exceeds the reader's limit. The fifth fits, but not with what JSON adds for the quotes in it.
    let large = ["x".repeat(2_000_000), "\"".repeat(400_000)];
    let quoted = format!("\"{}\"", large[1].replace('"', "\"\""));
    let text = format!("a;b;\r\n1;;\r\n{};2;\r\n3;;\r\n4\r\n\r\n{quoted};5\r\n6;", large[0]);
    let source = Object::new(text.clone(), []);
    let outcome = run_job(&grouped(2), None, Some(&store), source, &bus, stop).await;
    let bytes = text.len() as u64;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 6, rejected: 1, bytes }));
    assert_eq!(bus.failures(), [(Some(4), Reason::RowLength)]);
    let mut found = Vec::new();
    for detail in bus.published() {
        let Detail::RecordExtracted { record, headers, data, location, .. } = detail else { continue };
        assert_eq!((headers.as_str(), record.count), ("a,b", 1));
        let fields = match location {
            Some(location) => {
                let at = |offset| usize::try_from(offset).expect("small");
                let bytes = &text.as_bytes()[at(location.from)..at(location.to)];
                location.fields(bytes, 2).expect("a row")
            }
            None => row::decode(&data).expect("a row"),
        };
        found.push((record.index, location.is_some(), fields));
    }
    found.sort();
    let row = |index, referred, fields: [&str; 2]| (index, referred, fields.map(str::to_owned).to_vec());
    assert_eq!(
        found,
        [
            row(1, false, ["1", ""]),
            row(2, true, [&large[0], "2"]),
            row(3, false, ["3", ""]),
            row(5, true, [&large[1], "5"]),
            row(6, false, ["6", ""]),
        ]
    );
    assert_eq!(store.checkpoint().map(|at| (at.index, at.rejected)), Some((6, 1)));
}

#[tokio::test]
async fn a_row_that_nobody_can_read_by_itself_is_rejected() {
    let bus = Shared::default();
    let limit = usize::try_from(Location::MAX_BYTES).expect("small");
    // With its line end, the first has exactly as many bytes as are possible, the second one more.
    let text = format!("a\n{}\n{}\nx\n", "x".repeat(limit - 1), "x".repeat(limit));
    let outcome = run(Object::new(text, []), &bus).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 3, rejected: 1, .. })), "{outcome:?}");
    assert_eq!(bus.failures(), [(Some(2), Reason::RowTooLarge)]);
    assert_eq!(bus.rows(), [(1, String::new()), (3, "x".to_owned())]);
    assert_eq!(
        bus.messages(),
        [
            "row 2 has more than 950000 bytes, which is too large for an event, and at most 16 MiB of an object can be read by \
          themselves"
        ]
    );

    // A header that leaves no room for the rest of the event.
    let bus = Shared::default();
    let text = format!("{}\n{}\n", "h".repeat(949_950), "x".repeat(1_000_000));
    let outcome = run(Object::new(text, []), &bus).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rejected: 1, .. })), "{outcome:?}");
    assert_eq!(bus.failures(), [(Some(1), Reason::RowTooLarge)]);
    assert!(bus.messages()[0].contains("the header alone is too large"), "{:?}", bus.messages());
}

#[tokio::test]
async fn a_bad_header_fails_the_object() {
    for (text, expected) in [
        ("a,a\n1,2\n", Reason::DuplicateHeader),
        ("\"\", \n1,2\n", Reason::EmptyHeader),
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
async fn a_body_that_begins_elsewhere_gives_no_row_twice_and_none_too_few() {
    let (text, rows) = file(40);
    let bytes = text.len() as u64;
    // All of it instead of the rest, broken before and behind the place that was reached; a body that begins too late.
    let steps =
        [Step::BreakAfter(50), Step::From(0, 20), Step::From(0, 90), Step::From(95, 10), Step::From(80, 30)];
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(run(source, &bus).await, Outcome::Completed(Totals { rows: 40, rejected: 0, bytes }));
    assert_eq!(bus.rows(), rows);
    assert_eq!(*opened.lock().expect("lock"), [0, 50, 50, 90, 90, 110]);
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
    // As text it would be read, which it is not.
    let bus = Shared::default();
    let wrong_magic = [&b"\x1f\x8c"[..], &member[2..]].concat();
    assert_eq!(reason(run(Object::new(wrong_magic, []), &bus).await), Reason::UnsupportedFormat);
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
    assert_eq!(
        bus.messages(),
        [
            "row 1 has more than 950000 bytes, which is too large for an event, and a row of a compressed object can't be read by \
          itself"
        ]
    );
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
    let (text, _) = file(400);
    let bus = Shared::default();
    let steps = std::iter::once(Step::BreakAfter(2000)).chain(vec![Step::BreakAfter(0); 10]);
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
        ("NoSuchKey", "no longer exists"),
        ("AccessDenied", "access to the object is denied"),
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
    let outcome = run(source, &bus).await;
    // Nobody heard that it failed.
    assert!(matches!(&outcome, Outcome::Interrupted(fault) if fault.reason == Reason::RetriesExhausted));
    assert!(bytes > 1_000_000 && bus.published().is_empty());
}

#[tokio::test]
async fn a_completion_that_cannot_be_published_is_left_to_another_task() {
    let bus = Shared::refusing(|detail| matches!(detail, Detail::ExtractionCompleted { .. }));
    let outcome = run(Object::new("a\n1\n", []), &bus).await;
    assert!(matches!(&outcome, Outcome::Interrupted(fault) if fault.reason == Reason::Interrupted));
    assert_eq!((bus.rows().len(), bus.failures()), (1, vec![]));
}

#[tokio::test]
async fn told_to_stop_it_publishes_what_it_read() {
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
    let outcome = run_until(source, &bus, stop_later).await;
    // Another task may go on: nothing is said to have failed.
    assert!(matches!(outcome, Outcome::Interrupted(_)) && bus.failures().is_empty(), "{outcome:?}");
    let published = bus.rows();
    assert!(published.len() < rows.len() && bus.completed().is_none());
    assert_eq!(published[..], rows[..published.len()]);
}

#[tokio::test]
async fn told_to_stop_where_there_are_no_rows_it_stops() {
    let (sender, stop) = watch::channel(false);
    let (later, stop_later) = watch::channel(false);
    // One chunk that stands for megabytes of blank lines. The signal has its turn only when the reading gives it one.
    let mut text = b"a\n".to_vec();
    text.resize(8 << 20, b'\n');
    text.extend(b"1\n");
    let mut source = Object::new(decompress::zstd(&text, 3), []);
    source.stop = Some(sender);
    tokio::spawn(async move {
        let _ = { stop }.wait_for(|stop| *stop).await;
        let _ = later.send(true);
    });
    let bus = Shared::default();
    assert_eq!(reason(run_until(source, &bus, stop_later).await), Reason::Interrupted);
    assert_eq!(bus.rows(), []);
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

/// Rows as lines, whatever events carry them.
fn lines(bus: &Shared) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    for detail in bus.published() {
        if let Detail::RecordExtracted { record, data, .. } = detail {
            let rows = row::decode_all(&data).expect("own rows");
            assert_eq!(rows.len() as u64, record.count);
            out.extend(record.rows().zip(rows.iter().map(|row| row::encode(row.iter().map(String::as_str)))));
        }
    }
    out.sort_unstable();
    out
}

/// All that is said about rows: the good ones as lines, the bad ones by reason.
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

#[tokio::test]
async fn rows_share_events_up_to_the_number_of_the_settings() {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = "a,b\n1,\"x\ny\"\n2,\n3,c\n4\n5,d\n6,e\n";
    let outcome = run_as(&grouped(2), Object::new(text, []), &bus, stop).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 6, rejected: 1, .. })));
    let events = |bus: &Shared| -> Vec<(u64, u64)> {
        bus.published().iter().filter_map(Detail::record).map(|record| (record.index, record.count)).collect()
    };
    // The third is alone, because the fourth is bad.
    assert_eq!(events(&bus), [(1, 2), (3, 1), (4, 1), (5, 2)]);
    assert_eq!(bus.rows()[0], (1, "1,\"x\ny\"\n2,".to_owned()));

    // A group is as large as is paid for at once; a row that is larger is alone.
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let row = |length: usize| format!("{}\n", "\"\"".repeat(length / 2));
    let text = format!("a\n\"{}\"\n\"{}\"\nx\ny\n", row(70_000), row(20_000));
    let outcome = run_as(&grouped(1000), Object::new(text, []), &bus, stop).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 4, rejected: 0, .. })));
    assert_eq!(events(&bus), [(1, 1), (2, 3)]);
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = (0..5000).fold("a\n".to_owned(), |text, n| text + &format!("\"\"\"{n}\t\"\"\"\n"));
    run_as(&grouped(10_000), Object::new(text, []), &bus, stop).await;
    let sizes: Vec<usize> =
        bus.published().iter().map(|detail| detail.to_value().to_string().len()).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= 61_440), "{sizes:?}");
    assert!(sizes[0] > 61_000, "{sizes:?}");
    assert_eq!(lines(&bus).len(), 5000);
}

#[tokio::test]
async fn a_compressed_object_is_the_first_parts_alone() {
    let (text, rows) = file(50);
    let stored = decompress::gzip(text.as_bytes(), 6);
    let bus = Shared::default();
    for part in parts(&[10, 20]) {
        let (_sender, stop) = watch::channel(false);
        let outcome = run_job(&grouped(1), part, None, Object::new(stored.clone(), []), &bus, stop).await;
        let shard = part.expect("a part").shard;
        let (rows, bytes) = if shard.index == 1 { (50, stored.len() as u64) } else { (0, 0) };
        assert_eq!(outcome, Outcome::Completed(Totals { rows, rejected: 0, bytes }));
        let completed = Detail::ExtractionCompleted {
            object: object(),
            rows,
            bytes,
            rejected: 0,
            skipped: None,
            shard: Some(shard),
        };
        assert_eq!(bus.published().last(), Some(&completed));
    }
    assert_eq!(bus.rows(), rows);
}

#[tokio::test]
async fn what_is_done_is_said_again_and_not_done_again() {
    let (text, _) = file(20);
    let store = Store::default();
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let first =
        run_job(&grouped(1), None, Some(&store), Object::new(text.clone(), []), &bus, stop.clone()).await;
    let again = Shared::default();
    let source = Object::new(text, []);
    let opened = Arc::clone(&source.opened);
    assert_eq!(run_job(&grouped(1), None, Some(&store), source, &again, stop).await, first);
    assert_eq!(again.published(), [bus.completed().expect("completed")]);
    assert!(opened.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn only_selected_rows_are_sent_again_and_nothing_is_completed() {
    let mut rows = RowSet::range(2..4);
    rows.add(&RowSet::range(6..8));
    let (bus, store) = (Shared::default(), Store::default());
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment, settings) = (object(), Assignment::default(), grouped(9));
    let job = Job {
        object: &object,
        settings: &settings,
        columns: &[],
        assignment: &assignment,
        selection: Some(Selection { rows: &rows, of: Some(7) }),
    };
    let (_sender, stop) = watch::channel(false);
    let source = Object::new("a\n1\n2\n3\n4\n5\n6,6\n7\n", []);
    extract(&job, source, &publisher, Some(&store), CLEAR, Backoff::immediate(1), stop).await;
    assert_eq!(bus.rows(), [(2, "2\n3".to_owned()), (7, "7".to_owned())]);
    assert_eq!(bus.failures(), [(Some(6), Reason::RowLength)]);
    assert_eq!((bus.completed(), store.checkpoint()), (None, None));
}

#[tokio::test]
async fn rows_that_are_counted_differently_are_not_sent_again() {
    let rows = RowSet::range(2..4);
    let (object, assignment) = (object(), Assignment::default());
    let csv = serde_json::from_str(r##"{"comment":"#"}"##).expect("settings");
    let settings = ExtractionSettings { csv, ..ExtractionSettings::default() };
    for (had, sent) in [(6, false), (4, true)] {
        let bus = Shared::default();
        let publisher =
            Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
        let job = Job {
            object: &object,
            settings: &settings,
            columns: &[],
            assignment: &assignment,
            selection: Some(Selection { rows: &rows, of: Some(had) }),
        };
        let (_sender, stop) = watch::channel(false);
        let source = Object::new("a\n1\n# note\n# note\n2\n3\n4\n", []);
        extract(&job, source, &publisher, None::<&Store>, CLEAR, Backoff::immediate(1), stop).await;
        assert_eq!(bus.rows().is_empty(), !sent);
        assert_eq!(bus.failures().contains(&(None, Reason::RowsRenumbered)), !sent);
    }
}

/// A bus that never answers when it gets a `failed` event, or a row by reference.
struct Stuck;

impl PutEvents for Stuck {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        if entries.iter().any(|entry| {
            entry.detail_type == FailedStage::Extraction.detail_type()
                || entry.detail.contains("\"location\"")
        }) {
            std::future::pending::<()>().await;
        }
        Ok(vec![Ok(()); entries.len()])
    }
}

#[tokio::test]
async fn no_row_is_behind_a_checkpoint_before_its_event_is_on_the_bus() {
    for eleventh in ["bad,row\n".to_owned(), "x".repeat(1_000_000) + "\n"] {
        stuck_at(&eleventh).await;
    }
}

/// A call takes ten events: the event of the eleventh row begins the second one.
async fn stuck_at(eleventh: &str) {
    let mut text = "a\n".to_owned();
    (1..=400).for_each(|row| text.push_str(if row == 11 { eleventh } else { "good\n" }));
    let store = Store::default();
    let publisher = Arc::new(Publisher::new(Stuck, Destination::new("bus", "source"), Backoff::immediate(1)));
    let (object, assignment, settings) = (object(), Assignment::default(), grouped(1));
    let job =
        Job { object: &object, settings: &settings, columns: &[], assignment: &assignment, selection: None };
    let (_sender, stop) = watch::channel(false);
    let reached = async {
        while store.checkpoint().is_none_or(|checkpoint| checkpoint.index < 10) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = extract(&job, Object::new(text, []), &publisher, Some(&store), CLEAR, Backoff::immediate(1), stop) => {}
        () = reached => {}
    }
    let checkpoint = store.checkpoint().expect("a checkpoint");
    assert_eq!((checkpoint.index, checkpoint.rejected), (10, 0));
}

/// Text with all that makes boundaries hard to know.
fn hard_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-c]{1,3}".prop_map(String::into_bytes),
        3 => Just(b",".to_vec()),
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        2 => Just(b"\"".to_vec()),
        1 => Just(b"\"a,\n\"\"b\r\n\"".to_vec()),
        1 => Just(b"\xff".to_vec()),
    ];
    let delimiter = proptest::sample::select(vec![&b"h,i\n"[..], b"\xef\xbb\xbfh;i\r\n", b"\n\nh\ti\r"]);
    (delimiter, proptest::collection::vec(piece, 0..60))
        .prop_map(|(header, pieces)| [header.to_vec(), pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn parts_are_together_what_one_task_reads(
        bytes in hard_file(), cuts in proptest::collection::vec(0..400u64, 0..5), per_event in 1..4u32,
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (_sender, stop) = watch::channel(false);
        let run = |part, bus: &Shared| {
            let source = Object::new(bytes.clone(), []);
            runtime().block_on(run_job(&grouped(per_event), part, None, source, bus, stop.clone()))
        };
        let (whole, divided) = (Shared::default(), Shared::default());
        let expected = run(None, &whole);
        let mut totals = Totals::default();
        for part in parts(&cuts) {
            match run(part, &divided) {
                Outcome::Completed(part) => {
                    totals.rows += part.rows;
                    totals.rejected += part.rejected;
                    totals.bytes += part.bytes;
                }
                // A bad header is one for each part.
                other => {
                    prop_assert_eq!(&other, &expected);
                    return Ok(());
                }
            }
        }
        prop_assert_eq!(Outcome::Completed(totals), expected);
        prop_assert_eq!(said(&divided), said(&whole));
    }

    #[test]
    fn a_task_that_is_killed_has_lost_nothing(
        rows in 1..400u64, killed_after in 0..400usize, per_event in 1..7u32, plain in any::<bool>(),
        bad_every in proptest::option::of(2..30u64),
    ) {
        let (text, good) = file(rows);
        let is_bad = |row: u64| bad_every.is_some_and(|every| row.is_multiple_of(every));
        // A bad row is one with a field too many.
        let mut text: Vec<u8> = text.into_bytes();
        let mut expected = good;
        if let Some(every) = bad_every {
            let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let whole = lines.len() as u64 == rows + 1;
            prop_assume!(whole);
            for row in (every..=rows).step_by(usize::try_from(every).expect("small")) {
                let line = &mut lines[usize::try_from(row).expect("small")];
                line.splice(0..0, *b"x,");
            }
            text = lines.concat();
            expected.retain(|(row, _)| !is_bad(*row));
        }
        let stored = if plain { text } else { decompress::gzip(&text, 1) };
        let (bus, store) = (Shared::default(), Store::default());
        let (_sender, stop) = watch::channel(false);
        let settings = grouped(per_event);
        let run = || run_job(&settings, None, Some(&store), Object::new(stored.clone(), []), &bus, stop.clone());
        let before = runtime().block_on(async {
            tokio::select! {
                biased;
                _ = run() => {}
                () = bus.has(killed_after) => {}
            }
            store.checkpoint().unwrap_or_default()
        });
        // What was on its way when it was killed may have arrived, or not.
        let there = lines(&bus);
        prop_assert!(expected.iter().take_while(|(row, _)| *row <= before.index).all(|row| there.contains(row)));
        let bad = (1..=rows).filter(|row| is_bad(*row));
        let said = |bus: &Shared| bus.failures().into_iter().filter_map(|(row, _)| row).collect::<std::collections::BTreeSet<_>>();
        prop_assert!(bad.clone().take_while(|row| *row <= before.index).all(|row| said(&bus).contains(&row)));
        bus.0.published.lock().expect("lock").clear();
        let outcome = runtime().block_on(run());
        let rejected = bad.clone().count() as u64;
        prop_assert_eq!(outcome, Outcome::Completed(Totals { rows, rejected, bytes: stored.len() as u64 }));
        let from = if before.done.is_some() { rows } else { before.index };
        let rest: Vec<_> = expected.into_iter().filter(|(row, _)| *row > from).collect();
        prop_assert_eq!(lines(&bus), rest);
        prop_assert_eq!(said(&bus), bad.filter(|row| *row > from).collect::<std::collections::BTreeSet<_>>());
    }

    #[test]
    fn a_task_that_takes_over_goes_on_at_the_checkpoint(
        bytes in hard_file(), at in any::<proptest::sample::Index>(), cut in proptest::option::of(0..300u64),
        per_event in 1..4u32, compression in 0..3u8,
    ) {
        let stored = match compression {
            0 => bytes,
            1 => decompress::gzip(&bytes, 1),
            _ => decompress::zstd(&bytes, 1),
        };
        let part = cut.and_then(|cut| parts(&[cut])[1]);
        let whole = Shared::default();
        let (_sender, stop) = watch::channel(false);
        let run = |source: Object, bus: &Shared, store: Option<&Store>| {
            runtime().block_on(run_job(&grouped(per_event), part, store, source, bus, stop.clone()))
        };
        let expected = run(Object::new(stored.clone(), []), &whole, None);
        // The body breaks for good somewhere, which fails the first task; nobody hears it.
        let break_at = at.index(stored.len() + 1);
        let broken = [Step::BreakAfter(break_at), Step::BreakAfter(0), Step::BreakAfter(0), Step::BreakAfter(0)];
        let (first, second, store) = (Shared::default(), Shared::default(), Store::default());
        let interrupted = run(Object::new(stored.clone(), broken), &first, Some(&store));
        let checkpoint = store.checkpoint().unwrap_or_default();
        prop_assert!(checkpoint.done.is_none() || matches!(interrupted, Outcome::Completed(_)));
        prop_assert_eq!(run(Object::new(stored, []), &second, Some(&store)), expected.clone());
        if !matches!(expected, Outcome::Completed(_)) {
            return Ok(());
        }
        // Nothing is missing, and nothing before the checkpoint is there twice.
        let ((mut rows, mut failures), (rows_again, failures_again)) = (said(&first), said(&second));
        prop_assert!(rows_again.iter().all(|(row, _)| *row > checkpoint.index));
        prop_assert!(failures_again.iter().all(|(row, _)| row.is_none_or(|row| row > checkpoint.index)));
        rows.extend(rows_again);
        rows.sort_unstable();
        rows.dedup();
        failures.retain(|(row, _)| row.is_some());
        failures.extend(failures_again);
        failures.sort_unstable_by_key(|(row, _)| *row);
        failures.dedup();
        prop_assert_eq!((rows, failures), said(&whole));
    }
}

#[tokio::test]
async fn an_object_comes_in_parts_from_any_byte() {
    let bytes: Vec<u8> = (0..=250).collect();
    for (part, from) in [(3, 0), (7, 0), (7, 20), (251, 0), (1000, 200), (10, 251)] {
        let source = Object::new(bytes.clone(), [Step::All, Step::BreakAfter(1), Step::EndAfter(0)]);
        let opened = Arc::clone(&source.opened);
        let mut download = Download::in_parts(source, Backoff::immediate(3), part);
        let mut read = download.read().await.expect("the first part").map_or(0, <[u8]>::len);
        assert_eq!(read as u64, part.min(251));
        download.seek(from);
        let mut found = Vec::new();
        while let Some(piece) = download.read().await.expect("readable") {
            read = piece.len();
            found.extend_from_slice(piece);
        }
        assert!(read as u64 <= part);
        assert_eq!(found, bytes[usize::try_from(from).expect("small")..], "parts of {part} from {from}");
        assert_eq!((download.offset(), download.length()), (251, 251));
        assert!(from < 251 || opened.lock().expect("lock").len() <= 2, "nothing is asked for behind the end");
    }
}
