//! The changes beside the resources: outputs, parameters, tags, and the rest of the template.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::stack_settings;
use deployer_cfn::template::references;
use serde_json::{Map, Value, json};

use super::canonical::{At, canonical};
use super::values::{Step, differences, shown};
use super::{ChangeKind, CodeChange, ValueChange, names};
use crate::resolve::{Resolver, Side, Truth, scalar_text, truthy};

/// Compares two values; `None` if they are the same.
fn value_change(name: &str, before: Option<Value>, after: Option<Value>) -> Option<ValueChange> {
    let action = match (&before, &after) {
        (None, None) => return None,
        (None, Some(_)) => ChangeKind::Create,
        (Some(_), None) => ChangeKind::Delete,
        (Some(a), Some(b)) if a == b => return None,
        (Some(_), Some(_)) => ChangeKind::Update,
    };
    Some(ValueChange { name: name.to_owned(), action, before, after, because: None })
}

/// Returns the changes of outputs.
pub(super) fn outputs(
    old: &Resolver<'_>,
    new: &Resolver<'_>,
    replaced: &BTreeSet<String>,
) -> Vec<ValueChange> {
    let all = |side: &Resolver<'_>| -> BTreeMap<String, Value> {
        let there = side.section("Outputs").filter(|(_, output)| {
            output["Condition"].as_str().is_none_or(|name| side.condition(name) != Truth::No)
        });
        let output = |(name, output): (&str, &Value)| {
            let mut output = side.value(output);
            // A condition that holds is the same as none.
            if let Some(map) = output.as_object_mut() {
                map.retain(|key, value| {
                    key != "Condition"
                        || value.as_str().is_none_or(|name| side.condition(name) == Truth::Unknown)
                });
            }
            (name.to_owned(), canonical(&output, At::json(), ""))
        };
        there.map(output).collect()
    };
    let (before, after) = (all(old), all(new));
    let mut out = Vec::new();
    for name in
        names(new.section("Outputs").map(|(name, _)| name), old.section("Outputs").map(|(name, _)| name))
    {
        let (a, b) = (before.get(name), after.get(name));
        let part =
            |output: Option<&Value>| output.map(|output| output.get("Value").unwrap_or(output).clone());
        match value_change(name, a.cloned(), b.cloned()) {
            Some(change) if change.action == ChangeKind::Update && part(a) != part(b) => {
                out.extend(value_change(name, part(a), part(b)));
            }
            // Its description, export or condition alone.
            Some(change) if change.action == ChangeKind::Update => {
                let nothing = Value::Null;
                let (a, b) = (a.unwrap_or(&nothing), b.unwrap_or(&nothing));
                let found = differences(a, b, At::json(), vec![Step::Member(name.to_owned())]);
                out.extend(
                    found
                        .into_iter()
                        .filter_map(|one| value_change(&shown(&one.path), one.before, one.after)),
                );
            }
            Some(change) => out.push(ValueChange { before: part(a), after: part(b), ..change }),
            None => {
                let mut because = None;
                references(b.unwrap_or(&Value::Null), &mut |to| {
                    if because.is_none() && replaced.contains(to) {
                        because = Some(to.to_owned());
                    }
                });
                if because.is_some() {
                    let (name, action) = (name.to_owned(), ChangeKind::Update);
                    out.push(ValueChange { name, action, before: part(a), after: part(b), because });
                }
            }
        }
    }
    out
}

/// Returns the changes of parameters, without those that name code.
pub(super) fn parameters(old: &Side<'_>, new: &Side<'_>, code: &[CodeChange]) -> Vec<ValueChange> {
    let declared = |side: &Side<'_>, name: &str| side.template["Parameters"].get(name).is_some();
    let hidden =
        |name: &str| [old, new].iter().any(|side| truthy(&side.template["Parameters"][name]["NoEcho"]));
    let value = |side: &Side<'_>, other: Option<&Side<'_>>, name: &str| {
        let default = || scalar_text(side.template["Parameters"][name].get("Default")?);
        let given = side.parameters.get(name).cloned().or_else(default);
        let known = given.or_else(|| other?.parameters.get(name).cloned());
        declared(side, name).then(|| match hidden(name) {
            true => json!("****"),
            false => known.map_or(Value::Null, |text| json!(text)),
        })
    };
    let of = |side: &Side<'_>| -> Vec<String> {
        side.template["Parameters"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (b, a) = (of(new), of(old));
    names(b.iter().map(String::as_str), a.iter().map(String::as_str))
        .filter(|name| !code.iter().any(|code| code.parameter == *name))
        .filter_map(|name| value_change(name, value(old, None, name), value(new, Some(old), name)))
        .collect()
}

/// Returns the changes of the tags of the stack.
pub(super) fn tags(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<ValueChange> {
    let text = |tags: &BTreeMap<String, String>, name: &str| tags.get(name).map(|text| json!(text));
    names(after.keys().map(String::as_str), before.keys().map(String::as_str))
        .filter_map(|name| value_change(name, text(before, name), text(after, name)))
        .collect()
}

/// Returns the changes of the other parts of a template, without those that are resolved everywhere: maps, known
/// conditions, defaults.
pub(super) fn rest(
    old: &Resolver<'_>,
    new: &Resolver<'_>,
    before: &Side<'_>,
    after: &Side<'_>,
) -> Vec<ValueChange> {
    let part = |side: &Resolver<'_>, template: &Value| {
        let mut out = Map::new();
        for (name, value) in template.as_object().into_iter().flatten() {
            let value = match name.as_str() {
                // There is one version, whether a template names it or not.
                "Resources" | "Outputs" | "Mappings" | "AWSTemplateFormatVersion" => continue,
                // The tags and the topics of the stack are listed themselves.
                "Metadata" => {
                    let mut metadata = value.clone();
                    if let Some(members) = metadata.as_object_mut() {
                        members.remove(stack_settings::SECTION);
                    }
                    metadata
                }
                "Conditions" => side
                    .section("Conditions")
                    .filter(|(name, _)| side.condition(name) == Truth::Unknown)
                    .map(|(name, value)| (name.to_owned(), side.value(value)))
                    .collect(),
                "Parameters" => side
                    .section("Parameters")
                    .map(|(name, declaration)| {
                        let mut declaration = declaration.clone();
                        if let Some(map) = declaration.as_object_mut() {
                            map.retain(|key, _| key != "Default" && key != "Description");
                        }
                        (name.to_owned(), declaration)
                    })
                    .collect(),
                _ => value.clone(),
            };
            if value != json!({}) {
                out.insert(name.clone(), value);
            }
        }
        canonical(&Value::Object(out), At::json(), "")
    };
    let (a, b) = (part(old, before.template), part(new, after.template));
    let found = differences(&a, &b, At::json(), Vec::new());
    // A parameter that comes or goes is listed as such.
    let listed = |path: &[Step]| {
        matches!(path, [Step::Member(section), _] if section == "Parameters")
            || matches!(path, [Step::Member(section)] if section == "Parameters")
    };
    found
        .into_iter()
        .filter(|found| !listed(&found.path))
        .filter_map(|found| value_change(&shown(&found.path), found.before, found.after))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use crate::diff::{PseudoParameters, Side, compare};

    #[test]
    fn a_template_that_names_its_version_is_the_same_as_one_that_does_not() {
        let none = BTreeMap::new();
        let pseudo = PseudoParameters::default();
        let compared = |before: &serde_json::Value, after: &serde_json::Value| {
            let side = |template| Side { template, parameters: &none, tags: &none };
            compare(Some(&side(before)), &side(after), &pseudo, &none)
        };
        let plain = json!({ "Resources": { "Jobs": { "Type": "AWS::SQS::Queue" } } });
        let mut other = plain.clone();
        other["AWSTemplateFormatVersion"] = json!("2010-09-09");
        assert!(compared(&plain, &other).is_empty());
        other["Rules"] = json!({ "Few": { "Assertions": [] } });
        assert!(!compared(&plain, &other).is_empty());
    }
}
