//! The use that rows cause in the pipeline of the deployer's workers, counted from the file: batches, memory, queues,
//! tables.
//!
//! The workers put one event on the bus for each step of each row, or of as many rows as `rowsPerEvent` says
//! (`workers/contract`), ten in a call (`workers/publisher`), and log one line a batch, the observer one more for each
//! event.

use contract::EventKind;
use contract::settings::{OnConflict, VERSION_ATTRIBUTE};
use deployer_lang::loading;
use deployer_lang::model::access::Verb;
use deployer_lang::model::function::{Events, Function, Trigger};
use deployer_lang::model::table::Table;
use deployer_lang::model::task::Task;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{ResourceType, Stack};

use self::counting::Counting;
use super::{Bill, EndOfFile, Grouping, Load, PerRow, Rows};
use crate::prices::{Item, grouped};
use crate::timings::{ENTRIES, ITEMS, timings};

mod counting;
mod pace;

/// Bytes that EventBridge and SQS count as one event or request: Amazon EventBridge Pricing, Amazon SQS Pricing.
pub(super) const CHUNK: f64 = 65_536.0;
/// Bytes that DynamoDB counts as one write: Amazon DynamoDB Pricing.
const WRITE_UNIT: f64 = 1_024.0;
/// Entries of a PutEvents call, and messages of a request to SQS: Amazon EventBridge and Amazon SQS API references.
const CALL: f64 = ENTRIES;
/// Calls for single items that `load` keeps in flight, where each has a condition or is an update: `workers/functions`,
/// `load/write.rs`.
const SINGLE_ITEMS: f64 = 8.0;
/// Bytes of a version that `load` adds to an item: time of the upload, digest of the object and row, as
/// `load/version.rs` writes them.
const VERSION_BYTES: f64 = 110.0;
/// GiB of disk that are free with a task: AWS Fargate Pricing.
const FREE_DISK: f64 = 20.0;
/// Seconds that are billed for a task at least: AWS Fargate Pricing.
const LEAST_SECONDS: f64 = 60.0;
pub(super) const GB: f64 = 1e9;
const GIB: f64 = (1_u64 << 30) as f64;

/// An event of a row without the row: EventBridge's envelope, object and record. A test makes one.
const EVENT_BYTES: f64 = 700.0;
/// Bytes that DynamoDB counts as one consistent read, and those of a page of Scan: Amazon DynamoDB Developer Guide, "Read
/// and write operations" and "Scanning tables".
const READ_UNIT: f64 = 4_096.0;
const SCAN_PAGE: f64 = 1_048_576.0;
/// Bytes of the attribute `_source` with its name: a digest.
const SOURCE_BYTES: f64 = 39.0;
/// Write units of the tally for a file: its version, the begin of the search and its end, in items of less than a kibibyte
/// each but for the last two.
const SNAPSHOT_UNITS: f64 = 6.0;
/// Settings of `rowsPerEvent` that are shown beside the stack's own.
const GROUPINGS: [u32; 4] = [1, 10, 25, 100];
/// Bytes of rows that the task puts into one event at most, unless a single one has more.
const GROUP_BYTES: f64 = 60.0 * 1_024.0;
/// Bytes of the line `batch done`: of 300 invocations on the local cloud.
const BATCH_LINE: f64 = 228.0;
/// Bytes of `platform.start` and `platform.report`, which Lambda logs of each invocation in the form of the AWS Lambda
/// Developer Guide ("Log-level filtering": at INFO, these two); counted from that form.
const PLATFORM_LINES: f64 = 400.0;
/// Bytes of the two lines of the task, in the same run.
const TASK_LINES: f64 = 350.0;

/// Rows of an item of the tally: `workers/tally`.
const TALLY_CHUNK: f64 = 65_536.0;
/// Items of the tally that a batch of the observer writes: its messages are of rows that are near each other, and of
/// three stages, one of which is often in another item than the others.
const TALLY_ITEMS: f64 = 2.0;
/// Write units of such an item, and of folding it: a test of `workers/tally` merges the events of 65,536 rows by two
/// writers, of which 1,000 at a time come in any order, and finds less than seven a batch.
const TALLY_UNITS: f64 = 7.0;

/// Write units by which a batch of the observer counts the settled rows of an object, to find its end: one call for an
/// item of less than a kibibyte, as a test of `workers/tally` shows.
const END_UNITS: f64 = 1.0;
/// Write units about the end of an object: it is counted when the object was read, and its event is claimed and noted.
const END_UNITS_OF_FILE: f64 = 3.0;

/// Returns the bytes of the observer's line for an event, in the same run.
const fn observed(kind: EventKind) -> f64 {
    match kind {
        EventKind::TaskStarted => 581.0,
        EventKind::RecordExtracted => 538.0,
        EventKind::ExtractionCompleted => 525.0,
        EventKind::RecordTransformed => 533.0,
        EventKind::RecordLoaded => 580.0,
        EventKind::ObjectCompleted => 560.0,
        // Counted from that of `object-completed`, which has as many names.
        EventKind::SnapshotCompleted => 560.0,
        // Counted from that of an extracted row, whose names are longer.
        EventKind::RecordSkipped => 532.0,
        EventKind::DeletionRequested
        | EventKind::RecordDeleted
        | EventKind::RecordExisting
        | EventKind::Failed
        | EventKind::Any => 0.0,
    }
}

/// The workers of a stack that let rows through.
pub(super) struct Pipeline<'s> {
    stack: &'s Stack,
    name: &'s str,
    task: &'s Task,
    bus: &'s str,
    /// The setting `rowsPerEvent`.
    rows_per_event: u32,
}

/// A function that takes events of the bus.
struct Consumer<'s> {
    name: &'s str,
    function: &'s Function,
    trigger: &'s Trigger,
    events: &'s Events,
}

/// Events of a kind: for each row, and for each file.
#[derive(Clone, Copy)]
struct Count {
    row: f64,
    file: f64,
}

/// Returns the pipeline: a task that reads files, and puts their rows on a bus of the stack.
pub(super) fn find(stack: &Stack) -> Option<Pipeline<'_>> {
    stack.tasks().filter(|(_, task)| task.image.worker() == Some(Worker::Extraction)).find_map(
        |(resource, task)| {
            let bus = task.access.iter().find(|access| {
                access.verb == Verb::Publish
                    && matches!(
                        stack.resource(&access.resource.name).map(|found| &found.is),
                        Some(ResourceType::Bus(_))
                    )
            })?;
            let rows_per_event = task.settings.as_ref().map_or(1, |settings| settings.rows_per_event);
            Some(Pipeline { stack, name: &resource.name, task, bus: &bus.resource.name, rows_per_event })
        },
    )
}

fn may(function: &Function, verb: Verb) -> bool {
    function.access.iter().any(|access| access.verb == verb)
}

/// Returns whether an observer publishes the ends of objects.
fn completes(observer: &Function) -> bool {
    may(observer, Verb::Tally) && may(observer, Verb::Publish)
}

/// Returns whether an observer writes metrics about files.
fn writes_metrics(observer: &Function) -> bool {
    completes(observer) && observer.settings.as_ref().is_some_and(|settings| settings.observe.metrics)
}

/// Returns the stack without what follows the last row of a file: the event `object-completed`, its metrics and its
/// report; `None` if it has nothing of it.
fn without_end(stack: &Stack) -> Option<Stack> {
    let mut stack = stack.clone();
    let mut found = false;
    stack.resources.retain_mut(|resource| {
        let ResourceType::Function(function) = &mut resource.is else { return true };
        match function.worker() {
            Some(Worker::Report) => found = true,
            Some(Worker::Observe) => {
                found |= completes(function);
                function.access.retain(|access| access.verb != Verb::Publish);
            }
            _ => {}
        }
        function.worker() != Some(Worker::Report)
    });
    found.then_some(stack)
}

/// Returns the number of pieces that are paid for, each begun one as a whole.
pub(super) fn pieces(bytes: f64, size: f64) -> f64 {
    (bytes / size).ceil().max(1.0)
}

impl<'s> Pipeline<'s> {
    /// Estimates the cost of rows.
    pub(super) fn rows(&self, load: Load) -> Rows {
        let count = self.count(load);
        let mut kept = Bill::default();
        count.keep(&mut kept);
        kept.unknown("log events, which are kept compressed", Some(Item::LogsStoredGb));
        let per_row = self.per_row(load);
        let assumptions = self.assumptions(load, count.event_bytes);
        let mut groupings: Vec<u32> = GROUPINGS.into_iter().chain([self.rows_per_event]).collect();
        groupings.sort_unstable();
        groupings.dedup();
        let groupings = groupings.into_iter().map(|rows_per_event| {
            let other = Pipeline { rows_per_event, ..*self };
            let total = other.count(load).bill.total;
            Grouping { rows_per_event, events: other.per_row(load).events, total }
        });
        let end = self.end_of_file(load);
        let per_million = (load.rows > 0).then(|| count.bill.total / load.rows() * 1e6);
        Rows {
            load,
            per_row,
            time: self.pace(load),
            assumptions,
            kept,
            groupings: groupings.collect(),
            bill: count.bill,
            end,
            per_million,
        }
    }

    /// Estimates the cost of what follows the last row of a file.
    fn end_of_file(&self, load: Load) -> Option<EndOfFile> {
        let without = without_end(self.stack)?;
        let without = find(&without)?;
        let more = |rows| {
            let load = Load { rows, bytes_per_row: load.bytes_per_row, ..Load::default() };
            self.count(load).bill.total - without.count(load).bill.total
        };
        let per_file = more(1);
        Some(EndOfFile { per_file, per_million_rows: (more(1_000_000) - per_file).max(0.0) })
    }

    /// Returns the bytes of an item: a row, the names of the attributes, and the version and the source that `load` may add.
    fn item_bytes(&self, load: Load) -> f64 {
        let has_versions = self.loads().any(|load| loading::on_conflict(load).has_versions());
        let version = if has_versions { VERSION_ATTRIBUTE.len() as f64 + VERSION_BYTES } else { 0.0 };
        let source = if self.has_snapshot() { SOURCE_BYTES } else { 0.0 };
        load.bytes() + self.names() + version + source
    }

    /// Returns the functions that write items.
    fn loads(&self) -> impl Iterator<Item = &'s Function> {
        let loads = |consumer: &Consumer<'_>| {
            consumer.function.worker() == Some(Worker::Load)
                && *consumer.events == Events::Named(EventKind::RecordTransformed)
        };
        self.consumers().into_iter().filter(loads).map(|consumer| consumer.function)
    }

    fn count(&self, load: Load) -> Counting<'_, 's> {
        let rows = self.grouped(load);
        let mut count = Counting {
            pipeline: self,
            load,
            event_bytes: EVENT_BYTES + rows * (load.bytes() + self.names()),
            bill: Bill::default(),
            log_bytes: 0.0,
        };
        count.publish();
        for consumer in self.consumers() {
            count.consume(&consumer);
        }
        count.start();
        count.read();
        count.leave_out();
        count.bill.add(Item::LogsGb, count.log_bytes / GB);
        count
    }

    /// Returns the number of rows of an event.
    fn grouped(&self, load: Load) -> f64 {
        let fit = (GROUP_BYTES / (load.bytes() + self.names()).max(1.0)).floor().max(1.0);
        f64::from(self.rows_per_event).min(fit)
    }

    /// Returns the number of events that `transform` makes of one.
    fn answers(&self, load: Load) -> f64 {
        let together = self.grouped(load);
        let (items, skipped) = load.divided(together);
        (items + skipped) * together
    }

    /// Returns the number of items in an event.
    fn items(&self, load: Load) -> f64 {
        let (events, _) = load.divided(self.grouped(load));
        if events > 0.0 { load.share() / events } else { 1.0 }
    }

    fn consumers(&self) -> Vec<Consumer<'s>> {
        let of = |(resource, function): (&'s deployer_lang::model::Resource, &'s Function)| {
            function.triggers.iter().filter_map(move |trigger| match trigger {
                Trigger::Bus { bus, events, .. } if bus.name == self.bus => {
                    Some(Consumer { name: &resource.name, function, trigger, events })
                }
                _ => None,
            })
        };
        self.stack.functions().flat_map(of).collect()
    }

    /// Counts the functions that turn one kind of event into another: each makes an event of its own.
    fn makers(&self, worker: Worker, of: EventKind) -> f64 {
        let makes = |consumer: &&Consumer<'_>| {
            consumer.function.worker() == Some(worker) && *consumer.events == Events::Named(of)
        };
        self.consumers().iter().filter(makes).count() as f64
    }

    /// Returns whether the function that would start a task reads the file itself.
    fn is_inlined(&self, load: Load) -> bool {
        let most = |function: &Function| function.settings.as_ref()?.extract.inline;
        let bytes = load.rows() * load.bytes();
        self.starters().iter().any(|(_, function)| most(function).is_some_and(|most| bytes <= most as f64))
    }

    /// Returns the functions that start the task.
    fn starters(&self) -> Vec<(&'s str, &'s Function)> {
        let starts = |function: &Function| {
            function.worker() == Some(Worker::Extract)
                && function
                    .access
                    .iter()
                    .any(|access| access.verb == Verb::Run && access.resource.name == self.name)
        };
        let all = self.stack.functions().filter(|(_, function)| starts(function));
        all.map(|(resource, function)| (resource.name.as_str(), function)).collect()
    }

    fn events(&self, kind: EventKind, load: Load) -> Count {
        let extracted = 1.0 / self.grouped(load);
        let (items, skipped) = load.divided(self.grouped(load));
        let makers = self.makers(Worker::Transform, EventKind::RecordExtracted);
        let (transformed, skipped) = (items * makers, skipped * makers);
        match kind {
            EventKind::TaskStarted => Count { row: 0.0, file: self.starters().len() as f64 },
            EventKind::RecordExtracted => Count { row: extracted, file: 0.0 },
            EventKind::ExtractionCompleted => Count { row: 0.0, file: 1.0 },
            EventKind::RecordTransformed => Count { row: transformed, file: 0.0 },
            EventKind::RecordLoaded => {
                let loads = self.makers(Worker::Load, EventKind::RecordTransformed);
                Count { row: transformed * loads, file: 0.0 }
            }
            EventKind::ObjectCompleted => Count {
                row: 0.0,
                file: self.observers().filter(|observer| completes(observer.function)).count() as f64,
            },
            EventKind::SnapshotCompleted => {
                let completed = self.events(EventKind::ObjectCompleted, load).file;
                let snapshots = self.makers(Worker::Snapshot, EventKind::ObjectCompleted);
                Count { row: 0.0, file: completed * snapshots }
            }
            EventKind::RecordSkipped => Count { row: skipped, file: 0.0 },
            // Every row is taken as valid, and as an item that is new.
            EventKind::DeletionRequested
            | EventKind::RecordDeleted
            | EventKind::RecordExisting
            | EventKind::Failed => Count { row: 0.0, file: 0.0 },
            EventKind::Any => {
                let all = EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::Any);
                all.map(|kind| self.events(kind, load)).fold(Count { row: 0.0, file: 0.0 }, |sum, count| {
                    Count { row: sum.row + count.row, file: sum.file + count.file }
                })
            }
        }
    }

    /// Returns the bytes of the names of an item's attributes, which DynamoDB counts, and the events carry.
    fn names(&self) -> f64 {
        let settings = self.stack.functions().filter_map(|(_, function)| function.settings.as_ref());
        settings.flat_map(|settings| &settings.transform.fields).map(|field| field.name.len() as f64).sum()
    }

    /// Returns the use that a row causes in the long run.
    fn per_row(&self, load: Load) -> PerRow {
        let calls = self.events(EventKind::RecordExtracted, load).row / CALL;
        let mut out = PerRow { events: self.events(EventKind::Any, load).row, calls, ..PerRow::default() };
        for consumer in self.consumers() {
            let Events::Named(kind) = consumer.events else { continue };
            let events = self.events(*kind, load).row;
            let size = consumer.batch();
            let invocations = events / size;
            out.invocations += invocations;
            if consumer.trigger.is_buffered() {
                out.messages += events;
            }
            if let Some(worker) = consumer.function.worker() {
                out.log_bytes += invocations * (BATCH_LINE + PLATFORM_LINES);
                match worker {
                    Worker::Transform => {
                        out.calls += invocations * pieces(size * self.answers(load), CALL);
                    }
                    Worker::Load => out.calls += invocations * pieces(size, CALL),
                    Worker::Observe => out.log_bytes += self.observed_bytes(*kind, load).row,
                    Worker::Extract | Worker::Report | Worker::Snapshot | Worker::Extraction => {}
                }
            }
        }
        out
    }

    /// Returns the bytes that the observer writes about the events that it takes.
    fn observed_bytes(&self, kind: EventKind, load: Load) -> Count {
        let kinds = EventKind::ALL.into_iter().filter(|one| *one == kind || kind == EventKind::Any);
        kinds.filter(|one| *one != EventKind::Any).fold(Count { row: 0.0, file: 0.0 }, |sum, one| {
            let events = self.events(one, load);
            Count { row: sum.row + events.row * observed(one), file: sum.file + events.file * observed(one) }
        })
    }

    /// Returns the assumptions about the times of functions and tasks on AWS.
    pub(super) fn assumptions_of_time(&self) -> Vec<String> {
        let aws = &timings().aws;
        let processors = self.task.cpu as f64 / 1_024.0;
        vec![
            "Batches are full, as they are while rows wait in the queues. If rows arrive slowly, they are smaller, and there are \
             more invocations."
                .to_owned(),
            format!(
                "A call of PutEvents takes {} ms, of which a worker has eight at the same time (an assumption: AWS publishes no figure), \
                 and a request to DynamoDB {} ms (\"single-digit millisecond performance\", Amazon DynamoDB Developer Guide).",
                aws.put_events_ms, aws.write_ms
            ),
            format!(
                "A processor takes {} µs for a row in the task, {} µs in `transform`, {} µs in `load`, and {} µs for an event in \
                 `observe` (measured, {}); a function has one processor with {} MB (AWS Lambda Developer Guide), and a share of \
                 it with less.",
                aws.extraction_us,
                aws.transform_us,
                aws.load_us,
                aws.observe_us,
                timings().date,
                grouped(aws.megabytes_of_a_processor)
            ),
            format!(
                "So a task publishes {} rows a second. It is charged for {} seconds before that, {LEAST_SECONDS} at least. The \
                 start of `extract` takes {} ms.",
                grouped(aws.extraction(processors, self.rows_per_event.into()).floor()),
                aws.task_start,
                aws.extract_ms
            ),
        ]
    }

    /// Returns the milliseconds of an invocation with so many messages on AWS; `None` if its code is not known.
    fn invocation_ms(&self, consumer: &Consumer<'_>, size: f64, load: Load) -> Option<f64> {
        let aws = &timings().aws;
        let memory = consumer.function.memory as f64;
        Some(match consumer.function.worker()? {
            Worker::Transform => {
                aws.transform_ms(memory, size * self.grouped(load), size * self.answers(load))
            }
            Worker::Load => {
                let rows = size * self.items(load);
                let together = match loading::on_conflict(consumer.function) {
                    OnConflict::Overwrite => ITEMS,
                    OnConflict::Newest | OnConflict::Keep | OnConflict::Merge => SINGLE_ITEMS,
                };
                aws.load_ms(memory, rows, pieces(rows, together), size)
            }
            Worker::Observe => aws.observe_ms(memory, size, self.tally_writes(consumer.function, load)),
            Worker::Report => aws.report_ms,
            Worker::Snapshot => {
                aws.snapshot_ms + aws.snapshot_page_ms * pieces(self.scanned(load), SCAN_PAGE)
            }
            Worker::Extract | Worker::Extraction => return None,
        })
    }

    /// Returns the number of items of the tally that a batch of an observer writes, one after another.
    fn tally_writes(&self, observer: &Function, load: Load) -> f64 {
        if !may(observer, Verb::Tally) {
            return 0.0;
        }
        let chunks = TALLY_ITEMS.min((load.rows() / TALLY_CHUNK).ceil().max(1.0));
        chunks + if completes(observer) { END_UNITS } else { 0.0 }
    }

    fn assumptions(&self, load: Load, event_bytes: f64) -> Vec<String> {
        let mut out = vec![
            match load.skipped {
                0 => {
                    "One file, in which every row is valid; nothing is delivered twice or retried.".to_owned()
                }
                skipped => format!(
                    "One file, of which `where` leaves out {} rows in {}, and all others are valid; nothing is delivered twice \
                     or retried.",
                    grouped(skipped as f64),
                    match load.skipped_runs {
                        1 => "one run".to_owned(),
                        runs => format!("{} runs", grouped(runs as f64)),
                    }
                ),
            },
            match self.grouped(load) {
                1.0 => format!(
                    "A row has {} bytes, an event of it {}.",
                    grouped(load.bytes()),
                    grouped(event_bytes)
                ),
                rows => format!(
                    "A row has {} bytes, an event of {} of them {}.",
                    grouped(load.bytes()),
                    grouped(rows),
                    grouped(event_bytes)
                ),
            },
        ];
        out.extend(self.assumptions_of_time());
        out.extend([
            "Log lines are as long as on the local cloud; those that Lambda adds have 400 bytes an invocation.".to_owned(),
            "EventBridge sends each message to SQS by a request of its own.".to_owned(),
        ]);
        if self.keeps_tally() {
            out.push(format!(
                "A batch of the observer writes {TALLY_ITEMS} items of the tally, of {TALLY_UNITS} write units each, folding included: \
                 measured with two writers, and rows that overtake each other by up to a thousand."
            ));
        }
        if self.has_report() {
            out.push(format!(
                "An invocation of `report` takes {} ms, which is not measured. Of a file with failed rows, it also reads the object \
                 once more and writes these rows.",
                timings().aws.report_ms
            ));
        }
        if self.has_snapshot() {
            out.push(format!(
                "`snapshot` reads the table once, with no other items in it than those of the file, and deletes none; if the file lacks \
                 items, it reads the table a second time, and each deletion is a write. It takes {} ms, and {} ms for each mebibyte, which \
                 is not measured.",
                timings().aws.snapshot_ms,
                timings().aws.snapshot_page_ms
            ));
        }
        if self.observers().any(|observer| completes(observer.function)) {
            out.push(format!(
                "To find the end of the file, a batch of the observer writes {END_UNITS} unit, and the end itself {END_UNITS_OF_FILE}."
            ));
        }
        for load in self.loads() {
            let on_conflict = loading::on_conflict(load);
            if on_conflict != OnConflict::Overwrite {
                out.push(format!(
                    "With `onConflict: {}`, each row is written by a call of its own, {SINGLE_ITEMS} at the same time; each round of \
                     them takes as long as a request for {ITEMS} rows. A row whose condition fails is charged as one that is \
                     written{}.",
                    on_conflict.word(),
                    if on_conflict == OnConflict::Merge { "; an update, as the larger of the item before and after it" } else { "" }
                ));
            }
        }
        for (name, table) in self.tables() {
            if let Some(capacity) = table.capacity.provisioned() {
                let units = pieces(self.item_bytes(load), WRITE_UNIT);
                let hours = load.items() * units / capacity.write as f64 / 3_600.0;
                out.push(format!(
                    "`{name}` has {} write units, which are charged while idle: these rows take at least {} hours.",
                    capacity.write,
                    grouped(hours.ceil())
                ));
            }
        }
        out
    }

    /// Returns whether an observer keeps the tally.
    fn keeps_tally(&self) -> bool {
        self.observers().any(|observer| may(observer.function, Verb::Tally))
    }

    /// Returns whether a worker writes files about objects.
    fn has_report(&self) -> bool {
        self.stack.functions().any(|(_, function)| function.worker() == Some(Worker::Report))
    }

    /// Returns whether a worker deletes the items that a file lacks.
    fn has_snapshot(&self) -> bool {
        self.stack.functions().any(|(_, function)| function.worker() == Some(Worker::Snapshot))
    }

    /// Returns the observers.
    fn observers(&self) -> impl Iterator<Item = Consumer<'s>> {
        self.consumers().into_iter().filter(|consumer| consumer.function.worker() == Some(Worker::Observe))
    }

    /// Returns the tables that rows are written to, each once for each function that writes it.
    fn tables(&self) -> Vec<(&'s str, &'s Table)> {
        let table = |name: &'s str| match self.stack.resource(name).map(|found| &found.is) {
            Some(ResourceType::Table(table)) => Some((name, table)),
            _ => None,
        };
        self.loads().flat_map(loading::written).filter_map(|access| table(&access.resource.name)).collect()
    }
}

impl Consumer<'_> {
    /// Returns the number of events of an invocation.
    fn batch(&self) -> f64 {
        // Without a buffer EventBridge invokes the function for each event.
        if self.trigger.is_buffered() { self.trigger.batch().size as f64 } else { 1.0 }
    }
}
