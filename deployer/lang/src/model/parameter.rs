//! `type: parameter`.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::secrets;
use deployer_syntax::yaml::shorten;

use super::access::Verb;
use super::code::one_of_these;
use super::definition::{Definition, Drawing};
use super::flow::Role;
use super::properties::{AnyText, Boolean, Properties, Str};
use super::{Resource, Stack, Text, TextPart};

/// A parameter of Systems Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A parameter that the stack creates.
    New(New),
    /// An existing parameter.
    Existing(Existing),
}

/// A parameter that the stack creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Its value.
    pub value: Text,
    /// Description of the parameter.
    pub description: Option<String>,
}

/// An existing parameter of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name.
    pub name: String,
    /// ARN of the customer key that encrypts its value, if one does.
    pub encryption_key: Option<Text>,
}

/// Limits of a standard parameter, in bytes and characters: AWS Systems Manager API reference, `PutParameter`. The
/// fully qualified name includes the ARN before it, which has at most 50 characters.
const MAX_VALUE: usize = 4_096;
const MAX_DESCRIPTION: usize = 1_024;
const MAX_NAME: usize = 1_011 - 50;
/// Beginnings of names that AWS reserves: AWS Systems Manager User Guide, "Understanding parameter name requirements
/// and constraints".
const RESERVED: [&str; 2] = ["aws", "ssm"];

impl Definition for Parameter {
    const DESCRIPTION: &'static str = "A parameter of Systems Manager: a text for the stack's code and for others; or an existing one, which may be secure.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "parameter name"), ("arn", "ARN")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Read, "the value of a parameter")];
    const DRAWING: Drawing = Drawing::IfConnected(Role::Store);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let value =
            properties.field("value", "Its value, at most 4,096 bytes. Not for secrets.", AnyText).optional();
        let description = properties.field("description", "Description of the parameter.", Str).optional();
        let existing = properties
            .field(
                "existing",
                "Name of an existing parameter of the account, such as `/shop/token`; the stack creates none.",
                Str,
            )
            .optional();
        let secure = properties
            .field("secure", "With `existing`: the value is encrypted (a SecureString).", Boolean)
            .or(false);
        let encryption_key = properties
            .field(
                "encryptionKey",
                "With `secure`: ARN of the customer key that encrypts the value, such as `${key}`; by default it is AWS's own, \
                 which needs no permission.",
                AnyText,
            )
            .optional();
        // CloudFormation can't create one: AWS CloudFormation Template Reference, `AWS::SSM::Parameter`, `Type`.
        if secure && !properties.has("existing") {
            let span = properties.span_of("secure");
            properties.report(
                Diagnostic::error("E0107", span, "CloudFormation can't create a secure parameter").help(
                    "create it by `aws ssm put-parameter --type SecureString`, and write `existing: /its/name` instead of `value`",
                ),
            );
        } else {
            one_of_these(properties, &["value", "existing"], "value: https://example.com");
        }
        if properties.has("description") && properties.has("existing") {
            let span = properties.span_of("description");
            properties.report(
                Diagnostic::error("E0107", span, "`description` cannot be used with `existing`")
                    .help("remove it"),
            );
        }
        if properties.has("encryptionKey") && !secure && properties.is_sound() {
            let span = properties.span_of("encryptionKey");
            properties.report(
                Diagnostic::error("E0107", span, "`encryptionKey` can only be used with `secure: true`")
                    .help("the value of another parameter is not encrypted with a key of yours; remove it"),
            );
        }
        if description.as_ref().is_some_and(|description| description.chars().count() > MAX_DESCRIPTION) {
            let span = properties.span_of("description");
            properties.report(
                Diagnostic::error("E0104", span, "the description is too long")
                    .help(format!("Systems Manager accepts at most {MAX_DESCRIPTION} characters")),
            );
        }
        if let Some(value) = &value {
            check_value(properties, value);
        }
        if let Some(key) = &encryption_key {
            check_key(properties, key);
        }
        if let Some(name) = &existing {
            let span = properties.span_of("existing");
            check_name(properties, name, span);
        }
        match (value, existing) {
            (_, Some(name)) => Some(Self::Existing(Existing { name, encryption_key })),
            (value, None) => Some(Self::New(New { value: value?, description })),
        }
    }

    fn check(&self, stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
        let Self::New(new) = self else { return };
        // Its name begins with that of the stack.
        if let Some(word) = reserved(&stack.name) {
            let message = format!("a parameter of the stack `{}` can't have a name", stack.name);
            diagnostics.push(Diagnostic::error("E0108", resource.span, message).help(format!(
                "names of parameters begin with that of the stack, and AWS reserves those with `{word}`; rename the file's `name`"
            )));
        }
        if secrets::is_secret_name(&resource.name)
            && new.value.parts.iter().all(|part| matches!(part, TextPart::Literal(_)))
        {
            diagnostics.push(secrets::by_name(&resource.name, new.value.span));
        }
    }
}

/// Returns the reserved word with which a name begins, if AWS does not accept it.
fn reserved(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    RESERVED.into_iter().find(|word| name.starts_with(word))
}

fn check_value(properties: &mut Properties<'_>, value: &Text) {
    let literals = value.parts.iter().filter_map(|part| match part {
        TextPart::Literal(text) => Some(text.as_str()),
        _ => None,
    });
    let literal: String = literals.collect();
    if literal.contains("{{resolve:") {
        properties.report(
            Diagnostic::error("E0311", value.span, "a parameter would hold a secret in plain text")
                .help("name the place where the secret is stored instead: `existing: /its/name` with `secure: true`"),
        );
    }
    if value.parts.iter().all(|part| matches!(part, TextPart::Literal(_))) && literal.is_empty() {
        properties.report(
            Diagnostic::error("E0104", value.span, "the value is empty")
                .help("Systems Manager accepts no empty value; remove the parameter"),
        );
    }
    if literal.len() > MAX_VALUE {
        properties.report(
            Diagnostic::error(
                "E0104",
                value.span,
                format!("the value is too long: {} bytes", literal.len()),
            )
            .help(format!(
                "a standard parameter has at most {MAX_VALUE}; `type: AWS::SSM::Parameter` with `Tier: Advanced` has twice as many"
            )),
        );
    }
}

/// Checks that a key is named by its ARN: IAM allows nothing on an alias.
fn check_key(properties: &mut Properties<'_>, key: &Text) {
    if let [TextPart::Literal(text)] = key.parts.as_slice()
        && !(text.starts_with("arn:") && text.contains(":key/"))
    {
        properties.report(
            Diagnostic::error("E0108", key.span, format!("`{}` is not the ARN of a key", shorten(text)))
                .help("`${key}` of a key of the stack, or `arn:aws:kms:REGION:ACCOUNT:key/ID`"),
        );
    }
}

/// Checks the name of an existing parameter, which can't be one of AWS: those are read under an ARN without an account,
/// or elsewhere.
fn check_name(properties: &mut Properties<'_>, name: &str, span: Span) {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(letter)
        && !name.trim_matches('/').is_empty()
        && (!name.contains('/') || name.starts_with('/'));
    if !fits {
        properties.report(
            Diagnostic::error("E0108", span, format!("`{}` can't be the name of a parameter", shorten(name)))
                .help(
                    "letters, digits, `.`, `_` and `-`, and `/` before each part of a path, such as `/shop/token`",
                ),
        );
    } else if let Some(word) = reserved(name) {
        properties.report(
            Diagnostic::error(
                "E0108",
                span,
                format!("`{}` is not a parameter of the account", shorten(name)),
            )
            .help(format!("AWS reserves names with `{word}`; allow the actions on it by `statements`")),
        );
    }
}
