//! What all stacks of an account and region have in use of the quotas that a stack takes from. `doctor` shows all of it, and
//! `diff` what would become scarce.

use std::collections::BTreeMap;

use contract::settings::ExtractSettings;
use deployer_aws::error::AwsError;
use deployer_aws::preflight::{self, Concurrency};
use deployer_aws::service_quotas::{
    BUCKETS, FARGATE, FARGATE_SPOT, PUT_EVENTS, Quota, QuotaFacts, RULES, TABLES, facts,
};
use deployer_aws::session::Session;
use deployer_aws::usage::{self, Counted, Reservations};
use deployer_base::time;
use deployer_lang::Stack;
use deployer_lang::model::access::{Access, Verb};
use deployer_lang::model::function::Settings;
use deployer_lang::model::worker::Worker;
use deployer_plan::quotas::quotas;
use deployer_plan::usage::{Room, Takes, room};
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::plan::Plan;
use crate::situation::Situation;

/// CPU units of a virtual CPU: Amazon ECS API Reference, `TaskDefinition`.
const UNITS: f64 = 1_024.0;
/// Executions that stay unreserved in an account: AWS Lambda Developer Guide, "Configuring reserved concurrency".
const UNRESERVED: i64 = 100;

/// The use of a quota by the account.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "quotaUsage")]
pub struct QuotaUsage {
    /// What the quota limits.
    pub of: String,
    /// The quota; null if it is not known.
    pub limit: Option<f64>,
    /// What the account has in use, with this stack if it is deployed; null if it is not known.
    pub used: Option<f64>,
    /// `true` if the count was stopped, so that more is in use.
    pub more: bool,
    /// What the stack takes; null if that depends on its files.
    pub stack: Option<f64>,
    /// The stacks that use it, if they are known: those that use most come first.
    pub by: Vec<Holder>,
    /// Why something is not known.
    pub unknown: Option<String>,
    /// The way to raise the quota.
    #[serde(skip)]
    pub fix: String,
}

/// The part of a quota that one stack uses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "quotaHolder")]
pub struct Holder {
    /// Name of the CloudFormation stack; null for what belongs to none, or to one that is not known.
    pub stack: Option<String>,
    /// What it uses.
    pub used: f64,
}

/// What a stack takes, or would take anew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// What its template takes.
    pub takes: Takes,
    /// Virtual CPUs of the tasks that one file starts, and those on spare capacity.
    pub vcpus: [f64; 2],
    /// `true` if calls of PutEvents count.
    pub put_events: bool,
}

/// Quotas that were read already, or why they could not be.
#[derive(Debug, Clone, Default)]
pub struct KnownQuotas {
    /// Of PutEvents.
    pub put_events: Option<Result<QuotaFacts, String>>,
    /// Of Fargate, and of its spare capacity.
    pub fargate: [Option<Result<QuotaFacts, String>>; 2],
}

/// Describes why a call gave no answer.
pub fn reason(error: &AwsError) -> String {
    let why = if error.is_denied() { "is denied" } else { &error.message };
    format!("{}: {why}", error.operation)
}

/// Returns the way to raise a quota.
pub fn raise(quota: Quota) -> String {
    let Quota { service, code, name } = quota;
    format!("raise the quota `{name}`: Service Quotas, service `{service}`, code {code}")
}

impl QuotaUsage {
    fn new(of: impl Into<String>, quota: Quota, stack: Option<f64>) -> Self {
        Self {
            of: of.into(),
            limit: None,
            used: None,
            more: false,
            stack,
            by: Vec::new(),
            unknown: None,
            fix: raise(quota),
        }
    }

    fn unknown(self, error: &AwsError) -> Self {
        // The first reason is enough.
        let unknown = self.unknown.clone().or_else(|| Some(reason(error)));
        Self { unknown, ..self }
    }

    fn limited(self, facts: &Result<QuotaFacts, AwsError>, default: f64) -> Self {
        match facts {
            Ok(found) => Self { limit: Some(found.value.unwrap_or(default)), ..self },
            Err(error) => self.unknown(error),
        }
    }

    fn counted(self, counted: Result<Counted, AwsError>) -> Self {
        match counted {
            Ok(Counted { count, is_cut }) => Self { used: Some(number(count)), more: is_cut, ..self },
            Err(error) => self.unknown(&error),
        }
    }

    /// Returns what is left if `more` comes to what is in use; `None` if that is not known.
    pub fn room(&self, more: f64) -> Option<Room> {
        Some(room(self.limit?, self.used?, more))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of resources")]
const fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "executions at the same time")]
const fn executions(count: i64) -> f64 {
    count as f64
}

/// Asks for what the account uses of each quota that a stack takes from; all at the same time.
pub async fn look(session: &Session, demand: &Demand, known: &KnownQuotas, holders: bool) -> Vec<QuotaUsage> {
    let takes = &demand.takes;
    let rules = join_all(takes.rules.iter().map(|(bus, count)| rules(session, bus, *count)));
    let (lambda, tables, buckets, rules, own_rules, metrics) = tokio::join!(
        async {
            if takes.reserved > 0 { Some(lambda(session, takes.reserved, holders).await) } else { None }
        },
        async { if takes.tables > 0 { Some(tables(session, takes.tables).await) } else { None } },
        async { if takes.buckets > 0 { Some(buckets(session, takes.buckets).await) } else { None } },
        rules,
        own_rules(session, takes.rules_of_own_bus),
        metrics(session, demand, known),
    );
    let mut out: Vec<QuotaUsage> = lambda.into_iter().chain(metrics).collect();
    out.extend(rules);
    out.extend(own_rules);
    out.extend(tables);
    out.extend(buckets);
    out
}

async fn lambda(session: &Session, reserved: i64, holders: bool) -> QuotaUsage {
    const QUOTA: Quota = Quota { service: "lambda", code: "L-B99A9384", name: "Concurrent executions" };
    let out = QuotaUsage::new("reserved concurrency of Lambda", QUOTA, Some(executions(reserved)));
    let account = match preflight::concurrency(session).await {
        Ok(account) => account,
        Err(error) => return out.unknown(&error),
    };
    let Concurrency { limit, unreserved } = account;
    let used = limit - unreserved;
    let out = QuotaUsage {
        limit: Some(executions(if account.is_small() { 0 } else { (limit - UNRESERVED).max(0) })),
        used: Some(executions(used)),
        ..out
    };
    if !holders {
        return out;
    }
    match usage::reservations(session, used).await {
        Ok(found) => QuotaUsage { by: by_stack(&found, used), ..out },
        Err(error) => out.unknown(&error),
    }
}

/// Adds the reservations of each stack up; what was not found is of no known stack.
fn by_stack(found: &Reservations, total: i64) -> Vec<Holder> {
    let mut sums: BTreeMap<Option<&str>, i64> = BTreeMap::new();
    for one in &found.found {
        *sums.entry(one.stack.as_deref()).or_default() += one.reserved;
    }
    let rest = total - found.found.iter().map(|one| one.reserved).sum::<i64>();
    if rest > 0 {
        *sums.entry(None).or_default() += rest;
    }
    let mut sums: Vec<(Option<&str>, i64)> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let holder = |(stack, used): (Option<&str>, i64)| Holder {
        stack: stack.map(str::to_owned),
        used: executions(used),
    };
    sums.into_iter().map(holder).collect()
}

async fn tables(session: &Session, count: usize) -> QuotaUsage {
    let (facts, counted) = tokio::join!(facts(session, TABLES), usage::tables(session));
    let out = QuotaUsage::new("tables of DynamoDB", TABLES, Some(number(count)));
    out.limited(&facts, quotas().tables).counted(counted)
}

async fn buckets(session: &Session, count: usize) -> QuotaUsage {
    let (facts, counted) = tokio::join!(facts(session, BUCKETS), usage::buckets(session));
    let out = QuotaUsage::new("buckets of S3", BUCKETS, Some(number(count)));
    out.limited(&facts, quotas().buckets).counted(counted)
}

async fn rules(session: &Session, bus: &str, count: usize) -> QuotaUsage {
    let (facts, counted) = tokio::join!(facts(session, RULES), usage::rules(session, bus));
    let out = QuotaUsage::new(format!("rules on the bus {bus}"), RULES, Some(number(count)));
    out.limited(&facts, quotas().rules(&session.region)).counted(counted)
}

/// Compares the rules on a bus of the stack's own, on which no others are; only many are worth a call.
async fn own_rules(session: &Session, count: usize) -> Option<QuotaUsage> {
    let default = quotas().rules(&session.region);
    if room(default, number(count), 0.0) == Room::Enough {
        return None;
    }
    let facts = facts(session, RULES).await;
    let out = QuotaUsage::new("rules on a bus of the stack", RULES, Some(number(count)));
    Some(QuotaUsage { used: Some(number(count)), ..out.limited(&facts, default) })
}

/// Asks for the metrics that AWS keeps of the use of quotas.
async fn metrics(session: &Session, demand: &Demand, known: &KnownQuotas) -> Vec<QuotaUsage> {
    let [vcpus, spot] = demand.vcpus;
    let read = async |known: &Option<Result<QuotaFacts, String>>, quota: Quota| match known {
        Some(known) => known.clone(),
        None => facts(session, quota).await.map_err(|error| reason(&error)),
    };
    let line =
        async |of: &str, quota: Quota, known: &Option<Result<QuotaFacts, String>>, stack: Option<f64>| {
            let out = QuotaUsage::new(of, quota, stack);
            let found = match read(known, quota).await {
                Ok(found) => found,
                Err(unknown) => return QuotaUsage { unknown: Some(unknown), ..out },
            };
            let default = (quota == PUT_EVENTS).then(|| quotas().put_events(&session.region));
            let out = QuotaUsage { limit: found.value.or(default), ..out };
            let Some(metric) = &found.usage else {
                return QuotaUsage { unknown: Some("the quota has no metric of its use".to_owned()), ..out };
            };
            match usage::largest(session, metric, time::now()).await {
                Ok(largest) => QuotaUsage { used: Some(largest.unwrap_or_default()), ..out },
                Err(error) => out.unknown(&error),
            }
        };
    let wanted = async |is_wanted: bool, of: &str, quota, known, stack| match is_wanted {
        true => Some(line(of, quota, known, stack).await),
        false => None,
    };
    let found = tokio::join!(
        wanted(demand.put_events, "calls of PutEvents a second", PUT_EVENTS, &known.put_events, None),
        wanted(vcpus > 0.0, "virtual CPUs of Fargate", FARGATE, &known.fargate[0], Some(vcpus)),
        wanted(spot > 0.0, "virtual CPUs of Fargate Spot", FARGATE_SPOT, &known.fargate[1], Some(spot)),
    );
    [found.0, found.1, found.2].into_iter().flatten().collect()
}

/// Returns the notes of a plan about quotas that are nearly used up; one warning tells what could not be asked.
pub async fn notes(context: &Context, situation: &Situation, stack: &Stack, plan: &Plan) -> Vec<String> {
    let session = &situation.session;
    if session.local || plan.diff.is_empty() {
        return Vec::new();
    }
    let deployed = situation.deployed.as_ref().map(|deployed| Takes::of(&deployed.template));
    let takes = Takes::of(&situation.wanted.template).beyond(&deployed.unwrap_or_default());
    let vcpus = match takes.has_tasks() {
        true => [false, true].map(|is_spot| total(&tasks(stack, is_spot))),
        false => [0.0, 0.0],
    };
    let demand = Demand { takes, vcpus, put_events: false };
    let found = look(session, &demand, &KnownQuotas::default(), false).await;
    let mut unknown: Vec<&str> = found.iter().filter_map(|one| one.unknown.as_deref()).collect();
    unknown.dedup();
    if !unknown.is_empty() {
        context.ui.warn(format!("not compared with the quotas of the account: {}", unknown.join("; ")));
    }
    found.iter().filter_map(note).collect()
}

/// Returns the note about a quota of which a deployment takes the last.
fn note(one: &QuotaUsage) -> Option<String> {
    let (limit, used, more) = (one.limit?, one.used?, one.stack?);
    // Rules on a bus of its own are those of the stack alone.
    let counted = one.of == "rules on a bus of the stack";
    let end = match one.room(if counted { 0.0 } else { more })? {
        Room::Enough => return None,
        Room::Little => "which is nearly all",
        Room::TooLittle => "which is too much",
    };
    Some(format!(
        "{}: {used} of {limit} are in use in the account, and this deployment takes {more}, {end}; {}",
        one.of, one.fix
    ))
}

/// The virtual CPUs that a task of a stack takes.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDemand<'a> {
    /// Name of the task in the file.
    pub name: &'a str,
    /// Virtual CPUs of one task.
    pub each: f64,
    /// Tasks that read one file at the same time; 1 for a task that no `extract` starts.
    pub count: u32,
}

impl TaskDemand<'_> {
    fn total(&self) -> f64 {
        self.each * f64::from(self.count)
    }
}

/// Returns the virtual CPUs of all tasks.
pub fn total(demands: &[TaskDemand<'_>]) -> f64 {
    demands.iter().map(TaskDemand::total).sum()
}

/// Returns the demands of the tasks on spare capacity, or of the others.
pub fn tasks(stack: &Stack, is_spot: bool) -> Vec<TaskDemand<'_>> {
    let count = |name: &str| {
        let runs = |access: &Access| access.verb == Verb::Run && access.resource.name == name;
        let extract = stack
            .functions()
            .filter(|(_, one)| one.worker() == Some(Worker::Extract) && one.access.iter().any(runs));
        extract.map(|(_, one)| tasks_of_a_file(one.settings.as_deref())).max().unwrap_or(1)
    };
    let tasks = stack.tasks().filter(|(_, task)| task.spot == is_spot);
    tasks
        .map(|(resource, task)| {
            #[expect(clippy::cast_precision_loss, reason = "CPU units are thousands")]
            let units = task.cpu as f64;
            TaskDemand { name: &resource.name, each: units / UNITS, count: count(&resource.name) }
        })
        .collect()
}

/// Returns the number of tasks that read a file at the same time, at most.
fn tasks_of_a_file(settings: Option<&Settings>) -> u32 {
    settings.map_or_else(|| ExtractSettings::default().max_tasks, |settings| settings.extract.max_tasks)
}

#[cfg(test)]
mod tests {
    use deployer_aws::usage::Reservation;

    use super::*;

    #[test]
    fn reservations_are_added_up_by_stack_and_the_rest_is_of_none() {
        let one = |function: &str, stack: Option<&str>, reserved| Reservation {
            function: function.to_owned(),
            stack: stack.map(str::to_owned),
            reserved,
        };
        let found = [one("a", Some("shop"), 5), one("b", Some("shop"), 20), one("c", None, 1)];
        let found = Reservations { found: found.to_vec(), is_cut: true };
        let holder = |stack: Option<&str>, used| Holder { stack: stack.map(str::to_owned), used };
        assert_eq!(by_stack(&found, 30), [holder(Some("shop"), 25.0), holder(None, 5.0)]);
        assert_eq!(by_stack(&Reservations::default(), 0), []);
    }

    #[test]
    fn only_what_becomes_scarce_is_noted() {
        let line = |used: Option<f64>, stack| QuotaUsage {
            limit: Some(100.0),
            used,
            ..QuotaUsage::new("tables of DynamoDB", TABLES, Some(stack))
        };
        assert_eq!(note(&line(Some(10.0), 3.0)), None);
        assert_eq!(note(&line(None, 3.0)), None, "it is not known");
        let nearly = note(&line(Some(80.0), 3.0)).expect("a note");
        assert!(nearly.contains("80 of 100 are in use") && nearly.contains("nearly all"), "{nearly}");
        let full = note(&line(Some(98.0), 3.0)).expect("a note");
        assert!(full.contains("too much") && full.contains("L-F98FE922"), "{full}");
    }
}
