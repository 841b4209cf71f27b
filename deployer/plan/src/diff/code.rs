//! Code: parameters that hold a digest, as [`deployer_lang::assets`] names it.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::references;
use deployer_lang::assets::AssetKind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::resolve::{Resolver, Side};

/// A change of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CodeState {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It is removed.
    Delete,
    /// It was not built, so it is not compared.
    Unknown,
    /// It is the same; not in a [`super::Diff`].
    #[serde(skip)]
    Same,
}

/// The code of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeChange {
    /// The parameter that names it.
    pub parameter: String,
    /// Logical IDs of the resources that run it.
    pub resources: Vec<String>,
    /// Their names in `stack.yaml`.
    pub origins: Vec<String>,
    /// Form of the package.
    pub kind: AssetKind,
    /// The change.
    pub state: CodeState,
    /// SHA-256 of the deployed code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// SHA-256 of the new code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Size of the deployed code in bytes, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_bytes: Option<u64>,
    /// Size of the new code in bytes, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<u64>,
}

/// Compares all code of both sides.
pub(super) fn changes(
    old: &Side<'_>,
    new: &Side<'_>,
    resolver: &Resolver<'_>,
    origins: &BTreeMap<String, String>,
) -> Vec<CodeChange> {
    let declared = |side: &Side<'_>, name: &str| side.template["Parameters"].get(name).is_some();
    let mut users = users(old.template);
    users.extend(self::users(new.template));
    let after = resolver.section("Parameters").map(|(name, _)| name);
    let before = old.template["Parameters"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    super::names(after, before)
        .filter_map(|name| {
            let given = |side: &Side<'_>| -> Option<(AssetKind, String)> {
                side.parameters
                    .get(name)
                    .filter(|_| declared(side, name))
                    .and_then(|text| digest(text))
                    .map(|(kind, digest)| (kind, digest.to_owned()))
            };
            let (before, after) = (given(old), given(new));
            let kind =
                after.as_ref().or(before.as_ref()).map(|(kind, _)| *kind).or_else(|| expected(new, name))?;
            let (before, after) = (before.map(|(_, digest)| digest), after.map(|(_, digest)| digest));
            let state = match (&before, &after) {
                _ if !declared(new, name) => CodeState::Delete,
                (_, None) => CodeState::Unknown,
                (None, Some(_)) => CodeState::Create,
                (Some(a), Some(b)) if a == b => CodeState::Same,
                (Some(_), Some(_)) => CodeState::Update,
            };
            let resources: Vec<String> =
                users.get(name).into_iter().flatten().map(|id| (*id).to_owned()).collect();
            let of: BTreeSet<&String> = resources.iter().filter_map(|id| origins.get(id)).collect();
            Some(CodeChange {
                parameter: name.to_owned(),
                origins: of.into_iter().cloned().collect(),
                resources,
                kind,
                state,
                before,
                after,
                before_bytes: None,
                after_bytes: None,
            })
        })
        .collect()
}

/// Returns the kind and the digest of the code that a value names.
fn digest(value: &str) -> Option<(AssetKind, &str)> {
    let zip = value.strip_suffix(".zip").and_then(|rest| rest.rsplit_once('/'));
    let found = match (zip, value.rsplit_once("@sha256:")) {
        (Some((_, digest)), _) => (AssetKind::Zip, digest),
        (_, Some((_, digest))) => (AssetKind::Image, digest),
        _ => return None,
    };
    let is_digest = found.1.len() == 64 && found.1.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some(found)
}

/// Returns the kind of code that a declaration wants, by its pattern.
fn expected(side: &Side<'_>, name: &str) -> Option<AssetKind> {
    let pattern = side.template["Parameters"][name]["AllowedPattern"].as_str()?;
    match pattern.contains("[0-9a-f]{64}") {
        true if pattern.contains("zip") => Some(AssetKind::Zip),
        true if pattern.contains("@sha256:") => Some(AssetKind::Image),
        _ => None,
    }
}

/// Maps each parameter to the resources that name it.
fn users(template: &Value) -> BTreeMap<String, BTreeSet<&str>> {
    let mut out: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        references(&resource["Properties"], &mut |to| {
            if template["Parameters"].get(to).is_some() {
                out.entry(to.to_owned()).or_default().insert(id);
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_from_keys_and_addresses() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(digest(&format!("extract/{hex}.zip")), Some((AssetKind::Zip, hex.as_str())));
        assert_eq!(digest(&format!("1.dkr/x@sha256:{hex}")), Some((AssetKind::Image, hex.as_str())));
        for wrong in ["", "a/b.zip", "é@sha256:é", &hex] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
