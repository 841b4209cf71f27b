//! `deployer destroy`.

use serde_json::{Value, json};
use stack_core::Stack;
use stack_core::document::Removal;
use stack_core::template::Policy;

use crate::aws::cloudformation::{CloudFormation, DeployedStack, StackResource, StackState};
use crate::aws::session::Session;
use crate::aws::{items, objects};
use crate::context::Context;
use crate::error::{Error, Message, Result};
use crate::plan;
use crate::watch::{Goal, Outcome, Watch};

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
    super::deploy::greet(context, &stack, &session)?;
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
    if deployed.protected {
        return Err(Error::Refused(
            Message::new(format!("termination protection of the stack {} is on", deployed.name))
                .hint("switch it off in CloudFormation first; nothing was deleted"),
        ));
    }
    let origins = super::deploy::origins(&template);
    let watch = Watch {
        context,
        cloudformation: &cloudformation,
        stack_id: &deployed.id,
        goal: Goal::Destroy,
        origins: &origins,
    };
    context.on_interrupt("nothing was deleted", "run `deployer destroy` again");
    let (kept, last) = if deployed.status == "DELETE_IN_PROGRESS" {
        context.ui.step("waiting", format!("{} is being deleted already", deployed.name));
        (Vec::new(), None)
    } else if deployed.state == StackState::Busy {
        return Err(Error::Deployment(
            Message::new(format!("{} is in {}", deployed.name, deployed.status))
                .hint("wait until that operation has ended"),
        ));
    } else {
        let kept = prepare(context, &session, &cloudformation, &stack, &deployed).await?;
        let last = cloudformation.newest_event(&deployed.id).await?;
        cloudformation.delete(&deployed.id).await?;
        (kept, last)
    };
    context.on_interrupt("CloudFormation goes on with the deletion", "`deployer destroy` watches it again");
    if let Outcome::Failed(message) = watch.until_end(last).await? {
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

/// Shows what is lost and what stays, asks, and empties what must be empty. Gives what stays.
///
/// CloudFormation obeys the template that is deployed, whatever the file says by now; so does this.
async fn prepare(
    context: &Context,
    session: &Session,
    cloudformation: &CloudFormation,
    stack: &Stack,
    deployed: &DeployedStack,
) -> Result<Vec<StackResource>> {
    let template = cloudformation.template(&deployed.id).await?.unwrap_or_default();
    let protected: Vec<String> = plan::protected(&template).into_iter().collect();
    if !protected.is_empty() {
        return Err(Error::Refused(
            Message::new(format!("{} holds what `protect: true` keeps: {}", deployed.name, protected.join(", ")))
                .hint("take `protect` away from it in the file and run `deployer deploy` first; nothing was deleted"),
        ));
    }
    let template: Value = serde_json::from_str(&template).unwrap_or_default();
    let retained = |resource: &StackResource| {
        let policy = &template["Resources"][&resource.logical_id]["DeletionPolicy"];
        policy.as_str().is_some_and(|policy| policy.starts_with("Retain"))
    };
    let mut resources = cloudformation.resources(&deployed.id).await?;
    // A resource whose creation failed may carry the name of one that belongs to somebody else.
    resources.retain(|one| {
        let gone = ["CREATE_FAILED", "DELETE_COMPLETE", "DELETE_SKIPPED"].contains(&one.status.as_str());
        !one.physical_id.is_empty() && !gone
    });
    let (kept, lost): (Vec<StackResource>, Vec<StackResource>) = resources.into_iter().partition(retained);
    // `options.retain: false` is the file's own word; a resource that the file no longer names has none.
    let file = plan::synthesize(stack)?;
    let given_up = |one: &StackResource| {
        let found = file.resources.iter().find(|(id, _)| *id == one.logical_id);
        found.is_some_and(|(_, resource)| matches!(resource.policy, None | Some(Policy::Delete)))
    };
    let holds_data =
        |one: &&StackResource| HOLDS_DATA.contains(&one.resource_type.as_str()) && !given_up(one);
    if stack.target.removal == Removal::Keep
        && let Some(data) = lost.iter().find(holds_data)
    {
        return Err(Error::Refused(
            Message::new(format!(
                "the file keeps the data of `{}`, but {} would be deleted: it was deployed with another `removal`",
                stack.target.stack, data.logical_id
            ))
            .hint("run `deployer deploy` first, or set `removal: delete`; nothing was deleted"),
        ));
    }
    for (resources, word) in [(&kept, "stays"), (&lost, "is lost")] {
        for resource in resources {
            describe_data(context, session, resource, word).await?;
        }
    }
    context.ui.confirm(&format!("Delete the stack {} with {} resources?", stack.name, lost.len())).await?;
    for bucket in lost.iter().filter(|one| one.resource_type == "AWS::S3::Bucket") {
        context.on_interrupt("some objects may be deleted already", "run `deployer destroy` again");
        // A bucket that somebody else removed is no reason to stop.
        match objects::empty(session, &bucket.physical_id).await {
            Ok(0) => {}
            Ok(count) => {
                context.ui.step("emptied", format!("{} ({count} object versions)", bucket.physical_id))
            }
            Err(error) if error.is("NoSuchBucket") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(kept)
}

/// Types whose content can't be made again.
const HOLDS_DATA: [&str; 5] = [
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::Logs::LogGroup",
    "AWS::KMS::Key",
    "AWS::Events::Archive",
];

async fn describe_data(
    context: &Context,
    session: &Session,
    resource: &StackResource,
    word: &str,
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
        // After the waiting time, nobody can read what it encrypted.
        "AWS::KMS::Key" => format!("key {name}, and with it what it encrypts"),
        _ => return Ok(()),
    };
    context.ui.step(word, holds);
    Ok(())
}

fn result(context: &Context, stack: &str, result: &str, kept: &[StackResource]) -> Result<()> {
    if context.ui.is_json() {
        let kept: Vec<_> = kept
            .iter()
            .map(|one| json!({ "logicalId": one.logical_id, "physicalId": one.physical_id, "type": one.resource_type }))
            .collect();
        return context.ui.json(json!({ "stack": stack, "result": result, "kept": kept }));
    }
    Ok(())
}
