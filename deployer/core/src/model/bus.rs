//! `type: bus`.

use super::properties::{Properties, Str};
use crate::diagnostic::Diagnostic;
use crate::yaml::shorten;

/// What the type is.
pub const DESCRIPTION: &str = "An EventBridge event bus of the stack's own.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "event bus name"), ("arn", "ARN")];

/// An EventBridge event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// `source` of the events that the stack's workers publish on it.
    pub source: String,
}

impl Bus {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let source = properties
            .field("source", "The `source` of the events that this stack's workers publish.", Str)
            .or(contract::SOURCE.to_owned());
        // Amazon EventBridge API reference, `PutEventsRequestEntry`; sources that begin with `aws.` are AWS's own.
        if source.is_empty() || source.len() > 256 || source.starts_with("aws.") {
            let span = properties.span_of("source");
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` can't be the source of events", shorten(&source)),
                )
                .help("1 to 256 bytes, and not `aws.…`"),
            );
        }
        Some(Self { source })
    }
}
