//! A chunk of an object's rows: which of them each stage has seen.

use std::collections::BTreeMap;

use contract::FailedStage;
use roaring::RoaringBitmap;

use crate::item::{Attribute, Attributes, earlier, later, time};

/// Rows of one item. A bitmap of so many takes 8 KiB at most, and with one for each stage and each reason to fail the
/// item stays below DynamoDB's 400 KB.
pub const ROWS_PER_CHUNK: u64 = 1 << 16;
/// Bytes of a bitmap in the table at most: 8 KiB and the head of the format, with room for runs that are not optimal.
const MAX_SET_BYTES: usize = 16 << 10;
/// What the name of a failure's attribute begins with; behind it stand stage and reason.
const FAILED: &str = "failed#";

const EXTRACTED: &str = "extracted";
const TRANSFORMED: &str = "transformed";
const LOADED: &str = "loaded";
const STARTED_AT: &str = "startedAt";
const LAST_AT: &str = "lastAt";

/// The rows of a chunk, by their offset in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Read from the object.
    pub(crate) extracted: RoaringBitmap,
    /// Made an item.
    pub(crate) transformed: RoaringBitmap,
    /// Written to the table.
    pub(crate) loaded: RoaringBitmap,
    /// Failed, by stage and reason.
    pub(crate) failed: BTreeMap<(String, String), RoaringBitmap>,
    /// Time of the first event.
    pub(crate) started_at: Option<String>,
    /// Time of the last event that brought something new.
    pub(crate) last_at: Option<String>,
}

/// The stage's name in attributes and documents.
pub const fn stage_name(stage: FailedStage) -> &'static str {
    match stage {
        FailedStage::Extraction => "extraction",
        FailedStage::Transform => "transform",
        FailedStage::Load => "load",
    }
}

/// Adds the rows of one set to another; whether there were new ones.
fn union(into: &mut RoaringBitmap, other: &RoaringBitmap) -> bool {
    let before = into.len();
    *into |= other;
    into.len() > before
}

impl Rows {
    /// Adds what another writer, or another batch, knows; whether that was anything new.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let mut new = union(&mut self.extracted, &other.extracted);
        new |= union(&mut self.transformed, &other.transformed);
        new |= union(&mut self.loaded, &other.loaded);
        for (why, set) in &other.failed {
            new |= union(self.failed.entry(why.clone()).or_default(), set);
        }
        earlier(&mut self.started_at, other.started_at.as_ref());
        later(&mut self.last_at, other.last_at.as_ref());
        new
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let named = [(EXTRACTED, &self.extracted), (TRANSFORMED, &self.transformed), (LOADED, &self.loaded)];
        let named = named.into_iter().map(|(name, set)| (name.to_owned(), set));
        let failed =
            self.failed.iter().map(|((stage, reason), set)| (format!("{FAILED}{stage}#{reason}"), set));
        let sets = named.chain(failed).filter(|(_, set)| !set.is_empty());
        let times = [(STARTED_AT, &self.started_at), (LAST_AT, &self.last_at)];
        sets.map(|(name, set)| (name, Attribute::Bytes(encode(set))))
            .chain(times.into_iter().filter_map(|(name, time)| {
                time.as_ref().map(|time| (name.to_owned(), Attribute::Text(time.clone())))
            }))
            .collect()
    }

    /// Reads an item; the error is the name of the attribute that can't be read.
    pub(crate) fn read(attributes: &Attributes) -> Result<Self, String> {
        let mut rows = Self::default();
        for (name, value) in attributes {
            let set = match name.as_str() {
                EXTRACTED => &mut rows.extracted,
                TRANSFORMED => &mut rows.transformed,
                LOADED => &mut rows.loaded,
                STARTED_AT => {
                    rows.started_at = time(value);
                    continue;
                }
                LAST_AT => {
                    rows.last_at = time(value);
                    continue;
                }
                name => match name.strip_prefix(FAILED).and_then(|why| why.split_once('#')) {
                    Some((stage, reason)) => {
                        rows.failed.entry((stage.to_owned(), reason.to_owned())).or_default()
                    }
                    None => continue,
                },
            };
            let Attribute::Bytes(bytes) = value else { return Err(name.clone()) };
            *set = decode(bytes).ok_or_else(|| name.clone())?;
        }
        Ok(rows)
    }
}

fn encode(set: &RoaringBitmap) -> Vec<u8> {
    let mut set = set.clone();
    set.optimize();
    let mut bytes = Vec::with_capacity(set.serialized_size());
    // A vector takes all that is written to it.
    let _ = set.serialize_into(&mut bytes);
    bytes
}

/// The set in these bytes; `None` when they are none, or one that no chunk can have.
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
