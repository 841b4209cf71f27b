//! The quotas of the account beside what the stack needs, and beside the defaults that estimates use.

use deployer_aws::error::AwsError;
use deployer_aws::service_quotas::{
    FARGATE, FARGATE_SPOT, INVOCATIONS, PUT_EVENTS, Quota, QuotaFacts, facts,
};
use deployer_aws::session::Session;
use deployer_lang::Stack;
use deployer_lang::model::ResourceType;
use deployer_plan::quotas::quotas;

use super::Finding;
use crate::account_usage::{KnownQuotas, TaskDemand, raise, reason, tasks, total};

const EVENTBRIDGE: &str = "eventbridge quotas";

/// Checks the quotas of EventBridge and Fargate, where the stack uses them; returns them too.
pub async fn findings(stack: &Stack, session: &Session) -> (Vec<Finding>, KnownQuotas) {
    let uses_a_bus = uses_a_bus(stack);
    let read = async |is_used: bool, quota: Quota| match is_used {
        true => Some(facts(session, quota).await),
        false => None,
    };
    let (own, spot) = (tasks(stack, false), tasks(stack, true));
    let (put_events, invocations, fargate, fargate_spot) = tokio::join!(
        read(uses_a_bus, PUT_EVENTS),
        read(uses_a_bus, INVOCATIONS),
        read(!own.is_empty(), FARGATE),
        read(!spot.is_empty(), FARGATE_SPOT),
    );
    let region = session.region.as_str();
    let known = |found: &Option<Result<QuotaFacts, AwsError>>| match found {
        Some(Ok(found)) => Some(Ok(found.clone())),
        Some(Err(error)) => Some(Err(reason(error))),
        None => None,
    };
    let known =
        KnownQuotas { put_events: known(&put_events), fargate: [known(&fargate), known(&fargate_spot)] };
    let value = |found: Result<QuotaFacts, AwsError>| found.map(|found| found.value);
    let rate = |quota: Quota, default: f64, found| of_rate(quota, default, region, value(found));
    let mut out = Vec::new();
    out.extend(put_events.map(|found| rate(PUT_EVENTS, quotas().put_events(region), found)));
    out.extend(invocations.map(|found| rate(INVOCATIONS, quotas().invocations(region), found)));
    out.extend(fargate.map(|found| of_tasks(FARGATE, &own, value(found))));
    out.extend(fargate_spot.map(|found| of_tasks(FARGATE_SPOT, &spot, value(found))));
    (out, known)
}

/// Returns whether a stack puts events on a bus.
pub fn uses_a_bus(stack: &Stack) -> bool {
    stack.resources.iter().any(|one| matches!(one.is, ResourceType::Bus(_)))
}

type Answer = Result<Option<f64>, AwsError>;

/// Creates a finding for a quota that could not be read: a deployment can do without.
fn unread(about: &'static str, error: &AwsError) -> Finding {
    Finding { fix: error.hint(), ..Finding::unknown(about, error) }
}

/// Compares a rate of the account with the default of the region, which `forecast` and `cost` use.
fn of_rate(quota: Quota, default: f64, region: &str, answer: Answer) -> Finding {
    let call = if quota == PUT_EVENTS { "calls of PutEvents" } else { "events to targets" };
    let by_default = format!("{default} a second are the default of {region} ({})", quotas().date);
    match answer {
        Err(error) => unread(EVENTBRIDGE, &error),
        Ok(None) => Finding::ok(EVENTBRIDGE, format!("{call}: {by_default}; the account has no other value")),
        Ok(Some(value)) if value < default => Finding::warning(
            EVENTBRIDGE,
            format!(
                "{call}: the account has {value} a second, and {by_default}; files may take longer than `deployer forecast` \
                 estimates"
            ),
        )
        .fix(raise(quota)),
        Ok(Some(value)) if value > default => Finding::ok(
            EVENTBRIDGE,
            format!("{call}: the account has {value} a second; `deployer forecast` estimates with the default, {default}"),
        ),
        Ok(Some(_)) => Finding::ok(EVENTBRIDGE, format!("{call}: the account has the default, {default} a second")),
    }
}

/// Compares the virtual CPUs that one file takes with the quota of the account.
fn of_tasks(quota: Quota, demands: &[TaskDemand<'_>], answer: Answer) -> Finding {
    let about = if quota == FARGATE_SPOT { "fargate spot vcpus" } else { "fargate vcpus" };
    let need = total(demands);
    let list: Vec<String> =
        demands.iter().map(|one| format!("{} of {} vCPU for {}", one.count, one.each, one.name)).collect();
    let list = list.join(", ");
    let value = match answer {
        Err(error) => return unread(about, &error),
        Ok(None) => {
            return Finding::ok(
                about,
                format!("one file takes at most {need} ({list}); the account has the default of Fargate"),
            );
        }
        Ok(Some(value)) => value,
    };
    let text = format!("the account can run {value} at a time, and one file takes at most {need} ({list})");
    let too_large = demands.iter().find(|one| one.each > value);
    if let Some(one) = too_large {
        return Finding::problem(about, format!("{text}; no task of `{}` can start", one.name))
            .fix(format!("{}, or lower `cpu`", raise(quota)));
    }
    if need > value {
        return Finding::warning(about, format!("{text}; the other tasks start when some have ended"))
            .fix(format!("{}, or lower `cpu` or `maxTasks`", raise(quota)));
    }
    Finding::ok(about, text)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::commands::status::tests::stack;

    fn denied() -> AwsError {
        AwsError {
            operation: "GetServiceQuota",
            resource: "quota L-9B653E91 of events".to_owned(),
            code: Some("AccessDeniedException".to_owned()),
            message: "no".to_owned(),
        }
    }

    #[test]
    fn a_rate_below_the_default_is_a_warning() {
        let of = |answer| of_rate(PUT_EVENTS, 2_400.0, "eu-central-1", answer);
        let low = of(Ok(Some(400.0)));
        assert_eq!(low.state, State::Warning);
        assert!(low.text.contains("400 a second") && low.fix.is_some_and(|fix| fix.contains("L-9B653E91")));
        for answer in [Ok(None), Ok(Some(2_400.0)), Ok(Some(10_000.0))] {
            assert_eq!(of(answer).state, State::Ok);
        }
        let unread = of(Err(denied()));
        assert_eq!(
            (unread.state, unread.text.as_str()),
            (State::Warning, "not checked: GetServiceQuota: is denied")
        );
        assert!(unread.fix.is_some_and(|fix| fix.contains("servicequotas:GetServiceQuota")));
    }

    #[test]
    fn tasks_that_can_never_start_are_a_problem() {
        let stack = stack();
        let own = tasks(&stack, false);
        assert_eq!(own, [TaskDemand { name: "extraction", each: 0.25, count: 4 }]);
        assert!(tasks(&stack, true).is_empty());
        for (value, state) in
            [(0.0, State::Problem), (0.5, State::Warning), (1.0, State::Ok), (6.0, State::Ok)]
        {
            let found = of_tasks(FARGATE, &own, Ok(Some(value)));
            assert_eq!(found.state, state, "{value}: {found:?}");
            assert_eq!(found.fix.is_some(), state != State::Ok);
        }
        assert_eq!(of_tasks(FARGATE, &own, Ok(None)).state, State::Ok);
        assert_eq!(of_tasks(FARGATE, &own, Err(denied())).state, State::Warning);
    }
}
