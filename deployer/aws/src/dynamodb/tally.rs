//! DynamoDB and S3: the table of the tally, and the latest version of an object.

mod table;

use contract::ObjectRef;
use deployer_base::error::Error;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

pub use table::Table;

/// Returns the table of that name.
#[must_use]
pub fn table(session: &Session, name: &str) -> Table {
    Table::new(aws_sdk_dynamodb::Client::new(&session.config), name)
}

/// Converts an error of the table, or of its content, to one for the user.
#[must_use]
pub fn error(table: &str, error: tally::TallyError) -> Error {
    match error {
        tally::TallyError::Call(error) => Error::from(AwsError {
            operation: "Query",
            resource: format!("table {table}"),
            code: Some(error.code),
            message: error.message,
        }),
        tally::TallyError::Damaged(damaged) => Error::failed_with_hint(
            damaged.to_string(),
            "something other than `observe` wrote to the table; delete the item, and upload the object again",
        ),
    }
}

/// Returns the latest version of an object; `None` when there is none.
///
/// # Errors
/// If the call fails.
pub async fn latest(session: &Session, bucket: &str, key: &str) -> Result<Option<ObjectRef>, AwsError> {
    let answer = session.s3().head_object().bucket(bucket).key(key).send().await;
    if answer
        .as_ref()
        .err()
        .and_then(|error| error.as_service_error())
        .is_some_and(|error| error.is_not_found())
    {
        return Ok(None);
    }
    let answer = answer.aws("HeadObject", format!("s3://{bucket}/{key}"))?;
    Ok(Some(ObjectRef {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: answer.version_id().filter(|version| *version != "null").map(str::to_owned),
        etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
        uploaded: None,
        replay: None,
    }))
}
