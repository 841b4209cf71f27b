//! Resources outside of a stack: whether they exist, and the tables with a name that CloudFormation made.

use aws_sdk_dynamodb::Client as DynamoDb;

use crate::dynamodb::tables;
use crate::error::{AwsError, AwsResult as _};
use crate::logs::log_events;
use crate::s3::emptying;
use crate::session::Session;
use crate::sqs::messages;

type Result<T> = std::result::Result<T, AwsError>;

/// Number of tables with one prefix that are looked at.
const MOST_TABLES: i32 = 100;

/// Checks whether a resource exists; `None` for a type that is not asked about.
///
/// # Errors
/// If the service can't be asked.
pub async fn exists(session: &Session, resource_type: &str, physical_id: &str) -> Result<Option<bool>> {
    let found = match resource_type {
        "AWS::S3::Bucket" => return emptying::bucket_exists(session, physical_id).await.map(Some),
        "AWS::DynamoDB::Table" => return tables::exists(session, physical_id).await.map(Some),
        "AWS::Logs::LogGroup" => log_events::has_streams(session, physical_id).await.map(drop),
        "AWS::SQS::Queue" => messages::count(session, physical_id).await.map(drop),
        _ => return Ok(None),
    };
    match found {
        Ok(()) => Ok(Some(true)),
        Err(error)
            if [
                "ResourceNotFoundException",
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ]
            .iter()
            .any(|code| error.is(code)) =>
        {
            Ok(Some(false))
        }
        Err(error) => Err(error),
    }
}

/// A table of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// The name.
    pub name: String,
    /// The attributes of its key: name and `HASH` or `RANGE`.
    pub key: Vec<(String, String)>,
    /// Its tags: key and value.
    pub tags: Vec<(String, String)>,
}

/// Returns the tables whose names begin with a prefix, with their keys and tags.
///
/// # Errors
/// If a call fails.
pub async fn tables_with_prefix(session: &Session, prefix: &str) -> Result<Vec<FoundTable>> {
    let client = DynamoDb::new(&session.config);
    // Names are listed in the order of their bytes, beginning after this one.
    let start = Some(prefix.trim_end_matches('-').to_owned()).filter(|start| is_table_name(start));
    let listed = client
        .list_tables()
        .set_exclusive_start_table_name(start)
        .limit(MOST_TABLES)
        .send()
        .await
        .aws("ListTables", format!("tables named {prefix}*"))?;
    let mut out = Vec::new();
    for name in listed.table_names().iter().filter(|name| name.starts_with(prefix)) {
        let answer = client.describe_table().table_name(name).send().await;
        let answer = match answer.aws("DescribeTable", format!("table {name}")) {
            Err(error) if error.is("ResourceNotFoundException") => continue,
            answer => answer?,
        };
        let Some(table) = answer.table() else { continue };
        let key = table.key_schema().iter();
        let key = key.map(|one| (one.attribute_name().to_owned(), one.key_type().as_str().to_owned()));
        let arn = table.table_arn().unwrap_or_default();
        let tags = client.list_tags_of_resource().resource_arn(arn).send().await;
        let tags = tags.aws("ListTagsOfResource", format!("table {name}"))?;
        let tags = tags.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
        out.push(FoundTable { name: name.clone(), key: key.collect(), tags: tags.collect() });
    }
    Ok(out)
}

/// Checks whether a text can be the name of a table: Amazon DynamoDB API Reference, ListTables.
fn is_table_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (3..=255).contains(&text.len()) && text.bytes().all(allowed)
}
