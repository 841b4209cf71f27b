//! The tally of an object as a whole.

use std::collections::{BTreeMap, BTreeSet};

use contract::ObjectRef;

use crate::attribute::{Attribute, Attributes};
use crate::rows::MAX_REPLAYS;
use crate::time::{earlier, later, time};

/// The greatest number of tasks that are named; the list of all that were ever started for one object would have no
/// end.
const MAX_TASKS: usize = 32;
/// The number of rows that one part of an object can have: counts are also held as sets, and no event may make one
/// endless.
pub const MAX_ROWS: u64 = 1 << 32;
/// The greatest number of bytes of a task's ARN, which is that of IAM.
const MAX_ARN: usize = 2_048;
/// The greatest number of an object's parts that are kept, whatever the events contain.
const MAX_SHARDS: usize = 1_024;
/// The greatest numbers of bytes of a message, and of messages, that are kept: one for each stage and reason.
const MAX_MESSAGE: usize = 600;
const MAX_MESSAGES: usize = 64;

/// The counts of a task that read a part of the object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows, rejected ones included.
    pub rows: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Bytes, as they are stored.
    pub bytes: u64,
}

impl Counts {
    /// Takes the greater of each count: a rule by which all writers get the same result.
    pub(crate) fn raise(&mut self, other: Self) {
        self.rows = self.rows.max(other.rows);
        self.rejected = self.rejected.max(other.rejected);
        self.bytes = self.bytes.max(other.bytes);
    }
}

/// Rows that were requested to be sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The kind of rows: `failed` or `missing`.
    pub what: String,
    /// The number of rows.
    pub rows: u64,
    /// Stage and reason, if the replay failed as a whole.
    pub failure: Option<(String, String)>,
}

/// The object, its parts and its failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The object. `None` only where the item was never written.
    pub object: Option<ObjectRef>,
    /// Time of the first event.
    pub started_at: Option<String>,
    /// Time of the last event that brought something new to this item.
    pub last_at: Option<String>,
    /// Counts of each part that was read completely, by the number of parts and the number of the part.
    pub shards: BTreeMap<(u32, u32), Counts>,
    /// Failures of the object as a whole: stage and reason.
    pub failures: BTreeSet<(String, String)>,
    /// ARNs of the tasks.
    pub tasks: BTreeSet<String>,
    /// The latest replays, by their IDs, which are times.
    pub replays: BTreeMap<String, Replayed>,
    /// The message of a `failed` event, of the object or of one of its rows, by stage and reason.
    pub messages: BTreeMap<(String, String), String>,
}

/// Returns the beginning of a message, as it is kept.
pub(crate) fn shortened(message: &str) -> String {
    message
        .chars()
        .scan(0, |bytes, char| {
            *bytes += char.len_utf8();
            (*bytes <= MAX_MESSAGE).then_some(char)
        })
        .collect()
}

/// Keeps the greater of two, and returns whether it is new: a rule by which all writers get the same result.
fn greater(into: &mut Option<String>, other: Option<&String>) -> bool {
    let new = other.is_some() && into.as_ref() < other;
    if new {
        *into = other.cloned();
    }
    new
}

impl Summary {
    /// Adds the knowledge of another writer, or of another batch, and returns whether any of it was new.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let mut new = match (&mut self.object, &other.object) {
            (Some(own), Some(other)) => {
                greater(&mut own.version, other.version.as_ref())
                    | greater(&mut own.etag, other.etag.as_ref())
                    | greater(&mut own.uploaded, other.uploaded.as_ref())
            }
            (own @ None, Some(other)) => {
                // The object is the same, for whatever request its rows are sent.
                *own = Some(ObjectRef { replay: None, ..other.clone() });
                true
            }
            (_, None) => false,
        };
        for (shard, other) in &other.shards {
            if !self.shards.contains_key(shard) && self.shards.len() >= MAX_SHARDS {
                continue;
            }
            let own = self.shards.entry(*shard).or_insert_with(|| {
                new = true;
                Counts::default()
            });
            let before = *own;
            own.raise(*other);
            new |= *own != before;
        }
        for failure in &other.failures {
            new |= self.failures.insert(failure.clone());
        }
        if !other.tasks.is_subset(&self.tasks) {
            let tasks = self.tasks.clone();
            self.tasks.extend(other.tasks.iter().filter(|task| task.len() <= MAX_ARN).cloned());
            while self.tasks.len() > MAX_TASKS {
                self.tasks.pop_last();
            }
            new |= self.tasks != tasks;
        }
        new |= self.merge_replays(&other.replays);
        for (why, message) in &other.messages {
            if let Some(own) = self.messages.get_mut(why) {
                // All writers keep the same one; a difference is not worth a write.
                if message < own {
                    own.clone_from(message);
                }
            } else if self.messages.len() < MAX_MESSAGES {
                self.messages.insert(why.clone(), message.clone());
                new = true;
            }
        }
        earlier(&mut self.started_at, other.started_at.as_ref());
        later(&mut self.last_at, other.last_at.as_ref());
        new
    }

    fn merge_replays(&mut self, other: &BTreeMap<String, Replayed>) -> bool {
        let before = self.replays.clone();
        for (id, other) in other {
            let own = self.replays.entry(id.clone()).or_default();
            if own.what < other.what {
                own.what.clone_from(&other.what);
            }
            own.rows = own.rows.max(other.rows);
            if own.failure < other.failure {
                own.failure.clone_from(&other.failure);
            }
        }
        while self.replays.len() > MAX_REPLAYS {
            self.replays.pop_first();
        }
        self.replays != before
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let object = self.object.as_ref();
        let texts = [
            ("bucket", object.map(|object| &object.bucket)),
            ("key", object.map(|object| &object.key)),
            ("version", object.and_then(|object| object.version.as_ref())),
            ("etag", object.and_then(|object| object.etag.as_ref())),
            ("uploaded", object.and_then(|object| object.uploaded.as_ref())),
            ("startedAt", self.started_at.as_ref()),
            ("lastAt", self.last_at.as_ref()),
        ];
        let mut out: Attributes = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), Attribute::Text(text?.clone()))))
            .collect();
        let shards: Attributes = self
            .shards
            .iter()
            .map(|((of, index), counts)| {
                let counts = [("rows", counts.rows), ("rejected", counts.rejected), ("bytes", counts.bytes)];
                let counts = counts.map(|(name, count)| (name.to_owned(), Attribute::Number(count)));
                (format!("{index}/{of}"), Attribute::Map(counts.into()))
            })
            .collect();
        if !shards.is_empty() {
            out.insert("shards".to_owned(), Attribute::Map(shards));
        }
        let replays: Attributes = self
            .replays
            .iter()
            .map(|(id, replay)| {
                let mut fields = Attributes::from([("rows".to_owned(), Attribute::Number(replay.rows))]);
                if !replay.what.is_empty() {
                    fields.insert("what".to_owned(), Attribute::Text(replay.what.clone()));
                }
                if let Some((stage, reason)) = &replay.failure {
                    fields.insert("failure".to_owned(), Attribute::Text(format!("{stage}#{reason}")));
                }
                (id.clone(), Attribute::Map(fields))
            })
            .collect();
        let messages: Attributes = self
            .messages
            .iter()
            .map(|((stage, reason), message)| (format!("{stage}#{reason}"), Attribute::Text(message.clone())))
            .collect();
        for (name, map) in [("replays", replays), ("messages", messages)] {
            if !map.is_empty() {
                out.insert(name.to_owned(), Attribute::Map(map));
            }
        }
        let failures = self.failures.iter().map(|(stage, reason)| format!("{stage}#{reason}")).collect();
        for (name, texts) in [("failures", failures), ("tasks", self.tasks.clone())] {
            // DynamoDB has no empty sets.
            if !texts.is_empty() {
                out.insert(name.to_owned(), Attribute::Texts(texts));
            }
        }
        out
    }

    /// Returns whether [`read`](Self::read) knows an attribute of that name.
    pub(crate) fn reads(name: &str) -> bool {
        let objects = ["bucket", "key", "version", "etag", "uploaded"];
        let others = ["startedAt", "lastAt", "shards", "failures", "tasks", "replays", "messages"];
        objects.contains(&name) || others.contains(&name)
    }

    /// Reads an item.
    ///
    /// # Errors
    /// The name of the attribute that can't be read.
    pub(crate) fn read(attributes: &Attributes) -> Result<Self, String> {
        let text = |name: &str| match attributes.get(name) {
            None => Ok(None),
            Some(Attribute::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(name.to_owned()),
        };
        let texts = |name: &str| match attributes.get(name) {
            None => Ok(BTreeSet::new()),
            Some(Attribute::Texts(texts)) => Ok(texts.clone()),
            Some(_) => Err(name.to_owned()),
        };
        let object = match (text("bucket")?, text("key")?) {
            (Some(bucket), Some(key)) => Some(ObjectRef {
                bucket,
                key,
                version: text("version")?,
                etag: text("etag")?,
                uploaded: text("uploaded")?,
                replay: None,
            }),
            _ => None,
        };
        let shards = match attributes.get("shards") {
            None => BTreeMap::new(),
            Some(Attribute::Map(shards)) => {
                let shards = shards.iter().map(|(shard, counts)| {
                    let (index, of) = shard.split_once('/')?;
                    Some(((of.parse().ok()?, index.parse().ok()?), read_counts(counts)?))
                });
                shards.collect::<Option<_>>().ok_or("shards")?
            }
            Some(_) => return Err("shards".to_owned()),
        };
        let failures = texts("failures")?.iter().filter_map(|failure| why(failure)).collect();
        let map = |name: &str| match attributes.get(name) {
            None => Ok(Attributes::new()),
            Some(Attribute::Map(map)) => Ok(map.clone()),
            Some(_) => Err(name.to_owned()),
        };
        let replays = map("replays")?
            .iter()
            .map(|(id, replay)| Some((id.clone(), read_replay(replay)?)))
            .collect::<Option<_>>()
            .ok_or("replays")?;
        let messages = map("messages")?
            .into_iter()
            .map(|(failure, message)| match message {
                Attribute::Text(message) => Some((why(&failure)?, message)),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or("messages")?;
        Ok(Self {
            object,
            started_at: attributes.get("startedAt").and_then(time),
            last_at: attributes.get("lastAt").and_then(time),
            shards,
            failures,
            tasks: texts("tasks")?,
            replays,
            messages,
        })
    }

    /// Returns the counts in total, once every part has been read completely.
    #[must_use]
    pub fn total(&self) -> Option<Counts> {
        let mut of = self.shards.keys().map(|(of, _)| *of).collect::<BTreeSet<_>>().into_iter();
        // The same object may have been divided in different ways, by different settings; any division that is whole
        // will do.
        of.find_map(|of| {
            if of == 0 {
                return None;
            }
            let parts: Vec<&Counts> =
                self.shards.range((of, 1)..=(of, of)).map(|(_, counts)| counts).collect();
            (parts.len() == usize::try_from(of).ok()?).then(|| {
                parts.into_iter().fold(Counts::default(), |sum, part| Counts {
                    rows: sum.rows.saturating_add(part.rows),
                    rejected: sum.rejected.saturating_add(part.rejected),
                    bytes: sum.bytes.saturating_add(part.bytes),
                })
            })
        })
    }
}

/// Returns the stage and the reason in a text.
fn why(failure: &str) -> Option<(String, String)> {
    failure.split_once('#').map(|(stage, reason)| (stage.to_owned(), reason.to_owned()))
}

fn read_replay(replay: &Attribute) -> Option<Replayed> {
    let Attribute::Map(fields) = replay else { return None };
    let text = |name: &str| match fields.get(name) {
        Some(Attribute::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some(Attribute::Number(rows)) = fields.get("rows") else { return None };
    let what = text("what").unwrap_or_default().to_owned();
    Some(Replayed { what, rows: *rows, failure: text("failure").and_then(why) })
}

fn read_counts(counts: &Attribute) -> Option<Counts> {
    let Attribute::Map(counts) = counts else { return None };
    let number = |name: &str| match counts.get(name) {
        Some(Attribute::Number(number)) => Some(*number),
        _ => None,
    };
    let rows = number("rows").filter(|rows| *rows <= MAX_ROWS)?;
    Some(Counts { rows, rejected: number("rejected")?, bytes: number("bytes")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_needs_every_part() {
        let counts = |rows| Counts { rows, rejected: 1, bytes: 10 };
        let mut summary = Summary::default();
        assert_eq!(summary.total(), None);
        summary.shards.insert((3, 1), counts(5));
        summary.shards.insert((3, 3), counts(7));
        summary.shards.insert((3, 9), counts(7));
        assert_eq!(summary.total(), None, "the second of three is missing");
        summary.shards.insert((3, 2), counts(6));
        assert_eq!(summary.total(), Some(Counts { rows: 18, rejected: 3, bytes: 30 }));
        let hostile = Summary { shards: [((0, 0), counts(1))].into(), ..Summary::default() };
        assert_eq!(hostile.total(), None);
    }
}
