//! Pauses between looks at something that changes.

use std::time::Duration;

/// The pause between two looks at something that changes: short at first, then longer.
#[derive(Debug)]
pub struct Pause(Duration);

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
        Self(Self::FIRST)
    }

    /// Makes the next wait the shortest again, after a change.
    pub fn reset(&mut self) {
        self.0 = Self::FIRST;
    }

    /// Waits, and makes the next wait longer.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(Self::LONGEST);
    }
}
