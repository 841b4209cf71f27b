//! The pace of a stream: as fast as the bus takes events, and not faster.
//!
//! All calls of a [`crate::Stream`] share one [`Pace`]. It has no limit until the bus reports one. A throttled answer
//! halves the rate that was reached, and every accepted event raises it a little: additive increase, multiplicative
//! decrease, as in TCP. So several tasks that publish on one bus share its capacity, and none of them needs to know a
//! quota.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The growth of the rate for each second in which events are accepted, in events a second. The smallest default quota
/// of EventBridge is 400 events a second: a tenth of it finds the limit again within seconds.
const STEP: f64 = 40.0;
/// The slowest rate, in events a second: one full call.
const SLOWEST: f64 = 10.0;
/// The time within which throttled answers halve the rate once: calls that are in flight together are throttled by one
/// cause.
const ONE_CAUSE: Duration = Duration::from_millis(500);
/// The time over which the rate that was reached is measured.
const WINDOW: Duration = Duration::from_secs(1);
/// The time that a stream waits for any event to be accepted, as long as the bus only asks it to slow down.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The pace of one stream. See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The rate never falls below this, in events a second.
    slowest: f64,
    /// The greatest rate, in events a second, even if the bus takes more.
    cap: Option<f64>,
    /// The rate, in events a second. `None`: no limit is known.
    rate: Option<f64>,
    /// The earliest time of the next call.
    next: Instant,
    halved: Option<Instant>,
    /// The time from which `accepted` is counted.
    window: Instant,
    accepted: u64,
    /// The rate in the previous window.
    measured: Option<f64>,
    /// The time since which every answer was a throttled one.
    refused: Option<Instant>,
}

impl Pace {
    /// Creates a pace without any limit but `cap`, in events a second.
    pub(crate) fn new(cap: Option<f64>) -> Self {
        Self { patience: PATIENCE, state: Mutex::new(State::new(cap, SLOWEST, Instant::now())) }
    }

    /// Creates a pace that is as fast as possible even when it is slowed down, for tests.
    #[cfg(test)]
    pub(crate) fn fast(patience: Duration) -> Self {
        Self { patience, state: Mutex::new(State::new(None, f64::INFINITY, Instant::now())) }
    }

    /// Waits until `events` more may be sent.
    pub(crate) async fn wait(&self, events: usize) {
        let now = Instant::now();
        let slot = self.with(|state| state.slot(now, events));
        if slot > now {
            tokio::time::sleep_until(slot).await;
        }
    }

    /// Takes the result of a call: the number of events that were accepted, and whether the bus is overloaded.
    pub(crate) fn answered(&self, accepted: usize, overloaded: bool) {
        let now = Instant::now();
        self.with(|state| state.answered(now, accepted, overloaded));
    }

    /// Returns whether no event was accepted for so long that waiting is of no use.
    pub(crate) fn out_of_patience(&self) -> bool {
        self.with(|state| state.refused.is_some_and(|since| since.elapsed() >= self.patience))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // The numbers are sound after each statement, so a panic elsewhere doesn't spoil them.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    const fn new(cap: Option<f64>, slowest: f64, now: Instant) -> Self {
        Self {
            slowest,
            cap,
            rate: None,
            next: now,
            halved: None,
            window: now,
            accepted: 0,
            measured: None,
            refused: None,
        }
    }

    fn limit(&self) -> Option<f64> {
        match (self.rate, self.cap) {
            (Some(rate), Some(cap)) => Some(rate.min(cap)),
            (rate, cap) => rate.or(cap),
        }
    }

    /// Returns the earliest time at which a call of `events` may begin, and reserves the time that it takes.
    fn slot(&mut self, now: Instant, events: usize) -> Instant {
        let slot = self.next.max(now);
        let Some(limit) = self.limit() else { return now };
        #[expect(clippy::cast_precision_loss, reason = "a call has at most ten events")]
        let takes = events as f64 / limit.max(f64::MIN_POSITIVE);
        // A limit of nothing is not an endless wait, but one of an hour.
        self.next = slot + Duration::try_from_secs_f64(takes.min(3600.0)).unwrap_or_default();
        slot
    }

    fn answered(&mut self, now: Instant, accepted: usize, overloaded: bool) {
        self.accepted += accepted as u64;
        if accepted > 0 {
            self.refused = None;
        } else if overloaded {
            self.refused.get_or_insert(now);
        }
        let since = now.saturating_duration_since(self.window);
        if since >= WINDOW {
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
            let rate = self.accepted as f64 / since.as_secs_f64();
            (self.measured, self.window, self.accepted) = (Some(rate), now, 0);
        }
        if overloaded {
            let again = self.halved.is_some_and(|halved| now.saturating_duration_since(halved) < ONE_CAUSE);
            if !again {
                let reached = self.rate.or(self.measured).unwrap_or(STEP);
                self.rate = Some((reached / 2.0).max(self.slowest));
                self.halved = Some(now);
            }
        } else if let Some(rate) = &mut self.rate {
            #[expect(clippy::cast_precision_loss, reason = "a call has at most ten events")]
            let accepted = accepted as f64;
            let grown = *rate + STEP * accepted / *rate;
            // Far above the real rate, the next halving would have no effect.
            let most = self.measured.map_or(f64::INFINITY, |measured| measured * 2.0).max(*rate);
            *rate = grown.min(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for `seconds` to a bus that takes `quota` events in each second. Returns the number of events that were
    /// accepted in the last ten seconds and that of the calls that were refused in them, by a clock of its own.
    fn simulate(state: &mut State, start: Instant, seconds: u64, quota: usize) -> (usize, usize) {
        let end = start + Duration::from_secs(seconds);
        let tail = end - Duration::from_secs(10);
        let (mut second, mut used) = (0, 0);
        let (mut accepted, mut refused) = (0, 0);
        let mut now = start;
        loop {
            // No call takes less than a millisecond.
            now = state.slot(now, 10).max(now + Duration::from_millis(1));
            if now >= end {
                return (accepted, refused);
            }
            let this = now.saturating_duration_since(start).as_secs();
            if this != second {
                (second, used) = (this, 0);
            }
            let fits = used + 10 <= quota;
            used += if fits { 10 } else { 0 };
            if now >= tail {
                accepted += if fits { 10 } else { 0 };
                refused += usize::from(!fits);
            }
            state.answered(now, if fits { 10 } else { 0 }, !fits);
        }
    }

    #[test]
    fn nothing_limits_a_bus_that_takes_all() {
        let now = Instant::now();
        let mut state = State::new(None, SLOWEST, now);
        assert_eq!(simulate(&mut state, now, 20, usize::MAX), (100_000, 0));
        assert_eq!(state.limit(), None);
    }

    #[test]
    fn a_cap_is_kept() {
        let now = Instant::now();
        let (accepted, _) = simulate(&mut State::new(Some(600.0), SLOWEST, now), now, 20, usize::MAX);
        assert!((5_900..=6_010).contains(&accepted), "{accepted}");
    }

    #[test]
    fn the_rate_settles_below_what_the_bus_takes_and_finds_more_when_there_is_more() {
        let now = Instant::now();
        let mut state = State::new(None, SLOWEST, now);
        let (accepted, refused) = simulate(&mut state, now, 60, 400);
        assert!(accepted > 2_400, "{accepted} of 4000");
        assert!(refused * 10 < accepted / 10, "{refused} calls refused, {accepted} events accepted");
        let later = now + Duration::from_secs(60);
        let (accepted, _) = simulate(&mut state, later, 60, 2_000);
        assert!(accepted > 10_000, "{accepted} of 20000");
    }

    #[test]
    fn calls_that_fail_together_halve_the_rate_once() {
        let now = Instant::now();
        let mut state = State::new(None, SLOWEST, now);
        state.answered(now + WINDOW, 800, false);
        for _ in 0..8 {
            state.answered(now + WINDOW, 0, true);
        }
        assert_eq!(state.limit(), Some(400.0));
        for seconds in 2..30 {
            state.answered(now + Duration::from_secs(seconds), 0, true);
        }
        assert_eq!(state.limit(), Some(SLOWEST));
    }
}
