use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use contract::settings::ExtractSettings;
use contract::{Detail, row};
use publisher::{Entry, Rejection};
use runtime::CallError;
use runtime::s3::ObjectError;
use sealing::{DataKey, KmsError};
use serde_json::{Value, json};
use tally::checkpoint::Checkpoint;
use task::download::Opened;
use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroizing;

use super::*;
use crate::extract::{Delay, Extract, StartError, Tasks};
use crate::messages::{Delivery, Handler, QueueOrigin};
use crate::testing::{Bus, delivery};

/// A bucket, a tally and a cluster in memory.
#[derive(Clone, Default)]
struct World(Arc<State>);

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    checkpoints: Mutex<HashMap<String, Checkpoint>>,
    /// Keys of the objects for which a task was started, with its token.
    tasks: Mutex<Vec<(String, String)>>,
    /// The time that each call of the bus takes.
    pause: Mutex<Duration>,
    /// Keys of the objects about which others know before they are read.
    prepared: Mutex<Vec<String>>,
    without_tally: bool,
}

/// The bytes of an object, a few at a time, so that a process can be killed between them.
struct Body {
    bytes: Vec<u8>,
    at: usize,
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let end = (self.at + 100).min(self.bytes.len());
        buffer.put_slice(&self.bytes[self.at..end]);
        self.at = end;
        context.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }
}

struct Bytes(World, String);

impl Source for Bytes {
    async fn open(&self, from: u64, _: u64) -> Result<Opened, ObjectError> {
        tokio::task::yield_now().await;
        let bytes = self.0.0.objects.lock().expect("lock").get(&self.1).cloned();
        let Some(bytes) = bytes else { return Err(ObjectError::Unreadable { code: "NoSuchKey".into() }) };
        let length = Some(bytes.len() as u64);
        let start = usize::try_from(from).expect("small").min(bytes.len());
        let body = Body { bytes: bytes[start..].to_vec(), at: 0 };
        Ok(Opened { from, body: Box::pin(body), length })
    }
}

struct Memory(World, String);

impl Checkpoints for Memory {
    async fn load(&self) -> Result<Option<Checkpoint>, CallError> {
        tokio::task::yield_now().await;
        Ok(self.0.0.checkpoints.lock().expect("lock").get(&self.1).copied())
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), CallError> {
        tokio::task::yield_now().await;
        self.0.0.checkpoints.lock().expect("lock").insert(self.1.clone(), *checkpoint);
        Ok(())
    }
}

struct Keys;

impl Kms for Keys {
    async fn generate(&self, _: &str) -> Result<DataKey, KmsError> {
        Ok(DataKey { plain: Zeroizing::new(vec![7; 32]), encrypted: vec![1; 64] })
    }

    async fn decrypt(&self, _: &[u8], _: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        unreachable!("nothing is read back")
    }
}

struct Here {
    world: World,
    sealed: bool,
}

impl Backends for Here {
    type Source = Bytes;
    type Checkpoints = Memory;
    type Kms = Keys;

    async fn prepare(&self, object: &ObjectRef, _: &ReaderSettings) -> Result<(), String> {
        self.world.0.prepared.lock().expect("lock").push(object.key.clone());
        Ok(())
    }

    fn source(&self, object: &ObjectRef) -> Bytes {
        Bytes(self.world.clone(), object.key.clone())
    }

    fn checkpoints(&self, object: &ObjectRef) -> Option<Memory> {
        (!self.world.0.without_tally).then(|| Memory(self.world.clone(), object.digest()))
    }

    fn kms(&self) -> Option<Keys> {
        self.sealed.then_some(Keys)
    }
}

impl Tasks for World {
    async fn start(&self, object: &ObjectRef, _: &Assignment, token: &str) -> Result<String, StartError> {
        self.0.tasks.lock().expect("lock").push((object.key.clone(), token.to_owned()));
        Ok("arn:task".into())
    }
}

impl Delay for World {
    async fn delay(&self, _: &QueueOrigin, _: i32) -> Result<(), String> {
        Ok(())
    }

    async fn send_later(&self, _: &QueueOrigin, _: &str, _: i32) -> Result<(), String> {
        Ok(())
    }
}

/// A bus that gives way before it answers, so that a process can be killed while an event is on its way.
#[derive(Clone)]
struct SlowBus(Bus, World);

impl PutEvents for SlowBus {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        tokio::task::yield_now().await;
        let pause = *self.1.0.pause.lock().expect("lock");
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let answer = self.0.put_events(entries).await;
        tokio::task::yield_now().await;
        answer
    }
}

impl SlowBus {
    fn publisher(&self) -> Publisher<Self> {
        Publisher::new(self.clone(), publisher::Destination::new("bus", "source"), Backoff::immediate(2))
    }
}

type Function = Extract<World, World, SlowBus, Reader<Here, SlowBus>>;

/// Bytes of an object that the function reads itself.
const INLINE: usize = 100_000;

/// Returns the function.
fn function(world: &World, bus: &Bus, sensitive: &[&str]) -> Function {
    let settings = ExtractSettings { inline: Some(INLINE as u64), ..ExtractSettings::default() };
    let bus = SlowBus(bus.clone(), world.clone());
    let field =
        |name: &&str| SensitiveField { name: (*name).to_owned(), from: (*name).to_owned(), settings: None };
    let read_by = ReaderSettings {
        columns: vec!["id".into()],
        sensitive: sensitive.iter().map(field).collect(),
        ..ReaderSettings::default()
    };
    let here = Here { world: world.clone(), sealed: !sensitive.is_empty() };
    let reader = Reader::new(here, bus.publisher(), read_by, Backoff::immediate(2));
    Extract::new(settings, world.clone(), world.clone(), bus.publisher(), Some(reader))
}

/// Stores an object, and returns S3's message about it.
fn upload(world: &World, key: &str, text: &str) -> Value {
    world.0.objects.lock().expect("lock").insert(key.to_owned(), text.as_bytes().to_vec());
    notification(key, Some(text.len()))
}

fn notification(key: &str, size: Option<usize>) -> Value {
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" },
                "object": { "key": key, "size": size, "eTag": "e", "sequencer": "AB" } } }] })
}

fn rows(count: usize) -> String {
    std::iter::once("id,town\n".to_owned()).chain((1..=count).map(|row| format!("{row},x\n"))).collect()
}

/// Returns the first cells of the rows that were published for an object, and the number of ends.
fn published(bus: &Bus, key: &str) -> (Vec<String>, usize) {
    let (mut cells, mut ends) = (Vec::new(), 0);
    for detail in bus.published() {
        assert!(detail.object().is_some());
        if detail.object().is_none_or(|object| object.key != key) {
            continue;
        }
        match detail {
            Detail::RecordExtracted { data, .. } => {
                cells.push(row::decode(&data).expect("a row")[0].clone());
            }
            Detail::ExtractionCompleted { .. } => ends += 1,
            Detail::TaskStarted { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    // Calls are answered in any order.
    cells.sort_by_key(|cell| cell.parse::<usize>().expect("a number"));
    (cells, ends)
}

fn numbers(count: usize) -> Vec<String> {
    (1..=count).map(|row| row.to_string()).collect()
}

async fn deliver(function: &Function, message: &Delivery) {
    assert_eq!(function.handle(std::slice::from_ref(message)).await, [Ok(())]);
}

#[tokio::test]
async fn a_small_object_is_read_without_a_task() {
    let (world, bus) = (World::default(), Bus::default());
    let message = delivery(upload(&world, "k.csv", &rows(50)), 1);
    deliver(&function(&world, &bus, &[]), &message).await;
    assert_eq!(published(&bus, "k.csv"), (numbers(50), 1));
    assert_eq!(*world.0.prepared.lock().expect("lock"), ["k.csv"]);
    assert!(world.0.tasks.lock().expect("lock").is_empty());

    // Another delivery finds that everything is done, and says so again.
    deliver(&function(&world, &bus, &[]), &message).await;
    assert_eq!(published(&bus, "k.csv"), (numbers(50), 2));
}

#[tokio::test]
async fn a_task_reads_what_is_larger_or_of_unknown_size_or_was_tried_in_vain() {
    let (world, bus) = (World::default(), Bus::default());
    let function = function(&world, &bus, &[]);
    let exact = format!("id\n{}\n", "1".repeat(INLINE - 4));
    deliver(&function, &delivery(upload(&world, "exact.csv", &exact), 2)).await;
    assert!(world.0.tasks.lock().expect("lock").is_empty());
    for (key, size, attempt) in
        [("larger.csv", Some(INLINE + 1), 1), ("unknown.csv", None, 1), ("third.csv", Some(9), 3)]
    {
        let message = delivery(notification(key, size), attempt);
        deliver(&function, &message).await;
        let tasks = world.0.tasks.lock().expect("lock");
        assert_eq!(tasks.last().map(|(key, _)| key.as_str()), Some(key));
    }
}

#[tokio::test]
async fn an_object_that_fails_needs_no_task() {
    let (world, bus) = (World::default(), Bus::default());
    let function = function(&world, &bus, &[]);
    // A column is missing; the object is gone.
    deliver(&function, &delivery(upload(&world, "other.csv", "name\nx\n"), 1)).await;
    deliver(&function, &delivery(notification("gone.csv", Some(9)), 1)).await;
    let reasons: Vec<Reason> = bus
        .published()
        .into_iter()
        .map(|detail| match detail {
            Detail::Failed { reason, .. } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [Reason::MissingColumn, Reason::ObjectUnreadable]);
    assert!(world.0.tasks.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn sensitive_values_leave_sealed() {
    let (world, bus) = (World::default(), Bus::default());
    let message = delivery(upload(&world, "k.csv", "id,town\n1,Ulm-secret\n"), 1);
    deliver(&function(&world, &bus, &["town"]), &message).await;
    let events = format!("{:?}", bus.published());
    assert!(events.contains("enc:v1:") && !events.contains("Ulm-secret"), "{events}");
}

#[tokio::test]
async fn a_task_continues_what_is_not_read_in_time() {
    let (world, bus) = (World::default(), Bus::default());
    let function = function(&world, &bus, &[]);
    let body = upload(&world, "k.csv", &rows(5_000));
    *world.0.pause.lock().expect("lock") = Duration::from_millis(50);
    let deadline = Instant::now() + MARGIN + Duration::from_millis(300);
    let message = Delivery { deadline: Some(deadline), ..delivery(body, 1) };
    deliver(&function, &message).await;
    assert!(Instant::now() < deadline, "before Lambda ends the invocation");
    let (found, ends) = published(&bus, "k.csv");
    let checkpoint =
        world.0.checkpoints.lock().expect("lock").values().next().copied().expect("a checkpoint");
    assert_eq!((found.len() as u64, ends), (checkpoint.rows, 0));
    assert!(checkpoint.rows > 10 && checkpoint.done.is_none());
    let tasks = world.0.tasks.lock().expect("lock").clone();
    assert!(matches!(tasks.as_slice(), [(key, _)] if key == "k.csv"), "{tasks:?}");

    // The same message again, with no time left: the same token.
    let message = Delivery { deadline: Some(Instant::now()), ..message };
    deliver(&function, &message).await;
    let tasks = world.0.tasks.lock().expect("lock").clone();
    assert!(matches!(tasks.as_slice(), [(_, first), (_, second)] if first == second), "{tasks:?}");
}

/// A thousand objects of 1 to 50 rows, each delivered once or twice, with the process killed at any point.
#[tokio::test]
async fn of_a_thousand_small_objects_no_row_is_lost_or_counted_twice() {
    let world = World::default();
    let mut random = fastrand::Rng::with_seed(16);
    let mut killed = 0;
    let mut again = 0;
    for number in 0..1_000 {
        let (bus, count) = (Bus::default(), random.usize(1..=50));
        let key = format!("{number}.csv");
        let body = upload(&world, &key, &rows(count));
        let first = delivery(body, 1);
        for _ in 0..random.usize(1..=2) {
            let function = function(&world, &bus, &[]);
            let kill_after = random.usize(..20);
            let mut handled = Box::pin(function.handle(std::slice::from_ref(&first)));
            let mut polls = 0;
            let outcome = std::future::poll_fn(|context| {
                polls += 1;
                if polls > kill_after {
                    return Poll::Ready(None);
                }
                handled.as_mut().poll(context).map(Some)
            })
            .await;
            if outcome.is_none() {
                killed += 1;
            }
        }
        // SQS delivers what was not answered; in the end somebody answers.
        deliver(&function(&world, &bus, &[]), &Delivery { attempt: 2, ..first }).await;
        let (mut found, ends) = published(&bus, &key);
        assert!(ends >= 1, "{key}");
        again += found.len() - count;
        found.dedup();
        assert_eq!(found, numbers(count), "{key}");
    }
    assert!(killed > 300 && again < 20 * killed, "{killed} killed, {again} rows published again");
    assert!(world.0.tasks.lock().expect("lock").is_empty());
}
