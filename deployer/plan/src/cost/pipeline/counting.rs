//! The count of what rows cause, worker by worker.

use contract::EventKind;
use contract::metrics::METRICS;
use deployer_lang::model::ResourceType;
use deployer_lang::model::access::Verb;
use deployer_lang::model::code::Architecture;
use deployer_lang::model::function::{Events, Function, Trigger};
use deployer_lang::model::network::{Egress, Network};
use deployer_lang::model::table::TableClass;
use deployer_lang::model::worker::Worker;

use super::{
    BATCH_LINE, CALL, CHUNK, Consumer, Count, END_UNITS, END_UNITS_OF_FILE, FREE_DISK, GB, GIB,
    LEAST_SECONDS, PLATFORM_LINES, Pipeline, READ_UNIT, SCAN_PAGE, SNAPSHOT_UNITS, TALLY_CHUNK, TALLY_ITEMS,
    TALLY_UNITS, TASK_LINES, WRITE_UNIT, completes, may, pieces, writes_metrics,
};
use crate::cost::{Bill, Load};
use crate::prices::{Item, grouped, prices};
use crate::timings::timings;

/// The count under way.
pub(super) struct Counting<'p, 's> {
    pub(super) pipeline: &'p Pipeline<'s>,
    pub(super) load: Load,
    pub(super) event_bytes: f64,
    pub(super) bill: Bill,
    pub(super) log_bytes: f64,
}

impl Pipeline<'_> {
    /// Returns the bytes of the items of a file in a table that a `snapshot` reads.
    pub(super) fn scanned(&self, load: Load) -> f64 {
        load.items() * self.item_bytes(load)
    }
}

impl Counting<'_, '_> {
    fn total(&self, count: Count) -> f64 {
        count.row * self.load.rows() + count.file
    }

    /// Adds the events, and the archive that keeps them.
    pub(super) fn publish(&mut self) {
        let events = self.total(self.pipeline.events(EventKind::Any, self.load));
        self.bill.add(Item::Event, events * pieces(self.event_bytes, CHUNK));
        let Some(ResourceType::Bus(bus)) =
            self.pipeline.stack.resource(self.pipeline.bus).map(|found| &found.is)
        else {
            return;
        };
        match &bus.archive {
            Some(archive) if archive.pattern.is_none() => {
                self.bill.add(Item::ArchiveGb, events * self.event_bytes / GB);
            }
            Some(_) => self
                .bill
                .unknown("the archive: the number of events that its pattern matches", Some(Item::ArchiveGb)),
            None => {}
        }
    }

    /// Adds a function that takes events, and the queue before it.
    pub(super) fn consume(&mut self, consumer: &Consumer<'_>) {
        let name = consumer.name;
        let Events::Named(kind) = consumer.events else {
            let what = format!("`{name}`: the number of events that its pattern matches");
            return self.bill.unknown(what, Some(Item::LambdaRequest));
        };
        let events = self.total(self.pipeline.events(*kind, self.load));
        let size = consumer.batch();
        let invocations = (events / size).ceil();
        if consumer.trigger.is_buffered() {
            self.queue(events, size);
        }
        let Some(ms) = self.pipeline.invocation_ms(consumer, size, self.load) else {
            self.bill.add(Item::LambdaRequest, invocations);
            let what = format!("`{name}`: the run time, the logs and the calls of its code");
            return self.bill.unknown(what, Some(time_of(consumer.function.architecture)));
        };
        if consumer.function.worker() == Some(Worker::Observe) {
            let lines = self.pipeline.observed_bytes(*kind, self.load);
            self.log_bytes += self.total(lines);
        }
        self.invoke(name, consumer.function, invocations, ms);
        if consumer.function.worker() == Some(Worker::Load) {
            self.write(events * self.pipeline.items(self.load));
        }
        if consumer.function.worker() == Some(Worker::Observe) {
            self.tally(consumer.function, invocations);
            if writes_metrics(consumer.function) {
                // The file ends in one hour.
                self.bill.add(Item::Metric, METRICS.len() as f64 / prices().hours_of_month);
            }
        }
        if consumer.function.worker() == Some(Worker::Report) {
            // It looks for earlier results, and writes those of the file; every row is taken as valid.
            self.bill.add(Item::ObjectRead, events);
            self.bill.add(Item::ObjectWrite, events);
            if may(consumer.function, Verb::Publish) {
                // A message for people; then the results note that it was sent.
                self.bill.add(Item::Publish, events);
                self.bill.add(Item::ObjectWrite, events);
                self.bill.unknown(
                    format!("the deliveries of the messages of `{name}` to the subscribers of its topic"),
                    None,
                );
            }
        }
        if consumer.function.worker() == Some(Worker::Snapshot) {
            self.search(consumer.function, events);
        }
        self.leave(name, consumer.function.network.as_ref().map(|network| network.name.as_str()), events);
    }

    /// Adds messages through a queue: each is sent alone, and received and deleted with others.
    fn queue(&mut self, messages: f64, batch: f64) {
        let together = batch.min(CALL);
        let taken = (messages / together).ceil();
        let sends = messages * pieces(self.event_bytes, CHUNK);
        let receives = taken * pieces(self.event_bytes * together, CHUNK);
        self.bill.add(Item::QueueRequest, sends + receives + taken);
    }

    fn invoke(&mut self, name: &str, function: &Function, invocations: f64, ms: f64) {
        self.bill.add(Item::LambdaRequest, invocations);
        let memory = function.memory as f64 / GIB;
        self.bill.add(time_of(function.architecture), invocations * ms / 1_000.0 * memory);
        self.log_bytes += invocations * (BATCH_LINE + PLATFORM_LINES);
        if function.tracing {
            self.bill.unknown(format!("traces of `{name}`: X-Ray takes a sample"), None);
        }
    }

    /// Adds items in the tables.
    fn write(&mut self, rows: f64) {
        for (name, table) in self.pipeline.tables() {
            if table.capacity.provisioned().is_some() {
                // Paid for by the hour.
                continue;
            }
            let bytes = self.pipeline.item_bytes(self.load);
            let units = rows * pieces(bytes, WRITE_UNIT) * (1 + table.indexes.len()) as f64;
            match table.class {
                TableClass::Standard => self.bill.add(Item::TableWrite, units),
                TableClass::InfrequentAccess => {
                    let units = grouped(units);
                    self.bill.unknown(format!("{units} write units of `{name}`, in its table class"), None);
                }
            }
        }
    }

    /// Adds the search for items that a file lacks: the table is read once, and the place is noted after each page.
    fn search(&mut self, function: &Function, files: f64) {
        let bytes = self.pipeline.scanned(self.load);
        let notes = SNAPSHOT_UNITS + pieces(bytes, SCAN_PAGE);
        for access in &function.access {
            let name = &access.resource.name;
            let Some(ResourceType::Table(table)) = self.pipeline.stack.resource(name).map(|found| &found.is)
            else {
                continue;
            };
            let (item, units) = match access.verb {
                Verb::Read => (Item::TableRead, files * pieces(bytes, READ_UNIT)),
                Verb::Tally => (Item::TableWrite, files * notes),
                _ => continue,
            };
            match (table.capacity.provisioned(), table.class) {
                (Some(_), _) => {}
                (None, TableClass::Standard) => self.bill.add(item, units),
                (None, TableClass::InfrequentAccess) => {
                    let what = if item == Item::TableRead { "read" } else { "write" };
                    let units = grouped(units);
                    self.bill.unknown(format!("{units} {what} units of `{name}`, in its table class"), None);
                }
            }
        }
    }

    /// Adds the tally: each batch of the observer writes the items of the rows that it is about.
    fn tally(&mut self, function: &Function, batches: f64) {
        for access in function.access.iter().filter(|access| access.verb == Verb::Tally) {
            let name = &access.resource.name;
            let Some(ResourceType::Table(table)) = self.pipeline.stack.resource(name).map(|found| &found.is)
            else {
                continue;
            };
            let chunks = TALLY_ITEMS.min((self.load.rows() / TALLY_CHUNK).ceil().max(1.0));
            // The summary is written when the first events come, and when the object has been read.
            let mut units = batches * chunks * TALLY_UNITS + 2.0;
            if completes(function) {
                units += batches * END_UNITS + END_UNITS_OF_FILE;
            }
            if self.pipeline.has_report() {
                // The task notes how it reads the file.
                units += 1.0;
            }
            match (table.capacity.provisioned(), table.class) {
                (Some(_), _) => {}
                (None, TableClass::Standard) => self.bill.add(Item::TableWrite, units),
                (None, TableClass::InfrequentAccess) => {
                    let units = grouped(units);
                    self.bill.unknown(format!("{units} write units of `{name}`, in its table class"), None);
                }
            }
        }
    }

    /// Adds the start of the task: a message of S3, and one invocation.
    pub(super) fn start(&mut self) {
        for (name, function) in self.pipeline.starters() {
            if function.triggers.iter().any(|trigger| matches!(trigger, Trigger::Queue { .. })) {
                self.queue(1.0, 1.0);
            }
            // The function that reads the file takes as long for a row as the task.
            let read = match self.pipeline.is_inlined(self.load) {
                true => self.load.rows() / self.pipeline.inlined(function, self.load),
                false => 0.0,
            };
            self.invoke(name, function, 1.0, timings().aws.extract_ms + read * 1_000.0);
        }
    }

    /// Adds the file, and the task that reads it unless the function does.
    pub(super) fn read(&mut self) {
        if !self.pipeline.is_inlined(self.load) {
            self.run_task();
        }
        // A file that is uploaded in parts has a few more.
        self.bill.add(Item::ObjectWrite, 1.0);
        self.bill.add(Item::ObjectRead, 1.0);
    }

    fn run_task(&mut self) {
        let task = self.pipeline.task;
        let seconds = (timings().aws.task_start + self.load.rows() / self.pipeline.extraction(self.load))
            .max(LEAST_SECONDS);
        let hours = seconds / 3_600.0;
        if task.spot {
            let what = format!(
                "`{}`: Fargate Spot has no fixed price; at most that of on demand",
                self.pipeline.name
            );
            self.bill.unknown(what, Some(Item::FargateVcpuHourX86));
        } else {
            let (vcpu, memory) = match task.architecture {
                Architecture::X86_64 => (Item::FargateVcpuHourX86, Item::FargateGbHourX86),
                Architecture::Arm64 => (Item::FargateVcpuHourArm, Item::FargateGbHourArm),
            };
            self.bill.add(vcpu, hours * task.cpu as f64 / 1_024.0);
            self.bill.add(memory, hours * task.memory as f64 / GIB);
            self.bill.add(Item::FargateStorageGbHour, hours * (task.disk as f64 / GIB - FREE_DISK));
        }
        if let Some(ResourceType::Network(network)) =
            self.pipeline.stack.resource(&task.network.name).map(|found| &found.is)
            && network.is_public()
        {
            self.bill.add(Item::PublicIpv4Hour, hours);
        }
        let events = self.total(self.pipeline.events(EventKind::RecordExtracted, self.load));
        self.leave(self.pipeline.name, Some(&task.network.name), events);
        self.log_bytes += TASK_LINES;
    }

    /// Adds the traffic that leaves a private network on the way to the bus.
    fn leave(&mut self, name: &str, network: Option<&str>, events: f64) {
        let network = network.and_then(|name| self.pipeline.stack.resource(name)).map(|found| &found.is);
        let gb = events * self.event_bytes / GB;
        match network {
            Some(ResourceType::Network(Network::New(new))) => match new.egress {
                Egress::Public => {}
                Egress::Nat => self.bill.add(Item::NatGatewayGb, gb),
                Egress::Endpoints => self.bill.add(Item::InterfaceEndpointGb, gb),
            },
            Some(ResourceType::Network(Network::Existing(existing))) if !existing.public => {
                self.bill.unknown(
                    format!("the traffic of `{name}` out of its network, which is not part of this stack"),
                    None,
                );
            }
            _ => {}
        }
    }

    /// Adds the data that the rows leave.
    pub(super) fn keep(&self, kept: &mut Bill) {
        kept.add(Item::ObjectStoredGb, self.load.rows() * self.load.bytes() / GB);
        let items = self.load.items() * (self.load.bytes() + self.pipeline.names()) / GB;
        for (name, table) in self.pipeline.tables() {
            match table.class {
                TableClass::Standard => kept.add(Item::TableStoredGb, items),
                TableClass::InfrequentAccess => {
                    kept.unknown(format!("the items of `{name}`, in its table class"), None);
                }
            }
            if table.point_in_time_recovery {
                kept.add(Item::TableRecoveryGb, items);
            }
            if !table.indexes.is_empty() {
                kept.unknown(format!("the data in the indexes of `{name}`"), Some(Item::TableStoredGb));
            }
        }
        if let Some(ResourceType::Bus(bus)) =
            self.pipeline.stack.resource(self.pipeline.bus).map(|found| &found.is)
            && let Some(archive) = &bus.archive
        {
            let events = self.total(self.pipeline.events(EventKind::Any, self.load));
            match archive.pattern {
                None => kept.add(Item::ArchiveStoredGb, events * self.event_bytes / GB),
                Some(_) => {
                    kept.unknown("the events that the archive's pattern matches", Some(Item::ArchiveStoredGb))
                }
            }
        }
        kept.unknown("the published code and images", Some(Item::ImageStoredGb));
    }

    /// Adds the parts of the file that rows don't go through, as unknown.
    pub(super) fn leave_out(&mut self) {
        let stack = self.pipeline.stack;
        for resource in &stack.resources {
            let name = &resource.name;
            match &resource.is {
                // No row fails, by the assumptions.
                ResourceType::Rule(rule)
                    if rule.enabled
                        && rule.bus.name == self.pipeline.bus
                        && rule.events != Events::Named(EventKind::Failed) =>
                {
                    self.bill
                        .unknown(format!("the events that the rule `{name}` delivers to its targets"), None);
                }
                ResourceType::Key(_) => {
                    let what = format!("how often services use the key `{name}` for rows");
                    self.bill.unknown(what, Some(Item::KeyRequest));
                }
                ResourceType::Function(function) => {
                    let tables = self.pipeline.tables();
                    let follows = |trigger: &Trigger| match trigger {
                        Trigger::Table { table, .. } => tables.iter().any(|(name, _)| *name == table.name),
                        _ => false,
                    };
                    if function.triggers.iter().any(follows) {
                        let what = format!("the work of `{name}` on the changes of its table");
                        self.bill.unknown(what, Some(Item::LambdaRequest));
                    }
                }
                ResourceType::Task(task)
                    if task.image.worker() == Some(Worker::Extraction) && *name != self.pipeline.name =>
                {
                    self.bill.unknown(format!("rows that the task `{name}` reads"), None);
                }
                _ => {}
            }
        }
    }
}

const fn time_of(architecture: Architecture) -> Item {
    match architecture {
        Architecture::X86_64 => Item::LambdaGbSecondX86,
        Architecture::Arm64 => Item::LambdaGbSecondArm,
    }
}
