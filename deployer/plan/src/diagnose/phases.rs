//! The events of a stack as operations, each with its phases: forward, and back when that failed.
//!
//! CloudFormation numbers nothing that both old and new events carry, so operations are separated by the statuses of
//! the stack itself: a status that ends in `_IN_PROGRESS` begins a phase. A rollback belongs to the operation that it
//! takes back, and so does the deletion of a stack whose creation failed.

use deployer_cfn::status::Status;

use super::Event;

/// The direction of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A creation, an update or an import.
    Forward,
    /// The way back to the state before.
    Rollback,
    /// A deletion.
    Delete,
}

/// A phase of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase<'e> {
    /// Its direction.
    pub kind: Kind,
    /// Its events, the stack's own among them, oldest first.
    pub events: Vec<&'e Event>,
}

impl Phase<'_> {
    /// Returns the stack's last status in it.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.events.iter().rev().find(|event| event.of_stack).map(|event| event.status.as_str())
    }

    fn failed(&self) -> bool {
        self.status().is_some_and(|status| Status::of(status).failed())
    }
}

/// An operation on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<'e> {
    /// Forward and then back, or a deletion.
    pub phases: Vec<Phase<'e>>,
}

impl<'e> Operation<'e> {
    /// Returns the stack's last status in it.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.phases.iter().rev().find_map(Phase::status)
    }

    /// Returns whether a failure in it decided its end.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let turned_back = self.phases.first().is_some_and(|phase| phase.kind == Kind::Forward)
            && self.phases.iter().any(|phase| phase.kind != Kind::Forward);
        turned_back || self.phases.iter().any(Phase::failed)
    }

    /// Returns whether it succeeded in the purpose that it was started for.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        !self.has_failed() && self.status().is_some_and(|status| Status::of(status).is_complete())
    }

    /// Returns the name of the stack.
    #[must_use]
    pub fn stack(&self) -> Option<&'e str> {
        let mut events = self.phases.iter().flat_map(|phase| &phase.events);
        events.find(|event| event.of_stack).map(|event| event.logical_id.as_str())
    }

    /// Returns whether it created or changed a role or a policy, which IAM needs some seconds to spread.
    #[must_use]
    pub fn changed_iam(&self) -> bool {
        let events =
            self.phases.iter().filter(|phase| phase.kind == Kind::Forward).flat_map(|phase| &phase.events);
        events
            .filter(|event| event.resource_type.starts_with("AWS::IAM::"))
            .map(|event| Status::of(&event.status))
            .any(|status| status.is_complete() && !status.is_deletion())
    }

    /// Returns the phase whose failures decided, and the one that began it, when that is another.
    #[must_use]
    pub fn decisive(&self) -> (&Phase<'e>, Option<&Phase<'e>>) {
        let forward = self.phases.iter().find(|phase| phase.kind == Kind::Forward);
        let last = self.phases.iter().rev().find(|phase| phase.kind != Kind::Forward && phase.failed());
        let ended_badly = self.status().is_some_and(|status| Status::of(status).failed());
        match (last.filter(|_| ended_badly), forward) {
            (Some(back), forward) => (back, forward),
            (None, Some(forward)) => (forward, None),
            // A deletion alone: its only phases go back. An operation has at least one phase.
            (None, None) => (last.unwrap_or(&self.phases[0]), None),
        }
    }

    /// Returns the number of times that the way back failed.
    #[must_use]
    pub fn failed_attempts(&self) -> usize {
        self.phases.iter().filter(|phase| phase.kind != Kind::Forward && phase.failed()).count()
    }

    /// Returns the event with which the stack turned back after a phase, whose reason may be all that was said.
    #[must_use]
    pub fn turn_after(&self, phase: &Phase<'e>) -> Option<&'e Event> {
        let at = self.phases.iter().position(|one| std::ptr::eq(one, phase))?;
        self.phases.get(at + 1)?.events.first().copied().filter(|event| event.of_stack)
    }
}

/// Returns the operations in the events of a stack, oldest first.
#[must_use]
pub fn operations(events: &[Event]) -> Vec<Operation<'_>> {
    let mut out: Vec<Operation> = Vec::new();
    for event in events {
        let begins = event.of_stack.then(|| kind(Status::of(&event.status))).flatten();
        let previous = out.last().and_then(|operation| operation.phases.last());
        // CloudFormation repeats a status, such as that of a creation after its review.
        let continues = match (begins, previous) {
            (None, _) => true,
            (Some(kind), Some(phase)) => {
                phase.kind == kind && phase.status().is_none_or(|status| Status::of(status).is_in_progress())
            }
            (Some(_), None) => false,
        };
        match out.last_mut() {
            Some(operation) if continues => {
                if let Some(phase) = operation.phases.last_mut() {
                    phase.events.push(event);
                }
            }
            current => {
                let kind = begins.unwrap_or(Kind::Forward);
                let phase = Phase { kind, events: vec![event] };
                match current.filter(|operation| joins(kind, operation)) {
                    Some(operation) => operation.phases.push(phase),
                    None => out.push(Operation { phases: vec![phase] }),
                }
            }
        }
    }
    out
}

/// Returns the events of the newest operation.
#[must_use]
pub fn newest(events: &[Event]) -> &[Event] {
    let operations = operations(events);
    let count = operations
        .last()
        .map_or(0, |operation| operation.phases.iter().map(|phase| phase.events.len()).sum::<usize>());
    events.get(events.len().saturating_sub(count)..).unwrap_or_default()
}

/// Returns whether a phase of this kind belongs to the operation before it.
fn joins(kind: Kind, operation: &Operation) -> bool {
    match kind {
        Kind::Forward => false,
        Kind::Rollback => true,
        // The deletion of a stack that never existed as a whole is the end of its creation.
        Kind::Delete => {
            let created = operation.phases.first().is_some_and(|phase| {
                phase.kind == Kind::Forward
                    && phase.events.iter().any(|one| one.of_stack && Status::of(&one.status).is_creation())
            });
            let deleted = operation.phases.iter().any(|phase| phase.kind == Kind::Delete);
            let complete =
                |event: &&Event| event.of_stack && Status::of(&event.status) == Status::CreateComplete;
            created && !deleted && !operation.phases.iter().any(|phase| phase.events.iter().any(complete))
        }
    }
}

/// Returns the kind of phase that a status of the stack begins, if it begins one.
fn kind(status: Status) -> Option<Kind> {
    if !status.is_in_progress() || status.is_cleanup() {
        return None;
    }
    Some(match status {
        Status::DeleteInProgress => Kind::Delete,
        back if back.is_rollback() => Kind::Rollback,
        _ => Kind::Forward,
    })
}
