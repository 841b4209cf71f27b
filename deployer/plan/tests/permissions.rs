//! Policies judged by an evaluation of their own: they allow every call that is recorded anywhere and every call of the
//! handlers, and nothing can be taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use deployer_lang::Compiled;
use deployer_plan::permissions::{Place, PolicyDocument, Role, StackPermissions, permissions};
use deployer_syntax::Source;
use serde_json::Value;

use crate::golden::{self, assert_golden, cases, entries, load, read, repository};

mod calls;
mod handlers;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";

pub(crate) fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        asset_bucket: format!("deployer-assets-{ACCOUNT}-{REGION}"),
        repository: "deployer-assets".to_owned(),
    }
}

/// A call that a role must be allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) context: BTreeMap<String, String>,
    /// Where it comes from.
    pub(crate) source: String,
}

impl Need {
    pub(crate) fn new(action: &str, resource: &str, source: &str) -> Self {
        let (action, resource, source) = (action.to_owned(), resource.to_owned(), source.to_owned());
        Self { action, resource, context: BTreeMap::new(), source }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// Returns whether a pattern of a policy matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once(['*', '?']) else { return pattern == text };
    let Some(left) = text.strip_prefix(start) else { return false };
    let mut letters = left.chars();
    match pattern.as_bytes()[start.len()] {
        b'?' => letters.next().is_some() && matches(rest, letters.as_str()),
        _ if rest.is_empty() => true,
        _ => left.char_indices().any(|(at, _)| matches(rest, &left[at..])) || matches(rest, ""),
    }
}

/// Returns the texts of a member that is a text or a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

/// Returns whether statements, written as IAM reads them, allow a call: AWS IAM User Guide, "Policy evaluation logic".
fn allows<'p>(statements: impl IntoIterator<Item = &'p Value>, need: &Need) -> bool {
    let is_action = |own: &str| {
        let fits = || matches(&own.to_ascii_lowercase(), &need.action.to_ascii_lowercase());
        own.eq_ignore_ascii_case(&need.action) || own.contains(['*', '?']) && fits()
    };
    let is_met = |operator: &str, key: &str, values: &Value| {
        let Some(actual) = need.context.get(key) else { return false };
        texts(values).any(|value| match operator {
            "StringEquals" => value == actual,
            "StringLike" | "ArnLike" | "ArnEquals" => matches(value, actual),
            other => panic!("unknown operator {other}"),
        })
    };
    statements.into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && texts(&statement["Action"]).any(is_action)
            && texts(&statement["Resource"]).any(|own| matches(own, &need.resource))
            && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| {
                let keys = keys.as_object().into_iter().flatten();
                keys.into_iter().all(|(key, values)| is_met(operator, key, values))
            })
    })
}

fn statements(policies: &[PolicyDocument]) -> Vec<Value> {
    let all = policies.iter().flat_map(|policy| &policy.statement);
    all.map(|statement| serde_json::to_value(statement).expect("JSON")).collect()
}

/// Returns the stacks of the repository, of all examples and of all cases that go to AWS, by name.
fn stacks() -> Vec<(String, Compiled)> {
    let mut files = vec![("repository".to_owned(), repository().join("stack.yaml"))];
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    for folder in entries(&repository().join("examples")).into_iter().chain(entries(&cases())) {
        let file = folder.join("stack.yaml");
        if file.exists() && !name(&folder).starts_with("wrong-") {
            files.push((name(&folder), file));
        }
    }
    let mut out = Vec::new();
    for (name, file) in files {
        let config = std::fs::read_to_string(file.with_file_name("config.txt")).unwrap_or_default();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let overrides: Vec<(String, String)> = config.lines().filter_map(pair).collect();
        let (stacks, problems) = load(&Source::new("stack.yaml", read(&file)), &overrides);
        assert!(!problems.has_errors(), "{name}");
        let stacks = stacks.into_iter().map(|one| (format!("{name} {}", one.stack.target.stack), one));
        out.extend(stacks);
    }
    assert!(out.len() > 25, "{} stacks", out.len());
    out
}

fn of(compiled: &Compiled) -> StackPermissions {
    permissions(&compiled.stack, &compiled.template, &place(), None)
}

fn policies(found: &StackPermissions, role: Role) -> Vec<Value> {
    let own = found.roles.iter().find(|one| one.role == role).expect("the role");
    statements(&own.policies)
}

/// Returns the actions of statements.
fn actions(statements: &[Value]) -> BTreeSet<String> {
    let all = statements.iter().flat_map(|one| one["Action"].as_array().into_iter().flatten());
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

#[test]
fn every_call_is_allowed_and_nothing_can_be_taken_away() {
    let recorded = calls::recorded();
    let mut needed: BTreeMap<Role, BTreeSet<String>> = BTreeMap::new();
    let mut given: BTreeMap<Role, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, compiled) in stacks() {
        let found = of(&compiled);
        for role in Role::ALL {
            let statements = policies(&found, role);
            let needs = match role {
                Role::Service => handlers::needs(&compiled, &statements).0,
                _ => calls::needs(role, &compiled, &recorded),
            };
            assert_eq!(needs.is_empty(), statements.is_empty(), "{name}: {role:?}");
            let allowing = |need: &Need| -> Vec<usize> {
                let indexes = statements.iter().enumerate().filter(|(_, one)| allows([*one], need));
                indexes.map(|(index, _)| index).collect()
            };
            let allowed: Vec<(&Need, Vec<usize>)> = needs.iter().map(|need| (need, allowing(need))).collect();
            let denied = allowed.iter().filter(|(_, all)| all.is_empty());
            wrong.extend(denied.map(|(need, _)| format!("{name}: {role:?} is denied {need:?}")));
            for (index, one) in statements.iter().enumerate() {
                // Some call has no other statement that allows it.
                let broken = allowed.iter().any(|(_, all)| all.as_slice() == [index]);
                if !broken {
                    wrong.push(format!("{name}: {role:?} does not need {one}"));
                }
            }
            if role != Role::Service {
                needed.entry(role).or_default().extend(needs.into_iter().map(|need| need.action));
                given.entry(role).or_default().extend(actions(&statements));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(given, needed, "no action of a caller is without a call");
}

#[test]
fn a_stack_can_change_neither_the_roles_that_deploy_it_nor_those_of_others() {
    for (name, compiled) in stacks() {
        let found = of(&compiled);
        let statements = policies(&found, Role::Service);
        let others =
            ["admin", "other-dev-LoadRole-1A2B", "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin"];
        let others = others.map(|name| format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
        let own = Role::ALL.map(|role| place().role(role, &compiled.stack.name));
        for role in others.iter().chain(&own) {
            for action in
                ["iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy"]
            {
                assert!(!allows(&statements, &Need::new(action, role, "")), "{name}: {action} on {role}");
            }
            let need =
                Need::new("iam:PassRole", role, "").with("iam:PassedToService", "lambda.amazonaws.com");
            assert!(!allows(&statements, &need), "{name}: {role}");
        }
    }
}

#[test]
fn what_is_of_another_account_has_its_account() {
    let (_, compiled) = stacks().into_iter().find(|(name, _)| name == "elsewhere prod").expect("the case");
    let found = of(&compiled);
    for role in [Role::Service, Role::Deployer] {
        let all = policies(&found, role);
        for own in ["sns:eu-west-1:111122223333:news", "sqs:eu-west-1:111122223333:jobs"] {
            let named = |one: &Value| texts(&one["Resource"]).any(|arn| arn.ends_with(own));
            assert!(!all.iter().any(named), "{role:?}: {own}");
        }
    }
    let service = policies(&found, Role::Service);
    let subscribe =
        |account: &str| Need::new("sns:Subscribe", &format!("arn:aws:sns:{REGION}:{account}:news"), "");
    assert!(allows(&service, &subscribe("444455556666")));
    assert!(!allows(&service, &subscribe(ACCOUNT)));
}

#[test]
fn every_case_of_permissions_is_as_published() {
    let folder = golden::package().join("tests/permissions");
    let mut dropped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, compiled) in stacks() {
        let found = of(&compiled);
        for (kind, actions) in handlers::needs(&compiled, &policies(&found, Role::Service)).1 {
            dropped.entry(kind).or_default().extend(actions);
        }
        if ["repository dev", "queue-worker dev"].contains(&name.as_str()) {
            let text = serde_json::to_string_pretty(&found).expect("JSON") + "\n";
            assert_golden(&folder.join(format!("{}.json", name.replace(' ', "-"))), &text);
        }
    }
    let mut text = String::from(
        "Actions that the handlers of types list, and that a policy of some stack of the tests leaves out: no property of\nthat stack needs them, or IAM has no such action.\n",
    );
    for (kind, actions) in dropped {
        text.push_str(&format!("\n{kind}\n"));
        actions.iter().for_each(|action| text.push_str(&format!("  {action}\n")));
    }
    assert_golden(&folder.join("left-out.txt"), &text);
}

#[test]
fn the_evaluation_reads_policies_as_iam_does() {
    for (pattern, text, is) in [
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("a?c", "ac", false),
        ("arn:*:x-*", "arn:aws:x-y", true),
        ("", "a", false),
        ("a**", "a", true),
    ] {
        assert_eq!(matches(pattern, text), is, "{pattern} {text}");
    }
    let statement = serde_json::json!({
        "Effect": "Allow", "Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::a/*"],
        "Condition": { "StringEquals": { "k": ["v", "w"] } },
    });
    let need = Need::new("S3:getObject", "arn:aws:s3:::a/b", "");
    assert!(!allows([&statement], &need), "a key that is not there");
    assert!(allows([&statement], &need.clone().with("k", "w")));
    assert!(!allows([&statement], &need.clone().with("k", "x")));
    assert!(!allows([&statement], &Need { resource: "arn:aws:s3:::ab".into(), ..need.with("k", "v") }));
}
