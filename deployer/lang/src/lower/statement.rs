//! `statements:` → statements of a role's policy.

use serde_json::{Value, json};

use super::{filled, late_value};
use crate::iam;
use crate::model::Stack;
use crate::model::statement::Statement;

/// Returns the statements of the file, by their place in the list.
pub(super) fn statements(stack: &Stack, statements: &[Statement]) -> Vec<Value> {
    let one = |(index, statement): (usize, &Statement)| {
        let resources: Vec<Value> =
            statement.resources.iter().map(|resource| late_value(stack, resource)).collect();
        let actions: Vec<&str> = statement.actions.iter().map(String::as_str).collect();
        let mut out = iam::allow(&format!("Statement{}", index + 1), &actions, json!(resources));
        if let Some(condition) = &statement.condition {
            out["Condition"] = filled(stack, condition);
        }
        out
    };
    statements.iter().enumerate().map(one).collect()
}
