//! `deployer diagnose`.

use deployer_aws::cloudformation::CloudFormation;
use deployer_base::error::Result;
use serde_json::json;
use stack_core::Compiled;

use crate::context::Context;
use crate::{diagnosis, situation};

/// Show why the last failed operation on a stack failed, and how to fix it
///
/// Works for deleted stacks too, for 90 days. Exits 0 whenever it found an answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    let Some(known) = cloudformation.last_of_name(&stack.name).await? else {
        return well(context, &stack.name, None, &format!("{} was never deployed here", stack.name));
    };
    let events = cloudformation.events_after(&known.id, None).await?;
    let origins = situation::origins(&template);
    let found = diagnosis::full(&cloudformation, &known.id, &events, &origins).await;
    let Some((found, findings)) = found else {
        return well(
            context,
            &stack.name,
            Some(&known.id),
            &format!("nothing has failed: {} is in {}", stack.name, known.status),
        );
    };
    let resources = cloudformation.resources(&known.id).await;
    // Of a deleted stack, or with few permissions, the events alone must do.
    let evidence = diagnosis::evidence(&session, &resources.unwrap_or_default(), &found).await;
    if context.ui.is_json() {
        let diagnosis = diagnosis::json(context, &stack.name, &found, &findings, &evidence);
        return context.ui.json(json!({
            "stack": stack.name, "stackId": known.id, "status": known.status, "failed": true, "diagnosis": diagnosis,
        }));
    }
    context.ui.data(&diagnosis::text(context, &stack.name, &found, &findings, &evidence))
}

/// There is nothing to explain.
fn well(context: &Context, stack: &str, id: Option<&str>, text: &str) -> Result<()> {
    if context.ui.is_json() {
        return context.ui.json(json!({ "stack": stack, "stackId": id, "failed": false, "diagnosis": null }));
    }
    context.ui.data(&format!("{text}\n"))
}
