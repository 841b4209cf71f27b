//! AWS's limits on the template of a stack: an error at the limit, a warning at 80 % of it.

use deployer_cfn::template::Template;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use serde_json::Value;

use crate::model::{ResourceType, Stack};

/// Limits of AWS CloudFormation User Guide, "Understand CloudFormation quotas": resources, outputs, bytes of a template
/// in S3.
const MAX_RESOURCES: usize = 500;
const MAX_OUTPUTS: usize = 200;
const MAX_TEMPLATE_BYTES: usize = 1_000_000;
/// Characters of all inline policies of a role, without white space: IAM User Guide, "IAM and AWS STS quotas".
const MAX_POLICY: usize = 10_240;
/// Lambda's environment in all: AWS Lambda Developer Guide, "Lambda quotas". The error that Lambda answers ("String
/// measured: …") shows that the variables are measured as JSON, in which a quote takes two bytes.
const MAX_ENVIRONMENT: usize = 4_096;
/// Bytes of a task definition: Amazon ECS Developer Guide, "Amazon ECS service quotas".
const MAX_TASK_DEFINITION: usize = 65_536;
/// Approximate length of a name, an ARN or an ID that CloudFormation fills in.
const REFERENCE: usize = 100;
/// Executions that Lambda keeps for functions without reserved concurrency: AWS Lambda Developer Guide, "Configuring
/// reserved concurrency for a function".
const UNRESERVED: i64 = 100;

pub(super) fn check(stack: &Stack, template: &Template, diagnostics: &mut Diagnostics) {
    for (what, count, most) in [
        ("resources", template.resources.len(), MAX_RESOURCES),
        ("outputs", template.outputs.len(), MAX_OUTPUTS),
        ("bytes", template.to_compact_json().len(), MAX_TEMPLATE_BYTES),
    ] {
        let message = format!("the template has {count} {what}");
        let help = format!("CloudFormation accepts at most {most}; divide the file into several");
        limit(("E0308", "W0401"), Span::default(), count, most, message, help, diagnostics);
    }
    for (_, resource) in &template.resources {
        let span = stack.resource(&resource.origin).map_or(Span::default(), |origin| origin.span);
        let origin = &resource.origin;
        match resource.kind {
            "AWS::IAM::Role" => {
                let policies = resource.properties["Policies"].as_array().into_iter().flatten();
                let size = policies.map(|policy| filled_size(&policy["PolicyDocument"])).sum();
                let message = format!("the policy of a role of `{origin}` has about {size} characters");
                let help = format!(
                    "IAM accepts at most {MAX_POLICY}; reduce the `access` of `{origin}`, or divide it"
                );
                limit(("E0314", "W0401"), span, size, MAX_POLICY, message, help, diagnostics);
            }
            "AWS::Lambda::Function" => {
                let variables = resource.properties["Environment"]["Variables"].as_object();
                let entry = |(name, value): (&String, &Value)| {
                    let value = value.as_str().map_or_else(|| filled_size(value) + 2, json_size);
                    json_size(name) + value + 2
                };
                let size = variables.into_iter().flatten().map(entry).sum();
                let message = format!("the environment of `{origin}` takes about {size} bytes");
                let help = format!(
                    "Lambda allows {MAX_ENVIRONMENT} bytes in total, including the settings of a worker, in which a quote takes two"
                );
                limit(("E0306", "W0401"), span, size, MAX_ENVIRONMENT, message, help, diagnostics);
            }
            "AWS::ECS::TaskDefinition" => {
                let size = filled_size(&resource.properties);
                let message = format!("the task definition of `{origin}` has about {size} bytes");
                let help = format!(
                    "ECS allows {MAX_TASK_DEFINITION} bytes, including the settings of a worker and its environment"
                );
                limit(("E0306", "W0401"), span, size, MAX_TASK_DEFINITION, message, help, diagnostics);
            }
            _ => {}
        }
    }
    concurrency(stack, diagnostics);
}

fn limit(
    (error, warning): (&'static str, &'static str),
    span: Span,
    count: usize,
    most: usize,
    message: String,
    help: String,
    diagnostics: &mut Diagnostics,
) {
    if count > most {
        diagnostics.push(Diagnostic::error(error, span, message).help(help));
    } else if count * 5 >= most * 4 {
        diagnostics.push(Diagnostic::warning(warning, span, message).help(help));
    }
}

/// Returns the number of bytes of a text as JSON.
fn json_size(text: &str) -> usize {
    Value::from(text).to_string().len()
}

/// Counts the characters of a value as JSON, once CloudFormation has filled it in.
fn filled_size(value: &Value) -> usize {
    match value {
        Value::Object(map) => match map.iter().next() {
            Some((name, Value::String(text))) if name == "Fn::Sub" && map.len() == 1 => {
                text.len() + text.matches("${").count() * REFERENCE / 4
            }
            Some((name, _)) if (name == "Ref" || name.starts_with("Fn::")) && map.len() == 1 => REFERENCE,
            _ => map.iter().map(|(key, inner)| key.len() + 4 + filled_size(inner)).sum::<usize>() + 1,
        },
        Value::Array(items) => items.iter().map(|item| filled_size(item) + 1).sum::<usize>() + 1,
        other => other.to_string().len(),
    }
}

/// Checks the sum of reserved concurrency against the concurrency that the account has, by the file.
fn concurrency(stack: &Stack, diagnostics: &mut Diagnostics) {
    let Some(limit) = stack.target.lambda_concurrency else { return };
    let mut sum = 0;
    for resource in &stack.resources {
        let ResourceType::Function(function) = &resource.is else { continue };
        let Some(own) = function.concurrency else { continue };
        sum += own;
        if sum + UNRESERVED > limit {
            let message = format!(
                "the functions up to `{}` reserve {sum} executions, but the account has {limit}",
                resource.name
            );
            diagnostics.push(Diagnostic::error("E0315", resource.span, message).help(format!(
                "Lambda keeps {UNRESERVED} for functions without reserved concurrency, which leaves {}; reserve less, or use `concurrency: unreserved`",
                (limit - UNRESERVED).max(0)
            )));
            return;
        }
    }
}
