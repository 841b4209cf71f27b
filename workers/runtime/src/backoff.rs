//! Pauses between attempts.

use std::time::Duration;

/// Exponential back-off with full jitter: the pause before the next attempt is anything between nothing and a ceiling
/// that doubles each time, so that many workers that failed together do not try again together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    attempts: u32,
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Creates pauses for at most `attempts` attempts (at least one), with ceilings `base`, 2·`base`, 4·`base`, … up to
    /// `cap`.
    #[must_use]
    pub const fn new(attempts: u32, base: Duration, cap: Duration) -> Self {
        Self { attempts: if attempts == 0 { 1 } else { attempts }, base, cap }
    }

    /// Creates attempts without pauses, for tests.
    #[must_use]
    pub const fn immediate(attempts: u32) -> Self {
        Self::new(attempts, Duration::ZERO, Duration::ZERO)
    }

    /// Returns the number of attempts, the first one included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the longest pause after attempt number `attempt`, counted from 1.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// Waits before the attempt that follows number `attempt`.
    pub async fn pause(&self, attempt: u32) {
        let ceiling = self.ceiling(attempt);
        if !ceiling.is_zero() {
            tokio::time::sleep(ceiling.mul_f64(fastrand::f64())).await;
        }
    }
}

impl Default for Backoff {
    /// Allows six attempts within about three seconds: well inside a function's timeout, and no pause beyond five
    /// seconds.
    fn default() -> Self {
        Self::new(6, Duration::from_millis(100), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let backoff = Backoff::new(0, Duration::from_millis(100), Duration::from_secs(5));
        assert_eq!(backoff.attempts(), 1);
        let ceilings: Vec<u128> = (1..=8).map(|n| backoff.ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(5));
    }
}
