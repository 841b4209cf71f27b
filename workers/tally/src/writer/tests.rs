use std::collections::BTreeSet;
use std::sync::Arc;

use contract::assignment::Replay;
use contract::{Detail, FailedStage, ObjectRef, Reason, Shard};
use proptest::prelude::*;

use super::*;
use crate::item::Attribute;
use crate::reader::{self, Source, Stored, Tally};

/// Write units of an item on the average, as the estimate of costs in `stack-core` has them.
const ASSUMED_UNITS: usize = 2;

/// A table in memory that answers as DynamoDB does, with faults by a script.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<Key, (u64, Attributes)>,
    calls: usize,
    faults: Vec<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The call is refused.
    Throttled,
    /// The item is written, and the answer is lost.
    AnswerLost,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("lock")
    }
}

impl Store for Memory {
    async fn update(&self, key: &Key, change: &Change) -> Result<Updated, CallError> {
        // Others may come between.
        tokio::task::yield_now().await;
        let mut state = self.state();
        state.calls += 1;
        let fault = state.faults.pop().unwrap_or(Fault::None);
        let failed =
            CallError { code: "ThrottlingException".into(), message: String::new(), retryable: true };
        if fault == Fault::Throttled {
            return Err(failed);
        }
        match (state.items.get_mut(key), change.expected) {
            (Some((revision, item)), Some(expected)) if *revision == expected => {
                *revision = change.revision;
                item.extend(change.set.clone());
            }
            (None, None) => {
                state.items.insert(key.clone(), (change.revision, change.set.clone()));
            }
            (Some((revision, item)), _) => return Ok(Updated::Conflict(*revision, item.clone())),
            (None, Some(_)) => return Ok(Updated::Gone),
        }
        if fault == Fault::AnswerLost { Err(failed) } else { Ok(Updated::Done) }
    }
}

impl Source for Memory {
    async fn items(&self, object: Option<&str>) -> Result<Vec<Stored>, CallError> {
        let state = self.state();
        let items = state.items.iter().filter(|(key, _)| object.is_none_or(|object| key.object == object));
        Ok(items
            .map(|(key, (_, attributes))| Stored {
                object: key.object.clone(),
                part: key.part(),
                attributes: attributes.clone(),
            })
            .collect())
    }
}

fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: Some("1".into()),
        etag: None,
        uploaded: None,
    }
}

fn extracted(first: u64, count: u64) -> Detail {
    Detail::RecordExtracted {
        object: object(),
        record: object().records(first, count),
        headers: String::new(),
        data: String::new(),
        data_key: None,
        location: None,
    }
}

fn transformed(first: u64, count: u64) -> Detail {
    Detail::RecordTransformed {
        object: object(),
        record: object().records(first, count),
        data: Vec::new(),
        data_key: None,
    }
}

fn loaded(first: u64, count: u64) -> Detail {
    Detail::RecordLoaded {
        object: object(),
        record: object().records(first, count),
        table: String::new(),
        key: Vec::new(),
    }
}

fn failed(first: u64, count: u64, stage: FailedStage, reason: Reason) -> Detail {
    let record = Some(object().records(first, count));
    Detail::Failed { stage, object: Some(object()), record, reason, message: String::new() }
}

fn completed(rows: u64, shard: Option<Shard>) -> Detail {
    Detail::ExtractionCompleted { object: object(), rows, bytes: 10, rejected: 0, skipped: None, shard }
}

fn writer(memory: &Memory) -> Writer<Memory> {
    Writer::new(memory.clone(), Backoff::immediate(200))
}

fn batch(details: &[Detail]) -> Batch {
    let mut batch = Batch::default();
    for detail in details {
        batch.add(detail, Some("2026-11-28T12:00:00Z")).expect("rows of a file");
    }
    batch
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
    prop_oneof![3 => Just(Fault::None), 1 => Just(Fault::Throttled), 1 => Just(Fault::AnswerLost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever writers do at the same time, with duplicates, throttling and lost answers, the table says the union.
    #[test]
    fn any_interleaving_gives_the_union(
        batches in proptest::collection::vec(proptest::collection::vec(event(), 1..6), 1..12),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        writers in 1_usize..5,
        faults in proptest::collection::vec(fault(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let memory = Memory::default();
        memory.state().faults = faults;
        let mut all = batches.clone();
        all.extend(again.iter().map(|index| index.get(&batches).clone()));
        runtime.block_on(async {
            let work = (0..writers).map(|number| {
                let mine: Vec<_> = all.iter().skip(number).step_by(writers).cloned().collect();
                let writer = writer(&memory);
                async move {
                    for details in mine {
                        assert_eq!(writer.merge(batch(&details)).await, BTreeMap::new());
                    }
                }
            });
            futures::future::join_all(work).await;
        });
        let mut expected: BTreeMap<Key, Content> = BTreeMap::new();
        for (key, content) in batch(&batches.concat()).into_parts() {
            expected.insert(key, content);
        }
        let found: BTreeMap<Key, Content> = memory.state().items.iter()
            .map(|(key, (_, attributes))| (key.clone(), Content::read(key, attributes).expect("sound"))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn hostile_items_are_errors_that_name_the_item(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let memory = Memory::default();
        let key = Key { object: object().digest(), chunk: Some(0) };
        let sound = crate::Rows::read(&Attributes::from([("loaded".to_owned(), Attribute::Bytes(bytes.clone()))])).is_ok();
        memory.state().items.insert(key.clone(), (3, [("loaded".to_owned(), Attribute::Bytes(bytes))].into()));
        let errors = runtime.block_on(writer(&memory).merge(batch(&[extracted(1, 1)])));
        let read = runtime.block_on(reader::read(&memory, &object()));
        if sound {
            prop_assert!(errors.is_empty() && read.is_ok());
        } else {
            prop_assert!(errors[&key].to_string().contains("rows#000000000000"), "{:?}", errors);
            prop_assert!(read.expect_err("damaged").to_string().contains("rows#000000000000"));
        }
    }
}

#[tokio::test]
async fn an_undisturbed_merge_is_one_call_and_nothing_new_is_none() {
    let memory = Memory::default();
    let writer = writer(&memory);
    assert!(writer.merge(batch(&[extracted(1, 5)])).await.is_empty());
    assert_eq!(memory.state().calls, 2, "the summary and the chunk");
    assert!(writer.merge(batch(&[extracted(3, 6)])).await.is_empty());
    assert_eq!(memory.state().calls, 3, "the chunk alone");
    assert!(writer.merge(batch(&[extracted(2, 4)])).await.is_empty());
    assert_eq!(memory.state().calls, 3, "nothing new");
    // Another writer knows nothing: a refusal, and the write. Of the summary, only the refusal.
    let other = self::writer(&memory);
    assert!(other.merge(batch(&[loaded(1, 1)])).await.is_empty());
    assert_eq!(memory.state().calls, 6);
}

#[tokio::test]
async fn an_item_that_is_gone_is_made_anew() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[extracted(1, 5)])).await;
    memory.state().items.clear();
    assert!(writer.merge(batch(&[extracted(6, 1)])).await.is_empty());
    assert_eq!(memory.state().items.values().next_back().map(|(revision, _)| *revision), Some(1));
}

#[tokio::test]
async fn only_what_could_not_be_written_is_given_back() {
    let memory = Memory::default();
    memory.state().faults = vec![Fault::Throttled; 100];
    let writer = Writer::new(memory.clone(), Backoff::immediate(3));
    let errors = writer.merge(batch(&[extracted(1, 1)])).await;
    assert_eq!(errors.len(), 2);
    assert!(errors.values().all(|error| error.to_string().contains("ThrottlingException")), "{errors:?}");
    assert_eq!(memory.state().calls, 6, "three attempts each");
}

#[test]
fn a_writer_remembers_a_fixed_number_of_items() {
    let mut known = Known::default();
    for chunk in 0..2 * MAX_KNOWN as u64 {
        let key = Key { object: "o".into(), chunk: Some(chunk) };
        let content = Content::empty(&key);
        known.put(&key, Seen { revision: Some(1), content });
        // The first is in use all the time.
        assert!(known.get(&Key { object: "o".into(), chunk: Some(0) }).is_some());
    }
    assert_eq!(known.items.len(), MAX_KNOWN);
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

/// Bytes of an item as DynamoDB counts them: names and values.
fn bytes_of(attributes: &Attributes) -> usize {
    let value = |value: &Attribute| match value {
        Attribute::Bytes(bytes) => bytes.len(),
        Attribute::Text(text) => text.len(),
        _ => 0,
    };
    attributes.iter().map(|(name, one)| name.len() + value(one)).sum()
}

/// What `deployer cost` assumes of the tally: write units of an item, with rows that overtake each other by up to a thousand.
#[tokio::test]
async fn an_item_takes_few_write_units() {
    let memory = Memory::default();
    let writer = writer(&memory);
    // Each row is extracted, transformed and loaded, a thousand rows apart, and disordered within a thousand.
    let mut events: Vec<(u64, u64, u8)> = Vec::new();
    for row in 1..65_536_u64 {
        for stage in 0..3_u8 {
            let disorder = (row * 7_919 + u64::from(stage) * 104_729) % 1_000;
            events.push((row + u64::from(stage) * 1_000 + disorder, row, stage));
        }
    }
    events.sort_unstable();
    let key = Key { object: object().digest(), chunk: Some(0) };
    let (mut units, mut writes) = (0, 0);
    for group in events.chunks(1_000) {
        let details: Vec<Detail> = group
            .iter()
            .map(|(_, row, stage)| match stage {
                0 => extracted(*row, 1),
                1 => transformed(*row, 1),
                _ => loaded(*row, 1),
            })
            .collect();
        assert!(writer.merge(batch(&details)).await.is_empty());
        // Key and revision are 70 bytes.
        units += (70 + bytes_of(&memory.state().items[&key].1)).div_ceil(1_024);
        writes += 1;
    }
    assert_eq!(memory.state().calls, writes + 1, "one call a batch, and the summary");
    assert!(units <= ASSUMED_UNITS * writes, "{units} units in {writes} writes");
    assert_eq!(tally(&memory).await.loaded.len(), 65_535);
}
