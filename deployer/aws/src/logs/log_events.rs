//! CloudWatch Logs: reading the events of a log group as they arrive.

use std::collections::HashMap;

use aws_sdk_cloudwatchlogs::Client;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Part of the past that is read again, in milliseconds: log events reach CloudWatch late and out of order.
const OVERLAP: i64 = 60_000;
/// The same part for the local cloud, which writes log events at once.
const LOCAL_OVERLAP: i64 = 1_000;
/// Events in one answer: Amazon CloudWatch Logs API reference, `FilterLogEvents`.
const PAGE: usize = 10_000;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Time in milliseconds since 1970.
    pub timestamp: i64,
    /// Text of the line.
    pub message: String,
}

/// A reader of a log group from a moment on, which returns each event once.
#[derive(Debug)]
pub struct LogReader {
    client: Client,
    group: String,
    window: Window,
    /// Events of an answer whose next page failed.
    pending: Vec<LogEvent>,
    cut: bool,
    /// The pattern that CloudWatch compares lines with, and the most pages of an answer.
    filter: Option<(String, usize)>,
}

impl LogReader {
    /// Creates a reader from `start` (milliseconds since 1970) on.
    #[must_use]
    pub fn new(session: &Session, group: &str, start: i64) -> Self {
        let overlap = if session.local { LOCAL_OVERLAP } else { OVERLAP };
        Self {
            client: Client::new(&session.config),
            group: group.to_owned(),
            window: Window { start, overlap, seen: HashMap::new() },
            pending: Vec::new(),
            cut: false,
            filter: None,
        }
    }

    /// Restricts the reader to lines with this word, and to so many pages of them: a log may have millions.
    #[must_use]
    pub fn filtered(mut self, word: &str, pages: usize) -> Self {
        self.filter = Some((format!("\"{word}\""), pages));
        self
    }

    /// Restricts the reader to lines with any of these words, and to so many pages of them. The local cloud, which knows no
    /// such pattern, returns the other lines as well.
    #[must_use]
    pub fn filtered_by_any(mut self, words: &[&str], pages: usize) -> Self {
        // Amazon CloudWatch Logs User Guide, "Filter pattern syntax": terms after a question mark are alternatives.
        let pattern = words.iter().map(|word| format!("?\"{word}\"")).collect::<Vec<_>>().join(" ");
        let pattern = if self.is_local() { String::new() } else { pattern };
        self.filter = Some((pattern, pages));
        self
    }

    /// Restricts the reader to lines in JSON that this pattern matches, and to so many pages of them. The local cloud, which
    /// knows no such pattern, returns the other lines as well.
    #[must_use]
    pub fn matching(mut self, pattern: String, pages: usize) -> Self {
        let pattern = if self.is_local() { String::new() } else { pattern };
        self.filter = Some((pattern, pages));
        self
    }

    const fn is_local(&self) -> bool {
        self.window.overlap == LOCAL_OVERLAP
    }

    /// Returns whether the last answer had more pages than were to be read.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Returns the events that have arrived since the last call, by time.
    pub async fn next(&mut self) -> Result<Vec<LogEvent>> {
        let mut token = None;
        let mut from = self.window.start;
        let (pattern, pages) = self.filter.clone().map_or((None, usize::MAX), |(pattern, pages)| {
            (Some(pattern).filter(|pattern| !pattern.is_empty()), pages)
        });
        let mut whole = false;
        for _ in 0..pages {
            let page = self
                .client
                .filter_log_events()
                .log_group_name(&self.group)
                .start_time(from)
                .set_filter_pattern(pattern.clone())
                .set_next_token(token)
                .send()
                .await
                .aws("FilterLogEvents", format!("log group {}", self.group))?;
            let mut fresh = false;
            for event in page.events() {
                let timestamp = event.timestamp().unwrap_or_default();
                let message = event.message().unwrap_or_default();
                let id = event.event_id().map_or_else(
                    || format!("{timestamp} {} {message}", event.log_stream_name().unwrap_or_default()),
                    str::to_owned,
                );
                if self.window.is_new(id, timestamp) {
                    fresh = true;
                    self.pending.push(LogEvent { timestamp, message: message.trim_end().to_owned() });
                }
            }
            token = page.next_token().map(str::to_owned);
            // The local cloud cuts a long answer off without a token; the next answer begins where this one ended.
            let last = page.events().last().and_then(|event| event.timestamp());
            match last
                .filter(|last| token.is_none() && page.events().len() >= PAGE && (fresh || *last > from))
            {
                Some(last) => from = last,
                None if token.is_none() => {
                    whole = true;
                    break;
                }
                None => {}
            }
        }
        self.cut = !whole;
        let mut out = std::mem::take(&mut self.pending);
        out.sort_by_key(|event| event.timestamp);
        if let Some(last) = out.last() {
            self.window.advance(last.timestamp);
        }
        Ok(out)
    }
}

/// The part of a log that is read again, and the events in it that were returned.
#[derive(Debug)]
struct Window {
    /// Milliseconds since 1970 from which on the log is read.
    start: i64,
    overlap: i64,
    /// ID of an event → its time.
    seen: HashMap<String, i64>,
}

impl Window {
    /// Returns whether an event was not seen before, and remembers it.
    fn is_new(&mut self, id: String, timestamp: i64) -> bool {
        self.seen.insert(id, timestamp).is_none()
    }

    /// Moves the window up to the newest event, and forgets the events before it, which no answer contains any more.
    fn advance(&mut self, newest: i64) {
        self.start = self.start.max(newest.saturating_sub(self.overlap));
        let start = self.start;
        self.seen.retain(|_, timestamp| *timestamp >= start);
    }
}

/// Deletes a log group with its logs. One that does not exist is no error.
///
/// # Errors
/// If the call fails.
pub async fn delete_group(session: &Session, group: &str) -> Result<()> {
    let call = aws_sdk_cloudwatchlogs::Client::new(&session.config).delete_log_group().log_group_name(group);
    match call.send().await.aws("DeleteLogGroup", format!("log group {group}")) {
        Err(error) if error.is("ResourceNotFoundException") => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// Checks whether anything was ever logged to a group.
///
/// # Errors
/// If the call fails.
pub async fn has_streams(session: &Session, group: &str) -> Result<bool> {
    let answer = aws_sdk_cloudwatchlogs::Client::new(&session.config)
        .describe_log_streams()
        .log_group_name(group)
        .limit(1)
        .send()
        .await
        .aws("DescribeLogStreams", format!("log group {group}"))?;
    Ok(!answer.log_streams().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_tail_returns_each_event_once_and_forgets_the_old_ones() {
        // An event each tenth of a second for six hours, read each second; some arrive half a minute late.
        let arrives = |at: i64| at + if at % 700 == 0 { 30_000 } else { 0 };
        let events: Vec<i64> = (0..216_000).map(|number| number * 100).collect();
        let mut window = Window { start: 0, overlap: OVERLAP, seen: HashMap::new() };
        let mut returned = 0;
        for now in (0..=21_600_000 + OVERLAP).step_by(1_000) {
            let from = events.partition_point(|at| *at < window.start);
            let answer = events[from..].iter().take_while(|at| **at <= now).filter(|at| arrives(**at) <= now);
            let new: Vec<i64> = answer.copied().filter(|at| window.is_new(at.to_string(), *at)).collect();
            returned += new.len();
            if let Some(newest) = new.iter().max() {
                window.advance(*newest);
            }
            assert!(window.seen.len() <= 601, "{} events are remembered", window.seen.len());
        }
        assert_eq!(returned, events.len());
    }
}
