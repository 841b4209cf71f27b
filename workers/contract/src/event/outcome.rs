//! The outcome of a file: the body of `object-completed`, and the names of the files that `report` writes about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_zero;
use crate::ObjectRef;
use crate::object::digest;

/// The outcome of one version of an object: every row of it is loaded or skipped, or has failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectOutcome {
    /// 32 hexadecimal digits, made from the object and the attempt: an event that is delivered twice, or was published
    /// twice, has the same.
    pub id: String,
    /// 1 for the first time; each replay gives the event again with the next number.
    pub attempt: u64,
    /// Data rows in the file, rejected ones included; of a file that could not be read to its end, those that are known.
    pub rows: u64,
    /// Rows that are in the table.
    pub loaded: u64,
    /// Rows that `transform` left out on purpose.
    pub skipped: u64,
    /// Rows that failed, and were neither loaded nor skipped.
    pub failed: u64,
    /// The number of failed rows by reason. A row that has failed for several reasons counts for the first of them.
    pub reasons: BTreeMap<String, u64>,
    /// Rows that another row of the file with the same key has replaced, as far as `load` can tell.
    pub overwritten: u64,
    /// Rows that have changed nothing, because the table has a newer item of their key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub outdated: u64,
    /// Rows whose key had the item of another file, as far as `load` can tell; with `snapshot: true` only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overlapping: u64,
    /// Bytes of the object, as it is stored. `None` for a file that could not be read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Seconds from the upload to the last event of a row. `None` if the time of the upload is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The reason why the file failed as a whole, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ObjectFailure>,
    /// What the worker `snapshot` did after the file was complete. `None` in `object-completed`, which comes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotOutcome>,
    /// Keys of the files about it, if the stack has a worker `report`, which writes them after this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<ResultFiles>,
}

/// The items that the worker `snapshot` has deleted: those that an earlier version of the file loaded, and that its latest
/// complete version lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotOutcome {
    /// Items that were deleted.
    pub deleted: u64,
    /// Items that the latest complete version lacks. `None` if they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u64>,
    /// Items of the file that are not newer than that version, the candidates included. `None` if they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// The greatest number of items that might have been deleted, by the setting `maximumDeleted`. `None` if there were no
    /// candidates, or none may be deleted for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u64>,
    /// The reason why candidates were left in the table, or were not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SnapshotReason>,
    /// The version that counts, if it is not this one: a later upload that was complete before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<LatestVersion>,
}

/// A version of a file by its upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestVersion {
    /// Version ID, when the bucket is versioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The time of the upload.
    pub uploaded: String,
}

/// The reason why `snapshot` has left items in the table that the latest version lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotReason {
    /// Rows of the file failed, so it is not known which items it lacks.
    FailedRows,
    /// The file failed as a whole.
    FileFailed,
    /// Rows of the file have changed nothing, because the table has newer items of their keys: those of another file, or of
    /// another time.
    OutdatedRows,
    /// There are more than `maximumDeleted` allows.
    TooMany,
    /// It is not known how many items the file had before: no earlier version of it was complete, or the tally was deleted.
    NoBaseline,
    /// The time of the upload is not known, so the file can't be compared with other versions.
    UploadTimeUnknown,
}

impl SnapshotReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::FailedRows,
        Self::FileFailed,
        Self::OutdatedRows,
        Self::TooMany,
        Self::NoBaseline,
        Self::UploadTimeUnknown,
    ];

    /// Returns the code, as it is in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FailedRows => "failed-rows",
            Self::FileFailed => "file-failed",
            Self::OutdatedRows => "outdated-rows",
            Self::TooMany => "too-many",
            Self::NoBaseline => "no-baseline",
            Self::UploadTimeUnknown => "upload-time-unknown",
        }
    }

    /// Returns the meaning in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::FailedRows => "rows of the file failed",
            Self::FileFailed => "the file failed as a whole",
            Self::OutdatedRows => "the table has newer items for rows of the file",
            Self::TooMany => "more than `maximumDeleted` allows",
            Self::NoBaseline => "no earlier version was complete, so their share of its items is not known",
            Self::UploadTimeUnknown => "the time of the upload is not known",
        }
    }
}

impl SnapshotOutcome {
    /// Describes the outcome in one sentence without a full stop; `None` if there was nothing to delete.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let items = |count: u64| if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
        let left = self.candidates.map_or(0, |candidates| candidates.saturating_sub(self.deleted));
        let why = |reason: SnapshotReason| format!("{} ({})", reason.meaning(), reason.code());
        match (self.reason, self.candidates) {
            (Some(reason), None) => Some(format!("no items were deleted: {}", why(reason))),
            (Some(reason), Some(_)) if self.deleted == 0 => Some(format!(
                "{} that the latest version lacks were not deleted: {}",
                items(left),
                why(reason)
            )),
            (Some(reason), Some(_)) => Some(format!(
                "{} that the latest version lacks were deleted, and others were not: {}",
                items(self.deleted),
                why(reason)
            )),
            (None, _) if self.deleted > 0 => {
                Some(format!("{} that the latest version lacks were deleted", items(self.deleted)))
            }
            (None, _) => None,
        }
    }
}

/// The failure of an object as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFailure {
    /// The stage that reports it: `extraction`, `transform` or `load`.
    pub stage: String,
    /// Stable code.
    pub reason: String,
    /// One sentence for a person, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Keys of the files about an object, in its bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFiles {
    /// The outcome as JSON.
    pub results: String,
    /// The rows that failed, as a file that can be corrected and uploaded. `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
}

/// The columns before those of the file, in a file of rows that failed: the number of the row, the code of the reason, the
/// name of the field, and a sentence. A file that begins with them is read without them.
pub const REJECT_COLUMNS: [&str; 4] = ["_row", "_reason", "_field", "_message"];

/// The prefixes of the keys of files about objects. Such files are not uploads: `extract` ignores them.
pub const RESULT_PREFIXES: [&str; 2] = [RESULTS, REJECTS];
const RESULTS: &str = "results/";
const REJECTS: &str = "rejects/";
/// The greatest number of bytes of a key: Amazon S3 User Guide, "Naming Amazon S3 objects".
const MAX_KEY: usize = 1_024;

impl ObjectOutcome {
    /// Returns the ID of the event about an attempt.
    #[must_use]
    pub fn id_of(object: &ObjectRef, attempt: u64) -> String {
        digest(&[object.digest().as_bytes(), &attempt.to_be_bytes()])
    }
}

impl ResultFiles {
    /// Returns the keys of the files about the object with this key. `rejects` ends with the `extension` that a file
    /// of its format has.
    #[must_use]
    pub fn of(key: &str, rejects: Option<&str>) -> Self {
        Self {
            results: beside(RESULTS, key, "json"),
            rejects: rejects.map(|extension| beside(REJECTS, key, extension)),
        }
    }
}

/// Returns whether a key is that of a file about an object.
#[must_use]
pub fn is_result_file(key: &str) -> bool {
    RESULT_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Returns `<prefix><key>.<extension>`. Where that is longer than a key may be, or has a segment `.` or `..`, which
/// clients take for another folder, the key is changed there, and a digest of it tells it from others.
fn beside(prefix: &str, key: &str, extension: &str) -> String {
    let plain = format!("{prefix}{key}.{extension}");
    let is_relative = |segment: &str| matches!(segment, "." | "..");
    if plain.len() <= MAX_KEY && !key.split('/').any(is_relative) {
        return plain;
    }
    let digest = digest(&[key.as_bytes()]);
    let room = MAX_KEY - prefix.len() - digest.len() - extension.len() - 2;
    let segments = key.split('/').map(|segment| if is_relative(segment) { "_" } else { segment });
    let mut name = segments.collect::<Vec<_>>().join("/");
    let mut end = room.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    format!("{prefix}{name}~{digest}.{extension}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rejects(key: &str) -> String {
        ResultFiles::of(key, Some("csv")).rejects.expect("a key")
    }

    #[test]
    fn files_are_named_as_the_object() {
        for key in
            ["a.csv", "in/2026/a b+c.csv", "Größe 東京.csv", "/a//b/", "...", "a/..b/c..", "results/x.csv"]
        {
            let files = ResultFiles::of(key, None);
            assert_eq!(files, ResultFiles { results: format!("results/{key}.json"), rejects: None });
            assert_eq!(rejects(key), format!("rejects/{key}.csv"));
        }
    }

    #[test]
    fn a_key_that_would_be_too_long_or_lead_elsewhere_has_a_digest() {
        for key in [
            "../../a.csv",
            "a/./b",
            "..",
            &"x".repeat(1_024),
            &"東".repeat(341),
            &format!("{}é", "x".repeat(972)),
        ] {
            let found = rejects(key);
            assert!(
                found.len() <= MAX_KEY && found.starts_with("rejects/") && found.ends_with(".csv"),
                "{found}"
            );
            assert!(!found.split('/').any(|segment| segment == ".." || segment == "."), "{found}");
            assert_eq!(found, rejects(key));
        }
        let (one, other) = ("x".repeat(1_023) + "a", "x".repeat(1_023) + "b");
        assert_ne!(rejects(&one), rejects(&other));
        assert_ne!(rejects("../a"), rejects("./a"));
        // The longest key that needs none.
        let longest = "x".repeat(MAX_KEY - "rejects/.csv".len());
        assert_eq!(rejects(&longest), format!("rejects/{longest}.csv"));
        assert!(rejects(&(longest + "x")).contains('~'));
    }

    #[test]
    fn each_attempt_has_an_id() {
        let object = ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: None,
            etag: None,
            uploaded: None,
            replay: None,
        };
        let replayed = ObjectRef { replay: Some("2026-11-28T12:00:00.000Z".into()), ..object.clone() };
        let id = |object: &ObjectRef, attempt| ObjectOutcome::id_of(object, attempt);
        assert_eq!(id(&object, 2), id(&replayed, 2));
        assert_ne!(id(&object, 1), id(&object, 2));
        assert_ne!(id(&object, 1), id(&ObjectRef { version: Some("2".into()), ..object.clone() }, 1));
    }

    #[test]
    fn a_snapshot_is_described_in_a_sentence() {
        let outcome = |deleted, candidates, reason| SnapshotOutcome {
            deleted,
            candidates,
            reason,
            ..SnapshotOutcome::default()
        };
        for (outcome, sentence) in [
            (outcome(0, Some(0), None), None),
            (outcome(1, Some(1), None), Some("1 item that the latest version lacks were deleted")),
            (
                outcome(0, Some(50), Some(SnapshotReason::TooMany)),
                Some(
                    "50 items that the latest version lacks were not deleted: more than `maximumDeleted` allows (too-many)",
                ),
            ),
            (
                outcome(0, None, Some(SnapshotReason::FailedRows)),
                Some("no items were deleted: rows of the file failed (failed-rows)"),
            ),
            (
                outcome(5, Some(9), Some(SnapshotReason::TooMany)),
                Some(
                    "5 items that the latest version lacks were deleted, and others were not: more than `maximumDeleted` allows \
                     (too-many)",
                ),
            ),
        ] {
            assert_eq!(outcome.sentence().as_deref(), sentence);
        }
        for reason in SnapshotReason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("JSON"), reason.code());
        }
    }

    proptest! {
        #[test]
        fn any_key_has_files_that_start_nothing(key in ".{0,400}") {
            let ResultFiles { results, rejects } = ResultFiles::of(&key, Some("csv"));
            for file in [results, rejects.expect("a key")] {
                prop_assert!(file.len() <= MAX_KEY && is_result_file(&file), "{}", file);
            }
        }
    }
}
