//! Permissions: the statements of all policies of both sides, and those that are gained and lost.
//!
//! A policy is recognized by its form, wherever it is, so that the policies of any type are seen. Statements are taken
//! apart into single grants, compared, and put together again: an action added to a statement is one gained grant.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::canonical::{At, canonical, is_policy, principals};
use super::words::words;
use crate::resolve::{MAX_DEPTH, Resources, name_of, texts};

/// Grants that one side may have at most: a hostile template could ask for the product of long lists.
const MAX_GRANTS: usize = 200_000;

/// The effect of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It allows.
    Allow,
    /// It forbids, whatever else allows.
    Deny,
}

/// A permission that is gained or lost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// True if it is gained, false if it is lost.
    pub gained: bool,
    /// `allow` or `deny`.
    pub effect: Effect,
    /// The principal: `role ExtractRole`, `service s3.amazonaws.com`, `account 111122223333`, `anyone`.
    pub principal: String,
    /// The actions, or all that a managed policy allows.
    pub actions: Vec<String>,
    /// The resources, as the policy names them.
    pub resources: Vec<String>,
    /// The condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
    /// `true` if it allows more than before.
    pub widens: bool,
}

/// A single grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    principal: String,
    effect: Effect,
    condition: String,
    action: String,
    resource: String,
}

impl Grant {
    /// Returns whether it allows, or forbids, everything that the other one does.
    fn covers(&self, other: &Self) -> bool {
        self.effect == other.effect
            && (self.principal == other.principal || self.principal == ANYONE)
            && (self.condition.is_empty() || self.condition == other.condition)
            && fits(&self.action.to_ascii_lowercase(), &other.action.to_ascii_lowercase())
            && fits(&self.resource, &other.resource)
    }
}

/// The parts that grants must have in common to be one line: principal, effect, condition, and whether they widen.
type Group<'g> = (&'g str, Effect, &'g str, bool);

const ANYONE: &str = "anyone";

/// Returns the permissions that are gained and lost, by principal.
///
/// A prohibition that goes with the resource that it is about (`gone`) widens nothing.
pub(super) fn changes(
    before: &Resources<'_>,
    after: &Resources<'_>,
    changed: &BTreeSet<&str>,
    gone: &BTreeSet<&str>,
) -> Vec<Permission> {
    // Grants of what is kept are the same on both sides; they matter only where others cover them.
    if grants(before, Some(changed)) == grants(after, Some(changed)) {
        return Vec::new();
    }
    let (old, new) = (grants(before, None), grants(after, None));
    let mut out = Vec::new();
    for (gained, own, other) in [(true, &new, &old), (false, &old, &new)] {
        // A grant that covers another one is of the same principal, or of everyone.
        let mut by_principal: BTreeMap<&str, Vec<&Grant>> = BTreeMap::new();
        for grant in other {
            by_principal.entry(&grant.principal).or_default().push(grant);
        }
        let covered = |grant: &Grant| {
            let mine = by_principal.get(grant.principal.as_str()).into_iter().flatten();
            let mut all = mine.chain(by_principal.get(ANYONE).into_iter().flatten());
            all.any(|other| other.covers(grant))
        };
        let mut groups: BTreeMap<(Group<'_>, &str), BTreeSet<&str>> = BTreeMap::new();
        for grant in own.difference(other) {
            let more = gained == (grant.effect == Effect::Allow);
            let widens =
                more && !covered(grant) && !(grant.effect == Effect::Deny && about(&grant.resource, gone));
            let group = (grant.principal.as_str(), grant.effect, grant.condition.as_str(), widens);
            let key = (group, grant.resource.as_str());
            groups.entry(key).or_default().insert(&grant.action);
        }
        // The same actions on several resources are one line.
        let mut lines: BTreeMap<(Group<'_>, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
        for ((group, resource), actions) in groups {
            lines.entry((group, actions)).or_default().push(resource);
        }
        for (((principal, effect, condition, widens), actions), resources) in lines {
            out.push(Permission {
                gained,
                effect,
                principal: principal.to_owned(),
                actions: actions.into_iter().map(str::to_owned).collect(),
                resources: resources.into_iter().map(str::to_owned).collect(),
                condition: deployer_syntax::json::value(condition),
                widens,
            });
        }
    }
    out.sort_by(|a, b| (&a.principal, !a.gained, a.effect).cmp(&(&b.principal, !b.gained, b.effect)));
    out
}

/// Returns whether a resource of a grant is one of these: `${Bucket.Arn}/*`.
fn about(resource: &str, ids: &BTreeSet<&str>) -> bool {
    let name = resource.strip_prefix("${").and_then(|rest| rest.split(['.', '}']).next());
    name.is_some_and(|name| ids.contains(name))
}

/// Returns the grants of these resources, or of all.
fn grants(resources: &Resources<'_>, only: Option<&BTreeSet<&str>>) -> BTreeSet<Grant> {
    let mut all = Collector { out: BTreeSet::new(), key: None };
    let asked = |id: &str| only.is_none_or(|only| only.contains(id));
    for (id, resource) in resources.iter().filter(|(id, _)| asked(id)) {
        let properties = &resource.properties;
        let holders = holders(id, &resource.kind, properties);
        all.key = (resource.kind == "AWS::KMS::Key").then(|| format!("${{{id}.Arn}}"));
        match resource.kind.as_str() {
            "AWS::Lambda::Permission" => all.invoke(properties),
            "AWS::Events::EventBusPolicy" if properties["Statement"].is_null() => all.bus(id, properties),
            _ => all.documents(properties, id, &holders, 0),
        }
        for policy in properties["ManagedPolicyArns"].as_array().into_iter().flatten() {
            for holder in &holders {
                let action = format!("do what {} allows", words(policy));
                all.add(holder, Effect::Allow, None, &action, "*");
            }
        }
    }
    all.out
}

/// Returns the principals of policies that name none.
fn holders(id: &str, kind: &str, properties: &Value) -> Vec<String> {
    let one = |word: &str, value: &Value| {
        let name = match name_of(value) {
            Some(name) => name.split('.').next().unwrap_or_default().to_owned(),
            None => words(value),
        };
        format!("{word} {name}")
    };
    match kind {
        "AWS::IAM::Role" => return vec![format!("role {id}")],
        "AWS::IAM::User" => return vec![format!("user {id}")],
        "AWS::IAM::Group" => return vec![format!("group {id}")],
        _ => {}
    }
    let lists = [("role", "Roles"), ("user", "Users"), ("group", "Groups")];
    let singles = [("role", "RoleName"), ("user", "UserName"), ("group", "GroupName")];
    let listed = lists.iter().flat_map(|(word, name)| {
        properties[*name].as_array().into_iter().flatten().map(|value| one(word, value))
    });
    let single =
        singles.iter().filter_map(|(word, name)| properties.get(*name).map(|value| one(word, value)));
    let found: Vec<String> =
        if kind.starts_with("AWS::IAM::") { listed.chain(single).collect() } else { Vec::new() };
    if found.is_empty() { vec![format!("whoever has {id}")] } else { found }
}

struct Collector {
    out: BTreeSet<Grant>,
    /// The key whose policy is read. In the policy of a key, `*` is that key: AWS KMS Developer Guide, "Elements in a
    /// key policy".
    key: Option<String>,
}

impl Collector {
    fn add(
        &mut self,
        principal: &str,
        effect: Effect,
        condition: Option<&Value>,
        action: &str,
        resource: &str,
    ) {
        if self.out.len() < MAX_GRANTS {
            self.out.insert(Grant {
                principal: principal.to_owned(),
                effect,
                condition: condition.map(deployer_syntax::number::to_json).unwrap_or_default(),
                action: action.to_owned(),
                resource: resource.to_owned(),
            });
        }
    }

    /// Finds the policies anywhere in a value, also where they are written as a text.
    fn documents(&mut self, value: &Value, id: &str, holders: &[String], depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            _ if is_policy(value) => self.document(
                &canonical(value, At::properties(deployer_cfn::schemas::Shape::UNKNOWN), ""),
                id,
                holders,
            ),
            Value::Object(map) => {
                map.values().for_each(|inner| self.documents(inner, id, holders, depth + 1));
            }
            Value::Array(items) => {
                items.iter().for_each(|item| self.documents(item, id, holders, depth + 1));
            }
            Value::String(text) if text.contains("\"Statement\"") => {
                if let Some(document) = deployer_syntax::json::value(text)
                    && is_policy(&document)
                {
                    self.documents(&document, id, holders, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn document(&mut self, document: &Value, id: &str, holders: &[String]) {
        for statement in document["Statement"].as_array().into_iter().flatten() {
            let effect = if statement["Effect"] == "Deny" { Effect::Deny } else { Effect::Allow };
            let named = who(&statement["Principal"]);
            let but = who(&statement["NotPrincipal"]);
            let principals = match (named.is_empty(), but.is_empty()) {
                (false, _) => named,
                (true, false) => vec![format!("everyone but {}", but.join(", "))],
                (true, true) => holders.to_vec(),
            };
            let list = |name: &str| -> Vec<String> {
                texts(&statement[name])
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|item| !item.is_null())
                    .map(words)
                    .collect()
            };
            let either = |name: &str, all: &str, nothing: String| {
                let (listed, but) = (list(name), list(&format!("Not{name}")));
                match (listed.is_empty(), but.is_empty()) {
                    (false, _) => listed,
                    (true, false) => vec![format!("{all} but {}", but.join(", "))],
                    (true, true) => vec![nothing],
                }
            };
            let actions = either("Action", "do all", "nothing".to_owned());
            let mut resources = either("Resource", "all", format!("${{{id}}}"));
            if let Some(key) = &self.key {
                resources.iter_mut().filter(|resource| *resource == "*").for_each(|all| all.clone_from(key));
            }
            let condition = statement.get("Condition").filter(|condition| **condition != json!({}));
            for principal in &principals {
                for action in &actions {
                    for resource in &resources {
                        self.add(principal, effect, condition, action, resource);
                    }
                }
            }
        }
    }

    /// Reads a permission of Lambda, which is a statement in other words.
    fn invoke(&mut self, properties: &Value) {
        let principal = match &properties["Principal"] {
            Value::String(text) if text == "*" => ANYONE.to_owned(),
            Value::String(text) if text.ends_with(".amazonaws.com") => format!("service {text}"),
            other => format!("account {}", words(other)),
        };
        let mut condition = serde_json::Map::new();
        for (name, operator, key) in [
            ("SourceArn", "ArnLike", "aws:SourceArn"),
            ("SourceAccount", "StringEquals", "aws:SourceAccount"),
            ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
            ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ] {
            if let Some(value) = properties.get(name) {
                condition.entry(operator).or_insert_with(|| json!({}))[key] = texts(value);
            }
        }
        let condition = (!condition.is_empty()).then_some(Value::Object(condition));
        let action = words(&properties["Action"]);
        self.add(&principal, Effect::Allow, condition.as_ref(), &action, &words(&properties["FunctionName"]));
    }

    /// Reads the short form of a policy of an event bus.
    fn bus(&mut self, id: &str, properties: &Value) {
        let action = words(&properties["Action"]);
        let on = properties.get("EventBusName").map_or_else(|| id.to_owned(), words);
        for principal in who(&principals(&properties["Principal"])) {
            self.add(&principal, Effect::Allow, properties.get("Condition"), &action, &on);
        }
    }
}

/// Returns principals in words.
fn who(principals: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for (kind, all) in principals.as_object().into_iter().flatten() {
        for one in texts(all).as_array().into_iter().flatten().filter(|one| !one.is_null()) {
            let text = words(one);
            out.push(match kind.as_str() {
                _ if text == "*" => ANYONE.to_owned(),
                "AWS" if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    format!("account {text}")
                }
                "AWS" => text,
                "Service" => format!("service {text}"),
                "Federated" => format!("identities of {text}"),
                "CanonicalUser" => format!("canonical user {text}"),
                other => format!("{other} {text}"),
            });
        }
    }
    out
}

/// Returns whether a text matches a pattern with `*` and `?`, in time linear in the length of both for each `*`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (&[u8], &[u8]) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&letter) if letter == text[t] || (letter == b'?' && text[t] != b'*') => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_iam_takes() {
        for (pattern, text, taken) in [
            ("*", "anything", true),
            ("s3:Get*", "s3:GetObject", true),
            ("s3:Get*", "s3:PutObject", false),
            ("a?c", "abc", true),
            ("a?c", "a*c", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, text), taken, "{pattern} {text}");
        }
    }
}
