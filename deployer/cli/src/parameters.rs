//! The values of the parameters that `config` declares.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::DeployedStack;
use deployer_base::error::{Error, Message, Result};
use deployer_lang::Stack;
use deployer_syntax::number;
use serde_json::Value;

/// The value that CloudFormation returns for a parameter with `NoEcho`.
/// Source: AWS CloudFormation API Reference, `Parameter`.
pub const MASKED: &str = "****";

/// Returns the values that the parameters of the file get: that of the stack, else the default, else the one that the
/// deployed stack has.
///
/// # Errors
/// Returns [`Error::Usage`] if a parameter has none of them.
pub fn values(stack: &Stack, deployed: Option<&DeployedStack>) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for parameter in &stack.parameters {
        let name = &parameter.name;
        let there = || deployed.and_then(|stack| stack.parameters.get(name)).cloned();
        let hidden = is_hidden(&parameter.declaration);
        let value = match &parameter.value {
            Some(value) => Some(value.clone()),
            // The default is no secret, so that a value that is there was given.
            None if hidden => there().or_else(|| default(&parameter.declaration)),
            None => default(&parameter.declaration).or_else(there),
        };
        match value {
            Some(value) => drop(values.insert(name.clone(), value)),
            None => missing.push(name.as_str()),
        }
    }
    match missing.as_slice() {
        [] => Ok(values),
        [first, ..] => Err(Error::Usage(
            Message::new(format!("stack `{}` has no value for {}", stack.target.stack, missing.join(", ")))
                .hint(format!(
                    "set it under `stacks.{}.config`, or pass `--config {first}=…`",
                    stack.target.stack
                )),
        )),
    }
}

/// Returns whether CloudFormation tells nobody the value of a parameter.
pub fn is_hidden(declaration: &Value) -> bool {
    match &declaration["NoEcho"] {
        Value::Bool(hidden) => *hidden,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Returns the default of a parameter as text: values of parameters are texts.
fn default(declaration: &Value) -> Option<String> {
    match declaration.get("Default")? {
        Value::String(text) => match number::digits(&Value::String(text.clone())) {
            Some(digits) => Some(digits.into_owned()),
            None => Some(text.clone()),
        },
        other => Some(number::digits(other).map_or_else(|| other.to_string(), std::borrow::Cow::into_owned)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_texts_and_secrets_are_recognized() {
        assert_eq!(default(&json!({ "Default": "a" })).as_deref(), Some("a"));
        assert_eq!(default(&json!({ "Default": 5 })).as_deref(), Some("5"));
        assert_eq!(default(&json!({ "Default": true })).as_deref(), Some("true"));
        assert_eq!(default(&json!({})), None);
        assert!(is_hidden(&json!({ "NoEcho": true })) && is_hidden(&json!({ "NoEcho": "True" })));
        assert!(!is_hidden(&json!({ "NoEcho": "false" })) && !is_hidden(&json!({})));
    }
}
