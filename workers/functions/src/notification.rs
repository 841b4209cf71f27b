//! Messages in the queue of `extract`: S3's notifications, requests to extract rows again, and what ECS says of tasks.
//!
//! A message may hold several records, and anything else may lie in the queue as well. Nothing in it is trusted: keys
//! come from whoever uploads.

use contract::{ObjectRef, Reason, ReplayRequest};
use serde_json::Value;

use crate::stopped::{self, Stopped};

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// S3 asks, when a notification is set up, whether it arrives.
    Test,
    /// Something that is none of these, or that asks for nothing.
    Foreign,
    /// Rows of an object are wanted again.
    Replay(Box<ReplayRequest>),
    /// A task has ended before its work did.
    Stopped(Box<Stopped>),
    /// A task has stopped, and nobody has to do anything about it.
    Settled,
    /// Records of a bucket.
    Records(Vec<Record>),
}

/// One record of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An object was created.
    Upload(Upload),
    /// Another event of a bucket, or an object without a name: nothing to do, for the given reason.
    Ignored(&'static str),
    /// An object was created, but the record doesn't say which one.
    Bad {
        /// What can be said of the object.
        object: Option<ObjectRef>,
        /// Stable code.
        reason: Reason,
        /// One sentence for a person.
        message: String,
    },
}

/// An object that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The object.
    pub object: ObjectRef,
    /// Its size, if the record gives it.
    pub size: Option<u64>,
    /// What tells this upload from others of the same content under the same key.
    pub sequencer: String,
}

/// Reads the body of a message.
#[must_use]
pub fn parse(body: &Value) -> Notification {
    if body["Event"] == "s3:TestEvent" {
        return Notification::Test;
    }
    match body["Records"].as_array() {
        Some(records)
            if !records.is_empty() && records.iter().all(|record| record["eventSource"] == "aws:s3") =>
        {
            Notification::Records(records.iter().map(record).collect())
        }
        _ if stopped::is_state_change(body) => match stopped::parse(body) {
            Some(stopped) => Notification::Stopped(Box::new(stopped)),
            None if stopped::is_settled(body) => Notification::Settled,
            None => Notification::Foreign,
        },
        _ if body["replay"].is_string() => match serde_json::from_value(body.clone()) {
            Ok(request) => Notification::Replay(Box::new(request)),
            Err(_) => Notification::Foreign,
        },
        _ => Notification::Foreign,
    }
}

fn record(record: &Value) -> Record {
    if !record["eventName"].as_str().is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return Record::Ignored("no object was created");
    }
    let object = &record["s3"]["object"];
    let (Some(bucket), Some(raw_key)) = (record["s3"]["bucket"]["name"].as_str(), object["key"].as_str())
    else {
        return Record::Bad {
            object: None,
            reason: Reason::MalformedEvent,
            message: "the notification names no bucket or no key".into(),
        };
    };
    if raw_key.is_empty() {
        return Record::Ignored("the key is empty");
    }
    let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let uploaded = record["eventTime"].as_str().filter(|time| !time.is_empty()).map(str::to_owned);
    let reference = |key| ObjectRef {
        bucket: bucket.to_owned(),
        key,
        version: text("versionId"),
        etag: text("eTag"),
        uploaded: uploaded.clone(),
    };
    let Some(key) = decode_key(raw_key) else {
        return Record::Bad {
            object: Some(reference(raw_key.to_owned())),
            reason: Reason::ObjectUnreadable,
            message: "the key in the notification is not URL-encoded UTF-8".into(),
        };
    };
    // S3 gives a sequencer to every upload. Where a record has none, its time tells uploads apart well enough.
    let sequencer = text("sequencer").or_else(|| record["eventTime"].as_str().map(str::to_owned));
    Record::Upload(Upload {
        object: reference(key),
        size: object["size"].as_u64(),
        sequencer: sequencer.unwrap_or_default(),
    })
}

/// Decodes a key as S3 encodes it in notifications: `+` is a space, `%xx` a byte, the bytes are UTF-8. Once.
fn decode_key(raw: &str) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit =
                    || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? * 16 + digit()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

impl Upload {
    /// The client token under which the task for this upload is started: at most 64 characters, the same for every
    /// delivery of the same notification, another one for every other upload.
    #[must_use]
    pub fn token(&self) -> String {
        // The object's 32 digits, a dash, and room for a suffix. S3's sequencers are 16 to 18 hexadecimal digits; of
        // anything longer the end counts, since the front of a number changes last.
        let sequencer: Vec<char> = self.sequencer.chars().filter(char::is_ascii_alphanumeric).collect();
        let sequencer = sequencer.get(sequencer.len().saturating_sub(20)..).unwrap_or_default();
        format!("{}-{}", self.object.digest(), sequencer.iter().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::json_value;

    fn created(object: Value) -> Value {
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00.000Z",
            "s3": { "bucket": { "name": "b" }, "object": object } })
    }

    fn single(object: Value) -> Record {
        match parse(&json!({ "Records": [created(object)] })) {
            Notification::Records(mut records) => records.pop().expect("one"),
            other => panic!("{other:?}"),
        }
    }

    fn key(raw: &str) -> Option<String> {
        match single(json!({ "key": raw })) {
            Record::Upload(upload) => Some(upload.object.key),
            _ => None,
        }
    }

    #[test]
    fn keys_are_decoded_once() {
        assert_eq!(key("a+b.csv").as_deref(), Some("a b.csv"));
        assert_eq!(key("a%2Bb.csv").as_deref(), Some("a+b.csv"));
        assert_eq!(key("100%25.csv").as_deref(), Some("100%.csv"));
        assert_eq!(key("100%2525.csv").as_deref(), Some("100%25.csv"));
        assert_eq!(key("%E2%82%AC/%f0%9f%98%80.csv").as_deref(), Some("€/😀.csv"));
        assert_eq!(key("dir/file.csv").as_deref(), Some("dir/file.csv"));
    }

    #[test]
    fn a_key_that_does_not_decode_is_reported_raw() {
        for raw in ["%", "%2", "%zz", "a%+1", "%FF%FE", "%€"] {
            let Record::Bad { object: Some(object), reason: Reason::ObjectUnreadable, .. } =
                single(json!({ "key": raw }))
            else {
                panic!("{raw}");
            };
            assert_eq!(object.key, raw);
        }
    }

    #[test]
    fn all_of_a_record_is_read() {
        let record = single(
            json!({ "key": "k", "size": 5, "eTag": "e", "versionId": "v", "sequencer": "0055AED6DCD90281E5" }),
        );
        let object = ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: Some("v".into()),
            etag: Some("e".into()),
            uploaded: Some("2026-11-22T10:00:00.000Z".into()),
        };
        assert_eq!(
            record,
            Record::Upload(Upload { object, size: Some(5), sequencer: "0055AED6DCD90281E5".into() })
        );
    }

    #[test]
    fn what_is_no_upload_is_told_apart() {
        assert_eq!(parse(&json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" })), Notification::Test);
        for foreign in [
            json!(null),
            json!("text"),
            json!({ "Records": [] }),
            json!({ "Records": [{ "eventSource": "aws:sns" }] }),
            json!({ "Type": "Notification", "Message": "{}" }),
            json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": {} }),
        ] {
            assert_eq!(parse(&foreign), Notification::Foreign, "{foreign}");
        }
        let mut removed = created(json!({ "key": "k" }));
        removed["eventName"] = json!("ObjectRemoved:Delete");
        assert_eq!(record(&removed), Record::Ignored("no object was created"));
        assert_eq!(single(json!({ "key": "" })), Record::Ignored("the key is empty"));
        assert!(matches!(
            single(json!({})),
            Record::Bad { object: None, reason: Reason::MalformedEvent, .. }
        ));
    }

    #[test]
    fn tokens_tell_uploads_apart_and_deliveries_not() {
        let upload = |key: &str, sequencer: &str| match single(
            json!({ "key": key, "eTag": "e", "sequencer": sequencer }),
        ) {
            Record::Upload(upload) => upload.token(),
            other => panic!("{other:?}"),
        };
        assert_eq!(upload("a", "0055AED6DCD90281E5"), upload("a", "0055AED6DCD90281E5"));
        assert_ne!(upload("a", "0055AED6DCD90281E5"), upload("a", "0055AED6DCD90281E6"));
        assert_ne!(upload("a", "1"), upload("b", "1"));
    }

    proptest! {
        #[test]
        fn any_body_is_read_and_every_token_is_allowed(body in json_value(), sequencer in ".{0,80}") {
            let _ = parse(&body);
            if let Notification::Records(records) = parse(&json!({ "Records": [created(body), created(json!({ "key": "k", "sequencer": sequencer }))] })) {
                for record in records {
                    if let Record::Upload(upload) = record {
                        let token = upload.token();
                        prop_assert!(token.len() + "-last".len() <= 64 && token.bytes().all(|byte| (33..=126).contains(&byte)), "{token}");
                    }
                }
            }
        }

        #[test]
        fn what_s3_encodes_is_decoded(key in "\\PC{1,40}") {
            let encoded: String = key.bytes().map(|byte| match byte {
                b' ' => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            }).collect();
            prop_assert_eq!(decode_key(&encoded), Some(key));
        }
    }
}
