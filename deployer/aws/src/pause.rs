//! Pauses between looks at something that changes.

use std::time::Duration;

/// The pause between two looks at something that changes: short at first, then longer.
#[derive(Debug)]
pub struct Pause {
    next: Duration,
    longest: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self::new()
    }
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3);

    /// Starts with the shortest wait.
    #[must_use]
    pub const fn new() -> Self {
        Self::up_to(Self::LONGEST)
    }

    /// Starts with the shortest wait, and never waits longer than `longest`.
    #[must_use]
    pub const fn up_to(longest: Duration) -> Self {
        Self { next: Self::FIRST, longest }
    }

    /// Makes the next wait the shortest again, after a change.
    pub fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// Waits, and makes the next wait longer.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_grow_up_to_the_longest() {
        let mut pause = Pause::up_to(Duration::from_millis(200));
        pause.wait().await;
        assert_eq!(pause.next, Duration::from_millis(150));
        pause.wait().await;
        assert_eq!(pause.next, Duration::from_millis(200));
        pause.reset();
        assert_eq!(pause.next, Pause::FIRST);
    }
}
