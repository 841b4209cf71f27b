//! `type: rule`.

use deployer_syntax::diagnostic::Diagnostic;

use super::definition::{Definition, Drawing};
use super::delivery::Target;
use super::flow::Flows;
use super::function::{EVENTS, Events, read_events};
use super::pattern::PatternReader;
use super::properties::{Choice, List, Object, Properties, Reference};
use super::{Kind, ResourceRef};

/// Most targets of a rule: Amazon EventBridge User Guide, "Amazon EventBridge quotas".
const MAX_TARGETS: usize = 5;

/// An EventBridge rule: events of a bus that match, to targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The bus.
    pub bus: ResourceRef,
    /// The selection of its events.
    pub events: Events,
    /// The targets of the events.
    pub targets: Vec<Target>,
    /// `true` if the rule is enabled.
    pub enabled: bool,
}

/// The words of `state`.
pub(super) const STATES: &[(&str, bool)] = &[("enabled", true), ("disabled", false)];

impl Definition for Rule {
    const DESCRIPTION: &'static str = "An EventBridge rule: sends events of a bus to targets.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("arn", "ARN")];
    const DRAWING: Drawing = Drawing::Never;

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let bus = properties.field("bus", "Bus whose events it matches.", Reference(&[Kind::Bus])).required();
        let event = properties.field("event", "Events of this stack's workers.", Choice(EVENTS)).optional();
        let pattern = properties
            .field(
                "pattern",
                "Event pattern of EventBridge that the events must match.",
                PatternReader::OfEvent,
            )
            .optional();
        let targets = properties
            .field(
                "targets",
                "Targets that receive matching events; one to five.",
                List(Object(Target::of_rule)),
            )
            .required();
        let enabled = properties.field("state", "State of the rule.", Choice(STATES)).or(true);
        if let Some(targets) = &targets
            && (targets.is_empty() || targets.len() > MAX_TARGETS)
        {
            let span = properties.span_of("targets");
            properties.report(
                Diagnostic::error("E0106", span, format!("{} targets", targets.len()))
                    .help(format!("one to {MAX_TARGETS}; more need a second rule")),
            );
        }
        let events = read_events(properties, event, pattern.map(|pattern| (pattern, None)));
        Some(Self { bus: bus?, events: events?, targets: targets?, enabled })
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        let label = match &self.events {
            Events::Named(event) => event.name(),
            Events::Matching { .. } => name,
        };
        for target in &self.targets {
            flows.add(&self.bus.name, &target.to.name, label);
        }
        flows.add_dead_letters(name, &self.bus.name, "undelivered");
    }
}
