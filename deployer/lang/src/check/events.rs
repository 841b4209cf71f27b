//! Rules on event patterns: one that no event can match is a mistake.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::mark::UNKNOWN;
use serde_json::{Map, Value, json};

use crate::matching::Event;
use crate::model::access::Verb;
use crate::model::function::Events;
use crate::model::pattern::Pattern;
use crate::model::rule::Rule;
use crate::model::{ResourceRef, ResourceType, Stack};
use contract::EventKind;

pub(super) fn check_rule(stack: &Stack, rule: &Rule, diagnostics: &mut Diagnostics) {
    check_events(stack, &rule.bus, &rule.events, diagnostics);
}

/// Warns when a pattern takes events of the workers only, and none of them.
pub(super) fn check_events(stack: &Stack, bus: &ResourceRef, events: &Events, diagnostics: &mut Diagnostics) {
    let Events::Matching { pattern, .. } = events else { return };
    let name = &bus.name;
    let Some(ResourceType::Bus(bus)) = stack.resource(name).map(|resource| &resource.is) else { return };
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
