//! The watching of an operation of CloudFormation: its events while they happen, and the cause if it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use deployer_aws::Pause;
use deployer_aws::cloudformation::{CloudFormation, Event};
use deployer_base::error::{Message, Result};
use deployer_base::output::DeploymentEvent;
use deployer_base::text::printable;
use deployer_base::ui::Live;
use deployer_cfn::status::Status;
use deployer_plan::diagnose;

use crate::context::Context;
use crate::diagnosis;

/// The goal of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The state in the template.
    Deploy,
    /// The deletion of the stack.
    Destroy,
    /// The state of the stack before.
    RollBack,
}

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The operation reached its goal.
    Succeeded,
    /// The operation failed.
    Failed {
        /// The cause and the status of the stack, for people.
        message: Message,
        /// The status.
        status: String,
    },
}

/// Silence after which the resources in motion are named, if no terminal shows them all the time.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Number of resources in motion that are named then.
const NAMED: usize = 5;
/// Time after which a resource in motion gets a line of its own on a terminal.
const SLOW: Duration = Duration::from_secs(5);
/// Duration from which on a resource is reported when it is done.
const LONG: Duration = Duration::from_secs(30);
/// Number of calls in a row that may fail before the watching ends: the operation continues without it.
const MISSES: u32 = 20;

/// An operation to watch.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// The context in which the events are shown.
    pub context: &'a Context,
    /// The client of CloudFormation.
    pub cloudformation: &'a CloudFormation,
    /// ARN of the stack, which still names it after its deletion.
    pub stack_id: &'a str,
    /// The goal of the operation.
    pub goal: Goal,
    /// Logical ID → name in the file of the resource that it was made for.
    pub origins: &'a BTreeMap<String, String>,
    /// Number of resources that will move, and duration of the operation before, as far as they are known.
    pub expected: Option<(usize, Option<Duration>)>,
}

/// A resource in motion.
#[derive(Debug)]
struct Moving {
    status: String,
    kind: String,
    since: Instant,
    line: Option<Live>,
}

impl Watch<'_> {
    /// Shows the progress of the operation, failures and slow resources, until it ends; with `--verbose`, every event.
    /// The watching begins with the events after `after`.
    ///
    /// # Errors
    /// Returns an error if AWS can't be asked for a long time.
    pub async fn until_end(&self, after: Option<String>) -> Result<Outcome> {
        let ui = &self.context.ui;
        let mut after = after;
        let mut seen = Vec::new();
        let mut moving: BTreeMap<String, Moving> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        let overall = ui.live();
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
                    ui.warn("CloudFormation continues the operation, which can no longer be watched");
                    return Err(error.into());
                }
            };
            misses = 0;
            for event in &events {
                ui.event(&of_event(event, self.stack_id));
                if Status::of(&event.status).is_in_progress() && !event.of_stack {
                    let one = moving.entry(event.logical_id.clone()).or_insert_with(|| Moving {
                        status: String::new(),
                        kind: event.resource_type.clone(),
                        since: Instant::now(),
                        line: None,
                    });
                    one.status.clone_from(&event.status);
                    continue;
                }
                let took = moving.remove(&event.logical_id).map(|one| one.since.elapsed());
                if !event.of_stack {
                    moved.insert(event.logical_id.clone());
                }
                if ui.verbose || took.is_some_and(|took| took >= LONG) || self.goal.is_missed_by(event) {
                    show(self.context, event);
                    last_line = Instant::now();
                }
            }
            for (id, one) in &mut moving {
                if ui.verbose || one.since.elapsed() >= SLOW {
                    let line = one.line.get_or_insert_with(|| ui.live());
                    line.say(format!("{:<28} {id} ({})", one.status, one.kind));
                }
            }
            if let Some(last) = events.last() {
                after = Some(last.id.clone());
                pause.reset();
            }
            overall.say(self.progress(moved.len()));
            let end = events
                .iter()
                .rev()
                .find(|event| event.of_stack && Status::of(&event.status).is_terminal())
                .cloned();
            seen.extend(events);
            if let Some(end) = end {
                return Ok(self.outcome(&end, &seen).await);
            }
            if last_line.elapsed() > HEARTBEAT && !ui.is_live() {
                ui.step("waiting", format!("{}; {}", self.progress(moved.len()), in_motion(&moving)));
                last_line = Instant::now();
            }
            pause.wait().await;
        }
    }

    /// Describes the progress: `12 of 56 resources; took 48 s last time`.
    fn progress(&self, moved: usize) -> String {
        match self.expected {
            Some((total, Some(took))) => {
                format!("{moved} of {total} resources; took {} s last time", took.as_secs())
            }
            Some((total, None)) => format!("{moved} of {total} resources"),
            None => format!("{moved} resources"),
        }
    }

    async fn outcome(&self, end: &Event, seen: &[Event]) -> Outcome {
        if self.goal.is_reached_in(Status::of(&end.status)) {
            let failures = seen.iter().filter(|event| !event.of_stack && Status::of(&event.status).failed());
            for event in failures {
                // Such as a replaced resource that could not be deleted after an update that is done.
                let reason = event.reason.as_deref().unwrap_or("no reason given");
                let left = format!("left behind: {} ({}): {reason}", event.logical_id, event.resource_type);
                self.context.ui.warn(printable(&left));
            }
            return Outcome::Succeeded;
        }
        match diagnosis::full(self.cloudformation, self.stack_id, seen, self.origins).await {
            Some((found, findings)) => {
                diagnosis::note(self.context, stack_name(self.stack_id), &found, &findings);
                Outcome::Failed { message: diagnosis::message(&found), status: end.status.clone() }
            }
            None => {
                let reason = end.reason.as_deref().unwrap_or("no reason given");
                let text = printable(&format!("the stack is in {}: {reason}", end.status));
                Outcome::Failed {
                    message: Message::new(text).hint(way_out(&end.status)),
                    status: end.status.clone(),
                }
            }
        }
    }
}

impl Goal {
    /// Returns whether a stack whose operation ended in this status has reached its goal.
    const fn is_reached_in(self, status: Status) -> bool {
        match self {
            Self::Deploy => {
                matches!(status, Status::CreateComplete | Status::UpdateComplete | Status::ImportComplete)
            }
            Self::Destroy => matches!(status, Status::DeleteComplete),
            // Without a state to go back to, the stack is deleted.
            Self::RollBack => matches!(
                status,
                Status::UpdateRollbackComplete
                    | Status::ImportRollbackComplete
                    | Status::RollbackComplete
                    | Status::DeleteComplete
            ),
        }
    }

    /// Returns whether an event shows that the operation misses its goal.
    fn is_missed_by(self, event: &Event) -> bool {
        let status = Status::of(&event.status);
        let turned = match self {
            Self::Deploy => status.is_rollback() || status.is_deletion(),
            Self::Destroy => !status.is_deletion(),
            Self::RollBack => false,
        };
        status.failed() || (event.of_stack && turned)
    }
}

/// Lists the resources in motion, the longest first.
fn in_motion(moving: &BTreeMap<String, Moving>) -> String {
    let mut all: Vec<(&String, &Moving)> = moving.iter().collect();
    all.sort_by_key(|(_, one)| one.since);
    let mut names: Vec<String> =
        all.iter().take(NAMED).map(|(id, one)| format!("{id} {}", one.status)).collect();
    match all.len() {
        0 => "waiting for CloudFormation".to_owned(),
        count if count > NAMED => {
            names.push(format!("and {} more", count - NAMED));
            names.join(", ")
        }
        _ => names.join(", "),
    }
}

/// Returns the name in the ARN of a stack.
#[must_use]
pub fn stack_name(stack_id: &str) -> &str {
    stack_id.split('/').nth(1).unwrap_or(stack_id)
}

/// Returns the next step for a stack in a state, after a failure.
#[must_use]
pub fn way_out(status: &str) -> &'static str {
    diagnose::fate(status).next
}

/// Converts an event for the file of `--events`.
fn of_event<'a>(event: &'a Event, stack_id: &'a str) -> DeploymentEvent<'a> {
    DeploymentEvent::Resource {
        stack_id,
        id: &event.id,
        logical_id: &event.logical_id,
        resource_type: &event.resource_type,
        status: &event.status,
        reason: event.reason.as_deref(),
        of_stack: event.of_stack,
        at: &event.time,
    }
}

fn show(context: &Context, event: &Event) {
    let reason = event
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty() && (Status::of(&event.status).failed() || event.of_stack));
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = format!("{:<28} {} ({}){reason}", event.status, event.logical_id, event.resource_type);
    context.ui.step("event", what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_another_way_than_wanted_is_shown() {
        let event = |status: &str, of_stack| Event {
            id: String::new(),
            logical_id: "Jobs".to_owned(),
            physical_id: String::new(),
            resource_type: String::new(),
            status: status.to_owned(),
            reason: None,
            of_stack,
            token: None,
            time: String::new(),
        };
        for (goal, status, of_stack, shown) in [
            (Goal::Deploy, "CREATE_COMPLETE", false, false),
            (Goal::Deploy, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", true, false),
            (Goal::Deploy, "CREATE_FAILED", false, true),
            (Goal::Deploy, "UPDATE_ROLLBACK_IN_PROGRESS", true, true),
            (Goal::Deploy, "DELETE_IN_PROGRESS", true, true),
            // The resource that an update replaced is deleted.
            (Goal::Deploy, "DELETE_COMPLETE", false, false),
            (Goal::Destroy, "DELETE_COMPLETE", true, false),
            (Goal::Destroy, "DELETE_FAILED", false, true),
            (Goal::RollBack, "UPDATE_ROLLBACK_COMPLETE", true, false),
            (Goal::RollBack, "UPDATE_ROLLBACK_FAILED", true, true),
        ] {
            assert_eq!(goal.is_missed_by(&event(status, of_stack)), shown, "{goal:?} {status}");
        }
    }

    #[test]
    fn no_way_out_deletes_a_stack_that_serves() {
        for status in ["UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"] {
            let way = way_out(status);
            assert!(!way.contains("destroy") && !way.contains("delete"), "{status}: {way}");
        }
        assert!(way_out("ROLLBACK_COMPLETE").contains("recover"));
    }

    #[test]
    fn the_arn_of_a_stack_names_it() {
        let arn = "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop-dev/1-2";
        assert_eq!((stack_name(arn), stack_name("shop-dev")), ("shop-dev", "shop-dev"));
    }
}
