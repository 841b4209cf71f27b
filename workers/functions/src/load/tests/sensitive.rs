//! Sensitive values: `load` takes them sealed, and in no other form.

use contract::settings::SensitiveField;
use sealing::Sealer;

use super::*;

fn fields() -> Vec<SensitiveField> {
    vec![SensitiveField { name: "s".into(), from: " S".into(), settings: None }]
}

fn items(memory: &Memory) -> Vec<Value> {
    memory.items.lock().expect("lock").values().cloned().collect()
}

/// Returns a row whose attribute `s` the task has sealed, and its data key.
async fn sealed(index: u64, value: &str) -> (Value, String) {
    let kms = FakeKms::default();
    let mut sealer = Sealer::new(&kms, object().digest());
    let sealed = sealer.seal(&object().record(index).id, &[("S", value)]).await.expect("sealed");
    (json!({ "id": index.to_string(), "s": sealed.values[0] }), sealed.data_key.to_string())
}

fn message(index: u64, data: Value, data_key: Option<&str>) -> Delivery {
    let (object, record, data) = (object(), object().record(index), vec![map(data)]);
    let data_key = data_key.map(str::to_owned);
    delivery(event(&Detail::RecordTransformed { object, record, data, data_key, notes: Notes::default() }), 1)
}

/// Returns the items in the table and the events, after this message with and without decryption.
async fn both(message: impl Fn() -> Delivery) -> [(Vec<Value>, Vec<Detail>); 2] {
    let kms = FakeKms::default();
    let mut out = Vec::new();
    for secrets in [Secrets::decrypted(fields(), &kms), Secrets::encrypted(fields())] {
        let (memory, bus) = (Memory::default(), Bus::default());
        let secrets = secrets.expect("no rules");
        let outcomes = with(&memory, &bus, secrets, OnConflict::Overwrite).handle(&[message()]).await;
        assert_eq!(outcomes, [Ok(())]);
        out.push((items(&memory), bus.published()));
    }
    out.try_into().expect("two")
}

#[tokio::test]
async fn a_sensitive_value_is_decrypted_on_its_way_or_kept() {
    let (row, key) = sealed(1, "sEcReT").await;
    let [(decrypted, events), (encrypted, other)] = both(|| message(1, row.clone(), Some(&key))).await;
    assert_eq!(decrypted, [json!({ "id": "1", "s": "sEcReT" })]);
    let kept = encrypted[0]["s"].as_str().expect("a text");
    let prefix = format!("enc:v1:{key}:{}:{}:", object().digest(), object().record(1).id);
    assert!(kept.starts_with(&prefix), "{kept}");
    assert!(!format!("{events:?}{other:?}").contains("sEcReT"));
}

#[tokio::test]
async fn a_sensitive_leap_second_is_named_where_it_is_decrypted() {
    let rules =
        json!({ "name": "s", "from": " S", "type": "timestamp", "leapSeconds": true, "sensitive": true });
    let rules = serde_json::from_value(rules).expect("settings");
    let kms = FakeKms::default();
    let secrets = Secrets::decrypted(vec![SensitiveField::new(&rules).expect("a column")], &kms);
    let (memory, bus) = (Memory::default(), Bus::default());
    let load = with(&memory, &bus, secrets.expect("right"), OnConflict::Overwrite);
    for (row, time) in [(3, "2016-12-31T23:59:60Z"), (4, "2016-12-31T23:59:59Z")] {
        let (item, key) = sealed(row, time).await;
        assert_eq!(load.handle(&[message(row, item, Some(&key))]).await, [Ok(())]);
    }
    let notes: Vec<Notes> = bus
        .published()
        .into_iter()
        .filter_map(|detail| match detail {
            Detail::RecordLoaded { notes, .. } => Some(notes),
            _ => None,
        })
        .collect();
    assert_eq!(notes, [Notes { leap_seconds: vec![3], ..Notes::default() }, Notes::default()]);
}

#[tokio::test]
async fn a_sensitive_value_gets_its_type_after_it_is_decrypted() {
    let rules = json!({ "name": "s", "from": " S", "type": "number", "maximum": "100", "sensitive": true });
    let rules = serde_json::from_value(rules).expect("settings");
    let fields = vec![SensitiveField::new(&rules).expect("a column")];
    let kms = FakeKms::default();
    for (value, expected) in [
        ("99.50", Ok(json!({ "id": "1", "s": { "N": "99.5" } }))),
        ("sEcReT", Err(Reason::InvalidNumber)),
        ("101", Err(Reason::OutOfRange)),
    ] {
        let (memory, bus) = (Memory::default(), Bus::default());
        let (row, key) = sealed(1, value).await;
        let secrets = Secrets::decrypted(fields.clone(), &kms).expect("right");
        let load = with(&memory, &bus, secrets, OnConflict::Overwrite);
        assert_eq!(load.handle(&[message(1, row, Some(&key))]).await, [Ok(())]);
        match expected {
            Ok(item) => assert_eq!(items(&memory), [item]),
            Err(reason) => {
                let published = bus.published();
                assert_eq!(reasons(&published), [(1, reason)]);
                assert!(!format!("{published:?}").contains(value));
            }
        }
    }
}

#[tokio::test]
async fn what_was_never_sealed_or_was_moved_is_refused() {
    let (row, key) = sealed(1, "sEcReT").await;
    for wrong in [json!("sEcReT"), json!(7), json!(["sEcReT"]), json!("enc:v1:sEcReT")] {
        for (items, events) in both(|| message(1, json!({ "id": "1", "s": wrong.clone() }), Some(&key))).await
        {
            assert_eq!(reasons(&events), [(1, Reason::Undecryptable)]);
            assert!(!format!("{events:?}").contains("sEcReT"));
            assert!(items.is_empty(), "{items:?}");
        }
    }
    // In another row, without its key or with another one.
    for (index, key) in [(2, Some(&*key)), (1, None), (1, Some("AAAA"))] {
        let [(_, events), _] = both(|| message(index, row.clone(), key)).await;
        assert_eq!(reasons(&events), [(index, Reason::Undecryptable)]);
    }
}

#[tokio::test]
async fn what_is_sealed_and_not_sensitive_any_more_is_not_lost_in_the_table() {
    let (row, key) = sealed(1, "sEcReT").await;
    let (memory, bus) = (Memory::default(), Bus::default());
    function(&memory, &bus).handle(&[message(1, row, Some(&key))]).await;
    assert_eq!(reasons(&bus.published()), [(1, Reason::Undecryptable)]);
    assert!(items(&memory).is_empty());
    // Without a data key it is a text like any other.
    let text = json!({ "id": "1", "s": "enc:v1:AAAA" });
    function(&memory, &bus)
        .handle(&[message(1, text.clone(), None), message(2, text.clone(), Some("AQI="))])
        .await;
    assert_eq!(items(&memory), [text]);
}

#[tokio::test]
async fn an_empty_value_has_nothing_to_hide() {
    for (items, _) in both(|| message(1, json!({ "id": "1", "s": "" }), None)).await {
        assert_eq!(items, [json!({ "id": "1", "s": "" })]);
    }
    for (items, _) in both(|| message(1, json!({ "id": "1" }), None)).await {
        assert_eq!(items, [json!({ "id": "1" })]);
    }
}

#[tokio::test]
async fn without_kms_messages_come_again_and_it_is_asked_once() {
    let (memory, bus, kms) = (Memory::default(), Bus::default(), FakeKms::default());
    let ((one, _), (two, _)) = (sealed(1, "sEcReT").await, sealed(2, "sEcReT").await);
    // Base64 of `down`.
    let down = Some("ZG93bg==");
    let messages = [message(1, one, down), message(2, two, down)];
    let secrets = Secrets::decrypted(fields(), &kms).expect("no rules");
    let load = with(&memory, &bus, secrets, OnConflict::Overwrite);
    let outcomes = load.handle(&messages).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(bus.published().is_empty() && items(&memory).is_empty());
    assert_eq!(kms.asked.load(Ordering::SeqCst), 1);
}
