//! The causes of failed operations of CloudFormation: the events of a stack → the first real cause, and what began it.
//!
//! A failure leaves dozens of events, most of which say that something else failed. [`diagnose`] splits them into
//! operations and the phases of each, leaves out mere consequences, and looks each cause up in [`known`], the table of
//! failures with a known meaning and fix.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use deployer_cfn::status::Status;

pub mod known;
pub mod phases;
pub mod reason;

pub use known::{Known, Passing};
pub use reason::Reason;

use phases::{Kind, Operation, Phase};

/// An event of a stack, or of one of its resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Time, as text.
    pub time: String,
    /// Logical ID; the stack's own name for events of the stack.
    pub logical_id: String,
    /// Name, URL, ID or ARN; empty when there is none yet.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Status, such as `CREATE_FAILED`.
    pub status: String,
    /// Reason, mostly of failures.
    pub reason: Option<String>,
    /// `true` if it is an event of the stack and not of one of its resources.
    pub of_stack: bool,
}

/// The causes of the last operation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The first cause, and those that don't depend on it.
    pub causes: Vec<Cause>,
    /// Causes of the rollback, if in the end the rollback or the deletion failed.
    pub began_with: Vec<Cause>,
    /// Number of failures that only follow from these.
    pub consequences: usize,
    /// CloudFormation's status of the stack after the failure.
    pub status: String,
    /// The consequence of that status for what is deployed.
    pub fate: &'static str,
    /// The next step.
    pub next: &'static str,
    /// Resources that are no longer part of the stack, or soon will not be, and still exist.
    pub left_over: Vec<LeftOver>,
    /// Number of times that the rollback or the deletion failed.
    pub attempts: usize,
    /// `true` if a later operation succeeded.
    pub superseded: bool,
    /// Name of the stack.
    stack: String,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Time of the failure.
    pub time: String,
    /// Logical ID of the resource, or the name of the stack.
    pub logical_id: String,
    /// Its name, URL, ID or ARN, if it had one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// Name in the file of the resource that it was created for.
    pub origin: Option<String>,
    /// Such as `CREATE_FAILED`.
    pub status: String,
    /// CloudFormation's words.
    pub reason: String,
    /// The same without the parts that every such message has.
    pub message: String,
    /// The explanation of a known failure: see failures.md.
    pub known: Option<Explanation>,
    /// The fix.
    pub fix: String,
    /// Duration of a failure that passes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passing: Option<Passing>,
}

/// A known failure, for one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Such as `bucket-name-taken`.
    pub id: &'static str,
    /// The meaning.
    pub meaning: String,
}

/// A resource that still exists, and costs, although it is no longer part of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOver {
    /// Logical ID.
    pub logical_id: String,
    /// Name, URL, ID or ARN.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// `DELETE_SKIPPED` when it was kept on purpose, `DELETE_FAILED` when it could not be deleted.
    pub status: String,
}

/// Returns the causes of the last operation that failed; `None` if none failed.
///
/// Events are oldest first; `origins` maps logical IDs to names in `stack.yaml`.
#[must_use]
pub fn diagnose(events: &[Event], origins: &BTreeMap<String, String>) -> Option<Diagnosis> {
    let operations = phases::operations(events);
    let at = operations.iter().rposition(Operation::has_failed)?;
    let operation = operations.get(at)?;
    let superseded = operations.iter().skip(at + 1).any(Operation::has_succeeded);
    let (failed, began) = operation.decisive();
    let mut consequences = 0;
    let causes = causes(failed, operation, origins, &mut consequences);
    let began_with = match began {
        Some(phase) => causes_of(phase, operation, origins, &mut consequences),
        None => Vec::new(),
    };
    let status = operation.status().unwrap_or_default().to_owned();
    let Fate { fate, next } = fate(&status);
    let diagnosis = Diagnosis {
        causes,
        began_with,
        consequences,
        fate,
        next,
        left_over: left_over(operation, &status),
        attempts: operation.failed_attempts(),
        superseded,
        status,
        stack: operation.stack().unwrap_or_default().to_owned(),
    };
    Some(diagnosis.advise())
}

/// The type of a stack itself.
const STACK: &str = "AWS::CloudFormation::Stack";

impl Diagnosis {
    /// Returns whether no resource gives a reason, so that the findings of validation and hooks may say more.
    #[must_use]
    pub fn is_only_of_the_stack(&self) -> bool {
        self.causes.iter().all(|cause| cause.resource_type == STACK && cause.origin.is_none())
    }

    /// Returns the same failure, of a stack that came into another status afterwards.
    #[must_use]
    pub fn ended_in(self, status: &str) -> Self {
        let Fate { fate, next } = fate(status);
        Self { status: status.to_owned(), fate, next, ..self }.advise()
    }

    /// Returns the cause that lasts longest, when all causes pass by themselves.
    #[must_use]
    pub fn passing(&self) -> Option<(&'static str, Passing)> {
        let lasts = |cause: &Cause| Some((cause.known.as_ref()?.id, cause.passing?));
        let all: Option<Vec<_>> = self.causes.iter().map(lasts).collect();
        all?.into_iter().max_by_key(|(_, passing)| *passing == Passing::Later)
    }

    /// Adds the next step where nothing needs to be fixed.
    fn advise(mut self) -> Self {
        // A failure that lasts longer has advice of its own.
        if matches!(self.passing(), Some((_, Passing::Soon)))
            && matches!(Status::of(&self.status), Status::DeleteComplete | Status::UpdateRollbackComplete)
        {
            self.next = "the cause is temporary: run `deployer deploy` again in a few minutes";
        }
        self
    }

    /// Replaces the reason of the stack by the findings of validation and hooks about its resources.
    pub fn explain_by(&mut self, findings: &[Event], origins: &BTreeMap<String, String>) {
        let about = About { stack: Some(&self.stack), changed_iam: false };
        let found: Vec<Cause> = findings.iter().map(|event| cause(event, about, origins)).collect();
        if !found.is_empty() && self.is_only_of_the_stack() {
            self.causes = found;
            // The reason of the stack may have called for another step.
            self.next = fate(&self.status).next;
        }
    }
}

/// Returns the causes in the phase that decided; the stack's own reason if no resource gives one.
fn causes(
    phase: &Phase,
    operation: &Operation,
    origins: &BTreeMap<String, String>,
    consequences: &mut usize,
) -> Vec<Cause> {
    let found = causes_of(phase, operation, origins, consequences);
    if !found.is_empty() {
        return found;
    }
    // Nothing but consequences: the first of them is better than nothing.
    let failed = phase.events.iter().find(|event| !event.of_stack && Status::of(&event.status).failed());
    let stack = || phase.events.iter().rev().find(|event| event.of_stack && event.reason.is_some());
    let event = failed.or_else(stack).or_else(|| phase.events.last());
    event.map(|event| cause(event, About::of(operation), origins)).into_iter().collect()
}

fn causes_of(
    phase: &Phase,
    operation: &Operation,
    origins: &BTreeMap<String, String>,
    consequences: &mut usize,
) -> Vec<Cause> {
    let mut out: Vec<Cause> = Vec::new();
    let mut seen = BTreeSet::new();
    let failures = phase.events.iter().filter(|event| !event.of_stack && Status::of(&event.status).failed());
    for event in failures {
        let text = event.reason.as_deref().unwrap_or_default();
        if reason::is_consequence(text) {
            *consequences += 1;
        } else if seen.insert((event.logical_id.as_str(), Reason::parse(text).message)) {
            out.push(cause(event, About::of(operation), origins));
        }
    }
    if out.is_empty() {
        // Such as an export that another stack uses: the only reason is that of the stack when it turns back.
        let turn = operation.turn_after(phase);
        let own = phase.events.iter().copied().filter(|event| event.of_stack).chain(turn);
        let says = |event: &&Event| event.reason.as_deref().is_some_and(|text| !reason::is_consequence(text));
        out.extend(own.filter(says).take(1).map(|event| cause(event, About::of(operation), origins)));
    }
    out
}

/// The known facts about an operation in which something failed.
#[derive(Clone, Copy)]
struct About<'o> {
    stack: Option<&'o str>,
    changed_iam: bool,
}

impl<'o> About<'o> {
    fn of(operation: &Operation<'o>) -> Self {
        Self { stack: operation.stack(), changed_iam: operation.changed_iam() }
    }
}

fn cause(event: &Event, about: About, origins: &BTreeMap<String, String>) -> Cause {
    let text = event.reason.clone().unwrap_or_default();
    let parsed = Reason::parse(&text);
    let origin = origins.get(&event.logical_id).cloned();
    let subject = known::Subject {
        resource_type: &event.resource_type,
        logical_id: &event.logical_id,
        physical_id: &event.physical_id,
        origin: origin.as_deref(),
        stack: about.stack,
    };
    let found = known::find(&subject, &parsed);
    let message = [parsed.message, text.trim(), "no reason given"].into_iter().find(|text| !text.is_empty());
    let message = message.unwrap_or_default().to_owned();
    let passing = found.as_ref().and_then(|found| match found.known.passing? {
        Passing::AfterIamChange => about.changed_iam.then_some(Passing::Soon),
        passing => Some(passing),
    });
    let (known, fix) = match found {
        Some(found) => (Some(Explanation { id: &found.known.id, meaning: found.meaning }), found.fix),
        None => (None, known::general_fix(&subject, &event.status)),
    };
    Cause {
        time: event.time.clone(),
        logical_id: event.logical_id.clone(),
        physical_id: event.physical_id.clone(),
        resource_type: event.resource_type.clone(),
        status: event.status.clone(),
        origin,
        reason: text,
        message,
        known,
        fix,
        passing,
    }
}

/// Returns the resources that exist although CloudFormation has finished with them, each once, with its last status.
fn left_over(operation: &Operation, status: &str) -> Vec<LeftOver> {
    let mut last: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in operation.phases.iter().flat_map(|phase| &phase.events).filter(|event| !event.of_stack) {
        last.insert(&event.logical_id, event);
    }
    let wanted = |event: &&&Event| match Status::of(&event.status) {
        Status::DeleteSkipped => true,
        // In a stack that could not be deleted, the resource still belongs to the stack, which `recover` deals with.
        Status::DeleteFailed => Status::of(status) != Status::DeleteFailed,
        _ => false,
    };
    let left = last.values().filter(wanted).map(|event| LeftOver {
        logical_id: event.logical_id.clone(),
        physical_id: event.physical_id.clone(),
        resource_type: event.resource_type.clone(),
        status: event.status.clone(),
    });
    left.collect()
}

/// The consequence of a status for what is deployed, and the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// The state that the stack is left in.
    pub fate: &'static str,
    /// The next step.
    pub next: &'static str,
}

/// Returns the state of a stack that has this status after a failure.
#[must_use]
pub fn fate(status: &str) -> Fate {
    let again = "fix the cause, then run `deployer deploy` again";
    let (fate, next) = match Status::of(status) {
        Status::DeleteComplete => ("nothing is deployed: CloudFormation deleted what it had created", again),
        Status::UpdateRollbackComplete | Status::ImportRollbackComplete => {
            ("the stack works as it did before this operation", again)
        }
        Status::UpdateRollbackFailed => (
            "the stack is partly changed, and cannot be updated until its rollback is complete",
            "fix the cause, then run `deployer recover`",
        ),
        Status::UpdateFailed => (
            "the stack is partly changed, and was not rolled back",
            "run `deployer recover`, which rolls it back, then fix the cause and run `deployer deploy`",
        ),
        Status::CreateFailed | Status::RollbackFailed => (
            "parts of the stack exist, and it can only be deleted",
            "run `deployer recover`, which deletes them, then fix the cause and run `deployer deploy`",
        ),
        Status::RollbackComplete => (
            "nothing is deployed but an empty stack, which can only be deleted",
            "run `deployer recover`, which deletes it, then fix the cause and run `deployer deploy`",
        ),
        Status::DeleteFailed => (
            "some resources of the stack could not be deleted, the others are deleted",
            "run `deployer recover`, which shows what prevents the deletion",
        ),
        settled if settled.is_complete() => (
            "the operation succeeded, but some resources are left over",
            "delete them, if nothing needs them",
        ),
        _ => ("the operation is still in progress", "`deployer recover` watches it until it finishes"),
    };
    Fate { fate, next }
}

/// Returns the page of the documentation: every known failure.
#[must_use]
pub fn page() -> String {
    let mut out = String::from(
        "# When a deployment fails\n\n\
         `deployer deploy` shows why, and `deployer diagnose` shows it again at any later time, even when CloudFormation has\n\
         deleted the stack meanwhile. From the many events of a failure it picks the first real cause, with the line of\n\
         `stack.yaml` that it comes from, its meaning and what to do. `deployer recover` repairs a stack in any state in which it\n\
         can get stuck.\n\n\
         Some failures are temporary. `deployer deploy` and `deployer destroy` then wait and try again, twice at most, and say\n\
         so; `DEPLOYER_RETRY_PAUSE` sets the seconds before the second attempt (65; the wait before the third is twice as long).\n\n\
         These failures are known; all others are shown in CloudFormation's words. Words in `{…}` are taken from the message.\n\n\
         | failure | of |\n|---|---|\n",
    );
    for known in known::table() {
        out.push_str(&format!("| [`{0}`](#{0}) | {1} |\n", known.id, known.types_in_words()));
    }
    for known in known::table() {
        let (id, meaning) = (&known.id, capital(&known.meaning));
        out.push_str(&format!("\n## `{id}`\n\n{meaning}.\n\nWhat to do: {}.\n", known.fix));
        if let Some(passing) = known.passing {
            out.push_str(&format!("\n{}.\n", passing.in_words()));
        }
        for example in &known.examples {
            out.push_str(&format!("\n    {example}\n"));
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

impl Phase<'_> {
    /// Returns whether this is the way back from a failure, or a deletion.
    #[must_use]
    pub fn is_back(&self) -> bool {
        self.kind != Kind::Forward
    }
}
