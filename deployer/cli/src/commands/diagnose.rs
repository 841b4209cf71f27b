//! `deployer diagnose`.

use deployer_aws::cloudformation::CloudFormation;
use deployer_base::error::Result;
use deployer_lang::Compiled;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::diagnosis::{self, DiagnosisReport};
use crate::situation;

/// Show why the last failed operation on a stack failed, and how to fix it
///
/// Works for deleted stacks too, for 90 days. Exits 0 whenever it found an answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
}

/// Why the last failed operation on a stack failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnosed<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Its ARN; null when it was never deployed.
    stack_id: Option<&'a str>,
    /// CloudFormation's status of the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    /// `true` if there is a failure to explain.
    failed: bool,
    /// The failure; null when there is none.
    diagnosis: Option<DiagnosisReport<'a>>,
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
    // For a deleted stack, or with few permissions, the events alone must suffice.
    let evidence = diagnosis::evidence(&session, &resources.unwrap_or_default(), &found).await;
    if context.ui.is_json() {
        return context.ui.json(Diagnosed {
            stack: &stack.name,
            stack_id: Some(&known.id),
            status: Some(&known.status),
            failed: true,
            diagnosis: Some(diagnosis::report(context, &stack.name, &found, &findings, &evidence)),
        });
    }
    context.ui.data(&diagnosis::text(context, &stack.name, &found, &findings, &evidence))
}

/// Reports that there is nothing to explain.
fn well(context: &Context, stack: &str, id: Option<&str>, text: &str) -> Result<()> {
    if context.ui.is_json() {
        return context.ui.json(Diagnosed {
            stack,
            stack_id: id,
            status: None,
            failed: false,
            diagnosis: None,
        });
    }
    context.ui.data(&format!("{text}\n"))
}
