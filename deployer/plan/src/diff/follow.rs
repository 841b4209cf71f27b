//! Changes that follow from the replacement of a resource that is referred to.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::references;
use serde_json::Value;

use super::canonical::{canonical, is_expression};
use super::values::{Step, keyed, schema_path, shown};
use super::{ChangeKind, Forces, PropertyChange, ResourceChange, forces, place_of};
use crate::resolve::{MAX_DEPTH, Resources};

/// Follows replacements to everything that refers to a replaced resource, until nothing more changes. Returns the IDs
/// of the resources that are certainly replaced.
///
/// A resource that is updated in place keeps its name and its attributes, as far as can be known before.
pub(super) fn follow(changes: &mut [ResourceChange], after: &Resources<'_>) -> BTreeSet<String> {
    let places: BTreeMap<String, usize> =
        changes.iter().enumerate().map(|(at, change)| (change.id.clone(), at)).collect();
    let mut waiting: Vec<usize> = (0..changes.len()).filter(|at| spreads(&changes[*at])).collect();
    if !waiting.is_empty() {
        let mut referrers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (id, resource) in after {
            references(&resource.properties, &mut |to| {
                if let Some((to, _)) = places.get_key_value(to) {
                    referrers.entry(to).or_default().insert(id);
                }
            });
        }
        let mut told: BTreeMap<(usize, usize), Forces> = BTreeMap::new();
        while let Some(at) = waiting.pop() {
            let (cause, level) = (changes[at].id.clone(), changes[at].replacement);
            for referrer in referrers.get(cause.as_str()).into_iter().flatten() {
                let Some(to) = places.get(*referrer).copied().filter(|to| *to != at) else { continue };
                if !matches!(changes[to].action, ChangeKind::Keep | ChangeKind::Update | ChangeKind::Replace)
                {
                    continue;
                }
                // Each resource is told at most twice: that the replacement is possible, and that it is certain.
                if told.get(&(at, to)).is_some_and(|known| *known >= level) {
                    continue;
                }
                told.insert((at, to), level);
                let Some(resource) = after.get(referrer) else { continue };
                let properties = canonical(&resource.properties, place_of(&resource.kind), "Properties");
                if tell(&mut changes[to], &properties, &cause, level) {
                    waiting.push(to);
                }
            }
        }
    }
    changes
        .iter()
        .filter(|change| change.action == ChangeKind::Replace)
        .map(|change| change.id.clone())
        .collect()
}

/// Returns whether the values that refer to it change, or may change.
fn spreads(change: &ResourceChange) -> bool {
    matches!(change.replacement, Forces::Always | Forces::Conditional)
        && matches!(change.action, ChangeKind::Replace | ChangeKind::Update)
}

/// Adds the properties that change because of `cause`. Returns whether the resource is now to be replaced, and was not.
fn tell(change: &mut ResourceChange, properties: &Value, cause: &str, level: Forces) -> bool {
    let before = change.replacement;
    let kind = change.kind.clone();
    let mut found = Vec::new();
    mentions(properties, &mut vec![Step::Member("Properties".to_owned())], cause, &mut found);
    for (path, value) in found {
        let name = shown(&path);
        let replacement = match forces(&kind, &schema_path(&path)) {
            // The replacement is only possible, because that of its cause is.
            certain if level == Forces::Always => certain,
            own => own.min(Forces::Conditional),
        };
        match change.changes.iter_mut().find(|known| {
            known.path == name
                || name.strip_prefix(&known.path).is_some_and(|rest| rest.starts_with(['.', '[']))
        }) {
            // A property that changes anyway needs no other cause, but its replacement may be more certain now.
            Some(known) => known.replacement = known.replacement.max(replacement),
            None => change.changes.push(PropertyChange {
                path: name,
                before: Some(value.clone()),
                after: Some(value),
                replacement,
                because: Some(cause.to_owned()),
            }),
        }
        change.replacement = change.replacement.max(replacement);
    }
    if change.action == ChangeKind::Keep && !change.changes.is_empty() {
        change.action = ChangeKind::Update;
    }
    if change.replacement == Forces::Always {
        change.action = ChangeKind::Replace;
    }
    change.replacement > before && spreads(change)
}

/// Collects the expressions that refer to `cause`, with their paths.
fn mentions(value: &Value, path: &mut Vec<Step>, cause: &str, found: &mut Vec<(Vec<Step>, Value)>) {
    if path.len() > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(_) if is_expression(value) => {
            let mut refers = false;
            references(value, &mut |to| refers |= to == cause);
            if refers {
                found.push((path.clone(), value.clone()));
            }
        }
        Value::Object(map) => {
            for (name, inner) in map {
                path.push(Step::Member(name.clone()));
                mentions(inner, path, cause, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            let names = keyed(items).map(|(_, entries)| entries);
            for (index, item) in items.iter().enumerate() {
                let name = names.as_ref().and_then(|names| names.get(index));
                path.push(Step::Item(name.map_or_else(|| index.to_string(), |(name, _)| (*name).to_owned())));
                mentions(item, path, cause, found);
                path.pop();
            }
        }
        _ => {}
    }
}
