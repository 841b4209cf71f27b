//! Trust policies: who may take a role. Workflows of GitHub prove themselves by OpenID Connect.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::policy::{Condition, condition};
use super::{Place, Role};

/// The provider of GitHub's tokens, which an account has once.
const PROVIDER: &str = "token.actions.githubusercontent.com";
/// The audience that AWS's action asks for.
const AUDIENCE: &str = "sts.amazonaws.com";
/// Characters of the name of an owner, and of a repository.
const MOST_OWNER: usize = 39;
const MOST_REPOSITORY: usize = 100;

/// A repository whose workflows take roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHub {
    owner: String,
    repository: String,
    ids: Option<(u64, u64)>,
    environment: String,
}

impl GitHub {
    /// Creates the description of a repository, `OWNER/REPOSITORY`, and the environment of its workflows that deploy.
    /// `ids` are those of owner and repository.
    ///
    /// # Errors
    /// Returns what is wrong if a name cannot be one, or would mean something in a policy.
    pub fn new(repository: &str, ids: Option<(u64, u64)>, environment: &str) -> Result<Self, String> {
        let wrong = || format!("`{repository}` is not a repository of GitHub: expected OWNER/REPOSITORY");
        let (owner, name) = repository.split_once('/').ok_or_else(wrong)?;
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let is_owner = plain(owner, b"-_") && owner.len() <= MOST_OWNER;
        let is_name = plain(name, b"-_.") && name.len() <= MOST_REPOSITORY;
        if !is_owner || !is_name {
            return Err(wrong());
        }
        if !plain(environment, b"-_. /") || environment.len() > 255 {
            return Err(format!(
                "`{environment}` cannot be the environment: expected letters, digits, spaces and `-_./`, since `*` and `?` \
                 mean any environment in a policy"
            ));
        }
        Ok(Self {
            owner: owner.to_owned(),
            repository: name.to_owned(),
            ids,
            environment: environment.to_owned(),
        })
    }

    /// Returns the condition under which a workflow is believed, if its subject ends so.
    ///
    /// A subject has one of two forms: repositories that were created, renamed or transferred since July 2026 have IDs
    /// in theirs.
    fn condition(&self, end: &str) -> Condition {
        let Self { owner, repository, .. } = self;
        let plain = format!("repo:{owner}/{repository}:{end}");
        let key = |name: &str| format!("{PROVIDER}:{name}");
        let mut out = condition("StringEquals", &key("aud"), [AUDIENCE.to_owned()]);
        match self.ids {
            Some((owner_id, id)) => {
                let equals = out.entry("StringEquals").or_default();
                let with_ids = format!("repo:{owner}@{owner_id}/{repository}@{id}:{end}");
                equals.insert(key("sub"), vec![plain, with_ids]);
                // Whoever takes a name that was given up has another ID.
                equals.insert(key("repository_id"), vec![id.to_string()]);
                equals.insert(key("repository_owner_id"), vec![owner_id.to_string()]);
            }
            None => {
                // No name contains `@`, so the pattern fits this repository only.
                let with_ids = format!("repo:{owner}@*/{repository}@*:{end}");
                out.extend(condition("StringLike", &key("sub"), [plain, with_ids]));
            }
        }
        out
    }
}

/// A trust policy, as IAM takes it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct TrustDocument {
    /// Version of the language of policies.
    pub version: &'static str,
    /// The statements.
    pub statement: Vec<TrustStatement>,
}

/// A statement of a trust policy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct TrustStatement {
    /// The effect, `Allow`.
    pub effect: &'static str,
    /// Who may take the role.
    pub principal: Value,
    /// The action.
    pub action: &'static str,
    /// Operator → key → values.
    #[serde(skip_serializing_if = "Condition::is_empty")]
    pub condition: Condition,
}

/// Returns the trust policy of a role; `None` where it is not known who takes it.
pub(super) fn of(role: Role, place: &Place, github: Option<&GitHub>) -> Option<TrustDocument> {
    let workflow = |end: &str| {
        let github = github?;
        let provider = format!("arn:{}:iam::{}:oidc-provider/{PROVIDER}", place.partition, place.account);
        Some(TrustStatement {
            effect: "Allow",
            principal: json!({ "Federated": provider }),
            action: "sts:AssumeRoleWithWebIdentity",
            condition: github.condition(end),
        })
    };
    let statement = match role {
        Role::Deployer => workflow(&format!("environment:{}", github?.environment))?,
        Role::Plan => workflow("pull_request")?,
        Role::Service => TrustStatement {
            effect: "Allow",
            principal: json!({ "Service": "cloudformation.amazonaws.com" }),
            action: "sts:AssumeRole",
            condition: Condition::new(),
        },
        Role::GarbageCollector => return None,
    };
    Some(TrustDocument { version: "2012-10-17", statement: vec![statement] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account: "111122223333".into(),
            asset_bucket: "b".into(),
            repository: "r".into(),
        }
    }

    #[test]
    fn both_forms_of_the_subject_are_believed_and_no_other_repository() {
        let github = GitHub::new("octo-org/my.repo", None, "prod").expect("a repository");
        let deployer = of(Role::Deployer, &place(), Some(&github)).expect("a policy");
        assert_eq!(
            json!(deployer),
            json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": { "token.actions.githubusercontent.com:aud": ["sts.amazonaws.com"] },
                    "StringLike": { "token.actions.githubusercontent.com:sub": [
                        "repo:octo-org/my.repo:environment:prod",
                        "repo:octo-org@*/my.repo@*:environment:prod",
                    ] },
                },
            }] })
        );
        let known = GitHub::new("octo-org/my.repo", Some((7, 42)), "prod").expect("a repository");
        let plan = of(Role::Plan, &place(), Some(&known)).expect("a policy");
        let condition = &plan.statement[0].condition;
        assert_eq!(condition.keys().collect::<Vec<_>>(), [&"StringEquals"], "exact, since the IDs are known");
        let equals = &condition["StringEquals"];
        assert_eq!(
            equals["token.actions.githubusercontent.com:sub"],
            ["repo:octo-org/my.repo:pull_request", "repo:octo-org@7/my.repo@42:pull_request"]
        );
        assert_eq!(equals["token.actions.githubusercontent.com:repository_id"], ["42"]);
        assert!(of(Role::Deployer, &place(), None).is_none());
        assert!(of(Role::Service, &place(), None).is_some());
    }

    #[test]
    fn a_name_that_would_mean_more_than_itself_is_refused() {
        for repository in [
            "octo",
            "octo/",
            "/x",
            "octo/*",
            "o?cto/x",
            "octo/x/y",
            "octo/${aws:username}",
            "octo@1/x",
            "octo/x:y",
        ] {
            assert!(GitHub::new(repository, None, "prod").is_err(), "{repository}");
        }
        for environment in ["", "*", "prod:x", "${x}", "a\nb"] {
            assert!(GitHub::new("octo/x", None, environment).is_err(), "{environment:?}");
        }
        assert!(GitHub::new("octo/x", None, "Production EU/1").is_ok());
    }
}
