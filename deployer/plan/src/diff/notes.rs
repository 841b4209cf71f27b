//! Remarks on a comparison: its limits, what CloudFormation refuses, and changes whose reach the resources don't show.

use serde_json::Value;

use super::{Diff, settings};
use crate::resolve::{self, Resources, is_dynamic, truthy};

/// Returns the remarks on a comparison of two templates.
pub(super) fn notes(
    diff: &Diff,
    a: &Resources<'_>,
    b: &Resources<'_>,
    templates: [&Value; 2],
) -> Vec<String> {
    let mut out = Vec::new();
    if templates.iter().any(|template| template.get("Transform").is_some()) {
        out.push(
            "macros (`Transform`) are not expanded here; CloudFormation's change set shows their result"
                .to_owned(),
        );
    }
    for change in &diff.resources {
        if let (Some(before), Some(after)) = (a.get(change.id.as_str()), b.get(change.id.as_str()))
            && before.kind != after.kind
        {
            out.push(format!(
                "CloudFormation refuses to change the type of `{}`; a resource of another type needs another logical id",
                change.id
            ));
        }
        if let Some(name) = &change.blocked_by_name {
            let name = name.trim_start_matches("Properties.");
            out.push(format!(
                "CloudFormation refuses to replace `{}` while its `{name}` stays the same; change or remove the name too",
                change.id
            ));
        }
    }
    out.extend(settings::of_roles(&diff.resources));
    let hidden: Vec<String> = templates[1]["Parameters"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, declaration)| !diff.new && truthy(&declaration["NoEcho"]))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if !hidden.is_empty() {
        out.push(format!("CloudFormation hides {}, so changes there are not detected", hidden.join(", ")));
    }
    if !diff.new && b.values().any(|resource| holds_dynamic(&resource.properties, 0)) {
        out.push(
            "values of `{{resolve:…}}` are not read here, so changes of them are not detected".to_owned(),
        );
    }
    out
}

/// Returns whether a value, or a part of it, is read from elsewhere during the deployment.
fn holds_dynamic(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => is_dynamic(text),
        Value::Array(items) if depth < resolve::MAX_DEPTH => {
            items.iter().any(|item| holds_dynamic(item, depth + 1))
        }
        Value::Object(map) if depth < resolve::MAX_DEPTH => {
            map.values().any(|inner| holds_dynamic(inner, depth + 1))
        }
        _ => false,
    }
}
