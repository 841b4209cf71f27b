//! SQS: the number of messages in a queue.

use std::collections::HashMap;

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

/// The messages of a queue. SQS counts them approximately: Amazon SQS API Reference, GetQueueAttributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// URL of the queue.
    pub url: String,
    /// ARN of the queue.
    pub arn: String,
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that were received, and are neither deleted nor visible again.
    pub in_flight: u64,
    /// Messages that can't be received yet.
    pub delayed: u64,
    /// ARN of its dead-letter queue, if it has one.
    pub dead_letters: Option<String>,
}

/// Returns the messages of a queue, by one call.
///
/// # Errors
/// If the call fails, or the answer lacks a count.
pub async fn depth(session: &Session, url: &str) -> Result<QueueDepth, AwsError> {
    const OPERATION: &str = "GetQueueAttributes";
    let names = [
        QueueAttributeName::QueueArn,
        QueueAttributeName::RedrivePolicy,
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
        .aws(OPERATION, format!("queue {url}"))?;
    // A count that is missing must not be shown as no messages.
    depth_of(url, &answer.attributes.unwrap_or_default()).map_err(|name| AwsError {
        operation: OPERATION,
        resource: format!("queue {url}"),
        code: Some("InvalidAnswer".to_owned()),
        message: format!("the answer has no valid {name}"),
    })
}

fn depth_of(url: &str, attributes: &HashMap<QueueAttributeName, String>) -> Result<QueueDepth, String> {
    let text = |name: &QueueAttributeName| attributes.get(name).cloned();
    let number = |name: QueueAttributeName| {
        text(&name).and_then(|count| count.parse().ok()).ok_or_else(|| name.as_str().to_owned())
    };
    Ok(QueueDepth {
        url: url.to_owned(),
        arn: text(&QueueAttributeName::QueueArn).ok_or_else(|| "QueueArn".to_owned())?,
        waiting: number(QueueAttributeName::ApproximateNumberOfMessages)?,
        in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
        delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
        dead_letters: text(&QueueAttributeName::RedrivePolicy)
            .and_then(|policy| super::send::dead_letter_target(&policy)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_missing_is_not_zero() {
        let mut attributes = HashMap::from([
            (QueueAttributeName::QueueArn, "arn:q".to_owned()),
            (QueueAttributeName::ApproximateNumberOfMessages, "7".to_owned()),
            (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "2".to_owned()),
            (QueueAttributeName::RedrivePolicy, r#"{"deadLetterTargetArn":"arn:d"}"#.to_owned()),
        ]);
        assert_eq!(depth_of("http://q", &attributes), Err("ApproximateNumberOfMessagesDelayed".to_owned()));
        attributes.insert(QueueAttributeName::ApproximateNumberOfMessagesDelayed, "1".to_owned());
        let expected = QueueDepth {
            url: "http://q".to_owned(),
            arn: "arn:q".to_owned(),
            waiting: 7,
            in_flight: 2,
            delayed: 1,
            dead_letters: Some("arn:d".to_owned()),
        };
        assert_eq!(depth_of("http://q", &attributes), Ok(expected));
        attributes.insert(QueueAttributeName::ApproximateNumberOfMessages, "many".to_owned());
        assert_eq!(depth_of("http://q", &attributes), Err("ApproximateNumberOfMessages".to_owned()));
    }
}
