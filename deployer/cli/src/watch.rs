//! Watching an operation of CloudFormation: events as they happen, and the cause when it fails.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::aws::Pause;
use crate::aws::cloudformation::{CloudFormation, Event};
use crate::context::Context;
use crate::error::{Message, Result};

/// What an operation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Bring the stack to what the template says.
    Deploy,
    /// Delete the stack.
    Destroy,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Succeeded,
    /// It failed; this is the cause and the state of the stack.
    Failed(Message),
}

/// Silence after which the resources in motion are named.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Calls in a row that may fail before the watching ends: the operation goes on whether we can see it or not.
const MISSES: u32 = 20;

/// An operation to watch.
#[derive(Debug)]
pub struct Watch<'a> {
    /// Where the events are shown.
    pub context: &'a Context,
    /// Whom to ask.
    pub cloudformation: &'a CloudFormation,
    /// ARN of the stack, which goes on naming it after its deletion.
    pub stack_id: &'a str,
    /// What the operation is to do.
    pub goal: Goal,
    /// Logical id → name in the file of the resource that it was made for.
    pub origins: &'a BTreeMap<String, String>,
}

impl Watch<'_> {
    /// Shows what becomes of each resource, from the events after `after`, until the operation ends.
    ///
    /// # Errors
    /// When AWS can't be asked for long.
    pub async fn until_end(&self, after: Option<String>) -> Result<Outcome> {
        let ui = &self.context.ui;
        let mut after = after;
        let mut seen = Vec::new();
        let mut moving = BTreeMap::new();
        let mut last_line = Instant::now();
        let mut misses = 0;
        let mut pause = Pause::new();
        loop {
            let events = match self.cloudformation.events_after(self.stack_id, after.as_deref()).await {
                Ok(events) => events,
                Err(error) if error.is_transient() && misses < MISSES => {
                    misses += 1;
                    pause.wait().await;
                    continue;
                }
                Err(error) => {
                    ui.warn("CloudFormation goes on with the operation, which can't be watched any more");
                    return Err(error.into());
                }
            };
            misses = 0;
            for event in &events {
                if event.status.ends_with("_IN_PROGRESS") && !event.of_stack {
                    moving.insert(event.logical_id.clone(), event.status.clone());
                    continue;
                }
                moving.remove(&event.logical_id);
                show(self.context, event);
                last_line = Instant::now();
            }
            if let Some(last) = events.last() {
                after = Some(last.id.clone());
                pause.reset();
            }
            let end = events.iter().rev().find(|event| event.of_stack && is_terminal(&event.status)).cloned();
            seen.extend(events.into_iter().filter(|event| !event.of_stack));
            if let Some(end) = end {
                return Ok(self.outcome(&end, &seen));
            }
            if last_line.elapsed() > HEARTBEAT {
                let list: Vec<String> = moving.iter().map(|(id, status)| format!("{id} {status}")).collect();
                let list = if list.is_empty() { "for CloudFormation".to_owned() } else { list.join(", ") };
                ui.step("waiting", list);
                last_line = Instant::now();
            }
            pause.wait().await;
        }
    }

    fn outcome(&self, end: &Event, seen: &[Event]) -> Outcome {
        let failures: Vec<&Event> = seen.iter().filter(|event| event.status.ends_with("_FAILED")).collect();
        let succeeded: &[&str] = match self.goal {
            Goal::Deploy => &["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"],
            Goal::Destroy => &["DELETE_COMPLETE"],
        };
        if succeeded.contains(&end.status.as_str()) {
            for event in failures {
                // Such as a replaced resource that could not be deleted behind an update that is done.
                let reason = event.reason.as_deref().unwrap_or("no reason given");
                self.context
                    .ui
                    .warn(format!("left behind: {} ({}): {reason}", event.logical_id, event.resource_type));
            }
            return Outcome::Succeeded;
        }
        let mut text = match cause(&failures) {
            Some(cause) => {
                let reason = cause.reason.as_deref().unwrap_or("no reason given");
                let origin = self.origins.get(&cause.logical_id);
                let origin = origin.map(|name| format!(", made for `{name}`")).unwrap_or_default();
                format!("{} ({}{origin}) failed: {reason}", cause.logical_id, cause.resource_type)
            }
            None => end.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
        };
        text.push_str(&format!("; the stack is in {}", end.status));
        let kept: Vec<&str> = seen
            .iter()
            .filter(|event| event.status == "DELETE_SKIPPED")
            .map(|event| event.logical_id.as_str())
            .collect();
        let hint = if kept.is_empty() {
            way_out(&end.status).to_owned()
        } else {
            format!(
                "{}; these were kept, and are no longer part of a stack: {}",
                way_out(&end.status),
                kept.join(", ")
            )
        };
        Outcome::Failed(Message::new(text).hint(hint))
    }
}

/// What to do about a stack in a state, after a failure.
#[must_use]
pub fn way_out(status: &str) -> &'static str {
    match status {
        "UPDATE_ROLLBACK_FAILED" => {
            "the stack goes on serving; mend the cause, then run `aws cloudformation continue-update-rollback`"
        }
        "UPDATE_FAILED" => {
            "the stack goes on serving; run `aws cloudformation rollback-stack`, then `deployer deploy`"
        }
        "DELETE_FAILED" => "mend the cause, and run `deployer destroy` again",
        "DELETE_COMPLETE" => "the stack is gone; mend the cause and run `deployer deploy` again",
        "UPDATE_ROLLBACK_COMPLETE" => {
            "the stack is as it was before; mend the cause and run `deployer deploy` again"
        }
        _ => "mend the cause, run `deployer destroy`, then `deployer deploy`",
    }
}

/// Whether an operation on a stack has ended with this status.
#[must_use]
pub fn is_terminal(status: &str) -> bool {
    status.ends_with("_COMPLETE") || status.ends_with("_FAILED")
}

/// The first failure that is not merely the consequence of another.
fn cause<'e>(failures: &[&'e Event]) -> Option<&'e Event> {
    let is_consequence = |event: &Event| {
        event.reason.as_deref().is_some_and(|reason| reason.is_empty() || reason.contains("cancelled"))
    };
    failures.iter().find(|event| !is_consequence(event)).or(failures.first()).copied()
}

fn show(context: &Context, event: &Event) {
    let reason = event
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty() && (event.status.contains("FAILED") || event.of_stack));
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = format!("{:<28} {} ({}){reason}", event.status, event.logical_id, event.resource_type);
    context.ui.step("event", what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, status: &str, reason: &str, of_stack: bool) -> Event {
        Event {
            id: id.into(),
            logical_id: id.into(),
            resource_type: "AWS::X::Y".into(),
            status: status.into(),
            reason: (!reason.is_empty()).then(|| reason.into()),
            of_stack,
        }
    }

    #[test]
    fn the_cause_is_named_and_not_its_consequences() {
        let cancelled = event("Second", "CREATE_FAILED", "Resource creation cancelled", false);
        let first = event("First", "CREATE_FAILED", "bucket name is taken", false);
        assert_eq!(cause(&[&cancelled, &first]).map(|event| event.id.as_str()), Some("First"));
        assert_eq!(cause(&[&cancelled]).map(|event| event.id.as_str()), Some("Second"));
        assert_eq!(cause(&[]), None);
    }

    #[test]
    fn operations_end_when_the_stack_says_so() {
        for (status, ends) in [
            ("CREATE_IN_PROGRESS", false),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", false),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", false),
            ("UPDATE_COMPLETE", true),
            ("ROLLBACK_COMPLETE", true),
            ("DELETE_FAILED", true),
        ] {
            assert_eq!(is_terminal(status), ends, "{status}");
        }
    }

    #[test]
    fn no_way_out_deletes_a_stack_that_serves() {
        for status in ["UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"] {
            assert!(!way_out(status).contains("destroy"), "{status}");
        }
        assert!(way_out("ROLLBACK_COMPLETE").contains("destroy"));
    }
}
