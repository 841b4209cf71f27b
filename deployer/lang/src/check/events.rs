//! Rules on event patterns: one that no event can match is a mistake.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::mark::UNKNOWN;
use serde_json::{Map, Value, json};

use crate::matching::Event;
use crate::model::access::{Access, Verb};
use crate::model::function::Events;
use crate::model::pattern::Pattern;
use crate::model::rule::Rule;
use crate::model::worker::Worker;
use crate::model::{ResourceRef, ResourceType, Stack};
use contract::EventKind;

pub(super) fn check_rule(stack: &Stack, rule: &Rule, diagnostics: &mut Diagnostics) {
    check_events(stack, &rule.bus, &rule.events, diagnostics);
}

/// Warns when a pattern takes events of the workers only, and none of them, and when nothing publishes the ends of
/// objects.
pub(super) fn check_events(stack: &Stack, bus: &ResourceRef, events: &Events, diagnostics: &mut Diagnostics) {
    let name = &bus.name;
    let span = bus.span;
    let Some(ResourceType::Bus(bus)) = stack.resource(name).map(|resource| &resource.is) else { return };
    let pattern = match events {
        Events::Matching { pattern, .. } => pattern,
        Events::Named(EventKind::ObjectCompleted) if bus.existing.is_none() && !completes(stack, name) => {
            diagnostics.push(
                Diagnostic::warning(
                    "W0414",
                    span,
                    format!("no worker publishes `object-completed` events on `{name}`"),
                )
                .help(format!(
                    "the worker `observe` does, with `triggers: [{{ bus: \"${{{name}}}\", event: any }}]` and \
                     `access: [{{ tally: \"${{…}}\" }}, {{ publish: \"${{{name}}}\" }}]`"
                )),
            );
            return;
        }
        Events::Named(EventKind::SnapshotCompleted) if bus.existing.is_none() && !cleans(stack, name) => {
            diagnostics.push(
                Diagnostic::warning(
                    "W0416",
                    span,
                    format!("no worker publishes `snapshot-completed` events on `{name}`"),
                )
                .help("the worker `snapshot` does; without one, a file ends with `object-completed`"),
            );
            return;
        }
        Events::Named(_) => return,
    };
    // Other sources may send anything, as may code of the user's own.
    let Some(sources) = pattern.exact("source") else { return };
    let known = sources == [bus.source.as_str()] && bus.existing.is_none() && bus.allow.is_none();
    if !known || !only_workers_publish(stack, name) || matches(pattern, &bus.source) {
        return;
    }
    let types: Vec<&str> = EventKind::Any.details().iter().map(|(detail_type, ..)| *detail_type).collect();
    diagnostics.push(
        Diagnostic::warning(
            "W0405",
            pattern.span,
            format!("no event of `{}` matches this pattern", bus.source),
        )
        .help(format!(
            "detail types of the workers' events: {}; `deployer docs events` describes them",
            types.join(", ")
        )),
    );
}

/// Returns whether a worker publishes the ends of objects on a bus: an observer that keeps the tally.
fn completes(stack: &Stack, bus: &str) -> bool {
    stack.functions().any(|(_, function)| {
        let may = |verb, name: Option<&str>| {
            let is = |resource: &ResourceRef| name.is_none_or(|name| resource.name == name);
            function.access.iter().any(|entry| entry.verb == verb && is(&entry.resource))
        };
        function.worker() == Some(Worker::Observe) && may(Verb::Tally, None) && may(Verb::Publish, Some(bus))
    })
}

/// Returns whether a `snapshot` publishes on a bus.
fn cleans(stack: &Stack, bus: &str) -> bool {
    stack.functions().any(|(_, function)| {
        let publishes = |entry: &Access| entry.verb == Verb::Publish && entry.resource.name == bus;
        function.worker() == Some(Worker::Snapshot) && function.access.iter().any(publishes)
    })
}

/// Returns whether the deployer's workers publish on a bus, and nothing else in the stack does.
fn only_workers_publish(stack: &Stack, bus: &str) -> bool {
    let publishers: Vec<bool> = stack
        .resources
        .iter()
        .filter_map(|resource| match &resource.is {
            ResourceType::Function(function) => Some((function.worker().is_some(), &function.access)),
            ResourceType::Task(task) => Some((task.image.worker().is_some(), &task.access)),
            _ => None,
        })
        .filter(|(_, access)| {
            access.iter().any(|entry| entry.verb == Verb::Publish && entry.resource.name == bus)
        })
        .map(|(worker, _)| worker)
        .collect();
    !publishers.is_empty() && publishers.into_iter().all(|worker| worker)
}

/// Returns whether an event of the workers can match.
fn matches(pattern: &Pattern, source: &str) -> bool {
    EventKind::Any.details().into_iter().any(|(detail_type, status, fields)| {
        let mut detail: Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), json!(UNKNOWN))).collect();
        detail.insert("status".to_owned(), json!(status));
        let event = json!({
            "version": "0",
            "id": UNKNOWN,
            "detail-type": detail_type,
            "source": source,
            "account": UNKNOWN,
            "time": UNKNOWN,
            "region": UNKNOWN,
            "detail": detail,
            // Field of an event that is replayed from an archive.
            "replay-name": UNKNOWN,
        });
        pattern.matches(&Event::of_value(&event))
    })
}
