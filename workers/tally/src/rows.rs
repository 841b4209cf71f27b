//! A chunk of an object's rows: those that each stage has seen.

use std::collections::BTreeMap;

use contract::FailedStage;
use roaring::RoaringBitmap;

use crate::attribute::{Attribute, Attributes};
use crate::time::{earlier, later, time};

/// The number of rows in one item. A bitmap of so many takes 8 KiB at most, and with one for each stage and each reason
/// to fail the item stays below DynamoDB's 400 KB.
pub const ROWS_PER_CHUNK: u64 = 1 << 16;
/// The greatest number of bytes of a bitmap in the table: 8 KiB and the head of the format, with room for runs that are
/// not optimal.
const MAX_SET_BYTES: usize = 16 << 10;
/// The prefix of the name of a failure's attribute; it is followed by stage and reason.
const FAILED: &str = "failed#";

/// The prefix of the names of the attributes about replays; it is followed by the replay's ID.
const ASKED: &str = "asked#";
const REPLAYED: &str = "replayed#";
/// The number of an object's replays that are remembered: the latest.
pub(crate) const MAX_REPLAYS: usize = 4;
/// The greatest number of bytes of a replay's ID.
const MAX_REPLAY_ID: usize = 40;

const STARTED_AT: &str = "startedAt";
const LAST_AT: &str = "lastAt";

/// The rows of a chunk, by their offset in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Read from the object.
    pub(crate) extracted: RoaringBitmap,
    /// Made an item.
    pub(crate) transformed: RoaringBitmap,
    /// Left out on purpose, by `transform` or by `load`.
    pub(crate) skipped: RoaringBitmap,
    /// Those of the skipped ones that `load` left out, because the table had an item of their key.
    pub(crate) existing: RoaringBitmap,
    /// In the table as the row wants it: written, or deleted.
    pub(crate) loaded: RoaringBitmap,
    /// Those of the loaded ones that deleted the item of their key.
    pub(crate) deleted: RoaringBitmap,
    /// Failed, by stage and reason.
    pub(crate) failed: BTreeMap<(String, String), RoaringBitmap>,
    /// Rows that another row of the same file with the same key has replaced.
    pub(crate) overwritten: RoaringBitmap,
    /// Rows whose item has replaced one that comes from no row of the file.
    pub(crate) replaced: RoaringBitmap,
    /// Rows that have changed nothing, because the table has a newer item of another file.
    pub(crate) outdated: RoaringBitmap,
    /// Rows whose key had the item of another file.
    pub(crate) overlapping: RoaringBitmap,
    /// Rows with a timestamp whose second 60 was taken as 59.
    pub(crate) leap_seconds: RoaringBitmap,
    /// Rows that a replay was requested for, by its ID.
    pub(crate) asked: BTreeMap<String, RoaringBitmap>,
    /// Rows that were loaded, skipped or failed because of a replay, by its ID.
    pub(crate) replayed: BTreeMap<String, RoaringBitmap>,
    /// Time of the first event.
    pub(crate) started_at: Option<String>,
    /// Time of the last event that brought something new.
    pub(crate) last_at: Option<String>,
}

/// Returns the stage's name in attributes and documents.
pub const fn stage_name(stage: FailedStage) -> &'static str {
    match stage {
        FailedStage::Extraction => "extraction",
        FailedStage::Transform => "transform",
        FailedStage::Load => "load",
    }
}

/// A set of a chunk that has a name of its own.
struct Named {
    /// The name of its attribute.
    name: &'static str,
    of: fn(&Rows) -> &RoaringBitmap,
    of_mut: fn(&mut Rows) -> &mut RoaringBitmap,
}

macro_rules! named {
    ($($field:ident = $name:literal,)+) => {
        [$(Named { name: $name, of: |rows| &rows.$field, of_mut: |rows| &mut rows.$field },)+]
    };
}

/// The sets that have names of their own.
const NAMED: [Named; 11] = named! {
    extracted = "extracted",
    transformed = "transformed",
    skipped = "skipped",
    existing = "existing",
    loaded = "loaded",
    deleted = "deleted",
    overwritten = "overwritten",
    replaced = "replaced",
    outdated = "outdated",
    overlapping = "overlapping",
    leap_seconds = "leapSeconds",
};

/// Adds the rows of one set to another, and returns whether there were new ones.
fn union(into: &mut RoaringBitmap, other: &RoaringBitmap) -> bool {
    let before = into.len();
    *into |= other;
    into.len() > before
}

/// Adds the rows of sets by ID, of which only the latest are kept, and returns whether there were new ones. IDs are
/// times, so the latest are the greatest, and all writers keep the same.
fn union_by_id(into: &mut BTreeMap<String, RoaringBitmap>, other: &BTreeMap<String, RoaringBitmap>) -> bool {
    let mut new = false;
    for (id, set) in other {
        let beyond = into.len() >= MAX_REPLAYS
            && !into.contains_key(id)
            && into.first_key_value().is_some_and(|(first, _)| id < first);
        if !beyond {
            new |= union(into.entry(id.clone()).or_default(), set);
        }
    }
    while into.len() > MAX_REPLAYS {
        into.pop_first();
    }
    new
}

/// Returns whether a text can be the ID of a replay: it becomes a part of an attribute's name.
pub(crate) fn is_replay_id(id: &str) -> bool {
    (1..=MAX_REPLAY_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte))
}

/// Returns whether an attribute concerns a replay. Those of earlier replays are forgotten.
pub(crate) fn is_of_replay(name: &str) -> bool {
    name.starts_with(ASKED) || name.starts_with(REPLAYED)
}

impl Rows {
    /// Returns the rows that were loaded or skipped, or have failed.
    pub(crate) fn settled(&self) -> RoaringBitmap {
        let mut settled = self.loaded.clone();
        settled |= &self.skipped;
        for set in self.failed.values() {
            settled |= set;
        }
        settled
    }

    /// Returns whether any row was loaded or skipped, or has failed.
    pub(crate) fn settles(&self) -> bool {
        !self.loaded.is_empty() || !self.skipped.is_empty() || !self.failed.is_empty()
    }

    /// Returns the rows that any stage has seen.
    pub(crate) fn known(&self) -> RoaringBitmap {
        let mut known = self.settled();
        known |= &self.extracted;
        known |= &self.transformed;
        known
    }

    /// Adds the rows of another writer, or of another batch, and returns whether any of them was new.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let mut new = false;
        for Named { of, of_mut, .. } in NAMED {
            new |= union(of_mut(self), of(other));
        }
        for (why, set) in &other.failed {
            new |= union(self.failed.entry(why.clone()).or_default(), set);
        }
        new |= union_by_id(&mut self.asked, &other.asked);
        new |= union_by_id(&mut self.replayed, &other.replayed);
        earlier(&mut self.started_at, other.started_at.as_ref());
        later(&mut self.last_at, other.last_at.as_ref());
        new
    }

    /// Returns the sets by the names of their attributes.
    fn sets(&self) -> impl Iterator<Item = (String, &RoaringBitmap)> {
        let named = NAMED.into_iter().map(|Named { name, of, .. }| (name.to_owned(), of(self)));
        let failed =
            self.failed.iter().map(|((stage, reason), set)| (format!("{FAILED}{stage}#{reason}"), set));
        let asked = self.asked.iter().map(|(id, set)| (format!("{ASKED}{id}"), set));
        let replayed = self.replayed.iter().map(|(id, set)| (format!("{REPLAYED}{id}"), set));
        named.chain(failed).chain(asked).chain(replayed).filter(|(_, set)| !set.is_empty())
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let sets = self.sets().map(|(name, set)| (name, Attribute::Bytes(encode(set))));
        sets.chain(self.times()).collect()
    }

    /// Returns the attributes of the sets that are in `other`, which was added to this.
    pub(crate) fn attributes_of(&self, other: &Self) -> Attributes {
        let touched: Vec<String> = other.sets().map(|(name, _)| name).collect();
        let sets = self.sets().filter(|(name, _)| touched.contains(name));
        sets.map(|(name, set)| (name, Attribute::Bytes(encode(set)))).chain(self.times()).collect()
    }

    fn times(&self) -> impl Iterator<Item = (String, Attribute)> {
        let times = [(STARTED_AT, &self.started_at), (LAST_AT, &self.last_at)];
        times
            .into_iter()
            .filter_map(|(name, time)| Some((name.to_owned(), Attribute::Text(time.as_ref()?.clone()))))
    }

    /// Returns whether [`read`](Self::read) knows an attribute of that name.
    pub(crate) fn reads(name: &str) -> bool {
        NAMED.iter().any(|named| named.name == name)
            || [STARTED_AT, LAST_AT].contains(&name)
            || is_of_replay(name)
            || name.strip_prefix(FAILED).is_some_and(|why| why.contains('#'))
    }

    /// Reads an item.
    ///
    /// # Errors
    /// The name of the attribute that can't be read.
    pub(crate) fn read(attributes: &Attributes) -> Result<Self, String> {
        let mut rows = Self::default();
        for (name, value) in attributes {
            let named = NAMED.iter().find(|named| named.name == name);
            let set = match name.as_str() {
                STARTED_AT => {
                    rows.started_at = time(value);
                    continue;
                }
                LAST_AT => {
                    rows.last_at = time(value);
                    continue;
                }
                name => {
                    if let Some(Named { of_mut, .. }) = named {
                        of_mut(&mut rows)
                    } else if let Some((stage, reason)) =
                        name.strip_prefix(FAILED).and_then(|why| why.split_once('#'))
                    {
                        rows.failed.entry((stage.to_owned(), reason.to_owned())).or_default()
                    } else if let Some(id) = name.strip_prefix(ASKED) {
                        rows.asked.entry(id.to_owned()).or_default()
                    } else if let Some(id) = name.strip_prefix(REPLAYED) {
                        rows.replayed.entry(id.to_owned()).or_default()
                    } else {
                        continue;
                    }
                }
            };
            let Attribute::Bytes(bytes) = value else { return Err(name.clone()) };
            *set = decode(bytes).ok_or_else(|| name.clone())?;
        }
        for by_id in [&mut rows.asked, &mut rows.replayed] {
            while by_id.len() > MAX_REPLAYS {
                by_id.pop_first();
            }
        }
        Ok(rows)
    }
}

/// Returns rows by chunk: its number, and their offsets in it.
pub(crate) fn chunks(first: u64, last: u64) -> impl Iterator<Item = (u64, std::ops::Range<u32>)> {
    (first / ROWS_PER_CHUNK..=last / ROWS_PER_CHUNK).map(move |chunk| {
        let base = chunk * ROWS_PER_CHUNK;
        let offset = |row: u64| u32::try_from(row.saturating_sub(base).min(ROWS_PER_CHUNK)).unwrap_or(0);
        (chunk, offset(first)..offset(last + 1))
    })
}

fn encode(set: &RoaringBitmap) -> Vec<u8> {
    let mut set = set.clone();
    set.optimize();
    let mut bytes = Vec::with_capacity(set.serialized_size());
    // A vector takes everything that is written to it.
    let _ = set.serialize_into(&mut bytes);
    bytes
}

/// Returns the set in these bytes; `None` if they are not a set, or one that no chunk can have.
fn decode(mut bytes: &[u8]) -> Option<RoaringBitmap> {
    if bytes.len() > MAX_SET_BYTES {
        return None;
    }
    let set = RoaringBitmap::deserialize_from(&mut bytes).ok()?;
    let fits = set.max().is_none_or(|max| u64::from(max) < ROWS_PER_CHUNK);
    (bytes.is_empty() && fits).then_some(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk() -> impl Strategy<Value = RoaringBitmap> {
        let ranges = proptest::collection::vec((0_u32..65_536, 1_u32..3_000), 0..40);
        ranges.prop_map(|ranges| {
            let mut set = RoaringBitmap::new();
            for (first, count) in ranges {
                set.insert_range(first..(first + count).min(65_536));
            }
            set
        })
    }

    proptest! {
        #[test]
        fn a_set_survives_the_table(set in chunk()) {
            let bytes = encode(&set);
            prop_assert!(bytes.len() <= MAX_SET_BYTES);
            prop_assert_eq!(decode(&bytes), Some(set));
        }

        #[test]
        fn hostile_bytes_are_no_set_and_no_panic(set in chunk(), at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = encode(&set);
            let place = at.index(bytes.len());
            bytes[place] = byte;
            if let Some(set) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&set)), Some(set));
            }
            let _ = decode(&bytes[..cut.index(bytes.len())]);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn sets_are_small() {
        let every_other: RoaringBitmap = (0..65_536).filter(|row| row % 2 == 0).collect();
        let mut all = RoaringBitmap::new();
        all.insert_range(0..65_536);
        assert!(encode(&every_other).len() <= 8_192 + 16, "{}", encode(&every_other).len());
        assert!(encode(&all).len() <= 32, "{}", encode(&all).len());
    }

    /// Versions before that of `skipped` wrote no such attribute, and leave to newer ones what they don't read.
    #[test]
    fn an_item_without_skipped_rows_is_as_it_was_before_there_were_any() {
        let set = |rows: &[u32]| Attribute::Bytes(encode(&rows.iter().copied().collect()));
        let old = Attributes::from([
            ("extracted".to_owned(), set(&[1, 2])),
            ("transformed".to_owned(), set(&[1, 2])),
            ("loaded".to_owned(), set(&[1])),
            ("failed#load#invalid-item".to_owned(), set(&[2])),
        ]);
        let rows = Rows::read(&old).expect("sound");
        assert!(rows.skipped.is_empty() && rows.attributes() == old, "{rows:?}");
        let mut new = old;
        new.insert("skipped".to_owned(), set(&[3]));
        let rows = Rows::read(&new).expect("sound");
        assert_eq!(rows.attributes(), new);
        assert_eq!(rows.settled(), [1, 2, 3].into_iter().collect());
        assert!(new.keys().all(|name| Rows::reads(name)));
    }

    #[test]
    fn what_no_chunk_can_have_is_refused() {
        let large: RoaringBitmap = [65_536].into_iter().collect();
        assert_eq!(decode(&encode(&large)), None, "a row of another chunk");
        let mut behind = encode(&RoaringBitmap::new());
        behind.push(0);
        assert_eq!(decode(&behind), None, "something behind the set");
        let wrong = Attributes::from([("failed#load#invalid-item".to_owned(), Attribute::Text("x".into()))]);
        assert_eq!(Rows::read(&wrong), Err("failed#load#invalid-item".to_owned()));
    }
}
