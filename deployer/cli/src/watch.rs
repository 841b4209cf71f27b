//! Watching an operation of CloudFormation: events as they happen, and the cause when it fails.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::aws::Pause;
use crate::aws::cloudformation::{CloudFormation, Event};
use crate::context::Context;
use crate::error::{Error, Message, Result};

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

/// Shows what becomes of each resource of a stack, from the events after `after`, until the operation ends.
///
/// `origins` names for each logical id the resource of the file that it was made for.
///
/// # Errors
/// When AWS can't be asked; [`Error::Interrupted`] on Ctrl-C, which stops the watching and not the operation.
pub async fn watch(
    context: &Context,
    cloudformation: &CloudFormation,
    stack_id: &str,
    after: Option<String>,
    origins: &BTreeMap<String, String>,
) -> Result<Outcome> {
    let mut after = after;
    let mut failures = Vec::new();
    let mut moving = BTreeMap::new();
    let mut last_line = Instant::now();
    let mut pause = Pause::new();
    loop {
        let events = cloudformation.events_after(stack_id, after.as_deref()).await?;
        for event in &events {
            if event.status.ends_with("_IN_PROGRESS") && !event.of_stack {
                moving.insert(event.logical_id.clone(), event.status.clone());
                continue;
            }
            moving.remove(&event.logical_id);
            show(context, event);
            last_line = Instant::now();
            if event.status.ends_with("_FAILED") && !event.of_stack {
                failures.push(event.clone());
            }
        }
        if let Some(last) = events.last() {
            after = Some(last.id.clone());
            pause.reset();
        }
        if let Some(end) =
            events.iter().rev().find(|event| event.of_stack).filter(|event| is_terminal(&event.status))
        {
            return Ok(outcome(end, &failures, origins));
        }
        if last_line.elapsed() > HEARTBEAT {
            let list: Vec<String> = moving.iter().map(|(id, status)| format!("{id} {status}")).collect();
            context.ui.step(
                "waiting",
                if list.is_empty() { "for CloudFormation".to_owned() } else { list.join(", ") },
            );
            last_line = Instant::now();
        }
        tokio::select! {
            () = pause.wait() => {}
            _ = tokio::signal::ctrl_c() => {
                return Err(Error::Interrupted(
                    Message::new("interrupted; CloudFormation goes on with the operation")
                        .hint("`deployer deploy` watches it again"),
                ));
            }
        }
    }
}

fn is_terminal(status: &str) -> bool {
    status.ends_with("_COMPLETE") || status.ends_with("_FAILED")
}

fn outcome(end: &Event, failures: &[Event], origins: &BTreeMap<String, String>) -> Outcome {
    if matches!(
        end.status.as_str(),
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" | "IMPORT_COMPLETE"
    ) && failures.is_empty()
    {
        return Outcome::Succeeded;
    }
    let mut text = match cause(failures) {
        Some(cause) => {
            let reason = cause.reason.as_deref().unwrap_or("no reason given");
            let origin =
                origins.get(&cause.logical_id).map(|name| format!(", made for `{name}`")).unwrap_or_default();
            format!("{} ({}{origin}) failed: {reason}", cause.logical_id, cause.resource_type)
        }
        None => end.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
    };
    text.push_str(&format!("; the stack is in {}", end.status));
    let hint = match end.status.as_str() {
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => {
            "mend the cause, run `deployer destroy`, then `deployer deploy`"
        }
        "DELETE_COMPLETE" => "nothing is left of the stack; mend the cause and run `deployer deploy` again",
        _ => "the stack is as it was before; mend the cause and run `deployer deploy` again",
    };
    Outcome::Failed(Message::new(text).hint(hint))
}

/// The first failure that is not merely the consequence of another.
fn cause(failures: &[Event]) -> Option<&Event> {
    let is_consequence = |event: &Event| {
        event.reason.as_deref().is_some_and(|reason| {
            reason.contains("cancelled")
                || reason.contains("Resource creation Initiated")
                || reason.is_empty()
        })
    };
    failures.iter().find(|event| !is_consequence(event)).or(failures.first())
}

fn show(context: &Context, event: &Event) {
    let reason = event
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty() && (event.status.contains("FAILED") || event.of_stack));
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    context.ui.step(
        "event",
        format!("{:<28} {} ({}){reason}", event.status, event.logical_id, event.resource_type),
    );
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
        let failures = [
            event("Second", "CREATE_FAILED", "Resource creation cancelled", false),
            event("First", "CREATE_FAILED", "bucket name is taken", false),
        ];
        let end = event("s", "ROLLBACK_COMPLETE", "The following resource(s) failed", true);
        let origins = BTreeMap::from([("First".to_owned(), "landing".to_owned())]);
        let Outcome::Failed(message) = outcome(&end, &failures, &origins) else { panic!("failed") };
        assert_eq!(
            message.text,
            "First (AWS::X::Y, made for `landing`) failed: bucket name is taken; the stack is in ROLLBACK_COMPLETE"
        );
        assert!(message.hint.expect("a way out").contains("destroy"));
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
        let end = event("s", "UPDATE_ROLLBACK_COMPLETE", "", true);
        assert!(matches!(outcome(&end, &[], &BTreeMap::new()), Outcome::Failed(_)));
        assert_eq!(
            outcome(&event("s", "CREATE_COMPLETE", "", true), &[], &BTreeMap::new()),
            Outcome::Succeeded
        );
    }
}
