//! When a round of `dev` begins, and when one is given up: a function of saves and times, without a clock of its own.
//!
//! Editors save in several steps: they truncate and write, write another file and rename it, or touch two files. A round begins
//! when nothing was saved for a moment, and no file is open for writing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Time without a save before a round begins.
pub const QUIET: Duration = Duration::from_millis(50);
/// The same while a file is open for writing, whose end the kernel would tell.
const OPEN: Duration = Duration::from_secs(1);
/// Longest wait for a pause between saves: a program may write all the time.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest wait for files that are open for writing.
const LONGEST_OPEN: Duration = Duration::from_secs(10);

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// `true` if it is being written, and the end will be told.
    pub open: bool,
}

/// The round under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// None.
    Nothing,
    /// One that only looks or builds, and can be given up.
    Checking,
    /// One that changes the stack, and must come to its end.
    Deploying,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wait for a save, for the end of the round, and at most until this time.
    Wait(Option<Duration>),
    /// Begin a round.
    Begin,
    /// Give up the round under way, which is out of date.
    GiveUp,
}

/// The saves that no round has seen yet. Times are durations since any moment.
#[derive(Debug, Default)]
pub struct Pace {
    first: Option<Duration>,
    last: Duration,
    open: BTreeSet<PathBuf>,
    changed: BTreeSet<PathBuf>,
}

impl Pace {
    /// Notes a change.
    pub fn note(&mut self, now: Duration, change: Change) {
        self.first.get_or_insert(now);
        self.last = now;
        if change.open {
            self.open.insert(change.path.clone());
        } else {
            self.open.remove(&change.path);
        }
        self.changed.insert(change.path);
    }

    /// Asks for a round although no file was saved.
    pub fn ask(&mut self, now: Duration) {
        self.first.get_or_insert(now);
        self.last = now;
    }

    /// Returns whether there are saves that no round has seen.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.first.is_some()
    }

    /// Returns the time at which a round should begin.
    fn due(&self) -> Option<Duration> {
        let first = self.first?;
        Some(match self.open.is_empty() {
            true => (self.last + QUIET).min(first + LONGEST),
            false => (self.last + OPEN).min(first + LONGEST_OPEN),
        })
    }

    /// Returns what to do now.
    #[must_use]
    pub fn step(&self, now: Duration, running: Running) -> Step {
        match (self.due(), running) {
            (None, _) => Step::Wait(None),
            (Some(due), _) if now < due => Step::Wait(Some(due)),
            (Some(_), Running::Nothing) => Step::Begin,
            (Some(_), Running::Checking) => Step::GiveUp,
            (Some(_), Running::Deploying) => Step::Wait(None),
        }
    }

    /// Returns the files that were saved, for the round that begins now.
    pub fn take(&mut self) -> BTreeSet<PathBuf> {
        self.first = None;
        self.open.clear();
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn saved(path: &str) -> Change {
        Change { path: path.into(), open: false }
    }

    fn opened(path: &str) -> Change {
        Change { path: path.into(), open: true }
    }

    #[test]
    fn two_quick_saves_are_one_round() {
        let mut pace = Pace::default();
        assert_eq!(pace.step(at(0), Running::Nothing), Step::Wait(None));
        pace.note(at(10), saved("a"));
        pace.note(at(40), saved("b"));
        assert_eq!(pace.step(at(70), Running::Nothing), Step::Wait(Some(at(90))));
        assert_eq!(pace.step(at(90), Running::Nothing), Step::Begin);
        assert_eq!(pace.take(), ["a".into(), "b".into()].into());
        assert_eq!(pace.step(at(91), Running::Checking), Step::Wait(None));
    }

    #[test]
    fn a_file_that_is_written_slowly_is_waited_for() {
        let mut pace = Pace::default();
        pace.note(at(0), opened("a"));
        assert_eq!(pace.step(at(200), Running::Nothing), Step::Wait(Some(at(1_000))));
        pace.note(at(900), saved("a"));
        assert_eq!(pace.step(at(950), Running::Nothing), Step::Begin);
        pace.take();
        // An end that is never told delays a round, and prevents none.
        pace.note(at(2_000), opened("a"));
        assert_eq!(pace.step(at(3_000), Running::Nothing), Step::Begin);
    }

    #[test]
    fn a_program_that_writes_all_the_time_stops_no_round() {
        let mut pace = Pace::default();
        for time in (0..2_000).step_by(20) {
            pace.note(at(time), saved("log"));
            assert_ne!(pace.step(at(time + 19), Running::Nothing), Step::Begin, "{time}");
        }
        assert_eq!(pace.step(at(2_000), Running::Nothing), Step::Begin);
    }

    #[test]
    fn a_check_is_given_up_and_a_deployment_is_not() {
        let mut pace = Pace::default();
        pace.note(at(0), saved("a"));
        assert_eq!(pace.step(at(10), Running::Checking), Step::Wait(Some(at(50))));
        assert_eq!(pace.step(at(50), Running::Checking), Step::GiveUp);
        assert_eq!(pace.step(at(50), Running::Deploying), Step::Wait(None));
        assert_eq!(pace.step(at(900), Running::Nothing), Step::Begin);
        assert!(pace.is_pending());
    }

    /// A save, and the milliseconds after the one before.
    fn saves() -> impl Strategy<Value = Vec<(u64, u8, bool)>> {
        prop::collection::vec((0..400_u64, 0..3_u8, any::<bool>()), 1..30)
    }

    proptest! {
        /// Plays saves against rounds of any length, in steps of a millisecond.
        #[test]
        fn the_newest_save_always_wins(
            saves in saves(),
            rounds in prop::collection::vec((1..600_u64, 1..600_u64), 1..40),
        ) {
            let mut times = Vec::new();
            let mut time = 0;
            for (gap, file, open) in saves {
                time += gap;
                times.push((time, file, open));
            }
            let newest = time;
            let mut waiting = times.into_iter().peekable();
            let mut lengths = rounds.iter().cycle();
            let mut pace = Pace::default();
            // The round under way: its beginning, the end of its check, its end.
            let mut round: Option<(u64, u64, u64)> = None;
            let (mut begun, mut ended, mut last_save) = (0, None, None);
            let mut count = 0;
            for now in 0..newest + 30_000 {
                while let Some((_, file, open)) = waiting.next_if(|(time, ..)| *time == now) {
                    pace.note(at(now), Change { path: format!("{file}").into(), open });
                    last_save = Some(now);
                    count += 1;
                }
                if let Some((start, _, end)) = round && now >= end {
                    ended = Some(start);
                    round = None;
                }
                let running = match round {
                    None => Running::Nothing,
                    Some((_, checked, _)) if now < checked => Running::Checking,
                    Some(_) => Running::Deploying,
                };
                match pace.step(at(now), running) {
                    Step::Begin => {
                        prop_assert_eq!(running, Running::Nothing);
                        let quiet = last_save.is_some_and(|save| now >= save + 50);
                        prop_assert!(quiet || now >= 2_000, "a round begins amid saves");
                        pace.take();
                        begun += 1;
                        let (check, deploy) = lengths.next().copied().unwrap_or((1, 1));
                        round = Some((now, now + check, now + check + deploy));
                    }
                    Step::GiveUp => {
                        prop_assert_eq!(running, Running::Checking);
                        round = None;
                    }
                    Step::Wait(until) => prop_assert!(until.is_none_or(|until| until > at(now))),
                }
            }
            prop_assert!(begun <= count, "{begun} rounds for {count} saves");
            prop_assert!(!pace.is_pending() && round.is_none());
            prop_assert!(ended.is_some_and(|start| start >= newest), "the newest save was not deployed");
        }
    }
}
