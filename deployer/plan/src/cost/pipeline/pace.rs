//! The stages that rows go through, and how fast each of them is.
//!
//! Rows go through all stages at the same time, so that the slowest of them decides. On AWS, the times are those of the
//! cost. On the local cloud, all calls of all workers wait for one process, which is a stage of its own.

use contract::EventKind;
use deployer_lang::model::ResourceType;
use deployer_lang::model::function::{Events, Function, Trigger};
use deployer_lang::model::table::{Capacity, Table};
use deployer_lang::model::target::Target;
use deployer_lang::model::worker::Worker;

use super::{CALL, Consumer, Pipeline, WRITE_UNIT, pieces};
use crate::cost::Load;
use crate::cost::forecast::{Pace, Stage};
use crate::prices::grouped;
use crate::quotas::quotas;
use crate::timings::timings;

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
        let times = timings();
        let (start, what) = match self.is_inlined(load) {
            true => (times.aws.extract_ms / 1_000.0, "the start of the function"),
            false => (times.aws.task_start, "the start of the task"),
        };
        let start = if self.is_local() { times.local.start } else { start };
        (load.rows > 0).then(|| Pace {
            seconds: start + slowest.seconds,
            rows_per_second: slowest.rows_per_second,
            limit: if slowest.seconds < start { what.to_owned() } else { slowest.limit.clone() },
        })
    }

    /// Returns the stages, in the order in which rows reach them.
    pub(in crate::cost) fn stages(&self, load: Load) -> Vec<Stage> {
        let mut stages = Vec::new();
        if self.is_local() {
            stages.push(self.emulating(load));
        } else {
            stages.push(self.reading(load));
        }
        if let Some(events) = self.task.settings.as_ref().and_then(|settings| settings.events_per_second) {
            let limit = format!("`eventsPerSecond: {events}` of `{}`", self.name);
            stages.push(steady(self.name, f64::from(events) * self.grouped(load), limit, load));
        }
        if !self.is_local() {
            stages.extend(self.service(load));
            stages.extend(self.consumers().iter().filter_map(|consumer| self.consuming(consumer, load)));
        }
        stages.extend(self.tables().into_iter().filter_map(|(name, table)| self.storing(name, table, load)));
        stages
    }

    fn is_local(&self) -> bool {
        self.stack.target.target == Target::Local
    }

    /// Returns the rows a second that one task publishes on AWS.
    pub(super) fn extraction(&self, load: Load) -> f64 {
        timings().aws.extraction(self.task.cpu as f64 / 1_024.0, self.grouped(load))
    }

    /// Returns the rows a second that a function publishes on AWS.
    pub(super) fn inlined(&self, function: &Function, load: Load) -> f64 {
        timings().aws.inlined(function.memory as f64, self.grouped(load))
    }

    /// Returns the assumptions of the time.
    pub(in crate::cost) fn assumptions_of_pace(&self) -> Vec<String> {
        if !self.is_local() {
            return self.assumptions_of_time();
        }
        let times = &timings().local;
        vec![
            format!(
                "The emulator of the local cloud is one process. It takes {} ms for an event, {} ms for a message of a queue, {} ms \
                 for an invocation, and {} ms for an item; and {} µs more for an event for each one that waits (fitted to runs with 2,000 and \
                 20,000 rows on two cores, {}).",
                times.event_ms,
                times.message_ms,
                times.invocation_ms,
                times.item_ms,
                times.waiting_us,
                timings().date
            ),
            format!("Rows are read {} seconds after the upload.", times.start),
        ]
    }

    /// Returns the emulator of the local cloud.
    fn emulating(&self, load: Load) -> Stage {
        let times = &timings().local;
        let mut ms = self.events(EventKind::Any, load).row * times.event_ms;
        for consumer in self.consumers() {
            let Some(events) = self.received(consumer.events, load) else { continue };
            let invocations = events / consumer.batch();
            if consumer.trigger.is_buffered() {
                ms += events * times.message_ms;
            }
            ms += invocations * times.invocation_ms;
            if consumer.function.worker() == Some(Worker::Observe) {
                ms += invocations * self.tally_writes(consumer.function, load) * times.item_ms;
            }
        }
        ms += self.rules(load) * times.message_ms;
        ms += load.share() * self.tables().len() as f64 * times.item_ms;
        // On average, half of the events wait.
        let together = self.grouped(load);
        ms += times.waiting_us / 1_000.0 * (load.rows() / together / 2.0) / together;
        let limit = "the local cloud: one process, for which all calls wait".to_owned();
        steady("local cloud", 1_000.0 / ms, limit, load)
    }

    /// Returns the task, or the tasks that read parts of a large file.
    fn reading(&self, load: Load) -> Stage {
        if self.is_inlined(load) {
            let starters = self.starters();
            if let Some((name, function)) = starters.first() {
                let rows = self.inlined(function, load);
                let limit =
                    format!("`{name}`, which reads the file itself: {} rows a second", grouped(rows.floor()));
                return steady(name, rows, limit, load);
            }
        }
        let starters = self.starters();
        let parts = starters.iter().filter_map(|(_, function)| function.settings.as_ref()).map(|settings| {
            let parts = (load.rows() * load.bytes() / settings.extract.shard_size as f64).ceil();
            parts.clamp(1.0, f64::from(settings.extract.max_tasks))
        });
        let tasks = parts.fold(1.0, f64::max);
        let noun = if tasks > 1.0 { "tasks, each of which publishes" } else { "task, which publishes" };
        let rows = self.extraction(load);
        let limit = format!("`{}`: {tasks} {noun} {} rows a second", self.name, grouped(rows.floor()));
        steady(self.name, tasks * rows, limit, load)
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
            (Worker::Transform, EventKind::RecordExtracted)
            | (Worker::Load, EventKind::RecordTransformed)
            | (Worker::Observe, _) => self.invocation_ms(consumer, size, load)?,
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
        let units = pieces(self.item_bytes(load), WRITE_UNIT);
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
