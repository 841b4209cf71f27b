//! Waiting for the rows of an object.

use std::time::{Duration, Instant};

use contract::ObjectRef;
use deployer_aws::Pause;
use deployer_base::error::{Error, Message, Result};
use tally::Tally;

use super::handle::TallyHandle;
use crate::context::Context;
use crate::progress::counted;

/// Interval at which the counts are shown if there is no progress bar.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The longest pause between two reads: between the batches of the observer, a second apart, nothing changes, and the
/// counts should not get older than that for it.
const LONGEST: Duration = Duration::from_millis(500);

/// Reads the tally again and again until there is nothing left to wait for.
///
/// # Errors
/// Returns [`Error::Incomplete`] if the time is over.
pub async fn wait(
    context: &Context,
    place: &TallyHandle,
    object: &ObjectRef,
    limit: Duration,
) -> Result<Option<Tally>> {
    let started = Instant::now();
    let mut said = Instant::now();
    let mut pause = Pause::up_to(LONGEST);
    let bar = context.ui.bar();
    let mut last: Option<Tally> = None;
    // A file that ended before the stack had a `snapshot` is not waited for.
    let mut was_open = false;
    // The rows that were in the table at the beginning: they don't count for the present speed.
    let mut first: Option<(Instant, u64)> = None;
    loop {
        let asked = Instant::now();
        let found = place.read(object).await?;
        let cost = asked.elapsed();
        if let Some(found) = &found {
            let settled = found.loaded.len() + found.skipped.len() + found.failed().len();
            let (since, before) = *first.get_or_insert((asked, settled));
            let rate = rate(settled.saturating_sub(before), since.elapsed().as_secs_f64());
            let text = format!("{}{}", describe(found), outlook(found, rate));
            bar.set(settled, found.known().len().max(1), &text);
            if !context.ui.is_live() && said.elapsed() > HEARTBEAT {
                context.ui.step("rows", &text);
                said = Instant::now();
            }
            let is_at_work = was_open || found.snapshot.as_ref().is_some_and(|state| state.outcome.is_none());
            if is_over(found) && (!place.cleans() || !is_at_work || found.cleaned().is_some()) {
                return Ok(Some(found.clone()));
            }
            was_open |= !is_over(found);
        }
        if found != last {
            pause.reset();
        }
        if started.elapsed() > limit {
            return Err(gave_up(limit, found.as_ref()));
        }
        last = found;
        tokio::join!(pause.wait(), tokio::time::sleep(rest(cost)));
    }
}

/// The age that counts should not exceed: a read tells what was so at its beginning, and is shown until the next one ends.
const OLDEST: Duration = Duration::from_secs(1);

/// Returns the pause after a read that took so long.
///
/// Watching must not slow down the work that it watches, so it takes a tenth of the time. But where a read takes long,
/// it mostly waits for other calls, and the counts would become too old for it: there is less of a pause then.
fn rest(cost: Duration) -> Duration {
    (cost * 9).min(OLDEST.saturating_sub(cost * 2).max(cost / 4))
}

fn gave_up(limit: Duration, found: Option<&Tally>) -> Error {
    let so_far = found.map_or_else(|| "no event has arrived".to_owned(), describe);
    let hint = match found.and_then(|found| found.pending_replays().pop()) {
        Some(replay) => format!(
            "no event has arrived for {} of the {} rows of the replay of {}: `deployer logs extract` shows whether its task was \
             started; `deployer replay KEY --{}` sends the rows again",
            replay.pending, replay.rows, replay.id, replay.what
        ),
        None if found.is_some_and(is_over) => {
            "all rows are settled, but `snapshot` has not said which items were deleted: `deployer logs snapshot` shows why".to_owned()
        }
        None => "`deployer tally KEY` shows which rows are missing, and `deployer replay KEY --missing` sends them again"
            .to_owned(),
    };
    Error::Incomplete(
        Message::new(format!("stopped waiting after {} s: {so_far}", limit.as_secs())).hint(hint),
    )
}

/// Returns whether no more events will follow: all rows are settled, or the object was given up; and no replay is in
/// progress.
pub fn is_over(tally: &Tally) -> bool {
    let settled = tally.is_complete() || !tally.object_failures().is_empty();
    settled && (tally.is_loaded() || tally.pending_replays().is_empty())
}

/// Returns the rows a second; `None` while it can't be estimated.
pub fn rate(rows: u64, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let rows = rows as f64;
    (rows > 0.0 && seconds >= 1.0).then(|| rows / seconds)
}

/// Describes the speed, and the remaining time.
fn outlook(tally: &Tally, rate: Option<f64>) -> String {
    let Some(rate) = rate else { return String::new() };
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let left = tally.missing().len() as f64 / rate;
    match tally.total() {
        Some(_) => format!(", {rate:.0} a second, about {left:.0} s to go"),
        None => format!(", {rate:.0} a second"),
    }
}

/// Describes the counts in a few words.
pub(super) fn describe(tally: &Tally) -> String {
    let mut text = match tally.total() {
        None if tally.extracted.is_empty() && !tally.object_failures().is_empty() => {
            return "the file was rejected before any row was read".to_owned();
        }
        Some(1) => "1 row".to_owned(),
        Some(total) => format!("{total} rows"),
        None => "still reading".to_owned(),
    };
    text.push_str(&format!(
        ": {} extracted, {} transformed, {}, {} failed",
        tally.extracted.len(),
        tally.transformed.len(),
        counted(tally.loaded.len(), "loaded", tally.deleted.len(), "deleted"),
        tally.failed().len()
    ));
    if !tally.skipped.is_empty() {
        let skipped = counted(tally.skipped.len(), "skipped", tally.existing.len(), "existing");
        text.push_str(&format!(", {skipped}"));
    }
    for replay in tally.pending_replays() {
        text.push_str(&format!(", replay of {} rows: {} to go", replay.rows, replay.pending));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_not_old_and_watching_leaves_time_for_the_work() {
        for milliseconds in 0..5_000 {
            let cost = Duration::from_millis(milliseconds);
            let rest = rest(cost);
            assert!(milliseconds > 440 || cost * 2 + rest <= OLDEST, "{cost:?}");
            assert!(rest >= cost / 4, "{cost:?}");
            assert!(milliseconds > 90 || rest == cost * 9, "more than a tenth: {cost:?}");
        }
    }
}
