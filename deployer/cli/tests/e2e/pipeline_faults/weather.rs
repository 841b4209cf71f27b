//! The faults of calls of the workers, by chance and by plan: refusals, losses, repetitions, delays and kills.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use ::tally::{Key, PARTITION_KEY, SORT_KEY};
use serde_json::json;

use crate::parts;
use crate::proxy::Fate;
use crate::wire::Call;

/// Number of times that a single event or item is refused at most. The publisher tries six times and the table is asked
/// six times, so an entry that is refused more often is lost by agreement; that end has a test of its own, in
/// `faults.rs`.
const MOST_REFUSALS: u32 = 3;

/// The process that is killed, always in the middle of a call that has had its effect and gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Victim {
    /// `extract`, with a task started and not announced.
    Extract,
    /// The task, with rows published.
    Task,
    /// `transform`, with events published and messages not deleted.
    Transform,
    /// `load`, with items written and not announced.
    Load,
    /// `observe`, with rows merged into the tally and messages not deleted.
    Observe,
}

impl Victim {
    pub(super) const ALL: [Self; 5] = [Self::Extract, Self::Task, Self::Transform, Self::Load, Self::Observe];

    /// Returns the process that makes this call in the middle of its work.
    fn of(call: &Call) -> Option<Self> {
        match (call.name().as_str(), call.input["Entries"][0]["DetailType"].as_str()) {
            ("ECS.RunTask", _) => Some(Self::Extract),
            ("DynamoDB.BatchWriteItem", _) => Some(Self::Load),
            ("DynamoDB.UpdateItem", _) if is_of_tally(call) => Some(Self::Observe),
            ("EventBridge.PutEvents", Some("s3RecordExtraction")) => Some(Self::Task),
            ("EventBridge.PutEvents", Some("transform")) => Some(Self::Transform),
            _ => None,
        }
    }
}

/// Checks whether an item of the tally is written; the checkpoints of the tasks are in the same table.
fn is_of_tally(call: &Call) -> bool {
    let key = |name: &str| call.input["Key"][name]["S"].as_str();
    let (object, part) = (key(PARTITION_KEY), key(SORT_KEY));
    object.zip(part).is_some_and(|(object, part)| Key::parse(object, part).is_some())
}

/// The faults that have happened, and their numbers.
pub(super) type Befallen = Arc<Mutex<BTreeMap<&'static str, u32>>>;

/// The faults of calls of the workers, by chance and by plan.
pub(super) struct Weather {
    pub(super) random: fastrand::Rng,
    pub(super) no_capacity: u32,
    pub(super) kills: Vec<(Victim, u32)>,
    pub(super) held: HashMap<Victim, mpsc::Sender<()>>,
    /// Number of calls of each victim.
    pub(super) calls: HashMap<Victim, u32>,
    /// The newest revision of each item of the tally, by its key.
    pub(super) revisions: HashMap<String, u64>,
    /// Number of refusals of an event or item, by the hash of its content.
    pub(super) refused: HashMap<u64, u32>,
    pub(super) befallen: Befallen,
}

impl Weather {
    fn count(&self, what: &'static str) {
        *self.befallen.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    pub(super) fn decide(&mut self, call: &Call) -> Fate {
        if let Some(held) = self.kill(call) {
            self.count("killed");
            return Fate::Held(true, held);
        }
        let name = call.name();
        match name.as_str() {
            "ECS.RunTask" if self.no_capacity > 0 => {
                self.no_capacity -= 1;
                self.count("no capacity");
                Fate::Answered(json!({ "tasks": [], "failures": [{ "reason": "RESOURCE:FARGATE" }] }))
            }
            "EventBridge.PutEvents" => self.whole(call, "ThrottlingException", "InternalFailure"),
            "DynamoDB.BatchWriteItem" => {
                self.whole(call, "ProvisionedThroughputExceededException", "InternalServerError")
            }
            // These are updates of the tally and the checkpoints.
            "DynamoDB.UpdateItem" => match self.random.u32(0..10) {
                0 => self
                    .counted("tally refused", Fate::Refused(400, "ProvisionedThroughputExceededException")),
                1 => self.counted("tally refused", Fate::Refused(500, "InternalServerError")),
                2 => self.counted("lost after", Fate::LostAfter),
                _ => Fate::Through,
            },
            "S3.GetObject" => match self.random.u32(0..4) {
                0 => self.counted("object cut", Fate::CutAnswer),
                1 => self.counted("error 500", Fate::Refused(500, "InternalError")),
                _ => Fate::Through,
            },
            "SQS.ChangeMessageVisibility" if self.random.u32(0..10) == 0 => {
                Fate::Refused(500, "InternalFailure")
            }
            _ => Fate::Through,
        }
    }

    fn counted(&self, what: &'static str, fate: Fate) -> Fate {
        self.count(what);
        fate
    }

    /// Tells the test if this is the call in which a process is to be killed.
    fn kill(&mut self, call: &Call) -> Option<mpsc::Sender<()>> {
        let victim = Victim::of(call)?;
        if victim == Victim::Extract && self.no_capacity > 0
            || victim == Victim::Observe && !self.is_first_of_revision(call)
        {
            return None;
        }
        let number = self.calls.entry(victim).or_default();
        *number += 1;
        self.kills.contains(&(victim, *number)).then(|| self.held.get(&victim).cloned())?
    }

    /// Checks whether this is the first call for the tally with this revision of the item: a later one is told of a
    /// conflict, and nothing is written.
    fn is_first_of_revision(&mut self, call: &Call) -> bool {
        let revision = call.input["ExpressionAttributeValues"][":r"]["N"].as_str();
        let revision: u64 = revision.and_then(|text| text.parse().ok()).expect("a revision");
        let newest = self.revisions.entry(call.input["Key"].to_string()).or_default();
        let first = revision > *newest;
        *newest = revision.max(*newest);
        first
    }

    /// Decides the fate of a whole call: one call in eight fails; of the others, some of their entries do.
    fn whole(&mut self, call: &Call, throttled: &'static str, broken: &'static str) -> Fate {
        match self.random.u32(0..100) {
            0..4 => self.counted("throttle", Fate::Refused(400, throttled)),
            4..8 => self.counted("error 500", Fate::Refused(500, broken)),
            8 => self.counted("lost before", Fate::LostBefore),
            9 => self.counted("cut", Fate::Cut),
            10 | 11 => self.counted("lost after", Fate::LostAfter),
            12 | 13 => {
                let pause = Duration::from_millis(self.random.u64(100..800));
                self.counted("late", Fate::Late(pause))
            }
            _ => self.partly(call),
        }
    }

    /// Decides the fate of the entries: one entry in ten is refused. Events come twice and in another order, too.
    fn partly(&mut self, call: &Call) -> Fate {
        let mut passed_on = Vec::new();
        for position in 0..parts::count(call).unwrap_or_default() {
            if self.random.u32(0..10) == 0 && self.may_refuse(call, position) {
                self.count(if call.service == "DynamoDB" { "unprocessed item" } else { "refused event" });
                continue;
            }
            passed_on.push(position);
            if call.service == "EventBridge" && self.random.u32(0..50) == 0 {
                self.count("event twice");
                passed_on.push(position);
            }
        }
        if call.service == "EventBridge" && self.random.u32(0..5) == 0 {
            self.count("other order");
            self.random.shuffle(&mut passed_on);
        }
        Fate::Parts(passed_on)
    }

    fn may_refuse(&mut self, call: &Call, position: usize) -> bool {
        let mut hasher = DefaultHasher::new();
        for part in parts::requests(call, &[position]) {
            part.to_string().hash(&mut hasher);
        }
        let refused = self.refused.entry(hasher.finish()).or_default();
        *refused += 1;
        *refused <= MOST_REFUSALS
    }
}
