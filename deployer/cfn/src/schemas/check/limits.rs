//! Limits of single values and of lists.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::number;
use deployer_syntax::yaml::shorten;
use serde_json::Value;

use super::certain::certain;
use super::{Check, Report, format, shown, texts};
use crate::expression::{Expression, ExpressionKind};

impl<'s> Check<'s> {
    pub(super) fn limits_of_scalar(
        &self,
        schema: &'s Value,
        text: &str,
        value: &Value,
        span: Span,
        report: Report<'_>,
    ) {
        if text.contains("{{resolve:") {
            return;
        }
        if let Some(words) = schema["enum"].as_array().or(schema["enumCaseInsensitive"].as_array()) {
            let any_case = schema["enumCaseInsensitive"].is_array();
            let known: Vec<String> = words.iter().map(shown).collect();
            let fits = |word: &Value| match any_case {
                true => shown(word).eq_ignore_ascii_case(text),
                false => shown(word) == shown(value) || number::same(word, value),
            };
            if !words.iter().any(fits) {
                report(
                    Diagnostic::error("E0105", span, format!("`{}` is not allowed here", shorten(text)))
                        .suggest(text, known.iter().map(String::as_str)),
                );
            }
            return;
        }
        if let Some(only) = schema.get("const")
            && shown(only) != shown(value)
            && !number::same(only, value)
        {
            report(
                Diagnostic::error("E0105", span, format!("`{}` is not allowed here", shorten(text)))
                    .help(format!("only `{}` is", shown(only))),
            );
        }
        if let Some(number) = number::nearest(value) {
            range(schema, number, span, report);
            multiple(schema, number, text, span, report);
            return;
        }
        if let Value::String(text) = value {
            let length = text.chars().count();
            if let Some((amount, bounds)) = outside(schema, "minLength", "maxLength", length, length) {
                report(
                    Diagnostic::error("E0104", span, counted(amount, "character", "characters")).help(bounds),
                );
            }
            if let Some(wanted) = schema["format"].as_str().and_then(|format| format::wanted(format, text)) {
                report(
                    Diagnostic::error(
                        "E0104",
                        span,
                        format!("`{}` does not have the right form", shorten(text)),
                    )
                    .help(wanted),
                );
            }
            if let Some(pattern) = schema["pattern"].as_str()
                && !self.schema.fits(pattern, text)
            {
                report(
                    Diagnostic::error(
                        "E0104",
                        span,
                        format!("`{}` does not have the right form", shorten(text)),
                    )
                    .help(format!("CloudFormation requires the pattern {pattern}")),
                );
            }
        }
    }

    /// Checks the limits of a list. `values` are the items as CloudFormation takes them.
    pub(super) fn limits_of_list(
        &self,
        schema: &'s Value,
        items: &[Expression],
        values: &[Value],
        span: Span,
        report: Report<'_>,
    ) {
        if items.iter().all(certain)
            && let Some((amount, bounds)) = outside(schema, "minItems", "maxItems", items.len(), items.len())
        {
            report(Diagnostic::error("E0104", span, counted(amount, "entry", "entries")).help(bounds));
        }
        let twice = |place: Span, text: &str| {
            Diagnostic::error("E0303", place, format!("`{}` is in the list twice", shorten(text)))
        };
        let known = || items.iter().enumerate().filter(|(_, item)| certain(item));
        let keys: Vec<&str> = texts(&schema["uniqueKeys"]).collect();
        for (index, item) in known() {
            let mut earlier = known().take_while(|(other, _)| *other < index);
            if schema["uniqueItems"] == Value::Bool(true)
                && let Some((first, _)) = earlier.clone().find(|(other, _)| values[*other] == values[index])
            {
                report(match &item.is {
                    ExpressionKind::Scalar { text, .. } => twice(item.span, text).help("remove one of them"),
                    _ => Diagnostic::error("E0303", item.span, "this entry is in the list twice")
                        .help(format!("remove one of them; entry {} is the same", first + 1)),
                });
                continue;
            }
            // An entry that is known by a name must be the only one of that name.
            let Some((last, place)) = keys.last().and_then(|last| named(item, last)) else { continue };
            let same = |other: &Expression| {
                keys.iter().all(|key| match (named(item, key), named(other, key)) {
                    (Some((text, _)), Some((other, _))) => text == other,
                    _ => false,
                })
            };
            if earlier.any(|(_, other)| same(other)) {
                report(twice(place, last).help(format!("each entry needs its own {}", listed(&keys))));
            }
        }
    }
}

/// Returns the text by which an entry of a list is named, and its place; `None` if only the deployment knows it.
fn named<'e>(entry: &'e Expression, key: &str) -> Option<(&'e str, Span)> {
    let ExpressionKind::Map(entries) = &entry.is else { return None };
    let value = &entries.iter().find(|entry| entry.key == key)?.value;
    match &value.is {
        ExpressionKind::Scalar { text, .. } => Some((text, value.span)),
        _ => None,
    }
}

/// Returns the number of items if they are too few or too many in any case, and the bounds in words.
pub(super) fn outside(
    schema: &Value,
    low: &str,
    high: &str,
    least: usize,
    most: usize,
) -> Option<(usize, String)> {
    let (low, high) = (schema[low].as_f64(), schema[high].as_f64());
    let few = low.filter(|low| (most as f64) < *low).map(|_| most);
    let amount = few.or_else(|| high.filter(|high| least as f64 > *high).map(|_| least))?;
    Some((amount, bounds(low, high)))
}

pub(super) fn counted(amount: usize, one: &str, many: &str) -> String {
    match amount {
        1 => format!("1 {one} is out of range"),
        _ => format!("{amount} {many} are out of range"),
    }
}

pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn bounds(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) if low == high => format!("exactly {low}"),
        (Some(low), Some(high)) => format!("between {low} and {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => String::new(),
    }
}

fn range(schema: &Value, amount: f64, span: Span, report: Report<'_>) {
    let (low, high) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    if low.is_some_and(|low| amount < low) || high.is_some_and(|high| amount > high) {
        report(Diagnostic::error("E0104", span, format!("{amount} is out of range")).help(bounds(low, high)));
    }
}

fn multiple(schema: &Value, amount: f64, text: &str, span: Span, report: Report<'_>) {
    /// Precision of the quotient: 0.29 / 0.01 is 28.999999999999996 in doubles.
    const PRECISION: f64 = 1e-9;
    let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0) else { return };
    let steps = amount / step;
    if (steps - steps.round()).abs() <= PRECISION * steps.abs().max(1.0) {
        return;
    }
    let digits = step.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    let near = |steps: f64| format!("{:.digits$}", steps * step);
    report(
        Diagnostic::error("E0104", span, format!("{} is not a multiple of {step}", shorten(text)))
            .help(format!("{} or {}", near(steps.floor()), near(steps.ceil()))),
    );
}
