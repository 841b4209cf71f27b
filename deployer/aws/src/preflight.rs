//! Lambda and IAM, for facts that CloudFormation reports too late: the concurrency left, the service-linked role.

use crate::error::{AwsError, AwsResult as _};

use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// The role through which ECS manages network interfaces of Fargate tasks.
/// Source: Amazon ECS Developer Guide, "Using service-linked roles for Amazon ECS".
pub(super) const ECS_ROLE: &str = "AWSServiceRoleForECS";
const ECS_SERVICE: &str = "ecs.amazonaws.com";

/// Concurrent executions of Lambda in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// The account's limit.
    pub limit: i64,
    /// The executions that no function has reserved.
    pub unreserved: i64,
}

/// Executions that must stay unreserved: AWS Lambda Developer Guide, "Configuring reserved concurrency".
const UNRESERVED_MINIMUM: i64 = 100;
/// Largest quota of a small account: to such accounts, Lambda's error messages name another minimum, all of the quota.
const SMALL: i64 = 100;
/// Smallest minimum that Lambda names to accounts with a larger quota.
const UNRESERVED_LEAST: i64 = 10;
/// Megabytes of memory that every account may give to a function; Lambda refuses more to new accounts.
pub const MEMORY_OF_ALL: i64 = 3_008;

impl Concurrency {
    /// Returns the number of executions that a stack can reserve. A new stack gets what others have left; one that is
    /// deployed holds a part of what is reserved already, so only the account's limit is certain.
    #[must_use]
    pub fn reservable(self, new: bool) -> i64 {
        self.reservable_above(new, UNRESERVED_MINIMUM)
    }

    /// Returns the number of executions above which Lambda refuses a reservation in any account.
    #[must_use]
    pub fn reservable_at_most(self, new: bool) -> i64 {
        self.reservable_above(new, UNRESERVED_LEAST)
    }

    /// Checks whether the quota is so small that nothing can be reserved of it. New accounts have one of 10 or 50.
    #[must_use]
    pub const fn is_small(self) -> bool {
        self.limit <= SMALL
    }

    fn reservable_above(self, new: bool, minimum: i64) -> i64 {
        if self.is_small() {
            return 0;
        }
        (if new { self.unreserved } else { self.limit } - minimum).max(0)
    }
}

/// Returns the account's limit of concurrent executions and the part that is unreserved.
pub async fn concurrency(session: &Session) -> Result<Concurrency> {
    let answer = aws_sdk_lambda::Client::new(&session.config)
        .get_account_settings()
        .send()
        .await
        .aws("GetAccountSettings", format!("Lambda in {}", session.region))?;
    let limit = answer.account_limit();
    Ok(Concurrency {
        limit: limit.map_or(0, |limit| i64::from(limit.concurrent_executions())),
        unreserved: limit.and_then(|limit| limit.unreserved_concurrent_executions()).map_or(0, i64::from),
    })
}

/// Creates the service-linked role of ECS if the account never used ECS. Returns `true` if the role was created.
pub async fn ensure_ecs_role(session: &Session) -> Result<bool> {
    let client = aws_sdk_iam::Client::new(&session.config);
    let found = client.get_role().role_name(ECS_ROLE).send().await.aws("GetRole", format!("role {ECS_ROLE}"));
    match found {
        Ok(_) => return Ok(false),
        Err(error) if error.is("NoSuchEntity") => {}
        Err(error) => return Err(error),
    }
    let made = client
        .create_service_linked_role()
        .aws_service_name(ECS_SERVICE)
        .send()
        .await
        .aws("CreateServiceLinkedRole", format!("service {ECS_SERVICE}"));
    match made {
        Ok(_) => Ok(true),
        Err(error) if is_there(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Checks whether the role could not be created since it exists: created by somebody else in the meantime, or spelt
/// otherwise.
fn is_there(error: &AwsError) -> bool {
    error.is("EntityAlreadyExists")
        || (error.is("InvalidInput") && error.message.contains("has been taken in this account"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_stack_gets_what_others_have_left() {
        let account = Concurrency { limit: 1_000, unreserved: 150 };
        assert_eq!((account.reservable(true), account.reservable(false)), (50, 900));
        // New accounts may have ten in all.
        let small = Concurrency { limit: 10, unreserved: 10 };
        assert_eq!((small.reservable(true), small.reservable_at_most(true)), (0, 0));
        // Lambda's answers in accounts of these quotas: 10 of 10, 50 of 50, 100 of 1,000 must stay unreserved.
        for (limit, reservable) in [(10, 0), (50, 0), (100, 0), (1_000, 900)] {
            let account = Concurrency { limit, unreserved: limit };
            assert_eq!(
                (account.reservable(true), account.reservable(false)),
                (reservable, reservable),
                "{limit}"
            );
            assert_eq!(account.is_small(), reservable == 0, "{limit}");
            assert!(account.reservable_at_most(true) == 0 || !account.is_small(), "{limit}");
        }
    }

    #[test]
    fn a_role_that_is_there_need_not_be_made() {
        let error = |code: &str, message: &str| AwsError {
            operation: "CreateServiceLinkedRole",
            resource: String::new(),
            code: Some(code.to_owned()),
            message: message.to_owned(),
        };
        assert!(is_there(&error(
            "EntityAlreadyExists",
            "Role with name AWSServiceRoleForEcs already exists."
        )));
        let taken = "Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.";
        assert!(is_there(&error("InvalidInput", taken)));
        assert!(!is_there(&error("InvalidInput", "Custom suffix is not allowed for ecs.amazonaws.com")));
        assert!(!is_there(&error("AccessDenied", taken)));
    }
}
