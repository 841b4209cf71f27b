//! Keys that occur more than once in a file, found in a fixed amount of memory.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use transform::{Item, Value};

/// Keys that are remembered.
const MOST: usize = 1_000_000;
/// Places for them: a quarter more, so that a search is short. They take ten megabytes.
const PLACES: usize = MOST + MOST / 4;
/// Bits of a place that are the number of a row; the others are those of the key's fingerprint. Together with the place
/// itself, they tell a million keys apart: there is less than one chance in a hundred thousand that two are taken for one.
const ROW_BITS: u32 = 24;
/// Keys that occur again and are named.
const NAMED: usize = 10;

/// The keys of a file.
#[derive(Debug, Default)]
pub struct Keys {
    /// Fingerprint and row number of each key; zero where there is none.
    places: Vec<u64>,
    used: usize,
    /// Rows with the key of an earlier row.
    pub repeated: u64,
    /// The first of them: the earlier row, and the row.
    pub first: Vec<(u64, u64)>,
    /// The number of rows whose keys were not remembered any more.
    pub beyond: u64,
}

impl Keys {
    /// Adds the key of an item: the values of these attributes.
    pub fn add(&mut self, item: &Item<'_>, key: &[String], row: u64) {
        let mut hasher = DefaultHasher::new();
        let mut number = Vec::new();
        for name in key {
            match item.get(name) {
                Some(Value::Text(text)) => text.hash(&mut hasher),
                Some(Value::Binary(bytes)) => bytes.hash(&mut hasher),
                Some(Value::Number(value)) => {
                    number.clear();
                    value.write(&mut number);
                    number.hash(&mut hasher);
                }
                // The table would not take it.
                _ => return,
            }
        }
        self.add_fingerprint(hasher.finish(), row);
    }

    fn add_fingerprint(&mut self, fingerprint: u64, row: u64) {
        if self.places.is_empty() {
            // The system gives memory only for the pages that are written.
            self.places = vec![0; PLACES];
        }
        let mark = (fingerprint << ROW_BITS).max(1 << ROW_BITS);
        let mut place = ((u128::from(fingerprint) * PLACES as u128) >> 64) as usize;
        loop {
            let Some(found) = self.places.get_mut(place) else {
                place = 0;
                continue;
            };
            if *found == 0 {
                break;
            }
            if *found >> ROW_BITS == mark >> ROW_BITS {
                let earlier = *found & ((1 << ROW_BITS) - 1);
                self.repeated += 1;
                if self.first.len() < NAMED {
                    self.first.push((earlier, row));
                }
                return;
            }
            place += 1;
        }
        if self.used == MOST || row >> ROW_BITS > 0 {
            self.beyond += 1;
            return;
        }
        self.used += 1;
        if let Some(free) = self.places.get_mut(place) {
            *free = mark | row;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn item(value: Value<'_>) -> Item<'_> {
        Item { attributes: vec![("id", value)], ..Item::default() }
    }

    #[test]
    fn keys_are_equal_as_the_table_sees_them() {
        let mut keys = Keys::default();
        let id = ["id".to_owned()];
        let number = |text: &str| Value::Number(text.parse().expect("a number"));
        for (row, value) in (1..).zip([
            Value::text("1"),
            number("1"),
            number("1.0"),
            Value::text("1"),
            Value::text("2"),
            number("10E-1"),
            Value::Null,
            Value::Null,
        ]) {
            keys.add(&item(value), &id, row);
        }
        assert_eq!((keys.repeated, keys.beyond), (3, 0));
        assert_eq!(keys.first, [(2, 3), (1, 4), (2, 6)]);
    }

    #[test]
    fn after_a_million_keys_the_first_are_still_known() {
        let mut keys = Keys::default();
        // Fingerprints are spread by the hash function; here, by a multiplication.
        let fingerprint = |key: u64| key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for row in 1..=1_000_010 {
            keys.add_fingerprint(fingerprint(row), row);
        }
        assert_eq!((keys.repeated, keys.beyond), (0, 10));
        keys.add_fingerprint(fingerprint(7), 2_000_000);
        keys.add_fingerprint(fingerprint(1_000_005), 2_000_001);
        assert_eq!((keys.repeated, keys.beyond, keys.first.as_slice()), (1, 11, &[(7, 2_000_000)][..]));
        // Their row could not be named.
        let mut late = Keys::default();
        late.add_fingerprint(1, 1 << ROW_BITS);
        late.add_fingerprint(1, (1 << ROW_BITS) + 1);
        assert_eq!((late.repeated, late.beyond), (0, 2));
    }

    #[test]
    fn repeated_keys_are_those_of_a_map() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let texts: Vec<String> = (0..random.usize(0..60))
                .map(|_| (0..random.usize(0..4)).map(|_| random.choice(['a', 'b']).expect("one")).collect())
                .collect();
            let (mut keys, mut seen, mut expected) = (Keys::default(), HashMap::new(), Vec::new());
            let id = ["id".to_owned()];
            for (row, text) in (1..).zip(&texts) {
                keys.add(&item(Value::text(text.as_str())), &id, row);
                match seen.get(text) {
                    Some(first) => expected.push((*first, row)),
                    None => {
                        seen.insert(text, row);
                    }
                }
            }
            assert_eq!(keys.repeated, expected.len() as u64, "{texts:?}");
            expected.truncate(NAMED);
            assert_eq!(keys.first, expected, "{texts:?}");
        }
    }
}
