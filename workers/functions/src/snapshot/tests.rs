//! Files whose versions come in any order, and processes that end at any step.

mod world;

use contract::event::SnapshotReason;
use contract::settings::Share;
use proptest::prelude::*;

use self::world::{Fault, Version, World, until};
use super::*;
use crate::messages::Handler;
use crate::testing::{Bus, delivery, event};

fn later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// Returns what `snapshot` publishes after an event.
async fn cleaned(world: &World, share: Share, ended: &Detail) -> (ObjectOutcome, SnapshotOutcome) {
    let bus = Bus::default();
    let outcome = world.snapshot(share, &bus).process(&delivery(event(ended), 1), later()).await;
    assert_eq!(outcome, Ok(()));
    let published = bus.published();
    let [Detail::SnapshotCompleted { object, outcome }] = &published[..] else { panic!("{published:?}") };
    assert_eq!(ended.object(), Some(object));
    let snapshot = outcome.snapshot.clone().expect("a snapshot");
    ((**outcome).clone(), snapshot)
}

fn version(day: usize, rows: impl IntoIterator<Item = usize>) -> Version {
    Version::new("k.csv", day, rows.into_iter().collect())
}

/// Loads a first version of 20 rows, and lets it end.
async fn first() -> World {
    let world = World::default();
    let first = world.load_file(version(1, 0..20)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(first, 1)).await;
    let expected = SnapshotOutcome { candidates: Some(0), items: Some(20), ..SnapshotOutcome::default() };
    assert_eq!(snapshot, expected);
    // Items of other files, and of none.
    world.load_file(Version::new("other.csv", 1, vec![100, 101])).await;
    world.state().items.insert(200, Map::new());
    world
}

#[tokio::test]
async fn items_that_a_later_version_lacks_are_deleted_once() {
    let world = first().await;
    let second = world.load_file(version(2, (0..18).chain(30..40))).await;
    let ended = world.ended(second, 1);
    for _ in 0..2 {
        let (outcome, snapshot) = cleaned(&world, Share::percent(10), &ended).await;
        let expected = SnapshotOutcome {
            deleted: 2,
            candidates: Some(2),
            items: Some(30),
            maximum: Some(2),
            reason: None,
            latest: None,
        };
        assert_eq!(snapshot, expected, "an event that comes twice says the same twice");
        let Detail::ObjectCompleted { outcome: before, .. } = &ended else { panic!("an end") };
        assert_eq!(ObjectOutcome { snapshot: None, ..outcome }, **before);
    }
    let expected: Vec<usize> = (0..18).chain(30..40).chain([100, 101, 200]).collect();
    assert_eq!(world.ids(), expected);
    // A tenth of the 28 items that it has now, and not of those that it had at first.
    let third = world.load_file(version(3, 3..18)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(third, 1)).await;
    assert_eq!((snapshot.maximum, snapshot.reason), (Some(2), Some(SnapshotReason::TooMany)));
}

#[tokio::test]
async fn a_file_that_is_cut_deletes_nothing() {
    let world = first().await;
    let cut = world.load_file(version(2, 0..10)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(cut, 1)).await;
    let expected = SnapshotOutcome {
        deleted: 0,
        candidates: Some(10),
        items: Some(20),
        maximum: Some(2),
        reason: Some(SnapshotReason::TooMany),
        latest: None,
    };
    assert_eq!((snapshot, world.ids().len()), (expected, 23));
    // Cut once more in the same place: those items count still.
    let cut = world.load_file(version(3, 0..10)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(cut, 1)).await;
    assert_eq!((snapshot.deleted, snapshot.candidates), (0, Some(10)));
    // What is meant to be half as long needs another setting. Half is allowed: exactly as many.
    let (cut, _) = (world.load_file(version(4, 0..10)).await, ());
    let (_, snapshot) = cleaned(&world, Share::percent(50), &world.ended(cut, 1)).await;
    assert_eq!((snapshot.deleted, snapshot.reason, world.ids().len()), (10, None, 13));
    // A file of no rows.
    let empty = world.load_file(version(5, [])).await;
    let (_, snapshot) = cleaned(&world, Share::percent(99), &world.ended(empty, 1)).await;
    assert_eq!((snapshot.deleted, snapshot.reason), (0, Some(SnapshotReason::TooMany)));
    let empty = world.load_file(version(6, [])).await;
    let (_, snapshot) = cleaned(&world, Share::ALL, &world.ended(empty, 1)).await;
    assert_eq!((snapshot.deleted, world.ids()), (10, vec![100, 101, 200]));
}

#[tokio::test]
async fn a_version_with_failed_rows_deletes_nothing_until_a_replay_completes_it() {
    let world = first().await;
    let second = world.load_file(Version { fails: true, ..version(2, 0..19) }).await;
    let calls = world.state().calls;
    let (_, snapshot) = cleaned(&world, Share::ALL, &world.ended(second, 1)).await;
    let expected = SnapshotOutcome { reason: Some(SnapshotReason::FailedRows), ..SnapshotOutcome::default() };
    assert_eq!(snapshot, expected);
    assert_eq!(world.state().calls - calls, 3, "the table is not read");
    world.state().versions[second].0.fails = false;
    let (_, snapshot) = cleaned(&world, Share::ALL, &world.ended(second, 2)).await;
    assert_eq!((snapshot.deleted, world.ids().contains(&19)), (1, false));
}

#[tokio::test]
async fn rows_of_an_older_version_that_come_late_are_deleted_when_it_ends() {
    let world = first().await;
    let second = world.load_file(version(2, 0..19)).await;
    let third = world.load_file(version(3, 0..18)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(third, 1)).await;
    assert_eq!((snapshot.deleted, world.ids().contains(&18)), (2, false));
    assert!(world.load(second, &[18]).await);
    assert!(world.ids().contains(&18), "a late row puts its item back");
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(second, 1)).await;
    let latest = snapshot.latest.expect("another version counts");
    assert_eq!((snapshot.deleted, latest.version.as_deref()), (1, Some("v3")));
    assert!(!world.ids().contains(&18));
    // The oldest fails after all: the same.
    assert!(world.load(0, &[19]).await);
    world.state().versions[0].0.fails = true;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(0, 2)).await;
    assert_eq!((snapshot.deleted, snapshot.reason), (1, None));
}

#[tokio::test]
async fn without_a_number_of_items_before_nothing_is_deleted() {
    let world = first().await;
    world.forget(&version(1, []).object.source());
    let second = world.load_file(version(2, 0..19)).await;
    let (_, snapshot) = cleaned(&world, Share::ALL, &world.ended(second, 1)).await;
    assert_eq!(
        (snapshot.deleted, snapshot.candidates, snapshot.maximum, snapshot.reason),
        (0, Some(1), None, Some(SnapshotReason::NoBaseline))
    );
    // From then on there is one.
    let third = world.load_file(version(3, 0..19)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(10), &world.ended(third, 1)).await;
    assert_eq!((snapshot.deleted, snapshot.maximum), (1, Some(2)));
    // Another program has deleted most items: the share is one of those that are left.
    world.state().items.retain(|id, _| *id < 4);
    let fourth = world.load_file(version(4, 0..2)).await;
    let (_, snapshot) = cleaned(&world, Share::percent(25), &world.ended(fourth, 1)).await;
    assert_eq!((snapshot.deleted, snapshot.candidates, snapshot.maximum), (0, Some(2), Some(1)));
}

#[tokio::test]
async fn a_row_that_meets_the_item_of_another_file_says_so() {
    let world = first().await;
    let bus = Bus::default();
    let settings = crate::load::LoadSettings {
        table: "t".into(),
        key: vec!["id".into()],
        index_keys: Vec::new(),
        on_conflict: contract::settings::OnConflict::Newest,
        snapshot: true,
    };
    let secrets = crate::secrets::Secrets::<world::NoKms>::encrypted(Vec::new()).expect("no rules");
    let load = crate::load::Load::new(&world, secrets, settings, Backoff::immediate(3), bus.publisher());
    let put = |object: &ObjectRef, attribute: &str| {
        let ids = ["0", "100", "300"];
        let data = ids.map(|id| {
            Map::from_iter([("id".to_owned(), Value::from(id)), (attribute.to_owned(), Value::from("x"))])
        });
        let (object, record, data) = (object.clone(), object.records(1, 3), data.to_vec());
        let notes = contract::Notes::default();
        delivery(event(&Detail::RecordTransformed { object, record, data, data_key: None, notes }), 1)
    };
    let object = Version::new("k.csv", 3, Vec::new()).object;
    let unknown = ObjectRef { uploaded: None, ..object.clone() };
    let rows = [put(&object, "v"), put(&unknown, "v"), put(&object, "_source")];
    assert!(load.handle(&rows).await.iter().all(Result::is_ok));
    let published = bus.published();
    let Detail::RecordLoaded { notes, .. } = &published[0] else { panic!("{published:?}") };
    assert_eq!((&notes.overlapping[..], &notes.replaced[..]), (&[2][..], &[1, 2][..]));
    let failures: Vec<(contract::Reason, u64)> = published[1..]
        .iter()
        .map(|failed| match failed {
            Detail::Failed { reason, record: Some(record), .. } => (*reason, record.count),
            other => panic!("{other:?}"),
        })
        .collect();
    let invalid = (contract::Reason::InvalidItem, 1);
    assert_eq!(failures, [(contract::Reason::MalformedEvent, 3), invalid, invalid, invalid]);
    assert_eq!(world.state().items[&100]["_source"], object.source());
}

#[tokio::test]
async fn other_messages_are_not_understood() {
    let (world, bus) = (World::default(), Bus::default());
    let snapshot = world.snapshot(Share::ALL, &bus);
    let object = version(1, []).object;
    let record = object.record(1);
    let skipped = event(&Detail::RecordSkipped { object, record });
    for body in [skipped, serde_json::json!({}), Value::Null] {
        let outcome = snapshot.process(&delivery(body, 1), later()).await;
        assert!(outcome.is_err_and(|error| error.cause.starts_with("cannot process the message")));
    }
    assert!(bus.published().is_empty());
}

/// The state before the second version of the tests with faults has ended: four of its items are to be deleted.
async fn before() -> (World, Detail) {
    let world = first().await;
    let second = world.load_file(version(2, (0..20).filter(|id| id % 5 != 0))).await;
    let ended = world.ended(second, 1);
    (world, ended)
}

/// What is to be left, and what is to be said.
async fn expected() -> (Vec<usize>, SnapshotOutcome, usize) {
    let (world, ended) = before().await;
    let calls = world.state().calls;
    let (_, snapshot) = cleaned(&world, Share::percent(20), &ended).await;
    assert_eq!((snapshot.deleted, snapshot.maximum), (4, Some(4)));
    let calls = world.state().calls - calls;
    (world.ids(), snapshot, calls)
}

#[tokio::test]
async fn a_search_whose_calls_fail_is_made_again() {
    let (ids, snapshot, calls) = expected().await;
    for fault in [Fault::Throttled, Fault::AnswerLost, Fault::Denied] {
        for call in 0..calls {
            let (world, ended) = before().await;
            let mut faults = vec![Fault::None; call];
            faults.insert(0, fault);
            world.state().faults = faults;
            let bus = Bus::default();
            let outcome =
                world.snapshot(Share::percent(20), &bus).process(&delivery(event(&ended), 1), later()).await;
            assert_eq!(outcome.is_ok(), fault != Fault::Denied, "call {call}, {fault:?}: {outcome:?}");
            let (_, found) = cleaned(&world, Share::percent(20), &ended).await;
            assert_eq!((world.ids(), found), (ids.clone(), snapshot.clone()), "call {call}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_search_whose_process_ends_at_any_step_is_continued() {
    let (ids, snapshot, calls) = expected().await;
    for polls in 1..calls * 2 {
        let (world, ended) = before().await;
        let bus = Bus::default();
        let process = world.process(1).snapshot(Share::percent(20), &bus);
        let delivery = delivery(event(&ended), 1);
        until(process.process(&delivery, later()), polls).await;
        let (_, found) = cleaned(&world.process(2), Share::percent(20), &ended).await;
        assert_eq!((world.ids(), found), (ids.clone(), snapshot.clone()), "after {polls} polls");
        assert_eq!(world.deleted_by(1) + world.deleted_by(2), 4);
    }
}

#[tokio::test]
async fn a_search_that_takes_longer_than_an_invocation_continues_with_the_same_message() {
    let (ids, snapshot, _) = expected().await;
    let (world, ended) = before().await;
    let bus = Bus::default();
    let message = delivery(event(&ended), 1);
    let mut invocations = 0;
    while bus.published().is_empty() {
        invocations += 1;
        assert!(invocations < 100, "it comes to an end");
        let outcome = world.snapshot(Share::percent(20), &bus).process(&message, Instant::now()).await;
        assert_eq!(outcome, Ok(()));
    }
    let sent = world.state().sent.clone();
    assert_eq!(sent.len(), invocations - 1);
    assert!(invocations > 12 && sent.iter().all(|body| Some(body) == message.body.as_ref()), "{invocations}");
    let published = bus.published();
    let [Detail::SnapshotCompleted { outcome, .. }] = &published[..] else { panic!("{published:?}") };
    assert_eq!((world.ids(), outcome.snapshot.as_ref()), (ids, Some(&snapshot)));
}

#[tokio::test]
async fn two_processes_with_one_message_delete_no_more_than_one() {
    for offset in (0..40).step_by(3) {
        let (world, ended) = before().await;
        let bus = Bus::default();
        let (one, other) = (world.process(1), world.process(2));
        let (one, other) = (one.snapshot(Share::percent(20), &bus), other.snapshot(Share::percent(20), &bus));
        let message = delivery(event(&ended), 1);
        let late = async {
            for _ in 0..offset {
                tokio::task::yield_now().await;
            }
            other.process(&message, later()).await
        };
        let (first, second) = tokio::join!(one.process(&message, later()), late);
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        assert_eq!(world.deleted_by(1) + world.deleted_by(2), 4);
        let (_, found) = cleaned(&world, Share::percent(20), &ended).await;
        assert_eq!(found.deleted, 4);
    }
}

/// Whenever a row of a newer version is written while the candidates are deleted, its item stays.
#[tokio::test]
async fn a_row_that_is_written_between_reading_and_deleting_keeps_its_item() {
    for offset in (0..130).step_by(2) {
        let (world, ended) = before().await;
        let third = version(3, [0, 5, 10, 15]);
        world.state().versions.push((third, std::collections::BTreeSet::new()));
        let bus = Bus::default();
        let process = world.snapshot(Share::percent(20), &bus);
        let message = delivery(event(&ended), 1);
        let late = async {
            for _ in 0..offset {
                tokio::task::yield_now().await;
            }
            world.load(3, &[0, 1, 2, 3]).await
        };
        let (done, loaded) = tokio::join!(process.process(&message, later()), late);
        assert!(done.is_ok() && loaded, "{done:?}");
        assert!(
            [0, 5, 10, 15].iter().all(|id| world.ids().contains(id)),
            "after {offset} steps: {:?}",
            world.ids()
        );
    }
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    /// Rows come to `load`: a version, and the rows.
    Load(usize, Vec<usize>, Vec<Fault>),
    /// The ends of two versions come to `snapshot` at once, if they are complete, while rows of a third come to `load`; the
    /// processes end after so many steps. All rows of the first come before, but in one of four cases.
    End([usize; 2], usize, Vec<usize>, Vec<Fault>, usize, bool),
}

const VERSIONS: usize = 4;

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        12 => Just(Fault::None),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::AnswerLost),
        1 => Just(Fault::Denied),
    ];
    prop_oneof![1 => Just(Vec::new()), 1 => proptest::collection::vec(fault, 0..30)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let rows = || proptest::collection::vec(0..8_usize, 1..8);
    prop_oneof![
        2 => (0..VERSIONS, rows(), faults()).prop_map(|(of, rows, faults)| Happening::Load(of, rows, faults)),
        2 => (0..VERSIONS).prop_map(|of| Happening::Load(of, (0..10).collect(), Vec::new())),
        3 => (
            [0..VERSIONS, 0..VERSIONS], 0..VERSIONS, rows(), faults(), prop_oneof![0..80_usize, Just(100_000)],
            proptest::bool::weighted(0.75),
        )
            .prop_map(|(ended, of, rows, faults, polls, whole)| Happening::End(ended, of, rows, faults, polls, whole)),
    ]
}

/// Versions of one file, each uploaded a day after the one before, and with most of its rows.
fn versions() -> impl Strategy<Value = Vec<Version>> {
    let all = 0..10_usize;
    let few = || proptest::collection::btree_set(all.clone(), 0..4);
    let file = (few(), few(), proptest::bool::weighted(0.1));
    let first = proptest::collection::btree_set(all.clone(), 4..10);
    (first, proptest::collection::vec(file, VERSIONS)).prop_map(|(mut rows, files)| {
        let mut versions = Vec::new();
        for (day, (gone, come, fails)) in files.into_iter().enumerate() {
            versions.push(Version { fails: fails && day > 0, ..version(day, rows.clone()) });
            rows.retain(|row| !gone.contains(row));
            rows.extend(come);
        }
        versions
    })
}

async fn happens(world: &World, share: Share, happening: &Happening, attempts: &mut [u64]) {
    let known = |of: usize, rows: &[usize]| -> Vec<usize> {
        let count = world.state().versions[of].0.rows.len();
        rows.iter().copied().filter(|row| *row < count).collect()
    };
    match happening {
        Happening::Load(of, rows, faults) => {
            let rows = known(*of, rows);
            world.state().faults = faults.clone();
            world.load(*of, &rows).await;
        }
        Happening::End(ended, of, rows, faults, polls, whole) => {
            let rows = known(*of, rows);
            if *whole {
                let all = known(ended[0], &Vec::from_iter(0..10));
                world.load(ended[0], &all).await;
            }
            world.state().faults = faults.clone();
            let clean = |of: usize| {
                let (version, loaded) = &world.state().versions[of];
                // Rows that failed settle a version as well; the others are loaded.
                let settled = loaded.len() == version.rows.len();
                let attempt = attempts[of];
                let ended = settled.then(|| version.ended(attempt));
                async move {
                    let Some(ended) = ended else { return };
                    let bus = Bus::default();
                    let process = world.process(of * 100 + usize::try_from(attempt).expect("few"));
                    let message = delivery(event(&ended), 1);
                    // It may fail, and come again or not.
                    let _ = process.snapshot(share, &bus).process(&message, later()).await;
                }
            };
            let (one, other) = (clean(ended[0]), clean(ended[1]));
            // Rows come before the search, somewhere in it, or between what it reads and what it deletes.
            let steps = rows.iter().sum::<usize>() * 11 % 89;
            let late = async {
                if steps % 2 == 1 {
                    world.state().before_deletion = Some(*of);
                    return;
                }
                for _ in 0..steps {
                    tokio::task::yield_now().await;
                }
                world.load(*of, &rows).await;
            };
            until(async { tokio::join!(one, other, late) }, *polls).await;
            // The next end of it is another attempt, or the same event once more.
            if polls % 2 == 1 {
                attempts[ended[0]] += 1;
            }
        }
    }
    let mut state = world.state();
    state.faults = Vec::new();
    state.before_deletion = None;
}

/// Returns what is wrong with the table, if anything is: each row of the latest complete version has an item, which is its
/// own or newer, and no process has deleted more than it may.
fn wrong(world: &World, attempts: &[u64]) -> Option<String> {
    let state = world.state();
    if let Some(violation) = &state.violation {
        return Some(violation.clone());
    }
    let source = version(0, []).object.source();
    if let Some(latest) = state.latest(&source) {
        for id in &latest.rows {
            let item = state.items.get(id).and_then(|item| item["_version"].as_str());
            if item.is_none_or(|item| Some(item) < latest.object.uploaded.as_deref()) {
                return Some(format!("item {id} is {item:?}, and {:?} has it", latest.object.uploaded));
            }
        }
    }
    let objects: Vec<ObjectRef> = state.versions.iter().map(|(version, _)| version.object.clone()).collect();
    drop(state);
    for (of, object) in objects.iter().enumerate().take(VERSIONS) {
        for attempt in 1..=attempts[of] {
            let deleted = world.deleted_by(of * 100 + usize::try_from(attempt).expect("few"));
            let run = world.text(&Place::of_attempt(&object.digest(), attempt)).unwrap_or_default();
            if deleted > run["maximum"].as_u64().unwrap_or_default() {
                return Some(format!(
                    "attempt {attempt} at {:?} has deleted {deleted}: {run}",
                    object.version
                ));
            }
        }
    }
    None
}

proptest! {
    // A case is a hundred calls.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    /// Never an item deleted that the latest complete version has: whatever comes in whatever order and twice, whichever
    /// calls fail and wherever processes end, at once or one after the other.
    #[test]
    fn no_item_of_the_latest_complete_version_is_ever_deleted(
        versions in versions(),
        happenings in proptest::collection::vec(happening(), 1..24),
        percent in prop_oneof![3 => Just(100_u16), 1 => 0..100_u16],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (world, share) = (World::default(), Share::percent(percent));
            world.load_file(Version::new("other.csv", 0, vec![10, 11])).await;
            let other = world.ids();
            world.state().versions.clear();
            for version in versions {
                world.state().versions.push((version, std::collections::BTreeSet::new()));
            }
            // The items are counted for the first time: without that, nothing is deleted.
            let all: Vec<usize> = (0..world.state().versions[0].0.rows.len()).collect();
            prop_assert!(world.load(0, &all).await);
            cleaned(&world, share, &world.ended(0, 0)).await;
            let mut attempts = vec![1; VERSIONS];
            for happening in &happenings {
                happens(&world, share, happening, &mut attempts).await;
                let wrong = wrong(&world, &attempts);
                prop_assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
            }
            // In the end all rows have come, and the latest version ends once more: what is left is what it has, and what is
            // newer, unless there was too much.
            for of in 0..VERSIONS {
                let rows: Vec<usize> = (0..world.state().versions[of].0.rows.len()).collect();
                prop_assert!(world.load(of, &rows).await);
            }
            let source = version(0, []).object.source();
            let latest = world.state().latest(&source).cloned();
            if let Some(latest) = latest {
                let (_, first) = cleaned(&world, share, &latest.ended(1_000)).await;
                let (_, snapshot) = cleaned(&world, share, &latest.ended(1_001)).await;
                let is_left = |id: &usize| !other.contains(id) && !latest.rows.contains(id);
                let old = world.state().items.iter().filter(|(id, item)| {
                    is_left(id) && item["_version"].as_str() < latest.object.uploaded.as_deref()
                }).count() as u64;
                prop_assert_eq!(snapshot.candidates.unwrap_or_default() - snapshot.deleted, old);
                prop_assert!(old == 0 || snapshot.reason == Some(SnapshotReason::TooMany), "{:?} {:?}", first, snapshot);
            }
            prop_assert!(other.iter().all(|id| world.ids().contains(id)));
            let wrong = wrong(&world, &attempts);
            prop_assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
            Ok(())
        })?;
    }
}
