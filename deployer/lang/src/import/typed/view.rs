//! A template that is looked at, and what its forms have in common.

use serde_json::{Map, Value};

use super::rows::put;
use super::text::Names;

/// A template that is looked at.
pub(super) struct View<'t> {
    /// `Resources` of the template.
    pub(super) resources: &'t Map<String, Value>,
    /// The names of those that may have a type.
    pub(super) names: Names,
    /// The name of the stack.
    pub(super) stack: String,
}

impl View<'_> {
    /// Returns the properties of a resource; null if there is none of this logical ID.
    pub(super) fn properties(&self, id: &str) -> &Value {
        self.resources.get(id).map_or(&Value::Null, |resource| &resource["Properties"])
    }

    /// Returns the type of a resource in the template; an empty text if there is none of this logical ID.
    pub(super) fn kind(&self, id: &str) -> &str {
        self.resources.get(id).and_then(|resource| resource["Type"].as_str()).unwrap_or_default()
    }
}

/// Sets a property if there is a value for it.
pub(super) fn put_some(out: &mut Map<String, Value>, path: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        put(out, path, value);
    }
}

/// Returns the entries of a list; none if the value is not a list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
