//! Writers against a table that fails in scripted ways.

mod ends;
mod events;
mod folds;
mod replays;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::Bound;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use contract::assignment::Replay;
use contract::{Detail, FailedStage, ObjectRef, Reason};
use proptest::prelude::*;

use self::events::*;
use super::*;
use crate::attribute::Attribute;
use crate::completion::{self, Completions, Step};
use crate::reader::{self, Scope, Source, Stored, Tally};
use crate::row_set::RowSet;

/// The average number of write units of a batch for each chunk, folds included, as in the estimate of costs in
/// `deployer-plan`.
const ASSUMED_UNITS: usize = 7;

/// A table in memory that answers like DynamoDB, with faults by a script.
#[derive(Debug, Clone, Default)]
struct Memory {
    state: Arc<Mutex<State>>,
    /// The least and the greatest time that a call takes.
    latency: Option<(Duration, Duration)>,
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<Key, (u64, Attributes)>,
    updates: usize,
    refused: usize,
    reads: usize,
    deletes: usize,
    /// The number of write units, as DynamoDB counts them.
    units: usize,
    faults: Vec<Fault>,
    /// The items about the ends of objects, each with the holder and the end of its lease.
    ends: BTreeMap<String, (completion::State, Option<(String, u64)>)>,
    steps: usize,
    /// The number of attempts to count that are refused from now on.
    uncounted: usize,
    /// The number of items that were read.
    read: usize,
    /// Items that can't be deleted, each with the table's error.
    kept: BTreeMap<Key, CallError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The call is refused.
    Throttled,
    /// The call is executed, and the answer is lost.
    AnswerLost,
    /// The call is refused for good: as if the process ended here.
    Ended,
}

/// Returns the bytes of an item as DynamoDB counts them: names and values.
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

    /// Lets other calls come between.
    async fn travel(&self) {
        match self.latency {
            Some((least, most)) => {
                let span = most.saturating_sub(least).mul_f64(fastrand::f64());
                tokio::time::sleep(least + span).await;
            }
            None => tokio::task::yield_now().await,
        }
    }

    /// Returns the scripted fault of this call; an error if the call never reaches the table.
    fn fault(&self) -> Result<Fault, CallError> {
        match self.state().faults.pop().unwrap_or(Fault::None) {
            Fault::Throttled => Err(fails("ThrottlingException", true)),
            Fault::Ended => Err(fails("Ended", false)),
            fault => Ok(fault),
        }
    }

    /// Returns the union of all items of each chunk and summary.
    fn union(&self) -> BTreeMap<Key, Content> {
        let mut union: BTreeMap<Key, Content> = BTreeMap::new();
        for (key, (_, attributes)) in &self.state().items {
            let content = Content::read(key, attributes).expect("sound");
            let shared = Key::shared(&key.object, key.chunk);
            union.entry(shared.clone()).or_insert_with(|| Content::empty(&shared)).merge(&content);
        }
        union
    }

    /// Returns the sort keys of the items, those of shares without their writers.
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
        // Downwards, each item as it is when its turn comes: a query is not a snapshot.
        loop {
            let next = {
                let state = self.state();
                let mut below = state.items.range((Bound::Unbounded, end.as_ref())).rev();
                let found = below.find(|(key, _)| wanted(key));
                found.map(|(key, (revision, attributes))| (key.clone(), *revision, attributes.clone()))
            };
            let Some((key, revision, attributes)) = next else { break };
            self.state().read += 1;
            items.push(Stored { object: key.object.clone(), part: key.part(), revision, attributes });
            end = Bound::Excluded(key);
            tokio::task::yield_now().await;
        }
        self.travel().await;
        Ok(items)
    }
}

impl Completions for Memory {
    async fn step(&self, object: &str, step: &Step) -> Result<Option<completion::State>, CallError> {
        self.travel().await;
        self.state().steps += 1;
        if matches!(step, Step::Count { .. }) && self.state().uncounted > 0 {
            self.state().uncounted -= 1;
            return Err(fails("ThrottlingException", true));
        }
        let fault = self.fault()?;
        let answer = {
            let mut state = self.state();
            let (item, lease) = state.ends.entry(object.to_owned()).or_default();
            let done = match step {
                Step::Count { settled, rows, failed } => {
                    item.settled += settled;
                    item.rows = rows.or(item.rows);
                    item.failed |= failed;
                    true
                }
                Step::Claim { attempt, holder, now, until } => {
                    let free = lease.as_ref().is_none_or(|(other, end)| end < now || other == holder);
                    let done = item.attempt < *attempt && free;
                    if done {
                        *lease = Some((holder.clone(), *until));
                    }
                    done
                }
                Step::Finish { attempt, replay, partial } => {
                    let done = item.attempt < *attempt;
                    if done {
                        (item.attempt, item.replay, item.partial) = (*attempt, replay.clone(), *partial);
                        *lease = None;
                    }
                    done
                }
            };
            done.then(|| item.clone())
        };
        self.travel().await;
        if fault == Fault::AnswerLost { Err(fails("Timeout", true)) } else { Ok(answer) }
    }
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

async fn tally(memory: &Memory) -> Tally {
    reader::read(memory, &object()).await.expect("a tally").expect("known")
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

    /// Writers may do anything at the same time, with duplicates, throttling, lost answers, ends in the middle, and
    /// shares that are folded at any moment: the table contains the union.
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
                        // The events that could not be written are delivered again, perhaps to a new process.
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

/// The throttle of the pattern in production. With one attempt, a writer that lost a race would return its batch.
#[tokio::test]
async fn fifty_writers_wait_for_nobody() {
    const WRITERS: usize = 50;
    const ROWS: u64 = 100_000;
    // Calls take their time, so that all writers are at work at once.
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
    // A batch is of two chunks at most, and each writer has one summary. Two writers may fold at the same time: one of
    // them succeeds then.
    assert!(updates <= 2 * batches.len() + 5 * WRITERS, "{updates} writes for {} batches", batches.len());
    assert!(refused <= 2 * WRITERS, "{refused} of {updates}");
    assert!(writers[7].merge(batch(&[completed(ROWS, None)])).await.is_empty());
    let known = tally(&memory).await;
    assert!(known.is_loaded() && known.extracted.len() == ROWS && known.transformed.len() == ROWS);
}

/// The events of `load` name rows in other chunks than their own, and these have writes of their own.
#[tokio::test]
async fn an_event_is_given_back_when_a_row_that_it_replaces_was_not_written() {
    let detail = replacing(70_000, &[3, 0]);
    let mut batch = Batch::default();
    let touched = batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("rows").expect("an object");
    let of_chunk = |chunk| Errors([((0, Some(chunk)), MergeError::Call("Timeout".into()))].into());
    assert!(of_chunk(0).of(&touched).is_some(), "the row that was replaced");
    assert!(of_chunk(1).of(&touched).is_some(), "the row that was loaded");
    assert!(of_chunk(2).of(&touched).is_none());
    // Events that `load` never sends: more rows than two for each, and rows after its own.
    let (hostile, behind): (Vec<u64>, _) =
        ((1..1_000).map(|chunk| chunk * 65_536).collect(), [65_536_001, 1 << 40]);
    let detail = replacing(65_536 * 1_000, &[&behind, &*hostile].concat());
    let mut batch = Batch::default();
    batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("rows");
    assert_eq!(batch.into_shares().len(), 4, "its own chunk, two that it names, and the summary");
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

/// The assumption of `deployer cost` about the tally: write units of an item, with rows that overtake each other by up
/// to a thousand.
#[tokio::test]
async fn an_item_takes_few_write_units() {
    let memory = Memory::default();
    // Two observers, which is the minimum of a queue's trigger; each takes every other batch.
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
