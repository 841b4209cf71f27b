//! Lines and bars of the terminal that keep changing.

use indicatif::ProgressBar;

use crate::text::printable;

/// A line of the terminal that keeps changing, and disappears with this value.
#[derive(Debug)]
pub struct Live(pub(super) ProgressBar);

impl Live {
    /// Changes the line.
    pub fn say(&self, text: impl AsRef<str>) {
        self.0.set_message(printable(text.as_ref()));
    }
}

/// A bar of the terminal that fills, and disappears with this value.
#[derive(Debug)]
pub struct Bar(pub(super) ProgressBar);

impl Bar {
    /// Sets the position, the length and the message of the bar.
    pub fn set(&self, done: u64, of: u64, text: impl AsRef<str>) {
        self.0.set_length(of);
        self.0.set_position(done);
        self.0.set_message(printable(text.as_ref()));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
