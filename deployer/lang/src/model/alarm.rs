//! `type: alarm`.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::yaml::shorten;

use super::definition::{Definition, Drawing};
use super::flow::{Flows, Role};
use super::properties::{Boolean, Choice, Duration, Integer, List, Properties, Reference, Str};
use super::{Kind, Resource, ResourceRef, Stack};

/// CloudWatch alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The metrics that are watched.
    pub watches: Watches,
    /// Topics that are notified.
    pub notify: Vec<ResourceRef>,
}

/// The metrics that an alarm watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watches {
    /// One dead letter in any dead-letter queue of the stack.
    DeadLetters,
    /// One metric.
    Metric(Metric),
}

/// A metric, and the condition under which it is alarming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The resource that it is about.
    pub of: ResourceRef,
    /// Its name in CloudWatch.
    pub name: String,
    /// Statistic of the values of a period.
    pub statistic: Statistic,
    /// Comparison of the statistic with the threshold.
    pub comparison: Comparison,
    /// The threshold, in the metric's unit.
    pub threshold: i64,
    /// Seconds of a period.
    pub period: u64,
    /// Number of consecutive periods that must be alarming.
    pub periods: i64,
    /// Treatment of a period without a value.
    pub missing: Missing,
}

/// Statistic of the values of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Sum.
    Sum,
    /// Average.
    Average,
    /// Minimum.
    Minimum,
    /// Maximum.
    Maximum,
    /// A percentile.
    Percentile(&'static str),
}

/// The comparison of a value with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
}

/// Treatment of a period without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No alarm.
    NotBreaching,
    /// An alarm.
    Breaching,
    /// The state before.
    Ignore,
}

/// Most actions of a state: Amazon CloudWatch API reference, `PutMetricAlarm`.
const MAX_ACTIONS: usize = 5;

impl Definition for Alarm {
    const DESCRIPTION: &'static str =
        "CloudWatch alarms: on a metric of one resource, or on every dead-letter queue.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] =
        &[("name", "alarm name, when it is about one metric"), ("arn", "ARN, when it is about one metric")];
    const DRAWING: Drawing = Drawing::IfConnected(Role::Caller);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let dead_letters = properties
            .field(
                "deadLetters",
                "An alarm on every dead-letter queue of the stack, at its first message.",
                Boolean,
            )
            .or(false);
        let of = properties
            .field("of", "The resource whose metric is watched.", Reference(Kind::with_metrics()))
            .optional();
        let name =
            properties.field("metric", "Name of the metric in CloudWatch, such as `Errors`.", Str).optional();
        let statistic = properties
            .field(
                "statistic",
                "Statistic of the values of a period.",
                Choice(&[
                    ("sum", Statistic::Sum),
                    ("average", Statistic::Average),
                    ("minimum", Statistic::Minimum),
                    ("maximum", Statistic::Maximum),
                    ("p50", Statistic::Percentile("p50")),
                    ("p90", Statistic::Percentile("p90")),
                    ("p95", Statistic::Percentile("p95")),
                    ("p99", Statistic::Percentile("p99")),
                ]),
            )
            .or(Statistic::Sum);
        let comparison = properties
            .field(
                "comparison",
                "Comparison of the statistic with the threshold.",
                Choice(&[
                    (">", Comparison::Greater),
                    (">=", Comparison::GreaterOrEqual),
                    ("<", Comparison::Less),
                    ("<=", Comparison::LessOrEqual),
                ]),
            )
            .or(Comparison::GreaterOrEqual);
        let threshold = properties
            .field("threshold", "The threshold, in the metric's unit.", Integer(0, 1_000_000_000_000))
            .or(1);
        let period =
            properties.field("period", "Length of a period, in whole minutes.", Duration(60, 86_400)).or(300);
        let periods = properties
            .field("periods", "Number of consecutive periods that must be alarming.", Integer(1, 100))
            .or(1);
        let missing = properties
            .field(
                "missing",
                "Treatment of a period without a value.",
                Choice(&[
                    ("notBreaching", Missing::NotBreaching),
                    ("breaching", Missing::Breaching),
                    ("ignore", Missing::Ignore),
                ]),
            )
            .or(Missing::NotBreaching);
        let notify = properties
            .field("notify", "Topics that are notified, at most five.", List(Reference(&[Kind::Topic])))
            .or(Vec::new());
        if notify.len() > MAX_ACTIONS {
            let span = properties.span_of("notify");
            properties.report(
                Diagnostic::error("E0106", span, format!("{} topics", notify.len()))
                    .help(format!("CloudWatch notifies at most {MAX_ACTIONS}")),
            );
        }
        if !period.is_multiple_of(60) {
            let span = properties.span_of("period");
            properties.report(
                Diagnostic::error("E0104", span, "`period` must be in whole minutes").help("such as `5m`"),
            );
        }
        // Amazon CloudWatch API reference, `PutMetricAlarm`: an alarm looks back a week at most.
        if period.saturating_mul(u64::try_from(periods).unwrap_or(1)) > 7 * 86_400 {
            let span = properties.span_of("periods");
            properties.report(
                Diagnostic::error("E0104", span, "an alarm can evaluate at most 7 days")
                    .help("use fewer or shorter periods"),
            );
        }
        if dead_letters {
            let rest =
                ["of", "metric", "statistic", "comparison", "threshold", "period", "periods", "missing"];
            for name in rest {
                if properties.has(name) {
                    let span = properties.span_of(name);
                    properties.report(
                        Diagnostic::error(
                            "E0107",
                            span,
                            format!("`{name}` cannot be used with `deadLetters`"),
                        )
                        .help("add another alarm for it"),
                    );
                }
            }
            return Some(Self { watches: Watches::DeadLetters, notify });
        }
        for name in ["of", "metric"] {
            if !properties.has(name) {
                let span = properties.span_of("");
                properties.report(
                    Diagnostic::error("E0102", span, format!("`{name}` is missing"))
                        .help("write `of: \"${name}\"` and `metric: Errors`, or `deadLetters: true`"),
                );
            }
        }
        let metric =
            Metric { of: of?, name: name?, statistic, comparison, threshold, period, periods, missing };
        Some(Self { watches: Watches::Metric(metric), notify })
    }

    fn check(&self, stack: &Stack, _: &Resource, diagnostics: &mut Diagnostics) {
        if let Watches::Metric(metric) = &self.watches
            && let Some(of) = stack.resource(&metric.of.name)
            && let Some(problem) = unknown_metric(of.is.kind(), metric)
        {
            diagnostics.push(problem);
        }
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        for topic in &self.notify {
            flows.add(name, &topic.name, "alarm");
        }
    }
}

/// Returns the error if a type has no metric of this name.
fn unknown_metric(kind: Kind, metric: &Metric) -> Option<Diagnostic> {
    let known = kind.metrics()?.names;
    (!known.contains(&metric.name.as_str())).then(|| {
        let message = format!("a {} has no metric `{}`", kind.name(), shorten(&metric.name));
        Diagnostic::error("E0112", metric.of.span, message).suggest(&metric.name, known.iter().copied())
    })
}
