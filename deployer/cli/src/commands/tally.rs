//! `deployer tally`.

use std::time::Duration;

use deployer_base::error::{Error, Message, Result};
use deployer_base::time;
use deployer_lang::Stack;
use schemars::JsonSchema;
use serde::Serialize;
use tally::{RowSet, Tally};

use crate::context::Context;

pub(super) mod document;
mod handle;
mod waiting;

pub use handle::TallyHandle;
pub use waiting::wait;

use document::{ObjectTallies, ObjectTally, TallySummary};
use handle::newest;
pub use waiting::{is_over, rate};

/// Show which rows of a file are in the table, were skipped, have failed or are missing
///
/// Exits with 0 if every row of the file is in the table or was skipped, and with 7 if rows are missing or have failed, or the file
/// has no rows.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key of the object; all objects by default. The name of a stack alone means the stack: write the stack after a key of that name
    key: Option<String>,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Version of the object; the latest by default
    #[arg(long, value_name = "ID", requires = "key")]
    version_id: Option<String>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long)]
    bucket: Option<String>,
    /// Wait until every row is in the table, was skipped or has failed, including the rows of a replay
    #[arg(long, requires = "key")]
    wait: bool,
    /// Stop waiting after this time
    #[arg(long, value_name = "DURATION", default_value = "15m", requires = "wait", value_parser = duration)]
    timeout: u64,
}

fn duration(text: &str) -> std::result::Result<u64, String> {
    deployer_syntax::units::parse_duration(text)
        .ok_or_else(|| "expected a duration such as 90s or 15m".to_owned())
}

/// Number of ranges of row numbers that are shown for one fact.
const SHOWN_RANGES: usize = 20;

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let only = [("--wait", args.wait), ("--version-id", args.version_id.is_some())];
    let (stack, key) = stack_and_key(context, args.key.as_deref(), args.stack.as_deref(), &only)?;
    let place = TallyHandle::find(context, &stack, args.bucket.as_deref(), key.is_some()).await?;
    let Some(key) = key else { return list(context, &stack, &place).await };
    let object = place.object(key, args.version_id.as_deref()).await?;
    context.on_interrupt("the pipeline keeps running", "`deployer tally` shows the progress");
    let found = match args.wait {
        true => wait(context, &place, &object, Duration::from_secs(args.timeout)).await?,
        false => place.read(&object).await?,
    };
    let Some(found) = found else {
        return Err(Error::failed_with_hint(
            format!("the tally has no record of s3://{}/{}", object.bucket, object.key),
            "its first events may not have arrived yet; otherwise its key matches no `notify`, or it was uploaded before the \
             stack had a tally",
        ));
    };
    if context.ui.is_json() {
        context.ui.json(ObjectTally::new(&stack.name, &found))?;
    } else {
        context.ui.data(&describe_rows(&found))?;
    }
    verdict(&found)
}

/// Returns the stack and the key that are meant: `tally dev` means the stack `dev`, also if an object has that key. `only` are
/// the options that mean something with a key alone, and whether they are given.
pub(super) fn stack_and_key<'a>(
    context: &Context,
    key: Option<&'a str>,
    stack: Option<&str>,
    only: &[(&str, bool)],
) -> Result<(Stack, Option<&'a str>)> {
    if let (Some(name), None) = (key, stack)
        && context.load()?.document.stacks.iter().any(|stack| stack.stack == name)
    {
        if let Some((option, _)) = only.iter().find(|(_, is_given)| *is_given) {
            return Err(Error::Usage(
                Message::new(format!("`{option}` is about an object, and `{name}` is a stack of the file")).hint(
                    format!("write the key, and the stack after it; `{name} {name}` is the object with the key `{name}`"),
                ),
            ));
        }
        return Ok((context.load_stack(Some(name))?, None));
    }
    Ok((context.load_stack(stack)?, key))
}

/// Position of the column for skipped rows, which is there only if there are any.
const SKIPPED_COLUMN: usize = 4;

async fn list(context: &Context, stack: &Stack, place: &TallyHandle) -> Result<()> {
    let all = place.list().await?;
    if context.ui.is_json() {
        let objects = all.iter().map(TallySummary::new).collect();
        return context.ui.json(ObjectTallies { stack: &stack.name, objects });
    }
    if all.is_empty() {
        context.ui.note("no object has been uploaded yet");
        return Ok(());
    }
    let skips = all.iter().any(|one| !one.skipped.is_empty());
    let rows = all.iter().map(|one| {
        let object = one.summary.object.as_ref();
        let mut row = vec![
            object.map(|object| object.key.clone()).unwrap_or_default(),
            newest(one).0.cloned().unwrap_or_default(),
            one.total().map_or_else(|| "?".to_owned(), |total| total.to_string()),
            one.loaded.len().to_string(),
            one.failed().len().to_string(),
            one.missing().len().to_string(),
            state_text(one),
        ];
        if skips {
            row.insert(SKIPPED_COLUMN, one.skipped.len().to_string());
        }
        row
    });
    let mut columns =
        ["key", "uploaded", "rows", "loaded", "failed", "missing", "state"].map(str::to_owned).to_vec();
    if skips {
        columns.insert(SKIPPED_COLUMN, "skipped".to_owned());
    }
    context.ui.data(&deployer_base::ui::fitted_table(&columns, rows.collect(), context.ui.data_width()))
}

/// The progress of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "tallyState")]
pub enum State {
    /// Rows are still to come, or missing.
    Open,
    /// Every row is in the table or was skipped.
    Loaded,
    /// Rows have failed, and the others are in the table or were skipped.
    RowsFailed,
    /// The object as a whole could not be read.
    ObjectFailed,
}

impl State {
    pub fn of(tally: &Tally) -> Self {
        if !tally.object_failures().is_empty() {
            Self::ObjectFailed
        } else if tally.is_loaded() {
            Self::Loaded
        } else if tally.is_complete() {
            Self::RowsFailed
        } else {
            Self::Open
        }
    }
}

/// Describes the state of an object in a few words.
pub(super) fn state_text(tally: &Tally) -> String {
    match State::of(tally) {
        State::Open if tally.total().is_none() => "reading".to_owned(),
        State::Open => "loading".to_owned(),
        State::Loaded => "loaded".to_owned(),
        State::RowsFailed => "rows failed".to_owned(),
        State::ObjectFailed => {
            let reasons: Vec<&str> = tally.object_failures().iter().map(|(_, reason)| *reason).collect();
            format!("failed: {}", reasons.join(", "))
        }
    }
}

/// Returns a number of rows in words: `no rows`, `1 row`, `1,255 rows`.
fn rows_text(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match count {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        _ => format!("{grouped} rows"),
    }
}

/// Returns `Ok` (exit code 0) only if the file has rows, and each of them is in the table or was skipped.
fn verdict(tally: &Tally) -> Result<()> {
    judge(tally, || what_to_do(tally))
}

/// Returns the same as [`verdict`], with other advice.
pub(super) fn judge(tally: &Tally, advice: impl FnOnce() -> String) -> Result<()> {
    if tally.total() == Some(0) && tally.object_failures().is_empty() {
        return Err(Error::Incomplete(
            Message::new("the file has no rows").hint("the file is empty, or has only a header"),
        ));
    }
    if tally.is_loaded() {
        return Ok(());
    }
    let (failed, missing) = (tally.failed().len(), tally.missing().len());
    let text = match (tally.object_failures().first(), tally.total()) {
        (Some((stage, reason)), _) => match tally.message(stage, reason) {
            Some(message) => format!("the file could not be read: {reason} in {stage}: {message}"),
            None => format!("the file could not be read: {reason} in {stage}"),
        },
        (None, None) => {
            let failed = if failed == 0 { "none".to_owned() } else { failed.to_string() };
            format!("still reading the file: {} in progress, {failed} failed", rows_text(missing))
        }
        (None, Some(total)) => match tally.skipped.len() {
            0 => format!("of {total} rows, {failed} failed and {missing} are missing"),
            1 => format!("of {total} rows, 1 was skipped, {failed} failed and {missing} are missing"),
            skipped => {
                format!("of {total} rows, {skipped} were skipped, {failed} failed and {missing} are missing")
            }
        },
    };
    Err(Error::Incomplete(Message::new(text).hint(advice())))
}

/// Returns the next step for an object of which not every row is in the table.
fn what_to_do(tally: &Tally) -> String {
    let replay_failed = tally.replay_failure().map(|(stage, reason)| {
        let message = tally.message(stage, reason).map(|message| format!(": {message}")).unwrap_or_default();
        format!("the last replay failed as a whole: {reason} in {stage}{message}")
    });
    if let Some(failed) = replay_failed {
        return failed;
    }
    if !tally.pending_replays().is_empty() {
        return "a replay is in progress: `deployer tally KEY --wait` waits for it".to_owned();
    }
    match (tally.object_failures().is_empty(), tally.failed().len(), tally.missing().len()) {
        // Rows that the task has not read are not missing, so a replay doesn't send them.
        (false, ..) => "correct the file or the settings, and upload it again; `deployer replay` sends only rows that were read",
        (true, 0, _) => "`--wait` waits for them; `deployer replay KEY --missing` sends missing rows again",
        (true, ..) => "fix the cause, then `deployer replay KEY --failed` sends the failed rows again",
    }
    .to_owned()
}

/// Returns the percentage of the rows that are in the table.
fn percent(tally: &Tally) -> Option<f64> {
    let total = tally.total()?;
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let share = if total == 0 { 1.0 } else { tally.loaded.len() as f64 / total as f64 };
    // One digit, and 100 only if all rows are in the table.
    Some((share * 1_000.0).floor() / 10.0)
}

/// Returns the rows a second from the first event to the last.
fn average(tally: &Tally) -> Option<f64> {
    let at = |text: &Option<String>| time::parse_rfc3339(text.as_deref()?);
    let seconds = at(&tally.last_at)?.checked_sub(at(&tally.started_at)?)?;
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let seconds = seconds as f64;
    rate(tally.loaded.len(), seconds).map(|rate| (rate * 10.0).round() / 10.0)
}

/// Returns the first ranges of a set, and the number of rows in the others.
fn ranges(rows: &RowSet) -> (Vec<(u64, u64)>, u64) {
    let mut all = rows.ranges();
    let shown: Vec<(u64, u64)> =
        all.by_ref().take(SHOWN_RANGES).map(|range| (*range.start(), *range.end())).collect();
    let counted: u64 = shown.iter().map(|(first, last)| last - first + 1).sum();
    (shown, rows.len().saturating_sub(counted))
}

/// Describes the ranges of a set: `1–3, 7 and 12 more`.
fn ranges_text(rows: &RowSet) -> String {
    let (shown, more) = ranges(rows);
    let shown: Vec<String> = shown
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Describes the rows of an object: a line for each stage, and one for each reason of failures.
pub(super) fn describe_rows(tally: &Tally) -> String {
    let total = tally.total();
    let of = |count: u64| match (percent(tally), total) {
        (Some(_), Some(total)) if total > 0 => format!("{count} of {total}"),
        _ => count.to_string(),
    };
    let mut rows = vec![
        ["extracted".to_owned(), of(tally.extracted.len())],
        ["transformed".to_owned(), of(tally.transformed.len())],
        ["loaded".to_owned(), {
            let percent = percent(tally).map(|percent| format!(", {percent} %")).unwrap_or_default();
            let rate = average(tally).map(|rate| format!(", {rate} a second")).unwrap_or_default();
            format!("{}{percent}{rate}", of(tally.loaded.len()))
        }],
    ];
    let sets = [
        ("deleted", "of the loaded rows, which deleted the item of their key", &tally.deleted),
        ("skipped", "", &tally.skipped),
        ("existing", "of the skipped rows, whose key was in the table", &tally.existing),
    ];
    for (name, about, set) in sets.into_iter().filter(|(.., set)| !set.is_empty()) {
        let count = if about.is_empty() { of(set.len()) } else { format!("{} {about}", set.len()) };
        rows.push([name.to_owned(), format!("{count}: {}", ranges_text(set))]);
    }
    for failure in tally.failures() {
        let message = failure.message.map(|message| format!(" ({message})")).unwrap_or_default();
        rows.push([
            "failed".to_owned(),
            format!(
                "{} in {}, {}: {}{message}",
                failure.rows.len(),
                failure.stage,
                failure.reason,
                ranges_text(&failure.rows)
            ),
        ]);
    }
    for (stage, reason) in tally.object_failures() {
        let message = tally.message(stage, reason).map(|message| format!(": {message}")).unwrap_or_default();
        rows.push(["failed".to_owned(), format!("the file, in {stage}, {reason}{message}")]);
    }
    for replay in tally.pending_replays() {
        let text =
            format!("{} of {} {} rows to go, since {}", replay.pending, replay.rows, replay.what, replay.id);
        rows.push(["replay".to_owned(), text]);
    }
    let sets = [
        ("overwritten", "at least ", "by later rows of this file with the same key", &tally.overwritten),
        (
            "replaced",
            "at least ",
            "which took the place of items that no row of this file wrote",
            &tally.replaced,
        ),
        ("outdated", "", "for which the table has a newer item of another file", &tally.outdated),
        (
            "overlapping",
            "at least ",
            "whose key had the item of another file; with `snapshot`, files must not have the same keys",
            &tally.overlapping,
        ),
        ("leap seconds", "", "with a timestamp whose second 60 was taken as 59", &tally.leap_seconds),
    ];
    for (name, least, about, set) in sets.into_iter().filter(|(.., set)| !set.is_empty()) {
        rows.push([name.to_owned(), format!("{least}{}, {about}: {}", set.len(), ranges_text(set))]);
    }
    if let Some(state) = &tally.snapshot {
        let text = match &state.outcome {
            None => "looking for items that the latest version of the file lacks".to_owned(),
            Some(outcome) => outcome.sentence().unwrap_or_else(|| "the file lacks no item".to_owned()),
        };
        rows.push(["snapshot".to_owned(), text]);
    }
    let missing = tally.missing();
    if !missing.is_empty() {
        rows.push(["missing".to_owned(), format!("{}: {}", missing.len(), ranges_text(&missing))]);
    }
    deployer_base::ui::table(["rows", ""], rows)
}

#[cfg(test)]
mod tests {
    use super::document::RowRanges;
    use super::waiting::{describe, is_over};
    use super::*;

    fn sample(total: u64) -> Tally {
        let mut tally = Tally::default();
        tally.loaded.add(&RowSet::range(1..4));
        tally.extracted = RowSet::range(1..6);
        tally.summary.shards.insert((1, 1), tally::Counts { rows: total, rejected: 0, bytes: 9 });
        tally.started_at = Some("2026-11-28T12:00:00Z".to_owned());
        tally.last_at = Some("2026-11-28T12:00:02Z".to_owned());
        tally
    }

    #[test]
    fn only_a_table_with_all_rows_is_success() {
        assert!(verdict(&sample(3)).is_err(), "rows 4 and 5 were read, so they are missing");
        let error = verdict(&sample(6)).expect_err("rows 4 to 6");
        assert_eq!(error.exit_code(), 7);
        assert_eq!(error.message().expect("a message").text, "of 6 rows, 0 failed and 3 are missing");
        let mut all = sample(5);
        all.loaded = RowSet::range(1..6);
        assert!(verdict(&all).is_ok());
        let mut broken = Tally::default();
        broken.summary.failures.insert(("extraction".into(), "object-unreadable".into()));
        assert!(is_over(&broken));
        assert!(verdict(&broken).is_err());
        assert_eq!(State::of(&broken), State::ObjectFailed);
        assert_eq!(state_text(&broken), "failed: object-unreadable");
        let error = verdict(&broken).expect_err("nothing was read");
        let message = error.message().expect("a message");
        assert!(message.hint.as_ref().is_some_and(|hint| !hint.contains("--missing")), "{message:?}");
        let mut given_up = Tally::default();
        given_up.summary.failures.insert(("extraction".into(), "interrupted".into()));
        assert!(is_over(&given_up), "the last of its tasks has ended");
        let mut empty = Tally::default();
        empty.summary.shards.insert((1, 1), tally::Counts { rows: 0, rejected: 0, bytes: 9 });
        let error = verdict(&empty).expect_err("a header alone");
        assert_eq!(
            (error.exit_code(), error.message().expect("a message").text.as_str()),
            (7, "the file has no rows")
        );
    }

    #[test]
    fn skipped_rows_are_done_and_are_counted() {
        let mut tally = sample(6);
        for (skipped, text) in [
            (RowSet::range(4..5), "of 6 rows, 1 was skipped, 0 failed and 2 are missing"),
            (RowSet::range(4..6), "of 6 rows, 2 were skipped, 0 failed and 1 are missing"),
        ] {
            tally.skipped = skipped;
            let error = verdict(&tally).expect_err("row 6 is missing");
            assert_eq!((error.exit_code(), error.message().expect("a message").text.as_str()), (7, text));
            assert!(!is_over(&tally) && State::of(&tally) == State::Open);
        }
        tally.skipped = RowSet::range(4..7);
        assert!(verdict(&tally).is_ok() && is_over(&tally));
        assert_eq!((State::of(&tally), percent(&tally)), (State::Loaded, Some(50.0)));
        assert_eq!(describe(&tally), "6 rows: 5 extracted, 0 transformed, 3 loaded, 0 failed, 3 skipped");
        assert!(!describe(&sample(6)).contains("skipped"));
        (tally.deleted, tally.existing) = (RowSet::range(2..3), RowSet::range(5..7));
        assert_eq!(
            describe(&tally),
            "6 rows: 5 extracted, 0 transformed, 3 loaded (1 deleted), 0 failed, 3 skipped (2 existing)"
        );
    }

    #[test]
    fn counts_are_written_for_people() {
        assert_eq!(
            [0, 1, 12, 1_255, 1_000_000].map(rows_text),
            ["no rows", "1 row", "12 rows", "1,255 rows", "1,000,000 rows"]
        );
        let mut reading = sample(1);
        reading.summary.shards.clear();
        let error = verdict(&reading).expect_err("it is read");
        let text = &error.message().expect("a message").text;
        assert_eq!(text, "still reading the file: 2 rows in progress, none failed");
        let mut rejected = Tally::default();
        rejected.summary.failures.insert(("extraction".into(), "missing-column".into()));
        assert_eq!(describe(&rejected), "the file was rejected before any row was read");
    }

    #[test]
    fn shares_and_speeds_are_never_flattered() {
        assert_eq!((percent(&sample(6)), average(&sample(6))), (Some(50.0), Some(1.5)));
        let mut nearly = sample(100_000);
        nearly.loaded = RowSet::range(1..100_000);
        assert_eq!(percent(&nearly), Some(99.9));
        assert_eq!(percent(&Tally::default()), None);
        let mut turned = sample(6);
        turned.last_at = Some("2026-11-28T11:00:00Z".to_owned());
        assert_eq!(average(&turned), None, "clocks that go backwards");
    }

    #[test]
    fn many_ranges_are_cut() {
        let odd: RowSet = (0..60).filter(|row| row % 2 == 1).collect();
        let text = ranges_text(&odd);
        assert!(text.starts_with("1, 3, 5") && text.ends_with(" and 10 more"), "{text}");
        let few: RowSet = [1, 2, 3, 7].into_iter().collect();
        assert_eq!(ranges_text(&few), "1–3, 7");
        assert_eq!(RowRanges::new(&few), RowRanges { rows: 4, ranges: vec![(1, 3), (7, 7)], more: 0 });
    }
}
