//! Messages in the queue of `extract`: S3's notifications about objects, requests to extract rows again or to start a
//! task again, and ECS's events about tasks.
//!
//! S3 has two forms of messages, notifications and events of EventBridge, and either may arrive by way of an SNS topic,
//! with or without the envelope that SNS puts around a message. Other messages may be in the queue as well. Nothing in
//! a message is trusted: keys are chosen by the uploader.

use contract::{ObjectRef, Reason, ReplayRequest, RestartRequest};
use serde_json::Value;

use crate::stopped::{self, Change, Stopped};

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// S3's test, when a notification is set up, of whether it arrives.
    Test,
    /// It is not one of these, for the given reason.
    Foreign(&'static str),
    /// A request to extract rows of an object again.
    Replay(Box<ReplayRequest>),
    /// A request for a task in the place of one that has stopped, which has waited for its time.
    Restart(Box<RestartRequest>),
    /// A task has stopped before its work was done.
    Stopped(Box<Stopped>),
    /// A task has stopped, and nothing has to be done about it.
    Settled,
    /// Changes of objects.
    Records(Vec<Record>),
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// It was created.
    Upload(Upload),
    /// Something else, or it has no name: nothing to do, for the given reason.
    Ignored(&'static str),
    /// It was created, but its name cannot be read.
    Bad {
        /// The object, as far as it is known.
        object: ObjectRef,
        /// Stable code.
        reason: Reason,
        /// One sentence for a person.
        message: String,
    },
    /// An object was created, but the record doesn't say which one.
    Nameless,
}

/// An object that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The object.
    pub object: ObjectRef,
    /// Its size, if the record gives it.
    pub size: Option<u64>,
    /// A text that tells this upload from others of the same content under the same key.
    pub sequencer: String,
}

/// Reads the body of a message.
#[must_use]
pub fn parse(body: &Value) -> Notification {
    match enveloped(body) {
        Enveloped::No => parse_message(body),
        Enveloped::Message(message) => match serde_json::from_str(message) {
            Ok(message) => parse_message(&message),
            Err(_) => Notification::Foreign("the message in the envelope of SNS is not JSON"),
        },
        Enveloped::Confirmation => Notification::Foreign(
            "SNS requests the confirmation of a subscription: open the `SubscribeURL` in the message, then delete the message",
        ),
    }
}

/// The envelope that SNS has put around a message.
enum Enveloped<'b> {
    No,
    Message(&'b str),
    Confirmation,
}

/// Returns the envelope of a message.
///
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
fn enveloped(body: &Value) -> Enveloped<'_> {
    // To a function that subscribes to a topic, SNS gives the envelope in a record.
    let envelope = match body["Records"].as_array().map(Vec::as_slice) {
        Some([record]) if record["EventSource"] == "aws:sns" => &record["Sns"],
        _ => body,
    };
    match (envelope["Type"].as_str(), envelope["Message"].as_str()) {
        (Some("Notification"), Some(message)) => Enveloped::Message(message),
        (Some("SubscriptionConfirmation"), Some(_)) if envelope["SubscribeURL"].is_string() => {
            Enveloped::Confirmation
        }
        _ => Enveloped::No,
    }
}

fn parse_message(body: &Value) -> Notification {
    if body["Event"] == "s3:TestEvent" {
        return Notification::Test;
    }
    if stopped::is_state_change(body) {
        return match stopped::parse(body) {
            Change::Stopped(stopped) => Notification::Stopped(stopped),
            Change::Settled => Notification::Settled,
            Change::Unreadable(why) => Notification::Foreign(why),
        };
    }
    match body["Records"].as_array() {
        Some(records)
            if !records.is_empty() && records.iter().all(|record| record["eventSource"] == "aws:s3") =>
        {
            Notification::Records(records.iter().map(record).collect())
        }
        _ if body["source"] == "aws.s3" && body["detail-type"].is_string() => {
            Notification::Records(vec![event(body)])
        }
        _ if body["replay"].is_string() => match serde_json::from_value(body.clone()) {
            Ok(request) => Notification::Replay(Box::new(request)),
            Err(_) => Notification::Foreign("the request to extract rows again cannot be read"),
        },
        _ if body["restart"].is_object() => match serde_json::from_value(body.clone()) {
            Ok(request) => Notification::Restart(Box::new(request)),
            Err(_) => Notification::Foreign("the request to start a task again cannot be read"),
        },
        _ => Notification::Foreign(
            "it is not a notification of S3, not an event of S3 or ECS, and not a request to extract rows again",
        ),
    }
}

/// Reads a record of a notification:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn record(record: &Value) -> Record {
    if !record["eventName"].as_str().is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return NO_OBJECT_CREATED;
    }
    let object = &record["s3"]["object"];
    let fields = Fields {
        bucket: &record["s3"]["bucket"]["name"],
        object,
        version: &object["versionId"],
        etag: &object["eTag"],
        time: &record["eventTime"],
    };
    fields.record(true)
}

/// Reads an event of EventBridge: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
fn event(event: &Value) -> Record {
    if event["detail-type"] != "Object Created" {
        return NO_OBJECT_CREATED;
    }
    let object = &event["detail"]["object"];
    let fields = Fields {
        bucket: &event["detail"]["bucket"]["name"],
        object,
        version: &object["version-id"],
        etag: &object["etag"],
        time: &event["time"],
    };
    // Only notifications encode keys.
    fields.record(false)
}

const NO_OBJECT_CREATED: Record = Record::Ignored("no object was created");

/// The places of an object's fields in the two forms of S3; `object` has the rest, under the same names in both.
struct Fields<'r> {
    bucket: &'r Value,
    object: &'r Value,
    version: &'r Value,
    etag: &'r Value,
    time: &'r Value,
}

impl Fields<'_> {
    fn record(&self, encoded: bool) -> Record {
        let (Some(bucket), Some(raw_key)) = (self.bucket.as_str(), self.object["key"].as_str()) else {
            return Record::Nameless;
        };
        if raw_key.is_empty() {
            return Record::Ignored("the key is empty");
        }
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let reference = |key| ObjectRef {
            bucket: bucket.to_owned(),
            key,
            version: text(self.version),
            etag: text(self.etag),
            uploaded: text(self.time).map(with_milliseconds),
            replay: None,
        };
        let Some(key) = (if encoded { decode_key(raw_key) } else { Some(raw_key.to_owned()) }) else {
            return Record::Bad {
                object: reference(raw_key.to_owned()),
                reason: Reason::ObjectUnreadable,
                message: "the key in the notification is not URL-encoded UTF-8".into(),
            };
        };
        // S3 gives a sequencer to every upload. If a record has none, its time tells uploads apart well enough.
        let sequencer = text(&self.object["sequencer"]).or_else(|| text(self.time));
        Record::Upload(Upload {
            object: reference(key),
            size: self.object["size"].as_u64(),
            sequencer: sequencer.unwrap_or_default(),
        })
    }
}

/// Adds milliseconds to a time: events of EventBridge have whole seconds, notifications milliseconds, and times are
/// compared as texts.
fn with_milliseconds(time: String) -> String {
    match time.strip_suffix('Z') {
        Some(seconds) if !seconds.contains('.') => format!("{seconds}.000Z"),
        _ => time,
    }
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
    /// Returns the client token under which the task for this upload is started: at most 64 characters, the same for
    /// every delivery of the same notification, another one for every other upload.
    #[must_use]
    pub fn token(&self) -> String {
        // The object's 32 digits, a dash, and room for a suffix. S3's sequencers are 16 to 18 hexadecimal digits, in
        // notifications with zeros in front and in capitals, in events of EventBridge without: one number, should an
        // upload be announced in both. Of a longer one the end counts, since the front of a number changes last.
        let sequencer = self.sequencer.chars().filter(char::is_ascii_alphanumeric);
        let sequencer: Vec<char> =
            sequencer.map(|digit| digit.to_ascii_uppercase()).skip_while(|digit| *digit == '0').collect();
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
            let Record::Bad { object, reason: Reason::ObjectUnreadable, .. } = single(json!({ "key": raw }))
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
            replay: None,
        };
        assert_eq!(
            record,
            Record::Upload(Upload { object, size: Some(5), sequencer: "0055AED6DCD90281E5".into() })
        );
    }

    /// Returns S3's event for EventBridge about an object that was created.
    fn object_created(key: &str) -> Value {
        json!({
            "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
            "source": "aws.s3", "account": "111122223333", "time": "2026-11-22T10:00:00Z", "region": "eu-west-1",
            "resources": ["arn:aws:s3:::b"],
            "detail": {
                "version": "0", "bucket": { "name": "b" },
                "object": { "key": key, "size": 5, "etag": "e", "version-id": "v", "sequencer": "55aed6dcd90281e5" },
                "request-id": "N4N7GDK58NMKJ12R", "requester": "111122223333", "source-ip-address": "1.2.3.4",
                "reason": "PutObject",
            },
        })
    }

    /// Returns a message as SNS sends it to a queue whose subscription is not raw.
    fn by_sns(message: &Value) -> Value {
        json!({
            "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:uploads",
            "Subject": "Amazon S3 Notification", "Message": message.to_string(),
            "Timestamp": "2026-11-22T10:00:00.123Z", "SignatureVersion": "1", "Signature": "x",
            "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem",
            "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        })
    }

    #[test]
    fn an_upload_is_the_same_upload_by_whatever_way_it_is_announced() {
        let notification = json!({ "Records": [created(json!(
            { "key": "a+b%25.csv", "size": 5, "eTag": "e", "versionId": "v", "sequencer": "0055AED6DCD90281E5" }
        ))] });
        let event = object_created("a b%.csv");
        let upload = |body: &Value| match parse(body) {
            Notification::Records(records) => match &records[..] {
                [Record::Upload(upload)] => upload.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let first = upload(&notification);
        assert_eq!((first.object.key.as_str(), first.size), ("a b%.csv", Some(5)));
        for body in [&event, &by_sns(&notification), &by_sns(&event)] {
            let other = upload(body);
            assert_eq!(other.object, first.object, "{body}");
            assert_eq!((other.token(), other.size), (first.token(), first.size), "{body}");
        }
        let record = json!({ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": by_sns(&event) });
        assert_eq!(upload(&json!({ "Records": [record] })).object, first.object);
    }

    #[test]
    fn keys_in_events_of_eventbridge_are_not_encoded() {
        for key in ["a+b.csv", "100%25.csv", "%zz", "é/a b.csv"] {
            let Notification::Records(records) = parse(&object_created(key)) else { panic!("{key}") };
            assert!(
                matches!(&records[..], [Record::Upload(upload)] if upload.object.key == key),
                "{records:?}"
            );
        }
    }

    #[test]
    fn what_is_no_upload_is_told_apart() {
        let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" });
        assert_eq!(parse(&test), Notification::Test);
        assert_eq!(parse(&by_sns(&test)), Notification::Test);
        for foreign in [
            json!(null),
            json!("text"),
            json!({ "Records": [] }),
            json!({ "Records": [{ "eventSource": "aws:sns" }] }),
            json!({ "Records": [created(json!({ "key": "k" })), { "eventSource": "aws:ses" }] }),
            json!({ "Type": "Notification", "Message": "{" }),
            json!({ "Type": "Notification", "Message": "{}" }),
            // A topic can't subscribe to a topic.
            by_sns(&by_sns(&object_created("k"))),
            json!({ "replay": "all" }),
            json!({ "source": "shop", "detail-type": "Object Created", "detail": {} }),
        ] {
            assert!(matches!(parse(&foreign), Notification::Foreign(_)), "{foreign}");
        }
        let confirmation =
            json!({ "Type": "SubscriptionConfirmation", "Message": "m", "SubscribeURL": "https://x" });
        assert!(matches!(parse(&confirmation), Notification::Foreign(why) if why.contains("SubscribeURL")));
        let mut removed = created(json!({ "key": "k" }));
        removed["eventName"] = json!("ObjectRemoved:Delete");
        assert_eq!(record(&removed), NO_OBJECT_CREATED);
        let mut deleted = object_created("k");
        deleted["detail-type"] = json!("Object Deleted");
        assert_eq!(parse(&deleted), Notification::Records(vec![NO_OBJECT_CREATED]));
        assert_eq!(single(json!({ "key": "" })), Record::Ignored("the key is empty"));
        assert_eq!(single(json!({})), Record::Nameless);
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
            let _ = parse(&by_sns(&body));
            let _ = parse(&json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": body }));
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
