//! `transform`: `record-extracted` becomes `record-transformed`.
//!
//! The event contains everything that it needs, so nothing can fail but the data and the bus. For a row that is too
//! large, the event contains the location: [`located`] reads the row.

use std::time::Duration;

use contract::settings::TransformSettings;
use contract::{Detail, FailedStage, Location, ObjectRef, Reason, RecordRef, row};
use publisher::{MAX_BYTES, Publisher, PutEvents};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::located::{self, NoFields, Objects};
use crate::mapping::Mapping;
use crate::messages::{Delivery, Handler, Malformed, Outcome};
use crate::settle::{Stage, Unfinished, Verdict};

/// The time that a call reads rows in objects. They are read one after the other, so that one alone is in memory. A
/// core parses the largest in 0.11 seconds (measured), and the 0.14 cores that come with 256 MiB of memory in 0.8; if
/// it takes as long to arrive, ten of them take 16 of the 30 seconds that an execution has by default. Where S3 is
/// slower, rows that aren't read by then are delivered again, rather than all that arrived with them.
const READING: Duration = Duration::from_secs(20);

/// The function. See the module.
#[derive(Debug)]
pub struct Transform<P, O> {
    settings: TransformSettings,
    objects: O,
    stage: Stage<P>,
    reading: Duration,
}

impl<P: PutEvents, O: Objects> Transform<P, O> {
    /// Creates the function, which transforms by `settings`, reads large rows in `objects` and publishes through
    /// `publisher`.
    pub const fn new(settings: TransformSettings, objects: O, publisher: Publisher<P>) -> Self {
        Self { settings, objects, stage: Stage::new(publisher, FailedStage::Transform), reading: READING }
    }

    /// Returns the verdict on a message; rows in objects are read until `end`.
    async fn verdict(&self, delivery: &Delivery, end: Instant) -> Verdict {
        let (object, record, headers, data, data_key, location) = match delivery.event() {
            Ok(Detail::RecordExtracted { object, record, headers, data, data_key, location }) => {
                (object, record, headers, data, data_key, location)
            }
            Ok(other) => {
                return self.stage.not_understood(delivery, Malformed::unwanted(&other, "transform"));
            }
            Err(malformed) => return self.stage.not_understood(delivery, *malformed),
        };
        match location {
            None => {
                let publish = self.rows(&object, &record, &headers, &data, data_key);
                Verdict { publish, unfinished: Vec::new() }
            }
            // Boxed: the data that it keeps while it waits would need room in every call.
            Some(location) => Box::pin(self.row_at(&location, object, record, &headers, end)).await,
        }
    }

    /// Returns the events of rows: one event, or of several rows one for each run of good ones and one for each bad
    /// one.
    fn rows(
        &self,
        object: &ObjectRef,
        record: &RecordRef,
        headers: &str,
        data: &str,
        data_key: Option<String>,
    ) -> Vec<Detail> {
        let failed = |record: RecordRef, reason, message: String| {
            self.stage.failed(Some(object.clone()), Some(record), reason, message)
        };
        let rows = row::decode(headers).and_then(|headers| Ok((headers, row::decode_all(data)?)));
        let (headers, rows) = match rows {
            Ok(rows) => rows,
            Err(error) => return vec![failed(record.clone(), Reason::MalformedEvent, error.to_string())],
        };
        if rows.len() as u64 != record.count {
            let message =
                format!("the event should contain {} rows, but contains {}", record.count, rows.len());
            return vec![failed(record.clone(), Reason::MalformedEvent, message)];
        }
        // A fault of the header is one of each of these rows, and is reported once.
        let mapping = match Mapping::new(&self.settings, &headers) {
            Ok(mapping) => mapping,
            Err((reason, message)) => return vec![failed(record.clone(), reason, message)],
        };
        let mut runs = Runs { object, data_key, out: Vec::new(), bytes: 0 };
        for (index, row) in record.rows().zip(&rows) {
            match mapping.item(row) {
                Ok(item) => runs.add(index, item),
                Err((reason, message)) => runs.out.push(failed(object.record(index), reason, message)),
            }
        }
        runs.out
    }

    /// Returns the verdict on a row that is in its object.
    async fn row_at(
        &self,
        location: &Location,
        object: ObjectRef,
        record: RecordRef,
        headers: &str,
        end: Instant,
    ) -> Verdict {
        match self.item_at(location, &object, &record, headers, end).await {
            Ok(item) => {
                let record = object.record(record.index);
                Detail::RecordTransformed { object, record, data: vec![item], data_key: None }.into()
            }
            Err(NoFields::Failed(reason, message)) => {
                self.stage.failed(Some(object), Some(record), reason, message).into()
            }
            Err(NoFields::Unfinished(cause)) => {
                let (object, record, reason) = (Some(object), Some(record), Reason::RetriesExhausted);
                Verdict {
                    publish: Vec::new(),
                    unfinished: vec![Unfinished { object, record, reason, cause }],
                }
            }
        }
    }

    async fn item_at(
        &self,
        location: &Location,
        object: &ObjectRef,
        record: &RecordRef,
        headers: &str,
        end: Instant,
    ) -> Result<Map<String, Value>, NoFields> {
        let failed = |reason, message: String| NoFields::Failed(reason, message);
        let headers =
            row::decode(headers).map_err(|error| failed(Reason::MalformedEvent, error.to_string()))?;
        if record.count != 1 {
            let message = format!("the event has a location for one row, but contains {} rows", record.count);
            return Err(failed(Reason::MalformedEvent, message));
        }
        // The task sends none then: in the object they are in clear.
        if self.settings.fields.iter().any(|field| field.sensitive) {
            let message = "a row with sensitive values cannot be read from its object".into();
            return Err(failed(Reason::NotEncrypted, message));
        }
        let mapping =
            Mapping::new(&self.settings, &headers).map_err(|(reason, message)| failed(reason, message))?;
        let read = located::fields(&self.objects, object, location, headers.len());
        let fields = timeout_at(end, read)
            .await
            .unwrap_or_else(|_| Err(NoFields::Unfinished("the row was not read in time".into())))?;
        let item = mapping.item(&fields).map_err(|(reason, message)| failed(reason, message))?;
        // In an event a byte may take six: an item that cannot fit isn't written first.
        if item.values().filter_map(Value::as_str).map(str::len).sum::<usize>() > MAX_BYTES {
            let message =
                format!("the item has more than {MAX_BYTES} bytes, which is too large for an event");
            return Err(failed(Reason::RowTooLarge, message));
        }
        Ok(item)
    }
}

/// The greatest number of bytes of items in one event, unless a single one has more: the unit that EventBridge bills,
/// with room for the rest. Names of attributes can make items much larger than the rows that they come from.
const MAX_RUN: usize = 60 * 1024;

/// A collector of items of rows that follow each other in one event.
struct Runs<'a> {
    object: &'a ObjectRef,
    data_key: Option<String>,
    out: Vec<Detail>,
    /// Bytes of the items in the last event.
    bytes: usize,
}

impl Runs<'_> {
    fn add(&mut self, index: u64, item: Map<String, Value>) {
        let bytes = serde_json::to_vec(&item).map_or(MAX_RUN, |json| json.len());
        if let Some(Detail::RecordTransformed { record, data, .. }) = self.out.last_mut()
            && self.bytes + bytes <= MAX_RUN
        {
            self.bytes += bytes;
            data.push(item);
            record.count += 1;
            return;
        }
        self.bytes = bytes;
        let (object, record): (ObjectRef, RecordRef) = (self.object.clone(), self.object.record(index));
        let data_key = self.data_key.clone();
        self.out.push(Detail::RecordTransformed { object, record, data: vec![item], data_key });
    }
}

impl<P: PutEvents, O: Objects> Handler for Transform<P, O> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let end = Instant::now() + self.reading;
        let mut verdicts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            verdicts.push(self.verdict(delivery, end).await);
        }
        self.stage.settle(deliveries, verdicts).await
    }
}

#[cfg(test)]
mod tests;
