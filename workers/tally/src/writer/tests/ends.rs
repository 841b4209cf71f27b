//! The ends of objects: each is found once, whatever happens to events and to those who read them.

use std::future::Future;
use std::sync::atomic::AtomicU64;

use contract::Shard;
use contract::event::ObjectOutcome;

use super::*;
use crate::batch::Touched;
use crate::completion::{Clock, Completer, Ended};

/// Seconds that a message is hidden before it is delivered again.
const HIDDEN: u64 = 180;

/// A bus that keeps what it takes, and a clock, both for all observers.
#[derive(Clone, Default)]
struct World {
    memory: Memory,
    published: Arc<Mutex<Vec<ObjectOutcome>>>,
    /// The number of events that are refused from now on.
    refused: Arc<AtomicU64>,
    clock: Arc<AtomicU64>,
    /// The number of observers that ended after an event was taken, could not note it, or took longer than the lease.
    ended_between: Arc<AtomicU64>,
}

/// An observer: a process with its own memory.
struct Observer {
    writer: Writer<Memory>,
    completer: Completer<Memory>,
    world: World,
}

impl World {
    fn observer(&self) -> Observer {
        Observer {
            writer: writer(&self.memory),
            completer: Completer::new(self.memory.clone(), Backoff::immediate(50))
                .at(Clock::Set(Arc::clone(&self.clock))),
            world: self.clone(),
        }
    }

    fn published(&self) -> Vec<ObjectOutcome> {
        self.published.lock().expect("lock").clone()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.published().into_iter().map(|outcome| outcome.id).collect()
    }

    fn publish(&self, ended: &Ended) -> bool {
        let refused =
            self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if refused.is_err() {
            self.published.lock().expect("lock").push(ended.outcome.clone());
        }
        refused.is_err()
    }

    fn wait(&self) {
        self.clock.fetch_add(HIDDEN, Ordering::Relaxed);
    }

    /// Delivers messages until none comes back: each to an observer that is new after a failure, and whose process ends
    /// after the given numbers of steps, the first of them for the first delivery.
    async fn deliver(&self, mut messages: Vec<Detail>, mut ends: Vec<usize>) {
        let mut observer = self.observer();
        loop {
            let steps = ends.pop().unwrap_or(usize::MAX);
            let before = self.published().len();
            let again = match steps_of(observer.observe(&messages), steps).await {
                Some(again) => again,
                None => {
                    if self.published().len() > before {
                        self.ended_between.fetch_add(1, Ordering::Relaxed);
                    }
                    (0..messages.len()).collect()
                }
            };
            if again.is_empty() {
                return;
            }
            messages = again.into_iter().map(|position| messages[position].clone()).collect();
            self.wait();
            observer = self.observer();
        }
    }
}

/// Polls a future that many times at most; returns `None` if it is not ready by then.
async fn steps_of<T>(future: impl Future<Output = T>, mut steps: usize) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if steps == 0 => Poll::Ready(None),
        Poll::Pending => {
            steps -= 1;
            Poll::Pending
        }
    })
    .await
}

impl Observer {
    /// Processes messages as `observe` does, and returns the positions of those that must come again.
    async fn observe(&self, details: &[Detail]) -> Vec<usize> {
        let mut batch = Batch::default();
        let add = |detail| batch.add(&brief(detail, "2026-11-28T12:00:07Z")).expect("rows of a file");
        let touched: Vec<Option<Touched>> = details.iter().map(add).collect();
        let (errors, progress) = self.writer.merge_for(batch).await;
        let of = |touched: &Option<Touched>| touched.as_ref().is_some_and(|one| errors.of(one).is_some());
        let mut again: BTreeSet<usize> =
            touched.iter().enumerate().filter(|(_, one)| of(one)).map(|(position, _)| position).collect();
        for progress in &progress {
            let begun = self.world.clock.load(Ordering::Relaxed);
            let checked = match self.completer.check(progress).await {
                Ok(Some(ended)) if self.world.publish(&ended) => {
                    tokio::task::yield_now().await;
                    let finished = self.completer.finish(&ended).await;
                    if finished.is_err() || self.world.clock.load(Ordering::Relaxed) > begun {
                        self.world.ended_between.fetch_add(1, Ordering::Relaxed);
                    }
                    finished
                }
                Ok(Some(_)) => {
                    let refused = MergeError::Call("the bus refused the event".into());
                    Err(completion::CompletionError::NotReported(refused))
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = checked {
                again.extend(error.again(progress, &touched));
            }
        }
        again.into_iter().collect()
    }
}

/// Returns the events of a file of that many rows, of which every third is skipped and every fifth fails.
fn file(rows: u64, shards: u32) -> Vec<Detail> {
    let mut events = Vec::new();
    for row in 1..=rows {
        events.push(extracted(row, 1));
        match row {
            row if row % 3 == 0 => events.push(skipped(row, 1)),
            row if row % 5 == 0 => events.push(failed(row, 1, FailedStage::Transform, Reason::MissingValue)),
            row => events.extend([transformed(row, 1), loaded(row, 1)]),
        }
    }
    let part =
        |index| rows * u64::from(index) / u64::from(shards) - rows * u64::from(index - 1) / u64::from(shards);
    events.extend((1..=shards).map(|index| completed(part(index), Some(Shard { index, of: shards }))));
    events
}

fn outcome(rows: u64, attempt: u64) -> ObjectOutcome {
    let skipped = rows / 3;
    let failed = rows / 5 - rows / 15;
    ObjectOutcome {
        id: ObjectOutcome::id_of(&object(), attempt),
        attempt,
        rows,
        loaded: rows - skipped - failed,
        skipped,
        failed,
        reasons: (failed > 0).then(|| ("missing-value".to_owned(), failed)).into_iter().collect(),
        ..ObjectOutcome::default()
    }
}

fn counts(outcome: &ObjectOutcome) -> ObjectOutcome {
    ObjectOutcome { bytes: None, ..outcome.clone() }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any order, duplicates, several observers at once, calls that are throttled or lose their answers, and processes
    /// that end at any step: the end of the object is published, with the counts of all of its rows, and only a process
    /// that ended between the event and its note makes a second one, with the same ID.
    #[test]
    fn each_object_has_one_end(
        rows in 0_u64..25,
        shards in 1_u32..4,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 200),
        doubles in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        size in 1_usize..9,
        observers in 1_usize..4,
        faults in proptest::collection::vec(fault(), 0..80),
        ends in proptest::collection::vec(proptest::collection::vec(0_usize..60, 0..3), 4),
        refused in 0_u64..3,
    ) {
        let mut events = file(rows, shards);
        events.extend(doubles.iter().map(|index| index.get(&events).clone()).collect::<Vec<_>>());
        for (place, index) in order.iter().enumerate().take(events.len()) {
            let other = index.index(events.len());
            events.swap(place, other);
        }
        let world = World::default();
        world.memory.state().faults = faults;
        world.refused.store(refused, Ordering::Relaxed);
        run(async {
            let batches: Vec<Vec<Detail>> = events.chunks(size).map(<[Detail]>::to_vec).collect();
            let work = (0..observers).map(|number| {
                let mine: Vec<_> = batches.iter().skip(number).step_by(observers).cloned().collect();
                let (world, ends) = (world.clone(), ends[number].clone());
                async move {
                    for (batch, ends) in mine.into_iter().zip(std::iter::once(ends).chain(std::iter::repeat(Vec::new()))) {
                        world.deliver(batch, ends).await;
                    }
                }
            });
            futures::future::join_all(work).await;
        });
        let published = world.published();
        prop_assert_eq!(world.ids(), [ObjectOutcome::id_of(&object(), 1)].into(), "{:?}", published);
        let twice = world.ended_between.load(Ordering::Relaxed);
        prop_assert!(published.len() as u64 <= 1 + twice, "{} times, {} ended", published.len(), twice);
        for one in &published {
            prop_assert_eq!(counts(one), outcome(rows, 1));
        }
    }
}

/// The worst moment: all others are done, and two have the last two rows in their hands.
#[tokio::test]
async fn of_two_that_see_the_last_rows_at_once_one_publishes() {
    for steps in 0..60 {
        let world = World::default();
        world.deliver(vec![loaded(1, 5), completed(7, None)], Vec::new()).await;
        assert_eq!(world.published(), []);
        let (one, other) = (world.observer(), world.observer());
        let (last, before) = ([loaded(7, 1)], [loaded(6, 1)]);
        // The first is interrupted after each of its steps, while the second does all of its own.
        let mut first = pin!(one.observe(&last));
        let mut again = Vec::new();
        let mut done = None;
        for _ in 0..steps {
            if let Poll::Ready(ready) = poll_fn(|context| Poll::Ready(first.as_mut().poll(context))).await {
                done = Some(ready);
                break;
            }
            // Tasks that wait side by side are woken by the runtime alone.
            tokio::task::yield_now().await;
        }
        again.extend(other.observe(&before).await.into_iter().map(|_| loaded(6, 1)));
        let done = match done {
            Some(done) => done,
            None => first.await,
        };
        again.extend(done.into_iter().map(|_| loaded(7, 1)));
        if !again.is_empty() {
            world.wait();
            world.deliver(again, Vec::new()).await;
        }
        assert_eq!(world.published().len(), 1, "after {steps} steps");
    }
}

/// Each of ten moments, and all others.
#[tokio::test]
async fn an_observer_that_ends_at_any_step_is_followed_by_another() {
    let mut most = 0;
    for steps in 0..80 {
        let world = World::default();
        world.deliver(vec![extracted(1, 9), loaded(1, 8)], Vec::new()).await;
        world.deliver(vec![completed(9, None), loaded(9, 1)], vec![steps]).await;
        let published = world.published();
        let twice = usize::try_from(world.ended_between.load(Ordering::Relaxed)).expect("few");
        assert!((1..=1 + twice).contains(&published.len()), "after {steps} steps");
        assert_eq!(world.ids().len(), 1);
        most = most.max(published.len());
    }
    assert_eq!(most, 2, "one of the moments was between the event and its note");
}

#[tokio::test]
async fn a_replay_gives_the_event_again() {
    let world = World::default();
    world.deliver(file(20, 1), Vec::new()).await;
    assert_eq!(world.published().iter().map(counts).collect::<Vec<_>>(), [outcome(20, 1)]);
    // What comes twice, or late, is no reason.
    world.deliver(vec![loaded(1, 1), completed(20, None), loaded(2, 1)], Vec::new()).await;
    assert_eq!(world.published().len(), 1);
    for (attempt, id) in [(2, "2026-11-28T12:00:00.000Z"), (3, "2026-11-28T13:00:00.000Z")] {
        let mut ask = Batch::default();
        let rows: RowSet = [5, 10, 20].into_iter().collect();
        ask.ask(&object(), id, reader::FAILED, &rows);
        assert!(writer(&world.memory).merge(ask).await.is_empty());
        let replayed = |row: u64, detail| match row {
            _ if attempt == 2 && row == 20 => {
                replays::of_replay(failed(20, 1, FailedStage::Load, Reason::InvalidItem), id)
            }
            _ => replays::of_replay(detail, id),
        };
        world.deliver(vec![replayed(5, loaded(5, 1)), replayed(10, loaded(10, 1))], Vec::new()).await;
        let before = world.published().len() as u64;
        // In the third attempt, the rest of the rows is in the table already.
        assert_eq!(before, attempt - 1, "row 20 is on its way");
        world.deliver(vec![replayed(20, loaded(20, 1)), replayed(5, loaded(5, 1))], Vec::new()).await;
        let last = world.published().pop().expect("published");
        let (loaded, failed) = if attempt == 2 { (13, 1) } else { (14, 0) };
        assert_eq!((last.attempt, last.loaded, last.failed), (attempt, loaded, failed));
    }
    assert_eq!(world.ids().len(), 3);
}

/// Returns the event of a file that could not be read.
fn unreadable() -> Detail {
    Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::MissingColumn,
        message: "the file has no column `ID`".into(),
        field: None,
        column: None,
    }
}

#[tokio::test]
async fn a_file_without_rows_and_one_that_fails_have_an_end() {
    let world = World::default();
    world.deliver(vec![completed(0, None)], Vec::new()).await;
    assert_eq!(world.published().iter().map(counts).collect::<Vec<_>>(), [outcome(0, 1)]);
    let world = World::default();
    world.deliver(vec![extracted(1, 2), loaded(1, 1)], Vec::new()).await;
    world.deliver(vec![unreadable()], Vec::new()).await;
    assert_eq!(world.published(), [], "a row is on its way");
    world.deliver(vec![loaded(2, 1)], Vec::new()).await;
    let [first] = &world.published()[..] else { panic!("{:?}", world.published()) };
    assert_eq!((first.rows, first.loaded, first.bytes, first.attempt), (2, 2, None, 1));
    let failure = first.failure.as_ref().expect("it failed");
    assert_eq!((failure.stage.as_str(), failure.reason.as_str()), ("extraction", "missing-column"));
    assert_eq!(failure.message.as_deref(), Some("the file has no column `ID`"));
    world.deliver(vec![unreadable(), loaded(3, 1)], Vec::new()).await;
    assert_eq!(world.published().len(), 1);
    // Another task has read it all the same.
    world.deliver(vec![completed(3, None)], Vec::new()).await;
    let last = world.published().pop().expect("published");
    assert_eq!((last.attempt, last.rows, last.loaded, last.failure), (2, 3, 3, None));
}

/// The tally itself is read at the end alone, and not for each batch.
#[tokio::test]
async fn the_end_is_found_in_few_calls() {
    let world = World::default();
    let observers = [world.observer(), world.observer()];
    let calls = || {
        let state = world.memory.state();
        (state.steps, state.reads)
    };
    observers[0].observe(&[extracted(1, 100_000), transformed(1, 100_000)]).await;
    assert_eq!(calls(), (0, 0), "nothing is settled");
    let (mut batches, mut looks) = (0, 0);
    for first in (1..=100_000).step_by(1_000) {
        let before = calls();
        let again = observers[batches % 2].observe(&[loaded(first, 1_000)]).await;
        assert!(again.is_empty());
        batches += 1;
        assert_eq!(calls().0 - before.0, 1, "one step a batch");
        looks = calls().1;
    }
    // Those of the folds, which are there without it.
    assert!(looks <= 2 * batches, "{looks} reads for {batches} batches");
    assert_eq!(world.published(), [], "the number of rows is not known");
    let before = calls();
    observers[1].observe(&[completed(100_000, None)]).await;
    assert_eq!(world.published().len(), 1);
    assert_eq!(calls().0 - before.0, 3, "count, claim and finish");
    let read = world.memory.state().read;
    observers[0].observe(&[loaded(500, 1)]).await;
    assert_eq!(world.published().len(), 1);
    assert!(world.memory.state().read - read <= 4, "it is known to be at its end");
}

/// Rows that count twice make nobody read the tally for each batch: one row that is missing is enough to know.
#[tokio::test]
async fn a_row_that_is_missing_is_looked_up_first() {
    let world = World::default();
    let (one, other) = (world.observer(), world.observer());
    one.observe(&[completed(200_000, None), loaded(1, 150_000)]).await;
    // Delivered twice, to another observer: more rows are counted than there are.
    other.observe(&[loaded(1, 150_000)]).await;
    let read = || world.memory.state().reads;
    other.observe(&[loaded(150_001, 1)]).await;
    let before = read();
    for row in 150_002..150_052 {
        assert!(other.observe(&[loaded(row, 1)]).await.is_empty());
    }
    // A look of the fold at most, and one at the missing row.
    assert!(read() - before <= 100 + 4, "{} reads", read() - before);
    assert_eq!(world.published(), []);
    one.observe(&[loaded(150_052, 49_949)]).await;
    assert_eq!(world.published().len(), 1);
}

#[tokio::test]
async fn what_could_not_be_counted_comes_again_and_counts() {
    let world = World::default();
    let observer = world.observer();
    observer.observe(&[completed(3, None), extracted(1, 3)]).await;
    // The merge is written, and each attempt to count is refused.
    world.memory.state().uncounted = 50;
    let messages = [loaded(1, 1), transformed(1, 3), loaded(2, 2)];
    let again = observer.observe(&messages).await;
    assert_eq!(again, [0, 2], "all that settle rows");
    assert_eq!(world.published(), []);
    // To the same process, of which nothing is new.
    assert!(observer.observe(&messages[..1]).await.is_empty());
    assert!(observer.observe(&messages[2..]).await.is_empty());
    assert_eq!(world.published().len(), 1);
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_is_published_later() {
    let world = World::default();
    world.refused.store(1, Ordering::Relaxed);
    let observer = world.observer();
    let messages = [loaded(1, 1), completed(2, None), loaded(2, 1), extracted(1, 2)];
    assert_eq!(observer.observe(&messages).await, [2], "one message is enough");
    // Another process finds the lease of the first, until it ends.
    let other = world.observer();
    assert_eq!(other.observe(&messages[2..3]).await, [0]);
    world.wait();
    assert!(other.observe(&messages[2..3]).await.is_empty());
    assert_eq!(world.published().len(), 1);
}
