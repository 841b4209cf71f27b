//! DynamoDB: the existence of a table, and its own protection from deletion.

use aws_sdk_dynamodb::Client;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

fn resource(table: &str) -> String {
    format!("table {table}")
}

/// Checks whether the table exists and is not being deleted.
pub async fn exists(session: &Session, table: &str) -> Result<bool> {
    let call = Client::new(&session.config).describe_table().table_name(table);
    match call.send().await.aws("DescribeTable", resource(table)) {
        Ok(answer) => {
            let status = answer.table().and_then(|table| table.table_status());
            Ok(status != Some(&aws_sdk_dynamodb::types::TableStatus::Deleting))
        }
        Err(error) if error.is("ResourceNotFoundException") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes a table with its items. A table that does not exist, or is being deleted, is no error.
pub async fn delete(session: &Session, table: &str) -> Result<()> {
    let call = Client::new(&session.config).delete_table().table_name(table);
    match call.send().await.aws("DeleteTable", resource(table)) {
        Err(error) if error.is("ResourceNotFoundException") || error.is("ResourceInUseException") => {
            if exists(session, table).await? {
                Err(error)
            } else {
                Ok(())
            }
        }
        deleted => deleted.map(drop),
    }
}

/// Switches off the table's protection from deletion.
pub async fn unprotect(session: &Session, table: &str) -> Result<()> {
    let call =
        Client::new(&session.config).update_table().table_name(table).deletion_protection_enabled(false);
    call.send().await.aws("UpdateTable", resource(table))?;
    Ok(())
}
