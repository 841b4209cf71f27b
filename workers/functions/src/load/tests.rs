//! `load` against a table that behaves as DynamoDB does.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use contract::verification::ATTRIBUTE;
use proptest::prelude::*;
use sealing::{DataKey, KmsError};
use serde_json::json;
use zeroize::Zeroizing;

use super::*;
use crate::testing::{Bus, delivery, event, json_value, object};

mod conflicts;
mod marked;
mod sensitive;

/// A table in memory: items by key; an item with an attribute `poison` is not valid.
#[derive(Default)]
struct Memory {
    items: Mutex<HashMap<String, Value>>,
    /// The number of items in each call: positive for `write`, 0 for a call for one item.
    calls: Mutex<Vec<usize>>,
    /// The numbers of items that the next `write` calls process; they leave the rest.
    processes: Mutex<Vec<usize>>,
    /// The errors with which the next `write` calls fail.
    errors: Mutex<Vec<WriteError>>,
    /// The faults of the next calls for single items.
    faults: Mutex<Vec<Fault>>,
}

/// A fault of a call for a single item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It is refused, and may be repeated.
    Throttled,
    /// It is executed, and its answer is lost.
    AnswerLost,
    /// It is refused for good.
    Denied,
}

fn key_of(key: &Map<String, Value>) -> String {
    Value::Object(key.clone()).to_string()
}

fn failed_call(code: &str, retryable: bool) -> WriteError {
    WriteError::Call { code: code.into(), retryable }
}

impl Memory {
    fn insert(&self, item: &Item) {
        let attributes = Value::Object(item.attributes.clone());
        self.items.lock().expect("lock").insert(key_of(&item.key), attributes);
    }

    fn apply(&self, change: &Change) {
        match change {
            Change::Put(item) => self.insert(item),
            Change::Delete(deletion) => {
                self.items.lock().expect("lock").remove(&key_of(&deletion.key));
            }
        }
    }

    fn calls(&self) -> Vec<usize> {
        self.calls.lock().expect("lock").clone()
    }

    /// Returns the item of a key.
    fn item(&self, id: &str) -> Option<Value> {
        self.items.lock().expect("lock").get(&json!({ "id": id }).to_string()).cloned()
    }

    /// Returns the item of a key as a write finds it.
    fn other(&self, key: &Map<String, Value>) -> Option<Other> {
        let items = self.items.lock().expect("lock");
        let item = items.get(&key_of(key))?;
        let text = |name: &str| item[name].as_str().map(str::to_owned);
        Some(Other { version: text(VERSION_ATTRIBUTE), source: text(SOURCE_ATTRIBUTE) })
    }

    /// Makes a change under a condition on the item that is there, with the next fault.
    async fn change_if(
        &self,
        change: &Change,
        condition: impl Fn(Option<&Other>) -> bool,
    ) -> Result<Answer, WriteError> {
        self.calls.lock().expect("lock").push(0);
        let fault = self.faults.lock().expect("lock").pop().unwrap_or(Fault::None);
        // Lets other calls come between.
        tokio::task::yield_now().await;
        match fault {
            Fault::Throttled => return Err(failed_call("ThrottlingException", true)),
            Fault::Denied => return Err(failed_call("AccessDeniedException", false)),
            Fault::None | Fault::AnswerLost => {}
        }
        if matches!(change, Change::Put(item) if item.attributes.contains_key("poison")) {
            return Err(WriteError::Invalid);
        }
        let other = self.other(change.key());
        let written = condition(other.as_ref());
        if written {
            self.apply(change);
        }
        match fault {
            Fault::AnswerLost => Err(failed_call("Timeout", true)),
            _ => Ok(Answer { written, other }),
        }
    }
}

/// Returns whether an item is not newer than a version.
fn not_newer(other: Option<&Other>, version: Option<&str>) -> bool {
    other.and_then(|other| other.version.as_deref()).is_none_or(|other| Some(other) <= version)
}

impl Table for &Memory {
    async fn write(&self, changes: &[&Change]) -> Result<Vec<usize>, WriteError> {
        assert!((1..=MAX_ITEMS).contains(&changes.len()));
        self.calls.lock().expect("lock").push(changes.len());
        for (index, change) in changes.iter().enumerate() {
            assert!(
                changes.iter().skip(index + 1).all(|other| other.key() != change.key()),
                "equal keys in one request"
            );
        }
        if let Some(error) = self.errors.lock().expect("lock").pop() {
            return Err(error);
        }
        let poisoned =
            |change: &&Change| matches!(change, Change::Put(item) if item.attributes.contains_key("poison"));
        if changes.iter().any(poisoned) {
            return Err(WriteError::Invalid);
        }
        let processed =
            self.processes.lock().expect("lock").pop().unwrap_or(changes.len()).min(changes.len());
        changes.iter().take(processed).for_each(|change| self.apply(change));
        Ok((processed..changes.len()).collect())
    }

    async fn put_newest(&self, item: &Item) -> Result<Answer, WriteError> {
        let version = item.attributes[VERSION_ATTRIBUTE].as_str();
        self.change_if(&Change::Put(item.clone()), |other| not_newer(other, version)).await
    }

    async fn put_new(&self, item: &Item) -> Result<Answer, WriteError> {
        self.change_if(&Change::Put(item.clone()), |other| other.is_none()).await
    }

    async fn merge(&self, item: &Item) -> Result<(), WriteError> {
        let before = self.items.lock().expect("lock").get(&key_of(&item.key)).cloned();
        let mut attributes = before.map(map).unwrap_or_default();
        attributes.extend(item.attributes.clone());
        let merged = Item { attributes, key: item.key.clone() };
        self.change_if(&Change::Put(merged), |_| true).await.map(drop)
    }

    async fn write_marked(&self, item: &Item, id: &str, merge: bool) -> Result<Answer, WriteError> {
        let before = self.items.lock().expect("lock").get(&key_of(&item.key)).cloned();
        let Some(before) = before.filter(|before| before[ATTRIBUTE] == id) else {
            return Ok(Answer { written: false, other: None });
        };
        let mut attributes = if merge { map(before) } else { Map::new() };
        attributes.extend(item.attributes.clone());
        attributes.insert(ATTRIBUTE.to_owned(), id.into());
        self.change_if(&Change::Put(Item { attributes, key: item.key.clone() }), |_| true).await
    }

    async fn delete(&self, deletion: &Deletion, version: Option<&str>) -> Result<Answer, WriteError> {
        let change = Change::Delete(deletion.clone());
        self.change_if(&change, |other| version.is_none() || not_newer(other, version)).await
    }
}

/// A KMS whose encrypted keys name the object that they are for.
#[derive(Default)]
struct FakeKms {
    asked: AtomicU32,
}

impl Kms for &FakeKms {
    async fn generate(&self, object: &str) -> Result<DataKey, KmsError> {
        Ok(DataKey { plain: Zeroizing::new(vec![7; 32]), encrypted: object.as_bytes().to_vec() })
    }

    async fn decrypt(&self, encrypted: &[u8], object: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match encrypted {
            b"down" => Err(KmsError::Unavailable { code: "ThrottlingException".into(), retryable: true }),
            encrypted if encrypted == object.as_bytes() => Ok(Zeroizing::new(vec![7; 32])),
            _ => Err(KmsError::Undecryptable("InvalidCiphertextException".into())),
        }
    }
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

fn message(index: u64, data: Value, attempt: u32) -> Delivery {
    messages(index, &[data], attempt)
}

/// Returns one message with several rows.
fn messages(first: u64, data: &[Value], attempt: u32) -> Delivery {
    let record = object().records(first, data.len() as u64);
    let data = data.iter().cloned().map(map).collect();
    delivery(
        event(&Detail::RecordTransformed {
            object: object(),
            record,
            data,
            data_key: None,
            notes: Notes::default(),
        }),
        attempt,
    )
}

fn function<'a>(memory: &'a Memory, bus: &Bus) -> Load<&'a Memory, &'static FakeKms, Bus> {
    configured(memory, bus, OnConflict::Overwrite)
}

fn configured<'a>(
    memory: &'a Memory,
    bus: &Bus,
    on_conflict: OnConflict,
) -> Load<&'a Memory, &'static FakeKms, Bus> {
    with(memory, bus, Secrets::encrypted(Vec::new()).expect("no rules"), on_conflict)
}

fn with<'a, 'k>(
    memory: &'a Memory,
    bus: &Bus,
    secrets: Secrets<&'k FakeKms>,
    on_conflict: OnConflict,
) -> Load<&'a Memory, &'k FakeKms, Bus> {
    let settings = LoadSettings {
        table: "table".into(),
        key: vec!["id".into()],
        index_keys: vec!["town".into()],
        on_conflict,
        snapshot: false,
    };
    Load::new(memory, secrets, settings, Backoff::immediate(3), bus.publisher())
}

/// Returns rows of the same few keys, in objects uploaded at different times.
fn competing(number: usize) -> Delivery {
    let times = [None, Some("2026-01-01T00:00:00.000Z"), Some("2026-01-01T00:00:00.001Z")];
    let object = ObjectRef { uploaded: times[number % 3].map(str::to_owned), ..object() };
    let record = object.record((number / 3) as u64 + 5);
    let data = vec![map(json!({ "id": (number / 3 % 3).to_string(), "value": number }))];
    delivery(
        event(&Detail::RecordTransformed { object, record, data, data_key: None, notes: Notes::default() }),
        1,
    )
}

#[tokio::test]
async fn an_empty_key_of_an_index_is_left_out_of_the_item_and_no_other_value_is() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let rows = [
        json!({ "id": "1", "town": "", "note": "" }),
        json!({ "id": "2", "town": "   ", "note": "x" }),
        json!({ "id": "3", "note": "" }),
    ];
    let deliveries: Vec<Delivery> = (1..)
        .zip(&rows)
        .map(|(index, row)| {
            let (object, record) = (object(), object().record(index));
            let data = vec![map(row.clone())];
            delivery(
                event(&Detail::RecordTransformed {
                    object,
                    record,
                    data,
                    data_key: None,
                    notes: Notes::default(),
                }),
                1,
            )
        })
        .collect();
    assert!(function(&memory, &bus).handle(&deliveries).await.iter().all(Result::is_ok));
    let items = memory.items.lock().expect("lock");
    let item = |id: &str| items.get(&json!({ "id": id }).to_string()).cloned();
    assert_eq!(item("1"), Some(json!({ "id": "1", "note": "" })));
    assert_eq!((item("2"), item("3")), (Some(rows[1].clone()), Some(rows[2].clone())));
}

fn loaded(index: u64, id: Value) -> Detail {
    Detail::RecordLoaded {
        object: object(),
        record: object().record(index),
        table: "table".into(),
        key: vec![map(json!({ "id": id }))],
        notes: Notes::default(),
    }
}

fn reasons(details: &[Detail]) -> Vec<(u64, Reason)> {
    details
        .iter()
        .filter_map(|detail| match detail {
            Detail::Failed { stage: FailedStage::Load, reason, record, .. } => {
                Some((record.as_ref().map_or(0, |record| record.index), *reason))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn items_are_written_25_at_a_time_and_announced() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let messages: Vec<Delivery> =
        (1..=60).map(|index| message(index, json!({ "id": index.to_string(), "n": index }), 1)).collect();
    assert!(function(&memory, &bus).handle(&messages).await.iter().all(Result::is_ok));
    assert_eq!(memory.calls(), [25, 25, 10]);
    assert_eq!(memory.items.lock().expect("lock").len(), 60);
    let published = bus.published();
    assert_eq!(published.len(), 60);
    assert!(published.contains(&loaded(60, json!("60"))));
}

#[tokio::test]
async fn equal_keys_go_into_consecutive_requests_and_the_last_one_stays() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let messages = [
        message(1, json!({ "id": "a", "v": 1 }), 1),
        message(2, json!({ "id": "b", "v": 2 }), 1),
        message(3, json!({ "id": "a", "v": 3 }), 1),
        message(4, json!({ "id": "a", "v": 4 }), 1),
    ];
    assert!(function(&memory, &bus).handle(&messages).await.iter().all(Result::is_ok));
    assert_eq!(memory.calls(), [2, 1, 1]);
    assert_eq!(memory.items.lock().expect("lock")["{\"id\":\"a\"}"]["v"], 4);
    assert_eq!(bus.published().len(), 4);
}

/// Returns the rows that `record-loaded` names as overwritten.
fn named(bus: &Bus) -> std::collections::BTreeSet<u64> {
    let rows = bus.published().into_iter().filter_map(|detail| match detail {
        Detail::RecordLoaded { notes, .. } => Some(notes.overwritten),
        _ => None,
    });
    rows.flatten().collect()
}

#[tokio::test]
async fn rows_that_another_row_of_the_file_replaces_are_named() {
    let same = |index| message(index, json!({ "id": "a", "v": index }), 1);
    let (memory, bus) = (Memory::default(), Bus::default());
    let batch = [same(1), same(2), message(3, json!({ "id": "b" }), 1), same(4), same(4)];
    assert!(function(&memory, &bus).handle(&batch).await.iter().all(Result::is_ok));
    assert_eq!(named(&bus), [1, 2].into());
    // Delivered again, in another order: the same rows.
    assert!(function(&memory, &bus).handle(&[same(4), same(2), same(1)]).await.iter().all(Result::is_ok));
    assert_eq!(named(&bus), [1, 2].into());
    // Rows of other files have their own item's right to be replaced.
    let bus = Bus::default();
    let other = ObjectRef { key: "other.csv".into(), ..object() };
    let record = other.record(7);
    let data = vec![map(json!({ "id": "a" }))];
    let other = delivery(
        event(&Detail::RecordTransformed {
            object: other,
            record,
            data,
            data_key: None,
            notes: Notes::default(),
        }),
        1,
    );
    assert!(function(&memory, &bus).handle(&[same(1), other]).await.iter().all(Result::is_ok));
    assert_eq!(named(&bus), [].into());
    // Several rows in one message.
    let bus = Bus::default();
    let rows = [json!({ "id": "x" }), json!({ "id": "x" }), json!({ "id": "y" })];
    assert_eq!(function(&memory, &bus).handle(&[messages(3, &rows, 1)]).await, [Ok(())]);
    assert!(matches!(&bus.published()[..], [Detail::RecordLoaded { record, notes, .. }]
        if record.count == 3 && notes.overwritten == [3]));
}

proptest! {
    /// With `newest` each write returns the item that was there: whatever the order, no row is named that stays, and
    /// with each delivered once, all others are.
    #[test]
    fn newest_names_each_row_that_is_replaced(
        order in Just((1..=30u64).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(1..=30u64, 0..20),
        size in 1..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let (memory, bus) = (Memory::default(), Bus::default());
        let function = configured(&memory, &bus, OnConflict::Newest);
        let all: Vec<u64> = order.into_iter().chain(again).collect();
        for rows in all.chunks(size) {
            let batch: Vec<Delivery> =
                rows.iter().map(|row| message(*row, json!({ "id": (row % 3).to_string() }), 1)).collect();
            prop_assert!(runtime.block_on(function.handle(&batch)).iter().all(Result::is_ok));
        }
        prop_assert_eq!(named(&bus), (1..=27).collect());
    }
}

#[tokio::test]
async fn what_the_table_did_not_get_to_is_sent_again() {
    let (memory, bus) = (Memory::default(), Bus::default());
    *memory.processes.lock().expect("lock") = vec![1, 1];
    let messages: Vec<Delivery> = (1..=3).map(|index| message(index, json!({ "id": index }), 1)).collect();
    assert!(function(&memory, &bus).handle(&messages).await.iter().all(Result::is_ok));
    assert_eq!(memory.calls(), [3, 2, 1]);
    assert_eq!(memory.items.lock().expect("lock").len(), 3);
}

#[tokio::test]
async fn what_the_table_never_gets_to_goes_back_alone() {
    let (memory, bus) = (Memory::default(), Bus::default());
    *memory.processes.lock().expect("lock") = vec![0, 0, 2];
    let messages: Vec<Delivery> = (1..=3).map(|index| message(index, json!({ "id": index }), 3)).collect();
    let outcomes = function(&memory, &bus).handle(&messages).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(memory.calls(), [3, 1, 1]);
    let published = bus.published();
    assert_eq!(published[..2], [loaded(1, json!(1)), loaded(2, json!(2))]);
    assert_eq!(reasons(&published), [(3, Reason::RetriesExhausted)]);
}

#[tokio::test]
async fn a_failed_call_is_repeated_if_that_may_help() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let call = |retryable| WriteError::Call { code: "x".into(), retryable };
    *memory.errors.lock().expect("lock") = vec![call(true), call(true)];
    assert_eq!(function(&memory, &bus).handle(&[message(1, json!({ "id": "a" }), 1)]).await, [Ok(())]);
    assert_eq!(memory.calls(), [1, 1, 1]);

    let memory = Memory::default();
    *memory.errors.lock().expect("lock") = vec![call(false)];
    let outcomes = function(&memory, &bus).handle(&[message(1, json!({ "id": "a" }), 1)]).await;
    assert_eq!(outcomes[0].as_ref().expect_err("failed").cause, "could not write the item: x");
    assert_eq!(memory.calls(), [1]);
}

#[tokio::test]
async fn one_item_that_the_table_rejects_does_not_take_others_with_it() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let messages = [
        message(1, json!({ "id": "a" }), 1),
        message(2, json!({ "id": "b", "poison": "sEcReT" }), 1),
        message(3, json!({ "id": "c" }), 1),
    ];
    assert!(function(&memory, &bus).handle(&messages).await.iter().all(Result::is_ok));
    assert_eq!(memory.calls(), [3, 1, 1, 1]);
    let published = bus.published();
    assert_eq!(reasons(&published), [(2, Reason::InvalidItem)]);
    assert!(published.contains(&loaded(1, json!("a"))) && published.contains(&loaded(3, json!("c"))));
    assert!(published.iter().all(|detail| !detail.to_value().to_string().contains("sEcReT")));
}

#[tokio::test]
async fn rows_of_one_message_are_reported_together_as_far_as_they_are_good() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let rows = [json!({ "id": "a" }), json!({ "id": "b" }), json!({ "id": "" }), json!({ "id": "d" })];
    assert_eq!(function(&memory, &bus).handle(&[messages(3, &rows, 1)]).await, [Ok(())]);
    let published = bus.published();
    let records: Vec<_> = published.iter().filter_map(Detail::record).cloned().collect();
    assert_eq!(records, [object().records(3, 2), object().record(5), object().record(6)]);
    assert_eq!(reasons(&published), [(5, Reason::InvalidItem)]);
    assert!(matches!(&published[0], Detail::RecordLoaded { key, .. } if key.len() == 2));

    let wrong = Detail::RecordTransformed {
        object: object(),
        record: object().records(3, 3),
        data: vec![map(json!({ "id": "a" }))],
        data_key: None,
        notes: Notes::default(),
    };
    let bus = Bus::default();
    function(&memory, &bus).handle(&[delivery(event(&wrong), 1)]).await;
    assert_eq!(reasons(&bus.published()), [(3, Reason::MalformedEvent)]);
}

#[tokio::test]
async fn items_that_cannot_be_written_are_reported_and_never_sent() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let extracted = Detail::RecordExtracted {
        object: object(),
        record: object().record(5),
        headers: "h".into(),
        data: "d".into(),
        data_key: None,
        location: None,
    };
    let messages = [
        message(1, json!({ "v": "no key" }), 1),
        message(2, json!({ "id": "" }), 1),
        message(3, json!({ "id": "x", "text": "t".repeat(410_000) }), 1),
        message(4, json!({ "id": "fine" }), 1),
        // Not understood: these go back, and this is their last attempt.
        delivery(event(&extracted), 3),
        delivery(json!([]), 3),
    ];
    let outcomes = function(&memory, &bus).handle(&messages).await;
    let done = [true, true, true, true, false, false];
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), done);
    assert_eq!(memory.calls(), [1]);
    let published = bus.published();
    assert_eq!(
        reasons(&published),
        [
            (1, Reason::InvalidItem),
            (2, Reason::InvalidItem),
            (3, Reason::InvalidItem),
            (5, Reason::MalformedEvent),
            (0, Reason::MalformedEvent)
        ]
    );
    assert!(published.contains(&loaded(4, json!("fine"))));
}

#[tokio::test]
async fn a_loaded_row_that_cannot_be_announced_goes_back() {
    let (memory, bus) =
        (Memory::default(), Bus::refusing(|detail| matches!(detail, Detail::RecordLoaded { .. })));
    let outcomes = function(&memory, &bus).handle(&[message(1, json!({ "id": "a" }), 3)]).await;
    assert!(outcomes[0].is_err());
    assert_eq!(reasons(&bus.published()), [(1, Reason::RetriesExhausted)]);
}

proptest! {
    #[test]
    fn requests_keep_order_limits_and_keys_apart(ids in proptest::collection::vec(0..40u8, 0..120)) {
        let key = ["id".to_owned()];
        // Every third one deletes.
        let change = |id: &u8| match id % 3 {
            0 => Change::Delete(Deletion::new(map(json!({ "id": id })), &key).expect("a key")),
            _ => Change::Put(Item::new(map(json!({ "id": id })), &key).expect("an item")),
        };
        let changes: Vec<Change> = ids.iter().map(change).collect();
        let changes: Vec<&Change> = changes.iter().collect();
        let requests = write::requests(&changes);
        prop_assert_eq!(requests.iter().cloned().flatten().collect::<Vec<_>>(), (0..ids.len()).collect::<Vec<_>>());
        for request in requests {
            prop_assert!((1..=MAX_ITEMS).contains(&request.len()));
            let mut keys = ids[request].to_vec();
            keys.sort_unstable();
            let count = keys.len();
            keys.dedup();
            prop_assert_eq!(keys.len(), count);
        }
    }

    #[test]
    fn any_message_gives_a_row_or_a_failure(body in json_value(), data in json_value()) {
        let (memory, bus) = (Memory::default(), Bus::default());
        let function = function(&memory, &bus);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for delivery in [delivery(body, 1), message(1, json!({ "id": data }), 1)] {
            let _ = runtime.block_on(function.rows(&delivery, None, &mut HashMap::new()));
        }
    }
}

proptest! {
    /// In any order, and more than once.
    #[test]
    fn the_newest_row_stays_in_any_order_of_deliveries(
        order in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..24usize, 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let run = |numbers: Vec<usize>| {
            let (memory, bus) = (Memory::default(), Bus::default());
            let deliveries: Vec<Delivery> = numbers.into_iter().map(competing).collect();
            for deliveries in deliveries.chunks(10) {
                let function = configured(&memory, &bus, OnConflict::Newest);
                let outcomes = runtime.block_on(function.handle(deliveries));
                assert!(outcomes.iter().all(Result::is_ok));
            }
            memory.items.into_inner().expect("lock")
        };
        let expected = run((0..24).rev().collect());
        // The last object's last row of each key: rows 10, 11 and 12 of the eight.
        let mut values: Vec<u64> = expected.values().filter_map(|item| item["value"].as_u64()).collect();
        values.sort_unstable();
        prop_assert_eq!(values, [17, 20, 23]);
        prop_assert_eq!(&run(order.into_iter().chain(again).collect()), &expected);
    }
}
