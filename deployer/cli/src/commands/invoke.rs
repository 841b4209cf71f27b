//! `deployer invoke`.

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::lambda::{self, Invocation};
use deployer_base::error::{Error, Message, Result};
use deployer_lang::model::{ResourceType, Stack};
use deployer_syntax::json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::r#match::{given, invalid};
use crate::context::Context;
use crate::pipeline::physical;

/// Bytes of the event of an invocation that is waited for: AWS Lambda Developer Guide, "Lambda quotas".
const MAX_EVENT: usize = 6 << 20;
/// Bytes of an error of a function that are shown.
const SHOWN: usize = 2_000;

/// Invoke a function of a deployed stack with an event, and show its answer and the end of its log
///
/// The function does what it does for any other event. Exits with 1 if it fails.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function
    function: String,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Event as JSON, or `@FILE`
    #[arg(long, value_name = "EVENT", default_value = "{}")]
    event: String,
}

/// An answer of a function.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FunctionAnswer<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Name of the function in the file.
    function: &'a str,
    /// What the function has returned; null if it has failed.
    answer: Option<&'a Value>,
    /// The error with which the function has failed, as its runtime describes it; null if it has not failed.
    error: Option<&'a Value>,
    /// The lines of the last 4 KiB of its log.
    log: Vec<&'a str>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    check_function(&stack, &args.function)?;
    let event = event(&args.event)?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = cloudformation.resources(&stack.name).await?;
    let physical = physical(&resources, &stack, &args.function)?;
    context.on_interrupt("the function may still run", "`deployer logs` shows what it does");
    let Invocation { payload, failed, log } = lambda::invoke(&session, physical, &event).await?;
    let text = String::from_utf8_lossy(&payload);
    // A runtime of one's own may return anything.
    let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(&*text));
    if context.ui.is_json() {
        context.ui.json(FunctionAnswer {
            stack: &stack.name,
            function: &args.function,
            answer: (!failed).then_some(&value),
            error: failed.then_some(&value),
            log: log.lines().collect(),
        })?;
    } else {
        for line in log.lines() {
            context.ui.note(deployer_base::text::harmless(line));
        }
        if !failed {
            context.ui.data(&format!("{value:#}\n"))?;
        }
    }
    match failed {
        true => Err(Error::failed_with_hint(
            format!("`{}` has failed: {}", args.function, described(&value)),
            format!("`deployer logs {}` shows its whole log", args.function),
        )),
        false => Ok(()),
    }
}

/// Returns the error of a function in a line: its type and message, where its runtime tells them.
fn described(error: &Value) -> String {
    let member = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // The runtime of Rust calls an error without a type of its own by the type of its box.
    let kind = member("errorType").filter(|kind| !kind.contains("Box<dyn "));
    let text = match (kind, member("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(text)) | (Some(text), None) => text.to_owned(),
        (None, None) => error.to_string(),
    };
    text.chars().take(SHOWN).collect()
}

/// Reads an event, which must be JSON.
fn event(text: &str) -> Result<String> {
    let source = given("--event", text)?;
    if let Err(problem) = json::parse(&source.text) {
        let error = invalid(&source, problem.at, problem.message);
        return Err(match (error, std::path::Path::new(text).is_file()) {
            (Error::Usage(message), true) => {
                Error::Usage(message.hint(format!("`@{text}` is the event in the file {text}")))
            }
            (error, _) => error,
        });
    }
    if source.text.len() > MAX_EVENT {
        return Err(Error::Usage(Message::new(format!(
            "the event has {} bytes, but Lambda takes {MAX_EVENT} at most",
            source.text.len()
        ))));
    }
    Ok(source.text)
}

fn check_function(stack: &Stack, name: &str) -> Result<()> {
    let functions: Vec<&str> = stack.functions().map(|(resource, _)| resource.name.as_str()).collect();
    if functions.contains(&name) {
        return Ok(());
    }
    let is_other =
        stack.resources.iter().any(|one| one.name == name && !matches!(one.is, ResourceType::Function(_)));
    let text = match is_other {
        true => format!("`{name}` is not a function"),
        false => format!("no function is named `{name}`"),
    };
    Err(Error::Usage(Message::new(text).hint(match functions.is_empty() {
        true => "the stack has no function".to_owned(),
        false => format!("the stack has {}", functions.join(", ")),
    })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_told_as_far_as_the_runtime_tells_it() {
        assert_eq!(described(&json!({ "errorType": "E", "errorMessage": "m", "stackTrace": [] })), "E: m");
        assert_eq!(described(&json!({ "errorMessage": "m" })), "m");
        assert_eq!(described(&json!({ "errorType": "E", "errorMessage": "" })), "E");
        let boxed = "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>";
        assert_eq!(described(&json!({ "errorType": boxed, "errorMessage": "m" })), "m");
        assert_eq!(described(&json!("exit status 1")), "\"exit status 1\"");
        assert_eq!(described(&json!({ "errorMessage": "é".repeat(9_000) })).chars().count(), SHOWN);
    }

    #[test]
    fn an_event_is_json_of_the_size_that_lambda_takes() {
        assert_eq!(event("{}").expect("an event"), "{}");
        for (text, problem) in
            [("{", "--event:1:2"), ("event.json", "--event:1:1"), ("@no such file", "there is no file")]
        {
            let error = event(text).expect_err("not an event");
            assert!(matches!(&error, Error::Usage(message) if message.text.contains(problem)), "{error:?}");
        }
        let large = format!("\"{}\"", "x".repeat(MAX_EVENT));
        assert!(
            matches!(event(&large), Err(Error::Usage(message)) if message.text.contains("takes 6291456 at most"))
        );
    }
}
