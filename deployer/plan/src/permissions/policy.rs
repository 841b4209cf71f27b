//! Policy documents: actions on resources are collected one by one, and become as few statements as say the same.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::diff::fits;

/// Characters of a managed policy, white space not counted: AWS IAM User Guide, "IAM and AWS STS quotas".
pub const MOST_CHARACTERS: usize = 6_144;
/// Characters of a document around its statements.
const FRAME: usize = r#"{"Version":"2012-10-17","Statement":[]}"#.len();

/// A policy document, as IAM takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    /// Version of the language of policies.
    pub version: &'static str,
    /// The statements.
    pub statement: Vec<Statement>,
}

/// A statement, which allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// Name of the statement in its document.
    pub sid: String,
    /// The effect, `Allow`.
    pub effect: &'static str,
    /// The actions.
    pub action: Vec<String>,
    /// The resources, as ARNs with `*` for what is not known before a deployment.
    pub resource: Vec<String>,
    /// Operator → key → values.
    #[serde(skip_serializing_if = "Condition::is_empty")]
    pub condition: Condition,
}

/// Conditions of a statement: operator → key → values.
pub type Condition = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

/// Returns a condition of one key.
pub(super) fn condition(
    operator: &'static str,
    key: &str,
    values: impl IntoIterator<Item = String>,
) -> Condition {
    BTreeMap::from([(operator, BTreeMap::from([(key.to_owned(), values.into_iter().collect())]))])
}

/// Allowed actions, each with its resources.
#[derive(Debug, Default)]
pub(super) struct Grants(BTreeMap<(Condition, String), BTreeSet<String>>);

impl Grants {
    /// Allows an action on resources.
    pub(super) fn allow(&mut self, action: &str, resources: impl IntoIterator<Item = String>) {
        self.allow_if(action, resources, Condition::new());
    }

    /// Allows an action on resources under a condition.
    pub(super) fn allow_if(
        &mut self,
        action: &str,
        resources: impl IntoIterator<Item = String>,
        condition: Condition,
    ) {
        self.0.entry((condition, action.to_owned())).or_default().extend(resources);
    }

    /// Returns the documents, each of which fits into a managed policy.
    pub(super) fn documents(self) -> Vec<PolicyDocument> {
        let mut groups: BTreeMap<(Condition, Vec<String>), Vec<String>> = BTreeMap::new();
        for ((condition, action), resources) in self.0 {
            groups.entry((condition, without_covered(resources))).or_default().push(action);
        }
        let mut statements = Vec::new();
        for ((condition, resource), action) in groups {
            let whole =
                Statement { sid: sid(&action, &resource), effect: "Allow", action, resource, condition };
            divide(whole, &mut statements);
        }
        let mut documents: Vec<(usize, Vec<Statement>)> = Vec::new();
        for statement in statements {
            let size = size(&statement) + 1;
            match documents.iter_mut().find(|(used, _)| used + size <= MOST_CHARACTERS) {
                Some((used, all)) => {
                    *used += size;
                    all.push(statement);
                }
                None => documents.push((FRAME + size, vec![statement])),
            }
        }
        documents.into_iter().map(|(_, statements)| document(statements)).collect()
    }
}

/// Returns a document of statements; those with the same name get a number.
fn document(mut statements: Vec<Statement>) -> PolicyDocument {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for statement in &mut statements {
        let count = taken.entry(statement.sid.clone()).or_default();
        *count += 1;
        if *count > 1 {
            statement.sid.push_str(&count.to_string());
        }
    }
    PolicyDocument { version: "2012-10-17", statement: statements }
}

/// Returns the characters of a statement, with two for the number that its name may get.
fn size(statement: &Statement) -> usize {
    let text = serde_json::to_string(statement).unwrap_or_default();
    text.chars().filter(|letter| !letter.is_whitespace()).count() + 2
}

/// Adds a statement, in parts if it does not fit into a document of its own.
fn divide(mut statement: Statement, out: &mut Vec<Statement>) {
    let by_action = statement.action.len() > 1;
    let length = if by_action { statement.action.len() } else { statement.resource.len() };
    if length < 2 || FRAME + size(&statement) < MOST_CHARACTERS {
        out.push(statement);
        return;
    }
    let mut second = statement.clone();
    match by_action {
        true => second.action = statement.action.split_off(length / 2),
        false => second.resource = statement.resource.split_off(length / 2),
    }
    divide(statement, out);
    divide(second, out);
}

/// Leaves out the resources that another one of them covers.
fn without_covered(resources: BTreeSet<String>) -> Vec<String> {
    let covered = |one: &String| resources.iter().any(|other| other != one && fits(other, one));
    resources.iter().filter(|one| !covered(one)).cloned().collect()
}

/// Returns the name of a statement: letters and digits only.
fn sid(actions: &[String], resources: &[String]) -> String {
    let services: BTreeSet<&str> =
        actions.iter().filter_map(|action| Some(action.split_once(':')?.0)).collect();
    let anything = resources.iter().any(|resource| resource == "*");
    let name = match (actions, services.first()) {
        ([only], _) => only.as_str(),
        (_, Some(service)) if services.len() == 1 => service,
        _ => "",
    };
    let mut out = String::new();
    for word in name.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    match (out.is_empty(), anything && actions.len() > 1) {
        (true, _) => "AnyResource".to_owned(),
        (false, true) => out + "AnyResource",
        (false, false) => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:sqs:eu-west-1:111122223333:{name}")
    }

    #[test]
    fn actions_on_the_same_resources_are_one_statement() {
        let mut grants = Grants::default();
        grants.allow("sqs:CreateQueue", [arn("a-*")]);
        grants.allow("sqs:SetQueueAttributes", [arn("a-*"), arn("a-b")]);
        grants.allow("sqs:ListQueues", ["*".to_owned()]);
        grants.allow("kms:ListKeys", ["*".to_owned(), arn("a")]);
        let role = condition("StringEquals", "iam:PassedToService", ["lambda.amazonaws.com".to_owned()]);
        grants.allow_if("iam:PassRole", [arn("r")], role.clone());
        let documents = grants.documents();
        assert_eq!(documents.len(), 1);
        let seen: Vec<(&str, usize, &[String])> = documents[0]
            .statement
            .iter()
            .map(|one| (one.sid.as_str(), one.action.len(), one.resource.as_slice()))
            .collect();
        assert_eq!(
            seen,
            [
                ("AnyResource", 2, ["*".to_owned()].as_slice()),
                ("Sqs", 2, [arn("a-*")].as_slice()),
                ("IamPassRole", 1, [arn("r")].as_slice())
            ]
        );
        assert_eq!(documents[0].statement[2].condition, role);
    }

    #[test]
    fn a_document_fits_into_a_managed_policy_and_nothing_is_lost() {
        let mut grants = Grants::default();
        let long = "x".repeat(60);
        for number in 0..300 {
            grants.allow(&format!("sqs:Action{number:03}{long}"), [arn("a-*")]);
        }
        grants.allow("sqs:One", (0..200).map(|number| arn(&format!("{long}-{number}"))));
        let documents = grants.documents();
        let mut actions = BTreeSet::new();
        let mut resources = BTreeSet::new();
        for document in &documents {
            let text = serde_json::to_string(document).expect("JSON");
            assert!(text.len() <= MOST_CHARACTERS, "{}", text.len());
            let sids: BTreeSet<&String> = document.statement.iter().map(|one| &one.sid).collect();
            assert_eq!(sids.len(), document.statement.len());
            for one in &document.statement {
                actions.extend(one.action.iter().cloned());
                if one.action == ["sqs:One"] {
                    resources.extend(one.resource.iter().cloned());
                }
            }
        }
        assert_eq!((actions.len(), resources.len()), (301, 200));
    }
}
