//! A table, a tally and a bus in memory, which `load` and `snapshot` share. Every call may fail, and lets others come
//! between.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use contract::settings::{OnConflict, SOURCE_ATTRIBUTE, Share, SnapshotSettings, VERSION_ATTRIBUTE};
use contract::{Notes, ObjectRef};
use sealing::{DataKey, Kms, KmsError};
use serde_json::json;
use tally::snapshot::Remembered;
use zeroize::Zeroizing;

use super::super::*;
use crate::item::{Change, Deletion as Deleted, Item};
use crate::load::version::VersionOf;
use crate::load::{Answer, Load, LoadSettings, Other, Table, WriteError};
use crate::messages::{Handler, QueueOrigin};
use crate::secrets::Secrets;
use crate::testing::{Bus, delivery, event};

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It is refused, and may be repeated.
    Throttled,
    /// It is executed, and its answer is lost.
    AnswerLost,
    /// It is refused for good.
    Denied,
}

/// A version of a file, as the test has it.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) object: ObjectRef,
    /// The ID of each row.
    pub(super) rows: Vec<usize>,
    /// `true` if one more row of it fails.
    pub(super) fails: bool,
}

impl Version {
    pub(super) fn new(key: &str, day: usize, rows: Vec<usize>) -> Self {
        let object = ObjectRef {
            bucket: "b".into(),
            key: key.into(),
            version: Some(format!("v{day}")),
            etag: None,
            uploaded: Some(format!("2026-11-{:02}T12:00:00.000Z", day + 1)),
            replay: None,
        };
        Self { object, rows, fails: false }
    }

    /// Returns the event about its end.
    pub(super) fn ended(&self, attempt: u64) -> Detail {
        let outcome = ObjectOutcome {
            id: ObjectOutcome::id_of(&self.object, attempt),
            attempt,
            rows: self.rows.len() as u64,
            loaded: self.rows.len() as u64,
            failed: u64::from(self.fails),
            ..ObjectOutcome::default()
        };
        Detail::ObjectCompleted { object: self.object.clone(), outcome: Box::new(outcome) }
    }
}

#[derive(Default)]
pub(super) struct State {
    /// Attributes of items, by ID.
    pub(super) items: BTreeMap<usize, Map<String, Value>>,
    memory: BTreeMap<Place, (u64, String, String)>,
    pub(super) calls: usize,
    /// The fault of each of the next calls.
    pub(super) faults: Vec<Fault>,
    /// Versions, and the rows of each that `load` has reported as loaded.
    pub(super) versions: Vec<(Version, BTreeSet<usize>)>,
    /// The version of which a row comes to `load` right before its older item is deleted.
    pub(super) before_deletion: Option<usize>,
    /// The items that each process has deleted. One that an old row brings back is deleted again, and is still one.
    deletions: BTreeMap<usize, BTreeSet<usize>>,
    /// A deletion that must not be.
    pub(super) violation: Option<String>,
    pub(super) sent: Vec<String>,
}

/// The world, as one process sees it.
#[derive(Clone, Default)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    process: usize,
}

fn refused(code: &str, retryable: bool) -> CallError {
    CallError { code: code.into(), message: "m".into(), retryable }
}

impl State {
    /// Returns the latest version of a file of which every row is loaded.
    pub(super) fn latest(&self, source: &str) -> Option<&Version> {
        let complete = self.versions.iter().filter(|(version, loaded)| {
            !version.fails && loaded.len() == version.rows.len() && version.object.source() == source
        });
        complete.map(|(version, _)| version).max_by_key(|version| version.object.uploaded.clone())
    }

    /// Notes a deletion that takes away what the latest complete version of the file has.
    fn judge(&mut self, id: usize, process: usize) {
        self.deletions.entry(process).or_default().insert(id);
        let Some(item) = self.items.get(&id) else { return };
        let source = item[SOURCE_ATTRIBUTE].as_str().unwrap_or_default();
        let version = item[VERSION_ATTRIBUTE].as_str().unwrap_or_default();
        let wrong = match self.latest(source) {
            None => Some("no version is complete".to_owned()),
            Some(latest) if latest.rows.contains(&id) => Some(format!("{} has it", latest.object.key)),
            Some(latest)
                if VersionOf::parse(version)
                    .is_none_or(|of| Some(of.uploaded) >= latest.object.uploaded.as_deref()) =>
            {
                Some("it is newer".to_owned())
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            self.violation.get_or_insert(format!("item {id} of version {version} was deleted: {wrong}"));
        }
    }
}

impl World {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }

    /// Returns the world as another process sees it.
    pub(super) fn process(&self, process: usize) -> Self {
        Self { state: self.state.clone(), process }
    }

    /// Returns the number of items that a process has deleted.
    pub(super) fn deleted_by(&self, process: usize) -> u64 {
        self.state().deletions.get(&process).map_or(0, |items| items.len() as u64)
    }

    /// Returns the text at a place.
    pub(super) fn text(&self, place: &Place) -> Option<Value> {
        self.state().memory.get(place).map(|(.., text)| serde_json::from_str(text).expect("JSON"))
    }

    /// Forgets everything that is remembered of a file.
    pub(super) fn forget(&self, source: &str) {
        self.state().memory.remove(&Place::of_file(source));
    }

    pub(super) fn ids(&self) -> Vec<usize> {
        self.state().items.keys().copied().collect()
    }

    /// Executes a call, unless it fails.
    async fn call<T>(&self, execute: impl FnOnce(&mut State) -> T) -> Result<T, CallError> {
        tokio::task::yield_now().await;
        let answer = {
            let mut state = self.state();
            state.calls += 1;
            match state.faults.pop().unwrap_or(Fault::None) {
                Fault::None => Ok(execute(&mut state)),
                Fault::AnswerLost => {
                    execute(&mut state);
                    Err(refused("Timeout", true))
                }
                Fault::Throttled => Err(refused("ThrottlingException", true)),
                Fault::Denied => Err(refused("AccessDeniedException", false)),
            }
        };
        tokio::task::yield_now().await;
        answer
    }

    pub(super) fn snapshot(&self, share: Share, bus: &Bus) -> Snapshot<Self, Self, Self, Bus> {
        let settings = SnapshotSettings { maximum_deleted: share };
        let (items, memory, queues) = (self.clone(), self.clone(), self.clone());
        Snapshot::new(settings, items, memory, queues, bus.publisher(), Backoff::immediate(3), Some(3))
    }

    /// Lets `load` write rows, and returns whether all were reported as loaded.
    pub(super) async fn load(&self, version: usize, rows: &[usize]) -> bool {
        let (object, ids): (ObjectRef, Vec<usize>) = {
            let state = self.state();
            let (version, _) = &state.versions[version];
            (version.object.clone(), rows.iter().map(|row| version.rows[*row]).collect())
        };
        let bus = Bus::default();
        let settings = LoadSettings {
            table: "t".into(),
            key: vec!["id".into()],
            index_keys: Vec::new(),
            on_conflict: OnConflict::Newest,
            snapshot: true,
        };
        let secrets = Secrets::encrypted(Vec::new()).expect("no rules");
        let load: Load<&Self, NoKms, Bus> =
            Load::new(self, secrets, settings, Backoff::immediate(3), bus.publisher());
        let deliveries: Vec<Delivery> = rows
            .iter()
            .zip(ids)
            .map(|(row, id)| {
                let data = vec![Map::from_iter([("id".to_owned(), json!(id.to_string()))])];
                let record = object.record(*row as u64 + 1);
                let object = object.clone();
                let notes = Notes::default();
                delivery(event(&Detail::RecordTransformed { object, record, data, data_key: None, notes }), 1)
            })
            .collect();
        let outcomes = load.handle(&deliveries).await;
        let mut state = self.state();
        for (row, _) in rows.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            state.versions[version].1.insert(*row);
        }
        outcomes.iter().all(Result::is_ok)
    }

    /// Lets `load` write a whole file.
    pub(super) async fn load_file(&self, version: Version) -> usize {
        let index = {
            let mut state = self.state();
            state.versions.push((version, BTreeSet::new()));
            state.versions.len() - 1
        };
        let rows: Vec<usize> = (0..self.state().versions[index].0.rows.len()).collect();
        assert!(self.load(index, &rows).await);
        index
    }

    /// Returns the event about the end of a version that was added.
    pub(super) fn ended(&self, version: usize, attempt: u64) -> Detail {
        self.state().versions[version].0.ended(attempt)
    }
}

fn id_of(key: &Map<String, Value>) -> usize {
    let id = &key["id"];
    id.as_str().or(id["S"].as_str()).and_then(|id| id.parse().ok()).expect("an ID")
}

fn text(item: &Map<String, Value>, name: &str) -> Option<String> {
    item.get(name)?.as_str().map(str::to_owned)
}

/// Items of a page: several pages in each test.
const PAGE: usize = 3;

impl Items for World {
    async fn page(&self, source: &str, from: Option<&Map<String, Value>>) -> Result<Page, CallError> {
        let from = from.map(id_of);
        self.call(|state| {
            let read: Vec<(usize, Map<String, Value>)> = state
                .items
                .iter()
                .filter(|(id, _)| from.is_none_or(|from| **id > from))
                .take(PAGE)
                .map(|(id, item)| (*id, item.clone()))
                .collect();
            let key = |id: usize| Map::from_iter([("id".to_owned(), json!({ "S": id.to_string() }))]);
            let next = read.last().filter(|_| read.len() == PAGE).map(|(id, _)| key(*id));
            let of_file =
                read.iter().filter(|(_, item)| text(item, SOURCE_ATTRIBUTE).as_deref() == Some(source));
            let items = of_file
                .map(|(id, item)| Found { key: key(*id), version: text(item, VERSION_ATTRIBUTE) })
                .collect();
            Page { items, next }
        })
        .await
    }

    async fn delete(&self, key: &Map<String, Value>, version: &str) -> Result<Deletion, CallError> {
        let (id, process) = (id_of(key), self.process);
        let late = {
            let mut state = self.state();
            let row = |of: usize| state.versions[of].0.rows.iter().position(|row| *row == id);
            let late = state.before_deletion.and_then(|of| Some((of, row(of)?)));
            state.before_deletion.take_if(|_| late.is_some());
            late
        };
        if let Some((of, row)) = late {
            self.load(of, &[row]).await;
        }
        self.call(|state| match state.items.get(&id).map(|item| text(item, VERSION_ATTRIBUTE)) {
            None => Deletion::Gone,
            Some(found) if found.as_deref() != Some(version) => Deletion::Changed,
            Some(_) => {
                state.judge(id, process);
                state.items.remove(&id);
                Deletion::Gone
            }
        })
        .await
    }
}

impl Memory for World {
    async fn recall(&self, place: &Place) -> Result<Option<Remembered>, CallError> {
        self.call(|state| {
            let (revision, _, text) = state.memory.get(place)?;
            Some(Remembered { revision: *revision, text: text.clone() })
        })
        .await
    }

    async fn remember(&self, place: &Place, known: u64, holder: &str, text: &str) -> Result<bool, CallError> {
        self.call(|state| {
            let there = state.memory.get(place).map(|(revision, holder, _)| (*revision, holder.clone()));
            let free = there.as_ref().map_or(0, |(revision, _)| *revision) == known;
            let own = there.as_ref() == Some(&(known + 1, holder.to_owned()));
            if free || own {
                state.memory.insert(place.clone(), (known + 1, holder.to_owned(), text.to_owned()));
            }
            free || own
        })
        .await
    }
}

impl Delay for World {
    async fn delay(&self, _: &QueueOrigin, _: i32) -> Result<(), String> {
        Ok(())
    }

    async fn send_later(&self, _: &QueueOrigin, body: &str, _: i32) -> Result<(), String> {
        self.call(|state| state.sent.push(body.to_owned())).await.map_err(|error| error.code)
    }
}

impl Table for &World {
    async fn write(&self, _: &[&Change]) -> Result<Vec<usize>, WriteError> {
        Err(WriteError::Invalid)
    }

    async fn put_newest(&self, item: &Item) -> Result<Answer, WriteError> {
        let (id, version) = (id_of(&item.key), text(&item.attributes, VERSION_ATTRIBUTE));
        let put = self.call(|state| {
            let other = state.items.get(&id).map(|other| Other {
                version: text(other, VERSION_ATTRIBUTE),
                source: text(other, SOURCE_ATTRIBUTE),
            });
            let written = other.as_ref().is_none_or(|other| other.version <= version);
            if written {
                state.items.insert(id, item.attributes.clone());
            }
            Answer { written, other }
        });
        put.await.map_err(|CallError { code, retryable, .. }| WriteError::Call { code, retryable })
    }

    async fn put_new(&self, _: &Item) -> Result<Answer, WriteError> {
        Err(WriteError::Invalid)
    }

    async fn merge(&self, _: &Item) -> Result<(), WriteError> {
        Err(WriteError::Invalid)
    }

    async fn write_marked(&self, _: &Item, _: &str, _: bool) -> Result<Answer, WriteError> {
        Err(WriteError::Invalid)
    }

    async fn delete(&self, _: &Deleted, _: Option<&str>) -> Result<Answer, WriteError> {
        Err(WriteError::Invalid)
    }
}

/// No field is sensitive.
#[derive(Debug)]
pub(super) struct NoKms;

impl Kms for NoKms {
    async fn generate(&self, _: &str) -> Result<DataKey, KmsError> {
        unreachable!("no field is sensitive")
    }

    async fn decrypt(&self, _: &[u8], _: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        unreachable!("no field is sensitive")
    }
}

/// Returns the result of a future, unless the process ends before it has been polled so often.
pub(super) async fn until<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
        {
            return Some(output);
        }
        // Tasks that wait side by side are woken by the runtime alone.
        tokio::task::yield_now().await;
    }
    None
}
