//! CloudWatch Logs for the local cloud's task agent: a stream that lines are appended to.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{Builder, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

pub mod log_events;
pub mod tails;

type Result<T> = std::result::Result<T, AwsError>;

/// A log stream to write to.
#[derive(Debug, Clone)]
pub struct LogStream {
    client: Client,
    group: String,
    stream: String,
}

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since 1970.
    pub time: i64,
    /// The line, not empty.
    pub text: String,
}

impl LogStream {
    /// Creates a client for the stream of that name, which need not exist yet.
    #[must_use]
    pub fn new(session: &Session, region: &str, group: &str, stream: &str) -> Self {
        let config = Builder::from(&session.config).region(Region::new(region.to_owned())).build();
        Self { client: Client::from_conf(config), group: group.to_owned(), stream: stream.to_owned() }
    }

    /// Creates the stream unless it exists; the group must exist.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn create(&self) -> Result<()> {
        let call = self.client.create_log_stream().log_group_name(&self.group).log_stream_name(&self.stream);
        match call.send().await.aws("CreateLogStream", self.name()) {
            Err(error) if !error.is("ResourceAlreadyExistsException") => Err(error),
            _ => Ok(()),
        }
    }

    /// Appends lines, oldest first. The caller keeps to the limits of PutLogEvents.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put(&self, lines: Vec<LogLine>) -> Result<()> {
        let events = lines
            .into_iter()
            // Both of its required fields are given.
            .filter_map(|line| InputLogEvent::builder().timestamp(line.time).message(line.text).build().ok())
            .collect();
        let call = self.client.put_log_events().log_group_name(&self.group).log_stream_name(&self.stream);
        call.set_log_events(Some(events)).send().await.aws("PutLogEvents", self.name())?;
        Ok(())
    }

    /// Returns group and stream, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.group, self.stream)
    }
}
