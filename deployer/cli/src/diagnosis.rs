//! A diagnosis for people: with the line of the stack file that it results from, and the findings of the services.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::recovery::Finding;
use deployer_aws::cloudformation::{CloudFormation, Event, StackResource};
use deployer_aws::ecs::stopped_tasks;
use deployer_aws::error::AwsError;
use deployer_aws::logs::tails;
use deployer_aws::session::Session;
use deployer_base::aws_error::known_hint;
use deployer_base::error::{Message, Passing};
use deployer_base::text::printable;
use deployer_base::ui;
use deployer_cfn::status::Status;
use deployer_cfn::template::logical_id;
use deployer_lang::Document;
use deployer_plan::diagnose::{self, Cause, Diagnosis, LeftOver};
use deployer_syntax::{Diagnostic, Diagnostics, Source, Span};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;

/// Number of causes that are shown; the others are counted.
const SHOWN: usize = 8;
/// Number of characters of a message that are shown: authorization failures contain thousands of unreadable ones.
const LETTERS: usize = 600;
/// Number of the last lines of a log that are shown.
const LINES: i32 = 10;

/// Known failures whose reason is in the findings of validation and hooks.
const FOUND_BY_CHECKS: [&str; 3] = ["hook-failed", "validation-failed", "validation-name-exists"];

/// The explanation that a service gives of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// A name in the file, or a task.
    pub about: String,
    /// Lines for people.
    pub lines: Vec<String>,
}

/// Finds the reason of the last operation in these events (oldest first) that failed.
#[must_use]
pub fn of(events: &[Event], origins: &BTreeMap<String, String>) -> Option<Diagnosis> {
    let events: Vec<diagnose::Event> = events.iter().map(event).collect();
    diagnose::diagnose(&events, origins)
}

/// Converts an event for the diagnosis.
#[must_use]
pub fn event(event: &Event) -> diagnose::Event {
    diagnose::Event {
        time: event.time.clone(),
        logical_id: event.logical_id.clone(),
        physical_id: event.physical_id.clone(),
        resource_type: event.resource_type.clone(),
        status: event.status.clone(),
        reason: event.reason.clone(),
        of_stack: event.of_stack,
    }
}

/// Returns the diagnosis in a sentence, and the next step: the end of a command that failed.
#[must_use]
pub fn message(diagnosis: &Diagnosis) -> Message {
    let mut text = diagnosis.causes.first().map_or_else(|| "the operation failed".to_owned(), headline);
    if let more @ 1.. = diagnosis.causes.len().saturating_sub(1) {
        text.push_str(&format!(" (and {more} more)"));
    }
    text.push_str(&format!("; the stack is in {}: {}", diagnosis.status, diagnosis.fate));
    let left: Vec<&str> = diagnosis.left_over.iter().map(|one| one.physical_id.as_str()).collect();
    let hint = match left.as_slice() {
        [] => diagnosis.next.to_owned(),
        left => format!(
            "{}; these resources are no longer part of a stack, but still exist: {}",
            diagnosis.next,
            printable(&left.join(", "))
        ),
    };
    let mut message = Message::new(text).hint(hint);
    message.passing =
        diagnosis.passing().map(|(id, lasts)| Passing { id, lasts, status: diagnosis.status.clone() });
    message
}

/// Returns the solution for a change set that CloudFormation refused for this reason.
#[must_use]
pub fn refused(reason: &str) -> String {
    known_hint(reason)
        .map_or_else(|| "nothing was changed".to_owned(), |hint| format!("{hint}; nothing was changed"))
}

/// Shows the causes on stderr, as the end of an operation that failed.
pub fn note(context: &Context, stack: &str, diagnosis: &Diagnosis, findings: &[Finding]) {
    let places = Places::read(context, stack);
    let text = causes(&places, diagnosis) + &found(findings);
    context.ui.detail(text.trim_end());
}

/// Returns the whole diagnosis as text, for a user who asked for it.
#[must_use]
pub fn text(
    context: &Context,
    stack: &str,
    diagnosis: &Diagnosis,
    findings: &[Finding],
    evidence: &[Evidence],
) -> String {
    let places = Places::read(context, stack);
    let mut out = causes(&places, diagnosis);
    out.push_str(&found(findings));
    for one in evidence {
        out.push_str(&format!("\n{}\n", printable(&one.about)));
        for text in &one.lines {
            out.push_str(&format!("    {}\n", shortened(text)));
        }
    }
    out.push_str(&format!("\n{}: {}\n", diagnosis.status, diagnosis.fate));
    for left in &diagnosis.left_over {
        out.push_str(&line(&format!("still exists: {} ({})", left.physical_id, left.resource_type)));
    }
    if diagnosis.superseded {
        out.push_str("a later operation succeeded, so this failure is in the past\n");
    } else {
        out.push_str(&format!("next: {}\n", diagnosis.next));
    }
    out
}

/// A diagnosis with the places in the file, and with what was found beside the events.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "diagnosis")]
pub struct DiagnosisReport<'a> {
    /// The first cause, and those that do not depend on it.
    causes: Vec<CauseReport<'a>>,
    /// Why CloudFormation rolled back, when what failed in the end is the rollback or the deletion.
    began_with: Vec<CauseReport<'a>>,
    /// Number of failures that only follow from these.
    consequences: usize,
    /// CloudFormation's status of the stack after the failure.
    status: &'a str,
    /// The meaning of that status for the deployed stack.
    fate: &'a str,
    /// The next step.
    next: &'a str,
    /// Resources that are no longer part of the stack, or soon will not be, and still exist.
    left_over: &'a [LeftOver],
    /// Number of times that the rollback or the deletion failed.
    attempts: usize,
    /// `true` if a later operation succeeded.
    superseded: bool,
    /// Findings of validation and hooks.
    findings: Vec<FindingReport<'a>>,
    /// The last lines of logs, and why tasks stopped.
    evidence: &'a [Evidence],
}

/// Why something failed, and where it is in the file.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "cause")]
struct CauseReport<'a> {
    /// The cause.
    #[serde(flatten)]
    cause: &'a Cause,
    /// Place of the resource in the file.
    place: Option<OriginPlace>,
}

/// A place in the stack file.
#[derive(Debug, Serialize, JsonSchema)]
struct OriginPlace {
    /// Name of the file.
    file: String,
    /// Line, counted from 1.
    line: usize,
    /// Column in characters, counted from 1.
    column: usize,
}

/// A finding of a validation or a hook.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "finding")]
struct FindingReport<'a> {
    /// Logical ID of the resource, if it is about one.
    logical_id: Option<&'a str>,
    /// Name of the validation or the hook.
    by: &'a str,
    /// Its words.
    reason: &'a str,
    /// Path of the property, if it names one.
    path: Option<&'a str>,
}

/// Returns the whole diagnosis as data.
#[must_use]
pub fn report<'a>(
    context: &Context,
    stack: &str,
    diagnosis: &'a Diagnosis,
    findings: &'a [Finding],
    evidence: &'a [Evidence],
) -> DiagnosisReport<'a> {
    let places = Places::read(context, stack);
    let causes = |list: &'a [Cause]| {
        let place = |cause: &Cause| {
            let (line, column) = places.place(cause.origin.as_deref()?)?;
            Some(OriginPlace { file: places.name().to_owned(), line, column })
        };
        list.iter().map(|cause| CauseReport { cause, place: place(cause) }).collect()
    };
    let findings = findings.iter().map(|one| FindingReport {
        logical_id: one.logical_id.as_deref(),
        by: &one.by,
        reason: &one.reason,
        path: one.path.as_deref(),
    });
    DiagnosisReport {
        causes: causes(&diagnosis.causes),
        began_with: causes(&diagnosis.began_with),
        consequences: diagnosis.consequences,
        status: &diagnosis.status,
        fate: diagnosis.fate,
        next: diagnosis.next,
        left_over: &diagnosis.left_over,
        attempts: diagnosis.attempts,
        superseded: diagnosis.superseded,
        findings: findings.collect(),
        evidence,
    }
}

/// Returns the findings of validation and hooks, one line each.
fn found(findings: &[Finding]) -> String {
    let line_of = |finding: &Finding| {
        let of = finding.logical_id.as_deref().unwrap_or("template");
        let path = finding.path.as_deref().map(|path| format!(" at {path}")).unwrap_or_default();
        line(&format!("{}: {of}{path}: {}", finding.by, finding.reason))
    };
    findings.iter().map(line_of).collect()
}

fn causes(places: &Places, diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    for cause in diagnosis.causes.iter().take(SHOWN) {
        out.push_str(&places.show(cause));
    }
    if let more @ 1.. = diagnosis.causes.len().saturating_sub(SHOWN) {
        out.push_str(&format!("and {more} more causes, which `--output json` shows\n"));
    }
    for cause in diagnosis.began_with.iter().take(SHOWN) {
        out.push_str(&format!("it started with: {}\n", headline(cause)));
    }
    if diagnosis.consequences > 0 {
        out.push_str(&format!("{} more failed only because of that\n", diagnosis.consequences));
    }
    out
}

/// Returns the failed resource and the reason, in a line.
fn headline(cause: &Cause) -> String {
    let origin = cause.origin.as_deref().filter(|origin| logical_id(origin) != cause.logical_id);
    let origin = origin.map(|name| format!(", created for `{name}`")).unwrap_or_default();
    let verb = match Status::of(&cause.status) {
        Status::CreateFailed => "could not be created",
        Status::UpdateFailed => "could not be updated",
        Status::DeleteFailed => "could not be deleted",
        _ => "failed",
    };
    shortened(&format!("{} ({}{origin}) {verb}: {}", cause.logical_id, cause.resource_type, cause.message))
}

fn line(text: &str) -> String {
    format!("{}\n", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut letters = text.chars();
    let mut out: String = letters.by_ref().take(LETTERS).collect();
    if letters.next().is_some() {
        out.push('…');
    }
    printable(&out)
}

/// The positions of the resources in the stack file; empty if it can't be read in its present form.
struct Places {
    source: Option<Source>,
    spans: BTreeMap<String, Span>,
}

impl Places {
    fn read(context: &Context, stack: &str) -> Self {
        let Ok(text) = std::fs::read_to_string(&context.file) else {
            return Self { source: None, spans: BTreeMap::new() };
        };
        let source = Source::new(context.file.display().to_string(), text);
        let mut ignored = Diagnostics::default();
        let document = Document::parse(&source, &mut ignored);
        let spans = document.filter(|_| !ignored.has_errors()).and_then(|document| {
            let is_of_file = document.stacks.iter().any(|target| target.full_name(&document.name) == stack);
            let spans = document.resources().map(|(name, span)| (name.to_owned(), span));
            is_of_file.then(|| spans.collect())
        });
        Self { source: Some(source), spans: spans.unwrap_or_default() }
    }

    fn name(&self) -> &str {
        self.source.as_ref().map_or("", |source| source.name.as_str())
    }

    /// Returns the line and column of a resource.
    fn place(&self, origin: &str) -> Option<(usize, usize)> {
        let position = self.source.as_ref()?.position(self.spans.get(origin)?.start);
        Some((position.line, position.column))
    }

    /// Describes a cause with its line in the file, its meaning and its solution.
    fn show(&self, cause: &Cause) -> String {
        let code = cause.known.as_ref().map_or("failure", |known| known.id);
        let meaning =
            cause.known.as_ref().map(|known| format!("{}\n", shortened(&known.meaning))).unwrap_or_default();
        let help = format!("{meaning}{}", shortened(&cause.fix));
        let span = cause.origin.as_ref().and_then(|origin| self.spans.get(origin));
        match (&self.source, span) {
            (Some(source), Some(span)) => {
                let mut one = Diagnostics::default();
                one.push(
                    Diagnostic::error(code, *span, headline(cause)).label("created for this").help(help),
                );
                ui::drawn(source, &one)
            }
            _ => format!("{code}: {}\n  help: {}\n", headline(cause), help.replace('\n', "\n        ")),
        }
    }
}

/// Collects the evidence of functions and tasks for the causes: last lines of logs, reasons why tasks stopped.
pub async fn evidence(
    session: &Session,
    resources: &[StackResource],
    diagnosis: &Diagnosis,
) -> Vec<Evidence> {
    let functions = diagnosis.causes.iter().filter(|cause| {
        cause.resource_type.starts_with("AWS::Lambda::") || cause.resource_type.starts_with("Custom::")
    });
    let mut groups: Vec<(String, &str)> = Vec::new();
    for cause in functions {
        let origin = cause.origin.as_deref().unwrap_or(&cause.logical_id);
        let group = resources.iter().find(|one| {
            one.resource_type == "AWS::Logs::LogGroup"
                && one.logical_id == format!("{}Logs", logical_id(origin))
        });
        if let Some(group) =
            group.filter(|group| !groups.iter().any(|(_, known)| *known == group.physical_id))
        {
            groups.push((origin.to_owned(), &group.physical_id));
        }
    }
    let of_ecs = diagnosis.causes.iter().any(|cause| cause.resource_type.starts_with("AWS::ECS::Service"));
    let clusters: Vec<&str> = resources
        .iter()
        .filter(|one| of_ecs && one.resource_type == "AWS::ECS::Cluster" && !one.physical_id.is_empty())
        .map(|one| one.physical_id.as_str())
        .collect();
    let logs = futures::future::join_all(groups.iter().map(async |(name, group)| {
        let about = format!("last lines of {group} (`{name}`):");
        lines_of(about, tails::last_lines(session, group, LINES).await)
    }));
    let tasks = futures::future::join_all(clusters.iter().map(async |cluster| {
        let stopped = stopped_tasks::stopped_tasks(session, cluster).await;
        lines_of(
            format!("tasks that stopped in {cluster}:"),
            stopped.map(|tasks| tasks.iter().map(task).collect()),
        )
    }));
    let (logs, tasks) = tokio::join!(logs, tasks);
    logs.into_iter().chain(tasks).flatten().collect()
}

fn task(task: &stopped_tasks::StoppedTask) -> String {
    let containers = task.containers.iter().map(|(name, code, reason)| {
        let code = code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let reason = reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default();
        format!("{name}: {code}{reason}")
    });
    let id = task.arn.rsplit('/').next().unwrap_or_default();
    format!("{id}: {}; {}", task.reason, containers.collect::<Vec<_>>().join("; "))
}

fn lines_of(about: String, lines: Result<Vec<String>, AwsError>) -> Option<Evidence> {
    match lines {
        Ok(lines) if lines.is_empty() => None,
        Ok(lines) => Some(Evidence { about, lines }),
        // Evidence is an addition; its failure must not hide the known causes.
        Err(error) => Some(Evidence {
            about,
            lines: vec![format!("not shown: {} failed: {}", error.operation, error.message)],
        }),
    }
}

/// Diagnoses like [`of`], with the findings of validation and hooks as causes if no resource gives a reason, and with
/// their other findings.
///
/// Without the permission for that call, the events alone must suffice.
pub async fn full(
    cloudformation: &CloudFormation,
    stack_id: &str,
    events: &[Event],
    origins: &BTreeMap<String, String>,
) -> Option<(Diagnosis, Vec<Finding>)> {
    let mut diagnosis = of(events, origins)?;
    let speaks_of_hooks =
        |cause: &Cause| cause.known.as_ref().is_some_and(|known| FOUND_BY_CHECKS.contains(&known.id));
    let only_stack = diagnosis.is_only_of_the_stack();
    if diagnosis.superseded || !(only_stack || diagnosis.causes.iter().any(speaks_of_hooks)) {
        return Some((diagnosis, Vec::new()));
    }
    let findings = cloudformation.findings(stack_id).await.unwrap_or_default();
    let status = diagnosis.causes.first().map(|cause| cause.status.clone()).unwrap_or_default();
    let of_resource = |finding: &Finding| {
        Some(diagnose::Event {
            time: finding.time.clone(),
            logical_id: finding.logical_id.clone()?,
            resource_type: finding.resource_type.clone(),
            status: status.clone(),
            reason: Some(finding.reason.clone()),
            ..diagnose::Event::default()
        })
    };
    let found: Vec<diagnose::Event> = findings.iter().filter_map(of_resource).collect();
    diagnosis.explain_by(&found, origins);
    // A finding that became a cause need not be repeated.
    let rest = findings.into_iter().filter(|finding| !only_stack || finding.logical_id.is_none()).collect();
    Some((diagnosis, rest))
}
