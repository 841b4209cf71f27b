//! The times that calls and rows take, as data: `timings.json`, with the date on which they were measured or looked up.
//!
//! Beside the flow: the [cost](crate::cost) counts with them the time of functions and tasks, and the forecast the time
//! of a file. AWS and the local cloud are two models. On AWS each call has its own latency and nothing is shared, so
//! times are sums of calls and processor time. The emulator of the local cloud is one Python process, for which every
//! call of every worker waits.

use std::sync::OnceLock;

use serde::Deserialize;

static TIMINGS: &str = include_str!("timings.json");

/// Entries of a PutEvents call: Amazon EventBridge API Reference, `PutEvents`.
pub const ENTRIES: f64 = 10.0;
/// Calls of PutEvents that a worker keeps in flight: `workers/publisher`.
const IN_FLIGHT: f64 = 8.0;
/// Items of a request to DynamoDB: Amazon DynamoDB API Reference, `BatchWriteItem`.
pub const ITEMS: f64 = 25.0;
const MIB: f64 = 1_048_576.0;

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// Date of the table.
    pub date: String,
    /// AWS.
    pub aws: Aws,
    /// The local cloud.
    pub local: Local,
}

/// Times on AWS. Calls are assumptions, as AWS publishes none but DynamoDB's; processor times are measured.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aws {
    /// Milliseconds of a PutEvents call: an assumption.
    pub put_events_ms: f64,
    /// Milliseconds of a request that writes to DynamoDB: the upper end of the "single-digit millisecond performance" of
    /// the Amazon DynamoDB Developer Guide.
    pub write_ms: f64,
    /// MiB of memory with which a function has one processor: AWS Lambda Developer Guide, "Configure Lambda function
    /// memory".
    pub megabytes_of_a_processor: f64,
    /// Microseconds of a processor for a row in the task: `bench.py --only task`.
    pub extraction_us: f64,
    /// The same for a row in `transform`: `bench.py --only functions`, batches of ten.
    pub transform_us: f64,
    /// The same for a row in `load`.
    pub load_us: f64,
    /// The same for an event in `observe`: `bench.py --only observe`.
    pub observe_us: f64,
    /// Seconds in which a task is paid for before it reads: pulling a small image and starting; not measured on Fargate.
    pub task_start: f64,
    /// Milliseconds of an invocation of `extract` with its one message: its first invocation, since there is one per
    /// file.
    pub extract_ms: f64,
    /// Milliseconds of an invocation of `report` with its one message, for a file without failed rows. An assumption,
    /// not a measurement: about that of `extract`, with a query and two more calls.
    pub report_ms: f64,
    /// Milliseconds of an invocation of `snapshot` with its one message, besides the pages that it reads. An
    /// assumption, not a measurement.
    pub snapshot_ms: f64,
    /// The same for each page of the table: a mebibyte, whose place is noted in the tally.
    pub snapshot_page_ms: f64,
}

/// Times on the local cloud: fitted to runs of `bench.py --only pipeline` with 2,000 and 20,000 rows, on two cores.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    /// Milliseconds of the emulator for an event that is put.
    pub event_ms: f64,
    /// Milliseconds of the emulator for a message: sent by a rule, received by a function's queue, and deleted.
    pub message_ms: f64,
    /// Milliseconds of the emulator for an invocation.
    pub invocation_ms: f64,
    /// Milliseconds of the emulator for an item that is written.
    pub item_ms: f64,
    /// Microseconds of the emulator for each row event that waits, for each that it delivers: it looks at the queue as a whole.
    pub waiting_us: f64,
    /// Seconds from the upload until the task reads.
    pub start: f64,
}

/// Returns the table.
pub fn timings() -> &'static Timings {
    static TABLE: OnceLock<Timings> = OnceLock::new();
    // A test reads it; it can't fail here.
    TABLE.get_or_init(|| serde_json::from_str(TIMINGS).unwrap_or_default())
}

/// Returns the number of pieces of this size, each begun one as a whole.
fn pieces(number: f64, size: f64) -> f64 {
    (number / size).ceil().max(1.0)
}

impl Aws {
    /// Returns the share of a processor that a function with this memory, in bytes, has.
    fn share(&self, memory: f64) -> f64 {
        (memory / MIB / self.megabytes_of_a_processor).min(1.0)
    }

    /// Returns the milliseconds in which events are published.
    #[must_use]
    pub fn publish_ms(&self, events: f64) -> f64 {
        pieces(pieces(events, ENTRIES), IN_FLIGHT) * self.put_events_ms
    }

    /// Returns the milliseconds of an invocation of `transform` with this memory that makes so many events of so many
    /// rows.
    #[must_use]
    pub fn transform_ms(&self, memory: f64, rows: f64, events: f64) -> f64 {
        self.publish_ms(events) + rows * self.transform_us / 1_000.0 / self.share(memory)
    }

    /// Returns the milliseconds of an invocation of `load` that writes so many rows in so many requests, one after
    /// another.
    #[must_use]
    pub fn load_ms(&self, memory: f64, rows: f64, requests: f64, events: f64) -> f64 {
        let processor = rows * self.load_us / 1_000.0 / self.share(memory);
        requests * self.write_ms + self.publish_ms(events) + processor
    }

    /// Returns the milliseconds of an invocation of `observe` that takes so many events, and writes so often.
    #[must_use]
    pub fn observe_ms(&self, memory: f64, events: f64, writes: f64) -> f64 {
        writes * self.write_ms + events * self.observe_us / 1_000.0 / self.share(memory)
    }

    /// Returns the rows a second that are published by a reader with this share of a processor, if so many share an
    /// event.
    #[must_use]
    pub fn extraction(&self, processors: f64, together: f64) -> f64 {
        let published = IN_FLIGHT * ENTRIES * together / (self.put_events_ms / 1_000.0);
        published.min(processors * 1e6 / self.extraction_us)
    }

    /// Returns the rows a second that a function with this memory, in bytes, reads.
    #[must_use]
    pub fn inlined(&self, memory: f64, together: f64) -> f64 {
        self.extraction(self.share(memory), together)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table: Timings = serde_json::from_str(TIMINGS).expect("the table");
        assert_eq!(table.date.len(), 10);
        let aws = &table.aws;
        // Eight calls of ten events in 25 ms; a quarter of a processor, 3.01 µs a row.
        assert!((aws.extraction(0.25, 1.0) - 3_200.0).abs() < 1e-6);
        assert!((aws.extraction(0.25, 100.0) - 0.25e6 / 3.01).abs() < 1e-6);
        // 256 MiB of 1,769: ten rows take 0.75 ms besides the call.
        assert!((aws.transform_ms(256.0 * MIB, 10.0, 10.0) - 25.753).abs() < 1e-3);
        // Eighty-one events are nine calls, of which eight are in flight.
        assert!((aws.publish_ms(81.0) - 50.0).abs() < 1e-9);
        assert!((aws.observe_ms(4_096.0 * MIB, 0.0, 3.0) - 30.0).abs() < 1e-9);
    }
}
