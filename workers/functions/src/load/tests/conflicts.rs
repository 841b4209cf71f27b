//! Items whose key is in the table already, and items that are deleted.

use super::*;

/// Returns an object of this key, uploaded at a time.
fn uploaded(key: &str, at: Option<&str>) -> ObjectRef {
    ObjectRef { key: key.into(), uploaded: at.map(str::to_owned), ..object() }
}

fn old() -> ObjectRef {
    uploaded("old.csv", Some("2026-01-01T00:00:00.000Z"))
}

fn new() -> ObjectRef {
    uploaded("new.csv", Some("2026-01-02T00:00:00.000Z"))
}

fn put(object: &ObjectRef, index: u64, item: Value) -> Delivery {
    let (object, record, data) = (object.clone(), object.record(index), vec![map(item)]);
    let detail = Detail::RecordTransformed { object, record, data, data_key: None, notes: Notes::default() };
    delivery(event(&detail), 1)
}

fn deletion(object: &ObjectRef, index: u64, id: &str) -> Delivery {
    let (object, record, key) = (object.clone(), object.record(index), vec![map(json!({ "id": id }))]);
    delivery(event(&Detail::DeletionRequested { object, record, key }), 1)
}

/// Returns what the events say of each row: object, row, kind, and notes.
fn said(bus: &Bus) -> Vec<(String, u64, &'static str, Notes)> {
    let of = |detail: Detail| {
        let (object, record) = (detail.object().cloned()?, detail.record().cloned()?);
        let (kind, notes) = match detail {
            Detail::RecordLoaded { notes, .. } => ("loaded", notes),
            Detail::RecordDeleted { notes, .. } => ("deleted", notes),
            Detail::RecordExisting { .. } => ("existing", Notes::default()),
            _ => ("failed", Notes::default()),
        };
        Some((object.key, record.index, kind, notes))
    };
    bus.published().into_iter().filter_map(of).collect()
}

/// Returns the same without notes.
fn kinds(bus: &Bus) -> Vec<(String, u64, &'static str)> {
    said(bus).into_iter().map(|(object, row, kind, _)| (object, row, kind)).collect()
}

async fn all_done(load: &Load<&Memory, &'static FakeKms, Bus>, deliveries: &[Delivery]) {
    let outcomes = load.handle(deliveries).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn an_item_that_is_there_is_kept_and_its_row_is_told_so() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Keep);
    all_done(&load, &[put(&old(), 1, json!({ "id": "a", "v": "first" }))]).await;
    all_done(
        &load,
        &[put(&new(), 1, json!({ "id": "a", "v": "second" })), put(&new(), 2, json!({ "id": "b" }))],
    )
    .await;
    let row = |object: &str, row, kind| (object.to_owned(), row, kind);
    let expected = [row("old.csv", 1, "loaded"), row("new.csv", 1, "existing"), row("new.csv", 2, "loaded")];
    assert_eq!(kinds(&bus), expected);
    assert_eq!(memory.item("a").expect("kept")["v"], "first");
    let Detail::RecordExisting { table, key, .. } = &bus.published()[1] else { panic!("existing") };
    assert_eq!((table.as_str(), &key[..]), ("table", &[map(json!({ "id": "a" }))][..]));
}

#[tokio::test]
async fn a_row_that_meets_its_own_item_is_loaded() {
    let row = || put(&old(), 1, json!({ "id": "a" }));
    // Delivered twice; and the answer to the first call is lost, which is repeated.
    for faults in [vec![], vec![Fault::AnswerLost], vec![Fault::AnswerLost, Fault::Throttled]] {
        let (memory, bus) = (Memory::default(), Bus::default());
        *memory.faults.lock().expect("lock") = faults;
        let load = configured(&memory, &bus, OnConflict::Keep);
        all_done(&load, &[row()]).await;
        // Something has changed the item since.
        memory.items.lock().expect("lock").values_mut().for_each(|item| item["seen"] = json!(true));
        all_done(&load, &[row(), row()]).await;
        // The time of the upload is not known of a row that is sent again.
        let again = ObjectRef { uploaded: None, replay: Some("r".into()), ..old() };
        all_done(&load, &[put(&again, 1, json!({ "id": "a" }))]).await;
        assert!(kinds(&bus).iter().all(|(.., kind)| *kind == "loaded"), "{:?}", kinds(&bus));
        assert_eq!(memory.item("a").expect("an item")["seen"], true);
    }
    // An item that something else wrote.
    let (memory, bus) = (Memory::default(), Bus::default());
    memory.items.lock().expect("lock").insert(json!({ "id": "a" }).to_string(), json!({ "id": "a" }));
    all_done(&configured(&memory, &bus, OnConflict::Keep), &[row()]).await;
    assert_eq!(kinds(&bus), [("old.csv".to_owned(), 1, "existing")]);
}

#[tokio::test]
async fn of_rows_that_come_together_the_first_of_the_file_is_kept() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Keep);
    let row = |index: u64| put(&old(), index, json!({ "id": "a", "v": index }));
    all_done(&load, &[row(3), row(1), row(2)]).await;
    assert_eq!(memory.item("a").expect("an item")["v"], 1);
    let row = |row, kind| ("old.csv".to_owned(), row, kind);
    assert_eq!(kinds(&bus), [row(3, "existing"), row(1, "loaded"), row(2, "existing")]);
    assert!(said(&bus).iter().all(|(.., notes)| *notes == Notes::default()), "none was overwritten");
}

#[tokio::test]
async fn a_row_that_cannot_be_inserted_goes_back_or_fails() {
    let (memory, bus) = (Memory::default(), Bus::default());
    *memory.faults.lock().expect("lock") = vec![Fault::Denied];
    let load = configured(&memory, &bus, OnConflict::Keep);
    let rows = [
        put(&old(), 1, json!({ "id": "a" })),
        put(&old(), 2, json!({ "id": "b", "poison": "sEcReT" })),
        put(&old(), 3, json!({ "id": "c", "_version": "x" })),
    ];
    let outcomes = load.handle(&rows).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, true]);
    let published = bus.published();
    assert_eq!(reasons(&published), [(2, Reason::InvalidItem), (3, Reason::InvalidItem)]);
    assert!(!format!("{published:?}").contains("sEcReT"));
}

#[tokio::test]
async fn only_the_attributes_of_the_row_are_merged() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Merge);
    all_done(
        &load,
        &[put(&old(), 1, json!({ "id": "a", "name": "Ann", "town": "Bonn", "n": { "N": "1" } }))],
    )
    .await;
    // An empty key of an index is left out, and so the attribute stays; another empty text is a value.
    all_done(
        &load,
        &[put(&new(), 1, json!({ "id": "a", "name": "", "town": "", "more": { "NULL": true } }))],
    )
    .await;
    let merged =
        json!({ "id": "a", "name": "", "town": "Bonn", "n": { "N": "1" }, "more": { "NULL": true } });
    assert_eq!(memory.item("a"), Some(merged.clone()));
    // A row of its key alone changes nothing, and creates an item.
    all_done(&load, &[put(&new(), 2, json!({ "id": "a" })), put(&new(), 3, json!({ "id": "b" }))]).await;
    assert_eq!((memory.item("a"), memory.item("b")), (Some(merged), Some(json!({ "id": "b" }))));
    assert_eq!(memory.calls(), [0, 0, 0, 0], "one call a row");
}

#[tokio::test]
async fn merged_rows_of_one_key_are_written_in_the_order_of_the_file() {
    let (memory, bus) = (Memory::default(), Bus::default());
    *memory.faults.lock().expect("lock") = vec![Fault::None, Fault::AnswerLost, Fault::Throttled];
    let load = configured(&memory, &bus, OnConflict::Merge);
    let rows = [
        put(&old(), 3, json!({ "id": "a", "v": 3 })),
        put(&old(), 1, json!({ "id": "a", "v": 1, "first": true })),
        put(&old(), 2, json!({ "id": "a", "v": 2, "second": true })),
    ];
    all_done(&load, &rows).await;
    assert_eq!(memory.item("a"), Some(json!({ "id": "a", "v": 3, "first": true, "second": true })));
    assert_eq!(named(&bus), [].into(), "nothing of the rows is lost");
}

#[tokio::test]
async fn an_item_with_more_attributes_than_an_expression_takes_is_not_merged() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Merge);
    let wide = |attributes: usize| {
        let mut item = map(json!({ "id": attributes.to_string() }));
        item.extend((0..attributes).map(|number| (format!("a{number}"), json!("x"))));
        put(&old(), attributes as u64, Value::Object(item))
    };
    all_done(&load, &[wide(400), wide(401)]).await;
    assert_eq!(reasons(&bus.published()), [(401, Reason::InvalidItem)]);
    assert!(memory.item("400").is_some() && memory.item("401").is_none());
}

#[tokio::test]
async fn puts_and_deletions_of_one_key_end_as_the_later_row_says() {
    for on_conflict in [OnConflict::Overwrite, OnConflict::Newest, OnConflict::Merge] {
        let (memory, bus) = (Memory::default(), Bus::default());
        let load = configured(&memory, &bus, on_conflict);
        let rows = [
            deletion(&old(), 4, "a"),
            put(&old(), 3, json!({ "id": "a", "v": 3 })),
            put(&old(), 2, json!({ "id": "b", "v": 2 })),
            deletion(&old(), 1, "b"),
            deletion(&old(), 5, "never there"),
        ];
        all_done(&load, &rows).await;
        assert_eq!(memory.item("a"), None, "{on_conflict:?}");
        assert_eq!(memory.item("b").expect("put after it was deleted")["v"], 2, "{on_conflict:?}");
        let found: Vec<_> =
            said(&bus).into_iter().map(|(_, row, kind, notes)| (row, kind, notes.overwritten)).collect();
        // The item of row 3 is lost. Row 4 says so, too, where it finds the item in the table.
        let told = if on_conflict == OnConflict::Newest { vec![3] } else { vec![] };
        let expected = [
            (4, "deleted", told),
            (3, "loaded", vec![3]),
            (2, "loaded", vec![]),
            (1, "deleted", vec![]),
            (5, "deleted", vec![]),
        ];
        assert_eq!(found, expected, "{on_conflict:?}");
    }
}

#[tokio::test]
async fn deletions_go_with_the_items_in_requests_and_again_if_they_were_not_processed() {
    let (memory, bus) = (Memory::default(), Bus::default());
    all_done(
        &function(&memory, &bus),
        &[put(&old(), 1, json!({ "id": "a" })), put(&old(), 2, json!({ "id": "b" }))],
    )
    .await;
    *memory.processes.lock().expect("lock") = vec![1, 1];
    let rows = [deletion(&new(), 1, "a"), put(&new(), 2, json!({ "id": "c" })), deletion(&new(), 3, "b")];
    all_done(&function(&memory, &bus), &rows).await;
    assert_eq!(memory.calls(), [2, 3, 2, 1]);
    assert_eq!(
        (memory.item("a"), memory.item("b"), memory.item("c")),
        (None, None, Some(json!({ "id": "c" })))
    );
    // One message of several rows.
    let (object, record) = (new(), new().records(4, 2));
    let key = vec![map(json!({ "id": "c" })), map(json!({ "id": "" }))];
    let message = delivery(event(&Detail::DeletionRequested { object, record, key }), 1);
    all_done(&function(&memory, &bus), &[message]).await;
    let last: Vec<_> = kinds(&bus).into_iter().rev().take(2).collect();
    assert_eq!(last, [("new.csv".to_owned(), 5, "failed"), ("new.csv".to_owned(), 4, "deleted")]);
    // One that does not contain what it says.
    let (object, record) = (new(), new().records(6, 2));
    let message = delivery(event(&Detail::DeletionRequested { object, record, key: Vec::new() }), 1);
    all_done(&function(&memory, &bus), &[message]).await;
    assert_eq!(reasons(&bus.published()).last(), Some(&(6, Reason::MalformedEvent)));
}

#[tokio::test]
async fn an_older_row_deletes_no_newer_item_and_a_deleted_item_leaves_no_trace() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Newest);
    all_done(&load, &[put(&new(), 1, json!({ "id": "a", "v": 1 }))]).await;
    all_done(&load, &[deletion(&old(), 1, "a")]).await;
    assert!(memory.item("a").is_some());
    let outdated = Notes { outdated: vec![1], ..Notes::default() };
    assert_eq!(said(&bus)[1], ("old.csv".to_owned(), 1, "deleted", outdated));
    // A later row of the same file, which is delivered after an earlier one was not.
    all_done(&load, &[deletion(&new(), 3, "a"), deletion(&new(), 3, "a")]).await;
    assert_eq!(memory.item("a"), None);
    // The limit that the documentation names: without the item, nothing tells that this row is older.
    all_done(&load, &[put(&new(), 2, json!({ "id": "a", "v": 2 }))]).await;
    assert_eq!(memory.item("a").expect("again")["v"], 2);
}

#[tokio::test]
async fn a_deletion_is_repeated_if_that_may_help() {
    for on_conflict in [OnConflict::Newest, OnConflict::Merge] {
        let (memory, bus) = (Memory::default(), Bus::default());
        let load = configured(&memory, &bus, on_conflict);
        all_done(&load, &[put(&old(), 1, json!({ "id": "a" }))]).await;
        *memory.faults.lock().expect("lock") = vec![Fault::Throttled, Fault::AnswerLost];
        all_done(&load, &[deletion(&old(), 2, "a")]).await;
        assert_eq!((memory.item("a"), memory.calls().len()), (None, 4));
        *memory.faults.lock().expect("lock") = vec![Fault::Denied];
        assert!(load.handle(&[deletion(&old(), 3, "a")]).await[0].is_err());
    }
}

#[tokio::test]
async fn no_row_deletes_an_item_that_is_to_be_kept() {
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = configured(&memory, &bus, OnConflict::Keep);
    all_done(&load, &[put(&old(), 1, json!({ "id": "a" })), deletion(&new(), 2, "a")]).await;
    assert!(memory.item("a").is_some());
    assert_eq!(reasons(&bus.published()), [(2, Reason::InvalidItem)]);
}

#[tokio::test]
async fn rows_that_replace_items_of_others_and_rows_that_come_too_late_are_named() {
    let (memory, bus) = (Memory::default(), Bus::default());
    memory.items.lock().expect("lock").insert(json!({ "id": "x" }).to_string(), json!({ "id": "x" }));
    let load = configured(&memory, &bus, OnConflict::Newest);
    let row = |object: &ObjectRef, index, id: &str| put(object, index, json!({ "id": id }));
    // The answer to the first write of row 1 is lost: the second finds the item of the row itself.
    *memory.faults.lock().expect("lock") = vec![Fault::AnswerLost];
    all_done(&load, &[row(&old(), 1, "a")]).await;
    all_done(&load, &[row(&new(), 1, "a"), row(&new(), 2, "x"), row(&new(), 3, "b")]).await;
    all_done(&load, &[row(&new(), 1, "a"), row(&old(), 1, "a")]).await;
    let found: Vec<_> = said(&bus)
        .into_iter()
        .map(|(object, row, _, notes)| (object, row, notes.replaced, notes.outdated))
        .collect();
    let of = |object: &str, row, replaced: &[u64], outdated: &[u64]| {
        (object.to_owned(), row, replaced.to_vec(), outdated.to_vec())
    };
    let expected = [
        of("old.csv", 1, &[], &[]),
        of("new.csv", 1, &[1], &[]),
        of("new.csv", 2, &[2], &[]),
        of("new.csv", 3, &[], &[]),
        of("new.csv", 1, &[], &[]),
        of("old.csv", 1, &[], &[1]),
    ];
    assert_eq!(found, expected);
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::None), Just(Fault::Throttled), Just(Fault::AnswerLost), Just(Fault::Denied)]
}

proptest! {
    /// Whatever is delivered twice, fails, or loses its answer: of each key one row is loaded, whose item is there, and
    /// all others exist; no row is ever told to be both.
    #[test]
    fn rows_of_kept_items_have_one_fate_each(
        order in Just((1..=24u64).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(1..=24u64, 0..40),
        faults in proptest::collection::vec(fault(), 0..60),
        size in 1..10_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let (memory, bus) = (Memory::default(), Bus::default());
        *memory.faults.lock().expect("lock") = faults;
        let load = configured(&memory, &bus, OnConflict::Keep);
        let row = |row: u64| {
            let object = if row.is_multiple_of(2) { old() } else { new() };
            put(&object, row, json!({ "id": (row % 5).to_string(), "row": row }))
        };
        let mut left: Vec<u64> = order.into_iter().chain(again).collect();
        // Until each delivery was processed.
        while !left.is_empty() {
            let mut back = Vec::new();
            for rows in left.chunks(size) {
                let batch: Vec<Delivery> = rows.iter().map(|number| row(*number)).collect();
                let outcomes = runtime.block_on(load.handle(&batch));
                let failed = rows.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_err());
                back.extend(failed.map(|(row, _)| *row));
            }
            left = back;
        }
        let of = |wanted: &str| -> std::collections::BTreeSet<u64> {
            kinds(&bus).into_iter().filter(|(.., kind)| *kind == wanted).map(|(_, row, _)| row).collect()
        };
        let (loaded, existing) = (of("loaded"), of("existing"));
        prop_assert!(loaded.is_disjoint(&existing), "{loaded:?} {existing:?}");
        prop_assert_eq!(loaded.len() + existing.len(), 24);
        let items = memory.items.lock().expect("lock");
        let kept: std::collections::BTreeSet<u64> =
            items.values().filter_map(|item| item["row"].as_u64()).collect();
        prop_assert_eq!(kept, loaded);
    }
}
