//! The time that rows take, by the slowest stage of the pipeline.
//!
//! Rows go through all stages at the same time, so that the slowest of them decides. The assumptions are those of the
//! cost: medians of the local cloud, and full batches.

use contract::EventKind;
use deployer_lang::model::function::{Events, Trigger};
use deployer_lang::model::worker::Worker;

use super::{
    CALL, Consumer, ITEMS, LOAD_MS, OBSERVE_MS, Pipeline, TASK_ROWS, TASK_START, TRANSFORM_MS, WRITE_UNIT,
    pieces,
};
use crate::cost::{Load, Pace};
use crate::prices::grouped;

/// A stage, and the rows that it takes in a second.
struct Stage {
    rows_per_second: f64,
    limit: String,
}

impl Pipeline<'_> {
    /// Estimates the time of rows; `None` without rows.
    pub(in crate::cost) fn pace(&self, load: Load) -> Option<Pace> {
        let mut stages = Vec::new();
        // It was measured with a row in each event.
        if self.grouped(load) <= 1.0 {
            stages.push(self.reading(load));
        }
        if let Some(events) = self.task.settings.as_ref().and_then(|settings| settings.events_per_second) {
            stages.push(Stage {
                rows_per_second: f64::from(events) * self.grouped(load),
                limit: format!("`eventsPerSecond: {events}` of `{}`", self.name),
            });
        }
        stages.extend(self.consumers().iter().filter_map(|consumer| self.consuming(consumer, load)));
        for (name, table) in self.tables() {
            if let Some(capacity) = table.capacity {
                let units = pieces(load.bytes() + self.names(), WRITE_UNIT);
                stages.push(Stage {
                    rows_per_second: capacity.write as f64 / units,
                    limit: format!("the {} write units of `{name}`", capacity.write),
                });
            }
        }
        let slowest = stages.into_iter().min_by(|a, b| a.rows_per_second.total_cmp(&b.rows_per_second))?;
        let seconds = load.rows() / slowest.rows_per_second;
        (load.rows > 0).then(|| Pace {
            seconds: TASK_START + seconds,
            rows_per_second: slowest.rows_per_second,
            limit: if seconds < TASK_START { "the start of the task".to_owned() } else { slowest.limit },
        })
    }

    /// Returns the task, or the tasks that read parts of a large file.
    fn reading(&self, load: Load) -> Stage {
        let starters = self.starters();
        let parts = starters.iter().filter_map(|(_, function)| function.settings.as_ref()).map(|settings| {
            let parts = (load.rows() * load.bytes() / settings.extract.shard_size as f64).ceil();
            parts.clamp(1.0, f64::from(settings.extract.max_tasks))
        });
        let tasks = parts.fold(1.0, f64::max);
        let noun = if tasks > 1.0 { "tasks, each of which publishes" } else { "task, which publishes" };
        let rows = grouped(TASK_ROWS);
        Stage {
            rows_per_second: tasks * TASK_ROWS,
            limit: format!("`{}`: {tasks} {noun} {rows} rows a second", self.name),
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
        let rows = self.grouped(load);
        let ms = match (consumer.function.worker()?, kind) {
            (Worker::Transform, EventKind::RecordExtracted) => TRANSFORM_MS * pieces(size, CALL),
            (Worker::Load, EventKind::RecordTransformed) => {
                LOAD_MS * pieces(size, CALL).max(pieces(size * rows, ITEMS))
            }
            (Worker::Observe, _) => OBSERVE_MS * pieces(size, CALL),
            _ => return None,
        };
        (events > 0.0).then(|| Stage {
            rows_per_second: executions * size / (ms / 1_000.0) / events,
            limit: format!(
                "`{}`: {} executions at the same time (`concurrency`)",
                consumer.name,
                grouped(executions)
            ),
        })
    }
}
