//! The permissions of the caller beside those that `deployer permissions` prints: IAM simulates them.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::DeployedStack;
use deployer_aws::doctor::{Allowed, Intent, allowed, allowed_for};
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_build::{REPOSITORY, bucket_name};
use deployer_cfn::Template;
use deployer_lang::Stack;
use deployer_plan::permissions::{Condition, Place, Role, StackPermissions, permissions};

use super::Finding;

const OWN: &str = "permissions";
const OF_CLOUDFORMATION: &str = "permissions of cloudformation";
/// Number of actions that a finding names.
const MOST: usize = 12;

/// Checks the permissions for the deployer's own calls, and those for the calls that CloudFormation makes: with the role that the file
/// names or the stack has, else with the caller's rights.
pub async fn findings(
    stack: &Stack,
    template: &Template,
    deployed: Option<&DeployedStack>,
    session: &Session,
) -> Vec<Finding> {
    let place = Place {
        partition: session.partition().to_owned(),
        region: session.region.clone(),
        account: session.account.clone(),
        asset_bucket: bucket_name(session),
        repository: REPOSITORY.to_owned(),
    };
    let needed = permissions(stack, template, &place, None);
    // These are about the roles that the policies were printed for, which the caller need not have.
    let of_roles = ["iam:SimulatePrincipalPolicy", "iam:GetRole", "iam:PassRole"];
    let own = intents(&needed, Role::Deployer, |action| !of_roles.contains(&action));
    let service = intents(&needed, Role::Service, |_| true);
    let role = stack.organisation.role_arn.as_deref();
    let role = role.or_else(|| deployed.and_then(|deployed| deployed.role.as_deref()));
    let (own, service) = tokio::join!(allowed(session, &own), async {
        match role {
            Some(role) => allowed_for(session, role, &service).await,
            None => allowed(session, &service).await,
        }
    });
    let is_answered = matches!(own, Ok(Allowed::Except(_)));
    let command = format!("deployer permissions {}", stack.target.stack);
    let own = finding(OWN, own, "all calls of the deployer are allowed", |denied| {
        Finding::problem(OWN, format!("not allowed: {denied}"))
            .fix(format!("`{command} --role deployer` prints the policy that allows them"))
    });
    // IAM gives the same reason once more.
    if !is_answered {
        return vec![own];
    }
    if let Some(role) = role {
        let text = format!("all calls that CloudFormation makes as {role} are allowed");
        let service = finding(OF_CLOUDFORMATION, service, &text, |denied| {
            Finding::problem(
                OF_CLOUDFORMATION,
                format!("CloudFormation works on the stack as {role}, which is not allowed: {denied}"),
            )
            .fix(format!("`{command} --role service` prints the policies for that role"))
        });
        return vec![own, service];
    }
    let text = "all calls that CloudFormation makes for you are allowed";
    let service = finding(OF_CLOUDFORMATION, service, text, |denied| {
        Finding::warning(
            OF_CLOUDFORMATION,
            format!(
                "CloudFormation uses your permissions unless the stack has a service role, and these are not allowed: {denied}"
            ),
        )
        .fix(format!("`{command} --role service` prints the policies for a service role, or for your own"))
    });
    vec![own, service]
}

/// Returns what the statements of a role allow, as questions: one for each resource and condition.
fn intents(needed: &StackPermissions, role: Role, keep: impl Fn(&str) -> bool) -> Vec<Intent> {
    let policies = needed.roles.iter().filter(|one| one.role == role).flat_map(|one| &one.policies);
    let mut out: BTreeMap<(&String, &Condition), Vec<String>> = BTreeMap::new();
    for statement in policies.flat_map(|policy| &policy.statement) {
        let actions: Vec<String> = statement.action.iter().filter(|action| keep(action)).cloned().collect();
        for resource in statement.resource.iter().filter(|_| !actions.is_empty()) {
            out.entry((resource, &statement.condition)).or_default().extend(actions.iter().cloned());
        }
    }
    let intent = |((resource, condition), actions): ((&String, &Condition), Vec<String>)| {
        let keys = condition.values().flatten();
        let context = keys.map(|(key, values)| (key.clone(), values.clone())).collect();
        Intent { actions, resource: resource.clone(), context }
    };
    out.into_iter().map(intent).collect()
}

/// Returns the finding for an answer.
fn finding(
    about: &'static str,
    answer: Result<Allowed, AwsError>,
    fine: &str,
    denied: impl FnOnce(String) -> Finding,
) -> Finding {
    match answer {
        Ok(Allowed::Except(none)) if none.is_empty() => Finding::ok(about, fine),
        Ok(Allowed::Except(some)) => denied(listed(&some)),
        Ok(Allowed::Unknown) => {
            let text = "not checked: IAM cannot simulate the policies of this kind of caller";
            Finding::warning(about, text)
        }
        Err(error) => Finding { fix: error.hint(), ..Finding::unknown(about, &error) },
    }
}

/// Lists denied actions by resource, the first of them.
fn listed(denied: &[(String, String)]) -> String {
    let mut by_resource: Vec<(&str, Vec<&str>)> = Vec::new();
    for (action, resource) in denied.iter().take(MOST) {
        match by_resource.iter_mut().find(|(known, _)| known == resource) {
            Some((_, actions)) => actions.push(action),
            None => by_resource.push((resource, vec![action])),
        }
    }
    let each = by_resource.iter().map(|(resource, actions)| format!("{} on {resource}", actions.join(", ")));
    let mut out = each.collect::<Vec<_>>().join("; ");
    if denied.len() > MOST {
        out.push_str(&format!("; and {} more", denied.len() - MOST));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_actions_are_listed_by_resource_and_the_rest_is_counted() {
        let one = |action: &str, resource: &str| (action.to_owned(), resource.to_owned());
        assert_eq!(
            listed(&[one("s3:PutObject", "a"), one("sqs:CreateQueue", "b"), one("s3:GetObject", "a")]),
            "s3:PutObject, s3:GetObject on a; sqs:CreateQueue on b"
        );
        let many: Vec<_> = (0..MOST + 2).map(|number| one(&format!("s3:A{number}"), "a")).collect();
        assert!(listed(&many).ends_with("s3:A11 on a; and 2 more"), "{}", listed(&many));
    }
}
