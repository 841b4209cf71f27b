//! The message about a file for people.

use std::future::Future;

use contract::event::SnapshotOutcome;
use runtime::CallError;

use super::Results;

/// The greatest number of characters of a subject: Amazon SNS API reference, `Publish`: less than 100, of ASCII, without
/// control characters, and with a letter, a digit or a punctuation mark at the beginning.
const MAX_SUBJECT: usize = 99;
/// The greatest number of reasons in a message.
const MAX_REASONS: usize = 5;

/// A topic that people subscribe to. Implemented by [`crate::aws::Sns`], and by fakes in tests.
pub trait Topic: Send + Sync {
    /// Sends a message to the subscribers.
    fn publish(&self, subject: &str, message: &str) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Returns what happened to the rows in a few words.
fn outcome(results: &Results) -> String {
    let outcome = &results.outcome;
    if let Some(failure) = &outcome.failure {
        return format!("the file failed: {}", failure.reason);
    }
    let failed = match outcome.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!("{} of {} rows loaded{failed}", outcome.loaded, outcome.rows)
}

/// Returns the subject: the end of the key, which tells more than its beginning, and the outcome.
pub(super) fn subject(results: &Results) -> String {
    let plain =
        |character: char| if character.is_ascii_graphic() || character == ' ' { character } else { '?' };
    let outcome = outcome(results);
    let key: Vec<char> = results.object.key.trim().chars().map(plain).collect();
    let room = MAX_SUBJECT.saturating_sub(outcome.len() + 2);
    let key: String = match key.len() <= room {
        true => key.iter().collect(),
        false => {
            let end = key.iter().skip(key.len() - room.saturating_sub(3));
            std::iter::repeat_n(&'.', 3).chain(end).collect()
        }
    };
    format!("{key}: {outcome}").chars().take(MAX_SUBJECT).collect()
}

/// Returns the message: ten lines at most, without a value of a row.
pub(super) fn message(results: &Results) -> String {
    let (object, outcome) = (&results.object, &results.outcome);
    let place = |key: &str| {
        let key: String = key.chars().map(|one| if one.is_control() { '?' } else { one }).collect();
        format!("s3://{}/{key}", object.bucket)
    };
    let mut lines = vec![format!("File: {}", place(&object.key))];
    if let Some(uploaded) = &object.uploaded {
        lines.push(format!("Uploaded: {uploaded}"));
    }
    let deleted = outcome.snapshot.as_ref().and_then(SnapshotOutcome::sentence);
    let deleted = deleted.map(|sentence| format!("; {sentence}")).unwrap_or_default();
    lines.push(format!("Result: {}{deleted}", self::outcome(results)));
    if let Some(failure) = &outcome.failure {
        lines.push(format!("Reason: {}", failure.message.as_ref().unwrap_or(&failure.reason)));
    }
    if outcome.skipped + outcome.overwritten > 0 {
        let (skipped, overwritten) = (outcome.skipped, outcome.overwritten);
        lines.push(format!("Skipped: {skipped}; replaced by a later row of the file: {overwritten}"));
    }
    if !outcome.reasons.is_empty() {
        let mut reasons: Vec<(&String, &u64)> = outcome.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = reasons.len().saturating_sub(MAX_REASONS);
        let shown = reasons.into_iter().take(MAX_REASONS).map(|(reason, count)| format!("{count} {reason}"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} other reasons") } else { String::new() };
        lines.push(format!("Failed: {shown}{more}"));
    }
    if let Some(seconds) = outcome.seconds {
        let again =
            if outcome.attempt > 1 { format!(", attempt {}", outcome.attempt) } else { String::new() };
        lines.push(format!("Time: {seconds} seconds from the upload to the last row{again}"));
    }
    if let Some(files) = &outcome.files {
        lines.push(format!("Details: {}", place(&files.results)));
        if let Some(rejects) = &files.rejects {
            lines.push(format!("To correct and upload: {}", place(rejects)));
        }
    }
    if let Some(problem) = &results.problem {
        lines.push(format!("Problem: {problem}"));
    }
    lines.truncate(10);
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use contract::ObjectRef;
    use contract::event::{ObjectFailure, ObjectOutcome, ResultFiles};
    use proptest::prelude::*;

    use super::*;

    fn results(key: &str) -> Results {
        Results {
            object: ObjectRef {
                bucket: "b".into(),
                key: key.into(),
                version: None,
                etag: None,
                uploaded: Some("2026-11-28T12:00:00.000Z".into()),
                replay: None,
            },
            outcome: ObjectOutcome {
                attempt: 2,
                rows: 2_000,
                loaded: 1_960,
                skipped: 3,
                failed: 37,
                reasons: [("row-length".to_owned(), 7), ("invalid-number".to_owned(), 30)].into(),
                overwritten: 1,
                seconds: Some(74),
                files: Some(ResultFiles::of(key, Some("csv"))),
                ..ObjectOutcome::default()
            },
            problem: None,
            notified: false,
        }
    }

    #[test]
    fn a_message_says_what_happened_in_ten_lines() {
        let results = results("in/käufer.csv");
        assert_eq!(subject(&results), "in/k?ufer.csv: 1960 of 2000 rows loaded, 37 failed");
        assert_eq!(
            message(&results),
            "File: s3://b/in/käufer.csv\n\
             Uploaded: 2026-11-28T12:00:00.000Z\n\
             Result: 1960 of 2000 rows loaded, 37 failed\n\
             Skipped: 3; replaced by a later row of the file: 1\n\
             Failed: 30 invalid-number, 7 row-length\n\
             Time: 74 seconds from the upload to the last row, attempt 2\n\
             Details: s3://b/results/in/käufer.csv.json\n\
             To correct and upload: s3://b/rejects/in/käufer.csv.csv\n"
        );
        let failure = ObjectFailure {
            stage: "extraction".into(),
            reason: "missing-column".into(),
            message: Some("the file has no column `ID`".into()),
        };
        let failed = Results {
            outcome: ObjectOutcome { failure: Some(failure), attempt: 1, ..ObjectOutcome::default() },
            ..results
        };
        assert!(subject(&failed).ends_with(": the file failed: missing-column"));
        assert!(message(&failed).contains("\nReason: the file has no column `ID`\n"));
        let snapshot = SnapshotOutcome { deleted: 5, candidates: Some(5), ..SnapshotOutcome::default() };
        let outcome = ObjectOutcome { snapshot: Some(snapshot), ..failed.outcome.clone() };
        let cleaned = message(&Results { outcome, ..failed });
        let line =
            "Result: the file failed: missing-column; 5 items that the latest version lacks were deleted";
        assert!(cleaned.contains(line), "{cleaned}");
    }

    proptest! {
        #[test]
        fn any_subject_is_one_that_sns_takes(key in ".{1,1100}") {
            let results = results(&key);
            let subject = subject(&results);
            prop_assert!(subject.len() < 100 && subject.chars().all(|one| one.is_ascii_graphic() || one == ' '), "{}", subject);
            prop_assert!(!subject.starts_with(' ') && subject.ends_with("37 failed"), "{}", subject);
            prop_assert!(message(&results).lines().count() <= 10);
        }
    }
}
