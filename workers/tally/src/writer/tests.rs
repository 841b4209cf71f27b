use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::Bound;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use contract::assignment::Replay;
use contract::brief::{Object, Record, Text, What};
use contract::{Brief, Detail, FailedStage, ObjectRef, Reason, RecordRef, Shard};
use proptest::prelude::*;

use super::*;
use crate::item::Attribute;
use crate::reader::{self, Scope, Source, Stored, Tally};
use crate::row_set::RowSet;

/// Write units of a batch for each chunk on the average, folds included, as the estimate of costs in `stack-core` has them.
const ASSUMED_UNITS: usize = 7;

/// A table in memory that answers as DynamoDB does, with faults by a script.
#[derive(Debug, Clone, Default)]
struct Memory {
    state: Arc<Mutex<State>>,
    /// How long a call takes, at least and at most.
    latency: Option<(Duration, Duration)>,
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<Key, (u64, Attributes)>,
    updates: usize,
    refused: usize,
    reads: usize,
    deletes: usize,
    /// Write units, as DynamoDB counts them.
    units: usize,
    faults: Vec<Fault>,
    /// Items that are never deleted, and what the table says to who tries.
    kept: BTreeMap<Key, CallError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The call is refused.
    Throttled,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is refused for good: as if the process ended here.
    Ended,
}

/// Bytes of an item as DynamoDB counts them: names and values.
fn bytes_of(attributes: &Attributes) -> usize {
    let value = |value: &Attribute| match value {
        Attribute::Bytes(bytes) => bytes.len(),
        Attribute::Text(text) => text.len(),
        _ => 0,
    };
    attributes.iter().map(|(name, one)| name.len() + value(one)).sum()
}

fn units(attributes: &Attributes) -> usize {
    // Key and revision are 90 bytes.
    (90 + bytes_of(attributes)).div_ceil(1_024)
}

fn fails(code: &str, retryable: bool) -> CallError {
    CallError { code: code.into(), message: String::new(), retryable }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }

    /// Others may come between.
    async fn travel(&self) {
        match self.latency {
            Some((least, most)) => {
                let span = most.saturating_sub(least).mul_f64(fastrand::f64());
                tokio::time::sleep(least + span).await;
            }
            None => tokio::task::yield_now().await,
        }
    }

    /// The scripted fault of this call; an error if it never gets there.
    fn fault(&self) -> Result<Fault, CallError> {
        match self.state().faults.pop().unwrap_or(Fault::None) {
            Fault::Throttled => Err(fails("ThrottlingException", true)),
            Fault::Ended => Err(fails("Ended", false)),
            fault => Ok(fault),
        }
    }

    /// What all items of each chunk and summary say together.
    fn union(&self) -> BTreeMap<Key, Content> {
        let mut union: BTreeMap<Key, Content> = BTreeMap::new();
        for (key, (_, attributes)) in &self.state().items {
            let content = Content::read(key, attributes).expect("sound");
            let shared = Key::shared(&key.object, key.chunk);
            union.entry(shared.clone()).or_insert_with(|| Content::empty(&shared)).merge(&content);
        }
        union
    }

    /// Sort keys of the items, of shares without their writers.
    fn parts(&self) -> Vec<String> {
        let short = |key: &Key| match &key.writer {
            Some(_) => format!("{}#…", Key::shared("", key.chunk).part()),
            None => key.part(),
        };
        self.state().items.keys().map(short).collect()
    }
}

impl Store for Memory {
    async fn update(&self, key: &Key, change: &Change) -> Result<Updated, CallError> {
        self.travel().await;
        self.state().updates += 1;
        let fault = self.fault()?;
        let answer = {
            let mut state = self.state();
            match (state.items.get_mut(key), change.expected) {
                (Some((revision, item)), Some(expected)) if *revision == expected => {
                    let before = units(item);
                    *revision = change.revision;
                    item.extend(change.set.clone());
                    item.retain(|name, _| !change.remove.contains(name));
                    state.units += units(item).max(before);
                    Updated::Done
                }
                (None, None) => {
                    state.units += units(&change.set);
                    state.items.insert(key.clone(), (change.revision, change.set.clone()));
                    Updated::Done
                }
                (Some((revision, item)), _) => {
                    let (conflict, cost) = (Updated::Conflict(*revision, item.clone()), units(item));
                    state.refused += 1;
                    state.units += cost;
                    conflict
                }
                (None, Some(_)) => {
                    state.units += 1;
                    Updated::Gone
                }
            }
        };
        self.travel().await;
        if fault == Fault::AnswerLost { Err(fails("Timeout", true)) } else { Ok(answer) }
    }

    async fn delete(&self, key: &Key, revision: u64) -> Result<bool, CallError> {
        self.travel().await;
        self.state().deletes += 1;
        if let Some(error) = self.state().kept.get(key) {
            return Err(error.clone());
        }
        let fault = self.fault()?;
        let there = {
            let mut state = self.state();
            let found = state.items.get(key).map(|(own, item)| (*own == revision, units(item)));
            let there = found.is_some_and(|(there, _)| there);
            state.units += found.map_or(1, |(_, units)| units);
            if there {
                state.items.remove(key);
            }
            there
        };
        self.travel().await;
        if fault == Fault::AnswerLost { Err(fails("Timeout", true)) } else { Ok(there) }
    }
}

impl Source for Memory {
    async fn items(&self, scope: Scope<'_>) -> Result<Vec<Stored>, CallError> {
        self.travel().await;
        self.state().reads += 1;
        let wanted = |key: &Key| match scope {
            Scope::All => true,
            Scope::Object(object) => key.object == object,
            Scope::Part(object, part) => key.object == object && key.part().starts_with(part),
        };
        let mut items: Vec<Stored> = Vec::new();
        let mut end = Bound::Unbounded;
        // Downwards, each item as it is when its turn comes: a query is no snapshot.
        loop {
            let next = {
                let state = self.state();
                let mut below = state.items.range((Bound::Unbounded, end.as_ref())).rev();
                let found = below.find(|(key, _)| wanted(key));
                found.map(|(key, (revision, attributes))| (key.clone(), *revision, attributes.clone()))
            };
            let Some((key, revision, attributes)) = next else { break };
            items.push(Stored { object: key.object.clone(), part: key.part(), revision, attributes });
            end = Bound::Excluded(key);
            tokio::task::yield_now().await;
        }
        self.travel().await;
        Ok(items)
    }
}

fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: Some("1".into()),
        etag: None,
        uploaded: None,
        replay: None,
    }
}

/// Rows without the id, which is a digest and takes a while.
fn records(first: u64, count: u64) -> RecordRef {
    RecordRef { index: first, id: String::new(), count }
}

fn extracted(first: u64, count: u64) -> Detail {
    Detail::RecordExtracted {
        object: object(),
        record: records(first, count),
        headers: String::new(),
        data: String::new(),
        data_key: None,
        location: None,
    }
}

fn transformed(first: u64, count: u64) -> Detail {
    Detail::RecordTransformed {
        object: object(),
        record: records(first, count),
        data: Vec::new(),
        data_key: None,
    }
}

fn loaded(first: u64, count: u64) -> Detail {
    Detail::RecordLoaded {
        object: object(),
        record: records(first, count),
        table: String::new(),
        key: Vec::new(),
        overwritten: Vec::new(),
    }
}

/// A row that was loaded, and rows that it has replaced.
fn replacing(row: u64, rows: &[u64]) -> Detail {
    match loaded(row, 1) {
        Detail::RecordLoaded { object, record, table, key, .. } => {
            Detail::RecordLoaded { object, record, table, key, overwritten: rows.to_vec() }
        }
        other => other,
    }
}

fn failed(first: u64, count: u64, stage: FailedStage, reason: Reason) -> Detail {
    let record = Some(records(first, count));
    Detail::Failed { stage, object: Some(object()), record, reason, message: String::new() }
}

fn completed(rows: u64, shard: Option<Shard>) -> Detail {
    Detail::ExtractionCompleted { object: object(), rows, bytes: 10, rejected: 0, skipped: None, shard }
}

fn writer(memory: &Memory) -> Writer<Memory> {
    Writer::new(memory.clone(), Backoff::immediate(200))
}

fn batch(details: &[Detail]) -> Batch {
    batch_at(details, "2026-11-28T12:00:00Z")
}

fn batch_at(details: &[Detail], time: &str) -> Batch {
    let mut batch = Batch::default();
    for detail in details {
        batch.add(&brief(detail, time)).expect("rows of a file");
    }
    batch
}

/// What [`Brief::parse`] makes of an event, which its own tests check; a hundred thousand of them take a while to write.
fn brief<'a>(detail: &'a Detail, time: &'a str) -> Brief<'a> {
    let text = |text: &'a str| Text(text.into());
    let optional = |of: &'a Option<String>| of.as_deref().map(text);
    let what = match detail {
        Detail::TaskStarted { task, .. } => What::TaskStarted { task: text(task) },
        Detail::RecordExtracted { .. } => What::Extracted,
        Detail::ExtractionCompleted { rows, bytes, rejected, shard, .. } => {
            What::Completed { rows: *rows, bytes: *bytes, rejected: *rejected, shard: *shard }
        }
        Detail::RecordTransformed { .. } => What::Transformed,
        Detail::RecordLoaded { table, overwritten, .. } => {
            What::Loaded { table: text(table), key: None, overwritten: overwritten.clone() }
        }
        Detail::Failed { stage, reason, message, .. } => {
            let code = Text(reason.code().into());
            What::Failed { stage: *stage, reason: *reason, code, message: text(message) }
        }
    };
    Brief {
        detail_type: text(detail.detail_type()),
        source: None,
        time: Some(text(time)),
        status: text(""),
        object: detail.object().map(|object| Object {
            bucket: text(&object.bucket),
            key: text(&object.key),
            version: optional(&object.version),
            etag: optional(&object.etag),
            uploaded: optional(&object.uploaded),
            replay: optional(&object.replay),
        }),
        record: detail.record().map(|record| Record {
            index: record.index,
            id: text(&record.id),
            count: record.count,
        }),
        what,
    }
}

async fn tally(memory: &Memory) -> Tally {
    reader::read(memory, &object()).await.expect("a tally").expect("known")
}

fn event() -> impl Strategy<Value = Detail> {
    // Around the border of two chunks.
    let rows = (65_500_u64..65_580, 1_u64..40);
    (0_u8..6, rows).prop_map(|(kind, (first, count))| match kind {
        0 => extracted(first, count),
        1 => transformed(first, count),
        2 => loaded(first, count),
        3 => failed(first, count, FailedStage::Transform, Reason::MissingValue),
        4 => failed(first, count, FailedStage::Load, Reason::InvalidItem),
        _ => completed(first, Some(Shard { index: u32::try_from(count % 3).expect("small") + 1, of: 3 })),
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::AnswerLost),
        1 => Just(Fault::Ended),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever writers do at the same time, with duplicates, throttling, lost answers, ends in the middle, and shares that
    /// are folded at any moment: the table says the union.
    #[test]
    fn any_interleaving_gives_the_union(
        batches in proptest::collection::vec(proptest::collection::vec(event(), 1..6), 1..12),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        writers in 1_usize..5,
        folds in 0_usize..8,
        faults in proptest::collection::vec(fault(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let memory = Memory::default();
        memory.state().faults = faults;
        let mut all = batches.clone();
        all.extend(again.iter().map(|index| index.get(&batches).clone()));
        runtime.block_on(async {
            let work = (0..writers).map(|number| {
                let mine: Vec<_> = all.iter().skip(number).step_by(writers).cloned().collect();
                let memory = memory.clone();
                async move {
                    let mut writer = writer(&memory);
                    for details in mine {
                        // What could not be written is delivered again, perhaps to a new process.
                        while !writer.merge(batch(&details)).await.is_empty() {
                            writer = self::writer(&memory);
                        }
                    }
                }
            });
            let fold = async {
                let keys = [None, Some(0), Some(1)].map(|chunk| Key::shared(object().digest(), chunk));
                for _ in 0..folds {
                    for key in &keys {
                        // By a process that may end at any call.
                        let _ = writer(&memory).fold_all(key).await;
                    }
                }
            };
            tokio::join!(futures::future::join_all(work), fold, async {
                for _ in 0..folds {
                    let _ = writer(&memory).fold_all(&Key::shared(object().digest(), Some(0))).await;
                }
            });
        });
        let mut expected: BTreeMap<Key, Content> = BTreeMap::new();
        for share in batch(&batches.concat()).into_shares() {
            expected.insert(share.key, share.content);
        }
        prop_assert_eq!(memory.union(), expected);
    }

    #[test]
    fn hostile_items_are_errors_that_name_the_item(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let memory = Memory::default();
        let writer = writer(&memory);
        let key = Key::shared(object().digest(), Some(0)).of(&writer.id);
        let sound = crate::Rows::read(&Attributes::from([("loaded".to_owned(), Attribute::Bytes(bytes.clone()))])).is_ok();
        memory.state().items.insert(key, (3, [("loaded".to_owned(), Attribute::Bytes(bytes))].into()));
        let errors = runtime.block_on(writer.merge(batch(&[extracted(1, 1)])));
        let read = runtime.block_on(reader::read(&memory, &object()));
        if sound {
            prop_assert!(errors.is_empty() && read.is_ok());
        } else {
            prop_assert!(errors.iter().any(|error| error.to_string().contains("rows#000000000000")), "{:?}", errors);
            prop_assert!(read.expect_err("damaged").to_string().contains("rows#000000000000"));
        }
    }
}

#[tokio::test]
async fn a_merge_is_one_call_whoever_else_writes_and_nothing_new_is_none() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    let calls = || {
        let state = memory.state();
        (state.updates, state.reads)
    };
    assert!(one.merge(batch(&[extracted(1, 5)])).await.is_empty());
    assert_eq!(calls(), (2, 0), "the summary and the chunk");
    assert!(other.merge(batch(&[extracted(6, 5)])).await.is_empty());
    assert_eq!(calls(), (4, 0), "its own summary and chunk");
    for round in 0..5 {
        assert!(one.merge(batch(&[extracted(20 + round, 1)])).await.is_empty());
        assert!(other.merge(batch(&[extracted(40 + round, 1)])).await.is_empty());
    }
    assert_eq!(calls(), (14, 0), "the chunk alone");
    assert!(one.merge(batch(&[extracted(2, 3)])).await.is_empty());
    assert_eq!(calls(), (14, 0), "nothing new");
    assert_eq!(memory.state().refused, 0);
    assert_eq!(tally(&memory).await.extracted.len(), 20);
}

#[tokio::test]
async fn an_item_that_is_gone_is_made_anew_under_a_revision_that_never_was() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[extracted(1, 5)])).await;
    let before: Vec<u64> = memory.state().items.values().map(|(revision, _)| *revision).collect();
    memory.state().items.clear();
    assert!(writer.merge(batch(&[extracted(6, 1)])).await.is_empty());
    let after: Vec<u64> = memory.state().items.values().map(|(revision, _)| *revision).collect();
    assert!(!after.is_empty() && after.iter().all(|revision| before.iter().all(|old| revision > old)));
}

/// Two fold, and the one that is slow deletes last: what came meanwhile stays.
#[tokio::test]
async fn a_slow_deletion_takes_nothing_that_is_newer() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[extracted(1, 5)])).await;
    let key = Key::shared(object().digest(), Some(0));
    let own = key.of(&writer.id);
    let read = memory.state().items.get(&own).map(|(revision, _)| *revision).expect("a share");
    self::writer(&memory).fold_all(&key).await.expect("folded");
    assert!(!memory.state().items.contains_key(&own));
    for row in 6..20 {
        assert!(writer.merge(batch(&[extracted(row, 1)])).await.is_empty());
        assert!(!memory.delete(&own, read).await.expect("an answer"), "revision {read} was there before");
    }
    assert_eq!(tally(&memory).await.extracted.len(), 19);
}

#[tokio::test]
async fn an_object_that_is_done_is_two_items() {
    let memory = Memory::default();
    let writers: Vec<_> = (0..4).map(|_| writer(&memory)).collect();
    let rows = |number: u64| 1 + number * 10;
    for (number, writer) in (0..).zip(&writers) {
        writer.merge(batch(&[extracted(rows(number), 10), transformed(rows(number), 10)])).await;
        if number > 0 {
            writer.merge(batch(&[loaded(rows(number), 10)])).await;
        }
    }
    writers[1].merge(batch(&[completed(40, None)])).await;
    assert_eq!(memory.parts().len(), 5, "rows are on their way: {:?}", memory.parts());
    writers[0].merge(batch(&[loaded(1, 9), failed(10, 1, FailedStage::Load, Reason::InvalidItem)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"], "the last row is settled");
    let known = tally(&memory).await;
    assert!(known.is_complete() && known.loaded.len() == 39, "{known:?}");
    // A late event is a share again, and nobody minds.
    writers[2].merge(batch(&[extracted(3, 1), loaded(10, 1)])).await;
    assert!(tally(&memory).await.is_loaded());
}

#[tokio::test]
async fn the_end_of_an_object_may_be_the_last_that_is_heard_of_it() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 3), loaded(1, 2)])).await;
    other.merge(batch(&[transformed(1, 3), loaded(3, 1)])).await;
    one.merge(batch(&[completed(3, None)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    // One that has no rows, and one that failed.
    let memory = Memory::default();
    writer(&memory).merge(batch(&[completed(0, None)])).await;
    assert_eq!(memory.parts(), ["summary"]);
    let memory = Memory::default();
    let whole = Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::MissingColumn,
        message: "the file has no column `ID`".into(),
    };
    writer(&memory).merge(batch(&[whole])).await;
    assert_eq!(memory.parts(), ["summary"]);
    let known = tally(&memory).await;
    assert_eq!(known.object_failures(), [("extraction", "missing-column")]);
    let message = known.message("extraction", "missing-column");
    assert_eq!(message.as_deref(), Some("the file has no column `ID`"));
}

#[tokio::test]
async fn a_full_chunk_is_folded_while_others_are_on_their_way() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 100_000), loaded(1, 40_000)])).await;
    other.merge(batch(&[loaded(40_001, 25_535)])).await;
    let parts = memory.parts();
    assert!(parts.contains(&"rows#000000000000".to_owned()), "{parts:?}");
    assert!(!parts.contains(&"rows#000000000000#…".to_owned()), "{parts:?}");
    assert!(parts.contains(&"rows#000000000001#…".to_owned()), "{parts:?}");
}

/// Cold starts leave shares behind: they don't pile up, whatever becomes of the rows.
#[tokio::test]
async fn writers_that_are_gone_leave_nothing_behind() {
    let memory = Memory::default();
    for number in 0..120_u64 {
        let (hour, minute) = (number / 60, number % 60);
        let time = format!("2026-11-28T{hour:02}:{minute:02}:00Z");
        let writer = writer(&memory);
        // Row 1 is never loaded.
        writer.merge(batch_at(&[extracted(1, 1), loaded(2 + number, 1)], &time)).await;
    }
    let items = memory.state().items.len();
    assert!(items < 2 * 20, "those of a quarter of an hour: {items}");
    assert_eq!(tally(&memory).await.loaded.len(), 120);
}

/// What writers of an older version have written is read and folded like any other.
#[tokio::test]
async fn items_of_the_layout_without_shares_count() {
    let memory = Memory::default();
    let old = batch(&[extracted(1, 3), loaded(1, 2)]);
    for share in old.into_shares() {
        memory.state().items.insert(share.key, (7, share.content.attributes()));
    }
    assert_eq!(tally(&memory).await.loaded.len(), 2);
    writer(&memory).merge(batch(&[loaded(3, 1), completed(3, None)])).await;
    assert!(tally(&memory).await.is_loaded());
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    assert!(memory.state().items.values().any(|(revision, _)| *revision == 8));
}

/// The throttle of the pattern in production. With one attempt, a writer that lost a race would give its batch back.
#[tokio::test]
async fn fifty_writers_wait_for_nobody() {
    const WRITERS: usize = 50;
    const ROWS: u64 = 100_000;
    // Calls take their time, so that all writers are under way at once.
    let latency = Some((Duration::from_millis(1), Duration::from_millis(10)));
    let memory = Memory { latency, ..Memory::default() };
    // A hundred messages of ten rows in a batch; each row in three of them, disordered.
    let place = |row: u64, stage: u64| row + stage * 700 + (row * 7_919 + stage * 104_729) % 1_000;
    let rows =
        (1..=ROWS).step_by(10).flat_map(|row| (0..3).map(move |stage| (place(row, stage), row, stage)));
    let mut events: Vec<(u64, u64, u64)> = rows.collect();
    events.sort_unstable();
    let batches = events.chunks(100).map(|events| {
        let detail = |(_, row, stage): &(u64, u64, u64)| match stage {
            0 => extracted(*row, 10),
            1 => transformed(*row, 10),
            _ => loaded(*row, 10),
        };
        batch(&events.iter().map(detail).collect::<Vec<_>>())
    });
    let batches: Vec<Batch> = batches.collect();
    let work = (0..WRITERS).map(|number| {
        let writer = Writer::new(memory.clone(), Backoff::immediate(1));
        let mine: Vec<_> = batches.iter().skip(number).step_by(WRITERS).cloned().collect();
        async move {
            for batch in mine {
                let errors = writer.merge(batch).await;
                assert!(errors.is_empty(), "{errors:?}");
            }
            writer
        }
    });
    let writers = futures::future::join_all(work).await;
    let (updates, refused) = {
        let state = memory.state();
        (state.updates, state.refused)
    };
    // A batch is of two chunks at most, and each writer has one summary. Those who fold may meet: one of them does it then.
    assert!(updates <= 2 * batches.len() + 5 * WRITERS, "{updates} writes for {} batches", batches.len());
    assert!(refused <= 2 * WRITERS, "{refused} of {updates}");
    assert!(writers[7].merge(batch(&[completed(ROWS, None)])).await.is_empty());
    let known = tally(&memory).await;
    assert!(known.is_loaded() && known.extracted.len() == ROWS && known.transformed.len() == ROWS);
}

/// `load` speaks of rows in other chunks than its own, and these have writes of their own.
#[tokio::test]
async fn an_event_is_given_back_when_a_row_that_it_replaces_was_not_written() {
    let detail = replacing(70_000, &[3, 0]);
    let mut batch = Batch::default();
    let touched = batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("rows").expect("an object");
    let of_chunk = |chunk| Errors([((0, Some(chunk)), MergeError::Call("Timeout".into()))].into());
    assert!(of_chunk(0).of(&touched).is_some(), "the row that was replaced");
    assert!(of_chunk(1).of(&touched).is_some(), "the row that was loaded");
    assert!(of_chunk(2).of(&touched).is_none());
    // What no `load` says: more rows than two for each, and rows behind its own.
    let (hostile, behind): (Vec<u64>, _) =
        ((1..1_000).map(|chunk| chunk * 65_536).collect(), [65_536_001, 1 << 40]);
    let detail = replacing(65_536 * 1_000, &[&behind, &*hostile].concat());
    let mut batch = Batch::default();
    batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("rows");
    assert_eq!(batch.into_shares().len(), 4, "its own chunk, two that it names, and the summary");
}

/// A reader is no snapshot: a fold comes between any two items that it reads.
#[tokio::test]
async fn a_fold_hides_no_row_from_who_is_reading() {
    for steps in 0..20 {
        let memory = Memory::default();
        for number in 0..4 {
            writer(&memory).merge(batch(&[extracted(1 + number * 10, 10)])).await;
        }
        let object = object();
        let mut reading = pin!(reader::read(&memory, &object));
        let mut read = None;
        for _ in 0..steps {
            if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
                read = Some(done);
                break;
            }
        }
        for chunk in [None, Some(0)] {
            let folded = writer(&memory).fold_all(&Key::shared(object.digest(), chunk)).await;
            folded.expect("folded");
        }
        let read = match read {
            Some(read) => read,
            None => reading.await,
        };
        let known = read.expect("a tally").expect("known");
        assert_eq!(known.extracted.len(), 40, "a fold after {steps} steps");
    }
}

/// An event of another object, which gives nobody a reason to look.
fn elsewhere() -> Detail {
    let object = ObjectRef { key: "other.csv".into(), ..object() };
    Detail::TaskStarted { object, task: "arn".into() }
}

/// Whether all shares of the object are folded.
fn is_folded(memory: &Memory, object: &ObjectRef) -> bool {
    let state = memory.state();
    let mut keys = state.items.keys().filter(|key| key.object == object.digest());
    keys.all(|key| key.writer.is_none())
}

#[tokio::test]
async fn a_look_that_was_not_due_is_made_with_a_later_batch() {
    const WRITERS: u64 = 50;
    let memory = Memory::default();
    let writers: Vec<_> = (0..WRITERS).map(|_| writer(&memory)).collect();
    for round in 0..2 {
        for (number, writer) in (0..).zip(&writers) {
            let row = 1 + round * WRITERS + number;
            assert!(writer.merge(batch(&[extracted(row, 1), loaded(row, 1)])).await.is_empty());
        }
    }
    assert!(writers[49].merge(batch(&[completed(2 * WRITERS, None)])).await.is_empty());
    assert!(tally(&memory).await.is_loaded());
    assert!(!is_folded(&memory, &object()), "nobody was to look");
    for writer in &writers {
        writer.end_pauses();
        assert!(writer.merge(batch(&[elsewhere()])).await.is_empty());
    }
    assert!(is_folded(&memory, &object()), "{:?}", memory.parts());
    assert!(tally(&memory).await.is_loaded());
    let reads = memory.state().reads;
    writers[49].end_pauses();
    writers[49].merge(batch(&[elsewhere()])).await;
    assert_eq!(memory.state().reads, reads, "all is paid");
}

fn small(number: u64) -> ObjectRef {
    ObjectRef { key: format!("{number}.csv"), ..object() }
}

/// A batch of small objects, each of them whole.
fn small_objects(count: u64) -> Batch {
    let mut batch = Batch::default();
    for number in 0..count {
        let (of, record) = (small(number), records(1, 1));
        let loaded = Detail::RecordLoaded {
            object: of.clone(),
            record,
            table: String::new(),
            key: Vec::new(),
            overwritten: Vec::new(),
        };
        let completed = Detail::ExtractionCompleted {
            object: of,
            rows: 1,
            bytes: 1,
            rejected: 0,
            skipped: None,
            shard: None,
        };
        for detail in [loaded, completed] {
            batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("a row");
        }
    }
    batch
}

#[tokio::test]
async fn a_batch_of_many_objects_does_not_wait_for_all_folds() {
    let latency = Some((Duration::from_millis(1), Duration::from_millis(1)));
    let memory = Memory { latency, ..Memory::default() };
    let mut writer = writer(&memory);
    writer.patience = Duration::from_millis(60);
    assert!(writer.merge(small_objects(100)).await.is_empty());
    let folded = || (0..100).filter(|number| is_folded(&memory, &small(*number))).count();
    assert!((1..50).contains(&folded()), "{} of 100", folded());
    writer.patience = fold::PATIENCE;
    writer.store.latency = None;
    for _ in 0..30 {
        writer.end_pauses();
        assert!(writer.merge(batch(&[elsewhere()])).await.is_empty());
    }
    assert_eq!(folded(), 100, "what was left is owed");
}

#[tokio::test]
async fn an_item_that_is_refused_does_not_end_all_folding() {
    for (code, retryable, expected) in [
        ("ValidationException", false, vec![1, 2]),
        ("AccessDeniedException", false, vec![]),
        ("ThrottlingException", true, vec![]),
    ] {
        let memory = Memory::default();
        let writer = writer(&memory);
        for chunk in [None, Some(0)] {
            let key = Key::shared(small(0).digest(), chunk).of(&writer.id);
            memory.state().kept.insert(key, fails(code, retryable));
        }
        assert!(writer.merge(small_objects(3)).await.is_empty());
        let folded = || (0..3).filter(|number| is_folded(&memory, &small(*number))).collect::<Vec<_>>();
        assert_eq!(folded(), expected, "{code}");
        // Later, when the table takes it.
        memory.state().kept.clear();
        writer.end_pauses();
        writer.merge(batch(&[elsewhere()])).await;
        let later: &[u64] = if code.starts_with("AccessDenied") { &[] } else { &[0, 1, 2] };
        assert_eq!(folded(), later, "{code}");
    }
}

/// A newer version may write what this one doesn't read: it is not lost by a fold.
#[tokio::test]
async fn what_a_newer_version_wrote_is_left_to_it() {
    let memory = Memory::default();
    let (one, newer) = (writer(&memory), writer(&memory));
    newer.merge(batch(&[extracted(1, 1), loaded(1, 1)])).await;
    for (_, attributes) in memory.state().items.values_mut() {
        attributes.insert("later".into(), Attribute::Text("x".into()));
    }
    one.merge(batch(&[extracted(2, 1), loaded(2, 1), completed(2, None)])).await;
    let expected = ["summary", "summary#…", "rows#000000000000", "rows#000000000000#…"];
    assert_eq!(memory.parts(), expected);
    let left =
        memory.state().items.values().filter(|(_, attributes)| attributes.contains_key("later")).count();
    assert_eq!(left, 2);
    assert!(tally(&memory).await.is_loaded(), "what is known of it counts");
}

#[tokio::test]
async fn only_what_could_not_be_written_is_given_back() {
    let memory = Memory::default();
    memory.state().faults = vec![Fault::Throttled; 100];
    let writer = Writer::new(memory.clone(), Backoff::immediate(3));
    let errors = writer.merge(batch(&[extracted(1, 1)])).await;
    assert_eq!(errors.iter().count(), 2);
    assert!(errors.iter().all(|error| error.to_string().contains("ThrottlingException")), "{errors:?}");
    assert_eq!(memory.state().updates, 6, "three attempts each");
}

#[test]
fn a_writer_remembers_a_fixed_number_of_items() {
    let mut known = Known::default();
    let first = Key::shared("o", Some(0));
    for chunk in 0..2 * MAX_KNOWN as u64 {
        let key = Key::shared("o", Some(chunk));
        known.put(&key, Seen { revision: Some(1), content: Content::empty(&key) });
        // The first is in use all the time.
        let seen = known.take(&first).expect("remembered");
        known.put(&first, seen);
    }
    assert_eq!(known.items.len(), MAX_KNOWN);
}

/// The same object, as a replay sends its rows.
fn of_replay(detail: Detail, id: &str) -> Detail {
    let object = ObjectRef { replay: Some(id.to_owned()), ..object() };
    match detail {
        Detail::RecordLoaded { record, table, key, overwritten, .. } => {
            Detail::RecordLoaded { object, record, table, key, overwritten }
        }
        Detail::Failed { stage, record, reason, message, .. } => {
            Detail::Failed { stage, object: Some(object), record, reason, message }
        }
        other => other,
    }
}

#[tokio::test]
async fn a_replay_is_pending_until_each_of_its_rows_was_heard_of() {
    let memory = Memory::default();
    let writer = writer(&memory);
    let bad = |row| failed(row, 1, FailedStage::Transform, Reason::MissingValue);
    writer.merge(batch(&[loaded(1, 7), bad(8), bad(9), bad(10), completed(10, None)])).await;
    assert_eq!(tally(&memory).await.pending_replays(), []);
    let (first, second) = ("2026-11-28T12:00:00.000Z", "2026-11-28T12:00:01.000Z");
    let mut ask = Batch::default();
    ask.ask(&object(), first, reader::FAILED, &tally(&memory).await.failed());
    // By the deployer, on another machine.
    self::writer(&memory).merge(ask).await;
    let pending = |tally: &Tally| -> Vec<(String, u64, u64)> {
        tally.pending_replays().into_iter().map(|one| (one.id, one.rows, one.pending)).collect()
    };
    let known = tally(&memory).await;
    assert!(known.is_complete(), "as it was before");
    assert_eq!(pending(&known), [(first.to_owned(), 3, 3)]);
    // An old failure that comes late says nothing; one of the replay does; and who is in the table is done.
    writer.merge(batch(&[bad(8)])).await;
    writer.merge(batch(&[of_replay(bad(9), first), loaded(10, 1)])).await;
    assert_eq!(pending(&tally(&memory).await), [(first.to_owned(), 3, 1)]);
    writer.merge(batch(&[of_replay(loaded(8, 1), first)])).await;
    let known = tally(&memory).await;
    assert_eq!((pending(&known), known.failed().len()), (vec![], 1));
    // The next one fails as a whole.
    let mut ask = Batch::default();
    ask.ask(&object(), second, reader::FAILED, &known.failed());
    writer.merge(ask).await;
    assert_eq!(pending(&tally(&memory).await), [(second.to_owned(), 1, 1)]);
    let gone = Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::ObjectUnreadable,
        message: "gone".into(),
    };
    writer.merge(batch(&[of_replay(gone, second)])).await;
    let known = tally(&memory).await;
    assert_eq!(
        (pending(&known), known.replay_failure()),
        (vec![], Some(("extraction", "object-unreadable")))
    );
    assert_eq!(known.object_failures(), [], "it was read before");
}

#[tokio::test]
async fn rows_that_another_one_replaced_count_once() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[replacing(3, &[1, 2]), loaded(1, 2)])).await;
    // Delivered again, elsewhere; a row of another chunk; and a row that no file can have.
    other.merge(batch(&[replacing(3, &[2]), replacing(70_000, &[65_536, 0])])).await;
    let known = tally(&memory).await;
    assert_eq!(known.overwritten.ranges().collect::<Vec<_>>(), [1..=2, 65_536..=65_536]);
    assert_eq!(known.loaded.len(), 4, "they were loaded all the same");
}

#[tokio::test]
async fn only_the_latest_replays_are_kept() {
    let memory = Memory::default();
    let writer = writer(&memory);
    let rows: RowSet = [1, 2].into_iter().collect();
    for minute in 0..20 {
        let id = format!("2026-11-28T12:{minute:02}:00.000Z");
        let mut ask = Batch::default();
        ask.ask(&object(), &id, reader::FAILED, &rows);
        // Each by a process of its own.
        self::writer(&memory).merge(ask).await;
        writer.merge(batch(&[of_replay(loaded(1, 1), &id)])).await;
        writer.fold_all(&Key::shared(object().digest(), Some(0))).await.expect("folded");
        writer.fold_all(&Key::shared(object().digest(), None)).await.expect("folded");
    }
    let known = tally(&memory).await;
    assert_eq!(known.summary.replays.len(), crate::rows::MAX_REPLAYS);
    let state = memory.state();
    let names = state.items.values().flat_map(|(_, attributes)| attributes.keys());
    assert_eq!(names.filter(|name| name.starts_with("asked#")).count(), crate::rows::MAX_REPLAYS);
}

#[tokio::test]
async fn a_tally_says_what_is_missing_and_what_failed() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer
        .merge(batch(&[
            extracted(1, 10),
            transformed(1, 9),
            loaded(1, 6),
            failed(7, 1, FailedStage::Load, Reason::InvalidItem),
            failed(10, 1, FailedStage::Transform, Reason::MissingValue),
            failed(1, 1, FailedStage::Load, Reason::RetriesExhausted),
        ]))
        .await;
    let known = tally(&memory).await;
    assert_eq!((known.total(), known.is_complete()), (None, false));
    assert_eq!(known.missing().ranges().collect::<Vec<_>>(), [8..=9]);
    writer.merge(batch(&[completed(12, None)])).await;
    let known = tally(&memory).await;
    assert_eq!(known.missing().ranges().collect::<Vec<_>>(), [8..=9, 11..=12]);
    // Row 1 was loaded all the same.
    let failures: BTreeSet<_> = known
        .failures()
        .into_iter()
        .map(|failure| (failure.stage, failure.reason, failure.rows.ranges().collect::<Vec<_>>()))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(stage, reason, rows)| format!("{stage} {reason} {rows:?}"))
        .collect();
    let expected = ["load invalid-item [7..=7]".to_owned(), "transform missing-value [10..=10]".to_owned()];
    assert_eq!(failures, expected.into());
    let failed = reader::rows_to_replay(&memory, &object(), Replay::Failed).await.expect("read");
    assert_eq!(failed.ranges().collect::<Vec<_>>(), [7..=7, 10..=10]);
    let missing = reader::rows_to_replay(&memory, &object(), Replay::Missing).await.expect("read");
    assert!(missing.contains(12) && !missing.contains(10));
    writer.merge(batch(&[loaded(7, 6)])).await;
    let known = tally(&memory).await;
    assert!(known.is_complete() && known.failed().is_empty());
    assert_eq!(known.loaded.len(), 12);
    assert_eq!(reader::list(&memory).await.expect("read"), [known]);
}

/// What `deployer cost` assumes of the tally: write units of an item, with rows that overtake each other by up to a thousand.
#[tokio::test]
async fn an_item_takes_few_write_units() {
    let memory = Memory::default();
    // Two observers, which is the least that a queue's trigger has; each takes every other batch.
    let writers = [writer(&memory), writer(&memory)];
    // Each row is extracted, transformed and loaded, a thousand rows apart, and disordered within a thousand.
    let mut events: Vec<(u64, u64, u8)> = Vec::new();
    for row in 1..65_536_u64 {
        for stage in 0..3_u8 {
            let disorder = (row * 7_919 + u64::from(stage) * 104_729) % 1_000;
            events.push((row + u64::from(stage) * 1_000 + disorder, row, stage));
        }
    }
    events.sort_unstable();
    let mut batches = 0;
    for (writer, group) in writers.iter().cycle().zip(events.chunks(1_000)) {
        let details: Vec<Detail> = group
            .iter()
            .map(|(_, row, stage)| match stage {
                0 => extracted(*row, 1),
                1 => transformed(*row, 1),
                _ => loaded(*row, 1),
            })
            .collect();
        assert!(writer.merge(batch(&details)).await.is_empty());
        // A batch is a second's events, and the pauses of two writers are shorter.
        writer.end_pauses();
        batches += 1;
    }
    let (units, calls) = {
        let state = memory.state();
        (state.units, state.updates + state.deletes)
    };
    assert!(calls <= 2 * batches, "{calls} writes for {batches} batches");
    assert!(units <= ASSUMED_UNITS * batches, "{units} units for {batches} batches");
    assert_eq!(tally(&memory).await.loaded.len(), 65_535);
}
