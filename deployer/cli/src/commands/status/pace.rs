//! The speed of files: the present one where a file is seen again and again, else that since its first event.

use std::collections::HashMap;
use std::time::Instant;

use deployer_base::time;
use tally::Tally;

use crate::commands::tally::{State, rate};

/// Seconds without an event after which an end is no longer estimated: longer than a batch waits (five minutes at most,
/// a second by default), and than the retry of a throttled batch.
const QUIET: u64 = 60;

/// The files as they were seen first.
#[derive(Debug, Default)]
pub struct Pace(HashMap<String, (Instant, u64)>);

/// The speed of a file at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Speed {
    /// Settled rows a second.
    pub rows_per_second: Option<f64>,
    /// Seconds until every row is settled.
    pub seconds_to_go: Option<u64>,
    /// Seconds since the last event that brought something new.
    pub quiet: Option<u64>,
}

impl Speed {
    /// Returns whether no event has brought something new for so long that the file may be stuck.
    pub fn is_quiet(self) -> bool {
        self.quiet.is_some_and(|quiet| quiet >= QUIET)
    }
}

impl Pace {
    /// Notes the files that are seen for the first time.
    pub fn note(&mut self, files: &[Tally]) {
        for tally in files {
            self.0.entry(tally.digest.clone()).or_insert_with(|| (Instant::now(), settled(tally)));
        }
    }

    /// Returns the speed of a file; `moment` is the time in seconds since 1970.
    pub fn of(&self, tally: &Tally, moment: u64) -> Speed {
        let present = self.0.get(&tally.digest).and_then(|(since, before)| {
            rate(settled(tally).saturating_sub(*before), since.elapsed().as_secs_f64())
        });
        let last = tally.last_at.as_deref().and_then(time::parse_rfc3339);
        let quiet = last.map(|last| moment.saturating_sub(last));
        let rows_per_second = present.or_else(|| since_the_first(tally));
        let is_moving = State::of(tally) == State::Open && quiet.is_some_and(|quiet| quiet < QUIET);
        let left = tally.total().map(|_| tally.missing().len()).filter(|_| is_moving);
        Speed {
            rows_per_second,
            seconds_to_go: rows_per_second.zip(left).map(|(rate, left)| seconds(left, rate)),
            quiet,
        }
    }
}

fn settled(tally: &Tally) -> u64 {
    tally.loaded.len() + tally.skipped.len() + tally.failed().len()
}

/// Returns the settled rows a second from the first event to the last.
fn since_the_first(tally: &Tally) -> Option<f64> {
    let at = |text: &Option<String>| time::parse_rfc3339(text.as_deref()?);
    let seconds = at(&tally.last_at)?.checked_sub(at(&tally.started_at)?)?;
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let seconds = seconds as f64;
    rate(settled(tally), seconds)
}

/// Returns the seconds that rows take, rounded up.
fn seconds(rows: u64, rate: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let seconds = (rows as f64 / rate).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rate is positive, and a number that is too large becomes the largest"
    )]
    let seconds = seconds as u64;
    seconds
}

#[cfg(test)]
mod tests {
    use tally::RowSet;

    use super::*;

    fn sample() -> Tally {
        let mut tally = Tally::default();
        tally.extracted.add(&RowSet::range(1..101));
        tally.digest = "d".to_owned();
        tally.loaded = RowSet::range(1..31);
        tally.skipped = RowSet::range(31..41);
        tally.summary.shards.insert((1, 1), tally::Counts { rows: 100, rejected: 0, bytes: 9 });
        tally.started_at = Some("2026-11-28T12:00:00Z".to_owned());
        tally.last_at = Some("2026-11-28T12:00:20Z".to_owned());
        tally
    }

    #[test]
    fn an_end_is_estimated_while_rows_move() {
        let pace = Pace::default();
        let last = time::parse_rfc3339("2026-11-28T12:00:20Z").expect("a moment");
        let speed = pace.of(&sample(), last + 5);
        let expected = Speed { rows_per_second: Some(2.0), seconds_to_go: Some(30), quiet: Some(5) };
        assert_eq!(speed, expected, "40 rows in 20 seconds, and 60 to go");
        assert_eq!(pace.of(&sample(), last + QUIET).seconds_to_go, None, "nothing has moved for a minute");
        let mut reading = sample();
        reading.summary.shards.clear();
        assert_eq!(pace.of(&reading, last).seconds_to_go, None, "the number of rows is not known");
        let mut done = sample();
        done.skipped = RowSet::range(31..101);
        assert_eq!(pace.of(&done, last).seconds_to_go, None, "nothing is left");
        assert_eq!(pace.of(&Tally::default(), last), Speed::default());
    }

    #[test]
    fn the_present_speed_counts_first() {
        let mut pace = Pace::default();
        pace.note(&[sample()]);
        let (since, _) = pace.0["d"];
        let before = since.checked_sub(std::time::Duration::from_secs(10)).expect("an uptime of ten seconds");
        pace.0.insert("d".to_owned(), (before, 20));
        let rate = pace.of(&sample(), 0).rows_per_second.expect("20 rows in 10 seconds");
        assert!((1.5..=2.0).contains(&rate), "{rate}");
        // Seen again, a file keeps the time at which it was seen first.
        pace.note(&[sample()]);
        assert_eq!(pace.0["d"].1, 20);
    }
}
