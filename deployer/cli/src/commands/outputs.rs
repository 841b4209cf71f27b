//! `deployer outputs`.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::{CloudFormation, DeployedStack};
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::OutputValues;
use deployer_base::ui::Output;
use deployer_lang::Stack;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::context::Context;

/// Show the outputs of a deployed stack
///
/// `--output env` prints them as shell variables: `eval "$(deployer outputs --output env)"`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
}

/// The outputs of a deployed stack.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outputs<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Its outputs.
    #[schemars(with = "OutputValues")]
    outputs: Map<String, Value>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let session = context.connect(&stack.target).await?;
    let deployed = deployed(&CloudFormation::new(&session), &stack).await?;
    if context.ui.is_json() {
        return context.ui.json(Outputs { stack: &deployed.name, outputs: values(&stack, &deployed) });
    }
    if context.ui.output == Output::Env {
        return context.ui.data(&assignments(&values(&stack, &deployed))?);
    }
    show(context, &stack, &deployed)
}

/// Returns `NAME='value'` for each output, in which a shell finds nothing to expand.
///
/// # Errors
/// Returns [`Error::Failed`] if two outputs would have the same name.
fn assignments(values: &Map<String, Value>) -> Result<String> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut out = String::new();
    for (output, value) in values {
        let name = variable(output);
        let value = value.as_str().unwrap_or_default().replace('\'', r"'\''");
        out.push_str(&format!("{name}='{value}'\n"));
        if let Some(other) = taken.insert(name.clone(), output) {
            return Err(Error::failed_with_hint(
                format!("the outputs `{other}` and `{output}` would both be the shell variable {name}"),
                "rename one of them, or use `--output json`",
            ));
        }
    }
    Ok(out)
}

/// Returns a name in the form of variables: `queueUrl` and `queue-url` become `QUEUE_URL`.
fn variable(output: &str) -> String {
    let mut name = String::new();
    let mut after_small = false;
    for letter in output.chars() {
        if letter.is_ascii_uppercase() && after_small {
            name.push('_');
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        name.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' });
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Returns the deployed stack.
///
/// # Errors
/// Returns [`Error::Failed`] if the stack is not deployed.
pub async fn deployed(cloudformation: &CloudFormation, stack: &Stack) -> Result<DeployedStack> {
    cloudformation.describe(&stack.name).await?.ok_or_else(|| {
        Error::Failed(
            Message::new(format!("the stack {} is not deployed", stack.name))
                .hint(format!("run `deployer deploy {}`", stack.target.stack)),
        )
    })
}

/// Returns the outputs under the names that the file gives them.
#[must_use]
pub fn values(stack: &Stack, deployed: &DeployedStack) -> Map<String, Value> {
    stack
        .outputs
        .iter()
        .filter_map(|(name, _)| {
            let id = stack.output_id(name);
            let (_, value) = deployed.outputs.iter().find(|(key, _)| *key == id)?;
            Some((name.clone(), Value::from(value.as_str())))
        })
        .collect()
}

/// Shows one output per line.
pub fn show(context: &Context, stack: &Stack, deployed: &DeployedStack) -> Result<()> {
    let rows = values(stack, deployed)
        .into_iter()
        .map(|(name, value)| [name, value.as_str().map(str::to_owned).unwrap_or_default()]);
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    context.ui.data(&deployer_base::ui::table(["output", "value"], rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shell_finds_nothing_to_expand() {
        let outputs =
            json!({ "queueUrl": "http://x/?a=$HOME&b=`id`", "table-name": "it's", "2nd": "a\nb", "ARN": "" });
        let outputs = outputs.as_object().expect("an object").clone();
        let expected = "QUEUE_URL='http://x/?a=$HOME&b=`id`'\nTABLE_NAME='it'\\''s'\n_2ND='a\nb'\nARN=''\n";
        assert_eq!(assignments(&outputs).expect("names that differ"), expected);
        let outputs = json!({ "a-b": "", "aB": "" }).as_object().expect("an object").clone();
        let error = assignments(&outputs).expect_err("two with the same name").message().expect("a message");
        assert_eq!(error.text, "the outputs `a-b` and `aB` would both be the shell variable A_B");
    }
}
