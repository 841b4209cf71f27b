//! The time in which a command waits for others: for calls, and for builds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Something that a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// A call of AWS's API.
    Call,
    /// A build.
    Build,
}

/// The times of calls and builds so far.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Vec<(Waits, Instant, Instant)>>);

/// Durations, in which times that overlap count once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Time with at least one call under way.
    pub calls: Duration,
    /// Time with at least one build under way.
    pub builds: Duration,
    /// Time with a call or a build under way.
    pub all: Duration,
}

impl Meter {
    /// Notes a call or a build that ends now.
    pub fn note(&self, what: Waits, took: Duration) {
        let end = Instant::now();
        self.note_between(what, end.checked_sub(took).unwrap_or(end), end);
    }

    fn note_between(&self, what: Waits, start: Instant, end: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((what, start, end));
    }

    /// Returns the durations so far.
    #[must_use]
    pub fn times(&self) -> Times {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |what: Option<Waits>| {
            let chosen = all.iter().filter(|(one, ..)| what.is_none_or(|what| what == *one));
            union(chosen.map(|(_, start, end)| (*start, *end)).collect())
        };
        Times { calls: of(Some(Waits::Call)), builds: of(Some(Waits::Build)), all: of(None) }
    }
}

/// Returns the time that any of these spans covers.
fn union(mut spans: Vec<(Instant, Instant)>) -> Duration {
    spans.sort_unstable();
    let mut total = Duration::ZERO;
    let mut until: Option<Instant> = None;
    for (start, end) in spans {
        let start = until.map_or(start, |until| start.max(until));
        total += end.saturating_duration_since(start);
        until = Some(until.map_or(end, |until| until.max(end)));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_count_once() {
        let meter = Meter::default();
        assert_eq!(meter.times(), Times::default());
        let zero = Instant::now();
        let at = |milliseconds| zero + Duration::from_millis(milliseconds);
        // Two calls at the same time, one inside of another, one beside a build, and one later.
        for (what, start, end) in [
            (Waits::Call, 0, 100),
            (Waits::Call, 50, 150),
            (Waits::Call, 60, 70),
            (Waits::Build, 140, 400),
            (Waits::Call, 300, 500),
        ] {
            meter.note_between(what, at(start), at(end));
        }
        let milliseconds = Duration::from_millis;
        let wanted = Times { calls: milliseconds(350), builds: milliseconds(260), all: milliseconds(500) };
        assert_eq!(meter.times(), wanted);
    }
}
