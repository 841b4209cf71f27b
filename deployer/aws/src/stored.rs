//! The data in a resource that is in no stack: its size, which it is billed by.

use deployer_plan::existing::Facts;

use crate::error::{AwsError, AwsResult as _};
use crate::s3::objects;
use crate::session::Session;
use crate::{existing, facts};

type Result<T> = std::result::Result<T, AwsError>;

/// The data in a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Items, or versions of objects; `None` for what has none.
    pub count: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// `true` if there is more, which was not counted.
    pub more: bool,
}

/// A resource that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It exists, with this data.
    There(Stored),
    /// It exists, or nobody can say whether it does; nothing in it is counted.
    Uncounted,
    /// It doesn't exist any more.
    Gone,
}

/// Asks for the data in a resource. The versions of a bucket are counted up to a number.
///
/// # Errors
/// If a call fails.
pub async fn of(session: &Session, resource_type: &str, physical_id: &str, most: usize) -> Result<Kept> {
    let found = match resource_type {
        "AWS::S3::Bucket" => objects::count(session, physical_id, most).await.map(|(count, bytes)| {
            Kept::There(Stored { count: u64::try_from(count).ok(), bytes, more: count >= most })
        }),
        "AWS::DynamoDB::Table" => table(session, physical_id).await,
        "AWS::Logs::LogGroup" => log_group(session, physical_id).await,
        "AWS::KMS::Key" => facts::key(session, physical_id, false).await.map(|found| match found {
            // A key that is to be deleted costs nothing: AWS Key Management Service Pricing.
            Facts::Key { state, .. } if state != "PendingDeletion" => Kept::Uncounted,
            _ => Kept::Gone,
        }),
        _ => existing::exists(session, resource_type, physical_id)
            .await
            .map(|found| if found == Some(false) { Kept::Gone } else { Kept::Uncounted }),
    };
    match found {
        Err(error) if error.is("NoSuchBucket") || error.is("ResourceNotFoundException") => Ok(Kept::Gone),
        found => found,
    }
}

async fn table(session: &Session, name: &str) -> Result<Kept> {
    let call = aws_sdk_dynamodb::Client::new(&session.config).describe_table().table_name(name);
    let answer = call.send().await.aws("DescribeTable", format!("table {name}"))?;
    let Some(table) = answer.table() else { return Ok(Kept::Gone) };
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    Ok(Kept::There(Stored {
        count: number(table.item_count()),
        bytes: number(table.table_size_bytes()).unwrap_or_default(),
        more: false,
    }))
}

async fn log_group(session: &Session, name: &str) -> Result<Kept> {
    let answer = aws_sdk_cloudwatchlogs::Client::new(&session.config)
        .describe_log_groups()
        .log_group_name_prefix(name)
        .send()
        .await
        .aws("DescribeLogGroups", format!("log group {name}"))?;
    let found = answer.log_groups().iter().find(|group| group.log_group_name() == Some(name));
    Ok(found.map_or(Kept::Gone, |group| {
        let bytes = group.stored_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        Kept::There(Stored { count: None, bytes, more: false })
    }))
}
