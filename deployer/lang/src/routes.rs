//! The rules and triggers of a stack that take events of a bus.

use deployer_syntax::diagnostic::Source;
use schemars::JsonSchema;
use serde::Serialize;

use crate::loading;
use crate::matching::Compiled;
use crate::model::function::{Events, Function, Trigger};
use crate::model::pattern::Pattern;
use crate::model::{ResourceRef, ResourceType, Stack};

/// A way that events of a bus can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its kind.
    pub kind: RouteKind,
    /// The rule, the function or the bus that has it.
    pub resource: String,
    /// The bus.
    pub bus: String,
    /// The pattern of the events.
    pub pattern: Compiled,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// `true` if it is enabled.
    pub enabled: bool,
}

/// Kinds of [`Route`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// A resource of type `rule`.
    Rule,
    /// A trigger of a function.
    Trigger,
    /// The archive of a bus.
    Archive,
}

impl RouteKind {
    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Trigger => "trigger",
            Self::Archive => "archive",
        }
    }
}

/// Returns all routes of a stack, in the order of the file.
#[must_use]
pub fn routes(stack: &Stack) -> Vec<Route> {
    let mut out = Vec::new();
    let compiled = |bus: &ResourceRef, events: &Events, taker: Option<&Function>| match events {
        Events::Matching { pattern, .. } => pattern.compiled.clone(),
        Events::Named(event) => {
            let pattern = loading::event_pattern(stack, bus, taker, *event);
            let json = Source::new("event", pattern.to_string());
            // The contract's patterns are right, as a test shows.
            Pattern::from_json(&json).map(|pattern| pattern.compiled).unwrap_or_default()
        }
    };
    for resource in &stack.resources {
        let name = &resource.name;
        match &resource.is {
            ResourceType::Rule(rule) => out.push(Route {
                kind: RouteKind::Rule,
                resource: name.clone(),
                bus: rule.bus.name.clone(),
                pattern: compiled(&rule.bus, &rule.events, None),
                targets: rule.targets.iter().map(|target| target.to.name.clone()).collect(),
                enabled: rule.enabled,
            }),
            ResourceType::Function(function) => {
                for trigger in &function.triggers {
                    let Trigger::Bus { bus, events, .. } = trigger else { continue };
                    out.push(Route {
                        kind: RouteKind::Trigger,
                        resource: name.clone(),
                        bus: bus.name.clone(),
                        pattern: compiled(bus, events, Some(function)),
                        targets: vec![name.clone()],
                        enabled: true,
                    });
                }
            }
            ResourceType::Bus(bus) => {
                let pattern = bus.archive.as_ref().and_then(|archive| archive.pattern.as_ref());
                if let Some(pattern) = pattern {
                    out.push(Route {
                        kind: RouteKind::Archive,
                        resource: name.clone(),
                        bus: name.clone(),
                        pattern: pattern.compiled.clone(),
                        targets: Vec::new(),
                        enabled: true,
                    });
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use contract::EventKind;

    use super::*;

    #[test]
    fn the_patterns_of_the_contract_are_right() {
        for event in EventKind::ALL {
            let json = Source::new("event", event.pattern("a.b").to_string());
            assert!(Pattern::from_json(&json).is_ok(), "{}", json.text);
        }
    }
}
