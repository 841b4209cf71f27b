//! A budget of calls: so many in any minute, and no more. Each call waits for its turn before it is made, retries of the SDK
//! included, so that nothing that uses the session can exceed it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time to which the number of calls applies.
const MINUTE: Duration = Duration::from_secs(60);

/// A budget. Copies share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_minute: usize,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// The calls of the last minute, the earliest first.
    recent: VecDeque<Call>,
    /// All calls, by `Service.Operation`.
    calls: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Call {
    at: Instant,
    operation: String,
    bytes: u64,
}

/// The calls of one operation in the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Their number.
    pub calls: u64,
    /// Bytes of their answers.
    pub bytes: u64,
}

/// What was spent of a budget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// All calls since the beginning, by `Service.Operation`.
    pub calls: BTreeMap<String, u64>,
    /// Those of the last minute.
    pub recent: BTreeMap<String, Recent>,
}

impl Used {
    /// Returns the number of calls of the last minute.
    #[must_use]
    pub fn last_minute(&self) -> u64 {
        self.recent.values().map(|recent| recent.calls).sum()
    }

    /// Returns the number of calls since the beginning.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

impl Spent {
    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|call| now.duration_since(call.at) >= MINUTE) {
            self.recent.pop_front();
        }
    }
}

impl Budget {
    /// Creates a budget of so many calls a minute, of one at least.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let per_minute = usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX);
        Self(Arc::new(Shared { per_minute, spent: Mutex::default() }))
    }

    /// Returns the most calls of a minute.
    #[must_use]
    pub fn per_minute(&self) -> u32 {
        u32::try_from(self.0.per_minute).unwrap_or(u32::MAX)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call may be made, and counts it.
    pub async fn spend(&self, operation: &str) {
        while let Some(until) = self.take(operation, Instant::now()) {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    /// Counts a call; if there were too many, returns the time at which the next one may be made.
    fn take(&self, operation: &str, now: Instant) -> Option<Instant> {
        let mut spent = self.spent();
        spent.forget(now);
        if spent.recent.len() >= self.0.per_minute {
            return spent.recent.front().map(|call| call.at + MINUTE);
        }
        spent.recent.push_back(Call { at: now, operation: operation.to_owned(), bytes: 0 });
        *spent.calls.entry(operation.to_owned()).or_default() += 1;
        None
    }

    /// Notes the size of an answer.
    pub(crate) fn answered(&self, operation: &str, bytes: u64) {
        let mut spent = self.spent();
        let call = spent.recent.iter_mut().rev().find(|call| call.operation == operation && call.bytes == 0);
        if let Some(call) = call {
            call.bytes = bytes;
        }
    }

    /// Returns what was spent.
    #[must_use]
    pub fn used(&self) -> Used {
        self.used_at(Instant::now())
    }

    fn used_at(&self, now: Instant) -> Used {
        let mut spent = self.spent();
        spent.forget(now);
        let mut recent: BTreeMap<String, Recent> = BTreeMap::new();
        for call in &spent.recent {
            let entry = recent.entry(call.operation.clone()).or_default();
            entry.calls += 1;
            entry.bytes += call.bytes;
        }
        Used { calls: spent.calls.clone(), recent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_more_waits_until_the_first_is_a_minute_ago() {
        let budget = Budget::new(3);
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        for second in [0, 5, 10] {
            assert_eq!(budget.take("SQS.GetQueueAttributes", at(second)), None);
        }
        for second in [10, 30, 59] {
            assert_eq!(budget.take("DynamoDB.Scan", at(second)), Some(at(60)), "at {second} s");
        }
        assert_eq!(budget.take("DynamoDB.Scan", at(60)), None);
        assert_eq!(budget.take("DynamoDB.Scan", at(60)), Some(at(65)), "the second was made at 5 s");
        let used = budget.used_at(at(60));
        assert_eq!((used.last_minute(), used.total(), used.calls["DynamoDB.Scan"]), (3, 4, 1));
        assert_eq!(budget.used_at(at(120)).last_minute(), 0);
    }

    #[test]
    fn no_minute_has_more_calls_however_many_are_wanted_at_once() {
        let budget = Budget::new(7);
        let mut now = Instant::now();
        let begun = now;
        let mut made = Vec::new();
        while made.len() < 40 {
            match budget.take("S3.GetObject", now) {
                None => made.push(now),
                Some(until) => now = until,
            }
        }
        // Any eight calls take a minute at least.
        assert!(made.windows(8).all(|some| some[7].duration_since(some[0]) >= MINUTE), "{made:?}");
        assert_eq!(now.duration_since(begun), MINUTE * 5, "no slower than that");
    }

    #[tokio::test]
    async fn a_call_beyond_the_budget_is_not_made() {
        let budget = Budget::new(2);
        budget.spend("DynamoDB.Scan").await;
        budget.spend("DynamoDB.Scan").await;
        let third = tokio::time::timeout(Duration::from_millis(50), budget.spend("DynamoDB.Scan")).await;
        assert!(third.is_err());
        assert_eq!(budget.used().total(), 2, "nor counted");
        budget.answered("DynamoDB.Scan", 100);
        budget.answered("DynamoDB.Scan", 20);
        assert_eq!(budget.used().recent["DynamoDB.Scan"], Recent { calls: 2, bytes: 120 });
    }
}
