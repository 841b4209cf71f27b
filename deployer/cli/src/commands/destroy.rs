//! `deployer destroy`.

use std::collections::BTreeMap;

use serde_json::json;
use stack_core::document::Removal;
use stack_core::template::Policy;

use crate::aws::cloudformation::{CloudFormation, StackResource, StackState};
use crate::aws::session::Session;
use crate::aws::{items, objects};
use crate::context::Context;
use crate::error::{Error, Message, Result};
use crate::plan;
use crate::watch::{self, Outcome};

/// Deletes a deployed stack, after showing what is lost and what stays.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
}

/// Object versions that are counted before "more than".
const COUNT_UP_TO: usize = 10_000;

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let template = plan::synthesize(&stack)?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    if let Some(account) = stack.target.account.as_ref().filter(|account| **account != session.account) {
        return Err(Error::Refused(Message::new(format!(
            "stack `{}` belongs to account {account}, and these credentials are of account {}",
            stack.target.stack, session.account
        ))));
    }
    let Some(deployed) = cloudformation.describe(&stack.name).await? else {
        context.ui.step("done", format!("nothing to do: {} is not deployed", stack.name));
        return result(context, &stack.name, "absent", &[]);
    };
    if stack.target.protect {
        return Err(Error::Refused(
            Message::new(format!("stack `{}` is protected", stack.target.stack))
                .hint("remove `protect: true` from the stack in the file first"),
        ));
    }
    if deployed.state == StackState::Busy {
        return Err(Error::Deployment(
            Message::new(format!("{} is in {}", deployed.name, deployed.status))
                .hint("wait until that operation has ended"),
        ));
    }

    let resources = cloudformation.resources(&stack.name).await?;
    let retained = |resource: &StackResource| {
        let found = template.resources.iter().find(|(id, _)| *id == resource.logical_id);
        found.is_some_and(|(_, one)| one.policy == Some(Policy::Retain))
    };
    let kept: Vec<&StackResource> = resources.iter().filter(|resource| retained(resource)).collect();
    for resource in &resources {
        describe_loss(context, &session, resource, retained(resource)).await?;
    }
    context.ui.confirm(&format!(
        "Delete the stack {} with {} resources?",
        stack.name,
        resources.len() - kept.len()
    ))?;

    if stack.target.removal == Removal::Delete {
        for bucket in resources
            .iter()
            .filter(|one| one.resource_type == "AWS::S3::Bucket" && !one.physical_id.is_empty())
        {
            // A bucket that somebody else removed is no reason to stop.
            match objects::empty(&session, &bucket.physical_id).await {
                Ok(0) => {}
                Ok(count) => {
                    context.ui.step("emptied", format!("{} ({count} object versions)", bucket.physical_id))
                }
                Err(error) if error.is("NoSuchBucket") => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let last = cloudformation.events_after(&deployed.id, None).await?.pop().map(|event| event.id);
    cloudformation.delete(&stack.name, None).await?;
    let origins: BTreeMap<String, String> =
        template.resources.iter().map(|(id, resource)| (id.clone(), resource.origin.clone())).collect();
    if let Outcome::Failed(message) =
        watch::watch(context, &cloudformation, &deployed.id, last, &origins).await?
    {
        return Err(Error::Deployment(message));
    }
    if let Some(left) = cloudformation.describe(&stack.name).await? {
        return Err(Error::Deployment(Message::new(format!(
            "{} is still there, in {}",
            left.name, left.status
        ))));
    }
    context.ui.step("done", format!("{} is deleted", stack.name));
    result(context, &stack.name, "deleted", &kept)
}

async fn describe_loss(
    context: &Context,
    session: &Session,
    resource: &StackResource,
    retained: bool,
) -> Result<()> {
    let name = &resource.physical_id;
    let holds = match resource.resource_type.as_str() {
        "AWS::S3::Bucket" => match objects::count(session, name, COUNT_UP_TO).await {
            Ok(count) if count >= COUNT_UP_TO => {
                format!("bucket {name}: more than {COUNT_UP_TO} object versions")
            }
            Ok(count) => format!("bucket {name}: {count} object versions"),
            Err(error) if error.is("NoSuchBucket") => return Ok(()),
            Err(error) => return Err(error.into()),
        },
        "AWS::DynamoDB::Table" => match items::count(session, name).await {
            Ok(count) => format!("table {name}: about {count} items"),
            Err(error) if error.is("ResourceNotFoundException") => return Ok(()),
            Err(error) => return Err(error.into()),
        },
        _ => return Ok(()),
    };
    context.ui.step(if retained { "stays" } else { "is lost" }, holds);
    Ok(())
}

fn result(context: &Context, stack: &str, result: &str, kept: &[&StackResource]) -> Result<()> {
    if context.ui.is_json() {
        let kept: Vec<_> = kept
            .iter()
            .map(|one| json!({ "logicalId": one.logical_id, "physicalId": one.physical_id, "type": one.resource_type }))
            .collect();
        return context.ui.json(json!({ "stack": stack, "result": result, "kept": kept }));
    }
    Ok(())
}
