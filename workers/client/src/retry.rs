//! Other attempts of a call: the standard mode of AWS's SDKs.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::Failed;

/// The number of attempts unless `AWS_MAX_ATTEMPTS` names another.
pub(crate) const ATTEMPTS: u32 = 3;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest pause after the first attempt.
const FIRST: Duration = Duration::from_secs(1);

/// Tokens of a service that works.
const CAPACITY: u32 = 500;

/// Codes of a service that has too much to do.
const THROTTLING: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Codes of a failure that passes. The third is S3's, and the last one DynamoDB's.
const PASSING: [&str; 4] =
    ["RequestTimeout", "RequestTimeoutException", "InternalError", "ReplicatedWriteConflictException"];

/// Codes of a signature that may be wrong because the clock is.
const SIGNATURE: [&str; 5] = [
    "AccessDeniedException",
    "AuthFailure",
    "InvalidSignatureException",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// The kind of a failure after which another attempt may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The service asks for a slower pace.
    Throttling,
    /// The service or the way to it failed.
    Transient,
    /// Another failure that the next attempt avoids.
    Other,
}

impl Kind {
    /// Returns the kind of a failed attempt; `None` when another one would fail as well.
    pub(crate) fn of(failed: &Failed) -> Option<Self> {
        if failed.is_final {
            return None;
        }
        let Some(status) = failed.status else { return Some(Self::Transient) };
        match failed.code.as_deref() {
            Some(code) if failed.skewed && SIGNATURE.contains(&code) => Some(Self::Other),
            Some(code) if THROTTLING.contains(&code) => Some(Self::Throttling),
            Some(code) if PASSING.contains(&code) => Some(Self::Transient),
            _ => matches!(status, 500 | 502 | 503 | 504).then_some(Self::Transient),
        }
    }

    /// Returns the tokens that an attempt after such a failure takes.
    const fn cost(self) -> u32 {
        match self {
            Self::Throttling | Self::Other => 5,
            Self::Transient => 10,
        }
    }
}

/// The tokens of a service: other attempts take some, and calls that succeed bring them back. While a service fails all
/// calls, only first attempts are left in the end.
#[derive(Debug)]
pub(crate) struct Tokens(AtomicU32);

impl Default for Tokens {
    fn default() -> Self {
        Self(AtomicU32::new(CAPACITY))
    }
}

impl Tokens {
    fn take(&self, many: u32) -> bool {
        let less = |left: u32| left.checked_sub(many);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give(&self, many: u32) {
        if self.0.load(Ordering::Relaxed) < CAPACITY {
            let more = |left: u32| Some((left + many).min(CAPACITY));
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    tokens: &'a Tokens,
    most: u32,
    made: u32,
    /// Tokens that the last attempt took.
    taken: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) const fn new(tokens: &'a Tokens, most: u32) -> Self {
        Self { tokens, most, made: 0, taken: 0 }
    }

    /// Counts an attempt that succeeded.
    pub(crate) fn succeeded(&self) {
        self.tokens.give(self.taken.max(1));
    }

    /// Counts an attempt that failed. Returns the pause before another one; `None` if there is none.
    pub(crate) fn failed(&mut self, failed: &Failed) -> Option<Duration> {
        self.made += 1;
        let kind = Kind::of(failed)?;
        if self.made >= self.most || !self.tokens.take(kind.cost()) {
            return None;
        }
        self.taken = kind.cost();
        Some(match failed.retry_after {
            Some(pause) => pause.min(LONGEST),
            None => ceiling(self.made).mul_f64(fastrand::f64()),
        })
    }
}

/// Returns the longest pause after attempt number `attempt`, counted from 1.
fn ceiling(attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
    FIRST.saturating_mul(factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CallError, NoAnswer};

    fn answered(status: u16, code: &str) -> Failed {
        let failed = Failed::without_answer(NoAnswer::NotSent);
        let failure = CallError::of_service(Some(code), None, status).into();
        Failed { failure, status: Some(status), code: Some(code.to_owned()), ..failed }
    }

    #[test]
    fn a_failure_that_passes_is_told_from_one_that_stays() {
        for reason in [NoAnswer::Late, NoAnswer::NotSent, NoAnswer::Unreadable] {
            assert_eq!(Kind::of(&Failed::without_answer(reason)), Some(Kind::Transient));
        }
        assert_eq!(Kind::of(&Failed::for_good(CallError::construction())), None);
        for (status, code, kind) in [
            (400, "ThrottlingException", Some(Kind::Throttling)),
            (503, "SlowDown", Some(Kind::Throttling)),
            (400, "RequestTimeout", Some(Kind::Transient)),
            (500, "X", Some(Kind::Transient)),
            (501, "X", None),
            (429, "X", None),
            (403, "AccessDeniedException", None),
        ] {
            assert_eq!(Kind::of(&answered(status, code)), kind, "{status} {code}");
        }
        let skewed = Failed { skewed: true, ..answered(403, "AccessDeniedException") };
        assert_eq!(Kind::of(&skewed), Some(Kind::Other));
    }

    #[test]
    fn pauses_grow_up_to_their_limit_and_a_service_may_ask_for_others() {
        assert_eq!([1, 2, 3, 9, u32::MAX].map(|n| ceiling(n).as_secs()), [1, 2, 4, 20, 20]);
        let tokens = Tokens::default();
        let mut attempts = Attempts::new(&tokens, 4);
        let failed = answered(500, "X");
        for (attempt, most) in [(1, 1), (2, 2), (3, 4)] {
            let pause = attempts.failed(&failed).expect("another attempt");
            assert!(pause <= Duration::from_secs(most), "{attempt}: {pause:?}");
        }
        assert_eq!(attempts.failed(&failed), None, "the fourth was the last");
        let mut attempts = Attempts::new(&tokens, 3);
        let asks = |pause| Failed { retry_after: Some(Duration::from_secs(pause)), ..answered(500, "X") };
        assert_eq!(attempts.failed(&asks(7)), Some(Duration::from_secs(7)));
        assert_eq!(attempts.failed(&asks(70)), Some(LONGEST));
    }

    #[test]
    fn a_service_that_only_fails_is_asked_once_a_call_in_the_end() {
        let tokens = Tokens::default();
        let again = |failed: &Failed| Attempts::new(&tokens, 2).failed(failed).is_some();
        let failed = answered(500, "X");
        assert!((0..50).all(|_| again(&failed)));
        assert!(!again(&failed));
        // Each call that succeeds at once brings one back, and one that succeeds later what it took.
        (0..9).for_each(|_| Attempts::new(&tokens, 2).succeeded());
        assert!(!again(&failed));
        Attempts::new(&tokens, 2).succeeded();
        let mut attempts = Attempts::new(&tokens, 2);
        assert!(attempts.failed(&failed).is_some() && !again(&failed));
        attempts.succeeded();
        assert!(again(&failed) && !again(&failed));
        (0..1000).for_each(|_| Attempts::new(&tokens, 2).succeeded());
        assert_eq!(tokens.0.load(Ordering::Relaxed), CAPACITY);
    }
}
