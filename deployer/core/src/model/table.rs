//! `type: table`.

use super::properties::{Choice, Map, Properties};
use crate::diagnostic::Diagnostic;
use crate::yaml::shorten;

/// What the type is.
pub const DESCRIPTION: &str = "A DynamoDB table: on demand, encrypted, with point-in-time recovery.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("name", "table name"), ("arn", "ARN")];

/// Amazon DynamoDB Developer Guide, "Quotas": attribute names that are keys. No comma, since the worker gets a list.
const MAX_KEY_NAME: usize = 255;

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Key attributes and their types: the partition key, then the sort key if there is one.
    pub key: Vec<(String, KeyType)>,
}

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `S`.
    String,
    /// `N`.
    Number,
    /// `B`.
    Binary,
}

impl KeyType {
    /// DynamoDB's letter for it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

impl Table {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let types =
            Choice(&[("string", KeyType::String), ("number", KeyType::Number), ("binary", KeyType::Binary)]);
        let key = properties
            .field(
                "key",
                "The partition key, and a sort key if there is one, such as `{ id: string }`.",
                Map(types),
            )
            .required();
        if key.as_ref().is_some_and(|key| !(1..=2).contains(&key.len())) {
            let span = properties.span_of("key");
            properties.report(
                Diagnostic::error("E0106", span, "a table has one or two key attributes")
                    .help("write the partition key first, then the sort key"),
            );
        }
        for (name, _) in key.iter().flatten() {
            if name.is_empty() || name.len() > MAX_KEY_NAME || name.contains(',') {
                let span = properties.span_of("key");
                properties.report(
                    Diagnostic::error(
                        "E0108",
                        span,
                        format!("`{}` can't be the name of a key attribute", shorten(name)),
                    )
                    .help(format!("1 to {MAX_KEY_NAME} bytes, without a comma")),
                );
            }
        }
        Some(Self { key: key? })
    }
}
