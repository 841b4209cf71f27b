//! `transform` on good rows and bad ones, in events and in objects.

use std::ops::Range;
use std::sync::{LazyLock, Mutex};

use contract::settings::Character;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{Bus, delivery, event, json_value, object};
use runtime::s3::ObjectError;

/// An object with its bytes; or the error with which reading it fails; or no answer at all.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    errors: Mutex<Vec<ObjectError>>,
    silent: bool,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Memory {
    fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }

    fn failing(error: ObjectError) -> Self {
        Self { errors: Mutex::new(vec![error]), ..Self::new("1,2\n") }
    }
}

impl Objects for &Memory {
    async fn read(&self, object: &ObjectRef, location: &Location) -> Result<Vec<u8>, ObjectError> {
        assert_eq!(object, &self::object());
        self.reads.lock().expect("lock").push(location.from..location.to);
        if self.silent {
            std::future::pending::<()>().await;
        }
        if let Some(error) = self.errors.lock().expect("lock").pop() {
            return Err(error);
        }
        let at = |offset| usize::try_from(offset).map_or(self.bytes.len(), |at| at.min(self.bytes.len()));
        Ok(self.bytes[at(location.from)..at(location.to)].to_vec())
    }
}

fn settings(fields: Value) -> TransformSettings {
    serde_json::from_value(json!({ "fields": fields })).expect("settings")
}

fn reading<'a>(bus: &Bus, memory: &'a Memory) -> Transform<Bus, &'a Memory> {
    let fields =
        json!([{ "name": "id", "from": "ID", "required": true }, { "name": "note", "from": "Note" }]);
    Transform::new(&settings(fields), memory, bus.publisher()).expect("right settings")
}

static NOTHING: LazyLock<Memory> = LazyLock::new(Memory::default);

fn function(bus: &Bus) -> Transform<Bus, &'static Memory> {
    reading(bus, &NOTHING)
}

fn referred(index: u64, headers: &str, from: u64, to: u64) -> Detail {
    let location = Location {
        from,
        to,
        delimiter: Character::SEMICOLON,
        quote: Character::QUOTE,
        escape: None,
        trailing: true,
        pad: false,
        encoding: None,
    };
    Detail::RecordExtracted {
        object: object(),
        record: object().record(index),
        headers: headers.into(),
        data: String::new(),
        data_key: None,
        location: Some(location),
    }
}

/// Returns the message of a failure.
fn message(detail: &Detail) -> &str {
    match detail {
        Detail::Failed { message, .. } => message,
        _ => "",
    }
}

fn extracted(index: u64, headers: &str, data: &str) -> Detail {
    Detail::RecordExtracted {
        object: object(),
        record: object().record(index),
        headers: headers.into(),
        data: data.into(),
        data_key: None,
        location: None,
    }
}

fn transformed(index: u64, data: serde_json::Value) -> Detail {
    let serde_json::Value::Object(data) = data else { panic!("an object") };
    let (object, record) = (object(), object().record(index));
    Detail::RecordTransformed { object, record, data: vec![data], data_key: None, notes: Notes::default() }
}

fn reason(detail: &Detail) -> Option<Reason> {
    match detail {
        Detail::Failed { stage: FailedStage::Transform, reason, .. } => Some(*reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_batch_of_good_rows_takes_one_call() {
    let bus = Bus::default();
    let deliveries = [
        delivery(event(&extracted(1, "ID,Note", "7,\"a, \"\"b\"\"\nc\"")), 1),
        delivery(event(&extracted(2, "Note,id", ",8")), 1),
    ];
    assert_eq!(function(&bus).handle(&deliveries).await, [Ok(()), Ok(())]);
    assert_eq!(
        bus.published(),
        [
            transformed(1, json!({ "id": "7", "note": "a, \"b\"\nc" })),
            transformed(2, json!({ "id": "8", "note": "" }))
        ]
    );
    assert_eq!(bus.calls(), 1);
}

#[tokio::test]
async fn rows_of_one_event_stay_together_as_far_as_they_are_good() {
    let bus = Bus::default();
    let several = Detail::RecordExtracted {
        object: object(),
        record: object().records(7, 5),
        headers: "ID,Note".into(),
        data: "1,\"a\nb\"\n2,\n,x\n4,y\n5,z".into(),
        data_key: Some("AQI=".into()),
        location: None,
    };
    assert_eq!(function(&bus).handle(&[delivery(event(&several), 1)]).await, [Ok(())]);
    let published = bus.published();
    let rows: Vec<_> = published
        .iter()
        .map(|detail| (reason(detail), detail.record().map(|record| (record.index, record.count))))
        .collect();
    assert_eq!(
        rows,
        [(None, Some((7, 2))), (Some(Reason::MissingValue), Some((9, 1))), (None, Some((10, 2)))]
    );
    let Detail::RecordTransformed { record, data, data_key, .. } = &published[0] else { panic!("items") };
    assert_eq!(record, &object().records(7, 2));
    assert_eq!(data_key.as_deref(), Some("AQI="));
    assert_eq!(json!(data), json!([{ "id": "1", "note": "a\nb" }, { "id": "2", "note": "" }]));

    let wrong = Detail::RecordExtracted {
        object: object(),
        record: object().records(7, 3),
        headers: "ID".into(),
        data: "1\n2".into(),
        data_key: None,
        location: None,
    };
    function(&bus).handle(&[delivery(event(&wrong), 1)]).await;
    assert_eq!(bus.published().last().and_then(reason), Some(Reason::MalformedEvent));
}

#[tokio::test]
async fn a_wrong_header_is_reported_once_for_all_rows_of_an_event() {
    let bus = Bus::default();
    let several = Detail::RecordExtracted {
        object: object(),
        record: object().records(7, 3),
        headers: "Other,Rest".into(),
        data: "sEcReT,1\nsEcReT,2\nsEcReT,3".into(),
        data_key: None,
        location: None,
    };
    assert_eq!(function(&bus).handle(&[delivery(event(&several), 1)]).await, [Ok(())]);
    let published = bus.published();
    assert_eq!(published.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::MissingColumn)]);
    assert_eq!(published[0].record(), Some(&object().records(7, 3)));
    assert_eq!(message(&published[0]), "the file has no columns `ID` and `Note`");
}

#[tokio::test]
async fn bad_data_is_reported_and_done() {
    let bus = Bus::default();
    let deliveries = [
        delivery(event(&extracted(1, "ID,Note", ",")), 1),
        delivery(event(&extracted(2, "Other", "sEcReT")), 1),
        delivery(event(&extracted(3, "ID,Note", "sEcReT\nsEcReT")), 1),
        delivery(event(&extracted(4, "ID,Note", "a,b,sEcReT")), 1),
    ];
    assert!(function(&bus).handle(&deliveries).await.iter().all(Result::is_ok));
    let published = bus.published();
    assert_eq!(
        published.iter().map(reason).collect::<Option<Vec<_>>>().expect("only failures"),
        [Reason::MissingValue, Reason::MissingColumn, Reason::MalformedEvent, Reason::RowLength]
    );
    assert_eq!(published[2].record().map(|record| record.index), Some(3));
    assert!(published.iter().all(|detail| !detail.to_value().to_string().contains("sEcReT")));
}

#[tokio::test]
async fn what_is_no_row_goes_back() {
    let bus = Bus::default();
    let started = Detail::TaskStarted { object: object(), task: "t".into() };
    let mut broken = event(&extracted(5, "ID", "1"));
    broken["detail"]["headers"] = json!(["sEcReT"]);
    let mut wrong = event(&referred(6, "ID,Note", 0, 4));
    wrong["detail"]["location"]["quote"] = json!("€");
    for (attempt, reported) in [(1, vec![]), (3, vec![None, None, Some(5), Some(6)])] {
        let bodies = [json!("sEcReT"), event(&started), broken.clone(), wrong.clone()];
        let deliveries = bodies.map(|body| delivery(body, attempt));
        assert!(function(&bus).handle(&deliveries).await.iter().all(Result::is_err));
        let published = bus.published();
        assert!(
            published.iter().all(|detail| reason(detail) == Some(Reason::MalformedEvent)),
            "{published:?}"
        );
        let rows: Vec<_> =
            published.iter().map(|detail| detail.record().map(|record| record.index)).collect();
        assert_eq!(rows, reported);
        assert!(published.iter().all(|detail| !message(detail).contains("sEcReT")), "{published:?}");
    }
}

#[tokio::test]
async fn what_the_bus_refuses_is_delivered_again_alone() {
    let bus = Bus::refusing(|detail| {
        detail.record().is_some_and(|record| record.index == 2) && reason(detail).is_none()
    });
    let deliveries: Vec<Delivery> =
        (1..=3).map(|index| delivery(event(&extracted(index, "ID,Note", "1,x")), 3)).collect();
    let outcomes = function(&bus).handle(&deliveries).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    // It was the last attempt of all three, so the one that failed is reported.
    let published = bus.published();
    assert_eq!(published.len(), 3);
    assert_eq!(reason(&published[2]), Some(Reason::RetriesExhausted));
    assert_eq!(published[2].record().map(|record| record.index), Some(2));
}

#[tokio::test]
async fn a_row_in_its_object_is_read_and_mapped_as_any_row() {
    // A row that is large only by a column from which no attribute is made.
    let row = format!("\n7;\"a\n\"\"b\"\"\";{};\n", "x".repeat(1_200_000));
    let memory = Memory::new(format!("ID;Note;Rest\n{row}8;;\n"));
    let bus = Bus::default();
    let end = 13 + row.len() as u64;
    let deliveries = [
        delivery(event(&extracted(1, "ID,Note", "6,")), 1),
        delivery(event(&referred(2, "ID,Note,Rest", 13, end)), 1),
        delivery(event(&referred(3, "ID,Note,Rest", end, end + 4)), 1),
    ];
    assert_eq!(reading(&bus, &memory).handle(&deliveries).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(
        bus.published(),
        [
            transformed(1, json!({ "id": "6", "note": "" })),
            transformed(2, json!({ "id": "7", "note": "a\n\"b\"" })),
            transformed(3, json!({ "id": "8", "note": "" }))
        ]
    );
    assert_eq!(*memory.reads.lock().expect("lock"), [13..end, end..end + 4]);
}

#[tokio::test]
async fn a_row_in_its_object_fails_as_any_row() {
    let memory = Memory::new(b"sEcReT;2;3\n;sEcReT\nsEcReT;\xff\n".to_vec());
    let bus = Bus::default();
    let deliveries = [
        delivery(event(&referred(1, "ID,Note", 0, 11)), 1),
        delivery(event(&referred(2, "ID,Note", 11, 19)), 1),
        delivery(event(&referred(3, "ID,Note", 19, 28)), 1),
        delivery(event(&referred(4, "Other,Note", 11, 19)), 1),
    ];
    assert!(reading(&bus, &memory).handle(&deliveries).await.iter().all(Result::is_ok));
    let published = bus.published();
    assert_eq!(
        published.iter().map(reason).collect::<Option<Vec<_>>>().expect("only failures"),
        [Reason::RowLength, Reason::MissingValue, Reason::InvalidEncoding, Reason::MissingColumn]
    );
    assert_eq!(published.iter().filter_map(|one| one.record().map(|record| record.index)).sum::<u64>(), 10);
    assert!(published.iter().all(|detail| !detail.to_value().to_string().contains("sEcReT")));
}

#[tokio::test]
async fn an_empty_text_is_told_from_nothing_whichever_way_a_row_travels() {
    let memory = Memory::new("1;\"\"\n2;\n");
    let bus = Bus::default();
    let fields = json!([
        { "name": "id", "from": "ID", "required": true },
        { "name": "note", "from": "Note", "empty": "null", "emptyQuoted": "keep" },
    ]);
    let function = Transform::new(&settings(fields), &memory, bus.publisher()).expect("right settings");
    let details = [
        referred(1, "ID,Note", 0, 5),
        referred(2, "ID,Note", 5, 8),
        extracted(1, "ID,Note", "1,\"\""),
        extracted(2, "ID,Note", "2,"),
    ];
    let deliveries: Vec<Delivery> = details.iter().map(|detail| delivery(event(detail), 1)).collect();
    assert!(function.handle(&deliveries).await.iter().all(Result::is_ok));
    let text = transformed(1, json!({ "id": "1", "note": "" }));
    let nothing = transformed(2, json!({ "id": "2", "note": { "NULL": true } }));
    let mut published = bus.published();
    published.sort_by_key(|detail| detail.record().map(|record| record.index));
    assert_eq!(published, [text.clone(), text, nothing.clone(), nothing]);
}

#[tokio::test]
async fn a_location_that_holds_no_row_is_malformed() {
    let memory = Memory::new("1;2\n3;4\n\n\n5;\"6");
    let bus = Bus::default();
    let mut several = referred(1, "ID,Note", 0, 4);
    if let Detail::RecordExtracted { record, .. } = &mut several {
        record.count = 2;
    }
    let mut deliveries = vec![delivery(event(&several), 1)];
    let hostile = [
        (4, 4),
        (5, 4),
        (u64::MAX, 0),
        (0, 8),
        (8, 10),
        (10, 14),
        (10, 15),
        (1 << 40, (1 << 40) + 5),
        (u64::MAX - 1, u64::MAX),
    ];
    for (from, to) in hostile {
        deliveries.push(delivery(event(&referred(1, "ID,Note", from, to)), 1));
    }
    // Not even requested.
    for (from, to) in [(0, u64::MAX), (0, Location::MAX_BYTES + 1)] {
        deliveries.push(delivery(event(&referred(1, "ID,Note", from, to)), 1));
    }
    assert!(reading(&bus, &memory).handle(&deliveries).await.iter().all(Result::is_ok));
    let published = bus.published();
    assert_eq!(published.len(), deliveries.len());
    for detail in &published {
        assert_eq!(reason(detail), Some(Reason::MalformedEvent), "{detail:?}");
    }
    assert_eq!(memory.reads.lock().expect("lock").len(), 6);
}

#[tokio::test]
async fn an_object_that_can_never_be_read_is_reported() {
    for (code, says) in [
        ("NoSuchKey", "no longer exists"),
        ("AccessDenied", "access: [{ read: "),
        ("PreconditionFailed", "replaced"),
        ("KMS.DisabledException", "the object could not be read: KMS.DisabledException"),
    ] {
        let memory = Memory::failing(ObjectError::Unreadable { code: code.into() });
        let bus = Bus::default();
        let deliveries = [delivery(event(&referred(2, "ID,Note", 0, 4)), 1)];
        assert_eq!(reading(&bus, &memory).handle(&deliveries).await, [Ok(())]);
        let published = bus.published();
        assert_eq!(published.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::ObjectUnreadable)]);
        assert!(message(&published[0]).contains(says), "{published:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_for_now_comes_back_alone() {
    let slow = Memory { silent: true, ..Memory::default() };
    let failing = Memory::failing(ObjectError::Transient { code: "SlowDown".into() });
    for memory in [slow, failing] {
        let bus = Bus::default();
        let function = Transform { reading: Duration::from_millis(1), ..reading(&bus, &memory) };
        let deliveries = [
            delivery(event(&referred(1, "ID,Note", 0, 4)), 3),
            delivery(event(&extracted(2, "ID,Note", "1,x")), 3),
        ];
        let outcomes = function.handle(&deliveries).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
        // It was the last attempt.
        let published = bus.published();
        assert_eq!(published.iter().map(reason).collect::<Vec<_>>(), [None, Some(Reason::RetriesExhausted)]);
        assert_eq!(published[1].record().map(|record| record.index), Some(1));
    }
}

#[tokio::test]
async fn an_item_that_no_event_can_carry_fails() {
    // The first by its own bytes, the second by those that JSON adds to it.
    for (note, says) in [
        ("x".repeat(1_000_000), "the item has more than 950000 bytes"),
        ("\u{1}".repeat(200_000), "but can have at most 950000"),
    ] {
        let memory = Memory::new(format!("1;{note}\n"));
        let bus = Bus::default();
        let deliveries = [delivery(event(&referred(1, "ID,Note", 0, memory.bytes.len() as u64)), 1)];
        assert_eq!(reading(&bus, &memory).handle(&deliveries).await, [Ok(())]);
        let published = bus.published();
        assert_eq!(published.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::RowTooLarge)]);
        assert!(message(&published[0]).contains(says), "{published:?}");
    }
}

#[tokio::test]
async fn values_have_their_types_and_a_failure_names_field_and_column() {
    let bus = Bus::default();
    let fields = json!([{ "name": "id", "from": "ID" }, { "name": "n", "from": "N", "type": "number" }]);
    let function = Transform::new(&settings(fields), &*NOTHING, bus.publisher()).expect("right settings");
    let rows = Detail::RecordExtracted {
        object: object(),
        record: object().records(1, 3),
        headers: "ID,N".into(),
        data: "7,1.50\n8,sEcReT\n9,".into(),
        data_key: None,
        location: None,
    };
    assert_eq!(function.handle(&[delivery(event(&rows), 1)]).await, [Ok(())]);
    let published = bus.published();
    assert_eq!(published[0], transformed(1, json!({ "id": "7", "n": { "N": "1.5" } })));
    assert_eq!(published[2], transformed(3, json!({ "id": "9" })));
    let Detail::Failed { reason, field, column, message, .. } = &published[1] else {
        panic!("{published:?}")
    };
    assert_eq!((*reason, field.as_deref(), column.as_deref()), (Reason::InvalidNumber, Some("n"), Some("N")));
    assert!(!message.contains("sEcReT"), "{message}");
}

#[tokio::test]
async fn rows_that_where_leaves_out_are_skipped_together() {
    let bus = Bus::default();
    let given = json!({ "fields": [{ "name": "id", "from": "ID" }], "where": "ID != 'x'" });
    let given: TransformSettings = serde_json::from_value(given).expect("settings");
    let memory = Memory::new("x\n");
    let function = Transform::new(&given, &memory, bus.publisher()).expect("right settings");
    let rows = Detail::RecordExtracted {
        object: object(),
        record: object().records(1, 5),
        headers: "ID".into(),
        data: "x\nx\n3\nx\n5".into(),
        data_key: None,
        location: None,
    };
    let messages = [delivery(event(&rows), 1), delivery(event(&referred(6, "ID", 0, 2)), 1)];
    assert_eq!(function.handle(&messages).await, [Ok(()), Ok(())]);
    let skipped = |record| Detail::RecordSkipped { object: object(), record };
    assert_eq!(
        bus.published(),
        [
            skipped(object().records(1, 2)),
            transformed(3, json!({ "id": "3" })),
            skipped(object().record(4)),
            transformed(5, json!({ "id": "5" })),
            skipped(object().record(6)),
        ]
    );
}

#[tokio::test]
async fn rows_that_delete_are_asked_for_together_with_their_keys_alone() {
    let bus = Bus::default();
    let given = json!({
        "fields": [{ "name": "id", "from": "ID" }, { "name": "n", "from": "N", "type": "number", "required": true }],
        "delete": "Op == 'D'",
        "key": ["id"],
    });
    let given: TransformSettings = serde_json::from_value(given).expect("settings");
    let memory = Memory::new("7;;D\n");
    let function = Transform::new(&given, &memory, bus.publisher()).expect("right settings");
    let rows = Detail::RecordExtracted {
        object: object(),
        record: object().records(1, 6),
        headers: "ID,N,Op".into(),
        data: "1,,D\n2,x,D\n3,1,U\n4,,D\n5,,U\n6,,D".into(),
        data_key: None,
        location: None,
    };
    let messages = [delivery(event(&rows), 1), delivery(event(&referred(7, "ID,N,Op", 0, 5)), 1)];
    assert_eq!(function.handle(&messages).await, [Ok(()), Ok(())]);
    let deletion = |record: RecordRef, ids: &[&str]| Detail::DeletionRequested {
        object: object(),
        record,
        key: ids.iter().map(|id| Map::from_iter([("id".to_owned(), json!(id))])).collect(),
    };
    let published = bus.published();
    assert_eq!(published[0], deletion(object().records(1, 2), &["1", "2"]));
    assert_eq!(published[1], transformed(3, json!({ "id": "3", "n": { "N": "1" } })));
    assert_eq!(published[2], deletion(object().record(4), &["4"]));
    assert_eq!(reason(&published[3]), Some(Reason::MissingValue));
    assert_eq!(published[4], deletion(object().record(6), &["6"]));
    assert_eq!(published[5], deletion(object().record(7), &["7"]));
    // Without the key there would be nothing to delete.
    let given = TransformSettings { key: Vec::new(), ..given };
    assert!(Transform::new(&given, &*NOTHING, bus.publisher()).is_err());
}

#[tokio::test]
async fn rows_with_a_leap_second_are_named() {
    let bus = Bus::default();
    let at = json!({ "name": "at", "from": "At", "type": "timestamp", "leapSeconds": true });
    let function =
        Transform::new(&settings(json!([at])), &*NOTHING, bus.publisher()).expect("right settings");
    let rows = Detail::RecordExtracted {
        object: object(),
        record: object().records(5, 3),
        headers: "At".into(),
        data: "2016-12-31T23:59:60Z\n2016-12-31T23:59:59Z\n2015-06-30T23:59:60Z".into(),
        data_key: None,
        location: None,
    };
    assert_eq!(function.handle(&[delivery(event(&rows), 1)]).await, [Ok(())]);
    let published = bus.published();
    let [Detail::RecordTransformed { data, notes, .. }] = &published[..] else { panic!("{published:?}") };
    assert_eq!((&data[0]["at"], &notes.leap_seconds[..]), (&json!("2016-12-31T23:59:59Z"), &[5, 7][..]));
}

#[test]
fn settings_that_cannot_be_start_no_function() {
    let fields = settings(json!([{ "name": "n", "from": "N", "type": "number", "pattern": "x" }]));
    let problems = Transform::new(&fields, &*NOTHING, Bus::default().publisher()).err().expect("wrong");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[tokio::test]
async fn a_row_with_sensitive_values_is_not_read_in_its_object() {
    let memory = Memory::new("1;2\n");
    let bus = Bus::default();
    let fields = settings(json!([{ "name": "id", "from": "ID", "sensitive": true }]));
    let function = Transform::new(&fields, &memory, bus.publisher()).expect("right settings");
    assert_eq!(function.handle(&[delivery(event(&referred(1, "ID,Note", 0, 4)), 1)]).await, [Ok(())]);
    assert_eq!(bus.published().iter().map(reason).collect::<Vec<_>>(), [Some(Reason::NotEncrypted)]);
    assert!(memory.reads.lock().expect("lock").is_empty());
}

proptest! {
    #[test]
    fn any_message_gives_one_event(body in json_value(), headers in "[ID,\"\n]{0,6}", data in ".{0,6}|[,\"\n]{0,6}") {
        let bus = Bus::default();
        let function = function(&bus);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        for body in [body, event(&extracted(1, &headers, &data))] {
            runtime.block_on(function.handle(&[delivery(body, 1)]));
        }
    }
}
