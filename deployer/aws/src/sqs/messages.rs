//! SQS: the number of messages in a queue.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

/// Returns the approximate number of messages that can be received, are being worked on, or are delayed.
///
/// # Errors
/// If the call fails.
pub async fn count(session: &Session, url: &str) -> Result<usize, AwsError> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let answer = aws_sdk_sqs::Client::new(&session.config)
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .aws("GetQueueAttributes", format!("queue {url}"))?;
    let attributes = answer.attributes();
    let number = |name| attributes?.get(name)?.parse::<usize>().ok();
    Ok(names.iter().filter_map(number).sum())
}
