//! CloudWatch Logs: the last lines of a log group, which show the output before a failure.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::OrderBy;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Returns the last lines of the stream that was written to last, oldest first; nothing when there is no such group.
pub async fn last_lines(session: &Session, group: &str, most: i32) -> Result<Vec<String>> {
    let client = Client::new(&session.config);
    let resource = || format!("log group {group}");
    let streams = client
        .describe_log_streams()
        .log_group_name(group)
        .order_by(OrderBy::LastEventTime)
        .descending(true)
        .limit(1)
        .send()
        .await
        .aws("DescribeLogStreams", resource());
    let streams = match streams {
        Err(error) if error.is("ResourceNotFoundException") => return Ok(Vec::new()),
        streams => streams?,
    };
    let Some(stream) = streams.log_streams().first().and_then(|stream| stream.log_stream_name()) else {
        return Ok(Vec::new());
    };
    let events = client
        .get_log_events()
        .log_group_name(group)
        .log_stream_name(stream)
        .start_from_head(false)
        .limit(most)
        .send()
        .await
        .aws("GetLogEvents", resource())?;
    let lines = events.events().iter().filter_map(|event| event.message());
    Ok(lines.map(|line| line.trim_end().to_owned()).collect())
}
