//! The time that the rows of a file take, what limits it, and the one change that helps most.
//!
//! Beside the flow, like the [cost](super): AWS is not called. A change is tried on a copy of the stack.

use std::fmt::Write as _;

use deployer_lang::model::function::Trigger;
use deployer_lang::model::table::{Capacity, Throughput};
use deployer_lang::model::target::Target;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{ResourceType, Stack};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Load, pipeline, rounded};
use crate::prices::grouped;
use crate::quotas::quotas;

/// The time that rows take, by the slowest stage of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// Seconds, with the start of the task.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// Rows a second of the slowest stage.
    #[serde(serialize_with = "rounded")]
    pub rows_per_second: f64,
    /// The slowest stage, and the setting that limits it; or the start of the task, if that takes longer.
    pub limit: String,
}

/// A stage that all rows go through.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Name of the resource; or `PutEvents` and `rules` for EventBridge itself.
    pub name: String,
    /// Rows a second, on average.
    #[serde(serialize_with = "rounded")]
    pub rows_per_second: f64,
    /// Seconds for all rows.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// What limits it.
    pub limit: String,
}

/// A change of the stack file that makes the rows faster.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// The change.
    pub change: String,
    /// The time of the rows after it.
    #[serde(flatten)]
    pub pace: Pace,
}

/// The time that the rows of a file take in a stack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// Region whose quotas are counted; null on the local cloud, or where the file names none.
    pub region: Option<String>,
    /// The rows.
    #[serde(flatten)]
    pub load: Load,
    /// Their time; null without rows, or if the stack does not have the deployer's workers.
    pub time: Option<Pace>,
    /// The stages, in the order in which rows reach them.
    pub stages: Vec<Stage>,
    /// The one change that helps most; missing if none saves a tenth of the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// Assumptions, and where they were measured.
    pub assumptions: Vec<String>,
}

/// Executions at the same time that are proposed for functions with fewer.
const CONCURRENCY: [i64; 3] = [10, 50, 200];
/// Rows in an event that are proposed for tasks with fewer.
const ROWS_PER_EVENT: [u32; 2] = [10, 25];
/// Write units a second that are proposed for tables with fewer.
const WRITES: [i64; 2] = [10_000, 40_000];
/// The part of the time that a change must save to be worth a word.
const WORTH: f64 = 0.1;

/// Estimates the time that rows take; `None` without rows, or if the stack does not have the deployer's workers.
#[must_use]
pub fn pace(stack: &Stack, load: Load) -> Option<Pace> {
    pipeline::find(stack)?.pace(load)
}

/// Estimates the time that rows take, stage by stage.
#[must_use]
pub fn forecast(stack: &Stack, load: Load) -> Forecast {
    let found = pipeline::find(stack);
    let time = found.as_ref().and_then(|pipeline| pipeline.pace(load));
    Forecast {
        stack: stack.name.clone(),
        region: stack.target.region.clone().filter(|_| stack.target.target == Target::Aws),
        load,
        stages: found.as_ref().map(|pipeline| pipeline.stages(load)).unwrap_or_default(),
        advice: time.as_ref().and_then(|time| advice(stack, load, time)),
        assumptions: found.map(|pipeline| pipeline.assumptions_of_pace()).unwrap_or_default(),
        time,
    }
}

/// Returns the change that saves most, the smallest of those that save as much.
fn advice(stack: &Stack, load: Load, now: &Pace) -> Option<Advice> {
    let mut best: Option<Advice> = None;
    for (change, changed) in changes(stack) {
        let Some(pace) = pace(&changed, load) else { continue };
        // A larger change must save more than the smaller ones before it.
        let least = best.as_ref().map_or(now.seconds, |best| best.pace.seconds) * (1.0 - WORTH);
        if pace.seconds < least {
            best = Some(Advice { change, pace });
        }
    }
    best
}

/// Returns changes of the stack, each with a stack in which it is made; smaller ones before larger ones of their kind.
fn changes(stack: &Stack) -> Vec<(String, Stack)> {
    let mut out = Vec::new();
    for most in CONCURRENCY {
        let mut changed = stack.clone();
        let mut names = Vec::new();
        for resource in &mut changed.resources {
            let ResourceType::Function(function) = &mut resource.is else { continue };
            let from_bus = function.triggers.iter().any(|trigger| matches!(trigger, Trigger::Bus { .. }));
            // Rows don't wait for the report, which comes after the last of them.
            let takes_rows = function.worker().is_some_and(|worker| worker != Worker::Report);
            if !takes_rows || !from_bus || function.concurrency.is_none_or(|now| now >= most) {
                continue;
            }
            function.concurrency = Some(most);
            for trigger in &mut function.triggers {
                if let Trigger::Bus { concurrency: Some(concurrency), .. } = trigger {
                    *concurrency = most.max(*concurrency);
                }
            }
            names.push(format!("`{}`", resource.name));
        }
        if !names.is_empty() {
            out.push((format!("`concurrency: {most}` for {}", names.join(", ")), changed));
        }
    }
    for rows in ROWS_PER_EVENT {
        let mut changed = stack.clone();
        let task = changed.resources.iter_mut().find_map(|resource| match &mut resource.is {
            ResourceType::Task(task) if task.image.worker().is_some() => Some((&resource.name, task)),
            _ => None,
        });
        let Some((name, task)) = task else { continue };
        let settings = task.settings.get_or_insert_default();
        if settings.rows_per_event < rows {
            settings.rows_per_event = rows;
            let name = name.clone();
            out.push((format!("`rowsPerEvent: {rows}` for `{name}`"), changed));
        }
    }
    for writes in WRITES {
        let mut changed = stack.clone();
        let mut names = Vec::new();
        for resource in &mut changed.resources {
            let ResourceType::Table(table) = &mut resource.is else { continue };
            let more = |throughput: &mut Throughput| {
                let less = throughput.write < writes;
                throughput.write = throughput.write.max(writes);
                less
            };
            let changed = match &mut table.capacity {
                Capacity::Provisioned(throughput) => more(throughput),
                Capacity::OnDemand { warm, maximum } => {
                    let warmed = more(warm.get_or_insert(Throughput { read: 12_000, write: 4_000 }));
                    maximum.as_mut().is_some_and(more) || warmed
                }
            };
            if changed {
                names.push(format!("`{}`", resource.name));
            }
        }
        if !names.is_empty() {
            let change =
                format!("a `capacity` of {} write units for {}", grouped(writes as f64), names.join(", "));
            out.push((change, changed));
        }
    }
    out
}

/// Returns the forecast for people, as Markdown.
#[must_use]
pub fn render(forecast: &Forecast) -> String {
    let mut out = format!("# Forecast of {}\n\n", forecast.stack);
    let load = forecast.load;
    let rows = format!("{} rows of {} bytes", grouped(load.rows()), grouped(load.bytes()));
    let Some(time) = &forecast.time else {
        let why = if load.rows == 0 {
            "there are no rows"
        } else {
            "the stack does not have the deployer's workers"
        };
        let _ = writeln!(out, "No time can be estimated: {why}.");
        return out;
    };
    let place = forecast.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    let _ =
        writeln!(out, "{rows} take about {}{place}. The limit is {}.\n", duration(time.seconds), time.limit);
    out.push_str("| stage | rows a second | time | limit |\n|---|---:|---:|---|\n");
    for stage in &forecast.stages {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            stage.name,
            grouped(stage.rows_per_second.round()),
            duration(stage.seconds),
            stage.limit
        );
    }
    if let Some(Advice { change, pace }) = &forecast.advice {
        let _ = writeln!(
            out,
            "\n**What helps most**: {change}. The rows then take about {}; the limit is then {}.",
            duration(pace.seconds),
            pace.limit
        );
    }
    out.push_str("\n## Assumptions\n\n");
    for assumption in &forecast.assumptions {
        let _ = writeln!(out, "- {assumption}");
    }
    if let Some(region) = &forecast.region {
        let _ = writeln!(
            out,
            "- EventBridge's quotas in {region} are the defaults of {} ({}); the account may have been given higher ones. Events \
             beyond them are delayed, not lost.",
            quotas().date,
            quotas().source
        );
    }
    out
}

/// Returns the page of the documentation: the forecast of the repository's own stack.
#[must_use]
pub fn page(forecast: &Forecast) -> String {
    let shown = render(forecast);
    let shown = shown.split_once('\n').map_or("", |(_, rest)| rest);
    format!(
        "# Forecast\n\n\
         `deployer forecast` estimates how long the rows of a file take (`--rows`, `--bytes-per-row`), from the stack file and the\n\
         quotas of its region, without calling AWS. All stages work at the same time, so that the slowest of them decides. It names\n\
         the one change of the file that helps most: it tries several, and shows the one with the shortest time.\n\n\
         `deployer preview FILE` estimates the time of one file in the same way. This page shows the forecast for this repository's\n\
         `stack.yaml`.\n{shown}"
    )
}

/// Returns a time that is not known exactly, for people.
#[must_use]
pub fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds if seconds < 5_400.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        seconds => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_or_three_digits() {
        for (seconds, shown) in
            [(0.4, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (7_200.0, "2.0 h"), (432_000.0, "5.0 days")]
        {
            assert_eq!(duration(seconds), shown);
        }
    }
}
