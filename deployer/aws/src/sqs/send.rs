//! SQS: sending a message, and moving messages from one queue to another.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use serde_json::Value;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Messages of one receive at most: API reference, `ReceiveMessage`.
const MAX_MESSAGES: i32 = 10;
/// Seconds for which a message that is being moved is hidden.
const HIDDEN: i32 = 60;

/// Sends one message.
///
/// # Errors
/// If the call fails.
pub async fn message(session: &Session, url: &str, body: &str) -> Result<()> {
    let call = Client::new(&session.config).send_message().queue_url(url).message_body(body);
    call.send().await.aws("SendMessage", format!("queue {url}")).map(drop)
}

/// Moves up to `most` messages from one queue to another, and returns their number.
///
/// Each message is deleted only once it has been sent, so an end in the middle duplicates one message and loses none.
///
/// # Errors
/// If a call fails.
pub async fn move_messages(session: &Session, from: &str, to: &str, most: usize) -> Result<usize> {
    let client = Client::new(&session.config);
    let mut moved = 0;
    while moved < most {
        let wanted = i32::try_from(most - moved).unwrap_or(MAX_MESSAGES).min(MAX_MESSAGES);
        let answer = client
            .receive_message()
            .queue_url(from)
            .max_number_of_messages(wanted)
            .visibility_timeout(HIDDEN)
            // Long polling asks all of the queue's servers: an empty answer means an empty queue.
            .wait_time_seconds(2)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .send()
            .await
            .aws("ReceiveMessage", format!("queue {from}"))?;
        if answer.messages().is_empty() {
            break;
        }
        for message in answer.messages() {
            let (Some(body), Some(handle)) = (message.body(), message.receipt_handle()) else { continue };
            // In a FIFO queue, each message has a group; its id in the dead letters tells it from those that were sent
            // before.
            let group = message
                .attributes()
                .and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId))
                .cloned();
            // A standard queue may have groups too, and takes no such id.
            let once = message.message_id().filter(|_| to.ends_with(".fifo")).map(str::to_owned);
            client
                .send_message()
                .queue_url(to)
                .set_message_group_id(group)
                .set_message_deduplication_id(once)
                .message_body(body)
                .set_message_attributes(message.message_attributes().cloned())
                .send()
                .await
                .aws("SendMessage", format!("queue {to}"))?;
            client
                .delete_message()
                .queue_url(from)
                .receipt_handle(handle)
                .send()
                .await
                .aws("DeleteMessage", format!("queue {from}"))?;
            moved += 1;
        }
    }
    Ok(moved)
}

/// Dead letters, and the queue from which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// URL of the dead-letter queue.
    pub from: String,
    /// URL of the queue.
    pub to: String,
    /// Approximate number of dead letters that can be received.
    pub messages: usize,
}

/// Returns the dead letters of these queues, and the dead-letter queues that several of them share.
///
/// # Errors
/// If a call fails.
pub async fn redrives(session: &Session, urls: &[&str]) -> Result<(Vec<Redrive>, Vec<String>)> {
    let client = Client::new(&session.config);
    let mut known: Vec<(String, HashMap<QueueAttributeName, String>)> = Vec::new();
    for url in urls {
        let names = [
            QueueAttributeName::QueueArn,
            QueueAttributeName::RedrivePolicy,
            QueueAttributeName::ApproximateNumberOfMessages,
        ];
        let call = client.get_queue_attributes().queue_url(*url).set_attribute_names(Some(names.to_vec()));
        let answer = call.send().await.aws("GetQueueAttributes", format!("queue {url}"))?;
        known.push(((*url).to_owned(), answer.attributes.unwrap_or_default()));
    }
    Ok(pairs(&known))
}

/// Returns the ARN of the dead-letter queue that a queue's `RedrivePolicy` names.
pub(super) fn dead_letter_target(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    policy["deadLetterTargetArn"].as_str().map(str::to_owned)
}

fn pairs(known: &[(String, HashMap<QueueAttributeName, String>)]) -> (Vec<Redrive>, Vec<String>) {
    let mut redrives: Vec<Redrive> = Vec::new();
    let mut shared: Vec<String> = Vec::new();
    for (to, attributes) in known {
        let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
        let Some(target) = policy.and_then(|policy| dead_letter_target(policy)) else { continue };
        let dead = known
            .iter()
            .find(|(_, other)| other.get(&QueueAttributeName::QueueArn).is_some_and(|arn| *arn == target));
        let Some((from, attributes)) = dead else { continue };
        let messages = attributes.get(&QueueAttributeName::ApproximateNumberOfMessages);
        let messages = messages.and_then(|count| count.parse().ok()).unwrap_or_default();
        if redrives.iter().any(|other| other.from == *from) && !shared.contains(from) {
            shared.push(from.clone());
        }
        redrives.push(Redrive { from: from.clone(), to: to.clone(), messages });
    }
    redrives.retain(|redrive| !shared.contains(&redrive.from));
    (redrives, shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(
        name: &str,
        dead: Option<&str>,
        messages: &str,
    ) -> (String, HashMap<QueueAttributeName, String>) {
        let arn = |name: &str| format!("arn:aws:sqs:r:1:{name}");
        let mut attributes = HashMap::from([
            (QueueAttributeName::QueueArn, arn(name)),
            (QueueAttributeName::ApproximateNumberOfMessages, messages.to_owned()),
        ]);
        if let Some(dead) = dead {
            let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"5"}}"#, arn(dead));
            attributes.insert(QueueAttributeName::RedrivePolicy, policy);
        }
        (format!("http://q/{name}"), attributes)
    }

    #[test]
    fn dead_letters_are_sent_back_where_that_is_known() {
        let known = [
            queue("a", Some("dead-a"), "1"),
            queue("dead-a", None, "3"),
            queue("b", Some("both"), "0"),
            queue("c", Some("both"), "0"),
            queue("both", None, "x"),
            queue("d", Some("elsewhere"), "0"),
        ];
        let (redrives, shared) = pairs(&known);
        let expected = Redrive { from: "http://q/dead-a".into(), to: "http://q/a".into(), messages: 3 };
        assert_eq!((redrives, shared), (vec![expected], vec!["http://q/both".to_owned()]));
        let mut broken = queue("a", Some("b"), "0");
        broken.1.insert(QueueAttributeName::RedrivePolicy, "{".into());
        assert_eq!(pairs(&[broken]), (vec![], vec![]));
    }
}
