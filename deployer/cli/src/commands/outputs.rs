//! `deployer outputs`.

use serde_json::{Map, Value, json};
use stack_core::Stack;
use stack_core::template::logical_id;

use crate::aws::cloudformation::{CloudFormation, DeployedStack};
use crate::context::Context;
use crate::error::{Error, Message, Result};

/// Shows the outputs of a deployed stack.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    let deployed = deployed(&CloudFormation::new(&session), &stack).await?;
    if context.ui.is_json() {
        return context.ui.json(json!({ "stack": deployed.name, "outputs": values(&stack, &deployed) }));
    }
    show(context, &stack, &deployed)
}

/// The stack as it is deployed.
///
/// # Errors
/// [`Error::Failed`] when it is not.
pub async fn deployed(cloudformation: &CloudFormation, stack: &Stack) -> Result<DeployedStack> {
    cloudformation.describe(&stack.name).await?.ok_or_else(|| {
        Error::Failed(
            Message::new(format!("the stack {} is not deployed", stack.name))
                .hint(format!("run `deployer deploy {}`", stack.target.stack)),
        )
    })
}

/// Outputs under the names that the file gives them.
#[must_use]
pub fn values(stack: &Stack, deployed: &DeployedStack) -> Map<String, Value> {
    stack
        .outputs
        .iter()
        .filter_map(|(name, _)| {
            let id = logical_id(name);
            let (_, value) = deployed.outputs.iter().find(|(key, _)| *key == id)?;
            Some((name.clone(), json!(value)))
        })
        .collect()
}

/// One output a line.
pub fn show(context: &Context, stack: &Stack, deployed: &DeployedStack) -> Result<()> {
    let rows = values(stack, deployed)
        .into_iter()
        .map(|(name, value)| [name, value.as_str().map(str::to_owned).unwrap_or_default()]);
    context.ui.data(&crate::ui::table(["output", "value"], rows))
}
