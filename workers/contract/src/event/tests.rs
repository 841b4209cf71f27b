use proptest::prelude::*;

use super::*;

/// Returns whether a pattern matches an event. The contract's own patterns use nothing but exact values.
fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().is_some_and(|fields| {
        fields.iter().all(|(name, want)| match want {
            Value::Array(any) => any.contains(&event[name]),
            nested => matches(nested, &event[name]),
        })
    })
}

#[test]
fn bodies_survive_the_bus() {
    for (_, detail) in samples() {
        let back = Detail::from_value(detail.detail_type(), detail.to_value()).expect("own body");
        assert_eq!(back, detail);
    }
}

/// Returns whether SQS takes a character: API reference, SendMessage, `MessageBody`.
fn takes(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'
    )
}

fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        Just('\u{fffe}'),
        Just('\u{ffff}'),
        Just('\u{fffd}'),
        Just('\\'),
        Just('u'),
        Just('f'),
        Just('e'),
    ];
    proptest::collection::vec(character, 0..30).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn every_text_reaches_the_table_by_way_of_sqs(key in text(), data in text(), name in text(), value in text()) {
        let object =
            ObjectRef { bucket: "b".into(), key, version: None, etag: None, uploaded: None, replay: None };
        let record = object.record(1);
        let item = Map::from_iter([(name, json!([value]))]);
        for detail in [
            Detail::RecordExtracted {
                object: object.clone(), record: record.clone(), headers: "h".into(), data, data_key: None, location: None,
            },
            Detail::RecordTransformed {
                object, record, data: vec![item], data_key: None, notes: Notes::default(),
            },
        ] {
            let json = detail.to_json();
            let value: Value = serde_json::from_str(&json).expect("JSON");
            // EventBridge may pass the text on unchanged, or parse it and write it again.
            for text in [&json, &value.to_string()] {
                prop_assert!(text.chars().all(takes), "{:?}", text);
            }
            prop_assert_eq!(Detail::from_value(detail.detail_type(), value).expect("own body"), detail);
        }
    }

    #[test]
    fn what_claims_to_be_escaped_is_read_or_malformed(data in text()) {
        let detail = json!({ "escaped": true, "status": "s", "object": { "bucket": "b", "key": data }, "task": "t" });
        let _ = Detail::from_value("ecs-started", detail);
    }
}

#[test]
fn texts_are_escaped_only_where_they_must_be() {
    let detail = |key: &str| {
        let object = ObjectRef {
            bucket: "b".into(),
            key: key.into(),
            version: None,
            etag: None,
            uploaded: None,
            replay: None,
        };
        Detail::TaskStarted { object, task: "\\".into() }
    };
    for plain in ["k", "\u{fffd}\u{feff}\u{e000}\u{1fffe}", "\\"] {
        assert_eq!(detail(plain).to_json(), detail(plain).to_value().to_string());
    }
    let escaped: Value = serde_json::from_str(&detail("a\u{ffff}").to_json()).expect("JSON");
    assert_eq!(
        escaped,
        json!({ "status": "success", "object": { "bucket": "b", "key": "a\\uffff" }, "task": "\\\\", "escaped": true })
    );
}

#[test]
fn a_pattern_matches_its_own_events_and_no_others() {
    for (kind, detail) in samples() {
        let event =
            json!({ "source": SOURCE, "detail-type": detail.detail_type(), "detail": detail.to_value() });
        for candidate in EventKind::ALL {
            let expected = candidate == kind || candidate == EventKind::Any;
            assert_eq!(matches(&candidate.pattern(SOURCE), &event), expected, "{candidate:?} {event}");
        }
        assert!(!matches(&kind.pattern("other"), &event));
    }
}

#[test]
fn a_pattern_of_several_kinds_matches_the_events_of_each_and_no_others() {
    let kinds = [EventKind::RecordTransformed, EventKind::DeletionRequested, EventKind::RecordSkipped];
    let pattern = EventKind::pattern_of(&kinds, SOURCE);
    for (kind, detail) in samples() {
        let event =
            json!({ "source": SOURCE, "detail-type": detail.detail_type(), "detail": detail.to_value() });
        assert_eq!(matches(&pattern, &event), kinds.contains(&kind), "{event}");
    }
    assert_eq!(EventKind::pattern_of(&[EventKind::Any], "s"), json!({ "source": ["s"] }));
}

#[test]
fn a_body_has_no_other_fields_than_its_kind_is_said_to_have() {
    for (kind, detail) in samples() {
        let body = detail.to_value();
        let known = kind.details();
        let (.., fields) = known
            .iter()
            .find(|(detail_type, ..)| *detail_type == detail.detail_type())
            .expect("a detail type of its kind");
        let names = body.as_object().expect("an object").keys();
        for name in names.filter(|name| *name != "status") {
            assert!(fields.contains(&name.as_str()), "{name} in {body}");
        }
    }
    let notes = Notes {
        overwritten: vec![1],
        replaced: vec![2],
        outdated: vec![3],
        overlapping: vec![5],
        leap_seconds: vec![4],
    };
    let body = json!(notes);
    let names: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, Notes::NAMES);
    assert!(notes.lists().all(|(name, rows)| body[name] == json!(rows)), "{body}");
}

#[test]
fn the_originals_names_are_kept() {
    let bodies: Vec<(&str, Value)> =
        samples().iter().map(|(_, detail)| (detail.detail_type(), detail.to_value())).collect();
    let first = |detail_type| {
        let found = bodies.iter().find(|(found, _)| *found == detail_type);
        &found.expect("a sample").1
    };
    let extracted = first("s3RecordExtraction");
    assert_eq!(extracted["status"], "extracted");
    assert_eq!((&extracted["headers"], &extracted["data"]), (&json!("a,b"), &json!("1,\"x,y\"")));
    assert_eq!(extracted["record"].as_object().map(serde_json::Map::len), Some(2), "{extracted}");
    // One row is an object, as it was; several are a list.
    assert_eq!(first("transform")["data"], json!({ "id": "7" }));
    assert_eq!(first("data-loaded")["key"], json!({ "id": "7" }));
}

#[test]
fn a_reason_has_the_same_code_everywhere() {
    assert_eq!(Reason::RowLength.code(), "row-length");
    let (_, last) = samples().pop().expect("a sample");
    let failed = last.to_value();
    assert_eq!(failed["reason"], Reason::RowLength.code());
}

#[test]
fn foreign_bodies_are_errors() {
    assert!(matches!(
        Detail::from_value("x", json!({ "status": "s", "object": { "bucket": "b", "key": "k" } })),
        Err(DetailError::UnknownDetailType(_)) | Err(DetailError::Malformed { .. })
    ));
    for bad in [json!(null), json!("x"), json!({}), json!({ "status": "extracted" })] {
        assert!(Detail::from_value("s3RecordExtraction", bad).is_err());
    }
}

#[test]
fn a_text_is_read_as_its_value_is() {
    for (_, detail) in samples() {
        let (kind, whole) = (detail.detail_type(), detail.to_value());
        let mut forms = vec![whole.clone(), json!(null), json!([whole.clone()])];
        let names: Vec<String> =
            whole.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in names.iter().map(String::as_str).chain(["dataKey", "location", "escaped", "more"]) {
            for member in [json!(null), json!(7), json!("x"), json!(true), json!({}), json!([{ "a": "b" }])] {
                let mut form = whole.clone();
                form[name] = member;
                forms.push(form);
            }
            let mut form = whole.clone();
            form.as_object_mut().expect("an object").remove(name);
            forms.push(form);
        }
        for data in [json!("a\\ufffe"), json!({ "a": "a\\ufffe" })] {
            let mut form = whole.clone();
            (form["data"], form["escaped"]) = (data, json!(true));
            forms.push(form);
        }
        for form in forms {
            let read = Detail::from_json(kind, &form.to_string()).ok();
            assert_eq!(read, Detail::from_value(kind, form.clone()).ok(), "{kind}: {form}");
        }
        assert_eq!(Detail::from_json(kind, &detail.to_json()).ok(), Some(detail));
    }
    assert!(Detail::from_json("transform", "{").is_err());
}
