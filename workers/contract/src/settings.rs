//! The `settings` of each worker, as they stand in `stack.yaml` and reach the worker in [`crate::environment::SETTINGS`].

use serde::{Deserialize, Serialize};

/// Settings of the worker `transform`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSettings {
    /// The item's attributes, in the order of the file: attribute name and where its value comes from.
    pub fields: Vec<FieldSettings>,
}

/// One attribute of the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSettings {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the CSV. Matched exactly, else without regard to case.
    pub from: String,
    /// Whether a row without a value fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Value when the column is missing or the value empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
