//! Fakes and samples for the functions' tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use contract::{Detail, ObjectRef};
use proptest::prelude::*;
use publisher::{Destination, Entry, Publisher, PutEvents, Rejection};
use runtime::{Backoff, CallError};
use serde_json::{Value, json};
use tally::completion::{Completions, State, Step};
use tally::details::Notes;
use tally::{Attributes, Change, Key, Scope, Source, Store, Stored, Updated};

use crate::messages::{Delivery, QueueOrigin};

type Refuse = dyn Fn(&Detail) -> bool + Send + Sync;

/// A bus that keeps what it accepts.
#[derive(Clone)]
pub(crate) struct Bus {
    refuse: Arc<Refuse>,
    published: Arc<Mutex<Vec<Detail>>>,
    calls: Arc<Mutex<usize>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::refusing(|_| false)
    }
}

impl Bus {
    /// Creates a bus that never accepts the events that `refuse` picks.
    pub(crate) fn refusing(refuse: impl Fn(&Detail) -> bool + Send + Sync + 'static) -> Self {
        Self { refuse: Arc::new(refuse), published: Arc::default(), calls: Arc::default() }
    }

    pub(crate) fn publisher(&self) -> Publisher<Self> {
        Publisher::new(self.clone(), Destination::new("bus", "source"), Backoff::immediate(2))
    }

    pub(crate) fn published(&self) -> Vec<Detail> {
        self.published.lock().expect("lock").clone()
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.lock().expect("lock")
    }
}

impl PutEvents for Bus {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        *self.calls.lock().expect("lock") += 1;
        Ok(entries
            .iter()
            .map(|entry| {
                let value = serde_json::from_str(&entry.detail).expect("JSON");
                let detail = Detail::from_value(entry.detail_type, value).expect("an event of the pipeline");
                if (self.refuse)(&detail) {
                    return Err(Rejection { code: "InternalFailure".into(), message: "m".into() });
                }
                self.published.lock().expect("lock").push(detail);
                Ok(())
            })
            .collect())
    }
}

/// A table of the tally in memory.
#[derive(Clone, Default)]
pub(crate) struct TallyTable(Arc<Mutex<Items>>);

#[derive(Default)]
struct Items {
    items: BTreeMap<Key, (u64, Attributes)>,
    ends: BTreeMap<String, (State, Option<String>)>,
    steps: usize,
    notes: BTreeMap<(String, String), Attributes>,
    /// The number of notes that are refused from now on.
    refused: usize,
}

impl TallyTable {
    fn state(&self) -> MutexGuard<'_, Items> {
        self.0.lock().expect("lock")
    }

    /// Refuses as many notes from now on.
    pub(crate) fn refuse_notes(&self, count: usize) {
        self.state().refused = count;
    }

    /// Returns the number of calls about the ends of objects.
    pub(crate) fn steps(&self) -> usize {
        self.state().steps
    }
}

impl Store for TallyTable {
    async fn update(&self, key: &Key, change: &Change) -> Result<Updated, CallError> {
        let mut state = self.state();
        Ok(match (state.items.get_mut(key), change.expected) {
            (Some((revision, item)), Some(expected)) if *revision == expected => {
                *revision = change.revision;
                item.extend(change.set.clone());
                item.retain(|name, _| !change.remove.contains(name));
                Updated::Done
            }
            (None, None) => {
                state.items.insert(key.clone(), (change.revision, change.set.clone()));
                Updated::Done
            }
            (Some((revision, item)), _) => Updated::Conflict(*revision, item.clone()),
            (None, Some(_)) => Updated::Gone,
        })
    }

    async fn delete(&self, key: &Key, revision: u64) -> Result<bool, CallError> {
        let mut state = self.state();
        let there = state.items.get(key).is_some_and(|(own, _)| *own == revision);
        if there {
            state.items.remove(key);
        }
        Ok(there)
    }
}

impl Source for TallyTable {
    async fn items(&self, scope: Scope<'_>) -> Result<Vec<Stored>, CallError> {
        let wanted = |key: &Key| match scope {
            Scope::All => true,
            Scope::Object(object) => key.object == object,
            Scope::Part(object, part) => key.object == object && key.part().starts_with(part),
        };
        let state = self.state();
        let stored = |(key, (revision, attributes)): (&Key, &(u64, Attributes))| Stored {
            object: key.object.clone(),
            part: key.part(),
            revision: *revision,
            attributes: attributes.clone(),
        };
        let items = state.items.iter().filter(|(key, _)| wanted(key)).map(stored);
        let noted = state.notes.iter().filter(|((of, part), _)| match scope {
            Scope::All => true,
            Scope::Object(object) => of == object,
            Scope::Part(object, prefix) => of == object && part.starts_with(prefix),
        });
        let noted = noted.map(|((object, part), attributes)| Stored {
            object: object.clone(),
            part: part.clone(),
            revision: 0,
            attributes: attributes.clone(),
        });
        Ok(items.chain(noted).collect())
    }
}

impl Notes for TallyTable {
    async fn note(&self, object: &str, part: &str, attributes: &Attributes) -> Result<(), CallError> {
        let mut state = self.state();
        if state.refused > 0 {
            state.refused -= 1;
            return Err(CallError {
                code: "ThrottlingException".into(),
                message: String::new(),
                retryable: true,
            });
        }
        state.notes.entry((object.to_owned(), part.to_owned())).or_default().extend(attributes.clone());
        Ok(())
    }
}

impl Completions for TallyTable {
    async fn step(&self, object: &str, step: &Step) -> Result<Option<State>, CallError> {
        let mut state = self.state();
        state.steps += 1;
        let (item, lease) = state.ends.entry(object.to_owned()).or_default();
        let done = match step {
            Step::Count { settled, rows, failed } => {
                item.settled += settled;
                item.rows = rows.or(item.rows);
                item.failed |= failed;
                true
            }
            Step::Claim { attempt, holder, .. } => {
                let free = item.attempt < *attempt && lease.as_ref().is_none_or(|other| other == holder);
                if free {
                    *lease = Some(holder.clone());
                }
                free
            }
            Step::Finish { attempt, replay, partial } => {
                (item.attempt, item.replay, item.partial) = (*attempt, replay.clone(), *partial);
                *lease = None;
                true
            }
        };
        Ok(done.then(|| item.clone()))
    }
}

pub(crate) fn object() -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: None,
        etag: Some("e".into()),
        uploaded: None,
        replay: None,
    }
}

/// Returns the text of a document.
pub(crate) fn raw(value: &Value) -> String {
    value.to_string()
}

/// Returns an event as it arrives from the bus.
pub(crate) fn event(detail: &Detail) -> Value {
    json!({ "source": "source", "detail-type": detail.detail_type(), "detail": detail.to_value() })
}

/// Returns a message as a handler receives it; the third attempt is the last.
pub(crate) fn delivery(body: Value, attempt: u32) -> Delivery {
    Delivery {
        id: "m".into(),
        body: Some(body.to_string()),
        attempt,
        last_attempt: attempt >= 3,
        queue: Some(QueueOrigin { arn: "arn:aws:sqs:eu-west-1:1:q".into(), receipt_handle: "r".into() }),
        deadline: None,
    }
}

/// Returns an invocation by a queue: bodies with their receive counts; IDs are `m0`, `m1`, …
pub(crate) fn batch<const N: usize>(messages: [(Value, u32); N]) -> Value {
    let records = messages.into_iter().enumerate().map(|(index, (body, attempt))| {
        json!({
            "messageId": format!("m{index}"),
            "receiptHandle": format!("r{index}"),
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": attempt.to_string() },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Returns any JSON, with the names that the functions look for among its keys.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "aws:s[q3]s?|ObjectCreated:Put|%[0-9a-z+]{0,3}|.{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("Records".to_owned()),
        Just("eventSource".to_owned()),
        Just("eventName".to_owned()),
        Just("messageId".to_owned()),
        Just("body".to_owned()),
        Just("s3".to_owned()),
        Just("object".to_owned()),
        Just("bucket".to_owned()),
        Just("key".to_owned()),
        Just("name".to_owned()),
        Just("detail".to_owned()),
        Just("detail-type".to_owned()),
        "[a-z]{0,4}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
