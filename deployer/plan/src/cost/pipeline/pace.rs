//! The stages that rows go through, and how fast each of them is.
//!
//! Rows go through all stages at the same time, so that the slowest of them decides. The assumptions are those of the
//! cost: medians of the local cloud, and full batches.

use contract::EventKind;
use deployer_lang::model::ResourceType;
use deployer_lang::model::function::{Events, Trigger};
use deployer_lang::model::table::{Capacity, Table};
use deployer_lang::model::target::Target;
use deployer_lang::model::worker::Worker;

use super::{
    CALL, Consumer, EXTRACT_MS, ITEMS, LOAD_MS, OBSERVE_MS, Pipeline, TASK_ROWS, TASK_START, TRANSFORM_MS,
    WRITE_UNIT, pieces,
};
use crate::cost::Load;
use crate::cost::forecast::{Pace, Stage};
use crate::prices::grouped;
use crate::quotas::quotas;

/// Write units a second that a new table on demand takes at once: Amazon DynamoDB Developer Guide, "DynamoDB on-demand
/// capacity mode".
const NEW_TABLE: f64 = 4_000.0;
/// Seconds in which such a table takes twice what it took before: the same page.
const DOUBLING: f64 = 30.0 * 60.0;
/// Write units a second of a table on demand, unless AWS allows more: Amazon DynamoDB Developer Guide, "Quotas".
const TABLE_QUOTA: f64 = 40_000.0;

impl Pipeline<'_> {
    /// Estimates the time of rows; `None` without rows.
    pub(in crate::cost) fn pace(&self, load: Load) -> Option<Pace> {
        let stages = self.stages(load);
        let slowest = stages.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds))?;
        let (start, what) = match self.is_inlined(load) {
            true => (EXTRACT_MS / 1_000.0, "the start of the function"),
            false => (TASK_START, "the start of the task"),
        };
        (load.rows > 0).then(|| Pace {
            seconds: start + slowest.seconds,
            rows_per_second: slowest.rows_per_second,
            limit: if slowest.seconds < start { what.to_owned() } else { slowest.limit.clone() },
        })
    }

    /// Returns the stages, in the order in which rows reach them.
    pub(in crate::cost) fn stages(&self, load: Load) -> Vec<Stage> {
        let mut stages = Vec::new();
        // It was measured with a row in each event.
        if self.grouped(load) <= 1.0 {
            stages.push(self.reading(load));
        }
        if let Some(events) = self.task.settings.as_ref().and_then(|settings| settings.events_per_second) {
            let limit = format!("`eventsPerSecond: {events}` of `{}`", self.name);
            stages.push(steady(self.name, f64::from(events) * self.grouped(load), limit, load));
        }
        stages.extend(self.service(load));
        stages.extend(self.consumers().iter().filter_map(|consumer| self.consuming(consumer, load)));
        stages.extend(self.tables().into_iter().filter_map(|(name, table)| self.storing(name, table, load)));
        stages
    }

    /// Returns the task, or the tasks that read parts of a large file.
    fn reading(&self, load: Load) -> Stage {
        if self.is_inlined(load) {
            let name = self.starters().first().map_or(self.name, |(name, _)| name);
            let limit =
                format!("`{name}`, which reads the file itself: {} rows a second", grouped(TASK_ROWS));
            return steady(name, TASK_ROWS, limit, load);
        }
        let starters = self.starters();
        let parts = starters.iter().filter_map(|(_, function)| function.settings.as_ref()).map(|settings| {
            let parts = (load.rows() * load.bytes() / settings.extract.shard_size as f64).ceil();
            parts.clamp(1.0, f64::from(settings.extract.max_tasks))
        });
        let tasks = parts.fold(1.0, f64::max);
        let noun = if tasks > 1.0 { "tasks, each of which publishes" } else { "task, which publishes" };
        let limit = format!("`{}`: {tasks} {noun} {} rows a second", self.name, grouped(TASK_ROWS));
        steady(self.name, tasks * TASK_ROWS, limit, load)
    }

    /// Returns what EventBridge takes and sends in the stack's region; nothing on the local cloud, or where the region
    /// is not known.
    fn service(&self, load: Load) -> Vec<Stage> {
        let target = &self.stack.target;
        let Some(region) = target.region.as_deref().filter(|_| target.target == Target::Aws) else {
            return Vec::new();
        };
        let events = self.events(EventKind::Any, load).row;
        let sent: f64 =
            self.consumers().iter().filter_map(|consumer| self.received(consumer.events, load)).sum();
        let sent = sent + self.rules(load);
        let calls = quotas().put_events(region);
        let invocations = quotas().invocations(region);
        let mut stages = Vec::new();
        if events > 0.0 {
            let limit = format!("EventBridge: {} calls of PutEvents a second in {region}", grouped(calls));
            stages.push(steady("PutEvents", calls * CALL / events, limit, load));
        }
        if sent > 0.0 {
            let limit = format!(
                "EventBridge: {} events a second to targets of rules in {region}",
                grouped(invocations)
            );
            stages.push(steady("rules", invocations / sent, limit, load));
        }
        stages
    }

    /// Returns the events that the rules of the file send to their targets, for each row.
    fn rules(&self, load: Load) -> f64 {
        let rules = self.stack.resources.iter().filter_map(|resource| match &resource.is {
            ResourceType::Rule(rule) if rule.enabled && rule.bus.name == self.bus => Some(rule),
            _ => None,
        });
        rules.filter_map(|rule| Some(self.received(&rule.events, load)? * rule.targets.len() as f64)).sum()
    }

    /// Returns the events of a selection, for each row; `None` if a pattern selects them.
    fn received(&self, events: &Events, load: Load) -> Option<f64> {
        match events {
            Events::Named(kind) => Some(self.events(*kind, load).row),
            _ => None,
        }
    }

    /// Returns a function that takes events, unless its concurrency is not known.
    fn consuming(&self, consumer: &Consumer<'_>, load: Load) -> Option<Stage> {
        let (Events::Named(kind), Trigger::Bus { .. }) = (consumer.events, consumer.trigger) else {
            return None;
        };
        let executions =
            consumer.trigger.queue_concurrency().flatten().or(consumer.function.concurrency)? as f64;
        let events = self.events(*kind, load).row;
        let size = consumer.batch();
        let ms = match (consumer.function.worker()?, kind) {
            (Worker::Transform, EventKind::RecordExtracted) => {
                TRANSFORM_MS * pieces(size * self.answers(load), CALL)
            }
            (Worker::Load, EventKind::RecordTransformed) => {
                LOAD_MS * pieces(size, CALL).max(pieces(size * self.items(load), ITEMS))
            }
            (Worker::Observe, _) => OBSERVE_MS * pieces(size, CALL),
            _ => return None,
        };
        let limit = format!(
            "`{}`: {} executions at the same time (`concurrency`)",
            consumer.name,
            grouped(executions)
        );
        (events > 0.0)
            .then(|| steady(consumer.name, executions * size / (ms / 1_000.0) / events, limit, load))
    }

    /// Returns a table and its indexes, each of which takes every item; `None` on the local cloud, if only AWS limits
    /// it.
    fn storing(&self, name: &str, table: &Table, load: Load) -> Option<Stage> {
        // Rows that are left out are not written.
        let share = load.share();
        if share <= 0.0 {
            return None;
        }
        let units = pieces(load.bytes() + self.names(), WRITE_UNIT);
        let (warm, maximum) = match table.capacity {
            Capacity::Provisioned(throughput) => {
                let limit = format!("the {} write units of `{name}`", throughput.write);
                return Some(steady(name, throughput.write as f64 / units / share, limit, load));
            }
            Capacity::OnDemand { warm, maximum } => (warm, maximum),
        };
        if self.stack.target.target != Target::Aws {
            return None;
        }
        let most = maximum.map_or(TABLE_QUOTA, |maximum| maximum.write as f64);
        let first = warm.map_or(NEW_TABLE, |warm| warm.write as f64).min(most);
        let seconds = ramp(load.items() * units, first, most);
        let limit = if first < most {
            format!(
                "`{name}`: on demand, {} write units a second at first, twice as many after 30 minutes",
                grouped(first)
            )
        } else {
            format!("`{name}`: on demand, at most {} write units a second", grouped(most))
        };
        let rows_per_second = if seconds > 0.0 { load.rows() / seconds } else { first / units / share };
        Some(Stage { name: name.to_owned(), rows_per_second, seconds, limit })
    }
}

/// Returns a stage that is always as fast.
fn steady(name: &str, rows_per_second: f64, limit: String, load: Load) -> Stage {
    Stage { name: name.to_owned(), rows_per_second, seconds: load.rows() / rows_per_second, limit }
}

/// Returns the seconds in which a table takes so many units, which begins with `first` a second and takes twice as many
/// after each half hour, up to `most`.
fn ramp(units: f64, first: f64, most: f64) -> f64 {
    let (mut left, mut rate, mut seconds) = (units, first, 0.0);
    while rate < most && left > rate * DOUBLING {
        left -= rate * DOUBLING;
        seconds += DOUBLING;
        rate = (rate * 2.0).min(most);
    }
    seconds + left / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_on_demand_takes_twice_as_much_after_each_half_hour() {
        let half_hour = 4_000.0 * DOUBLING;
        for (units, seconds) in [
            (0.0, 0.0),
            (4_000.0, 1.0),
            (half_hour, DOUBLING),
            (half_hour + 8_000.0, DOUBLING + 1.0),
            // 4,000 and 8,000 for half an hour each, then what is allowed.
            (3.0 * half_hour + 10_000.0, 2.0 * DOUBLING + 1.0),
        ] {
            assert!((ramp(units, 4_000.0, 10_000.0) - seconds).abs() < 1e-6, "{units}");
        }
        assert!((ramp(1e9, 40_000.0, 40_000.0) - 25_000.0).abs() < 1e-6);
    }
}
