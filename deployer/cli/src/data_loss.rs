//! The data in a deployed resource that would be lost with it, in words for people: objects, items, messages.

use deployer_aws::dynamodb::items;
use deployer_aws::error::AwsError;
use deployer_aws::logs::log_events;
use deployer_aws::s3::objects;
use deployer_aws::session::Session;
use deployer_aws::sqs::messages;

/// Number of object versions that are counted before "more than".
pub const COUNT_UP_TO: usize = 10_000;

/// The data in a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// No data, for certain.
    Nothing,
    /// This data, in words.
    This(String),
    /// Unknown: the type holds nothing that can be counted, or the count failed.
    Unknown,
}

impl Holds {
    fn counted(count: usize, about: &str, one: &str, several: &str) -> Self {
        match count {
            0 => Self::Nothing,
            1 => Self::This(format!("{about}1 {one}")),
            count => Self::This(format!("{about}{count} {several}")),
        }
    }
}

/// Describes the data in a resource. A resource that does not exist any more holds nothing.
///
/// # Errors
/// Returns an error if AWS can't be asked.
pub async fn of(session: &Session, resource_type: &str, physical_id: &str) -> Result<Holds, AwsError> {
    let found = match resource_type {
        "AWS::S3::Bucket" => {
            objects::count(session, physical_id, COUNT_UP_TO).await.map(|(count, _)| match count {
                count if count >= COUNT_UP_TO => {
                    Holds::This(format!("more than {COUNT_UP_TO} object versions"))
                }
                count => Holds::counted(count, "", "object version", "object versions"),
            })
        }
        // DynamoDB counts every six hours (Amazon DynamoDB API Reference, TableDescription), so a count of zero proves
        // nothing.
        "AWS::DynamoDB::Table" => match items::count(session, physical_id).await {
            Ok(0) => items::first(session, physical_id, 1).await.map(|(first, _)| match first.is_empty() {
                true => Holds::Nothing,
                false => Holds::This("items".to_owned()),
            }),
            count => count.map(|count| Holds::counted(count, "about ", "item", "items")),
        },
        "AWS::SQS::Queue" => messages::count(session, physical_id)
            .await
            .map(|count| Holds::counted(count, "about ", "message", "messages")),
        "AWS::Logs::LogGroup" => log_events::has_streams(session, physical_id).await.map(|any| match any {
            true => Holds::This("logs".to_owned()),
            false => Holds::Nothing,
        }),
        // After the waiting time, the data that the key encrypted can't be read any more.
        "AWS::KMS::Key" => return Ok(Holds::This("all data that it encrypts".to_owned())),
        _ => return Ok(Holds::Unknown),
    };
    match found {
        Err(error) if GONE.iter().any(|code| error.is(code)) => Ok(Holds::Nothing),
        found => found,
    }
}

/// Error codes with which the services answer if the resource does not exist.
const GONE: [&str; 4] = [
    "NoSuchBucket",
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
];
