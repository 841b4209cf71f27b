//! The version of a file that counts: the latest of which every row was loaded or skipped.

use contract::ObjectRef;
use contract::event::{LatestVersion, ObjectOutcome, SnapshotReason};
use serde::{Deserialize, Serialize};

use crate::load::version::VersionOf;

/// The latest complete version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    /// The time of its upload.
    pub(super) uploaded: String,
    /// Its digest.
    pub(super) digest: String,
    /// Its version ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The number of items of the file when the last search for candidates ended. `None`: no search has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<u64>,
}

/// What follows of the end of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// This version counts, as is remembered already.
    Keep(Latest),
    /// The version that has ended counts from now on.
    Become(Latest),
    /// No items are looked for.
    Nothing(SnapshotReason),
}

/// Returns what follows when a version has ended, and `known` has counted so far.
pub(super) fn decide(known: Option<&Latest>, object: &ObjectRef, outcome: &ObjectOutcome) -> Decision {
    let digest = object.digest();
    let against = incomplete(outcome);
    if let (Some(known), None) = (known.filter(|known| known.digest == digest), against) {
        return Decision::Keep(known.clone());
    }
    let Some(uploaded) = object.uploaded.clone().filter(|uploaded| second(uploaded).is_some()) else {
        return Decision::Nothing(against.unwrap_or(SnapshotReason::UploadTimeUnknown));
    };
    if let Some(known) = known.filter(|known| (&known.uploaded, &known.digest) > (&uploaded, &digest)) {
        return Decision::Keep(known.clone());
    }
    match against {
        Some(reason) => Decision::Nothing(reason),
        None => Decision::Become(Latest {
            uploaded,
            digest,
            version: object.version.clone(),
            items: known.and_then(|known| known.items),
        }),
    }
}

/// Returns the reason why it is not known which items a version lacks.
fn incomplete(outcome: &ObjectOutcome) -> Option<SnapshotReason> {
    if outcome.failure.is_some() {
        Some(SnapshotReason::FileFailed)
    } else if outcome.failed > 0 {
        Some(SnapshotReason::FailedRows)
    } else if outcome.outdated > 0 {
        // The items of such rows are not its own, and might seem to be those of an older version.
        Some(SnapshotReason::OutdatedRows)
    } else {
        None
    }
}

/// Returns a time up to its second; `None` if it is not one of the form `2026-11-24T12:00:00.000Z`.
fn second(time: &str) -> Option<&str> {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    let second = time.get(..19)?;
    (time.ends_with('Z') && second.bytes().zip(*b"0000-00-00T00:00:00").all(fits)).then_some(second)
}

impl Latest {
    /// Returns whether an item of the file with this version is one that this version of the file lacks: it is of another
    /// one, which was uploaded in an earlier second. EventBridge tells times of uploads to the second only, S3's
    /// notifications to the millisecond, and an object that was announced by both has items with either.
    pub(super) fn lacks(&self, item: &str) -> bool {
        let Some(VersionOf { uploaded, digest }) = VersionOf::parse(item) else { return false };
        let earlier = second(uploaded).zip(second(&self.uploaded)).is_some_and(|(item, own)| item < own);
        earlier && digest != self.digest
    }

    /// Returns whether an item of the file with this version is not newer than this version of the file.
    pub(super) fn has_or_lacks(&self, item: &str) -> bool {
        VersionOf::parse(item)
            .is_some_and(|item| item.digest == self.digest || item.uploaded <= self.uploaded.as_str())
    }

    /// Returns the version as events name it, unless it is the object that has ended.
    pub(super) fn beside(&self, object: &ObjectRef) -> Option<LatestVersion> {
        (self.digest != object.digest())
            .then(|| LatestVersion { version: self.version.clone(), uploaded: self.uploaded.clone() })
    }
}

#[cfg(test)]
mod tests {
    use contract::event::ObjectFailure;

    use super::*;
    use crate::load::version::version;

    fn object(version: &str, uploaded: Option<&str>) -> ObjectRef {
        ObjectRef {
            bucket: "b".into(),
            key: "k.csv".into(),
            version: Some(version.into()),
            etag: None,
            uploaded: uploaded.map(str::to_owned),
            replay: None,
        }
    }

    const FIRST: &str = "2026-11-24T12:00:00.100Z";
    const SECOND: &str = "2026-11-25T12:00:00.100Z";

    fn become_latest(object: &ObjectRef) -> Latest {
        match decide(None, object, &ObjectOutcome::default()) {
            Decision::Become(latest) => latest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_whole_version_that_is_not_older_becomes_the_latest() {
        let (old, new) = (object("1", Some(FIRST)), object("2", Some(SECOND)));
        let whole = ObjectOutcome::default();
        let mut known = become_latest(&old);
        known.items = Some(7);
        let Decision::Become(next) = decide(Some(&known), &new, &whole) else { panic!("it is newer") };
        assert_eq!((next.items, next.digest.as_str()), (Some(7), new.digest().as_str()));
        // The older one ends after it, whole or not.
        let failed = ObjectOutcome { failed: 1, ..whole.clone() };
        for outcome in [&whole, &failed] {
            assert_eq!(decide(Some(&next), &old, outcome), Decision::Keep(next.clone()));
        }
        assert_eq!(decide(Some(&next), &new, &whole), Decision::Keep(next.clone()));
        let file = ObjectFailure { stage: "extraction".into(), reason: "r".into(), message: None };
        let (file, outdated) = (
            ObjectOutcome { failure: Some(file), ..whole.clone() },
            ObjectOutcome { outdated: 1, ..whole.clone() },
        );
        for known in [None, Some(&known), Some(&next)] {
            for (outcome, reason) in [
                (&failed, SnapshotReason::FailedRows),
                (&file, SnapshotReason::FileFailed),
                (&outdated, SnapshotReason::OutdatedRows),
            ] {
                assert_eq!(decide(known, &new, outcome), Decision::Nothing(reason));
            }
        }
        for unknown in [None, Some("yesterday"), Some("2026-11-24T12:00:00"), Some("")] {
            let found = decide(Some(&known), &object("3", unknown), &whole);
            assert_eq!(found, Decision::Nothing(SnapshotReason::UploadTimeUnknown), "{unknown:?}");
        }
    }

    #[test]
    fn an_item_is_lacking_only_if_it_is_of_an_earlier_second_and_another_object() {
        let new = object("2", Some(SECOND));
        let latest = become_latest(&new);
        let at = |version_id: &str, time: Option<&str>| version(&object(version_id, time), 5);
        for (item, lacks) in [
            (at("1", Some(FIRST)), true),
            (at("2", Some(SECOND)), false),
            // The same object, as another notification has announced it.
            (at("2", Some("2026-11-25T11:59:59.000Z")), false),
            // The order within a second is not known.
            (at("1", Some("2026-11-25T12:00:00.000Z")), false),
            (at("3", Some("2026-11-25T12:00:01.000Z")), false),
            (at("1", None), false),
            ("2026".to_owned(), false),
            ("#".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(latest.lacks(&item), lacks, "{item}");
        }
        assert!(latest.has_or_lacks(&at("1", Some(FIRST))) && latest.has_or_lacks(&at("2", Some(SECOND))));
        assert!(!latest.has_or_lacks(&at("3", Some("2026-11-26T12:00:01.000Z"))));
    }
}
