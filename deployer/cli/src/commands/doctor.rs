//! `deployer doctor`.

use std::process::Stdio;
use std::time::Duration;

use deployer_aws::calls::Calls;
use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackState};
use deployer_aws::doctor;
use deployer_aws::error::AwsError;
use deployer_aws::session::{Connection, Session, Unidentified};
use deployer_aws::{ecr, preflight, s3};
use deployer_base::error::{Error, Message, Result};
use deployer_base::time;
use deployer_build::{REPOSITORY, bucket_name, cargo_lambda, needs_build, needs_cargo_lambda};
use deployer_cfn::Template;
use deployer_lang::assets::{Asset, AssetKind, assets};
use deployer_lang::model::target::Target;
use deployer_lang::{Compiled, Stack};
use deployer_local::emulator;
use deployer_local::state::{Folder, Status};
use deployer_plan::usage::{Room, Takes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::account_usage::{Demand, Holder, QuotaUsage, look, tasks, total};
use crate::context::{Context, check_account};
use crate::watch::way_out;

mod permissions;
mod quotas;

/// Check what a deployment needs, and show how to fix what is missing
///
/// Compares the quotas of the account (Lambda, EventBridge, Fargate) with what the stack needs, shows how much of them all stacks of
/// the account and Region use, and lets IAM simulate the permissions that `deployer permissions` prints. Read-only. Exits with 1 if there
/// is a problem.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
}

/// Seconds by which clocks may differ before AWS refuses signatures: five minutes, by "Troubleshoot Signature Version 4
/// signing for AWS API requests" of the IAM User Guide. Half of that is worth a warning.
const SKEW: u64 = 300;
/// Time limit for a tool to print its version.
const TOOL: Duration = Duration::from_secs(10);

/// The findings about the tools, the account and the stack.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Examination<'a> {
    /// Name of the stack; null when there is no stack file.
    stack: Option<&'a str>,
    /// The number of problems; the exit code is 1 unless it is 0.
    problems: usize,
    /// The findings.
    findings: &'a [Finding],
    /// What the account has in use of the quotas that the stack takes from; empty on the local cloud.
    usage: &'a [QuotaUsage],
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "examined")]
struct Finding {
    /// The check.
    about: &'static str,
    /// The result.
    state: State,
    /// The finding.
    text: String,
    /// The way to solve it.
    fix: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "examinedState")]
enum State {
    /// Nothing is wrong.
    Ok,
    /// A deployment may fail, or something could not be checked.
    Warning,
    /// A deployment will fail, or the stack could not work.
    Problem,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Finding {
    fn new(about: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { about, state, text: text.into(), fix: None }
    }

    fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(about, State::Ok, text)
    }

    fn warning(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(about, State::Warning, text)
    }

    fn problem(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(about, State::Problem, text)
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Creates a finding from an error that would stop a deployment too.
    fn of(about: &'static str, error: &Error) -> Self {
        let message = error.message().unwrap_or_else(|| Message::new("no reason given"));
        Self { fix: message.hint, ..Self::problem(about, message.text) }
    }

    /// Creates a finding from an error of a call that a deployment can do without.
    fn unknown(about: &'static str, error: &AwsError) -> Self {
        let why = if error.is_denied() { "is denied" } else { &error.message };
        Self::warning(about, format!("not checked: {}: {why}", error.operation))
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    if !context.file.exists() {
        return without_file(context).await;
    }
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let code = assets(&stack);
    let endpoint = endpoint(context, &stack);
    let unreachable = stack.target.target == Target::Local
        && endpoint.iter().any(|finding| finding.state == State::Problem);
    let looked = async {
        // An unreachable endpoint is one problem, not two.
        if unreachable {
            return (Vec::new(), Vec::new());
        }
        match context.connect(&stack.target).await {
            Ok(session) => at_cloud(&stack, &template, &code, &session).await,
            Err(error) => (vec![Finding::of("credentials", &error)], Vec::new()),
        }
    };
    let ((cloud, usage), clock, tools) =
        tokio::join!(looked, clock(context, &stack), tools(context, &stack, &code));
    let mut findings: Vec<Finding> = endpoint;
    findings.extend(cloud);
    findings.extend(clock);
    findings.extend(tools);
    report(context, Some(&stack.name), &findings, &usage)
}

/// Checks the machine before there is a stack file. A tool that only one of the two targets needs is not a problem yet.
async fn without_file(context: &Context) -> Result<()> {
    let Err(missing) = context.load() else {
        return Err(Error::failed("the stack file was created just now; run the command again"));
    };
    let emulator = match emulator::find_for(context.folder()) {
        Ok(path) => Finding::ok("emulator", format!("the local cloud can use {}", path.display())),
        Err(error) => Finding { state: State::Warning, ..Finding::of("emulator", &error) },
    };
    let connection = Connection::Aws { region: context.region.clone(), profile: context.profile.clone() };
    let session =
        async { Unidentified::open(connection, context.ui.calls().map(Calls::to)).await?.identify().await };
    let credentials = match session.await {
        Ok(session) => Finding::ok(
            "credentials",
            format!("{} in account {}, {}", session.caller, session.account, session.region),
        ),
        Err(error) => Finding { state: State::Warning, ..Finding::of("credentials", &error) },
    };
    report(context, None, &[Finding::of("stack file", &missing), emulator, credentials], &[])
}

/// Describes the endpoint of the calls.
fn endpoint(context: &Context, stack: &Stack) -> Vec<Finding> {
    const ABOUT: &str = "endpoint";
    if stack.target.target == Target::Aws {
        // Every AWS tool obeys this variable, which is easily forgotten.
        let named = std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        let named =
            named.map(|url| Finding::warning(ABOUT, format!("AWS_ENDPOINT_URL sends all calls to {url}")));
        return named.map(|finding| finding.fix("unset it unless this is intended")).into_iter().collect();
    }
    if let Some(endpoint) = &stack.target.endpoint {
        return vec![Finding::ok(ABOUT, format!("{endpoint}, from the stack file"))];
    }
    vec![match Folder::beside(context.folder()).status() {
        Ok(Status::Running(running)) => {
            Finding::ok(ABOUT, format!("the local cloud is running at {}", running.endpoint))
        }
        Ok(Status::Starting(_)) => Finding::warning(ABOUT, "the local cloud is starting"),
        Ok(Status::Stopped) => match emulator::find_for(context.folder()) {
            Ok(_) => Finding::problem(ABOUT, "the local cloud is not running")
                .fix("start it with `deployer local up`"),
            Err(error) => {
                let found = Finding::of("emulator", &error);
                let fix = found.fix.clone().unwrap_or_default();
                found.fix(format!("{fix}; then run `deployer local up`"))
            }
        },
        Err(error) => Finding::of(ABOUT, &error),
    }]
}

/// Checks the facts that only AWS, or the local cloud, can confirm.
async fn at_cloud(
    stack: &Stack,
    template: &Template,
    code: &[Asset],
    session: &Session,
) -> (Vec<Finding>, Vec<QuotaUsage>) {
    const ABOUT: &str = "credentials";
    let place =
        if session.local { "the local cloud".to_owned() } else { format!("account {}", session.account) };
    let who = Finding::ok(ABOUT, format!("{} in {place}, {}", session.caller, session.region));
    if let Err(error) = check_account(&stack.target, session) {
        return (vec![who, Finding::of(ABOUT, &error)], Vec::new());
    }
    let images = code.iter().any(|asset| asset.kind == AssetKind::Image);
    let (described, bucket, repository) = tokio::join!(
        async { CloudFormation::new(session).describe(&stack.name).await },
        bucket(session),
        async { if images { Some(repository(session).await) } else { None } },
    );
    let there = described.as_ref().ok().and_then(Option::as_ref);
    let (account, usage) = match session.local {
        true => (Vec::new(), Vec::new()),
        false => account(stack, template, there, session).await,
    };
    let mut findings = vec![who, deployed(stack, &described), bucket];
    findings.extend(repository);
    findings.extend(account);
    (findings, usage)
}

fn deployed(stack: &Stack, found: &std::result::Result<Option<DeployedStack>, AwsError>) -> Finding {
    const ABOUT: &str = "stack";
    match found {
        Ok(None) => Finding::ok(ABOUT, format!("{} is not deployed yet", stack.name)),
        Ok(Some(found)) => {
            let text = format!("{} is in {}", found.name, found.status);
            match found.state {
                StackState::Settled | StackState::Review => Finding::ok(ABOUT, text),
                StackState::Busy => {
                    Finding::warning(ABOUT, text).fix("`deployer deploy` watches that operation first")
                }
                StackState::Dead => Finding::problem(ABOUT, text).fix(way_out(&found.status)),
            }
        }
        Err(error) => Finding::of(ABOUT, &error.clone().into()),
    }
}

async fn bucket(session: &Session) -> Finding {
    const ABOUT: &str = "asset bucket";
    let bucket = bucket_name(session);
    let look = async {
        let there = s3::bucket_exists(session, &bucket).await?;
        Ok::<_, Error>((there, there && s3::is_set_up(session, &bucket).await?))
    };
    match look.await {
        Ok((_, true)) => Finding::ok(ABOUT, format!("{bucket} exists and is configured")),
        Ok((true, false)) => Finding::warning(ABOUT, format!("{bucket} exists, but is not fully configured"))
            .fix("the next deployment configures it, or run `deployer bootstrap`"),
        Ok((false, false)) => Finding::ok(
            ABOUT,
            format!("{bucket} is created by the first deployment, or by `deployer bootstrap`"),
        ),
        Err(error) => Finding::of(ABOUT, &error),
    }
}

async fn repository(session: &Session) -> Finding {
    const ABOUT: &str = "image repository";
    match ecr::repository_uri(session, REPOSITORY).await {
        Ok(Some(uri)) => Finding::ok(ABOUT, format!("{uri} exists")),
        Ok(None) => Finding::ok(
            ABOUT,
            format!("{REPOSITORY} is created by the first deployment, or by `deployer bootstrap`"),
        ),
        Err(error) => Finding::of(ABOUT, &error.into()),
    }
}

/// Checks limits and permissions, which the local cloud doesn't have.
async fn account(
    stack: &Stack,
    template: &Template,
    deployed: Option<&DeployedStack>,
    session: &Session,
) -> (Vec<Finding>, Vec<QuotaUsage>) {
    let has_tasks = stack.tasks().next().is_some();
    let used = async {
        let (findings, known) = quotas::findings(stack, session).await;
        let demand = Demand {
            takes: Takes::of(&template.to_value()),
            vcpus: [false, true].map(|is_spot| total(&tasks(stack, is_spot))),
            put_events: quotas::uses_a_bus(stack),
        };
        (findings, look(session, &demand, &known, true).await)
    };
    let (concurrency, (quotas, usage), role, permissions) = tokio::join!(
        concurrency(stack, deployed.is_some(), session),
        used,
        async { if has_tasks { Some(ecs_role(session).await) } else { None } },
        permissions::findings(stack, template, deployed, session),
    );
    let mut findings = concurrency;
    findings.extend(quotas);
    findings.extend(usage.iter().filter_map(|one| scarce(one, deployed.is_some())));
    findings.extend(role);
    findings.extend(permissions);
    (findings, usage)
}

/// Returns the finding about a quota of which little is left. What a deployed stack takes is in use already.
fn scarce(one: &QuotaUsage, is_deployed: bool) -> Option<Finding> {
    const ABOUT: &str = "account";
    let more = one.stack.filter(|_| !is_deployed).unwrap_or_default();
    let text = || {
        let (used, limit) = (one.used.unwrap_or_default(), one.limit.unwrap_or_default());
        let takes = if more > 0.0 { format!("; this stack takes {more}") } else { String::new() };
        format!("{}: {used} of {limit} are in use{takes}", one.of)
    };
    match one.room(more)? {
        Room::Enough => None,
        Room::Little => Some(Finding::warning(ABOUT, text()).fix(one.fix.clone())),
        // Tasks and calls wait for others, and the reservations have a finding of their own.
        Room::TooLittle => {
            Some(Finding::warning(ABOUT, format!("{}, which is too much", text())).fix(one.fix.clone()))
        }
    }
}

async fn concurrency(stack: &Stack, deployed: bool, session: &Session) -> Vec<Finding> {
    const ABOUT: &str = "lambda concurrency";
    let reserved: i64 = stack.functions().filter_map(|(_, function)| function.concurrency).sum();
    if stack.functions().next().is_none() {
        return Vec::new();
    }
    let account = match preflight::concurrency(session).await {
        Ok(account) => account,
        Err(error) => return vec![Finding::unknown(ABOUT, &error)],
    };
    let reservable = account.reservable(!deployed);
    let text = format!(
        "the account can run {} at a time, {} of them unreserved; this stack reserves {reserved}",
        account.limit, account.unreserved
    );
    let finding = if reserved <= reservable {
        Finding::ok(ABOUT, text)
    } else if account.is_small() {
        Finding::problem(ABOUT, format!("{text}, and an account with this limit cannot reserve any")).fix(
            "set `concurrency: unreserved` in the file, or raise the quota `Concurrent executions` of Lambda",
        )
    } else {
        Finding::problem(ABOUT, format!("{text}, and can reserve {reservable}"))
            .fix("lower `concurrency` in the file, or raise the quota `Concurrent executions` of Lambda")
    };
    let mut findings = vec![finding];
    let most = preflight::MEMORY_OF_ALL;
    let large = stack
        .functions()
        .filter(|(_, function)| i64::try_from(function.memory >> 20).is_ok_and(|memory| memory > most));
    let large: Vec<&str> = large.map(|(resource, _)| resource.name.as_str()).collect();
    if account.is_small() && !large.is_empty() {
        let text = format!(
            "{} has more than {most} MB of memory, which Lambda may refuse in an account with the quotas of a new account",
            large.join(", ")
        );
        findings.push(
            Finding::warning("lambda memory", text)
                .fix("lower `memory` in the file, or ask AWS support for more"),
        );
    }
    findings
}

async fn ecs_role(session: &Session) -> Finding {
    const ABOUT: &str = "ecs role";
    match doctor::has_ecs_role(session).await {
        Ok(true) => Finding::ok(ABOUT, "the account has the service-linked role of ECS"),
        Ok(false) => Finding::warning(ABOUT, "the account has never used ECS, and does not have its service-linked role").fix(
            "`deployer deploy` creates it; or run `aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`",
        ),
        Err(error) => Finding::unknown(ABOUT, &error),
    }
}

/// Checks the clock of this machine. The check is separate from that of the credentials, which fail if the clock is
/// wrong.
async fn clock(context: &Context, stack: &Stack) -> Option<Finding> {
    const ABOUT: &str = "clock";
    let variable = |name| std::env::var(name).ok().filter(|region: &String| !region.is_empty());
    let region = context.region.clone().or_else(|| stack.target.region.clone());
    let region = region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    // The local cloud uses the clock of this machine.
    let region =
        region.filter(|_| stack.target.target == Target::Aws && variable("AWS_ENDPOINT_URL").is_none())?;
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(match doctor::clock(&format!("https://sts.{region}.{domain}")).await {
        Ok(there) => skew(there, time::now()),
        Err(error) => {
            let text = error.message().map(|message| message.text).unwrap_or_default();
            Finding::warning(ABOUT, format!("not checked: {text}"))
        }
    })
}

fn skew(there: u64, here: u64) -> Finding {
    const ABOUT: &str = "clock";
    let text = format!("{} s away from the clock of AWS", here.abs_diff(there));
    match here.abs_diff(there) {
        0..=5 => Finding::ok(ABOUT, "agrees with the clock of AWS"),
        seconds if seconds < SKEW / 2 => Finding::ok(ABOUT, text),
        seconds if seconds < SKEW => Finding::warning(ABOUT, text).fix("set this machine's clock"),
        _ => Finding::problem(ABOUT, format!("{text}; AWS rejects requests that are signed at a wrong time"))
            .fix("set this machine's clock"),
    }
}

/// Checks the tools that build workers, if workers must be built.
async fn tools(context: &Context, stack: &Stack, code: &[Asset]) -> Vec<Finding> {
    if !needs_build(context.project(), code) {
        return vec![Finding::ok("tools", "none needed: no worker has to be built")];
    }
    if !needs_cargo_lambda(stack.target.target == Target::Local) {
        return vec![cargo().await];
    }
    let lambda = match cargo_lambda::find(context.folder()) {
        Ok(path) => Finding::ok("cargo-lambda", path.display().to_string()),
        Err(error) => Finding::of("cargo-lambda", &error),
    };
    vec![cargo().await, lambda]
}

async fn cargo() -> Finding {
    const ABOUT: &str = "cargo";
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let version = tokio::process::Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let missing = |why: String| {
        Finding::problem(ABOUT, format!("could not run {}: {why}", program.display()))
            .fix("install Rust from https://rustup.rs")
    };
    match tokio::time::timeout(TOOL, version).await {
        Ok(Ok(output)) if output.status.success() => {
            Finding::ok(ABOUT, String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(Ok(output)) => missing(output.status.to_string()),
        Ok(Err(error)) => missing(error.to_string()),
        Err(_) => missing(format!("no answer after {} s", TOOL.as_secs())),
    }
}

fn report(context: &Context, stack: Option<&str>, findings: &[Finding], usage: &[QuotaUsage]) -> Result<()> {
    let problems = findings.iter().filter(|finding| finding.state == State::Problem).count();
    if context.ui.is_json() {
        context.ui.json(Examination { stack, problems, findings, usage })?;
    } else {
        let rows = findings.iter().flat_map(|one| {
            let row = |state: &str, about: &str, text: &str| [state, about, text].map(str::to_owned).to_vec();
            let fix = one.fix.as_deref().map(|fix| row("", "", &format!("→ {fix}")));
            std::iter::once(row(one.state.name(), one.about, &one.text)).chain(fix)
        });
        let head = ["", "about", "found"].map(str::to_owned);
        let mut text = deployer_base::ui::wrapped_table(&head, rows);
        if !usage.is_empty() {
            text.push('\n');
            text.push_str(&usage_table(usage));
        }
        context.ui.data(&text)?;
    }
    match problems {
        0 => Ok(()),
        1 => Err(Error::failed("there is a problem")),
        many => Err(Error::failed(format!("there are {many} problems"))),
    }
}

/// Number of stacks that are named for a quota.
const MOST_HOLDERS: usize = 5;

/// Returns the use of the quotas as a table.
fn usage_table(usage: &[QuotaUsage]) -> String {
    let head = ["in the account", "quota", "in use", "this stack", "by"].map(str::to_owned);
    let shown = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let rows = usage.iter().map(|one| {
        let least = if one.more { "at least " } else { "" };
        let holder =
            |holder: &Holder| format!("{} {}", holder.stack.as_deref().unwrap_or("others"), holder.used);
        let mut by: Vec<String> = one.by.iter().take(MOST_HOLDERS).map(holder).collect();
        if one.by.len() > MOST_HOLDERS {
            by.push(format!("{} more stacks", one.by.len() - MOST_HOLDERS));
        }
        by.extend(one.unknown.as_ref().map(|why| format!("not known: {why}")));
        vec![
            one.of.clone(),
            shown(one.limit),
            format!("{least}{}", shown(one.used)),
            one.stack.map_or_else(String::new, |stack| stack.to_string()),
            by.join(", "),
        ]
    });
    deployer_base::ui::wrapped_table(&head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deployed_is_in_use_already() {
        let one = |used| QuotaUsage {
            of: "tables of DynamoDB".to_owned(),
            limit: Some(100.0),
            used: Some(used),
            more: false,
            stack: Some(10.0),
            by: Vec::new(),
            unknown: None,
            fix: "raise it".to_owned(),
        };
        assert_eq!(scarce(&one(75.0), true), None);
        let found = scarce(&one(75.0), false).expect("85 of 100");
        assert_eq!((found.state, found.fix.as_deref()), (State::Warning, Some("raise it")));
        assert_eq!(found.text, "tables of DynamoDB: 75 of 100 are in use; this stack takes 10");
        let found = scarce(&one(95.0), false).expect("105 of 100");
        assert!(found.text.ends_with("which is too much"), "{}", found.text);
    }

    #[test]
    fn a_clock_may_be_wrong_by_less_than_aws_refuses() {
        for (seconds, state) in [
            (0, State::Ok),
            (100, State::Ok),
            (200, State::Warning),
            (300, State::Problem),
            (9_999, State::Problem),
        ] {
            assert_eq!(skew(10_000, 10_000 + seconds).state, state, "{seconds}");
            assert_eq!(skew(10_000 + seconds, 10_000).state, state, "-{seconds}");
        }
    }

    #[test]
    fn what_stops_a_deployment_is_a_problem_and_what_was_not_seen_a_warning() {
        let error = AwsError {
            operation: "GetAccountSettings",
            resource: "Lambda".to_owned(),
            code: Some("AccessDeniedException".to_owned()),
            message: "no".to_owned(),
        };
        let unknown = Finding::unknown("x", &error);
        assert_eq!(
            (unknown.state, unknown.text.as_str()),
            (State::Warning, "not checked: GetAccountSettings: is denied")
        );
        let problem = Finding::of("x", &error.into());
        assert_eq!(problem.state, State::Problem);
        assert!(problem.fix.is_some_and(|fix| fix.contains("GetAccountSettings")));
    }
}
