//! References of events: the object, and the row of it, that an event concerns.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One version of one S3 object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Bucket name.
    pub bucket: String,
    /// Object key, decoded (S3 notifications carry it URL-encoded).
    pub key: String,
    /// Version ID, when the bucket is versioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Entity tag without quotes; tells versions apart where the bucket is not versioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time at which it was uploaded, from S3's notification: RFC 3339 in UTC with milliseconds, so that texts sort
    /// as times. Not a part of the identity: [`Self::digest`] leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<String>,
    /// The replay by which its rows are sent again, if they are: the ID of the request. Not a part of the identity,
    /// either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

impl ObjectRef {
    /// Returns 32 hexadecimal digits that name this version of this object, the same on every machine and run.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&self.hasher().finalize())
    }

    /// Returns 32 hexadecimal digits that name the file of which this is a version: its bucket and its key.
    #[must_use]
    pub fn source(&self) -> String {
        digest(&[self.bucket.as_bytes(), self.key.as_bytes()])
    }

    /// Returns the row `index` of this object, counted from 1 without the header and without blank lines.
    #[must_use]
    pub fn record(&self, index: u64) -> RecordRef {
        let mut hasher = self.hasher();
        hasher.update(index.to_be_bytes());
        RecordRef { index, id: hex(&hasher.finalize()), count: 1 }
    }

    /// Returns `count` rows of this object from `first` on, named by the first of them.
    #[must_use]
    pub fn records(&self, first: u64, count: u64) -> RecordRef {
        RecordRef { count, ..self.record(first) }
    }

    fn hasher(&self) -> Sha256 {
        let version = self.version.as_deref().or(self.etag.as_deref());
        let mut hasher = Sha256::new();
        for part in [&self.bucket, &self.key, version.unwrap_or_default()] {
            // The length first: ("a", "bc") and ("ab", "c") must not be the same object.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher
    }
}

/// One row of one object, or several that follow each other, named by the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordRef {
    /// Position in the file, from 1, without the header and blank lines.
    pub index: u64,
    /// 32 hexadecimal digits, made from the object and the index: a row that is delivered twice has the same ID twice.
    pub id: String,
    /// The number of rows, this one included.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
}

impl RecordRef {
    /// Returns the positions of the rows in the file.
    #[must_use]
    pub const fn rows(&self) -> std::ops::Range<u64> {
        self.index..self.index.saturating_add(self.count)
    }
}

const fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_one(count: &u64) -> bool {
    *count == 1
}

/// Returns 32 hexadecimal digits that name these parts together.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// Returns the first 128 bits: enough that two rows of all files ever uploaded do not meet.
fn hex(digest: &[u8]) -> String {
    let digits = digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
    let mut out = String::with_capacity(32);
    out.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bucket: &str, key: &str, version: Option<&str>) -> ObjectRef {
        ObjectRef {
            bucket: bucket.into(),
            key: key.into(),
            version: version.map(Into::into),
            etag: Some("e".into()),
            uploaded: None,
            replay: None,
        }
    }

    #[test]
    fn ids_are_fixed_and_differ_by_object_version_and_row() {
        let a = object("b", "k.csv", Some("1"));
        assert_eq!(a.record(1), a.clone().record(1));
        assert_eq!(a.record(1).id.len(), 32);
        // A change of this value would make every replayed row a new one.
        assert_eq!(a.record(1).id, "d0e9f9588fe4c897852583141f46ee1e".to_owned());
        assert_ne!(a.record(1).id, a.record(2).id);
        assert_ne!(a.digest(), object("b", "k.csv", Some("2")).digest());
        assert_ne!(a.digest(), object("b", "k.csv", None).digest());
        assert_eq!(a.source(), object("b", "k.csv", None).source());
        assert_ne!(a.source(), object("b", "k", Some("1")).source());
        assert_ne!(object("ab", "c", None).source(), object("a", "bc", None).source());
        assert_ne!(object("ab", "c", None).digest(), object("a", "bc", None).digest());
    }
}
