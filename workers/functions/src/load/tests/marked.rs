//! Rows of `deployer verify`.

use contract::verification::{self, ATTRIBUTE};

use super::*;

/// Marked rows beside those of a user, in every mode: only the place that was made for them is written to.
#[tokio::test]
async fn a_marked_row_is_written_where_it_is_expected_and_nowhere_else() {
    let id = "0123456789abcdef0123456789abcdef";
    let object = ObjectRef { key: format!("{}{id}.csv", verification::MARK), ..object() };
    for on_conflict in [OnConflict::Overwrite, OnConflict::Newest, OnConflict::Keep, OnConflict::Merge] {
        let (memory, bus) = (Memory::default(), Bus::default());
        for (name, item) in [
            ("place", json!({ "id": "place", ATTRIBUTE: id })),
            ("theirs", json!({ "id": "theirs", "value": "theirs" })),
            ("other", json!({ "id": "other", ATTRIBUTE: "another verification" })),
        ] {
            memory.items.lock().expect("lock").insert(json!({ "id": name }).to_string(), item);
        }
        let data: Vec<Map<String, Value>> = ["place", "theirs", "other", "free"]
            .into_iter()
            .map(|name| map(json!({ "id": name, "value": "ours" })))
            .collect();
        let detail = Detail::RecordTransformed {
            object: object.clone(),
            record: object.records(1, 4),
            data,
            data_key: None,
            notes: Notes::default(),
        };
        // A message that is delivered twice changes nothing more.
        for attempt in [1, 2] {
            let deliveries = [delivery(event(&detail), attempt), message(9, json!({ "id": "row" }), 1)];
            let outcomes = configured(&memory, &bus, on_conflict).handle(&deliveries).await;
            assert!(outcomes.iter().all(Result::is_ok), "{on_conflict:?}: {outcomes:?}");
            let place = memory.item("place").expect("the item");
            assert_eq!((&place["value"], &place[ATTRIBUTE]), (&json!("ours"), &json!(id)), "{on_conflict:?}");
            assert_eq!(memory.item("theirs"), Some(json!({ "id": "theirs", "value": "theirs" })));
            assert_eq!(memory.item("other").expect("kept")["value"], Value::Null);
            assert_eq!(memory.item("free"), None);
            assert_eq!(memory.item("row").expect("a user's row").get(ATTRIBUTE), None);
        }
    }
}
