//! The bound of the work of an evaluation.

use super::fault::Fault;

/// The most steps of an evaluation: parts of the tree, once for each element of the lists around them, and
/// pieces of texts. They take tens of milliseconds; expressions of people take less than a thousand of them.
const MOST_STEPS: usize = 1_000_000;
/// The bytes of a text that count as a step.
const BYTES_OF_A_STEP: usize = 16;

/// The steps that are left.
pub(super) struct Steps(usize);

impl Default for Steps {
    fn default() -> Self {
        Self(MOST_STEPS)
    }
}

impl Steps {
    pub(super) fn take(&mut self, steps: usize) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(steps).ok_or(Fault::TooManySteps)?;
        Ok(())
    }

    /// Counts elements of a list.
    pub(super) fn elements(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count)
    }

    /// Counts bytes of a text that are read or written.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count / BYTES_OF_A_STEP)
    }

    /// Counts the bytes of a text that a regular expression reads, which is slower.
    pub(super) fn matched(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count)
    }
}
