//! Properties of a mapping that must, or can't, be given together, and their number.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use serde_json::Value;

use super::certain::{Presence, presence, size};
use super::limits::{counted, listed, outside};
use super::{Check, Report, texts};
use crate::expression::ExpressionEntry;

impl<'s> Check<'s> {
    /// Checks the properties that must, or can't, be given together.
    pub(super) fn together(
        &self,
        schema: &'s Value,
        entries: &[ExpressionEntry],
        span: Span,
        report: Report<'_>,
    ) {
        let head = match entries.first() {
            Some(first) if first.key_span.start == span.start => first.key_span,
            _ => span,
        };
        let absent = |name: &str| presence(entries, name) == Presence::Never;
        let surely = |name: &str| presence(entries, name) == Presence::Surely;
        for name in texts(&schema["required"]).filter(|name| absent(name)) {
            report(
                Diagnostic::error("E0102", head, format!("`{name}` is missing"))
                    .help("CloudFormation requires it here"),
            );
        }
        let groups = |key: &str| -> Vec<Vec<&'s str>> {
            match schema[key].as_array() {
                Some(groups) if groups.iter().all(Value::is_array) => {
                    groups.iter().map(|group| texts(group).collect()).collect()
                }
                Some(_) => vec![texts(&schema[key]).collect()],
                None => Vec::new(),
            }
        };
        for (key, exactly) in [("requiredXor", true), ("requiredOr", false)] {
            for names in groups(key) {
                let given: Vec<&str> = names.iter().copied().filter(|name| surely(name)).collect();
                if names.iter().all(|name| absent(name)) {
                    let message = format!("one of {} is missing", listed(&names));
                    report(Diagnostic::error("E0102", head, message).help("CloudFormation requires it here"));
                } else if exactly && given.len() > 1 {
                    let message = format!("{} can't be used together", listed(&given));
                    report(Diagnostic::error("E0107", head, message).help("keep one of them"));
                }
            }
        }
        let place =
            |name: &str| entries.iter().find(|entry| entry.key == name).map_or(head, |entry| entry.key_span);
        let each = |key: &str| schema[key].as_object().into_iter().flatten();
        for (name, others) in each("dependentRequired").filter(|(name, _)| !absent(name)) {
            for other in texts(others).filter(|other| absent(other)) {
                let message = format!("`{name}` requires `{other}`");
                report(Diagnostic::error("E0107", place(name), message).help(format!("add `{other}`")));
            }
        }
        for (name, others) in each("dependentExcluded").filter(|(name, _)| surely(name)) {
            for other in texts(others).filter(|other| surely(other)) {
                let message = format!("`{name}` and `{other}` can't be used together");
                report(Diagnostic::error("E0107", place(name), message).help("keep one of them"));
            }
        }
        self.number(schema, entries, head, report);
    }

    /// Checks the number of properties.
    fn number(&self, schema: &'s Value, entries: &[ExpressionEntry], head: Span, report: Report<'_>) {
        /// Number of names beyond which a list of them says nothing.
        const MOST_NAMES: usize = 12;
        let (least, most) = size(entries);
        let Some((amount, bounds)) = outside(schema, "minProperties", "maxProperties", least, most) else {
            return;
        };
        let names = schema["properties"].as_object().into_iter().flatten();
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        let help = match names.len() {
            1..=MOST_NAMES => format!("{bounds} of {}", listed(&names)),
            _ => bounds,
        };
        report(Diagnostic::error("E0104", head, counted(amount, "property", "properties")).help(help));
    }
}
