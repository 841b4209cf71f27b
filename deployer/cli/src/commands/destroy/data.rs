//! `destroy --delete-data`: the kept resources are deleted too, after the stack. What was deleted is not stored: what still
//! exists is asked of the services, so an interrupted deletion goes on where it was.

use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::dynamodb::tables;
use deployer_aws::existing;
use deployer_aws::logs::log_events;
use deployer_aws::s3::emptying;
use deployer_aws::session::Session;
use deployer_base::aws_error::AwsError;
use deployer_base::error::{Error, Message, Result};
use futures::future::try_join_all;

use super::empty;
use crate::adoption;
use crate::context::Context;
use crate::plan;
use crate::situation;

/// Returns whether this command can delete the kept resources of a type. A key is not deleted: everything that it ever
/// encrypted would be lost, backups included.
pub(super) fn is_deletable(resource: &StackResource) -> bool {
    matches!(
        resource.resource_type.as_str(),
        "AWS::S3::Bucket" | "AWS::DynamoDB::Table" | "AWS::Logs::LogGroup"
    )
}

/// Returns what the deleted stacks of this name have kept, and that still exists: as far as the records and
/// CloudFormation know, but not what only bears a name like it.
pub(super) async fn remains(
    context: &Context,
    session: &Session,
    cloudformation: &CloudFormation,
    stack: &str,
) -> Result<Vec<StackResource>> {
    let records = situation::former_records(context, session, stack).await;
    let formers = adoption::recorded_formers(session, cloudformation, &records).await?;
    let mut out: Vec<StackResource> = Vec::new();
    for former in &formers {
        let protected = plan::protected(&former.template);
        for one in &former.kept {
            if protected.contains(&one.logical_id) {
                context.ui.warn(format!("{} was deployed with `protect: true`, and stays", one.physical_id));
                continue;
            }
            if out.iter().all(|known| known.physical_id != one.physical_id) {
                out.push(StackResource {
                    logical_id: one.logical_id.clone(),
                    physical_id: one.physical_id.clone(),
                    resource_type: one.resource_type.clone(),
                    status: String::new(),
                });
            }
        }
    }
    let asked = out.iter().map(|one| existing::exists(session, &one.resource_type, &one.physical_id));
    let there: Vec<Option<bool>> = try_join_all(asked).await?;
    let mut there = there.into_iter();
    out.retain(|_| there.next().flatten().unwrap_or(true));
    Ok(out)
}

/// Deletes kept resources with their data.
pub(super) async fn delete(context: &Context, session: &Session, kept: &[StackResource]) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    context.on_interrupt(
        "some of the data may be deleted already",
        "run `deployer destroy --delete-data` again to delete the rest",
    );
    let deletions = kept.iter().map(|one| delete_one(context, session, one));
    try_join_all(deletions).await.map(drop)
}

async fn delete_one(context: &Context, session: &Session, resource: &StackResource) -> Result<()> {
    let id = &resource.physical_id;
    let word = match resource.resource_type.as_str() {
        "AWS::S3::Bucket" => {
            empty(context, session, id).await?;
            emptying::delete_bucket(session, id).await.map_err(still_written)?;
            "bucket"
        }
        "AWS::DynamoDB::Table" => {
            match tables::unprotect(session, id).await {
                // It is gone, or about to go.
                Err(error) if error.is("ResourceNotFoundException") || error.is("ResourceInUseException") => {
                }
                unprotected => unprotected?,
            }
            tables::delete(session, id).await?;
            "table"
        }
        "AWS::Logs::LogGroup" => {
            log_events::delete_group(session, id).await?;
            "log group"
        }
        _ => return Ok(()),
    };
    context.ui.step("deleted", format!("{word} {id}"));
    Ok(())
}

/// Explains the error of a bucket that is not empty any more.
fn still_written(error: AwsError) -> Error {
    if !error.is("BucketNotEmpty") {
        return error.into();
    }
    Error::Failed(
        Message::new(format!("{} was written to while it was emptied, and is not deleted", error.resource))
            .hint("stop what writes to it, then run `deployer destroy --delete-data` again"),
    )
}
