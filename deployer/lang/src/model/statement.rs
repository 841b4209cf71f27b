//! `statements:` entries: permissions that `access` has no verb for, in IAM's own words.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::Text;
use super::json::{Json, JsonMapping};
use super::properties::{AnyText, List, Properties, Str};

/// One `statements` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Actions, such as `sqs:ReceiveMessage`.
    pub actions: Vec<String>,
    /// ARNs, which may contain `*`.
    pub resources: Vec<Text>,
    /// `Condition` of the statement.
    pub condition: Option<Json>,
}

impl Statement {
    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let actions = properties
            .field("actions", "Actions that are allowed, such as `s3:ListBucket`.", List(Str))
            .required();
        let resources = properties
            .field(
                "resources",
                "ARNs of the resources that they are allowed on, such as `${landing.arn}`.",
                List(AnyText),
            )
            .required();
        let condition = properties
            .field(
                "condition",
                "Conditions under which they are allowed: `Condition` of IAM.",
                JsonMapping::Part,
            )
            .optional();
        for (name, count) in
            [("actions", actions.as_ref().map(Vec::len)), ("resources", resources.as_ref().map(Vec::len))]
        {
            if count == Some(0) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0106", span, format!("`{name}` is empty"))
                        .help("name at least one, or remove the statement"),
                );
            }
        }
        for action in actions.iter().flatten().filter(|action| !is_action(action)) {
            let span = properties.span_of("actions");
            properties.report(
                Diagnostic::error("E0111", span, format!("`{}` is not an action of IAM", shorten(action)))
                    .help("`service:Action`, such as `s3:ListBucket`; `*` is allowed after the colon, beside letters"),
            );
        }
        Some(Self { actions: actions?, resources: resources?, condition })
    }
}

/// Returns whether a text is an action, such as `s3:ListBucket` or `dynamodb:Describe*`; all actions of a service, or
/// of all, are too many to be meant.
fn is_action(text: &str) -> bool {
    let Some((service, action)) = text.split_once(':') else { return false };
    let service_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let action_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'*';
    !service.is_empty()
        && service.bytes().all(service_byte)
        && action.bytes().all(action_byte)
        && action.bytes().any(|byte| byte.is_ascii_alphabetic())
}
