//! Resources that a stack refers to and does not create: compared with the file before a deployment, and found by the
//! commands that use the deployed stack.

use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::error::AwsError;
use deployer_aws::facts;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::text::printable;
use deployer_lang::model::existing::Existing;
use deployer_lang::model::{Resource, ResourceType};
use deployer_lang::{Compiled, Stack};
use deployer_plan::adopt::PhysicalResource;
use deployer_plan::existing::{Change, Facts, Mismatch, Place};
use futures::future::join_all;

use crate::context::Context;
use crate::situation::Situation;
use crate::state;

/// Compares the existing resources of a stack with what the file says of them, all at the same time. What the caller may
/// not ask about is named in a warning.
async fn mismatches(context: &Context, situation: &Situation, compiled: &Compiled) -> Result<Vec<Mismatch>> {
    let session = &situation.session;
    let pseudo = state::pseudo(session, &compiled.stack.name);
    let place = Place { stack: &compiled.stack, pseudo: &pseudo };
    let existing = compiled.stack.resources.iter().filter(|one| one.is.existing().is_some());
    let asked = existing.map(async |resource| {
        let elsewhere = place.elsewhere(resource);
        if !elsewhere.is_empty() {
            return Ok(elsewhere);
        }
        let facts = ask(session, &place, resource, compiled).await?;
        Ok::<_, AwsError>(
            facts.map_or_else(Vec::new, |facts| place.mismatches(resource, &compiled.needs, &facts)),
        )
    });
    let (own, asked) = tokio::join!(deleted(situation, &place), join_all(asked));
    let mut out = own?;
    for one in asked {
        match one {
            Ok(found) => out.extend(found),
            Err(error) if error.is_denied() => context.ui.warn(format!(
                "{} was not compared with the file: {} is denied",
                error.resource, error.operation
            )),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(out)
}

/// Returns the mismatches of resources that are of the stack itself, and that the deployment would delete.
async fn deleted(situation: &Situation, place: &Place<'_>) -> Result<Vec<Mismatch>> {
    let existing = || place.stack.resources.iter().filter(|one| one.is.existing().is_some());
    let Some(deployed) = situation.deployed.as_ref().filter(|one| !one.is_empty()) else {
        return Ok(Vec::new());
    };
    if existing().next().is_none() {
        return Ok(Vec::new());
    }
    let resources = situation.cloudformation.resources(&deployed.stack.id).await?;
    let physical = resources
        .into_iter()
        .map(|one| (one.logical_id, PhysicalResource { kind: one.resource_type, id: one.physical_id }));
    let change = Change {
        wanted: &situation.wanted.template,
        deployed: &deployed.template,
        resources: &physical.collect(),
    };
    Ok(existing().filter_map(|one| place.deleted(one, &change)).collect())
}

/// Asks the service for the state of a resource; `None` if nobody can say.
async fn ask(
    session: &Session,
    place: &Place<'_>,
    resource: &Resource,
    compiled: &Compiled,
) -> std::result::Result<Option<Facts>, AwsError> {
    let Some(existing) = resource.is.existing() else { return Ok(None) };
    let has_needs = compiled.needs.iter().any(|need| need.resource == resource.name);
    let facts = match &resource.is {
        ResourceType::Bucket(bucket) => {
            let events = bucket.event_bridge || !bucket.notify.is_empty();
            facts::bucket(session, &existing.name, events, has_needs).await
        }
        ResourceType::Table(_) => facts::table(session, &existing.name).await,
        ResourceType::Queue(_) => facts::queue(session, &place.text(&existing.url())).await,
        ResourceType::Topic(_) => facts::topic(session, &place.text(&existing.arn())).await,
        ResourceType::Key(_) => facts::key(session, &place.text(&existing.arn()), has_needs).await,
        ResourceType::Cluster(_) => facts::cluster(session, &existing.name).await,
        _ => return Ok(None),
    }?;
    // Another account may hide a resource from those who may only use it.
    let hidden = facts == Facts::Missing && existing.account().is_some_and(|own| own != session.account);
    match hidden {
        true => Err(AwsError {
            operation: "reading its state",
            resource: format!("{} {}", resource.is.kind().name(), existing.name),
            code: Some("AccessDenied".to_owned()),
            message: "it belongs to another account".to_owned(),
        }),
        false => Ok(Some(facts)),
    }
}

/// Refuses a deployment that could not work with what exists.
///
/// # Errors
/// Returns [`Error::Refused`] with every mismatch, and the errors of AWS.
pub async fn gate(context: &Context, situation: &Situation, compiled: &Compiled) -> Result<()> {
    let found = mismatches(context, situation, compiled).await?;
    if found.is_empty() {
        return Ok(());
    }
    let lines: String = found
        .iter()
        .map(|one| printable(&format!("`{}`: {}; {}", one.resource, one.message, one.help)))
        .map(|line| format!("\n  {line}"))
        .collect();
    Err(Error::Refused(
        Message::new(format!("existing resources are not as the stack needs them:{lines}"))
            .hint("correct the file or the resources, and run this again; nothing was changed"),
    ))
}

/// Returns the mismatches as notes of a plan.
///
/// # Errors
/// Returns the errors of AWS.
pub async fn notes(context: &Context, situation: &Situation, compiled: &Compiled) -> Result<Vec<String>> {
    let found = mismatches(context, situation, compiled).await?;
    let note = |one: &Mismatch| {
        let Mismatch { resource, message, help } = one;
        printable(&format!("a deployment is refused, because of `{resource}`: {message}; {help}"))
    };
    Ok(found.iter().map(note).collect())
}

/// Returns the resources of a deployed stack, and those that it refers to by `existing`.
///
/// # Errors
/// Returns the errors of AWS.
pub async fn resources(
    cloudformation: &CloudFormation,
    session: &Session,
    stack: &Stack,
) -> Result<Vec<StackResource>> {
    let mut out = cloudformation.resources(&stack.name).await?;
    let pseudo = state::pseudo(session, &stack.name);
    let place = Place { stack, pseudo: &pseudo };
    for resource in &stack.resources {
        let (Some(existing), Some(kind)) = (resource.is.existing(), resource.is.kind().cloudformation())
        else {
            continue;
        };
        out.push(StackResource {
            logical_id: resource.logical_id(),
            physical_id: place.text(&physical_id(existing, &resource.is)),
            resource_type: kind.name().to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
        });
    }
    Ok(out)
}

/// Returns the physical ID of an existing resource, as a text of `Fn::Sub`.
fn physical_id(existing: &Existing, is: &ResourceType) -> String {
    match is {
        ResourceType::Queue(_) => existing.url(),
        ResourceType::Topic(_) => existing.arn(),
        _ => existing.name.clone(),
    }
}
