//! Sends the output of containers to CloudWatch Logs, in batches.

use std::rc::Rc;
use std::time::Duration;

use deployer_aws::logs::{LogLine, LogStream};
use deployer_base::ui::Ui;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Longest time that a line waits for others.
const FLUSH: Duration = Duration::from_millis(500);
/// Limits of PutLogEvents: events, bytes, and the bytes that each event counts in addition to its text.
const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
const EVENT_BYTES: usize = 26;
/// Number of lines that may wait. With more, the process waits, so that none of its output is lost.
const WAITING: usize = 10_000;

/// The destination of the lines of one container.
#[derive(Debug)]
pub struct Output {
    /// Sender of lines.
    pub lines: mpsc::Sender<LogLine>,
    handle: JoinHandle<()>,
}

impl Output {
    /// Starts to send lines to `stream`; without one, lines are dropped, as they are on AWS.
    #[must_use]
    pub fn open(stream: Option<LogStream>, ui: Rc<Ui>) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        Self { lines, handle: tokio::task::spawn_local(ship(stream, waiting, ui)) }
    }

    /// Waits until all lines have arrived.
    pub async fn close(self) {
        drop(self.lines);
        let _ = self.handle.await;
    }
}

async fn ship(stream: Option<LogStream>, mut waiting: mpsc::Receiver<LogLine>, ui: Rc<Ui>) {
    let mut stream = stream;
    if let Some(one) = &stream
        && let Err(error) = one.create().await
    {
        ui.warn(format!("lost output: {}", super::text(error)));
        stream = None;
    }
    let mut batch = Batch::default();
    let mut tick = interval(FLUSH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        let (flush, next, last) = tokio::select! {
            line = waiting.recv() => match line {
                Some(line) if batch.has_room_for(&line) => {
                    batch.push(line);
                    continue;
                }
                Some(line) => (true, Some(line), false),
                None => (true, None, true),
            },
            _ = tick.tick() => (!batch.lines.is_empty(), None, false),
        };
        if flush {
            let lines = batch.take();
            if let Some(stream) = stream.as_ref().filter(|_| !lines.is_empty()) {
                let count = lines.len();
                let result = stream.put(lines).await;
                // The error is reported once, not twice a second.
                if let Err(error) = &result
                    && !failing
                {
                    ui.warn(format!("lost {count} lines: {}", super::text(error.clone())));
                }
                failing = result.is_err();
            }
        }
        if let Some(line) = next {
            batch.push(line);
        }
        if last {
            return;
        }
    }
}

/// Lines that are sent together.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<LogLine>,
    bytes: usize,
}

impl Batch {
    fn has_room_for(&self, line: &LogLine) -> bool {
        self.lines.len() < MOST_EVENTS && self.bytes + line.text.len() + EVENT_BYTES <= MOST_BYTES
    }

    fn push(&mut self, line: LogLine) {
        self.bytes += line.text.len() + EVENT_BYTES;
        self.lines.push(line);
    }

    /// Takes the lines in the order that PutLogEvents demands; two streams of one process may be milliseconds apart.
    fn take(&mut self) -> Vec<LogLine> {
        self.bytes = 0;
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by_key(|line| line.time);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: i64, length: usize) -> LogLine {
        LogLine { time, text: "x".repeat(length) }
    }

    #[test]
    fn a_batch_keeps_to_both_limits() {
        let mut batch = Batch::default();
        for _ in 0..MOST_EVENTS {
            assert!(batch.has_room_for(&line(0, 1)));
            batch.push(line(0, 1));
        }
        assert!(!batch.has_room_for(&line(0, 1)));
        batch.take();
        batch.push(line(0, MOST_BYTES - 100 - 2 * EVENT_BYTES));
        assert!(batch.has_room_for(&line(0, 100)));
        assert!(!batch.has_room_for(&line(0, 101)));
    }

    #[test]
    fn a_batch_is_in_order_of_time_and_lines_of_one_moment_stay_in_theirs() {
        let mut batch = Batch::default();
        for (time, length) in [(2, 1), (1, 2), (2, 3)] {
            batch.push(line(time, length));
        }
        assert_eq!(batch.take(), [line(1, 2), line(2, 1), line(2, 3)]);
        assert!(batch.has_room_for(&line(0, MOST_BYTES - EVENT_BYTES)));
    }
}
